"""The library passes in virtual time, repeats byte for byte, and each scenario can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reports.verdict import Verdict
from scenarios.backends import BACKENDS
from scenarios.language.compile import compile_text
from scenarios.run import compile_all, library_folder, run_scenario, select

if TYPE_CHECKING:
    from scenarios.language.compile import Compiled

LIBRARY = compile_all(select(["@library"]))

_PRINT_TRACES = """
from scenarios.backends import BACKENDS
from scenarios.run import compile_all, run_scenario, select

for compiled in compile_all(select(["@library"])):
    print(compiled.file, run_scenario(compiled.require(), BACKENDS["sim"]).trace_sha256)
"""


@pytest.mark.parametrize("compiled", LIBRARY, ids=lambda one: one.require().name)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_scenario_passes_on_sim(compiled: Compiled, seed: int) -> None:
    """The whole library passes in virtual time, whatever the seed."""
    result = run_scenario(compiled.require(), BACKENDS["sim"], seed)
    assert result.verdict is Verdict.PASS, result.judged.reason


def _traces(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", _PRINT_TRACES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout


def test_the_trace_is_the_same_in_another_process() -> None:
    """Same scenario, same seed, same trace, byte for byte, with another hash seed."""
    first = _traces("1")
    assert len(first.splitlines()) == len(LIBRARY)
    assert first == _traces("4711")


def test_another_seed_gives_another_trace() -> None:
    """The seed decides what is drawn, so the comparison of traces means something."""
    scenario = next(one for one in LIBRARY if "twelve" in one.file).require()
    hashes = {run_scenario(scenario, BACKENDS["sim"], seed).trace_sha256 for seed in (1, 2)}
    assert len(hashes) == 2


# --- Each scenario can fail -------------------------------------------------------------------

BREAKS = {
    # scenario: (what is changed, what fails then)
    "registers/worked-example": ("serial_number: 75907", "serial_number: 75908", {"C2"}),
    "population/twelve-with-multipage": ("MBUS_MAXMULTIPAGE: 10", "MBUS_MAXMULTIPAGE: 2",
                                         {"C2", "C4"}),
    "faults/dies-and-returns": ("METER_TIME: 10", "METER_TIME: 60", {"do", "E1"}),
}  # fmt: skip


def test_every_scenario_has_a_change_that_breaks_it() -> None:
    """A scenario that nobody has seen fail is not in the library."""
    names = {one.file.removeprefix("@library/").removesuffix(".scn.yaml") for one in LIBRARY}
    assert names == set(BREAKS)


@pytest.mark.parametrize("name", BREAKS)
def test_one_change_makes_a_scenario_fail(name: str) -> None:
    """The one change turns the verdict to FAIL, at the cases that speak about it."""
    old, new, failing = BREAKS[name]
    text = (library_folder() / f"{name}.scn.yaml").read_text("utf-8")
    assert old in text
    scenario = compile_text(text.replace(old, new), f"{name}.scn.yaml").require()
    result = run_scenario(scenario, BACKENDS["sim"])
    assert result.verdict is Verdict.FAIL
    failed = {case.id for case in result.judged.cases if case.verdict is Verdict.FAIL}
    assert failed == failing, result.judged.reason
