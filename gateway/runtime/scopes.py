"""Cancel scopes: stretches of a task that can be cancelled as one, with a deadline or a shield."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.runtime.errors import Cancelled

if TYPE_CHECKING:
    import types

    from gateway.runtime.kernel import Kernel, Timer
    from gateway.runtime.tasks import Task


class Scope:
    """A stretch of code that can be cancelled as one, perhaps with a deadline, perhaps shielded.

    `at` is the deadline in ns; its expiry makes the scope raise TimeoutError, once it is left by
    its own `Cancelled`. A block that needs no further wait is in time, whatever the clock says.
    """

    __slots__ = (
        "_at", "_kernel", "_task", "_timer", "cancelled", "deliveries", "description", "expired",
        "shielding",
    )  # fmt: skip

    def __init__(
        self,
        kernel: Kernel,
        *,
        at: int | None = None,
        shielding: bool = False,
        description: str = "scope",
    ) -> None:
        self._kernel = kernel
        self._at = at
        self._task: Task[Any] | None = None
        self._timer: Timer | None = None
        self.shielding = shielding
        self.cancelled = False
        self.expired = False
        self.deliveries = 0
        self.description = description

    def cancel(self) -> None:
        """Raise `Cancelled` at every wait inside until the scope is left."""
        if self.cancelled:
            return
        self.cancelled = True
        if self._task is not None:
            self._task.cut()

    def enter(self, task: Task[Any]) -> None:
        """Become the innermost scope of `task`."""
        if self._task is not None:
            raise RuntimeError(f"{self.description} is entered already")
        self._task = task
        task.push(self)
        if self._at is not None:
            self._timer = self._kernel.at(self._at, self._expire, late=True)

    def leave(self) -> None:
        """Stop being the innermost scope."""
        assert self._task is not None, f"{self.description} was not entered"
        self._task.pop(self)
        self._task = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if not self.cancelled:
            self.expired = True
            self.cancel()

    def __enter__(self) -> Scope:
        self.enter(self._kernel.running())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> bool:
        self.leave()
        if not (isinstance(error, Cancelled) and error.scope is self):
            return False
        if self.expired:
            raise TimeoutError(f"{self.description} has passed") from None
        return True
