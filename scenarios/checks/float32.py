"""The float32 nearest to a decimal number, computed with whole numbers only.

The float of a value entry is the float32 nearest to integer x 10^scale, half to even, and not a
product of two floats (C-59). A check that computed it with floats would have the very error that
it is there to find.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from functools import lru_cache
from typing import Final

#: Numbers whose float is remembered: meters send the same ones in every read-out.
NUMBERS_KEPT: Final = 4096

_MANTISSA_BITS: Final = 23
_BIAS: Final = 127
_EXPONENT_MIN: Final = -126
_EXPONENT_MAX: Final = 127
_INFINITY: Final = 0x7F80_0000
_SIGN: Final = 0x8000_0000


@lru_cache(maxsize=NUMBERS_KEPT)
def nearest(integer: int, scale: int) -> int:
    """Return the 32 bits of the float32 nearest to `integer` x 10^`scale`.

    Ties go to the even mantissa, numbers too large become infinity, small ones subnormal or zero.
    """
    if integer == 0:
        return 0
    sign = _SIGN if integer < 0 else 0
    exact = Fraction(abs(integer)) * Fraction(10) ** scale
    exponent = max(_floor_log2(exact), _EXPONENT_MIN)
    # `round` of a Fraction is exact and goes to the even neighbour on a tie.
    mantissa = round(exact / Fraction(2) ** (exponent - _MANTISSA_BITS))
    if mantissa == 1 << (_MANTISSA_BITS + 1):
        mantissa >>= 1
        exponent += 1
    if exponent > _EXPONENT_MAX:
        return sign | _INFINITY
    if mantissa < 1 << _MANTISSA_BITS:
        return sign | mantissa
    return sign | (exponent + _BIAS) << _MANTISSA_BITS | mantissa - (1 << _MANTISSA_BITS)


def _floor_log2(number: Fraction) -> int:
    """Return the largest e with 2^e <= `number`."""
    guess = number.numerator.bit_length() - number.denominator.bit_length()
    return guess if Fraction(2) ** guess <= number else guess - 1


def shown(bits: int) -> str:
    """Return a float32 as the shortest decimal that reads back as the same float32."""
    (value,) = struct.unpack(">f", bits.to_bytes(4, "big"))
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        try:
            same = struct.pack(">f", float(text)) == struct.pack(">f", value)
        except OverflowError:
            same = False
        if same:
            return repr(float(text))
    return repr(value)
