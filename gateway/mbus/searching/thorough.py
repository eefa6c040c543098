"""The tree search that leaves nothing out: digit by digit, then byte by byte, one mask at a time.

It is the search of MBDOC48 p.64-66, carried on where that ends: digits A to E where the decimal
ones do not account for a collision, and meters that share a number told apart by medium,
manufacturer and version. On its own it serves LITERAL timing with its fixed order of digits; the
adaptive search hands over to it what its own masks could not tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.mbus.address import WILD_BYTE
from gateway.mbus.search import DIGITS, SEVERAL, WILDCARD, Direction, Outcome, SearchStatistics
from gateway.mbus.searching import coordinates
from gateway.mbus.searching.coordinates import DECIMAL, HEXADECIMAL

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from gateway.mbus.address import SecondaryAddress, SecondaryMask

    Walk = Generator[SecondaryMask, "Answered", None]
    Question = Generator[SecondaryMask, "Answered", bool]

#: Masks that a whole search may spend on values that nothing points to: bytes behind a number that
#: several meters share, other digits where one of them cannot be asked for.
SWEEP_MASKS_MAX: Final = 2048


class Answered(NamedTuple):
    """What came back: `address` is the header of a single meter, None where it had none."""

    outcome: Outcome
    address: SecondaryAddress | None


@dataclass(slots=True)
class Sighting:
    """A single meter under `mask`; its header may name another place."""

    mask: SecondaryMask
    address: SecondaryAddress | None


@dataclass(slots=True)
class ThoroughSearch:
    """Ask `next_mask`, report with `outcome`, until `next_mask` is None.

    `unresolved` are masks that still collide, and under which fewer than two meters could be told
    apart. `unsearched` are masks under which at least two were found, but the byte values that a
    third might have were not all asked, since `SWEEP_MASKS_MAX` was reached.
    """

    root: SecondaryMask
    direction: Direction = Direction.FORWARD
    hexadecimal: bool = False
    """Whether digits A to E are asked for everywhere; otherwise where something points to them."""
    statistics: SearchStatistics = field(default_factory=SearchStatistics)
    unresolved: list[SecondaryMask] = field(default_factory=list)
    unsearched: list[SecondaryMask] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    _walk_on: Walk | None = field(default=None, init=False)
    _asking: SecondaryMask | None = field(default=None, init=False)
    _done: bool = field(default=False, init=False)
    _share: float = field(default=0.0, init=False)
    _split_at: list[int] = field(default_factory=list, init=False)
    _digging: int = field(default=0, init=False)
    _sweeps_left: int = field(default=SWEEP_MASKS_MAX, init=False)
    _given_up: set[SecondaryMask] = field(default_factory=set, init=False)

    # --- The interface ------------------------------------------------------------------------

    def next_mask(self) -> SecondaryMask | None:
        """The mask to ask now, or None when every number has been covered."""
        if self._walk_on is None and not self._done:
            self._walk_on = self._walk()
            self._advance(None)
        return self._asking

    def outcome(
        self, mask: SecondaryMask, outcome: Outcome, address: SecondaryAddress | None = None
    ) -> None:
        """Settle `mask`, which must be the one that `next_mask` named.

        `address` is what the header of a SINGLE meter said, inside the mask or not.
        """
        assert mask == self.next_mask(), "outcomes belong to the mask that was asked last"
        self.statistics.selects += 1
        if outcome is Outcome.COLLISION:
            self.statistics.collisions += 1
        elif outcome is Outcome.EMPTY:
            self.statistics.empties += 1
        else:
            self.statistics.singles += 1
            self.sightings.append(Sighting(mask, address))
        self._advance(Answered(outcome, address))

    def give_up(self, mask: SecondaryMask) -> None:
        """Say of the mask that is being asked that narrower bytes would tell nothing more."""
        self._given_up.add(mask)

    def stop_sweeping(self) -> None:
        """Ask for no more values that nothing points to; what that leaves open is named."""
        self._sweeps_left = 0

    @property
    def is_cut(self) -> bool:
        """Whether values that nothing points to were left out, by number or by `stop_sweeping`."""
        return self._sweeps_left <= 0

    def stop(self) -> None:
        """Ask nothing more at all: what is left is left `unresolved`, under the root."""
        self._leave_unresolved(self.root)
        self._asking, self._done = None, True
        self._walk_on = None

    @property
    def share_done(self) -> float:
        """Share of the number space that is settled, 0 to 1."""
        return 1.0 if self._done else min(self._share, 1.0)

    @property
    def expected(self) -> float | None:
        """How many meters there are likely to be in all; None where nobody estimates it."""
        return None

    def addresses(self) -> set[SecondaryAddress]:
        """All that single meters said of themselves."""
        return {seen.address for seen in self.sightings if seen.address is not None}

    def _advance(self, answered: Answered | None) -> None:
        assert self._walk_on is not None, "a walk that has begun"
        try:
            self._asking = next(self._walk_on) if answered is None else self._walk_on.send(answered)
        except StopIteration:
            self._asking = None
            self._done = True

    # --- The walk -----------------------------------------------------------------------------

    def _walk(self) -> Walk:
        """The masks in their order; each gives back its outcome."""
        answered = yield self.root
        if answered.outcome is Outcome.COLLISION:
            yield from self._crowd(self.root)
        if not self.hexadecimal and self._letters_seen():
            self.hexadecimal = True
            yield from self._by_letters()

    def _letters_seen(self) -> bool:
        return any(
            set(HEXADECIMAL) & set(address.identification_number) for address in self.addresses()
        )

    def _by_letters(self) -> Walk:
        """One mask for each letter at each digit that the search has fixed.

        Who has no letter at those digits was covered before, whatever the other digits are.
        """
        for place in tuple(self._split_at):
            for letter in HEXADECIMAL:
                mask = self.root.with_digit(place, letter)
                answered = yield mask
                if answered.outcome is Outcome.COLLISION:
                    yield from self._crowd(mask)

    def _crowd(self, mask: SecondaryMask) -> Walk:
        """Tell the meters under `mask`, which collides, apart."""
        wild = coordinates.wild_digits(mask)
        order = [place for place in self.direction.positions if place in wild]
        for place in order[:1]:
            yield from self._by_digit(mask, place)
        for place in order[1:]:
            if self._is_explained(mask) or not (yield from self._collides(mask)):
                return
            if self.is_cut:
                break
            # One of them carries an F at the digits asked so far, where no mask can ask for it.
            self._digging += 1
            yield from self._by_digit(mask, place)
            self._digging -= 1
        if not order:
            yield from self._by_bytes(mask)
        elif not self._is_explained(mask) and (yield from self._collides(mask)):
            self._leave_unresolved(mask)

    def _is_explained(self, mask: SecondaryMask) -> bool:
        """Whether what was found below `mask`, or what stays garbled there, accounts for it."""
        if self.meters_under(mask) >= SEVERAL:
            return True
        return any(coordinates.covers(mask, other) for other in self.unresolved)

    def _by_digit(self, mask: SecondaryMask, place: int) -> Walk:
        """Ask for every digit at `place`, for the letters where somebody is still missing."""
        if place not in self._split_at:
            self._split_at.append(place)
        for digit in DECIMAL + HEXADECIMAL:
            if digit == HEXADECIMAL[0] and not self.hexadecimal and self.meters_under(mask) > 1:
                return
            if self._digging:
                self._sweeps_left -= 1
                if self._sweeps_left < 0:
                    return
            narrower = mask.with_digit(place, digit)
            answered = yield narrower
            if answered.outcome is Outcome.COLLISION:
                yield from self._crowd(narrower)
            is_leaf = answered.outcome is not Outcome.COLLISION
            is_leaf = is_leaf or not coordinates.wild_digits(narrower)
            if is_leaf and digit in DECIMAL and not self._digging:
                self._share += self._share_of(narrower)

    def _collides(self, mask: SecondaryMask) -> Question:
        answered = yield mask
        return answered.outcome is Outcome.COLLISION

    # --- Meters of one number -----------------------------------------------------------------

    def _by_bytes(self, mask: SecondaryMask) -> Walk:
        """Split by a byte that tells the meters apart, and ask for all of its values.

        Which byte, the values seen elsewhere say first; where they do not, all values of one byte
        after the other. All in one value of a byte are looked for among those of the next byte.
        """
        if mask in self._given_up:
            self._leave_unresolved(mask)
            return
        asked: set[SecondaryMask] = set()
        crowds: list[SecondaryMask] = []
        wild = coordinates.wild_bytes(mask)
        for widely in (False, True):
            for coordinate in wild:
                seen = list(coordinates.seen_values(self.addresses(), coordinate))
                values = seen + list(coordinates.STANDARD_VALUES[coordinate]) if widely else seen
                yield from self._ask_bytes(mask, coordinate, values, asked, crowds)
                if self._tells_apart(mask, coordinate, crowds):
                    yield from self._ask_all(mask, coordinate, asked, crowds)
                    return
                here = [c for c in crowds if coordinates.byte_of(c, coordinate) != WILD_BYTE]
                if widely and here and not self.is_cut:
                    # They do not differ in this byte: go on with it fixed.
                    yield from self._by_bytes(here[0])
                    return
        yield from self._give_up(mask, crowds)

    def _ask_bytes(
        self,
        mask: SecondaryMask,
        coordinate: int,
        values: Iterable[int],
        asked: set[SecondaryMask],
        crowds: list[SecondaryMask],
    ) -> Walk:
        for value in values:
            narrower = coordinates.with_byte(mask, coordinate, value)
            if narrower in asked:
                continue
            if self._sweeps_left <= 0:
                return
            self._sweeps_left -= 1
            asked.add(narrower)
            answered = yield narrower
            if answered.outcome is Outcome.COLLISION:
                crowds.append(narrower)

    def _tells_apart(
        self, mask: SecondaryMask, coordinate: int, crowds: list[SecondaryMask]
    ) -> bool:
        """Whether the values asked at `coordinate` show that the meters differ in that byte."""
        single = any(
            seen.mask == coordinates.with_byte(mask, coordinate, byte)
            for seen in self.sightings
            if (byte := coordinates.byte_of(seen.mask, coordinate)) != WILD_BYTE
        )
        here = [c for c in crowds if coordinates.byte_of(c, coordinate) != WILD_BYTE]
        return single or len(here) >= SEVERAL

    def _ask_all(
        self,
        mask: SecondaryMask,
        coordinate: int,
        asked: set[SecondaryMask],
        crowds: list[SecondaryMask],
    ) -> Walk:
        here = [c for c in crowds if coordinates.byte_of(c, coordinate) != WILD_BYTE]
        standard = coordinates.STANDARD_VALUES[coordinate]
        yield from self._ask_bytes(mask, coordinate, standard, asked, here)
        for crowd in here:
            yield from self._by_bytes(crowd)
        if self.meters_under(mask) < SEVERAL:
            everything = range(WILD_BYTE)
            beyond: list[SecondaryMask] = []
            yield from self._ask_bytes(mask, coordinate, everything, asked, beyond)
            for crowd in beyond:
                yield from self._by_bytes(crowd)
        if self._sweeps_left <= 0:
            known = self.meters_under(mask) >= SEVERAL
            (self.unsearched if known else self.unresolved).append(mask)

    def _give_up(self, mask: SecondaryMask, crowds: list[SecondaryMask]) -> Walk:
        """No byte alone tells them apart: go on below the narrowest crowd, or name the mask."""
        for crowd in crowds:
            if not self._is_explained(mask) and not self.is_cut:
                yield from self._by_bytes(crowd)
        if not self._is_explained(mask):
            self._leave_unresolved(mask)

    def _leave_unresolved(self, mask: SecondaryMask) -> None:
        """Name a mask in the report, unless a narrower one says the same."""
        if not any(coordinates.covers(mask, other) for other in self.unresolved):
            self.unresolved.append(mask)

    # --- What is known ------------------------------------------------------------------------

    def meters_under(self, mask: SecondaryMask) -> int:
        """How many different meters were found under `mask`, by header or by the mask asked."""
        meters: set[SecondaryAddress | SecondaryMask] = set()
        for seen in self.sightings:
            # Whose header names another place is where he was found, not where he says he is.
            declared = seen.address is not None and seen.mask.contains(seen.address)
            if declared and seen.address is not None and mask.contains(seen.address):
                meters.add(seen.address)
            elif not declared and coordinates.covers(mask, seen.mask):
                meters.add(seen.mask)
        return len(meters)

    def _share_of(self, mask: SecondaryMask) -> float:
        number = mask.identification_number
        given = DIGITS - self.root.identification_number.count(WILDCARD)
        return float(10 ** -(DIGITS - number.count(WILDCARD) - given))
