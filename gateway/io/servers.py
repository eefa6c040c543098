"""TCP on asyncio: one protocol class for every pure session, and client streams.

The shell moves bytes and arms one timer; admission, time limits and answers are the session's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.aio import AioEngine
    from gateway.runtime.port import SessionFactory, StreamSession
    from gateway.runtime.stream import Stream

NS_PER_S: Final = 1_000_000_000

#: Peers that the operating system may hold before they are accepted.
BACKLOG: Final = 100

#: Bytes a client stream buffers for its reader before the peer is held.
READ_BUFFER_BYTES: Final = 65_536


class SessionProtocol(asyncio.Protocol):
    """One peer of a `SessionServer`.

    An error that a session raises is a fault of ours: it stops the run, the peer's bytes cannot.
    """

    def __init__(self, server: SessionServer) -> None:
        self._server = server
        self._now: Callable[[], int] = server.now
        self._transport: asyncio.Transport
        self._session: StreamSession | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the policy; a refused peer is closed without a byte."""
        self._transport = cast(asyncio.Transport, transport)
        host, port = self._transport.get_extra_info("peername")[:2]
        try:
            self._session = self._server.sessions((host, port), self._now())
            if self._session is None:
                self._transport.close()
                return
            self._server.peers[self] = None
            self._arm(self._session)
        except Exception as error:
            self._fail(error)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the session; all its answers leave in one write."""
        session = self._session
        if session is None or session.closing:
            return
        try:
            answer = session.received(data, self._now())
            if answer:
                self._transport.write(answer)
            # A timer that comes early only looks again, so most chunks leave it alone.
            if session.closing or self._timer is None or self._is_late(session):
                self._send(session, b"")
        except Exception as error:
            self._fail(error)

    def _is_late(self, session: StreamSession) -> bool:
        """Whether the timer would come behind the session's deadline."""
        deadline = session.deadline()
        return deadline is not None and deadline < self._timer_at

    def eof_received(self) -> bool:
        """Close: a peer that has said its last word gets what is under way and no more."""
        return False

    def pause_writing(self) -> None:
        """Take no further requests from a peer that does not take its answers."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Take requests again."""
        self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the session, once; why the connection ended is no matter to it."""
        del exc
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        session, self._session = self._session, None
        if session is None:
            return
        self._server.peers.pop(self, None)
        try:
            session.closed(self._now())
        except Exception as error:
            self._server.failed(error)

    def close(self) -> None:
        """End the connection behind what was answered."""
        self._transport.close()

    def _send(self, session: StreamSession, answer: bytes) -> None:
        if answer:
            self._transport.write(answer)
        if session.closing:
            self._transport.close()
        else:
            self._arm(session)

    def _arm(self, session: StreamSession) -> None:
        """Keep one timer no later than the session's deadline; an early one only looks again."""
        deadline = session.deadline()
        if deadline is None:
            return
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        delay_s = max(0, deadline - self._now()) / NS_PER_S
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._look)

    def _look(self) -> None:
        self._timer = None
        session = self._session
        if session is None or session.closing:
            return
        deadline, now = session.deadline(), self._now()
        try:
            due = deadline is not None and deadline <= now
            self._send(session, session.timer(now) if due else b"")
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._transport.abort()
        self._server.failed(error)


class SessionServer:
    """A listening TCP socket whose peers are sessions; holds the kernel awake while it is open."""

    def __init__(self, engine: AioEngine, sessions: SessionFactory) -> None:
        self._engine = engine
        self.now = engine.now
        self.sessions = sessions
        #: Connections that were admitted, in the order of their coming.
        self.peers: dict[SessionProtocol, None] = {}
        self._server: asyncio.Server | None = None
        self._address = ("", 0)

    async def open(self, address: tuple[str, int]) -> None:
        """Bind and listen; OSError naming the address."""
        host, port = address
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: SessionProtocol(self), host, port, backlog=BACKLOG
            )
        except OSError as error:
            raise OSError(
                error.errno, f"cannot listen on {host}:{port}: {error.strerror}"
            ) from None
        self._address = self._server.sockets[0].getsockname()[:2]
        self._engine.hold(self, self._shut)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port actually bound."""
        return self._address

    def failed(self, error: Exception) -> None:
        """Stop the run by an error that a session raised."""
        self._engine.stop(error)

    async def close(self) -> None:
        """Stop listening and end the sessions."""
        self._shut()
        self._engine.release(self)

    def _shut(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for peer in list(self.peers):
            peer.close()


async def serve(
    engine: AioEngine, address: tuple[str, int], sessions: SessionFactory
) -> SessionServer:
    """Listen on TCP with one session a peer, from a kernel task."""
    server = SessionServer(engine, sessions)
    await engine.bridge(server.open(address))
    return server


class StreamProtocol(asyncio.Protocol):
    """Carries an asyncio transport's callbacks into a kernel stream."""

    def __init__(self, engine: AioEngine) -> None:
        self._engine = engine
        self._transport: asyncio.Transport
        self.stream: Stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the stream; the kernel may wait for this connection from now on."""
        self._transport = cast(asyncio.Transport, transport)
        self.stream = self._engine.kernel.stream(self._transport, limit=READ_BUFFER_BYTES)
        self._engine.hold(self, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Let the reader run before the loop goes on."""
        self._engine.call(self.stream.data_received, data)

    def eof_received(self) -> bool:
        """Keep our direction open."""
        self._engine.call(self.stream.eof_received)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on."""
        self._engine.call(self.stream.connection_lost, exc)
        self._engine.release(self)

    def pause_writing(self) -> None:
        """Hold writers."""
        self.stream.pause_writing()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._engine.call(self.stream.resume_writing)


async def connect(engine: AioEngine, host: str, port: int) -> Stream:
    """Open a TCP connection from a kernel task; OSError naming the peer."""

    async def open_connection() -> Stream:
        loop = asyncio.get_running_loop()
        try:
            _, protocol = await loop.create_connection(lambda: StreamProtocol(engine), host, port)
        except OSError as error:
            number = error.errno if error.errno is not None else 0
            raise type(error)(number, f"cannot connect to {host}:{port}: {error}") from None
        return protocol.stream

    return await engine.bridge(open_connection())
