"""Places where a master in the real world reaches a simulated bus: PTY, TCP, UDP and RFC 2217.

Each behaves like a converter on a serial line: one master at a time, characters no earlier than
the wire would deliver them, nothing kept for a master that has gone. A client that vanishes,
closes one direction only or does not read is an ordinary day; the endpoint is ready for the next.
A converter that vanishes (the fault `converter_gone`) takes its place with it: connections are
reset and refused until it returns, a pseudo-terminal is gone, datagrams stay unanswered.
A pseudo-terminal is no serial line: it has no pace, no parity and no modem lines of its own, so
pace and parity are those of the simulated line behind it. RFC 2217 can carry a rate and errors: a
master that sets another rate than the meters' is heard as noise, as on the wire. Several endpoints
may be open at once; what their masters send is put on the bus one behind the other, and all of them
hear the answers.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import tty
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from simulators.com_port import ComPort
from simulators.converter import State
from simulators.datagrams import UdpEndpoint
from simulators.frames import FRAME_LENGTH_MAX
from simulators.realtime import HOST_PAUSE_NS, Master, RealTime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulators.characters import Fault
    from simulators.network import Network

    Faults = Sequence[tuple[int, Fault]]

#: Bytes that wait for a master that does not read; more are lost, as in a converter's buffer.
UNREAD_BYTES_MAX: Final = 65_536
#: Bytes taken from a pseudo-terminal at a time.
READ_SIZE: Final = 4096
#: Longest time from a request to the first bit of its answer: 330 bits and 50 ms (MBDOC48 p.25).
ANSWER_BITS_MAX: Final = 330
ANSWER_EXTRA_S: Final = 0.05

#: How long a second master waits at the door before it is turned away.
DOOR_S: Final = 0.02

#: Length of a break that a master asks for by RFC 2217: that of a collision (MBDOC48 p.56).
BREAK_NS: Final = 50_000_000

_KINDS: Final = "pty:PATH, tcp:HOST:PORT, udp:HOST:PORT or rfc2217:HOST:PORT"


class EndpointError(OSError):
    """An endpoint cannot be opened; the message names it and says why."""


class Endpoint(Protocol):
    """A place where a master can connect."""

    @property
    def where(self) -> str:
        """The address in the form of `serve`, with the port number that was really bound."""
        ...

    async def close(self) -> None:
        """Let go of the place and of the master that is connected."""
        ...


async def serve(network: Network, where: str, *, speed: float = 1.0) -> Endpoint:
    """Open `network` to masters at `where`: ``pty:PATH``, or ``tcp:``, ``udp:``, ``rfc2217:``.

    The last three are followed by HOST:PORT, with port 0 for any that is free.

    The first endpoint of a network makes it follow the running loop, `speed` times as fast; all
    endpoints of one network share that clock. Raises EndpointError, and ValueError for a `where`
    that is none or a speed other than that of the endpoints before.
    """
    kind, _, place = where.partition(":")
    if kind not in {"pty", "tcp", "udp", "rfc2217"} or not place:
        msg = f"want {_KINDS}, got {where!r}"
        raise ValueError(msg)
    address = _host_port(where, place) if kind != "pty" else ("", 0)
    clock = _clock(network, speed)
    endpoint: Endpoint
    if kind == "pty":
        endpoint = PtyEndpoint(network, clock, Path(place))
    elif kind == "udp":
        try:
            endpoint = await UdpEndpoint.open(network, clock, *address)
        except OSError as error:
            msg = f"cannot listen on {where}: {error.strerror or error}"
            raise EndpointError(msg) from error
    else:
        endpoint = await TcpEndpoint.open(network, clock, kind, *address)
    clock.arm()
    return endpoint


def _clock(network: Network, speed: float) -> RealTime:
    """The clock of the network, started by its first endpoint."""
    if network.clock is None:
        network.clock = RealTime(network.env, speed)
        network.bus.tolerate(int(HOST_PAUSE_NS * speed))
    if network.clock.speed != speed:
        msg = f"the network runs at speed {network.clock.speed} already, got {speed}"
        raise ValueError(msg)
    return network.clock


def _host_port(where: str, place: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``[HOST]:PORT``."""
    host, _, port = place.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        kind = where.partition(":")[0]
        msg = f"want {kind}:HOST:PORT with a port from 0 to 65535, got {where!r}"
        raise ValueError(msg)
    return host.removeprefix("[").removesuffix("]"), int(port)


