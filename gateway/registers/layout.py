"""How entries become registers: the layouts of the manual and the two word-order switches.

The standard layout gives every entry 10 registers (manual 6.2). Float-only shrinks value entries
to 2 (SRV-05, C-10), multi-slave shows every meter under a unit identifier of its own (SRV-06,
C-11), swap reverses the order of the registers of long fields (SRV-04, C-08), dummy replaces the
meter list by the example of manual 5.2 (SRV-03, C-57). All of them combine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

#: Registers of an entry (manual 6.2) and of a value in the float-only layout (C-10).
ENTRY_REGISTERS: Final = 10
FLOAT_REGISTERS: Final = 2
#: Registers there are; a Modbus address is 16 bits wide.
REGISTER_COUNT: Final = 65536

#: Bits of MODBUSMETER_PROTOCOLVERSION (manual 9.4).
FLOAT_ONLY_BIT: Final = 1
MULTI_SLAVE_BIT: Final = 2
WORD_SWAP_BIT: Final = 4
DUMMY_BIT: Final = 8


@unique
class WordOrder(Enum):
    """Order of the registers of a field of 32 or 64 bits; bytes inside a register never move.

    Named by what MODBUS_SWAP and bit 2 of MODBUSMETER_PROTOCOLVERSION ask for (C-08).
    """

    MSB_FIRST = "most significant register first"
    LSB_FIRST_32 = "32-bit fields least significant register first"
    LSB_FIRST = "32- and 64-bit fields least significant register first"


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout in force; `modbus_address` is MODBUS_ADDRESS, 0 = any unit identifier (C-38)."""

    float_only: bool = False
    multi_slave: bool = False
    word_order: WordOrder = WordOrder.MSB_FIRST
    dummy: bool = False
    modbus_address: int = 0

    @classmethod
    def from_keys(
        cls, *, modbus_swap: int, protocol_version: int, modbus_address: int = 0
    ) -> Layout:
        """Layout of the keys MODBUS_SWAP, MODBUSMETER_PROTOCOLVERSION and MODBUS_ADDRESS.

        Both switches on is MODBUS_SWAP alone: they are ORed and never cancel (C-08). Bits above
        bit 3 are ignored (C-09).
        """
        if modbus_swap:
            word_order = WordOrder.LSB_FIRST
        elif protocol_version & WORD_SWAP_BIT:
            word_order = WordOrder.LSB_FIRST_32
        else:
            word_order = WordOrder.MSB_FIRST
        return cls(
            float_only=bool(protocol_version & FLOAT_ONLY_BIT),
            multi_slave=bool(protocol_version & MULTI_SLAVE_BIT),
            word_order=word_order,
            dummy=bool(protocol_version & DUMMY_BIT),
            modbus_address=modbus_address,
        )

    @property
    def value_registers(self) -> int:
        """Registers of a value entry: 10, or 2 in the float-only layout (C-10)."""
        return FLOAT_REGISTERS if self.float_only else ENTRY_REGISTERS

    @property
    def step(self) -> int:
        """Addresses are multiples of this: 10 (MET-14), or 2 in the float-only layout (C-10)."""
        return FLOAT_REGISTERS if self.float_only else ENTRY_REGISTERS

    def registers_of(self, *, value: bool) -> int:
        """Registers that an entry takes: a value entry or (`value` False) a meter entry."""
        return self.value_registers if value else ENTRY_REGISTERS

    def last_register(self, *, value: bool) -> int:
        """Highest address an entry may have (C-10): 65520; float-only 65526 and 65534."""
        last = REGISTER_COUNT - self.registers_of(value=value)
        return last - last % self.step

    def is_valid(self, register: int, *, value: bool) -> bool:
        """Whether an entry may sit at `register`: aligned, behind the gateway's block (C-10)."""
        return (
            ENTRY_REGISTERS <= register <= self.last_register(value=value)
            and register % self.step == 0
        )


#: The factory layout: 10 registers per entry, most significant register first, any unit.
STANDARD: Final = Layout()
