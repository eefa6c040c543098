"""Medians, ratios and models are right before any figure is believed."""

from __future__ import annotations

import random

import pytest

from benchmarks import corpus, populations
from benchmarks.method import in_turn, ratio, short
from benchmarks.table import Row, missing, to_document
from gateway.mbus.telegram import decode


def test_contestants_run_in_turn_after_a_warm_up() -> None:
    """Order turns round from round to round; the warm-up gives no figure."""
    order: list[str] = []

    def contestant(name: str) -> float:
        order.append(name)
        return float(len(order))

    figures = in_turn({"a": lambda: contestant("a"), "b": lambda: contestant("b")}, rounds=2)
    assert order == ["a", "b", "a", "b", "b", "a"]
    assert figures == {"a": [3.0, 6.0], "b": [4.0, 5.0]}


def test_ratio_is_of_medians_and_its_spread_of_rounds() -> None:
    """One disturbed round widens the spread and leaves the ratio where it is."""
    by = ratio([10.0, 10.0, 2.0], [5.0, 5.0, 5.0])
    assert (by.median, by.low, by.high) == (2.0, 0.4, 2.0)
    assert str(by) == "2.00 [0.40-2.00]"


@pytest.mark.parametrize(
    ("figure", "text"), [(0.1234, "0.123"), (999.0, "999"), (13_479.0, "13.5 k"), (2.5e6, "2.5 M")]
)
def test_figures_are_short(figure: float, text: str) -> None:
    """Three digits: more would pretend a precision that nobody has."""
    assert short(figure) == text


def test_a_missing_line_is_neither_reached_nor_failed() -> None:
    """What was not measured has no verdict, in the document as on the screen."""
    row = missing("M4", "beside a peer", "pip install peer")
    document = to_document([row, Row("M1", "x", "1", reached=False)], machine={"cores": 2})
    assert [line["reached"] for line in document["rows"]] == [None, False]


@pytest.mark.parametrize(
    ("kind", "count", "selects", "within"),
    [
        ("random", 1, 19, 0),
        ("random", 10, 70, 8),
        ("random", 250, 1891, 60),
        ("sequential", 250, 423, 15),
        ("same prefix", 80, 616, 40),
    ],
)
def test_model_of_libmbus_gives_the_published_selects(
    kind: str, count: int, selects: int, within: int
) -> None:
    """The model that stands in for libmbus asks as many masks as libmbus did when it was run."""
    drawn = [populations.KINDS[kind](random.Random(f"{kind}/{i}"), count) for i in range(60)]
    mean = sum(populations.libmbus(numbers)[0] for numbers in drawn) / len(drawn)
    assert abs(mean - selects) <= within


@pytest.mark.parametrize("kind", populations.KINDS)
@pytest.mark.parametrize("count", populations.COUNTS)
def test_populations_have_different_numbers(kind: str, count: int) -> None:
    """Each draw has `count` numbers of eight digits, none twice; the best order is no dearer."""
    numbers = populations.KINDS[kind](random.Random(kind), count)
    assert len(set(numbers)) == count
    assert {len(number) for number in numbers} == {8}
    forward = populations.by_the_book(numbers, populations.FORWARD)
    assert populations.best_order(numbers) <= forward


def test_other_values_make_another_telegram_of_the_same_structure() -> None:
    """Read again: codings, sizes and checksum hold, values and access number are others."""
    other = corpus.with_other_values(corpus.SAMPLE, random.Random(1))
    before, after = decode(corpus.SAMPLE), decode(other)
    assert after.error is None
    assert [r.coding for r in after.records] == [r.coding for r in before.records]
    assert [r.value for r in after.records] != [r.value for r in before.records]
    assert all(record.error is None for record in after.records)
    assert before.header is not None
    assert after.header is not None
    assert after.header.access_number == before.header.access_number + 1
