"""Data of a record, from bytes to values: BCD, integers, reals, points in time, LVAR.

Every function takes the bytes least significant first (mode 2 is turned round by the caller) and is
exact: a number is an integer and a power of ten, never a float. What is no value raises ValueError
with a short phrase; `gateway.mbus.record` adds the place.

Types: A BCD, B integer, F, G, I, J points in time, H real (MBDOC48; I and J come with the newer EN
13757-3, as meters send them).
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from typing import Final, NamedTuple

#: Two-digit years up to here belong to 20xx where the telegram does not say (MBDOC48).
YEAR_2000_MAX: Final = 80
YEAR_MAX: Final = 99
_EPOCH_DAY: Final = dt.date(1970, 1, 1).toordinal()
_SECONDS_PER_DAY: Final = 86_400
#: Nine significant digits always bring a float32 back.
_FLOAT32_DIGITS: Final = 9
#: Any decimal of so many digits survives the way through a float32, unless it is subnormal.
_FLOAT32_DIGITS_SURE: Final = 6
_FLOAT32_NORMAL_MIN: Final = 2.0**-126

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
_INT64_DIGITS: Final = 19

_TYPE_F_IV: Final = 0x80
_TYPE_F_SU: Final = 0x80
_TYPE_I_IV: Final = 0x80
_TYPE_I_SU: Final = 0x40


class Scaled(NamedTuple):
    """An exact decimal: integer times 10^scale."""

    integer: int
    scale: int


class Instant(NamedTuple):
    """A point in time as sent, or the reason why it is none.

    `text` is ISO 8601 (date, date and time, or time of day), None when the fields are no instant;
    `seconds` counts from 1970-01-01 with the meter's clock read as UTC (C-58), for a time of day
    from midnight. `summer_time` and `invalid` are the meter's own flags SU and IV.
    """

    text: str | None
    seconds: int | None
    reason: str = ""
    is_time_of_day: bool = False
    summer_time: bool = False
    invalid: bool = False


# --- Numbers --------------------------------------------------------------------------------------


def read_integer(data: bytes) -> int:
    """Read type B: two's complement of 1 to 8 bytes (MBDOC48, C-59)."""
    return int.from_bytes(data, "little", signed=True)


def read_bcd(data: bytes) -> int:
    """Read type A: decimal digits, the first of which may be F for minus.

    MBDOC48 p.57-62 reads E and F in front as ten's complement underflow; meters in the field send F
    as a minus sign (EN 13757-3), so F is the sign and everything else hexadecimal no value.
    """
    digits = data[::-1].hex()
    if digits.isdigit():
        return int(digits)
    if digits[0] == "f" and digits[1:].isdigit():
        return -int(digits[1:])
    raise ValueError(f"BCD {digits.upper()} ({_bcd_fault(digits)})")


def _bcd_fault(digits: str) -> str:
    """Name what hexadecimal digits in BCD mean (MBDOC48 p.57-62)."""
    rest = digits[1:]
    if digits[0] == "d" and not rest.strip("b"):
        return "not available"
    if digits[0] in "abc" and (rest.isdigit() or not rest):
        return "overflow"
    if digits[0] in "ef" and rest.isdigit():
        return "underflow"
    return "error"


def read_real(data: bytes) -> Scaled:
    """Read type H exactly: every finite float32 is a decimal of limited length.

    Raises ValueError for NaN and the infinities: they are no value.
    """
    value: float = struct.unpack("<f", data)[0]
    if not math.isfinite(value):
        raise ValueError(f"real {value}")
    numerator, denominator = value.as_integer_ratio()
    halvings = denominator.bit_length() - 1
    return _trimmed(numerator * 5**halvings, -halvings)


def shortest_real(data: bytes) -> Scaled:
    """Give the shortest decimal that reads back as the same float32 (C-59).

    0.1 is sent as 0.100000001490116…; the shortest decimal is 1 x 10^-1, which is what the meter
    meant and what fits the integer and scale registers. Raises ValueError as `read_real`.
    """
    value: float = struct.unpack("<f", data)[0]
    if not math.isfinite(value):
        raise ValueError(f"real {value}")
    is_normal = abs(value) >= _FLOAT32_NORMAL_MIN
    for digits in range(_FLOAT32_DIGITS_SURE if is_normal else 1, _FLOAT32_DIGITS + 1):
        text = f"{value:.{digits - 1}e}"
        if _as_float32(text) == value:
            break
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    return _trimmed(int(whole + fraction), int(exponent) - len(fraction))


def _as_float32(text: str) -> float:
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", float(text)))[0]
    except OverflowError:
        return math.inf
    return rounded


def _trimmed(integer: int, scale: int) -> Scaled:
    """Take zeros off the end of the integer, so that equal numbers have one form."""
    if not integer:
        return Scaled(0, 0)
    while integer % 10 == 0:
        integer //= 10
        scale += 1
    return Scaled(integer, scale)


