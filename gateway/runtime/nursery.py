"""Nurseries: every task belongs to a block, and the block is left when its tasks have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from gateway.runtime.errors import Cancelled
from gateway.runtime.scopes import Scope
from gateway.runtime.tasks import Task, park

if TYPE_CHECKING:
    import types
    from collections.abc import Coroutine

    from gateway.runtime.kernel import Kernel

T = TypeVar("T")


class Nursery:
    """Owns the tasks spawned in it; ``async with`` leaves when all of them have ended.

    The first failure, of a child or of the body, cancels the children in spawn order and then
    the body, and is raised as the object it is. Later failures are reported to
    `Kernel.suppressed`, never raised and never lost.
    """

    __slots__ = (
        "_cancelled", "_children", "_closed", "_failure", "_kernel", "_owner", "_waiting", "scope",
    )  # fmt: skip

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._children: dict[Task[Any], None] = {}
        self._owner: Task[Any] | None = None
        self._waiting: Task[Any] | None = None
        self._failure: BaseException | None = None
        self._cancelled = False
        self._closed = True
        self.scope = Scope(kernel, description="nursery")

    @property
    def closed(self) -> bool:
        """Whether nothing can be spawned: the block is not entered yet, or left."""
        return self._closed

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str) -> Task[T]:
        """Make `coroutine` ready behind all that is ready now.

        It runs to its first wait even in a nursery that is cancelled already. RuntimeError when
        the block has been left.
        """
        if self._closed:
            coroutine.close()
            raise RuntimeError(f"cannot spawn {name}: the nursery is not open")
        task = self._kernel.start(coroutine, name, self._child_ended)
        self._children[task] = None
        if self._cancelled:
            task.cancel()
        return task

    def cancel(self) -> None:
        """Cancel every child in spawn order, then the body."""
        if self._cancelled:
            return
        self._cancelled = True
        for child in list(self._children):
            child.cancel()
        self.scope.cancel()

    def _child_ended(self, task: Task[Any]) -> None:
        del self._children[task]
        if task.error is not None:
            self._fail(task.error, task.name)
        if self._waiting is not None and not self._children:
            self._waiting.wake()
            self._waiting = None

    def _fail(self, error: BaseException, name: str) -> None:
        if self._failure is None:
            self._failure = error
            self.cancel()
        elif error is not self._failure:
            self._kernel.suppressed(name, error)

    async def __aenter__(self) -> Nursery:
        self._owner = self._kernel.running()
        self._closed = False
        self.scope.enter(self._owner)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> bool:
        assert self._owner is not None
        # From here on a cancel reaches the children alone: the body has ended.
        self.scope.leave()
        outer = self._take_body(error)
        if outer is not None:
            self.cancel()
        outer = await self._collect() or outer
        self._closed = True
        for raised in (self._failure, outer):
            if raised is not None:
                if raised is error:
                    return False
                raise raised
        return True

    def _take_body(self, error: BaseException | None) -> Cancelled | None:
        """Judge how the body ended; returns the outer cancel that cut it, if one did."""
        assert self._owner is not None
        if isinstance(error, Cancelled):
            return None if error.scope is self.scope else error
        if error is not None:
            self._fail(error, self._owner.name)
        return None

    async def _collect(self) -> Cancelled | None:
        """Wait for all children; an outer cancel meanwhile is passed to them and returned."""
        outer: Cancelled | None = None
        if self._children and not self._cancelled:
            try:
                await self._wait(deaf=False)
            except Cancelled as cancelled:
                outer = cancelled
                self.cancel()
        while self._children:
            await self._wait(deaf=True)
        return outer

    async def _wait(self, *, deaf: bool) -> None:
        task = self._kernel.about_to_wait(deaf=deaf)
        self._waiting = task
        task.deaf = deaf
        try:
            await park(task, self)
        finally:
            task.deaf = False

    def withdraw(self, task: Task[Any]) -> None:
        """Forget the waiting owner."""
        assert self._waiting is task
        self._waiting = None

    def describe(self) -> str:
        """Name the owner's wait and the children it waits for."""
        return f"nursery of {', '.join(child.name for child in self._children)}"
