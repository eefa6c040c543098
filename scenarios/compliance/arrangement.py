"""A gateway with its meters in virtual time, as a case of the suite needs it.

An `Arrangement` says what stands there: meters, settings, model. `arrange` switches it on and gives
the case a `Trial`: time, the commands of the appliance's one door, a Modbus client of ours, every
frame on the bus and every event of the gateway. Cases judge by frames and registers wherever these
can tell, by events only where the device shows nothing else (LEDs, log).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import simpy

from gateway.device.appliance import Appliance
from gateway.device.configuration import factory_chip_ini
from gateway.device.configuration import load as load_configuration
from gateway.device.configuration import save as save_configuration
from gateway.device.device import CHIP_INI, Wiring
from gateway.device.keys import KEYS
from gateway.runtime.kernel import Kernel
from gateway.runtime.port import Fault, LineError, Received
from scenarios.compliance.provoking import PortStall, StallingPort, delay_listening
from simulators import population as populations
from simulators.memory_storage import MemoryStorage
from simulators.modbus.client import Client, Exchange
from simulators.modbus.pdu import Answer, ReadRequest, Registers, Request
from simulators.network import Network
from simulators.runtime import SimRuntime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from gateway.device.configuration import Configuration
    from gateway.runtime.port import Stream
    from simulators.meter import Meter
    from simulators.observation import Observation
    from simulators.population import Population

BUS_URL: Final = "sim:bus"
#: Address of the gateway in the network in memory (NET-01); no privilege is needed there.
MODBUS: Final = ("192.168.1.101", 502)
#: Unit identifier of the gateway itself (C-11, C-38).
GATEWAY_UNIT: Final = 255
#: When trials begin: 2026-11-20 12:00 UTC, the day of the worked examples.
CLOCK: Final = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())
#: Longest wait for an answer of the Modbus server.
ANSWER_NS_MAX: Final = 2_000_000_000
#: Longest a case may last in virtual time, against one that waits for what never comes.
TRIAL_NS_MAX: Final = 40 * 86_400 * 1_000_000_000
_READ_SIZE: Final = 4096
_NS_PER_S: Final = 1_000_000_000


#: The two meters of the worked examples, whose every character and register is known.
WORKED_EXAMPLES: Final = (
    {"id": "a", "profile": "worked-example-a", "identification_number": 66600106,
     "primary_address": 5},
    {"id": "b", "profile": "worked-example-b", "identification_number": "00428670",
     "primary_address": 9},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What stands on the bench: `meters` as in a population file, settings by chip.ini name."""

    meters: Sequence[Mapping[str, Any]] = WORKED_EXAMPLES
    config: Mapping[str, str | int] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    bus: Mapping[str, Any] = field(default_factory=dict)
    baudrate: int = 9600
    unit_loads: int = 80
    serial_number: int = 75907
    clock: int = CLOCK

    def with_config(self, **config: str | int) -> Arrangement:
        """Return the same with further settings."""
        return replace(self, config={**self.config, **config})

    def population(self, title: str) -> Population:
        """Return the meters as a checked population."""
        document: dict[str, Any] = {"population": "trial", "title": title}
        document["meters"] = [dict(meter) for meter in self.meters]
        if self.bus:
            document["bus"] = dict(self.bus)
        return populations.parse(document, source=title)

    def storage(self) -> dict[str, bytes]:
        """Return the files of the device: fresh from the factory, but for `config` and `files`.

        The bit rate follows the bus unless a case sets another one on purpose.
        """
        factory = factory_chip_ini(self.unit_loads).encode()
        configuration, _ = load_configuration(factory, unit_loads=self.unit_loads)
        texts = {"MBUS_BAUDRATE": self.baudrate, **self.config}
        configuration = with_values(configuration, texts)
        data = save_configuration(factory, configuration, unit_loads=self.unit_loads)
        return {CHIP_INI: data, **self.files}


def with_values(configuration: Configuration, texts: Mapping[str, str | int]) -> Configuration:
    """Return the settings with others by their names in chip.ini; KeyError for an unknown one."""
    known = {key.name: key for key in KEYS}
    values = {known[name].attribute: known[name].kind.parse(str(t)) for name, t in texts.items()}
    return replace(configuration, **values)


class Frame(NamedTuple):
    """One frame on the bus; `meter` is None for the master's own."""

    at_ns: int
    first_ns: int
    meter: str | None
    data: bytes

    @property
    def shown(self) -> str:
        """The frame in hexadecimal, as the standard prints it."""
        return self.data.hex(" ").upper()


