"""The suite against known-bad gateways."""

from __future__ import annotations

import csv
import io

from scenarios.compliance import self_test, suite
from scenarios.defects.catalogue import Defect, load
from scenarios.defects.mutants import draw


def test_a_known_bad_gateway_fails_on_its_own_requirement() -> None:
    """One defect end to end; all of them are the self-test's own job."""
    detection = self_test.detect(load()["scale-sign-lost"])
    assert detection.detected, detection.reason
    assert [case.endswith("/REG-V.3") for case in detection.cases] == [True]


def test_a_gateway_that_is_not_wrong_is_missed() -> None:
    """Detection must rest on a FAIL: a patch that changes nothing is told as missed."""
    harmless = Defect.model_validate(
        {
            "id": "meter-and-value-type-exchanged",
            "title": "The name of one defect with the requirement of another",
            "breaks": "REG-G.1",
            "patch": [{"module": "gateway.registers.blocks", "find": "x", "put": "x"}],
        }
    )
    detection = self_test.detect(harmless)
    assert not detection.detected
    lines = list(self_test.table([detection]))
    assert lines[0].startswith("MISSED")
    assert lines[-1].startswith("0 of 1")


def test_the_fate_of_every_mutant_is_written() -> None:
    """Killed or not, each has a row; the survivors are told."""
    one, other = draw(2, seed=1)
    fates = [
        self_test.Fate(one, killed=True, reason="layout/standard/REG-V.1"),
        self_test.Fate(other, killed=False, reason="survived"),
    ]
    rows = list(csv.DictReader(io.StringIO(self_test.mutants_to_csv(fates))))
    assert [row["mutant"] for row in rows] == [one.name, other.name]
    assert [row["noticed_by"] for row in rows] == ["layout/standard/REG-V.1", ""]
    assert list(self_test.mutant_table(fates)) == [
        f"survived  {other.name}",
        "1 of 2 mutants killed",
    ]


def test_a_run_that_may_end_early_begins_where_it_is_told() -> None:
    """The order changes and nothing else does; every case of the suite is still there."""
    plain = [one.id for one in suite.one_by_one()]
    ordered = [one.id for one in suite.one_by_one(["watchdog/"])]
    assert ordered[0].startswith("watchdog/")
    assert sorted(ordered) == sorted(plain)
