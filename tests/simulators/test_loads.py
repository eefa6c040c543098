"""Load shapes and due dates: exact, monotonic, and functions of time alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import loads, population
from simulators.document import load
from simulators.due_dates import DueDate
from simulators.values import NS_PER_S, Moving

HOUR = 3600 * NS_PER_S
DAY, WEEK = 24 * HOUR, 168 * HOUR
EPOCH = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", list(loads.SHAPES))
@given(a=st.integers(-60 * DAY, 400 * DAY), b=st.integers(0, 30 * DAY))
def test_a_register_with_a_load_never_runs_backwards(name: str, a: int, b: int) -> None:
    """Whatever the shape, at any time, before the start too."""
    value = Moving(start=(0, 0), add=1000, every=DAY, load=name).function("k", EPOCH)
    first, later = value(a), value(a + b)
    assert isinstance(first, int)
    assert isinstance(later, int)
    assert first <= later


@pytest.mark.parametrize("name", list(loads.SHAPES))
def test_a_week_gains_what_it_says(name: str) -> None:
    """`add` every `every` is the mean: seven days give seven times as much, from anywhere on."""
    value = Moving(start=(5, 5), add=1000, every=DAY, load=name).function("k", EPOCH)
    for since in (0, 5 * HOUR, 10 * WEEK + 17):
        gained = int(str(value(since + WEEK))) - int(str(value(since)))
        assert gained in {6999, 7000, 7001}
    assert value(0) == 5


def test_an_office_sleeps_at_night_and_at_weekends() -> None:
    """On Friday at noon power is many times that of the night, and that of Saturday."""
    spec = Moving(around=(1000, 1000), every=HOUR, load="office")
    value = spec.function("k", EPOCH)
    friday, night, saturday = (value(ns) for ns in (0, 15 * HOUR, DAY))
    assert isinstance(friday, int)
    assert friday > 4 * int(str(night))
    assert friday > 4 * int(str(saturday))


def test_a_hovering_value_stays_near_its_shape() -> None:
    """The jitter is around what the shape says."""
    spec = Moving(around=(1000, 1000), jitter=10, every=NS_PER_S, load="water")
    plain = Moving(around=(1000, 1000), every=NS_PER_S, load="water").function("k", EPOCH)
    value = spec.function("k", EPOCH)
    for hour in range(48):
        assert abs(int(str(value(hour * HOUR))) - int(str(plain(hour * HOUR)))) <= 10


@pytest.mark.parametrize(
    ("spec", "now", "day"),
    [
        (DueDate(month_end=1), "2026-11-20", "2026-10-31"),
        (DueDate(month_end=2), "2026-11-20", "2026-09-30"),
        (DueDate(month_end=1), "2026-01-01", "2025-12-31"),
        (DueDate(month_end=11), "2026-11-20", "2025-12-31"),
        (DueDate(month_end=36), "2026-11-20", "2023-11-30"),
        (DueDate(month_end=1), "2024-03-01", "2024-02-29"),
        (DueDate(year_end=1), "2026-11-20", "2025-12-31"),
        (DueDate(year_end=3), "2026-11-20", "2023-12-31"),
    ],
)
def test_due_dates(spec: DueDate, now: str, day: str) -> None:
    """The last day of the month or year before, leap years and turns of the year included."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert spec.day(moment).date().isoformat() == day
    assert spec.midnight(moment) == spec.day(moment) + timedelta(days=1)


STORED = """
meters:
  - id: m
    manufacturer: ABC
    version: 1
    medium: 6
    records:
      - {id: volume, dib: "0C", vib: "13", coding: bcd8, hidden: true,
         value: {start: [50000, 90000], add: 72, every: 1 d, load: water}}
      - {dib: "4C", vib: "13", coding: bcd8, value: {of: volume, month_end: 1}, timestamp_from: due,
         expect: {value_type: Volume, unit: m3, scale: -3}}
      - {id: due, dib: "42", vib: "6C", coding: date_g, value: {month_end: 1}, hidden: true}
"""


def test_what_is_stored_is_what_the_register_held() -> None:
    """At the turn of the month the stored value becomes what the register shows at midnight."""
    meters = population.parse(load(STORED, "x.yaml"), source="x.yaml")
    (meter,) = meters.meters(seed=1, epoch=EPOCH)
    now, stored, due = meter.application.records
    midnight = int((datetime(2026, 12, 1, tzinfo=UTC) - EPOCH).total_seconds()) * NS_PER_S
    assert due.encode(0) == bytes.fromhex("426C") + bytes((31 | 2 << 5, 10 | 3 << 4))
    assert due.encode(midnight) == bytes.fromhex("426C") + bytes((30 | 2 << 5, 11 | 3 << 4))
    assert 0 < stored.number(0) == stored.number(midnight - 1) < now.number(0)
    assert stored.number(midnight) == stored.number(midnight + 20 * DAY) == now.number(midnight)
    reading = stored.reading(0, None)
    assert reading is not None
    assert reading.integer == stored.number(0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("of: volume", "of: volum", "did you mean 'volume'"),
        ("of: volume", "of: due", "no record that moves"),
        ("{month_end: 1}, hidden", "{month_end: 0}, hidden", "greater than or equal to 1"),
        ("{month_end: 1}, hidden", "{month_end: 1, year_end: 1}, hidden", "either 'month_end'"),
        ("load: water", "load: watr", "is no load shape"),
    ],
)
def test_what_cannot_be_stored_is_refused(old: str, new: str, words: str) -> None:
    """A reference that leads nowhere, and due dates that are none."""
    with pytest.raises(ValueError, match=words):
        population.parse(load(STORED.replace(old, new), "x.yaml"), source="x.yaml")
