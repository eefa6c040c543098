"""M7: seeded runs per second and core. There is no campaign runner yet, and the line says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.table import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.method import Effort
    from benchmarks.table import Row


def measure(_: Effort) -> Iterator[Row]:
    """The line of M7."""
    goal = "≥ 95 % of the cores busy, no result lost"
    yield missing("M7", "campaign of seeded runs", "not built yet", goal=goal)
