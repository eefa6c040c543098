"""``meterbench simulate`` as a process: what it prints, how it ends, what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import serial
from scapy.utils import PcapNgReader

from simulators import population

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 20.0


def start(*arguments: str) -> subprocess.Popen[str]:
    """Run the command with `arguments`."""
    path = os.pathsep.join([entry for entry in sys.path if entry])
    return subprocess.Popen(
        [sys.executable, "-m", "simulators.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def refused(*arguments: str) -> str:
    """What the command says on standard error before it ends with exit code 2."""
    process = start(*arguments)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "Traceback" not in errors
    return errors


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Any, Path]]:
    """A running simulation, a port to it, and its trace."""
    trace = tmp_path / "trace.jsonl"
    process = start(
        "worked-examples", "--listen", "tcp:127.0.0.1:0", "--speed", "20", "--trace", str(trace),
        "--verbose",
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("2 meters of 'worked-examples' at 2400 Bd, speed 20: listening on tcp:")
    url = "socket://" + line.rsplit("tcp:", 1)[1].strip()
    with serial.serial_for_url(url, timeout=PATIENCE_S) as port:
        yield process, port, trace
    process.kill()
    process.communicate(timeout=PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_prints_traces_and_stops(
    running: tuple[subprocess.Popen[str], Any, Path], number: signal.Signals
) -> None:
    """A selection is printed and traced; a signal ends the command cleanly."""
    process, port, trace = running
    port.write(bytes.fromhex("680B0B6853FD5206016066A73202044E16"))
    assert port.read(1) == b"\xe5"
    process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert errors == ""
    assert "select 06016066a7320204: 1 meters" in output
    assert output.endswith("stopped\n")
    seen = [json.loads(line) for line in trace.read_text().splitlines()]
    seen = [item for item in seen if item["path"] != "bus.current"]
    assert [item["path"] for item in seen[:2]] == ["bus.frame", "bus.selection"]
    assert seen[0]["evidence"]["direction"] == "master"


def test_it_captures_and_lets_itself_be_controlled(tmp_path: Path) -> None:
    """With --pcap every frame is in the file; --control says where it listens, and answers."""
    capture = tmp_path / "bus.pcapng"
    process = start(
        "worked-examples", "--listen", "tcp:127.0.0.1:0", "--listen", "udp:127.0.0.1:0",
        "--speed", "20", "--pcap", str(capture), "--control", "0",
    )  # fmt: skip
    try:
        assert process.stdout is not None
        places = process.stdout.readline().rsplit("listening on ", 1)[1].strip().split(", ")
        assert [place.split(":")[0] for place in places] == ["tcp", "udp"]
        url = process.stdout.readline().removeprefix("control on ").strip()
        with urllib.request.urlopen(f"{url}meters", timeout=PATIENCE_S) as answer:
            assert [meter["id"] for meter in json.load(answer)] == ["a", "b"]
        tcp = "socket://" + places[0].removeprefix("tcp:")
        with serial.serial_for_url(tcp, timeout=PATIENCE_S) as port:
            port.write(bytes.fromhex("1040054516"))
            assert port.read(1) == b"\xe5"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    with PcapNgReader(str(capture)) as reader:
        assert [bytes(packet).hex() for packet in reader] == ["1040054516", "e5"]


def test_the_schema_is_printed() -> None:
    """``--schema`` needs neither a population nor a place to listen."""
    process = start("--schema")
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (0, "")
    assert output == population.schema_text()


def test_a_population_with_mistakes_is_refused(tmp_path: Path) -> None:
    """File, line and column, exit code 2, no traceback."""
    path = tmp_path / "p.yaml"
    path.write_text("meters:\n  - {id: m, profle: gas}\n")
    errors = refused(str(path), "--listen", "tcp:127.0.0.1:0")
    assert "p.yaml:2:13: unknown key 'profle'; did you mean 'profile'?" in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere", "--listen", "tcp:127.0.0.1:0"), "no such file"),
        (("demo", "--listen", "tpc:127.0.0.1:0"), "pty:PATH, tcp:HOST:PORT, udp:"),
        (("demo", "--listen", "tcp:127.0.0.1:0", "--baudrate", "1000"), "got 1000"),
        (("demo", "--listen", "tcp:127.0.0.1:0", "--speed", "0"), "speed must be above 0"),
        (("demo", "--listen", "tcp:127.0.0.1:0", "--trace", "/nowhere/x"), "/nowhere/x"),
        (("demo", "--listen", "tcp:127.0.0.1:0", "--pcap", "/nowhere/x"), "/nowhere/x"),
        (("demo", "--listen", "tcp:127.0.0.1:0", "--control", "x"), "want PORT or HOST:PORT"),
        (("demo", "--listen", "rfc2217:127.0.0.1"), "rfc2217:HOST:PORT"),
        (("demo", "--listen", "pty:/nowhere/x"), "cannot make pty:/nowhere/x"),
        (("demo",), "listen"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments: tuple[str, ...], words: str) -> None:
    """Wrong usage is one clear line and exit code 2."""
    assert words in refused(*arguments)
