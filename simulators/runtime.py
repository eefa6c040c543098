"""The SimPy engine: the Runtime port in virtual time, beside ordinary SimPy processes.

A task of the kernel is itself an entry of SimPy's heap, so meters (SimPy processes) and the device
under test (kernel tasks) share one clock and one order. The kernel is handed in by the harness:
this package knows its shape only. `SimRuntime` also brings the worlds that a device meets: a
network and a storage in memory, chance from the seed, and an ordered trace.

Same seed, same trace, byte for byte, in every process.
"""

# The heap and the clock of SimPy's environment are private names; SimPy 4.1 has no public ones
# that tell a cancelled timer from a live one.
# ruff: noqa: SLF001

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from simulators.memory_network import MemoryNetwork, SimServer
from simulators.memory_storage import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    import simpy

    from simulators.memory_datagrams import DatagramSocket

T = TypeVar("T")

#: SimPy's priorities: ordinary events, and behind them the deadlines of their instant.
NORMAL: Final = 1
LATE: Final = 2

#: Cancelled timers are swept out once they are more than this and more than half of the heap.
DEAD_TIMERS_MIN: Final = 64

#: Events at one instant before the run counts as a livelock.
EVENTS_AT_ONE_INSTANT_MAX: Final = 1_000_000

#: Wall clock of the simulated host at time 0: 2018-01-01 00:00:00 UTC.
UNIX_TIME_AT_START: Final = 1_514_764_800

NS_PER_S: Final = 1_000_000_000


class KernelTask(Protocol):
    """A task as the engine sees it: it is put into SimPy's heap as it is."""

    TURN: Any
    callbacks: Any

    def outcome(self) -> Any:
        """Return its result or raise what it raised."""
        ...


class Kernel(Protocol):
    """What this engine uses of the kernel that it is handed; documented there."""

    suppressed: Callable[[str, BaseException], None]

    def start(
        self, coroutine: Coroutine[Any, Any, Any], name: str, ended: Callable[[Any], None]
    ) -> Any:
        """Make a task ready."""
        ...

    def end(self) -> None:
        """End every live task."""
        ...

    def deadlock(self) -> Exception:
        """Describe that nobody can wake anybody."""
        ...

    def livelock(self) -> Exception:
        """Describe that time stands still."""
        ...

    def where(self) -> list[str]:
        """Describe every live task."""
        ...

    async def sleep(self, ns: int) -> None:
        """Let `ns` pass."""
        ...

    async def sleep_until(self, at: int) -> None:
        """Wait for a point in time."""
        ...

    def timeout(self, ns: int) -> AbstractContextManager[Any]:
        """Bound a block to a duration."""
        ...

    def deadline(self, at: int) -> AbstractContextManager[Any]:
        """Bound a block to a point in time."""
        ...

    def scope(self) -> AbstractContextManager[Any]:
        """Enclose a block that can be cancelled."""
        ...

    def shield(self, ns: int) -> AbstractContextManager[Any]:
        """Keep outer cancels out."""
        ...

    def nursery(self) -> AbstractAsyncContextManager[Any]:
        """Own tasks."""
        ...

    def event(self) -> Any:
        """Make a flag."""
        ...

    def lock(self) -> Any:
        """Make a lock."""
        ...

    def queue(self, places: int) -> Any:
        """Make a queue."""
        ...

    def one_shot(self, description: str, *, withdrawn: Callable[[], object] | None = None) -> Any:
        """Make a result to wait for."""
        ...

    def stream(self, sink: Any, *, limit: int) -> Any:
        """Make the user's half of a connection."""
        ...


class _Timer:
    """An entry of SimPy's heap that makes one call; a cancelled one does not move the clock."""

    __slots__ = ("_engine", "callbacks", "function")
    _ok = True

    def __init__(self, engine: SimEngine, function: Callable[[], None]) -> None:
        self._engine = engine
        self.function: Callable[[], None] | None = function
        self.callbacks: Any = _FIRE

    def cancel(self) -> None:
        if self.function is not None:
            self.function = None
            self._engine.timer_died()

    def fire(self) -> None:
        function = self.function
        if function is None:
            self._engine.dead -= 1
            return
        self.function = None
        function()


