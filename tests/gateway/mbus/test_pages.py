"""Page sequences: the next page, the last one, the limit, and repeats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus.pages import PageSequence, PageVerdict
from gateway.mbus.telegram import Telegram, decode
from tests.gateway.mbus.building import HEADER, long_frame

MORE, LAST, LIMIT, REPEAT = PageVerdict


def page(
    number: int, *, more: bool, access_number: int | None = None, c_field: int = 8
) -> Telegram:
    """A page with one record that holds its number."""
    header = bytearray(HEADER)
    header[8] = (number if access_number is None else access_number) & 0xFF
    body = bytes((0x02, 0x59, number & 0xFF, number >> 8)) + (b"\x1f" if more else b"")
    return decode(long_frame(c_field, 5, 0x72, bytes(header) + body))


def test_pages_up_to_the_last() -> None:
    """DIF 1F announces another page; a page without it is the last."""
    sequence = PageSequence(10)
    verdicts = [sequence.receive(page(number, more=number < 3)) for number in range(4)]
    assert verdicts == [MORE, MORE, MORE, LAST]


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 255])
def test_limit(limit: int) -> None:
    """MBUS-02, C-61: the limit counts telegrams, the first included; 0 means 1."""
    sequence = PageSequence(limit)
    verdicts = [sequence.receive(page(number, more=True)) for number in range(max(1, limit))]
    assert verdicts == [MORE] * (max(1, limit) - 1) + [LIMIT]


def test_a_last_page_at_the_limit_is_the_last() -> None:
    """Where nothing was cut, nothing is reported as cut."""
    assert PageSequence(1).receive(page(1, more=False)) is LAST


def test_equal_access_number_and_data_are_a_repeat() -> None:
    """A repeat is not taken, whichever page it repeats."""
    sequence = PageSequence(10)
    first, second = page(1, more=True), page(2, more=True)
    verdicts = [sequence.receive(item) for item in (first, first, second, first, second)]
    assert verdicts == [MORE, REPEAT, MORE, REPEAT, REPEAT]
    assert sequence.pages == [first, second]


def test_another_access_number_makes_another_page() -> None:
    """Meters may send equal records twice; the access number tells that they were made anew."""
    sequence = PageSequence(10)
    verdicts = [sequence.receive(page(1, more=True, access_number=n)) for n in (7, 8)]
    assert verdicts == [MORE, MORE]


def test_the_c_field_does_not_make_another_page() -> None:
    """Access demand may have come up between two sendings of one telegram."""
    sequence = PageSequence(10)
    verdicts = [sequence.receive(page(1, more=True, c_field=c_field)) for c_field in (0x08, 0x28)]
    assert verdicts == [MORE, REPEAT]


@given(repeats=st.lists(st.integers(0, 3), min_size=1, max_size=20), limit=st.integers(0, 255))
def test_any_repeats_leave_the_pages_in_order(repeats: list[int], limit: int) -> None:
    """However often each page comes, every page is kept once, in order, up to the limit."""
    sequence = PageSequence(limit)
    for number, count in enumerate(repeats):
        if len(sequence.pages) >= max(1, limit):
            break
        telegram = page(number, more=number < len(repeats) - 1)
        verdicts = [sequence.receive(telegram) for _ in range(1 + count)]
        assert verdicts[1:] == [REPEAT] * count
        assert verdicts[0] is not REPEAT
    values = [kept.records[0].integer for kept in sequence.pages]
    assert values == list(range(min(len(repeats), max(1, limit))))
