"""Rules of the house that a machine can check, so that nobody has to remember them."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGES = ("gateway", "simulators", "hil", "scenarios", "reports")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 700
FORBIDDEN_NAMES = re.compile(r"(?:^|_)(?:utils?|helpers?|managers?|misc|common)(?:_|$)")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b|NotImplementedError|# type: ignore\s*$")

#: A page citation ("MBDOC48 p.63") and a section citation ("manual 6.2", "MODBUS-APS 6.21").
PAGE_CITATION = re.compile(r"\b([A-Za-z][\w-]*) pp?\. ?\d")
SECTION_CITATION = re.compile(r"\b(manual|MODBUS-[A-Z]+) (?:\d+(?:\.\d+)*|[A-Z]\b)")
DECISION_CITATION = re.compile(r"\bC-(\d\d)\b")


def sources() -> Iterator[Path]:
    """Every module of the five packages."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def source_ids(path: Path) -> str:
    """The name of a module in test ids and messages."""
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def standards() -> str:
    """The register of sources."""
    return (ROOT / "docs" / "standards.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", list(sources()), ids=source_ids)
def test_functions_and_files_stay_readable(path: Path) -> None:
    """A function fits a screen or two, a file can be read in one go."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= FILE_LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", list(sources()), ids=source_ids)
def test_nothing_is_left_unfinished(path: Path) -> None:
    """No stub, no note to oneself, no nameless silencing of the type checker."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        assert not UNFINISHED.search(line), f"line {number}: {line.strip()}"


def test_modules_are_named_for_what_they_hold() -> None:
    """A name such as utils says nothing about what is inside."""
    offenders = [source_ids(path) for path in sources() if FORBIDDEN_NAMES.search(path.stem)]
    assert offenders == []


@pytest.mark.parametrize("path", list(sources()), ids=source_ids)
def test_citations_name_registered_sources(path: Path, standards: str) -> None:
    """Every cited document is in the register of sources, with the edition that was read."""
    text = path.read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `([^`]+)` \|", standards, re.MULTILINE))
    cited = set(PAGE_CITATION.findall(text)) | set(SECTION_CITATION.findall(text))
    assert cited <= known, f"not in docs/standards.md: {sorted(cited - known)}"


@pytest.mark.parametrize("path", list(sources()), ids=source_ids)
def test_cited_decisions_are_written_down(path: Path) -> None:
    """Every decision that the code appeals to stands in docs/decisions."""
    decisions = (ROOT / "docs" / "decisions" / "device.md").read_text(encoding="utf-8")
    recorded = set(re.findall(r"^\| C-(\d\d) \|", decisions, re.MULTILINE))
    cited = set(DECISION_CITATION.findall(path.read_text(encoding="utf-8")))
    assert cited <= recorded, f"not in docs/decisions/device.md: {sorted(cited - recorded)}"


def test_device_code_never_swallows_cancellation() -> None:
    """Cancelled is a BaseException: device code that caught it would outlive its scope."""
    for path in sorted((ROOT / "gateway" / "device").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught = "everything" if node.type is None else ast.unparse(node.type)
                assert caught != "everything", f"{source_ids(path)}:{node.lineno}"
                assert "BaseException" not in caught, f"{source_ids(path)}:{node.lineno}"


def test_every_test_folder_is_a_package() -> None:
    """Without __init__.py a folder tests/gateway would be imported as the package gateway."""
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [source_ids(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert missing == []
