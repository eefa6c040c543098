"""Which time belongs to which value (C-58, MET-11)."""

from __future__ import annotations

from gateway.mbus.record import DataRecord, read_records
from gateway.mbus.timestamps import assign_timestamps, serves_a_value

NOON, EVENING = 1795176000, 1795197600  # 2026-11-20 12:00 and 18:00 UTC
AT_NOON, AT_EVENING = "046d 000c543b", "046d 0012543b"


def read(*hex_records: str) -> list[DataRecord]:
    """Read records and give them their times."""
    records, error = read_records(bytes.fromhex("".join(hex_records)))
    assert error is None
    assign_timestamps(records)
    return records


def test_a_time_point_gives_its_time_to_all_values_of_its_storage_number() -> None:
    """Values before and behind it, of any tariff; not those of another storage number."""
    records = read("0c13 01000000", AT_NOON, "8c10 13 01000000", "4c13 01000000")
    assert [record.timestamp for record in records] == [NOON, None, NOON, None]
    assert serves_a_value(records[1], records) is True


def test_a_time_point_without_values_stays_a_value() -> None:
    """Worked-examples 1: ``42 6C`` of meter B serves nobody."""
    records = read("0c13 01000000", "426c 5f3a")
    assert records[0].timestamp is None
    assert serves_a_value(records[1], records) is False
    assert (records[1].value, records[1].integer) == ("2026-10-31", 1793404800)


def test_the_time_of_a_maximum_belongs_to_the_maximum() -> None:
    """Of two time points of one storage number the one of the same function wins."""
    records = read(AT_NOON, "142d 05000000", "146d 0012543b", "042d 01000000")
    assert [record.timestamp for record in records] == [None, EVENING, None, NOON]


def test_of_equal_time_points_the_last_before_the_value_wins() -> None:
    """A time point stands before its values; what comes before the first takes the first."""
    records = read("0413 01000000", AT_NOON, "0414 01000000", AT_EVENING, "0415 01000000")
    assert [record.timestamp for record in records] == [NOON, None, NOON, None, EVENING]


def test_a_time_point_with_a_vife_gives_no_time() -> None:
    """``EC 7E`` is the next due date, not the time of the values."""
    records = read("42ec7e dc19", "4413 c9200000")
    assert (records[0].gives_time, records[1].timestamp) == (False, None)


def test_invalid_and_far_times_count_as_none() -> None:
    """Invalid, marked invalid, after 2106 or without a date: no timestamp (C-58)."""
    for wire in ("046d 00000000", "046d 8000543b", "046d 006c543b", "036d 000c0c"):
        assert read(wire, "0413 01000000")[1].timestamp is None


def test_manufacturer_data_carry_no_time() -> None:
    """0F is no value, so it gets none."""
    assert read(AT_NOON, "0f0102")[1].timestamp is None


def test_pages_joined_share_their_times() -> None:
    """Over a whole read-out the time of page 2 reaches the values of page 1."""
    first, second = read("0413 01000000"), read(AT_NOON)
    assert first[0].timestamp is None
    assign_timestamps([*first, *second])
    assert first[0].timestamp == NOON
