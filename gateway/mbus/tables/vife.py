"""Combinable VIFEs: what may follow a VIF and change its meaning, unit or value.

Record errors (00-1F in an answer): MBDOC48 p.54; codes 20-7F: MBDOC48. It leaves 12-14, 1D-1F and
3D-3F reserved; they carry a name here because newer meters use them, and they never touch the
value. 3D says "not metric" without saying which unit: the unit is then unknown, not guessed.
"""

from __future__ import annotations

from enum import Enum, auto, unique
from typing import Final, NamedTuple

from gateway.mbus.tables.manual import Unit
from gateway.mbus.tables.row import expand
from gateway.mbus.tables.vif import SECONDS_TO_DAYS


@unique
class Effect(Enum):
    """What a VIFE does to the record."""

    NONE = auto()
    #: The data are a dummy: `text` says why.
    RECORD_ERROR = auto()
    #: The unit becomes another: `argument` is looked up in COMBINED_UNITS.
    COMBINE = auto()
    #: No unit of the manual fits any more.
    UNKNOWN_UNIT = auto()
    #: The data are a point in time.
    DATE = auto()
    #: The data are a duration in the unit `argument`.
    DURATION = auto()
    #: The data are a plain number of events.
    COUNT = auto()
    #: times 10^`argument`.
    MULTIPLY = auto()
    #: plus 10^`argument`, in units of the VIF.
    ADD = auto()
    #: The next byte comes from another table.
    EXTENSION = auto()
    #: Everything behind it is the manufacturer's.
    VENDOR = auto()


class VifeRow(NamedTuple):
    """One coding; `text` may use ``{}`` for the words that the row's bits choose from `words`."""

    coding: str
    effect: Effect
    text: str
    argument: int | tuple[int, ...] = 0
    words: tuple[str, ...] = ()


class Vife(NamedTuple):
    """One code of the table, ready to use."""

    effect: Effect
    text: str
    argument: int


class Per(int, Enum):
    """What a COMBINE divides or multiplies by, as far as the manual has units for the result."""

    SECOND = 0
    MINUTE = 1
    HOUR = 2
    TIMES_SECOND = 3


_LIMITS: Final = ("lower limit", "upper limit")
_EDGES: Final = ("begin of first", "end of first", "begin of last", "end of last")
_LIMIT_EDGES: Final = tuple(f"{edge} exceed of {limit}" for limit in _LIMITS for edge in _EDGES)
_LIMIT_SPANS: Final = tuple(
    f"{which} exceed of {limit}" for limit in _LIMITS for which in ("first", "last") for _ in "smhd"
)
_TIMES: Final = tuple(int(unit) for unit in SECONDS_TO_DAYS)

