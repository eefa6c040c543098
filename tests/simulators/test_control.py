"""The control of a running simulation: what it shows, what it changes, what it refuses."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from simulators import control, http_server
from tests.simulators.test_endpoints import PATIENCE_S, REQ_A, Simulation, opened, poll

if TYPE_CHECKING:
    from collections.abc import Iterator


class Controlled(Simulation):
    """A simulation with its control, and a client of it."""

    def __init__(self) -> None:
        super().__init__()
        self.port = self.url()
        self._server: http_server.HttpServer = self.run(control.serve(self.network, "0"))

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The document that answers a request; an error's too."""
        host, port = self._server.address
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://{host}:{port}{path}",
            data=data if body is not None else None,
            method=method,
            headers=headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return {"status": error.code} | json.load(error)

    def raw(self, data: bytes) -> bytes:
        """What comes for bytes that need not be a request, up to the end."""
        with socket.create_connection(self._server.address, PATIENCE_S) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            heard = b""
            try:
                while chunk := connection.recv(4096):
                    heard += chunk
            except ConnectionError:
                # The rest of an oversized request was thrown away unread, which TCP tells so.
                return heard
            return heard

    def close(self) -> None:
        """End the control, then the rest."""
        self.run(self._server.close())
        super().close()


@pytest.fixture
def simulation() -> Iterator[Controlled]:
    """The worked examples in real time, with their control."""
    running = Controlled()
    yield running
    running.close()


def test_it_shows_what_runs(simulation: Controlled) -> None:
    """Population, meters in file order, one meter with its records and what it sent last."""
    assert simulation.ask("GET", "/") == {
        "population": "worked-examples",
        "meters": 2,
        "baudrate": 2400,
        "now_ns": simulation.ask("GET", "/")["now_ns"] or 0,
        "speed": 20.0,
        "selected": [],
    } | {"now_ns": pytest.approx(0, abs=PATIENCE_S * 20e9)}
    meters = simulation.ask("GET", "/meters")
    assert [meter["id"] for meter in meters] == ["a", "b"]
    assert meters[0]["identification_number"] == "66600106"
    with opened(simulation.port) as port:
        assert poll(port)
    meter = simulation.ask("GET", "/meters/a")
    assert meter["read_outs"] == 1
    assert [record["vib"] for record in meter["records"]] == ["06", "59", "14", "6D"]
    assert meter["records"][1]["data"] == "2E FB"
    assert [reading["integer"] for reading in meter["last_read_out"]] == [267, -1234, 12345678]


def test_power_can_be_switched(simulation: Controlled) -> None:
    """A meter that is switched off answers nothing until it is switched on again."""
    with opened(simulation.port) as port:
        assert simulation.ask("PUT", "/meters/a/power", {"on": False})["powered"] is False
        port.timeout = 0.3
        assert poll(port) == b""
        assert simulation.ask("PUT", "/meters/a/power", {"on": True})["powered"] is True
        port.timeout = PATIENCE_S
        assert poll(port)


def test_a_value_can_be_changed(simulation: Controlled) -> None:
    """From now on the record says something else; what was sent before stays what it was."""
    with opened(simulation.port) as port:
        poll(port)
        simulation.ask("PUT", "/meters/a/records/0/value", {"value": 4711})
        assert bytes.fromhex("0B06114700") in poll(port)
    first, second = simulation.network.meters["a"].expected_history
    assert (first.readings[0].integer, second.readings[0].integer) == (267, 4711)


