"""Captures: read back by scapy, and by tshark with the dissector that comes with them."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import simpy
from scapy.layers.inet import IP, TCP
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


REQUEST, ANSWER = "000100000006ff0300000002", "000100000007ff0304000004d2"


@pytest.fixture
def both_sides(tmp_path: Path) -> Path:
    """One frame on the bus, and a request and its answer over Modbus."""
    path = tmp_path / "both.pcapng"
    with path.open("wb") as file:
        capture = pcapng.Capture(file, EPOCH)
        master = {"direction": "master", "first_ns": 0, "last_ns": 4, "meter": None}
        capture.observe(Observation(5, "bus.frame", "1040FF3F16", master))
        for direction, data in (("client", REQUEST), ("gateway", ANSWER)):
            client = {"direction": direction, "client": ["127.0.0.1", 40_000]}
            capture.observe(Observation(6, "modbus.bytes", data, client))
    return path


def test_modbus_is_in_the_same_capture(both_sides: Path) -> None:
    """As IP packets on an interface of its own, whose checksums scapy finds right."""
    with PcapNgReader(str(both_sides)) as reader:
        packets = [IP(bytes(packet)) for packet in list(reader)[1:]]
    assert [bytes(packet[TCP].payload).hex() for packet in packets] == [REQUEST, ANSWER]
    assert [(packet.sport, packet.dport) for packet in packets] == [(40_000, 502), (502, 40_000)]
    assert packets[1].ack == packets[0].seq + len(REQUEST) // 2
    for packet in packets:
        given = (packet.chksum, packet[TCP].chksum)
        del packet.chksum, packet[TCP].chksum
        made = IP(bytes(packet))
        assert (made.chksum, made[TCP].chksum) == given


@pytest.mark.needs("tshark")
def test_tshark_reads_both_sides(both_sides: Path) -> None:
    """The C field of the frame, function code and register of the Modbus packets."""
    fields = ["mbus.c", "modbus.func_code", "modbus.regval_uint16"]
    done = subprocess.run(
        ["tshark", "-X", f"lua_script:{DISSECTOR}", "-r", str(both_sides), "-T", "fields"]
        + [word for field in fields for word in ("-e", field)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows == [["0x40", "", ""], ["", "3", ""], ["", "3", "0,1234"]]


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
