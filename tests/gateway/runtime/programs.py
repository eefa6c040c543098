"""Random programs for the kernel, as data, and what runs them.

A program is a tree of plain tuples, made from a seed; `Interpreter` runs it on any runtime and
notes every step with its virtual time. Two engines agree when the notes are equal.
"""

from __future__ import annotations

import random
from typing import Any

from gateway.runtime.kernel import Cancelled

EVENTS = 3
LOCKS = 2
QUEUE_PLACES = (1, 2)
#: Small times, so that many things happen at one instant.
TIMES = (0, 0, 1, 1, 2, 3, 5)
DEPTH_MAX = 4
ROOTS = 3
TASKS_MAX = 40

Step = tuple[Any, ...]

SIMPLE = (
    ("sleep", 5), ("get", 3), ("put", 3), ("put_nowait", 1), ("wait", 2), ("set", 3), ("clear", 1),
    ("raise", 1), ("cancel", 2), ("join", 3), ("sleep_until", 1),
)  # fmt: skip
BLOCKS = (
    ("timeout", 4), ("shield", 1), ("scope", 1), ("lock", 2), ("catch", 2), ("finally", 2),
    ("nursery", 3),
)  # fmt: skip


def make_program(seed: int, *, bounded: bool) -> list[list[Step]]:
    """Make one program, a list of tasks; a `bounded` one cannot deadlock: each wait is limited."""
    rng = random.Random(f"program/{seed}")
    return [_block(rng, 0, bounded=bounded) for _ in range(ROOTS)]


def _block(rng: random.Random, depth: int, *, bounded: bool) -> list[Step]:
    return [_step(rng, depth, bounded=bounded) for _ in range(rng.randrange(1, 6))]


def _step(rng: random.Random, depth: int, *, bounded: bool) -> Step:
    kinds = SIMPLE + BLOCKS if depth < DEPTH_MAX else SIMPLE
    kind = rng.choices([k for k, _ in kinds], [weight for _, weight in kinds])[0]
    number = rng.randrange(1_000)
    time = rng.choice(TIMES)
    if kind == "nursery":
        bodies = [_block(rng, depth + 1, bounded=bounded) for _ in range(rng.randrange(1, 4))]
        return (kind, bodies, _block(rng, depth + 1, bounded=bounded))
    if kind in dict(BLOCKS):
        inner = _block(rng, depth + 1, bounded=bounded)
        last = _block(rng, DEPTH_MAX, bounded=bounded) if kind == "finally" else []
        if bounded and kind == "lock":
            return ("timeout", number, time, [(kind, number, time, inner, last)], [])
        return (kind, number, time, inner, last)
    if bounded and kind in ("get", "put", "wait", "join"):
        return ("timeout", number, time, [(kind, number, time)], [])
    return (kind, number, time)


