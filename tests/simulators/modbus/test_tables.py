"""The reader's own copy of the manual's tables of media and units."""

from __future__ import annotations

import pytest

from simulators.modbus import tables

#: Reserved ranges as the manual prints them.
RESERVED_MEDIA = {*range(16, 20), *range(29, 32), *range(34, 37), 38, 39, *range(43, 49), 52, 53,
                  *range(56, 256)}  # fmt: skip
RESERVED_UNITS = {23, 24, *range(48, 256)}


def test_every_index_is_named_or_reserved() -> None:
    """The tables and the manual's reserved ranges cover 0..255 without overlap."""
    every = set(range(tables.INDEX_MAX + 1))
    assert every - set(tables.MEDIA) == RESERVED_MEDIA
    assert every - set(tables.UNITS) == RESERVED_UNITS


def test_media_names_are_unique() -> None:
    """No two media share a name."""
    assert len(set(tables.MEDIA.values())) == len(tables.MEDIA)
    assert tables.medium_name(4) == "Heat (outlet)"
    assert tables.medium_name(16) == "Reserved"


@pytest.mark.parametrize(
    ("name", "indices"),
    [
        ("Wh", {5}),
        ("m3/h", {15}),
        ("m³/h", {15}),
        ("ft3", {38}),
        ("Bin", {1, 32, 33}),
        ("", {22, 30}),
        ("Day of week", {30}),
        ("None", {0}),
        ("furlong", set()),
    ],
)
def test_units_by_name(name: str, indices: set[int]) -> None:
    """A symbol gives every index that carries it, an unknown one none."""
    assert tables.unit_indices(name) == indices


def test_unit_names() -> None:
    """A unit without a symbol shows its description."""
    assert [tables.unit_name(i) for i in (7, 22, 30, 200)] == [
        "m³", "Dimensionless", "Day of week", "Reserved",
    ]  # fmt: skip
