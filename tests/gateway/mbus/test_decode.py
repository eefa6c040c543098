"""``meterbench decode`` as a function: lines in, text and exit code out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus.decode import decode_lines, decode_main
from tests.gateway.mbus.test_telegram import METER_A, METER_B


def test_one_document_a_line() -> None:
    """Hex with or without blanks, upper or lower case; blank lines are passed over."""
    lines = [METER_A.hex(), "", METER_B.hex(" ").upper() + "\n"]
    text, exit_code = decode_main(lines, json=True)
    documents = [json.loads(line) for line in text.splitlines()]
    assert [len(document["records"]) for document in documents] == [4, 2]
    assert exit_code == 0


def test_tables_are_set_apart_by_a_blank_line() -> None:
    """Text form: one table a telegram."""
    text, exit_code = decode_main([METER_A.hex(), METER_B.hex()], json=False)
    assert text.count("\n\nRSP_UD") == 1
    assert text.endswith("\n")
    assert exit_code == 0


def test_a_flagged_line_sets_the_exit_code() -> None:
    """Exit 1 when any telegram is flagged; the others are still given."""
    text, exit_code = decode_main([METER_A.hex()[:-2], METER_B.hex()], json=True)
    assert exit_code == 1
    assert [json.loads(line)["error"] is None for line in text.splitlines()] == [False, True]


@pytest.mark.parametrize(
    ("line", "offset", "got"),
    [
        ("68 2x", 4, "'x' as character 5"),
        ("681", 3, "an odd digit"),
        ("Ж", 0, r"'\u0416' as character 1"),
    ],
)
def test_what_is_no_hex_is_flagged_at_its_character(line: str, offset: int, got: str) -> None:
    """A slip of the keyboard is located, never a traceback."""
    text, exit_code = decode_main([line], json=True)
    error = json.loads(text)["error"]
    assert (error["offset"], error["got"], exit_code) == (offset, got, 1)


def test_nothing_in_nothing_out() -> None:
    """No line, no complaint."""
    assert decode_main([], json=True) == ("", 0)


@given(st.text(max_size=60))
def test_any_line_gives_a_document(line: str) -> None:
    """Totality over text too."""
    decoded = list(decode_lines([line], json=True))
    assert len(decoded) == (1 if line.strip() else 0)
    for one in decoded:
        assert (json.loads(one.text)["error"] is not None) is one.is_flagged
