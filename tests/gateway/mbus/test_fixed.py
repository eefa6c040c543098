"""Answers of the fixed data structure."""

from __future__ import annotations

import pytest

from gateway.mbus.tables.manual import Medium, Unit
from gateway.mbus.telegram import Telegram, decode
from tests.gateway.mbus.building import long_frame


def fixed(data: str, ci_field: int = 0x73) -> Telegram:
    """Decode a RSP_UD with the fixed structure."""
    return decode(long_frame(0x08, 5, ci_field, bytes.fromhex(data)))


def test_bcd_counters_with_unit_and_medium() -> None:
    """MBDOC48: status 00 = BCD; medium 7 from the top bits, units litre and 10 litre."""
    telegram = fixed("78563412 0a 00 e9 6a 01000000 35010000")
    assert telegram.error is None
    assert telegram.header is not None
    assert telegram.header.identification_number == "12345678"
    assert (telegram.header.access_number, telegram.header.status) == (10, 0)
    assert (telegram.header.medium, telegram.header.manufacturer) == (Medium.WATER, None)
    assert telegram.header.address is None
    first, second = telegram.records
    assert (first.value, first.unit, second.value) == ("0.001", Unit.CUBIC_METRE, "1.35")
    assert (first.dib, first.vib, first.data.hex(), first.offset) == (b"", b"", "01000000", 15)


def test_unit_3e_is_the_historic_value_of_counter_1() -> None:
    """3E = same unit as counter 1, but the value of the due date: storage number 1."""
    telegram = fixed("78563412 0a 00 e9 7e 01000000 35010000")
    assert [record.storage_number for record in telegram.records] == [0, 1]
    assert [record.value for record in telegram.records] == ["0.001", "0.135"]


def test_binary_and_stored_counters() -> None:
    """Status bit 0 = binary, bit 1 = both counters stored at the due date."""
    telegram = fixed("78563412 0a 03 05 05 0a000000 ffffffff")
    assert [record.value for record in telegram.records] == ["10000", "-1000"]
    assert [record.storage_number for record in telegram.records] == [1, 1]


@pytest.mark.parametrize(
    ("data", "ci_field"),
    [
        ("12345678 0a 00 e9 6a 00000001 00000135", 0x77),
        ("12345678 0a 00 a9 ea 00000001 00000135", 0x73),
    ],
)
def test_most_significant_byte_first(data: str, ci_field: int) -> None:
    """CI 77, and media A-E despite CI 73 (MBDOC48 p.74); single bytes stay where they are."""
    telegram = fixed(data, ci_field)
    assert telegram.header is not None
    assert telegram.header.identification_number == "12345678"
    assert telegram.header.access_number == 10
    assert [record.value for record in telegram.records] == ["0.001", "1.35"]


def test_a_bad_counter_leaves_the_other() -> None:
    """Letters in one BCD counter are its error alone."""
    telegram = fixed("78563412 0a 00 e9 6a 0a0b0000 35010000")
    assert telegram.error is None
    assert [record.value for record in telegram.records] == [None, "1.35"]


@pytest.mark.parametrize("size", [0, 15, 17])
def test_any_other_length_is_flagged(size: int) -> None:
    """The structure is sixteen bytes; a byte less or more cannot be placed."""
    telegram = fixed("00" * size)
    assert telegram.error is not None
    assert (telegram.error.offset, telegram.error.got, telegram.records) == (7, str(size), ())
