"""The stage that sim and pty share: the reference gateway in this process, on a simulated bus.

The gateway is told what to do through its one door, `Appliance`; what it does is taken from its
structured log, what the bus does from the simulator's observations, and what the registers hold
from reading them over Modbus.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from gateway.device.appliance import Appliance
from gateway.device.configuration import factory_chip_ini
from gateway.device.configuration import load as load_configuration
from gateway.device.configuration import save as save_configuration
from gateway.device.device import CHIP_INI, Wiring
from gateway.device.keys import KEYS
from scenarios.backends.base import FinalRegisters, Outcome
from scenarios.checks.expectation import expected_meter
from scenarios.checks.layout import Clock
from scenarios.executor import SETTLE_NS, Executor
from scenarios.language.events import NO_EVIDENCE, EventLog
from scenarios.language.vocabulary import INITIAL, Capability
from scenarios.polling import PollError, RegisterReader, RegisterSignals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.runtime.port import Runtime
    from scenarios.checks.expectation import ExpectedMeter
    from scenarios.language.ir import Scenario, World
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
    configuration, _ = load_configuration(factory, unit_loads=world.unit_loads)
    texts = {"MBUS_BAUDRATE": str(world.baudrate), **world.config}
    kinds = {key.name: key for key in KEYS}
    values = {kinds[name].attribute: kinds[name].kind.parse(text) for name, text in texts.items()}
    configuration = replace(configuration, **values)
    files = {CHIP_INI: save_configuration(factory, configuration, unit_loads=world.unit_loads)}
    return files | {path: text.encode() for path, text in world.files.items()}


class Stage:
    """The world of one run on `rt`; `recorded` must be the log of that runtime."""

    def __init__(self, rt: Runtime, network: Network, wiring: Wiring, recorder: Recorder) -> None:
        self._rt = rt
        self._network = network
        self._recorder = recorder
        self._appliance = Appliance(rt, wiring)
        self._signals = RegisterSignals(recorder.log, rt.now, network.meters.values())
        recorder.begin(rt, network, self._appliance)

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

    async def scan(self) -> None:
        """Search; a bus that fails shows as ``gateway.scan == failed``."""
        with suppress(OSError):
            await self._appliance.scan()

    async def readout(self) -> None:
        """Read all meters; a bus that fails shows in their flags."""
        with suppress(OSError):
            await self._appliance.readout()

    async def allocate(self) -> None:
        """Give registers to all that is listed (manual 4.3)."""
        await self._appliance.allocate()

    def power(self, meter: str, *, on: bool) -> None:
        """Switch a simulated meter."""
        self._recorder.log.add(self._rt.now(), f"meter({meter}).powered", on)
        self._network.meters[meter].power(on)

    def modbus_address(self) -> tuple[str, int] | None:
        """Where the gateway's Modbus server listens."""
        return self._appliance.modbus_address()

    async def play(self, scenario: Scenario, uncertainty_ns: int) -> Outcome:
        """Switch the gateway on, carry out the steps, read all registers once more, stop it."""
        async with self._rt.nursery() as nursery:
            nursery.spawn(self._appliance.run(), name="gateway")
            await self._appliance.ready()
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
            self._appliance.stop()
        return outcome

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
            name: expected_meter(meter, flags=0 if meter.answering else UNREADABLE)
            for name, meter in self._network.meters.items()
        }


class Recorder:
    """Turns the gateway's log and the bus's observations into changes of signals."""

    def __init__(self) -> None:
        self.log = EventLog()
        self._rt: Runtime | None = None
        self._appliance: Appliance | None = None
        self._meters: dict[tuple[str, str], list[Meter]] = {}

    def begin(self, rt: Runtime, network: Network, appliance: Appliance) -> None:
        """Note the state of the world before anything happens, and listen to the bus."""
        self._rt, self._appliance = rt, appliance
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
        network.subscribe(self.observed)

    def end(self) -> None:
        """Record no more: that the gateway is switched off belongs to no scenario."""
        self._rt = None

    def _add(self, path: str, value: Any, evidence: Mapping[str, Any] = NO_EVIDENCE) -> None:
        assert self._rt is not None, "a stage begins before anything is seen"
        self.log.add(self._rt.now(), path, value, evidence)

    def logged(self, _at: int, kind: str, fields: dict[str, Any]) -> None:
        """Take an entry of the gateway's log."""
        if self._rt is None or kind.startswith(_LEFT_OUT):
            return
        rest = {key: value for key, value in fields.items() if key != "value"}
        if kind == "meter.read":
            meter = self._meter(fields)
            if meter is not None:
                self._add(f"meter({meter.id}).reads", fields["flags"], rest)
        else:
            self._add(kind, fields.get("value", True), rest)
        if kind in ("meter.found", "gateway.scan", "gateway.readout", "gateway.state"):
            self._listed()

    def observed(self, observation: Observation) -> None:
        """Take an observation of the simulated bus."""
        if self._rt is None:
            return
        path = _EVENTS.get(observation.path, observation.path)
        self._add(path, observation.value, dict(observation.evidence))

    def _listed(self) -> None:
        assert self._appliance is not None, "a stage begins before anything is seen"
        listed = self._appliance.meters()
        self._numbers("gateway.meters", [meter.identification_number for meter in listed])

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
