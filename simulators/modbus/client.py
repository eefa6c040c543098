"""A Modbus TCP client without a socket: requests become bytes, bytes become answers.

The shell that owns the connection sends what `Client.request` returns and hands every received
byte to `Client.receive`. Answers are paired with their requests by transaction identifier, so
several requests may be under way at once and may be answered in any order. What a server must
not do (answer something that nobody asked, answer twice, answer for another unit, break the
stream, hang up on a request) comes out as an `Unexpected` or `Unanswered` observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from simulators.modbus.mbap import Adu, AduReader, BrokenStream
from simulators.modbus.pdu import Answer, Request, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Requests under way at once. A server may answer them in any order, but a client that lets them
#: pile up without bound has lost its server.
OUTSTANDING_MAX: Final = 64

#: Transaction identifiers run over 16 bits.
TRANSACTION_MODULUS: Final = 0x1_0000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the answer that came for it."""

    transaction_identifier: int
    unit_identifier: int
    request: Request
    answer: Answer


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Something from the server that answers no request; `message` says what is wrong."""

    data: bytes
    message: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request for which no answer can come any more."""

    transaction_identifier: int
    unit_identifier: int
    request: Request


Outcome = Exchange | Unexpected | Unanswered


class OutstandingLimitError(Exception):
    """`OUTSTANDING_MAX` requests are under way; wait for answers first."""


class Client:
    """Pairs requests and answers of one connection.

    `first_transaction_identifier` makes a trace repeatable; the identifiers count up from it and
    wrap from 65535 to 0.
    """

    def __init__(self, *, first_transaction_identifier: int = 1) -> None:
        self._next = first_transaction_identifier % TRANSACTION_MODULUS
        self._outstanding: dict[int, tuple[int, Request]] = {}
        self._reader = AduReader()

    @property
    def outstanding(self) -> int:
        """Requests that have no answer yet."""
        return len(self._outstanding)

    def request(self, unit_identifier: int, request: Request) -> bytes:
        """Register a request and return the bytes to send.

        Raises `OutstandingLimitError` when `OUTSTANDING_MAX` requests are under way.
        """
        if len(self._outstanding) >= OUTSTANDING_MAX:
            raise OutstandingLimitError(f"{OUTSTANDING_MAX} requests are under way")
        transaction_identifier = self._take_identifier()
        self._outstanding[transaction_identifier] = (unit_identifier, request)
        return Adu(transaction_identifier, unit_identifier, request.to_bytes()).to_bytes()

    def _take_identifier(self) -> int:
        """Return the next identifier that is not under way; the limit leaves one free."""
        while self._next in self._outstanding:
            self._next = (self._next + 1) % TRANSACTION_MODULUS
        taken = self._next
        self._next = (taken + 1) % TRANSACTION_MODULUS
        return taken

    def receive(self, data: bytes) -> list[Outcome]:
        """Take bytes from the server and return what they complete, in order of arrival."""
        return [self._outcome(message) for message in self._reader.receive(data)]

    def _outcome(self, message: Adu | BrokenStream) -> Outcome:
        if isinstance(message, BrokenStream):
            return Unexpected(message.data, message.message)
        asked = self._outstanding.get(message.transaction_identifier)
        if asked is None:
            known = sorted(self._outstanding)
            return Unexpected(
                message.to_bytes(),
                f"expected one of the transactions {known}, got {message.transaction_identifier}",
            )
        unit_identifier, request = asked
        if message.unit_identifier != unit_identifier:
            return Unexpected(
                message.to_bytes(),
                f"expected unit identifier {unit_identifier}, got {message.unit_identifier}",
            )
        del self._outstanding[message.transaction_identifier]
        answer = parse(request, message.pdu)
        return Exchange(message.transaction_identifier, unit_identifier, request, answer)

    def abandon(self, transaction_identifiers: Iterable[int] | None = None) -> list[Outcome]:
        """Give up requests (all by default): the server hung up or their time is over.

        A late answer to one of them is then an `Unexpected`.
        """
        given_up = list(self._outstanding if transaction_identifiers is None
                        else transaction_identifiers)  # fmt: skip
        return [
            Unanswered(identifier, *self._outstanding.pop(identifier))
            for identifier in given_up
            if identifier in self._outstanding
        ]
