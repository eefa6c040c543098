"""JUnit XML: counts that add up, verdicts in full, and well formed whatever a target sent."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from reports import junit
from reports.record import Case, Evidence, Run, RunRecord, Trace
from reports.verdict import Verdict
from tests.reports import sample


def suite(record: RunRecord) -> ET.Element:
    """Return the suite of the rendered record."""
    root = ET.fromstring(junit.render(record))
    assert root.tag == "testsuites"
    (found,) = root
    return found


def properties(element: ET.Element) -> list[tuple[str, str]]:
    """Return the properties of a suite or case."""
    return [(p.attrib["name"], p.attrib["value"]) for p in element.iterfind("properties/property")]


def test_counts_add_up() -> None:
    """Failures, errors, skips and passes of the suite are those of its cases."""
    found = suite(sample.record())
    numbers = {key: int(found.attrib[key]) for key in ("tests", "failures", "errors", "skipped")}
    assert numbers == {"tests": 12, "failures": 2, "errors": 1, "skipped": 2}
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert len(found.findall(f"testcase/{tag}")) == numbers[key]


def test_verdicts_are_said_in_full() -> None:
    """What JUnit has no word for is a property: verdict, requirement, seed, trace_sha256."""
    found = suite(sample.record())
    assert ("verdict", "FAIL") in properties(found)
    assert found.attrib["timestamp"] == "2026-11-20T12:00:00"
    by_name = {case.attrib["name"]: case for case in found.iterfind("testcase")}
    case = by_name["scan: A scan beyond its limit restarts the gateway"]
    assert case.attrib["classname"] == "watchdog"
    assert properties(case) == [
        ("requirement", "WDG-01"),
        ("verdict", "INCONCLUSIVE"),
        ("seed", "7"),
        ("trace_sha256", "3f" * 32),
    ]
    error = case.find("error")
    assert error is not None
    assert error.attrib["message"].startswith("INCONCLUSIVE: the scan ended after 96 s")


def test_a_case_has_the_hashes_of_its_own_traces() -> None:
    """A case that names its traces has those; a suite of hundreds would repeat them all."""
    traces = [
        Trace(name=f"{name}.jsonl", kind="events", sha256=name * 64, size_bytes=1) for name in "ab"
    ]
    cases = [
        Case(id="x/1", title="One", verdict=Verdict.PASS, traces=("b.jsonl",)),
        Case(id="x/2", title="Two", verdict=Verdict.PASS),
    ]
    run = Run(title="x", tool_version="0", seed="1", backend="sim")
    found = suite(RunRecord.assemble(run, cases, traces=traces))
    hashes = [
        [value for name, value in properties(case) if name == "trace_sha256"]
        for case in found.iterfind("testcase")
    ]
    assert hashes == [["b" * 64], ["a" * 64, "b" * 64]]


def test_evidence_is_output() -> None:
    """Evidence stands in the output of its case."""
    texts = [out.text or "" for out in suite(sample.record()).iterfind("testcase/system-out")]
    assert any("frame, modbus, server to client at 12001234567 ns: 00 01" in t for t in texts)


@given(st.text(min_size=1), st.text())
def test_any_text_is_well_formed(title: str, reason: str) -> None:
    """Control characters and lone surrogates are escaped, not lost and not fatal."""
    run = Run(title=title, tool_version="0", seed="1", backend="sim")
    evidence = Evidence(kind="event", where="w", content=title)
    case = Case(
        id="x", title=title, verdict=Verdict.FAIL, reason=f"{reason}!", evidence=(evidence,)
    )
    found = suite(RunRecord.assemble(run, [case]))
    assert found.attrib["failures"] == "1"


def test_unprintable_is_shown() -> None:
    """A NUL in a meter's text shows as an escape."""
    run = Run(title="t", tool_version="0", seed="1", backend="sim")
    case = Case(id="x", title="a\x00b", verdict=Verdict.PASS)
    assert "a\\x00b" in junit.render(RunRecord.assemble(run, [case]))
