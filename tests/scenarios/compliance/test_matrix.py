"""The matrix: which case fails on which known-bad gateway, and what is said of the others."""

from __future__ import annotations

import csv
import io

from scenarios.compliance import matrix, registry, suite
from scenarios.defects.catalogue import load


def test_a_case_that_a_gateway_fails_and_one_that_it_passes() -> None:
    """One defect, the cases of two requirements: one of them cannot notice it."""
    defect = load()["exception-01-for-02"]
    measured = matrix.measure([defect], requirements=["MOD-03.3", "MET-16.5"], workers=1)
    assert measured.broken == {}
    rows = {row.case: row for row in measured.rows}
    assert any(row.failed_by == (defect.id,) for row in rows.values())
    assert any(not row.failed_by for row in rows.values())
    read = list(csv.DictReader(io.StringIO(matrix.to_csv(measured))))
    assert [row["case"] for row in read] == list(rows)


def test_a_scenario_names_its_own_counterexample() -> None:
    """The change beside a scenario counts for the lines that it makes fail, and for no other."""
    line = "library/watchdog/pass-too-long/do"
    assert matrix.own_defect(line) == "The limit is ten minutes."
    assert matrix.own_defect("library/watchdog/pass-too-long/none-such") == ""


def test_what_neither_fails_nor_says_why_is_listed() -> None:
    """An open row is told by its name, and counted."""
    rows = (
        matrix.Row("a/REG-V.1", ("REG-V.1",), ("some-gateway",)),
        matrix.Row("b/REG-V.1", ("REG-V.1",), (), "Would be seen by whoever loses a sign."),
        matrix.Row("c/REG-V.1", ("REG-V.1",), ()),
    )
    lines = list(matrix.table(matrix.Matrix(rows, {"x": "the suite broke: no"})))
    assert lines[0] == "no record  x  the suite broke: no"
    assert lines[1] == "never fails  c/REG-V.1"
    assert lines[-1].startswith("3 cases: 1 fail on a known-bad gateway, 1 name")


def test_own_defects_are_of_cases_that_exist() -> None:
    """A case that has gone takes its sentence with it."""
    code = {f"{one.id}/{id_}" for one in registry.cases().values() for id_ in one.requirements}
    scenarios = {one.id for one in suite.select_cases() if one.id.startswith("library/")}
    for case in matrix.said():
        assert case in code or case.rpartition("/")[0] in scenarios, case
