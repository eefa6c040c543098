"""Answers of the fixed data structure (CI 73 and 77): sixteen bytes, two counters, no records.

They are shown as two data records without DIB and VIB, so that everything behind the decoder sees
one kind of value (MBDOC48 p.37, p.74).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.mbus.address import identification_from_bytes
from gateway.mbus.coding import Coding, Form, Function
from gateway.mbus.data_record import DataRecord, read_record
from gateway.mbus.header import Header
from gateway.mbus.tables.fixed import (
    MEDIA,
    MEDIA_MSB_FIRST,
    UNIT_LIKE_COUNTER_1,
    UNIT_MASK,
    UNITS,
)

FIXED_SIZE: Final = 16
COUNTER_SIZE: Final = 4
STATUS_BINARY: Final = 0x01
STATUS_STORED: Final = 0x02


def parse_fixed(
    data: bytes, offset: int, *, msb_first: bool
) -> tuple[Header, tuple[DataRecord, ...]]:
    """Read the sixteen bytes; `offset` is their place in the frame.

    Access number, status, medium and units are single bytes and never turned round; identification
    number and counters follow the CI field, and the medium where it says otherwise.
    """
    medium = data[6] >> 6 | (data[7] & 0xC0) >> 4
    msb_first = msb_first or medium in MEDIA_MSB_FIRST
    identification = data[3::-1] if msb_first else data[:4]
    header = Header(
        access_number=data[4],
        status=data[5],
        identification_number=identification_from_bytes(identification),
        medium=int(MEDIA[medium]),
    )
    first = _counter_coding(data[6] & UNIT_MASK, header.status, msb_first=msb_first)
    second_unit = data[7] & UNIT_MASK
    if second_unit == UNIT_LIKE_COUNTER_1:
        second = replace(first, storage_number=1)
    else:
        second = _counter_coding(second_unit, header.status, msb_first=msb_first)
    counters = ((first, offset + 8), (second, offset + 12))
    wire = bytes(offset) + data
    return header, tuple(
        read_record(coding, wire, at, at + COUNTER_SIZE) for coding, at in counters
    )


def _counter_coding(unit: int, status: int, *, msb_first: bool) -> Coding:
    """Say what one counter is: status bit 0 tells BCD from binary, bit 1 now from a due date."""
    entry = UNITS[unit]
    return Coding(
        dib=b"",
        vib=b"",
        size=COUNTER_SIZE,
        form=Form.INTEGER if status & STATUS_BINARY else Form.BCD,
        function=Function.INSTANTANEOUS,
        storage_number=1 if status & STATUS_STORED else 0,
        value_type=entry.value_type,
        unit=entry.unit,
        scale=entry.exponent,
        msb_first=msb_first,
    )
