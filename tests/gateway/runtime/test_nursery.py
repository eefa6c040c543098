"""Nurseries, joins and failures, on every engine."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

import gateway.runtime.aio
import gateway.runtime.kernel
import simulators.runtime
from gateway.io.runtime import AioRuntime
from gateway.runtime.kernel import Cancelled, Deadlock, Livelock, TaskCancelled
from hil.runtimes import simulated_runtime
from simulators.memory_storage import MemoryStorage
from tests.gateway.runtime.engines import MS, KeywordOnlyError, Run, S, suppressed

if TYPE_CHECKING:
    import simpy

# --- Nursery ----------------------------------------------------------------------------------


def test_the_first_failure_leaves_as_the_object_itself(run: Run) -> None:
    """No copy and no group: an error with keyword-only arguments arrives with its attributes."""
    raised = KeywordOnlyError(register=4711)

    async def main(rt: Any) -> None:
        async def failing() -> None:
            await rt.sleep(0)
            raise raised

        async with rt.nursery() as nursery:
            nursery.spawn(failing(), name="failing")
            await rt.sleep(S)

    with pytest.raises(KeywordOnlyError) as caught:
        run(main)
    assert caught.value is raised
    assert caught.value.register == 4711


def test_a_failure_cancels_the_children_in_spawn_order_and_then_the_body(run: Run) -> None:
    """Everybody is cancelled in order, all are awaited, and only then is the failure raised."""

    async def main(rt: Any) -> list[str]:
        order: list[str] = []

        async def child(name: str) -> None:
            try:
                await rt.sleep(S)
            finally:
                with rt.shield(S):
                    await rt.sleep(0)
                order.append(name)

        async def failing() -> None:
            await rt.sleep(1 * MS)
            raise ValueError("failing")

        try:
            async with rt.nursery() as nursery:
                nursery.spawn(child("a"), name="a")
                nursery.spawn(child("b"), name="b")
                nursery.spawn(failing(), name="failing")
                await child("body")
        except ValueError:
            order.append("raised")
        return order

    assert run(main) == ["a", "b", "body", "raised"]


def test_a_failing_body_cancels_the_children(run: Run) -> None:
    """The body's error is the nursery's, and the children are ended before it is raised."""

    async def main(rt: Any) -> list[str]:
        order: list[str] = []

        async def child() -> None:
            try:
                await rt.sleep(S)
            finally:
                order.append("child ended")

        async def failing_body() -> None:
            async with rt.nursery() as nursery:
                nursery.spawn(child(), name="child")
                await rt.sleep(0)
                raise KeyError("body")

        with pytest.raises(KeyError):
            await failing_body()
        return order

    assert run(main) == ["child ended"]


def test_a_spawned_task_always_begins(run: Run) -> None:
    """A task cancelled before its first turn, or spawned too late, runs to its first wait."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []

        async def child(name: str) -> None:
            seen.append(name)
            await rt.sleep(0)
            seen.append("not reached")

        async with rt.nursery() as nursery:
            nursery.spawn(child("cancelled at once"), name="1").cancel()
            nursery.cancel()
            nursery.spawn(child("spawned late"), name="2")
        return seen

    assert run(main) == ["cancelled at once", "spawned late"]


def test_later_failures_are_logged_as_suppressed(run: Run) -> None:
    """One failure is raised; the others are named in the log and do not vanish."""

    async def main(rt: Any) -> None:
        async def failing(name: str) -> None:
            try:
                await rt.sleep(S)
            finally:
                raise ValueError(name)

        async with rt.nursery() as nursery:
            nursery.spawn(failing("second"), name="second")
            nursery.spawn(failing("third"), name="third")
            await rt.sleep(0)
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        run(main)
    assert suppressed(run) == ["ValueError('second')", "ValueError('third')"]


