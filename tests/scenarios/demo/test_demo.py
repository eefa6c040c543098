"""The demo end to end, as a user and as a script run it."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from scenarios.cli import app

if TYPE_CHECKING:
    from pathlib import Path

#: Two meters keep a run short: the search is over after about two seconds.
SMALL = """\
population: pair
title: Two meters
baudrate: 9600
meters:
  - {id: heat, profile: heat-basic, identification_number: 66600101}
  - id: shaft
    manufacturer: HYD
    version: 7
    medium: 4
    identification_number: 20261120
    records:
      - {dib: "0B", vib: "06", coding: bcd6, value: 267,
         expect: {value_type: Energy, unit: Wh, scale: 3, integer: 267}}
"""


def run(arguments: list[str]) -> tuple[int, str]:
    """Exit code and output of the demo."""
    result = CliRunner().invoke(app, ["demo", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A population file of two meters."""
    path = tmp_path / "pair.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def test_every_meter_of_the_basement_is_found_read_and_right(tmp_path: Path) -> None:
    """The demo ends with PASS, at least ten meters, and the first value within ten seconds."""
    code, output = run(["--seconds", "14", "--json", "--report", str(tmp_path)])
    document: dict[str, Any] = json.loads(output)
    assert (code, document["verdict"], document["findings"]) == (0, "PASS", [])
    assert len(document["meters"]) >= 10
    assert document["first_value_s"] < 10
    assert document["search_timing"] == "ADAPTIVE"
    assert document["baudrate"] == 9600
    host, _, port = document["modbus"].partition(":")
    assert host == "127.0.0.1"
    assert int(port) > 1024
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "66600101" in report
    assert "<script" not in report


def test_an_altered_expectation_is_found_and_named(small: Path, tmp_path: Path) -> None:
    """One wrong number in the population file: exit 1, with meter, register, expected and seen."""
    altered = small.read_text(encoding="utf-8").replace("integer: 267}", "integer: 268}")
    assert altered != SMALL
    small.write_text(altered, encoding="utf-8")
    code, output = run(
        ["--seconds", "5", "--population", str(small), "--report", str(tmp_path / "report")]
    )
    assert code == 1
    line = next(line for line in output.splitlines() if "REG-V.1" in line)
    for part in ("shaft (20261120 HYD)", "register ", "expected 268", "seen 267"):
        assert part in line


def test_too_little_time_is_no_pass(small: Path, tmp_path: Path) -> None:
    """A search that could not end proves nothing: INCONCLUSIVE, exit 3."""
    code, output = run(
        ["--seconds", "1", "--population", str(small), "--report", str(tmp_path / "report")]
    )
    assert code == 3
    assert "INCONCLUSIVE" in output
    assert "the search had not ended" in output


def test_a_population_with_a_typo_is_wrong_usage(small: Path, tmp_path: Path) -> None:
    """A bad file ends with 2 and names file, line, column and the word meant."""
    small.write_text(SMALL.replace("profile:", "profil:"), encoding="utf-8")
    code, output = run(["--population", str(small), "--report", str(tmp_path / "report")])
    assert code == 2
    assert f"{small}:5:" in output
    assert "did you mean 'profile'?" in output
    assert "Traceback" not in output


def test_the_ready_population_holds_a_literal_expectation() -> None:
    """demo.yaml has readings that a person can alter to see the demo fail."""
    text = resources.files("simulators").joinpath("populations/demo.yaml").read_text("utf-8")
    assert "integer: 267}" in text
