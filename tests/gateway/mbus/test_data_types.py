"""Data types: BCD, integers, reals, points in time, LVAR."""

from __future__ import annotations

import datetime as dt
import math
import struct
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus import data_types
from gateway.mbus.data_types import Instant, Scaled, decimal_text

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


# --- Numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "number"),
    [
        ("00", 0),
        ("7856 3412", 12345678),
        ("020000f0", -2),
        ("1800f0", -18),
        ("f9", -9),
        ("999999999999", 999999999999),
    ],
)
def test_bcd_with_f_in_front_is_negative(wire: str, number: int) -> None:
    """Real meters send F in the most significant digit as a minus sign (L+G: F00018 = -0.18 K)."""
    assert data_types.read_bcd(bytes.fromhex(wire)) == number


@pytest.mark.parametrize(
    ("wire", "meaning"),
    [
        ("ddb4ebdd", "error"),
        ("bbdb", "not available"),
        ("3412a0", "overflow"),
        ("34c2", "overflow"),
        ("21e3", "underflow"),
        ("12d3", "error"),
        ("ffff", "error"),
        ("1f", "error"),
        ("0a", "error"),
    ],
)
def test_other_hex_digits_in_bcd_are_no_value(wire: str, meaning: str) -> None:
    """A-C in front overflow, E underflow, DB..BB not available, the rest an error (p.57-62)."""
    with pytest.raises(ValueError, match=meaning) as caught:
        data_types.read_bcd(bytes.fromhex(wire))
    assert bytes.fromhex(wire)[::-1].hex().upper() in str(caught.value)


@given(st.integers(1, 8), st.data())
def test_integers_read_back_in_every_size(size: int, data: st.DataObject) -> None:
    """Two's complement of 1 to 8 bytes, sign-extended (C-59)."""
    limit = 1 << (8 * size - 1)
    number = data.draw(st.integers(-limit, limit - 1))
    assert data_types.read_integer(number.to_bytes(size, "little", signed=True)) == number


@given(FLOAT32)
def test_a_real_is_read_exactly(value: float) -> None:
    """Every finite float32 is a decimal; none of its digits is lost."""
    exact = data_types.exact_decimal(data_types.read_real(struct.pack("<f", value)))
    assert Fraction(exact.integer) * Fraction(10) ** exact.scale == Fraction(value)
    assert Decimal(decimal_text(*exact)) == Decimal(value)


@given(FLOAT32)
def test_the_short_form_of_a_real_reads_back_and_is_shortest(value: float) -> None:
    """C-59: the shortest decimal that reads back as the same float32."""
    short = data_types.shortest_decimal(value)
    text = decimal_text(*short)
    assert struct.unpack("<f", struct.pack("<f", float(text)))[0] == value
    digits = len(str(abs(short.integer)))
    if digits > 1:
        shorter = float(f"{value:.{digits - 2}e}")
        try:
            assert struct.unpack("<f", struct.pack("<f", shorter))[0] != value
        except OverflowError:
            return


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_no_value(value: float) -> None:
    """A meter that sends NaN sends no number."""
    wire = struct.pack("<f", value)
    with pytest.raises(ValueError, match="real"):
        data_types.read_real(wire)


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (0.1, (1, -1)),
        (1e10, (1, 10)),
        (-12.34, (-1234, -2)),
        (0.0, (0, 0)),
        (-0.0, (0, 0)),
        (3.4028234663852886e38, (34028235, 31)),
        (1e-45, (1, -45)),
        (16777216.0, (16777216, 0)),
    ],
)
def test_short_forms_of_known_reals(value: float, short: tuple[int, int]) -> None:
    """0.1 is 1 x 10^-1 for the registers, whatever float32 makes of it."""
    assert data_types.shortest_decimal(data_types.read_real(struct.pack("<f", value))) == short


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-20, 20))
def test_decimal_text_is_exact_and_plain(integer: int, scale: int) -> None:
    """64-bit integers keep every digit, and no exponent is ever printed."""
    text = decimal_text(integer, scale)
    assert Fraction(text) == Fraction(integer) * Fraction(10) ** scale
    assert "E" not in text.upper()


