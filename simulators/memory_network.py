"""Connections in memory and virtual time, as unkind as TCP about boundaries.

Bytes keep their order and are never lost, but they arrive after a latency and in pieces that the
seed chooses, so that nobody comes to rely on one write being one read. Ends behave like TCP's: a
close is an end of the stream for the peer; who writes to a closed end gets a reset, one round trip
later.

Two kinds of end: a kernel stream (`MemoryNetwork.connect`, `MemoryNetwork.listen`), and a session
object (`MemoryNetwork.serve`) that is called as the real server shell calls it.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from simulators.memory_datagrams import MemoryDatagrams

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from simulators.runtime import SimRuntime

#: One way through a quiet local network.
LATENCY_NS: Final = 100_000

#: Bytes under way in one direction before the writer is held.
WINDOW_BYTES: Final = 65_536

#: Bytes a stream buffers for its reader before the peer is held.
READ_BUFFER_BYTES: Final = 65_536

#: Connections that wait for `Listener.accept`; more are refused.
BACKLOG_MAX: Final = 16

#: Range from which port 0 and the clients' own ports are taken.
EPHEMERAL_PORT_MIN: Final = 49_152
EPHEMERAL_PORT_MAX: Final = 65_535

#: Pieces into which one write is cut at most.
PIECES_MAX: Final = 3

Address = tuple[str, int]


class End(Protocol):
    """One end of a connection, as the network calls it (the names are asyncio's)."""

    def data_received(self, data: bytes) -> None:
        """Take bytes of the peer."""
        ...

    def eof_received(self) -> object:
        """Learn that the peer writes nothing more."""
        ...

    def connection_lost(self, error: Exception | None) -> None:
        """Learn that the connection is gone."""
        ...

    def pause_writing(self) -> None:
        """Hold back: enough is under way."""
        ...

    def resume_writing(self) -> None:
        """Write again."""
        ...


class Pipe:
    """One direction of a connection; the sink of the end that writes into it."""

    def __init__(self, runtime: SimRuntime, rng: random.Random) -> None:
        self._runtime = runtime
        self._rng = rng
        self.backlog: deque[bytes | None] = deque()
        self._under_way = 0
        self._writer_held = False
        self.reader_held = False
        self._ended = False
        self.reader_gone = False
        #: Set by `_connect_ends`: the end that writes here, the end that reads, the way back.
        self.writer: End
        self.reader: End
        self.back: Pipe

    # --- The writing end's sink -----------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send; arrives one latency later."""
        self._under_way += len(data)
        if self._under_way > WINDOW_BYTES and not self._writer_held:
            self._writer_held = True
            self.writer.pause_writing()
        self._later(partial(self._arrive, bytes(data)))

    def write_eof(self) -> None:
        """End this direction behind what was written."""
        if not self._ended:
            self._ended = True
            self._later(partial(self._arrive, None))

    def close(self) -> None:
        """End this direction; what still comes the other way is answered by a reset."""
        self.write_eof()
        self.back.reader_gone = True
        self.back.backlog.clear()

    def abort(self) -> None:
        """Break off both directions at once; the peer gets a reset."""
        self._ended = True
        self.back.reader_gone = True
        self._later(partial(self.reader.connection_lost, _reset()))

    def pause_reading(self) -> None:
        """Hold what comes the other way."""
        self.back.reader_held = True

    def resume_reading(self) -> None:
        """Deliver what was held."""
        self.back.reader_held = False
        self.back.drain()

    # --- Arriving -------------------------------------------------------------------------------

    def _later(self, function: Callable[[], None]) -> None:
        self._runtime.at(self._runtime.now() + self._runtime.network.latency_ns, function)

    def _arrive(self, data: bytes | None) -> None:
        if self.reader_gone:
            if data:
                self._later(partial(self.writer.connection_lost, _reset()))
            return
        if data is None:
            self.backlog.append(None)
        else:
            self.backlog.extend(self._pieces(data))
        self.drain()

    def _pieces(self, data: bytes) -> list[bytes]:
        cuts = self._rng.randrange(PIECES_MAX)
        places = sorted({self._rng.randrange(len(data)) for _ in range(cuts)} - {0})
        return [
            data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)
        ]

    def drain(self) -> None:
        """Deliver what has arrived, as long as the reading end takes it."""
        while self.backlog and not self.reader_held:
            piece = self.backlog.popleft()
            if piece is None:
                self.reader.eof_received()
                continue
            self._under_way -= len(piece)
            self.reader.data_received(piece)
        if self._writer_held and self._under_way <= WINDOW_BYTES // 2:
            self._writer_held = False
            self.writer.resume_writing()


def _reset() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


