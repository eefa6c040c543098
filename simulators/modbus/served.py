"""What a gateway serves under all its unit identifiers, in whichever layout it is set to.

Nothing says which layout is in force, so it is told from the registers. A meter entry names itself
in any layout (type 2, reserved registers 0). Multi-slave: the gateway's unit holds nothing behind
register 9, and units of 1 to 247 do. Float-only: what stands between the meter entries does not
read as value entries, or the meter entries stand where only values of two registers can have put
them. Order of registers: the one in which values agree with themselves, or, where there are only
floats, the one in which numbers, times and floats are the more plausible.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from simulators.modbus import layout
from simulators.modbus.tables import UNITS
from simulators.modbus.word_order import WordOrder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: Registers of a value in the float-only layout (C-10).
FLOAT_LENGTH: Final = 2
#: Unit identifiers that meters may have in the multi-slave layout (C-11).
SLAVE_UNITS: Final = range(1, 248)
#: What a float of a meter lies between, if it is not 0.
_PLAUSIBLE_MIN: Final = 1e-9
_PLAUSIBLE_MAX: Final = 1e13
#: Powers of ten beyond this fit no float32.
_SCALE_MAX: Final = 64
#: Eight decimal digits.
_SERIAL_MAX: Final = 99_999_999
#: Unix time of 2000-01-01 and of 2060-01-01: what a time of a read-out lies between.
_TIME_MIN: Final = 946_684_800
_TIME_MAX: Final = 2_840_140_800


@dataclass(frozen=True, slots=True)
class FloatEntry:
    """A value of the float-only layout, its registers as they were served."""

    address: int
    registers: tuple[int, int]

    def float_value(self, order: WordOrder) -> float:
        """The value, IEEE 754 single, in the order of registers that is in force."""
        words = self.registers if order is WordOrder.MSB_FIRST else self.registers[::-1]
        return float(struct.unpack(">f", struct.pack(">2H", *words))[0])


Entry = layout.Block | FloatEntry


@dataclass(frozen=True, slots=True)
class ServedUnit:
    """The entries of one unit identifier in the order of their addresses, as served."""

    unit_identifier: int
    entries: tuple[Entry, ...]


def is_meter(registers: Mapping[int, int], address: int) -> bool:
    """Whether ten registers from here are a meter entry: type, letters, reserved registers."""
    words = [registers.get(address + offset) for offset in range(layout.BLOCK_LENGTH)]
    if None in words or words[6:8] != [0, layout.BlockType.METER << 8] or words[9] != 0:
        return False
    block = layout.MeterBlock(address, tuple(word or 0 for word in words))
    return block.flags <= 3 and (block.manufacturer_code == 0 or "?" not in block.manufacturer)


def is_float_only(
    maps: Iterable[Mapping[int, int]],
    agreeing: int,
    blocks: Sequence[layout.Block],
) -> bool:
    """Whether the registers of all units are a float-only map.

    `blocks` is how they read in the standard layout, `agreeing` how many of its values say the
    same in both their forms and are not 0. A value that disagrees speaks for neither layout: its
    gateway may be wrong. What cannot be an entry at all does, where it is the rule and hardly
    any value agrees. A map that fits both layouts is the standard one.
    """
    meters = [address for registers in maps for address in _meters(registers)]
    if not meters:
        return False
    if any(address % layout.BLOCK_LENGTH for address in meters):
        return True
    entries = [b for b in blocks if not isinstance(b, layout.GatewayBlock | layout.MeterBlock)]
    strange = sum(map(_is_strange, entries))
    telling = [b for b in entries if any(b.registers)]
    return strange > 2 * agreeing and 2 * strange >= len(telling)


def _is_strange(block: layout.Block) -> bool:
    """Whether ten registers cannot be a value entry: its type, its unit, or its power of ten."""
    if isinstance(block, layout.ValueBlock):
        return abs(block.scale) > _SCALE_MAX or (block.unit > 0 and block.unit not in UNITS)
    return isinstance(block, layout.MalformedBlock)


def _meters(registers: Mapping[int, int]) -> list[int]:
    """Addresses of meter entries; they do not overlap."""
    found: list[int] = []
    for address in sorted(registers):
        behind = found[-1] + layout.BLOCK_LENGTH if found else layout.BLOCK_LENGTH
        if address >= behind and address % FLOAT_LENGTH == 0 and is_meter(registers, address):
            found.append(address)
    return found


def read_float_only(registers: Mapping[int, int]) -> tuple[Entry, ...]:
    """The entries of a float-only map: the gateway's, meters of ten registers, values of two."""
    meters = _meters(registers)
    whole = {address + offset for address in (0, *meters) for offset in range(layout.BLOCK_LENGTH)}
    entries: list[Entry] = list(
        layout.read_mapped({a: word for a, word in registers.items() if a < layout.BLOCK_LENGTH})
    )
    for address in meters:
        words = tuple(registers[address + offset] for offset in range(layout.BLOCK_LENGTH))
        entries.append(layout.MeterBlock(address, words))
    entries += [
        FloatEntry(address, (registers[address], registers[address + 1]))
        for address in registers
        if address % FLOAT_LENGTH == 0 and address not in whole and address + 1 in registers
    ]
    return tuple(sorted(entries, key=lambda entry: entry.address))


def zeros(entries: Iterable[Entry]) -> Iterator[FloatEntry]:
    """The float entries of which only a request for them alone tells whether they are mapped."""
    return (e for e in entries if isinstance(e, FloatEntry) and not any(e.registers))


def float_word_order(units: Iterable[ServedUnit]) -> WordOrder:
    """The more plausible order of a map without integers; the manual's own among equals."""
    entries = [entry for unit in units for entry in unit.entries]
    swapped = sum(_plausible(entry, WordOrder.LSB_FIRST) for entry in entries)
    plain = sum(_plausible(entry, WordOrder.MSB_FIRST) for entry in entries)
    return WordOrder.LSB_FIRST if swapped > plain else WordOrder.MSB_FIRST


def _plausible(entry: Entry, order: WordOrder) -> int:
    """How much of an entry looks like what it must be."""
    if isinstance(entry, FloatEntry):
        value = abs(entry.float_value(order))
        return int(math.isfinite(value) and _PLAUSIBLE_MIN <= value <= _PLAUSIBLE_MAX)
    if not isinstance(entry, layout.MeterBlock | layout.GatewayBlock):
        return 0
    numbers = []
    for offset in (0, 4):
        high, low = entry.words(offset, 2)
        number = high << 16 | low if order is WordOrder.MSB_FIRST else low << 16 | high
        numbers.append(number)
    # One time weighs more than one float: a plain date is a narrow range.
    return int(0 < numbers[0] <= _SERIAL_MAX) + 2 * int(_TIME_MIN <= numbers[1] <= _TIME_MAX)
