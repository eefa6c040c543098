"""The adaptive secondary search: fewer masks for the same certainty (`SCAN-05`, `C-74`).

Level by level one more digit of the identification number is fixed (`level`), the last one first,
since meters of one delivery differ there. What was found decides which digit comes next. What is
left when the digits are used up, or what does not add up, goes to the thorough search.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.mbus.address import SecondaryMask
from gateway.mbus.search import SEVERAL, WILDCARD, Outcome
from gateway.mbus.searching import coordinates
from gateway.mbus.searching.coordinates import HEXADECIMAL
from gateway.mbus.searching.estimate import BASE, MeterCount, deliveries
from gateway.mbus.searching.level import Cell, Choice, Level
from gateway.mbus.searching.position import Position
from gateway.mbus.searching.thorough import ThoroughSearch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.mbus.address import SecondaryAddress
    from gateway.mbus.searching.thorough import Answered, Question, Walk

#: Digits asked before "is there more than one at all?", when at most one meter was found by then.
_LONELY_AFTER: Final = 3
#: Expectations are made anew when the meters found have grown by one part in so many.
_NEWS: Final = 20
#: ... and after so many masks in any case.
_MASKS: Final = 10
#: Meters that a bus has beside those known from the last scan.
_NEWCOMERS: Final = 0.5


@dataclass(slots=True)
class AdaptiveSearch(ThoroughSearch):
    """Find every meter below `root` with few masks; used as `ThoroughSearch` is.

    `known` are meters that were there before. They are looked for first, each with a mask that
    hopefully holds no other; whether they are there, and who is new, is found out all the same.
    """

    known: Sequence[SecondaryAddress] = ()
    _numbers: list[str] = field(default_factory=list, init=False)
    _collided: list[SecondaryMask] = field(default_factory=list, init=False)
    _count: MeterCount = field(default_factory=MeterCount, init=False)

    @property
    def expected(self) -> float | None:
        """How many meters there are likely to be in all."""
        found = len(self._numbers)
        if self._done:
            return float(found)
        return max(float(found), len(self._hints()) + _NEWCOMERS, self._count.mean)

    def _hints(self) -> list[str]:
        return [
            address.identification_number
            for address in self.known
            if self.root.contains(address) and WILDCARD not in address.identification_number
        ]

    # --- The walk -----------------------------------------------------------------------------

    def _walk(self) -> Walk:
        cells = [Cell(self.root.identification_number, proven=False)]
        free = list(coordinates.wild_digits(self.root))
        hints = self._hints()
        if not free or len(hints) == 1:
            answered = yield self.root
            if answered.outcome is not Outcome.COLLISION:
                return
            self._collided.append(self.root)
            cells = [Cell(self.root.identification_number, proven=True)]
        while cells and free:
            position = self._next_position(cells, free, hints)
            level = Level(
                cells, tuple(self._split_at), position, self._numbers, hints, last=len(free) == 1
            )
            yield from self._search_level(level)
            if self._done:
                return
            free.remove(position)
            self._split_at.append(position)
            cells = level.next_cells
        yield from self._what_is_left(cells)

    def _next_position(self, cells: Sequence[Cell], free: list[int], hints: list[str]) -> int:
        if len(free) == 1 or not (self._numbers or hints):
            return free[-1]
        where = Position(cells, tuple(self._split_at), free, self._numbers, hints)
        return where.best(self._total)

    @property
    def _total(self) -> float:
        """Meters that the levels should expect at random."""
        return _NEWCOMERS * self._count.scale if self.known else self._count.mean

    def _search_level(self, level: Level) -> Walk:
        first = not self._split_at
        self._expect(level)
        found, masks = len(self._numbers), 0
        while (choice := level.choose()) is not None:
            if first and masks == _LONELY_AFTER and level.is_lonely:
                answered = yield self.root
                if answered.outcome is not Outcome.COLLISION:
                    self._done = True
                    return
                self._collided.append(self.root)
            answered = yield self._mask(choice.number)
            self._settle(level, choice, answered)
            masks += 1
            if first and not self.known:
                self._count.observe(1 / BASE, answered.outcome)
                level.chance = self._count.collision(1 / BASE)
            if len(self._numbers) - found >= max(1, found // _NEWS) or masks % _MASKS == 0:
                found = len(self._numbers)
                self._expect(level)
        if not first:
            self._count.scale *= level.surplus

    def _expect(self, level: Level) -> None:
        surplus = level.surplus if self._split_at else 1.0
        decimal = [number for number in self._numbers if number.isdecimal()]
        level.expect(self._total * surplus, deliveries(decimal, level.settled))

    def _settle(self, level: Level, choice: Choice, answered: Answered) -> None:
        number = None
        if answered.outcome is Outcome.COLLISION:
            self._collided.append(self._mask(choice.number))
        elif answered.address is not None and self._mask(choice.number).contains(answered.address):
            number = answered.address.identification_number
            self._numbers.append(number)
        closed = level.settle(choice, answered.outcome, number)
        self._share += closed * BASE ** -(len(self._split_at) + 1)

    def _mask(self, number: str) -> SecondaryMask:
        root = self.root
        return SecondaryMask(number, root.manufacturer, root.version, root.medium)

    # --- What the digits did not tell apart ---------------------------------------------------

    def _what_is_left(self, cells: Iterable[Cell]) -> Walk:
        for cell in cells:
            mask = self._mask(cell.number)
            if cell.proven or (yield from self._collides(mask)):
                yield from self._by_bytes(mask)
        if self.hexadecimal or (yield from self._hints_at_letters()):
            self.hexadecimal = True
            yield from self._by_letters()
        for mask in self._unaccounted():
            # Garbled by noise the first time, or one of them has an F among its digits.
            if (yield from self._collides(mask)):
                yield from self._crowd(mask)

    def _hints_at_letters(self) -> Question:
        """Whether some number may have a digit A to E where the levels asked for 0 to 9 only."""
        letters = set(HEXADECIMAL)
        if self._letters_seen() or any(letters & set(number) for number in self._hints()):
            return True
        for mask in self._unaccounted():
            if (yield from self._collides(mask)):
                return True
            self._collided.remove(mask)
        return False

    def _unaccounted(self) -> list[SecondaryMask]:
        """Masks that collided and under which fewer than two meters were found, narrowest first."""
        short = [mask for mask in self._collided if self.meters_under(mask) < SEVERAL]
        short.sort(key=lambda mask: mask.identification_number.count(WILDCARD))
        kept: list[SecondaryMask] = []
        for mask in short:
            if not any(coordinates.covers(mask, other) for other in kept + self.unresolved):
                kept.append(mask)
        return kept
