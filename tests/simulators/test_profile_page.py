"""The page of profiles says what the simulator does."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators import profile, profile_page

PAGE = Path(__file__).parent.parent.parent / "docs" / "profiles.md"
#: A real with everything that a value may have.
REAL = """{dib: "05", coding: real32, hidden: true,
     value: {around: 50, jitter: 2, every: 250 ms, decimals: 1, load: water}}"""


def test_the_page_is_up_to_date() -> None:
    """``python -m simulators.profile_page > docs/profiles.md`` after a profile has changed."""
    assert PAGE.read_text(encoding="utf-8") == profile_page.page()


@pytest.mark.parametrize("name", list(profile.packaged()))
def test_every_record_has_its_row(name: str) -> None:
    """A profile's table has one row for each record, hidden ones too, under its own heading."""
    kind = profile.find(name, None)
    section = profile_page.section(kind)
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) == sum(map(len, kind.telegrams))
    assert kind.profile == name
    assert section.startswith(f"\n## {name}\n")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ('{dib: "04", coding: int32, value: 7, hidden: true}', "7"),
        ('{dib: "00", data: "", hidden: true}', "no data"),
        ('{dib: "02", data: "FF 0A", hidden: true}', "FF 0A"),
        ('{dib: "02", coding: date_g, value: {month_end: 1}, hidden: true}',
         "the end of the last month"),
        ('{dib: "02", coding: date_g, value: {year_end: 2}, hidden: true}',
         "the end of the year 2 back"),
        ('{dib: "04", coding: int32, value: {start: [1, 9], add: 5, every: 2 h}, hidden: true}',
         "from 1 to 9, +5 every 2 h"),
        (REAL,
         "around 50 ± 2 every 250 ms, load water, divided by 10"),
    ],
)  # fmt: skip
def test_values_are_told_in_words(record: str, words: str) -> None:
    """A reader sees how a value moves without knowing the keys."""
    head = "profile: x\ntitle: X\nmanufacturer: ABC\nversion: 1\nmedium: 2\nrecords:\n"
    kind = profile.parse(f"{head}  - {record}\n", "x.yaml")
    assert profile_page.value_in_words(kind.telegrams[0][0]) == words
