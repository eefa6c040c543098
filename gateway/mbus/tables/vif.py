"""Value information field: the primary table and the extension tables behind FD and FB.

Primary and FD table: MBDOC48; codes that it leaves reserved and the manual names (manual 6.2, value
types 52, 57, 58, 64, 65, 76-81) follow the newer EN 13757-3. The FB table in use is longer than the
one of MBDOC48: it is given in the newer reading, as independent decoders have it; where the newer
one has nothing the older codes are kept (gallons, degrees Fahrenheit), because the manual has units
for them. The EN text itself was not read.

Exponents are those that bring the number into the unit of manual 6.2: reactive energy of 10^0 kVARh
has exponent 0, mass of 10^2 t has exponent 5 in kg.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.mbus.tables.manual import Unit, ValueType
from gateway.mbus.tables.row import expand

#: ``tt`` of a duration (MBDOC48): seconds, minutes, hours, days.
SECONDS_TO_DAYS: Final = (Unit.SECOND, Unit.MINUTE, Unit.HOUR, Unit.DAY)
#: ``pp`` of a long duration (MBDOC48): hours, days, months, years.
HOURS_TO_YEARS: Final = (Unit.HOUR, Unit.DAY, Unit.MONTH, Unit.YEAR)
MINUTES_TO_DAYS: Final = (Unit.MINUTE, Unit.HOUR, Unit.DAY)
MONTHS_OR_YEARS: Final = (Unit.MONTH, Unit.YEAR)


class VifRow(NamedTuple):
    """One coding: what it is, its unit, the power of ten at number 0.

    A single unit means that the row's bits count powers of ten; a tuple of units that they choose
    one. `is_date` = the data are a point in time whatever their size (type F, G, I or J).
    """

    coding: str
    value_type: ValueType
    unit: Unit | tuple[Unit, ...]
    exponent: int = 0
    is_date: bool = False


class Vif(NamedTuple):
    """One code of a table, ready to use."""

    value_type: ValueType
    unit: Unit
    exponent: int
    is_date: bool


# fmt: off
PRIMARY_ROWS: Final = (
    VifRow("E000 0nnn", ValueType.ENERGY,                 Unit.WATT_HOUR,              -3),
    VifRow("E000 1nnn", ValueType.ENERGY,                 Unit.JOULE,                   0),
    VifRow("E001 0nnn", ValueType.VOLUME,                 Unit.CUBIC_METRE,            -6),
    VifRow("E001 1nnn", ValueType.MASS,                   Unit.KILOGRAM,               -3),
    VifRow("E010 00tt", ValueType.ON_TIME,                SECONDS_TO_DAYS),
    VifRow("E010 01tt", ValueType.OPERATING_TIME,         SECONDS_TO_DAYS),
    VifRow("E010 1nnn", ValueType.POWER,                  Unit.WATT,                   -3),
    VifRow("E011 0nnn", ValueType.POWER,                  Unit.JOULE_PER_HOUR,          0),
    VifRow("E011 1nnn", ValueType.VOLUME_FLOW,            Unit.CUBIC_METRE_PER_HOUR,   -6),
    VifRow("E100 0nnn", ValueType.VOLUME_FLOW_EXT,        Unit.CUBIC_METRE_PER_MINUTE, -7),
    VifRow("E100 1nnn", ValueType.VOLUME_FLOW_EXT,        Unit.CUBIC_METRE_PER_SECOND, -9),
    VifRow("E101 0nnn", ValueType.MASS_FLOW,              Unit.KILOGRAM_PER_HOUR,      -3),
    VifRow("E101 10nn", ValueType.FLOW_TEMPERATURE,       Unit.DEGREE_CELSIUS,         -3),
    VifRow("E101 11nn", ValueType.RETURN_TEMPERATURE,     Unit.DEGREE_CELSIUS,         -3),
    VifRow("E110 00nn", ValueType.TEMPERATURE_DIFFERENCE, Unit.KELVIN,                 -3),
    VifRow("E110 01nn", ValueType.EXTERNAL_TEMPERATURE,   Unit.DEGREE_CELSIUS,         -3),
    VifRow("E110 10nn", ValueType.PRESSURE,               Unit.BAR,                    -3),
    VifRow("E110 1100", ValueType.TIMESTAMP,              Unit.UTC,                     0, True),
    VifRow("E110 1101", ValueType.TIMESTAMP,              Unit.UTC,                     0, True),
    VifRow("E110 1110", ValueType.UNITS_FOR_HCA,          Unit.DIMENSIONLESS),
    VifRow("E110 1111", ValueType.RESERVED,               Unit.NONE),
    VifRow("E111 00tt", ValueType.AVERAGING_DURATION,     SECONDS_TO_DAYS),
    VifRow("E111 01tt", ValueType.ACTUALITY_DURATION,     SECONDS_TO_DAYS),
    VifRow("E111 1000", ValueType.FABRICATION,            Unit.NONE),
    VifRow("E111 1001", ValueType.IDENTIFICATION,         Unit.NONE),
    VifRow("E111 1010", ValueType.ADDRESS,                Unit.NONE),
    # 7B and 7D without extension bit announce a table but bring no code.
    VifRow("E111 1011", ValueType.RESERVED,               Unit.NONE),
    VifRow("E111 1100", ValueType.METER_SPECIFIC,         Unit.NONE),
    VifRow("E111 1101", ValueType.RESERVED,               Unit.NONE),
    VifRow("E111 1110", ValueType.NONE,                   Unit.NONE),
    VifRow("E111 1111", ValueType.VENDOR_SPECIFIC,        Unit.NONE),
)

FD_ROWS: Final = (
    VifRow("E000 00nn", ValueType.CREDIT,                    Unit.CURRENCY,  -3),
    VifRow("E000 01nn", ValueType.DEBIT,                     Unit.CURRENCY,  -3),
    VifRow("E000 1000", ValueType.ACCESS_NUMBER,             Unit.NONE),
    VifRow("E000 1001", ValueType.DEVICE_TYPE,               Unit.NONE),
    VifRow("E000 1010", ValueType.MANUFACTURER,              Unit.NONE),
    VifRow("E000 1011", ValueType.PARAMETER_SET,             Unit.NONE),
    VifRow("E000 1100", ValueType.MODEL_VERSION,             Unit.NONE),
    VifRow("E000 1101", ValueType.HARDWARE_VERSION,          Unit.NONE),
    VifRow("E000 1110", ValueType.FIRMWARE_VERSION,          Unit.NONE),
    VifRow("E000 1111", ValueType.SOFTWARE_VERSION,          Unit.NONE),
    VifRow("E001 0000", ValueType.CUSTOMER_LOCATION,         Unit.NONE),
    VifRow("E001 0001", ValueType.CUSTOMER,                  Unit.NONE),
    VifRow("E001 0010", ValueType.ACCESS_CODE_USER,          Unit.NONE),
    VifRow("E001 0011", ValueType.ACCESS_CODE_OPERATOR,      Unit.NONE),
    VifRow("E001 0100", ValueType.ACCESS_CODE_SYSTEM,        Unit.NONE),
    VifRow("E001 0101", ValueType.ACCESS_CODE_DEVELOPER,     Unit.NONE),
    VifRow("E001 0110", ValueType.PASSWORD,                  Unit.NONE),
    VifRow("E001 0111", ValueType.ERROR_FLAGS,               Unit.BINARY),
    VifRow("E001 1000", ValueType.ERROR_MASK,                Unit.BINARY),
    VifRow("E001 1001", ValueType.RESERVED,                  Unit.NONE),
    VifRow("E001 1010", ValueType.DIGITAL_OUTPUT,            Unit.BINARY),
    VifRow("E001 1011", ValueType.DIGITAL_INPUT,             Unit.BINARY),
    VifRow("E001 1100", ValueType.BAUD_RATE,                 Unit.BAUD),
    VifRow("E001 1101", ValueType.RESPONSE_DELAY_TIME,       Unit.BIT_TIME),
    VifRow("E001 1110", ValueType.RETRY,                     Unit.NONE),
    VifRow("E001 1111", ValueType.REMOTE_CONTROL,            Unit.BINARY),
    VifRow("E010 0000", ValueType.FIRST_STORAGE_NUMBER,      Unit.NONE),
    VifRow("E010 0001", ValueType.LAST_STORAGE_NUMBER,       Unit.NONE),
    VifRow("E010 0010", ValueType.STORAGE_BLOCK_SIZE,        Unit.NONE),
    VifRow("E010 0011", ValueType.RESERVED,                  Unit.NONE),
    VifRow("E010 01tt", ValueType.STORAGE_INTERVAL,          SECONDS_TO_DAYS),
    VifRow("E010 100p", ValueType.STORAGE_INTERVAL,          MONTHS_OR_YEARS),
    VifRow("E010 1010", ValueType.VENDOR_SPECIFIC,           Unit.NONE),
    VifRow("E010 1011", ValueType.TIME_POINT,                Unit.SECOND),
    VifRow("E010 11tt", ValueType.DURATION_SINCE_READOUT,    SECONDS_TO_DAYS),
    VifRow("E011 0000", ValueType.TARIFF_START,              Unit.UTC,        0, True),
    VifRow("E011 0001", ValueType.TARIFF_DURATION,           Unit.MINUTE),
    VifRow("E011 001t", ValueType.TARIFF_DURATION,           (Unit.HOUR, Unit.DAY)),
    VifRow("E011 01tt", ValueType.TARIFF_PERIOD,             SECONDS_TO_DAYS),
    VifRow("E011 100p", ValueType.TARIFF_PERIOD,             MONTHS_OR_YEARS),
    VifRow("E011 1010", ValueType.NO_VIF,                    Unit.DIMENSIONLESS),
    VifRow("E011 1011", ValueType.WMBUS_CONTAINER,           Unit.NONE),
    VifRow("E011 11tt", ValueType.DATA_TRANSMIT_INTERVAL,    SECONDS_TO_DAYS),
    VifRow("E100 nnnn", ValueType.VOLTS,                     Unit.VOLT,      -9),
    VifRow("E101 nnnn", ValueType.AMPERE,                    Unit.AMPERE,   -12),
    VifRow("E110 0000", ValueType.RESET_COUNTER,             Unit.NONE),
    VifRow("E110 0001", ValueType.CUMULATION_COUNTER,        Unit.NONE),
    VifRow("E110 0010", ValueType.CONTROL_SIGNAL,            Unit.NONE),
    VifRow("E110 0011", ValueType.DAY_OF_WEEK,               Unit.DAY_OF_WEEK),
    VifRow("E110 0100", ValueType.WEEK_NUMBER,               Unit.NONE),
    VifRow("E110 0101", ValueType.DAY_CHANGE,                Unit.NONE),
    VifRow("E110 0110", ValueType.PARAMETER_ACTIVATION,      Unit.NONE),
    VifRow("E110 0111", ValueType.SPECIAL_SUPPLIER,          Unit.NONE),
    VifRow("E110 10pp", ValueType.DURATION_SINCE_CUMULATION, HOURS_TO_YEARS),
    VifRow("E110 11pp", ValueType.BATTERY_OPERATING_TIME,    HOURS_TO_YEARS),
    VifRow("E111 0000", ValueType.BATTERY_CHANGE,            Unit.UTC,        0, True),
    VifRow("E111 0001", ValueType.RSSI,                      Unit.DBM),
    VifRow("E111 0010", ValueType.DAYLIGHT_SAVING,           Unit.NONE),
    VifRow("E111 0011", ValueType.LISTENING_WINDOW,          Unit.NONE),
    VifRow("E111 0100", ValueType.BATTERY_REMAINING,         Unit.DAY),
    VifRow("E111 0101", ValueType.STOP_COUNTER,              Unit.NONE),
    VifRow("E111 0110", ValueType.VENDOR_CONTAINER,          Unit.NONE),
    VifRow("E111 0111", ValueType.RESERVED,                  Unit.NONE),
    VifRow("E111 1xxx", ValueType.RESERVED,                  (Unit.NONE,) * 8),
)

# Apparent energy and power have no unit in the manual: unit None, exponent for VAh and VA.
FB_ROWS: Final = (
    VifRow("E000 000n", ValueType.ENERGY,                   Unit.WATT_HOUR,             5),
    VifRow("E000 001n", ValueType.REACTIVE_ENERGY,          Unit.KILOVAR_HOUR,          0),
    VifRow("E000 010n", ValueType.ENERGY,                   Unit.NONE,                  3),
    VifRow("E000 011x", ValueType.RESERVED,                 (Unit.NONE,) * 2),
    VifRow("E000 100n", ValueType.ENERGY,                   Unit.JOULE,                 8),
    VifRow("E000 101x", ValueType.RESERVED,                 (Unit.NONE,) * 2),
    VifRow("E000 11nn", ValueType.ENERGY,                   Unit.CALORIE,               5),
    VifRow("E001 000n", ValueType.VOLUME,                   Unit.CUBIC_METRE,           2),
    VifRow("E001 001x", ValueType.RESERVED,                 (Unit.NONE,) * 2),
    VifRow("E001 01nn", ValueType.REACTIVE_POWER,           Unit.KILOVAR,              -3),
    VifRow("E001 100n", ValueType.MASS,                     Unit.KILOGRAM,              5),
    VifRow("E001 101n", ValueType.RELATIVE_HUMIDITY,        Unit.PERCENT,              -1),
    VifRow("E001 11xx", ValueType.RESERVED,                 (Unit.NONE,) * 4),
    VifRow("E010 0000", ValueType.VOLUME,                   Unit.CUBIC_FOOT,            0),
    VifRow("E010 0001", ValueType.VOLUME,                   Unit.CUBIC_FOOT,           -1),
    VifRow("E010 001n", ValueType.VOLUME,                   Unit.US_GALLON,            -1),
    VifRow("E010 0100", ValueType.VOLUME_FLOW,              Unit.US_GALLON_PER_MINUTE, -3),
    VifRow("E010 0101", ValueType.VOLUME_FLOW,              Unit.US_GALLON_PER_MINUTE,  0),
    VifRow("E010 0110", ValueType.VOLUME_FLOW,              Unit.US_GALLON_PER_HOUR,    0),
    VifRow("E010 0111", ValueType.RESERVED,                 Unit.NONE),
    VifRow("E010 100n", ValueType.POWER,                    Unit.WATT,                  5),
    VifRow("E010 1010", ValueType.PHASE_VOLTAGE_TO_VOLTAGE, Unit.DEGREE,               -1),
    VifRow("E010 1011", ValueType.PHASE_VOLTAGE_TO_CURRENT, Unit.DEGREE,               -1),
    VifRow("E010 11nn", ValueType.FREQUENCY,                Unit.HERTZ,                -3),
    VifRow("E011 000n", ValueType.POWER,                    Unit.JOULE_PER_HOUR,        8),
    VifRow("E011 001x", ValueType.RESERVED,                 (Unit.NONE,) * 2),
    VifRow("E011 01nn", ValueType.POWER,                    Unit.NONE,                  0),
    VifRow("E011 1xxx", ValueType.RESERVED,                 (Unit.NONE,) * 8),
    VifRow("E100 xxxx", ValueType.RESERVED,                 (Unit.NONE,) * 16),
    VifRow("E101 0xxx", ValueType.RESERVED,                 (Unit.NONE,) * 8),
    VifRow("E101 10nn", ValueType.FLOW_TEMPERATURE,         Unit.DEGREE_FAHRENHEIT,    -3),
    VifRow("E101 11nn", ValueType.RETURN_TEMPERATURE,       Unit.DEGREE_FAHRENHEIT,    -3),
    VifRow("E110 00nn", ValueType.TEMPERATURE_DIFFERENCE,   Unit.DEGREE_FAHRENHEIT,    -3),
    VifRow("E110 01nn", ValueType.EXTERNAL_TEMPERATURE,     Unit.DEGREE_FAHRENHEIT,    -3),
    VifRow("E110 1xxx", ValueType.RESERVED,                 (Unit.NONE,) * 8),
    VifRow("E111 00nn", ValueType.TEMPERATURE_LIMIT,        Unit.DEGREE_FAHRENHEIT,    -3),
    VifRow("E111 01nn", ValueType.TEMPERATURE_LIMIT,        Unit.DEGREE_CELSIUS,       -3),
    VifRow("E111 1nnn", ValueType.CUMULATIVE_MAX_POWER,     Unit.WATT,                 -3),
)

# Behind FD FD: a second level, of which only the battery codes are in use.
FD_FD_ROWS: Final = (
    VifRow("E000 000x", ValueType.RESERVED,                 (Unit.NONE,) * 2),
    VifRow("E000 001p", ValueType.BATTERY_REMAINING,        MONTHS_OR_YEARS),
    VifRow("E000 01xx", ValueType.RESERVED,                 (Unit.NONE,) * 4),
    VifRow("E000 1xxx", ValueType.RESERVED,                 (Unit.NONE,) * 8),
    VifRow("E001 xxxx", ValueType.RESERVED,                 (Unit.NONE,) * 16),
    VifRow("E01x xxxx", ValueType.RESERVED,                 (Unit.NONE,) * 32),
    VifRow("E1xx xxxx", ValueType.RESERVED,                 (Unit.NONE,) * 64),
)
# fmt: on


def _entry(row: VifRow, number: int) -> Vif:
    if isinstance(row.unit, Unit):
        return Vif(row.value_type, row.unit, row.exponent + number, row.is_date)
    return Vif(row.value_type, row.unit[number], row.exponent, row.is_date)


PRIMARY: Final = expand(PRIMARY_ROWS, lambda row: row.coding, _entry)
FD: Final = expand(FD_ROWS, lambda row: row.coding, _entry)
FB: Final = expand(FB_ROWS, lambda row: row.coding, _entry)
FD_FD: Final = expand(FD_FD_ROWS, lambda row: row.coding, _entry)
