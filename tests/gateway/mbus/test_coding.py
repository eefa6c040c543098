"""Codings: DIB and VIB put together."""

from __future__ import annotations

import pytest

from gateway.mbus.coding import Form, Function, add, build_coding, special_coding, text_of_coding
from gateway.mbus.data_types import Scaled
from gateway.mbus.tables.manual import Unit, ValueType


def test_the_worked_example_of_the_manual() -> None:
    """CFG-17: ``8C 11 04`` = 8-digit BCD, storage 2, tariff 1, energy in 10 Wh."""
    coding = build_coding(b"\x8c\x11", b"\x04")
    assert (coding.form, coding.size, coding.function) == (Form.BCD, 4, Function.INSTANTANEOUS)
    assert (coding.storage_number, coding.tariff, coding.subunit) == (2, 1, 0)
    assert (coding.value_type, coding.unit, coding.scale) == (ValueType.ENERGY, Unit.WATT_HOUR, 1)


@pytest.mark.parametrize(
    ("dif", "function"),
    [
        (0x04, Function.INSTANTANEOUS),
        (0x14, Function.MAXIMUM),
        (0x24, Function.MINIMUM),
        (0x34, Function.ERROR_STATE),
    ],
)
def test_the_function_field(dif: int, function: Function) -> None:
    """Bits 4 and 5 of the DIF, in the words of MBDOC48."""
    assert build_coding(bytes((dif,)), b"\x13").function is function
    assert Function.ERROR_STATE.label == "Value during error state"


def test_only_plain_time_points_give_their_time() -> None:
    """6C and 6D without VIFE (C-58)."""
    vibs = [b"\x6c", b"\x6d", b"\xec\x7e", b"\xed\x6a", b"\x13", b"\xfd\x70"]
    assert [build_coding(b"\x04", vib).gives_time for vib in vibs] == [True, True] + [False] * 4


def test_special_records_end_the_telegram() -> None:
    """0F and 1F: bytes of the manufacturer."""
    assert special_coding(0x0F).function is Function.MANUFACTURER_SPECIFIC
    assert special_coding(0x1F).function is Function.MORE_RECORDS_FOLLOW


def test_texts_of_either_byte_order() -> None:
    """Mode 1 sends a text backwards, mode 2 forwards."""
    vib = b"\x7c\x03HR%"
    assert text_of_coding(build_coding(b"\x02", vib)) == "%RH"
    assert text_of_coding(build_coding(b"\x02", vib, msb_first=True)) == "HR%"
    assert text_of_coding(build_coding(b"\x02", b"\x13")) is None


def test_exact_decimals_add() -> None:
    """1.5 + 0.25 = 1.75, 100 + 1 = 101."""
    assert add(Scaled(15, -1), Scaled(25, -2)) == Scaled(175, -2)
    assert add(Scaled(1, 2), Scaled(1, 0)) == Scaled(101, 0)


def test_every_vif_and_vife_makes_a_coding() -> None:
    """No byte pair of VIF and VIFE, in any table, is beyond the tables."""
    for first in range(256):
        for second in range(128):
            vib = bytes((first, second)) if first & 0x80 else bytes((first,))
            if first & 0x7F != 0x7C:
                assert isinstance(build_coding(b"\x04", vib).unit, Unit)
    for table in (0xFB, 0xFD):
        for code in range(0x80, 0x100):
            for vife in range(128):
                assert build_coding(b"\x04", bytes((table, code, vife))).value_type in ValueType
