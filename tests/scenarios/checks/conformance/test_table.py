"""The list of checks is the documented one, and each has a probe and a rule."""

from __future__ import annotations

import re
from pathlib import Path

from scenarios import requirements
from scenarios.checks.conformance.plan import PLAN, PROBES
from scenarios.checks.conformance.table import Need, catalogue, checks

PAGE = Path(__file__).parents[4] / "docs" / "modbus-checks.md"
ROW = re.compile(r"^\| ([A-Z0-9]+-\d\d) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)


def test_the_list_is_the_documented_one() -> None:
    """Ids, questions and expectations stand in the page word for word, in its order."""
    documented = ROW.findall(PAGE.read_text(encoding="utf-8"))
    listed = [(c.id, c.check, c.expected, c.source, c.basis) for c in checks()]
    assert listed == documented
    assert len(listed) == 54


def test_every_check_has_a_probe_and_a_rule() -> None:
    """No id without an answer, no answer without an id, no probe that nobody looks at."""
    assert list(PLAN) == [check.id for check in checks()]
    assert {probe for probe, _ in PLAN.values()} == set(PROBES)
    for check in checks():
        assert check.id in (PLAN[check.id][1].__doc__ or ""), check.id


def test_requirements_of_checks_exist() -> None:
    """A check that claims a statement of the manual names one of the catalogue."""
    known = requirements.load()
    cited = {id_ for check in checks() for id_ in check.requirements}
    assert cited <= set(known)
    assert set(catalogue()).isdisjoint(known)


def test_transports_exclude_each_other() -> None:
    """A check of connections is none of datagrams."""
    for check in checks():
        assert not (Need.TCP in check.needs and Need.UDP in check.needs), check.id
