"""Two runs side by side, and the gate that a pipeline stands behind."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from reports.difference import Kind, compare, regressions
from reports.record import Case, Run, RunRecord
from reports.verdict import Verdict
from scenarios.compliance import delivery, waivers

if TYPE_CHECKING:
    from pathlib import Path

    from reports.record import Deviation

RUN = Run(title="x", tool_version="0", seed="1", backend="sim")


def record(*deviations: Deviation, **verdicts: Verdict) -> RunRecord:
    """A run with one case for each name; names are requirements without their dots."""
    cases = [
        Case(
            id=f"case/{name}",
            title=name,
            requirements=(name.replace("_", "-"),),
            verdict=verdict,
            reason="" if verdict is Verdict.PASS else "why",
        )
        for name, verdict in verdicts.items()
    ]
    return RunRecord.assemble(RUN, cases, deviations=deviations)


def test_worse_better_new_and_gone() -> None:
    """Each change has its direction; what nobody looks at any more counts as worse."""
    old = record(MOD_01=Verdict.PASS, MOD_02=Verdict.FAIL, MOD_04=Verdict.PASS)
    new = record(MOD_01=Verdict.FAIL, MOD_02=Verdict.PASS, MOD_07=Verdict.FAIL)
    changes = {(one.what, one.id): one.kind for one in compare(old, new)}
    assert changes["requirement", "MOD-01"] is Kind.WORSE
    assert changes["requirement", "MOD-02"] is Kind.BETTER
    assert changes["requirement", "MOD-04"] is Kind.GONE
    assert changes["case", "case/MOD_07"] is Kind.NEW
    assert {one.id for one in regressions(compare(old, new))} == {
        "MOD-01", "MOD-04", "case/MOD_01", "case/MOD_04",
    }  # fmt: skip
    assert compare(old, old) == []


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (None, Verdict.FAIL, 1),
        (None, Verdict.PASS, 0),
        (Verdict.FAIL, Verdict.FAIL, 0),
        (Verdict.PASS, Verdict.FAIL, 1),
        (Verdict.FAIL, Verdict.PASS, 0),
        (Verdict.PASS, Verdict.INCONCLUSIVE, 1),
        (Verdict.PASS, Verdict.ERROR, 4),
    ],
)
def test_a_baseline_stops_for_regressions_only(
    old: Verdict | None, new: Verdict, code: int
) -> None:
    """A finding that was there before does not stop a pipeline; an ERROR always does."""
    baseline = None if old is None else record(MOD_01=old)
    assert delivery.gate(record(MOD_01=new), baseline)[0] == code


WAIVERS = """
waivers:
  - {id: MOD-01, reason: the maker mends it in 1.31, owner: lab, expires: 2027-01-31}
  - {id: case/MOD_02, reason: nobody here uses it, owner: lab, expires: 2027-01-31}
"""


@pytest.mark.parametrize(("day", "code"), [(date(2027, 1, 31), 0), (date(2027, 2, 1), 1)])
def test_a_waiver_holds_to_the_end_of_its_day(tmp_path: Path, day: date, code: int) -> None:
    """Until then the finding stands and does not fail the run; then it does."""
    path = tmp_path / "waivers.yaml"
    path.write_text(WAIVERS)
    plain = record(MOD_01=Verdict.FAIL, MOD_02=Verdict.PASS)
    found = waivers.deviations(waivers.load(path), plain.cases, day)
    assert [one.state for one in found] == ["waived" if code == 0 else "expired", "unused"]
    judged = record(*found, MOD_01=Verdict.FAIL, MOD_02=Verdict.PASS)
    assert judged.verdict is Verdict.FAIL
    exit_code, told = delivery.gate(judged, None)
    assert exit_code == code
    assert any("MOD-01" in line for line in told)


def test_a_waiver_without_owner_or_day_is_refused(tmp_path: Path) -> None:
    """Mistakes are told with their place."""
    path = tmp_path / "waivers.yaml"
    path.write_text("waivers:\n  - {id: MOD-01, reason: because of this, expires: tomorrow}\n")
    with pytest.raises(waivers.WaiverError, match=r"waivers\.yaml:2:") as caught:
        waivers.load(path)
    assert "owner" in str(caught.value)
    with pytest.raises(waivers.WaiverError, match="cannot be read"):
        waivers.load(tmp_path / "none.yaml")
