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

    from gateway.mbus.coding import Coding, Function
    from gateway.mbus.data_record import DataRecord

    #: A time point and its place among the records.
    _Point = tuple[int, DataRecord]


def assign_timestamps(records: Sequence[DataRecord]) -> None:
    """Set `time_record` of every value of a read-out; give all pages of one meter joined in order.

    `telegram.decode` does it for one telegram; a multi-telegram read-out does it again over all of
    its records.
    """
    points = [(at, record) for at, record in enumerate(records) if record.coding.gives_time]
    if not points:
        return
    if len(points) == 1:
        _assign_one(points[0][1], records)
        return
    by_storage: dict[int, list[_Point]] = {}
    for point in points:
        by_storage.setdefault(point[1].coding.storage_number, []).append(point)
    kin: dict[tuple[int, Function, int, int], list[_Point]] = {}
    for at, record in enumerate(records):
        coding = record.coding
        candidates = by_storage.get(coding.storage_number)
        if candidates is None or not coding.takes_time:
            continue
        if len(candidates) > 1:
            key = (coding.storage_number, coding.function, coding.tariff, coding.subunit)
            nearest_kin = kin.get(key)
            if nearest_kin is None:
                nearest_kin = kin[key] = _nearest_kin(coding, candidates)
            record.time_record = _last_before(at, nearest_kin)
        else:
            record.time_record = candidates[0][1]


def _assign_one(point: DataRecord, records: Sequence[DataRecord]) -> None:
    storage_number = point.coding.storage_number
    for record in records:
        coding = record.coding
        if coding.storage_number == storage_number and coding.takes_time:
            record.time_record = point


def _nearest_kin(coding: Coding, candidates: list[_Point]) -> list[_Point]:
    """Keep the time points that are most like a value, in the order of the telegram."""
    kinships = [_kinship(coding, point.coding) for _, point in candidates]
    nearest = max(kinships)
    return [
        candidate
        for kinship, candidate in zip(kinships, candidates, strict=True)
        if kinship == nearest
    ]


def _kinship(value: Coding, point: Coding) -> int:
    if value.function is not point.function:
        return 0
    return 2 if (value.tariff, value.subunit) == (point.tariff, point.subunit) else 1


def _last_before(at: int, points: list[_Point]) -> DataRecord:
    """Choose the last time point before the value, or else the first behind it."""
    chosen = points[0][1]
    for point_at, point in points:
        if point_at > at:
            break
        chosen = point
    return chosen


def serves_a_value(point: DataRecord, records: Sequence[DataRecord]) -> bool:
    """Tell whether some value of the read-out carries this time point's time.

    A time point that serves none stays a value of its own instead of being hidden (C-58).
    """
    return any(record.time_record is point for record in records)
