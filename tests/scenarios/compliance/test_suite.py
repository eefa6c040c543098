"""The suite as a whole: the good gateway passes every case, and what breaks is a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.record import Run, RunRecord
from reports.verdict import Verdict
from scenarios import requirements
from scenarios.compliance import evidence, registry, suite
from scenarios.compliance.arrangement import Arrangement
from scenarios.compliance.verdicts import Verdicts

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial

CASES = registry.cases()


@pytest.mark.parametrize("id_", CASES)
def test_the_good_gateway_passes(id_: str) -> None:
    """Every declared requirement of every case is PASS on the reference gateway."""
    found = suite.run_one(id_, 1).cases
    assert {case.requirements[0] for case in found} == set(CASES[id_].requirements)
    assert [(case.id, case.reason) for case in found if case.verdict is not Verdict.PASS] == []


@pytest.mark.parametrize("id_", CASES)
def test_cases_decide_statements_of_the_catalogue(id_: str) -> None:
    """A case decides single statements: citing an id with parts would verify none of them."""
    known = requirements.load()
    for requirement in CASES[id_].requirements:
        assert requirement in known
        assert f"{requirement}.1" not in known


def test_an_empty_case_is_inconclusive() -> None:
    """Nothing checked is nothing proved."""
    [case] = Verdicts("x", "A case", ["REG-V.1"]).cases()
    assert case.verdict is Verdict.INCONCLUSIVE


def test_findings_made_before_a_break_still_count() -> None:
    """What failed has failed, whatever happened afterwards; the rest takes the reason."""
    verdicts = Verdicts("x", "A case", ["REG-V.1", "REG-V.2"])
    verdicts.equal("REG-V.1", "integer", 1, 2)
    first, second = verdicts.broken(Verdict.ERROR, "the bench broke")
    assert (first.verdict, first.reason) == (Verdict.FAIL, "integer: expected 1, seen 2")
    assert (second.verdict, second.reason) == (Verdict.ERROR, "the bench broke")


def test_a_device_that_cannot_be_reached_fails() -> None:
    """A gateway that does not answer has not done what it should; a broken case is an ERROR."""

    async def silent(trial: Trial, _verdicts: Verdicts) -> None:
        await trial.ask_nobody()  # type: ignore[attr-defined]

    async def refused(_trial: Trial, _verdicts: Verdicts) -> None:
        raise ConnectionError("nobody is there")

    for name, procedure, verdict in (
        ("test/broken", silent, Verdict.ERROR),
        ("test/refused", refused, Verdict.FAIL),
    ):
        one = registry.SuiteCase(name, "A case", ("REG-V.1",), Arrangement(), procedure)
        registry.add(one)
        try:
            [case] = suite.run_one(name, 1).cases
        finally:
            registry.remove(name)
        assert case.verdict is verdict, case.reason


def test_verdicts_follow_from_their_traces() -> None:
    """A trace alone gives the verdicts again, and one that says something else is told."""
    unit = "layout/standard"
    found = suite.run_one(unit, 1)
    run = Run(title="x", tool_version="0", seed="1", backend="sim")
    record = RunRecord.assemble(run, found.cases)
    traces = {name: text.encode() for name, text in found.traces.items()}
    assert evidence.rejudge(record, traces) == []
    [(name, data)] = traces.items()
    lines = data.decode().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if '"expected"' in line)
    lines[at] = lines[at].replace('"seen":', '"seen":"x","was":')
    [complaint] = evidence.rejudge(record, {name: "".join(lines).encode()})
    assert "is recorded as PASS" in complaint
    [broken] = evidence.rejudge(record, {name: b"{"})
    assert "cannot be judged" in broken


def test_a_report_draws_the_registers() -> None:
    """A scenario of those that are drawn leaves its tables, and every case names its trace."""
    unit = "library/registers/worked-example"
    found = suite.run_one(unit, 1)
    assert [table.id for table in found.tables] == [f"{unit}/A", f"{unit}/B"]
    assert {case.traces for case in found.cases} == {(evidence.file_name(unit),)}
    assert suite.run_one("library/registers/beyond-32-bits", 1).tables == ()


def test_a_scenario_is_judged_again_from_its_log() -> None:
    """The properties of a library scenario hold on its log as they did in the run."""
    found = suite.run_one("library/registers/worked-example", 1)
    run = Run(title="x", tool_version="0", seed="1", backend="sim")
    record = RunRecord.assemble(run, found.cases)
    traces = {name: text.encode() for name, text in found.traces.items()}
    assert evidence.rejudge(record, traces) == []
    [(name, data)] = traces.items()
    changed = data.replace(b'"orange_flashing"', b'"green"')
    assert changed != data
    assert any("E1" in one for one in evidence.rejudge(record, {name: changed}))


def test_drawn_watchdogs_follow_from_their_traces() -> None:
    """A moment of a drawn run that was moved is told: the trace has another one."""
    found = suite.run_one("watchdog/scan-1", 1)
    run = Run(title="x", tool_version="0", seed="1", backend="sim")
    record = RunRecord.assemble(run, found.cases)
    traces = {name: text.encode() for name, text in found.traces.items()}
    assert sum(len(case.watchdogs) for case in record.cases) == 3
    assert evidence.rejudge(record, traces) == []
    cases = list(record.cases)
    place = next(n for n, case in enumerate(cases) if len(case.watchdogs) == 2)
    first, second = cases[place].watchdogs
    late = first.model_copy(update={"limit_ns": first.limit_ns - 1})
    cases[place] = cases[place].model_copy(update={"watchdogs": (late, second)})
    [complaint] = evidence.rejudge(RunRecord.assemble(run, cases), traces)
    assert complaint.startswith("watchdog/scan-1/WDG-01.1 draws watchdogs")


def test_a_scenario_draws_the_trips_of_its_log() -> None:
    """A scan that is ended by its timer stands in the record, and follows from the log."""
    found = suite.run_one("library/watchdog/scan-too-long", 1)
    run = Run(title="x", tool_version="0", seed="1", backend="sim")
    record = RunRecord.assemble(run, found.cases)
    traces = {name: text.encode() for name, text in found.traces.items()}
    [(owner, drawn)] = [(case, case.watchdogs) for case in record.cases if case.watchdogs]
    assert (owner.id, len(drawn)) == ("library/watchdog/scan-too-long/E1", 1)
    assert (drawn[0].counted_ns, drawn[0].limit_ns) == (60 * 10**9, 60 * 10**9)
    assert evidence.rejudge(record, traces) == []
    moved = owner.model_copy(update={"watchdogs": ()})
    cases = [moved if case is owner else case for case in record.cases]
    [complaint] = evidence.rejudge(RunRecord.assemble(run, cases), traces)
    assert complaint.startswith("library/watchdog/scan-too-long/E1 draws watchdogs")
