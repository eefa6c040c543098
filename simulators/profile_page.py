"""The page docs/profiles.md: every packaged profile with its records and what is expected of them.

``python -m simulators.profile_page > docs/profiles.md`` writes it; a test sees that it is up to
date, so that nobody reads a table that the simulator does not follow.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from simulators import profile as profiles
from simulators.due_dates import DueDate, Stored
from simulators.modbus.tables import medium_name
from simulators.values import Moving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulators.profile import Profile, Record

_HEAD: Final = """# Profiles

Every kind of meter that comes with the package: the characters of DIB and VIB as the meter sends
them, how the value moves, and what a correct gateway publishes, in the words of manual 6.2. This
page is made from `simulators/profiles/*.yaml` by `python -m simulators.profile_page`. How to write
a profile stands in [populations.md](populations.md).

"""
_COLUMNS: Final = ("#", "DIB", "VIB", "sent as", "value", "expected", "unit", "scale", "time from")


def page() -> str:
    """The whole page."""
    kinds = [profiles.find(name, None) for name in profiles.packaged()]
    lines = [_row(("profile", "medium", "what it is")), _row(("---",) * 3)]
    lines += [
        _row((f"[{kind.profile}](#{kind.profile})", _medium(kind), kind.title)) for kind in kinds
    ]
    return _HEAD + "\n".join(lines) + "\n" + "".join(map(section, kinds))


def section(kind: Profile) -> str:
    """Heading and table of one profile."""
    telegrams = kind.telegrams
    many = f" {len(telegrams)} telegrams." if len(telegrams) > 1 else ""
    source = f" Made from a telegram of {kind.source}." if kind.source else ""
    head = (
        f"\n## {kind.profile}\n\n{kind.title}. {kind.manufacturer}, version {kind.version}, "
        f"medium {_medium(kind)}.{many}{source}\n\n"
    )
    return head + "\n".join([_row(_COLUMNS), _row(("---:",) + ("---",) * 8), *_rows(kind)]) + "\n"


def _rows(kind: Profile) -> Iterator[str]:
    number = 0
    for telegram in kind.telegrams:
        for record in telegram:
            yield _row((str(number), *_cells(record)))
            number += 1


def _cells(record: Record) -> tuple[str, ...]:
    """One record, without its number."""
    expect = record.expect
    if expect is None:
        published = ("hidden", "", "")
    else:
        what = expect.value_type if expect.kind != "no data" else f"{expect.value_type}: no data"
        published = (what, expect.unit or "(none)", str(expect.scale))
    return (
        record.dib.hex(" ").upper(),
        record.vib.hex(" ").upper(),
        record.coding or "literal",
        value_in_words(record),
        *published,
        record.timestamp_from or "",
    )


def value_in_words(record: Record) -> str:
    """How the value of a record moves, for people."""
    value = record.value
    if record.data is not None:
        return record.data.hex(" ").upper() or "no data"
    if isinstance(value, Stored):
        return f"{value.of} at the {_due(value)}"
    if isinstance(value, DueDate):
        return f"the {_due(value)}"
    if isinstance(value, Moving):
        return _moving(value)
    return str(value)


def _due(value: DueDate) -> str:
    """A due date in words."""
    span, back = ("year", value.year_end) if value.year_end else ("month", value.month_end)
    return f"end of the last {span}" if back == 1 else f"end of the {span} {back} back"


def _moving(value: Moving) -> str:
    low, high = value.start or value.around or (0, 0)
    span = str(low) if low == high else f"{low} to {high}"
    divided = f", divided by {10**value.decimals}" if value.decimals else ""
    load = f", load {value.load}" if value.load else ""
    every = _duration(value.every)
    if value.start is not None:
        return f"from {span}, {value.add:+d} every {every}{load}{divided}"
    jitter = f" ± {value.jitter} every {every}" if value.jitter else ""
    return f"around {span}{jitter}{load}{divided}"


def _duration(ns: int) -> str:
    """A duration with the largest unit that leaves a whole number."""
    units = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    seconds, rest = divmod(ns, 1_000_000_000)
    if rest:
        return f"{ns / 1_000_000:g} ms"
    name, size = next((name, size) for name, size in units if seconds % size == 0)
    return f"{seconds // size} {name}"


def _medium(kind: Profile) -> str:
    return f"{kind.medium}, {medium_name(kind.medium)}"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(0x2502)) for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
