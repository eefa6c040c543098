"""The requirement matrix as CSV (RFC 4180): one row a requirement, for whoever lives in a sheet.

Every statement of the catalogue that the run set out to verify has its row, verified or not, so
that a filter on the column ``verdict`` shows the gaps too. Cells that a spreadsheet would take for
a formula are led by an apostrophe.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.record import Case, RunRecord

COLUMNS: Final = (
    "requirement", "section", "statement", "backend", "verdict", "met", "cases", "reason",
    "evidence", "waived",
)  # fmt: skip
#: Verdict of a row that no case decided: no word of the lattice, since nothing was selected.
NOT_VERIFIED: Final = "not verified"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def render(record: RunRecord) -> str:
    """Return the matrix; the same record gives the same bytes."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in _rows(record):
        writer.writerow([_safe(cell) for cell in row])
    return out.getvalue()


def _rows(record: RunRecord) -> Iterator[tuple[str, ...]]:
    by_id = {case.id: case for case in record.cases}
    for row in record.requirements:
        cases = [by_id[id_] for id_ in row.cases]
        worst = max(cases, key=lambda case: case.verdict.rank)
        waived = row.verdict is not None and record.waived(worst) and not row.met
        yield (
            row.id, row.section, row.text, record.run.backend, row.verdict.value,
            "yes" if row.met else "no", " ".join(row.cases), worst.reason.partition("\n")[0],
            _evidence(worst), "yes" if waived else "",
        )  # fmt: skip
    for gap in record.not_verified:
        yield (
            gap.id, gap.section, gap.text, record.run.backend, NOT_VERIFIED, "no", "", gap.reason,
            "", "",
        )  # fmt: skip


def _evidence(case: Case) -> str:
    return "; ".join(f"{one.where}: {one.content}" for one in case.evidence[:2])


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