class _SessionEnd:
    """The server's end: obeys a session object as the real server shell does."""

    def __init__(self, server: SimServer, sink: Pipe, session: Any) -> None:
        self._server = server
        self._runtime = server.runtime
        self._sink = sink
        self._session = session
        self._timer: Any = None
        self._timer_at: int | None = None
        self._closed = False
        self._arm()

    def data_received(self, data: bytes) -> None:
        if not self._closed:
            self._send(self._session.received(data, self._runtime.now()))

    def eof_received(self) -> object:
        self.close()
        return None

    def connection_lost(self, _error: Exception | None) -> None:
        self.close()

    def pause_writing(self) -> None:
        # The peer does not take its answers, so its further requests wait as well.
        self._sink.pause_reading()

    def resume_writing(self) -> None:
        self._sink.resume_reading()

    def close(self) -> None:
        """End the session and the connection, once."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._sink.close()
        self._session.closed(self._runtime.now())
        self._server.ended(self)

    def _send(self, data: bytes) -> None:
        if data:
            self._sink.write(data)
        if self._session.closing:
            self.close()
        else:
            self._arm()

    def _arm(self) -> None:
        """Keep one timer, no later than the session's deadline; an early one only looks again."""
        deadline = self._session.deadline()
        if deadline is None or (self._timer_at is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._runtime.at(deadline, self._look)

    def _look(self) -> None:
        self._timer = self._timer_at = None
        deadline = self._session.deadline()
        now = self._runtime.now()
        self._send(self._session.timer(now) if deadline is not None and deadline <= now else b"")


class SimServer:
    """A listening endpoint whose peers are session objects."""

    def __init__(
        self,
        runtime: SimRuntime,
        address: Address,
        sessions: Callable[[Address, int], Any],
    ) -> None:
        self.runtime = runtime
        self._address = address
        self._sessions = sessions
        self._ends: dict[_SessionEnd, None] = {}
        self._open = True

    @property
    def address(self) -> Address:
        """Host and port actually bound."""
        return self._address

    async def close(self) -> None:
        """Stop listening and end the sessions."""
        if self._open:
            self._open = False
            self.runtime.network.release(self._address)
            for end in list(self._ends):
                end.close()

    def accepted(self, peer: Address, sink: Pipe) -> End | None:
        """Make the end for a new peer; None when the session policy refuses it."""
        session = self._sessions(peer, self.runtime.now())
        if session is None:
            return None
        end = _SessionEnd(self, sink, session)
        self._ends[end] = None
        return end

    def ended(self, end: _SessionEnd) -> None:
        """Forget an end."""
        self._ends.pop(end, None)


class Listener:
    """A listening endpoint whose peers are streams, taken by `accept`."""

    def __init__(self, runtime: SimRuntime, address: Address) -> None:
        self._runtime = runtime
        self._address = address
        self._waiting = runtime.queue(BACKLOG_MAX)

    @property
    def address(self) -> Address:
        """Host and port actually bound."""
        return self._address

    async def accept(self) -> tuple[Any, Address]:
        """Wait for a peer; returns its stream and its address."""
        return await self._waiting.get()  # type: ignore[no-any-return]  # put by `accepted`

    async def close(self) -> None:
        """Stop listening; streams that were accepted stay open."""
        self._runtime.network.release(self._address)

    def accepted(self, peer: Address, sink: Pipe) -> End | None:
        """Queue the stream of a new peer; None when too many wait."""
        stream = self._runtime.stream(sink, limit=READ_BUFFER_BYTES)
        return stream if self._waiting.put_nowait((stream, peer)) else None


class MemoryNetwork:
    """All hosts of one simulation; a host name is just a name ("0.0.0.0" listens on all)."""

    def __init__(self, runtime: SimRuntime, *, latency_ns: int = LATENCY_NS) -> None:
        self._runtime = runtime
        self.latency_ns = latency_ns
        self._listening: dict[Address, SimServer | Listener] = {}
        self._connections = 0
        self._next_port = EPHEMERAL_PORT_MIN
        #: Sockets for datagrams; their ports are not those of connections.
        self.datagrams = MemoryDatagrams(runtime, self._take_port)

    def serve(self, address: Address, sessions: Callable[[Address, int], Any]) -> SimServer:
        """Listen with session objects; OSError (EADDRINUSE) naming the address."""
        server = SimServer(self._runtime, self._free_address(address), sessions)
        self._listening[server.address] = server
        return server

    def listen(self, address: Address) -> Listener:
        """Listen with streams; OSError (EADDRINUSE) naming the address."""
        listener = Listener(self._runtime, self._free_address(address))
        self._listening[listener.address] = listener
        return listener

    def release(self, address: Address) -> None:
        """Make an address free again."""
        self._listening.pop(address, None)

    async def connect(self, host: str, port: int) -> Any:
        """Open a connection; takes one round trip. ConnectionRefusedError without a listener."""
        await self._runtime.sleep(2 * self.latency_ns)
        listening = self._listening.get((host, port)) or self._listening.get(("0.0.0.0", port))
        if listening is None:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"{os.strerror(errno.ECONNREFUSED)}: {host}:{port}"
            )
        self._connections += 1
        rng = self._runtime.rng(f"network/{port}/{self._connections}")
        there, here = Pipe(self._runtime, rng), Pipe(self._runtime, rng)
        there.back, here.back = here, there
        stream = self._runtime.stream(there, limit=READ_BUFFER_BYTES)
        there.writer = here.reader = stream
        end = listening.accepted(("127.0.0.1", self._take_port()), here)
        if end is None:
            # Refused by policy: closed without a byte.
            end = _Nobody()
            here.writer = there.reader = end
            here.close()
            return stream
        here.writer = there.reader = end
        return stream

    def _free_address(self, address: Address) -> Address:
        host, port = address
        if port == 0:
            port = self._take_port()
        if (host, port) in self._listening or ("0.0.0.0", port) in self._listening:
            raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: {host}:{port}")
        return host, port

    def _take_port(self) -> int:
        port = self._next_port
        self._next_port = port + 1 if port < EPHEMERAL_PORT_MAX else EPHEMERAL_PORT_MIN
        return port


class _Nobody:
    """The end of a connection that was refused."""

    def data_received(self, data: bytes) -> None: ...

    def eof_received(self) -> object: ...

    def connection_lost(self, error: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...
