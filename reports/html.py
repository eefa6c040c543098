"""The run record as one self-contained HTML page: no script, no network, nothing beside it.

The page is for the person who was not there: the verdict first, then what is wrong, then every
statement and every register behind it. It prints on A4, folds on a phone and follows the reader's
light or dark scheme. Everything that came from a target or a file is escaped by the template
engine; the page also forbids itself, by its content security policy, to load or run anything.

The same record gives the same bytes.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports import timeline, watchdogs
from reports.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.record import (
        Case,
        Measurement,
        RegisterRow,
        RegisterTable,
        RequirementRow,
        RunRecord,
    )

_TEMPLATE: Final = "report.html.j2"

#: Registers of one entry (manual 6.2).
_ENTRY_LENGTH: Final = 10

_BACKENDS: Final = {
    "sim": "sim (virtual time)",
    "pty": "pty (real time, virtual hardware)",
    "hil": "hil (real hardware)",
}


def render(record: RunRecord, *, template: str = _TEMPLATE) -> str:
    """Return the page for `record`; `template` is that of the page, or of another rendering."""
    by_id = {case.id: case for case in record.cases}
    environment = _environment()
    return environment.get_template(template).render(
        record=record,
        title_for_css=record.run.title.replace("\\", "").replace('"', "'"),
        summary=_summary(record),
        counts=[(v, n) for v, n in reversed(record.counts().items())],
        facts=_facts(record),
        contents=_contents(record),
        findings=_above_pass(record.cases),
        met=sum(row.met for row in record.requirements),
        tables=_tables(record),
        timeline=timeline.draw(record.timeline) if record.timeline else None,
        watchdogs=watchdogs.charts(record.cases),
        band=watchdogs,
        cases=_by_verdict(record.cases),
        tallies={row.id: _tally(row, by_id) for row in record.requirements},
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        words=_words,
        span=_span,
        extent=_extent,
        hexadecimal=_hexadecimal,
        by_entry=_by_entry,
        sentence=_sentence,
        failing=_failing,
        duration=timeline.duration,
        number=_number,
        limits=_limits,
    )
    return environment


# --- What the page says -----------------------------------------------------------------------


def _summary(record: RunRecord) -> str:
    """Return the sentence beside the verdict."""
    total = len(record.cases)
    if not total:
        return "No case was selected: nothing is known."
    counts = record.counts()
    if counts[Verdict.PASS] == total:
        return f"All {total} cases passed." if total > 1 else "The case passed."
    parts = [f"{counts[verdict]} {phrase}" for verdict, phrase in _PHRASES if counts[verdict]]
    return f"Of {total} cases " + ", ".join(parts) + "."


_PHRASES: Final = (
    (Verdict.ERROR, "broke in the harness"),
    (Verdict.FAIL, "failed"),
    (Verdict.INCONCLUSIVE, "proved nothing"),
    (Verdict.NOT_RUN, "could not be run"),
    (Verdict.PASS, "passed"),
    (Verdict.NOT_APPLICABLE, "did not apply"),
)


def _facts(record: RunRecord) -> list[tuple[str, str, bool]]:
    """Return name, value and "takes the whole width" of the facts that are known.

    When and how long a run was made stands in the record and on no page: the same findings give
    the same bytes, whenever they are made again.
    """
    run = record.run
    version = run.tool_version + (f" ({run.commit})" if run.commit else "")
    facts = [
        ("Seed", run.seed),
        ("Backend", _BACKENDS.get(run.backend, run.backend)),
        ("meterbench", version),
        ("Time on the bus", _duration(run.virtual_duration_ns)),
        *((_sentence(name), value) for name, value in run.facts.items()),
    ]
    rows = [(name, value, False) for name, value in facts if value]
    return [*rows, ("Command", run.command, True)] if run.command else rows


def _duration(ns: int | None) -> str | None:
    return None if ns is None else timeline.duration(ns)


def _contents(record: RunRecord) -> list[tuple[str, str]]:
    parts = (
        ("statement", "Statement", bool(record.statement)),
        ("findings", "Findings", bool(_above_pass(record.cases))),
        ("deviations", "Deviations", bool(record.deviations)),
        ("requirements", "Requirements", bool(record.requirements)),
        ("registers", "Register map", bool(record.gateway or record.meters)),
        ("watchdogs", "Watchdogs", any(case.watchdogs for case in record.cases)),
        ("timeline", "Timeline", bool(record.timeline)),
        ("cases", "Cases", bool(record.cases)),
        ("not-verified", "Not verified", bool(record.not_verified)),
        ("traces", "Traces", bool(record.traces)),
    )
    return [(anchor, title) for anchor, title, present in parts if present]


def _above_pass(cases: Iterable[Case]) -> list[Case]:
    """Return the cases that somebody must act on, gravest first."""
    above = [case for case in cases if case.verdict > Verdict.PASS]
    return sorted(above, key=lambda case: -case.verdict.rank)


def _by_verdict(cases: Iterable[Case]) -> list[tuple[Verdict, list[Case]]]:
    """Return the cases of each verdict that occurs, gravest first."""
    grouped = [(verdict, [c for c in cases if c.verdict is verdict]) for verdict in Verdict]
    return [(verdict, own) for verdict, own in reversed(grouped) if own]


def _tables(record: RunRecord) -> list[RegisterTable]:
    """Return the register tables: those with differences first, then by run and address."""
    tables = [*([record.gateway] if record.gateway else []), *record.meters]

    def place(table: RegisterTable) -> tuple[int, str, int]:
        address = -1 if table.address is None else table.address
        run, _, _ = table.id.rpartition("/")
        return -max(table.verdict.rank, Verdict.PASS.rank), run, address

    return sorted(tables, key=place)


def _tally(row: RequirementRow, by_id: dict[str, Case]) -> str:
    passed = sum(by_id[id_].verdict is Verdict.PASS for id_ in row.cases)
    total = len(row.cases)
    return str(total) if passed == total else f"{passed} of {total} passed"


# --- How the template writes it ---------------------------------------------------------------


def _words(value: str) -> str:
    return value.replace("_", " ")


def _span(row: RegisterRow) -> str:
    """Return the registers of a row: "24" or "24-25", with an en dash."""
    if row.last_address == row.address:
        return str(row.address)
    return f"{row.address}–{row.last_address}"


def _extent(table: RegisterTable) -> str:
    """Return which registers a table spans: whole entries of ten."""
    if table.address is None:
        return "not in the register map"
    last = max((row.last_address for row in table.rows), default=table.address)
    return f"registers {table.address}–{last // _ENTRY_LENGTH * _ENTRY_LENGTH + _ENTRY_LENGTH - 1}"


def _hexadecimal(words: Sequence[int]) -> str:
    return " ".join(f"{word:04X}" for word in words)


def _by_entry(rows: Sequence[RegisterRow]) -> list[tuple[str, list[RegisterRow]]]:
    return [(entry, list(own)) for entry, own in groupby(rows, key=lambda row: row.entry)]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _failing(rows: Sequence[RegisterRow]) -> list[RegisterRow]:
    return [row for row in rows if row.verdict > Verdict.PASS]


def _number(value: float) -> str:
    return f"{value:g}"


def _limits(measurement: Measurement) -> str:
    low, high, unit = measurement.minimum, measurement.maximum, measurement.unit
    if low is not None and high is not None:
        return f"{low:g} to {high:g} {unit}"
    if low is not None:
        return f"at least {low:g} {unit}"
    return f"at most {high:g} {unit}" if high is not None else ""
