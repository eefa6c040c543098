"""Reading a gateway's registers over Modbus, and turning them into signals.

`RegisterReader` is a client on the Runtime port: the same code reads over a network in memory and
over TCP. `RegisterSignals` maps each meter of the population to its entry by what the entry itself
says (serial number, manufacturer, version, medium), since a scenario must not know addresses; from
then on ``meter(x).registers.flags`` is a signal that changes when a read shows another value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulators.modbus import layout
from simulators.modbus.client import Client, Exchange
from simulators.modbus.pdu import Answer, ExceptionAnswer, ReadRequest, Request
from simulators.modbus.pdu import Registers as RegistersAnswer
from simulators.modbus.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gateway.runtime.port import Runtime, Stream
    from scenarios.language.events import EventLog
    from scenarios.language.ir import Registers
    from simulators.meter import Meter

#: Longest wait for one answer of the gateway's Modbus server.
ANSWER_NS_MAX: Final = 2_000_000_000

#: The unit identifier of the gateway itself (C-11).
UNIT_IDENTIFIER: Final = 255

#: A connection that was used this recently is not looked at before it is used again.
KEPT_NS: Final = 100_000_000

#: Bytes asked of the stream at a time; an ADU has 260 at most.
_READ_SIZE: Final = 4096


class PollError(Exception):
    """The registers could not be read; the message says what happened instead.

    `exception` is the code of the exception by which the server refused, 0 where it did not.
    """

    def __init__(self, message: str, exception: int = 0) -> None:
        super().__init__(message)
        self.exception = exception


class RegisterReader:
    """A Modbus TCP client that keeps its connection and makes a new one when it must."""

    def __init__(
        self,
        rt: Runtime,
        address: Callable[[], tuple[str, int] | None],
        connected: Callable[[int], None] = lambda _by: None,
    ) -> None:
        self._rt = rt
        self._address = address
        #: Called with 1 when a connection has been made, with -1 when it has ended.
        self._on_connected = connected
        self._stream: Stream | None = None
        self._client = Client()
        self._answered_ns = 0
        #: Requests answered so far, and how long the last one took.
        self.latency_ns: int | None = None

    async def read(self, registers: Registers | None) -> dict[int, int]:
        """Read a run of registers, or all that are served; raises PollError."""
        if registers is None:
            return await self._read_all()
        request = ReadRequest(registers.start, registers.count)
        answer = await self.ask(request, registers.unit)
        if not isinstance(answer, RegistersAnswer):
            code = answer.code if isinstance(answer, ExceptionAnswer) else 0
            raise PollError(_complaint(request, answer), code)
        return dict(enumerate(answer.words, answer.starting_address))

    async def _read_all(self) -> dict[int, int]:
        survey = Survey()
        while (request := survey.next_request()) is not None:
            survey.answered(await self.ask(request))
        if survey.complaints:
            raise PollError(_complaint(*survey.complaints[0]))
        return survey.registers

    async def ask(self, request: Request, unit: int = UNIT_IDENTIFIER) -> Answer:
        """Ask anything and return the answer; raises PollError where none came."""
        started = self._rt.now()
        try:
            with self._rt.timeout(ANSWER_NS_MAX):
                answer = await self._exchange(request, unit)
        except TimeoutError as error:
            await self.close()
            raise PollError("the Modbus server did not answer within 2 s") from error
        except OSError as error:
            await self.close()
            raise PollError(f"the Modbus server cannot be reached: {error}") from error
        self._answered_ns = self._rt.now()
        self.latency_ns = self._answered_ns - started
        return answer

    async def _exchange(self, request: Request, unit: int) -> Answer:
        stream = await self._connected()
        await stream.write(self._client.request(unit, request))
        while True:
            data = await stream.read(_READ_SIZE)
            if not data:
                await self.close()
                raise PollError("the Modbus server closed the connection without an answer")
            for outcome in self._client.receive(data):
                if isinstance(outcome, Exchange):
                    return outcome.answer
                await self.close()
                raise PollError(f"the Modbus server broke the protocol: {outcome}")

    async def _connected(self) -> Stream:
        if self._stream is not None and await self._hung_up(self._stream):
            await self.close()
        if self._stream is None:
            address = self._address()
            if address is None:
                raise PollError("the Modbus server is not there (MODBUS_ENABLE=0?)")
            self._stream = await self._rt.connect(*address)
            self._on_connected(1)
            self._client = Client()
        return self._stream

    async def _hung_up(self, stream: Stream) -> bool:
        """Whether the server has ended a connection that was kept for a while, before it was asked.

        It may: it was restarted, or the connection was idle for too long. That is no answer missed.
        """
        now = self._rt.now()
        if now - self._answered_ns < KEPT_NS:
            return False
        try:
            data = await stream.read(1, until=now)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        # What came unasked stays in the client's reader, which complains of it at the answer.
        self._client.receive(data)
        return not data

    async def close(self) -> None:
        """Give the connection back."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._on_connected(-1)
            await stream.close()


