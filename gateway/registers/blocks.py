"""Entries as bytes: the register blocks of manual 6.2 in every word order.

An entry is packed in the standard order first; a swap then moves whole registers by a table, so
that the two orders cannot drift apart (C-08).
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import TYPE_CHECKING, Final

from gateway.registers.layout import Layout, WordOrder
from gateway.registers.numbers import nearest_float32

if TYPE_CHECKING:
    from gateway.registers.entries import GatewayEntry, MeterEntry, ValueEntry

#: Type field of register + 7, upper byte (manual 6.2); a value entry has 0.
TYPE_GATEWAY: Final = 0x0100
TYPE_METER: Final = 0x0200

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
_UINT32_MAX: Final = 2**32 - 1

_GATEWAY: Final = Struct(">IHHIHHHH")
_METER: Final = Struct(">IHBBIHHHH")
_VALUE: Final = Struct(">qfhxBI")
_REGISTERS: Final = Struct(">10H")

# Where each register of a swapped block comes from in the standard one; both 32-bit fields of a
# gateway or meter entry swap under either switch, the int64 of a value only under MODBUS_SWAP.
# fmt: off
_ENTRY_SWAPPED: Final    = (1, 0, 2, 3, 5, 4, 6, 7, 8, 9)
_VALUE_SWAPPED_32: Final = (0, 1, 2, 3, 5, 4, 6, 7, 9, 8)
_VALUE_SWAPPED: Final    = (3, 2, 1, 0, 5, 4, 6, 7, 9, 8)
# fmt: on

#: Bytes of the float inside a value block: registers + 4 and + 5 in every word order.
_FLOAT: Final = slice(8, 12)


def gateway_block(entry: GatewayEntry, layout: Layout) -> bytes:
    """The 20 bytes of registers 0-9 (REG-G). ValueError names a field out of range."""
    try:
        block = _GATEWAY.pack(
            entry.serial,
            entry.protocol_version,
            entry.software_version,
            published_time(entry.last_readout),
            0,
            TYPE_GATEWAY,
            0,
            0,
        )
    except StructError as error:
        raise ValueError(f"no register holds {entry}: {error}") from error
    if layout.word_order is WordOrder.MSB_FIRST:
        return block
    return _moved(block, _ENTRY_SWAPPED)


def meter_block(entry: MeterEntry, layout: Layout) -> bytes:
    """The 20 bytes of a meter entry (REG-M). ValueError names a field out of range."""
    try:
        block = _METER.pack(
            entry.serial,
            entry.manufacturer,
            entry.version,
            entry.medium,
            published_time(entry.time),
            0,
            TYPE_METER,
            entry.flags,
            0,
        )
    except StructError as error:
        raise ValueError(f"no register holds {entry}: {error}") from error
    if layout.word_order is WordOrder.MSB_FIRST:
        return block
    return _moved(block, _ENTRY_SWAPPED)


def value_block(entry: ValueEntry, layout: Layout) -> bytes:
    """The bytes of a value entry (REG-V): 20, or the 4 of the float in the float-only layout.

    An integer beyond 64 bits shows the nearest limit; the float is that of the integer itself.
    ValueError names a scale or unit out of range.
    """
    integer = entry.integer
    number = nearest_float32(integer, entry.scale)
    if not INT64_MIN <= integer <= INT64_MAX:
        integer = INT64_MIN if integer < 0 else INT64_MAX
    try:
        block = _VALUE.pack(integer, number, entry.scale, entry.unit, published_time(entry.time))
    except StructError as error:
        raise ValueError(f"no register holds {entry}: {error}") from error
    if layout.word_order is WordOrder.LSB_FIRST:
        block = _moved(block, _VALUE_SWAPPED)
    elif layout.word_order is WordOrder.LSB_FIRST_32:
        block = _moved(block, _VALUE_SWAPPED_32)
    return block[_FLOAT] if layout.float_only else block


def published_time(unix_time: int) -> int:
    """A unix time in s as a register pair shows it: 0 before 1970 and after 2106 (C-58)."""
    return unix_time if 0 <= unix_time <= _UINT32_MAX else 0


def _moved(block: bytes, origins: tuple[int, ...]) -> bytes:
    """The block with its ten registers in another order."""
    registers = _REGISTERS.unpack(block)
    return _REGISTERS.pack(*[registers[origin] for origin in origins])
