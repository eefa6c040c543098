"""Identification numbers and primary addresses: how they lie, and that one more shifts nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import population
from simulators.document import PopulationError, load


def numbers(rule: Any, count: int, seed: int = 1, **entry: Any) -> list[str]:
    """The identification numbers of an entry's meters."""
    meters = population.parse(
        [{"id": "m", "count": count, "profile": "gas", "identification_number": rule} | entry],
        source="test",
    )
    return [meter.identification_number for meter in meters.meters(seed=seed)]


RULES: list[Any] = [
    "random",
    "sequential",
    "batches",
    "hex",
    {"pattern": "random", "prefix": "6660"},
    {"pattern": "hex", "prefix": "6A"},
    {"pattern": "sequential", "prefix": "123"},
    {"pattern": "batches", "prefix": "6", "batches": 7, "gap": [2, 9]},
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_drawn_numbers_differ_and_begin_as_they_should(rule: Any) -> None:
    """Eight digits each, all different, with the first digits that were asked for."""
    found = numbers(rule, 200)
    assert len(set(found)) == 200
    prefix = rule.get("prefix", "") if isinstance(rule, dict) else ""
    assert all(len(number) == 8 and number.startswith(prefix) for number in found)
    assert found != numbers(rule, 200, seed=2)


@pytest.mark.parametrize("rule", RULES, ids=str)
@given(count=st.integers(2, 120), more=st.integers(1, 60))
@settings(max_examples=10, deadline=None)
def test_more_meters_shift_nothing(rule: Any, count: int, more: int) -> None:
    """Whoever was there keeps the number when others are added at the end."""
    assert numbers(rule, count + more)[:count] == numbers(rule, count)


def test_hex_numbers_have_a_letter_each() -> None:
    """A search through the digits 0 to 9 alone cannot find any of them."""
    for number in numbers("hex", 100):
        assert set(number) & set("ABCDEF")
        assert set(number) <= set("0123456789ABCDEF")


def test_batches_are_rows_with_gaps() -> None:
    """Meters are dealt out to the rows in turn, each row going up by a gap from the range."""
    found = [int(number) for number in numbers({"pattern": "batches", "gap": [2, 5]}, 40)]
    for row in range(4):
        steps = [b - a for a, b in zip(found[row::4], found[row + 4 :: 4], strict=False)]
        assert set(steps) <= {2, 3, 4, 5}
        assert len(set(steps)) > 1


def test_a_prefix_with_few_digits_left_is_used_up() -> None:
    """All ten numbers of seven given digits are given, and an eleventh meter is refused."""
    rule = {"prefix": "1234567"}
    assert sorted(numbers(rule, 10)) == [f"1234567{digit}" for digit in range(10)]
    with pytest.raises(PopulationError, match="1 free digits are not enough for 11 meters"):
        numbers(rule, 11)


def test_numbers_of_other_entries_are_taken() -> None:
    """Two entries that share their ten numbers: the second is told that none is left."""
    entry = {"count": 6, "profile": "gas", "identification_number": {"prefix": "1234567"}}
    meters = population.parse([{"id": "a"} | entry, {"id": "b"} | entry], source="test")
    with pytest.raises(ValueError, match="first digits '1234567' is taken"):
        meters.meters(seed=1)


@pytest.mark.parametrize(
    ("rule", "addresses"),
    [
        (7, [7, 7, 7]),
        ("i + 1", [1, 2, 3]),
        ("10 + 20 * i", [10, 30, 50]),
        ("last digits", [98, 99, 0]),
    ],
)
def test_primary_addresses_follow_their_rule(rule: Any, addresses: list[int]) -> None:
    """A literal, a pattern, or what installers do with the number on the label."""
    meters = population.parse(
        [{"id": "m", "count": 3, "profile": "gas", "identification_number": "10000098 + i",
          "primary_address": rule}],
        source="test",
    )  # fmt: skip
    assert [meter.primary_address for meter in meters.meters(seed=1)] == addresses


def test_drawn_addresses_differ_as_long_as_there_are_free_ones() -> None:
    """250 meters have all addresses from 1 to 250; one more must share."""
    meters = population.parse(
        [{"id": "m", "count": 251, "profile": "gas", "primary_address": "random"}], source="test"
    ).meters(seed=1)
    assert sorted(meter.primary_address for meter in meters[:250]) == list(range(1, 251))
    assert 1 <= meters[250].primary_address <= 250


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("batch", "did you mean 'batches'"),
        ("{pattern: rows}", "'sequential'"),
        ("{prefix: '12345678'}", "prefix"),
        ("{prefix: 6660}", "prefix"),
        ("{gap: [5, 2]}", "smallest, largest"),
        ("{gap: [1]}", "at least 2"),
        ("{pattern: batches, batch: 3}", "did you mean 'batches'"),
    ],
)
def test_rules_that_are_none_are_refused_in_their_place(rule: str, words: str) -> None:
    """The complaint names line, column and what was expected."""
    text = f"meters:\n  - {{id: m, profile: gas, identification_number: {rule}}}\n"
    with pytest.raises(PopulationError) as caught:
        population.parse(load(text, "x.yaml"), source="x.yaml")
    assert str(caught.value).startswith("x.yaml:2:")
    assert words in str(caught.value)
