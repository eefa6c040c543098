"""A recording as a bus: the gateway's own code, in virtual time, against what was heard once.

A request that is in the recording is answered as it was answered then, with the same characters,
the same times behind the request, the same faults; asked again, it gets its next answer, and the
last one for ever after. Requests to the selected meter count apart for each selection. A request
that was never made then meets silence and is counted: a replay knows nothing of what was not asked.
The same recording gives the same trace, byte for byte.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from gateway.device.appliance import Appliance
from gateway.device.device import Wiring
from gateway.runtime.port import Fault, LineError, LineFormat, Received
from hil.reference import prepare
from hil.runtimes import simulated_runtime
from simulators import frames
from simulators.frames import CiField
from simulators.memory_storage import MemoryStorage
from simulators.modbus.client import Client, Exchange
from simulators.modbus.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.runtime.port import Runtime, Stream
    from hil.recording import Chunk, Recording
    from simulators.runtime import SimRuntime

#: Where the gateway of a replay finds its bus, and where it serves.
BUS_URL: Final = "replay"
_MODBUS: Final = ("192.168.1.101", 502)
_UNIT_IDENTIFIER: Final = 255
_READ_SIZE: Final = 4096

#: Longest wait for one Modbus answer, in virtual ns.
ANSWER_NS_MAX: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Character:
    """One character on its way to the gateway."""

    at_ns: int
    value: int
    fault: int


class ReplayBus:
    """Answers requests as the recording does; `unmatched` are those that it does not know."""

    def __init__(self, recording: Recording) -> None:
        self.line_format = recording.line_format
        self.tolerance_ns = recording.tolerance_ns
        #: Whether the way to the bus could tell parity when this was recorded.
        self.tells_faults = any(chunk.faults is not None for chunk in recording.chunks)
        self.unmatched: list[bytes] = []
        self._answers: dict[tuple[bytes, bytes], deque[list[_Character]]] = {}
        self._selected = b""
        for exchange in recording.exchanges():
            begin = exchange.request.at_ns
            key = self._key(exchange.request.data)
            characters: list[_Character] = []
            for chunk in exchange.answers:
                characters += self._characters(chunk, begin)
                # A chunk that came late is dated back into the one before; order is what is sure.
                for index in range(len(characters) - len(chunk.data), len(characters)):
                    before = characters[index - 1].at_ns if index else 0
                    if characters[index].at_ns < before:
                        characters[index] = replace(characters[index], at_ns=before)
            self._answers.setdefault(key, deque()).append(characters)
        self._selected = b""

    def _key(self, request: bytes) -> tuple[bytes, bytes]:
        """Return what an answer depends on: the request, and who is selected while it is made.

        Address 253 means whichever meter the last selection chose (MBDOC48 p.63-64), so equal
        requests to it may mean different meters.
        """
        parsed = frames.parse(request)
        if parsed is None or parsed.a_field != frames.NETWORK_LAYER:
            return b"", request
        if parsed.ci_field in (CiField.SELECT, CiField.SELECT_MODE_2):
            self._selected = request
            return b"", request
        return self._selected, request

    def _characters(self, chunk: Chunk, begin: int) -> list[_Character]:
        """Return the characters of a chunk with their times behind the request's beginning.

        Only the last character's time was seen; the others came without pauses before it, or
        spread evenly since the first where that was seen too.
        """
        count = len(chunk.data)
        faults = dict(chunk.faults or ())
        step = self.line_format.characters_ns(1)
        if chunk.first_ns is not None and count > 1:
            step = (chunk.at_ns - chunk.first_ns) // (count - 1)
        return [
            _Character(
                max(0, chunk.at_ns - begin - (count - 1 - index) * step),
                value,
                faults.get(index, 0),
            )
            for index, value in enumerate(chunk.data)
        ]

    def ask(self, request: bytes, line_format: LineFormat) -> list[_Character]:
        """Return what came behind a request, counted from its beginning."""
        answers = self._answers.get(self._key(request))
        if answers is None or line_format != self.line_format:
            self.unmatched.append(request)
            return []
        return answers.popleft() if len(answers) > 1 else answers[0]


class ReplayLine:
    """The gateway's port on a `ReplayBus`: `gateway.runtime.port.Line` in virtual time."""

    def __init__(self, rt: SimRuntime, bus: ReplayBus, line_format: LineFormat) -> None:
        self._rt = rt
        self._bus = bus
        self._format = line_format
        self._coming: deque[_Character] = deque()
        self._heard: list[_Character] = []
        self._closed = False

    @property
    def format(self) -> LineFormat:
        """The format in force."""
        return self._format

    async def write(self, data: bytes) -> int:
        """Send a request; what came behind it then is on its way from now on."""
        self._check_open()
        begin = self._rt.now()
        self._arrive()
        for one in self._bus.ask(bytes(data), self._format):
            self._coming.append(_Character(begin + one.at_ns, one.value, one.fault))
        self._coming = deque(sorted(self._coming, key=lambda one: one.at_ns))
        end = begin + self._format.characters_ns(len(data))
        await self._rt.sleep_until(end)
        return end

    async def receive(self, missing: Callable[[bytes], int], *, by: int, gap: int) -> Received:
        """Listen for one answer; limits are extended by what the transport added then."""
        self._check_open()
        tolerance = self._bus.tolerance_ns
        first_by = by + self._format.characters_ns(1) + tolerance
        checked = 0
        while True:
            self._arrive()
            while checked < len(self._heard):
                checked += 1
                data = bytes(one.value for one in self._heard[:checked])
                if missing(data) == 0:
                    return self._take(checked)
            limit = self._heard[-1].at_ns + gap + tolerance if self._heard else first_by
            if not self._coming or self._coming[0].at_ns > limit:
                await self._rt.sleep_until(limit)
                self._check_open()
                return self._take(len(self._heard))
            await self._rt.sleep_until(self._coming[0].at_ns)
            self._check_open()

    def flush(self) -> bytes:
        """Forget, and return, what was heard and not yet received."""
        self._arrive()
        return self._take(len(self._heard)).data

    async def set_format(self, line_format: LineFormat) -> None:
        """Change the format; in another one than the recording's nobody answers."""
        self._check_open()
        self._format = line_format

    async def close(self) -> None:
        """Give the port back."""
        self._closed = True

    def _arrive(self) -> None:
        while self._coming and self._coming[0].at_ns <= self._rt.now():
            self._heard.append(self._coming.popleft())

    def _take(self, count: int) -> Received:
        taken, self._heard = self._heard[:count], self._heard[count:]
        faults = tuple((i, Fault(one.fault)) for i, one in enumerate(taken) if one.fault)
        return Received(
            data=bytes(one.value for one in taken),
            faults=faults if self._bus.tells_faults else None,
            first_ns=taken[0].at_ns if taken else None,
            last_ns=taken[-1].at_ns if taken else None,
        )

    def _check_open(self) -> None:
        if self._closed:
            raise LineError(f"{BUS_URL}: closed on this side")


