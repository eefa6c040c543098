"""The fixed data structure of CI 73 and 77: units and media of the two counters.

Both stand in the two medium/unit bytes (MBDOC48 p.74): six bits of unit for each counter, and two
bits of medium from each. Units 02-37 repeat a pattern of 1, 10, 100 and 1000.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.mbus.tables.manual import Medium, Unit, ValueType

#: Unit 3E: as counter 1, but the value stored at the due date.
UNIT_LIKE_COUNTER_1: Final = 0x3E
UNIT_MASK: Final = 0x3F


class FixedUnitRow(NamedTuple):
    """Codes `first` to `last`, the power of ten growing by one from code to code."""

    first: int
    last: int
    value_type: ValueType
    unit: Unit
    exponent: int = 0


class FixedUnit(NamedTuple):
    """One code, ready to use."""

    value_type: ValueType
    unit: Unit
    exponent: int


# fmt: off
ROWS: Final = (
    # h,m,s and D,M,Y: digits whose order no source read gives; shown as the number they form.
    FixedUnitRow(0x00, 0x00, ValueType.TIME,                 Unit.NONE),
    FixedUnitRow(0x01, 0x01, ValueType.TIMESTAMP,            Unit.NONE),
    FixedUnitRow(0x02, 0x0A, ValueType.ENERGY,               Unit.WATT_HOUR,            0),
    FixedUnitRow(0x0B, 0x13, ValueType.ENERGY,               Unit.JOULE,                3),
    FixedUnitRow(0x14, 0x1C, ValueType.POWER,                Unit.WATT,                 0),
    FixedUnitRow(0x1D, 0x25, ValueType.POWER,                Unit.JOULE_PER_HOUR,       3),
    FixedUnitRow(0x26, 0x2E, ValueType.VOLUME,               Unit.CUBIC_METRE,         -6),
    FixedUnitRow(0x2F, 0x37, ValueType.VOLUME_FLOW,          Unit.CUBIC_METRE_PER_HOUR, -6),
    FixedUnitRow(0x38, 0x38, ValueType.EXTERNAL_TEMPERATURE, Unit.DEGREE_CELSIUS,      -3),
    FixedUnitRow(0x39, 0x39, ValueType.UNITS_FOR_HCA,        Unit.DIMENSIONLESS),
    FixedUnitRow(0x3A, 0x3A, ValueType.RESERVED,             Unit.NONE),
    FixedUnitRow(0x3B, 0x3B, ValueType.RESERVED,             Unit.NONE),
    FixedUnitRow(0x3C, 0x3C, ValueType.RESERVED,             Unit.NONE),
    FixedUnitRow(0x3D, 0x3D, ValueType.RESERVED,             Unit.NONE),
    FixedUnitRow(0x3E, 0x3E, ValueType.RESERVED,             Unit.NONE),
    FixedUnitRow(0x3F, 0x3F, ValueType.NO_VIF,               Unit.DIMENSIONLESS),
)

#: Medium by its four bits; 0A-0E are those of a meter that sends the most significant byte first
#: although its CI field says 73 (MBDOC48 p.74).
MEDIA: Final = (
    Medium.OTHER, Medium.OIL, Medium.ELECTRICITY, Medium.GAS,
    Medium.HEAT_OUTLET, Medium.STEAM, Medium.WARM_WATER, Medium.WATER,
    Medium.HEAT_COST_ALLOCATOR, Medium.UNKNOWN_MEDIUM, Medium.GAS, Medium.HEAT_OUTLET,
    Medium.WARM_WATER, Medium.WATER, Medium.HEAT_COST_ALLOCATOR, Medium.UNKNOWN_MEDIUM,
)
MEDIA_MSB_FIRST: Final = range(0x0A, 0x0F)
# fmt: on


def _expand() -> tuple[FixedUnit, ...]:
    table: dict[int, FixedUnit] = {}
    for row in ROWS:
        for code in range(row.first, row.last + 1):
            if code in table:
                raise ValueError(f"unit {code:02X} twice")
            table[code] = FixedUnit(row.value_type, row.unit, row.exponent + code - row.first)
    return tuple(table[code] for code in range(UNIT_MASK + 1))


UNITS: Final = _expand()
