"""The VIF tables against an independent list: pyMeterBus writes every code out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from meterbus.core_objects import MeasureUnit, VIFTable

from gateway.mbus.tables.manual import Unit, ValueType
from gateway.mbus.tables.vif import FB, FD, PRIMARY, Vif

#: pyMeterBus' unit -> ours and the factor between them. It puts every duration into seconds.
UNITS = {
    MeasureUnit.WH: (Unit.WATT_HOUR,),
    MeasureUnit.J: (Unit.JOULE,),
    MeasureUnit.M3: (Unit.CUBIC_METRE,),
    MeasureUnit.KG: (Unit.KILOGRAM,),
    MeasureUnit.W: (Unit.WATT,),
    MeasureUnit.J_H: (Unit.JOULE_PER_HOUR,),
    MeasureUnit.M3_H: (Unit.CUBIC_METRE_PER_HOUR,),
    MeasureUnit.M3_MIN: (Unit.CUBIC_METRE_PER_MINUTE,),
    MeasureUnit.M3_S: (Unit.CUBIC_METRE_PER_SECOND,),
    MeasureUnit.KG_H: (Unit.KILOGRAM_PER_HOUR,),
    MeasureUnit.C: (Unit.DEGREE_CELSIUS,),
    MeasureUnit.K: (Unit.KELVIN,),
    MeasureUnit.BAR: (Unit.BAR,),
    MeasureUnit.DATE: (Unit.UTC,),
    MeasureUnit.DATE_TIME: (Unit.UTC,),
    MeasureUnit.HCA: (Unit.DIMENSIONLESS,),
    MeasureUnit.V: (Unit.VOLT,),
    MeasureUnit.A: (Unit.AMPERE,),
    MeasureUnit.CURRENCY: (Unit.CURRENCY,),
    MeasureUnit.BAUD: (Unit.BAUD,),
    MeasureUnit.BIT_TIMES: (Unit.BIT_TIME,),
    MeasureUnit.PERCENT: (Unit.PERCENT,),
    MeasureUnit.DBM: (Unit.DBM,),
    "feet^3": (Unit.CUBIC_FOOT,),
    "American gallon": (Unit.US_GALLON,),
    "American gallon/min": (Unit.US_GALLON_PER_MINUTE,),
    "American gallon/h": (Unit.US_GALLON_PER_HOUR,),
    "degF": (Unit.DEGREE_FAHRENHEIT,),
    MeasureUnit.SECONDS: (Unit.SECOND, Unit.MINUTE, Unit.HOUR, Unit.DAY),
}
SECONDS = {Unit.SECOND: 1, Unit.MINUTE: 60, Unit.HOUR: 3600, Unit.DAY: 86400}

# Where pyMeterBus differs, with the reason.
#: Months and years as mean seconds: 2629743.83 and 31556926. Ours stay months and years.
MEAN_MONTHS_AND_YEARS = {0x128, 0x129, 0x138, 0x139, 0x16A, 0x16B, 0x16E, 0x16F}
#: A factor written twice, 0.001 at 278 and again at 279: a slip of the hand-written list.
FACTOR_SLIPS = {0x279}
#: J where the row says power, "Reserved" where it says energy.
UNIT_SLIPS = {0x208, 0x209, 0x230, 0x231}


def _ours(code: int) -> Vif:
    table = (PRIMARY, FD, FB)[code >> 8]
    return table[code & 0x7F]


def _listed() -> list[int]:
    """List the codes to which pyMeterBus gives a meaning and, mostly, a unit."""
    codes = [code for code in VIFTable.lut if code & 0xFF < 0x80 and code < 0x300]
    return [
        code
        for code in codes
        if VIFTable.lut[code][1] is not MeasureUnit.NONE
        and "eserved" not in str(VIFTable.lut[code][2])
    ]


def test_the_independent_list_is_large_enough() -> None:
    """The comparison is not emptied by its own exceptions."""
    assert len(_listed()) >= 230


@pytest.mark.parametrize("code", _listed(), ids=lambda code: f"{code:03X}")
def test_exponent_and_unit_equal_pymeterbus(code: int) -> None:
    """Power of ten and unit of each code are those of an independent hand-written list."""
    factor, unit, _ = VIFTable.lut[code]
    ours = _ours(code)
    if code in MEAN_MONTHS_AND_YEARS:
        assert ours.unit in (Unit.MONTH, Unit.YEAR)
        return
    if code not in UNIT_SLIPS:
        assert ours.unit in UNITS[unit]
    if ours.unit in SECONDS:
        assert SECONDS[ours.unit] == factor
    else:
        same = Fraction(10) ** ours.exponent == Fraction(str(factor))
        assert same is (code not in FACTOR_SLIPS)


# fmt: off
#: EN's newer reading of FB and codes of FD that no second list has: code, type, unit, exponent.
NEWER = [
    (FB, 0x00, ValueType.ENERGY,                   Unit.WATT_HOUR,         5),
    (FB, 0x01, ValueType.ENERGY,                   Unit.WATT_HOUR,         6),
    (FB, 0x02, ValueType.REACTIVE_ENERGY,          Unit.KILOVAR_HOUR,      0),
    (FB, 0x03, ValueType.REACTIVE_ENERGY,          Unit.KILOVAR_HOUR,      1),
    (FB, 0x08, ValueType.ENERGY,                   Unit.JOULE,             8),
    (FB, 0x0D, ValueType.ENERGY,                   Unit.CALORIE,           6),
    (FB, 0x11, ValueType.VOLUME,                   Unit.CUBIC_METRE,       3),
    (FB, 0x14, ValueType.REACTIVE_POWER,           Unit.KILOVAR,          -3),
    (FB, 0x17, ValueType.REACTIVE_POWER,           Unit.KILOVAR,           0),
    (FB, 0x18, ValueType.MASS,                     Unit.KILOGRAM,          5),
    (FB, 0x1A, ValueType.RELATIVE_HUMIDITY,        Unit.PERCENT,          -1),
    (FB, 0x21, ValueType.VOLUME,                   Unit.CUBIC_FOOT,       -1),
    (FB, 0x23, ValueType.VOLUME,                   Unit.US_GALLON,         0),
    (FB, 0x28, ValueType.POWER,                    Unit.WATT,              5),
    (FB, 0x2A, ValueType.PHASE_VOLTAGE_TO_VOLTAGE, Unit.DEGREE,           -1),
    (FB, 0x2B, ValueType.PHASE_VOLTAGE_TO_CURRENT, Unit.DEGREE,           -1),
    (FB, 0x2C, ValueType.FREQUENCY,                Unit.HERTZ,            -3),
    (FB, 0x2F, ValueType.FREQUENCY,                Unit.HERTZ,             0),
    (FB, 0x31, ValueType.POWER,                    Unit.JOULE_PER_HOUR,    9),
    (FB, 0x37, ValueType.POWER,                    Unit.NONE,              3),
    (FB, 0x58, ValueType.FLOW_TEMPERATURE,         Unit.DEGREE_FAHRENHEIT, -3),
    (FB, 0x74, ValueType.TEMPERATURE_LIMIT,        Unit.DEGREE_CELSIUS,   -3),
    (FB, 0x78, ValueType.CUMULATIVE_MAX_POWER,     Unit.WATT,             -3),
    (FD, 0x28, ValueType.STORAGE_INTERVAL,         Unit.MONTH,             0),
    (FD, 0x30, ValueType.TARIFF_START,             Unit.UTC,               0),
    (FD, 0x31, ValueType.TARIFF_DURATION,          Unit.MINUTE,            0),
    (FD, 0x33, ValueType.TARIFF_DURATION,          Unit.DAY,               0),
    (FD, 0x3B, ValueType.WMBUS_CONTAINER,          Unit.NONE,              0),
    (FD, 0x48, ValueType.VOLTS,                    Unit.VOLT,             -1),
    (FD, 0x5C, ValueType.AMPERE,                   Unit.AMPERE,            0),
    (FD, 0x6F, ValueType.BATTERY_OPERATING_TIME,   Unit.YEAR,              0),
    (FD, 0x74, ValueType.BATTERY_REMAINING,        Unit.DAY,               0),
    (FD, 0x7C, ValueType.RESERVED,                 Unit.NONE,              0),
]
# fmt: on


@pytest.mark.parametrize(("table", "code", "value_type", "unit", "exponent"), NEWER)
def test_codes_of_the_newer_reading(
    table: tuple[Vif, ...], code: int, value_type: ValueType, unit: Unit, exponent: int
) -> None:
    """Codes that the manual names and older tables lack have their type, unit and power of ten."""
    assert table[code][:3] == (value_type, unit, exponent)


def test_every_value_type_of_the_manual_but_the_three_without_a_vif_is_reached() -> None:
    """REG-TYP comes from EN 13757-3: each type has a VIF, a VIFE or a data type that yields it."""
    reached = {entry.value_type for table in (PRIMARY, FD, FB) for entry in table}
    # Time comes from duration VIFEs and from type J.
    assert set(ValueType) - reached == {ValueType.TIME}
