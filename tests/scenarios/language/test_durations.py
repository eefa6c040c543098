"""Durations are exact whole nanoseconds, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.language import durations


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("250 ms", 250_000_000),
        ("5 s", 5_000_000_000),
        ("40 min", 2_400_000_000_000),
        ("0.1 s", 100_000_000),
        ("1.5 h", 5_400_000_000_000),
        ("2d", 172_800_000_000_000),
        (" 7 us ", 7_000),
        ("7 µs", 7_000),
        ("0 s", 0),
        ("3 ns", 3),
    ],
)
def test_a_duration_is_read_exactly(text: str, ns: int) -> None:
    """A decimal number with a unit is that many nanoseconds, without a float on the way."""
    assert durations.parse(text) == ns


@pytest.mark.parametrize("text", ["40 mins", "5", "s", "", "-1 s", "1e3 s", "1 s 2 ms", "1,5 s"])
def test_anything_else_is_refused_with_what_is_wanted(text: str) -> None:
    """What is no duration is refused with examples of what is."""
    with pytest.raises(durations.DurationError, match="want a duration such as '250 ms'"):
        durations.parse(text)


def test_a_part_of_a_nanosecond_is_refused() -> None:
    """A duration that is not whole in nanoseconds is refused, not rounded."""
    with pytest.raises(durations.DurationError, match="whole nanoseconds"):
        durations.parse("0.5 ns")


def test_a_duration_beyond_ten_years_is_refused() -> None:
    """A slip of the keyboard does not become a run of a thousand years."""
    with pytest.raises(durations.DurationError, match="at most 3650 d"):
        durations.parse("4000 d")


@given(st.integers(min_value=0, max_value=durations.LONGEST_NS))
def test_what_is_shown_reads_back(ns: int) -> None:
    """Every duration is written so that it reads back as itself."""
    assert durations.parse(durations.show(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"), [("200 /s", 5_000_000), ("2 /min", 30_000_000_000), ("0.5 /s", 2_000_000_000)]
)
def test_a_rate_is_read_as_its_period(text: str, ns: int) -> None:
    """A rate gives the time from one to the next."""
    assert durations.parse_rate(text) == ns


@pytest.mark.parametrize("text", ["0 /s", "200", "/s", "2000000000 /s"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    """A rate of nothing, or of more than one a nanosecond, is refused."""
    with pytest.raises(durations.DurationError, match="want a rate"):
        durations.parse_rate(text)


@pytest.mark.parametrize(
    ("ns", "text"), [(0, "0 s"), (12_345_000_000, "12.345 s"), (1, "0.000000001 s")]
)
def test_a_moment_is_shown_with_the_decimals_that_it_has(ns: int, text: str) -> None:
    """Moments are shown exactly and without trailing zeros."""
    assert durations.show_time(ns) == text
