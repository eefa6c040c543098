"""What is left of a failing file still fails in the same case, and nothing more can go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from reports.verdict import Verdict
from scenarios.backends.sim import SimBackend
from scenarios.language.compile import compile_text
from scenarios.run import run_scenario
from scenarios.scenario_cli import app
from scenarios.shrinking import NothingToShrinkError, shrink

if TYPE_CHECKING:
    from pathlib import Path

FAILING = """\
# A basement
scenario: basement
version: 1
title: One of many steps silences the meter that is watched
limits: {time: 5 min}
world:
  bus: {baud: 9600}
  gateway: {config: {METER_TIME: 10, MBUS_SCANMODE: SECONDARYSCANALLOC}}
  meters:
    - {id: heat, count: 4, profile: heat-basic, identification_number: "10000001 + i"}
    - {id: water, count: 3, profile: water-cold, identification_number: "20000001 + i"}
  clients:
    - {id: c, every: 1 s}
faults:
  - {at: 1 s, power: {meter: heat1, to: off}}
do:
  - start: {client: c}
  - parallel:
      - serial: [{wait: 3 s}, {power: {meter: water0, to: off}}]
      - repeat: 3
        do: [{wait: 2 s}, {power: {meter: heat2, to: off}}]
  - wait: 20 s
expect:
  - {id: E1, that: "always(gateway.led.st == orange_flashing iff gateway.scan == running)"}
  - {id: E2, that: "never(meter(heat2).powered == false)"}
check:
  - {id: C1, that: "meter(heat1).powered == false"}
"""

SMALLEST = """\
# A basement
scenario: basement
version: 1
title: One of many steps silences the meter that is watched
seeds:
  default: 3
world:
  meters:
    - {id: heat, count: 3, profile: heat-basic, identification_number: "10000001 + i"}
do:
  - {power: {meter: heat2, to: off}}
expect:
  - {id: E2, that: "never(meter(heat2).powered == false)"}
"""


def test_everything_that_does_not_matter_goes() -> None:
    """Meters, clients, faults, compositions, waits and other properties are taken away."""
    found = shrink(FAILING, "b.scn.yaml", SimBackend(), seed=3)
    assert found.text == SMALLEST
    assert found.case == "E2"
    assert found.virtual_ns[1] < found.virtual_ns[0] / 100
    assert not found.exhausted


def test_the_same_file_shrinks_to_the_same_file() -> None:
    """No chance is involved; what is smallest stays as it is."""
    assert shrink(FAILING, "b.scn.yaml", SimBackend(), seed=3).text == SMALLEST
    assert shrink(SMALLEST, "b.scn.yaml", SimBackend()).text == SMALLEST


def test_what_is_left_still_fails() -> None:
    """The file repeats the failure by itself, with the seed that it had."""
    result = run_scenario(compile_text(SMALLEST).require(), SimBackend())
    assert result.verdict is Verdict.FAIL


def test_the_number_of_runs_is_limited() -> None:
    """What was reached by then is printed, and that it may be more."""
    found = shrink(FAILING, "b.scn.yaml", SimBackend(), seed=3, runs_max=4)
    assert found.runs == 4
    assert found.exhausted
    assert run_scenario(compile_text(found.text).require(), SimBackend()).verdict is Verdict.FAIL


def test_a_run_that_passes_has_nothing_to_shrink() -> None:
    """It says what came out instead."""
    passing = SMALLEST.replace("heat2).powered == false", "heat1).powered == false")
    with pytest.raises(NothingToShrinkError, match=r"^b\.scn\.yaml: seed 3 is PASS"):
        shrink(passing, "b.scn.yaml", SimBackend())


def test_the_command_writes_the_file_and_says_what_it_did(tmp_path: Path) -> None:
    """The file goes to standard output or to a file, the rest to standard error."""
    file, out = tmp_path / "b.scn.yaml", tmp_path / "small.scn.yaml"
    file.write_text(FAILING, encoding="utf-8")
    done = CliRunner().invoke(app, ["shrink", str(file), "--seed", "3", "-o", str(out)])
    assert done.exit_code == 0
    assert done.stderr.startswith("E2 still fails: 27 lines became 13, ")
    assert out.read_text("utf-8") == SMALLEST
    file.write_text("scenario: x", encoding="utf-8")
    assert CliRunner().invoke(app, ["shrink", str(file)]).exit_code == 2
