"""The backend **hil**: a bench file says where the bus is and which gateway is tested.

The bench may be virtual or made of metal; a scenario is the same. What can be done and seen there
follows from two entries of the file, the bus and the gateway of the place. What cannot is left out
of the capabilities, so that the compiler names the lines which will be NOT_RUN. On a simulated bus
the scenario brings its own meters; on a real one they must be wired to it, by their numbers.
"""

from __future__ import annotations

import asyncio
import shlex
import tempfile
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.runtime.port import LineFormat
from hil import bench as bench_files
from hil import leases, serial_ports
from hil.bridges import Bridge, BridgeError
from hil.drivers import open_switch
from hil.gateways import offers_of, open_gateway
from hil.host import Host
from hil.protocols import Offer, UnavailableError
from hil.recorder import RecordedStream, Segment, open_recorded, to_pcapng
from hil.recording import Recording
from hil.resources import (
    NetworkGateway,
    ReferenceGateway,
    SerialConverter,
    SimulatorBus,
    VirtualBus,
)
from hil.serial_endpoint import SerialEndpoint
from reports.verdict import Verdict
from scenarios.backends.base import BackendError, UnjudgedError
from scenarios.backends.embedded import Recorder, Stage, clock_of, files_of
from scenarios.backends.mains import FilesOnMains
from scenarios.backends.pty import (
    GRACE_S,
    ScenarioTime,
    measure_clock,
    network_of,
    play,
    stop_clock,
    wiring_of,
)
from scenarios.language.vocabulary import Capability
from simulators import endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.runtime.port import Line, Runtime, Stream, Task
    from hil.bench import Bench
    from hil.protocols import DeviceUnderTest, Switchable
    from hil.resources import Bus
    from scenarios.backends.base import Outcome
    from scenarios.language.ir import Scenario
    from simulators.network import Network

_NS_PER_S: Final = 1_000_000_000

#: What a simulated bus lets a scenario see and do.
_SIMULATED: Final = frozenset(
    {
        Capability.BUS_OBSERVATIONS,
        Capability.METER_POWER,
        Capability.METER_FAULTS,
        Capability.METER_VALUES,
        Capability.LINE_FAULTS,
    }
)

#: What the reference gateway lets it see and do in this process.
_INSIDE: Final = frozenset(
    {
        Capability.GATEWAY_COMMANDS,
        Capability.GATEWAY_FILES,
        Capability.GATEWAY_POWER,
        Capability.GATEWAY_HANG,
        Capability.GATEWAY_EVENTS,
        Capability.MODBUS,
        Capability.CLOCK,
    }
)

#: What one that runs by itself does, where it offers it.
_OFFERED: Final = {Offer.MODBUS: Capability.MODBUS, Offer.POWER: Capability.GATEWAY_POWER}


