"""M8: resident memory of a real ``gateway run`` with 250 meters of 25 values, over TCP.

The short version: a search, then five read-out passes, instead of a week. The simulated line runs
many times faster than a real one, so that this takes a minute or two.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import bus, processes
from benchmarks.method import cores_at_start
from benchmarks.table import Row, missing
from gateway.io.storage import FileStorage
from hil.reference import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.method import Effort

METERS: Final = 250
METERS_QUICK: Final = 3
VALUES: Final = 25
PASSES: Final = 5
PASSES_QUICK: Final = 1
BAUDRATE: Final = 19_200
SPEED: Final = 20.0
GOAL_BYTES: Final = 120 * 1024 * 1024
FLAT: Final = 0.02
#: The whole measure ends after this, with what it has.
LIMIT_S: Final = 240.0
WHAT: Final = "memory of gateway run"
_CLI: Final = "from scenarios.cli import main; main()"


def _meter() -> dict[str, Any]:
    """A meter with 25 values in one telegram."""
    value = {"start": 100, "add": 1, "every": "1 s"}
    expect = {"value_type": "Energy", "unit": "Wh", "scale": 3}
    records = []
    for number in range(VALUES):
        dib = bytes((0x84 | (number & 1) << 6, number >> 1))
        records.append(
            {"dib": dib.hex(), "vib": "06", "coding": "int32", "value": value, "expect": expect}
        )
    kind = {"manufacturer": "LUG", "version": 2, "medium": 4, "records": records}
    return {"id": "m", "identification_number": "30000000 + i", **kind}


def measure(effort: Effort) -> Iterator[Row]:
    """The line of M8."""
    if not Path("/proc/self/status").exists():
        yield missing("M8", WHAT, "resident memory is read from /proc: needs Linux")
        return
    meters = METERS_QUICK if effort.quick else METERS
    with tempfile.TemporaryDirectory(prefix="measure-") as name:
        yield _run(Path(name), meters, PASSES_QUICK if effort.quick else PASSES)


def _run(folder: Path, meters: int, passes: int) -> Row:
    population = folder / "population.yaml"
    # YAML takes JSON.
    population.write_text(json.dumps({"meters": [{**_meter(), "count": meters}]}))
    bus.parse([{**_meter(), "count": meters}])
    keys = {
        "MBUS_BAUDRATE": BAUDRATE,
        "MBUS_SCANMODE": "SECONDARYSCANALLOCREVERSE" if meters <= 10 else "SECONDARYSCANALLOC",
        "METER_TIME": 10,
        "METER_MAXDEVICECOUNT": 0,
        "METER_MAXVALUECOUNT": 0,
        "METER_MAXALLVALUECOUNT": 0,
    }
    data = folder / "data"
    data.mkdir()
    prepare(FileStorage(data), keys)
    python = [sys.executable, "-u", "-c", _CLI]
    listen = ["--listen", "tcp:127.0.0.1:0", "--baudrate", BAUDRATE, "--speed", SPEED]
    simulate = [*python, "simulate", population, *listen]
    with processes.running([str(p) for p in simulate], core=cores_at_start()[-1]) as line:
        where = processes.first_line(line).rpartition("tcp:")[2]
        gateway = [
            *(*python, "gateway", "run", "--data", data, "--bus", f"socket://{where}", "--scan"),
            *("--modbus", "127.0.0.1:0"),
        ]
        command = [str(part) for part in gateway]
        first = cores_at_start()[0]
        # What happens is told on standard error.
        with processes.running(command, core=first, errors=subprocess.STDOUT) as process:
            return _watched(process.pid, processes.Lines(process), meters, passes)


def _watched(pid: int, output: processes.Lines, meters: int, passes: int) -> Row:
    """Read the memory after the search and after each pass."""
    begin = time.monotonic()
    after_scan, found, seen = 0, 0, list[int]()
    while len(seen) < passes and time.monotonic() - begin < LIMIT_S:
        line = output.next(1.0)
        if output.ended:
            break
        found += " found " in f" {line}"
        if "scan done" in line:
            after_scan = processes.resident_bytes(pid)
        elif "read-out done" in line and after_scan:
            seen.append(processes.resident_bytes(pid))
    took = time.monotonic() - begin
    if not seen:
        return missing("M8", WHAT, f"no pass within {took:.0f} s ({found} meters found)")
    drift = (seen[-1] - seen[0]) / seen[0]
    megabytes = 1024 * 1024
    return Row(
        "M8",
        f"{WHAT}, {meters} meters × {VALUES} values",
        f"{seen[-1] / megabytes:.1f} MiB",
        goal="< 120 MiB, flat ± 2 %",
        ratio=f"{drift:+.1%} from pass 1 to {len(seen)}",
        reached=seen[-1] < GOAL_BYTES and abs(drift) <= FLAT and found == meters,
        note=f"{found} meters found, {after_scan / megabytes:.1f} MiB after the search, "
        f"{len(seen)} passes in {took:.0f} s; {BAUDRATE} Bd at speed {SPEED:g}; not a week",
        figures={"bytes": seen[-1], "after_scan": after_scan, "found": found, "seconds": took},
    )
