"""Values are pure functions of virtual time."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.values import NS_PER_S, Moving, clock, duration_ns, moment, whole_number

HOUR = 3600 * NS_PER_S


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("250 ms", 250_000_000),
        ("5s", 5 * NS_PER_S),
        ("40 min", 2400 * NS_PER_S),
        ("0.5 h", 1800 * NS_PER_S),
    ],
)
def test_durations_are_exact(text: str, ns: int) -> None:
    """A duration is a number and a unit, in whole ns."""
    assert duration_ns(text) == ns


@pytest.mark.parametrize("text", ["40 mins", "s", "5", "-1 s", None, True])
def test_a_duration_that_is_none_is_refused(text: object) -> None:
    """The message shows what a duration looks like."""
    with pytest.raises(ValueError, match="250 ms"):
        duration_ns(text)


def test_a_counter_gains_evenly() -> None:
    """`add` units come within each `every`, one by one."""
    value = Moving(start=(100, 100), add=4, every=HOUR).function("k")
    assert [value(ns) for ns in (0, HOUR // 4, HOUR // 4 - 1, HOUR, 10 * HOUR)] == [
        100, 101, 100, 104, 140,
    ]  # fmt: skip


@given(st.integers(0, 10**15), st.text(max_size=10))
def test_a_hovering_value_stays_in_its_band(ns: int, key: str) -> None:
    """Around 500 with jitter 20 is never below 480 nor above 520, and is a function of time."""
    spec = Moving(around=(500, 500), jitter=20, every=NS_PER_S)
    value = spec.function(key)(ns)
    assert isinstance(value, int)
    assert 480 <= value <= 520
    assert value == spec.function(key)(ns - ns % NS_PER_S)


def test_a_drawn_start_depends_on_the_meter_alone() -> None:
    """Two meters draw different starts, the same meter draws the same one again."""
    spec = Moving(start=(0, 10**9), add=0)
    first, again, other = (spec.function(key)(0) for key in ("a", "a", "b"))
    assert first == again != other


def test_decimals_divide_exactly() -> None:
    """A real with one decimal is a decimal number, not a sum of binary fractions."""
    assert Moving(start=(2301, 2301), add=0, decimals=1).function("k")(5) == Decimal("230.1")


@pytest.mark.parametrize(
    ("text", "at_1_s"),
    [
        ("7", 7),
        ("0x00000000FFFFFFFF + t / 100 ms", 2**32 - 1 + 10),
        ("1000 + 5 * t / 1 s", 1005),
        ("1000 - t / 500 ms", 998),
    ],
)
def test_expressions(text: str, at_1_s: int) -> None:
    """A number, or a number with a gain over time, as a scenario writes it."""
    value = whole_number(text)
    now = value.function("k")(NS_PER_S) if isinstance(value, Moving) else value
    assert now == at_1_s


@pytest.mark.parametrize("text", ["x", "1 + t", "1 + t / 3 weeks", "1 * t / 1 s"])
def test_an_expression_that_is_none_is_refused(text: str) -> None:
    """What does not parse is an error that shows the form, or the unit, that was expected."""
    with pytest.raises(ValueError, match="want"):
        whole_number(text)


def test_the_clock_runs_with_virtual_time() -> None:
    """A meter's clock shows the epoch at time 0 and moves with the simulation."""
    epoch = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert clock(epoch)(90 * NS_PER_S) == datetime(2026, 11, 20, 12, 1, 30, tzinfo=UTC)


def test_moments_are_utc() -> None:
    """A date without a zone is taken as UTC; the meter's time has none (C-58)."""
    assert moment("2026-10-31") == datetime(2026, 10, 31, tzinfo=UTC)
    with pytest.raises(ValueError, match="clock"):
        moment(5)
