"""The asyncio engine: kernel tasks beside asyncio's own, in one loop.

Kernel tasks are not asyncio tasks. Ready turns wait in a deque, timers in a heap of
``(ns, late, seq)``, and one callback of the loop works off both in the order that SimPy's heap
would give. Two bridges join the worlds: `AioEngine.bridge` awaits an asyncio coroutine from a
kernel task (for ``gateway/io`` only), `AioEngine.spawn_root` starts a procedure from asyncio code.

A failure in any callback ends the run with that failure; the loop never swallows it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from gateway.runtime.kernel import TURNS_AT_ONE_INSTANT_MAX, Cancelled, Kernel, Nursery, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

NS_PER_S: Final = 1_000_000_000

#: Turns in one pass before the loop is given a chance to see to its sockets.
TURNS_PER_PASS_MAX: Final = 1_000

#: How long the end of a run waits for bridged asyncio code that does not heed its cancel.
BRIDGE_END_S: Final = 5.0

#: A deadline gives way to what is ready, but not for ever: on a real clock, tasks that never stop
#: being ready would keep it from passing. In virtual time no deadline is ever overdue.
LATE_GRACE_NS: Final = 10_000_000

#: Cancelled timers are swept out once they are more than this and more than half of the heap.
DEAD_TIMERS_MIN: Final = 64


class Clock(Protocol):
    """Time for the engine, and a way to be called at a time."""

    def now(self) -> int:
        """Time in ns."""
        ...

    def call_at(
        self, loop: asyncio.AbstractEventLoop, ns: int, function: Callable[[], None]
    ) -> asyncio.TimerHandle:
        """Let `loop` call `function` at the time `ns`, behind the I/O of that moment."""
        ...


class MonotonicClock:
    """The host's monotonic clock, counted from `start_ns`, or from the making of this object."""

    def __init__(self, start_ns: int | None = None) -> None:
        self._start_ns = time.monotonic_ns() if start_ns is None else start_ns

    def now(self) -> int:
        """Time in ns."""
        return time.monotonic_ns() - self._start_ns

    def call_at(
        self, loop: asyncio.AbstractEventLoop, ns: int, function: Callable[[], None]
    ) -> asyncio.TimerHandle:
        """Let `loop` call `function` at the time `ns`; the loop's clock is the same, in seconds."""
        return loop.call_at((self._start_ns + ns) / NS_PER_S, function)


class AioTimer:
    """An entry of the engine's heap."""

    __slots__ = ("_engine", "function")

    def __init__(self, engine: AioEngine, function: Callable[[], None]) -> None:
        self._engine = engine
        self.function: Callable[[], None] | None = function

    def cancel(self) -> None:
        """Do not make the call."""
        if self.function is not None:
            self.function = None
            self._engine.timer_died()


