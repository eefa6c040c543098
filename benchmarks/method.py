"""How things are measured here: one core, warmed up, in turn, medians, and the spread told.

Machines are shared and noisy, so a figure of ours alone says little. Contestants run in turn (A B A
B ...) in one process or against one load, the medians of all rounds are compared, and the ratio is
given with its spread over the rounds. The garbage collector stays on, as it is in use.

What only computes is timed in CPU seconds of the process, which other processes on the core do
not lengthen; what talks to the outside is timed by the wall clock.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Rounds in which every contestant has its turn once.
ROUNDS: Final = 7
ROUNDS_QUICK: Final = 1
#: CPU seconds that one turn lasts at least; shorter ones show the clock, not the code.
TURN_S: Final = 0.2
TURN_QUICK_S: Final = 0.01


def cores() -> list[int]:
    """The cores that this process may use, at least one."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return [0]


_AT_START: Final = tuple(cores())


def cores_at_start() -> tuple[int, ...]:
    """The cores that this process could use before it was pinned."""
    return _AT_START


def pin(core: int) -> bool:
    """Keep this process on one core; False where the system cannot."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, {core})
    return True


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two medians, with the least and the greatest ratio of any single round."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.low:.2f}-{self.high:.2f}]"


def ratio(ours: Sequence[float], peer: Sequence[float]) -> Ratio:
    """How many times `peer` we are; the two lists are figures of the same rounds, in order."""
    rounds = [mine / other for mine, other in zip(ours, peer, strict=True)]
    return Ratio(median(ours) / median(peer), min(rounds), max(rounds))


def spread(figures: Sequence[float]) -> str:
    """The range of the figures in the form [low-high], to three digits."""
    return f"[{short(min(figures))}-{short(max(figures))}]"


def short(figure: float) -> str:
    """A figure to three digits, with k, M, G or T for the thousands."""
    for limit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(figure) >= limit:
            return f"{figure / limit:.3g} {suffix}"
    return f"{figure:.3g}"


def in_turn(
    contestants: Mapping[str, Callable[[], float]], *, rounds: int
) -> dict[str, list[float]]:
    """Let each contestant warm up once, then give one figure in every round.

    The order is turned round from round to round, so that nobody always runs behind the same one.
    """
    for contestant in contestants.values():
        contestant()
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants.items())
    for number in range(rounds):
        for name, contestant in order if number % 2 == 0 else reversed(order):
            figures[name].append(contestant())
    return figures


def per_cpu_second(work: Callable[[], int], *, at_least_s: float) -> float:
    """Units of work done in a CPU second; `work` does a portion and says how many units it was."""
    done, begin = 0, time.process_time()
    while True:
        done += work()
        elapsed = time.process_time() - begin
        if elapsed >= at_least_s:
            return done / elapsed


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: `quick` shows that a benchmark works, and its figures mean nothing."""

    quick: bool = False

    @property
    def rounds(self) -> int:
        """Rounds of `in_turn`."""
        return ROUNDS_QUICK if self.quick else ROUNDS

    @property
    def turn_s(self) -> float:
        """CPU seconds of one turn."""
        return TURN_QUICK_S if self.quick else TURN_S
