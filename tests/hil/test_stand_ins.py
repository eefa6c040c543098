"""Real converters and foreign gateways, with virtual ones standing in for them.

A simulated bus on a TCP port is, to the bench, a converter on the network like any other, and the
reference gateway on a port is a gateway that runs by itself.
"""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from gateway.device.device import CHIP_INI
from hil import bench as bench_file
from hil.buses import RealConverter, open_bus
from hil.gateways import ForeignGateway, open_gateway
from hil.modbus_client import ModbusClient
from hil.protocols import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hil.bench import Bench
    from hil.buses import Converter
    from hil.host import Host
    from hil.protocols import DeviceUnderTest

VIRTUAL = """\
bench: virtual
buses:
  line: {kind: tcp, population: worked-examples, baudrate: 9600}
"""

REAL = """\
bench: desk
buses:
  desk: {{kind: socket, host: "{host}", port: {port}, baudrate: 9600}}
  away: {{kind: rfc2217, host: 127.0.0.1, port: 1}}
  quiet: {{kind: udp, host: 127.0.0.1, port: 1}}
gateways:
  reference: {{kind: reference, bus: desk, data: data, chip_ini: {{METER_TIME: 60}}}}
"""

FOREIGN = """\
bench: network
gateways:
  box: {{kind: network, host: "{host}", port: {port}, unit_identifier: 0}}
"""


def parsed(text: str, folder: Path) -> Bench:
    """Read a bench file from its text."""
    return bench_file.parse(text, source="bench.yaml", folder=folder)


def desk_on(line: Converter, folder: Path) -> Bench:
    """Return a bench for which the simulated line is a converter on the network."""
    host, _, port = line.url.removeprefix("socket://").rpartition(":")
    return parsed(REAL.format(host=host, port=port), folder)


@pytest.fixture
def line(bench_host: Host, tmp_path: Path) -> Iterator[Converter]:
    """Return a simulated line on a TCP port."""
    with closing(open_bus(bench_host, parsed(VIRTUAL, tmp_path), "line", tmp_path)) as opened:
        yield opened


def test_desk_and_network(line: Converter, bench_host: Host, tmp_path: Path) -> None:
    """A socket converter, the reference gateway on it, and that gateway as a foreign one."""
    desk = desk_on(line, tmp_path)
    with closing(open_bus(bench_host, desk, "desk", tmp_path)) as converter:
        assert isinstance(converter, RealConverter)
        assert converter.virtual is None
        opening = open_gateway(bench_host, desk, "reference", converter, tmp_path / "unused")
        with closing(opening) as gateway:
            assert gateway.reference is not None
            gateway.reference.commission()
            assert gateway.reference.data == tmp_path / "data"
            assert _serial_number_seen_from_outside(gateway, bench_host, tmp_path) == 428670


def _serial_number_seen_from_outside(gateway: DeviceUnderTest, host: Host, folder: Path) -> int:
    """Read the first meter's serial number through a bench that knows only the address."""
    name, port = gateway.address
    network = parsed(FOREIGN.format(host=name, port=port), folder)
    with closing(open_gateway(host, network, "box", None, folder)) as box:
        assert isinstance(box, ForeignGateway)
        with ModbusClient(*box.address, unit_identifier=box.unit_identifier) as client:
            upper, lower = client.registers(10, 2)
    return upper << 16 | lower


def test_settings_of_the_data_directory_stand(
    line: Converter, bench_host: Host, tmp_path: Path
) -> None:
    """A data directory that has a chip.ini keeps it; a fresh one gets the bench's settings."""
    desk = desk_on(line, tmp_path)
    own = tmp_path / "data" / CHIP_INI
    open_gateway(bench_host, desk, "reference", line, tmp_path).close()
    assert "METER_TIME=60" in own.read_text("utf-8")
    assert "MBUS_BAUDRATE=9600" in own.read_text("utf-8")
    own.write_text(own.read_text("utf-8").replace("METER_TIME=60", "METER_TIME=70"), "utf-8")
    open_gateway(bench_host, desk, "reference", line, tmp_path).close()
    assert "METER_TIME=70" in own.read_text("utf-8")


def test_what_is_not_there(bench_host: Host, tmp_path: Path) -> None:
    """A converter that does not answer is unavailable, by name; UDP is taken at its word."""
    desk = parsed(REAL.format(host="127.0.0.1", port=1), tmp_path)
    with pytest.raises(UnavailableError, match=r"bus .desk.: socket://127.0.0.1:1 does not answer"):
        open_bus(bench_host, desk, "desk", tmp_path)
    with pytest.raises(
        UnavailableError, match=r"bus .away.: rfc2217://127.0.0.1:1 does not answer"
    ):
        open_bus(bench_host, desk, "away", tmp_path)
    assert open_bus(bench_host, desk, "quiet", tmp_path).url == "udp://127.0.0.1:1"


def test_place_of_a_virtual_bus_is_taken(bench_host: Host, tmp_path: Path) -> None:
    """A simulated bus whose port is in use says which."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = VIRTUAL.replace("9600}", f"9600, listen: '127.0.0.1:{port}'}}")
        bench = parsed(text, tmp_path)
        with pytest.raises(UnavailableError, match=f"bus 'line': cannot listen on .*:{port}"):
            open_bus(bench_host, bench, "line", tmp_path)
