"""The runtime in real time: bridges to asyncio, threads, chance, and the end of a run."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from gateway.io.runtime import OFFLOAD_THREADS_MAX, AioRuntime
from gateway.runtime.errors import Deadlock
from simulators.memory_storage import MemoryStorage
from tests.gateway.runtime.engines import MS, S
from tests.gateway.runtime.sessions import ShoutSession


def runtime(**options: Any) -> AioRuntime:
    """A runtime with nothing on its disk."""
    return AioRuntime(storage=MemoryStorage(), **options)


def test_a_root_task_gives_its_result_to_asyncio() -> None:
    """Asyncio code starts a procedure and awaits its future."""

    async def program() -> int:
        rt = runtime()
        stop = rt.event()

        async def procedure() -> int:
            await rt.sleep(1 * MS)
            return 42

        async def main(_: Any) -> None:
            await stop.wait()

        async def asyncio_side() -> int:
            with rt.engine.outside_wakes():
                result = await rt.spawn_root(procedure(), "procedure")
                rt.engine.call(stop.set)
            return result

        run = asyncio.create_task(rt.run(main))
        await asyncio.sleep(0)
        answer = await asyncio_side()
        await run
        return answer

    assert asyncio.run(program()) == 42


def test_a_failing_root_task_fails_its_future_and_nothing_else() -> None:
    """The failure is delivered to who asked; main goes on."""

    async def program() -> list[str]:
        rt = runtime()
        seen: list[str] = []

        async def procedure() -> None:
            await rt.sleep(0)
            raise ValueError("asked for")

        async def main(_: Any) -> None:
            await rt.sleep(20 * MS)
            seen.append("main goes on")

        run = asyncio.create_task(rt.run(main))
        await asyncio.sleep(0)
        try:
            await rt.spawn_root(procedure(), "procedure")
        except ValueError as error:
            seen.append(str(error))
        await run
        return seen

    assert asyncio.run(program()) == ["asked for", "main goes on"]


def test_the_end_of_main_cancels_root_tasks() -> None:
    """Their futures are cancelled, and nothing can be spawned afterwards."""

    async def program() -> bool:
        rt = runtime()

        async def forever() -> None:
            await rt.event().wait()

        async def main(_: Any) -> None:
            await rt.sleep(5 * MS)

        run = asyncio.create_task(rt.run(main))
        await asyncio.sleep(0)
        future = rt.spawn_root(forever(), "forever")
        await run
        with pytest.raises(RuntimeError, match="cannot spawn late"):
            rt.spawn_root(forever(), "late")
        return future.cancelled()

    assert asyncio.run(program())


def test_a_cancelled_future_cancels_its_procedure() -> None:
    """Asyncio code that loses interest ends what it started."""

    async def program() -> list[str]:
        rt = runtime()
        seen: list[str] = []
        begun = asyncio.Event()

        async def procedure() -> None:
            begun.set()
            try:
                await rt.sleep(10 * S)
            finally:
                seen.append("ended")

        async def main(_: Any) -> None:
            with rt.timeout(5 * S):
                while not seen:
                    await rt.sleep(1 * MS)

        run = asyncio.create_task(rt.run(main))
        await asyncio.sleep(0)
        future = rt.spawn_root(procedure(), "procedure")
        await begun.wait()
        future.cancel()
        await run
        return seen

    assert asyncio.run(program()) == ["ended"]


def test_a_bridge_returns_fails_and_is_cut() -> None:
    """An asyncio coroutine awaited from a task: result, error object, and cancel reach over."""

    async def program() -> list[object]:
        rt = runtime()
        seen: list[object] = []
        error = KeyError("the very object")

        async def answer() -> int:
            await asyncio.sleep(0)
            return 42

        async def fail() -> None:
            raise error

        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled over there")
                raise

        async def main(_: Any) -> None:
            seen.append(await rt.engine.bridge(answer()))
            try:
                await rt.engine.bridge(fail())
            except KeyError as caught:
                seen.append(caught is error)
            with pytest.raises(TimeoutError), rt.timeout(1 * MS):
                await rt.engine.bridge(endless())

        await rt.run(main)
        return seen

    assert asyncio.run(program()) == [42, True, "cancelled over there"]


def test_cancelling_the_asyncio_task_lets_main_clean_up() -> None:
    """Ctrl-C cancels main, waits for its clean-up, and is raised then."""

    async def program() -> list[str]:
        rt = runtime()
        seen: list[str] = []

        async def main(_: Any) -> None:
            try:
                await rt.sleep(10 * S)
            finally:
                with rt.shield(1 * S):
                    await rt.sleep(2 * MS)
                seen.append("cleaned up")

        run = asyncio.create_task(rt.run(main))
        await asyncio.sleep(0.005)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        return seen

    assert asyncio.run(program()) == ["cleaned up"]


def test_a_second_cancel_ends_at_once() -> None:
    """Who asks twice does not wait for clean-up, and no task is left."""

    async def program() -> list[str]:
        rt = runtime()

        async def main(_: Any) -> None:
            try:
                await rt.sleep(10 * S)
            finally:
                with rt.shield(10 * S):
                    await rt.sleep(10 * S)

        run = asyncio.create_task(rt.run(main))
        for _ in range(2):
            await asyncio.sleep(0.005)
            run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(run), 5)
        return rt.engine.kernel.where()

    assert asyncio.run(program()) == []


def test_an_open_listener_is_no_deadlock() -> None:
    """As long as somebody may connect, an idle kernel waits; without it, it is a finding."""

    async def program() -> None:
        rt = runtime()

        async def main(_: Any) -> None:
            server = await rt.serve_stream(("127.0.0.1", 0), lambda _peer, _now: None)
            with pytest.raises(TimeoutError):
                # A bridge is something outside as well, so the wait is one of asyncio's.
                await rt.engine.bridge(asyncio.wait_for(asyncio.Event().wait(), 0.01))
            await server.close()
            await rt.event().wait()

        await rt.run(main)

    with pytest.raises(Deadlock, match=r"main: event\.wait"):
        asyncio.run(program())


def test_offload_runs_in_a_bounded_pool_of_threads() -> None:
    """Work runs beside the loop, never more of it at once than the limit."""
    running, most = [0], [0]
    guard = threading.Lock()
    gate = threading.Barrier(OFFLOAD_THREADS_MAX)

    def work() -> str:
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait(5)
        with guard:
            running[0] -= 1
        return threading.current_thread().name

    async def main(rt: Any) -> set[str]:
        async with rt.nursery() as nursery:
            tasks = [
                nursery.spawn(rt.offload(work, cost_ns=1), name=f"work {number}")
                for number in range(3 * OFFLOAD_THREADS_MAX)
            ]
        return {await task.join() for task in tasks}

    names = asyncio.run(runtime().run(main))
    assert all(name.startswith("offload") for name in names)
    assert most[0] == OFFLOAD_THREADS_MAX


def test_an_error_of_offloaded_work_is_raised_where_it_was_asked_for() -> None:
    """The object itself, in the task."""

    def work() -> None:
        raise ValueError("in a thread")

    async def main(rt: Any) -> None:
        await rt.offload(work, cost_ns=1)

    with pytest.raises(ValueError, match="in a thread"):
        asyncio.run(runtime().run(main))


def test_chance_is_named_and_repeatable_entropy_is_not() -> None:
    """`rng` follows the seed and the component's name; `entropy` is the operating system's."""
    one, same, other = runtime(seed="s/1"), runtime(seed="s/1"), runtime(seed="s/2")
    assert one.rng("a") is one.rng("a")
    drawn = one.rng("a").random()
    assert drawn == same.rng("a").random()
    assert drawn != same.rng("b").random()
    assert drawn != other.rng("a").random()
    assert len(one.entropy(16)) == 16
    assert one.entropy(16) != same.entropy(16)


def test_events_are_logged_with_the_time_of_the_runtime() -> None:
    """The log gets time, kind and fields."""
    entries: list[tuple[int, str, dict[str, Any]]] = []

    async def main(rt: Any) -> None:
        await rt.sleep(1 * MS)
        rt.log("gateway.state", value="running")

    asyncio.run(runtime(log=lambda *entry: entries.append(entry)).run(main))
    [(at, kind, fields)] = entries
    assert (kind, fields) == ("gateway.state", {"value": "running"})
    assert at >= 1 * MS


def test_wall_clock_is_in_whole_seconds() -> None:
    """After 2020, and an int."""
    now = runtime().unix_time()
    assert isinstance(now, int)
    assert now > 1_577_836_800


def test_an_engine_runs_once() -> None:
    """A second run on the same runtime is refused."""

    async def program() -> None:
        rt = runtime()

        async def main(_: Any) -> None:
            await rt.sleep(0)

        await rt.run(main)
        await rt.run(main)

    with pytest.raises(RuntimeError, match="runs once"):
        asyncio.run(program())


def test_tasks_that_are_always_ready_do_not_stop_the_clock() -> None:
    """On a real clock a time-out passes, and asyncio runs, beside a loop of sleep(0)."""

    async def program() -> list[str]:
        rt = runtime()
        seen: list[str] = []
        asyncio.get_running_loop().call_later(0.001, seen.append, "asyncio runs")

        async def main(_: Any) -> None:
            try:
                with rt.timeout(20 * MS):
                    while True:
                        await rt.sleep(0)
            except TimeoutError:
                seen.append("in time" if rt.now() < 5 * S else "too late")

        await rt.run(main)
        return seen

    assert asyncio.run(program()) == ["asyncio runs", "in time"]


def test_a_failing_clean_up_of_a_cancelled_run_is_logged() -> None:
    """Ctrl-C outranks the error of the clean-up; the error is in the log all the same."""
    entries: list[tuple[int, str, dict[str, Any]]] = []

    async def program() -> None:
        rt = runtime(log=lambda *entry: entries.append(entry))

        async def main(_: Any) -> None:
            try:
                await rt.sleep(10 * S)
            finally:
                raise ValueError("clean-up")

        run = asyncio.create_task(rt.run(main))
        await asyncio.sleep(0.002)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(program())
    [(_, kind, fields)] = entries
    assert (kind, fields) == (
        "runtime.suppressed",
        {"task": "main", "error": "ValueError('clean-up')"},
    )


def test_a_bridge_whose_far_side_is_cancelled_fails() -> None:
    """The task learns that no result will come."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def main(rt: Any) -> None:
        await rt.engine.bridge(cancelled())

    with pytest.raises(ConnectionAbortedError):
        asyncio.run(runtime().run(main))


def test_a_failing_wake_from_outside_stops_the_run() -> None:
    """What asyncio code calls into the kernel does not fail in silence."""

    def explode() -> None:
        raise ValueError("outside")

    async def main(rt: Any) -> None:
        asyncio.get_running_loop().call_later(0.001, rt.engine.call, explode)
        await rt.sleep(10 * S)

    with pytest.raises(ValueError, match="outside"):
        asyncio.run(runtime().run(main))


def test_a_failed_run_leaves_no_socket_open() -> None:
    """Listener, peers, streams and bridges are closed with the run that opened them."""
    address: list[tuple[str, int]] = []

    async def program() -> int:
        rt = runtime()

        async def main(_: Any) -> None:
            server = await rt.serve_stream(("127.0.0.1", 0), ShoutSession)
            address.append(server.address)
            stream = await rt.connect(*server.address)
            await stream.write(b"x")
            await stream.read(1)
            raise ValueError("half way")

        with pytest.raises(ValueError, match="half way"):
            await rt.run(main)
        try:
            await asyncio.open_connection(*address[0])
        except ConnectionRefusedError:
            return len(rt.engine._outside)
        return -1

    # filterwarnings = error turns a socket that is left into a failure as well.
    assert asyncio.run(program()) == 0
