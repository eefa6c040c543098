"""The list of checks, read from ``checks.csv``."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import Flag, auto
from functools import cache
from importlib import resources
from typing import Final

from reports.record import Requirement


class Need(Flag):
    """What a check asks of the run beyond one harmless connection."""

    NOTHING = 0
    #: Connections beyond the first, malformed frames, function codes that the device lacks.
    INTRUSIVE = auto()
    #: More than a few seconds of waiting.
    SLOW = auto()
    TCP = auto()
    UDP = auto()


_NEEDS: Final = {"intrusive": Need.INTRUSIVE, "slow": Need.SLOW, "tcp": Need.TCP, "udp": Need.UDP}


@dataclass(frozen=True, slots=True)
class Check:
    """One row: what is asked, what must be seen, and who says so.

    `requirements` are ids of the manual's catalogue that the check verifies as well.
    """

    id: str
    check: str
    expected: str
    source: str
    basis: str
    needs: Need
    requirements: tuple[str, ...]


@cache
def checks() -> tuple[Check, ...]:
    """All checks in the order of the list."""
    text = resources.files(__package__).joinpath("checks.csv").read_text(encoding="utf-8")
    return tuple(_check(row) for row in csv.DictReader(text.splitlines()))


def _check(row: dict[str, str]) -> Check:
    needs = Need.NOTHING
    for word in row["needs"].split():
        needs |= _NEEDS[word]
    return Check(
        row["id"],
        row["check"],
        row["expected"],
        row["source"],
        row["basis"],
        needs,
        tuple(row["requirements"].split()),
    )


def catalogue() -> dict[str, Requirement]:
    """The checks as requirements, for a run record."""
    return {
        check.id: Requirement(
            id=check.id, section=check.source, text=f"{check.check}: {check.expected}"
        )
        for check in checks()
    }
