"""The pages about the language are true: the reference is generated, the tutorial is executed."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from scenarios.language.reference import reference
from scenarios.language.verbs import VERBS
from scenarios.language.vocabulary import SIGNALS
from scenarios.scenario_cli import app

if TYPE_CHECKING:
    import pytest

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```(ya?ml|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXIT_CODE = re.compile(r"^\(exit code (\d+)\)\n", re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_the_reference_is_that_of_the_models() -> None:
    """The file is what the generator prints, and leaves out no verb and no signal."""
    page = (DOCS / "scenario-reference.md").read_text("utf-8")
    assert page == reference(), (
        "python -m scenarios.language.reference > docs/scenario-reference.md"
    )
    assert all(f"### `{verb}`\n" in page for verb in VERBS)
    assert all(f"| `{signal.path}` |" in page for signal in SIGNALS)


def test_the_tutorial_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is written, each command is run, and prints what stands below it."""
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "scenario-tutorial.md").read_text("utf-8")
    commands = 0
    for kind, body in BLOCK.findall(page):
        if kind != "text":
            name = "cellar.fail.yaml" if body.startswith("change:") else "cellar.scn.yaml"
            Path(name).write_text(body, encoding="utf-8")
            continue
        for session in re.split(r"^\$ meterbench scenario ", body, flags=re.MULTILINE)[1:]:
            command, _, printed = session.partition("\n")
            _run(command, printed)
            commands += 1
    assert commands == 7


def _run(command: str, printed: str) -> None:
    code = EXIT_CODE.search(printed)
    want = EXIT_CODE.sub("", printed)
    done = CliRunner().invoke(app, command.split())
    # A working copy tells its commit, an installed wheel has none to tell.
    got = re.sub(r"^ +commit: .*\n", "", done.stderr + done.stdout, flags=re.MULTILINE)
    assert doctest.OutputChecker().check_output(want, got, FLAGS), f"$ {command}\n{got}"
    assert done.exit_code == (int(code[1]) if code else 0), f"$ {command}\n{got}"
