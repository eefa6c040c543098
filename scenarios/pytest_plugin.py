"""pytest collects ``*.scn.yaml``: an item a scenario and seed, judged as ``scenario run`` does.

``pytest scenarios/library --scenario-backend pty --seeds 1..20 -k REG-M``. A file that does not
check is a collection error with its diagnostics; a scenario that does not pass shows its findings
in the language's own words, with the command that repeats it and the end of its trace.
INCONCLUSIVE and NOT_RUN fail too: a skip is never a pass; NOT_APPLICABLE is one.

``-k`` also finds requirement ids and themes (the folder). Where allure-pytest writes results, an
item has the labels of its scenario, a step for each case, and its whole trace.
"""

from __future__ import annotations

import argparse
import importlib.util
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

from reports.verdict import Verdict
from scenarios.backends import BACKENDS
from scenarios.language.compile import compile_path
from scenarios.language.diagnostics import ScenarioError
from scenarios.run import SUFFIX, run_scenario

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from scenarios.language.ir import Scenario
    from scenarios.run import Result


#: allure-pytest is an extra of the distribution.
allure: Any = importlib.import_module("allure") if importlib.util.find_spec("allure") else None

#: Lines at the end of a trace that a failing item shows; Allure and a report hold all of it.
TRACE_LINES_SHOWN: Final = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of scenarios."""
    group = parser.getgroup("meterbench scenarios")
    group.addoption(
        "--scenario-backend",
        choices=sorted(BACKENDS),
        default="sim",
        help="where *.scn.yaml items run: sim (virtual time), pty (real time) or hil (a bench)",
    )
    group.addoption(
        "--seed",
        type=int,
        default=None,
        help="seed of every *.scn.yaml item, in place of its own",
    )
    group.addoption(
        "--seeds",
        type=_seeds,
        default=None,
        metavar="A..B",
        help="one *.scn.yaml item for each of these seeds",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "scenario: an item from a *.scn.yaml file")


def _seeds(text: str) -> range:
    """Read ``A..B``, both included."""
    first, dots, last = text.partition("..")
    if not (dots and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"want seeds such as 1..20, got {text!r}")
    return range(int(first), int(last) + 1)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a scenario file."""
    if not file_path.name.endswith(SUFFIX):
        return None
    file: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
    return file


class ScenarioFile(pytest.File):
    """A file with one scenario."""

    def collect(self) -> Iterator[pytest.Item]:
        """Compile the file; raises ScenarioError, which is shown as its diagnostics."""
        compiled = compile_path(self.path, name=self._name())
        scenario = compiled.require()
        seeds, one = self.config.getoption("--seeds"), self.config.getoption("--seed")
        if seeds is None:
            seed = scenario.seed if one is None else one
            yield ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario, seed=seed)
            return
        for seed in seeds:
            name = f"{scenario.name}[seed{seed}]"
            yield ScenarioItem.from_parent(self, name=name, scenario=scenario, seed=seed)

    def _name(self) -> str:
        """Return the path as a person at the project's root would write it."""
        root = self.config.rootpath
        return (
            str(self.path.relative_to(root)) if self.path.is_relative_to(root) else str(self.path)
        )

    def repr_failure(  # type: ignore[override]  # pytest's own collectors take no style either
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> Any:
        """Show the diagnostics of a file that does not check, and no traceback."""
        if isinstance(excinfo.value, ScenarioError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class _CaseBroken(Exception):  # noqa: N818 - it is how Allure is told of "broken"
    """A case that came to no verdict on the target."""


class ScenarioFailure(Exception):  # noqa: N818 - it is a result, not an error of the harness
    """A scenario that did not pass."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.judged.reason)
        self.result = result


class ScenarioItem(pytest.Item):
    """One scenario with one seed on one backend."""

    def __init__(self, *, scenario: Scenario, seed: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._scenario = scenario
        self._seed = seed
        self._backend = BACKENDS[self.config.getoption("--scenario-backend")]
        self.add_marker(pytest.mark.scenario)
        if self._backend.name == "hil":
            # There is one bench: whoever distributes items keeps these together.
            self.add_marker(pytest.mark.xdist_group("bench"))
        self.extra_keyword_matches.update({*scenario.verifies, self.path.parent.name})

    def runtest(self) -> None:
        """Run the scenario; raises ScenarioFailure for every verdict above PASS."""
        result = run_scenario(self._scenario, self._backend, self._seed)
        self._note(result)
        if result.verdict is Verdict.NOT_APPLICABLE:
            pytest.skip(result.judged.reason)
        if result.verdict > Verdict.PASS:
            lines = result.trace.splitlines()[-TRACE_LINES_SHOWN:]
            self.add_report_section("call", "end of the trace", "\n".join(lines))
            raise ScenarioFailure(result)

    def _note(self, result: Result) -> None:
        """Give JUnit what it needs to know where this verdict comes from."""
        for id_ in self._scenario.verifies:
            self.user_properties.append(("requirement", id_))
        self.user_properties += [
            ("verdict", result.verdict.value),
            ("seed", result.seed),
            ("trace_sha256", result.trace_sha256 or ""),
        ]
        if allure is not None:
            self._tell_allure(result)

    def _tell_allure(self, result: Result) -> None:
        """Give Allure labels, a step for each case, and the trace."""
        scenario = self._scenario
        allure.dynamic.title(scenario.title)
        allure.dynamic.feature(self.path.parent.name)
        allure.dynamic.story(scenario.name)
        for name, value in (
            ("verdict", result.verdict.value),
            *(("tag", id_) for id_ in scenario.verifies),
        ):
            allure.dynamic.label(name, value)
        allure.dynamic.parameter("backend", result.backend)
        # Runs of one scenario with different seeds are one history.
        allure.dynamic.parameter("seed", result.seed, excluded=True)
        for case in result.judged.cases:
            ids = f" ({', '.join(case.requirements)})" if case.requirements else ""
            title = f"{case.id}{ids}: {case.title}: {case.verdict.value}"
            with suppress(_CaseBroken, AssertionError), allure.step(title):
                if case.verdict is Verdict.FAIL:
                    raise AssertionError(case.reason)
                if case.verdict > Verdict.PASS:
                    raise _CaseBroken(case.reason)
        if result.trace:
            kind = allure.attachment_type.TEXT
            allure.attach(result.trace, name="trace.jsonl", attachment_type=kind)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the findings."""
        if isinstance(excinfo.value, ScenarioFailure):
            return "\n".join(_findings(excinfo.value.result))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Name the item by its title."""
        return self.path, 0, f"{self._scenario.name}: {self._scenario.title}"


def _findings(result: Result) -> Iterator[str]:
    """Yield the lines that say why a scenario did not pass."""
    scenario = result.scenario
    yield f"{result.verdict.value}: {scenario.title}"
    places = {judged.id: judged.place for judged in scenario.judged}
    for case in result.judged.cases:
        if case.verdict <= Verdict.PASS:
            continue
        place = places.get(case.id, scenario.do.place)
        ids = f" ({', '.join(case.requirements)})" if case.requirements else ""
        yield f"{place}: {case.verdict.value} {case.id}{ids}: {case.title}"
        yield from (f"  {line}" for line in case.reason.splitlines())
    yield f"repeat: {result.repeat_command}"
