"""A scenario is for devices that claim what it is about; for others it is NOT_APPLICABLE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from reports.verdict import Verdict
from scenarios.backends.sim import SimBackend
from scenarios.compliance.pics import Claims
from scenarios.language.applicability import CLAIMS, applies, findings
from scenarios.language.compile import compile_text
from scenarios.language.properties import parse
from scenarios.run import run_scenario
from scenarios.scenario_cli import app
from tests.scenarios import worlds

if TYPE_CHECKING:
    from pathlib import Path


def test_the_options_are_those_of_a_statement() -> None:
    """One name for one option, here and in a PICS file."""
    assert set(CLAIMS) == set(Claims.model_fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("swap", True),
        ("udp", False),
        ("not udp", True),
        ("swap and udp", False),
        ("swap or udp", True),
        ("udp -> swap", True),
        ("swap -> udp", False),
        ("swap iff udp", False),
        ("unit_loads == 80", True),
        ("unit_loads != 80", False),
    ],
)
def test_a_condition_goes_by_the_claims(text: str, expected: bool) -> None:
    """Each connective, and the one number."""
    formula = parse(text)
    assert list(findings(formula)) == []
    assert applies(formula, {"swap": True, "udp": False, "unit_loads": 80}) is expected


def test_what_is_not_claimed_is_not_run(tmp_path: Path) -> None:
    """The verdict is NOT_APPLICABLE, which is no gap; the statement decides."""
    text = worlds.builder().check("C1", "gateway.led.st == green").do({"wait": "1 s"}).to_yaml()
    text = text.replace("world:", "pics: swap\nworld:", 1)
    scenario = compile_text(text).require()
    assert run_scenario(scenario, SimBackend()).verdict is Verdict.PASS
    without = run_scenario(scenario, SimBackend(), claims={"swap": False})
    assert without.verdict is Verdict.NOT_APPLICABLE
    assert without.trace_sha256 is None
    file, statement = tmp_path / "x.scn.yaml", tmp_path / "device.yaml"
    file.write_text(text, encoding="utf-8")
    statement.write_text("pics: device\ntitle: A device\nclaims: {swap: false}\n", "utf-8")
    done = CliRunner().invoke(app, ["run", str(file), "--pics", str(statement)])
    assert done.exit_code == 0
    assert done.stdout.startswith("NOT_APPLICABLE")
    wrong = CliRunner().invoke(app, ["run", str(file), "--pics", str(file)])
    assert wrong.exit_code == 2
