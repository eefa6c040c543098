"""Records as a master sends them: where they end, what they choose, whom they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import commands
from simulators.commands import Command


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("", []),
        ("01 7A 05", [("01", "7A", "05")]),
        ("0C 79 78563412 01 7A 05", [("0C", "79", "78563412"), ("01", "7A", "05")]),
        ("08 06", [("08", "06", "")]),
        ("C8 FF 7F 7E", [("C8FF7F", "7E", "")]),
        ("7F", [("7F", "", "")]),
        ("7F 7E", [("7F", "7E", "")]),
        ("0D FD 11 03 414243", [("0D", "FD11", "03414243")]),
        ("07 79 1122334455667788", [("07", "79", "1122334455667788")]),
    ],
)
def test_records_are_told_apart(data: str, found: list[tuple[str, str, str]]) -> None:
    """A record ends where its DIF says; nothing of what it means is needed."""
    wanted = [Command(*(bytes.fromhex(part) for part in record)) for record in found]
    assert commands.split(bytes.fromhex(data)) == wanted


@pytest.mark.parametrize(
    "data", ["01", "01 7A", "0C 79 0102", "0F 00", "81", "80" * 20, "0D FD 11", "0D FD 11 C5 00"]
)
def test_broken_records_are_none(data: str) -> None:
    """What has no end, or is the maker's own, is no command."""
    assert commands.split(bytes.fromhex(data)) is None


@given(st.binary(max_size=40))
def test_any_characters_are_survived(data: bytes) -> None:
    """Either records that together are all of the data, or none."""
    found = commands.split(data)
    if found is not None:
        assert b"".join(dib + vib + value for dib, vib, value in found) == data


@pytest.mark.parametrize(
    ("mask", "data", "found"),
    [
        ("0C 78 11110000", "11110000", True),
        ("0C 78 1111FFFF", "11110000", True),
        ("0C 78 F1110000", "11110000", True),
        ("0C 78 12110000", "11110000", False),
        ("02 78 FF00", "7700", True),
        ("02 78 F700", "7700", False),
    ],
)
def test_enhanced_masks(mask: str, data: str, found: bool) -> None:
    """F is wild for a digit of BCD, FF for a character of anything else (MBDOC48 p.69)."""
    command = (commands.split(bytes.fromhex(mask)) or [])[0]
    assert commands.matches(command, command.dib, b"\x78", bytes.fromhex(data)) == found


@pytest.mark.parametrize(
    ("selection", "dib", "found"),
    [
        ("08 06", "0C", True),
        ("08 06", "4C", False),
        ("48 06", "4B", True),
        ("88 10 06", "8C10", True),
        ("88 10 06", "0C", False),
        ("C8 7F 06", "CC20", True),
        ("08 7E", "0C", True),
        ("08 14", "0C", False),
        ("08 86 0D", "0C", True),
    ],
)
def test_readout_selections(selection: str, dib: str, found: bool) -> None:
    """Storage, tariff and subunit must agree, the coding need not; 7E is any value."""
    command = (commands.split(bytes.fromhex(selection)) or [])[0]
    assert commands.chooses(command, bytes.fromhex(dib), b"\x06") == found
