"""What a benchmark gives back: rows of figures, printed as one table and written as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

_REACHED: Final = {True: "yes", False: "NO", None: "–"}
_STYLES: Final = {True: "green", False: "bold red", None: "dim"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `ours` and `peer` say the figure with its unit, `ratio` ours to the peer's with its spread.
    `reached` is None where there is no goal for the line, or nothing that could be compared with
    it. `note` says what a reader has to know, first of all why a line has no figure. `figures` has
    the plain numbers for programs.
    """

    measure: str
    what: str
    ours: str = ""
    peer: str = ""
    ratio: str = ""
    goal: str = ""
    reached: bool | None = None
    note: str = ""
    figures: dict[str, float] = field(default_factory=dict)


def missing(measure: str, what: str, note: str, *, goal: str = "") -> Row:
    """A line without a figure: it says what to install or what is not built yet."""
    return Row(measure, what, ours="not measured", goal=goal, note=note)


def to_table(rows: Iterable[Row], *, caption: str) -> Table:
    """The table for a person."""
    table = Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left", pad_edge=False)
    table.add_column("")
    table.add_column("what", min_width=24)
    table.add_column("ours")
    table.add_column("peer")
    table.add_column("ratio")
    table.add_column("goal")
    table.add_column("met", justify="center")
    table.add_column("note", min_width=16)
    before = ""
    for row in rows:
        if before and row.measure != before:
            table.add_section()
        mark = row.measure if row.measure != before else ""
        before = row.measure
        met = f"[{_STYLES[row.reached]}]{_REACHED[row.reached]}[/]"
        cells = (row.what, row.ours, row.peer, row.ratio, row.goal)
        table.add_row(mark, *map(_literal, cells), met, _literal(row.note))
    return table


def _literal(text: str) -> str:
    """A text in which square brackets are brackets, not styles."""
    return text.replace("[", r"\[")


def to_document(rows: Iterable[Row], *, machine: dict[str, Any]) -> dict[str, Any]:
    """The document of ``--json``."""
    return {"machine": machine, "rows": [asdict(row) for row in rows]}
