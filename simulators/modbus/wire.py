"""One Modbus server seen through real sockets: what was sent, what came back, how it ended.

A `Prober` talks to one server over TCP or UDP and writes every exchange down as a `Step`, which is
all that a check may judge by. It is built to be polite to a device that it does not own: the
number of connections and requests is bounded by `Limits`, every wait has an end, and at most one
connection stays open between two probes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING, Final, Protocol

from simulators.modbus.mbap import Adu, AduReader, BrokenStream
from simulators.modbus.pdu import EXCEPTION_FLAG

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes taken from a socket at once.
_RECEIVE_SIZE: Final = 65_536
#: Datagrams that may wait to be looked at; more are dropped, as a socket would.
_DATAGRAMS_MAX: Final = 1_024
#: Pause before a datagram: servers limit what one source is answered.
UDP_PAUSE_S: Final = 0.0015
#: How long nothing must come before it counts as silence.
SILENCE_S: Final = 0.4
#: How long a server may take to notice that connections were closed.
SETTLE_S: Final = 0.05


class BudgetSpentError(Exception):
    """A probe would go beyond `Limits`; the message says which limit."""


@unique
class Transport(Enum):
    """How a Modbus server is reached."""

    TCP = "tcp"
    UDP = "udp"


@unique
class End(Enum):
    """In what state a step left its connection."""

    OPEN = "open"
    CLOSED = "closed by the server"
    RESET = "reset by the server"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the prober allows itself.

    `answer_s` is how long an answer may take, `silence_s` how long nothing must come before it
    counts as silence, `connect_s` how long a connection may take. `requests_max` and
    `connections_max` hold for the whole check, `open_max` for any moment.
    """

    answer_s: float = 2.0
    silence_s: float = SILENCE_S
    connect_s: float = 5.0
    requests_max: int = 12_000
    connections_max: int = 200
    open_max: int = 90


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange: bytes sent, messages received, state of the connection behind it.

    `elapsed_ns` runs from the first byte sent to the last that came, or to the end of the wait
    when nothing came; `connection` numbers connections from 1 in the order of their opening.
    """

    label: str
    sent: bytes
    messages: tuple[Adu | BrokenStream, ...]
    end: End
    elapsed_ns: int
    connection: int

    @property
    def adus(self) -> tuple[Adu, ...]:
        """The well-framed messages."""
        return tuple(one for one in self.messages if isinstance(one, Adu))

    @property
    def received(self) -> bytes:
        """What came, as bytes."""
        return b"".join(
            one.to_bytes() if isinstance(one, Adu) else one.data for one in self.messages
        )

    @property
    def only(self) -> Adu | None:
        """The message, where exactly one well-framed message came."""
        return self.adus[0] if len(self.messages) == len(self.adus) == 1 else None

    @property
    def refusal(self) -> tuple[int, int] | None:
        """Function code and exception code, where the one message is an exception of two bytes."""
        adu = self.only
        if adu is None or len(adu.pdu) != 2 or not adu.pdu[0] & EXCEPTION_FLAG:
            return None
        return adu.pdu[0], adu.pdu[1]


@dataclass(frozen=True, slots=True)
class Observation:
    """What one probe saw: its steps in order, and numbers that no step holds."""

    steps: tuple[Step, ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict)

    def labelled(self, prefix: str) -> tuple[Step, ...]:
        """The steps whose label begins with `prefix`."""
        return tuple(step for step in self.steps if step.label.startswith(prefix))


class Link(Protocol):
    """One way to the server: a TCP connection, or a UDP socket of its own."""

    number: int
    end: End

    async def exchange(
        self,
        label: str,
        *pieces: bytes,
        expect: int = 1,
        wait_s: float | None = None,
        linger_s: float = 0.0,
        pause_s: float = 0.0,
    ) -> Step:
        """Send the pieces and listen; see `_Link.exchange`."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class _Link(ABC):
    """What TCP and UDP have in common: sending pieces, and listening with an end."""

    def __init__(self, number: int, limits: Limits) -> None:
        self.number = number
        self.end = End.OPEN
        self._limits = limits

    @abstractmethod
    async def _send(self, data: bytes) -> None:
        """Hand bytes to the transport."""

    @abstractmethod
    async def _receive(self, wait_s: float) -> list[Adu | BrokenStream] | None:
        """The messages of the next bytes; None when the time is over or the connection ended."""

    async def exchange(
        self,
        label: str,
        *pieces: bytes,
        expect: int = 1,
        wait_s: float | None = None,
        linger_s: float = 0.0,
        pause_s: float = 0.0,
    ) -> Step:
        """Send `pieces`, `pause_s` apart, and listen until `expect` messages have come.

        With `expect` 0 the whole `wait_s` is listened for (by default `Limits.silence_s`), with
        others at most that long (`Limits.answer_s`). `linger_s` is listened on behind the last
        expected message, for what should not come. Any end of the connection ends the wait.
        """
        default = self._limits.answer_s if expect else self._limits.silence_s
        wait_s = default if wait_s is None else wait_s
        started = last = time.monotonic_ns()
        messages: list[Adu | BrokenStream] = []
        for index, piece in enumerate(pieces):
            if index and pause_s:
                await asyncio.sleep(pause_s)
            await self._send(piece)
        deadline = time.monotonic() + wait_s
        while self.end is End.OPEN:
            if expect and len(messages) >= expect:
                deadline = min(deadline, time.monotonic() + linger_s)
                expect, linger_s = 0, 0.0
            left = deadline - time.monotonic()
            if left <= 0:
                break
            found = await self._receive(left)
            last = time.monotonic_ns()
            messages += found or ()
        elapsed = last - started
        return Step(label, b"".join(pieces), tuple(messages), self.end, elapsed, self.number)