# fmt: off
ROWS: Final = (
    VifeRow("E000 0000", Effect.NONE,         ""),
    VifeRow("E000 0001", Effect.RECORD_ERROR, "too many DIFEs"),
    VifeRow("E000 0010", Effect.RECORD_ERROR, "storage number not implemented"),
    VifeRow("E000 0011", Effect.RECORD_ERROR, "unit number not implemented"),
    VifeRow("E000 0100", Effect.RECORD_ERROR, "tariff number not implemented"),
    VifeRow("E000 0101", Effect.RECORD_ERROR, "function not implemented"),
    VifeRow("E000 0110", Effect.RECORD_ERROR, "data class not implemented"),
    VifeRow("E000 0111", Effect.RECORD_ERROR, "data size not implemented"),
    VifeRow("E000 100x", Effect.RECORD_ERROR, "reserved record error"),
    VifeRow("E000 1010", Effect.RECORD_ERROR, "reserved record error"),
    VifeRow("E000 1011", Effect.RECORD_ERROR, "too many VIFEs"),
    VifeRow("E000 1100", Effect.RECORD_ERROR, "illegal VIF group"),
    VifeRow("E000 1101", Effect.RECORD_ERROR, "illegal VIF exponent"),
    VifeRow("E000 1110", Effect.RECORD_ERROR, "VIF and DIF do not match"),
    VifeRow("E000 1111", Effect.RECORD_ERROR, "action not implemented"),
    VifeRow("E001 000x", Effect.RECORD_ERROR, "reserved record error"),
    VifeRow("E001 0010", Effect.NONE,         "average value"),
    VifeRow("E001 0011", Effect.NONE,         "inverse compact profile"),
    VifeRow("E001 0100", Effect.NONE,         "relative deviation"),
    VifeRow("E001 0101", Effect.RECORD_ERROR, "no data available"),
    VifeRow("E001 0110", Effect.RECORD_ERROR, "data overflow"),
    VifeRow("E001 0111", Effect.RECORD_ERROR, "data underflow"),
    VifeRow("E001 1000", Effect.RECORD_ERROR, "data error"),
    VifeRow("E001 1001", Effect.RECORD_ERROR, "reserved record error"),
    VifeRow("E001 101x", Effect.RECORD_ERROR, "reserved record error"),
    VifeRow("E001 1100", Effect.RECORD_ERROR, "premature end of record"),
    VifeRow("E001 1101", Effect.NONE,         "standard conform data content"),
    VifeRow("E001 1110", Effect.NONE,         "compact profile with register numbers"),
    VifeRow("E001 1111", Effect.NONE,         "compact profile"),
    VifeRow("E010 0000", Effect.COMBINE,      "per second", Per.SECOND),
    VifeRow("E010 0001", Effect.COMBINE,      "per minute", Per.MINUTE),
    VifeRow("E010 0010", Effect.COMBINE,      "per hour",   Per.HOUR),
    VifeRow("E010 0011", Effect.UNKNOWN_UNIT, "per day"),
    VifeRow("E010 0100", Effect.UNKNOWN_UNIT, "per week"),
    VifeRow("E010 0101", Effect.UNKNOWN_UNIT, "per month"),
    VifeRow("E010 0110", Effect.UNKNOWN_UNIT, "per year"),
    VifeRow("E010 0111", Effect.NONE,         "per revolution / measurement"),
    VifeRow("E010 100p", Effect.NONE,         "per input pulse on channel {}",  words=("0", "1")),
    VifeRow("E010 101p", Effect.NONE,         "per output pulse on channel {}", words=("0", "1")),
    VifeRow("E010 1100", Effect.UNKNOWN_UNIT, "per litre"),
    VifeRow("E010 1101", Effect.UNKNOWN_UNIT, "per m³"),
    VifeRow("E010 1110", Effect.UNKNOWN_UNIT, "per kg"),
    VifeRow("E010 1111", Effect.UNKNOWN_UNIT, "per K"),
    VifeRow("E011 0000", Effect.UNKNOWN_UNIT, "per kWh"),
    VifeRow("E011 0001", Effect.UNKNOWN_UNIT, "per GJ"),
    VifeRow("E011 0010", Effect.UNKNOWN_UNIT, "per kW"),
    VifeRow("E011 0011", Effect.UNKNOWN_UNIT, "per K*l"),
    VifeRow("E011 0100", Effect.UNKNOWN_UNIT, "per V"),
    VifeRow("E011 0101", Effect.UNKNOWN_UNIT, "per A"),
    VifeRow("E011 0110", Effect.COMBINE,      "multiplied by s", Per.TIMES_SECOND),
    VifeRow("E011 0111", Effect.UNKNOWN_UNIT, "multiplied by s/V"),
    VifeRow("E011 1000", Effect.UNKNOWN_UNIT, "multiplied by s/A"),
    VifeRow("E011 1001", Effect.DATE,         "start of"),
    VifeRow("E011 1010", Effect.NONE,         "uncorrected unit"),
    VifeRow("E011 1011", Effect.NONE,         "Forward flow only"),
    VifeRow("E011 1100", Effect.NONE,         "Backward flow only"),
    VifeRow("E011 1101", Effect.UNKNOWN_UNIT, "non-metric unit"),
    VifeRow("E011 1110", Effect.NONE,         "value at base conditions"),
    VifeRow("E011 1111", Effect.NONE,         "OBIS declaration"),
    VifeRow("E100 u000", Effect.NONE,         "{}", words=_LIMITS),
    VifeRow("E100 u001", Effect.COUNT,        "number of exceeds of {}", words=_LIMITS),
    VifeRow("E100 uf1b", Effect.DATE,         "{}", words=_LIMIT_EDGES),
    VifeRow("E100 u10x", Effect.NONE,         ""),
    VifeRow("E101 ufnn", Effect.DURATION,     "duration of {}", _TIMES * 4, _LIMIT_SPANS),
    VifeRow("E110 0fnn", Effect.DURATION,     "duration of {}", _TIMES * 2,
            ("first",) * 4 + ("last",) * 4),
    VifeRow("E110 1u00", Effect.NONE,         "value during exceed of {}", words=_LIMITS),
    VifeRow("E110 1001", Effect.NONE,         "leakage values"),
    VifeRow("E110 1101", Effect.NONE,         "overflow values"),
    VifeRow("E110 1f1b", Effect.DATE,         "{}", words=_EDGES),
    VifeRow("E111 0nnn", Effect.MULTIPLY,     "", tuple(range(-6, 2))),
    VifeRow("E111 10nn", Effect.ADD,          "", tuple(range(-3, 1))),
    VifeRow("E111 1100", Effect.EXTENSION,    ""),
    VifeRow("E111 1101", Effect.MULTIPLY,     "", 3),
    VifeRow("E111 1110", Effect.NONE,         "future value"),
    VifeRow("E111 1111", Effect.VENDOR,       "vendor specific"),
)