@given(st.integers(-(10**40), 10**40), st.integers(-50, 50))
def test_fitted_numbers_are_the_nearest_of_64_bits(integer: int, scale: int) -> None:
    """A number that fits is untouched; another loses its last digits only."""
    number = data_types.fitted(Scaled(integer, scale))
    assert data_types.INT64_MIN <= number.integer <= data_types.INT64_MAX
    if data_types.INT64_MIN <= integer <= data_types.INT64_MAX:
        assert number == (integer, scale)
    off = abs(Fraction(number.integer) * Fraction(10) ** (number.scale - scale) - integer)
    assert off * 2 <= Fraction(10) ** (number.scale - scale)
    assert number.integer == integer or abs(number.integer) >= 10**17


def test_decimal_text_shows_the_resolution() -> None:
    """Zeros behind the point stay: the meter counts in steps of a hundredth."""
    assert decimal_text(1200, -2) == "12.00"
    assert decimal_text(-5, -3) == "-0.005"
    assert decimal_text(0, 4) == "0"


# --- Points in time -------------------------------------------------------------------------------


def type_f(moment: dt.datetime, hundreds: int = 0, minute: int = 0, hour: int = 0) -> bytes:
    """Write type F; `minute` and `hour` add flag bits to those bytes."""
    year = moment.year % 100
    return bytes(
        (
            moment.minute | minute,
            moment.hour | hundreds << 5 | hour,
            moment.day | (year & 7) << 5,
            moment.month | (year >> 3) << 4,
        )
    )


MINUTES = st.datetimes(dt.datetime(1981, 1, 1), dt.datetime(2080, 12, 31)).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)


@given(MINUTES)
def test_type_f_reads_back(moment: dt.datetime) -> None:
    """Minute to year, two-digit years up to 80 in this century."""
    instant = data_types.read_type_f(type_f(moment))
    assert instant.text == moment.isoformat()
    assert instant.seconds == int(moment.replace(tzinfo=dt.UTC).timestamp())


def test_hundred_years_count_from_1900() -> None:
    """Bits 5-6 of the hour byte: 1 = 2000, 2 = 2100; 0 with a year up to 80 is 20xx too."""
    moment = dt.datetime(1997, 3, 4, 5, 6)
    years = [data_types.read_type_f(type_f(moment, hundreds)).text for hundreds in range(4)]
    assert [text[:4] for text in years if text] == ["1997", "2097", "2197", "2297"]
    early = dt.datetime(2012, 1, 13, 12, 4)
    assert data_types.read_type_f(type_f(early, 0)).text == "2012-01-13T12:04:00"
    assert data_types.read_type_f(type_f(early, 1)).text == "2012-01-13T12:04:00"


def test_the_flags_of_type_f_are_kept() -> None:
    """SU marks summer time; IV makes the time no instant but keeps what was sent."""
    moment = dt.datetime(2021, 7, 1, 12, 30)
    assert data_types.read_type_f(type_f(moment, hour=0x80)).summer_time is True
    invalid = data_types.read_type_f(type_f(moment, minute=0x80))
    assert (invalid.text, invalid.seconds, invalid.invalid) == (None, None, True)
    assert invalid.reason == "2021-07-01T12:30:00 marked invalid (IV)"


@pytest.mark.parametrize(
    "wire",
    [
        "00000000",
        "ffffffff",
        "0000e1f1",
        "00008f1d",
        "0000800c",
        "0000ff1d",
        "3f00c111",
        "001fc111",
        "00005e12",
    ],
)
def test_four_bytes_that_are_no_instant(wire: str) -> None:
    """0000h, FFFFh, year 127, month 0 or 13-15, day 0, every minute, every hour, 30 February."""
    instant = data_types.read_type_f(bytes.fromhex(wire))
    assert (instant.text, instant.seconds) == (None, None)
    assert instant.reason


