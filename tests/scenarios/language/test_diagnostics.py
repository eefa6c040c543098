"""Every mistake is told with code, place, source line, caret and, if known, the fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from scenarios.language import diagnostics
from scenarios.language.compile import compile_path, compile_text
from scenarios.language.diagnostics import CODES, Diagnostic, Place, Severity

BASE = """\
scenario: base
version: 1
title: A base to be broken
world:
  meters:
    - {id: e, count: 2, profile: electricity-basic, identification_number: "50000001 + i"}
    - {id: water, profile: water-cold, identification_number: 20000002}
  clients:
    - {id: watcher, every: 1 s}
do:
  - start: {client: watcher}
  - wait: 3 s
expect:
  - {id: E1, that: "never(meter(water).registers.flags != 0)", req: REG-M}
"""


def _cases() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("broken.yaml"))
    return cases


def _broken(case: dict[str, Any]) -> str:
    text = BASE
    for change in case["change"]:
        assert change["from"] in text
        text = text.replace(change["from"], change["to"])
    return text


def test_the_unbroken_file_has_nothing_to_complain_about() -> None:
    """The file that the cases break is right, so each complaint is about what was broken."""
    compiled = compile_text(BASE, "f.scn.yaml")
    assert compiled.scenario is not None
    assert compiled.diagnostics == ()


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["name"].replace(" ", "-"))
def test_a_mistake_is_told_exactly(case: dict[str, Any]) -> None:
    """One mistake gives one complaint, with exactly this text."""
    compiled = compile_text(_broken(case), "f.scn.yaml")
    assert compiled.scenario is None
    assert diagnostics.to_text(compiled.diagnostics) + "\n" == case["told"]


def test_every_code_has_a_case() -> None:
    """No code exists that no file can bring about."""
    told = {case["told"].partition("[")[2][:6] for case in _cases()}
    elsewhere = {"SCN001", "SCN101"}
    assert told | elsewhere == set(CODES)


def test_all_mistakes_of_a_file_are_told_at_once_and_in_its_order() -> None:
    """A file with five mistakes gives five complaints, as a reader meets them."""
    text = """\
scenario: bad
version: 1
title: Everything is wrong here
verifies: [SCAN-01]
limits:
  time: 45 min
world:
  bus: {baud: 2401}
  meters:
    - {id: x, profile: water-cold, identification_number: 20000000, makr: KAM}
do:
  - wait: 3 s
  - scann: {mode: secondary, as: found}
  - wait_until: {gateway.scan: done}
    within: 40 mins
assume:
  - {id: A1, that: "count(bus.collisions where who has any twin >= 1"}
"""
    assert (
        diagnostics.to_text(compile_text(text, "bad.scn.yaml").diagnostics)
        == """\
error[SCN013]: want one of 300, 600, 1200, 2400, 4800, 9600, 19200
  --> bad.scn.yaml:8:15
8|   bus: {baud: 2401}
 |               ^^^^
error[SCN011]: unknown key 'makr'
  --> bad.scn.yaml:10:69
10|     - {id: x, profile: water-cold, identification_number: 20000000, makr: KAM}
  |                                                                     ^^^^
error[SCN021]: unknown step 'scann'
  --> bad.scn.yaml:13:5
13|   - scann: {mode: secondary, as: found}
  |     ^^^^^ did you mean 'scan'?
error[SCN010]: want a duration such as '250 ms', '5 s', '40 min'
  --> bad.scn.yaml:15:13
15|     within: 40 mins
  |             ^^^^^^^
error[SCN030]: property does not parse here
  --> bad.scn.yaml:17:65
17|   - {id: A1, that: "count(bus.collisions where who has any twin >= 1"}
  |                                                                 ^^"""
    )


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A missing file and one that is not text are complaints, not tracebacks."""
    (tmp_path / "binary.scn.yaml").write_bytes(b"\xff\xfe\x00")
    missing = compile_path(tmp_path / "none.scn.yaml", name="none.scn.yaml")
    binary = compile_path(tmp_path / "binary.scn.yaml", name="binary.scn.yaml")
    assert diagnostics.to_text(missing.diagnostics) == (
        "error[SCN001]: cannot read this file: No such file or directory\n  --> none.scn.yaml:1:1"
    )
    assert binary.diagnostics[0].message.startswith("cannot read this file: 'utf-8'")


# --- Forms ------------------------------------------------------------------------------------

_ONE = Diagnostic(
    "SCN021",
    "unknown step 'scann'",
    Place("a,b.scn.yaml", 3, 5, 5),
    "  - scann: {}",
    "did you mean 'scan'?",
)


def test_a_complaint_as_json() -> None:
    """An editor gets code, message, fix and the exact stretch of the line."""
    assert json.loads(diagnostics.to_json([_ONE])) == [
        {
            "severity": "error",
            "code": "SCN021",
            "message": "unknown step 'scann'",
            "hint": "did you mean 'scan'?",
            "file": "a,b.scn.yaml",
            "line": 3,
            "column": 5,
            "length": 5,
        }
    ]


def test_a_complaint_as_annotation() -> None:
    """A workflow command names file and columns, and escapes what would end it early."""
    assert diagnostics.to_github([_ONE]) == (
        "::error file=a%2Cb.scn.yaml,line=3,col=5,endColumn=10,title=SCN021::"
        "unknown step 'scann' (did you mean 'scan'?)"
    )


def test_a_long_line_is_cut_round_the_place() -> None:
    """The caret stays below its word in a line that is too long for a terminal."""
    line = "x" * 300 + "HERE" + "y" * 300
    text = Diagnostic("SCN011", "m", Place("f", 1, 301, 4), line, "", Severity.ERROR).to_text()
    shown, carets = text.splitlines()[2:]
    assert len(shown) <= diagnostics.SOURCE_COLUMNS_MAX + 3
    start = carets.index("^")
    assert shown[start : start + 4] == "HERE"
    assert shown.startswith("1| …")
    assert shown.endswith("…")


def test_a_repeated_complaint_is_told_once() -> None:
    """The same mistake found on two ways is one complaint; others are in the file's order."""
    later = Diagnostic("SCN011", "m", Place("f", 9, 1), "")
    earlier = Diagnostic("SCN011", "m", Place("f", 2, 1), "")
    assert diagnostics.in_order([later, earlier, later]) == [earlier, later]
