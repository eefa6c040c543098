"""The register image that a gateway must serve, computed from the manual's layout alone.

This is the other side of the comparison: entries as numbers become fields at addresses, in every
layout that the manual allows: standard (6.2), float-only (C-10), multi-slave (C-11), and the two
swaps (C-08). Written from the manual and the decisions, never from the gateway's code.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Registers of a gateway or meter entry, and of a value in the standard layout (manual 6.2).
ENTRY_LENGTH: Final = 10
#: Registers of a value in the float-only layout (C-10).
FLOAT_LENGTH: Final = 2
#: First register that an allocation gives (C-67).
FIRST_REGISTER: Final = 10
#: Unit identifiers that meters may have in the multi-slave layout (C-11).
UNITS: Final = range(1, 248)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which of the layouts is served; `swap` is MODBUS_SWAP, `swap_32` bit 2 (C-08)."""

    float_only: bool = False
    multi_slave: bool = False
    swap: bool = False
    swap_32: bool = False
    modbus_address: int = 0

    @property
    def value_length(self) -> int:
        """Registers of one value entry."""
        return FLOAT_LENGTH if self.float_only else ENTRY_LENGTH


@dataclass(frozen=True, slots=True)
class GatewayTruth:
    """The gateway's own entry (REG-G).

    A time is known to the minute and not to the second, so its lower register is left open.
    """

    serial_number: int
    software_version: int
    time: int
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class ValueTruth:
    """One value entry (REG-V) as numbers; `units` are the indices that all fit."""

    label: str
    integer: int
    float_bits: int
    scale: int
    units: frozenset[int]
    time: int


@dataclass(frozen=True, slots=True)
class MeterTruth:
    """One meter entry (REG-M) with its values in the order of the telegram."""

    label: str
    serial_number: int
    manufacturer: str
    version: int
    medium: int
    time: int
    flags: int
    values: tuple[ValueTruth, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One field at its address: the words that are right, None for one that is left open.

    `part` names the field by the layout's own numbering, such as REG-V.3; `alternatives` are
    further words that are right as well.
    """

    unit: int
    address: int
    entry: str
    name: str
    part: str
    words: tuple[int | None, ...]
    alternatives: tuple[tuple[int, ...], ...] = ()

    @property
    def length(self) -> int:
        """Registers of the field."""
        return len(self.words)

    def fits(self, seen: Sequence[int | None]) -> bool:
        """Whether the registers hold what they must; a missing register never fits."""
        if any(word is None for word in seen):
            return False
        pairs = zip(self.words, seen, strict=True)
        return all(want in (None, word) for want, word in pairs) or tuple(seen) in self.alternatives


def fields(gateway: GatewayTruth, meters: Sequence[MeterTruth], layout: Layout) -> Iterator[Field]:
    """Yield every field that must be served, after Allocate for all (C-67)."""
    units: list[int] = [255]
    if layout.multi_slave:
        free = [unit for unit in UNITS if unit != layout.modbus_address]
        units += free[: len(meters)]
    for unit in units:
        yield from _gateway(gateway, layout, unit)
    address = FIRST_REGISTER
    for number, meter in enumerate(meters):
        unit = units[number + 1] if layout.multi_slave else 255
        if layout.multi_slave:
            address = FIRST_REGISTER
        yield from _meter(meter, layout, unit, address)
        address += ENTRY_LENGTH
        for index, value in enumerate(meter.values, 1):
            yield from _value(value, f"{meter.label}, value {index}", layout, unit, address)
            address += layout.value_length


def _gateway(truth: GatewayTruth, layout: Layout, unit: int) -> Iterator[Field]:
    row = _rows(unit, 0, "gateway")
    yield row(0, "serial number", "REG-G.1", _long(truth.serial_number, layout))
    yield row(2, "protocol version", "REG-G.2", (truth.protocol_version,))
    yield row(3, "software version", "REG-G.3", (truth.software_version,))
    yield row(4, "time of the last read-out", "REG-G.4", _time(truth.time, layout))
    yield row(6, "reserved", "REG-G.5", (0,))
    yield row(7, "type", "REG-G.6", (0x0100,))
    yield row(8, "reserved", "REG-G.8", (0, 0))


def _meter(truth: MeterTruth, layout: Layout, unit: int, address: int) -> Iterator[Field]:
    row = _rows(unit, address, truth.label)
    yield row(0, "serial number", "REG-M.1", _long(truth.serial_number, layout))
    yield row(2, "manufacturer", "REG-M.2", (_letters(truth.manufacturer),))
    yield row(3, "version and medium", "REG-M.3", (truth.version << 8 | truth.medium,))
    yield row(4, "time of the last read-out", "REG-M.4", _time(truth.time, layout))
    yield row(6, "reserved", "REG-M.5", (0,))
    yield row(7, "type", "REG-M.6", (0x0200,))
    yield row(8, "flags", "REG-M.9", (truth.flags,))
    yield row(9, "reserved", "REG-M.10", (0,))


def _value(
    truth: ValueTruth, entry: str, layout: Layout, unit: int, address: int
) -> Iterator[Field]:
    row = _rows(unit, address, f"{entry} ({truth.label})")
    bits = _long(truth.float_bits, layout)
    if layout.float_only:
        yield row(0, "float", "REG-V.2", bits)
        return
    packed = struct.unpack(">4H", struct.pack(">q", truth.integer))
    yield row(0, "integer", "REG-V.1", packed[::-1] if layout.swap else packed)
    yield row(4, "float", "REG-V.2", bits)
    yield row(6, "scale", "REG-V.3", (truth.scale & 0xFFFF,))
    right, *others = sorted(truth.units)
    yield Field(
        unit, address + 7, f"{entry} ({truth.label})", "type and unit", "REG-V.5", (right,),
        tuple((other,) for other in others),
    )  # fmt: skip
    yield row(8, "time sent by the meter", "REG-V.6", _long(truth.time, layout))


class _rows:  # noqa: N801 - reads as the function that it stands for
    """Makes the fields of one entry."""

    def __init__(self, unit: int, address: int, entry: str) -> None:
        self._unit, self._address, self._entry = unit, address, entry

    def __call__(self, offset: int, name: str, part: str, words: tuple[int | None, ...]) -> Field:
        """One field at an offset of the entry."""
        return Field(self._unit, self._address + offset, self._entry, name, part, words)


def _long(number: int, layout: Layout) -> tuple[int, ...]:
    """A 32-bit field: the most significant register first, unless a switch says otherwise."""
    high, low = number >> 16 & 0xFFFF, number & 0xFFFF
    return (low, high) if layout.swap or layout.swap_32 else (high, low)


def _time(unix_s: int, layout: Layout) -> tuple[int | None, ...]:
    """A time whose lower register is left open."""
    high = unix_s >> 16 & 0xFFFF
    return (None, high) if layout.swap or layout.swap_32 else (high, None)


def _letters(manufacturer: str) -> int:
    """Three letters in five bits each, A being 1 (REG-M.2)."""
    code = 0
    for letter in manufacturer:
        code = code << 5 | ord(letter) - 64
    return code
