"""Which digit to fix next: the one that is expected to tell the meters apart at the least cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.mbus.search import SEVERAL
from gateway.mbus.searching.estimate import BASE, conditional_mean, deliveries
from gateway.mbus.searching.level import COST_COLLISION, COST_SINGLE, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.mbus.searching.level import Cell

#: What a cell costs that still collides: about what splitting it costs again.
_SPLIT_AGAIN: Final = 25.0
#: What looking for a meter costs that a mask over many cells has run into.
_HUNT: Final = 3.0
#: What telling known meters apart costs each of them, times the logarithm of their number.
_KNOWN_CROWD: Final = 3.0
#: Each step away from the last digit makes a position look dearer by this share.
_REMOTE: Final = 0.03
#: As long as no delivery shows, the leading digits are left alone: neighbours do not differ there.
_TAIL: Final = 4


@dataclass(frozen=True, slots=True)
class Position:
    """The question: `cells` that fix the positions `fixed`, and the positions that are `free`.

    `found` and `hints` are numbers as in `Level`.
    """

    cells: Sequence[Cell]
    fixed: tuple[int, ...]
    free: Sequence[int]
    found: list[str]
    hints: Sequence[str]

    def best(self, count: float) -> int:
        """The position to fix next when `count` meters are expected in all."""
        decimal = [number for number in [*self.found, *self.hints] if number.isdecimal()]
        runs = deliveries(decimal, self._level(self.free[-1], []).settled) if self.fixed else []
        places = list(reversed(self.free))
        if not runs:
            places = [place for place in places if place >= _TAIL] or places
        costs: dict[int, float] = {}
        for rank, place in enumerate(places):
            level = self._level(place, self.found)
            level.expect(count, runs)
            cost = sum(self._digit_costs(level)) * (1 + rank * _REMOTE)
            costs[place] = cost
        return min(costs, key=costs.__getitem__)

    def _level(self, place: int, found: list[str]) -> Level:
        return Level(self.cells, self.fixed, place, found, self.hints)

    def _digit_costs(self, level: Level) -> Iterator[float]:
        """For each digit, the cost of its children one by one or all at once."""
        for digit in range(BASE):
            means = [self._mean(level, index * BASE + digit) for index in range(len(self.cells))]
            hints = [level.hints_in(index * BASE + digit) for index in range(len(self.cells))]
            singly = sum(map(_cost, means, hints))
            if level.knows(str(digit)):
                yield singly
                continue
            total = sum(means)
            none = math.exp(-total)
            one = total * none
            together = none + one * COST_SINGLE + (1 - none - one) * (COST_COLLISION + singly)
            yield min(singly, together, 1 + total * (COST_SINGLE + _HUNT))

    def _mean(self, level: Level, child: int) -> float:
        cell = child // BASE
        prior = level.prior(child)
        row = sum(level.prior(cell * BASE + digit) for digit in range(BASE))
        if not self.cells[cell].proven or row <= 0:
            return prior
        return conditional_mean(row, SEVERAL) * prior / row


def _cost(mean: float, hints: int) -> float:
    """The expected cost of asking for a child by its own mask, and of what comes of it."""
    crowd = COST_COLLISION + _SPLIT_AGAIN
    none = math.exp(-mean)
    if hints >= SEVERAL:
        return hints * (COST_SINGLE + _KNOWN_CROWD * math.log(hints))
    if hints:
        return none * COST_SINGLE + (1 - none) * crowd
    one = mean * none
    return none + one * COST_SINGLE + (1 - none - one) * crowd
