"""The one task kernel: what a wait, a cancel, a deadline and a failure mean, on every engine.

An engine gives four things and decides nothing: `Engine.now`, `Engine.soon` (a task becomes ready
behind all that is ready), `Engine.at` (a timer) and the network. Under SimPy that is an entry in
the environment's heap, under asyncio a deque and a heap of our own behind one callback of the
loop. So the same program does the same things in the same order on both.

Deadlines are *late* timers: they give way to everything else of their instant, so what arrives at
the deadline is in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from gateway.runtime.errors import (
    Cancelled,
    ClosedStream,
    Deadlock,
    Livelock,
    Runaway,
    TaskCancelled,
)
from gateway.runtime.nursery import Nursery
from gateway.runtime.primitives import Event, Lock, OneShot, Queue
from gateway.runtime.scopes import Scope
from gateway.runtime.stream import Stream, StreamSink
from gateway.runtime.tasks import DELIVERIES_MAX, SLEEPING, Task, give_turn, park

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = [
    "DELIVERIES_MAX",
    "TURNS_AT_ONE_INSTANT_MAX",
    "Cancelled",
    "ClosedStream",
    "Deadlock",
    "Engine",
    "Event",
    "Kernel",
    "Livelock",
    "Lock",
    "Nursery",
    "OneShot",
    "Queue",
    "Runaway",
    "Scope",
    "Stream",
    "StreamSink",
    "Task",
    "TaskCancelled",
    "Timer",
]

T = TypeVar("T")

#: Turns and timers at one instant before the run counts as a `Livelock`.
TURNS_AT_ONE_INSTANT_MAX: Final = 1_000_000


class Timer(Protocol):
    """A call that will be made."""

    def cancel(self) -> None:
        """Do not make it; nothing happens when it has been made already."""
        ...


class Engine(Protocol):
    """What the kernel stands on."""

    def now(self) -> int:
        """Time in ns."""
        ...

    def soon(self, task: Task[Any]) -> None:
        """Let ``task.turn()`` be called behind all that is ready now."""
        ...

    def at(self, ns: int, function: Callable[[], None], *, late: bool = False) -> Timer:
        """Let `function` be called at the time `ns`, or as soon as possible when it has passed.

        Timers of one instant fire in the order of their creation, `late` ones behind everything
        else of that instant.
        """
        ...


def _report_nothing(name: str, error: BaseException) -> None:
    """Take suppressed failures where nobody asked for them."""


class Kernel:
    """Tasks and what they wait for, on one engine; used from one thread.

    `suppressed(name, error)` is told of every failure that another failure outranked.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        suppressed: Callable[[str, BaseException], None] = _report_nothing,
    ) -> None:
        self.now = engine.now
        self.soon = engine.soon
        self.at = engine.at
        self.suppressed = suppressed
        #: The task whose turn it is.
        self.current: Task[Any] | None = None
        #: True while the live tasks of a run that is over are being ended.
        self.ending = False
        self._tasks: dict[Task[Any], None] = {}

    # --- Tasks --------------------------------------------------------------------------------

    def start(
        self, coroutine: Coroutine[Any, Any, T], name: str, ended: Callable[[Task[Any]], None]
    ) -> Task[T]:
        """Make a task ready that belongs to no nursery; `ended` is called once, when it is done.

        For engines and nurseries; procedures spawn in a nursery.
        """
        if self.ending:
            coroutine.close()
            raise RuntimeError(f"cannot start {name}: the run is over")
        task = Task(self, coroutine, name, ended)
        self._tasks[task] = None
        self.soon(task)
        return task

    def forget(self, task: Task[Any]) -> None:
        """Drop a task that has ended."""
        del self._tasks[task]

    def running(self) -> Task[Any]:
        """The task whose turn it is; RuntimeError outside any (in asyncio code, say)."""
        if self.current is None:
            raise RuntimeError("this can be used inside a task of the runtime only")
        return self.current

    def about_to_wait(self, *, deaf: bool = False) -> Task[Any]:
        """The running task, which is about to park; raises what cancelled scopes demand.

        A `deaf` wait is one that no cancel may cut; it ends all the same when the run is over.
        """
        task = self.current
        if task is None:
            raise RuntimeError("only a task of the runtime can wait here")
        if task.cuts and not (deaf and not self.ending):
            cancellation = task.cancellation()
            if cancellation is not None:
                raise cancellation
        return task

    def live_tasks(self) -> list[Task[Any]]:
        """All tasks that have not ended, in the order of their start."""
        return list(self._tasks)

    def where(self) -> list[str]:
        """What every live task waits for and where, one line each."""
        return [task.where() for task in self._tasks]

    def deadlock(self) -> Deadlock:
        """The finding that nobody can wake anybody any more."""
        lines = "".join(f"\n  {line}" for line in self.where())
        return Deadlock(f"nothing is ready and no timer runs at {self.now()} ns:{lines}")

    def livelock(self) -> Livelock:
        """The finding that tasks run and time does not."""
        lines = "".join(f"\n  {line}" for line in self.where())
        return Livelock(f"{TURNS_AT_ONE_INSTANT_MAX} turns at one instant, {self.now()} ns:{lines}")

    def end(self) -> None:
        """The run is over: end every live task, the youngest first, each wait raising at once.

        Nothing is left for the garbage collector, and clean-up order is the same everywhere.
        """
        self.ending = True
        while self._tasks:
            task = next(reversed(self._tasks))
            task.end()
            if task.error is not None:
                self.suppressed(task.name, task.error)

    # --- Waits --------------------------------------------------------------------------------

    async def sleep(self, ns: int) -> None:
        """Let `ns` pass; 0 (or less) gives every ready task one turn."""
        task = self.about_to_wait()
        if ns > 0:
            task.timer = self.at(self.now() + ns, task.slept)
            await park(task, SLEEPING)
        else:
            # Decided from the start: a cancel from now on is seen at the next wait.
            self.soon(task)
            await give_turn()

    async def sleep_until(self, at: int) -> None:
        """Wait for the point in time `at`; one turn if it has passed."""
        task = self.about_to_wait()
        if at > self.now():
            task.timer = self.at(at, task.slept)
            await park(task, SLEEPING)
        else:
            self.soon(task)
            await give_turn()

    def timeout(self, ns: int) -> Scope:
        """Bound a block to `ns` from now."""
        return Scope(self, at=self.now() + ns, description=f"timeout of {ns} ns")

    def deadline(self, at: int) -> Scope:
        """Bound a block to the point in time `at`."""
        return Scope(self, at=at, description=f"deadline {at} ns")

    def scope(self) -> Scope:
        """A block that can be cancelled and is then left without an error."""
        return Scope(self)

    def shield(self, ns: int) -> Scope:
        """A block that outer cancels do not reach, bounded to `ns` from now."""
        return Scope(self, at=self.now() + ns, shielding=True, description=f"shield of {ns} ns")

    # --- What tasks wait for --------------------------------------------------------------------

    def nursery(self) -> Nursery:
        """A new owner of tasks."""
        return Nursery(self)

    def event(self) -> Event:
        """A new flag, down."""
        return Event(self)

    def lock(self) -> Lock:
        """A new lock, free."""
        return Lock(self)

    def queue(self, places: int) -> Queue[Any]:
        """A new queue."""
        return Queue(self, places)

    def one_shot(
        self, description: str, *, withdrawn: Callable[[], object] | None = None
    ) -> OneShot[Any]:
        """A new result to wait for."""
        return OneShot(self, description, withdrawn=withdrawn)

    def stream(self, sink: StreamSink, *, limit: int) -> Stream:
        """A byte stream whose other side is `sink`."""
        return Stream(self, sink, limit=limit)
