"""The library passes in virtual time, repeats byte for byte, and each scenario can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reports.verdict import Verdict
from scenarios import proof
from scenarios.backends import BACKENDS
from scenarios.run import compile_all, run_scenario, select

if TYPE_CHECKING:
    from scenarios.language.compile import Compiled
    from scenarios.proof import Proof
    from scenarios.run import Result

SELECTED = select(["@library"])
LIBRARY = {one.file: one for one in compile_all(SELECTED)}

_PRINT_TRACES = """
from scenarios.backends import BACKENDS
from scenarios.run import compile_all, run_scenario, select

for compiled in compile_all(select(["@library"])):
    print(compiled.file, run_scenario(compiled.require(), BACKENDS["sim"]).trace_sha256)
"""

_RAN: dict[str, Result] = {}


def _ran(compiled: Compiled) -> Result:
    """Run a scenario with its own seed, once for all tests of this file."""
    if compiled.file not in _RAN:
        _RAN[compiled.file] = run_scenario(compiled.require(), BACKENDS["sim"])
    return _RAN[compiled.file]


@pytest.mark.parametrize("file", LIBRARY)
def test_every_scenario_passes_on_sim(file: str) -> None:
    """The whole library passes in virtual time."""
    result = _ran(LIBRARY[file])
    assert result.verdict is Verdict.PASS, result.judged.reason


def test_the_trace_is_the_same_in_another_process() -> None:
    """Same scenario, same seed, same trace, byte for byte, with another hash seed."""
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", _PRINT_TRACES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    here = [f"{one.file} {_ran(one).trace_sha256}" for one in LIBRARY.values()]
    assert done.stdout.splitlines() == here


def test_another_seed_gives_another_trace() -> None:
    """The seed decides what is drawn, so the comparison of traces means something."""
    scenario = next(one for one in LIBRARY.values() if "twelve" in one.file).require()
    hashes = {run_scenario(scenario, BACKENDS["sim"], seed).trace_sha256 for seed in (1, 2)}
    assert len(hashes) == 2


# --- Each scenario can fail -------------------------------------------------------------------


@pytest.fixture(scope="module")
def proofs() -> dict[str, Proof]:
    """What became of each scenario with the change of the file beside it."""
    return {one.scenario: one for one in proof.prove(SELECTED, BACKENDS["sim"])}


@pytest.mark.parametrize("file", LIBRARY)
def test_one_change_makes_a_scenario_fail(file: str, proofs: dict[str, Proof]) -> None:
    """A scenario that nobody has seen fail is not in the library."""
    assert proofs[file].verdict is Verdict.PASS, proofs[file].reason


def test_no_change_is_left_without_its_scenario() -> None:
    """A file beside a scenario that was renamed would prove nothing any more."""
    beside = {proof.beside(one.path) for one in SELECTED}
    folders = {one.path.parent for one in SELECTED}
    assert {path for folder in folders for path in folder.glob("*.fail.yaml")} == beside
