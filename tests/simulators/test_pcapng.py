"""Captures: read back by scapy, and by tshark with the dissector that comes with them."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import simpy
from scapy.utils import PcapNgReader

from simulators import pcapng, population
from simulators.characters import Format
from simulators.network import Network
from simulators.observation import Observation

EPOCH = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
DISSECTOR = Path(pcapng.__file__).parent / "mbus.lua"
SELECT_A = "680B0B6853FD5206016066A73202044E16"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A selection, its acknowledgement, a request, its telegram, and noise of the master."""
    path = tmp_path / "bus.pcapng"
    env = simpy.Environment()
    network = Network(env, population.load("worked-examples"))
    with path.open("wb") as file:
        network.subscribe(pcapng.Capture(file, EPOCH).observe)
        for request in (SELECT_A, "107BFD7816", "FF00"):
            network.bus.send("master", bytes.fromhex(request), Format(2400))
            env.run()
    return path


def test_an_independent_reader_finds_every_frame(capture: Path) -> None:
    """Scapy reads the packets with the characters of the wire, its times and the senders."""
    with PcapNgReader(str(capture)) as reader:
        packets = list(reader)
    assert [bytes(packet)[:1].hex() for packet in packets] == ["68", "e5", "10", "68", "ff"]
    assert [packet.comment for packet in packets[:4]] == [
        b"master", b"meter a", b"master", b"meter a",
    ]  # fmt: skip
    times = [packet.time for packet in packets]
    assert times == sorted(times)
    # The selection is 17 characters of 11 bits at 2400 Bd.
    assert float(times[0]) == pytest.approx(EPOCH.timestamp() + 17 * 11 / 2400, abs=1e-6)


def test_only_frames_are_captured(tmp_path: Path) -> None:
    """What else a network sees is no packet."""
    path = tmp_path / "empty.pcapng"
    with path.open("wb") as file:
        pcapng.Capture(file, EPOCH).observe(Observation(5, "bus.collision", ["a", "b"]))
    with PcapNgReader(str(path)) as reader:
        assert list(reader) == []


@pytest.mark.needs("tshark")
def test_tshark_prints_c_a_and_ci(capture: Path) -> None:
    """With our dissector tshark shows the fields of every frame, and names what is none."""
    fields = ["mbus.c", "mbus.a", "mbus.ci", "mbus.id", "_ws.col.Info"]
    done = subprocess.run(
        ["tshark", "-X", f"lua_script:{DISSECTOR}", "-r", str(capture), "-T", "fields"]
        + [word for field in fields for word in ("-e", field)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Lua: Error" not in done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows == [
        ["0x53", "253", "0x52", "66600106", "SND_UD to 253, select"],
        ["", "", "", "", "acknowledge"],
        ["0x7b", "253", "", "", "REQ_UD2 to 253"],
        ["0x08", "5", "0x72", "66600106", "RSP_UD from 5, variable data structure"],
        ["", "", "", "", "not a frame: FF00"],
    ]


def test_the_dissector_comes_with_the_package() -> None:
    """A user finds it without the source tree."""
    assert "DissectorTable" in pcapng.dissector()