class TcpEndpoint:
    """A TCP server with one master at a time; a second one is closed without a byte.

    `kind` is "tcp" for plain bytes or "rfc2217" for COM port control over Telnet.
    """

    def __init__(self, network: Network, clock: RealTime, kind: str) -> None:
        self._network = network
        self._clock = clock
        self._kind = kind
        self._factory: Callable[[], _TcpMaster] = partial(
            _TcpMaster if kind == "tcp" else _Rfc2217Master, self
        )
        self._servers: list[asyncio.Server] = []
        # While the converter is gone: bound sockets that nobody can connect to.
        self._held: list[socket.socket] = []
        self._reopening: asyncio.Task[None] | None = None
        self._connected: _TcpMaster | None = None
        self._place: tuple[str, int] = ("", 0)
        self._leave = network.bus.converter.watch(self._converter_changed)
        #: Connections turned away because there was a master already.
        self.refused = 0

    @classmethod
    async def open(
        cls, network: Network, clock: RealTime, kind: str, host: str, port: int
    ) -> TcpEndpoint:
        """Listen; EndpointError where that is impossible."""
        endpoint = cls(network, clock, kind)
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(endpoint._factory, host, port)
        except OSError as error:
            endpoint._leave()
            msg = f"cannot listen on {kind}:{host}:{port}: {error.strerror or error}"
            raise EndpointError(msg) from error
        endpoint._servers.append(server)
        endpoint._place = server.sockets[0].getsockname()[:2]
        endpoint._converter_changed()
        return endpoint

    @property
    def where(self) -> str:
        """``tcp:HOST:PORT`` or ``rfc2217:HOST:PORT`` as bound."""
        host, port = self._place
        return f"{self._kind}:[{host}]:{port}" if ":" in host else f"{self._kind}:{host}:{port}"

    async def close(self) -> None:
        """Stop listening and hang up."""
        self._leave()
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.wait([self._reopening])
        for server in self._servers:
            server.close()
        for held in self._held:
            held.close()
        if self._connected is not None:
            self._connected.hang_up()

    def _converter_changed(self) -> None:
        """A converter that has vanished resets its connections and refuses new ones."""
        gone = self._network.bus.converter.state is State.GONE
        if gone and self._servers:
            places = [(one.family, one.getsockname()) for it in self._servers for one in it.sockets]
            for server in self._servers:
                server.close()
            self._servers.clear()
            self._held = [_bound(family, place) for family, place in places]
            if self._connected is not None:
                self._connected.reset()
        elif not gone and self._held and self._reopening is None:
            self._reopening = asyncio.get_running_loop().create_task(self._reopen())

    async def _reopen(self) -> None:
        """Listen again at the same place; the port has stayed ours."""
        loop = asyncio.get_running_loop()
        while self._held:
            self._servers.append(await loop.create_server(self._factory, sock=self._held[0]))
            del self._held[0]
        self._reopening = None
        # It may have vanished again meanwhile.
        self._converter_changed()

    def admit(self, master: _TcpMaster) -> Master | None:
        """Give the place to a new master; None if it is taken.

        One that has said its last word, and only listens for the rest of an answer, gives way.
        """
        if self._connected is not None:
            if not self._connected.leaving:
                return None
            self._connected.hang_up()
        self._connected = master
        return Master(self._network, self._clock, master.deliver)

    def gone(self, master: _TcpMaster) -> None:
        """Free the place."""
        if self._connected is master:
            self._connected = None

    def answer_limit_s(self) -> float:
        """How long an answer to the last request may take on this bus, in real seconds."""
        bits = ANSWER_BITS_MAX + FRAME_LENGTH_MAX * self._network.bus.format.bits
        seconds = bits / self._network.bus.format.baudrate + ANSWER_EXTRA_S
        return seconds / self._clock.speed


