"""Media, value types and units as manual 6.2 lists them (REG-MED, REG-TYP, REG-UNIT)."""

from __future__ import annotations

import pytest

from gateway.mbus.tables.manual import Medium, Unit, ValueType, medium_label

RESERVED_MEDIA = {16, 17, 18, 19, 29, 30, 31, 34, 35, 36, 38, 39, *range(43, 49), 52, 53} | set(
    range(56, 256)
)
UNIT_SYMBOLS = """
    None,Bin,Cur,V,A,Wh,J,m³,kg,s,min,h,d,W,J/h,m³/h,m³/min,m³/s,kg/h,Degree C,K,Bar,,-,-,UTC,bd,
    bt,mon,y,,dBm,Bin,Bin,kVARh,kVAR,cal,%,ft³,Degree,Hz,kBTU,mBTU/s,US gal,US gal/s,US gal/min,
    US gal/h,Degree F
"""


def test_every_medium_index_is_named_or_reserved() -> None:
    """REG-MED: 0-15, 20-28, 32-33, 37, 40-42, 49-51, 54-55 have names, all others are reserved."""
    assert {int(medium) for medium in Medium} == set(range(256)) - RESERVED_MEDIA
    assert all(
        (medium_label(index) == "Reserved") == (index in RESERVED_MEDIA) for index in range(256)
    )
    assert medium_label(4) == "Heat (outlet)"
    assert Medium(33).label == "Valve (gas or water)"


def test_value_types_are_the_manuals_ninety() -> None:
    """REG-TYP: 0 to 89 without a gap; spot checks at both ends and in the middle."""
    assert [int(value_type) for value_type in ValueType] == list(range(90))
    assert ValueType(0).label == "None"
    assert ValueType(31).label == "Meter specific description"
    assert ValueType(40).label == "Metrology (firmware) version"
    assert ValueType(53).label == "First storagenum. for cyclic storage"
    assert ValueType(89).label == "Cumulative count max. power"


def test_unit_symbols_are_the_manuals() -> None:
    """REG-UNIT: 0 to 47 but 23 and 24, each with the symbol printed."""
    for index, symbol in enumerate(UNIT_SYMBOLS.replace("\n    ", "").strip().split(",")):
        if symbol == "-":
            with pytest.raises(ValueError, match=f"{index}"):
                Unit(index)
        else:
            assert Unit(index).symbol == symbol
    assert len(Unit) == 46
    assert Unit(30).label == "Day of week"
