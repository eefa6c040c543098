"""The secondary search as a pure object: masks out, outcomes in (MBDOC48 p.64-66, `SCAN-01`).

A bus of unknown meters is searched by selecting with wildcards. Silence means that no meter lies
under the mask, one clean answer that (very likely) one does, anything else that several do; then
one more digit of the identification number is fixed and the ten narrower masks are asked. The
object decides *what* to ask next and *what is known*; sending, waiting and telling an answer from
garbage belong to the procedure that drives it (`gateway.device.scan`), so the same object serves
a model, a simulated line and a real bus.

Not here yet: digits A to E, splitting meters of one number by manufacturer, version and medium,
and an order of digits that adapts to what was found. Where one of them would be needed is not
passed over in silence: `DigitTreeSearch.unresolved` names the mask.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.mbus.address import SecondaryMask

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


@dataclass(slots=True)
class _Branch:
    """A mask that several meters answered, and the narrower ones that are still to be settled."""

    mask: SecondaryMask
    waiting: list[SecondaryMask]
    meters: int = 0


@dataclass(slots=True)
class DigitTreeSearch:
    """Depth-first walk over the tree of identification numbers below `root`.

    Ask `next_mask`, report with `outcome`, until `next_mask` is None.

    `unresolved` collects the masks under which several meters answered and fewer than two were
    found: without a free digit, meters that share a number; with free digits, most likely meters
    whose next digit is none of 0 to 9.
    """

    root: SecondaryMask
    direction: Direction = Direction.FORWARD
    statistics: SearchStatistics = field(default_factory=SearchStatistics)
    unresolved: list[SecondaryMask] = field(default_factory=list)
    _branches: list[_Branch] = field(default_factory=list, init=False)
    _root_settled: bool = field(default=False, init=False)
    _share_done: float = field(default=0.0, init=False)

    def next_mask(self) -> SecondaryMask | None:
        """The mask to ask now, or None when every number has been covered."""
        if self._root_settled:
            return None
        return self._branches[-1].waiting[-1] if self._branches else self.root

    @property
    def share_done(self) -> float:
        """Share of the number space that is settled, 0 to 1."""
        return 1.0 if self._root_settled else self._share_done

    def outcome(self, mask: SecondaryMask, outcome: Outcome) -> None:
        """Settle `mask`, which must be the one that `next_mask` named."""
        assert mask == self.next_mask(), "outcomes belong to the mask that was asked last"
        self.statistics.selects += 1
        if outcome is Outcome.COLLISION:
            self.statistics.collisions += 1
            self._split(mask)
            return
        self._share_done += self._share(mask)
        if outcome is Outcome.EMPTY:
            self.statistics.empties += 1
            self._settle(0)
        else:
            self.statistics.singles += 1
            self._settle(1)

    def _split(self, mask: SecondaryMask) -> None:
        position = self._free_position(mask)
        if position is None:
            self.unresolved.append(mask)
            self._share_done += self._share(mask)
            self._settle(SEVERAL)
            return
        # In falling order, since the last is asked first.
        narrower = [mask.with_digit(position, digit) for digit in "9876543210"]
        self._branches.append(_Branch(mask, narrower))

    def _settle(self, meters: int) -> None:
        """Take the number of meters under the mask asked last, and what it completes above."""
        while self._branches:
            branch = self._branches[-1]
            branch.waiting.pop()
            branch.meters += meters
            if branch.waiting:
                return
            self._branches.pop()
            if branch.meters < SEVERAL:
                self.unresolved.append(branch.mask)
            # What is missing below this mask has been told; it is not missing above it as well.
            meters = max(SEVERAL, branch.meters)
        self._root_settled = True

    def _free_position(self, mask: SecondaryMask) -> int | None:
        for position in self.direction.positions:
            if mask.identification_number[position] == WILDCARD:
                return position
        return None

    def _share(self, mask: SecondaryMask) -> float:
        fixed = sum(digit != WILDCARD for digit in mask.identification_number)
        given = sum(digit != WILDCARD for digit in self.root.identification_number)
        return float(10 ** -(fixed - given))
