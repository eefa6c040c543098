"""What a meter's registers must hold, worked out from what the meter says that it sent.

The truth is the simulated population's: each profile states, beside its literal bytes, the
reading that a correct gateway publishes. Here these readings become the numbers of manual 6.2,
one `Snapshot` for each read-out that the meter answered, because values move and a client may
look a moment before or after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from scenarios.checks import float32
from simulators.modbus import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Read-outs that a register image may stem from when the meter time does not single one out: the
#: last, and the one before it, which is still served until the last has been taken over.
RECENT: Final = 2

#: Unit of dates: UTC (C-14).
UNIT_UTC: Final = 25
#: Unit "None" of texts (C-14).
UNIT_NONE: Final = 0


class Reading(Protocol):
    """One value as the population expects it to be published; see `simulators`.

    `kind` is "number", "text", "date" or "no data" (C-14).
    """

    @property
    def value_type(self) -> str:
        """The manual's name of what is measured, such as "Energy"."""
        ...

    @property
    def unit(self) -> str:
        """Symbol or description from the manual's table of units."""
        ...

    @property
    def integer(self) -> int | None:
        """The unscaled number; unix time of a date."""
        ...

    @property
    def scale(self) -> int:
        """Power of ten."""
        ...

    @property
    def text(self) -> str | None:
        """The text of a text value."""
        ...

    @property
    def timestamp(self) -> int | None:
        """Unix time that the meter sent for this value."""
        ...

    @property
    def kind(self) -> str:
        """What the registers can hold of it."""
        ...

    @property
    def telegram(self) -> int:
        """The telegram that it stood in, from 1; 0 where that is not known."""
        ...

    @property
    def offset(self) -> int:
        """The character of that telegram at which its data record begins, from 0."""
        ...


@dataclass(frozen=True, slots=True)
class ValueNumbers:
    """The five fields of a value entry as numbers; `units` are the indices that all fit.

    `source` says where the meter sent it, in words; empty where that is not known.
    """

    label: str
    integer: int
    float_bits: int
    scale: int
    units: frozenset[int]
    time_stamp: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one read-out must leave in the registers; `at_ns` when the meter had sent it."""

    values: tuple[ValueNumbers, ...]
    at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ExpectedMeter:
    """A meter that must be in the map, with its snapshots, oldest first.

    `identification_number` is 8 hexadecimal digits as in the telegram, `flags` the flag word that
    is due (0 for a meter that was read completely).
    """

    id: str
    identification_number: str
    manufacturer: str
    version: int
    medium: int
    snapshots: tuple[Snapshot, ...]
    flags: int = 0

    @property
    def serial_number(self) -> int:
        """Register +0-1: the decimal number, 0 for a number with digits A-F (C-15)."""
        digits = self.identification_number
        return int(digits) if digits.isdecimal() else 0

    @property
    def name(self) -> str:
        """The meter as a reader of the report knows it."""
        return f"{self.id} ({self.identification_number} {self.manufacturer})"

    @property
    def identity(self) -> tuple[int, str, int, int]:
        """What registers +0 to +3 say about the meter."""
        return (self.serial_number, self.manufacturer, self.version, self.medium)


class ReadOut(Protocol):
    """One read-out that a simulated meter answered completely."""

    @property
    def at_ns(self) -> int:
        """When its last telegram had left the meter."""
        ...

    @property
    def readings(self) -> Sequence[Reading]:
        """What was sent, in the order of the telegram, hidden times left out."""
        ...


class SimulatedMeter(Protocol):
    """The part of a simulated meter that expectations are made from; see `simulators`."""

    @property
    def id(self) -> str:
        """Name in the population."""
        ...

    @property
    def identification_number(self) -> str:
        """Eight hexadecimal digits."""
        ...

    @property
    def manufacturer(self) -> str:
        """Three letters."""
        ...

    @property
    def version(self) -> int:
        """0..255."""
        ...

    @property
    def medium(self) -> int:
        """0..255."""
        ...

    @property
    def expected_history(self) -> Sequence[ReadOut]:
        """Completely answered read-outs, oldest first."""
        ...


def expected_meter(meter: SimulatedMeter, *, flags: int = 0) -> ExpectedMeter:
    """Return what the registers of a simulated meter must hold."""
    return ExpectedMeter(
        id=meter.id,
        identification_number=meter.identification_number,
        manufacturer=meter.manufacturer,
        version=meter.version,
        medium=meter.medium,
        snapshots=tuple(snapshot(one.readings, one.at_ns) for one in meter.expected_history),
        flags=flags,
    )


def snapshot(readings: Sequence[Reading], at_ns: int | None = None) -> Snapshot:
    """Return the registers that one read-out must leave, in the order of the telegram (MET-09)."""
    return Snapshot(tuple(value_numbers(reading) for reading in readings), at_ns)


def value_numbers(reading: Reading) -> ValueNumbers:
    """Return the fields of one value entry (REG-V), by the kind of value (C-14)."""
    label = reading.value_type
    source = f"telegram {reading.telegram}, byte {reading.offset}" if reading.telegram else ""
    time_stamp = reading.timestamp or 0
    if reading.kind == "text":
        return ValueNumbers(label, 0, 0, 0, frozenset({UNIT_NONE}), 0, source)
    integer = reading.integer or 0
    if reading.kind == "date":
        bits = float32.nearest(integer, 0)
        return ValueNumbers(label, integer, bits, 0, frozenset({UNIT_UTC}), 0, source)
    units = tables.unit_indices(reading.unit)
    if reading.kind == "no data":
        return ValueNumbers(label, 0, 0, reading.scale, units, time_stamp, source)
    bits = float32.nearest(integer, reading.scale)
    return ValueNumbers(label, integer, bits, reading.scale, units, time_stamp, source)
