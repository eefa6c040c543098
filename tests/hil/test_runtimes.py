"""The simulated runtime: chance, trace, storage and the same run in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import simpy

from gateway.runtime.port import LineError, LineFormat
from hil.runtimes import real_time, simulated, simulated_runtime
from simulators.memory_storage import MemoryStorage

MS = 1_000_000
S = 1_000_000_000


def meters(env: simpy.Environment, rng: Any, log: Any) -> Any:
    """An ordinary SimPy process beside the tasks."""
    for _ in range(20):
        yield env.timeout(rng.randrange(1, 5 * MS))
        log("meter.tick", value=rng.randrange(100))


async def busy(rt: Any) -> None:
    """A program with tasks, chance, a network and a log."""

    async def worker(name: str) -> None:
        rng = rt.rng(name)
        for number in range(20):
            await rt.sleep(rng.randrange(1, 5 * MS))
            rt.log("worker", name=name, number=number, salt=rt.entropy(2).hex())

    async with rt.nursery() as nursery:
        for name in ("a", "b", "c"):
            nursery.spawn(worker(name), name=name)


def trace_of(seed: int) -> str:
    """The hash of one run."""
    runtime = simulated_runtime(seed=seed, scenario="busy")
    runtime.env.process(meters(runtime.env, runtime.rng("meters"), runtime.log))
    runtime.run(busy)
    return runtime.trace_sha256()


def test_same_seed_same_trace() -> None:
    """Twice the same hash; another seed, another hash."""
    assert trace_of(1) == trace_of(1)
    assert trace_of(1) != trace_of(2)


def test_same_seed_same_trace_in_other_processes() -> None:
    """Two processes with different PYTHONHASHSEED give the hash of this one."""
    program = "from tests.hil.test_runtimes import trace_of; print(trace_of(7))"
    hashes = set()
    for hash_seed in ("0", "12345"):
        printed = subprocess.run(
            [sys.executable, "-c", program],
            env={
                **os.environ,
                "PYTHONHASHSEED": hash_seed,
                "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            },
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        hashes.add(printed.stdout.strip())
    assert hashes == {trace_of(7)}


def test_the_trace_is_ordered_canonical_json() -> None:
    """One line an entry: time, kind, fields with sorted keys; the listener saw the same."""
    heard: list[Any] = []
    runtime = simulated_runtime(log=lambda *entry: heard.append(entry))

    async def main(rt: Any) -> None:
        rt.log("first", b=2, a="Grüße")
        await rt.sleep(5)
        rt.log("second")

    runtime.run(main)
    assert runtime.trace_lines() == ['[0,"first",{"a":"Grüße","b":2}]', '[5,"second",{}]']
    assert heard == runtime.trace
    assert [json.loads(line)[0] for line in runtime.trace_lines()] == [0, 5]


def test_components_draw_from_generators_of_their_own() -> None:
    """One more component does not shift the others."""
    alone, joined = simulated_runtime(seed=3), simulated_runtime(seed=3)
    joined.rng("newcomer").random()
    assert alone.rng("meter").random() == joined.rng("meter").random()
    assert alone.rng("meter") is alone.rng("meter")


def test_offloaded_work_costs_its_stated_time() -> None:
    """Inline, and then the cost passes in virtual time."""
    runtime = simulated_runtime()

    async def main(rt: Any) -> tuple[int, int]:
        return await rt.offload(lambda: 42, cost_ns=7 * MS), rt.now()

    assert runtime.run(main) == (42, 7 * MS)


def test_the_wall_clock_follows_virtual_time() -> None:
    """Whole seconds since 1970, from a fixed start."""
    runtime = simulated_runtime()

    async def main(rt: Any) -> int:
        start = rt.unix_time()
        await rt.sleep(3 * S)
        return int(rt.unix_time() - start)

    assert runtime.run(main) == 3


def test_a_line_is_opened_by_its_url() -> None:
    """The opener gets the runtime and the format; an unknown URL is a LineError with the list."""
    opened: list[Any] = []

    def opener(runtime: Any, line_format: LineFormat) -> str:
        opened.append((runtime, line_format.baudrate))
        return "line"

    runtime = simulated_runtime(lines={"sim:bus": opener})

    async def main(rt: Any) -> object:
        with pytest.raises(LineError, match=r"sim:nothing.*there are: sim:bus"):
            await rt.open_line("sim:nothing", LineFormat())
        return await rt.open_line("sim:bus", LineFormat(300))

    assert runtime.run(main) == "line"
    assert opened == [(runtime, 300)]


def test_a_task_beside_main_that_fails_stops_the_run() -> None:
    """SimPy code may start tasks; their failures do not vanish."""
    runtime = simulated_runtime()

    async def failing() -> None:
        await runtime.sleep(1)
        raise ValueError("beside main")

    async def main(rt: Any) -> None:
        await rt.sleep(S)

    runtime.start(failing(), name="failing")
    with pytest.raises(ValueError, match="beside main"):
        runtime.run(main)


def test_two_runtimes_can_share_one_environment() -> None:
    """A second run goes on where the first left the clock."""
    env = simpy.Environment()

    async def main(rt: Any) -> int:
        await rt.sleep(5)
        return int(rt.now())

    assert simulated_runtime(env).run(main) == 5
    assert simulated_runtime(env).run(main) == 10


def test_simpys_own_loop_drives_tasks_as_well() -> None:
    """Whoever runs the environment himself gets the same order and the same clock."""
    runtime = simulated_runtime()
    seen: list[tuple[int, str]] = []

    async def task() -> None:
        for _ in range(3):
            await runtime.sleep(10)
            seen.append((runtime.now(), "task"))

    def process(env: simpy.Environment) -> Any:
        for _ in range(3):
            yield env.timeout(10)
            seen.append((runtime.now(), "process"))

    runtime.env.process(process(runtime.env))
    runtime.start(task(), name="task")
    runtime.env.run(until=25)
    assert seen == [(10, "process"), (10, "task"), (20, "process"), (20, "task")]
    runtime.env.run()
    assert seen[4:] == [(30, "process"), (30, "task")]
    assert runtime.where() == []


def test_both_worlds_are_a_runtime() -> None:
    """The same port in virtual and in real time, with the storage that was given."""
    storage = MemoryStorage({"app/chip.ini": b""})
    assert simulated(storage=storage).storage is storage
    engine, port = real_time(storage=storage)
    assert port is engine
    assert port.storage is storage