#: Behind VIFE FC: the conductor that a value belongs to. Other codes are kept without a name.
CONDUCTORS: Final = {0x01: "L1", 0x02: "L2", 0x03: "L3", 0x04: "neutral"}

#: (unit of the VIF, what the VIFE combines it with) -> unit of the manual. 1 Wh per hour is 1 W.
COMBINED_UNITS: Final = {
    (Unit.CUBIC_METRE, Per.SECOND):       Unit.CUBIC_METRE_PER_SECOND,
    (Unit.CUBIC_METRE, Per.MINUTE):       Unit.CUBIC_METRE_PER_MINUTE,
    (Unit.CUBIC_METRE, Per.HOUR):         Unit.CUBIC_METRE_PER_HOUR,
    (Unit.KILOGRAM,    Per.HOUR):         Unit.KILOGRAM_PER_HOUR,
    (Unit.JOULE,       Per.SECOND):       Unit.WATT,
    (Unit.JOULE,       Per.HOUR):         Unit.JOULE_PER_HOUR,
    (Unit.WATT_HOUR,   Per.HOUR):         Unit.WATT,
    (Unit.KILOVAR_HOUR, Per.HOUR):        Unit.KILOVAR,
    (Unit.US_GALLON,   Per.SECOND):       Unit.US_GALLON_PER_SECOND,
    (Unit.US_GALLON,   Per.MINUTE):       Unit.US_GALLON_PER_MINUTE,
    (Unit.US_GALLON,   Per.HOUR):         Unit.US_GALLON_PER_HOUR,
    (Unit.WATT,        Per.TIMES_SECOND): Unit.JOULE,
}
# fmt: on


def _entry(row: VifeRow, number: int) -> Vife:
    argument = row.argument if isinstance(row.argument, int) else row.argument[number]
    text = row.text.format(row.words[number]) if row.words else row.text
    return Vife(row.effect, text, int(argument))


VIFES: Final = expand(ROWS, lambda row: row.coding, _entry)
