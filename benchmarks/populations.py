"""M2: identification numbers as they hang on buses, and what searching them costs by arithmetic.

The models walk the digit tree of a search without a bus, under the assumption that every collision
is recognised. They reproduce the tables that the goals were taken from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

DIGITS: Final = 8
COUNTS: Final = (1, 10, 50, 80, 250)
BATCHES: Final = 4


def random_numbers(rng: random.Random, count: int) -> list[str]:
    """Numbers without any order, as on a bus of many makers."""
    return [f"{number:08d}" for number in rng.sample(range(10**DIGITS), count)]


def sequential(rng: random.Random, count: int) -> list[str]:
    """One delivery, number after number."""
    first = rng.randrange(10**DIGITS - count)
    return [f"{first + i:08d}" for i in range(count)]


def batches(rng: random.Random, count: int) -> list[str]:
    """Four deliveries with gaps of 1 to 5 between neighbours."""
    numbers: set[int] = set()
    for part in range(BATCHES):
        size = count // BATCHES + (part < count % BATCHES)
        number = rng.randrange(10**DIGITS - 6 * count)
        for _ in range(size):
            while number in numbers:
                number += 1
            numbers.add(number)
            number += rng.randint(1, 5)
    return [f"{number:08d}" for number in sorted(numbers)]


def same_prefix(rng: random.Random, count: int) -> list[str]:
    """One maker and year: the first four digits are equal, the rest is random."""
    prefix = rng.randrange(10**4)
    return [f"{prefix:04d}{number:04d}" for number in rng.sample(range(10**4), count)]


KINDS: Final[dict[str, Callable[[random.Random, int], list[str]]]] = {
    "random": random_numbers,
    "sequential": sequential,
    "batches": batches,
    "same prefix": same_prefix,
}


@dataclass(frozen=True, slots=True)
class Tree:
    """Masks asked in a plain digit tree, by their answer; the root itself is not asked."""

    empties: int
    singles: int
    collisions: int

    @property
    def masks(self) -> int:
        """All masks."""
        return self.empties + self.singles + self.collisions


def walk(numbers: Sequence[str], order: Sequence[int]) -> Tree:
    """The tree over different `numbers` whose digits are fixed in `order`; ten masks a node."""
    empties = singles = collisions = 0
    waiting = [(list(numbers), 0)]
    while waiting:
        inside, depth = waiting.pop()
        children: dict[str, list[str]] = {}
        for number in inside:
            children.setdefault(number[order[depth]], []).append(number)
        empties += 10 - len(children)
        for child in children.values():
            if len(child) == 1:
                singles += 1
            else:
                collisions += 1
                waiting.append((child, depth + 1))
    return Tree(empties, singles, collisions)


FORWARD: Final = tuple(range(DIGITS))
#: The six fixed orders among which the best is chosen in hindsight; 0 is the first digit.
ORDERS: Final = tuple(
    tuple(map(int, order))
    for order in ("01234567", "76543210", "56743210", "67543210", "70615243", "45670123")
)

# Costs in ms at 2400 Bd with an answer after 50 ms and RSP_UD of 100 bytes.
_LIBMBUS_EMPTY_MS: Final = 2 * 378
_LIBMBUS_SINGLE_MS: Final = 1260
_LIBMBUS_COLLISION_MS: Final = 440
_BOOK_EMPTY_MS: Final = 265
_BOOK_SINGLE_MS: Final = 690
_BOOK_COLLISION_MS: Final = 340


def libmbus(numbers: Sequence[str]) -> tuple[int, float]:
    """Selects and bus seconds at 2400 Bd of libmbus 0.8: forward, every empty mask asked twice."""
    tree = walk(numbers, FORWARD)
    ms = (
        tree.empties * _LIBMBUS_EMPTY_MS
        + tree.singles * _LIBMBUS_SINGLE_MS
        + tree.collisions * _LIBMBUS_COLLISION_MS
    )
    return tree.masks + tree.empties, ms / 1000


def by_the_book(numbers: Sequence[str], order: Sequence[int]) -> float:
    """Bus seconds at 2400 Bd of a master that keeps to the times of MBDOC48 p.25-26."""
    tree = walk(numbers, order)
    ms = (
        tree.empties * _BOOK_EMPTY_MS
        + tree.singles * _BOOK_SINGLE_MS
        + tree.collisions * _BOOK_COLLISION_MS
    )
    return ms / 1000


def best_order(numbers: Sequence[str]) -> float:
    """Bus seconds of the best of six fixed orders, chosen when everything is known."""
    return min(by_the_book(numbers, order) for order in ORDERS)
