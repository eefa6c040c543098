"""Where records begin and end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus.errors import RecordError
from gateway.mbus.structure import Span, find_span, text_of


def span(record: str) -> Span:
    """Find the first record of some hex."""
    return find_span(bytes.fromhex(record), 0)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("0413 01020304", (1, 2, 6)),
        ("8c1104 96470600", (2, 3, 7)),
        ("04abff01 feffffff", (1, 4, 8)),
        ("02fdc8ff01 d108", (1, 5, 7)),
        ("0d13 03414243", (1, 2, 6)),
        ("0013", (1, 2, 2)),
        ("0813", (1, 2, 2)),
        ("027c03485225 2215", (1, 6, 8)),
        ("02fc0348522574 2215", (1, 7, 9)),
        ("0e13 000000000000", (1, 2, 8)),
        ("0713 0000000000000000", (1, 2, 10)),
    ],
)
def test_records_are_cut_by_their_extension_bits_and_data_field(
    record: str, expected: tuple[int, int, int]
) -> None:
    """Offsets of VIB, data and end; what follows does not matter, what lacks is an error."""
    assert span(record)[1:4] == expected
    assert span(record + "2f2f2f")[1:4] == expected
    data = bytes.fromhex(record)
    for size in range(1, len(data)):
        with pytest.raises(RecordError) as caught:
            find_span(data[:size], 0)
        assert caught.value.offset <= size


def test_ten_extensions_are_read_and_eleven_refused() -> None:
    """More than ten DIFEs or VIFEs are rejected at the eleventh (MBDOC48)."""
    assert span("84" + "80" * 9 + "00" + "13" + "01020304").end == 16
    with pytest.raises(RecordError, match="10 DIFEs") as caught:
        span("84" + "80" * 10 + "00" + "13" + "01020304")
    assert caught.value.offset == 11
    assert span("04" + "93" + "80" * 9 + "00" + "01020304").end == 16
    with pytest.raises(RecordError, match="10 VIFEs") as caught:
        span("04" + "93" + "80" * 10 + "00" + "01020304")
    assert caught.value.offset == 12


def test_a_reserved_lvar_ends_the_reading() -> None:
    """Nobody knows how many bytes follow LVAR CA."""
    with pytest.raises(RecordError, match="CA"):
        span("0d13 ca0000")


def test_the_text_is_found_in_both_orders() -> None:
    """Text behind the VIF (field) and behind the VIFE chain (newer standard)."""
    field, standard = bytes.fromhex("fc0348522574"), bytes.fromhex("fc7403485225")
    assert text_of(field, 0, text_is_last=False) == b"HR%"
    assert text_of(standard, 0, text_is_last=True) == b"HR%"
    assert span("02fc0348522574 2215").text_is_last is False
    assert span("02fc7403485225 2215").text_is_last is True


def test_the_order_that_parses_to_the_end_wins() -> None:
    """With a record behind it, the wrong order runs into nonsense and is given up."""
    following = "0413010203040f0102"
    assert span("02fc0348522574 2215" + following).text_is_last is False
    assert span("02fc7403485225 2215" + following).text_is_last is True


def test_many_plain_texts_do_not_explode() -> None:
    """Each offset is tried once: a telegram full of texts of either order is read in no time."""
    record = bytes.fromhex("02fc7403485225 2215")
    body = record * 26
    at = 0
    while at < len(body):
        found = find_span(body, at)
        assert found.text_is_last
        at = found.end
    assert at == len(body)


@given(st.binary(min_size=1, max_size=80))
def test_any_bytes_give_a_span_inside_them_or_an_error(body: bytes) -> None:
    """The walk is total and never leaves the data."""
    failed_at = 0
    try:
        found = find_span(body, 0)
        assert 0 < found.vib < found.data <= found.end <= len(body)
    except RecordError as error:
        failed_at = error.offset
    assert 0 <= failed_at <= len(body)
