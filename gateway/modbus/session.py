"""The policy of the Modbus/TCP server: who is let in, what is a request, when a connection ends.

`Session` is one connection as a pure object: bytes and times in, bytes out (port.StreamSession).
It takes a stream in any split, answers every request of a chunk in one piece, skips frames of
another protocol and ends a stream whose length field cannot be true. `Sessions` admits at most
MODBUS_MAXCONNECTIONS of them (C-37) and counts what the page, the log and the metrics show.

Neither reads a clock: `now` is a parameter, in ns, and `deadline` says when `timer` is wanted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, unique
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from gateway.modbus import mbap
from gateway.modbus.pdu import EXCEPTION_BIT, QUANTITY_MAX, FunctionCode
from gateway.modbus.server import answer
from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.modbus.identification import Identification
    from gateway.modbus.server import Image

Peer = tuple[str, int]

#: A whole ADU of FC 03: prefix, unit identifier, function code, starting address, quantity.
_READ_ADU: Final = Struct(">HHHBBHH")
_READ_ADU_LENGTH: Final = _READ_ADU.size - mbap.PREFIX_SIZE
#: The answer up to its registers: prefix, unit identifier, function code, byte count.
_READ_ANSWER: Final = Struct(">HHHBBB")
_unpack: Final = _READ_ADU.unpack
_pack: Final = _READ_ANSWER.pack
_FC3: Final = int(FunctionCode.READ_HOLDING_REGISTERS)


@unique
class Cause(Enum):
    """Why a connection ended."""

    PEER = "the client or the shell closed it"
    IDLE = "no complete request within MODBUS_DISCONNECTTIMEOUT"
    UNFINISHED = "a request was not finished within MODBUS_CONNECTIONTIMEOUT"
    MALFORMED = "the length field of an MBAP header was not 2 to 254"


@dataclass(frozen=True, slots=True)
class Limits:
    """The keys that bound connections: MODBUS_MAXCONNECTIONS and the two time-outs, in ns.

    `disconnect_timeout` runs from accept, or from the last complete request, to the next;
    `connection_timeout` from the first to the last byte of a request, 0 = off (C-36).
    """

    connections_max: int = 5
    disconnect_timeout: int = 60 * NS_PER_S
    connection_timeout: int = 60 * NS_PER_S


@dataclass(slots=True)
class Counters:
    """What happened since the server began; only ever counted up.

    The last two are of UDP alone: datagrams that were no ADU, and those that came too fast.
    """

    requests: int = 0
    exceptions: Counter[int] = field(default_factory=Counter)
    accepted: int = 0
    rejected: int = 0
    idle_closed: int = 0
    unfinished_closed: int = 0
    malformed_closed: int = 0
    foreign_frames: int = 0
    dropped: int = 0
    throttled: int = 0


@dataclass(frozen=True, slots=True)
class Client:
    """One connection as the page shows it; times in ns as the runtime counts them."""

    peer: Peer
    opened: int
    last_request: int | None
    requests: int


class Session:
    """One connection. Buffers at most one unfinished ADU, so its memory is bounded."""

    __slots__ = (
        "_first_byte",
        "_identification",
        "_idle_since",
        "_limits",
        "_rest",
        "_sessions",
        "cause",
        "closing",
        "last_request",
        "opened",
        "peer",
        "requests",
    )

    def __init__(self, sessions: Sessions, peer: Peer, now: int) -> None:
        self._sessions = sessions
        self._identification = sessions.identification
        self._limits = sessions.limits
        self._rest = b""
        self._first_byte = now
        self._idle_since = now
        self.peer = peer
        self.opened = now
        self.last_request: int | None = None
        self.requests = 0
        self.closing = False
        self.cause: Cause | None = None

    def received(self, data: bytes, now: int) -> bytes:
        """Take bytes as they came; the answers of all requests that they complete, in order."""
        if self.closing:
            return b""
        if len(data) == _READ_ADU.size and not self._rest:
            read = self._read(data, now)
            if read is not None:
                return read
        buffer = self._rest + data if self._rest else data
        answers: list[bytes] = []
        # One image for the chunk: nothing else runs between the requests in it.
        consumed = self._consume(buffer, answers, self._sessions.image())
        if answers:
            self._idle_since = self.last_request = now
            self.requests += len(answers)
            self._sessions.counters.requests += len(answers)
        if consumed == len(buffer):
            self._rest = b""
        else:
            if consumed or not self._rest:
                self._first_byte = now
            self._rest = buffer[consumed:]
        return answers[0] if len(answers) == 1 else b"".join(answers)

    def _read(self, adu: bytes, now: int) -> bytes | None:
        """Answer one plain FC 03 that came by itself; None for anything else.

        Masters poll like this, so the way from request to slice is as short as it can be.
        """
        sessions = self._sessions
        transaction, protocol, length, unit, function_code, address, quantity = _unpack(adu)
        if (
            function_code != _FC3
            or length != _READ_ADU_LENGTH
            or protocol
            or not 1 <= quantity <= QUANTITY_MAX
            or sessions.debug
        ):
            return None
        try:
            registers = sessions.image().read(unit, address, quantity)
        except LookupError:
            return None
        self._idle_since = self.last_request = now
        self.requests += 1
        sessions.counters.requests += 1
        count = quantity + quantity
        return _pack(transaction, 0, count + 3, unit, _FC3, count) + registers

    def deadline(self) -> int | None:
        """When `timer` is wanted: the nearer of the two time-outs of C-36."""
        if self.closing:
            return None
        idle = self._idle_since + self._limits.disconnect_timeout
        if self._rest and self._limits.connection_timeout:
            return min(idle, self._first_byte + self._limits.connection_timeout)
        return idle

    def timer(self, now: int) -> bytes:
        """End the connection if its deadline has come; there is never anything to send."""
        deadline = self.deadline()
        if deadline is not None and now >= deadline:
            idle = self._idle_since + self._limits.disconnect_timeout
            self._end(Cause.IDLE if deadline == idle else Cause.UNFINISHED)
        return b""

    def closed(self, now: int) -> None:
        """Give the place back; calling it again does nothing."""
        self._sessions.leave(self, now)

    def _consume(self, buffer: bytes, answers: list[bytes], image: Image) -> int:
        """Answer every complete ADU in `buffer`; returns how many bytes are done with."""
        start, size = 0, len(buffer)
        plain_max = -1 if self._sessions.debug else size - _READ_ADU.size
        while True:
            # The one request that matters for speed: a plain FC 03, parsed and sliced at once.
            while start <= plain_max:
                transaction, protocol, length, unit, function_code, address, quantity = (
                    _READ_ADU.unpack_from(buffer, start)
                )
                is_plain = function_code == _FC3 and length == _READ_ADU_LENGTH and not protocol
                if not is_plain or not 1 <= quantity <= QUANTITY_MAX:
                    break
                try:
                    registers = image.read(unit, address, quantity)
                except LookupError:
                    break
                count = 2 * quantity
                head = _READ_ANSWER.pack(transaction, 0, count + 3, unit, _FC3, count)
                answers.append(head + registers)
                start += _READ_ADU.size
            end = self._frame_end(buffer, start)
            if end is None:
                return start
            if end == start:
                return size
            self._frame(buffer[start:end], answers, image)
            start = end

    def _frame_end(self, buffer: bytes, start: int) -> int | None:
        """Where the ADU at `start` ends; None while it is unfinished, `start` if it is hopeless."""
        if len(buffer) - start < mbap.PREFIX_SIZE:
            return None
        _, _, length = mbap.PREFIX.unpack_from(buffer, start)
        if not mbap.LENGTH_MIN <= length <= mbap.LENGTH_MAX:
            # Nobody can say where the next frame begins (MBAP-05).
            self._end(Cause.MALFORMED)
            return start
        end = start + mbap.PREFIX_SIZE + int(length)
        return end if end <= len(buffer) else None

    def _frame(self, adu: bytes, answers: list[bytes], image: Image) -> None:
        """Answer one whole ADU by the rules of `server.answer`."""
        transaction_identifier, protocol_identifier, _ = mbap.PREFIX.unpack_from(adu)
        sessions = self._sessions
        if protocol_identifier != mbap.PROTOCOL_IDENTIFIER:
            # Not ours: no answer, the stream stays in step (MBAP-03). It is no request either, so
            # it does not keep the connection open.
            sessions.counters.foreign_frames += 1
            return
        unit_identifier = adu[mbap.PREFIX_SIZE]
        pdu = answer(image, unit_identifier, adu[mbap.HEADER_SIZE :], self._identification)
        if pdu[0] & EXCEPTION_BIT:
            sessions.counters.exceptions[pdu[1]] += 1
        answered = mbap.adu(transaction_identifier, unit_identifier, pdu)
        answers.append(answered)
        if sessions.debug:
            sessions.log("modbus.received", peer=self.peer, adu=adu.hex())
            sessions.log("modbus.sent", peer=self.peer, adu=answered.hex())

    def _end(self, cause: Cause) -> None:
        self.closing = True
        self.cause = cause
        self._rest = b""
        self._sessions.count_end(cause)


class Sessions:
    """Admission and the sum of all connections; `opened` is the port.SessionFactory.

    `image` is called for every chunk of requests and gives the snapshot of that moment. `log` is
    `Runtime.log` (kinds ``modbus.opened``, ``.closed``, ``.rejected``); with `debug`
    (MODBUS_DEBUGOUT) every ADU is logged too.
    """

    def __init__(
        self,
        image: Callable[[], Image],
        identification: Identification,
        *,
        limits: Limits | None = None,
        log: Callable[..., None] | None = None,
        debug: bool = False,
    ) -> None:
        self.image = image
        self.identification = identification
        self.limits = Limits() if limits is None else limits
        self.counters = Counters()
        self.debug = debug
        self._log = log
        self._open: dict[Session, None] = {}

    def opened(self, peer: Peer, now: int) -> Session | None:
        """Let a new connection in, or not: None is to be closed without a byte (C-37)."""
        if len(self._open) >= self.limits.connections_max:
            self.counters.rejected += 1
            self.log("modbus.rejected", peer=peer, connections=len(self._open))
            return None
        session = Session(self, peer, now)
        self._open[session] = None
        self.counters.accepted += 1
        self.log("modbus.opened", peer=peer, connections=len(self._open))
        return session

    def clients(self) -> list[Client]:
        """List the open connections in the order in which they came."""
        return [Client(s.peer, s.opened, s.last_request, s.requests) for s in self._open]

    def leave(self, session: Session, now: int) -> None:
        """Take a session that has ended off the list; the next client gets its place."""
        if session not in self._open:
            return
        del self._open[session]
        self.log(
            "modbus.closed",
            peer=session.peer,
            cause=(session.cause or Cause.PEER).name.lower(),
            requests=session.requests,
            seconds=(now - session.opened) // NS_PER_S,
        )

    def count_end(self, cause: Cause) -> None:
        """Count a connection that the server ends."""
        if cause is Cause.IDLE:
            self.counters.idle_closed += 1
        elif cause is Cause.UNFINISHED:
            self.counters.unfinished_closed += 1
        else:
            self.counters.malformed_closed += 1

    def log(self, kind: str, **fields: Any) -> None:
        """Record an event, if somebody listens."""
        if self._log is not None:
            self._log(kind, **fields)