class Event(NamedTuple):
    """One entry of the gateway's event log."""

    at_ns: int
    kind: str
    fields: Mapping[str, Any]


class Trial:
    """A running gateway and everything that can be seen of it."""

    def __init__(
        self, rt: SimRuntime, network: Network, appliance: Appliance, unit_loads: int
    ) -> None:
        self.rt = rt
        self.unit_loads = unit_loads
        self.network = network
        self.appliance = appliance
        self.frames: list[Frame] = []
        self.events: list[Event] = []
        self.port_stall = PortStall()
        self.storage: MemoryStorage = rt.storage
        network.subscribe(self._observed)

    def _observed(self, observation: Observation) -> None:
        if observation.path != "bus.frame":
            return
        evidence = observation.evidence
        frame = Frame(
            observation.at_ns,
            int(evidence["first_ns"]),
            evidence["meter"] if evidence["direction"] == "slave" else None,
            bytes.fromhex(observation.value),
        )
        self.frames.append(frame)

    # --- Time and the bus ---------------------------------------------------------------------

    async def wait_s(self, seconds: float) -> None:
        """Let virtual time pass."""
        await self.rt.sleep(round(seconds * _NS_PER_S))

    @property
    def meters(self) -> Mapping[str, Meter]:
        """The simulated meters by id."""
        return self.network.meters

    def sent(self, since: int = 0) -> list[bytes]:
        """What the master has sent, from the frame with index `since` in `frames` on."""
        return [frame.data for frame in self.frames[since:] if frame.meter is None]

    def told(self, kind: str, since_ns: int = 0) -> list[Event]:
        """The events of a kind, from a moment on."""
        return [one for one in self.events if one.kind == kind and one.at_ns >= since_ns]

    async def commission(self) -> None:
        """Find the meters, give them registers, read them."""
        await self.appliance.scan()
        await self.appliance.allocate()
        await self.appliance.readout()

    async def set_chip_ini(self, **config: str | int) -> None:
        """Write settings into the file and restart, as a user of the files does (FTP-03)."""
        data = self.storage.read(CHIP_INI)
        configuration, _ = load_configuration(data, unit_loads=self.unit_loads)
        configuration = with_values(configuration, config)
        text = save_configuration(data, configuration, unit_loads=self.unit_loads)
        self.storage.replace(CHIP_INI, text)
        self.appliance.reboot()
        await self.appliance.ready()

    # --- Faults -------------------------------------------------------------------------------

    def stall_port(self, duration_ns: int) -> None:
        """Let the bus port hang from the next telegram but one until so long from now."""
        self.port_stall.arm(self.rt.now() + duration_ns)

    def delay_listening(self, duration_ns: int) -> None:
        """Let the next opening of the Modbus port take so long."""
        delay_listening(self.rt, duration_ns)

    async def hang_loop(self, duration_ns: int) -> None:
        """Keep the main loop of the device from its turns; raises InterruptedError at a restart."""

        async def stuck() -> None:
            await self.rt.sleep(duration_ns)

        # No command of the device hangs by itself.
        await self.appliance._device.submit("hang", stuck)  # noqa: SLF001

    # --- Modbus -------------------------------------------------------------------------------

    async def connect(self, port: int = MODBUS[1]) -> ModbusLink:
        """Open a connection of its own to the gateway's Modbus server; raises OSError."""
        return ModbusLink(self.rt, await self.rt.connect(MODBUS[0], port))

    async def datagram(self, data: bytes) -> bytes | None:
        """Send one datagram to the Modbus port and return what comes back; None for silence."""
        socket = self.rt.network.datagrams.bind(("192.168.1.200", 0))
        socket.send(MODBUS, data)
        try:
            with self.rt.timeout(ANSWER_NS_MAX):
                answer, _ = await socket.receive()
                return bytes(answer)
        except TimeoutError:
            return None

    async def ask(self, request: Request, unit: int = GATEWAY_UNIT) -> Answer:
        """Send one request on a connection of its own; raises OSError where none comes."""
        link = await self.connect()
        try:
            return await link.ask(request, unit)
        finally:
            await link.close()

    async def read(self, start: int, quantity: int, unit: int = GATEWAY_UNIT) -> Answer:
        """Read registers by function code 0x03."""
        return await self.ask(ReadRequest(start, quantity), unit)

    async def registers(self, unit: int = GATEWAY_UNIT, *, last: int = 199) -> dict[int, int]:
        """Return every register from 0 to `last` that a unit serves, each asked for by itself.

        One register at a time tells exactly which are mapped, in every layout: a longer read
        shows gaps as zeros (C-12). A unit that refuses for another reason gives nothing.
        """
        found: dict[int, int] = {}
        link = await self.connect()
        try:
            for address in range(last + 1):
                answer = await link.ask(ReadRequest(address, 1), unit)
                if isinstance(answer, Registers):
                    found[address] = answer.words[0]
        finally:
            await link.close()
        return found


