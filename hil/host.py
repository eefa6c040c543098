"""An asyncio loop in a thread of its own, for what has to run while a test waits.

Tests are ordinary functions; simulated meters and the reference gateway live on a loop. A `Host`
runs that loop beside the tests and lets them start something on it, ask it something and stop it.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")

#: Longest wait for anything that is not told another limit, in seconds.
CALL_LIMIT_S: Final = 30.0

#: Longest wait for the loop to end, in seconds.
STOP_LIMIT_S: Final = 10.0


class Host:
    """The loop and its thread; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="bench", daemon=True)

    def __enter__(self) -> Host:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._cancel_all())
        finally:
            self._loop.close()

    async def _cancel_all(self) -> None:
        """End what was left running, so that nothing outlives the loop."""
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def call(
        self, coroutine: Coroutine[Any, Any, T], *, what: str, limit_s: float = CALL_LIMIT_S
    ) -> T:
        """Run a coroutine on the loop and return its result, or raise what it raised.

        Raises TimeoutError, naming `what`, when it takes longer than `limit_s`; it is then
        cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(limit_s)
        except FutureTimeoutError:
            if future.done():
                raise
            future.cancel()
            raise TimeoutError(f"{what} took longer than {limit_s:g} s") from None

    def ask(self, question: Callable[[], T], *, what: str) -> T:
        """Call a function on the loop's thread, where it may touch what lives there."""

        async def answer() -> T:
            return question()

        return self.call(answer(), what=what)

    def stop(self) -> None:
        """End the loop; what still runs on it is cancelled. Calling it twice is allowed."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(STOP_LIMIT_S)
