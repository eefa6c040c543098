"""Real masters at simulated meters: TCP and PTY in real time, with pyMeterBus as the witness."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import meterbus
import pytest
import serial
import simpy

from simulators import endpoints, population
from simulators.network import Network

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

NKE_A, REQ_A = bytes.fromhex("1040054516"), bytes.fromhex("107B058016")
TELEGRAM_LENGTH = 42
#: How long a test waits for something that must come, in seconds.
PATIENCE_S = 10.0


class Simulation:
    """A simulated network served by an event loop in a thread of its own."""

    def __init__(self, meters: str = "worked-examples", *, baudrate: int = 2400) -> None:
        self.network = Network(simpy.Environment(), population.load(meters), baudrate=baudrate)
        self.errors = list[dict[str, Any]]()
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _loop, context: self.errors.append(context))
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._opened = list[endpoints.Endpoint]()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop and wait for its end."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)

    def serve(self, where: str, speed: float = 20.0) -> str:
        """Open the network; returns where."""
        endpoint: endpoints.Endpoint = self.run(endpoints.serve(self.network, where, speed=speed))
        self._opened.append(endpoint)
        return endpoint.where

    def url(self, speed: float = 20.0) -> str:
        """Serve TCP on a free port; returns the URL for pyserial."""
        return "socket://" + self.serve("tcp:127.0.0.1:0", speed).removeprefix("tcp:")

    def close(self) -> None:
        """End everything; errors that were only logged fail the test."""
        for endpoint in self._opened:
            self.run(endpoint.close())
        if self.network.clock is not None:
            self._loop.call_soon_threadsafe(self.network.clock.stop)
        self.run(asyncio.sleep(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
        assert self.errors == []


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """The worked examples in real time."""
    running = Simulation()
    yield running
    running.close()


def poll(port: Any, request: bytes = REQ_A, length: int = TELEGRAM_LENGTH) -> bytes:
    """Send a request and read its answer."""
    port.write(request)
    answer: bytes = port.read(length)
    return answer


def opened(url: str) -> Any:
    """A serial port as a master opens it; a PTY carries no parity, so none is asked for."""
    return serial.serial_for_url(url, 2400, timeout=PATIENCE_S)


@pytest.mark.parametrize("kind", ["tcp", "pty"])
def test_an_independent_master_reads_a_meter(
    simulation: Simulation, tmp_path: Path, kind: str
) -> None:
    """PyMeterBus selects and reads meter A over TCP and PTY, and decodes what the meter said."""
    link = tmp_path / "ttyMB"
    url = simulation.url() if kind == "tcp" else simulation.serve(f"pty:{link}")[4:]
    with contextlib.closing(opened(url)) as port:
        meterbus.send_ping_frame(port, 5)
        assert port.read(1) == b"\xe5"
        meterbus.send_select_frame(port, "66600106FFFFFFFF")
        assert port.read(1) == b"\xe5"
        meterbus.send_request_frame(port, 253)
        frame = meterbus.load(meterbus.recv_frame(port, 1))
    assert frame.body.bodyHeader.id_nr == [0x66, 0x60, 0x01, 0x06]
    values = [float(record.parsed_value) for record in frame.records[:3]]
    assert values == pytest.approx([267_000, -12.34, 123_456.78])
    assert [item.integer for item in simulation.network.meters["a"].expected] == [
        267,
        -1234,
        12345678,
    ]


def test_pymeterbus_reads_a_multi_telegram_meter() -> None:
    """By toggling the frame count bit the witness gets all three telegrams, then the first."""
    running = Simulation("demo", baudrate=9600)
    try:
        with contextlib.closing(opened(running.url())) as port:
            meterbus.send_select_frame(port, "00428670FFFFFFFF")
            assert port.read(1) == b"\xe5"
            meterbus.send_request_frame_multi(port, 253)
            frames = [meterbus.load(meterbus.recv_frame(port, 1))]
            while frames[-1].more_records_follow and len(frames) < 5:
                req = meterbus.TelegramShort()
                req.header.cField.parts = [0x5B if len(frames) % 2 else 0x7B]
                req.header.aField.parts = [253]
                meterbus.send_request_frame_multi(port, req=req)
                frames.append(meterbus.load(meterbus.recv_frame(port, 1)))
        assert len(frames) == 3
        assert len(running.network.meters["board"].expected) >= 30
    finally:
        running.close()


def test_no_character_is_early(simulation: Simulation) -> None:
    """At speed 1 an answer takes at least the time that its characters take on the wire."""
    with contextlib.closing(opened(simulation.url(speed=1.0))) as port:
        begin = time.monotonic()
        assert len(poll(port)) == TELEGRAM_LENGTH
        took_s = time.monotonic() - begin
    # The request, at least 11 bits until the answer, and the answer.
    wire_s = (5 * 11 + 11 + TELEGRAM_LENGTH * 11) / 2400
    assert took_s >= wire_s


def test_characters_come_one_after_the_other(simulation: Simulation) -> None:
    """An answer is paced: its first characters are there long before its last ones.

    A busy host may wake this test late, when everything has arrived; so one of five polls must
    show the pace.
    """
    rest_s = []
    with contextlib.closing(opened(simulation.url(speed=1.0))) as port:
        for _ in range(5):
            port.write(REQ_A)
            assert port.read(1) == b"\x68"
            first = time.monotonic()
            assert len(port.read(TELEGRAM_LENGTH - 1)) == TELEGRAM_LENGTH - 1
            rest_s.append(time.monotonic() - first)
            if rest_s[-1] >= 0.8 * (TELEGRAM_LENGTH - 1) * 11 / 2400:
                return
    pytest.fail(f"the rest of the answer took only {rest_s} s")


def test_a_second_master_is_turned_away_at_once(simulation: Simulation) -> None:
    """One master at a time: the second connection is closed without a byte, the first goes on."""
    url = simulation.url()
    host, port_number = url.removeprefix("socket://").split(":")

    async def second() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port_number))
        data = await reader.read()
        writer.close()
        return data

    with contextlib.closing(opened(url)) as port:
        assert poll(port, NKE_A, 1) == b"\xe5"
        assert asyncio.run(second()) == b""
        assert len(poll(port)) == TELEGRAM_LENGTH


def test_after_a_master_has_vanished_the_next_one_is_served(simulation: Simulation) -> None:
    """A connection that dies in the middle of an answer leaves the endpoint ready."""
    url = simulation.url(speed=1.0)
    port = opened(url)
    port.write(REQ_A)
    assert port.read(1) == b"\x68"
    # A reset instead of an orderly end, as of a process that was killed.
    port._socket.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    port.close()
    deadline = time.monotonic() + PATIENCE_S
    while True:
        # What is left of the old answer passes by; ask until the answer is a whole one.
        with contextlib.suppress(serial.SerialException), contextlib.closing(opened(url)) as port:
            if poll(port)[:4] == b"\x68\x24\x24\x68":
                return
        assert time.monotonic() < deadline


def test_masters_may_follow_each_other_closely(simulation: Simulation) -> None:
    """One that connects the moment another has gone is served, not turned away."""
    url = simulation.url()
    for _ in range(20):
        with opened(url) as port:
            assert poll(port) != b""


def test_a_half_closed_master_still_gets_its_answer(simulation: Simulation) -> None:
    """Who closes the sending side after a request reads the answer and then the end."""
    host, port_number = simulation.url().removeprefix("socket://").split(":")

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port_number))
        writer.write(REQ_A)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE_S):
            data = await reader.read()
        writer.close()
        return data

    assert len(asyncio.run(ask())) == TELEGRAM_LENGTH
    assert len(asyncio.run(ask())) == TELEGRAM_LENGTH


def test_a_pty_survives_its_clients(simulation: Simulation, tmp_path: Path) -> None:
    """A client may close and open the terminal by its stable name as often as it likes."""
    link = tmp_path / "ttyMB"
    simulation.serve(f"pty:{link}")
    for _ in range(3):
        with contextlib.closing(opened(str(link))) as port:
            assert len(poll(port)) == TELEGRAM_LENGTH
    assert link.is_symlink()


def test_a_pty_carries_every_byte_unchanged(simulation: Simulation, tmp_path: Path) -> None:
    """The terminal is raw: no echo, no translation of line ends or control characters."""
    link = tmp_path / "ttyMB"
    simulation.serve(f"pty:{link}")
    with contextlib.closing(opened(str(link))) as port:
        port.write(bytes(range(256)))
        assert len(poll(port)) == TELEGRAM_LENGTH
        assert port.in_waiting == 0


def test_a_leftover_link_is_replaced_and_a_living_one_is_not(
    simulation: Simulation, tmp_path: Path
) -> None:
    """A link that leads nowhere is from a crash; anything else at that name is kept."""
    link = tmp_path / "ttyMB"
    link.symlink_to(tmp_path / "gone")
    simulation.serve(f"pty:{link}")
    assert link.exists()
    with pytest.raises(endpoints.EndpointError, match="File exists"):
        simulation.serve(f"pty:{link}")
    plain = tmp_path / "plain"
    plain.write_text("mine")
    with pytest.raises(endpoints.EndpointError, match="cannot make pty:"):
        simulation.serve(f"pty:{plain}")
    assert plain.read_text() == "mine"


def test_closing_removes_the_link(tmp_path: Path) -> None:
    """Nothing is left of a PTY endpoint."""
    running = Simulation()
    link = tmp_path / "ttyMB"
    running.serve(f"pty:{link}")
    before = str(link.readlink())
    assert before.startswith("/dev/")
    running.close()
    assert not link.is_symlink()


def test_a_port_in_use_is_named(simulation: Simulation) -> None:
    """The error says which address cannot be had, and why."""
    where = simulation.serve("tcp:127.0.0.1:0")
    with pytest.raises(endpoints.EndpointError, match=rf"cannot listen on {where}: .*in use"):
        simulation.serve(where)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("can:1", "pty:PATH, tcp:HOST:PORT, udp:"),
        ("udp:1", "udp:HOST:PORT"),
        ("rfc2217:localhost:x", "rfc2217:HOST:PORT"),
        ("tcp:", "pty:PATH"),
        ("tcp:4000", "tcp:HOST:PORT"),
        ("tcp:localhost:port", "tcp:HOST:PORT"),
        ("tcp:localhost:70000", "65535"),
    ],
)
def test_a_place_that_is_none_is_refused(simulation: Simulation, where: str, words: str) -> None:
    """The message shows what a place looks like."""
    with pytest.raises(ValueError, match=words):
        simulation.serve(where)


def test_all_endpoints_share_one_clock(simulation: Simulation) -> None:
    """A bus has one time: a second speed is refused."""
    simulation.serve("tcp:127.0.0.1:0", 2.0)
    with pytest.raises(ValueError, match=r"speed 2\.0 already"):
        simulation.serve("tcp:127.0.0.1:0", 3.0)


def test_a_flood_is_bounded(simulation: Simulation) -> None:
    """More than a converter's buffer is lost, and the bus answers again once it is through."""
    with contextlib.closing(opened(simulation.url(speed=1000.0))) as port:
        port.write(bytes(100_000))
        deadline = time.monotonic() + PATIENCE_S
        port.timeout = 0.3
        while len(poll(port)) < TELEGRAM_LENGTH:
            assert time.monotonic() < deadline
