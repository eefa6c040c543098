"""The standard register layout, read from registers back into entries (manual 6.2).

The gateway serves ten registers for itself at address 0 and ten for each meter and each value
that has an address. Which of the three an entry is, the upper byte of its register +7 says:
1 gateway, 2 meter, 0 value. Fields of more than one register have the most significant register
at the lowest address.

`read` walks registers in steps of ten and gives one block for each step. A step that is none of
the three is a `MalformedBlock`: an observation with what was expected, never an exception.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: "A fixed address structure of 10 Modbus registers per meter / meter value" (manual 6.2).
BLOCK_LENGTH: Final = 10

#: Offset of the register whose upper byte names the kind of entry.
TYPE_OFFSET: Final = 7

#: Last address at which a whole block fits.
LAST_ADDRESS: Final = 65520

_LETTER_MASK: Final = 0x1F


@unique
class BlockType(IntEnum):
    """Upper byte of register +7."""

    VALUE = 0
    GATEWAY = 1
    METER = 2


@dataclass(frozen=True, slots=True)
class _Block:
    """Ten registers at an address; the subclasses know what they mean."""

    address: int
    registers: tuple[int, ...]

    def words(self, offset: int, quantity: int) -> tuple[int, ...]:
        """Return the raw registers of a field."""
        return self.registers[offset : offset + quantity]

    def unsigned(self, offset: int, quantity: int) -> int:
        """Return a field as a number, most significant register first."""
        number = 0
        for word in self.words(offset, quantity):
            number = number << 16 | word
        return number

    @property
    def type_byte(self) -> int:
        """Upper byte of register +7."""
        return self.registers[TYPE_OFFSET] >> 8


@dataclass(frozen=True, slots=True)
class GatewayBlock(_Block):
    """Registers 0-9: the gateway's own status."""

    @property
    def serial_number(self) -> int:
        """Serial number of the gateway, a plain 32-bit number (C-06)."""
        return self.unsigned(0, 2)

    @property
    def protocol_version(self) -> int:
        """Version of the Modbus interface; the manual knows 1."""
        return self.registers[2]

    @property
    def software_version(self) -> int:
        """Software version as an integer: 111 is v1.11 (C-07)."""
        return self.registers[3]

    @property
    def time_stamp(self) -> int:
        """Unix time at which the last read-out pass ended, 0 before the first (C-05)."""
        return self.unsigned(4, 2)


@dataclass(frozen=True, slots=True)
class MeterBlock(_Block):
    """Ten registers of one meter."""

    @property
    def serial_number(self) -> int:
        """The identification number as a decimal number, not BCD."""
        return self.unsigned(0, 2)

    @property
    def manufacturer_code(self) -> int:
        """Register +2 as it stands."""
        return self.registers[2]

    @property
    def manufacturer(self) -> str:
        """Three letters of bits 14-10, 9-5 and 4-0, A being 1; "?" for no letter."""
        code = self.manufacturer_code
        return "".join(_letter(code >> shift & _LETTER_MASK) for shift in (10, 5, 0))

    @property
    def version(self) -> int:
        """Upper byte of register +3."""
        return self.registers[3] >> 8

    @property
    def medium(self) -> int:
        """Lower byte of register +3, an index of the manual's table of media."""
        return self.registers[3] & 0xFF

    @property
    def time_stamp(self) -> int:
        """Unix time of the last read-out of this meter, 0 before the first."""
        return self.unsigned(4, 2)

    @property
    def flags(self) -> int:
        """Register +8 as it stands."""
        return self.registers[8]

    @property
    def could_not_be_read(self) -> bool:
        """Flag bit 0."""
        return bool(self.flags & 1)

    @property
    def not_all_values_updated(self) -> bool:
        """Flag bit 1."""
        return bool(self.flags & 2)


@dataclass(frozen=True, slots=True)
class ValueBlock(_Block):
    """Ten registers of one value."""

    @property
    def integer(self) -> int:
        """Registers +0 to +3: signed 64 bit, not scaled."""
        return int(struct.unpack(">q", self._packed(0, 4))[0])

    @property
    def float_value(self) -> float:
        """Registers +4 and +5: IEEE 754 single, scaled to the unit."""
        return float(struct.unpack(">f", self._packed(4, 2))[0])

    @property
    def scale(self) -> int:
        """Register +6: signed power of ten."""
        return int(struct.unpack(">h", self._packed(6, 1))[0])

    @property
    def unit(self) -> int:
        """Lower byte of register +7, an index of the manual's table of units."""
        return self.registers[TYPE_OFFSET] & 0xFF

    @property
    def time_stamp(self) -> int:
        """Unix time sent by the meter for this value, 0 where it sends none."""
        return self.unsigned(8, 2)

    def _packed(self, offset: int, quantity: int) -> bytes:
        return struct.pack(f">{quantity}H", *self.words(offset, quantity))