def _complaint(request: ReadRequest, answer: Answer) -> str:
    last = request.starting_address + request.quantity - 1
    what = f"registers {request.starting_address}-{last}"
    if isinstance(answer, ExceptionAnswer):
        return f"{what}: exception {answer}"
    return f"{what}: unexpected answer {answer}"


class RegisterSignals:
    """Signals of the registers of one gateway; `meters` are those of the population."""

    def __init__(self, log: EventLog, now: Callable[[], int], meters: Iterable[Meter]) -> None:
        self._log = log
        self._now = now
        self._meters = list(meters)
        self.words: dict[int, int] = {}
        #: The entry of each meter, as the last read that changed anything showed it.
        self.groups: dict[str, layout.MeterGroup] = {}

    def took(self, words: Mapping[int, int], *, everything: bool) -> bool:
        """Take the result of a read; `everything` says that no other register is served.

        Returns whether anything is another than before.
        """
        if words == self.words if everything else words.items() <= self.words.items():
            return False
        if everything:
            self.words = dict(words)
        else:
            self.words |= words
        groups, others = layout.group(layout.read_mapped(self.words))
        for block in others:
            if isinstance(block, layout.GatewayBlock):
                self._gateway(block)
        self.groups = {}
        for meter, group in pair(self._meters, groups):
            self.groups[meter.id] = group
            self._meter(f"meter({meter.id}).registers", group)
        return True

    def _gateway(self, block: layout.GatewayBlock) -> None:
        at = block.address
        self._set("gateway.registers.serial_number", block.serial_number, at, 2)
        self._set("gateway.registers.protocol_version", block.protocol_version, at + 2, 1)
        self._set("gateway.registers.software_version", block.software_version, at + 3, 1)
        self._set("gateway.registers.time", block.time_stamp, at + 4, 2)

    def _meter(self, path: str, group: layout.MeterGroup) -> None:
        block, at = group.meter, group.meter.address
        self._set(f"{path}.address", at, at, 1)
        self._set(f"{path}.serial_number", block.serial_number, at, 2)
        self._set(f"{path}.manufacturer", block.manufacturer, at + 2, 1)
        self._set(f"{path}.version", block.version, at + 3, 1)
        self._set(f"{path}.medium", block.medium, at + 3, 1)
        self._set(f"{path}.time", block.time_stamp, at + 4, 2)
        self._set(f"{path}.flags", block.flags, at + 8, 1)
        self._set(f"{path}.count", len(group.values), at, layout.BLOCK_LENGTH)
        for number, value in enumerate(group.values):
            self._value(path, number, value)

    def _value(self, path: str, number: int, block: layout.ValueBlock) -> None:
        at = block.address
        self._set(f"{path}.integer({number})", block.integer, at, 4)
        self._set(f"{path}.float({number})", block.float_value, at + 4, 2)
        self._set(f"{path}.scale({number})", block.scale, at + 6, 1)
        self._set(f"{path}.unit({number})", block.unit, at + 7, 1)
        self._set(f"{path}.timestamp({number})", block.time_stamp, at + 8, 2)

    def _set(self, path: str, value: Any, address: int, quantity: int) -> None:
        """Note a value if it is another one than before, with the words that show it."""
        if self._log.last(path) == value:
            return
        words = " ".join(f"{self.words[address + i]:04X}" for i in range(quantity))
        where = str(address) if quantity == 1 else f"{address}-{address + quantity - 1}"
        self._log.add(self._now(), path, value, {"registers": where, "words": words})


def pair(
    meters: Iterable[Meter], groups: Iterable[layout.MeterGroup]
) -> Iterator[tuple[Meter, layout.MeterGroup]]:
    """Pair meters and register entries: by the whole identity first, then by less and less.

    The later rounds are for meters whose header lies about its version or medium. Each entry goes
    to one meter, in the order of the population.
    """
    left_meters, left_groups = list(meters), list(groups)
    for parts in (4, 2, 1):
        for meter in list(left_meters):
            wanted = _identity(meter)[:parts]
            group = next((one for one in left_groups if _entry(one)[:parts] == wanted), None)
            if group is not None:
                left_meters.remove(meter)
                left_groups.remove(group)
                yield meter, group


def _identity(meter: Meter) -> tuple[int, str, int, int]:
    digits = meter.identification_number
    serial = int(digits) if digits.isdecimal() else 0
    return serial, meter.manufacturer, meter.version, meter.medium


def _entry(group: layout.MeterGroup) -> tuple[int, str, int, int]:
    block = group.meter
    return block.serial_number, block.manufacturer, block.version, block.medium
