"""Value information field: the primary table and the extension tables behind FD and FB.

Primary and FD table: MBDOC48 p.78-80; codes that MBDOC48 leaves reserved and the manual names (manual
6.2 value types 52, 57, 58, 64, 65, 76-81) follow the newer EN 13757-3. The FB table of MBDOC48 is
far shorter than the one in use: it is given in the newer reading, as decoded by two independent
implementations; where the newer one has nothing the older codes are kept (gallons, degrees
Fahrenheit), because the manual has units for them. The EN text itself was not read.

Exponents are those that bring the number into the unit of manual 6.2: reactive energy of 10^0 kVARh
has exponent 0, mass of 10^2 t has exponent 5 in kg.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.mbus.tables.manual import Unit as U
from gateway.mbus.tables.manual import ValueType as V
from gateway.mbus.tables.row import expand

#: ``tt`` of a duration (MBDOC48 p.78): seconds, minutes, hours, days.
SECONDS_TO_DAYS: Final = (U.SECOND, U.MINUTE, U.HOUR, U.DAY)
#: ``pp`` of a long duration (MBDOC48 p.80): hours, days, months, years.
HOURS_TO_YEARS: Final = (U.HOUR, U.DAY, U.MONTH, U.YEAR)
MINUTES_TO_DAYS: Final = (U.MINUTE, U.HOUR, U.DAY)
MONTHS_OR_YEARS: Final = (U.MONTH, U.YEAR)


class VifRow(NamedTuple):
    """One coding: what it is, its unit, the power of ten at number 0.

    A single unit means that the row's bits count powers of ten; a tuple of units that they choose
    one. `is_date` = the data are a point in time whatever their size (type F, G, I or J).
    """

    coding: str
    value_type: V
    unit: U | tuple[U, ...]
    exponent: int = 0
    is_date: bool = False


class Vif(NamedTuple):
    """One code of a table, ready to use."""

    value_type: V
    unit: U
    exponent: int
    is_date: bool


# fmt: off
PRIMARY_ROWS: Final = (
    VifRow("E000 0nnn", V.ENERGY,                 U.WATT_HOUR,              -3),
    VifRow("E000 1nnn", V.ENERGY,                 U.JOULE,                   0),
    VifRow("E001 0nnn", V.VOLUME,                 U.CUBIC_METRE,            -6),
    VifRow("E001 1nnn", V.MASS,                   U.KILOGRAM,               -3),
    VifRow("E010 00tt", V.ON_TIME,                SECONDS_TO_DAYS),
    VifRow("E010 01tt", V.OPERATING_TIME,         SECONDS_TO_DAYS),
    VifRow("E010 1nnn", V.POWER,                  U.WATT,                   -3),
    VifRow("E011 0nnn", V.POWER,                  U.JOULE_PER_HOUR,          0),
    VifRow("E011 1nnn", V.VOLUME_FLOW,            U.CUBIC_METRE_PER_HOUR,   -6),
    VifRow("E100 0nnn", V.VOLUME_FLOW_EXT,        U.CUBIC_METRE_PER_MINUTE, -7),
    VifRow("E100 1nnn", V.VOLUME_FLOW_EXT,        U.CUBIC_METRE_PER_SECOND, -9),
    VifRow("E101 0nnn", V.MASS_FLOW,              U.KILOGRAM_PER_HOUR,      -3),
    VifRow("E101 10nn", V.FLOW_TEMPERATURE,       U.DEGREE_CELSIUS,         -3),
    VifRow("E101 11nn", V.RETURN_TEMPERATURE,     U.DEGREE_CELSIUS,         -3),
    VifRow("E110 00nn", V.TEMPERATURE_DIFFERENCE, U.KELVIN,                 -3),
    VifRow("E110 01nn", V.EXTERNAL_TEMPERATURE,   U.DEGREE_CELSIUS,         -3),
    VifRow("E110 10nn", V.PRESSURE,               U.BAR,                    -3),
    VifRow("E110 1100", V.TIMESTAMP,              U.UTC,                     0, is_date=True),
    VifRow("E110 1101", V.TIMESTAMP,              U.UTC,                     0, is_date=True),
    VifRow("E110 1110", V.UNITS_FOR_HCA,          U.DIMENSIONLESS),
    VifRow("E110 1111", V.RESERVED,               U.NONE),
    VifRow("E111 00tt", V.AVERAGING_DURATION,     SECONDS_TO_DAYS),
    VifRow("E111 01tt", V.ACTUALITY_DURATION,     SECONDS_TO_DAYS),
    VifRow("E111 1000", V.FABRICATION,            U.NONE),
    VifRow("E111 1001", V.IDENTIFICATION,         U.NONE),
    VifRow("E111 1010", V.ADDRESS,                U.NONE),
    # 7B and 7D without extension bit announce a table but bring no code.
    VifRow("E111 1011", V.RESERVED,               U.NONE),
    VifRow("E111 1100", V.METER_SPECIFIC,         U.NONE),
    VifRow("E111 1101", V.RESERVED,               U.NONE),
    VifRow("E111 1110", V.NONE,                   U.NONE),
    VifRow("E111 1111", V.VENDOR_SPECIFIC,        U.NONE),
)

FD_ROWS: Final = (
    VifRow("E000 00nn", V.CREDIT,                    U.CURRENCY,  -3),
    VifRow("E000 01nn", V.DEBIT,                     U.CURRENCY,  -3),
    VifRow("E000 1000", V.ACCESS_NUMBER,             U.NONE),
    VifRow("E000 1001", V.DEVICE_TYPE,               U.NONE),
    VifRow("E000 1010", V.MANUFACTURER,              U.NONE),
    VifRow("E000 1011", V.PARAMETER_SET,             U.NONE),
    VifRow("E000 1100", V.MODEL_VERSION,             U.NONE),
    VifRow("E000 1101", V.HARDWARE_VERSION,          U.NONE),
    VifRow("E000 1110", V.FIRMWARE_VERSION,          U.NONE),
    VifRow("E000 1111", V.SOFTWARE_VERSION,          U.NONE),
    VifRow("E001 0000", V.CUSTOMER_LOCATION,         U.NONE),
    VifRow("E001 0001", V.CUSTOMER,                  U.NONE),
    VifRow("E001 0010", V.ACCESS_CODE_USER,          U.NONE),
    VifRow("E001 0011", V.ACCESS_CODE_OPERATOR,      U.NONE),
    VifRow("E001 0100", V.ACCESS_CODE_SYSTEM,        U.NONE),
    VifRow("E001 0101", V.ACCESS_CODE_DEVELOPER,     U.NONE),
    VifRow("E001 0110", V.PASSWORD,                  U.NONE),
    VifRow("E001 0111", V.ERROR_FLAGS,               U.BINARY),
    VifRow("E001 1000", V.ERROR_MASK,                U.BINARY),
    VifRow("E001 1001", V.RESERVED,                  U.NONE),
    VifRow("E001 1010", V.DIGITAL_OUTPUT,            U.BINARY),
    VifRow("E001 1011", V.DIGITAL_INPUT,             U.BINARY),
    VifRow("E001 1100", V.BAUD_RATE,                 U.BAUD),
    VifRow("E001 1101", V.RESPONSE_DELAY_TIME,       U.BIT_TIME),
    VifRow("E001 1110", V.RETRY,                     U.NONE),
    VifRow("E001 1111", V.REMOTE_CONTROL,            U.BINARY),
    VifRow("E010 0000", V.FIRST_STORAGE_NUMBER,      U.NONE),
    VifRow("E010 0001", V.LAST_STORAGE_NUMBER,       U.NONE),
    VifRow("E010 0010", V.STORAGE_BLOCK_SIZE,        U.NONE),
    VifRow("E010 0011", V.RESERVED,                  U.NONE),
    VifRow("E010 01tt", V.STORAGE_INTERVAL,          SECONDS_TO_DAYS),
    VifRow("E010 100p", V.STORAGE_INTERVAL,          MONTHS_OR_YEARS),
    VifRow("E010 1010", V.VENDOR_SPECIFIC,           U.NONE),
    VifRow("E010 1011", V.TIME_POINT,                U.SECOND),
    VifRow("E010 11tt", V.DURATION_SINCE_READOUT,    SECONDS_TO_DAYS),
    VifRow("E011 0000", V.TARIFF_START,              U.UTC,        0, is_date=True),
    VifRow("E011 0001", V.TARIFF_DURATION,           U.MINUTE),
    VifRow("E011 001t", V.TARIFF_DURATION,           (U.HOUR, U.DAY)),
    VifRow("E011 01tt", V.TARIFF_PERIOD,             SECONDS_TO_DAYS),
    VifRow("E011 100p", V.TARIFF_PERIOD,             MONTHS_OR_YEARS),
    VifRow("E011 1010", V.NO_VIF,                    U.DIMENSIONLESS),
    VifRow("E011 1011", V.WMBUS_CONTAINER,           U.NONE),
    VifRow("E011 11tt", V.DATA_TRANSMIT_INTERVAL,    SECONDS_TO_DAYS),
    VifRow("E100 nnnn", V.VOLTS,                     U.VOLT,      -9),
    VifRow("E101 nnnn", V.AMPERE,                    U.AMPERE,   -12),
    VifRow("E110 0000", V.RESET_COUNTER,             U.NONE),
    VifRow("E110 0001", V.CUMULATION_COUNTER,        U.NONE),
    VifRow("E110 0010", V.CONTROL_SIGNAL,            U.NONE),
    VifRow("E110 0011", V.DAY_OF_WEEK,               U.DAY_OF_WEEK),
    VifRow("E110 0100", V.WEEK_NUMBER,               U.NONE),
    VifRow("E110 0101", V.DAY_CHANGE,                U.NONE),
    VifRow("E110 0110", V.PARAMETER_ACTIVATION,      U.NONE),
    VifRow("E110 0111", V.SPECIAL_SUPPLIER,          U.NONE),
    VifRow("E110 10pp", V.DURATION_SINCE_CUMULATION, HOURS_TO_YEARS),
    VifRow("E110 11pp", V.BATTERY_OPERATING_TIME,    HOURS_TO_YEARS),
    VifRow("E111 0000", V.BATTERY_CHANGE,            U.UTC,        0, is_date=True),
    VifRow("E111 0001", V.RSSI,                      U.DBM),
    VifRow("E111 0010", V.DAYLIGHT_SAVING,           U.NONE),
    VifRow("E111 0011", V.LISTENING_WINDOW,          U.NONE),
    VifRow("E111 0100", V.BATTERY_REMAINING,         U.DAY),
    VifRow("E111 0101", V.STOP_COUNTER,              U.NONE),
    VifRow("E111 0110", V.VENDOR_CONTAINER,          U.NONE),
    VifRow("E111 0111", V.RESERVED,                  U.NONE),
    VifRow("E111 1xxx", V.RESERVED,                  (U.NONE,) * 8),
)

# Apparent energy and power have no unit in the manual: unit None, exponent for VAh and VA.
FB_ROWS: Final = (
    VifRow("E000 000n", V.ENERGY,                   U.WATT_HOUR,             5),
    VifRow("E000 001n", V.REACTIVE_ENERGY,          U.KILOVAR_HOUR,          0),
    VifRow("E000 010n", V.ENERGY,                   U.NONE,                  3),
    VifRow("E000 011x", V.RESERVED,                 (U.NONE,) * 2),
    VifRow("E000 100n", V.ENERGY,                   U.JOULE,                 8),
    VifRow("E000 101x", V.RESERVED,                 (U.NONE,) * 2),
    VifRow("E000 11nn", V.ENERGY,                   U.CALORIE,               5),
    VifRow("E001 000n", V.VOLUME,                   U.CUBIC_METRE,           2),
    VifRow("E001 001x", V.RESERVED,                 (U.NONE,) * 2),
    VifRow("E001 01nn", V.REACTIVE_POWER,           U.KILOVAR,              -3),
    VifRow("E001 100n", V.MASS,                     U.KILOGRAM,              5),
    VifRow("E001 101n", V.RELATIVE_HUMIDITY,        U.PERCENT,              -1),
    VifRow("E001 11xx", V.RESERVED,                 (U.NONE,) * 4),
    VifRow("E010 0000", V.VOLUME,                   U.CUBIC_FOOT,            0),
    VifRow("E010 0001", V.VOLUME,                   U.CUBIC_FOOT,           -1),
    VifRow("E010 001n", V.VOLUME,                   U.US_GALLON,            -1),
    VifRow("E010 0100", V.VOLUME_FLOW,              U.US_GALLON_PER_MINUTE, -3),
    VifRow("E010 0101", V.VOLUME_FLOW,              U.US_GALLON_PER_MINUTE,  0),
    VifRow("E010 0110", V.VOLUME_FLOW,              U.US_GALLON_PER_HOUR,    0),
    VifRow("E010 0111", V.RESERVED,                 U.NONE),
    VifRow("E010 100n", V.POWER,                    U.WATT,                  5),
    VifRow("E010 1010", V.PHASE_VOLTAGE_TO_VOLTAGE, U.DEGREE,               -1),
    VifRow("E010 1011", V.PHASE_VOLTAGE_TO_CURRENT, U.DEGREE,               -1),
    VifRow("E010 11nn", V.FREQUENCY,                U.HERTZ,                -3),
    VifRow("E011 000n", V.POWER,                    U.JOULE_PER_HOUR,        8),
    VifRow("E011 001x", V.RESERVED,                 (U.NONE,) * 2),
    VifRow("E011 01nn", V.POWER,                    U.NONE,                  0),
    VifRow("E011 1xxx", V.RESERVED,                 (U.NONE,) * 8),
    VifRow("E100 xxxx", V.RESERVED,                 (U.NONE,) * 16),
    VifRow("E101 0xxx", V.RESERVED,                 (U.NONE,) * 8),
    VifRow("E101 10nn", V.FLOW_TEMPERATURE,         U.DEGREE_FAHRENHEIT,    -3),
    VifRow("E101 11nn", V.RETURN_TEMPERATURE,       U.DEGREE_FAHRENHEIT,    -3),
    VifRow("E110 00nn", V.TEMPERATURE_DIFFERENCE,   U.DEGREE_FAHRENHEIT,    -3),
    VifRow("E110 01nn", V.EXTERNAL_TEMPERATURE,     U.DEGREE_FAHRENHEIT,    -3),
    VifRow("E110 1xxx", V.RESERVED,                 (U.NONE,) * 8),
    VifRow("E111 00nn", V.TEMPERATURE_LIMIT,        U.DEGREE_FAHRENHEIT,    -3),
    VifRow("E111 01nn", V.TEMPERATURE_LIMIT,        U.DEGREE_CELSIUS,       -3),
    VifRow("E111 1nnn", V.CUMULATIVE_MAX_POWER,     U.WATT,                 -3),
)

# Behind FD FD: a second level, of which only the battery codes are in use.
FD_FD_ROWS: Final = (
    VifRow("E000 000x", V.RESERVED,                 (U.NONE,) * 2),
    VifRow("E000 001p", V.BATTERY_REMAINING,        MONTHS_OR_YEARS),
    VifRow("E000 01xx", V.RESERVED,                 (U.NONE,) * 4),
    VifRow("E000 1xxx", V.RESERVED,                 (U.NONE,) * 8),
    VifRow("E001 xxxx", V.RESERVED,                 (U.NONE,) * 16),
    VifRow("E01x xxxx", V.RESERVED,                 (U.NONE,) * 32),
    VifRow("E1xx xxxx", V.RESERVED,                 (U.NONE,) * 64),
)
# fmt: on


def _entry(row: VifRow, number: int) -> Vif:
    if isinstance(row.unit, U):
        return Vif(row.value_type, row.unit, row.exponent + number, row.is_date)
    return Vif(row.value_type, row.unit[number], row.exponent, row.is_date)


PRIMARY: Final = expand(PRIMARY_ROWS, lambda row: row.coding, _entry)
FD: Final = expand(FD_ROWS, lambda row: row.coding, _entry)
FB: Final = expand(FB_ROWS, lambda row: row.coding, _entry)
FD_FD: Final = expand(FD_FD_ROWS, lambda row: row.coding, _entry)
