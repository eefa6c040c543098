"""The words of the secondary search: directions, outcomes, figures (MBDOC48 p.64-66, `SCAN-01`).

A bus of unknown meters is searched by selecting with wildcards. Silence means that no meter lies
under the mask, one clean answer that (very likely) one does, anything else that several do; then
narrower masks are asked. `gateway.mbus.searching` decides which; sending, waiting and telling an
answer from garbage belong to the procedure that drives it (`gateway.device.scan`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

#: Identification numbers have eight BCD digits (MBDOC48 p.34).
DIGITS: Final = 8
WILDCARD: Final = "F"
#: A collision is the answer of at least so many meters.
SEVERAL: Final = 2


@unique
class Outcome(Enum):
    """What a mask was answered with."""

    EMPTY = "empty"
    SINGLE = "single"
    COLLISION = "collision"


@unique
class Direction(Enum):
    """Which digit is fixed first: the first (`SCAN-01`) or the last (`SCAN-05`)."""

    FORWARD = "forward"
    REVERSE = "reverse"

    @property
    def positions(self) -> tuple[int, ...]:
        """Digit positions, 0 = most significant, in the order in which they are fixed."""
        order = range(DIGITS)
        return tuple(order if self is Direction.FORWARD else reversed(order))


@dataclass(slots=True)
class SearchStatistics:
    """How many masks were asked, by outcome."""

    selects: int = 0
    empties: int = 0
    singles: int = 0
    collisions: int = 0
