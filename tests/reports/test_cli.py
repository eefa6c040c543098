"""``meterbench report``: renderings, exit codes, and clear errors for a broken file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from reports.cli import app
from reports.record import schema
from tests.reports import sample

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, list(arguments))


def written(folder: Path) -> Path:
    """Write the sample record and return its path."""
    path = folder / "result.json"
    path.write_text(sample.record().to_json(), encoding="utf-8")
    return path


def test_build(tmp_path: Path) -> None:
    """Both renderings are written, and the exit code is that of the verdict."""
    page, xml = tmp_path / "r.html", tmp_path / "r.xml"
    result = run("build", str(written(tmp_path)), "--html", str(page), "--junit", str(xml))
    assert result.exit_code == 1, result.output
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert xml.read_text("utf-8").startswith("<?xml")


def test_html_is_the_default(tmp_path: Path) -> None:
    """Without an option the page is written beside the record, and nothing else."""
    path = written(tmp_path)
    run("build", str(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result.html", "result.json"]


def test_broken_file(tmp_path: Path) -> None:
    """Every finding of a broken file is told with its place; exit code 2, no traceback."""
    path = tmp_path / "result.json"
    document = json.loads(sample.record().to_json())
    document["cases"][3]["verdict"] = "GOOD"
    document["meters"][0]["rows"][0]["address"] = 70000
    path.write_text(json.dumps(document), encoding="utf-8")
    result = run("build", str(path))
    assert result.exit_code == 2
    assert f"error: {path}:cases[3].verdict: " in result.output
    assert f"error: {path}:meters[0].rows[0].address: " in result.output
    assert "Traceback" not in result.output


def test_not_json(tmp_path: Path) -> None:
    """A file that is no JSON is told with line and column."""
    path = tmp_path / "result.json"
    path.write_text('{\n  "run": oops\n}', encoding="utf-8")
    result = run("build", str(path))
    assert result.exit_code == 2
    assert f"error: {path}:2:10: expected JSON" in result.output


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that does not exist is named."""
    target = tmp_path / "absent" / "r.html"
    result = run("build", str(written(tmp_path)), "--html", str(target))
    assert result.exit_code == 2
    assert f"error: {target}: cannot be written" in result.output


def test_schema() -> None:
    """The schema is printed as published."""
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.output) == schema()
