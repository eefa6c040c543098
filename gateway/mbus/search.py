"""The secondary search as a pure object: masks out, outcomes in (MBDOC48 p.64-66, `SCAN-01`).

A bus of unknown meters is searched by selecting with wildcards. Silence means that no meter lies
under the mask, one clean answer that (very likely) one does, anything else that several do; then
one more digit of the identification number is fixed and the ten narrower masks are asked. The
object decides *what* to ask next and *what is known*; sending, waiting and telling an answer from
garbage belong to the procedure that drives it (`gateway.device.scan`), so the same object serves
a model, a simulated line and a real bus.

Not here yet: digits A to F, splitting meters of one number by manufacturer, version and medium,
and an order of digits that adapts to what was found.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.mbus.address import SecondaryMask

#: Identification numbers have eight BCD digits (MBDOC48 p.34).
DIGITS: Final = 8
WILDCARD: Final = "F"


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


@dataclass(slots=True)
class DigitTreeSearch:
    """Depth-first walk over the tree of identification numbers below `root`.

    Ask `next_mask`, report with `outcome`, until `next_mask` is None. `unresolved` collects masks
    without a free digit under which several meters answered: meters that share a number.
    """

    root: SecondaryMask
    direction: Direction = Direction.FORWARD
    statistics: SearchStatistics = field(default_factory=SearchStatistics)
    unresolved: list[SecondaryMask] = field(default_factory=list)
    _open: list[SecondaryMask] = field(init=False)
    _share_done: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._open = [self.root]

    def next_mask(self) -> SecondaryMask | None:
        """The mask to ask now, or None when every number has been covered."""
        return self._open[-1] if self._open else None

    @property
    def share_done(self) -> float:
        """Share of the number space that is settled, 0 to 1."""
        return self._share_done if self._open else 1.0

    def outcome(self, mask: SecondaryMask, outcome: Outcome) -> None:
        """Settle `mask`, which must be the one that `next_mask` named."""
        asked = self._open.pop()
        assert asked == mask, "outcomes belong to the mask that was asked last"
        self.statistics.selects += 1
        if outcome is Outcome.COLLISION:
            self.statistics.collisions += 1
            self._split(mask)
            return
        if outcome is Outcome.EMPTY:
            self.statistics.empties += 1
        else:
            self.statistics.singles += 1
        self._share_done += self._share(mask)

    def _split(self, mask: SecondaryMask) -> None:
        position = self._free_position(mask)
        if position is None:
            self.unresolved.append(mask)
            self._share_done += self._share(mask)
            return
        number = mask.identification_number
        # Pushed in falling order so that digit 0 is asked first.
        for digit in "9876543210":
            narrower = number[:position] + digit + number[position + 1 :]
            self._open.append(replace(mask, identification_number=narrower))

    def _free_position(self, mask: SecondaryMask) -> int | None:
        for position in self.direction.positions:
            if mask.identification_number[position] == WILDCARD:
                return position
        return None

    def _share(self, mask: SecondaryMask) -> float:
        fixed = sum(digit != WILDCARD for digit in mask.identification_number)
        given = sum(digit != WILDCARD for digit in self.root.identification_number)
        return float(10 ** -(fixed - given))
