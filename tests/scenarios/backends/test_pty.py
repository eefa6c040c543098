"""The same scenario in real time, over a pseudo-terminal and sockets, comes to the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from reports.verdict import Verdict
from scenarios.backends import BACKENDS
from scenarios.backends.base import BackendError
from scenarios.backends.pty import UNCERTAINTY_NS_MIN, PtyBackend
from scenarios.language.builder import wait
from scenarios.run import compile_all, run_scenario, select
from tests.scenarios import worlds

if TYPE_CHECKING:
    from scenarios.run import Result


def _order(result: Result, meter: str) -> list[tuple[str, object]]:
    """What happened to one meter, in order; times of day in registers are left out."""
    changes = [json.loads(line) for line in result.trace.splitlines()]
    return [
        (change["path"], change["value"])
        for change in changes
        if change["path"].startswith(f"meter({meter})") and not change["path"].endswith(".time")
    ]


def _verdicts(result: Result) -> dict[str, Verdict]:
    return {case.id: case.verdict for case in result.judged.cases}


def test_the_worked_example_is_the_same_in_both_worlds() -> None:
    """Same verdict of every case, and for each meter the same events in the same order."""
    (compiled,) = compile_all(select(["@library/registers/worked-example"]))
    scenario = compiled.require()
    results = {name: run_scenario(scenario, backend) for name, backend in BACKENDS.items()}
    assert results["pty"].verdict is Verdict.PASS, results["pty"].judged.reason
    assert _verdicts(results["pty"]) == _verdicts(results["sim"])
    for meter in ("A", "B"):
        assert _order(results["pty"], meter) == _order(results["sim"], meter)


def test_real_time_is_really_that_long_and_states_its_uncertainty() -> None:
    """A wait of a second lasts a second, and the clock says how good it is."""
    built = worlds.builder().do(wait("1 s")).check("C1", "gateway.led.st == green")
    outcome = PtyBackend().run(built.build(), seed=1)
    assert outcome.failure is None
    assert outcome.end_ns >= 1_000_000_000
    assert outcome.uncertainty_ns >= UNCERTAINTY_NS_MIN


def test_a_gateway_that_breaks_is_an_error_of_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pseudo-terminal cannot be made, the backend says so: nothing is judged."""
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    built = worlds.builder().do(wait("1 s")).check("C1", "gateway.led.st == green")
    with pytest.raises(BackendError, match="FileNotFoundError"):
        PtyBackend().run(built.build(), seed=1)