@dataclass(frozen=True, slots=True)
class MalformedBlock(_Block):
    """A step of the walk that is no entry of manual 6.2; `message` says what was expected."""

    message: str = ""


Block = GatewayBlock | MeterBlock | ValueBlock | MalformedBlock


@dataclass(frozen=True, slots=True)
class MeterGroup:
    """A meter's block with the value blocks that follow it, in address order."""

    meter: MeterBlock
    values: tuple[ValueBlock, ...]


def _letter(number: int) -> str:
    return chr(ord("A") + number - 1) if 1 <= number <= 26 else "?"


def read(registers: Sequence[int], base: int = 0) -> list[Block]:
    """Read the entries in a gapless run of registers that starts at address `base`.

    Inside one answer a gap between entries reads as zeros (C-12), and so does a text value
    (C-14): from the registers alone the two cannot be told apart, and both come out as a
    `ValueBlock` of zeros. `survey.Survey` asks the gateway which of them are mapped, and
    `read_mapped` then skips the rest.
    """
    return read_mapped(dict(enumerate(registers, base)), start=base)


def read_mapped(registers: Mapping[int, int], start: int = 0) -> list[Block]:
    """Read the entries in a map of address to register; a step with no register is skipped.

    The walk goes in steps of ten from `start`. A step with only some of its ten registers
    is a `MalformedBlock`, since entries are mapped as a whole, reserved registers included.
    """
    steps = sorted({start + (address - start) // BLOCK_LENGTH * BLOCK_LENGTH
                    for address in registers if address >= start})  # fmt: skip
    return [_block(registers, address) for address in steps]


def _block(registers: Mapping[int, int], address: int) -> Block:
    present = [registers[a] for a in range(address, address + BLOCK_LENGTH) if a in registers]
    words = tuple(present)
    if len(words) < BLOCK_LENGTH:
        message = f"expected {BLOCK_LENGTH} registers from {address} on, got {len(words)}"
        return MalformedBlock(address, words, message)
    bad = next((word for word in words if not 0 <= word <= 0xFFFF), None)
    if bad is not None:
        return MalformedBlock(address, words, f"expected 16-bit registers, got {bad}")
    return _typed(address, words)


def _typed(address: int, words: tuple[int, ...]) -> Block:
    """Choose the kind of block by its type byte; the gateway's stands at 0 and nowhere else."""
    type_byte = words[TYPE_OFFSET] >> 8
    if address == 0:
        if type_byte == BlockType.GATEWAY:
            return GatewayBlock(address, words)
        wanted = "1 (gateway entry)"
    else:
        if type_byte == BlockType.METER:
            return MeterBlock(address, words)
        if type_byte == BlockType.VALUE:
            return ValueBlock(address, words)
        wanted = "2 (meter entry) or 0 (value entry)"
    message = f"register {address + TYPE_OFFSET}: expected type {wanted}, got {type_byte}"
    return MalformedBlock(address, words, message)


def group(blocks: Sequence[Block]) -> tuple[list[MeterGroup], list[Block]]:
    """Sort value blocks under the meter block before them.

    The second list holds what belongs to no meter: the gateway's block, malformed blocks, and
    values that stand before the first meter or behind a malformed block, whose meter is unknown.
    """
    groups: list[MeterGroup] = []
    others: list[Block] = []
    meter: MeterBlock | None = None
    values: list[ValueBlock] = []
    for block in blocks:
        if isinstance(block, ValueBlock) and meter is not None:
            values.append(block)
            continue
        if meter is not None:
            groups.append(MeterGroup(meter, tuple(values)))
            meter, values = None, []
        if isinstance(block, MeterBlock):
            meter = block
        else:
            others.append(block)
    if meter is not None:
        groups.append(MeterGroup(meter, tuple(values)))
    return groups, others
