"""The pytest plugin of the bench: fixtures for buses, gateways and clients, virtual by default.

    def test_serial_number(gateway, modbus):
        gateway.reference.commission()
        assert modbus.registers(0, 2) == (1, 10371)

`bench` is the bench file of ``--bench FILE``, else one that needs no hardware. `converter` is an
opened bus, `population` the simulated meters on it, `meter` one meter, `gateway` an opened gateway,
`modbus` a connection to that, `strategy` what brings it from state to state. `bus_trace` and
`modbus_trace` keep what passes. Each test gets fresh ones, and everything that was started is
stopped. ``@pytest.mark.hil(place=…, tags=[…], bus=…, gateway=…, meter=…)`` chooses other entries
of the bench file than the first.

Real hardware is leased for each test, so that workers of pytest-xdist, and other people, take
turns. A lease that was taken away makes the test INCONCLUSIVE and the bench safe. What is not
there makes it NOT_RUN, with the reason; ``--require-hil`` makes that an error: a skip is never a
pass.

``@pytest.mark.needs("mbpoll")`` skips a test by name where a system program is missing and says
what to install; with ``--require-all`` that and every NOT_RUN are errors.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

from hil import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from hil.bench import Bench
    from hil.buses import Converter, SimulatedConverter
    from hil.claims import Claim
    from hil.host import Host
    from hil.meters import BenchMeter
    from hil.modbus_client import ModbusClient
    from hil.protocols import DeviceUnderTest
    from hil.recorder import ModbusTap
    from hil.recording import Recording
    from hil.strategy import Strategy

_BENCH: Final = pytest.StashKey["Bench"]()
_CLAIM: Final = pytest.StashKey["Claim"]()

#: What a report is called whose verdict is neither passed nor failed.
_INCONCLUSIVE: Final = "INCONCLUSIVE"
_NOT_RUN: Final = "NOT_RUN"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--bench``, ``--place``, ``--require-hil``, ``--require-all`` and their like."""
    group = parser.getgroup("meterbench", "meterbench: hardware in the loop")
    group.addoption(
        "--bench",
        metavar="FILE",
        type=Path,
        help="bench file with buses and gateways; by default virtual hardware",
    )
    group.addoption("--place", metavar="NAME", help="place of the bench; by default the first")
    group.addoption(
        "--hil-wait",
        metavar="SECONDS",
        type=float,
        default=600.0,
        help="how long a test waits for hardware that somebody else has",
    )
    group.addoption(
        "--hil-traces", metavar="DIR", type=Path, help="keep what bus_trace and modbus_trace saw"
    )
    group.addoption(
        "--require-hil", action="store_true", help="hardware that is missing is an error"
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
        "markers",
        "hil(place=NAME, tags=[TAG], bus=NAME, gateway=NAME, meter=NAME): entries of the bench",
    )
    path = config.getoption("--bench")
    if path is not None:
        from hil import bench

        try:
            config.stash[_BENCH] = bench.load(path)
        except bench.BenchError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which bench it is, and what its file says for every report."""
    if _BENCH not in config.stash:
        return []
    facts = config.stash[_BENCH].report_facts()
    return [f"bench: {facts.pop('bench')}", *(f"  {name}: {one}" for name, one in facts.items())]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, or fail it under ``--require-all``."""
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            reason = programs.missing(program)
            if reason is not None:
                if item.config.getoption("--require-all"):
                    pytest.fail(f"{reason}; required by --require-all", pytrace=False)
                pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn whatever came out of a test whose lease was lost into INCONCLUSIVE."""
    report = yield
    claim = item.stash.get(_CLAIM, None)
    if claim is not None and call.when == "call":
        lost = claim.lost()
        if lost:
            report.outcome = "failed"
            report.longrepr = f"{_INCONCLUSIVE}: {lost}"
            _note(item, report, _INCONCLUSIVE)
    if report.skipped and isinstance(report.longrepr, tuple) and _NOT_RUN in report.longrepr[2]:
        _note(item, report, _NOT_RUN)
    return report


def _note(item: pytest.Item, report: pytest.TestReport, verdict: str) -> None:
    """Write a verdict into this report, and into those of the test that are still to come."""
    report.user_properties.append(("verdict", verdict))
    item.user_properties.append(("verdict", verdict))


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Show INCONCLUSIVE as what it is; for the exit code it is a failure."""
    # The properties of a test are in the reports of its set-up and tear-down too.
    is_call = isinstance(report, pytest.TestReport) and report.when == "call"
    told = report.user_properties if is_call else []
    return ("failed", "I", _INCONCLUSIVE) if ("verdict", _INCONCLUSIVE) in told else None


