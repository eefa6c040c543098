"""The live image of a gateway on a terminal: every look in full, what changed since marked.

On a terminal the table is redrawn in place; elsewhere the first look is printed whole and then one
line for each change, so that the output can be read as a log.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table
from rich.text import Text

from scenarios.checks.served_layout import value_text
from scenarios.register_map import live
from simulators.modbus import layout, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from simulators.modbus.wire import Prober


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the image."""

    unit_identifier: int
    address: int
    name: str
    text: str

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands."""
        return (self.unit_identifier, self.address)


def lines(found: live.Served) -> Iterator[Shown]:
    """Every entry that was served, unit after unit."""
    floats = {
        (one.unit_identifier, address): value
        for one in found.floats
        for address, value in one.values
    }
    for number, unit in enumerate(found.units):
        identifier = unit.unit_identifier
        shown = [_entry(identifier, block) for block in found.unit_blocks(number)]
        shown += [
            Shown(identifier, address, "  value", f"{value:g}")
            for (owner, address), value in floats.items()
            if owner == identifier
        ]
        yield from sorted(shown, key=lambda line: line.address)


def _entry(unit: int, block: layout.Block) -> Shown:
    if isinstance(block, layout.GatewayBlock):
        name, text = "gateway", f"{block.serial_number}, last read-out {block.time_stamp}"
    elif isinstance(block, layout.MeterBlock):
        name = f"{block.manufacturer} {block.serial_number}"
        medium = tables.medium_name(block.medium)
        text = f"{medium}, read {block.time_stamp}, flags {block.flags:04X}"
    elif isinstance(block, layout.ValueBlock):
        name, text = "  value", value_text(block)
    else:
        name, text = "?", block.message
    return Shown(unit, block.address, name, text)


def table(now: list[Shown], before: dict[tuple[int, int], Shown]) -> Table:
    """The image as a table; what is not as it was before stands out."""
    drawn = Table("unit", "register", "entry", "seen", box=None)
    for line in now:
        is_new = bool(before) and before.get(line.place) != line
        style = "bold yellow" if is_new else ""
        mark = " *" if is_new else ""
        cells = (str(line.unit_identifier), str(line.address), line.name, line.text + mark)
        drawn.add_row(*(Text(cell, style=style) for cell in cells))
    return drawn


def changes(now: list[Shown], before: dict[tuple[int, int], Shown]) -> Iterator[str]:
    """What is not as it was, one line each."""
    for line in now:
        old = before.get(line.place)
        if old != line:
            was = old.text if old else "(nothing)"
            yield f"unit {line.unit_identifier}, register {line.address}: {was} -> {line.text}"
    gone = before.keys() - {line.place for line in now}
    for unit, address in sorted(gone):
        yield f"unit {unit}, register {address}: no longer served"


async def watch(prober: Prober, console: Console, *, every_s: float, looks: int | None) -> None:
    """Look again and again, `looks` times or until the caller is interrupted.

    Raises `conformance.UnreachableError` and `BudgetSpentError` of the prober.
    """
    found = await live.served(prober)
    before: dict[tuple[int, int], Shown] = {}
    now = list(lines(found))
    console.print(Text(f"{prober.host}:{prober.port}: {found.name}"), soft_wrap=True)
    if not console.is_terminal:
        console.print(table(now, before))
    with Live(console=console, auto_refresh=False) as view:
        if console.is_terminal:
            view.update(table(now, before), refresh=True)
        count = 1
        while looks is None or count < looks:
            await asyncio.sleep(every_s)
            before = {line.place: line for line in now}
            found = await live.again(prober, found)
            now = list(lines(found))
            count += 1
            if console.is_terminal:
                view.update(table(now, before), refresh=True)
            else:
                for change in changes(now, before):
                    view.console.print(Text(change), soft_wrap=True)
