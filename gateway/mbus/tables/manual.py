"""Media, value types and units exactly as manual 6.2 numbers and names them.

The indices are wire values: the unit index stands in the Modbus registers of every value, the
medium in those of every meter (REG-MED, REG-TYP, REG-UNIT). Indices that the manual calls reserved
have no member; ask `medium_label`.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Final

RESERVED: Final = "Reserved"


# fmt: off
@unique
class Medium(IntEnum):
    """What a meter measures (REG-MED); `label` is the manual's description."""

    label: str

    OTHER                    = 0, "Other"
    OIL                      = 1, "Oil"
    ELECTRICITY              = 2, "Electricity"
    GAS                      = 3, "Gas"
    HEAT_OUTLET              = 4, "Heat (outlet)"
    STEAM                    = 5, "Steam"
    WARM_WATER               = 6, "Warm water"
    WATER                    = 7, "Water"
    HEAT_COST_ALLOCATOR      = 8, "Heat cost allocator"
    COMPRESSED_AIR           = 9, "Compressed air"
    COOLING_OUTLET           = 10, "Cooling (outlet)"
    COOLING_INLET            = 11, "Cooling (inlet)"
    HEAT_INLET               = 12, "Heat (inlet)"
    HEAT_COOLING             = 13, "Combined heat / cooling"
    BUS_SYSTEM_COMPONENT     = 14, "Bus / System component"
    UNKNOWN_MEDIUM           = 15, "Unknown medium"
    CALORIFIC_VALUE          = 20, "Calorific value"
    HOT_WATER                = 21, "Hot water"
    COLD_WATER               = 22, "Cold water"
    DUAL_REGISTER_WATER      = 23, "Dual register (hot/cold) water"
    PRESSURE                 = 24, "Pressure"
    A_D_CONVERTER            = 25, "A/D Converter"
    SMOKE_DETECTOR           = 26, "Smoke detector"
    ROOM_SENSOR              = 27, "Room sensor"
    GAS_DETECTOR             = 28, "Gas detector"
    BREAKER                  = 32, "Breaker (electricity)"
    VALVE                    = 33, "Valve (gas or water)"
    CUSTOMER_UNIT            = 37, "Customer unit"
    WASTE_WATER              = 40, "Waste water"
    WASTE                    = 41, "Waste"
    CARBON_DIOXIDE           = 42, "Carbon dioxide"
    COMMUNICATION_CONTROLLER = 49, "Communication controller"
    UNIDIRECTIONAL_REPEATER  = 50, "Unidirectional repeater"
    BIDIRECTIONAL_REPEATER   = 51, "Bidirectional repeater"
    RADIO_CONVERTER_SYSTEM   = 54, "Radio converter (system side)"
    RADIO_CONVERTER_METER    = 55, "Radio converter (meter side)"

    def __new__(cls, index: int, label: str = "") -> Medium:
        """Make a member that is its index and carries the manual's words."""
        member = int.__new__(cls, index)
        member._value_ = index
        member.label = label
        return member


