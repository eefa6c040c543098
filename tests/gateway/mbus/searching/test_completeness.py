"""Nobody is missed and nobody invented, whatever hangs on the bus.

``METERBENCH_POPULATIONS=10000`` draws as many populations as the measure M2 demands.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from gateway.mbus.address import SecondaryAddress, SecondaryMask
from gateway.mbus.search import Direction, Outcome
from gateway.mbus.searching.adaptive import AdaptiveSearch
from gateway.mbus.searching.coordinates import covers
from gateway.mbus.searching.thorough import ThoroughSearch
from tests.gateway.mbus.searching import model

POPULATIONS = int(os.environ.get("METERBENCH_POPULATIONS", "200"))
MANUFACTURERS = (0x32A7, 0x2C2D, 0x1593, 0x4833, 0x0442, 0x6A4D, 0x3B52, 0x2324)
MEDIA = (0x02, 0x03, 0x04, 0x06, 0x07, 0x08, 0x0C, 0x15)


def mixed(rng: random.Random) -> list[SecondaryAddress]:
    """Some of every kind; some numbers twice or more, with another maker, version or medium."""
    numbers: list[str] = []
    for kind in rng.sample(list(model.KINDS), rng.randint(1, 3)):
        numbers += model.KINDS[kind](rng, rng.choice((1, 2, 3, 5, 10, 25)))
    meters = [
        SecondaryAddress(
            number, rng.choice(MANUFACTURERS), rng.choice((1, 2, 16, rng.randrange(255))),
            rng.choice(MEDIA),
        )
        for number in dict.fromkeys(numbers)
    ]  # fmt: skip
    for twin in rng.choices(meters, k=rng.choice((0, 0, 1, 2))):
        for _ in range(rng.choice((1, 1, 2))):
            other = rng.choice(
                (
                    replace(twin, manufacturer=rng.choice(MANUFACTURERS)),
                    replace(twin, version=rng.randrange(255)),
                    replace(twin, medium=rng.choice(MEDIA)),
                )
            )
            meters.append(other)
    return list(dict.fromkeys(meters))


@pytest.mark.parametrize("part", range(10))
def test_every_meter_of_mixed_populations_is_found(part: int) -> None:
    """M2: every meter found and no phantom, duplicates told apart by their bytes."""
    missed = invented = 0
    for draw in range(part, POPULATIONS, 10):
        meters = mixed(random.Random(f"mixed/{draw}"))
        search = AdaptiveSearch(SecondaryMask.ANY)
        found = set(model.run(search, model.ModelBus(meters)))
        missed += len(set(meters) - found)
        invented += len(found - set(meters))
        assert not search.unresolved, f"draw {draw}"
    assert (missed, invented) == (0, 0)


@pytest.mark.parametrize("part", range(5))
def test_every_meter_with_hexadecimal_digits_is_found_when_they_are_asked_for(part: int) -> None:
    """Digits A to E: one mask for each at every digit that the search has fixed covers them."""
    for draw in range(part, max(50, POPULATIONS // 10), 5):
        rng = random.Random(f"letters/{draw}")
        meters = mixed(rng)
        for _ in range(rng.randint(1, 4)):
            number = list(rng.choice(meters).identification_number)
            for place in rng.sample(range(8), rng.choice((1, 1, 2))):
                number[place] = rng.choice("ABCDE")
            meters.append(replace(rng.choice(meters), identification_number="".join(number)))
        meters = list(dict.fromkeys(meters))
        search = AdaptiveSearch(SecondaryMask.ANY, hexadecimal=True)
        assert set(model.run(search, model.ModelBus(meters))) == set(meters), f"draw {draw}"
        assert not search.unresolved


def test_a_collision_of_fewer_than_two_decimal_meters_betrays_a_letter() -> None:
    """Two meters collide, one of them has an A where the other has a digit."""
    meters = model.meters(["12345670", "12345A70"])
    search = AdaptiveSearch(SecondaryMask.ANY)
    assert set(model.run(search, model.ModelBus(meters))) == set(meters)
    assert search.hexadecimal


def test_what_the_mask_leaves_out_stays_out() -> None:
    """C-41: masks for serial number, manufacturer, version and medium, hex digits included."""
    meters = [
        SecondaryAddress("12A45670", 0x32A7, 2, 4),
        SecondaryAddress("12A45671", 0x32A7, 2, 4),
        SecondaryAddress("12A45672", 0x32A7, 2, 7),
        SecondaryAddress("12A45673", 0x2C2D, 2, 4),
        SecondaryAddress("12A45674", 0x32A7, 3, 4),
        SecondaryAddress("12B45670", 0x32A7, 2, 4),
    ]
    root = SecondaryMask("12AFFFFF", 0x32A7, 2, 4)
    bus = model.ModelBus(meters)
    assert set(model.run(AdaptiveSearch(root), bus)) == set(meters[:2])
    assert all(covers(root, mask) for mask in bus.masks)


@pytest.mark.parametrize("count", [1, 2, 30, 250])
def test_a_new_meter_is_found_by_a_scan_that_knows_the_others(count: int) -> None:
    """A re-scan asks for known meters first, and proves all the same who else is there."""
    for draw in range(10):
        rng = random.Random(f"again/{count}/{draw}")
        meters = model.meters(model.KINDS[rng.choice(list(model.KINDS))](rng, count + 2))
        gone, stayed, fresh = meters[:1], meters[1:-1], meters[-1:]
        search = AdaptiveSearch(SecondaryMask.ANY, known=gone + stayed)
        assert set(model.run(search, model.ModelBus(stayed + fresh))) == set(stayed + fresh)


def test_a_header_that_contradicts_its_address_is_no_collision() -> None:
    """Wrongly declared meters are found, and nobody around them is lost."""
    for draw in range(40):
        rng = random.Random(f"liars/{draw}")
        meters = model.meters(model.batches(rng, 24))
        liars = rng.sample(meters, 3)
        headers = {meter: replace(meter, identification_number="00000815") for meter in liars}
        bus = model.ModelBus(meters, headers)
        search = AdaptiveSearch(SecondaryMask.ANY)
        found = model.run(search, bus)
        assert set(found) >= set(meters) - set(liars)
        singles = {seen.mask for seen in search.sightings}
        assert all(any(mask.contains(liar) for mask in singles) for liar in liars)


def test_a_wrong_collision_costs_masks_but_no_meter() -> None:
    """Noise that looks like several meters: the mask is asked again before letters are sought."""
    for draw in range(40):
        rng = random.Random(f"noise/{draw}")
        meters = model.meters(model.at_random(rng, 20))
        bus = model.ModelBus(meters)
        search = AdaptiveSearch(SecondaryMask.ANY)
        found = set()
        while (mask := search.next_mask()) is not None:
            outcome, address = bus.ask(mask)
            if rng.random() < 0.05:
                outcome, address = Outcome.COLLISION, None
            search.outcome(mask, outcome, address)
            found |= {address} - {None}
        assert found == set(meters), f"draw {draw}"


@pytest.mark.parametrize("direction", list(Direction))
def test_the_thorough_search_alone_finds_everybody(direction: Direction) -> None:
    """LITERAL timing: the fixed order of digits, letters and bytes where it ends."""
    for draw in range(40):
        rng = random.Random(f"thorough/{draw}")
        meters = mixed(rng)
        if draw % 2:
            meters.append(replace(meters[0], identification_number="0000000C"))
        search = ThoroughSearch(SecondaryMask.ANY, direction, hexadecimal=bool(draw % 2))
        bus = model.ModelBus(meters)
        assert set(model.run(search, bus)) == set(meters)
        digits = [mask.identification_number for mask in bus.masks[:2]]
        first = "0FFFFFFF" if direction is Direction.FORWARD else "FFFFFFF0"
        assert digits == ["FFFFFFFF", first][: len(digits)]


def test_two_meters_of_one_address_are_named_not_dropped() -> None:
    """What no mask can tell apart is reported."""
    meters = model.meters(["12345678", "12345678", "55555555"])
    search = AdaptiveSearch(SecondaryMask.ANY)
    found = model.run(search, model.ModelBus(meters))
    assert set(found) == {meters[2]}
    assert [mask.identification_number for mask in search.unresolved] == ["12345678"]
