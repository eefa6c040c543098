"""What the register map publishes: the gateway, its meters and their values, as plain numbers.

The types of this module know nothing of M-Bus: whoever builds them has already turned BCD, texts
and dates into integers (MOD-09, C-14). Each object is immutable, so an unchanged meter is
recognised by identity and its registers are not encoded again (see `image.build`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class GatewayEntry:
    """The gateway's own registers 0-9 (REG-G, manual 6.2).

    `serial` is 0..2**32-1 as a plain number (C-06), `software_version` is major * 100 + minor
    (C-07), `last_readout` the unix time in s at which the last read-out pass ended, 0 before the
    first (C-05).
    """

    serial: int
    software_version: int
    last_readout: int = 0
    protocol_version: int = 1


class ValueEntry(NamedTuple):
    """One value of a meter (REG-V): published are `integer` and integer * 10**scale as float32.

    `integer` is signed; beyond 64 bits the register shows the nearest limit and the float stays
    right. `scale` is a power of ten (int16), `unit` the index of manual 6.2 (0..255), `time` the
    unix time in s that the meter sent for the value, 0 for none. `register` 0 is "not allocated"
    (MET-14); an inactive entry keeps its register and is not served (C-53).
    """

    register: int
    integer: int = 0
    scale: int = 0
    unit: int = 0
    time: int = 0
    active: bool = True


@dataclass(frozen=True, slots=True)
class MeterEntry:
    """One meter (REG-M) with its values in the order of the telegram (MET-09).

    `serial` is the decimal number of the eight digits (C-15), `manufacturer` the 15-bit code,
    `time` the unix time in s of the last valid first telegram, `flags` the word of REG-M +8:
    bit 0 = could not be read, bit 1 = not all values updated (C-13). `slave_address` is the unit
    identifier in the multi-slave layout, 0 for none (C-11).
    """

    register: int
    serial: int = 0
    manufacturer: int = 0
    version: int = 0
    medium: int = 0
    time: int = 0
    flags: int = 0
    values: tuple[ValueEntry, ...] = ()
    slave_address: int = 0
    active: bool = True

    def with_reading(self, time: int, flags: int, values: tuple[ValueEntry, ...]) -> MeterEntry:
        """The same meter after another read-out."""
        return MeterEntry(
            self.register,
            self.serial,
            self.manufacturer,
            self.version,
            self.medium,
            time,
            flags,
            values,
            self.slave_address,
            self.active,
        )