@unique
class ValueType(IntEnum):
    """What a value is (REG-TYP); `label` is the manual's description."""

    label: str

    NONE                       = 0, "None"
    ERROR_FLAGS                = 1, "Error flags (Device type specific)"
    DIGITAL_OUTPUT             = 2, "Digital output"
    SPECIAL_SUPPLIER           = 3, "Special supplier information"
    CREDIT                     = 4, "Credit"
    DEBIT                      = 5, "Debit"
    VOLTS                      = 6, "Volts"
    AMPERE                     = 7, "Ampere"
    RESERVED                   = 8, "Reserved"
    ENERGY                     = 9, "Energy"
    VOLUME                     = 10, "Volume"
    MASS                       = 11, "Mass"
    OPERATING_TIME             = 12, "Operating time"
    ON_TIME                    = 13, "On time"
    POWER                      = 14, "Power"
    VOLUME_FLOW                = 15, "Volume flow"
    VOLUME_FLOW_EXT            = 16, "Volume flow ext"
    MASS_FLOW                  = 17, "Mass flow"
    RETURN_TEMPERATURE         = 18, "Return temperature"
    FLOW_TEMPERATURE           = 19, "Flow temperature"
    TEMPERATURE_DIFFERENCE     = 20, "Temperature difference"
    EXTERNAL_TEMPERATURE       = 21, "External temperature"
    PRESSURE                   = 22, "Pressure"
    TIMESTAMP                  = 23, "Timestamp"
    TIME                       = 24, "Time"
    UNITS_FOR_HCA              = 25, "Units for H. C. A."
    AVERAGING_DURATION         = 26, "Averaging duration"
    ACTUALITY_DURATION         = 27, "Actuality duration"
    IDENTIFICATION             = 28, "Identification"
    FABRICATION                = 29, "Fabrication"
    ADDRESS                    = 30, "Address"
    METER_SPECIFIC             = 31, "Meter specific description"
    DIGITAL_INPUT              = 32, "Digital input"
    SOFTWARE_VERSION           = 33, "Software version"
    ACCESS_NUMBER              = 34, "Access number"
    DEVICE_TYPE                = 35, "Device type"
    MANUFACTURER               = 36, "Manufacturer"
    PARAMETER_SET              = 37, "Parameter set identification"
    MODEL_VERSION              = 38, "Model / Version"
    HARDWARE_VERSION           = 39, "Hardware version"
    FIRMWARE_VERSION           = 40, "Metrology (firmware) version"
    CUSTOMER_LOCATION          = 41, "Customer location"
    CUSTOMER                   = 42, "Customer"
    ACCESS_CODE_USER           = 43, "Access code user"
    ACCESS_CODE_OPERATOR       = 44, "Access code operator"
    ACCESS_CODE_SYSTEM         = 45, "Access code system operator"
    ACCESS_CODE_DEVELOPER      = 46, "Access code developer"
    PASSWORD                   = 47, "Password"
    ERROR_MASK                 = 48, "Error mask"
    BAUD_RATE                  = 49, "Baud rate"
    RESPONSE_DELAY_TIME        = 50, "Response delay time"
    RETRY                      = 51, "Retry"
    REMOTE_CONTROL             = 52, "Remote control (device specific)"
    FIRST_STORAGE_NUMBER       = 53, "First storagenum. for cyclic storage"
    LAST_STORAGE_NUMBER        = 54, "Last storagenum. for cyclic storage"
    STORAGE_BLOCK_SIZE         = 55, "Size of storage block"
    STORAGE_INTERVAL           = 56, "Storage interval"
    VENDOR_SPECIFIC            = 57, "Vendor specific data"
    TIME_POINT                 = 58, "Time point"
    DURATION_SINCE_READOUT     = 59, "Duration since last readout"
    TARIFF_START               = 60, "Start of tariff"
    TARIFF_DURATION            = 61, "Duration of tariff"
    TARIFF_PERIOD              = 62, "Period of tariff"
    NO_VIF                     = 63, "No VIF"
    WMBUS_CONTAINER            = 64, "wM-Bus data container"
    DATA_TRANSMIT_INTERVAL     = 65, "Data transmit interval"
    RESET_COUNTER              = 66, "Reset counter"
    CUMULATION_COUNTER         = 67, "Cumulation counter"
    CONTROL_SIGNAL             = 68, "Control signal"
    DAY_OF_WEEK                = 69, "Day of week"
    WEEK_NUMBER                = 70, "Week number"
    DAY_CHANGE                 = 71, "Time point of day change"
    PARAMETER_ACTIVATION       = 72, "State of parameter activation"
    DURATION_SINCE_CUMULATION  = 73, "Duration since last cumulation"
    BATTERY_OPERATING_TIME     = 74, "Operating time battery"
    BATTERY_CHANGE             = 75, "Battery change"
    RSSI                       = 76, "RSSI"
    DAYLIGHT_SAVING            = 77, "Daylight saving"
    LISTENING_WINDOW           = 78, "Listening window management"
    BATTERY_REMAINING          = 79, "Remaining battery life time"
    STOP_COUNTER               = 80, "Stop counter"
    VENDOR_CONTAINER           = 81, "Vendor specific data container"
    REACTIVE_ENERGY            = 82, "Reactive energy"
    REACTIVE_POWER             = 83, "Reactive power"
    RELATIVE_HUMIDITY          = 84, "Relative humidity"
    PHASE_VOLTAGE_TO_VOLTAGE   = 85, "Phase voltage to voltage"
    PHASE_VOLTAGE_TO_CURRENT   = 86, "Phase voltage to current"
    FREQUENCY                  = 87, "Frequency"
    TEMPERATURE_LIMIT          = 88, "Cold/Warm Temperature limit"
    CUMULATIVE_MAX_POWER       = 89, "Cumulative count max. power"

    def __new__(cls, index: int, label: str = "") -> ValueType:
        """Make a member that is its index and carries the manual's words."""
        member = int.__new__(cls, index)
        member._value_ = index
        member.label = label
        return member


