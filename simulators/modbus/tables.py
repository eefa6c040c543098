"""Media and units as the manual lists them (manual 6.2), copied by hand from the manual.

A register holds only the index; this is where a reader gets the words. The gateway has tables of
its own, on purpose: a slip in one copy shows as a difference on the wire. Symbols are the
manual's; superscripts are written as such, and `unit_indices` also takes the spelling of
configuration files (``m3``, ``ft3``).
"""

from __future__ import annotations

from functools import cache
from typing import Final

#: Highest index of either table; both are one byte.
INDEX_MAX: Final = 255

RESERVED: Final = "Reserved"

# Rows in the order and wording of the manual's table "Predefined Media ID values". What is not
# listed is reserved.
# fmt: off
MEDIA: Final[dict[int, str]] = {
    0: "Other",
    1: "Oil",
    2: "Electricity",
    3: "Gas",
    4: "Heat (outlet)",
    5: "Steam",
    6: "Warm water",
    7: "Water",
    8: "Heat cost allocator",
    9: "Compressed air",
    10: "Cooling (outlet)",
    11: "Cooling (inlet)",
    12: "Heat (inlet)",
    13: "Combined heat / cooling",
    14: "Bus / System component",
    15: "Unknown medium",
    20: "Calorific value",
    21: "Hot water",
    22: "Cold water",
    23: "Dual register (hot/cold) water",
    24: "Pressure",
    25: "A/D Converter",
    26: "Smoke detector",
    27: "Room sensor",
    28: "Gas detector",
    32: "Breaker (electricity)",
    33: "Valve (gas or water)",
    37: "Customer unit",
    40: "Waste water",
    41: "Waste",
    42: "Carbon dioxide",
    49: "Communication controller",
    50: "Unidirectional repeater",
    51: "Bidirectional repeater",
    54: "Radio converter (system side)",
    55: "Radio converter (meter side)",
}

# Rows in the order of the table "Predefined Units": index, symbol, description.
UNITS: Final[dict[int, tuple[str, str]]] = {
    0: ("None", "None"),
    1: ("Bin", "Binary"),
    2: ("Cur", "Local currency units"),
    3: ("V", "Volt"),
    4: ("A", "Ampere"),
    5: ("Wh", "Watt hour"),
    6: ("J", "Joule"),
    7: ("m³", "Cubic meter"),
    8: ("kg", "Kilogram"),
    9: ("s", "Second"),
    10: ("min", "Minute"),
    11: ("h", "Hour"),
    12: ("d", "Day"),
    13: ("W", "Watt"),
    14: ("J/h", "Joule per Hour"),
    15: ("m³/h", "Cubic meter per hour"),
    16: ("m³/min", "Cubic meter per minute"),
    17: ("m³/s", "Cubic meter per second"),
    18: ("kg/h", "Kilogram per hour"),
    19: ("Degree C", "Degree celsius"),
    20: ("K", "Kelvin"),
    21: ("Bar", "Bar"),
    22: ("", "Dimensionless"),
    25: ("UTC", "UTC"),
    26: ("bd", "Baud"),
    27: ("bt", "Bit time"),
    28: ("mon", "Month"),
    29: ("y", "Year"),
    30: ("", "Day of week"),
    31: ("dBm", "dBm"),
    32: ("Bin", "Bin"),
    33: ("Bin", "Bin"),
    34: ("kVARh", "Kilo voltampere reactive hour"),
    35: ("kVAR", "Kilo voltampere reactive"),
    36: ("cal", "Calorie"),
    37: ("%", "Percent"),
    38: ("ft³", "Cubic feet"),
    39: ("Degree", "Degree"),
    40: ("Hz", "Hertz"),
    41: ("kBTU", "Kilo british thermal unit"),
    42: ("mBTU/s", "Milli british thermal unit per second"),
    43: ("US gal", "US gallon"),
    44: ("US gal/s", "US gallon per second"),
    45: ("US gal/min", "US gallon per minute"),
    46: ("US gal/h", "US gallon per hour"),
    47: ("Degree F", "Degree Fahrenheit"),
}
# fmt: on


def medium_name(index: int) -> str:
    """Return the manual's name of a medium, "Reserved" for an index that it does not list."""
    return MEDIA.get(index, RESERVED)


def unit_name(index: int) -> str:
    """Return what a reader should see for a unit: its symbol, or its description without one."""
    symbol, description = UNITS.get(index, ("", RESERVED))
    return symbol or description


@cache
def unit_indices(name: str) -> frozenset[int]:
    """Return every index that carries this symbol or description; empty for an unknown name.

    More than one where the manual gives several rows the same symbol: "Bin" is 1, 32 and 33, and
    no symbol at all is 22 (dimensionless) and 30 (day of week).
    """
    wanted = name.replace("m3", "m³").replace("ft3", "ft³")
    by_symbol = {index for index, (symbol, _) in UNITS.items() if symbol == wanted}
    if by_symbol:
        return frozenset(by_symbol)
    return frozenset(index for index, (_, described) in UNITS.items() if described == wanted)
