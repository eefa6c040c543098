"""Families of M-Bus converters: what their makers publish about them, each fact with its source.

A profile (``hil/converters/*.yaml``) says what to expect of a converter: bit rates, how many unit
loads it drives, whether it sends back what it is given, what it does at a collision and at an
overload. A key that a maker does not speak of is absent, and `hil probe` says "not published"; no
fact is guessed. A fact is never taken for the truth either: `hil probe` measures what it can.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from pydantic import Field

from hil.resources import Baudrate, Strict
from simulators import document

#: How a fact that nobody has published is shown.
NOT_PUBLISHED: Final = "not published"


class Fact(Strict):
    """One statement of a maker; `source` is a key of the profile's `sources`."""

    value: str = Field(min_length=1)
    source: str


class Family(Strict):
    """What is published about the converters of one family."""

    family: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    maker: str
    sources: dict[str, str] = Field(min_length=1, description="Short name: title and address.")
    baudrate_min: Baudrate | None = None
    baudrate_max: Baudrate | None = None
    unit_loads: int | None = Field(default=None, ge=1, le=1000)
    unit_loads_source: str | None = None
    baudrates_source: str | None = None
    facts: dict[str, Fact] = Field(default_factory=dict)

    def told(self, name: str) -> str:
        """Return what is published under a name, with its source, or that nothing is."""
        fact = self.facts.get(name)
        return f"{fact.value} [{fact.source}]" if fact is not None else NOT_PUBLISHED

    def cited(self) -> set[str]:
        """Return the sources that something of this profile appeals to."""
        named = {fact.source for fact in self.facts.values()}
        return named | {one for one in (self.unit_loads_source, self.baudrates_source) if one}


@cache
def names() -> tuple[str, ...]:
    """Return the families that come with the package."""
    folder = resources.files("hil") / "converters"
    found = (file.name for file in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml")))


def load(name: str) -> Family:
    """Return a family; LookupError for one that is not known, PopulationError for a bad file."""
    if name not in names():
        known = ", ".join(names())
        raise LookupError(f"no converter family is called {name!r} ({known})")
    source = f"converters/{name}.yaml"
    text = (resources.files("hil") / "converters" / f"{name}.yaml").read_text(encoding="utf-8")
    return document.validate(Family, document.load(text, source), source)
