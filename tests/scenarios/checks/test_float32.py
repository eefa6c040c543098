"""The nearest float32, against the examples and against the machine's own rounding."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.checks import float32


@pytest.mark.parametrize(
    ("integer", "scale", "bits"),
    [
        (267, 3, 0x48825F00),
        (-1234, -2, 0xC14570A4),
        (12345678, -2, 0x47F12064),
        (12345678, -4, 0x449A522B),
        (0x6AE52F80, 0, 0x4ED5CA5F),
        (0, 30000, 0),
        (1, 39, 0x7F800000),
        (-1, 39, 0xFF800000),
        (1, -60, 0),
        (1, -45, 0x00000001),
        (16777217, 0, 0x4B800000),
        (16777219, 0, 0x4B800002),
        (33554431, 0, 0x4C000000),
        (2**63 - 1, 0, 0x5F000000),
    ],
)
def test_examples(integer: int, scale: int, bits: int) -> None:
    """Worked examples, overflow, underflow, subnormals, and ties to even."""
    assert float32.nearest(integer, scale) == bits


@given(st.integers(0, 2**32 - 1))
def test_a_float32_is_nearest_to_itself(bits: int) -> None:
    """Every finite float32 that is a decimal integer times a power of ten maps to itself."""
    (value,) = struct.unpack(">f", bits.to_bytes(4, "big"))
    if value != value or value in (float("inf"), float("-inf")) or value == 0:
        return
    exact = Fraction(value)
    digits = exact.denominator.bit_length() - 1
    integer = exact * 10**digits
    assert integer.denominator == 1
    assert float32.nearest(int(integer), -digits) == bits


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-30, 20))
def test_no_neighbour_is_nearer(integer: int, scale: int) -> None:
    """The result is at least as near as the float32 on either side."""
    bits = float32.nearest(integer, scale)
    magnitude = bits & 0x7FFFFFFF
    if magnitude >= 0x7F7FFFFF or magnitude == 0:
        return
    exact = abs(Fraction(integer) * Fraction(10) ** scale)
    distance = [
        abs(exact - Fraction(struct.unpack(">f", (magnitude + step).to_bytes(4, "big"))[0]))
        for step in (-1, 0, 1)
    ]
    assert distance[1] <= min(distance)


@pytest.mark.parametrize(
    ("bits", "text"),
    [(0x7F7FFFFF, "3.4028235e+38"), (0x7F800000, "inf"), (0x7FC00000, "nan"), (1, "1e-45")],
)
def test_shown_at_the_edges(bits: int, text: str) -> None:
    """The largest and the smallest number, and what is none."""
    assert float32.shown(bits) == text


@given(st.integers(0, 2**32 - 1))
def test_shown_reads_back(bits: int) -> None:
    """What the report prints reads back as the same float32."""
    text = float32.shown(bits)
    (value,) = struct.unpack(">f", bits.to_bytes(4, "big"))
    if value == value:
        assert struct.pack(">f", float(text)) == bits.to_bytes(4, "big")
    else:
        assert text == "nan"
