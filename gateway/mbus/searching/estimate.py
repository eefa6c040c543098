"""What the search expects: how many meters there are, and where the next ones are likely to be.

Expectations decide the order of the masks and nothing else. A wrong one costs bus time; it never
closes a branch, so it can lose no meter.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.mbus.search import DIGITS, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Values of a decimal digit.
BASE: Final = 10
#: Counts of meters that are weighed against each other: 1 to 1000, evenly on a logarithmic scale.
_GRID: Final = tuple(1.12**step for step in range(51))
#: Numbers of one delivery are closer to each other than this.
_GAP: Final = 5000
#: Share of a delivery that is expected anywhere else after all.
_ELSEWHERE: Final = 0.04
#: Reach beyond the ends of a run, in mean gaps, and its weight against the inside.
_BEYOND: Final = 2
_BESIDE: Final = 0.3
#: Blocks that describe a run.
_BLOCKS: Final = 600
_LAST: Final = BASE**DIGITS - 1
#: Below this mean the closed forms of `conditional_mean` divide zero by zero.
_TINY: Final = 1e-4
#: How fast observations inside a level outweigh the expectation from before it, in meters.
INERTIA: Final = 3.0


def conditional_mean(mean: float, at_least: int) -> float:
    """Mean of a Poisson number with `mean` once it is known to be 0, 1 or 2 `at_least`."""
    if at_least <= 0:
        return mean
    if mean < _TINY:
        return float(at_least)
    none = math.exp(-mean)
    if at_least == 1:
        return mean / (1 - none)
    return mean * (1 - none) / (1 - none - mean * none)


@dataclass(slots=True)
class MeterCount:
    """How many meters there are below the root, from the outcomes of masks of equal share.

    The prior weighs every order of magnitude alike; each outcome multiplies in its probability
    under a Poisson number of meters (`observe`). `scale` follows what a level found of what it
    expected.
    """

    scale: float = 1.0
    _weights: list[float] = field(default_factory=lambda: [1.0] * len(_GRID))

    def observe(self, share: float, outcome: Outcome) -> None:
        """Take the outcome of a mask that covers `share` (0 to 1) of the numbers at random."""
        for index, count in enumerate(_GRID):
            mean = count * share
            none = math.exp(-mean)
            if outcome is Outcome.EMPTY:
                likelihood = none
            elif outcome is Outcome.SINGLE:
                likelihood = mean * none
            else:
                likelihood = 1 - none - mean * none
            self._weights[index] *= likelihood
        total = sum(self._weights) or 1.0
        self._weights = [weight / total for weight in self._weights]

    def collision(self, share: float) -> float:
        """Probability that a mask of that `share` of the numbers collides."""
        chance = 0.0
        for weight, count in zip(self._weights, _GRID, strict=True):
            mean = count * share
            chance += weight * (1 - math.exp(-mean) * (1 + mean))
        return chance / (sum(self._weights) or 1.0)

    @property
    def mean(self) -> float:
        """Expected number of meters."""
        weighed = sum(w * n for w, n in zip(self._weights, _GRID, strict=True))
        return self.scale * weighed / (sum(self._weights) or 1.0)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A run of numbers that were probably delivered together.

    `share` is how much of all meters it is taken for. The run is kept as `blocks`: leading digits
    (all but the last few) with a weight each; the weights sum up to 1, and the digits behind a
    block have any value.
    """

    share: float
    blocks: tuple[tuple[str, float], ...]

    def spread(self, places: tuple[int, ...]) -> tuple[dict[str, float], float]:
        """Shares of the run by their digits at `places` (ascending).

        The keys hold the digits at those of the places that a block has; each digit behind it
        takes the factor that comes second into account.
        """
        known = len(self.blocks[0][0])
        inside = [place for place in places if place < known]
        shares: dict[str, float] = defaultdict(float)
        for block, weight in self.blocks:
            shares["".join([block[place] for place in inside])] += weight
        return shares, float(BASE ** (len(inside) - len(places)))


def deliveries(numbers: Iterable[str], settled: Callable[[str], bool]) -> list[Delivery]:
    """The deliveries among found `numbers` (8 decimal digits each).

    One number is no delivery; of m numbers m - 1 count, so that chance meetings weigh little.
    `settled` tells of any number whether it has been looked for.
    """
    values = sorted(int(number) for number in numbers)
    runs: list[list[int]] = []
    for value in values:
        if runs and value - runs[-1][-1] <= _GAP:
            runs[-1].append(value)
        else:
            runs.append([value])
    weight = (1.0 - _ELSEWHERE) / (len(values) or 1)
    return [
        Delivery((len(run) - 1) * weight, _blocks(run, settled)) for run in runs if len(run) > 1
    ]


def _blocks(run: list[int], settled: Callable[[str], bool]) -> tuple[tuple[str, float], ...]:
    """The run and what lies around it, in at most some hundred blocks.

    A run goes on beyond the numbers found by about its length over their count on either side.
    """
    low, high = run[0], run[-1]
    beyond = _BEYOND * (high - low + 1) // len(run)
    size, digits = 1, DIGITS
    while (high - low + 2 * beyond) // size > _BLOCKS:
        size *= BASE
        digits -= 1
    first, last = max(0, low - beyond) // size, min(_LAST, high + beyond) // size
    low, high = low // size, high // size
    weights = dict.fromkeys(range(low, high + 1), 1.0)
    outward = (range(low - 1, first - 1, -1), range(high + 1, last + 1))
    gap = 0.0 if size > 1 else _gap_share(run, settled)
    for numbers in outward:
        weight = _BESIDE
        for number in numbers:
            if size == 1 and settled(f"{number:08d}"):
                weight *= gap
            weights[number] = weight
    total = sum(weights.values())
    return tuple((f"{block:0{digits}d}", weight / total) for block, weight in weights.items())


def _gap_share(run: list[int], settled: Callable[[str], bool]) -> float:
    """Share of the numbers inside a run, of those looked for, that are nobody's."""
    looked_for = sum(settled(f"{number:08d}") for number in range(run[0], run[-1] + 1))
    return max(0.02, 1.0 - len(run) / max(looked_for, len(run)))
