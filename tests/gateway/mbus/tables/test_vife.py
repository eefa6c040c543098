"""Combinable VIFEs: coverage, record errors and durations."""

from __future__ import annotations

from gateway.mbus.tables.manual import Unit
from gateway.mbus.tables.vife import VIFES, Effect


def test_record_errors_are_those_of_the_list() -> None:
    """MBDOC48 p.54: 15 no data, 16 overflow, 17 underflow, 18 data error; 00 is none."""
    assert VIFES[0x00].effect is Effect.NONE
    texts = [VIFES[code].text for code in (0x15, 0x16, 0x17, 0x18)]
    assert texts == ["no data available", "data overflow", "data underflow", "data error"]
    errors = {code for code in range(128) if VIFES[code].effect is Effect.RECORD_ERROR}
    assert errors == {*range(0x01, 0x12), *range(0x15, 0x1D)}


def test_dates_durations_and_counts_are_where_the_standard_has_them() -> None:
    """42..4F and 6A.. are dates, 50-5F and 60-67 durations, 41 and 49 counts, 39 the start of."""
    dates = {code for code in range(128) if VIFES[code].effect is Effect.DATE}
    assert dates == {0x39, 0x42, 0x43, 0x46, 0x47, 0x4A, 0x4B, 0x4E, 0x4F, 0x6A, 0x6B, 0x6E, 0x6F}
    durations = {code for code in range(128) if VIFES[code].effect is Effect.DURATION}
    assert durations == {*range(0x50, 0x68)}
    times = [Unit.SECOND, Unit.MINUTE, Unit.HOUR, Unit.DAY]
    assert all(VIFES[code].argument == times[code & 3] for code in durations)
    assert {code for code in range(128) if VIFES[code].effect is Effect.COUNT} == {0x41, 0x49}


def test_corrections_have_their_powers_of_ten() -> None:
    """70-77 times 10^(n-6), 78-7B plus 10^(n-3), 7D times 1000."""
    assert [VIFES[0x70 + n].argument for n in range(8)] == [n - 6 for n in range(8)]
    assert [VIFES[0x78 + n].argument for n in range(4)] == [n - 3 for n in range(4)]
    assert VIFES[0x7D][::2] == (Effect.MULTIPLY, 3)


def test_limit_texts_name_limit_edge_and_order() -> None:
    """u, f and b of ``E100 uf1b`` choose lower or upper, first or last, begin or end."""
    assert VIFES[0x42].text == "begin of first exceed of lower limit"
    assert VIFES[0x4F].text == "end of last exceed of upper limit"
    assert VIFES[0x5C].text == "duration of last exceed of upper limit"
    assert VIFES[0x6B].text == "end of first"