def test_faults_can_be_set_and_taken_away(simulation: Controlled) -> None:
    """A fault has its parameters, shows on the wire and in the list, and goes again."""
    assert "bad_checksum" in simulation.ask("GET", "/faults")
    with opened(simulation.port) as port:
        sound = poll(port)
        assert simulation.ask("PUT", "/meters/a/faults/bad_checksum", {"by": 2})["faults"] == [
            "bad_checksum"
        ]
        broken = poll(port)
        assert sum(broken[4:-2]) + 2 & 0xFF == broken[-2]
        assert simulation.ask("DELETE", "/meters/a/faults/bad_checksum")["faults"] == []
        assert len(poll(port, REQ_A)) == len(sound)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/nowhere", None, 404, "nothing at"),
        ("GET", "/meters/c", None, 404, "no meter is called 'c'"),
        ("GET", "/meters/a/nothing", None, 404, "nothing at"),
        ("DELETE", "/meters", None, 405, "want GET here"),
        ("PATCH", "/meters", None, 405, "want one of DELETE, GET"),
        ("PUT", "/meters/a/power", {"on": 1}, 400, "want true or false"),
        ("PUT", "/meters/a/power", {}, 400, "the key 'on' alone"),
        ("PUT", "/meters/a/power", [], 400, "the key 'on' alone"),
        ("PUT", "/meters/a/power", b"{", 400, "no JSON"),
        ("PUT", "/meters/a/faults/bad_sum", {}, 404, "no fault of a meter"),
        ("PUT", "/meters/a/faults/late", {"bye": 1}, 400, "bye"),
        ("PUT", "/meters/a/faults/late", [1], 400, "JSON object"),
        ("PUT", "/meters/a/records/9/value", {"value": 1}, 404, "from 0 to 3"),
        ("PUT", "/meters/a/records/x/value", {"value": 1}, 404, "from 0 to 3"),
        ("PUT", "/meters/a/records/0/value", {"value": 1.5}, 400, "whole number"),
        ("PUT", "/meters/a/records/0/value", {"value": {"start": 1, "evry": "1 s"}}, 400, "evry"),
        ("PUT", "/meters/a/records/0/value", {"value": 10_000_000}, 400, "does not fit"),
        ("PUT", "/meters/a/records/0/value", {"value": {"start": 999_999}}, 200, ""),
        ("PUT", "/meters/b/records/0/value", {"value": "longer than before"}, 400, "as long as"),
        ("PUT", "/meters/a/power", b" " * 70_000, 413, "at most 65536"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(
    simulation: Controlled, method: str, path: str, body: Any, status: int, words: str
) -> None:
    """Every mistake is a 4xx answer that names what was expected, and changes nothing."""
    answer = simulation.ask(method, path, body)
    assert answer.get("status", 200) == status
    assert words in answer.get("error", "")
    assert simulation.network.meters["a"].powered


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (b"", b"HTTP/1.1 400"),
        (b"hello\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nno header\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"HTTP/1.1 403"),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 403"),
        (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\nOrigin: null\r\n\r\n", b"HTTP/1.1 403"),
        (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"HTTP/1.1 200"),
        (b"GET / HTTP/1.0\r\nHost: localhost:80\r\n\r\n", b"HTTP/1.1 200"),
        (b"GET / HTTP/1.1\r\nHost: ::\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 40"),
        (b"GET / HTTP/1.1\r\nHost: 1.1.1.1\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 400"),
        (b"PUT / HTTP/1.1\r\nHost: 1.1.1.1\r\nContent-Length: 5\r\n\r\n{}", b"HTTP/1.1 400"),
        (b"PUT / HTTP/1.1\r\nHost: 1.1.1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 411"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", b"HTTP/1.1 431"),
    ],
)
def test_what_is_no_request_is_refused(simulation: Controlled, data: bytes, start: bytes) -> None:
    """Garbage, browsers, oversized and unfinished requests get a 4xx answer, never silence."""
    assert simulation.raw(data).startswith(start)


@pytest.mark.parametrize(
    ("text", "address"),
    [("8080", ("127.0.0.1", 8080)), ("0.0.0.0:1", ("0.0.0.0", 1)), ("[::1]:5", ("::1", 5))],
)
def test_it_is_on_loopback_unless_told_otherwise(text: str, address: tuple[str, int]) -> None:
    """A port alone is reached from this host only."""
    assert control.place(text) == address


@pytest.mark.parametrize("text", ["x", "localhost", "1.2.3.4:", "70000", ":-1"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    """The message shows what a place looks like."""
    with pytest.raises(ValueError, match="HOST:PORT"):
        control.place(text)


# --- The line ---------------------------------------------------------------------------------


def test_faults_of_the_line_are_switched(simulation: Controlled) -> None:
    """An echo that a master hears, a converter that hangs, and both gone again."""
    assert simulation.ask("GET", "/line")["faults"] == {}
    shown = simulation.ask("PUT", "/line/faults/echo", {})
    assert shown["faults"] == {"echo": {}}
    with opened(simulation.port) as port:
        assert poll(port, length=len(REQ_A)) == REQ_A
        simulation.ask("DELETE", "/line/faults/echo")
        shown = simulation.ask("PUT", "/line/faults/converter_mute", {})
        assert (shown["converter"], shown["faults"]) == ("mute", {"converter_mute": {}})
    shown = simulation.ask("DELETE", "/line/faults/converter_mute")
    assert (shown["converter"], shown["faults"]) == ("working", {})


def test_a_fault_of_the_line_that_is_none_is_refused(simulation: Controlled) -> None:
    """A name that there is not, a parameter out of its range, a method that means nothing."""
    answer = simulation.ask("PUT", "/line/faults/lift", {})
    assert (answer["status"], "error_bursts" in answer["error"]) == (404, True)
    answer = simulation.ask("PUT", "/line/faults/bit_errors", {"rate": 2})
    assert (answer["status"], "rate" in answer["error"]) == (400, True)
    assert simulation.ask("POST", "/line/faults/echo", {})["status"] == 405
    assert simulation.ask("GET", "/line")["faults"] == {}


def test_it_names_the_faults_of_the_line(simulation: Controlled) -> None:
    """With their parameters, and how real they are."""
    known = simulation.ask("GET", "/line/faults")
    assert "Realism" in known["converter_gone"]["description"]
    assert "rate" in known["bit_errors"]["properties"]
