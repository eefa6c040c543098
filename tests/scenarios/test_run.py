"""Scenario files are found, run and joined; what breaks in the harness is an ERROR."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from reports.record import RunRecord
from reports.verdict import Verdict
from scenarios import run as running
from scenarios.backends.base import BackendError, Outcome
from scenarios.backends.sim import SimBackend
from scenarios.language.builder import wait
from scenarios.language.diagnostics import ScenarioError
from tests.scenarios import worlds

if TYPE_CHECKING:
    from pathlib import Path

    from scenarios.language.ir import Scenario


class _Broken(SimBackend):
    """A backend whose simulator breaks."""

    name = "broken"

    def run(self, scenario: Scenario, seed: int) -> Outcome:
        raise BackendError(f"the bench is on fire ({scenario.name}, seed {seed})")


def _passing() -> Scenario:
    built = worlds.builder().verifies("LED-02").do(wait("1 s"))
    return built.check("C1", "gateway.led.st == green", req="LED-02").build()


def test_files_folders_and_the_library_are_found_once(tmp_path: Path) -> None:
    """Arguments name files, folders or the library; what is named twice runs once."""
    (tmp_path / "deep").mkdir()
    for name in ("b.scn.yaml", "a.scn.yaml", "deep/c.scn.yaml", "other.yaml"):
        (tmp_path / name).write_text("", encoding="utf-8")
    found = running.select([str(tmp_path / "b.scn.yaml"), str(tmp_path)])
    assert [one.path.name for one in found] == ["b.scn.yaml", "a.scn.yaml", "c.scn.yaml"]
    library = [one.name for one in running.select(["@library"])]
    assert "@library/faults/dies-and-returns.scn.yaml" in library
    one = running.select(["@library/faults/dies-and-returns"])
    assert [selected.name for selected in one] == ["@library/faults/dies-and-returns.scn.yaml"]


@pytest.mark.parametrize("argument", ["nowhere.scn.yaml", "@library/nothing"])
def test_what_names_nothing_is_refused(argument: str) -> None:
    """A name without a file behind it is told, never skipped."""
    with pytest.raises(running.SelectionError, match="no such scenario file or folder"):
        running.select([argument])


def test_a_folder_without_scenarios_is_refused(tmp_path: Path) -> None:
    """An empty selection is a mistake, not a pass."""
    with pytest.raises(running.SelectionError, match=r"no file \*\.scn\.yaml in this folder"):
        running.select([str(tmp_path)])


def test_the_mistakes_of_all_files_are_told_before_anything_runs(tmp_path: Path) -> None:
    """Compiling stops everything, with the complaints of every file."""
    for name in ("a.scn.yaml", "b.scn.yaml"):
        (tmp_path / name).write_text("scenario: x\n", encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        running.compile_all(running.select([str(tmp_path)]))
    files = {one.place.file.rsplit("/", 1)[-1] for one in caught.value.diagnostics}
    assert files == {"a.scn.yaml", "b.scn.yaml"}


def test_a_result_says_what_ran_and_how_to_repeat_it() -> None:
    """The document of ``scenario run --json`` has the fields that the design names."""
    result = running.run_scenario(_passing(), SimBackend(), seed=7)
    document = running.to_document([result])
    assert document["verdict"] == "PASS"
    (entry,) = document["scenarios"]
    assert entry == {
        "file": "small.scn.yaml",
        "seed": 7,
        "backend": "sim",
        "verdict": "PASS",
        "reason": "",
        "trace_sha256": result.trace_sha256,
        "cases": [
            {"id": "do", "verdict": "PASS", "reason": ""},
            {"id": "C1", "verdict": "PASS", "reason": ""},
        ],
    }
    assert {"tool_version", "commit"} <= set(document)
    assert result.repeat_command == (
        "meterbench scenario run small.scn.yaml --backend sim --seed 7"
    )
    nothing = running.to_document([])
    assert (nothing["verdict"], nothing["scenarios"]) == (None, [])


def test_what_breaks_in_the_harness_is_an_error() -> None:
    """A backend that breaks says nothing of the device: ERROR, with the reason."""
    result = running.run_scenario(_passing(), _Broken())
    assert result.verdict is Verdict.ERROR
    assert result.judged.reason == "the bench is on fire (small, seed 1)"
    assert result.trace_sha256 is None


def test_results_join_into_one_record() -> None:
    """Several runs make one record, with ids that stay apart and a row for each requirement."""
    results = [running.run_scenario(_passing(), SimBackend(), seed) for seed in (1, 2)]
    results.append(running.run_scenario(_passing(), _Broken()))
    record = running.to_record(results, command="meterbench scenario run")
    assert RunRecord.model_validate_json(record.to_json()) == record
    assert record.verdict is Verdict.ERROR
    assert [case.id for case in record.cases][:3] == [
        "small@1~0/do",
        "small@1~0/C1",
        "small@2~1/do",
    ]
    assert [row.id for row in record.requirements] == ["LED-02"]
    names = [trace.name for trace in record.traces]
    assert list(running.traces(results)) == names
    assert record.traces[0].sha256 == results[0].trace_sha256


def test_a_trace_is_one_json_document_a_line() -> None:
    """The trace that the hash is of can be read by any program."""
    result = running.run_scenario(_passing(), SimBackend())
    lines = [json.loads(line) for line in result.trace.splitlines()]
    assert {"at_ns", "path", "value", "evidence"} == set(lines[0])
    assert [line["at_ns"] for line in lines] == sorted(line["at_ns"] for line in lines)
