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
from functools import lru_cache
from typing import Final, NamedTuple

#: Two-digit years up to here belong to 20xx where the telegram does not say (MBDOC48).
YEAR_2000_MAX: Final = 80
YEAR_MAX: Final = 99
_EPOCH_DAY: Final = dt.date(1970, 1, 1).toordinal()
_SECONDS_PER_DAY: Final = 86_400
#: Dates remembered, about 200 bytes each.
DATES_MAX: Final = 4096
_TWO_DIGITS: Final = tuple(f"{number:02d}" for number in range(60))
#: Nine significant digits always bring a float32 back.
_FLOAT32_DIGITS: Final = 9
#: Any decimal of so many digits survives the way through a float32, unless it is subnormal.
_FLOAT32_DIGITS_SURE: Final = 6
_FLOAT32_NORMAL_MIN: Final = 2.0**-126
_FLOAT32: Final = struct.Struct("<f")
_FLOAT32_BITS: Final = 24
#: The least float32 is 2^-149.
_POWERS_OF_FIVE: Final = tuple(5**number for number in range(150))
#: Reals for which `_shortest_by_arithmetic` needs no power of ten that a double cannot hold.
_PLAIN_REAL_MIN: Final = 1e-12
_PLAIN_REAL_MAX: Final = 1e6
_POWERS_OF_TEN: Final = tuple(float(10**number) for number in range(23))
#: What the sixth, seventh, eighth and ninth of nine digits count, and half of it.
_STEPS: Final = ((1000, 500), (100, 50), (10, 5), (1, 0))
_SURELY_LESS: Final = 1 - 1e-6
_SURELY_MORE: Final = 1 + 1e-6
_NOT_THE_MIDDLE: Final = 0.5 - 1e-6

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
    try:
        return int(digits)
    except ValueError:
        return _read_letters(digits)


def _read_letters(digits: str) -> int:
    """Read BCD that holds letters: the sign F, or no value."""
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


def read_real(data: bytes) -> float:
    """Read type H; raises ValueError for NaN and the infinities: they are no value."""
    value: float = _FLOAT32.unpack(data)[0]
    if not math.isfinite(value):
        raise ValueError(f"real {value}")
    return value


def exact_decimal(value: float) -> Scaled:
    """Write a real out in full: every finite float32 is a decimal of limited length."""
    numerator, denominator = value.as_integer_ratio()
    if denominator == 1:
        return _trimmed(numerator, 0)
    # An odd number of halves, quarters ... ends in 5 when written as a decimal: nothing to trim.
    halvings = denominator.bit_length() - 1
    return Scaled(numerator * _POWERS_OF_FIVE[halvings], -halvings)


def real_text(value: float, scale: int) -> str:
    """Write a real x 10^`scale` out in full, as `decimal_text` writes `exact_decimal`."""
    if scale:
        integer, own_scale = exact_decimal(value)
        return decimal_text(integer, own_scale + scale)
    halvings = value.as_integer_ratio()[1].bit_length() - 1
    # Each halving takes one more decimal, so this many write it exactly.
    return f"{value:.{halvings}f}" if halvings else str(int(value))


def shortest_decimal(value: float) -> Scaled:
    """Give the shortest decimal that reads back as the same float32 (C-59).

    0.1 is sent as 0.100000001490116…; the shortest decimal is 1 x 10^-1, which is what the meter
    meant and what fits the integer and scale registers.
    """
    if _PLAIN_REAL_MIN <= abs(value) < _PLAIN_REAL_MAX:
        return _shortest_by_arithmetic(value) or _shortest_by_trial(value)
    return _shortest_by_trial(value)


def _shortest_by_arithmetic(value: float) -> Scaled | None:
    """Find the shortest decimal with a few multiplications; None where they are not sure.

    All decimals that lie less than half a unit in the last place from a float32 read back as that
    float32. A double carries such a comparison with a relative error below 10^-15, so only what
    comes within 10^-6 of the limit, or of the middle between two decimals, is left to the trial.
    """
    mantissa, exponent = math.frexp(value)
    if abs(mantissa) == 0.5:
        # A power of two: its lower neighbour is nearer than its upper one.
        return None
    decimals = _FLOAT32_DIGITS - 1 - math.floor(math.log10(abs(value)))
    power = _POWERS_OF_TEN[decimals]
    exact = value * power
    limit = math.ldexp(power, exponent - _FLOAT32_BITS - 1)
    nine_digits = round(exact)
    for step, half_step in _STEPS:
        nearest = (nine_digits + half_step) // step * step
        off = abs(exact - nearest)
        if off < limit * _SURELY_MORE:
            is_sure = off < limit * _SURELY_LESS and off < step * _NOT_THE_MIDDLE
            return _trimmed(nearest, -decimals) if is_sure else None
    return None


def _shortest_by_trial(value: float) -> Scaled:
    """Find the shortest decimal by writing one, reading it back and adding a digit."""
    least = _FLOAT32_DIGITS_SURE if abs(value) >= _FLOAT32_NORMAL_MIN else 1
    for digits in range(least, _FLOAT32_DIGITS + 1):
        text = f"{value:.{digits - 1}e}"
        # Nine digits name every float32.
        if digits == _FLOAT32_DIGITS or _as_float32(text) == value:
            break
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    return _trimmed(int(whole + fraction), int(exponent) - len(fraction))


def _as_float32(text: str) -> float:
    try:
        rounded: float = _FLOAT32.unpack(_FLOAT32.pack(float(text)))[0]
    except OverflowError:
        return math.inf
    return rounded


