"""Telegrams for tests, put together byte by byte.

Kept free of the code under test but for nothing: checksum and lengths are computed here, so that a
slip in `gateway.mbus.frames` cannot build the very frames that it then accepts.
"""

from __future__ import annotations

from gateway.mbus.record import DataRecord, read_records

#: 66600106, LUG, version 2, medium 4, access number 2A, status 0, configuration 0.
HEADER = bytes.fromhex("06016066A73202042A000000")


def long_frame(c_field: int, a_field: int, ci_field: int, data: bytes = b"") -> bytes:
    """Build a long (or control) frame."""
    counted = bytes((c_field, a_field, ci_field)) + data
    size = len(counted)
    return bytes((0x68, size, size, 0x68)) + counted + bytes((sum(counted) % 256, 0x16))


def answer(records: str, *, ci_field: int = 0x72, header: bytes = HEADER) -> bytes:
    """Build a RSP_UD of primary address 5 from the hex of its records."""
    return long_frame(0x08, 0x05, ci_field, header + bytes.fromhex(records))


def one(record: str, *, msb_first: bool = False) -> DataRecord:
    """Read exactly one record from its hex."""
    records, error = read_records(bytes.fromhex(record), msb_first=msb_first)
    assert error is None, error
    assert len(records) == 1
    return records[0]
