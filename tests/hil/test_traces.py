"""What passes is kept: every byte with time and direction, opened by tshark."""

from __future__ import annotations

import hashlib
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hil import bench as bench_files
from hil import recording as recordings
from hil.buses import open_bus
from hil.gateways import open_gateway
from hil.recorder import to_pcapng
from hil.recording import Recording
from simulators import pcapng

if TYPE_CHECKING:
    from hil.buses import SimulatedConverter
    from hil.host import Host
    from hil.meters import BenchMeter
    from hil.modbus_client import ModbusClient
    from hil.protocols import DeviceUnderTest
    from hil.recorder import ModbusTap

DISSECTOR = Path(pcapng.__file__).parent / "mbus.lua"


def tshark(*arguments: str) -> list[str]:
    """Run tshark; return its lines."""
    done = subprocess.run(
        ["tshark", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.needs("tshark")
@pytest.mark.hil(gateway="one")
def test_bus_and_modbus(
    bus_trace: Recording,
    modbus_trace: ModbusTap,
    gateway: DeviceUnderTest,
    modbus: ModbusClient,
    meter: BenchMeter,
    population: SimulatedConverter,
    tmp_path: Path,
) -> None:
    """A read-out on the wire and the registers that it gives, each as Wireshark shows them."""
    assert (meter.name, meter.identification_number) == ("a", "66600106")
    assert gateway.reference is not None
    gateway.reference.commission()
    assert modbus.registers(10, 2) == (0x03F8, 0x3CAA)
    frames = [exchange.answer for exchange in bus_trace.exchanges() if len(exchange.answer) > 20]
    number = bytes.fromhex(meter.identification_number)[::-1]
    assert any(number in frame for frame in frames)
    assert population.meters == ["a", "b"]
    bus = tmp_path / "shown-bus.pcapng"
    bus.write_bytes(bus_trace.to_pcapng())
    shown = tshark("-X", f"lua_script:{DISSECTOR}", "-r", str(bus))
    assert any("RSP_UD" in line for line in shown), shown[:3]
    asked = tmp_path / "shown-modbus.pcapng"
    asked.write_bytes(modbus_trace.to_pcapng())
    port = gateway.address[1]
    fields = ["-T", "fields", "-e", "modbus.func_code", "-e", "modbus.regval_uint16"]
    lines = tshark("-r", str(asked), "-o", f"mbtcp.tcp.port:{port}", *fields)
    assert lines == ["3\t", "3\t1016,15530"], lines


def test_traces_are_bound_by_their_hash(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The report of a test names its traces with their sha256."""
    outer = request.config
    assert outer is not None
    from hil import pytest_plugin

    pytest_plugin._keep(request, tmp_path, "bus.jsonl", b"{}\n")
    told = dict(request.node.user_properties)
    file = tmp_path / str(told["trace bus.jsonl"])
    assert told["sha256 bus.jsonl"] == hashlib.sha256(file.read_bytes()).hexdigest()


VIRTUAL = """\
bench: virtual
buses: {line: {kind: tcp, population: worked-examples, baudrate: 9600}}
"""

REAL = """\
bench: desk
buses: {{desk: {{kind: socket, host: 127.0.0.1, port: {port}, baudrate: 9600}}}}
gateways:
  twin:
    kind: reference
    bus: desk
    chip_ini: {{MBUS_SCANMODE: PRIMARYSCAN, MBUS_MINPRIMARYADDRESS: 5, MBUS_MAXPRIMARYADDRESS: 5}}
"""


def test_real_converter_is_recorded_at_the_gateways_port(bench_host: Host, tmp_path: Path) -> None:
    """On a bus that is not ours, the port of the gateway in this process is the witness."""
    virtual = bench_files.parse(VIRTUAL, source="v", folder=tmp_path)
    with closing(open_bus(bench_host, virtual, "line", tmp_path)) as line:
        port = line.url.rpartition(":")[2]
        real = bench_files.parse(REAL.format(port=port), source="r", folder=tmp_path)
        with closing(open_bus(bench_host, real, "desk", tmp_path)) as desk:
            recording = Recording("desk", desk.line_format, 0)
            data = tmp_path / "data"
            with closing(
                open_gateway(bench_host, real, "twin", desk, data, recording=recording)
            ) as gateway:
                assert gateway.reference is not None
                gateway.reference.scan()
    assert recording.marks[0][1].startswith("opening socket://")
    assert recording.tolerance_ns == 25_000_000
    assert {chunk.faults for chunk in recording.chunks} == {None}
    number = bytes.fromhex("66600106")[::-1]
    assert any(number in exchange.answer for exchange in recording.exchanges())
    again = recordings.load(recording.to_jsonl(), "r")
    assert again == recording
    assert again.sha256 == recording.sha256


def test_host_names_are_not_looked_up() -> None:
    """A server that is known by a name gets an address of loopback in the capture."""
    assert to_pcapng([], ("box.example", 502)) == to_pcapng([], ("box.example", 502))
