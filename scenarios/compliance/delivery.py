"""What a run leaves behind: the record, its renderings and traces in one folder, and its exit code.

`result.json` is the source of truth; everything else is made from it. A rendering that cannot be
made here (no WeasyPrint) is told, never left out in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports import allure_results, archive, html, junit, matrix, pdf
from reports.difference import compare, regressions
from reports.verdict import Verdict, exit_code, join

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reports.record import RunRecord

PDF: Final = "report.pdf"
ALLURE: Final = "allure-results"


def write(folder: Path, record: RunRecord, traces: Mapping[str, str]) -> list[str]:
    """Write everything; returns what could not be made and why. Raises OSError."""
    told = []
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        archive.RESULT: record.to_json(),
        archive.HTML: html.render(record),
        "junit.xml": junit.render(record),
        "matrix.csv": matrix.render(record),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    try:
        (folder / PDF).write_bytes(pdf.render(record))
    except pdf.PdfUnavailableError as error:
        told.append(str(error))
    allure_results.write(record, folder / ALLURE)
    (folder / archive.TRACES).mkdir(exist_ok=True)
    for name, text in traces.items():
        (folder / archive.TRACES / name).write_text(text, encoding="utf-8", newline="")
    return told


def verdict(record: RunRecord) -> Verdict:
    """The joined verdict of what nobody has waived: that of the exit code."""
    return join(case.verdict for case in record.cases if not record.waived(case))


def gate(record: RunRecord, baseline: RunRecord | None) -> tuple[int, list[str]]:
    """The exit code, and what to say about it.

    Without a baseline it is that of the verdict, waived findings left out. With one, only what has
    become worse counts: 1 for a regression, else 0; an ERROR of the bench stays one.
    """
    told = [
        f"waiver {one.state}: {one.id} until {one.expires} ({one.owner}: {one.reason})"
        for one in record.deviations
    ]
    if not record.cases:
        return exit_code(None), told
    now = verdict(record)
    if baseline is None or now is Verdict.ERROR:
        return exit_code(now), told
    waived = {case.id for case in record.cases if record.waived(case)}
    waived |= {row.id for row in record.requirements if waived.issuperset(row.cases)}
    changes = compare(baseline, record)
    worse = [change for change in regressions(changes) if change.id not in waived]
    told += [str(change) for change in changes]
    told.append(f"{len(worse)} regressions against the baseline, {len(changes)} changes")
    return (1 if worse else 0), told
