"""Plain encodings of values in data records: BCD, integers, float32, dates F and G, text.

Only the way from a value to characters, written from MBDOC48; what a value *means* is in
the literal VIB of a profile, which the simulator never reads.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import date, datetime

#: LVAR of the longest text: 00-BF is the number of characters.
TEXT_LENGTH_MAX: Final = 0xBF

#: Two-digit years of type F and G count from here; the hundred-year bits stay 0.
CENTURY: Final = 2000
YEARS: Final = range(CENTURY, CENTURY + 81)


class Scaled(NamedTuple):
    """The exact number ``integer * 10**scale``."""

    integer: int
    scale: int


def bcd(value: int, digits: int) -> bytes:
    """Type A: packed BCD, least significant character first; a negative value has F on top.

    The F in the most significant digit is the minus sign of real meters; one digit fewer is then
    left for the number. Raises ValueError where the value does not fit.
    """
    text = f"{value:0{digits}d}" if value >= 0 else f"F{-value:0{digits - 1}d}"
    if len(text) > digits:
        msg = f"{value} does not fit into {digits} BCD digits"
        raise ValueError(msg)
    return bytes.fromhex(text)[::-1]


def integer(value: int, length: int) -> bytes:
    """Type B: two's complement, least significant character first; ValueError if too large."""
    try:
        return value.to_bytes(length, "little", signed=True)
    except OverflowError as error:
        msg = f"{value} does not fit into {8 * length} bits"
        raise ValueError(msg) from error


def real(value: float) -> bytes:
    """Type H: IEEE 754 float32, least significant character first; ValueError if too large."""
    try:
        return struct.pack("<f", value)
    except OverflowError as error:
        msg = f"{value} does not fit into a float32"
        raise ValueError(msg) from error


def shortest_decimal(data: bytes) -> Scaled:
    """The decimal number with the fewest digits that reads back as the float32 `data` (C-59).

    Digits alone count, so 230.0 is (23, 1) and 230.5 is (2305, -1): then even the largest float32
    has an integer that fits the registers. `data` must be finite; zero is (0, 0).
    """
    value = struct.unpack("<f", data)[0]
    for digits in range(1, 10):
        text = f"{value:.{digits - 1}e}"
        if _reads_as(text, data):
            break
    sign, numerals, exponent = Decimal(text).normalize().as_tuple()
    assert isinstance(exponent, int), "the float32 is finite"
    number = int("".join(map(str, numerals))) * (-1 if sign else 1)
    return Scaled(number, exponent) if number else Scaled(0, 0)


def _reads_as(text: str, data: bytes) -> bool:
    """Whether the number `text`, rounded to a float32, is `data`."""
    try:
        return struct.pack("<f", float(text)) == data
    except OverflowError:
        # Fewer digits may round the largest numbers up beyond what a float32 holds.
        return False


def date_g(day: date) -> bytes:
    """Type G: day, month and year in two characters; years 2000 to 2080."""
    if day.year not in YEARS:
        msg = f"a two-digit year reaches from {YEARS[0]} to {YEARS[-1]}, got {day.year}"
        raise ValueError(msg)
    year = day.year - CENTURY
    return bytes((day.day | (year & 0x07) << 5, day.month | (year & 0x78) << 1))


def date_f(moment: datetime) -> bytes:
    """Type F: minute, hour and the date of type G in four characters; seconds are cut off."""
    return bytes((moment.minute, moment.hour)) + date_g(moment.date())


def text(value: str) -> bytes:
    """LVAR and the characters, last one first as mode 1 sends them.

    Raises ValueError for more than 191 characters or for one outside ISO 8859-1.
    """
    try:
        characters = value.encode("latin-1")
    except UnicodeEncodeError as error:
        msg = f"{value!r} has a character outside ISO 8859-1"
        raise ValueError(msg) from error
    if len(characters) > TEXT_LENGTH_MAX:
        msg = f"a text has at most {TEXT_LENGTH_MAX} characters, got {len(characters)}"
        raise ValueError(msg)
    return bytes((len(characters),)) + characters[::-1]
