"""Which meters a selection means, answered for a whole bus at once.

A selection names eight digits and four bytes, each of which may be a wildcard (MBDOC48 p.63-64).
One set of bits for each (place, value), one bit a meter, makes a selection a handful of ANDs,
whether the bus has one meter or 250.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulators import commands
from simulators.faults import Ghost
from simulators.frames import CiField

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulators.frames import Request
    from simulators.identity import Identity
    from simulators.meter import Meter

#: Characters of a full selection: identification number, manufacturer, version, medium.
MASK_LENGTH: Final = 8
#: Masks whose meters are remembered.
MASKS_REMEMBERED_MAX: Final = 4096
_WILD_NIBBLE: Final = 0xF
_WILD_BYTE: Final = 0xFF
_IDENTIFICATION: Final = 4


def is_full(mask: bytes) -> bool:
    """Whether `mask` fixes every digit and character."""
    return len(places(mask)) == 2 * _IDENTIFICATION + MASK_LENGTH - _IDENTIFICATION


def by_mode_1(mask: bytes) -> bytes:
    """A mask of mode 2, most significant characters first, in the order of mode 1."""
    head, maker = mask[:_IDENTIFICATION], mask[_IDENTIFICATION : _IDENTIFICATION + 2]
    return head[::-1] + maker[::-1] + mask[_IDENTIFICATION + 2 :]


def places(mask: bytes) -> list[tuple[int, int]]:
    """The (place, value) pairs that `mask` fixes; what is wild is left out.

    Places 0 to 7 are the digits of the identification number, least significant first; 8 to 11 are
    the two characters of the manufacturer, version and medium, wild only as whole characters.
    """
    fixed = list[tuple[int, int]]()
    for index, byte in enumerate(mask[:_IDENTIFICATION]):
        for place, nibble in ((2 * index, byte & 0x0F), (2 * index + 1, byte >> 4)):
            if nibble != _WILD_NIBBLE:
                fixed.append((place, nibble))
    for index, byte in enumerate(mask[_IDENTIFICATION:MASK_LENGTH]):
        if byte != _WILD_BYTE:
            fixed.append((2 * _IDENTIFICATION + index, byte))
    return fixed


def matches(mask: bytes, identity: Identity) -> bool:
    """Whether `mask` means the meter with that identity; the index must agree with this."""
    address = identity.to_bytes()
    digits = [nibble for byte in address[:_IDENTIFICATION] for nibble in (byte & 0x0F, byte >> 4)]
    values = digits + list(address[_IDENTIFICATION:])
    return all(values[place] == value for place, value in places(mask))


class SelectionIndex:
    """Sets of meters as integers: bit n stands for the n-th meter of the bus."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        self.all = (1 << len(identities)) - 1
        self._sets: dict[tuple[int, int], int] = {}
        # A bus is read by the same masks again and again.
        self._found: dict[bytes, int] = {}
        for number, identity in enumerate(identities):
            # A number with a digit F cannot be told from a wildcard, so no mask fixes it there.
            for key in _keys(identity):
                self._sets[key] = self._sets.get(key, 0) | 1 << number

    def select(self, mask: bytes) -> int:
        """The meters that `mask`, eight characters, means."""
        known = self._found.get(mask)
        if known is not None:
            return known
        found = self.all
        for key in places(mask):
            found &= self._sets.get(key, 0)
        if len(self._found) >= MASKS_REMEMBERED_MAX:
            self._found.clear()
        self._found[mask] = found
        return found


def _keys(identity: Identity) -> list[tuple[int, int]]:
    """All (place, value) pairs of an identity."""
    address = identity.to_bytes()
    digits = [nibble for byte in address[:_IDENTIFICATION] for nibble in (byte & 0x0F, byte >> 4)]
    return list(enumerate(digits + list(address[_IDENTIFICATION:])))