class HilBackend:
    """A place of a bench file; without a file, of the bench that needs no hardware.

    Raises LookupError for a place that the file does not have.
    """

    name = "hil"

    def __init__(self, bench: Bench | None = None, place: str | None = None) -> None:
        self._bench = bench if bench is not None else bench_files.virtual()
        self._place = self._bench.place_name(place)
        entry = self._bench.places[self._place]
        self._bus_name, self._gateway_name = entry.bus, entry.gateway
        self._told_lease = ""

    @property
    def options(self) -> str:
        """What the command line needs to find this bench again."""
        if self._bench.source == "virtual.yaml":
            return ""
        return f" --bench {shlex.quote(self._bench.source)} --place {self._place}"

    # --- What can be done ---------------------------------------------------------------------

    @property
    def _bus(self) -> Bus | None:
        return self._bench.buses[self._bus_name] if self._bus_name is not None else None

    @property
    def _gateway(self) -> ReferenceGateway | NetworkGateway | None:
        return self._bench.gateways[self._gateway_name] if self._gateway_name is not None else None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the bus and the gateway of the place allow."""
        bus, gateway = self._bus, self._gateway
        able: set[Capability] = set()
        if isinstance(bus, VirtualBus | SimulatorBus):
            able |= _SIMULATED
        elif self._bus_name is not None:
            meters = self._bench.meters_of(self._bus_name).values()
            if meters and all(meter.relay is not None for meter in meters):
                able.add(Capability.METER_POWER)
        if isinstance(gateway, ReferenceGateway) and gateway.runs == "inside":
            able |= _INSIDE
        elif gateway is not None:
            able |= {_OFFERED[offer] for offer in offers_of(gateway) if offer in _OFFERED}
        if isinstance(gateway, ReferenceGateway) and gateway.runs != "inside":
            able.add(Capability.GATEWAY_FILES)
        return frozenset(able)

    def facts(self) -> dict[str, str]:
        """What every report says about the bench, and who held it."""
        lease = {"lease": self._told_lease} if self._told_lease else {}
        return self._bench.report_facts() | {"place": self._place} | lease

    # --- Running ------------------------------------------------------------------------------

    def run(self, scenario: Scenario, seed: int) -> Outcome:
        """Run `scenario` on the place, under a lease.

        Raises BackendError where the harness broke, UnjudgedError where the bench has not what
        it takes (NOT_RUN) or was taken away meanwhile (INCONCLUSIVE).
        """
        self._fits(scenario)
        limit_s = scenario.limit_ns / _NS_PER_S + GRACE_S
        resources = leases.resources_of(self._bench, self._place)
        token = leases.joined_token()
        try:
            with leases.Leases().acquire(resources, scenario.name, token=token) as lease:
                lease.watch(self.make_safe)
                try:
                    outcome = asyncio.run(asyncio.wait_for(self._play(scenario, seed), limit_s))
                finally:
                    lost = _lost(lease)
                    self._told_lease = lease.told
                if lost:
                    raise UnjudgedError(Verdict.INCONCLUSIVE, lost)
                return outcome
        except UnavailableError as error:
            raise UnjudgedError(Verdict.NOT_RUN, str(error)) from error
        except UnjudgedError:
            raise
        except TimeoutError as error:
            message = f"the run did not end within {limit_s:.0f} s of real time"
            raise BackendError(message) from error
        except Exception as error:
            raise BackendError.of(error) from error

    def make_safe(self) -> None:
        """Put every switch of the bench into its position of the safe state."""
        for name, switch in self._bench.switches.items():
            open_switch(name, switch).make_safe()

    def _fits(self, scenario: Scenario) -> None:
        """Raise NOT_RUN for what no capability can say: settings, and meters that are not there."""
        world, gateway, bus = scenario.world, self._gateway, self._bus
        if gateway is None or bus is None:
            missing = "gateway" if gateway is None else "bus"
            raise UnjudgedError(Verdict.NOT_RUN, f"place {self._place!r} names no {missing}")
        if Capability.GATEWAY_FILES not in self.capabilities and (world.config or world.files):
            names = ", ".join([*world.config, *world.files])
            reason = f"the bench cannot give gateway {self._gateway_name!r} its settings ({names})"
            raise UnjudgedError(Verdict.NOT_RUN, reason)
        if not isinstance(bus, VirtualBus | SimulatorBus):
            assert self._bus_name is not None, "a bus has a name"
            wired = self._bench.meters_of(self._bus_name).values()
            numbers = {meter.identification_number for meter in wired}
            wanted = {meter.identification_number for meter in world.population.meters(seed=1)}
            absent = ", ".join(sorted(wanted - numbers))
            if absent:
                has = ", ".join(sorted(numbers)) or "none"
                reason = f"bus {self._bus_name!r} has no meter {absent} (it has {has})"
                raise UnjudgedError(Verdict.NOT_RUN, reason)

    async def _play(self, scenario: Scenario, seed: int) -> Outcome:
        bus, gateway = self._bus, self._gateway
        assert bus is not None, "checked before"
        inside = isinstance(gateway, ReferenceGateway) and gateway.runs == "inside"
        if isinstance(bus, VirtualBus) and inside:
            carrier = Carrier(bus.through, scenario.world.baudrate)
            return await play(scenario, seed, carrier, RecordedTime)
        return await _Outside(self._bench, self._bus_name or "", self._gateway_name or "").play(
            scenario, seed, inside=inside
        )


class RecordedTime(ScenarioTime):
    """Real time that keeps what passes at the gateway's port and at the clients' connections."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._recording = Recording("bus", LineFormat(), time.time_ns() - self.now())
        self._segments: list[Segment] = []
        self._server = ("127.0.0.1", 502)
        self._connections = 0

    async def open_line(self, url: str, line_format: LineFormat) -> Line:
        """Open a port that is recorded."""
        return await open_recorded(self.engine, url, line_format, self._recording)

    async def connect(self, host: str, port: int) -> Stream:
        """Open a connection that is recorded."""
        self._connections += 1
        self._server = (host, port)
        stream = await super().connect(host, port)
        return RecordedStream(stream, self._connections, self._segments)

    def captures(self) -> dict[str, bytes]:
        """Return what passed; no file for a wire at which nobody here was."""
        files = {}
        if self._recording.chunks:
            files["bus.jsonl"] = self._recording.to_jsonl().encode()
            files["bus.pcapng"] = self._recording.to_pcapng()
        if self._segments:
            files["modbus.pcapng"] = to_pcapng(self._segments, self._server)
        return files


