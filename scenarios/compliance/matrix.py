"""Which case fails on which known-bad gateway: whether every case of the suite can fail.

The self-test asks of every defect whether it is seen; the matrix asks of every case whether it
sees anything. A case that fails on no gateway may be one that cannot fail. For such a case there
is either a scenario's own counterexample (``NAME.fail.yaml``, which the library's tests run), or a
line in ``own_defects.yaml`` that says which defect would be its own; what has neither is an open
question, and is listed. Conditions of the bench (steps that were carried out, assumptions, faults
that happened) decide no requirement and are not asked.
"""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from reports.verdict import Verdict
from scenarios import proof
from scenarios.compliance.self_test import SUITE_S_MAX, SuiteBrokeError, record_of
from scenarios.compliance.suite import LIBRARY_PREFIX, run, select_cases
from scenarios.run import SUFFIX, library_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from scenarios.defects.catalogue import Defect


@dataclass(frozen=True, slots=True)
class Row:
    """One case: the gateways that fail it, and what else shows that it can fail."""

    case: str
    requirements: tuple[str, ...]
    failed_by: tuple[str, ...]
    own_defect: str = ""

    @property
    def open(self) -> bool:
        """Whether nothing shows that this case can fail."""
        return not self.failed_by and not self.own_defect


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every case of the suite by every known-bad gateway; `broken` are runs without a record."""

    rows: tuple[Row, ...]
    broken: Mapping[str, str]


def measure(
    defects: Sequence[Defect],
    *,
    requirements: Collection[str] | None = None,
    workers: int = 2,
    progress: Callable[[str], None] = lambda _id: None,
) -> Matrix:
    """Run the suite on each defect, `workers` at a time; all of it, or what decides some ids."""
    good = run(select_cases(requirements), workers=workers).cases
    failed_on = partial(_failed, [f"--requirement={id_}" for id_ in requirements or ()])
    failed_by: dict[str, list[str]] = {case.id: [] for case in good}
    broken = {}
    with ThreadPoolExecutor(workers) as pool:
        for defect, failed in zip(defects, pool.map(failed_on, defects), strict=True):
            progress(defect.id)
            if isinstance(failed, str):
                broken[defect.id] = failed
                continue
            for id_ in failed:
                # A broken run of a scenario has cases that a good one has not.
                failed_by.get(id_, []).append(defect.id)
    rows = [
        Row(case.id, case.requirements, tuple(failed_by[case.id]), own_defect(case.id))
        for case in good
        if case.requirements
    ]
    return Matrix(tuple(rows), broken)


def _failed(options: Sequence[str], defect: Defect) -> list[str] | str:
    """The ids of the cases that fail on one gateway, or why there is no record."""
    try:
        record = record_of(defect.id, *options, limit_s=SUITE_S_MAX)
    except SuiteBrokeError as error:
        return str(error)
    return [case["id"] for case in record["cases"] if case["verdict"] == Verdict.FAIL.value]


def own_defect(case: str) -> str:
    """What would make this case fail, in words; empty where nobody has said."""
    sentence = said().get(case)
    if sentence is not None:
        return sentence
    if not case.startswith(LIBRARY_PREFIX):
        return ""
    name, _, line = case.removeprefix(LIBRARY_PREFIX).rpartition("/")
    path = proof.beside(library_folder() / f"{name}{SUFFIX}")
    example = proof.read(path) if path.is_file() else None
    return example.change if example is not None and line in example.fails else ""


@cache
def said() -> Mapping[str, str]:
    """The sentence of each case in ``own_defects.yaml``, by the id of the case."""
    text = resources.files("scenarios.compliance").joinpath("own_defects.yaml").read_text("utf-8")
    loaded: Mapping[str, str] | None = YAML(typ="safe", pure=True).load(text)
    return loaded or {}


def to_csv(matrix: Matrix) -> str:
    """The matrix as a table: case, requirements, gateways that fail it, its own defect."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "requirements", "count", "failed_by", "own_defect"])
    for row in matrix.rows:
        writer.writerow([row.case, " ".join(row.requirements), len(row.failed_by),
                         " ".join(row.failed_by), row.own_defect])  # fmt: skip
    return text.getvalue()


def table(matrix: Matrix) -> Iterator[str]:
    """Yield the runs that broke, the cases that nothing shows to fail, and the sums."""
    for gateway, reason in matrix.broken.items():
        yield f"no record  {gateway}  {reason}"
    for row in matrix.rows:
        if row.open:
            yield f"never fails  {row.case}"
    failed = sum(bool(row.failed_by) for row in matrix.rows)
    said = sum(not row.failed_by and bool(row.own_defect) for row in matrix.rows)
    left = sum(row.open for row in matrix.rows)
    yield (
        f"{len(matrix.rows)} cases: {failed} fail on a known-bad gateway, "
        f"{said} name a defect of their own, {left} do neither"
    )
