"""pytest collects scenario files, and shows their findings in the language's own words."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from scenarios.language.builder import Builder, wait
from tests.scenarios import worlds

if TYPE_CHECKING:
    from _pytest.pytester import Pytester, RunResult

pytest_plugins = ["pytester"]

_INSTALLED = any(
    entry.value == "scenarios.pytest_plugin" for entry in metadata.entry_points(group="pytest11")
)


def _builder(that: str) -> Builder:
    return worlds.builder().verifies("LED-02").do(wait("1 s")).check("C1", that, req="LED-02")


def _run(pytester: Pytester, builder: Builder, *arguments: str) -> RunResult:
    pytester.path.joinpath("small.scn.yaml").write_text(builder.to_yaml(), encoding="utf-8")
    plugin = [] if _INSTALLED else ["-p", "scenarios.pytest_plugin"]
    return pytester.runpytest(*plugin, "-p", "no:cacheprovider", *arguments)


def test_a_scenario_is_an_item(pytester: Pytester) -> None:
    """A file gives one item, which passes when the scenario does."""
    result = _run(pytester, _builder("gateway.led.st == green"), "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["small.scn.yaml::small PASSED*"])


def test_a_failure_speaks_the_language(pytester: Pytester) -> None:
    """A FAIL shows line, property, evidence and the command that repeats it; no traceback."""
    result = _run(pytester, _builder("gateway.led.st == red"), "--seed", "4")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*small: A small world*",
            "FAIL: A small world",
            "small.scn.yaml:*: FAIL C1 (LED-02): gateway.led.st == red ?fired once?",
            "*at * s: 'gateway.led.st == red' is false at the end",
            "*gateway.led.st = green since 0 s",
            "repeat: meterbench scenario run small.scn.yaml --backend sim --seed 4",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_what_proves_nothing_does_not_pass(pytester: Pytester) -> None:
    """INCONCLUSIVE is a failed item: a skip is never a pass."""
    result = _run(pytester, _builder("meter(gas).registers.flags == 0"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["INCONCLUSIVE: A small world"])


def test_a_file_that_does_not_check_is_a_collection_error(pytester: Pytester) -> None:
    """Mistakes in a file are shown as its diagnostics, with caret, when it is collected."""
    result = _run(pytester, _builder("gateway.led.st == blue"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["error?SCN033?: gateway.led.st is never 'blue'", "  --> small.scn.yaml:*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_junit_knows_requirement_verdict_and_trace(pytester: Pytester) -> None:
    """The JUnit file binds the item to its requirements, its seed and its trace."""
    _run(pytester, _builder("gateway.led.st == green"), "--junit-xml", "out.xml")
    text = pytester.path.joinpath("out.xml").read_text(encoding="utf-8")
    for name, value in (("requirement", "LED-02"), ("verdict", "PASS"), ("seed", "1")):
        assert f'name="{name}" value="{value}"' in text
    assert 'name="trace_sha256"' in text


def test_an_unknown_backend_is_refused(pytester: Pytester) -> None:
    """The option names the backends that there are."""
    result = _run(pytester, _builder("gateway.led.st == green"), "--scenario-backend", "moon")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*invalid choice: 'moon'*"])


def test_each_seed_is_an_item(pytester: Pytester) -> None:
    """A range of seeds gives one item for each, named by it."""
    result = _run(pytester, _builder("gateway.led.st == green"), "--seeds", "3..5", "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [f"small.scn.yaml::small?seed{seed}? PASSED*" for seed in (3, 4, 5)]
    )
    wrong = _run(pytester, _builder("gateway.led.st == green"), "--seeds", "5..3")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR


def test_items_are_chosen_by_requirement_and_marker(pytester: Pytester) -> None:
    """``-k`` knows the requirements of a scenario, ``-m`` that it is one."""
    good = _builder("gateway.led.st == green")
    _run(pytester, good, "-k", "LED-02", "-m", "scenario").assert_outcomes(passed=1)
    _run(pytester, good, "-k", "REG-M").assert_outcomes(deselected=1)


def test_a_failure_shows_the_end_of_its_trace(pytester: Pytester) -> None:
    """What happened last stands below the findings."""
    result = _run(pytester, _builder("gateway.led.st == red"))
    result.stdout.fnmatch_lines(["*end of the trace*", '{"at_ns":*"path":*'])


def test_a_device_that_does_not_claim_it_is_a_skip_with_its_reason(pytester: Pytester) -> None:
    """NOT_APPLICABLE is no failure, and says why."""
    builder = _builder("gateway.led.st == green")
    text = builder.to_yaml().replace("world:", "pics: transparent\nworld:", 1)
    pytester.path.joinpath("other.scn.yaml").write_text(text, encoding="utf-8")
    result = _run(pytester, builder, "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*does not claim*"])


def test_allure_gets_labels_steps_and_the_trace(pytester: Pytester) -> None:
    """The results tell verdict, requirements and cases, and hold the trace."""
    pytest.importorskip("allure_pytest")
    _run(pytester, _builder("gateway.led.st == red"), "--alluredir", "out", "--seed", "4")
    folder = pytester.path / "out"
    (file,) = folder.glob("*-result.json")
    told = json.loads(file.read_text(encoding="utf-8"))
    labels = {(label["name"], label["value"]) for label in told["labels"]}
    assert {("verdict", "FAIL"), ("story", "small"), ("tag", "LED-02")} <= labels
    assert [step["status"] for step in told["steps"]] == ["passed", "failed"]
    assert told["steps"][1]["name"].startswith("C1 (LED-02): gateway.led.st == red")
    seed = next(one for one in told["parameters"] if one["name"] == "seed")
    assert (seed["value"], seed["excluded"]) == ("4", True)
    (trace,) = told["attachments"]
    assert '"path":"gateway.led.st"' in (folder / trace["source"]).read_text("utf-8")


def test_items_are_the_same_for_every_worker(pytester: Pytester) -> None:
    """Xdist runs each item once, in whatever process."""
    pytest.importorskip("xdist")
    result = _run(pytester, _builder("gateway.led.st == green"), "-n", "2", "--seeds", "1..4")
    result.assert_outcomes(passed=4)
