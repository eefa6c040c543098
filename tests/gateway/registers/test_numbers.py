"""The float32 of a value against rational arithmetic and IEEE 754 (C-59)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import copysign, inf, isinf
from struct import pack, unpack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.registers.numbers import OVERFLOW, nearest_float32


def stored(integer: int, scale: int) -> bytes:
    """Give the four bytes that the register shows."""
    return pack(">f", nearest_float32(integer, scale))


def number(bits: int) -> float:
    """Read a bit pattern as float32."""
    value = unpack(">f", bits.to_bytes(4, "big"))[0]
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize(
    ("integer", "scale", "expected"),
    [
        (267, 3, "48825F00"),
        (-1234, -2, "C14570A4"),
        (12345678, -2, "47F12064"),
        (12345678, -4, "449A522B"),
        (0x6AE52F80, 0, "4ED5CA5F"),
        (0, 0, "00000000"),
        (0, 32767, "00000000"),
        (1, 38, "7E967699"),
        (1, 39, "7F800000"),
        (-1, 39, "FF800000"),
        (1, -45, "00000001"),
        (7, -46, "00000000"),
        (71, -47, "00000001"),
        (-1, -60, "80000000"),
        (1, 32767, "7F800000"),
        (1, -32768, "00000000"),
        # Halfway between two float32 numbers: to the even one, down and up.
        (2**24 + 1, 0, "4B800000"),
        (2**24 + 3, 0, "4B800002"),
        # The largest float32, the last number below the tie, and the tie, which is infinite.
        (2**128 - 2**104, 0, "7F7FFFFF"),
        (OVERFLOW - 1, 0, "7F7FFFFF"),
        (OVERFLOW, 0, "7F800000"),
        (10**400, -400, "3F800000"),
    ],
)
def test_known_numbers(integer: int, scale: int, expected: str) -> None:
    """C-59: exact, rounded once, half to even; overflow gives infinity, underflow a signed zero."""
    assert stored(integer, scale).hex().upper() == expected


def nearest_by_fractions(integer: int, scale: int) -> float:
    """Find the nearest float32 by bisection over all of them, ordered as integers."""
    exact = Fraction(abs(integer)) * Fraction(10) ** scale
    if exact >= OVERFLOW:
        return copysign(inf, integer)
    low, high = 0, 0x7F7FFFFF
    while low < high:
        middle = (low + high + 1) // 2
        if Fraction(number(middle)) <= exact:
            low = middle
        else:
            high = middle - 1
    below = exact - Fraction(number(low))
    if low == 0x7F7FFFFF:
        return copysign(number(low), integer)
    above = Fraction(number(low + 1)) - exact
    bits = low + 1 if above < below or (above == below and low & 1) else low
    return copysign(number(bits), integer)


integers = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(10**8), 10**8),
    st.integers(-(10**40), 10**40),
)


@given(integers, st.integers(-60, 45))
@example(2**24 + 1, 0)
@example(16777217, -9)
@example(-33554433, 3)
def test_against_rational_arithmetic(integer: int, scale: int) -> None:
    """C-59: the stored float32 is the nearest to the exact product, ties to even."""
    value = nearest_by_fractions(integer, scale)
    expected = pack(">f", value) if integer else bytes(4)
    assert stored(integer, scale) == expected


@given(st.integers(2**23, 2**24 - 1), st.integers(0, 60), st.integers(-1, 1))
def test_around_ties(significand: int, shift: int, offset: int) -> None:
    """C-59: numbers at, just below and just above the middle of two float32 numbers."""
    integer = ((2 * significand + 1) << shift) + (offset if shift else 0)
    assert stored(integer, 0) == pack(">f", nearest_by_fractions(integer, 0))


@given(st.integers(2**23, 2**24 - 1), st.integers(1, 22), st.integers(-3, 3))
def test_around_ties_of_decimals(significand: int, digits: int, offset: int) -> None:
    """C-59: a decimal fraction whose double is a tie of float32 though it is not itself one."""
    tie = Decimal(2 * significand + 1) / 2
    integer = int(tie.scaleb(digits)) + offset
    assert stored(integer, -digits) == pack(">f", nearest_by_fractions(integer, -digits))


@given(st.integers(0, 2**32 - 1))
def test_a_float32_reads_back(bits: int) -> None:
    """C-59: the shortest decimal of a float32 (type H) gives the same float32 again."""
    value = number(bits)
    if isinf(value) or value != value:
        return
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    integer = int("".join(map(str, digits))) * (-1 if sign else 1)
    assert number(int.from_bytes(stored(integer, exponent), "big")) == value
