"""The order of registers inside long fields, undone for the reader (manual 5.2, 9.4, C-08).

A gateway can be set to send the registers of its 64- and 32-bit fields, or of the 32-bit ones
alone, least significant first. The bytes inside a register and 16-bit fields never move, so the
kind of every entry can be told in any order.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from simulators.modbus import layout

if TYPE_CHECKING:
    from collections.abc import Iterable


@unique
class WordOrder(Enum):
    """Which registers stand in reverse."""

    MSB_FIRST = "most significant register first"
    LSB_FIRST = "32- and 64-bit fields least significant register first"
    LSB_FIRST_32 = "32-bit fields least significant register first"


#: Offset and length of the long fields of a value entry, and of the other two kinds.
_VALUE_FIELDS: Final = ((0, 4), (4, 2), (8, 2))
_OTHER_FIELDS: Final = ((0, 2), (4, 2))


def restored(blocks: Iterable[layout.Block], order: WordOrder) -> list[layout.Block]:
    """The blocks as they would read with the most significant register first."""
    return [_restored(block, order) for block in blocks]


def _restored(block: layout.Block, order: WordOrder) -> layout.Block:
    if order is WordOrder.MSB_FIRST or isinstance(block, layout.MalformedBlock):
        return block
    words = list(block.registers)
    fields = _VALUE_FIELDS if isinstance(block, layout.ValueBlock) else _OTHER_FIELDS
    for offset, length in fields:
        if length == 4 and order is WordOrder.LSB_FIRST_32:
            continue
        words[offset : offset + length] = reversed(words[offset : offset + length])
    return replace(block, registers=tuple(words))
