"""Two runs are compared by verdicts and by the order of events of each actor."""

from __future__ import annotations

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from scenarios.backends.sim import SimBackend
from scenarios.comparing import differences
from scenarios.language.builder import power, wait
from scenarios.run import Result, run_scenario
from scenarios.scenario_cli import app
from tests.scenarios import worlds


def _result(**changes: str) -> Result:
    """A short run, with lines of its trace replaced."""
    steps = (power("gas", on=False), wait("1 s"), power("gas", on=True), wait("1 s"))
    built = worlds.builder().do(*steps).check("C1", "gateway.led.st == green").build()
    result = run_scenario(built, SimBackend())
    trace = result.trace
    for old, new in changes.items():
        trace = trace.replace(old, new)
    return dataclasses.replace(result, trace=trace)


def test_a_run_does_not_differ_from_itself() -> None:
    """Equal runs have no difference, and times make none."""
    later = _result(**{'"at_ns":1020': '"at_ns":1021'})
    assert later.trace != _result().trace
    assert differences(_result(), later) == []


def test_the_first_event_that_differs_is_shown() -> None:
    """Whose event, its number, and what each run saw there, with its time."""
    old, new = '"path":"meter(gas).answering","value":false', '"path":"meter(gas).x","value":1'
    other = _result(**{old: new})
    (found,) = differences(_result(), other)
    assert found.about.startswith("meter(gas), event ")
    assert found.left.startswith("meter(gas).answering = false at ")
    assert found.right.startswith("meter(gas).x = 1 at ")


def test_what_one_run_saw_when_the_other_had_ended_is_no_difference() -> None:
    """A run that lasted a little longer saw a little more; one that saw nothing differs."""
    result = _result()
    lines = result.trace.splitlines(keepends=True)
    assert differences(result, dataclasses.replace(result, trace="".join(lines[:-1]))) == []
    blind = "".join(line for line in lines if "meter(gas)" not in line)
    (found,) = differences(result, dataclasses.replace(result, trace=blind))
    assert (found.about, found.right) == ("meter(gas), event 1", "nothing more")


def test_verdicts_come_first() -> None:
    """A case that came out differently is told before any event."""
    passed = _result()
    built = worlds.builder().do(wait("1 s")).check("C1", "gateway.led.st == red").build()
    failed = run_scenario(built, SimBackend())
    found = differences(passed, failed)
    assert found[0].about == "case C1"
    assert (found[0].left, found[0].right[:4]) == ("PASS", "FAIL")


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_compares_with_real_time(as_json: bool) -> None:
    """The worked example is the same in virtual and in real time."""
    arguments = ["run", "@library/registers/worked-example", "--compare", "pty"]
    done = CliRunner().invoke(app, [*arguments, *(["--json"] if as_json else [])])
    assert done.exit_code == 0, done.stdout
    if as_json:
        assert json.loads(done.stdout)["differences"] == []
    else:
        last = done.stdout.splitlines()[-1]
        assert last == "both backends: the same verdicts, the same order of events"
