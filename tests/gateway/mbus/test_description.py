"""Descriptions in all modes (CFG-17, C-35)."""

from __future__ import annotations

import pytest

from gateway.mbus.description import MODES, describe
from tests.gateway.mbus.building import one

RECORD = "8c1104 96470600"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("None", ""),
        ("Standard", "Energy"),
        ("Extended", "Energy [2] <1>"),
        ("Extended with DIF/VIF", "Energy [2] <1> # 8C 11 04"),
        ("Extended with raw data", "Energy [2] <1> # 8C 11 04 96 47 06 00"),
        ("DIF/VIF", "8C 11 04"),
        ("Raw data", "8C 11 04 96 47 06 00"),
    ],
)
def test_the_modes_of_the_worked_examples(mode: str, expected: str) -> None:
    """Worked-examples 14, word for word."""
    assert describe(one(RECORD), MODES[mode]) == expected


def test_the_mode_flags_are_those_of_the_key() -> None:
    """MUC_METERDESCRIPTION_ENABLEFLAGS: 0, 1, 3, 7, 11, 4, 8."""
    assert [int(flags) for flags in MODES.values()] == [0, 1, 3, 7, 11, 4, 8]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (2, "[2] <1>"),
        (5, "Energy # 8C 11 04"),
        (6, "[2] <1> 8C 11 04"),
        (9, "Energy # 8C 11 04 96 47 06 00"),
        (10, "[2] <1> 8C 11 04 96 47 06 00"),
        (12, "8C 11 04 96 47 06 00"),
        (13, "Energy # 8C 11 04 96 47 06 00"),
        (14, "[2] <1> 8C 11 04 96 47 06 00"),
        (15, "Energy [2] <1> # 8C 11 04 96 47 06 00"),
    ],
)
def test_other_flags_compose(flags: int, expected: str) -> None:
    """Raw data win over DIF/VIF, the hash stands only behind a text (C-35)."""
    assert describe(one(RECORD), flags) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("9c1104 96470600", "Energy [2] <1> {max}"),
        ("2c04 96470600", "Energy {min}"),
        ("3c04 96470600", "Energy {error}"),
        ("04843b 00000000", "Energy (Forward flow only)"),
        ("04843c 00000000", "Energy (Backward flow only)"),
        ("04abff01 00000000", "Power (vendor specific)"),
        ("027c03485225 2215", "%RH"),
        ("40 7e", "None [1]"),
        ("04da6f 32147a18", "Timestamp (end of last, Flow temperature)"),
    ],
)
def test_functions_vifes_and_plain_texts(record: str, expected: str) -> None:
    """As in Fig. 6 and 14: {max}, (Forward flow only), (vendor specific), "None [1]"."""
    assert describe(one(record), MODES["Extended"]) == expected


def test_control_characters_of_a_meter_do_not_reach_the_screen() -> None:
    """A text of the meter is shown, never obeyed."""
    assert describe(one("027c031b5225 2215"), 1) == "%R\\x1b"
