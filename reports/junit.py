"""The run record as JUnit XML (xunit1), for CI systems that know nothing better.

JUnit has no word for most of the lattice, so each verdict takes the nearest one and is said in
full as the property ``verdict``: INCONCLUSIVE and ERROR become errors, NOT_RUN and
NOT_APPLICABLE skips, FAIL a failure. A skip is never a pass here either: the verdict of the whole
run is a property of the suite. Requirements, seed and trace hashes are properties as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from reports.verdict import Verdict

if TYPE_CHECKING:
    from reports.record import Case, Evidence, RunRecord

#: JUnit element for each verdict; a PASS has none.
_ELEMENTS: Final = {
    Verdict.FAIL: "failure",
    Verdict.ERROR: "error",
    Verdict.INCONCLUSIVE: "error",
    Verdict.NOT_RUN: "skipped",
    Verdict.NOT_APPLICABLE: "skipped",
}

#: What XML 1.0 cannot hold at all, not even escaped.
_UNPRINTABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_NS_PER_S: Final = 1_000_000_000


def render(record: RunRecord) -> str:
    """Return the XML document for `record`; the same record gives the same bytes."""
    suites = ET.Element("testsuites")
    suites.append(_suite(record))
    ET.indent(suites)
    body = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _suite(record: RunRecord) -> ET.Element:
    elements = [_ELEMENTS.get(case.verdict) for case in record.cases]
    suite = ET.Element(
        "testsuite",
        name=_text(record.run.title),
        tests=str(len(elements)),
        failures=str(elements.count("failure")),
        errors=str(elements.count("error")),
        skipped=str(elements.count("skipped")),
        time=_seconds(record.run.real_duration_ns),
    )
    if record.run.started:
        suite.set("timestamp", record.run.started.removesuffix("Z"))
    properties = [
        ("verdict", record.verdict.value),
        ("seed", record.run.seed),
        ("backend", record.run.backend),
        ("tool_version", record.run.tool_version),
        *((f"fact.{name}", value) for name, value in record.run.facts.items()),
        *(("trace_sha256", trace.sha256) for trace in record.traces),
    ]
    _add_properties(suite, properties)
    for case in record.cases:
        suite.append(_case(case, record))
    return suite


def _case(case: Case, record: RunRecord) -> ET.Element:
    """Return one test case; its class is the part of the id before the last slash."""
    classname, _, name = case.id.rpartition("/")
    element = ET.Element(
        "testcase",
        classname=_text(classname.replace("/", ".") or "meterbench"),
        name=_text(f"{name}: {case.title}"),
        time=_seconds(None),
    )
    properties = [
        *(("requirement", requirement) for requirement in case.requirements),
        ("verdict", case.verdict.value),
        ("seed", record.run.seed),
        *(("trace_sha256", trace.sha256) for trace in record.traces_of(case)),
    ]
    _add_properties(element, properties)
    kind = _ELEMENTS.get(case.verdict)
    if kind is not None:
        first, _, _ = case.reason.partition("\n")
        outcome = ET.SubElement(element, kind, message=_text(f"{case.verdict.value}: {first}"))
        if kind != "skipped":
            outcome.set("type", case.verdict.value)
        outcome.text = _text(case.reason)
    if case.evidence:
        output = ET.SubElement(element, "system-out")
        output.text = _text("\n".join(_evidence(one) for one in case.evidence))
    return element


def _add_properties(parent: ET.Element, properties: list[tuple[str, str]]) -> None:
    holder = ET.SubElement(parent, "properties")
    for name, value in properties:
        ET.SubElement(holder, "property", name=_text(name), value=_text(value))


def _evidence(evidence: Evidence) -> str:
    at = "" if evidence.at_ns is None else f" at {evidence.at_ns} ns"
    note = f" ({evidence.note})" if evidence.note else ""
    return f"{evidence.kind}, {evidence.where}{at}: {evidence.content}{note}"


def _seconds(ns: int | None) -> str:
    return f"{(ns or 0) / _NS_PER_S:.3f}"


def _text(text: str) -> str:
    """Return `text` with what XML cannot hold written as an escape, so that nothing is lost."""
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
