"""The stage that sim and pty share: the reference gateway in this process, on a simulated bus.

The gateway is told what to do through its one door, `Appliance`; what it does is taken from its
structured log, what the bus does from the simulator's observations, and what the registers hold
from reading them over Modbus.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.device.appliance import Appliance
from gateway.device.configuration import factory_chip_ini
from gateway.device.configuration import load as load_configuration
from gateway.device.configuration import save as save_configuration
from gateway.device.device import CHIP_INI, Wiring
from gateway.device.keys import KEYS
from scenarios.backends import commands
from scenarios.backends.base import FinalRegisters, Outcome
from scenarios.backends.commands import carry_out
from scenarios.checks.expectation import expected_meter
from scenarios.checks.layout import Clock
from scenarios.executor import SETTLE_NS, Executor
from scenarios.language.events import NO_EVIDENCE, EventLog
from scenarios.language.vocabulary import INITIAL, Capability
from scenarios.polling import PollError, RegisterReader, RegisterSignals
from scenarios.stage import DeedError
from scenarios.tearing import Tearing
from simulators import faults as meter_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.runtime.port import Event, Nursery, Runtime, Task
    from scenarios.backends.commands import Command
    from scenarios.checks.expectation import ExpectedMeter
    from scenarios.language.ir import (
        Add,
        Configure,
        Deallocate,
        Delete,
        Reload,
        Scenario,
        World,
    )
    from simulators import line_faults
    from simulators.meter import Meter
    from simulators.network import Network
    from simulators.observation import Observation

#: Everything is possible where gateway, bus and meters are ours.
CAPABILITIES: Final = frozenset(Capability)

#: Time of day at which a run starts where the file does not say: the meters' own epoch.
CLOCK_DEFAULT: Final = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())

#: Observations of the simulator under the names of the vocabulary.
_EVENTS: Final = {
    "bus.frame": "bus.frames",
    "bus.collision": "bus.collisions",
    "bus.selection": "bus.selections",
}
#: Entries of the gateway's log under the names of the vocabulary.
_LOGGED: Final = {
    "meter.found": "gateway.found",
    "config.complaint": "gateway.complaints",
    "watchdog.trip": "gateway.trips",
}
#: What is seen of a gateway without power.
_DARK: Final = {"gateway.state": "stopped", "gateway.led.act": "off", "gateway.led.st": "off"}
#: Jobs that end with the gateway, however far they were.
_JOBS: Final = ("gateway.scan", "gateway.readout")
#: Log kinds that repeat what the bus shows already.
_LEFT_OUT: Final = ("link.",)

#: Flag word of a meter that could not be read: bits 0 and 1 (C-13 row 3).
UNREADABLE: Final = 3


def clock_of(scenario: Scenario) -> int:
    """Return the unix time at which the run starts."""
    clock = scenario.world.clock
    return CLOCK_DEFAULT if clock is None else clock


def files_of(world: World) -> dict[str, bytes]:
    """Return the gateway's files: fresh from the factory, but for what the scenario says.

    The bit rate follows the bus unless the scenario sets another one on purpose.
    """
    factory = factory_chip_ini(world.unit_loads).encode()
    texts = {"MBUS_BAUDRATE": str(world.baudrate), **world.config}
    files = {CHIP_INI: changed(factory, texts, world.unit_loads)}
    return files | {path: text.encode() for path, text in world.files.items()}


def changed(chip_ini: bytes, texts: Mapping[str, str], unit_loads: int) -> bytes:
    """Return chip.ini with other values for some of its keys."""
    configuration, _ = load_configuration(chip_ini, unit_loads=unit_loads)
    keys = {key.name: key for key in KEYS}
    values = {keys[name].attribute: keys[name].kind.parse(text) for name, text in texts.items()}
    return save_configuration(chip_ini, replace(configuration, **values), unit_loads=unit_loads)


class Mains(Protocol):
    """The supply of the gateway's storage: without it nothing is written any more."""

    mains: bool