class AioEngine:
    """`gateway.runtime.kernel.Engine` on the running asyncio loop, for one run.

    A kernel with nothing ready and no timer is deadlocked unless the outside can wake it: open
    connections, bridges, and whoever holds `outside_wakes`.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock if clock is not None else MonotonicClock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: deque[tuple[int, Task[Any]]] = deque()
        self._heap: list[tuple[int, bool, int, AioTimer]] = []
        self._sequence = itertools.count()
        self._dead = 0
        #: What outside may wake a task, and how each is closed when the run ends before it.
        self._outside: dict[object, Callable[[], object] | None] = {}
        self._busy = False
        self._scheduled = False
        self._armed: tuple[int, asyncio.TimerHandle] | None = None
        self._finished: asyncio.Future[None] | None = None
        self._instant = -1
        self._turns = 0
        self._root: Nursery | None = None
        self._bridges: set[asyncio.Task[Any]] = set()
        self.kernel = Kernel(self)

    # --- What the kernel asks for ---------------------------------------------------------------

    def now(self) -> int:
        """Time in ns."""
        return self._clock.now()

    def soon(self, task: Task[Any]) -> None:
        """Let the task have its turn behind all that is ready."""
        self._ready.append((next(self._sequence), task))
        if not self._busy and not self._scheduled:
            self._schedule()

    def at(self, ns: int, function: Callable[[], None], *, late: bool = False) -> AioTimer:
        """Let `function` be called at the time `ns`."""
        timer = AioTimer(self, function)
        heapq.heappush(self._heap, (ns, late, next(self._sequence), timer))
        if not self._busy and not self._scheduled:
            self._schedule()
        return timer

    def timer_died(self) -> None:
        """Count a cancelled timer, and sweep when they are the greater part of the heap."""
        self._dead += 1
        if self._dead > DEAD_TIMERS_MIN and 2 * self._dead > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[3].function is not None]
            heapq.heapify(self._heap)
            self._dead = 0

    # --- The run --------------------------------------------------------------------------------

    async def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run the procedure `main` to its end, inside the calling asyncio task.

        Raises what `main` raised, what a callback raised, `Deadlock` or `Livelock`; every task is
        ended before. Cancelling the asyncio task cancels `main` and waits for its clean-up; a
        second cancel ends it at once.
        """
        if self._loop is not None:
            main.close()
            raise RuntimeError("an engine runs once")
        self._loop = asyncio.get_running_loop()
        self._finished = self._loop.create_future()
        task = self.kernel.start(self._with_root(main), "main", self._main_ended)
        try:
            # Main begins at once, so that its root nursery is there for `spawn_root`.
            self._pass(late_allowed=False)
            await self._until_finished(task)
            return task.outcome()
        finally:
            await self._tear_down()

    async def _with_root(self, main: Coroutine[Any, Any, T]) -> T:
        async with self.kernel.nursery() as self._root:
            result = await main
            self._root.cancel()
        return result

    async def _until_finished(self, task: Task[Any]) -> None:
        assert self._finished is not None
        try:
            await asyncio.shield(self._finished)
        except asyncio.CancelledError:
            if self._finished.done():
                raise
            task.cancel()
            await self._finished
            if task.error is not None:
                self.kernel.suppressed(task.name, task.error)
            raise

    def _main_ended(self, _task: Task[Any]) -> None:
        assert self._finished is not None
        if not self._finished.done():
            self._finished.set_result(None)

    def stop(self, error: BaseException) -> None:
        """End the run with a failure that came up outside every task, in a callback."""
        if self._finished is not None and not self._finished.done():
            self._finished.set_exception(error)

    async def _tear_down(self) -> None:
        self._busy = True  # From here on nothing is scheduled any more.
        self.kernel.end()
        if self._armed is not None:
            self._armed[1].cancel()
        self._ready.clear()
        self._heap.clear()
        outside, self._outside = self._outside, {}
        for close in outside.values():
            if close is not None:
                close()
        for bridge in self._bridges:
            bridge.cancel()
        if self._bridges:
            await asyncio.wait(self._bridges, timeout=BRIDGE_END_S)
        # Closed transports say good-bye in callbacks of the next turn.
        await asyncio.sleep(0)

    # --- Working off ----------------------------------------------------------------------------

    def _schedule(self) -> None:
        if self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._soon_pass)

    def _soon_pass(self) -> None:
        self._scheduled = False
        self._pass(late_allowed=False)

    def _timer_pass(self) -> None:
        self._armed = None
        # The loop has just looked at its sockets: what came at a deadline has been delivered.
        self._pass(late_allowed=True)

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call `function` from an asyncio callback; what it makes ready runs before the return."""
        if self._busy or self._scheduled:
            function(*arguments)
            return
        self._busy = True
        try:
            function(*arguments)
        except BaseException as error:
            self.stop(error)
        finally:
            self._busy = False
        self._pass(late_allowed=False)

    def _pass(self, *, late_allowed: bool) -> None:
        """Work off what is ready and due, then arm the next timer."""
        if self._busy or self._finished is None or self._finished.done():
            return
        self._busy = True
        try:
            more = self._work(self.now(), late_allowed)
        except BaseException as error:
            # Also KeyboardInterrupt: the run ends with it, after everything was cleaned up.
            self.stop(error)
            return
        finally:
            self._busy = False
        if self._finished.done():
            return
        if more:
            self._schedule()
        elif self._heap:
            self._arm(self._heap[0][0])
        elif not self._outside and not self._scheduled:
            self.stop(self.kernel.deadlock())

    def _work(self, now: int, late_allowed: bool) -> bool:
        """True when the pass was cut off with work left."""
        ready = self._ready
        for _ in range(TURNS_PER_PASS_MAX):
            timer = self._due(now, late_allowed)
            if timer is not None:
                function, timer.function = timer.function, None
                assert function is not None
                self._count(now)
                function()
            elif ready:
                _, task = ready.popleft()
                self._count(now)
                task.turn()
            else:
                return False
        return True

    def _due(self, now: int, late_allowed: bool) -> AioTimer | None:
        """Take the timer whose turn it is, if it comes before the first ready task."""
        heap = self._heap
        while heap:
            ns, late, sequence, timer = heap[0]
            if timer.function is None:
                heapq.heappop(heap)
                self._dead -= 1
                continue
            if ns > now:
                return None
            if late:
                gives_way = bool(self._ready) or not late_allowed
                if gives_way and now - ns <= LATE_GRACE_NS:
                    return None
            elif self._ready and sequence > self._ready[0][0]:
                return None
            heapq.heappop(heap)
            return timer
        return None

    def _count(self, now: int) -> None:
        if now != self._instant:
            self._instant = now
            self._turns = 0
        self._turns += 1
        if self._turns > TURNS_AT_ONE_INSTANT_MAX:
            raise self.kernel.livelock()

    def _arm(self, ns: int) -> None:
        assert self._loop is not None
        if self._armed is not None:
            if self._armed[0] == ns:
                return
            self._armed[1].cancel()
        self._armed = (ns, self._clock.call_at(self._loop, ns, self._timer_pass))

    # --- Bridges --------------------------------------------------------------------------------

    @contextmanager
    def outside_wakes(self) -> Iterator[None]:
        """While this is held, an idle kernel waits for the outside and is not deadlocked."""
        owner = object()
        self.hold(owner)
        try:
            yield
        finally:
            self.release(owner)

    def hold(self, owner: object, close: Callable[[], object] | None = None) -> None:
        """`owner` (a connection, a port, a thread) may wake a task until it is released.

        `close` is called if the run ends first, so that no socket outlives its run.
        """
        self._outside[owner] = close

    def release(self, owner: object) -> None:
        """`owner` will wake nobody any more; an idle kernel is looked at again."""
        self._outside.pop(owner, None)
        if not self._outside and not self._busy and not self._scheduled:
            self._schedule()

    async def bridge(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await an asyncio coroutine from a kernel task; a cancel cancels it as well."""
        assert self._loop is not None
        try:
            self.kernel.about_to_wait()
        except BaseException:
            coroutine.close()
            raise
        task = self._loop.create_task(coroutine)
        self._bridges.add(task)
        self.hold(task)
        result = self.kernel.one_shot("bridge to asyncio", withdrawn=task.cancel)

        def done(finished: asyncio.Task[T]) -> None:
            self._bridges.discard(finished)
            if finished.cancelled():
                result.fail(ConnectionAbortedError("the asyncio side was cancelled"))
            elif (error := finished.exception()) is not None:
                result.fail(error)
            else:
                result.set(finished.result())

        def report(finished: asyncio.Task[T]) -> None:
            self.call(done, finished)
            self.release(finished)

        task.add_done_callback(report)
        return await result.wait()  # type: ignore[no-any-return]  # `done` sets a T

    def spawn_root(self, coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Future[T]:
        """Start a procedure beside `main`, from asyncio code; the future gets its end.

        When `main` ends the procedure is cancelled, and with it the future. A cancelled future
        cancels the procedure.
        """
        assert self._loop is not None, "the run has not begun"
        future: asyncio.Future[T] = self._loop.create_future()
        if self._root is None or self._root.closed:
            coroutine.close()
            raise RuntimeError(f"cannot spawn {name}: main does not run")
        task = self._root.spawn(_deliver(coroutine, future), name=name)
        future.add_done_callback(lambda done: task.cancel() if done.cancelled() else None)
        return future


async def _deliver(coroutine: Coroutine[Any, Any, T], future: asyncio.Future[T]) -> None:
    """Run a root procedure; its failure is the future's, not the run's."""
    try:
        result = await coroutine
    except Cancelled:
        future.cancel()
        raise
    except Exception as error:  # whatever it is, it goes to the future's owner
        if not future.done():
            future.set_exception(error)
    else:
        if not future.done():
            future.set_result(result)
