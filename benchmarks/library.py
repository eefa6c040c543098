"""M6: the scenario library in virtual time, as ``meterbench scenario run @library`` runs it.

The compliance suite, which shares the goal, is not there yet; the line says what was run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from benchmarks.method import cores_at_start
from benchmarks.table import Row, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.method import Effort

GOAL_S: Final = 60.0
#: A library that takes longer than this has missed its goal long ago.
LIMIT_S: Final = 600
THEME: Final = "@library"
THEME_QUICK: Final = "@library/registers"
WHAT: Final = "scenario library, virtual time"
_GOAL_TEXT: Final = f"< {GOAL_S:.0f} s"


def measure(effort: Effort) -> Iterator[Row]:
    """The line of M6."""
    theme = THEME_QUICK if effort.quick else THEME
    program = "from scenarios.cli import main; main()"
    command = [sys.executable, "-c", program, "scenario", "run", theme, "--json"]
    before, begin = sum(_children()), time.monotonic()
    with processes.unpinned(cores_at_start()):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
            env=processes.environment(),
        )
    took, cpu = time.monotonic() - begin, sum(_children()) - before
    try:
        results = json.loads(done.stdout)["scenarios"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        yield missing("M6", WHAT, f"the runner gave no result: {last}", goal=_GOAL_TEXT)
        return
    verdicts = sorted({result["verdict"] for result in results})
    yield Row(
        "M6",
        WHAT,
        f"{took:.1f} s, {cpu:.1f} CPU s",
        goal=_GOAL_TEXT,
        reached=took < GOAL_S,
        note=f"{len(results)} scenarios of {theme}, {', '.join(verdicts)}; start of Python "
        "included; the compliance suite is not built yet",
        figures={"seconds": took, "cpu_s": cpu, "scenarios": len(results)},
    )


def _children() -> tuple[float, float]:
    """CPU seconds of all children that have ended: user, system."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime, used.ru_stime
