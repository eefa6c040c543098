"""Which meters a selection means, answered for a whole bus at once.

A selection names eight digits and four bytes, each of which may be a wildcard (MBDOC48 p.63-64).
One set of bits for each (place, value), one bit a meter, makes a selection a handful of ANDs,
whether the bus has one meter or 250.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.meter import Identity

#: Characters of a full selection: identification number, manufacturer, version, medium.
MASK_LENGTH: Final = 8
_WILD_NIBBLE: Final = 0xF
_WILD_BYTE: Final = 0xFF
_IDENTIFICATION: Final = 4


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
        for number, identity in enumerate(identities):
            # A number with a digit F cannot be told from a wildcard, so no mask fixes it there.
            for key in _keys(identity):
                self._sets[key] = self._sets.get(key, 0) | 1 << number

    def select(self, mask: bytes) -> int:
        """The meters that `mask`, eight characters, means."""
        found = self.all
        for key in places(mask):
            found &= self._sets.get(key, 0)
        return found


def _keys(identity: Identity) -> list[tuple[int, int]]:
    """All (place, value) pairs of an identity."""
    address = identity.to_bytes()
    digits = [nibble for byte in address[:_IDENTIFICATION] for nibble in (byte & 0x0F, byte >> 4)]
    return list(enumerate(digits + list(address[_IDENTIFICATION:])))


def members(bits: int) -> list[int]:
    """The numbers of the meters in a set, ascending."""
    found = list[int]()
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found
