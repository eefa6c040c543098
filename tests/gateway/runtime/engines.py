"""The engines that every case runs on.

``simpy`` and ``jumping`` keep virtual time, where two things can happen at one instant; ``asyncio``
keeps the host's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway.io.runtime import AioRuntime
from hil.runtimes import simulated_runtime
from simulators.memory_storage import MemoryStorage

T = TypeVar("T")

MS = 1_000_000
S = 1_000_000_000

Main = Callable[[Any], Coroutine[Any, Any, T]]


class JumpingClock:
    """A clock for asyncio that does not wait: it jumps to the time it would wait for."""

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        """Time in ns."""
        return self._now

    def call_at(
        self, loop: asyncio.AbstractEventLoop, ns: int, function: Callable[[], None]
    ) -> asyncio.TimerHandle:
        """Call as soon as the loop has looked at its sockets, and let it be `ns` then."""

        def jump() -> None:
            self._now = max(self._now, ns)
            function()

        return loop.call_at(loop.time(), jump)


@dataclass
class Run:
    """One engine: runs a program and keeps what it left behind."""

    name: str
    log: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ended_at: int = 0

    @property
    def is_virtual(self) -> bool:
        """Whether time stands still while the program runs."""
        return self.name != "asyncio"

    def __call__(self, main: Main[T]) -> T:
        """Run `main` to its end."""
        if self.name == "simpy":
            return self._on_simpy(main)
        return asyncio.run(self._on_asyncio(main))

    def _on_simpy(self, main: Main[T]) -> T:
        runtime = simulated_runtime(log=lambda _, kind, fields: self.log.append((kind, fields)))
        try:
            return runtime.run(main)
        finally:
            self.ended_at = runtime.now()
            assert runtime.where() == []

    async def _on_asyncio(self, main: Main[T]) -> T:
        runtime = AioRuntime(
            storage=MemoryStorage(),
            log=lambda _, kind, fields: self.log.append((kind, fields)),
            clock=JumpingClock() if self.name == "jumping" else None,
        )
        try:
            return await runtime.run(main)
        finally:
            self.ended_at = runtime.now()
            assert runtime.engine.kernel.where() == []


def suppressed(run: Run) -> list[str]:
    """Errors that were outranked by others, as the log shows them."""
    return [fields["error"] for kind, fields in run.log if kind == "runtime.suppressed"]


class KeywordOnlyError(Exception):
    """An error that cannot be copied by ``type(error)(*error.args)``."""

    def __init__(self, *, register: int) -> None:
        super().__init__("register")
        self.register = register
