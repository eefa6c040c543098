"""The loop beside the tests: results and failures come back, limits hold, nothing is left."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hil.host import Host


async def double(number: int) -> int:
    """Return twice the number after a turn of the loop."""
    await asyncio.sleep(0)
    return 2 * number


def test_results_and_failures_come_back() -> None:
    """What a coroutine returns or raises reaches the caller as it is."""

    async def failing() -> None:
        raise KeyError("meter")

    with Host() as host:
        assert host.call(double(21), what="sum") == 42
        with pytest.raises(KeyError, match="meter"):
            host.call(failing(), what="failure")
        assert host.ask(lambda: threading.current_thread().name, what="name") == "bench"


def test_limit_names_what_took_too_long() -> None:
    """A call that does not end is cancelled and named."""
    cancelled = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with Host() as host:
        with pytest.raises(TimeoutError, match=r"the scan took longer than 0.05 s"):
            host.call(endless(), what="the scan", limit_s=0.05)
        assert cancelled.wait(5)


def test_own_timeout_error_is_not_the_limit() -> None:
    """A TimeoutError that the coroutine itself raises is passed on."""

    async def impatient() -> None:
        raise TimeoutError("no answer")

    with Host() as host, pytest.raises(TimeoutError, match="no answer"):
        host.call(impatient(), what="x")


def test_stop_cancels_what_is_left() -> None:
    """Nothing outlives the loop, and stopping twice is allowed."""
    ended = threading.Event()

    async def start() -> asyncio.Task[None]:
        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        task = asyncio.create_task(endless())
        await asyncio.sleep(0)
        return task

    host = Host()
    with host:
        host.call(start(), what="start")
    host.stop()
    assert ended.is_set()
