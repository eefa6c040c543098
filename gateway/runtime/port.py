"""The ports through which everything in ``gateway/device`` meets time, chance and the outside.

A procedure of the device (link, scan, read-out, watchdog) is an ``async def`` that is handed a
`Runtime`. It never learns whether a second is a second: under SimPy the clock jumps, under
asyncio it runs. This module holds the shapes only, as `typing.Protocol`, and imports nothing of
ours but the exceptions; the kernel in `gateway.runtime.kernel` gives them their meaning, once,
for every engine.

Time is an integer count of nanoseconds everywhere; a point in time counts from the start of the
runtime (monotonic, never wall clock).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, IntFlag, unique
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    import random
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

#: What a structured event may carry: everything that JSON can say without loss.
EventValue = Any


# --- Tasks ------------------------------------------------------------------------------------


class Task(Protocol[T_co]):
    """One running procedure."""

    @property
    def name(self) -> str:
        """The name given to `Nursery.spawn`; it appears in traces and in `Deadlock`."""
        ...

    @property
    def done(self) -> bool:
        """True once the procedure has returned, raised or been cancelled."""
        ...

    async def join(self) -> T_co:
        """Wait for the end and return the result; raises what the procedure raised."""
        ...

    def cancel(self) -> None:
        """Cancel the task's own scope; it sees `Cancelled` at its next wait."""
        ...


class Scope(Protocol):
    """A stretch of code that can be cancelled as one."""

    @property
    def cancelled(self) -> bool:
        """True once `cancel` was called or the deadline passed."""
        ...

    def cancel(self) -> None:
        """Raise `Cancelled` at every wait inside the scope until it is left."""
        ...


class Nursery(Protocol):
    """Owns the tasks spawned in it: the block is left only when all have ended.

    The first failure of a child or of the body cancels the rest in spawn order, and that very
    exception object leaves the block.
    """

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str) -> Task[T]:
        """Make `coroutine` ready; it runs behind all that is ready now."""
        ...

    def cancel(self) -> None:
        """Cancel every child and the body."""
        ...


class Event(Protocol):
    """A flag that tasks can wait for."""

    @property
    def is_set(self) -> bool:
        """Whether a `wait` would return at once."""
        ...

    def set(self) -> None:
        """Raise the flag and wake all waiters in the order in which they came."""
        ...

    def clear(self) -> None:
        """Lower the flag; tasks that were woken stay woken."""
        ...

    async def wait(self) -> None:
        """Return once the flag is up."""
        ...


class Lock(Protocol):
    """Mutual exclusion, handed to the longest waiter; used as ``async with lock:``."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    @property
    def locked(self) -> bool:
        """Whether somebody holds it."""
        ...


class Queue(Protocol[T]):
    """A bounded first-in, first-out queue; items go to the longest-waiting getter."""

    async def put(self, item: T) -> None:
        """Append, waiting for a free place."""
        ...

    def put_nowait(self, item: T) -> bool:
        """Append if there is a place; False, and nothing done, where there is none."""
        ...

    async def get(self) -> T:
        """Take the oldest item, waiting for one."""
        ...

    def __len__(self) -> int: ...


# --- The M-Bus side ---------------------------------------------------------------------------


@unique
class Parity(Enum):
    """Parity of a character, named as pyserial names it."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"
    MARK = "M"
    SPACE = "S"


