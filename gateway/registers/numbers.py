"""The float of a value entry: the float32 nearest to integer * 10**scale, computed exactly (C-59).

A product of two floats may miss the nearest float32 by one unit in the last place, and a client
that compares both representations would see it. So the product is taken as a rational number and
rounded once, half to even; a fast way serves the numbers for which one rounding is provably enough.
"""

from __future__ import annotations

from math import inf, ldexp
from struct import Struct
from typing import Final

#: Bits of the significand of float32 and the exponent of its smallest subnormal number.
SIGNIFICAND_BITS: Final = 24
EXPONENT_MIN: Final = -149
#: The first number that rounds to infinity: halfway between the largest float32 and 2**128.
OVERFLOW: Final = (2**25 - 1) * 2**103

#: A double holds integers up to here, and powers of ten up to 10**22, without error.
_EXACT_INTEGER_MAX: Final = 2**53
_POWERS: Final = tuple(float(10**n) for n in range(23))
#: Decimal orders beyond which the result is certainly infinite, or certainly zero.
_ORDER_MAX: Final = 40
_ORDER_MIN: Final = -47

#: Below this a float32 is subnormal and has fewer bits, so the test for a tie would be wrong.
_NORMAL_MIN: Final = 2.0**-126
_LARGE: Final = 2.0**127

_DOUBLE: Final = Struct(">d")
_TAIL_MASK: Final = (1 << 29) - 1
_TAIL_TIE: Final = 1 << 28


def nearest_float32(integer: int, scale: int) -> float:
    """The float32 nearest to integer * 10**scale, as a Python float; overflow gives ±inf (C-59).

    The result is to be stored as a float32: it may carry more bits, but never such that rounding
    it gives another number than rounding the exact product once.
    """
    if -_EXACT_INTEGER_MAX <= integer <= _EXACT_INTEGER_MAX and -22 <= scale <= 22:
        # Both operands are exact doubles, so IEEE 754 rounds the exact result once.
        double = integer * _POWERS[scale] if scale >= 0 else integer / _POWERS[-scale]
        if _NORMAL_MIN <= abs(double) < _LARGE:
            # Rounding again to 24 bits errs only from a double that lies exactly between two
            # float32 numbers: its 29 surplus bits are then a one and zeros.
            tail = int.from_bytes(_DOUBLE.pack(double)[4:], "big") & _TAIL_MASK
            if tail != _TAIL_TIE:
                return double
    return _nearest_exactly(integer, scale)


def _nearest_exactly(integer: int, scale: int) -> float:
    """Round the rational number integer * 10**scale to 24 bits, half to even."""
    if integer == 0:
        return 0.0
    sign = -1.0 if integer < 0 else 1.0
    # Digits within one of the truth (1233 / 4096 is log10 of 2): a foregone result costs nothing.
    order = (integer.bit_length() * 1233 >> 12) + scale
    if order > _ORDER_MAX:
        return sign * inf
    if order < _ORDER_MIN:
        return sign * 0.0
    numerator, denominator = abs(integer), 1
    if scale >= 0:
        numerator *= 10**scale
    else:
        denominator = 10**-scale
    if numerator >= OVERFLOW * denominator:
        return sign * inf
    exponent = numerator.bit_length() - denominator.bit_length() - SIGNIFICAND_BITS
    # The difference of the bit lengths is the exponent or one above it: 24 or 25 bits remain.
    if _quotient_bits(numerator, denominator, exponent) > SIGNIFICAND_BITS:
        exponent += 1
    exponent = max(exponent, EXPONENT_MIN)
    numerator, denominator = _shifted(numerator, denominator, exponent)
    significand, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and significand & 1):
        significand += 1
    return sign * ldexp(significand, exponent)


def _shifted(numerator: int, denominator: int, exponent: int) -> tuple[int, int]:
    """The fraction numerator / (denominator * 2**exponent)."""
    if exponent >= 0:
        return numerator, denominator << exponent
    return numerator << -exponent, denominator


def _quotient_bits(numerator: int, denominator: int, exponent: int) -> int:
    """Bits of the whole part of numerator / (denominator * 2**exponent)."""
    numerator, denominator = _shifted(numerator, denominator, exponent)
    return (numerator // denominator).bit_length()
