"""From pages to flags, times and values: the truth table of worked examples 9."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.device.readings import (
    FLAGS_UNREAD,
    MeterReading,
    ValueReading,
    key_of,
    listed_records,
    next_reading,
    records_of,
    take_record,
)
from gateway.device.readout import Readout
from gateway.mbus.tables.manual import Unit
from gateway.mbus.telegram import decode
from tests.gateway.device.examples import ANSWER_A, ANSWER_B, page
from tests.gateway.mbus.building import one

if TYPE_CHECKING:
    from gateway.device.readings import ValueKey

NOW = 1795176003
ENERGY, FLOW, VOLUME = "0B 06 67 02 00", "02 59 2E FB", "0C 14 78 56 34 12"


def readout(*pages: str, complete: bool = True, limited: bool = False) -> Readout:
    """A read-out of these pages (hex)."""
    telegrams = tuple(decode(bytes.fromhex(telegram)) for telegram in pages)
    return Readout(telegrams, complete=complete, limited=limited, failure="")


def records(body: str) -> str:
    """Meter A sending `body`."""
    return page(body, access_number=1)


def keys(*bodies: str) -> list[ValueKey]:
    """The keys of records."""
    return [key_of(one(body)) for body in bodies]


LISTED = keys(ENERGY, FLOW, VOLUME)
BEFORE = MeterReading(
    flags=0,
    time=1000,
    values=tuple(ValueReading(number, 0, 5, 900, fresh=True) for number in (1, 2, 3)),
)


def after(
    what: Readout, *, active: tuple[bool, ...] = (True, True, True), cut: bool = False
) -> MeterReading:
    """The state of a meter with three listed values after a read-out."""
    return next_reading(BEFORE, LISTED, active, what, NOW, cut=cut)


def integers(reading: MeterReading) -> list[int]:
    """The integers of all values."""
    return [value.integer for value in reading.values]


# --- Flags, row by row ----------------------------------------------------------------------------


def test_row_1_never_read() -> None:
    """Both bits, time 0."""
    reading = MeterReading()
    assert (reading.flags, reading.time) == (3, 0)


def test_row_2_everything_taken() -> None:
    """Every page, every active listed value: flags 0, meter time now, values new."""
    reading = after(readout(ANSWER_A))
    assert (reading.flags, reading.time, reading.limited) == (0, NOW, False)
    assert integers(reading) == [267, -1234, 12345678]
    assert [value.time for value in reading.values] == [1795175880] * 3
    assert all(value.fresh for value in reading.values)


def test_row_3_no_valid_first_telegram() -> None:
    """Both bits; meter time and values kept, none fresh."""
    reading = after(Readout((), complete=False, limited=False, failure="page 1: only silence"))
    assert (reading.flags, reading.time) == (FLAGS_UNREAD, 1000)
    assert integers(reading) == [1, 2, 3]
    assert [value.time for value in reading.values] == [900] * 3
    assert not any(value.fresh for value in reading.values)
    assert reading.failure == "page 1: only silence"


def test_row_4_a_later_page_is_lost() -> None:
    """Bit 1; meter time now; the pages received are new, the rest is kept."""
    reading = after(readout(records(ENERGY + "1F"), complete=False))
    assert (reading.flags, reading.time) == (2, NOW)
    assert integers(reading) == [267, 2, 3]
    assert [value.fresh for value in reading.values] == [True, False, False]


@pytest.mark.parametrize(
    "second",
    [
        "",
        "02 D9 18 2E FB",
        "0A 59 BA DC",
        "05 59 00 00 C0 7F",
    ],
    ids=["absent", "record error", "BCD with letters", "NaN"],
)
def test_row_5_an_active_value_is_missing(second: str) -> None:
    """Bit 1; that value is kept, its neighbours are new."""
    reading = after(readout(records(ENERGY + second + VOLUME)))
    assert (reading.flags, reading.time) == (2, NOW)
    assert integers(reading) == [267, 2, 12345678]
    assert [value.fresh for value in reading.values] == [True, False, True]


def test_an_inactive_value_does_not_count() -> None:
    """Values that are inactive set no flag."""
    reading = after(readout(records(ENERGY + VOLUME)), active=(True, False, True))
    assert reading.flags == 0


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("00 59", "No Data"),
        ("0D 59 03 63 62 61", "abc"),
    ],
)
def test_row_6_counts_as_updated(body: str, text: str) -> None:
    """A record without data, or a text: integer 0, fresh, shown as "No Data" or the text."""
    reading = after(readout(records(ENERGY + body + VOLUME)))
    assert reading.flags == 0
    assert (reading.values[1].integer, reading.values[1].text) == (0, text)


def test_row_7_cut_by_a_limit() -> None:
    """Flags 0 and "*": all listed values were taken though the telegram had more."""
    reading = after(readout(ANSWER_A, limited=True))
    assert (reading.flags, reading.limited) == (0, True)
    assert after(readout(ANSWER_A), cut=True).limited


def test_row_8_a_limit_lowered_afterwards() -> None:
    """Bit 1 and "*": the limit ends the read-out before listed values."""
    reading = after(readout(records(ENERGY + "1F"), limited=True))
    assert (reading.flags, reading.limited) == (2, True)
    assert integers(reading) == [267, 2, 3]


def test_bit_0_implies_bit_1() -> None:
    """There is no word 0001."""
    cases = [
        readout(ANSWER_A),
        readout(records(ENERGY)),
        readout(records(ENERGY), complete=False),
        Readout((), complete=False, limited=False, failure=""),
    ]
    assert [after(case).flags for case in cases] == [0, 2, 2, 3]


# --- Which record is which value ------------------------------------------------------------------


def test_values_are_found_again_by_their_meaning() -> None:
    """A meter may send its records in another order than the list's."""
    reading = after(readout(records(VOLUME + ENERGY + FLOW)))
    assert (reading.flags, integers(reading)) == (0, [267, -1234, 12345678])