class Interpreter:
    """Runs a program and notes its steps."""

    def __init__(self, rt: Any) -> None:
        self._rt = rt
        self.notes: list[str] = []
        self._events = [rt.event() for _ in range(EVENTS)]
        self._locks = [rt.lock() for _ in range(LOCKS)]
        self._queues = [rt.queue(places) for places in QUEUE_PLACES]
        self._tasks: list[Any] = []

    def note(self, name: str, text: str) -> None:
        """Note one step."""
        self.notes.append(f"{self._rt.now()} {name} {text}")

    async def main(self, program: list[list[Step]]) -> None:
        """Run the tasks of a program; a failure of one does not end the others."""
        async with self._rt.nursery() as nursery:
            for number, steps in enumerate(program):
                name = f"t{number}"
                self._tasks.append(nursery.spawn(self._root(name, steps), name=name))

    async def _root(self, name: str, steps: list[Step]) -> str:
        try:
            return await self._task(name, steps)
        except Exception as error:
            return _named(error)

    async def _task(self, name: str, steps: list[Step]) -> str:
        self.note(name, "begins")
        try:
            await self._steps(name, steps)
        except BaseException as error:
            self.note(name, f"ends with {_named(error)}")
            raise
        self.note(name, "ends")
        return name

    async def _steps(self, name: str, steps: list[Step]) -> None:
        for step in steps:
            try:
                result = await getattr(self, f"_do_{step[0]}")(name, *step[1:])
            except BaseException as error:
                self.note(name, f"{step[0]}: {_named(error)}")
                raise
            self.note(name, f"{step[0]}: {result}")

    # --- Simple steps ---------------------------------------------------------------------------

    async def _do_sleep(self, _name: str, _number: int, time: int) -> None:
        await self._rt.sleep(time)

    async def _do_sleep_until(self, _name: str, number: int, _time: int) -> None:
        await self._rt.sleep_until(number % 50)

    async def _do_get(self, _name: str, number: int, _time: int) -> object:
        return await self._queues[number % len(self._queues)].get()

    async def _do_put(self, name: str, number: int, _time: int) -> None:
        await self._queues[number % len(self._queues)].put(f"{name}/{number}")

    async def _do_put_nowait(self, name: str, number: int, _time: int) -> object:
        return self._queues[number % len(self._queues)].put_nowait(f"{name}/{number}")

    async def _do_wait(self, _name: str, number: int, _time: int) -> None:
        await self._events[number % EVENTS].wait()

    async def _do_set(self, _name: str, number: int, _time: int) -> None:
        self._events[number % EVENTS].set()

    async def _do_clear(self, _name: str, number: int, _time: int) -> None:
        self._events[number % EVENTS].clear()

    async def _do_raise(self, _name: str, number: int, _time: int) -> None:
        raise ValueError(number)

    async def _do_cancel(self, _name: str, number: int, _time: int) -> None:
        self._tasks[number % len(self._tasks)].cancel()

    async def _do_join(self, _name: str, number: int, _time: int) -> object:
        return await self._tasks[number % len(self._tasks)].join()

    # --- Blocks ---------------------------------------------------------------------------------

    async def _do_timeout(
        self, name: str, number: int, time: int, inner: list[Step], _last: list[Step]
    ) -> str:
        try:
            with self._rt.timeout(time):
                await self._steps(name, inner)
        except TimeoutError:
            if number % 4 == 0:
                raise
            return "expired"
        return "in time"

    async def _do_shield(
        self, name: str, _number: int, time: int, inner: list[Step], _last: list[Step]
    ) -> None:
        with self._rt.shield(time):
            await self._steps(name, inner)

    async def _do_scope(
        self, name: str, number: int, _time: int, inner: list[Step], _last: list[Step]
    ) -> bool:
        with self._rt.scope() as scope:
            if number % 2:
                scope.cancel()
            await self._steps(name, inner)
        return bool(scope.cancelled)

    async def _do_lock(
        self, name: str, number: int, _time: int, inner: list[Step], _last: list[Step]
    ) -> None:
        async with self._locks[number % LOCKS]:
            self.note(name, "has the lock")
            await self._steps(name, inner)

    async def _do_catch(
        self, name: str, number: int, _time: int, inner: list[Step], _last: list[Step]
    ) -> str:
        try:
            await self._steps(name, inner)
        except (ValueError, TimeoutError, RuntimeError) as error:
            return f"caught {_named(error)}"
        except Cancelled:
            # One in three eats its cancellation, as careless code would.
            if number % 3:
                raise
            return "ate a cancel"
        return "nothing to catch"

    async def _do_finally(
        self, name: str, _number: int, time: int, inner: list[Step], last: list[Step]
    ) -> None:
        try:
            await self._steps(name, inner)
        finally:
            with self._rt.shield(time):
                await self._steps(name, last)

    async def _do_nursery(self, name: str, bodies: list[list[Step]], inner: list[Step]) -> None:
        async with self._rt.nursery() as nursery:
            for body in bodies:
                if len(self._tasks) < TASKS_MAX:
                    child = f"t{len(self._tasks)}"
                    self._tasks.append(nursery.spawn(self._task(child, body), name=child))
            await self._steps(name, inner)


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}({error})"
