"""What the kernel itself raises.

`Cancelled` and `Runaway` are BaseExceptions: ``except Exception`` in a procedure must not swallow
them. The others are refinements of builtin errors, so that code on the port can name the builtin
alone and needs no import of the kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.runtime.scopes import Scope


class Cancelled(BaseException):
    """The scope around this wait was cancelled; leave it.

    It is raised at every wait until the scope is left, and it is swallowed by that scope alone.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope.description)
        self.scope = scope


class Runaway(BaseException):
    """A block swallows its cancellation again and again and would spin without end."""


class TaskCancelled(RuntimeError):  # noqa: N818  # the name of the finding, not of an error class
    """`Task.join` of a task that was cancelled: there is no result to return."""


class Deadlock(RuntimeError):  # noqa: N818  # the name of the finding, not of an error class
    """Nothing is ready, no timer runs, and the main procedure waits: nobody can wake it.

    The message names every live task, what it waits for and where.
    """


class Livelock(RuntimeError):  # noqa: N818  # the name of the finding, not of an error class
    """Time stands still although tasks run: a loop that gives its turn away but never waits."""


class ClosedStream(ConnectionAbortedError):  # noqa: N818  # the name of the finding, not of an error class
    """The stream was closed on this side, by its own user."""
