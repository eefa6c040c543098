"""Random programs do the same things in the same order on every engine, and in every process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.io.runtime import AioRuntime
from hil.runtimes import simulated_runtime
from simulators.memory_storage import MemoryStorage
from tests.gateway.runtime.engines import JumpingClock
from tests.gateway.runtime.programs import Interpreter, make_program

#: How many programs of each kind; more by METERBENCH_FUZZ_PROGRAMS.
PROGRAMS = int(os.environ.get("METERBENCH_FUZZ_PROGRAMS", "300"))

#: One test item for so many, so that a failure names a short range of seeds.
BATCH = 100

KINDS = {"bounded": True, "free": False}


def notes_on_simpy(seed: int, *, bounded: bool) -> list[str]:
    """What the program noted in SimPy's heap, and how its run ended."""
    interpreters: list[Interpreter] = []
    suppressed: list[Any] = []

    async def main(rt: Any) -> None:
        interpreters.append(Interpreter(rt))
        await interpreters[0].main(make_program(seed, bounded=bounded))

    runtime = simulated_runtime(log=lambda *entry: suppressed.append(entry))
    end = "returned"
    try:
        runtime.run(main)
    except BaseException as error:
        end = f"{type(error).__name__}({error})"
    assert runtime.where() == []
    return [*interpreters[0].notes, *map(str, suppressed), end]


def notes_on_asyncio(seed: int, *, bounded: bool) -> list[str]:
    """The same on asyncio, whose clock jumps."""
    interpreters: list[Interpreter] = []
    suppressed: list[Any] = []

    async def main(rt: Any) -> None:
        interpreters.append(Interpreter(rt))
        await interpreters[0].main(make_program(seed, bounded=bounded))

    async def program() -> str:
        runtime = AioRuntime(
            storage=MemoryStorage(),
            clock=JumpingClock(),
            log=lambda *entry: suppressed.append(entry),
        )
        try:
            await runtime.run(main)
        except BaseException as error:
            return f"{type(error).__name__}({error})"
        finally:
            assert runtime.engine.kernel.where() == []
        return "returned"

    end = asyncio.run(program())
    return [*interpreters[0].notes, *map(str, suppressed), end]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", range(0, PROGRAMS, BATCH))
def test_programs_run_alike_on_both_engines(kind: str, first: int) -> None:
    """Every step of every program happens at the same time and in the same order."""
    bounded = KINDS[kind]
    for seed in range(first, min(first + BATCH, PROGRAMS)):
        on_simpy = notes_on_simpy(seed, bounded=bounded)
        on_asyncio = notes_on_asyncio(seed, bounded=bounded)
        assert on_simpy == on_asyncio, f"program {seed}, {kind}"


def test_programs_exercise_what_they_are_made_for() -> None:
    """The programs reach cancels, time-outs, errors, joins and, when free, deadlocks."""
    notes = [note for seed in range(60) for note in notes_on_simpy(seed, bounded=False)]
    for wanted in ("Cancelled(", "expired", "ValueError(", "join: t", "Deadlock(", "ate a cancel"):
        assert any(wanted in note for note in notes), wanted


def test_bounded_programs_never_hang() -> None:
    """Where every wait has its time-out, no program ends in a deadlock or a runaway."""
    for seed in range(60):
        assert not notes_on_simpy(seed, bounded=True)[-1].startswith(("Deadlock", "Livelock"))


PRINT_HASH = """
from tests.gateway.runtime.test_fuzz import hash_of_programs
print(hash_of_programs(40))
"""


def hash_of_programs(count: int) -> str:
    """One hash over the notes of many programs."""
    digest = hashlib.sha256()
    for seed in range(count):
        digest.update("\n".join(notes_on_simpy(seed, bounded=False)).encode())
    return digest.hexdigest()


def test_two_processes_give_one_hash_whatever_their_hash_seed() -> None:
    """Nothing that decides an order depends on PYTHONHASHSEED."""
    hashes = set()
    for hash_seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": _path()}
        printed = subprocess.run(
            [sys.executable, "-c", PRINT_HASH],
            env=environment,
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        hashes.add(printed.stdout.strip())
    assert hashes == {hash_of_programs(40)}


def _path() -> str:
    return os.pathsep.join(entry for entry in sys.path if entry)