class Selector:
    """Who is selected on a bus: the rules of each meter as sets, so that all cost the same.

    Rebuilt whenever an address or a fault has changed; `selected` outlives that.
    """

    #: Lengths of the masks that a meter with short masks takes.
    SHORT_MASKS: Final = frozenset({0, 1, 2, 3, 4, 6, 7, 8})

    def __init__(self) -> None:
        self.selected = 0
        self._meters: Sequence[Meter] = ()

    def rebuild(self, meters: Sequence[Meter]) -> None:
        """Take over addresses and rules of all meters."""
        self._meters = meters
        self._index = SelectionIndex([meter.identity for meter in meters])
        self._mode_2 = self._those(lambda meter: meter.behaviour.mode == 2)
        rules: set[str] = {meter.behaviour.select for meter in meters}
        self._rules = dict.fromkeys(rules, 0)
        for number, meter in enumerate(meters):
            self._rules[meter.behaviour.select] |= 1 << number
        self._enhanced = self._those(lambda meter: meter.behaviour.enhanced_selection)
        self._ghosts = self._those(_is_ghost)
        self._by_nke = self._those(lambda meter: meter.behaviour.deselect == "snd_nke")
        self._by_power = self._those(lambda meter: meter.behaviour.deselect == "power")

    def _those(self, rule: Callable[[Meter], bool]) -> int:
        return sum(1 << number for number, meter in enumerate(self._meters) if rule(meter))

    def select(self, request: Request, hearing: int, now_ns: int) -> int:
        """Select what the mask of `request` means, deselect the rest of those that hear it."""
        mode_2 = request.ci_field == CiField.SELECT_MODE_2
        mine = hearing & (self._mode_2 if mode_2 else ~self._mode_2) & ~self._rule("none")
        matched = self._matched(request.data, mine, mode_2=mode_2)
        matched &= ~self._rule("only 53" if request.fcb else "only 73")
        if len(request.data) > MASK_LENGTH:
            matched = self._enhanced_only(request.data[MASK_LENGTH:], matched, now_ns)
        self.selected = self.selected & ~hearing | matched
        return matched

    def _rule(self, rule: str) -> int:
        return self._rules.get(rule, 0)

    def _matched(self, data: bytes, mine: int, *, mode_2: bool) -> int:
        """The meters whose address is meant, with the rules about wildcards and lengths."""
        short = self._rule("short mask")
        mask = data[:MASK_LENGTH]
        if len(mask) < MASK_LENGTH:
            mine &= short if len(mask) in self.SHORT_MASKS else 0
            mask = mask.ljust(MASK_LENGTH, bytes((_WILD_BYTE,)))
        if mode_2:
            mask = by_mode_1(mask)
        matched = self._index.select(mask) & mine
        if short and mask[-1] == 0:
            matched |= self._index.select(mask[:-1] + bytes((_WILD_BYTE,))) & mine & short
        full_only = self._rule("full mask")
        if not matched & (self._ghosts | full_only):
            return matched
        return matched & ~(self._ghosts if is_full(mask) else full_only)

    def _enhanced_only(self, data: bytes, matched: int, now_ns: int) -> int:
        """Those of `matched` that know enhanced selection and have every record (MBDOC48 p.69)."""
        records = commands.split(data)
        if records is None:
            return 0
        found = 0
        for number in members(matched & self._enhanced):
            application = self._meters[number].application
            if all(application.has(record, now_ns) for record in records):
                found |= 1 << number
        return found

    def reset(self, addressed: int, *, network_layer: bool) -> None:
        """SND_NKE has reached `addressed`: to 253 it deselects, else only by a meter's own rule.

        (MBDOC48 p.63-64)
        """
        self.selected &= ~(addressed & (~self._by_power if network_layer else self._by_nke))


def _is_ghost(meter: Meter) -> bool:
    fault = meter.faults.get(Ghost) if meter.faults else None
    return fault is not None and fault.answers == "wildcards"


def members(bits: int) -> list[int]:
    """The numbers of the meters in a set, ascending."""
    found = list[int]()
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found