class Carrier:
    """Puts the program of a virtual bus, where there is one, between terminal and gateway."""

    def __init__(self, through: str | None, baudrate: int) -> None:
        self._through = through
        self._baudrate = baudrate

    @contextmanager
    def __call__(self, terminal: str) -> Iterator[str]:
        """Yield the URL by which the gateway reaches `terminal`."""
        if self._through is None:
            yield terminal
            return
        try:
            bridge = Bridge(self._through, terminal, baudrate=self._baudrate)
        except BridgeError as error:
            raise UnavailableError(str(error)) from error
        with bridge:
            yield bridge.url


def _lost(lease: leases.Lease) -> str:
    try:
        lease.check()
    except leases.LostLeaseError as error:
        return str(error)
    return ""


# --- Gateways and buses that are not both in this process -----------------------------------------


class _OpenBus:
    """A bus as `hil.gateways.open_gateway` wants it: where it is, and its format."""

    virtual = None

    def __init__(self, name: str, url: str, line_format: LineFormat) -> None:
        self.name = name
        self.url = url
        self.line_format = line_format

    def close(self) -> None:
        """Nothing is held open."""


class _Outside:
    """One run where bus or gateway is outside of this process."""

    def __init__(self, bench: Bench, bus: str, gateway: str) -> None:
        self._bench = bench
        self._bus_name = bus
        self._gateway_name = gateway

    async def play(self, scenario: Scenario, seed: int, *, inside: bool) -> Outcome:
        """Build what is ours, open what is not, and let the scenario run."""
        network = network_of(scenario, seed)
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meterbench-")))
            url = await self._open_bus(scenario, network, folder, stack)
            storage = FilesOnMains(folder / "data")
            for path, data in files_of(scenario.world).items():
                storage.replace(path, data)
            recorder = Recorder()
            runtime = RecordedTime(
                clock_of(scenario), seed=f"{scenario.name}/{seed}", storage=storage,
                recorder=recorder,
            )  # fmt: skip
            rate = scenario.world.baudrate
            dut = None if inside else await self._open_gateway(url, rate, folder / "data", stack)
            relays = self._relays()
            wiring = wiring_of(scenario, url)

            async def main(rt: Runtime) -> Outcome:
                uncertainty_ns = await measure_clock(rt)
                stage = _BenchStage(rt, network, wiring, recorder, storage)
                stage.bind(dut, relays)
                return await stage.play(scenario, uncertainty_ns)

            outcome = await runtime.run(main)
            return replace(outcome, captures=runtime.captures())

    async def _open_bus(
        self, scenario: Scenario, network: Network, folder: Path, stack: AsyncExitStack
    ) -> str:
        """Put the scenario's meters on a simulated bus; return the URL of the bus."""
        bus = self._bench.buses[self._bus_name]
        try:
            if isinstance(bus, SimulatorBus):
                simulated = SerialEndpoint(network, serial_ports.locate(bus))
                stack.push_async_callback(simulated.close)
                stack.callback(stop_clock, network)
                return bus.where
            if isinstance(bus, SerialConverter):
                return serial_ports.locate(bus)
            if not isinstance(bus, VirtualBus):
                return bus.where
        except (LookupError, OSError) as error:
            raise UnavailableError(f"bus {self._bus_name!r}: {error.args[0]}") from error
        speed = scenario.world.speed
        endpoint = await endpoints.serve(network, f"pty:{folder / 'bus'}", speed=speed)
        stack.push_async_callback(endpoint.close)
        stack.callback(stop_clock, network)
        carrier = Carrier(bus.through, scenario.world.baudrate)
        return stack.enter_context(carrier(str(folder / "bus")))

    async def _open_gateway(
        self, bus_url: str, baudrate: int, data: Path, stack: AsyncExitStack
    ) -> DeviceUnderTest:
        """Start or reach the gateway, in a thread: the bus must go on meanwhile."""
        entry = self._bench.gateways[self._gateway_name]
        power = entry.power if isinstance(entry, NetworkGateway) else None
        switch = open_switch(power, self._bench.switches[power]) if power is not None else None
        host = stack.enter_context(Host())
        bus = _OpenBus(self._bus_name, bus_url, LineFormat(baudrate))
        dut = await asyncio.to_thread(
            open_gateway, host, self._bench, self._gateway_name, bus, data, switch
        )
        stack.push_async_callback(asyncio.to_thread, dut.close)
        return dut

    def _relays(self) -> dict[str, Switchable]:
        """Return the relay of each meter on the bus, by identification number."""
        meters = self._bench.meters_of(self._bus_name).values()
        return {
            meter.identification_number: open_switch(meter.relay, self._bench.switches[meter.relay])
            for meter in meters
            if meter.relay is not None
        }


