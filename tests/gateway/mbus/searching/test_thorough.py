"""The walk over the tree of identification numbers: complete, and as cheap as its model."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus.address import SecondaryAddress, SecondaryMask
from gateway.mbus.search import Direction, Outcome
from gateway.mbus.searching.thorough import ThoroughSearch

if TYPE_CHECKING:
    from collections.abc import Collection

NUMBERS = st.integers(0, 99_999_999).map("{:08d}".format)
#: Numbers as they are delivered: long common beginnings and ends.
BATCHES = st.builds(
    lambda start, steps: [f"{(start + step) % 100_000_000:08d}" for step in steps],
    st.integers(0, 99_999_999),
    st.lists(st.integers(0, 60), max_size=40),
)
POPULATIONS = st.lists(st.one_of(NUMBERS.map(lambda number: [number]), BATCHES), max_size=6).map(
    lambda groups: sorted({number for group in groups for number in group})
)
ROOTS = st.lists(st.sampled_from("F" * 12 + "0123456789"), min_size=8, max_size=8).map("".join)


def walk(search: ThoroughSearch, numbers: Collection[str]) -> tuple[list[str], list[str]]:
    """Search a bus of perfect meters; gives the numbers found and the masks asked, in order."""
    bus = [SecondaryAddress(number, 0x32A7, 2, 4) for number in numbers]
    found, asked = [], []
    while (mask := search.next_mask()) is not None:
        under = [address for address in bus if mask.contains(address)]
        asked.append(mask.identification_number)
        outcome = (Outcome.EMPTY, Outcome.SINGLE, Outcome.COLLISION)[min(2, len(under))]
        if outcome is Outcome.SINGLE:
            found.append(under[0].identification_number)
        search.outcome(mask, outcome, under[0] if outcome is Outcome.SINGLE else None)
    return found, asked


def model(root: str, direction: Direction, numbers: Collection[str]) -> int:
    """Selects by the model of the plain tree: the root, and ten for every collision."""
    positions = range(8) if direction is Direction.FORWARD else range(7, -1, -1)
    free = [position for position in positions if root[position] == "F"]
    inside = [
        number
        for number in numbers
        if all(wanted in ("F", digit) for wanted, digit in zip(root, number, strict=True))
    ]
    selects = 1
    for depth in range(len(free)):
        prefixes = Counter("".join(number[at] for at in free[:depth]) for number in inside)
        selects += 10 * sum(count > 1 for count in prefixes.values())
    return selects


@pytest.mark.parametrize("direction", Direction)
@given(numbers=POPULATIONS, root=ROOTS)
def test_every_meter_under_the_mask_is_found_once(
    direction: Direction, numbers: list[str], root: str
) -> None:
    """Any population of distinct decimal numbers, both directions, any mask (SCAN-01, SCAN-05)."""
    search = ThoroughSearch(SecondaryMask(root), direction)
    found, asked = walk(search, numbers)
    mask = SecondaryMask(root)
    inside = [number for number in numbers if mask.contains(SecondaryAddress(number, 1, 1, 1))]
    assert sorted(found) == inside
    assert search.unresolved == []
    assert len(asked) == len(set(asked))
    assert len(asked) == search.statistics.selects == model(root, direction, inside)


@pytest.mark.parametrize("direction", Direction)
@given(numbers=POPULATIONS)
def test_outcomes_are_counted(direction: Direction, numbers: list[str]) -> None:
    """The statistics add up: every mask had one outcome, every meter was single once."""
    search = ThoroughSearch(SecondaryMask.ANY, direction)
    walk(search, numbers)
    figures = search.statistics
    assert figures.selects == figures.empties + figures.singles + figures.collisions
    assert figures.singles == len(numbers)


@given(numbers=POPULATIONS)
def test_share_grows_to_one(numbers: list[str]) -> None:
    """The share of the number space never falls, and ends at 1."""
    search = ThoroughSearch(SecondaryMask.ANY)
    shares = [search.share_done]
    bus = [SecondaryAddress(number, 1, 1, 1) for number in numbers]
    while (mask := search.next_mask()) is not None:
        under = [address for address in bus if mask.contains(address)]
        outcome = (Outcome.EMPTY, Outcome.SINGLE, Outcome.COLLISION)[min(2, len(under))]
        search.outcome(mask, outcome, under[0] if outcome is Outcome.SINGLE else None)
        shares.append(search.share_done)
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1


def test_order_of_the_masks() -> None:
    """Depth first, digit 0 first: forward fixes the first digit, reverse the last."""
    numbers = ["00000000", "09000000"]
    _, forward = walk(ThoroughSearch(SecondaryMask.ANY), numbers)
    assert forward[:3] == ["FFFFFFFF", "0FFFFFFF", "00FFFFFF"]
    assert forward[11] == "09FFFFFF"
    assert forward[12] == "1FFFFFFF"
    _, reverse = walk(ThoroughSearch(SecondaryMask.ANY, Direction.REVERSE), numbers)
    assert reverse[:3] == ["FFFFFFFF", "FFFFFFF0", "FFFFFF00"]


@pytest.mark.parametrize(
    ("numbers", "direction", "selects"),
    [
        ([], Direction.FORWARD, 1),
        (["66600106"], Direction.FORWARD, 1),
        ([f"{n:08d}" for n in range(10)], Direction.FORWARD, 81),
        ([f"{n:08d}" for n in range(10)], Direction.REVERSE, 11),
        ([f"{n:08d}" for n in range(250)], Direction.FORWARD, 1 + 10 * (6 + 3 + 25)),
        ([f"{n:08d}" for n in range(250)], Direction.REVERSE, 1 + 10 * (1 + 10 + 100)),
    ],
)
def test_known_costs(numbers: list[str], direction: Direction, selects: int) -> None:
    """Selects of ready populations, as counted by hand."""
    search = ThoroughSearch(SecondaryMask.ANY, direction)
    walk(search, numbers)
    assert search.statistics.selects == selects


def test_meters_of_one_address_are_reported() -> None:
    """A collision that no byte resolves: the mask is named, the neighbours are found."""
    search = ThoroughSearch(SecondaryMask.ANY)
    found, _ = walk(search, ["12345678", "12345678", "12345679", "90000000"])
    assert found == ["12345679", "90000000"]
    assert [mask.identification_number for mask in search.unresolved] == ["12345678"]


def garbled(search: ThoroughSearch, numbers: Collection[str] = (), limit: int = 5000) -> list[str]:
    """Search a bus on which meter 12345678 collides with itself; gives the numbers found."""
    bus = [SecondaryAddress(number, 0x32A7, 2, 4) for number in numbers]
    broken = SecondaryAddress("12345678", 0x32A7, 2, 4)
    found = []
    while (mask := search.next_mask()) is not None:
        assert search.statistics.selects < limit, "no end"
        under = [address for address in bus if mask.contains(address)]
        if mask.contains(broken) or len(under) > 1:
            search.outcome(mask, Outcome.COLLISION)
        elif under:
            found.append(under[0].identification_number)
            search.outcome(mask, Outcome.SINGLE, under[0])
        else:
            search.outcome(mask, Outcome.EMPTY)
    return found


@pytest.mark.parametrize("direction", Direction)
def test_one_meter_that_always_sounds_like_several_ends_in_its_own_mask(
    direction: Direction,
) -> None:
    """Each byte is swept once: what all are in is gone on with, not begun anew."""
    search = ThoroughSearch(SecondaryMask.ANY, direction)
    sound = ["12345679", "90000000"]
    assert sorted(garbled(search, sound, limit=800)) == sound
    assert search.unresolved == [SecondaryMask("12345678", 0x32A7, 2, 4)]
    assert not search.is_cut


def test_sweeps_can_be_stopped() -> None:
    """Digits are asked all the same; the number that is left open is named."""
    search = ThoroughSearch(SecondaryMask.ANY)
    search.stop_sweeping()
    assert garbled(search, ["12345679"], limit=150) == ["12345679"]
    assert search.unresolved == [SecondaryMask("12345678")]
    assert search.is_cut


def test_a_mask_can_be_given_up() -> None:
    """Whoever knows that one meter is there says so, and no bytes are swept."""
    search = ThoroughSearch(SecondaryMask.ANY)
    search.give_up(SecondaryMask("12345678"))
    assert garbled(search, ["12345679"], limit=150) == ["12345679"]
    assert search.unresolved == [SecondaryMask("12345678")]
    assert not search.is_cut


def test_a_search_can_be_stopped() -> None:
    """Nothing more is asked, and what is left is named."""
    search = ThoroughSearch(SecondaryMask.ANY)
    for _ in range(5):
        mask = search.next_mask()
        assert mask is not None
        search.outcome(mask, Outcome.COLLISION)
    search.stop()
    assert search.next_mask() is None
    assert search.unresolved == [SecondaryMask.ANY]


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("decimal", [0, 1])
def test_digits_a_to_e_are_asked_for_where_somebody_is_missing(
    direction: Direction, decimal: int
) -> None:
    """Several answered, ten narrower masks hold fewer than two: five more follow."""
    numbers = ["A0000000", "B0000000", "10000000"][: 2 + decimal]
    if direction is Direction.REVERSE:
        numbers = [number[::-1] for number in numbers]
    search = ThoroughSearch(SecondaryMask.ANY, direction)
    found, asked = walk(search, numbers)
    assert set(found) == set(numbers)
    assert search.unresolved == []
    assert len(set(asked)) == 16


def test_a_letter_is_sought_at_its_place() -> None:
    """A letter deep in the tree is asked for there."""
    search = ThoroughSearch(SecondaryMask.ANY)
    found, asked = walk(search, ["123A5678", "123B5678"])
    assert set(found) == {"123A5678", "123B5678"}
    assert "123AFFFF" in asked


def test_a_digit_f_is_told_apart_by_other_digits() -> None:
    """F cannot be asked for: it is the wildcard. Another digit may still tell the meters apart."""
    search = ThoroughSearch(SecondaryMask.ANY)
    found, _ = walk(search, ["F2345678", "F2345679"])
    assert set(found) == {"F2345678", "F2345679"}


def test_outcomes_come_in_order() -> None:
    """An outcome for another mask than the one asked is a mistake of the caller."""
    search = ThoroughSearch(SecondaryMask.ANY)
    with pytest.raises(AssertionError, match="asked last"):
        search.outcome(SecondaryMask("0FFFFFFF"), Outcome.EMPTY)
