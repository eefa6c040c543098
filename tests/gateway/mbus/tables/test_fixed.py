"""The unit table of the fixed data structure: a pattern of 1, 10, 100."""

from __future__ import annotations

import pytest

from gateway.mbus.tables.fixed import MEDIA, UNITS
from gateway.mbus.tables.manual import Medium, Unit

# fmt: off
WRITTEN_OUT = {
    0x02: "Wh",     0x05: "kWh",    0x08: "MWh",    0x0A: "100 MWh",
    0x0B: "kJ",     0x0D: "100 kJ", 0x0E: "MJ",     0x11: "GJ",     0x13: "100 GJ",
    0x14: "W",      0x15: "10 W",   0x17: "kW",     0x1A: "MW",     0x1C: "100 MW",
    0x1D: "kJ/h",   0x20: "MJ/h",   0x23: "GJ/h",   0x25: "100 GJ/h",
    0x26: "ml",     0x29: "l",      0x2C: "m3",     0x2E: "100 m3",
    0x2F: "ml/h",   0x30: "10 ml/h", 0x32: "l/h",   0x35: "m3/h",   0x37: "100 m3/h",
    0x38: "mC",
}
UNIT_OF = {
    "Wh": (Unit.WATT_HOUR, 0), "kWh": (Unit.WATT_HOUR, 3), "MWh": (Unit.WATT_HOUR, 6),
    "kJ": (Unit.JOULE, 3), "MJ": (Unit.JOULE, 6), "GJ": (Unit.JOULE, 9),
    "W": (Unit.WATT, 0), "kW": (Unit.WATT, 3), "MW": (Unit.WATT, 6),
    "kJ/h": (Unit.JOULE_PER_HOUR, 3), "MJ/h": (Unit.JOULE_PER_HOUR, 6),
    "GJ/h": (Unit.JOULE_PER_HOUR, 9),
    "ml": (Unit.CUBIC_METRE, -6), "l": (Unit.CUBIC_METRE, -3), "m3": (Unit.CUBIC_METRE, 0),
    "ml/h": (Unit.CUBIC_METRE_PER_HOUR, -6), "l/h": (Unit.CUBIC_METRE_PER_HOUR, -3),
    "m3/h": (Unit.CUBIC_METRE_PER_HOUR, 0), "mC": (Unit.DEGREE_CELSIUS, -3),
}
# fmt: on


@pytest.mark.parametrize("code", WRITTEN_OUT, ids=lambda code: f"{code:02X}")
def test_units_equal_a_list_written_by_hand(code: int) -> None:
    """Codes 02-38 have their unit and power of ten, those that others get wrong included."""
    *tens, name = WRITTEN_OUT[code].split()
    unit, exponent = UNIT_OF[name]
    assert (UNITS[code].unit, UNITS[code].exponent) == (unit, exponent + len("".join(tens)[1:]))


def test_the_table_is_whole() -> None:
    """All 64 units and 16 media exist; media A-E name the same things as 3, 4, 6, 7 and 8."""
    assert len(UNITS) == 64
    assert len(MEDIA) == 16
    assert [MEDIA[index] for index in range(0x0A, 0x0F)] == [
        Medium.GAS,
        Medium.HEAT_OUTLET,
        Medium.WARM_WATER,
        Medium.WATER,
        Medium.HEAT_COST_ALLOCATOR,
    ]