def _unavailable(config: pytest.Config, reason: str) -> NoReturn:
    for option in ("--require-hil", "--require-all"):
        if config.getoption(option):
            pytest.fail(f"{_NOT_RUN}: {reason}; required by {option}", pytrace=False)
    pytest.skip(f"{_NOT_RUN}: {reason}")


def _chosen(request: pytest.FixtureRequest, what: str) -> Any:
    """Return what the nearest ``hil`` marker gives for `what`."""
    for marker in request.node.iter_markers("hil"):
        if what in marker.kwargs:
            return marker.kwargs[what]
    return None


# --- Fixtures -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bench(
    pytestconfig: pytest.Config, record_testsuite_property: Callable[[str, object], None]
) -> Bench:
    """The bench: that of ``--bench FILE``, else virtual hardware; JUnit says which."""
    from hil.bench import virtual

    used = pytestconfig.stash[_BENCH] if _BENCH in pytestconfig.stash else virtual()
    for name, fact in used.report_facts().items():
        record_testsuite_property(f"bench: {name}", fact)
    return used


@pytest.fixture(scope="session")
def bench_host() -> Iterator[Host]:
    """The loop on which simulated meters and the reference gateway live."""
    from hil.host import Host

    with Host() as host:
        yield host


@pytest.fixture
def bench_claim(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Claim]:
    """The bus and the gateway of this test, held under a lease where they are real."""
    from hil import claims
    from hil.protocols import UnavailableError

    place = _chosen(request, "place") or request.config.getoption("--place")
    uses_gateway = "gateway" in request.fixturenames
    try:
        claim = claims.claim(
            bench,
            place=place,
            tags=_chosen(request, "tags") or (),
            bus=_chosen(request, "bus"),
            gateway=_chosen(request, "gateway"),
            uses_gateway=uses_gateway,
            purpose=request.node.nodeid,
            wait_s=request.config.getoption("--hil-wait"),
        )
    except (LookupError, UnavailableError) as error:
        _unavailable(request.config, str(error.args[0]))
    with closing(claim):
        request.node.stash[_CLAIM] = claim
        yield claim
        request.node.user_properties.append(("lease", claim.lease.told))
        del request.node.stash[_CLAIM]


