"""Every packaged profile and population through the whole chain, in virtual time.

What a profile expects was written down from the standards and the manual, by hand. Here the
gateway's decoder, allocation and registers are one more witness: where the two disagree, one of
them has read the books wrongly.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

import pytest

from reports.verdict import Verdict
from simulators import population, profile
from tests.scenarios.checks.test_layout_simulated import served

if TYPE_CHECKING:
    from scenarios.checks.layout import Comparison
    from simulators.profile import Record

#: Media that the manual lists by name and of which devices hang on M-Bus (manual 6.2).
COMMON_MEDIA = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 25, 26, 27, 28,
                32, 33, 40, 42}  # fmt: skip

#: Profiles whose registers are known to differ, with the reason; a repaired one fails the test.
KNOWN: dict[str, str] = {}

#: The meters of each population that a gateway must serve without any fault.
HEALTHY = {
    "apartment-block": ["*"],
    "collision-torture": ["*"],
    "data-centre": ["*"],
    "demo": ["*"],
    "district-heating": ["*"],
    "old-basement": ["plain*", "asleep", "clock", "sum", "noisy", "forgetful"],
    "worked-examples": ["*"],
}


def failures(comparison: Comparison, patterns: list[str]) -> list[str]:
    """What is not as it was sent, of the meters that `patterns` name."""
    return [
        case.reason
        for case in comparison.cases
        if case.verdict is not Verdict.PASS
        and any(fnmatch.fnmatchcase(case.id.split("/")[1], pattern) for pattern in patterns)
    ]


def known(name: str) -> pytest.MarkDecorator | tuple[()]:
    """The mark of a profile that is known to differ."""
    return pytest.mark.xfail(reason=KNOWN[name], strict=True) if name in KNOWN else ()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=known(name)) for name in profile.packaged()]
)
def test_a_profile_is_served_as_it_says(name: str) -> None:
    """Three meters of the kind: every register holds what the profile expects of it."""
    meters = population.parse(
        [{"id": "m", "count": 3, "profile": name, "primary_address": "i + 1"}], source=name
    )
    comparison = served(meters, 1)
    assert len(comparison.meters) == 3
    assert failures(comparison, ["*"]) == []


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", list(HEALTHY))
def test_a_population_is_served(name: str, seed: int) -> None:
    """All healthy meters of every packaged population are found and served as they were sent."""
    comparison = served(population.load(name), seed)
    assert len(comparison.meters) == len(population.load(name))
    assert failures(comparison, HEALTHY[name]) == []


def test_a_meter_that_says_half_of_its_answers_twice_is_read_mostly() -> None:
    """Its second copy meets whatever the master sends next, all tries of a pass now and then."""
    old = population.load("old-basement")
    missed = [seed for seed in range(1, 5) if failures(served(old, seed), ["twice"])]
    assert len(missed) <= 1


def test_every_population_is_run() -> None:
    """No packaged population escapes the test above."""
    assert set(population.packaged()) == set(HEALTHY)


def test_the_profiles_cover_what_meters_send() -> None:
    """Every common medium, and every form in which a value may stand in a telegram."""
    kinds = {name: profile.find(name, None) for name in profile.packaged()}
    assert {kind.medium for kind in kinds.values()} >= COMMON_MEDIA
    records = [
        record for kind in kinds.values() for telegram in kind.telegrams for record in telegram
    ]
    codings = {record.coding for record in records}
    assert codings >= {"bcd4", "bcd6", "bcd8", "bcd12", "int8", "int16", "int24", "int32", "int48",
                       "int64", "real32", "date_f", "date_g", "text"}  # fmt: skip
    assert {kind(record) for record in records} >= {"number", "text", "date", "no data"}
    assert {record.dib[0] >> 4 & 3 for record in records} == {0, 1, 2, 3}
    assert len(kinds) >= 20


def kind(record: Record) -> str:
    """What a correct gateway shows of a record."""
    if record.expect is None:
        return "hidden"
    return record.expect.kind or profile.CODINGS[record.coding or ""].kind
