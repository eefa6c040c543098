"""What a person sees while the demo runs: a live table, or plain lines where there is no terminal.

Everything shown of a meter was read back over Modbus by the independent client; only the lower
panel, the bus, is told by the simulator and the gateway.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from simulators.modbus import tables

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scenarios.demo.basement import Basement
    from simulators.modbus.layout import MeterGroup, ValueBlock

#: Lines around the meter table: title, header, panels, borders.
_FRAME_LINES: Final = 19
#: Longest telegram shown, in hexadecimal digits.
_HEX_SHOWN: Final = 72
_UTC: Final = 25


class View(Protocol):
    """Shows the state of the basement until it is closed."""

    def update(self, basement: Basement) -> None:
        """Show what is known now."""
        ...

    def close(self) -> None:
        """Leave the last state on the screen."""
        ...


def value_text(value: ValueBlock) -> str:
    """The exact number as a person writes it: integer and scale, thousands set apart."""
    if value.unit == _UTC and value.integer:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(value.integer))
    exact = Decimal(value.integer).scaleb(value.scale)
    return f"{exact:,f}".replace(",", " ")


def age_text(time_stamp: int, now_s: float) -> str:
    """How long ago a read-out was, in words."""
    return f"{max(0, int(now_s - time_stamp))} s" if time_stamp else "–"


class LiveView:
    """The table on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, auto_refresh=False)
        self._live.start()

    def update(self, basement: Basement) -> None:
        """Draw the table anew."""
        self._live.update(self._screen(basement), refresh=True)

    def close(self) -> None:
        """Stop drawing; the last table stays."""
        self._live.stop()

    def _screen(self, basement: Basement) -> RenderableType:
        return Group(self._head(basement), self._meters(basement), self._bus(basement))

    def _head(self, basement: Basement) -> RenderableType:
        host, port = basement.gateway.modbus_address
        activity = basement.activity
        first = activity.first_value_s
        text = Text.assemble(
            ("meterbench demo", "bold"),
            f"  {basement.elapsed_s:5.1f} s   Modbus TCP ",
            (f"{host}:{port}", "bold cyan"),
            "   line ",
            (f"{basement.baudrate} Bd", "bold"),
            ", search timing ADAPTIVE (C-74)",
        )
        if first is not None:
            text.append(f"   first value after {first:.1f} s", style="green")
        return text

    def _meters(self, basement: Basement) -> Table:
        table = Table(expand=True, box=None, padding=(0, 1), header_style="bold")
        table.add_column("Meter", no_wrap=True)
        table.add_column("Medium", no_wrap=True)
        table.add_column("Value", justify="right", no_wrap=True)
        table.add_column("Unit", no_wrap=True)
        table.add_column("Register", justify="right", no_wrap=True)
        table.add_column("Age", justify="right", no_wrap=True)
        groups = basement.groups()
        lines = max(1, (self._console.height - _FRAME_LINES) // max(1, len(groups)))
        now_s = time.time()
        for number, group in enumerate(groups):
            _add_meter(table, group, lines, now_s, shaded=number % 2 == 1)
        if not groups:
            table.add_row(Text("searching the bus …", style="dim"))
        return table

    def _bus(self, basement: Basement) -> RenderableType:
        activity = basement.activity
        progress = Table.grid(padding=(0, 2))
        progress.add_row(
            f"gateway {activity.state}",
            ProgressBar(total=1.0, completed=activity.searched, width=24),
            f"{activity.searched:4.0%} searched, {activity.found} meters found, "
            f"{activity.selects} masks, {activity.collisions} collisions",
            f"{activity.passes} read-out passes, {activity.frames} telegrams",
        )
        lines: list[RenderableType] = [progress]
        for at_s, who, data in activity.telegrams:
            shown = data if len(data) <= _HEX_SHOWN else data[:_HEX_SHOWN] + " …"
            arrow = "→" if who == "master" else "←"
            lines.append(Text(f"{at_s:8.3f} {arrow} {who:<12} {shown}", style="dim", no_wrap=True))
        return Panel(Group(*lines), title="M-Bus", title_align="left", border_style="dim")


def _add_meter(table: Table, group: MeterGroup, lines: int, now_s: float, *, shaded: bool) -> None:
    meter = group.meter
    style = "on grey11" if shaded else ""
    name = f"{meter.serial_number:08d} {meter.manufacturer}"
    shown = group.values[:lines]
    rest = len(group.values) - len(shown)
    for number, value in enumerate(shown):
        is_first = number == 0
        more = f"  +{rest} more" if rest and number == len(shown) - 1 else ""
        table.add_row(
            name if is_first else "",
            tables.medium_name(meter.medium) if is_first else "",
            "…" if meter.could_not_be_read else value_text(value),
            Text.assemble(tables.unit_name(value.unit), (more, "dim")),
            str(value.address),
            age_text(meter.time_stamp, now_s) if is_first else "",
            style=style,
        )
    if not shown:
        table.add_row(name, tables.medium_name(meter.medium), "…", "", str(meter.address), "")


class PlainView:
    """Lines for a log: what was found and read, once each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()

    def update(self, basement: Basement) -> None:
        """Print what is new."""
        host, port = basement.gateway.modbus_address
        self._once(
            "start",
            f"Modbus TCP {host}:{port}, line {basement.baudrate} Bd, search timing ADAPTIVE (C-74)",
            basement,
        )
        activity = basement.activity
        if activity.found:
            self._once(f"found {activity.found}", f"{activity.found} meters found", basement)
        if activity.scan_done_s is not None:
            self._once(
                "search",
                f"search done: {activity.found} meters, {activity.selects} masks asked, "
                f"{activity.collisions} collisions on the bus",
                basement,
            )
        for group in basement.groups():
            if not group.meter.could_not_be_read and group.values:
                self._once(f"meter {group.meter.address}", _meter_line(group), basement)
        if activity.passes:
            self._once(f"pass {activity.passes}", f"read-out pass {activity.passes} done", basement)

    def close(self) -> None:
        """Nothing to close; every line is out."""

    def _once(self, key: str, text: str, basement: Basement) -> None:
        if key not in self._said:
            self._said.add(key)
            line = f"{basement.elapsed_s:6.1f} s  {text}"
            self._console.print(line, highlight=False, soft_wrap=True)


def _meter_line(group: MeterGroup) -> str:
    meter, first = group.meter, group.values[0]
    return (
        f"{meter.serial_number:08d} {meter.manufacturer} {tables.medium_name(meter.medium)}: "
        f"{value_text(first)} {tables.unit_name(first.unit)} in register {first.address}, "
        f"{len(group.values)} values"
    )


class NoView:
    """For ``--json``: nothing but the document at the end."""

    def update(self, basement: Basement) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing to close."""


def choose(console: Console, *, silent: bool) -> View:
    """The view that fits: none for scripts, a live table on a terminal, lines elsewhere."""
    if silent:
        return NoView()
    return LiveView(console) if console.is_terminal else PlainView(console)
