"""Event, lock, queue and one-shot: what tasks wait for.

Everything is handed over: an item, a free place or a lock goes to the longest waiter by the very
call that frees it, so nobody who comes later can take it first. A waiter that is cancelled takes
nothing. The calls that do not wait (`Event.set`, `Queue.put_nowait`, `OneShot.set` ...) may also be
made from outside any task: from a timer, a SimPy process or an asyncio callback.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gateway.runtime.tasks import Task, park

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.kernel import Kernel

T = TypeVar("T")


class _Waiters:
    """Tasks in the order in which they came; the blocker of each of them."""

    __slots__ = ("_description", "_kernel", "_tasks")

    def __init__(self, kernel: Kernel, description: str) -> None:
        self._kernel = kernel
        self._description = description
        self._tasks: dict[Task[Any], None] = {}

    def __bool__(self) -> bool:
        return bool(self._tasks)

    async def wait(self) -> Any:
        """Wait as the last of the row; returns what is handed over."""
        task = self._kernel.about_to_wait()
        self._tasks[task] = None
        return await park(task, self)

    def wake_all(self) -> None:
        """Let all go on, in the order in which they came."""
        if self._tasks:
            tasks, self._tasks = self._tasks, {}
            for task in tasks:
                task.wake()

    def wake_first(self, value: Any = None) -> Task[Any]:
        """Hand `value` to the longest waiter."""
        task = next(iter(self._tasks))
        del self._tasks[task]
        task.wake(value)
        return task

    def withdraw(self, task: Task[Any]) -> None:
        del self._tasks[task]

    def describe(self) -> str:
        return self._description


class Event:
    """A flag; `set` wakes all waiters in the order in which they came."""

    __slots__ = ("_set", "_waiters")

    def __init__(self, kernel: Kernel) -> None:
        self._waiters = _Waiters(kernel, "event.wait")
        self._set = False

    @property
    def is_set(self) -> bool:
        """Whether a `wait` would return at once."""
        return self._set

    def set(self) -> None:
        """Raise the flag; tasks that wait now go on even if it is lowered before their turn."""
        self._set = True
        self._waiters.wake_all()

    def clear(self) -> None:
        """Lower the flag; tasks that were woken stay woken."""
        self._set = False

    async def wait(self) -> None:
        """Return once the flag is up."""
        if not self._set:
            await self._waiters.wait()


class Lock:
    """Mutual exclusion, handed to the longest waiter; not re-entrant."""

    __slots__ = ("_kernel", "_owner", "_waiters")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._owner: Task[Any] | None = None
        self._waiters = _Waiters(kernel, "lock")

    @property
    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._owner is not None

    async def __aenter__(self) -> None:
        task = self._kernel.running()
        if self._owner is None:
            self._owner = task
            return
        if self._owner is task:
            raise RuntimeError(f"task {task.name} takes a lock that it holds already")
        await self._waiters.wait()

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._owner is not None, "a lock is released by its owner, once"
        self._owner = self._waiters.wake_first() if self._waiters else None


class _Putters:
    """Tasks that wait for a place, each with its item."""

    __slots__ = ("tasks",)

    def __init__(self) -> None:
        self.tasks: dict[Task[Any], Any] = {}

    def take_first(self) -> Any:
        """Let the longest waiter go on; returns its item."""
        task = next(iter(self.tasks))
        item = self.tasks.pop(task)
        task.wake()
        return item

    def withdraw(self, task: Task[Any]) -> None:
        del self.tasks[task]

    def describe(self) -> str:
        return "queue.put"


class Queue(Generic[T]):
    """First in, first out, with `places` places (at least 1).

    Getters wait only while it is empty and putters only while it is full, so an item is either
    in the queue or already somebody's.
    """

    __slots__ = ("_getters", "_items", "_kernel", "_places", "_putters")

    def __init__(self, kernel: Kernel, places: int) -> None:
        if places < 1:
            raise ValueError(f"a queue needs at least one place, not {places}")
        self._kernel = kernel
        self._places = places
        self._items: deque[T] = deque()
        self._getters = _Waiters(kernel, "queue.get")
        self._putters = _Putters()

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: T) -> None:
        """Append, waiting for a free place."""
        if not self.put_nowait(item):
            task = self._kernel.about_to_wait()
            self._putters.tasks[task] = item
            await park(task, self._putters)

    def put_nowait(self, item: T) -> bool:
        """Append if there is a place; False, and nothing done, where there is none."""
        if self._getters:
            self._getters.wake_first(item)
            return True
        if len(self._items) < self._places:
            self._items.append(item)
            return True
        return False

    async def get(self) -> T:
        """Take the oldest item, waiting for one."""
        if self._items:
            item = self._items.popleft()
            if self._putters.tasks:
                self._items.append(self._putters.take_first())
            return item
        return await self._getters.wait()  # type: ignore[no-any-return]  # wake_first hands a T


class OneShot(Generic[T]):
    """One result that one task waits for: the joint between an engine's callbacks and a task.

    `set` or `fail` decides it once; later calls are ignored, since the world outside may answer a
    wait that has been cancelled. `withdrawn` is called when the waiting task was cancelled, so
    that the outside can be told to stop.
    """

    __slots__ = ("_description", "_error", "_kernel", "_ready", "_task", "_value", "_withdrawn")

    def __init__(
        self, kernel: Kernel, description: str, *, withdrawn: Callable[[], object] | None = None
    ) -> None:
        self._kernel = kernel
        self._description = description
        self._withdrawn = withdrawn
        self._task: Task[Any] | None = None
        self._ready = False
        self._value: T | None = None
        self._error: BaseException | None = None

    def set(self, value: T) -> None:
        """Give the result."""
        if self._ready:
            return
        self._ready, self._value = True, value
        if self._task is not None:
            self._task.wake()

    def fail(self, error: BaseException) -> None:
        """Give an error in place of a result."""
        if self._ready:
            return
        self._ready, self._error = True, error
        if self._task is not None:
            self._task.wake()

    async def wait(self) -> T:
        """Return the result or raise the error."""
        if not self._ready:
            self._task = self._kernel.about_to_wait()
            await park(self._task, self)
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # T may be None itself

    def withdraw(self, task: Task[Any]) -> None:
        """Take no result any more; the outside is told."""
        assert task is self._task
        self._task = None
        self._ready = True
        if self._withdrawn is not None:
            self._withdrawn()

    def describe(self) -> str:
        """Name the wait."""
        return self._description
