"""A register map with known truth: three meters, values that move once a second.

The energy counter crosses 2^32 again and again, so that a read in two halves goes wrong by four
thousand million; one value has eight different bytes, so that every wrong order of registers or
bytes shows; one is negative with a negative power of ten.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from simulators.modbus import layout

#: How often the values move, as a gateway's do with each read-out.
CHANGE_NS: Final = 1_000_000_000
#: Unix time of the image at the start: 2026-01-01 12:00:00 UTC.
EPOCH_S: Final = 1_767_268_800

_GATEWAY: Final = struct.Struct(">IHHIHHHH")
_METER: Final = struct.Struct(">IHBBIHHHH")
_VALUE: Final = struct.Struct(">qfhBBI")
_CARRY: Final = 1 << 32
#: Wide enough for a float32 to tell two moments apart.
_STEP: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Truth:
    """What one value entry holds at one moment: `integer` × 10^`scale`."""

    register: int
    integer: int
    scale: int
    unit: int

    @property
    def number(self) -> float:
        """The value as a float64, scaled."""
        return self.integer * 10.0**self.scale

    def block(self, time_s: int) -> bytes:
        """The ten registers as bytes."""
        return _VALUE.pack(self.integer, self.number, self.scale, 0, self.unit, time_s)


@dataclass(frozen=True, slots=True)
class _Meter:
    register: int
    serial: int
    manufacturer: int
    version: int
    medium: int


_METERS: Final = (
    _Meter(10, 66600106, 0x32A7, 2, 4),
    _Meter(50, 428670, 0x0442, 6, 2),
)


def truths(tick: int) -> tuple[Truth, ...]:
    """Every value at the `tick`-th second."""
    return (
        # Two seconds below a carry, two above it, then on to the next; no distance comes again,
        # so that the halves of two moments never make a number that was once true.
        Truth(20, (1 + tick // 4) * _CARRY + (2 * (tick % 4) - 3) * (3 + tick // 4) * _STEP, 3, 5),
        Truth(30, -1234 - tick % 100, -2, 19),
        Truth(40, 0x0102_0304_0506_0708, -9, 7),
        Truth(60, -500 + tick % 7, 1, 13),
    )


class MovingImage:
    """The registers of every moment; `read` is total over addresses and quantities."""

    #: Registers from here on are not mapped.
    end: Final = 70
    starts: Final = tuple(range(0, 70, layout.BLOCK_LENGTH))

    def tick(self, now: int) -> int:
        """The second of the image, counted from 0."""
        return now // CHANGE_NS

    def words(self, now: int) -> tuple[int, ...]:
        """All mapped registers at a moment (ns since the start)."""
        tick = self.tick(now)
        time_s = EPOCH_S + tick
        blocks = {0: _GATEWAY.pack(75907, 1, 130, time_s, 0, 0x0100, 0, 0)}
        for meter in _METERS:
            blocks[meter.register] = _METER.pack(
                meter.serial,
                meter.manufacturer,
                meter.version,
                meter.medium,
                time_s,
                0,
                0x0200,
                0,
                0,
            )
        for truth in truths(tick):
            blocks[truth.register] = truth.block(time_s)
        data = b"".join(blocks[start] for start in self.starts)
        return struct.unpack(f">{self.end}H", data)

    def read(self, starting_address: int, quantity: int, now: int) -> tuple[int, ...] | None:
        """The registers of a read, 0 behind the end; None where it touches nothing mapped."""
        if starting_address >= self.end or starting_address + quantity > 0x1_0000:
            return None
        padded = (*self.words(now), *([0] * quantity))
        return padded[starting_address : starting_address + quantity]


#: Fields of more than one register by offset and length: of a value entry, and of the other kinds.
VALUE_FIELDS: Final = ((0, 4), (4, 2), (8, 2))
OTHER_FIELDS: Final = ((0, 2), (4, 2))
VALUE_REGISTERS: Final = tuple(truth.register for truth in truths(0))


def long_fields() -> tuple[tuple[int, int], ...]:
    """Every field of more than one register: its address and length."""
    return tuple(
        (start + offset, length)
        for start in MovingImage.starts
        for offset, length in (VALUE_FIELDS if start in VALUE_REGISTERS else OTHER_FIELDS)
    )
