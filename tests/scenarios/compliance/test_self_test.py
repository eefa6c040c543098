"""The suite against known-bad gateways."""

from __future__ import annotations

from scenarios.compliance import self_test
from scenarios.defects.catalogue import Defect, load


def test_a_known_bad_gateway_fails_on_its_own_requirement() -> None:
    """One defect end to end; all of them are the self-test's own job."""
    detection = self_test.detect(load()["scale-sign-lost"])
    assert detection.detected, detection.reason
    assert any(case.startswith("layout/") for case in detection.cases)


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