class ModbusLink:
    """One connection of our client to the gateway."""

    def __init__(self, rt: SimRuntime, stream: Stream) -> None:
        self._rt = rt
        self._stream = stream
        self._client = Client()
        self._received = b""

    async def ask(self, request: Request, unit: int = GATEWAY_UNIT) -> Answer:
        """Send a request and wait for its answer; raises OSError when there is none."""
        with self._rt.timeout(ANSWER_NS_MAX):
            await self._stream.write(self._client.request(unit, request))
            while True:
                data = await self._stream.read(_READ_SIZE)
                if not data:
                    raise ConnectionError("the server closed the connection without an answer")
                for outcome in self._client.receive(data):
                    if not isinstance(outcome, Exchange):
                        raise ConnectionError(f"the server broke the protocol: {outcome}")
                    return outcome.answer

    async def exchange(self, data: bytes, wait_ns: int = ANSWER_NS_MAX) -> bytes | None:
        """Send raw bytes; return the next whole ADU, b"" for the end, None for silence."""
        await self._stream.write(data)
        return await self.listen(wait_ns)

    async def listen(self, wait_ns: int) -> bytes | None:
        """Return the next whole ADU, b"" for the end of the connection, None for silence.

        What an MBAP header announces is waited for, however the network cuts it; bytes that end
        too early are given as they came.
        """
        try:
            with self._rt.timeout(wait_ns):
                while len(self._received) < 6 or len(self._received) < self._announced():
                    piece = await self._stream.read(_READ_SIZE)
                    if not piece:
                        break
                    self._received += piece
        except TimeoutError:
            if not self._received:
                return None
        length = self._announced() if len(self._received) >= 6 else len(self._received)
        data, self._received = self._received[:length], self._received[length:]
        return data

    def _announced(self) -> int:
        """Length of the ADU whose header has come: 6 bytes and what the length field counts."""
        return 6 + int.from_bytes(self._received[4:6], "big")

    async def close(self) -> None:
        """Hang up."""
        await self._stream.close()


def arrange(
    arrangement: Arrangement,
    procedure: Callable[[Trial], Awaitable[None]],
    *,
    name: str,
    seed: int = 1,
) -> Trial:
    """Switch the arrangement on, carry out `procedure` on it, and return what was seen.

    What the procedure or the gateway raises comes out; the caller makes it a verdict.
    """
    env = simpy.Environment()
    network = Network(
        env,
        arrangement.population(name),
        seed=seed,
        baudrate=arrangement.baudrate,
        scenario=name,
        epoch=datetime.fromtimestamp(arrangement.clock, UTC),
    )
    events: list[Event] = []

    stall = PortStall()

    def open_bus(rt: SimRuntime, line_format: Any) -> Any:
        line = network.open_port(rt, line_format, received=Received, fault=Fault)
        return StallingPort(rt, line, stall)

    def logged(at: int, kind: str, fields: dict[str, Any]) -> None:
        events.append(Event(at, kind, dict(fields)))

    rt = SimRuntime(
        env,
        kernel=Kernel,
        seed=seed,
        scenario=name,
        storage=MemoryStorage(arrangement.storage()),
        lines={BUS_URL: open_bus},
        log=logged,
        line_error=LineError,
        unix_time_at_start=arrangement.clock,
    )
    wiring = Wiring(
        bus_url=BUS_URL,
        modbus_host=MODBUS[0],
        serial_number=arrangement.serial_number,
        unit_loads=arrangement.unit_loads,
    )

    async def main(runtime: SimRuntime) -> Trial:
        appliance = Appliance(runtime, wiring)
        trial = Trial(runtime, network, appliance, arrangement.unit_loads)
        trial.events, trial.port_stall = events, stall
        async with runtime.nursery() as nursery:
            nursery.spawn(appliance.run(), name="gateway")
            await appliance.ready()
            with runtime.timeout(TRIAL_NS_MAX):
                await procedure(trial)
            appliance.stop()
        return trial

    return rt.run(main)