def fitted(number: Scaled) -> Scaled:
    """Round a number to the 64-bit signed integer of the registers, half to even.

    Only an additive constant can lead beyond 64 bits; no meter was seen to do it.
    """
    integer, scale = number
    excess = max(0, len(str(abs(integer))) - _INT64_DIGITS)
    while not INT64_MIN <= round(integer, -excess) // 10**excess <= INT64_MAX:
        excess += 1
    return Scaled(round(integer, -excess) // 10**excess, scale + excess)


def decimal_text(integer: int, scale: int) -> str:
    """Write integer x 10^scale without exponent: 267, 3 -> 267000; -1234, -2 -> -12.34."""
    if scale >= 0:
        return str(integer * 10**scale) if integer else "0"
    sign = "-" if integer < 0 else ""
    digits = str(abs(integer)).rjust(1 - scale, "0")
    return f"{sign}{digits[:scale]}.{digits[scale:]}"


# --- Points in time -------------------------------------------------------------------------------


def read_type_f(data: bytes) -> Instant:
    """Read four bytes: minute, hour, day, month, year (MBDOC48).

    Hundred-years (hour byte, bits 5-6) count from 1900; 0 with a year up to 80 means 20xx, because
    most meters leave them zero.
    """
    year = _year(data[2] >> 5 | (data[3] & 0xF0) >> 1, data[1] >> 5 & 0x03)
    fields = (year, data[3] & 0x0F, data[2] & 0x1F, data[1] & 0x1F, data[0] & 0x3F, 0)
    summer_time, invalid = bool(data[1] & _TYPE_F_SU), bool(data[0] & _TYPE_F_IV)
    return _date_time(fields, summer_time=summer_time, invalid=invalid)


def read_type_g(data: bytes) -> Instant:
    """Read two bytes: day, month, year (MBDOC48)."""
    year = _year(data[0] >> 5 | (data[1] & 0xF0) >> 1, 0)
    month, day = data[1] & 0x0F, data[0] & 0x1F
    try:
        date = dt.date(year, month, day)
    except ValueError:
        return Instant(None, None, f"year {year}, month {month}, day {day}")
    return Instant(date.isoformat(), (date.toordinal() - _EPOCH_DAY) * _SECONDS_PER_DAY)


def read_type_i(data: bytes) -> Instant:
    """Read six bytes, second to year; IV is bit 7 of the minute byte."""
    year = _year(data[3] >> 5 | (data[4] & 0xF0) >> 1, 0)
    fields = (
        year,
        data[4] & 0x0F,
        data[3] & 0x1F,
        data[2] & 0x1F,
        data[1] & 0x3F,
        data[0] & 0x3F,
    )
    summer_time, invalid = bool(data[0] & _TYPE_I_SU), bool(data[1] & _TYPE_I_IV)
    return _date_time(fields, summer_time=summer_time, invalid=invalid)


def read_type_j(data: bytes) -> Instant:
    """Read three bytes: second, minute, hour; a time of day without a date."""
    second, minute, hour = data[0] & 0x3F, data[1] & 0x3F, data[2] & 0x1F
    try:
        time = dt.time(hour, minute, second)
    except ValueError:
        return Instant(None, None, f"time {hour}:{minute}:{second}", is_time_of_day=True)
    return Instant(time.isoformat(), hour * 3600 + minute * 60 + second, is_time_of_day=True)


#: Which type a point in time has follows from its size alone (MBDOC48).
INSTANT_READERS: Final = {2: read_type_g, 3: read_type_j, 4: read_type_f, 6: read_type_i}


def _year(two_digits: int, hundreds: int) -> int:
    """Complete a year; 127 ("every year") and the like give 0, which no calendar has."""
    if two_digits > YEAR_MAX:
        return 0
    if hundreds == 0 and two_digits <= YEAR_2000_MAX:
        return 2000 + two_digits
    return 1900 + 100 * hundreds + two_digits


def _date_time(
    fields: tuple[int, int, int, int, int, int], *, summer_time: bool, invalid: bool
) -> Instant:
    """Put fields together; those that name no instant ("every day", all ones) give a reason."""
    year, month, day, hour, minute, second = fields
    try:
        moment = dt.datetime(year, month, day, hour, minute, second)
    except ValueError:
        reason = f"year {year}, month {month}, day {day}, {hour}:{minute}:{second}"
        return Instant(None, None, reason, summer_time=summer_time, invalid=invalid)
    if invalid:
        reason = f"{moment.isoformat()} marked invalid (IV)"
        return Instant(None, None, reason, summer_time=summer_time, invalid=True)
    days = moment.toordinal() - _EPOCH_DAY
    seconds = days * _SECONDS_PER_DAY + hour * 3600 + minute * 60 + second
    return Instant(moment.isoformat(), seconds, summer_time=summer_time)


# --- Variable length ------------------------------------------------------------------------------

LVAR_TEXT_MAX: Final = 0xBF
LVAR_POSITIVE_BCD: Final = range(0xC0, 0xCA)
LVAR_NEGATIVE_BCD: Final = range(0xD0, 0xDA)
LVAR_BINARY: Final = range(0xE0, 0xF0)
#: A binary number beyond this many bytes fits no register: shown as bytes.
LVAR_INTEGER_SIZE_MAX: Final = 8
_LVAR_LONG_BINARY: Final = {
    0xF0: 16, 0xF1: 20, 0xF2: 24, 0xF3: 28, 0xF4: 32, 0xF5: 48, 0xF6: 64,
}  # fmt: skip


def lvar_size(lvar: int) -> int | None:
    """Count the bytes behind an LVAR byte; None = reserved, so the next record cannot be found.

    C0-C9 and D0-D9 count bytes, two digits each (MBDOC48). F0-F6 are long binary numbers as
    meters send them; MBDOC48 kept F0-FA for a "floating point number to be defined".
    """
    if lvar <= LVAR_TEXT_MAX:
        return lvar
    if lvar in LVAR_POSITIVE_BCD or lvar in LVAR_NEGATIVE_BCD or lvar in LVAR_BINARY:
        return lvar & 0x0F
    return _LVAR_LONG_BINARY.get(lvar)


def read_text(data: bytes) -> str:
    """Read characters that were sent last one first (mode 1), one byte each, ISO 8859-1."""
    return data[::-1].decode("latin-1")


def read_number_of_bytes(data: bytes) -> str:
    """Write a number too long for a register in hexadecimal, most significant byte first."""
    return data[::-1].hex().upper()
