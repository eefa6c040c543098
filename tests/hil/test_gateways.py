"""One protocol for every device under test: in this process, as one, in a namespace, foreign."""

from __future__ import annotations

import socket
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from hil import bench as bench_file
from hil import gateway_process
from hil.buses import open_bus
from hil.gateways import offers_of, open_gateway
from hil.modbus_client import ModbusClient
from hil.protocols import NotOfferedError, Offer, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hil.bench import Bench
    from hil.host import Host
    from hil.protocols import DeviceUnderTest

BENCH = """\
bench: three-ways
buses:
  line: {kind: pty, population: worked-examples, baudrate: 9600}
gateways:
  inside:
    kind: reference
    bus: line
    chip_ini: {MBUS_SCANMODE: PRIMARYSCAN, MBUS_MINPRIMARYADDRESS: 5, MBUS_MAXPRIMARYADDRESS: 5}
  process:
    {kind: reference, bus: line, runs: process, chip_ini: {MBUS_SCANMODE: SECONDARYSCANALLOC}}
  namespace: {kind: reference, bus: line, runs: namespace, chip_ini: {MODBUS_NWPORT: 502}}
  box: {kind: network, host: 127.0.0.1, port: 1, udp: true, page: "http://127.0.0.1:1/"}
"""


def three_ways(folder: Path) -> Bench:
    """Return the bench."""
    return bench_file.parse(BENCH, source="bench.yaml", folder=folder)


@contextmanager
def opened(host: Host, name: str, folder: Path) -> Iterator[DeviceUnderTest]:
    """Open a gateway of the bench on a fresh bus."""
    bench = three_ways(folder)
    with closing(open_bus(host, bench, "line", folder)) as bus:
        opening = open_gateway(host, bench, name, bus, folder / "data")
        with closing(opening) as gateway:
            yield gateway


def test_offers_are_known_before_anything_starts(tmp_path: Path) -> None:
    """What each kind offers stands in a table; the entry of a foreign one adds to it."""
    bench = three_ways(tmp_path)
    offers = {name: offers_of(entry) for name, entry in bench.gateways.items()}
    assert Offer.READOUT in offers["inside"]
    assert Offer.READOUT not in offers["process"]
    assert offers["process"] == offers["namespace"]
    assert offers["box"] == {Offer.MODBUS, Offer.MODBUS_UDP, Offer.PAGE}


def test_as_a_process(bench_host: Host, tmp_path: Path) -> None:
    """It is searched by a start of its own, tells its events by a file, and gives its files."""
    with opened(bench_host, "process", tmp_path) as gateway:
        assert gateway.reference is None
        gateway.scan()
        kinds = [kind for _, kind, _ in gateway.events]
        assert kinds.count("meter.found") == 2
        assert b"SECONDARYSCANALLOC" in gateway.file("app/chip.ini")
        with pytest.raises(FileNotFoundError):
            gateway.file("app/none")
        with ModbusClient(*gateway.address) as client:
            assert client.registers(10, 2) == (6, 35454)
        for ask in (gateway.readout, gateway.allocate, gateway.page):
            with pytest.raises(NotOfferedError, match="gateway 'process' does not offer this"):
                ask()
        gateway.power(on=False)
        with pytest.raises(OSError, match="refused"):
            ModbusClient(*gateway.address)
        gateway.power(on=True)
        with ModbusClient(*gateway.address) as client:
            assert client.registers(0, 10)[2] == 1


def test_in_a_namespace(bench_host: Host, tmp_path: Path) -> None:
    """It has an address and port 502 of its own, at the other end of a veth pair."""
    try:
        probe = gateway_process.Namespace(0)
    except UnavailableError as error:
        pytest.skip(f"NOT_RUN: {error}")
    probe.close()
    with opened(bench_host, "namespace", tmp_path) as gateway:
        host, port = gateway.address
        assert host.startswith("198.1")
        assert port == 502
        with ModbusClient(host, port) as client:
            assert client.registers(0, 10)[2] == 1


def test_namespace_that_the_system_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel refuses, the reason is the kernel's own."""
    with gateway_process.Namespace(1), pytest.raises(UnavailableError, match=r"mb1.*exists"):
        gateway_process.Namespace(1)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnavailableError, match=r"ip is not installed .*iproute2"):
        gateway_process.Namespace(2)


def test_power_of_the_one_inside(bench_host: Host, tmp_path: Path) -> None:
    """Switched off it serves nothing; switched on it has its files and meters again."""
    with opened(bench_host, "inside", tmp_path) as gateway:
        gateway.scan()
        gateway.power(on=False)
        gateway.power(on=True)
        assert gateway.reference is not None
        assert len(gateway.reference.meters()) == 1
        assert b"MBUS_BAUDRATE=9600" in gateway.file("app/chip.ini")


def test_process_that_does_not_serve(tmp_path: Path) -> None:
    """A port that somebody has already is told; so are the last words of a process that ends."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port} is in use"):
            process(tmp_path, ("127.0.0.1", port))
    (tmp_path / "data").write_text("no folder", encoding="utf-8")
    with pytest.raises(UnavailableError, match=r"'lost' does not serve Modbus: .*File exists"):
        process(tmp_path, ("127.0.0.1", 0))


def process(folder: Path, modbus: tuple[str, int]) -> gateway_process.ReferenceProcess:
    """Start a gateway on a bus that is not there."""
    return gateway_process.ReferenceProcess(
        "lost", "/dev/none", folder / "data", modbus=modbus, transport_delay_ms=0
    )