@unique
class Unit(IntEnum):
    """The unit of a value (REG-UNIT); `symbol` and `label` as the manual prints them.

    Symbols are not unique: 22 and 30 print as nothing, 1, 32 and 33 as ``Bin``.
    """

    symbol: str
    label: str

    NONE                  = 0, "None", "None"
    BINARY                = 1, "Bin", "Binary"
    CURRENCY              = 2, "Cur", "Local currency units"
    VOLT                  = 3, "V", "Volt"
    AMPERE                = 4, "A", "Ampere"
    WATT_HOUR             = 5, "Wh", "Watt hour"
    JOULE                 = 6, "J", "Joule"
    CUBIC_METRE           = 7, "m³", "Cubic meter"
    KILOGRAM              = 8, "kg", "Kilogram"
    SECOND                = 9, "s", "Second"
    MINUTE                = 10, "min", "Minute"
    HOUR                  = 11, "h", "Hour"
    DAY                   = 12, "d", "Day"
    WATT                  = 13, "W", "Watt"
    JOULE_PER_HOUR        = 14, "J/h", "Joule per Hour"
    CUBIC_METRE_PER_HOUR  = 15, "m³/h", "Cubic meter per hour"
    CUBIC_METRE_PER_MINUTE = 16, "m³/min", "Cubic meter per minute"
    CUBIC_METRE_PER_SECOND = 17, "m³/s", "Cubic meter per second"
    KILOGRAM_PER_HOUR     = 18, "kg/h", "Kilogram per hour"
    DEGREE_CELSIUS        = 19, "Degree C", "Degree celsius"
    KELVIN                = 20, "K", "Kelvin"
    BAR                   = 21, "Bar", "Bar"
    DIMENSIONLESS         = 22, "", "Dimensionless"
    UTC                   = 25, "UTC", "UTC"
    BAUD                  = 26, "bd", "Baud"
    BIT_TIME              = 27, "bt", "Bit time"
    MONTH                 = 28, "mon", "Month"
    YEAR                  = 29, "y", "Year"
    DAY_OF_WEEK           = 30, "", "Day of week"
    DBM                   = 31, "dBm", "dBm"
    BIN_32                = 32, "Bin", "Bin"
    BIN_33                = 33, "Bin", "Bin"
    KILOVAR_HOUR          = 34, "kVARh", "Kilo voltampere reactive hour"
    KILOVAR               = 35, "kVAR", "Kilo voltampere reactive"
    CALORIE               = 36, "cal", "Calorie"
    PERCENT               = 37, "%", "Percent"
    CUBIC_FOOT            = 38, "ft³", "Cubic feet"
    DEGREE                = 39, "Degree", "Degree"
    HERTZ                 = 40, "Hz", "Hertz"
    KILO_BTU              = 41, "kBTU", "Kilo british thermal unit"
    MILLI_BTU_PER_SECOND  = 42, "mBTU/s", "Milli british thermal unit per second"
    US_GALLON             = 43, "US gal", "US gallon"
    US_GALLON_PER_SECOND  = 44, "US gal/s", "US gallon per second"
    US_GALLON_PER_MINUTE  = 45, "US gal/min", "US gallon per minute"
    US_GALLON_PER_HOUR    = 46, "US gal/h", "US gallon per hour"
    DEGREE_FAHRENHEIT     = 47, "Degree F", "Degree Fahrenheit"

    def __new__(cls, index: int, symbol: str = "", label: str = "") -> Unit:
        """Make a member that is its index and carries the manual's words."""
        member = int.__new__(cls, index)
        member._value_ = index
        member.symbol = symbol
        member.label = label
        return member
# fmt: on

_MEDIUM_LABELS: Final = {int(medium): medium.label for medium in Medium}


def medium_label(index: int) -> str:
    """Name a medium byte; what the manual does not define is "Reserved"."""
    return _MEDIUM_LABELS.get(index, RESERVED)
