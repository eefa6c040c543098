"""What makers publish of their converters: each fact has a source, and what is missing is said."""

from __future__ import annotations

import pytest

from hil import families
from hil.families import NOT_PUBLISHED


@pytest.mark.parametrize("name", families.names())
def test_every_fact_has_its_source(name: str) -> None:
    """A figure without a source, or a source without a figure, is a mistake."""
    family = families.load(name)
    assert family.family == name
    assert family.cited() == set(family.sources)
    assert (family.baudrate_min is None) == (family.baudrates_source is None)
    assert (family.unit_loads is None) == (family.unit_loads_source is None)


def test_what_nobody_publishes() -> None:
    """No fact is guessed: a key that a maker does not speak of is told as such."""
    assert families.load("relay-pw100").told("collision") == NOT_PUBLISHED
    assert "50 ms" in families.load("relay-w60").told("collision")


def test_unknown_family() -> None:
    """The known ones are named."""
    with pytest.raises(LookupError, match=r"no converter family is called 'x' \(beckhoff-kl6781"):
        families.load("x")