# --- A whole run ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a gateway made of a recording: its registers, and the requests nobody answered."""

    registers: dict[int, int]
    unmatched: tuple[bytes, ...]
    trace_sha256: str
    virtual_ns: int
    numbers: tuple[str, ...] = field(default=())


def replay(recording: Recording, *, keys: Mapping[str, object] | None = None) -> Replayed:
    """Let the reference gateway find and read the meters of a recording, in virtual time.

    It has the settings that the recorded gateway had, or `keys` in their place. Raises ValueError
    for one that there is not.
    """
    bus = ReplayBus(recording)
    storage = MemoryStorage({})
    form = recording.line_format
    unit_loads = recording.unit_loads
    settings = {"MBUS_BAUDRATE": form.baudrate, **recording.settings, **(keys or {})}
    prepare(storage, settings, unit_loads=unit_loads)

    def opener(rt: SimRuntime, line_format: Any) -> ReplayLine:
        return ReplayLine(rt, bus, line_format)

    rt = simulated_runtime(
        storage=storage,
        lines={BUS_URL: opener},
        unix_time_at_start=recording.epoch_ns // 1_000_000_000,
    )
    wiring = Wiring(
        bus_url=BUS_URL,
        modbus_host=_MODBUS[0],
        modbus_port=_MODBUS[1],
        transport_delay_ns=max(recording.clock_ns, recording.tolerance_ns),
        unit_loads=unit_loads,
    )

    async def main(runtime: Runtime) -> tuple[dict[int, int], tuple[str, ...]]:
        appliance = Appliance(runtime, wiring)
        async with runtime.nursery() as nursery:
            nursery.spawn(appliance.run(), name="gateway")
            await appliance.ready()
            await appliance.scan()
            await appliance.readout()
            await appliance.allocate()
            registers = await _registers(runtime, await runtime.connect(*_MODBUS))
            numbers = tuple(one.identification_number for one in appliance.meters())
            appliance.stop()
        return registers, numbers

    registers, numbers = rt.run(main)
    return Replayed(registers, tuple(bus.unmatched), rt.trace_sha256(), rt.now(), numbers)


async def _registers(rt: Runtime, stream: Stream) -> dict[int, int]:
    """Read every register that is served."""
    client, survey = Client(), Survey()
    try:
        while (request := survey.next_request()) is not None:
            await stream.write(client.request(_UNIT_IDENTIFIER, request))
            answered = False
            while not answered:
                data = await stream.read(_READ_SIZE, until=rt.now() + ANSWER_NS_MAX)
                if not data:
                    raise ConnectionError("the gateway of the replay hung up")
                for outcome in client.receive(data):
                    if isinstance(outcome, Exchange):
                        survey.answered(outcome.answer)
                        answered = True
    finally:
        await stream.close()
    return survey.registers