@given(st.dates(dt.date(1981, 1, 1), dt.date(2080, 12, 31)))
def test_type_g_reads_back(date: dt.date) -> None:
    """Two bytes: day, month, year."""
    year = date.year % 100
    wire = bytes((date.day | (year & 7) << 5, date.month | (year >> 3) << 4))
    instant = data_types.read_type_g(wire)
    assert instant.text == date.isoformat()
    assert instant.seconds == (date - dt.date(1970, 1, 1)).days * 86400


@pytest.mark.parametrize("wire", ["0000", "ffff", "e1f1", "800c", "8f1d", "ff1f"])
def test_two_bytes_that_are_no_date(wire: str) -> None:
    """Type G has the same ways to say "no date" as type F."""
    assert data_types.read_type_g(bytes.fromhex(wire)).text is None


@given(st.datetimes(dt.datetime(1981, 1, 1), dt.datetime(2080, 12, 31)), st.booleans())
def test_type_i_reads_back(moment: dt.datetime, summer_time: bool) -> None:
    """Six bytes: second to year, week ignored; bit 6 of the first byte is summer time."""
    moment = moment.replace(microsecond=0)
    year = moment.year % 100
    wire = bytes(
        (
            moment.second | (0x40 if summer_time else 0),
            moment.minute,
            moment.hour | moment.isoweekday() << 5,
            moment.day | (year & 7) << 5,
            moment.month | (year >> 3) << 4,
            moment.isocalendar().week,
        )
    )
    instant = data_types.read_type_i(wire)
    assert (instant.text, instant.summer_time) == (moment.isoformat(), summer_time)
    assert data_types.read_type_i(bytes((wire[0], wire[1] | 0x80)) + wire[2:]).invalid is True


def test_type_j_is_a_time_of_day() -> None:
    """Three bytes: second, minute, hour; "every" values are no time."""
    assert data_types.read_type_j(bytes((59, 58, 23))) == Instant("23:58:59", 86339, "", True)
    assert data_types.read_type_j(bytes((0x3F, 0, 0))).text is None


@given(st.sampled_from(sorted(data_types.INSTANT_READERS)), st.data())
def test_any_bytes_are_an_instant_or_a_reason(size: int, data: st.DataObject) -> None:
    """The readers are total: text and seconds together, or a reason."""
    instant = data_types.INSTANT_READERS[size](data.draw(st.binary(min_size=size, max_size=size)))
    assert (instant.text is None) == (instant.seconds is None) == bool(instant.reason)


# --- Variable length ------------------------------------------------------------------------------


def test_every_lvar_has_a_size_or_is_reserved() -> None:
    """Text to BF, BCD C0-C9 and D0-D9 in bytes, binary E0-EF, long binary F0-F6."""
    sizes = [data_types.lvar_size(lvar) for lvar in range(256)]
    assert sizes[:0xC0] == list(range(0xC0))
    assert sizes[0xC0:0xCA] == sizes[0xD0:0xDA] == list(range(10))
    assert sizes[0xE0:0xF0] == list(range(16))
    assert sizes[0xF0:0xF7] == [16, 20, 24, 28, 32, 48, 64]
    reserved = [lvar for lvar in range(256) if sizes[lvar] is None]
    assert reserved == [*range(0xCA, 0xD0), *range(0xDA, 0xE0), *range(0xF7, 0x100)]


def test_text_is_sent_backwards() -> None:
    """Mode 1 sends the last character first; every byte is a character."""
    assert data_types.read_text(b"Bd\xb0") == "°dB"
    assert data_types.read_number_of_bytes(bytes.fromhex("0102ff")) == "FF0201"


def test_scaled_numbers_compare_as_pairs() -> None:
    """A scaled number is its integer and its power of ten."""
    assert data_types.exact_decimal(0.5) == Scaled(5, -1)
