"""Values become characters as real meters send them."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import encoding


@pytest.mark.parametrize(
    ("value", "digits", "characters"),
    [(267, 6, "67 02 00"), (12345678, 8, "78 56 34 12"), (0, 4, "00 00"), (-18, 6, "18 00 F0")],
)
def test_bcd_is_packed_least_significant_first(value: int, digits: int, characters: str) -> None:
    """BCD has the least significant digits first and an F on top for minus."""
    assert encoding.bcd(value, digits) == bytes.fromhex(characters)


@pytest.mark.parametrize(("value", "digits"), [(10000, 4), (-1000, 4), (100, 2)])
def test_bcd_that_does_not_fit_is_refused(value: int, digits: int) -> None:
    """A number is never cut to the digits that there are."""
    with pytest.raises(ValueError, match="does not fit"):
        encoding.bcd(value, digits)


def test_integers_are_two_s_complement() -> None:
    """-1234 in 16 bits is 2E FB on the line; what does not fit is refused."""
    assert encoding.integer(-1234, 2) == bytes.fromhex("2E FB")
    assert encoding.integer(2**32, 8) == bytes.fromhex("00 00 00 00 01 00 00 00")
    with pytest.raises(ValueError, match="does not fit into 16 bits"):
        encoding.integer(40_000, 2)


def test_a_real_that_is_too_large_is_refused() -> None:
    """A float32 has no place for 1E40."""
    assert encoding.real(1.5) == struct.pack("<f", 1.5)
    with pytest.raises(ValueError, match="float32"):
        encoding.real(1e40)


def test_dates_of_the_worked_examples() -> None:
    """2026-11-20 11:58 is 3A 0B 54 3B as type F, 2026-10-31 is 5F 3A as type G."""
    assert encoding.date_f(datetime(2026, 11, 20, 11, 58, tzinfo=UTC)) == bytes.fromhex("3A0B543B")
    assert encoding.date_g(date(2026, 10, 31)) == bytes.fromhex("5F3A")
    with pytest.raises(ValueError, match="two-digit year"):
        encoding.date_g(date(1999, 12, 31))


def test_text_is_sent_last_character_first() -> None:
    """The firmware version "D325-101" goes out as 08 and its characters reversed."""
    assert encoding.text("D325-101") == bytes.fromhex("08 31 30 31 2D 35 32 33 44")
    with pytest.raises(ValueError, match="191"):
        encoding.text("x" * 192)
    with pytest.raises(ValueError, match="8859-1"):
        encoding.text("Ω")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_reads_back_as_the_same_float32(value: float) -> None:
    """The expected number of a real is exact: it gives the same four characters again."""
    data = struct.pack("<f", value)
    number = encoding.shortest_decimal(data)
    back = struct.pack("<f", float(Decimal(number.integer).scaleb(number.scale)))
    assert back == data or value == 0
    assert number.integer % 10 or number == (0, 0)
    assert abs(number.integer) < 10**9


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (230.0, (23, 1)),
        (1e10, (1, 10)),
        (230.5, (2305, -1)),
        (0.1, (1, -1)),
        (-12.34, (-1234, -2)),
        (0.0, (0, 0)),
    ],
)
def test_the_shortest_decimal_has_no_needless_digits(value: float, number: tuple[int, int]) -> None:
    """0.1 is one digit, although the float32 nearest to it is a long number."""
    assert encoding.shortest_decimal(struct.pack("<f", value)) == number
