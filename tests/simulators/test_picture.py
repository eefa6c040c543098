"""The picture of a collision is drawn from the line's own bits."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from simulators import picture

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_picture_is_the_one_that_the_program_draws() -> None:
    """docs/collision.svg is the output of simulators.picture, byte for byte."""
    committed = (DOCS / "collision.svg").read_text(encoding="utf-8")
    assert committed == picture.collision(*picture.DOCUMENTED)


@pytest.mark.parametrize(
    ("steps", "heard"),
    [
        (0, ["heard: E5, parity and stop bit good"]),
        (8, ["heard: C0, parity wrong"]),
        (18, ["heard: 85, parity and stop bit good"]),
        (40, ["heard: A5, stop bit wrong"]),
        (96, ["heard: E5, parity and stop bit good"] * 2),
    ],
)
def test_a_picture_says_what_is_heard(steps: int, heard: list[str]) -> None:
    """It is well-formed, and its text is the receiver's."""
    svg = ET.fromstring(picture.collision(0xE5, 0xE5, steps))
    texts = [item.text or "" for item in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text.startswith("heard")] == heard


def test_the_line_is_low_where_either_slave_is() -> None:
    """Three curves of equal length; the third is the lower of the first two at each point."""
    svg = ET.fromstring(picture.collision(0xE5, 0x12, 13))
    curves = [
        [tuple(map(float, point.split(","))) for point in item.attrib["points"].split()]
        for item in svg.iter("{http://www.w3.org/2000/svg}polyline")
    ]
    tops = [min(y for _, y in curve) for curve in curves]
    depths = [[y - top for _, y in curve] for curve, top in zip(curves, tops, strict=True)]
    assert depths[2] == [max(pair) for pair in zip(depths[0], depths[1], strict=True)]