@dataclass(frozen=True, slots=True)
class LineFormat:
    """Speed and character format of the line (M-Bus: 300 to 19200 Bd, 8E1; MBDOC48 p.21)."""

    baudrate: int = 2400
    data_bits: int = 8
    parity: Parity = Parity.EVEN
    stop_bits: int = 1

    @property
    def bits_per_character(self) -> int:
        """Start, data, parity (if any) and stop bits: 11 for 8E1."""
        return 1 + self.data_bits + (self.parity is not Parity.NONE) + self.stop_bits

    def bits_ns(self, bits: int) -> int:
        """Duration of `bits` bit times in ns, rounded up."""
        return -(-bits * NS_PER_S // self.baudrate)

    def characters_ns(self, count: int) -> int:
        """Duration of `count` characters without pauses in ns, rounded up."""
        return self.bits_ns(count * self.bits_per_character)


class Fault(IntFlag):
    """What a receiver can notice about one character."""

    PARITY = 1
    FRAMING = 2


@dataclass(frozen=True, slots=True)
class Received:
    """What one `Line.receive` heard.

    `faults` names characters by index into `data`; it is None where the transport cannot tell
    parity and framing (a PTY, a TCP converter), which is not the same as "no faults" (empty).
    `first_ns` and `last_ns` are the ends of the first and of the last character; None when
    nothing was heard.
    """

    data: bytes
    faults: tuple[tuple[int, Fault], ...] | None
    first_ns: int | None
    last_ns: int | None


class LineError(OSError):
    """The line itself failed: port cannot be opened, vanished, overload. Bytes never cause it."""


class Line(Protocol):
    """The two-wire bus as the master's port shows it."""

    @property
    def format(self) -> LineFormat:
        """The format in force."""
        ...

    async def write(self, data: bytes) -> int:
        """Send `data`; returns the time (ns) at which its last stop bit has left.

        Where the transport cannot say, that time is computed from the format. Count answer
        deadlines from the returned time, not from the moment of the return. Raises `LineError`.
        """
        ...

    async def receive(self, missing: Callable[[bytes], int], *, by: int, gap: int) -> Received:
        """Listen for one answer.

        Ends when ``missing(data)`` says 0 (the framing is complete), or after a silence of `gap`
        ns behind a character, or when nothing has *started* to arrive by the time `by` (ns).
        A character that arrives exactly at a limit is in time. An empty `Received.data` means
        silence. The caller bounds the whole with ``timeout`` or ``deadline``; what was heard
        before such an expiry stays buffered for the next call. Raises `LineError`.
        """
        ...

    def flush(self) -> bytes:
        """Forget, and return, what was heard and not yet received."""
        ...

    async def set_format(self, line_format: LineFormat) -> None:
        """Change speed and character format from the next character on. Raises `LineError`."""
        ...

    async def close(self) -> None:
        """Give the port back; a pending `receive` ends with `LineError`."""
        ...


# --- Network ----------------------------------------------------------------------------------


class Stream(Protocol):
    """A byte stream (TCP, or its counterpart in memory)."""

    async def read(self, limit: int, *, until: int | None = None) -> bytes:
        """1 to `limit` bytes in any split; ``b""`` at the end of the stream.

        TimeoutError when nothing has come by the time `until` (ns); nothing is lost by it. Raises
        ConnectionError when the peer broke off or this side was closed. One reader at a time.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Queue `data`, waiting while the peer does not take it.

        Raises ConnectionError once the peer is known to be gone: that may be later than the
        write which was lost.
        """
        ...

    async def write_eof(self) -> None:
        """Say that nothing more will be written."""
        ...

    async def close(self) -> None:
        """Close both directions."""
        ...


class StreamSession(Protocol):
    """One peer of a stream server, as a pure object: bytes and times in, bytes out.

    The runtime calls it and obeys `closing` and `deadline`; it holds no socket and no clock.
    """

    def received(self, data: bytes, now: int) -> bytes:
        """Take bytes as they came; returns the bytes to send."""
        ...

    def deadline(self) -> int | None:
        """When `timer` wants to be called (ns), or None."""
        ...

    def timer(self, now: int) -> bytes:
        """The deadline has come; returns the bytes to send."""
        ...

    @property
    def closing(self) -> bool:
        """True once the connection is to be closed after what was returned has been sent."""
        ...

    def closed(self, now: int) -> None:
        """The connection has ended, from whichever side."""
        ...


class Server(Protocol):
    """A listening endpoint."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port actually bound (port 0 was resolved)."""
        ...

    async def close(self) -> None:
        """Stop listening and end the sessions."""
        ...


#: ``(peer, now) -> session``; None refuses the peer: the connection is closed without a byte.
SessionFactory = Callable[[tuple[str, int], int], "StreamSession | None"]

#: ``(peer, data, now) -> answer``: one datagram in, at most one out; None answers nothing. Pure, as
#: a `StreamSession` is; whatever it raises is a fault of ours and stops the run.
DatagramHandler = Callable[[tuple[str, int], bytes, int], "bytes | None"]


# --- Storage ----------------------------------------------------------------------------------


class Storage(Protocol):
    """Named files of the device, relative POSIX paths such as ``app/chip.ini``."""

    def read(self, path: str) -> bytes:
        """The whole content; raises FileNotFoundError."""
        ...

    def replace(self, path: str, data: bytes) -> None:
        """Replace atomically: after a crash the file is the old one or the new one."""
        ...

    def append(self, path: str, data: bytes) -> None:
        """Append, creating the file."""
        ...

    def list(self, folder: str) -> list[str]:
        """Paths of the files below `folder`, sorted."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        ...

    def free_bytes(self) -> int:
        """Space left for `append` and `replace`."""
        ...


# --- The runtime ------------------------------------------------------------------------------


class Runtime(Protocol):
    """Time, tasks, chance and transports for a procedure."""

    def now(self) -> int:
        """Monotonic time in ns."""
        ...

    def unix_time(self) -> int:
        """Wall-clock time in whole seconds since 1970-01-01 UTC, as the host tells it."""
        ...

    async def sleep(self, ns: int) -> None:
        """Let `ns` pass; 0 gives every ready task one turn."""
        ...

    async def sleep_until(self, at: int) -> None:
        """Wait for the point in time `at`; returns after one turn if it has passed."""
        ...

    def timeout(self, ns: int) -> AbstractContextManager[Scope]:
        """``with rt.timeout(ns):`` raises TimeoutError if the block waits beyond its time."""
        ...

    def deadline(self, at: int) -> AbstractContextManager[Scope]:
        """Like `timeout`, for a point in time. What happens *at* the deadline is in time."""
        ...

    def scope(self) -> AbstractContextManager[Scope]:
        """A block that `Scope.cancel` ends without an error."""
        ...

    def shield(self, ns: int) -> AbstractContextManager[Scope]:
        """Clean-up that waits: not cut by outer cancels, cut by its own limit (TimeoutError)."""
        ...

    def nursery(self) -> AbstractAsyncContextManager[Nursery]:
        """``async with rt.nursery() as nursery:`` owns the tasks spawned in it."""
        ...

    def event(self) -> Event:
        """A new flag, down."""
        ...

    def lock(self) -> Lock:
        """A new lock, free."""
        ...

    def queue(self, places: int) -> Queue[Any]:
        """A new queue with `places` (at least 1) places."""
        ...

    def rng(self, name: str) -> random.Random:
        """The generator of the component `name`: ``Random(f"{scenario}/{seed}/{name}")``."""
        ...

    def entropy(self, count: int) -> bytes:
        """`count` unpredictable bytes (the operating system's; seeded only in simulation)."""
        ...

    def log(self, kind: str, /, **fields: EventValue) -> None:
        """Record the structured event `kind`, stamped with `now()`."""
        ...

    def listen(self, listener: Callable[[int, str, dict[str, EventValue]], None] | None) -> None:
        """Let `listener(now, kind, fields)` hear every event from now on; None: nobody."""
        ...

    async def offload(self, function: Callable[[], T], *, cost_ns: int) -> T:
        """Run `function` where it does not hold up others (simulation: inline, at its cost)."""
        ...

    async def open_line(self, url: str, line_format: LineFormat) -> Line:
        """Open an M-Bus port by its pyserial URL; raises `LineError`."""
        ...

    async def connect(self, host: str, port: int) -> Stream:
        """Open a TCP connection; raises ConnectionError or OSError."""
        ...

    async def serve_stream(self, address: tuple[str, int], sessions: SessionFactory) -> Server:
        """Listen on TCP; raises OSError, naming the address, when it cannot be bound."""
        ...

    async def serve_datagram(self, address: tuple[str, int], received: DatagramHandler) -> Server:
        """Listen on UDP; raises OSError, naming the address, when it cannot be bound."""
        ...

    @property
    def storage(self) -> Storage:
        """The device's files."""
        ...