class _BenchStage(Stage):
    """A stage whose gateway or meters are not the simulation's; `bind` says which."""

    _dut: DeviceUnderTest | None = None
    _relays: Mapping[str, Switchable] = {}
    _switching: Task[None] | None = None

    def bind(self, dut: DeviceUnderTest | None, relays: Mapping[str, Switchable]) -> None:
        """Take the gateway under test (None: the one of this stage) and the meters' relays."""
        self._dut, self._relays = dut, relays

    async def _begin(self) -> None:
        """A gateway outside serves already: it would not have been opened otherwise."""
        if self._dut is None:
            await super()._begin()

    def _end(self) -> None:
        if self._dut is None:
            super()._end()

    def modbus_address(self) -> tuple[str, int] | None:
        """Where the gateway's Modbus server listens."""
        return self._dut.address if self._dut is not None else super().modbus_address()

    def power_gateway(self, *, on: bool) -> None:
        """Switch the gateway, or its supply; what waits for it is `serving`."""
        dut = self._dut
        if dut is None:
            super().power_gateway(on=on)
            return
        self.log.add(self.rt.now(), "gateway.powered", on)
        self._switch(lambda: dut.power(on=on), "power of the gateway")

    async def serving(self) -> None:
        """Wait until the gateway serves."""
        if self._dut is None:
            await super().serving()
        elif self._switching is not None:
            await self._switching.join()

    def power(self, meter: str, *, on: bool) -> None:
        """Switch a simulated meter, or the relay of a real one."""
        relay = self._relays.get(self._network.meters[meter].identification_number)
        if relay is None:
            super().power(meter, on=on)
            return
        self.log.add(self.rt.now(), f"meter({meter}).powered", on)
        self._switch(lambda: relay.switch(on=on), f"relay of {meter}")

    def _switch(self, act: Callable[[], None], name: str) -> None:
        """Let something outside be switched, in a thread, behind what is being switched now."""
        before = self._switching

        async def run() -> None:
            if before is not None:
                await before.join()
            await self.rt.offload(act, cost_ns=0)

        self._switching = self._nursery.spawn(run(), name=name)
