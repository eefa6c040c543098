"""Which value the time points of a read-out belong to (C-58, MET-11).

A plain time point (VIF 6C or 6D without VIFE) gives its time to all values of its storage number.
A meter may send several for one storage number, e.g. the time of a maximum beside the time of
reading: then the nearest kin wins (same function, tariff and subunit, then same function), and of
equals the last one before the value, since a time point stands before what it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.mbus.record import DataRecord


def assign_timestamps(records: Sequence[DataRecord]) -> None:
    """Set `time_record` of every value of a read-out; give all pages of one meter joined in order.

    `telegram.decode` does it for one telegram; a multi-telegram read-out does it again over all of
    its records.
    """
    time_points: dict[int, list[tuple[int, DataRecord]]] = {}
    for at, record in enumerate(records):
        coding = record.coding
        if coding.gives_time:
            time_points.setdefault(coding.storage_number, []).append((at, record))
    if not time_points:
        return
    for at, record in enumerate(records):
        coding = record.coding
        candidates = time_points.get(coding.storage_number)
        if candidates and coding.takes_time:
            several = len(candidates) > 1
            record.time_record = _nearest(at, record, candidates) if several else candidates[0][1]


def _nearest(at: int, record: DataRecord, candidates: list[tuple[int, DataRecord]]) -> DataRecord:
    """Choose among the time points of the record's storage number."""

    def nearness(candidate: tuple[int, DataRecord]) -> tuple[int, bool, int]:
        point_at, point = candidate
        return _kinship(record, point), point_at < at, point_at if point_at < at else -point_at

    return max(candidates, key=nearness)[1]


def _kinship(record: DataRecord, point: DataRecord) -> int:
    if record.function is not point.function:
        return 0
    same_part = (record.tariff, record.subunit) == (point.tariff, point.subunit)
    return 2 if same_part else 1


def serves_a_value(point: DataRecord, records: Sequence[DataRecord]) -> bool:
    """Tell whether some value of the read-out carries this time point's time.

    A time point that serves none stays a value of its own instead of being hidden (C-58).
    """
    return any(record.time_record is point for record in records)