_FIRE: Final = (_Timer.fire,)


class SimEngine:
    """The kernel's engine on a SimPy environment; nothing here decides an order."""

    def __init__(self, env: simpy.Environment) -> None:
        #: SimPy's environment, opened up: its heap and its clock are worked on directly.
        self._env: Any = env
        self._queue: list[Any] = self._env._queue
        self._next_id: Callable[[], int] = self._env._eid.__next__
        #: Cancelled timers that are still in the heap.
        self.dead = 0
        self._is_over = False

    def now(self) -> int:
        """Time in ns."""
        return self._env._now  # type: ignore[no-any-return]  # an int as long as all delays are

    def soon(self, task: KernelTask) -> None:
        """Put the task itself into the heap, behind everything of this instant."""
        task.callbacks = task.TURN
        heappush(self._queue, (self._env._now, NORMAL, self._next_id(), task))

    def at(self, ns: int, function: Callable[[], None], *, late: bool = False) -> _Timer:
        """Let `function` be called at the time `ns`, or now if it has passed."""
        timer = _Timer(self, function)
        now = self._env._now
        at = ns if ns > now else now
        heappush(self._queue, (at, LATE if late else NORMAL, self._next_id(), timer))
        return timer

    def timer_died(self) -> None:
        """Count a cancelled timer, and sweep when they are the greater part of the heap."""
        self.dead += 1
        if self.dead > DEAD_TIMERS_MIN and 2 * self.dead > len(self._queue):
            self._queue[:] = [entry for entry in self._queue if not _is_dead(entry[3])]
            heapify(self._queue)
            self.dead = 0

    def ended(self, _task: Any) -> None:
        """The task for which the heap is worked off has ended."""
        self._is_over = True

    def run(self, kernel: Kernel) -> None:
        """Work off the heap until a task has `ended`.

        SimPy's own loop would let cancelled timers move the clock, raise copies of failures and
        take an empty heap for the end, so the steps are made here.
        """
        env, queue = self._env, self._queue
        instant, events = -1, 0
        self._is_over = False
        while not self._is_over:
            if not queue:
                raise kernel.deadlock()
            at, _, _, event = heappop(queue)
            if type(event) is _Timer and event.function is None:
                self.dead -= 1
                continue
            if at != instant:
                instant, events = at, 0
            events += 1
            if events > EVENTS_AT_ONE_INSTANT_MAX:
                raise kernel.livelock()
            env._now = at
            callbacks, event.callbacks = event.callbacks, None
            for callback in callbacks:
                callback(event)
            if not event._ok and not hasattr(event, "_defused"):
                raise event._value


def _is_dead(event: Any) -> bool:
    return type(event) is _Timer and event.function is None


#: Opens the in-process port of a simulated bus: ``(runtime, line_format) -> line``.
LineOpener = Callable[["SimRuntime", Any], Any]