def test_an_error_in_clean_up_beats_an_outer_cancel(run: Run) -> None:
    """The clean-up's error is seen first; the cancel is delivered again at the next wait."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []

        async def child() -> None:
            try:
                await rt.sleep(S)
            finally:
                raise ValueError("clean-up")

        with rt.scope() as scope:
            try:
                async with rt.nursery() as nursery:
                    nursery.spawn(child(), name="child")
                    await rt.sleep(0)
                    scope.cancel()
            except ValueError as error:
                seen.append(str(error))
            await rt.sleep(0)
            seen.append("not reached")
        return seen

    assert run(main) == ["clean-up"]


def test_an_outer_cancel_reaches_the_children_while_the_body_collects_them(run: Run) -> None:
    """A time-out around a nursery whose body has ended cancels the children."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []

        async def child() -> None:
            try:
                await rt.sleep(10 * S)
            finally:
                seen.append("ended")

        async def bounded() -> None:
            with rt.timeout(2 * MS):
                async with rt.nursery() as nursery:
                    nursery.spawn(child(), name="child")

        with pytest.raises(TimeoutError):
            await bounded()
        return seen

    assert run(main) == ["ended"]
    assert run.ended_at < S


def test_cancelling_a_nursery_is_no_error(run: Run) -> None:
    """`cancel` ends the children and the body and leaves the block without an error."""

    async def main(rt: Any) -> str:
        async def child() -> None:
            await rt.sleep(S)

        async with rt.nursery() as nursery:
            nursery.spawn(child(), name="child")
            nursery.cancel()
            await rt.sleep(S)
        return "left"

    assert run(main) == "left"
    assert run.ended_at < S


def test_a_shielded_nursery_keeps_its_children(run: Run) -> None:
    """An outer cancel does not pass a shield into a nursery inside it."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []

        async def child() -> None:
            await rt.sleep(1 * MS)
            seen.append("finished")

        with rt.scope() as scope:
            scope.cancel()
            with rt.shield(S):
                async with rt.nursery() as nursery:
                    nursery.spawn(child(), name="child")
        return seen

    assert run(main) == ["finished"]


def test_nothing_can_be_spawned_in_a_nursery_that_was_left(run: Run) -> None:
    """A closed nursery refuses, and the coroutine is closed rather than forgotten."""

    async def main(rt: Any) -> None:
        async def child() -> None:
            await rt.sleep(0)

        async with rt.nursery() as nursery:
            pass
        nursery.spawn(child(), name="late")

    with pytest.raises(RuntimeError, match="cannot spawn late"):
        run(main)


# --- Join -------------------------------------------------------------------------------------


def test_join_returns_the_result_or_raises_the_very_object(run: Run) -> None:
    """A joiner sees what the task returned, or raised, not a copy of it."""
    raised = KeywordOnlyError(register=1)

    async def main(rt: Any) -> list[object]:
        seen: list[object] = []

        async def failing() -> None:
            await rt.sleep(0)
            raise raised

        async def answer() -> int:
            await rt.sleep(0)
            return 42

        try:
            async with rt.nursery() as nursery:
                seen.append(await nursery.spawn(answer(), name="answer").join())
                await nursery.spawn(failing(), name="failing").join()
        except KeywordOnlyError as error:
            seen.append(error is raised)
        return seen

    assert run(main) == [42, True]
    assert suppressed(run) == []


def test_joining_a_cancelled_task_says_so(run: Run) -> None:
    """There is no result to return: TaskCancelled, a RuntimeError, names the task."""

    async def main(rt: Any) -> None:
        async def child() -> None:
            await rt.sleep(S)

        async with rt.nursery() as nursery:
            task = nursery.spawn(child(), name="reader")
            task.cancel()
            await task.join()

    with pytest.raises(TaskCancelled, match="reader was cancelled"):
        run(main)


def test_a_task_that_cancels_itself_just_before_a_join_is_cut_there(run: Run) -> None:
    """The join is a wait like any other, also when the joined task is about to end."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []
        tasks: list[Any] = []

        async def quick() -> None:
            await rt.sleep(0)

        async def joiner() -> None:
            tasks[1].cancel()
            await tasks[0].join()
            seen.append("not reached")

        async with rt.nursery() as nursery:
            tasks.append(nursery.spawn(quick(), name="quick"))
            tasks.append(nursery.spawn(joiner(), name="joiner"))
        return seen

    assert run(main) == []


