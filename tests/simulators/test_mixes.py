"""Mixes of kinds and faults for a share of the meters: drawn by the seed and the meter's own id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulators import population
from simulators.document import PopulationError, load

SCHEMA = Path(population.__file__).parent / "population.schema.json"


def parsed(text: str) -> population.Population:
    """A population from YAML text."""
    return population.parse(load(text, "x.yaml"), source="x.yaml")


MIX = """
meters:
  - id: m
    count: {count}
    manufacturer: ABC
    mix:
      - {{weight: 3, profile: gas}}
      - {{weight: 1, profile: heat-basic, manufacturer: XYZ, version: 9, medium: 12}}
"""


def test_a_mix_draws_each_meter_by_its_weight() -> None:
    """About three of four are of the first kind, and the kind's keys go before the entry's."""
    meters = parsed(MIX.format(count=400)).meters(seed=1)
    kinds = {(m.manufacturer, m.version, m.medium) for m in meters}
    assert kinds == {("ABC", 0x41, 3), ("XYZ", 9, 12)}
    heat = sum(meter.medium == 12 for meter in meters)
    assert 70 <= heat <= 130


def test_a_mix_depends_on_seed_and_id_alone() -> None:
    """More meters leave the kinds of those before as they were; another seed draws others."""
    few = [meter.medium for meter in parsed(MIX.format(count=50)).meters(seed=1)]
    many = [meter.medium for meter in parsed(MIX.format(count=90)).meters(seed=1)]
    other = [meter.medium for meter in parsed(MIX.format(count=50)).meters(seed=2)]
    assert many[:50] == few != other


def test_a_mix_may_vary_one_profile() -> None:
    """Items without a profile alter the entry's: the same meter from two makers."""
    text = """
meters:
  - {id: m, count: 40, profile: gas, mix: [{manufacturer: AAA}, {manufacturer: BBB}]}
"""
    meters = parsed(text).meters(seed=1)
    assert {meter.manufacturer for meter in meters} == {"AAA", "BBB"}
    assert {meter.medium for meter in meters} == {3}


FAULTS = """
meters:
  - {id: flat, count: 200, profile: gas}
  - {id: cellar, count: 3, profile: gas}
faults:
  - {meters: "flat*", share: 0.25, fault: {late: {by: 1 s}}}
  - {meters: [cellar1, "flat1?"], fault: {status: {bits: 4}}}
  - {meters: cellar2, fault: {dead: true}}
  - {share: 0.5, fault: {bad_checksum: {}, at: 10 s}}
"""


def test_faults_go_to_a_share_or_to_ids() -> None:
    """A share of those that a pattern means, those that are named, and nobody else."""
    found = parsed(FAULTS)
    meters = {meter.id: meter for meter in found.meters(seed=1)}
    late = {name for name, meter in meters.items() if "late" in meter.faults.names()}
    assert all(name.startswith("flat") for name in late)
    assert 30 <= len(late) <= 70
    status = {name for name, meter in meters.items() if "status" in meter.faults.names()}
    assert status == {"cellar1", *(f"flat1{i}" for i in range(10))}
    changes = found.changes(seed=1)
    assert [change.meter for change in changes if change.at_ns == 0] == ["cellar2"]
    assert 70 <= len([change for change in changes if change.at_ns == 10_000_000_000]) <= 130


def test_who_has_a_fault_depends_on_seed_and_id_alone() -> None:
    """More meters leave the faulty ones as they were; another seed chooses others."""

    def late(text: str, seed: int) -> list[str]:
        meters = parsed(text).meters(seed=seed)
        return [m.id for m in meters if m.id.startswith("flat") and "late" in m.faults.names()]

    more = FAULTS.replace("count: 200", "count: 230")
    of_200 = [name for name in late(more, 1) if int(name[4:]) < 200]
    assert of_200 == late(FAULTS, 1) != late(FAULTS, 2)


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("cellar2,", "celar2,", "8:14", "no meter is called 'celar2'; did you mean 'cellar2'"),
        ('"flat*"', '"roof*"', "6:14", "no meter is called 'roof*'"),
        ("0.25", "1.5", "6:30", "less than or equal to 1"),
        ("late: {by: 1 s}", "laet: {by: 1 s}", "6:44", "did you mean 'late'"),
        ("dead: true", "", "8:30", "want one of"),
    ],
)
def test_assignments_that_are_none_are_refused(old: str, new: str, place: str, words: str) -> None:
    """Every mistake has its place."""
    with pytest.raises(PopulationError) as caught:
        parsed(FAULTS.replace(old, new))
    assert f"x.yaml:{place}: " in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{id: m, mix: [{weight: 1}]}", "every item wants a 'profile'"),
        ("{id: m, mix: []}", "at least 1"),
        ("{id: m, mix: [{profile: gass}]}", "did you mean 'gas'"),
        ("{id: m, mix: [{profile: gas, wieght: 2}]}", "did you mean 'weight'"),
        ("{id: m, mix: [{profile: gas}, {profile: gas, pages: 2}]}", "the profile has 1, got 2"),
        ("{id: m, profile: gas, expect: {4: {unit: J}}, mix: [{profile: room-sensor}]}", "0 to 1"),
    ],
)
def test_mixes_that_are_none_are_refused(entry: str, words: str) -> None:
    """Every kind of a mix is checked as if it stood alone."""
    with pytest.raises(PopulationError, match=words):
        parsed(f"meters:\n  - {entry}\n")


def test_the_published_schema_is_up_to_date() -> None:
    """``meterbench simulate --schema > simulators/population.schema.json`` after a change."""
    assert SCHEMA.read_text(encoding="utf-8") == population.schema_text()
    document: Any = json.loads(population.schema_text())
    assert document == population.schema()
