"""``check gateway --watch``: the image, and then what changed."""

from __future__ import annotations

import asyncio
import io

from rich.console import Console

from gateway.registers.layout import Layout
from scenarios import watch_view
from simulators.modbus.wire import Prober
from tests.scenarios.checks.conformance import servers


def watched(layout: Layout, *, terminal: bool) -> str:
    """What two looks at a moving image print."""
    told = io.StringIO()
    console = Console(file=told, force_terminal=terminal, width=120)

    async def look() -> None:
        async with servers.ours(servers.Moving(layout)) as (host, port):
            prober = Prober(host, port)
            await watch_view.watch(prober, console, every_s=0, looks=2)
            prober.hang_up()

    asyncio.run(look())
    return told.getvalue()


def test_elsewhere_than_on_a_terminal_changes_are_lines() -> None:
    """The energy of meter A moves with every read, the flow temperature never does."""
    text = watched(Layout(), terminal=False)
    assert "standard, most significant register first" in text
    assert text.index("LUG 66600106") < text.index("->")
    changed = [line for line in text.splitlines() if "->" in line]
    assert any(line.startswith("unit 255, register 20: ") for line in changed)
    assert not any("register 30:" in line for line in changed)
    assert text.count("-1234 × 10^-2 Degree C") == 1


def test_on_a_terminal_changes_are_marked() -> None:
    """Floats as well; what moved carries a star."""
    text = watched(Layout(), terminal=True)
    assert "Wh" in text
    assert " *" in text


def test_floats_are_shown() -> None:
    """The float-only layout has values without a unit."""
    assert "-12.34" in watched(Layout(float_only=True), terminal=False)
