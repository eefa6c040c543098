"""Tasks: the part of the kernel that decides who runs when.

The rules, each of them a named case in ``tests/gateway/runtime``:

* One task runs at a time, and it gives its turn away only at a wait. What can be had at once
  neither switches nor looks at cancellation.
* A wait ends by one decision (`Task.wake`, `Task.fail` or a cancel). Once decided it is never
  taken back; whatever comes later is seen at the next wait. So no item is ever lost.
* A cancelled scope raises `Cancelled` at every wait inside it until it is left, the outermost
  scope first. A scope with a shield hides what lies outside it.

No order depends on a hash: everything that is iterated is a list or a dict in order of arrival.
"""

from __future__ import annotations

import types
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from gateway.runtime.errors import Cancelled, Runaway, TaskCancelled
from gateway.runtime.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from gateway.runtime.kernel import Kernel, Timer

T = TypeVar("T")

#: Deliveries of one scope's cancellation before the block counts as a `Runaway`.
DELIVERIES_MAX: Final = 100

#: What a parked coroutine yields. Anything else that reaches a task is foreign (an asyncio
#: future, say) and refused: device code awaits the port and nothing else.
PARKED: Final = object()

#: Files whose frames are the kernel's own; a task's place is looked for outside them.
_KERNEL_FOLDER: Final = PurePath(__file__).parent


class Blocker(Protocol):
    """What a parked task waits in: an event, a lock, a queue, a sleep, a nursery ..."""

    def withdraw(self, task: Task[Any]) -> None:
        """Forget `task`: its wait ended by a cancel, it takes nothing and leaves no trace."""
        ...

    def describe(self) -> str:
        """Name the wait, for `Deadlock`, such as "queue.get"."""
        ...


@types.coroutine
def park(task: Task[Any], blocker: Blocker) -> Generator[object, Any, Any]:
    """Give the turn away until somebody decides the wait; returns what was handed over.

    The caller has asked `Kernel.about_to_wait` first and put `task` where `blocker` finds it.
    """
    task.blocker = blocker
    return (yield PARKED)


@types.coroutine
def give_turn() -> Generator[object, Any, None]:
    """Give the turn away in a wait that is decided already; the task has been made ready."""
    yield PARKED


class _Sleeping:
    """The blocker of every sleep; the timer itself hangs on the task."""

    __slots__ = ()

    def withdraw(self, task: Task[Any]) -> None:
        if task.timer is not None:
            task.timer.cancel()
            task.timer = None

    def describe(self) -> str:
        return "sleep"


SLEEPING: Final = _Sleeping()