def test_joining_oneself_is_an_error(run: Run) -> None:
    """A task cannot wait for its own end."""

    async def main(rt: Any) -> None:
        tasks: list[Any] = []

        async def narcissus() -> None:
            await tasks[0].join()

        async with rt.nursery() as nursery:
            tasks.append(nursery.spawn(narcissus(), name="narcissus"))

    with pytest.raises(RuntimeError, match="waits for its own end"):
        run(main)


# --- Failure never vanishes -------------------------------------------------------------------


def test_the_run_raises_what_main_raised(run: Run) -> None:
    """The original object, whatever its constructor looks like."""
    raised = KeywordOnlyError(register=7)

    async def main(rt: Any) -> None:
        await rt.sleep(0)
        raise raised

    with pytest.raises(KeywordOnlyError) as caught:
        run(main)
    assert caught.value is raised


def test_a_run_that_fails_ends_its_tasks_youngest_first(run: Run) -> None:
    """On a deadlock every live task is ended, each wait raising at once, a shield or not."""
    order: list[str] = []

    async def main(rt: Any) -> None:
        async def child(name: str) -> None:
            try:
                await rt.event().wait()
            finally:
                order.append(name)
                with rt.shield(S):
                    await rt.sleep(S)
                order.append("not reached")

        async with rt.nursery() as nursery:
            nursery.spawn(child("older"), name="older")
            nursery.spawn(child("younger"), name="younger")

    with pytest.raises(Deadlock):
        run(main)
    assert order == ["younger", "older"]


def test_a_deadlock_names_every_task_and_its_line(run: Run) -> None:
    """Nothing ready, no timer: the finding says who waits for what, and where."""

    async def main(rt: Any) -> None:
        async def hungry() -> None:
            await rt.queue(1).get()

        async with rt.nursery() as nursery:
            nursery.spawn(hungry(), name="hungry")

    with pytest.raises(Deadlock) as caught:
        run(main)
    text = str(caught.value)
    assert re.search(r"main: nursery of hungry at test_nursery\.py:\d+ in main", text)
    assert re.search(r"hungry: queue\.get at test_nursery\.py:\d+ in hungry", text)


