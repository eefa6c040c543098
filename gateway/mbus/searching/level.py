"""One level of the search: the ten children of every colliding cell, and which mask to ask next.

All cells of a level fix the same digit positions; the level fixes one more. A child is a cell with
one value of that digit. A mask that leaves some of the cells' own digits out covers the same child
digit of several cells at once: silence, or one single meter, settles all of them together.

A child leaves the open set in one of two ways: a mask that contains it was empty or had a single
meter, or it becomes a cell of the next level, asked or not. Nothing else closes it, so no meter
can be lost, whatever is expected of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.mbus.search import SEVERAL, WILDCARD, Outcome
from gateway.mbus.searching.estimate import BASE, INERTIA, conditional_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.mbus.searching.estimate import Delivery

#: What a probe costs, in terms of an empty one: 0.27, 0.69 and 0.34 s at 2400 Bd.
COST_SINGLE: Final = 2.6
COST_COLLISION: Final = 1.27
#: More expected meters than this make a collective probe hopeless.
_HOPELESS: Final = 4.0
#: On the first level, a child that collides with this probability is split without asking...
_SURE_FIRST: Final = 0.9
#: ... once so many were asked, since the estimate is worth nothing before.
_FIRST_ASKED: Final = 4
#: Further down, so many of those asked (by Laplace's rule) must have collided.
_SURE: Final = 0.93


class Cell(NamedTuple):
    """A mask with several meters; `proven` when it was asked and collided."""

    number: str
    proven: bool


class Choice(NamedTuple):
    """A mask to ask and the open children (bits) that it covers."""

    number: str
    covered: int


@dataclass(slots=True)
class _Group:
    """Children that hold at least `need` meters together, by a collision of `number`."""

    number: str
    children: int
    need: int
    mean: float = 0.0


@dataclass(slots=True)
class Level:
    """The open children of `cells` at `position`; bit ``cell * 10 + digit`` stands for a child.

    `fixed` are the positions that the search has fixed before. `found` are all numbers found so
    far; the list is shared with the search, which appends to it before `settle`. `hints` are
    numbers of meters that were there once. `last` says that no other digit is left to be fixed.
    """

    cells: Sequence[Cell]
    fixed: tuple[int, ...]
    position: int
    found: list[str]
    hints: Iterable[str] = ()
    last: bool = False
    chance: float = 0.0
    """Probability of a collision on the first level, where somebody estimates it."""
    open: int = 0
    next_cells: list[Cell] = field(default_factory=list)
    _waiting: int = 0
    _places: tuple[int, ...] = ()
    _priors: list[float] = field(default_factory=list)
    _groups: list[_Group] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)
    _digit_bits: list[int] = field(default_factory=list)
    _place_bits: dict[tuple[int, str], int] = field(default_factory=dict)
    _kept: list[tuple[int, ...]] = field(default_factory=list)
    _collided: set[str] = field(default_factory=set)
    #: Known numbers, found ones and hints, by digit; bit n stands for the n-th of `_known`.
    _known: dict[str, int] = field(default_factory=dict)
    _known_bits: dict[tuple[int, str], int] = field(default_factory=dict)
    _hinted: int = 0
    _hints_in: dict[int, int] = field(default_factory=dict)
    _expected: list[float] = field(default_factory=lambda: [0.0] * BASE)
    _seen: list[float] = field(default_factory=lambda: [0.0] * BASE)
    _asked: int = 0
    _clashes: int = 0
    _singles: int = 0

    def __post_init__(self) -> None:
        count = len(self.cells)
        self._places = tuple(sorted((*self.fixed, self.position)))
        self.open = (1 << count * BASE) - 1
        column = sum(1 << cell * BASE for cell in range(count))
        self._digit_bits = [column << digit for digit in range(BASE)]
        row = (1 << BASE) - 1
        for index, cell in enumerate(self.cells):
            self._index["".join([cell.number[place] for place in self.fixed])] = index
            for position in self.fixed:
                key = (position, cell.number[position])
                bits = self._place_bits.get(key, 0) | row << index * BASE
                self._place_bits[key] = bits
            if cell.proven:
                self._groups.append(_Group(cell.number, row << index * BASE, SEVERAL))
        for number in self.found:
            self._know(number)
        for number in self.hints:
            self._hint(number)
        # The widest masks, those that keep the fewest digits, come first.
        self._kept = [
            kept for size in range(len(self.fixed)) for kept in combinations(self.fixed, size)
        ]

    # --- Expectations -------------------------------------------------------------------------

    def expect(self, count: float, deliveries: Iterable[Delivery]) -> None:
        """Spread `count` expected meters over the children: at random, and by deliveries."""
        runs = [(run.share, run.spread(self._places)) for run in deliveries]
        at_random = count * (1.0 - sum(share for share, _ in runs)) * BASE ** -len(self._places)
        self._priors = [at_random] * (len(self.cells) * BASE)
        for share, (shares, factor) in runs:
            self._add_run(count * share * factor, shares)
        for group in self._groups:
            group.mean = sum(self._priors[child] for child in members(group.children & self.open))

    def _add_run(self, meters: float, shares: dict[str, float]) -> None:
        places = self._places[: len(next(iter(shares)))]
        slot = places.index(self.position) if self.position in places else None
        for index, cell in enumerate(self.cells):
            digits = [cell.number[place] for place in places]
            for digit in range(BASE):
                if slot is not None:
                    digits[slot] = str(digit)
                share = shares.get("".join(digits))
                if share:
                    self._priors[index * BASE + digit] += meters * share

    @property
    def surplus(self) -> float:
        """Meters found in this level per meter expected, drawn towards 1."""
        return (sum(self._seen) + INERTIA) / (sum(self._expected) + INERTIA)

    @property
    def is_lonely(self) -> bool:
        """Whether nothing has collided so far, and at most one meter was found."""
        return self._clashes == 0 and self._singles <= 1 and not self.next_cells

    def settled(self, number: str) -> bool:
        """Whether `number` (decimal) has been looked for: it lies under no open child."""
        child = self._child_of(number)
        return child is None or not self.open >> child & 1

    def _child_of(self, number: str) -> int | None:
        index = self._index.get("".join([number[place] for place in self.fixed]))
        digit = number[self.position]
        return None if index is None or not digit.isdecimal() else index * BASE + int(digit)

    def mean(self, child: int) -> float:
        """Expected number of meters in an open child, hints not counted."""
        prior = self._priors[child]
        mean = prior
        bit = 1 << child
        for group in self._groups:
            if group.children & bit and group.need > 0 and group.mean > 0:
                mean = max(mean, conditional_mean(group.mean, group.need) * prior / group.mean)
        digit = child % BASE
        return mean * (self._seen[digit] + INERTIA) / (self._expected[digit] + INERTIA)

    def prior(self, child: int) -> float:
        """Expected number of meters in a child before anything of this level is known."""
        return self._priors[child]

    def hints_in(self, child: int) -> int:
        """How many meters in a child were there once and were not found yet."""
        return self._hints_in.get(child, 0)

    def knows(self, digit: str) -> bool:
        """Whether any known number has `digit` at this level's position."""
        return bool(self._known_bits.get((self.position, digit), 0))

    # --- Choice -------------------------------------------------------------------------------

    def choose(self) -> Choice | None:
        """The mask to ask next; None when every child is settled."""
        while self.open:
            child = self._next_child()
            own = 1 << child
            if not self._is_crowded(child):
                return self._widest(child) or Choice(self._number(child), own)
            self._close(own)
            self._waiting |= own
            self.next_cells.append(Cell(self._number(child), proven=False))
        return None

    def _next_child(self) -> int:
        """Known meters first: a mask with one of them settles much at once."""
        for child, hints in self._hints_in.items():
            if hints and self.open >> child & 1:
                return child
        return (self.open & -self.open).bit_length() - 1

    def _widest(self, child: int) -> Choice | None:
        """The widest mask that pays, with nobody under it who is known to be elsewhere."""
        cell = self.cells[child // BASE].number
        digit = str(child % BASE)
        same_digit = self._digit_bits[child % BASE]
        known = self._known_bits.get((self.position, digit), 0)
        means: dict[int, float] = {}
        for kept in self._kept:
            covered, contained = same_digit, known
            for place in kept:
                covered &= self._place_bits[place, cell[place]]
                contained &= self._known_bits.get((place, cell[place]), 0)
            # A cell that waits for the next level would make the mask collide, and so would a
            # found meter beside a new one. A single known meter may well be asked this way.
            one_hint = contained & self._hinted == contained and contained.bit_count() == 1
            if covered & self._waiting or (contained and not one_hint):
                continue
            covered &= self.open
            count = covered.bit_count()
            if count == 1 or not self._pays(covered, count, means, hinted=bool(contained)):
                continue
            number = self._masked(cell, kept, digit)
            if number not in self._collided:
                return Choice(number, covered)
        return None

    def _pays(self, covered: int, count: int, means: dict[int, float], *, hinted: bool) -> bool:
        """Whether asking for all of `covered` at once saves more than a collision would cost."""
        total = 0.0
        for child in members(covered):
            mean = means.get(child)
            if mean is None:
                mean = means[child] = self.mean(child)
            total += mean
            if total > _HOPELESS:
                return False
        none = math.exp(-total)
        settled = none if hinted else none * (1 + total)
        return settled * (count - 1) > (1 - settled) * COST_COLLISION

    def _is_crowded(self, child: int) -> bool:
        """Whether a child is so sure to collide that asking would tell nothing.

        It is split further like any other cell, so a wrong guess costs masks and no meter.
        """
        if self._hints_in.get(child, 0) >= SEVERAL:
            return True
        bit = 1 << child
        if any(
            group.need >= SEVERAL and group.children & self.open == bit for group in self._groups
        ):
            return True
        if self.last:
            return False
        if not self.fixed and self._asked >= _FIRST_ASKED and self.chance > _SURE_FIRST:
            return True
        return (self._clashes + 1) / (self._asked + 2) > _SURE

    def _number(self, child: int) -> str:
        cell = self.cells[child // BASE].number
        return cell[: self.position] + str(child % BASE) + cell[self.position + 1 :]

    def _masked(self, cell: str, kept: tuple[int, ...], digit: str) -> str:
        digits = list(cell)
        for place in self.fixed:
            if place not in kept:
                digits[place] = WILDCARD
        digits[self.position] = digit
        return "".join(digits)

    # --- Outcome ------------------------------------------------------------------------------

    def settle(self, choice: Choice, outcome: Outcome, number: str | None) -> int:
        """Take the outcome of a choice; returns how many children it closed for good.

        `number` is that of the single meter; None where it does not say where the meter lies.
        """
        covered = choice.covered
        single_child = covered & (covered - 1) == 0
        is_news = number is None or number not in self._known
        self._observe(covered, outcome, single_child=single_child, is_news=is_news)
        if outcome is Outcome.COLLISION and not single_child:
            self._collided.add(choice.number)
            mean = sum(self._priors[child] for child in members(covered))
            self._groups.append(_Group(choice.number, covered, SEVERAL, mean))
            return 0
        self._close(covered)
        if outcome is Outcome.COLLISION:
            self._waiting |= covered
            self.next_cells.append(Cell(choice.number, proven=True))
            self._count_in(choice.number, SEVERAL)
            return 0
        if outcome is Outcome.SINGLE:
            self._singles += 1
        if number is not None:
            self._know(number)
            self._count_in(number, 1)
        return covered.bit_count()

    def _observe(
        self, covered: int, outcome: Outcome, *, single_child: bool, is_news: bool
    ) -> None:
        """Compare what a digit brought with what was expected of it."""
        collided = outcome is Outcome.COLLISION
        if single_child:
            self._asked += 1
            self._clashes += collided
        elif collided:
            return
        total = sum(self.mean(child) for child in members(covered))
        digit = ((covered & -covered).bit_length() - 1) % BASE
        self._expected[digit] += total
        if collided:
            self._seen[digit] += conditional_mean(total, SEVERAL)
        elif outcome is Outcome.SINGLE and is_news:
            self._seen[digit] += 1.0

    def _close(self, covered: int) -> None:
        self.open &= ~covered
        for group in self._groups:
            gone = group.children & covered
            if gone:
                group.mean -= sum(self._priors[child] for child in members(gone))
        self._groups = [group for group in self._groups if group.children & self.open]

    def _count_in(self, number: str, meters: int) -> None:
        for group in self._groups:
            if group.need > 0 and lies_under(number, group.number):
                group.need -= meters

    # --- Known numbers ------------------------------------------------------------------------

    def _know(self, number: str) -> None:
        index = self._known.get(number)
        if index is None:
            index = self._known[number] = len(self._known)
            for place, digit in enumerate(number):
                key = (place, digit)
                self._known_bits[key] = self._known_bits.get(key, 0) | 1 << index
        elif self._hinted >> index & 1:
            self._hinted &= ~(1 << index)
            child = self._child_of(number)
            if child is not None:
                self._hints_in[child] = 0

    def _hint(self, number: str) -> None:
        child = self._child_of(number)
        if number in self._known:
            if child is not None and self._hinted >> self._known[number] & 1:
                # Two known meters share a number.
                self._hints_in[child] = self._hints_in.get(child, 0) + 1
            return
        self._know(number)
        self._hinted |= 1 << self._known[number]
        if child is not None:
            self._hints_in[child] = self._hints_in.get(child, 0) + 1


def lies_under(number: str, mask: str) -> bool:
    """Whether the digits of `number` (or of a narrower mask) lie under `mask`."""
    return all(wanted in (WILDCARD, digit) for wanted, digit in zip(mask, number, strict=True))


def members(bits: int) -> list[int]:
    """The positions of the bits that are set, ascending."""
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found
