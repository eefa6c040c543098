"""``meterbench scenario``: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from reports.record import load
from scenarios.language.builder import Builder, power, wait
from scenarios.run import select
from scenarios.scenario_cli import app
from tests.scenarios import worlds

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def _write(folder: Path, builder: Builder, name: str = "small.scn.yaml") -> str:
    file = folder / name
    file.write_text(builder.to_yaml(), encoding="utf-8")
    return str(file)


def _builder() -> Builder:
    return worlds.builder().do(wait("1 s"))


@pytest.mark.parametrize(
    ("that", "code"),
    [
        ("gateway.led.st == green", 0),
        ("gateway.led.st == red", 1),
        ("meter(gas).registers.flags == 0", 3),
    ],
)
def test_the_exit_code_is_that_of_the_verdict(tmp_path: Path, that: str, code: int) -> None:
    """0 for PASS, 1 for FAIL, 3 for a run that proves nothing."""
    assert _run("run", _write(tmp_path, _builder().check("C1", that))).exit_code == code


def test_a_failure_is_told_with_line_time_and_evidence(tmp_path: Path) -> None:
    """A FAIL prints the property, its line, the time, what was seen, and how to repeat it."""
    builder = _builder().do(power("gas", on=False), wait("1 s"))
    file = _write(tmp_path, builder.check("C1", "meter(gas).answering == true", req="REG-M"))
    printed = _run("run", file).stdout
    assert printed.startswith("FAIL          small  [sim, seed 1, ")
    line = next(line for line in printed.splitlines() if "C1 (REG-M)" in line)
    assert f"{file}:" in line
    assert line.endswith("C1 (REG-M): meter(gas).answering == true [fired once]")
    assert "meter(gas).answering = false since 1.02 s" in printed
    assert f"repeat: meterbench scenario run {file} --backend sim --seed 1" in printed
    assert printed.splitlines()[-1] == "1 scenario: 1 FAIL"


def test_a_file_with_mistakes_runs_nothing(tmp_path: Path) -> None:
    """Complaints go to standard error, and the exit code is 2."""
    file = _write(tmp_path, _builder().check("C1", "gateway.led.st == blue"))
    result = _run("run", file)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "error[SCN033]: gateway.led.st is never 'blue'" in result.stderr


def test_a_name_without_a_file_is_wrong_usage() -> None:
    """What names no scenario gives exit code 2 and says so."""
    result = _run("run", "nowhere.scn.yaml")
    assert result.exit_code == 2
    assert result.stderr == "error: nowhere.scn.yaml: no such scenario file or folder\n"


def test_json_is_one_document(tmp_path: Path) -> None:
    """``--json`` prints the document of the design and nothing else."""
    file = _write(tmp_path, _builder().check("C1", "gateway.led.st == green"))
    result = _run("run", file, "--json", "--seed", "5")
    document = json.loads(result.stdout)
    assert document["verdict"] == "PASS"
    assert document["scenarios"][0]["seed"] == 5
    assert len(document["scenarios"][0]["trace_sha256"]) == 64


def test_a_report_holds_record_page_junit_and_traces(tmp_path: Path) -> None:
    """``--report`` writes what an auditor needs: the record, its renderings, the traces."""
    file = _write(tmp_path, _builder().check("C1", "gateway.led.st == green", req="LED-02"))
    folder = tmp_path / "report"
    assert _run("run", file, "--report", str(folder)).exit_code == 0
    record = load(folder / "result.json")
    assert {path.name for path in folder.iterdir()} == {
        "result.json", "report.html", "junit.xml", *(trace.name for trace in record.traces),
    }  # fmt: skip


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A report is never silently missing."""
    file = _write(tmp_path, _builder().check("C1", "gateway.led.st == green"))
    (tmp_path / "taken").write_text("", encoding="utf-8")
    result = _run("run", file, "--report", str(tmp_path / "taken"))
    assert result.exit_code == 4
    assert "the report cannot be written" in result.stderr


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_check_tells_all_mistakes_of_all_files(tmp_path: Path, form: str) -> None:
    """``check`` runs nothing and finds every mistake, in the form that was asked for."""
    _write(tmp_path, _builder().check("C1", "gateway.led.st == blue"), "a.scn.yaml")
    _write(tmp_path, _builder().check("C1", "meter(gsa).answering == true"), "b.scn.yaml")
    result = _run("check", str(tmp_path), "--format", form)
    assert result.exit_code == 2
    printed = result.stderr if form == "text" else result.stdout
    assert printed.count("SCN033") == 1
    assert printed.count("SCN031") == 1
    if form == "json":
        assert [one["code"] for one in json.loads(printed)] == ["SCN033", "SCN031"]


def test_check_of_right_files_says_so() -> None:
    """Nothing to complain about is said, with the number of files."""
    result = _run("check", "@library")
    assert result.exit_code == 0
    count = len(select(["@library"]))
    assert result.stdout == f"{count} files checked: nothing to complain about\n"
    assert json.loads(_run("check", "@library", "--format", "json").stdout) == []
    assert _run("check", "@library", "--format", "github").stdout == ""


def test_explain_tells_the_file_in_plain_english() -> None:
    """``explain`` tells world, steps on a time line, what is watched, and where it runs."""
    told = _run("explain", "@library/faults/dies-and-returns").stdout
    lines = [line.strip() for line in told.splitlines()]
    for line in (
        "a bus at 9600 Bd with 3 meters:",
        "a Modbus client 'watcher' that reads all registers every 500 ms",
        "0 s  until gateway.scan = done, for up to 30 s (later is a FAIL)",
        "≥ 1 s  meter 'water' loses its power",
        "≥ 3 s  meter 'water' has power again",
        "because: the value of the last good read-out is kept",
        "C1: the registers of 3 meters hold what they sent  [REG-M, REG-V]",
        "pty: everything it needs is there",
    ):
        assert line in lines


def test_schema_prints_a_valid_schema() -> None:
    """``schema`` prints JSON Schema for editors."""
    Draft202012Validator.check_schema(json.loads(_run("schema").stdout))
