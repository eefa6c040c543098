"""The server that is read, and its journal: who connected, what was asked, what was answered."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from simulators.modbus.mbap import Adu, AduReader, BrokenStream
from simulators.modbus.pdu import (
    EXCEPTION_FLAG,
    QUANTITY_MAX,
    READ_DEVICE_IDENTIFICATION,
    READ_HOLDING_REGISTERS,
    ExceptionCode,
)
from simulators.modbus.watch.image import MovingImage

if TYPE_CHECKING:
    from collections.abc import Callable

#: Requests that one journal holds; a client that asks more has been watched long enough.
JOURNAL_MAX: Final = 200_000
#: Requests of one connection that wait for their answer.
WAITING_MAX: Final = 128
_RECEIVE_SIZE: Final = 4096
_OBJECTS: Final = (b"meterbench", b"watched", b"1")


@unique
class Misbehaviour(Enum):
    """What the server does wrong on purpose, every `EVERY`-th request."""

    SLOW = "slow"
    LATE = "late"
    EXCEPTIONS = "exceptions"
    DROP = "drop"
    RESTART = "restart"


#: Every how many requests it happens.
EVERY: Final = {
    Misbehaviour.SLOW: 5,
    Misbehaviour.LATE: 11,
    Misbehaviour.EXCEPTIONS: 7,
    Misbehaviour.DROP: 13,
    Misbehaviour.RESTART: 40,
}
#: How slow a slow answer is, and a late one, which most clients no longer wait for.
SLOW_S: Final = 0.8
LATE_S: Final = 4.0
#: How long the last words of clients may take to arrive.
GRACE_S: Final = 0.05
#: How long nobody listens while the server restarts.
RESTART_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection came; `accepted` False: all places were taken and it was closed at once."""

    at_ns: int
    connection: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection ended."""

    at_ns: int
    connection: int
    by_client: bool


@dataclass(slots=True)
class Asked:
    """One request; `outstanding` counts those of its connection that had no answer yet, itself too.

    `answer` is None where none was given, `answered_ns` the time of what was given.
    """

    at_ns: int
    connection: int
    adu: Adu
    outstanding: int
    answer: bytes | None = None
    answered_ns: int | None = None
    misbehaviour: Misbehaviour | None = None

    @property
    def function_code(self) -> int:
        """First byte of the PDU."""
        return self.adu.pdu[0]

    @property
    def span(self) -> tuple[int, int] | None:
        """Starting address and quantity of a well-formed read."""
        if self.function_code != READ_HOLDING_REGISTERS or len(self.adu.pdu) != 5:
            return None
        address, quantity = struct.unpack(">HH", self.adu.pdu[1:])
        return address, quantity

    @property
    def exception(self) -> int | None:
        """The exception code that it was answered with."""
        if self.answer is None or len(self.answer) < 9 or not self.answer[7] & EXCEPTION_FLAG:
            return None
        return self.answer[8]


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes that are no Modbus/TCP; the connection was closed."""

    at_ns: int
    connection: int
    data: bytes
    message: str


Entry = Opened | Closed | Asked | Broken


@dataclass(slots=True)
class Journal:
    """All that happened, in order; `ended_ns` is set when the watch is over."""

    entries: list[Entry] = field(default_factory=list)
    ended_ns: int = 0
    is_full: bool = False

    def add(self, entry: Entry) -> None:
        """Append, up to `JOURNAL_MAX`."""
        if len(self.entries) < JOURNAL_MAX:
            self.entries.append(entry)
        else:
            self.is_full = True

    @property
    def asked(self) -> list[Asked]:
        """The requests in order."""
        return [entry for entry in self.entries if isinstance(entry, Asked)]


