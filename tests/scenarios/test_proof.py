"""A scenario is shown able to fail by one change; what shows nothing is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from reports.verdict import Verdict
from scenarios import proof
from scenarios.backends import BACKENDS
from scenarios.proof import Edit, ProofError, patched
from scenarios.run import select
from scenarios.scenario_cli import app
from tests.scenarios import worlds

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# a comment that stays
world: {gateway: {config: {METER_TIME: 10}}}
expect:
  - {id: E1, that: a}
  - {id: E2, that: b}
"""


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        ({"at": "world/gateway/config/METER_TIME", "put": 60}, "METER_TIME: 60"),
        ({"at": "world/gateway/config/MBUS_MAXRETRY", "put": 0}, "MBUS_MAXRETRY: 0"),
        ({"at": "expect/E2/that", "put": "c"}, "- {id: E2, that: c}"),
        ({"at": "expect/0", "put": {"id": "E3"}}, "id: E3"),
        ({"at": "expect/-", "put": {"id": "E3"}}, "id: E3"),
        ({"at": "world", "put": None}, "world:"),
    ],
)
def test_an_edit_puts_something_at_a_path(edit: dict[str, object], line: str) -> None:
    """Keys, numbers and ids lead to the place; comments stay."""
    text = patched(TEXT, [Edit.model_validate(edit)], "x.fail.yaml")
    assert line in text
    assert text.startswith("# a comment that stays\n")


def test_an_edit_takes_something_away() -> None:
    """``remove`` leaves the rest."""
    text = patched(TEXT, [Edit(at="expect/E1", remove=True)], "x.fail.yaml")
    assert "E1" not in text
    assert "E2" in text


@pytest.mark.parametrize("at", ["nowhere/x", "expect/E9/that", "expect/7", "world/gateway/x/y"])
def test_a_path_that_leads_nowhere_is_told(at: str) -> None:
    """A patch that changes nothing would prove nothing."""
    with pytest.raises(ProofError, match=r"^x\.fail\.yaml: at .*: nothing at "):
        patched(TEXT, [Edit(at=at, put=1)], "x.fail.yaml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("change: something else than before\nfails: [C1]\n", "either 'patch' or 'defect'"),
        ("change: something else\ndefect: no-such\nfails: [C1]\n", "no known-bad gateway"),
        ("change: something else\npatch: [{at: x}]\nfails: [C1]\n", "'put' or 'remove: true'"),
        ("change: something else\npatch: [{at: x, put: 1}]\nfails: []\n", "fails: .*at least 1"),
        ("change: [\n", "cannot be read"),
    ],
)
def test_a_file_that_shows_nothing_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    """Each mistake is told with the file."""
    path = tmp_path / "x.fail.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ProofError, match=rf"x\.fail\.yaml: .*{complaint}"):
        proof.read(path)


def _scenario(folder: Path, patch: str = "") -> list[str]:
    builder = worlds.builder().check("C1", "gateway.led.st == green").do({"wait": "1 s"})
    (folder / "x.scn.yaml").write_text(builder.to_yaml(), "utf-8")
    if patch:
        text = f"change: Something else is expected.\npatch: [{patch}]\nfails: [C1]\n"
        (folder / "x.fail.yaml").write_text(text, "utf-8")
    return [str(folder)]


@pytest.mark.parametrize(
    ("patch", "verdict", "reason"),
    [
        ("{at: check/C1/that, put: gateway.led.st == red}", Verdict.PASS, ""),
        ("{at: title, put: Another}", Verdict.FAIL, "should fail C1, and came out PASS"),
        ("{at: check/C1/that, put: gateway.led.st == blue}", Verdict.ERROR, "SCN033"),
        ("", Verdict.INCONCLUSIVE, "there is no x.fail.yaml"),
    ],
)
def test_a_proof_says_what_it_shows(
    tmp_path: Path, patch: str, verdict: Verdict, reason: str
) -> None:
    """Only a change that makes the named cases FAIL proves anything."""
    (found,) = proof.prove(select(_scenario(tmp_path, patch)), BACKENDS["sim"])
    assert found.verdict is verdict
    assert reason in found.reason


def test_the_command_prints_what_is_shown(tmp_path: Path) -> None:
    """One line for each scenario, and the exit code of all together."""
    files = _scenario(tmp_path, "{at: check/C1/that, put: gateway.led.st == red}")
    done = CliRunner().invoke(app, ["prove", *files])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "1 of 1 scenarios are shown able to fail"
    (tmp_path / "x.fail.yaml").unlink()
    assert CliRunner().invoke(app, ["prove", *files]).exit_code == 3