class Stage:
    """The world of one run on `rt`; `recorded` must be the log of that runtime.

    `mains` is the storage of `rt` as something that can lose its power.
    """

    def __init__(
        self, rt: Runtime, network: Network, wiring: Wiring, recorder: Recorder, mains: Mains
    ) -> None:
        self._rt = rt
        self._network = network
        self._recorder = recorder
        self._wiring = wiring
        self._mains = mains
        self._appliance = Appliance(rt, wiring)
        self._signals = RegisterSignals(recorder.log, rt.now, network.meters.values())
        self._tearing = Tearing(recorder.log, rt.now, self._signals)
        self._changes = 0
        self._powered = True
        self._released: Event | None = None
        self._nursery: Nursery
        self._gateway: Task[None] | None = None
        recorder.begin(rt, network, self._tearing)
        recorder.appliance = self._appliance

    @property
    def rt(self) -> Runtime:
        """Time and tasks."""
        return self._rt

    @property
    def log(self) -> EventLog:
        """What has been seen until now."""
        return self._recorder.log

    @property
    def signals(self) -> RegisterSignals:
        """Where registers that were read go."""
        return self._signals

    @property
    def tearing(self) -> Tearing:
        """Where values that were read are compared with what was sent."""
        return self._tearing

    # --- The gateway --------------------------------------------------------------------------

    async def _tell(self, command: Command) -> None:
        """Give the gateway a command; raises DeedError where it refuses."""
        await carry_out(self._appliance, command)

    async def scan(self) -> None:
        """Search; a bus that fails shows as ``gateway.scan == failed``."""
        await self._tell({"do": "scan"})

    async def readout(self, meter: str | None) -> None:
        """Read one meter or all; a bus that fails shows in their flags."""
        number = None if meter is None else self._network.meters[meter].identification_number
        await self._tell({"do": "readout", "number": number})

    async def allocate(self) -> None:
        """Give registers to all that is listed (manual 4.3)."""
        await self._tell({"do": "allocate"})

    async def save(self) -> None:
        """Save what was changed, and the meter list."""
        await self._tell({"do": "save"})

    async def reboot(self) -> None:
        """Restart and wait until it serves."""
        await self._tell({"do": "reboot"})

    async def serving(self) -> None:
        """Wait until the gateway serves."""
        await self._appliance.ready()

    async def edit(self, deed: Configure | Add | Delete | Deallocate | Reload) -> None:
        """Change something as a page does."""
        await self._tell(commands.edit(deed, self._network.meters))

    def write(self, file: str, text: str) -> None:
        """Replace a file."""
        self._rt.storage.replace(file, text.encode())

    def hang(self) -> None:
        """Occupy the device's own loop with something that does not end."""
        device = self._appliance._device  # noqa: SLF001 - no door leads to a hung task, on purpose
        released = self._released = self._rt.event()

        async def stuck() -> None:
            with suppress(OSError):
                await device.submit("hang", released.wait)

        self._nursery.spawn(stuck(), name="hang")

    def wake(self) -> None:
        """Let the loop go on."""
        if self._released is not None:
            self._released.set()

    def power_gateway(self, *, on: bool) -> None:
        """Switch the gateway; what it would have written without power is not written."""
        if on == self._powered:
            return
        self._powered = on
        self._recorder.log.add(self._rt.now(), "gateway.powered", on)
        if on:
            self._appliance = self._recorder.appliance = Appliance(self._rt, self._wiring)
            self._run()
        else:
            self._mains.mains = False
            self._appliance.stop()

    def _run(self) -> None:
        """Let the gateway run, once the one before it has given back what it held."""
        appliance, before = self._appliance, self._gateway

        async def run() -> None:
            if before is not None:
                await before.join()
            self._mains.mains = True
            await appliance.run()

        self._gateway = self._nursery.spawn(run(), name="gateway")

    def modbus_address(self) -> tuple[str, int] | None:
        """Where the gateway's Modbus server listens."""
        return self._appliance.modbus_address()

    # --- Meters and line ----------------------------------------------------------------------

    def power(self, meter: str, *, on: bool) -> None:
        """Switch a simulated meter."""
        self._recorder.log.add(self._rt.now(), f"meter({meter}).powered", on)
        self._network.meters[meter].power(on)

    def meter_fault(self, meter: str, fault: meter_faults.Fault | type[meter_faults.Fault]) -> None:
        """Begin or end a fault of a meter."""
        if isinstance(fault, type):
            self._network.meters[meter].end(fault)
        else:
            self._network.meters[meter].begin(fault)

    def line_fault(self, fault: line_faults.LineFault | type[line_faults.LineFault]) -> None:
        """Begin or end a fault of line or converter."""
        self._network.switch(fault)

    def set_value(self, meter: str, record: int, value: Any) -> None:
        """Give a record another value."""
        records = self._network.meters[meter].application.records
        if record >= len(records):
            raise DeedError(f"meter '{meter}' has {len(records)} records, no number {record}")
        self._changes += 1
        key = f"set/{meter}/record({record})/{self._changes}"
        try:
            records[record].change(value, self._rt.now(), key, self._network.epoch)
        except ValueError as error:
            raise DeedError(f"meter '{meter}', record {record}: {error}") from error

    # --- The run ------------------------------------------------------------------------------

    async def play(self, scenario: Scenario, uncertainty_ns: int) -> Outcome:
        """Switch the gateway on, carry out the steps, read all registers once more, stop it."""
        async with self._rt.nursery() as nursery:
            self._nursery = nursery
            await self._begin()
            # What was so at the beginning lasts a while, so that the first step can change it.
            await self._rt.sleep(SETTLE_NS)
            failure = await Executor(scenario, self, uncertainty_ns).run()
            end_ns = self._rt.now()
            registers = await self._read_all()
            outcome = Outcome(
                log=self.log,
                end_ns=end_ns if failure is not None else self._rt.now(),
                uncertainty_ns=uncertainty_ns,
                registers=registers,
                expected=self._expected(),
                clock=Clock(clock_of(scenario)),
                failure=failure,
            )
            self._recorder.end()
            self._end()
        return outcome

    async def _begin(self) -> None:
        """Switch the gateway on, and wait until it serves."""
        self._run()
        await self._appliance.ready()

    def _end(self) -> None:
        """Let the gateway end, which ends the run."""
        self.wake()
        self._appliance.stop()

    async def _read_all(self) -> FinalRegisters:
        reader = RegisterReader(self._rt, self.modbus_address)
        try:
            words = await reader.read(None)
        except PollError as error:
            return FinalRegisters(error=str(error))
        finally:
            await reader.close()
        self._signals.took(words, everything=True)
        return FinalRegisters(words)

    def _expected(self) -> dict[str, ExpectedMeter]:
        """Return what the registers of each meter must hold now.

        A meter that does not answer is due to be flagged; the scenario's author sees to it that
        the gateway has had the time to notice.
        """
        return {
            name: _as_found(
                meter, expected_meter(meter, flags=0 if meter.answering else UNREADABLE)
            )
            for name, meter in self._network.meters.items()
        }