class WatchedServer:
    """Serves `MovingImage` on TCP and writes the journal; `close` ends both.

    `delay_s` is how long an answer takes: a real gateway's time, in which a client that sends the
    next request shows. `connections_max` places are served, further ones closed at once.
    """

    def __init__(
        self,
        *,
        connections_max: int = 5,
        delay_s: float = 0.01,
        misbehaviours: frozenset[Misbehaviour] = frozenset(),
        notify: Callable[[Entry], None] = lambda _entry: None,
    ) -> None:
        self.image = MovingImage()
        self.journal = Journal()
        self._connections_max = connections_max
        self._delay_s = delay_s
        self._misbehaviours = misbehaviours
        self._notify = notify
        self._started_ns = time.monotonic_ns()
        self._server: asyncio.Server | None = None
        self._address = ("", 0)
        self._connections = 0
        self._requests = 0
        self._open: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> int:
        """Nanoseconds since the server was made."""
        return time.monotonic_ns() - self._started_ns

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the address bound. OSError where it cannot be."""
        self._address = (host, port)
        await self._listen()
        return self._address

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, *self._address)
        self._address = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> Journal:
        """Stop listening, end every connection and return the journal."""
        # What clients did up to this moment is still to be read from their sockets.
        await asyncio.sleep(GRACE_S)
        self.journal.ended_ns = self.now()
        self._hang_up()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.journal

    def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open.values()):
            writer.close()

    def _add(self, entry: Entry) -> None:
        self.journal.add(entry)
        self._notify(entry)

    # --- One connection -------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._tasks.add(task)
        self._connections += 1
        number = self._connections
        accepted = len(self._open) < self._connections_max
        self._add(Opened(self.now(), number, accepted))
        try:
            if accepted:
                self._open[number] = writer
                await self._converse(number, reader, writer)
        except OSError:
            self._add(Closed(self.now(), number, by_client=True))
        finally:
            self._open.pop(number, None)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _converse(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        adus = AduReader()
        waiting: asyncio.Queue[Asked] = asyncio.Queue(WAITING_MAX)
        pending: list[Asked] = []
        worker = asyncio.create_task(self._answers(waiting, pending, writer))
        self._tasks.add(worker)
        worker.add_done_callback(self._tasks.discard)
        try:
            while data := await reader.read(_RECEIVE_SIZE):
                for message in adus.receive(data):
                    if isinstance(message, BrokenStream):
                        self._add(Broken(self.now(), number, message.data, message.message))
                        return
                    pending.append(Asked(self.now(), number, message, len(pending) + 1))
                    self._add(pending[-1])
                    await waiting.put(pending[-1])
            by_client = not writer.is_closing()
            self._add(Closed(self.now(), number, by_client=by_client))
        finally:
            worker.cancel()

    async def _answers(
        self, waiting: asyncio.Queue[Asked], pending: list[Asked], writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                asked = await waiting.get()
                await self._answer(asked, writer)
                pending.remove(asked)

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self._requests += 1
        wrong = self._misbehaves()
        asked.misbehaviour = wrong
        delays = {Misbehaviour.SLOW: SLOW_S, Misbehaviour.LATE: LATE_S}
        await asyncio.sleep(self._delay_s if wrong is None else delays.get(wrong, self._delay_s))
        if wrong is Misbehaviour.DROP:
            writer.close()
            return
        if wrong is Misbehaviour.RESTART:
            task = asyncio.create_task(self._restart())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        pdu = self._pdu(asked.adu.pdu, failing=wrong is Misbehaviour.EXCEPTIONS)
        adu = Adu(asked.adu.transaction_identifier, asked.adu.unit_identifier, pdu)
        asked.answer = adu.to_bytes()
        writer.write(asked.answer)
        asked.answered_ns = self.now()
        await writer.drain()

    def _misbehaves(self) -> Misbehaviour | None:
        """What is due with this request; the rarest first, so that each has its turn."""
        for one in sorted(self._misbehaviours, key=lambda one: -EVERY[one]):
            if self._requests % EVERY[one] == 0:
                return one
        return None

    async def _restart(self) -> None:
        self._hang_up()
        await asyncio.sleep(RESTART_S)
        await self._listen()

    # --- Answers --------------------------------------------------------------------------------

    def _pdu(self, pdu: bytes, *, failing: bool) -> bytes:
        """The answer of a gateway, written for this server alone."""
        function_code = pdu[0]
        if failing:
            return _refusal(function_code, ExceptionCode.SERVER_DEVICE_FAILURE)
        if function_code == READ_DEVICE_IDENTIFICATION and pdu[1:2] == b"\x0e":
            objects = b"".join(bytes((n, len(v))) + v for n, v in enumerate(_OBJECTS))
            code = pdu[2] if len(pdu) > 2 else 1
            return bytes((function_code, 0x0E, code, 0x01, 0, 0, len(_OBJECTS))) + objects
        if function_code != READ_HOLDING_REGISTERS:
            return _refusal(function_code, ExceptionCode.ILLEGAL_FUNCTION)
        if len(pdu) != 5:
            return _refusal(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
        address, quantity = struct.unpack(">HH", pdu[1:])
        if not 1 <= quantity <= QUANTITY_MAX:
            return _refusal(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
        words = self.image.read(address, quantity, self.now())
        if words is None:
            return _refusal(function_code, ExceptionCode.ILLEGAL_DATA_ADDRESS)
        return struct.pack(f">BB{quantity}H", function_code, 2 * quantity, *words)


def _refusal(function_code: int, code: ExceptionCode) -> bytes:
    return bytes((function_code | EXCEPTION_FLAG, code))
