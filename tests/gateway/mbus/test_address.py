"""Secondary addresses, masks and manufacturer letters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus.address import (
    SecondaryAddress,
    SecondaryMask,
    manufacturer_code,
    manufacturer_letters,
)
from gateway.mbus.errors import LocalProtocolError

METER_A = SecondaryAddress("66600106", 0x32A7, 2, 4)
DIGITS = st.text("0123456789ABCDEF", min_size=8, max_size=8)
ADDRESSES = st.builds(
    SecondaryAddress, DIGITS, st.integers(0, 0xFFFF), st.integers(0, 255), st.integers(0, 255)
)


def test_the_manuals_manufacturer_is_lug() -> None:
    """0x32A7 = L, U, G: five bits a letter, A = 1 (manual 6.2, REG-M)."""
    assert manufacturer_letters(0x32A7) == "LUG"
    assert manufacturer_code("LUG") == 0x32A7
    assert manufacturer_code("abb") == 0x0442


def test_the_top_bit_of_the_manufacturer_is_no_letter() -> None:
    """Bit 15 marks a hard address and leaves the letters alone."""
    assert manufacturer_letters(0x32A7 | 0x8000) == "LUG"


@given(st.integers(0, 0x7FFF))
def test_letters_and_code_are_inverse(code: int) -> None:
    """No code is lost on the way through letters, not even those outside A-Z."""
    assert manufacturer_code(manufacturer_letters(code)) == code


@pytest.mark.parametrize("letters", ["", "AB", "ABCD", "A1C", "ÄBC"])
def test_what_is_no_manufacturer_is_refused(letters: str) -> None:
    """Three letters or an error that quotes what came."""
    with pytest.raises(LocalProtocolError, match="three letters"):
        manufacturer_code(letters)


def test_the_bytes_are_least_significant_first() -> None:
    """Worked-examples 10: ``06 01 60 66 A7 32 02 04``."""
    data = bytes.fromhex("06016066A7320204")
    assert METER_A.to_bytes() == data
    assert SecondaryAddress.from_bytes(data) == METER_A
    assert str(METER_A) == "66600106/LUG/2/4"


def test_identification_numbers_may_hold_hex_digits() -> None:
    """Meters in the field carry A-F in their number; it stays text."""
    address = SecondaryAddress.from_bytes(bytes.fromhex("2E1A00FB 4204 06 02"))
    assert address.identification_number == "FB001A2E"
    assert address.to_bytes() == bytes.fromhex("2E1A00FB42040602")


@given(ADDRESSES)
def test_addresses_read_back_and_match_their_own_mask(address: SecondaryAddress) -> None:
    """Eight bytes hold all of an address, and its exact mask selects it."""
    assert SecondaryAddress.from_bytes(address.to_bytes()) == address
    assert address.to_mask().contains(address)
    assert SecondaryMask.ANY.contains(address)
    assert SecondaryMask.from_bytes(address.to_bytes()) == address.to_mask()


@given(ADDRESSES, st.integers(0, 7))
def test_one_digit_of_a_mask_splits_the_addresses(address: SecondaryAddress, at: int) -> None:
    """Of the 15 masks that set one digit, exactly that of the address contains it (F is wild)."""
    hits = [
        digit
        for digit in "0123456789ABCDE"
        if SecondaryMask.ANY.with_digit(at, digit).contains(address)
    ]
    digit = address.identification_number[at]
    assert hits == ([] if digit == "F" else [digit])


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (replace(METER_A.to_mask(), identification_number="6660010F"), True),
        (replace(METER_A.to_mask(), identification_number="6660011F"), False),
        (replace(METER_A.to_mask(), manufacturer=0xFFA7), True),
        (replace(METER_A.to_mask(), manufacturer=0x32FF), True),
        (replace(METER_A.to_mask(), manufacturer=0xFFA6), False),
        (replace(METER_A.to_mask(), manufacturer=0xF2A7), False),
        (replace(METER_A.to_mask(), version=0xFF), True),
        (replace(METER_A.to_mask(), version=0xF2), False),
        (replace(METER_A.to_mask(), medium=0xFF), True),
        (replace(METER_A.to_mask(), medium=7), False),
    ],
)
def test_wildcards_are_nibbles_in_the_number_and_bytes_elsewhere(
    mask: SecondaryMask, expected: bool
) -> None:
    """F per digit, FF per whole byte of manufacturer, version, medium (MBDOC48 p.64)."""
    assert mask.contains(METER_A) is expected


def test_a_mask_shows_itself_in_hex() -> None:
    """A log line of a search names number, manufacturer, version and medium."""
    assert str(SecondaryMask.ANY) == "FFFFFFFF/FFFF/FF/FF"


@pytest.mark.parametrize(
    "fields",
    [
        ("1234567", 0, 0, 0),
        ("123456789", 0, 0, 0),
        ("1234567G", 0, 0, 0),
        ("1234567a", 0, 0, 0),
        ("12345678", 0x10000, 0, 0),
        ("12345678", 0, 256, 0),
        ("12345678", 0, 0, -1),
    ],
)
def test_fields_out_of_range_are_refused(fields: tuple[str, int, int, int]) -> None:
    """An address that cannot be sent cannot be made."""
    with pytest.raises(LocalProtocolError):
        SecondaryAddress(*fields)
    with pytest.raises(LocalProtocolError):
        SecondaryMask(*fields)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_an_address_is_eight_bytes(size: int) -> None:
    """Other sizes are refused, with the size that came."""
    with pytest.raises(LocalProtocolError, match=str(size)):
        SecondaryAddress.from_bytes(bytes(size))