class _TcpMaster(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, endpoint: TcpEndpoint) -> None:
        self._endpoint = endpoint
        self._transport: asyncio.Transport | None = None
        self._master: Master | None = None
        #: True once the master has closed its direction.
        self.leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        _keep_alive(transport.get_extra_info("socket"))
        self._master = self._endpoint.admit(self)
        if self._master is None:
            # The end of the connection before may be on its way still: nobody can tell in which
            # order the system reports the two.
            transport.pause_reading()
            asyncio.get_running_loop().call_later(DOOR_S, self._knock_again)

    def _knock_again(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._master = self._endpoint.admit(self)
        if self._master is None:
            self._endpoint.refused += 1
            self._transport.close()
        else:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._master is not None:
            self._master.send(data)

    def eof_received(self) -> bool:
        """A master that says no more may still listen, for as long as an answer can take."""
        if self._master is None:
            return False
        self.leaving = True
        loop = asyncio.get_running_loop()
        loop.call_later(self._endpoint.answer_limit_s(), self.hang_up)
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._master is not None:
            self._master.close()
            self._master = None
        self._endpoint.gone(self)

    def deliver(self, data: bytes, faults: Faults) -> None:
        """Pass characters on, without their faults, which plain bytes cannot carry."""
        del faults
        self._write(data)

    def _write(self, data: bytes) -> None:
        """Send bytes; a master that does not read loses them."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() + len(data) <= UNREAD_BYTES_MAX:
            transport.write(data)

    def hang_up(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Break the connection off, as a device that has lost it: the peer gets a reset."""
        if self._transport is not None:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()


class _Rfc2217Master(_TcpMaster):
    """One connection that speaks RFC 2217: settings reach the line, errors reach the master."""

    def __init__(self, endpoint: TcpEndpoint) -> None:
        super().__init__(endpoint)
        self._port: ComPort | None = None

    def data_received(self, data: bytes) -> None:
        if self._master is None:
            return
        if self._port is None:
            self._port = ComPort(self._master.format)
        for item in self._port.receive(data):
            if item.form is not None:
                self._master.set_format(item.form)
            if item.is_break:
                self._master.hold(BREAK_NS)
            if item.data:
                self._master.send(item.data)
        if answer := self._port.answer():
            self._write(answer)

    def deliver(self, data: bytes, faults: Faults) -> None:
        if self._port is not None:
            self._write(self._port.carry(data, faults))


def _bound(family: int, place: tuple[str, int]) -> socket.socket:
    """A socket that keeps a place; until somebody listens on it, connections are refused."""
    held = socket.socket(family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    held.bind(place)
    return held


def _keep_alive(connection: socket.socket) -> None:
    """Find out within a minute that a peer has vanished without a word, and free its place."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        # Not every platform lets these be set; keep-alive then works with the system's own.
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


class PtyEndpoint:
    """A pseudo-terminal with a symbolic link to its slave end as a stable name.

    The slave end is kept open here, so a client may close and open it as often as it likes.
    """

    def __init__(self, network: Network, clock: RealTime, link: Path) -> None:
        self._network = network
        self._clock = clock
        self._link = link.absolute()
        self._shown = link
        self._loop = asyncio.get_running_loop()
        self._master: Master | None = None
        self._leave = network.bus.converter.watch(self._converter_changed)
        try:
            self._plug_in()
        except EndpointError:
            self._leave()
            raise
        self._converter_changed()

    @property
    def where(self) -> str:
        """``pty:PATH`` as asked for."""
        return f"pty:{self._shown}"

    async def close(self) -> None:
        """Remove the link, if it is still ours, and the pseudo-terminal."""
        self._leave()
        self._pull_out()

    def _converter_changed(self) -> None:
        """An adapter that is pulled out takes its device with it; plugged in it has a new one."""
        gone = self._network.bus.converter.state is State.GONE
        if gone:
            self._pull_out()
        elif self._master is None:
            try:
                self._plug_in()
            except EndpointError as error:
                # Whoever has given the converter back cannot help it; the loop's handler tells.
                self._loop.call_exception_handler({"message": str(error), "exception": error})

    def _plug_in(self) -> None:
        """Make the pseudo-terminal and its name; EndpointError."""
        self._controller, self._slave = os.openpty()
        try:
            tty.setraw(self._slave)
            os.set_blocking(self._controller, False)
            self._place_link(os.ttyname(self._slave))
        except OSError as error:
            self._close_ends()
            msg = f"cannot make pty:{self._shown}: {error.strerror or error}"
            raise EndpointError(msg) from error
        self._master = Master(self._network, self._clock, self._deliver)
        self._loop.add_reader(self._controller, self._readable)

    def _pull_out(self) -> None:
        """Remove the name, if it is still ours, and hang up on whoever has the terminal open."""
        if self._master is None:
            return
        self._loop.remove_reader(self._controller)
        self._master.close()
        self._master = None
        if self._link.is_symlink() and self._link.readlink() == self._target:
            self._link.unlink()
        self._close_ends()

    def _place_link(self, target: str) -> None:
        """Point the link at `target`; only a link that leads nowhere any more is replaced."""
        self._target = Path(target)
        if self._link.is_symlink() and not self._link.exists():
            self._link.unlink()
        self._link.symlink_to(target)

    def _readable(self) -> None:
        try:
            data = os.read(self._controller, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        if data and self._master is not None:
            self._master.send(data)

    def _deliver(self, data: bytes, _faults: Faults) -> None:
        """Pass characters on; where nobody reads, the terminal's buffer fills and they are lost."""
        try:
            os.write(self._controller, data)
        except (BlockingIOError, InterruptedError):
            return

    def _close_ends(self) -> None:
        os.close(self._controller)
        os.close(self._slave)
