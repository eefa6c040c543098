"""Small worlds that the tests of this folder run scenarios in."""

from __future__ import annotations

from typing import Any

from scenarios.language.builder import Builder

#: One water meter, one gas meter, on a quick bus, found within a second or two.
METERS: list[dict[str, Any]] = [
    {"id": "water", "profile": "water-cold", "identification_number": 20000002},
    {"id": "gas", "profile": "gas", "identification_number": 30000003},
]
CONFIG: dict[str, Any] = {
    "MBUS_SCANMODE": "SECONDARYSCANALLOC",
    "METER_TIME": 10,
    "MBUS_TIMEOUT": 300,
    "MBUS_MAXRETRY": 1,
}


def builder(**config: Any) -> Builder:
    """A scenario without steps in the small world; `config` goes over CONFIG."""
    return (
        Builder("small", "A small world")
        .limit("5 min")
        .world(bus={"baud": 9600}, gateway={"config": {**CONFIG, **config}}, meters=METERS)
        .world(clients=[{"id": "watcher", "every": "500 ms"}])
    )
