"""The suite judged: does it fail every known-bad gateway, on the requirement that this one breaks?

Each defect runs in a process of its own, through the same command line that a user calls; only the
cases that decide its requirement are run. Detected means: that requirement came out FAIL. Failing
on another one alone is not detection, and a run that broke is neither.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from reports.verdict import Verdict
from scenarios.defects.catalogue import Defect, load
from scenarios.defects.mutants import Mutant, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: A gateway that makes the suite hang is stopped after so long; that is no detection.
RUN_S_MAX: Final = 120
#: Which cases look at which modules; it decides how soon a mutant is killed and nothing else.
NEAREST: Final = {
    "gateway.device.watchdogs": ("watchdog/",),
    "gateway.modbus.": ("modbus/",),
    "gateway.registers.": ("layout/", "flags/", "list/", "places/", "modbus/"),
}
#: The same where the whole suite is run; a loaded machine takes minutes.
SUITE_S_MAX: Final = 600


@dataclass(frozen=True, slots=True)
class Detection:
    """What the suite said of one known-bad gateway; `verdict` is None where it broke or hung."""

    defect: Defect
    verdict: Verdict | None
    cases: tuple[str, ...]
    reason: str

    @property
    def detected(self) -> bool:
        """Whether the requirement that is broken came out FAIL."""
        return self.verdict is Verdict.FAIL


def run(
    defects: Sequence[Defect] | None = None,
    *,
    workers: int = 2,
    progress: Callable[[Detection], None] = lambda _one: None,
) -> list[Detection]:
    """Run the suite on each defect, `workers` at a time; the results in the order given."""
    chosen = list(load().values()) if defects is None else list(defects)
    found = []
    with ThreadPoolExecutor(workers) as pool:
        for detection in pool.map(detect, chosen):
            progress(detection)
            found.append(detection)
    return found


class SuiteBrokeError(Exception):
    """The suite hung or printed no record on a gateway; the message says which."""


def record_of(gateway: str, *options: str, limit_s: float = RUN_S_MAX) -> dict[str, Any]:
    """Return the run record of the suite on a gateway, in a process of its own.

    `gateway` is the id of a defect, or ``mutant:SEED:NUMBER``. Raises SuiteBrokeError where there
    is no record within `limit_s` seconds.
    """
    command = [sys.executable, "-P", "-m", "scenarios.defects", gateway,
               "comply", *options, "--workers", "1", "--json"]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise SuiteBrokeError(f"the suite did not end within {limit_s:g} s") from error
    try:
        record: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise SuiteBrokeError(f"the suite broke: {last}") from error
    return record


def detect(defect: Defect) -> Detection:
    """Run the cases that decide the requirement of one defect, on a gateway that has it."""
    try:
        record = record_of(defect.id, "--requirement", defect.breaks, "--fail-fast")
    except SuiteBrokeError as error:
        return Detection(defect, None, (), str(error))
    return _detection(defect, record)


def _detection(defect: Defect, record: dict[str, Any]) -> Detection:
    own = [case for case in record["cases"] if defect.breaks in case["requirements"]]
    failed = [case for case in own if case["verdict"] == Verdict.FAIL.value]
    row = next((one for one in record["requirements"] if one["id"] == defect.breaks), None)
    if failed:
        names = tuple(case["id"] for case in failed)
        return Detection(defect, Verdict.FAIL, names, failed[0]["reason"].splitlines()[0])
    if row is None:
        return Detection(defect, Verdict.NOT_RUN, (), "no case decides this requirement")
    reason = next((case["reason"] for case in own if case["reason"]), "nothing noticed it")
    return Detection(defect, Verdict(row["verdict"]), (), reason.splitlines()[0])


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one mutant: `killed` by the first case that noticed it, or not at all."""

    mutant: Mutant
    killed: bool
    reason: str


def run_mutants(
    count: int,
    seed: int,
    *,
    workers: int = 2,
    progress: Callable[[Fate], None] = lambda _one: None,
) -> list[Fate]:
    """Run the whole suite on mutants drawn by `seed`, each until the first case that notices."""
    drawn = draw(count, seed)
    found = []
    with ThreadPoolExecutor(workers) as pool:
        for fate in pool.map(partial(_fate, seed), enumerate(drawn)):
            progress(fate)
            found.append(fate)
    return found


def _nearest(module: str) -> tuple[str, ...]:
    """The cases that are likely to notice a change in `module`: tried first, all the same."""
    return next((cases for start, cases in NEAREST.items() if module.startswith(start)), ())


def _fate(seed: int, numbered: tuple[int, Mutant]) -> Fate:
    number, mutant = numbered
    try:
        options = ["--fail-fast", *(f"--first={one}" for one in _nearest(mutant.module))]
        record = record_of(f"mutant:{seed}:{number}", *options, limit_s=SUITE_S_MAX)
    except SuiteBrokeError as error:
        # The good gateway gives a record in seconds: what shows none has been noticed.
        return Fate(mutant, killed=True, reason=str(error))
    noticed = [case for case in record["cases"] if Verdict(case["verdict"]) > Verdict.PASS]
    if not noticed:
        return Fate(mutant, killed=False, reason="survived")
    return Fate(mutant, killed=True, reason=noticed[0]["id"])


def mutants_to_csv(fates: Sequence[Fate]) -> str:
    """Every mutant with its fate: what noticed it, or that it survived."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["mutant", "killed", "noticed_by"])
    for fate in fates:
        writer.writerow([fate.mutant.name, int(fate.killed), fate.reason if fate.killed else ""])
    return text.getvalue()


def mutant_table(fates: Sequence[Fate]) -> Iterator[str]:
    """Yield the survivors, a line each, and the sum."""
    for fate in fates:
        if not fate.killed:
            yield f"survived  {fate.mutant.name}"
    count = sum(fate.killed for fate in fates)
    yield f"{count} of {len(fates)} mutants killed"


def table(detections: Sequence[Detection]) -> Iterator[str]:
    """Yield the detection table, a line a defect, and the sum."""
    width = max((len(one.defect.id) for one in detections), default=0) + 2
    column = max((len(one.defect.breaks) for one in detections), default=0) + 2
    for one in detections:
        word = "detected" if one.detected else "MISSED"
        where = one.cases[0] if one.cases else one.reason
        yield f"{word:10}{one.defect.id:{width}}{one.defect.breaks:{column}}{where}"
    count = sum(one.detected for one in detections)
    yield f"{count} of {len(detections)} known-bad gateways detected, each on its own requirement"