class Task(Generic[T]):
    """One running procedure: a coroutine, its scopes, and the wait that it is parked in.

    `callbacks` and `_ok` are the face that SimPy asks of an entry of its heap, so that under
    SimPy a task is scheduled as it is, without an object for each wake.
    """

    #: What an engine assigns to `callbacks` when it schedules the task: one call, of `turn`.
    TURN: tuple[Callable[[Task[Any]], None], ...] = ()
    _ok = True

    __slots__ = (
        "_coroutine", "_cut", "_done", "_ended", "_error", "_joiners", "_kernel", "_name",
        "_result", "_scopes", "_started", "_throw", "_value",
        "blocker", "callbacks", "cuts", "deaf", "scope", "timer",
    )  # fmt: skip

    def __init__(
        self,
        kernel: Kernel,
        coroutine: Coroutine[Any, Any, T],
        name: str,
        ended: Callable[[Task[Any]], None],
    ) -> None:
        self._kernel = kernel
        self._coroutine = coroutine
        self._name = name
        self._ended = ended
        self._joiners: dict[Task[Any], None] = {}
        self._done = False
        self._started = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self._value: Any = None
        self._throw: BaseException | None = None
        self._cut = False
        self.callbacks: Any = None
        self.blocker: Blocker | None = None
        self.timer: Timer | None = None
        #: Whether the present wait is one that no scope may cut (a nursery collecting children).
        self.deaf = False
        #: How many scopes of the stack are cancelled: nothing to look for while this is 0.
        self.cuts = 0
        self.scope = Scope(kernel, description=f"task {name}")
        self._scopes: list[Scope] = []
        self.scope.enter(self)

    def __repr__(self) -> str:
        return f"<Task {self._name}>"

    @property
    def name(self) -> str:
        """The name given at the start."""
        return self._name

    @property
    def done(self) -> bool:
        """True once the procedure has returned, raised or been cancelled."""
        return self._done

    @property
    def error(self) -> BaseException | None:
        """What the procedure raised; None while it runs, after a result and after a cancel."""
        return self._error if not self.cancelled else None

    @property
    def cancelled(self) -> bool:
        """True when the procedure ended by the cancellation of its own scope."""
        return isinstance(self._error, Cancelled) and self._error.scope is self.scope

    def cancel(self) -> None:
        """Cancel the task's own scope; a task that has ended stays as it is."""
        if not self._done:
            self.scope.cancel()

    async def join(self) -> T:
        """Wait for the end; returns the result or raises the very object that ended the task.

        A task that was cancelled raises `TaskCancelled`; joining oneself is a RuntimeError.
        """
        if not self._done:
            task = self._kernel.about_to_wait()
            if task is self:
                raise RuntimeError(f"task {self._name} waits for its own end")
            self._joiners[task] = None
            await park(task, self)
        return self.outcome()

    def outcome(self) -> T:
        """The result of a task that has ended, or what it raised."""
        assert self._done, f"task {self._name} still runs"
        if self.cancelled:
            raise TaskCancelled(f"task {self._name} was cancelled") from None
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # T may be None itself

    # A task is itself the blocker of those who join it.

    def withdraw(self, task: Task[Any]) -> None:
        """Forget a joiner."""
        del self._joiners[task]

    def describe(self) -> str:
        """Name the wait of a joiner."""
        return f"join of {self._name}"

    # --- Waking -------------------------------------------------------------------------------

    def wake(self, value: Any = None) -> None:
        """Decide the wait: it returns `value`, behind all that is ready now."""
        self.blocker = None
        self._value = value
        self._kernel.soon(self)

    def fail(self, error: BaseException) -> None:
        """Decide the wait: it raises `error`."""
        self.blocker = None
        self._throw = error
        self._kernel.soon(self)

    def slept(self) -> None:
        """End the sleep: the task runs in the timer's own turn."""
        self.blocker = None
        self.timer = None
        self.turn()

    def turn(self) -> None:
        """Run from this wait to the next."""
        if self._done:
            # Only after the run itself has ended: the engine still held a turn of this task.
            return
        kernel = self._kernel
        kernel.current = self
        self._started = True
        try:
            if self._cut:
                self._cut = False
                cancellation = self.cancellation()
                assert cancellation is not None, "a scope that cut a wait stays cancelled"
                parked = self._coroutine.throw(cancellation)
            elif self._throw is not None:
                error, self._throw = self._throw, None
                parked = self._coroutine.throw(error)
            else:
                value, self._value = self._value, None
                parked = self._coroutine.send(value)
        except StopIteration as stop:
            kernel.current = None
            self._finish(stop.value, None)
            return
        except BaseException as error:
            kernel.current = None
            self._finish(None, error)
            return
        kernel.current = None
        if parked is not PARKED:
            self.fail(_foreign(parked))

    def _finish(self, result: T | None, error: BaseException | None) -> None:
        self._done = True
        self._result = result
        self._error = error
        self.scope.leave()
        self._kernel.forget(self)
        joiners, self._joiners = self._joiners, {}
        for joiner in joiners:
            joiner.wake()
        self._ended(self)

    # --- Cancelling ---------------------------------------------------------------------------

    def push(self, scope: Scope) -> None:
        """Enter a scope."""
        self._scopes.append(scope)
        if scope.cancelled:
            self.cuts += 1

    def pop(self, scope: Scope) -> None:
        """Leave the innermost scope."""
        innermost = self._scopes.pop()
        assert innermost is scope, "scopes are left in the order opposite to entering"
        if scope.cancelled:
            self.cuts -= 1

    def cut(self) -> None:
        """A scope of the stack was cancelled: end the present wait if the scope reaches it."""
        self.cuts += 1
        if self.blocker is not None and not self.deaf and self._cutting_scope() is not None:
            self.blocker.withdraw(self)
            self.blocker = None
            self._cut = True
            self._kernel.soon(self)

    def _cutting_scope(self) -> Scope | None:
        """The outermost cancelled scope that no shield hides."""
        found = None
        for scope in reversed(self._scopes):
            if scope.cancelled:
                found = scope
            if scope.shielding and not self._kernel.ending:
                break
        return found

    def cancellation(self) -> BaseException | None:
        """What the next wait has to raise, counted; None when nothing cuts it."""
        scope = self._cutting_scope()
        if scope is None:
            return None
        scope.deliveries += 1
        if scope.deliveries > DELIVERIES_MAX:
            return Runaway(
                f"task {self._name}: {scope.description} was cancelled and waited "
                f"{DELIVERIES_MAX} times more instead of being left, at {self.place()}"
            )
        return Cancelled(scope)

    def end(self) -> None:
        """End at once, outside any turn: every wait raises (the run itself is over)."""
        if self.blocker is not None:
            self.blocker.withdraw(self)
            self.blocker = None
        self.scope.cancel()
        # One that has not begun runs to its first wait, like every task that is spawned.
        self._cut = self._started
        self.turn()

    # --- Where it stands ----------------------------------------------------------------------

    def place(self) -> str:
        """File, line and function of the innermost frame that is not the kernel's."""
        found = "not started"
        coroutine: Any = self._coroutine
        while coroutine is not None:
            frame = getattr(coroutine, "cr_frame", None)
            if frame is None:
                break
            path = PurePath(frame.f_code.co_filename)
            if path.parent != _KERNEL_FOLDER:
                found = f"{path.name}:{frame.f_lineno} in {frame.f_code.co_name}"
            coroutine = coroutine.cr_await
        return found

    def where(self) -> str:
        """One line for a dump: name, wait, place."""
        state = self.blocker.describe() if self.blocker is not None else "ready"
        return f"{self._name}: {state} at {self.place()}"


Task.TURN = (Task.turn,)


def _foreign(awaited: object) -> RuntimeError:
    return RuntimeError(
        f"a task of the runtime awaited {awaited!r}: only what the Runtime port gives may be "
        "awaited (asyncio code goes through the bridge in gateway/io)"
    )
