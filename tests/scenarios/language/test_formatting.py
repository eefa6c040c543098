"""One layout, the same meaning, and every comment still there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

from scenarios.language.diagnostics import ScenarioError
from scenarios.language.formatting import formatted
from scenarios.run import select
from scenarios.scenario_cli import app
from tests.scenarios.language.test_compile import TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from scenarios.run import Selected

UGLY = """\
# what this is about
do:
# first look
- scan: {}
- wait_until: {gateway.scan: done}   # the end
  within:   30s
-   wait: 1.5s

# who is there
world:
    meters:
    -   {id: water,   profile: water-cold, identification_number: 20000002}
version: 1
scenario: ugly
title: "Quotes stay,  and so do blanks inside them"
"""


def test_sections_are_put_in_order_with_their_comments() -> None:
    """Sections stand in the order of the reference; a comment goes with what is below it."""
    text = formatted(UGLY, "u.scn.yaml")
    assert text == (
        "# what this is about\n"
        "scenario: ugly\n"
        "version: 1\n"
        'title: "Quotes stay,  and so do blanks inside them"\n'
        "\n"
        "# who is there\n"
        "world:\n"
        "  meters:\n"
        "    - {id: water, profile: water-cold, identification_number: 20000002}\n"
        "do:\n"
        "# first look\n"
        "  - scan: {}\n"
        "  - wait_until: {gateway.scan: done} # the end\n"
        "    within: 30 s\n"
        "  - wait: 1.5 s\n"
    )


@pytest.mark.parametrize("selected", select(["@library"]), ids=lambda one: one.name)
def test_the_library_is_formatted(selected: Selected) -> None:
    """Whoever copies from the library copies its layout."""
    text = selected.path.read_text("utf-8")
    assert formatted(text, selected.name) == text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_formatting_twice_is_formatting_once(data: st.DataObject) -> None:
    """Whatever is damaged in a file, its layout is settled at once, and its meaning stays."""
    lines = TEXT.splitlines()
    for _ in range(data.draw(st.integers(0, 3))):
        lines.insert(data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from(SCRAPS)))
    text = "\n".join(lines) + "\n"
    try:
        once = formatted(text, "f.scn.yaml")
    except ScenarioError:
        return
    assert formatted(once, "f.scn.yaml") == once
    assert YAML(typ="safe").load(once) == YAML(typ="safe").load(text)


SCRAPS = ["", "# a comment", "  # another", "      ", "extra: 3", "other: [1,\n  2]"]


def test_the_command_rewrites_and_only_checks(tmp_path: Path) -> None:
    """``fmt`` changes the file, ``--check`` only says so."""
    file = tmp_path / "u.scn.yaml"
    file.write_text(UGLY, encoding="utf-8")
    runner = CliRunner()
    checked = runner.invoke(app, ["fmt", "--check", str(file)])
    assert (checked.exit_code, checked.stdout) == (1, f"would change {file}\n")
    assert file.read_text("utf-8") == UGLY
    assert runner.invoke(app, ["fmt", str(file)]).exit_code == 0
    assert file.read_text("utf-8") == formatted(UGLY, "u")
    assert runner.invoke(app, ["fmt", "--check", str(file)]).exit_code == 0
    file.write_text("a: [", encoding="utf-8")
    assert runner.invoke(app, ["fmt", str(file)]).exit_code == 2