class TcpLink(_Link):
    """One TCP connection."""

    def __init__(
        self,
        number: int,
        limits: Limits,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(number, limits)
        self._reader = reader
        self.writer = writer
        self._adus = AduReader()

    async def _send(self, data: bytes) -> None:
        if self.end is not End.OPEN:
            return
        self.writer.write(data)
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await self.writer.drain()
        except TimeoutError:
            # The server takes nothing more; what was not taken shows as missing answers.
            return
        except OSError:
            self.end = End.RESET

    async def _receive(self, wait_s: float) -> list[Adu | BrokenStream] | None:
        try:
            async with asyncio.timeout(wait_s):
                data = await self._reader.read(_RECEIVE_SIZE)
        except TimeoutError:
            return None
        except OSError:
            self.end = End.RESET
            return None
        if not data:
            self.end = End.CLOSED
            return None
        return self._adus.receive(data)

    def close(self) -> None:
        """Hang up."""
        self.writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """Collects datagrams; an ICMP refusal is told as a reset."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(_DATAGRAMS_MAX)

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        with contextlib.suppress(asyncio.QueueFull):
            self.queue.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        del exc
        with contextlib.suppress(asyncio.QueueFull):
            self.queue.put_nowait(None)


class UdpLink(_Link):
    """One UDP socket; every piece is a datagram, every datagram that comes is a message."""

    def __init__(
        self,
        number: int,
        limits: Limits,
        transport: asyncio.DatagramTransport,
        datagrams: _Datagrams,
    ) -> None:
        super().__init__(number, limits)
        self._transport = transport
        self._queue = datagrams.queue

    async def _send(self, data: bytes) -> None:
        self._transport.sendto(data)

    async def _receive(self, wait_s: float) -> list[Adu | BrokenStream] | None:
        try:
            async with asyncio.timeout(wait_s):
                data = await self._queue.get()
        except TimeoutError:
            return None
        if data is None:
            self.end = End.RESET
            return None
        reader = AduReader()
        found = reader.receive(data)
        if reader.pending or len(found) != 1:
            return [BrokenStream(data, f"expected one message in a datagram, got {data.hex()}")]
        return found

    def close(self) -> None:
        """Give the socket back."""
        self._transport.close()


class Prober:
    """Talks to one server; counts what it uses.

    `unit_identifier` is used where a probe names none, `address` is a register that the server
    serves, `seed` makes chosen bytes repeatable.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        transport: Transport = Transport.TCP,
        unit_identifier: int = 255,
        address: int = 0,
        limits: Limits | None = None,
        seed: int = 1,
    ) -> None:
        self.host = host
        self.port = port
        self.transport = transport
        self.unit_identifier = unit_identifier
        self.address = address
        self.limits = Limits() if limits is None else limits
        self.seed = seed
        #: What was used so far.
        self.connections = 0
        self.requests = 0
        self._links: list[Link] = []
        self._main: Link | None = None
        self._unsettled = False
        self._transaction_identifier = 0

    # --- Messages -------------------------------------------------------------------------------

    def adu(
        self,
        pdu: bytes,
        *,
        unit_identifier: int | None = None,
        transaction_identifier: int | None = None,
    ) -> bytes:
        """Frame a request; without a transaction identifier the next of a running count."""
        if transaction_identifier is None:
            self._transaction_identifier = (self._transaction_identifier + 1) % 0x1_0000
            transaction_identifier = self._transaction_identifier
        unit = self.unit_identifier if unit_identifier is None else unit_identifier
        return Adu(transaction_identifier, unit, pdu).to_bytes()

    def read(
        self, quantity: int = 1, address: int | None = None, *, unit_identifier: int | None = None
    ) -> bytes:
        """Frame a read of holding registers, by default of one that is served."""
        address = self.address if address is None else address
        pdu = bytes((3, *address.to_bytes(2, "big"), *quantity.to_bytes(2, "big")))
        return self.adu(pdu, unit_identifier=unit_identifier)

    # --- Connections ----------------------------------------------------------------------------

    async def connect(self) -> Link:
        """Open a further way to the server; OSError when it cannot be reached."""
        if self.connections >= self.limits.connections_max:
            raise BudgetSpentError(
                f"the limit of {self.limits.connections_max} connections is used up"
            )
        if sum(link.end is End.OPEN for link in self._links) >= self.limits.open_max:
            raise BudgetSpentError(f"more than {self.limits.open_max} connections at one time")
        self.connections += 1
        number = self.connections
        link: Link
        if self.transport is Transport.UDP:
            loop = asyncio.get_running_loop()
            transport, datagrams = await loop.create_datagram_endpoint(
                _Datagrams, remote_addr=(self.host, self.port)
            )
            link = UdpLink(number, self.limits, transport, datagrams)
        else:
            async with asyncio.timeout(self.limits.connect_s):
                reader, writer = await asyncio.open_connection(self.host, self.port)
            link = TcpLink(number, self.limits, reader, writer)
        self._links.append(link)
        return link

    def hang_up(self, *links: Link) -> None:
        """Close the given links, or all of them."""
        for link in links or tuple(self._links):
            link.close()
            self._unsettled = True
            if link in self._links:
                self._links.remove(link)
            if link is self._main:
                self._main = None

    async def settle(self) -> None:
        """Hang up everything and give the server the time to notice it."""
        self.hang_up()
        if self._unsettled:
            self._unsettled = False
            await asyncio.sleep(SETTLE_S)

    # --- Exchanges ------------------------------------------------------------------------------

    def count(self, requests: int = 1) -> None:
        """Take requests from the budget; `BudgetSpentError` when it is used up."""
        if self.requests + requests > self.limits.requests_max:
            raise BudgetSpentError(f"the limit of {self.limits.requests_max} requests is used up")
        self.requests += requests

    async def ask(
        self, label: str, data: bytes, *, expect: int = 1, wait_s: float | None = None
    ) -> Step:
        """Exchange on the one lasting connection; it is made anew after anything but an answer.

        A late answer to a request that was given up can so never be taken for the next one's.
        """
        self.count()
        if self._main is None:
            if self._unsettled:
                self._unsettled = False
                await asyncio.sleep(SETTLE_S)
            self._main = await self.connect()
        link = self._main
        if self.transport is Transport.UDP:
            await asyncio.sleep(UDP_PAUSE_S)
        step = await link.exchange(label, data, expect=expect, wait_s=wait_s)
        if len(step.adus) != expect or len(step.messages) != expect or step.end is not End.OPEN:
            self.hang_up(link)
        return step

    async def lone(
        self, label: str, *pieces: bytes, expect: int = 1, requests: int = 1,
        wait_s: float | None = None, linger_s: float = 0.0, pause_s: float = 0.0,
    ) -> Step:  # fmt: skip
        """Exchange on a connection of its own, which is closed behind it."""
        self.count(requests)
        await self.settle()
        link = await self.connect()
        try:
            return await link.exchange(
                label, *pieces, expect=expect, wait_s=wait_s, linger_s=linger_s, pause_s=pause_s
            )
        finally:
            self.hang_up(link)
