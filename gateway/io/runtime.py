"""The Runtime port in real time: asyncio, real files, real lines, real sockets.

`AioRuntime.run` is awaited from ordinary asyncio code, so that a gateway, a simulator in real time
and a Modbus client can share one loop.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway.io import datagrams, lines, servers
from gateway.runtime.aio import AioEngine, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.runtime.kernel import Event, Lock, Nursery, Queue, Scope
    from gateway.runtime.port import (
        DatagramHandler,
        EventValue,
        Line,
        LineFormat,
        Runtime,
        Server,
        SessionFactory,
        Storage,
        Stream,
    )

T = TypeVar("T")

#: Threads for `AioRuntime.offload`; more work waits its turn.
OFFLOAD_THREADS_MAX: Final = 2


class AioRuntime:
    """`gateway.runtime.port.Runtime` on the running asyncio loop, for one run.

    `seed` names the generators of `rng`. `log` is called with the time in ns, the kind and the
    fields of each structured event.
    """

    def __init__(
        self,
        *,
        seed: str = "",
        storage: Storage,
        log: Callable[[int, str, dict[str, EventValue]], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.engine = AioEngine(clock=clock)
        self._kernel = self.engine.kernel
        self._kernel.suppressed = self._suppressed
        self._seed = seed
        self._generators: dict[str, random.Random] = {}
        self._storage = storage
        self._log = log
        self._listener: Callable[[int, str, dict[str, EventValue]], None] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self.now = self._kernel.now

    # --- Running --------------------------------------------------------------------------------

    async def run(self, main: Callable[[Runtime], Coroutine[Any, Any, T]]) -> T:
        """Run ``main(runtime)`` to its end; returns its result or raises what it raised.

        See `gateway.runtime.aio.AioEngine.run` for cancelling and failures.
        """
        try:
            return await self.engine.run(main(self))
        finally:
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)

    def spawn_root(self, coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Future[T]:
        """Start a procedure beside main, from asyncio code; the future gets its end."""
        return self.engine.spawn_root(coroutine, name)

    # --- Time and tasks -------------------------------------------------------------------------

    def unix_time(self) -> int:
        """Wall-clock time of the host, whole seconds since 1970."""
        return int(time.time())

    async def sleep(self, ns: int) -> None:
        """Let `ns` pass; 0 gives every ready task one turn."""
        await self._kernel.sleep(ns)

    async def sleep_until(self, at: int) -> None:
        """Wait for the point in time `at`."""
        await self._kernel.sleep_until(at)

    def timeout(self, ns: int) -> Scope:
        """Bound a block to `ns` from now."""
        return self._kernel.timeout(ns)

    def deadline(self, at: int) -> Scope:
        """Bound a block to the point in time `at`."""
        return self._kernel.deadline(at)

    def scope(self) -> Scope:
        """Enclose a block that can be cancelled."""
        return self._kernel.scope()

    def shield(self, ns: int) -> Scope:
        """Keep outer cancels from clean-up that lasts no longer than `ns`."""
        return self._kernel.shield(ns)

    def nursery(self) -> Nursery:
        """Own the tasks spawned in a block."""
        return self._kernel.nursery()

    def event(self) -> Event:
        """Make a flag."""
        return self._kernel.event()

    def lock(self) -> Lock:
        """Make a lock."""
        return self._kernel.lock()

    def queue(self, places: int) -> Queue[Any]:
        """Make a queue."""
        return self._kernel.queue(places)

    # --- Chance and log -------------------------------------------------------------------------

    def rng(self, name: str) -> random.Random:
        """Return the generator of the component `name`, the same one at every call."""
        generator = self._generators.get(name)
        if generator is None:
            generator = self._generators[name] = random.Random(f"{self._seed}/{name}")
        return generator

    def entropy(self, count: int) -> bytes:
        """`count` bytes from the operating system."""
        return os.urandom(count)

    def log(self, kind: str, /, **fields: EventValue) -> None:
        """Hand a structured event to the log, stamped with `now()`."""
        if self._log is not None:
            self._log(self.now(), kind, fields)
        if self._listener is not None:
            self._listener(self.now(), kind, fields)

    def listen(self, listener: Callable[[int, str, dict[str, EventValue]], None] | None) -> None:
        """Let one listener hear every event, behind the log."""
        self._listener = listener

    def _suppressed(self, name: str, error: BaseException) -> None:
        self.log("runtime.suppressed", task=name, error=repr(error))

    # --- The outside ----------------------------------------------------------------------------

    async def offload(self, function: Callable[[], T], *, cost_ns: int) -> T:
        """Run `function` in a thread; a cancel leaves the thread to finish by itself."""
        if cost_ns < 0:
            raise ValueError(f"a cost is not negative: {cost_ns} ns")
        if self._threads is None:
            self._threads = ThreadPoolExecutor(OFFLOAD_THREADS_MAX, "offload")
        loop, threads = asyncio.get_running_loop(), self._threads

        async def in_thread() -> T:
            return await loop.run_in_executor(threads, function)

        return await self.engine.bridge(in_thread())

    async def open_line(self, url: str, line_format: LineFormat) -> Line:
        """Open an M-Bus port by its URL; raises `LineError`."""
        return await lines.open_line(self.engine, url, line_format)

    async def connect(self, host: str, port: int) -> Stream:
        """Open a TCP connection; raises OSError, naming the peer."""
        return await servers.connect(self.engine, host, port)

    async def serve_stream(self, address: tuple[str, int], sessions: SessionFactory) -> Server:
        """Listen on TCP; raises OSError, naming the address, when it cannot be bound."""
        return await servers.serve(self.engine, address, sessions)

    async def serve_datagram(self, address: tuple[str, int], received: DatagramHandler) -> Server:
        """Listen on UDP; raises OSError, naming the address, when it cannot be bound."""
        return await datagrams.serve(self.engine, address, received)

    @property
    def storage(self) -> Storage:
        """The device's files."""
        return self._storage
