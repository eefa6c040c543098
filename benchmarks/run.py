"""The command line of the benchmarks: which measures, how long, where the figures go."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from benchmarks import table
from benchmarks.method import Effort, cores, pin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.table import Row

#: Measures and the modules that take them, in the order of docs/measures.md.
MODULES: Final = {
    "M1": "decode",
    "M2": "search",
    "M3": "readout",
    "M4": "modbus",
    "M5": "virtual_time",
    "M6": "library",
    "M7": "campaign",
    "M8": "memory",
    "M9": "first_value",
}
#: Width of the table where the output is no terminal.
WIDTH: Final = 190


def rows_of(names: Sequence[str], effort: Effort) -> Iterator[Row]:
    """The lines of the measures `names`; a benchmark that fails gives a line that says so."""
    for name in names:
        module = importlib.import_module(f"benchmarks.{MODULES[name]}")
        try:
            yield from module.measure(effort)
        except Exception as error:
            traceback.print_exc()
            yield table.missing(name, MODULES[name], f"failed: {type(error).__name__}: {error}")


def machine() -> dict[str, Any]:
    """What the figures depend on, without the name of the host."""
    return {
        "cores": len(cores()),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "version": _version(),
    }


def _version() -> str:
    try:
        return metadata.version("meterbench")
    except metadata.PackageNotFoundError:
        return "source tree"


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="measure", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="M1 M2 ...", help="all when none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--quick", action="store_true", help="seconds only; figures mean nothing")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.measures if name not in MODULES]
    if unknown:
        parser.error(f"no measure {unknown[0]}: there are {', '.join(MODULES)}")
    return chosen


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, write the JSON document; exit code 0 whatever the figures are."""
    chosen = _arguments(arguments)
    facts = machine()
    everywhere = cores()
    pin(everywhere[0])
    rows = []
    for row in rows_of(chosen.measures or list(MODULES), Effort(quick=chosen.quick)):
        rows.append(row)
        print(f"{row.measure} {row.what}: {row.ours} {row.note}", file=sys.stderr, flush=True)
    caption = ", ".join(f"{key} {value}" for key, value in facts.items())
    if chosen.quick:
        caption += " · QUICK: these figures mean nothing"
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    console.print(table.to_table(rows, caption=caption))
    if chosen.json is not None:
        document = table.to_document(rows, machine=facts)
        chosen.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return 0
