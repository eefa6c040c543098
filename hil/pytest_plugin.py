"""The pytest plugin of the bench: fixtures for buses, gateways and clients, virtual by default.

    def test_serial_number(gateway, modbus):
        gateway.reference.commission()
        assert modbus.registers(0, 2) == (1, 10371)

`bench` is the bench file of ``--bench FILE``, else one that needs no hardware. `converter` is an
opened bus, `gateway` an opened gateway on it, `modbus` a connection to that. Each test gets fresh
ones, and everything that was started is stopped. ``@pytest.mark.hil(bus=…, gateway=…)`` chooses
other entries of the bench file than the first.

``@pytest.mark.needs("mbpoll")`` skips a test by name where a system program is missing and says
what to install. A resource of the bench that is not there skips in the same way. With
``--require-all`` both are errors: a skip is never a pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

from hil import programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hil.bench import Bench
    from hil.buses import Converter
    from hil.host import Host
    from hil.modbus_client import ModbusClient
    from hil.protocols import DeviceUnderTest

_BENCH: Final = pytest.StashKey["Bench"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--bench`` and ``--require-all``."""
    group = parser.getgroup("meterbench", "meterbench: hardware in the loop")
    group.addoption(
        "--bench",
        metavar="FILE",
        type=Path,
        help="bench file with buses and gateways; by default virtual hardware",
    )
    group.addoption(
        "--require-all",
        action="store_true",
        help="a missing program or resource is an error, not a skip",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the markers and read the bench file; a broken one ends the run at once."""
    config.addinivalue_line(
        "markers", "needs(program, …): skipped by name where a system program is missing"
    )
    config.addinivalue_line(
        "markers", "hil(bus=NAME, gateway=NAME): entries of the bench file for the fixtures"
    )
    path = config.getoption("--bench")
    if path is not None:
        from hil import bench

        try:
            config.stash[_BENCH] = bench.load(path)
        except bench.BenchError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the bench where one was given."""
    if _BENCH not in config.stash:
        return None
    bench = config.stash[_BENCH]
    return f"bench: {bench.name} ({bench.title})" if bench.title else f"bench: {bench.name}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, or fail it under ``--require-all``."""
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            reason = programs.missing(program)
            if reason is not None:
                _unavailable(item.config, reason)


def _unavailable(config: pytest.Config, reason: str) -> NoReturn:
    if config.getoption("--require-all"):
        pytest.fail(f"{reason}; required by --require-all", pytrace=False)
    pytest.skip(reason)


def _chosen(request: pytest.FixtureRequest, what: str) -> str | None:
    """Return the name that the nearest ``hil`` marker gives for `what`."""
    for marker in request.node.iter_markers("hil"):
        if what in marker.kwargs:
            return str(marker.kwargs[what])
    return None


@pytest.fixture(scope="session")
def bench(pytestconfig: pytest.Config) -> Bench:
    """The bench: that of ``--bench FILE``, else virtual hardware."""
    if _BENCH in pytestconfig.stash:
        return pytestconfig.stash[_BENCH]
    from hil.bench import virtual

    return virtual()


@pytest.fixture(scope="session")
def bench_host() -> Iterator[Host]:
    """The loop on which simulated meters and the reference gateway live."""
    from hil.host import Host

    with Host() as host:
        yield host


@pytest.fixture
def converter(
    bench: Bench, bench_host: Host, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Converter]:
    """An opened bus: the one of the gateway in use, of the ``hil`` marker, or the first.

    `Converter.virtual` gives the simulated meters where there are any.
    """
    from hil import buses
    from hil.protocols import UnavailableError

    try:
        name = bench.bus_name(_chosen(request, "bus") or _bus_of_gateway(bench, request))
        opened = buses.open_bus(bench_host, bench, name, tmp_path)
    except (LookupError, UnavailableError) as error:
        _unavailable(request.config, str(error.args[0]))
    try:
        yield opened
    finally:
        opened.close()


def _bus_of_gateway(bench: Bench, request: pytest.FixtureRequest) -> str | None:
    """Return the bus that the gateway in use reads, where the test uses one."""
    wanted = _chosen(request, "gateway")
    if wanted is None and "gateway" not in request.fixturenames:
        return None
    entry: Any = bench.gateways[bench.gateway_name(wanted)]
    return entry.bus if entry.bus is None else str(entry.bus)


@pytest.fixture
def gateway(
    bench: Bench, bench_host: Host, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[DeviceUnderTest]:
    """A gateway that serves Modbus: that of the ``hil`` marker, or the first of the bench.

    The reference gateway is started on its bus, with an empty meter list; `reference`
    has its commands.
    """
    from hil import gateways
    from hil.protocols import UnavailableError

    try:
        name = bench.gateway_name(_chosen(request, "gateway"))
    except LookupError as error:
        _unavailable(request.config, str(error.args[0]))
    # Only a gateway that is started here needs the bus opened; a foreign one reads its own.
    starts = bench.gateways[name].kind == "reference"
    bus = request.getfixturevalue("converter") if starts else None
    try:
        opened = gateways.open_gateway(bench_host, bench, name, bus, tmp_path / "data")
    except UnavailableError as error:
        _unavailable(request.config, str(error))
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def modbus(gateway: DeviceUnderTest) -> Iterator[ModbusClient]:
    """A Modbus client that is connected to `gateway`."""
    from hil.modbus_client import ModbusClient

    host, port = gateway.address
    with ModbusClient(host, port, unit_identifier=gateway.unit_identifier) as client:
        yield client
