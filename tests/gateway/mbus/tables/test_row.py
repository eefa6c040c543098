"""The notation of the tables."""

from __future__ import annotations

import pytest

from gateway.mbus.tables.row import codes, expand


def test_lower_case_bits_count_within_a_row() -> None:
    """``E110 1f1b`` stands for 6A, 6B, 6E and 6F."""
    assert list(codes("E110 1f1b")) == [(0x6A, 0), (0x6B, 1), (0x6E, 2), (0x6F, 3)]
    assert list(codes("E111 1000")) == [(0x78, 0)]


@pytest.mark.parametrize("coding", ["E000 00n", "0000 0000", "E000 0N00", "E000 0002", ""])
def test_a_slip_in_a_coding_is_found(coding: str) -> None:
    """What is not E and seven bits stops the import."""
    with pytest.raises(ValueError, match="not a coding"):
        list(codes(coding))


def test_overlaps_and_gaps_are_found() -> None:
    """Each of the 128 codes has exactly one row."""
    whole = ["E0xx xxxx", "E1xx xxxx"]
    assert len(expand(whole, str, lambda row, _: row)) == 128
    with pytest.raises(ValueError, match="code 7F twice"):
        expand([*whole, "E111 1111"], str, lambda row, _: row)
    with pytest.raises(ValueError, match="without a row: 40 41"):
        expand(whole[:1], str, lambda row, _: row)