def _as_found(meter: Meter, expected: ExpectedMeter) -> ExpectedMeter:
    """Return what is expected of a meter whose header has lied from the start.

    A search knows a meter by what its header says, and by nothing else.
    """
    lies = [fault for fault in meter.settings.faults if isinstance(fault, meter_faults.Header)]
    return replace(expected, **lies[-1].model_dump(exclude_none=True)) if lies else expected


class Recorder:
    """Turns the gateway's log and the bus's observations into changes of signals."""

    def __init__(self) -> None:
        self.log = EventLog()
        self._rt: Runtime | None = None
        #: The gateway of the moment; a stage sets it.
        self.appliance: Appliance | None = None
        self._tearing: Tearing | None = None
        self._by_id: Mapping[str, Meter] = {}
        self._meters: dict[tuple[str, str], list[Meter]] = {}

    def begin(self, rt: Runtime, network: Network, tearing: Tearing) -> None:
        """Note the state of the world before anything happens, and listen to the bus."""
        self._rt, self._tearing, self._by_id = rt, tearing, network.meters
        for path, value in INITIAL.items():
            self._add(path, value)
        meters = list(network.meters.values())
        for meter in meters:
            self._meters.setdefault((meter.identification_number, meter.manufacturer), []).append(
                meter
            )
            self._add(f"meter({meter.id}).powered", meter.powered)
            self._add(f"meter({meter.id}).answering", meter.answering)
        self._numbers("bus.meters", [meter.identification_number for meter in meters])
        if network.supply.mark_ma:
            self._add("bus.current", network.supply.mark_ma)
        network.subscribe(self.observed)

    def end(self) -> None:
        """Record no more: that the gateway is switched off belongs to no scenario."""
        self._rt = None

    def _add(self, path: str, value: Any, evidence: Mapping[str, Any] = NO_EVIDENCE) -> None:
        self.log.add(self._now(), path, value, evidence)

    def _now(self) -> int:
        assert self._rt is not None, "a stage begins before anything is seen"
        return self._rt.now()

    def _set(self, path: str, value: Any, evidence: Mapping[str, Any]) -> None:
        """Note a value if it is another one than before."""
        if self.log.last(path) != value:
            self._add(path, value, evidence)

    def logged(self, _at: int, kind: str, fields: dict[str, Any]) -> None:
        """Take an entry of the gateway's log."""
        if self._rt is None or kind.startswith(_LEFT_OUT):
            return
        rest = {key: value for key, value in fields.items() if key != "value"}
        if kind == "meter.read":
            meter = self._meter(fields)
            if meter is not None:
                self._add(f"meter({meter.id}).reads", fields["flags"], rest)
                self._set(f"meter({meter.id}).flags", fields["flags"], rest)
        else:
            value = fields.get("value", fields.get("serial", True))
            self._add(_LOGGED.get(kind, kind), value, rest)
        if kind == "gateway.state" and fields["value"] == "stopped":
            self._jobs_ended()
        if kind in ("meter.found", "gateway.scan", "gateway.readout", "gateway.state"):
            self._listed()

    def observed(self, observation: Observation) -> None:
        """Take an observation of the simulated bus."""
        if self._rt is None:
            return
        path = _EVENTS.get(observation.path, observation.path)
        sender = observation.evidence.get("meter") if path == "bus.frames" else None
        if sender is not None and self._tearing is not None:
            self._tearing.sent(self._by_id[str(sender)])
        self._add(path, observation.value, dict(observation.evidence))

    def went_dark(self) -> None:
        """The gateway has lost its power, and says nothing of it."""
        for path, value in _DARK.items():
            self._set(path, value, NO_EVIDENCE)
        self._jobs_ended()

    def _jobs_ended(self) -> None:
        for job in _JOBS:
            if self.log.last(job) == "running":
                self._add(job, "failed")

    def _listed(self) -> None:
        self._numbers("gateway.meters", self._numbers_listed())

    def _numbers_listed(self) -> list[str]:
        assert self.appliance is not None, "a stage begins before anything is seen"
        return self.appliance.identification_numbers()

    def _numbers(self, path: str, numbers: list[str]) -> None:
        if self.log.last(f"{path}.numbers") != sorted(numbers):
            self._add(f"{path}.count", len(numbers))
            self._add(f"{path}.numbers", sorted(numbers))

    def _meter(self, fields: Mapping[str, Any]) -> Meter | None:
        """Return the meter that the gateway speaks about; a version or medium tells twins apart."""
        same = self._meters.get((fields["serial"], fields["manufacturer"]), [])
        exact = [
            meter
            for meter in same
            if (meter.version, meter.medium) == (fields["version"], fields["medium"])
        ]
        return next(iter(exact or same), None)
