"""M9: from the start of ``meterbench demo`` to the first meter value in a register, in real time.

The clock starts with the process, so the start of Python and all imports count. Beside the time
stands the CPU that the whole demo used, which other load does not change.
"""

from __future__ import annotations

import sys
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from benchmarks.method import cores_at_start, spread
from benchmarks.table import Row, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.method import Effort

GOAL_S: Final = 10.0
SECONDS: Final = 12
ROUNDS: Final = 3
#: A demo that shows no value within this never will.
LIMIT_S: Final = 40.0
WHAT: Final = "meterbench demo, first value"
#: What the demo prints of a meter whose values have come.
_MARK: Final = "in register"
_CLI: Final = "from scenarios.cli import main; main()"


def measure(effort: Effort) -> Iterator[Row]:
    """The line of M9."""
    times, cpu = [], []
    for _ in range(1 if effort.quick else ROUNDS):
        at, used = _run()
        if at is None:
            yield missing("M9", WHAT, f"no value within {LIMIT_S:.0f} s", goal=f"< {GOAL_S:.0f} s")
            return
        times.append(at)
        cpu.append(used)
    yield Row(
        "M9",
        WHAT,
        f"{median(times):.1f} s {spread(times)}",
        goal=f"< {GOAL_S:.0f} s",
        reached=median(times) < GOAL_S,
        note=f"12 meters, 9600 Bd, ADAPTIVE; {median(cpu):.1f} CPU s until then",
        figures={"seconds": median(times), "cpu_s": median(cpu)},
    )


def _run() -> tuple[float | None, float]:
    """Seconds and CPU seconds until the first value; None when there was none."""
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        demo = ["demo", "--seconds", str(SECONDS), "--report", folder]
        command = [sys.executable, "-u", "-c", _CLI, *demo]
        begin = time.monotonic()
        with (
            processes.unpinned(cores_at_start()),
            processes.running(command, extra={"TERM": "dumb"}) as process,
        ):
            output = processes.Lines(process)
            while time.monotonic() - begin < LIMIT_S and not output.ended:
                if _MARK in output.next(0.5):
                    return time.monotonic() - begin, processes.cpu_seconds(process.pid)
    return None, 0.0
