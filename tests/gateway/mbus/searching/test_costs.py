"""The adaptive order is worth its name: masks and bus seconds in the model."""

from __future__ import annotations

import random
from statistics import mean

import pytest

from gateway.mbus.address import SecondaryMask
from gateway.mbus.search import Outcome
from gateway.mbus.searching.adaptive import AdaptiveSearch
from gateway.mbus.searching.estimate import MeterCount, conditional_mean, deliveries
from tests.gateway.mbus.searching import model


@pytest.mark.parametrize("kind", model.KINDS)
@pytest.mark.parametrize(("count", "draws"), [(10, 100), (50, 20), (80, 12)])
def test_no_row_costs_more_than_the_best_fixed_order(kind: str, count: int, draws: int) -> None:
    """M2: bus time against the best of six fixed orders in hindsight, 1.08 for so few draws."""
    ours, best = [], []
    for draw in range(draws):
        numbers = model.KINDS[kind](random.Random(f"fresh/{kind}/{count}/{draw}"), count)
        bus = model.ModelBus(model.meters(numbers))
        model.run(AdaptiveSearch(SecondaryMask.ANY), bus)
        ours.append(bus.seconds)
        best.append(model.best_order_s(numbers))
    assert mean(ours) <= 1.08 * mean(best)


@pytest.mark.parametrize(("count", "masks"), [(0, 4), (1, 4)])
def test_a_lonely_meter_costs_four_masks(count: int, masks: int) -> None:
    """Three digits with at most one meter, then: is there more than one at all?"""
    for number in ("00000003", "99999999"):
        bus = model.ModelBus(model.meters([number][:count]))
        model.run(AdaptiveSearch(SecondaryMask.ANY), bus)
        assert len(bus.masks) == masks


def test_a_second_search_asks_for_no_collision_that_is_known() -> None:
    """A re-scan of an unchanged bus: masks that hold two known meters are split unasked."""
    for kind in model.KINDS:
        numbers = model.KINDS[kind](random.Random(f"known/{kind}"), 50)
        first, second = (model.ModelBus(model.meters(numbers)) for _ in range(2))
        model.run(AdaptiveSearch(SecondaryMask.ANY), first)
        model.run(AdaptiveSearch(SecondaryMask.ANY, known=first.meters), second)
        assert second.collisions == 0
        assert second.seconds < first.seconds


def test_share_and_expectation_end_at_the_truth() -> None:
    """Progress: the share grows to 1, the estimate becomes the number found."""
    meters = model.meters(model.at_random(random.Random("share"), 60))
    bus = model.ModelBus(meters)
    search = AdaptiveSearch(SecondaryMask.ANY)
    shares = []
    while (mask := search.next_mask()) is not None:
        search.outcome(mask, *bus.ask(mask))
        shares.append(search.share_done)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert search.expected == 60


@pytest.mark.parametrize(
    ("mean_before", "at_least", "expected"),
    [(3.0, 0, 3.0), (1e-9, 1, 1.0), (1e-9, 2, 2.0), (1.0, 1, 1.5820), (1.0, 2, 2.3922)],
)
def test_conditional_mean(mean_before: float, at_least: int, expected: float) -> None:
    """Poisson numbers known to be at least 1 or 2: values worked out by hand."""
    assert conditional_mean(mean_before, at_least) == pytest.approx(expected, abs=1e-3)


def test_the_number_of_meters_follows_the_outcomes() -> None:
    """Ten empty digits mean few meters, ten collisions many."""
    few, many = MeterCount(), MeterCount()
    for _ in range(10):
        few.observe(0.1, Outcome.EMPTY)
        many.observe(0.1, Outcome.COLLISION)
    assert few.mean < 3 < 60 < many.mean
    assert few.collision(0.1) < 0.1 < 0.9 < many.collision(0.1)


def test_deliveries_are_runs_of_neighbours() -> None:
    """Close numbers are one delivery and weigh their count less one; strangers are none."""
    numbers = ["10000001", "10000002", "10000004", "77777777"]
    (run,) = deliveries(numbers, settled=lambda _: False)
    assert run.share == pytest.approx(0.5, abs=0.03)
    shares, factor = run.spread((6, 7))
    assert factor == 1.0
    assert shares["01"] == shares["03"] > shares["05"] > 0
    assert sum(shares.values()) == pytest.approx(1.0)