def _trimmed(integer: int, scale: int) -> Scaled:
    """Take zeros off the end of the integer, so that equal numbers have one form."""
    if not integer:
        return Scaled(0, 0)
    if integer % 10:
        return Scaled(integer, scale)
    digits = str(integer)
    zeros = len(digits) - len(digits.rstrip("0"))
    return Scaled(integer // 10**zeros, scale + zeros)


def fitted(number: Scaled) -> Scaled:
    """Round a number to the 64-bit signed integer of the registers, half to even.

    Only an additive constant can lead beyond 64 bits; no meter was seen to do it.
    """
    integer, scale = number
    if INT64_MIN <= integer <= INT64_MAX:
        return number
    excess = max(0, len(str(abs(integer))) - _INT64_DIGITS)
    while not INT64_MIN <= round(integer, -excess) // 10**excess <= INT64_MAX:
        excess += 1
    return Scaled(round(integer, -excess) // 10**excess, scale + excess)


def decimal_text(integer: int, scale: int) -> str:
    """Write integer x 10^scale without exponent: 267, 3 -> 267000; -1234, -2 -> -12.34."""
    if scale >= 0:
        return str(integer * 10**scale) if integer else "0"
    sign = "-" if integer < 0 else ""
    digits = str(abs(integer))
    if len(digits) <= -scale:
        digits = digits.rjust(1 - scale, "0")
    return f"{sign}{digits[:scale]}.{digits[scale:]}"


#: The digits behind the point, ready written, by power of ten.
FRACTIONS: Final = {
    scale: tuple(f"{number:0{-scale}d}" for number in range(10**-scale)) for scale in (-1, -2, -3)
}


# --- Points in time -------------------------------------------------------------------------------


def read_type_f(data: bytes) -> Instant:
    """Read four bytes: minute, hour, day, month, year (MBDOC48).

    Hundred-years (hour byte, bits 5-6) count from 1900; 0 with a year up to 80 means 20xx, because
    most meters leave them zero.
    """
    minute, hour, low, high = data
    date = read_date(low | high << 8, hour >> 5 & 0x03)
    clock = (hour & 0x1F, minute & 0x3F, 0)
    return _date_time(date, clock, bool(hour & _TYPE_F_SU), bool(minute & _TYPE_F_IV))


def plain_type_f(data: bytes) -> tuple[str, int] | None:
    """Read the text and the seconds of a type F that is valid beyond doubt, else None.

    The short way for what nearly all are; `read_type_f` has the flags and the reasons.
    """
    minute, hour, low, high = data
    day, seconds, _ = read_date(low | high << 8, hour >> 5 & 0x03)
    hour &= 0x1F
    if minute > 59 or hour > 23 or day is None:
        return None
    text = f"{day}T{_TWO_DIGITS[hour]}:{_TWO_DIGITS[minute]}:00"
    return text, seconds + hour * 3600 + minute * 60


def read_type_g(data: bytes) -> Instant:
    """Read two bytes: day, month, year (MBDOC48)."""
    text, seconds, fields = read_date(data[0] | data[1] << 8)
    return Instant(None, None, fields) if text is None else Instant(text, seconds)


def read_type_i(data: bytes) -> Instant:
    """Read six bytes, second to year; IV is bit 7 of the minute byte."""
    second, minute, hour = data[0], data[1], data[2]
    date = read_date(data[3] | data[4] << 8)
    clock = (hour & 0x1F, minute & 0x3F, second & 0x3F)
    return _date_time(date, clock, bool(second & _TYPE_I_SU), bool(minute & _TYPE_I_IV))


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


class Date(NamedTuple):
    """A day: ISO 8601 and its first second, both None for no day of any calendar; its fields."""

    text: str | None
    seconds: int
    fields: str


@lru_cache(maxsize=DATES_MAX)
def read_date(low_high: int, hundreds: int = 0) -> Date:
    """Read the two bytes that all dates share: day, month and seven bits of year.

    Remembered, because the meters of a bus live on the same day and have few due dates.
    """
    year = _year(low_high >> 5 & 0x07 | low_high >> 9 & 0x78, hundreds)
    month, day = low_high >> 8 & 0x0F, low_high & 0x1F
    fields = f"year {year}, month {month}, day {day}"
    try:
        date = dt.date(year, month, day)
    except ValueError:
        return Date(None, 0, fields)
    return Date(date.isoformat(), (date.toordinal() - _EPOCH_DAY) * _SECONDS_PER_DAY, fields)


def _year(two_digits: int, hundreds: int) -> int:
    """Complete a year; 127 ("every year") and the like give 0, which no calendar has."""
    if two_digits > YEAR_MAX:
        return 0
    if hundreds == 0 and two_digits <= YEAR_2000_MAX:
        return 2000 + two_digits
    return 1900 + 100 * hundreds + two_digits


def _date_time(
    date: Date,
    clock: tuple[int, int, int],
    summer_time: bool,
    invalid: bool,
) -> Instant:
    """Put fields together; those that name no instant ("every day", all ones) give a reason."""
    day, day_seconds, fields = date
    hour, minute, second = clock
    if day is None or hour > 23 or minute > 59 or second > 59:
        reason = f"{fields}, {hour}:{minute}:{second}"
        return Instant(None, None, reason, False, summer_time, invalid)
    text = f"{day}T{_TWO_DIGITS[hour]}:{_TWO_DIGITS[minute]}:{_TWO_DIGITS[second]}"
    if invalid:
        return Instant(None, None, f"{text} marked invalid (IV)", False, summer_time, True)
    seconds = day_seconds + hour * 3600 + minute * 60 + second
    return Instant(text, seconds, "", False, summer_time)


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