def test_equal_values_are_told_apart_by_their_order() -> None:
    """MET-09: two records of one key are two values, in the order of the wire."""
    listed = keys(FLOW, FLOW)
    what = readout(records("02 59 01 00 02 59 02 00"))
    reading = next_reading(MeterReading(), listed, [True, True], what, NOW, cut=False)
    assert integers(reading) == [1, 2]


def test_values_of_several_pages_are_one_list() -> None:
    """Pages are joined in order, and a time on one page belongs to values on another (C-58)."""
    what = readout(records(ENERGY + "1F"), page(FLOW + "04 6D 3A 0B 54 3B", access_number=2))
    joined = records_of(what.pages)
    assert [record.timestamp for record in joined if record.integer in (267, -1234)] == [
        1795175880,
        1795175880,
    ]


def test_a_time_is_hidden_behind_the_values_it_belongs_to() -> None:
    """MET-11: hidden, unless MUC_SHOWTIMESTAMPENTRIES; without a value of its own it stays."""
    joined = records_of(readout(ANSWER_A).pages)
    assert len(listed_records(joined, show_timestamps=False)) == 3
    assert len(listed_records(joined, show_timestamps=True)) == 4
    alone = records_of(readout(ANSWER_B).pages)
    assert len(listed_records(alone, show_timestamps=False)) == 2


def test_manufacturer_data_are_no_values() -> None:
    """What follows 0F or 1F is nobody's value."""
    joined = records_of(readout(records(ENERGY + "0F 01 02 03")).pages)
    assert len(listed_records(joined, show_timestamps=True)) == 1


# --- One record -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "integer", "scale", "unit", "text"),
    [
        (ENERGY, 267, 3, Unit.WATT_HOUR, None),
        (FLOW, -1234, -2, Unit.DEGREE_CELSIUS, None),
        ("42 6C 5F 3A", 0x6AE52F80, 0, Unit.UTC, "2026-10-31"),
        ("42 6C 00 00", 0, 0, Unit.UTC, "No Data"),
        ("42 6C FF FF", 0, 0, Unit.UTC, "No Data"),
        ("0D FD 0E 08 31 30 31 2D 35 32 33 44", 0, 0, Unit.NONE, "D325-101"),
        ("00 06", 0, 3, Unit.WATT_HOUR, "No Data"),
        ("05 2E 00 00 80 3F", 1, 3, Unit.WATT, None),
    ],
)
def test_what_a_record_publishes(
    record: str, integer: int, scale: int, unit: Unit, text: str | None
) -> None:
    """C-14, C-59: integer, scale and unit; text and invalid dates count with the integer 0."""
    reading = take_record(one(record))
    assert reading is not None
    assert (reading.integer, reading.scale, reading.unit) == (integer, scale, unit)
    assert reading.text == text
    assert reading.fresh


@pytest.mark.parametrize("record", ["42 EC 18 5F 3A", "02 D9 15 2E FB"])
def test_a_record_error_is_no_reading(record: str) -> None:
    """A VIFE that reports an error (MBDOC48 p.54) keeps the old reading, for dates as well."""
    assert take_record(one(record)) is None