@pytest.fixture
def converter(
    bench: Bench,
    bench_host: Host,
    bench_claim: Claim,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[Converter]:
    """An opened bus: the one of the gateway in use, of the ``hil`` marker, or the first.

    `Converter.virtual` gives the simulated meters where there are any.
    """
    from hil import buses
    from hil.protocols import UnavailableError

    try:
        name = bench.bus_name(bench_claim.bus)
        opened = buses.open_bus(bench_host, bench, name, tmp_path)
    except (LookupError, UnavailableError) as error:
        _unavailable(request.config, str(error.args[0]))
    with closing(opened):
        yield opened


@pytest.fixture
def population(converter: Converter, request: pytest.FixtureRequest) -> SimulatedConverter:
    """The simulated meters of the bus, which can be asked for the truth; NOT_RUN on real ones."""
    if converter.virtual is None:
        _unavailable(request.config, f"bus {converter.name!r} has real meters, no simulated ones")
    return converter.virtual


@pytest.fixture
def meter(bench: Bench, converter: Converter, request: pytest.FixtureRequest) -> BenchMeter:
    """One meter of the bus: that of the ``hil`` marker, or the first."""
    from hil import meters

    try:
        return meters.find(bench, converter, _chosen(request, "meter"))
    except LookupError as error:
        _unavailable(request.config, str(error.args[0]))


@pytest.fixture
def bus_trace(
    bench: Bench,
    bench_claim: Claim,
    converter: Converter,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[Recording]:
    """Everything that passes on the bus, with times and direction; written when the test ends.

    On a simulated bus it is the truth of the wire; on a real one what passes at the reference
    gateway's port. NOT_RUN where nothing on the bench sees the wire.
    """
    from hil import recorder
    from hil.recording import Recording
    from hil.resources import ReferenceGateway

    if converter.virtual is not None:
        epoch_ns = converter.virtual.epoch_s * 1_000_000_000
        recording = converter.virtual.ask(lambda network: recorder.recording_of(network, epoch_ns))
    else:
        entry = bench.gateways[bench_claim.gateway] if bench_claim.gateway is not None else None
        if not isinstance(entry, ReferenceGateway) or entry.runs != "inside":
            name = f"{bench_claim.gateway!r} and bus {converter.name!r}"
            _unavailable(request.config, f"nothing here sees the wire between gateway {name}")
        recording = Recording(converter.name, converter.line_format, 0)
    recording.bus = converter.name
    recording.facts = bench.report_facts()
    yield recording
    _keep(request, tmp_path, "bus.jsonl", recording.to_jsonl().encode())
    _keep(request, tmp_path, "bus.pcapng", recording.to_pcapng())


@pytest.fixture
def gateway(
    bench: Bench,
    bench_host: Host,
    bench_claim: Claim,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[DeviceUnderTest]:
    """A gateway that serves Modbus: that of the ``hil`` marker, or the first of the bench.

    The reference gateway is started on its bus, with an empty meter list; `reference` has its
    commands. `offers` says what can be asked of it.
    """
    from hil import gateways
    from hil.protocols import UnavailableError
    from hil.resources import NetworkGateway

    try:
        name = bench.gateway_name(bench_claim.gateway)
    except LookupError as error:
        _unavailable(request.config, str(error.args[0]))
    # Only a gateway that is started here needs the bus opened; a foreign one reads its own.
    entry = bench.gateways[name]
    bus = None if isinstance(entry, NetworkGateway) else request.getfixturevalue("converter")
    recording = None
    if bus is not None and bus.virtual is None and "bus_trace" in request.fixturenames:
        recording = request.getfixturevalue("bus_trace")
    switch = bench_claim.switch(getattr(entry, "power", None))
    try:
        opened = gateways.open_gateway(
            bench_host, bench, name, bus, tmp_path / "data", switch, recording
        )
    except UnavailableError as error:
        _unavailable(request.config, str(error))
    with closing(opened):
        yield opened


@pytest.fixture
def modbus_trace(
    gateway: DeviceUnderTest, bench_host: Host, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[ModbusTap]:
    """What passes between clients and the gateway's Modbus server; written when the test ends.

    The fixture `modbus` goes through it. Other clients connect to its `address`.
    """
    from hil.recorder import ModbusTap

    tap = bench_host.call(ModbusTap.open(gateway.address), what="the Modbus tap")
    yield tap
    bench_host.call(tap.close(), what="closing the Modbus tap")
    _keep(request, tmp_path, "modbus.pcapng", tap.to_pcapng())


@pytest.fixture
def modbus(gateway: DeviceUnderTest, request: pytest.FixtureRequest) -> Iterator[ModbusClient]:
    """A Modbus client that is connected to `gateway`."""
    from hil.modbus_client import ModbusClient

    host, port = gateway.address
    if "modbus_trace" in request.fixturenames:
        host, port = request.getfixturevalue("modbus_trace").address
    with ModbusClient(host, port, unit_identifier=gateway.unit_identifier) as client:
        yield client


@pytest.fixture
def strategy(gateway: DeviceUnderTest, bench_claim: Claim) -> Iterator[Strategy]:
    """What brings `gateway` through off, powered, reachable, scanned, polling."""
    from hil.strategy import Strategy

    made = Strategy(gateway, switches=bench_claim.switches, lease=bench_claim.lease)
    yield made
    if made.broken:
        made.make_safe()


def _keep(request: pytest.FixtureRequest, tmp_path: Path, name: str, data: bytes) -> None:
    """Write a trace, and bind it to the test's report by its hash."""
    import hashlib
    import re

    folder = request.config.getoption("--hil-traces")
    if folder is None:
        path = tmp_path / name
    else:
        case = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.nodeid).strip("-")
        path = folder / f"{case}.{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    request.node.user_properties += [(f"trace {name}", path.name), (f"sha256 {name}", digest)]
