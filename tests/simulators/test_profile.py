"""Profiles: literal records, checked on loading, and readings that follow what was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from simulators import profile
from simulators.document import PopulationError
from simulators.meter import EPOCH
from simulators.profile import CompiledRecord, Expect, Record

if TYPE_CHECKING:
    from pathlib import Path

EXPECT = Expect(value_type="Energy", unit="Wh", scale=1)


@pytest.mark.parametrize("name", sorted(profile.packaged()))
def test_every_profile_of_the_package_loads(name: str) -> None:
    """The files that we ship are valid, named as their file, and each says something."""
    found = profile.find(name, None)
    assert found.profile == name
    assert found.title
    assert any(record.expect for page in found.telegrams for record in page)


def test_there_are_profiles_of_every_common_kind() -> None:
    """Heat, cold water, electricity, gas, heat cost allocator and room sensor are there."""
    media = {profile.find(name, None).medium for name in profile.packaged()}
    assert {2, 3, 4, 8, 22, 27} <= media
    board = profile.find("electricity-multipage", None)
    assert len(board.telegrams) == 3
    assert sum(record.expect is not None for page in board.telegrams for record in page) >= 30


def compiled(**keys: object) -> CompiledRecord:
    """A record ready to be sent."""
    record = Record.model_validate({"dib": "04", "vib": "04", "expect": EXPECT} | keys)
    return CompiledRecord(record, 3, "key", EPOCH)


def test_a_number_is_expected_as_it_was_sent() -> None:
    """The raw number and the scale of the VIB, at its place in the read-out."""
    reading = compiled(coding="int32", value=-5).reading(0, 77)
    assert reading is not None
    assert (reading.record, reading.integer, reading.scale, reading.kind) == (3, -5, 1, "number")
    assert (reading.unit, reading.timestamp) == ("Wh", 77)


def test_registers_roll_over() -> None:
    """A BCD counter goes from 9999 to 0, an integer from its largest to its smallest number."""
    wheel = compiled(dib="0A", coding="bcd4", value={"start": 9999, "add": 1, "every": "1 s"})
    assert [wheel.encode(ns)[2:] for ns in (0, 10**9)] == [b"\x99\x99", b"\x00\x00"]
    reading = wheel.reading(10**9, None)
    assert reading is not None
    assert reading.integer == 0
    register = compiled(dib="02", coding="int16", value="32767 + t / 1 s")
    assert register.encode(10**9)[2:] == b"\x00\x80"


def test_a_real_is_expected_as_the_shortest_decimal() -> None:
    """What is expected is the float32 that was sent, not the number that was meant."""
    reading = compiled(dib="05", coding="real32", value=230.1).reading(0, None)
    assert reading is not None
    assert (reading.integer, reading.scale) == (2301, -1 + 1)


def test_dates_are_expected_as_unix_time() -> None:
    """A date is midnight UTC, a date with time is cut to the minute (C-14)."""
    day = compiled(coding="date_g", value="2026-10-31").reading(0, None)
    now = compiled(coding="date_f", value="clock").reading(61 * 10**9, None)
    assert day is not None
    assert now is not None
    assert day.integer == int(datetime(2026, 10, 31, tzinfo=UTC).timestamp())
    assert now.integer == int(EPOCH.timestamp()) + 60


def test_literal_data_is_sent_as_it_stands() -> None:
    """A captured record needs no coding, only its expectation."""
    expect = {"value_type": "Energy", "unit": "Wh", "kind": "no data"}
    record = compiled(data="DB BB", expect=expect)
    assert record.encode(5) == bytes.fromhex("04 04 DB BB")
    reading = record.reading(5, None)
    assert reading is not None
    assert (reading.kind, reading.integer, reading.text) == ("no data", None, None)


def test_an_expectation_that_stands_there_is_kept() -> None:
    """A literal integer is the expectation, right or wrong: that is how a check is tried out."""
    expect = {"value_type": "Energy", "unit": "Wh", "integer": 268}
    reading = compiled(coding="int32", value=267, expect=expect).reading(0, None)
    assert reading is not None
    assert reading.integer == 268


HEAD = """profile: test
title: Test
manufacturer: LUG
version: 2
medium: 4
records:
"""


@pytest.mark.parametrize(
    ("record", "place", "words"),
    [
        ('{dib: 04, vib: "06", coding: int32, value: 1, hidden: true}', "7:11", "quotes"),
        ('{dib: "04", vib: "0", coding: int32, value: 1, hidden: true}', "7:22", "hexadecimal"),
        ('{dib: "04", coding: real23, value: 1, hidden: true}', "7:25", "did you mean 'real32'?"),
        ('{dib: "04", coding: int32, valu: 1, hidden: true}', "7:32", "did you mean 'value'?"),
        ('{dib: "04", coding: int32, value: 1}', "7:5", "'expect'"),
        ('{dib: "04", coding: int8, value: 1000, expect: {value_type: Enrgy}}', "7:65", "'Energy'"),
        ('{dib: "04", coding: int8, value: 1, expect: {value_type: Energy, unit: W/h}}',
         "7:76", "'Wh'"),
        ('{dib: "04", coding: bcd8, value: 1.5, hidden: true}', "7:5", "whole number"),
        ('{dib: "04", coding: int8, value: {start: 1, every: 3 x}, hidden: true}',
         "7:56", "250 ms"),
        ('{dib: "04", coding: date_g, value: "1999-01-01", hidden: true}', "7:5", "two-digit year"),
        ('{dib: "04", coding: text, value: 5, hidden: true}', "7:5", "text in quotes"),
        ('{dib: "04", data: "00", coding: int8, hidden: true}', "7:5", "either literal 'data'"),
        ('{dib: "04", coding: int8, value: 1, hidden: true, timestamp_from: clok}',
         "1:1", "no record"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_place(record: str, place: str, words: str) -> None:
    """Every mistake in a profile has file, line, column and what was expected."""
    with pytest.raises(PopulationError) as caught:
        profile.parse(f"{HEAD}  - {record}\n", "test.yaml")
    text = str(caught.value)
    assert f"test.yaml:{place}: " in text
    assert words in text


def test_a_telegram_that_is_too_long_is_refused() -> None:
    """More records than one telegram can carry are a mistake in the profile."""
    line = '  - {dib: "0D", vib: "FD 0E", coding: text, value: "' + "x" * 180 + '", hidden: true}\n'
    with pytest.raises(PopulationError, match="239 characters"):
        profile.parse(HEAD + line + line, "test.yaml")


def test_a_profile_beside_the_population_goes_first(tmp_path: Path) -> None:
    """A folder's own profile is found by its name before one of the package."""
    own = HEAD.replace("Test", "Own") + '  - {dib: "01", coding: int8, value: 1, hidden: true}\n'
    (tmp_path / "gas.yaml").write_text(own, encoding="utf-8")
    assert profile.find("gas", tmp_path).title == "Own"
    assert profile.find("gas", None).title != "Own"
    with pytest.raises(KeyError, match="did you mean 'heat-basic'"):
        profile.find("heat-basics", tmp_path)
