"""The manual's own names of measurement value types and units (manual 6.2).

An expected reading says what a correct gateway publishes, so it uses exactly these words; a profile
with any other word is refused. The place of a name is its index in the registers; None is reserved.
"""

from __future__ import annotations

from typing import Final

# fmt: off
VALUE_TYPES: Final[tuple[str | None, ...]] = (
    "None", "Error flags (Device type specific)", "Digital output",               # 0
    "Special supplier information", "Credit", "Debit", "Volts", "Ampere", None,   # 3
    "Energy", "Volume", "Mass", "Operating time", "On time", "Power",             # 9
    "Volume flow", "Volume flow ext", "Mass flow", "Return temperature",          # 15
    "Flow temperature", "Temperature difference", "External temperature",         # 19
    "Pressure", "Timestamp", "Time", "Units for H. C. A.", "Averaging duration",  # 22
    "Actuality duration", "Identification", "Fabrication", "Address",             # 27
    "Meter specific description", "Digital input", "Software version",            # 31
    "Access number", "Device type", "Manufacturer",                               # 34
    "Parameter set identification", "Model / Version", "Hardware version",        # 37
    "Metrology (firmware) version", "Customer location", "Customer",              # 40
    "Access code user", "Access code operator", "Access code system operator",    # 43
    "Access code developer", "Password", "Error mask", "Baud rate",               # 46
    "Response delay time", "Retry", "Remote control (device specific)",           # 50
    "First storagenum. for cyclic storage", "Last storagenum. for cyclic storage",  # 53
    "Size of storage block", "Storage interval", "Vendor specific data",          # 55
    "Time point", "Duration since last readout", "Start of tariff",               # 58
    "Duration of tariff", "Period of tariff", "No VIF", "wM-Bus data container",  # 61
    "Data transmit interval", "Reset counter", "Cumulation counter",              # 65
    "Control signal", "Day of week", "Week number", "Time point of day change",   # 68
    "State of parameter activation", "Duration since last cumulation",            # 72
    "Operating time battery", "Battery change", "RSSI", "Daylight saving",        # 74
    "Listening window management", "Remaining battery life time", "Stop counter",  # 78
    "Vendor specific data container", "Reactive energy", "Reactive power",        # 81
    "Relative humidity", "Phase voltage to voltage", "Phase voltage to current",  # 84
    "Frequency", "Cold/Warm Temperature limit", "Cumulative count max. power",    # 87
)

UNITS: Final[tuple[str | None, ...]] = (
    "None", "Bin", "Cur", "V", "A", "Wh", "J", "m3", "kg", "s",                   # 0
    "min", "h", "d", "W", "J/h", "m3/h", "m3/min", "m3/s", "kg/h", "Degree C",    # 10
    "K", "Bar", "", None, None, "UTC", "bd", "bt", "mon", "y",                    # 20
    "", "dBm", "Bin", "Bin", "kVARh", "kVAR", "cal", "%", "ft3", "Degree",        # 30
    "Hz", "kBTU", "mBTU/s", "US gal", "US gal/s", "US gal/min", "US gal/h",       # 40
    "Degree F",                                                                   # 47
)
# fmt: on