class SimRuntime:
    """The Runtime port on `env`; every method means what the port's documentation says.

    `kernel` makes the kernel for an engine. `lines` maps the URL of an M-Bus port to the function
    that opens it. `scenario` and `seed` name every generator of `rng`. `log` is called with each
    trace entry as it is made.
    """

    def __init__(
        self,
        env: simpy.Environment,
        *,
        kernel: Callable[[SimEngine], Kernel],
        seed: int | str = 1,
        scenario: str = "",
        storage: MemoryStorage | None = None,
        lines: Mapping[str, LineOpener] | None = None,
        log: Callable[[int, str, dict[str, Any]], None] | None = None,
        line_error: type[OSError] = OSError,
        unix_time_at_start: int = UNIX_TIME_AT_START,
    ) -> None:
        self.env = env
        self._engine = SimEngine(env)
        self._kernel = kernel(self._engine)
        self._kernel.suppressed = self._suppressed
        self._seed_prefix = f"{scenario}/{seed}/"
        self._generators: dict[str, random.Random] = {}
        self._storage = storage if storage is not None else MemoryStorage()
        self._lines = dict(lines or {})
        self._log = log
        self._listener: Callable[[int, str, dict[str, Any]], None] | None = None
        #: The error by which a line fails; the harness gives the port's own.
        self.line_error = line_error
        self._unix_time_at_start = unix_time_at_start
        self._trace: list[tuple[int, str, dict[str, Any]]] = []
        # The methods that are called most are those of engine and kernel themselves.
        #: Virtual time in ns.
        self.now: Callable[[], int] = self._engine.now
        #: Let a number of ns pass; 0 gives every ready task one turn.
        self.sleep: Callable[[int], Coroutine[Any, Any, None]] = self._kernel.sleep
        #: Wait for a point in time.
        self.sleep_until: Callable[[int], Coroutine[Any, Any, None]] = self._kernel.sleep_until
        #: Make a flag; SimPy processes and callbacks may set it as well.
        self.event: Callable[[], Any] = self._kernel.event
        self._network = MemoryNetwork(self)

    # --- Running --------------------------------------------------------------------------------

    def run(self, main: Callable[[SimRuntime], Coroutine[Any, Any, T]]) -> T:
        """Run ``main(runtime)`` to its end, and the environment with it; returns its result.

        Raises what `main`, a SimPy process or a callback raised, the very object, and `Deadlock`
        or `Livelock`. All tasks have been ended then.
        """
        task = self._kernel.start(main(self), "main", self._engine.ended)
        try:
            self._engine.run(self._kernel)
            return task.outcome()  # type: ignore[no-any-return]  # the result of main is a T
        finally:
            self._kernel.end()

    def start(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> Any:
        """Make a task ready beside `main`, from SimPy code; its failure stops the run."""
        return self._kernel.start(coroutine, name, _raise_failure)

    async def until(self, event: simpy.Event) -> Any:
        """Wait for an event of SimPy, from a task; returns its value or raises its failure."""
        if event.callbacks is None:
            if not event.ok:
                raise event.value
            return event.value

        def happened(_: simpy.Event) -> None:
            if event.ok:
                result.set(event.value)
            else:
                event.defused = True
                result.fail(event.value)

        result = self._kernel.one_shot(
            "simpy event", withdrawn=lambda: event.callbacks.remove(happened)
        )
        event.callbacks.append(happened)
        return await result.wait()

    def at(self, ns: int, function: Callable[[], None]) -> _Timer:
        """Let `function` be called at the time `ns`; the timer can be cancelled."""
        return self._engine.at(ns, function)

    def where(self) -> list[str]:
        """What every live task waits for and where."""
        return self._kernel.where()

    # --- Time and tasks -------------------------------------------------------------------------

    def unix_time(self) -> int:
        """Wall clock of the simulated host, whole seconds."""
        return self._unix_time_at_start + self.now() // NS_PER_S

    def timeout(self, ns: int) -> AbstractContextManager[Any]:
        """Bound a block to `ns` from now."""
        return self._kernel.timeout(ns)

    def deadline(self, at: int) -> AbstractContextManager[Any]:
        """Bound a block to the point in time `at`."""
        return self._kernel.deadline(at)

    def scope(self) -> AbstractContextManager[Any]:
        """Enclose a block that can be cancelled."""
        return self._kernel.scope()

    def shield(self, ns: int) -> AbstractContextManager[Any]:
        """Keep outer cancels from clean-up that lasts no longer than `ns`."""
        return self._kernel.shield(ns)

    def nursery(self) -> AbstractAsyncContextManager[Any]:
        """Own the tasks spawned in a block."""
        return self._kernel.nursery()

    def lock(self) -> Any:
        """Make a lock."""
        return self._kernel.lock()

    def queue(self, places: int) -> Any:
        """Make a queue; `put_nowait` may also be called by SimPy code."""
        return self._kernel.queue(places)

    def one_shot(self, description: str, *, withdrawn: Callable[[], object] | None = None) -> Any:
        """Make a result that SimPy code gives (`set`, `fail`) and one task waits for."""
        return self._kernel.one_shot(description, withdrawn=withdrawn)

    def stream(self, sink: Any, *, limit: int) -> Any:
        """Make the user's half of a connection whose transport is `sink`."""
        return self._kernel.stream(sink, limit=limit)

    # --- Chance ---------------------------------------------------------------------------------

    def rng(self, name: str) -> random.Random:
        """Return the generator of the component `name`, the same one at every call."""
        generator = self._generators.get(name)
        if generator is None:
            generator = self._generators[name] = random.Random(self._seed_prefix + name)
        return generator

    def entropy(self, count: int) -> bytes:
        """`count` bytes from the seed: in simulation nothing may be unpredictable."""
        return self.rng("entropy").randbytes(count)

    # --- Trace ----------------------------------------------------------------------------------

    def log(self, kind: str, /, **fields: Any) -> None:
        """Append to the trace; the fields must not be changed afterwards."""
        now = self.now()
        self._trace.append((now, kind, fields))
        if self._log is not None:
            self._log(now, kind, fields)
        if self._listener is not None:
            self._listener(now, kind, fields)

    def listen(self, listener: Callable[[int, str, dict[str, Any]], None] | None) -> None:
        """Let one listener hear every event, behind the log."""
        self._listener = listener

    @property
    def trace(self) -> list[tuple[int, str, dict[str, Any]]]:
        """All entries so far: time in ns, kind, fields."""
        return self._trace

    def trace_lines(self) -> list[str]:
        """The trace as canonical JSON, one line an entry: keys sorted, no spaces."""
        return [
            json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            for entry in self._trace
        ]

    def trace_sha256(self) -> str:
        """Hash of the canonical lines, each ended by a line feed: equal runs, equal hashes."""
        digest = hashlib.sha256()
        for line in self.trace_lines():
            digest.update(line.encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def _suppressed(self, name: str, error: BaseException) -> None:
        self.log("runtime.suppressed", task=name, error=repr(error))

    # --- The outside ----------------------------------------------------------------------------

    async def offload(self, function: Callable[[], T], *, cost_ns: int) -> T:
        """Run `function` inline; it takes its stated cost of virtual time."""
        result = function()
        await self.sleep(cost_ns)
        return result

    async def open_line(self, url: str, line_format: Any) -> Any:
        """Open the in-process port named `url`; `line_error` names those that there are."""
        opener = self._lines.get(url)
        if opener is None:
            known = ", ".join(sorted(self._lines)) or "none"
            raise self.line_error(f"no M-Bus port {url} in this simulation (there are: {known})")
        return opener(self, line_format)

    @property
    def network(self) -> MemoryNetwork:
        """The hosts and connections of this simulation."""
        return self._network

    async def connect(self, host: str, port: int) -> Any:
        """Open a connection inside the simulation; ConnectionRefusedError without a listener."""
        return await self._network.connect(host, port)

    async def serve_stream(
        self, address: tuple[str, int], sessions: Callable[[tuple[str, int], int], Any]
    ) -> SimServer:
        """Listen inside the simulation; OSError when the address is taken."""
        return self._network.serve(address, sessions)

    async def serve_datagram(
        self,
        address: tuple[str, int],
        received: Callable[[tuple[str, int], bytes, int], bytes | None],
    ) -> DatagramSocket:
        """Answer datagrams inside the simulation; OSError when the address is taken."""
        return self._network.datagrams.bind(address, received)

    @property
    def storage(self) -> MemoryStorage:
        """The device's files."""
        return self._storage


def _raise_failure(task: Any) -> None:
    """Stop the run by the failure of a task that nobody owns."""
    if task.error is not None:
        raise task.error