def test_tasks_that_run_while_time_stands_still_are_a_livelock(
    virtual_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop of sleep(0) is found, not waited for."""
    monkeypatch.setattr(simulators.runtime, "EVENTS_AT_ONE_INSTANT_MAX", 1_000)
    monkeypatch.setattr(gateway.runtime.aio, "TURNS_AT_ONE_INSTANT_MAX", 1_000)

    async def main(rt: Any) -> None:
        while True:
            await rt.sleep(0)

    with pytest.raises(Livelock, match="main: "):
        virtual_run(main)


def test_awaiting_something_foreign_is_refused(run: Run) -> None:
    """Device code cannot await an asyncio future or a SimPy event by accident."""

    class Foreign:
        def __await__(self) -> Any:
            yield "an asyncio future"

    async def main(rt: Any) -> str:
        del rt
        with pytest.raises(RuntimeError, match="only what the Runtime port gives"):
            await Foreign()
        return "refused"

    assert run(main) == "refused"


def test_kernel_waits_are_refused_outside_a_task() -> None:
    """Code of asyncio that awaits a kernel primitive gets an error, not a hang."""

    async def main() -> None:
        runtime = AioRuntime(storage=MemoryStorage())
        await runtime.event().wait()

    with pytest.raises(RuntimeError, match="only a task of the runtime"):
        asyncio.run(main())


def test_a_failing_simpy_process_stops_the_run_with_its_own_error() -> None:
    """The original object comes out, not SimPy's copy of it."""
    raised = KeywordOnlyError(register=9)
    runtime = simulated_runtime()

    def meter(env: simpy.Environment) -> Any:
        yield env.timeout(5)
        raise raised

    runtime.env.process(meter(runtime.env))

    async def main(rt: Any) -> None:
        await rt.sleep(S)

    with pytest.raises(KeywordOnlyError) as caught:
        runtime.run(main)
    assert caught.value is raised
    assert runtime.now() == 5


def test_a_failing_callback_stops_the_run_on_simpy() -> None:
    """An error in a bare timer is raised by the run."""
    runtime = simulated_runtime()

    def explode() -> None:
        raise ValueError("callback")

    async def main(rt: Any) -> None:
        runtime.at(7, explode)
        await rt.sleep(S)

    with pytest.raises(ValueError, match="callback"):
        runtime.run(main)


def test_a_failing_callback_stops_the_run_on_asyncio() -> None:
    """An error in a bare timer is raised by the run; asyncio alone would log it and go on."""

    async def program() -> None:
        runtime = AioRuntime(storage=MemoryStorage())

        def explode() -> None:
            raise ValueError("callback")

        async def main(rt: Any) -> None:
            runtime.engine.at(1 * MS, explode)
            await rt.sleep(100 * S)

        await runtime.run(main)

    with pytest.raises(ValueError, match="callback"):
        asyncio.run(program())


def test_a_simpy_callback_can_set_an_event_of_the_kernel() -> None:
    """Plain SimPy code wakes a task; a task waits for a plain SimPy event."""
    runtime = simulated_runtime()
    flag = runtime.event()

    def meter(env: simpy.Environment) -> Any:
        yield env.timeout(5)
        flag.set()
        return "meter's end"

    process = runtime.env.process(meter(runtime.env))

    async def main(rt: Any) -> list[object]:
        await flag.wait()
        woken_at = rt.now()
        late = runtime.env.timeout(10, value="late")
        return [woken_at, await runtime.until(process), await runtime.until(late), rt.now()]

    assert runtime.run(main) == [5, "meter's end", "late", 15]


def test_waiting_for_a_simpy_event_can_be_cut() -> None:
    """A cancelled wait takes its callback out of the event."""
    runtime = simulated_runtime()
    never = runtime.env.event()

    async def main(rt: Any) -> None:
        with pytest.raises(TimeoutError), rt.timeout(5):
            await runtime.until(never)

    runtime.run(main)
    assert never.callbacks == []


# --- Timers -----------------------------------------------------------------------------------


def test_cancelled_timers_do_not_move_the_clock(virtual_run: Run) -> None:
    """A three-day time-out that was left leaves the end of the run where it was."""

    async def main(rt: Any) -> None:
        with rt.timeout(3 * 86_400 * S):
            await rt.sleep(1 * MS)

    virtual_run(main)
    assert virtual_run.ended_at == 1 * MS


def test_cancelled_timers_do_not_hide_a_deadlock(virtual_run: Run) -> None:
    """A dead timer in the heap is no reason to wait."""

    async def main(rt: Any) -> None:
        with rt.timeout(S):
            await rt.sleep(0)
        await rt.event().wait()

    with pytest.raises(Deadlock):
        virtual_run(main)
    assert virtual_run.ended_at == 0


def test_cancelled_timers_do_not_pile_up() -> None:
    """20,000 kicks of a three-day watchdog leave fewer than 3,000 entries in either heap."""
    kicks, entries_max = 20_000, 3_000
    sizes: list[int] = []

    async def main(rt: Any) -> None:
        for _ in range(kicks):
            with rt.timeout(3 * 86_400 * S):
                await rt.sleep(0)

    simulated = simulated_runtime()
    simulated.run(main)
    sizes.append(len(simulated._engine._queue))

    async def program() -> None:
        runtime = AioRuntime(storage=MemoryStorage())

        async def measured(rt: Any) -> None:
            await main(rt)
            sizes.append(len(runtime.engine._heap))

        await runtime.run(measured)

    asyncio.run(program())
    assert all(size < entries_max for size in sizes), sizes


def test_a_cancelled_task_ends_with_cancelled_and_not_with_an_error(run: Run) -> None:
    """`Cancelled` is a BaseException: no `except Exception` of a procedure can eat it."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []

        async def greedy() -> None:
            try:
                await rt.sleep(S)
            except Exception:  # the point of the case: this must not catch it
                seen.append("swallowed")

        async with rt.nursery() as nursery:
            task = nursery.spawn(greedy(), name="greedy")
            await rt.sleep(0)
            task.cancel()
        return seen

    assert run(main) == []
    assert not issubclass(Cancelled, Exception)
