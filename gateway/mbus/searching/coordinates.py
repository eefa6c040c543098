"""Parts of a secondary mask that a search can fix one by one, and the values worth asking for.

Coordinates 0 to 7 are the digits of the identification number, most significant first; behind them
come the bytes that are wild only as a whole: both of the manufacturer, version and medium
(MBDOC48 p.64).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.mbus.address import WILD_BYTE
from gateway.mbus.search import DIGITS, WILDCARD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.mbus.address import SecondaryAddress, SecondaryMask

DECIMAL: Final = "0123456789"
#: Digits that meters carry against the book; F cannot be asked for, it is the wildcard.
HEXADECIMAL: Final = "ABCDE"

MANUFACTURER_LOW: Final = 8
MANUFACTURER_HIGH: Final = 9
VERSION: Final = 10
MEDIUM: Final = 11
#: The bytes in the order in which meters of one number are told apart by them: most likely and
#: cheapest first.
BYTES: Final = (MEDIUM, MANUFACTURER_HIGH, VERSION, MANUFACTURER_LOW)

#: Media by the table of manual 6.2, and room for what is added to it.
_MEDIA: Final = range(0x40)
#: Three letters of 5 bits each, A = 1 to Z = 26: 104 first and 208 second bytes (manual 6.2).
_CODES: Final = tuple(
    first << 10 | second << 5 | third
    for first in range(1, 27)
    for second in range(1, 27)
    for third in range(1, 27)
)
_ALL: Final = range(WILD_BYTE)
STANDARD_VALUES: Final[dict[int, tuple[int, ...]]] = {
    MEDIUM: tuple(_MEDIA),
    MANUFACTURER_HIGH: tuple(sorted({code >> 8 for code in _CODES})),
    MANUFACTURER_LOW: tuple(sorted({code & 0xFF for code in _CODES})),
    VERSION: tuple(_ALL),
}


def wild_digits(mask: SecondaryMask) -> tuple[int, ...]:
    """The digits of the identification number that `mask` leaves open."""
    number = mask.identification_number
    return tuple(place for place in range(DIGITS) if number[place] == WILDCARD)


def wild_bytes(mask: SecondaryMask) -> tuple[int, ...]:
    """The bytes that `mask` leaves open, in the order of `BYTES`."""
    return tuple(place for place in BYTES if byte_of(mask, place) == WILD_BYTE)


def byte_of(address: SecondaryAddress | SecondaryMask, coordinate: int) -> int:
    """The byte at a coordinate behind the digits."""
    if coordinate == MEDIUM:
        return address.medium
    if coordinate == VERSION:
        return address.version
    return address.manufacturer >> 8 * (coordinate - MANUFACTURER_LOW) & 0xFF


def with_byte(mask: SecondaryMask, coordinate: int, value: int) -> SecondaryMask:
    """`mask` with one byte behind the digits fixed."""
    if coordinate == MEDIUM:
        return replace(mask, medium=value)
    if coordinate == VERSION:
        return replace(mask, version=value)
    shift = 8 * (coordinate - MANUFACTURER_LOW)
    kept = mask.manufacturer & ~(0xFF << shift)
    return replace(mask, manufacturer=kept | value << shift)


def seen_values(addresses: Iterable[SecondaryAddress], coordinate: int) -> Sequence[int]:
    """Values of a byte among `addresses`, most frequent first; the wildcard is none."""
    counts: dict[int, int] = {}
    for address in addresses:
        value = byte_of(address, coordinate)
        counts[value] = counts.get(value, 0) + 1
    counts.pop(WILD_BYTE, None)
    return sorted(counts, key=lambda value: (-counts[value], value))


def covers(mask: SecondaryMask, narrower: SecondaryMask) -> bool:
    """Whether every address under `narrower` lies under `mask` too."""
    digits = zip(mask.identification_number, narrower.identification_number, strict=True)
    if any(wanted not in (WILDCARD, digit) for wanted, digit in digits):
        return False
    return all(byte_of(mask, place) in (WILD_BYTE, byte_of(narrower, place)) for place in BYTES)
