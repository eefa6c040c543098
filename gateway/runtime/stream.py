"""The byte stream: the kernel's half of a connection; an engine's transport is the other half.

Bytes are handed over like everything else: what arrives while a reader waits is the reader's, and
a time-out or cancel that follows loses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from gateway.runtime.errors import ClosedStream
from gateway.runtime.tasks import Task, park

if TYPE_CHECKING:
    from gateway.runtime.kernel import Kernel


class StreamSink(Protocol):
    """What a stream needs of its transport; the names are asyncio's."""

    def write(self, data: bytes) -> None:
        """Send; never waits. `Stream.pause_writing` says when enough is under way."""
        ...

    def write_eof(self) -> None:
        """Close this direction behind what was written."""
        ...

    def close(self) -> None:
        """Close both directions behind what was written."""
        ...

    def abort(self) -> None:
        """Break off both directions; the peer sees a reset."""
        ...

    def pause_reading(self) -> None:
        """Deliver nothing more for the time being."""
        ...

    def resume_reading(self) -> None:
        """Deliver again."""
        ...


class _Writers:
    """Tasks that wait until the peer has taken enough."""

    __slots__ = ("tasks",)

    def __init__(self) -> None:
        self.tasks: dict[Task[Any], None] = {}

    def withdraw(self, task: Task[Any]) -> None:
        del self.tasks[task]

    def describe(self) -> str:
        return "stream.write"


class Stream:
    """One connection as its user sees it; `limit` bytes are buffered before the peer is held.

    The transport calls `data_received`, `eof_received`, `connection_lost`, `pause_writing` and
    `resume_writing`, which are the callbacks of an asyncio protocol.
    """

    def __init__(self, kernel: Kernel, sink: StreamSink, *, limit: int) -> None:
        self._kernel = kernel
        self._sink = sink
        self._limit = limit
        self._buffer = bytearray()
        self._eof = False
        self._closed = False
        self._eof_written = False
        #: Why nothing can be written any more.
        self._lost: OSError | None = None
        #: Why nothing can be read any more, behind what is buffered; a plain end is no error.
        self._broken: OSError | None = None
        self._held = False
        self._paused = False
        self._reader: Task[Any] | None = None
        self._wanted = 0
        self._writers = _Writers()

    # --- The user's side ------------------------------------------------------------------------

    async def read(self, limit: int, *, until: int | None = None) -> bytes:
        """1 to `limit` bytes in any split; ``b""`` at the end of the stream.

        With `until`, TimeoutError when nothing has come by that time (ns); nothing is lost by it.
        Raises `ClosedStream` behind an own close and ConnectionError when the peer broke off. One
        reader at a time.
        """
        if limit < 1:
            raise ValueError(f"a read takes at least one byte, not {limit}")
        if until is not None and not self._readable():
            with self._kernel.deadline(until):
                return await self.read(limit)
        if self._reader is not None:
            raise RuntimeError(f"task {self._reader.name} reads this stream already")
        if self._closed:
            raise ClosedStream("read from a stream that was closed on this side")
        if self._buffer:
            return self._take(limit)
        if self._broken is not None:
            raise self._broken
        if self._eof:
            return b""
        task = self._kernel.about_to_wait()
        self._reader, self._wanted = task, limit
        return await park(task, self)  # type: ignore[no-any-return]  # _give hands over bytes

    async def write(self, data: bytes) -> None:
        """Queue `data`, waiting while the peer does not take it.

        Raises `ClosedStream` behind an own close and ConnectionError once the peer is known to be
        gone, which may be later than the write that was lost.
        """
        if self._closed or self._eof_written:
            raise ClosedStream("write to a stream that was closed on this side")
        if self._lost is not None:
            raise self._lost
        if data:
            self._sink.write(data)
        if self._paused:
            task = self._kernel.about_to_wait()
            self._writers.tasks[task] = None
            await park(task, self._writers)

    async def write_eof(self) -> None:
        """Say that nothing more will be written; reading goes on."""
        if self._closed:
            raise ClosedStream("end of a stream that was closed on this side")
        if not self._eof_written:
            self._eof_written = True
            if self._lost is None:
                self._sink.write_eof()

    async def close(self) -> None:
        """Close both directions; a pending read or write raises `ClosedStream`. Never waits."""
        if self._closed:
            return
        self._closed = True
        self._buffer.clear()
        self._sink.close()
        self._wake_all(ClosedStream("the stream was closed on this side"))

    def abort(self) -> None:
        """Break the connection off: ConnectionResetError at the peer, `ClosedStream` here."""
        if not self._closed:
            self._closed = True
            self._buffer.clear()
            self._sink.abort()
            self._wake_all(ClosedStream("the stream was broken off on this side"))

    # --- The transport's side -------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer, in any split."""
        if self._closed or not data:
            return
        self._buffer += data
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.wake(self._take(self._wanted))
        if len(self._buffer) > self._limit and not self._held:
            self._held = True
            self._sink.pause_reading()

    def eof_received(self) -> bool:
        """The peer will write nothing more; True keeps our direction open."""
        self._eof = True
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.wake(b"")
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone: by our close, the peer's end (None) or a failure."""
        self._eof = True
        if self._closed:
            return
        if error is None:
            self.eof_received()
            self._lost = BrokenPipeError("the peer has closed the connection")
        else:
            broken = error if isinstance(error, OSError) else ConnectionAbortedError(str(error))
            self._lost = self._broken = broken
        self._wake_all(self._lost)

    def pause_writing(self) -> None:
        """Enough is under way: writers wait."""
        self._paused = True

    def resume_writing(self) -> None:
        """The peer takes again."""
        self._paused = False
        while self._writers.tasks:
            task = next(iter(self._writers.tasks))
            del self._writers.tasks[task]
            task.wake()

    # --- Inside ---------------------------------------------------------------------------------

    def _readable(self) -> bool:
        return bool(self._buffer) or self._eof or self._closed

    def _take(self, limit: int) -> bytes:
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        if self._held and len(self._buffer) <= self._limit // 2:
            self._held = False
            self._sink.resume_reading()
        return data

    def _wake_all(self, error: OSError) -> None:
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.fail(error)
        while self._writers.tasks:
            task = next(iter(self._writers.tasks))
            del self._writers.tasks[task]
            task.fail(error)

    def withdraw(self, task: Task[Any]) -> None:
        """Forget a reader that was cancelled."""
        assert task is self._reader
        self._reader = None

    def describe(self) -> str:
        """Name the reader's wait."""
        return "stream.read"
