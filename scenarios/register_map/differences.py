"""Two register maps compared: what a client that was made for the one must change for the other.

Rows are matched by what they are about (meter, value, field), never by where they stand. What one
map does not know (empty text, None) is no difference. Labels are people's and are not compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from simulators.modbus import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scenarios.register_map.model import RegisterMap, Row


@unique
class Change(StrEnum):
    """What became of a row."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not the same; `before` or `after` is None where there is none."""

    change: Change
    before: Row | None
    after: Row | None

    @property
    def row(self) -> Row:
        """The row that there is."""
        row = self.after or self.before
        assert row is not None
        return row

    @property
    def message(self) -> str:
        """The difference as a sentence."""
        row = self.row
        value = f", value {row.value}" if row.value else ""
        name = f"{row.meter or 'gateway'}{value}, {row.field}"
        if self.before is None or self.after is None:
            return f"{name}: {self.change} ({place(row)})"
        if self.change is Change.MOVED:
            return f"{name}: moved from {place(self.before)} to {place(self.after)}"
        told = ", ".join(
            f"{key} {getattr(self.before, key)} became {getattr(self.after, key)}"
            for key in _differing(self.before, self.after)
        )
        return f"{name}: {told} ({place(row)})"


def place(row: Row) -> str:
    """Where a row stands."""
    return f"unit {row.unit_identifier}, register {row.address}"


def differences(before: RegisterMap, after: RegisterMap) -> list[Difference]:
    """What is not the same, in the order of the older map, then what is new."""
    old, new = _by_key(before.rows), _by_key(after.rows)
    found = []
    for key, row in old.items():
        other = new.get(key)
        if other is None:
            found.append(Difference(Change.REMOVED, row, None))
            continue
        if _differing(row, other):
            found.append(Difference(Change.CHANGED, row, other))
        if (row.unit_identifier, row.address) != (other.unit_identifier, other.address):
            found.append(Difference(Change.MOVED, row, other))
    found += [Difference(Change.ADDED, None, row) for key, row in new.items() if key not in old]
    return found


def _by_key(rows: Iterable[Row]) -> dict[tuple[object, ...], Row]:
    """Rows by what they are about.

    Meters whose numbers the registers cannot tell apart, and the gateway's rows of every unit, are
    told apart by which of them comes first.
    """
    seen: Counter[tuple[object, ...]] = Counter()
    found: dict[tuple[object, ...], Row] = {}
    for row in rows:
        seen[row.key] += 1
        found[*row.key, seen[row.key]] = row
    return found


def _differing(before: Row, after: Row) -> list[str]:
    """Names of the fields of a row that both know and that differ."""
    found = [
        name
        for name in ("type", "length", "word_order")
        if getattr(before, name) != getattr(after, name)
        and None not in (getattr(before, name), getattr(after, name))
    ]
    if before.unit and after.unit and not _same_unit(before.unit, after.unit):
        found.append("unit")
    if None not in (before.scale, after.scale) and before.scale != after.scale:
        found.append("scale")
    return found


def _same_unit(one: str, other: str) -> bool:
    """Whether two spellings are one unit ("m3", "m³"); indices with one symbol are one."""
    return one == other or bool(tables.unit_indices(one) & tables.unit_indices(other))
