"""The two worlds in which the same procedures run: virtual time and real time.

This is the one place where the simulators' engine meets the gateway's kernel, and where mypy
proves that `SimRuntime` and `AioRuntime` are both a `gateway.runtime.port.Runtime`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy

from gateway.io.runtime import AioRuntime
from gateway.runtime.kernel import Kernel
from gateway.runtime.port import LineError, Runtime, Storage
from simulators.runtime import UNIX_TIME_AT_START, LineOpener, SimRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulators.memory_storage import MemoryStorage


def simulated_runtime(
    env: simpy.Environment | None = None,
    *,
    seed: int | str = 1,
    scenario: str = "",
    storage: MemoryStorage | None = None,
    lines: Mapping[str, LineOpener] | None = None,
    log: Callable[[int, str, dict[str, Any]], None] | None = None,
    unix_time_at_start: int = UNIX_TIME_AT_START,
) -> SimRuntime:
    """Make a runtime in virtual time, with its engine's own methods (`run`, `trace_sha256` ...)."""
    return SimRuntime(
        env if env is not None else simpy.Environment(),
        kernel=Kernel,
        seed=seed,
        scenario=scenario,
        storage=storage,
        lines=lines,
        log=log,
        line_error=LineError,
        unix_time_at_start=unix_time_at_start,
    )


def simulated(
    env: simpy.Environment | None = None,
    *,
    seed: int | str = 1,
    scenario: str = "",
    storage: MemoryStorage | None = None,
    lines: Mapping[str, LineOpener] | None = None,
    log: Callable[[int, str, dict[str, Any]], None] | None = None,
) -> Runtime:
    """Make a runtime in virtual time as procedures see it; mypy checks the port here."""
    return simulated_runtime(
        env, seed=seed, scenario=scenario, storage=storage, lines=lines, log=log
    )


def real_time(
    *,
    seed: int | str = 1,
    scenario: str = "",
    storage: Storage,
    log: Callable[[int, str, dict[str, Any]], None] | None = None,
) -> tuple[AioRuntime, Runtime]:
    """Make a runtime in real time: first with its engine's own methods, then as procedures see it.

    Both are the same object; `AioRuntime.run` is awaited from asyncio code.
    """
    runtime = AioRuntime(seed=f"{scenario}/{seed}", storage=storage, log=log)
    return runtime, runtime
