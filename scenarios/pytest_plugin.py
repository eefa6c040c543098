"""pytest collects ``*.scn.yaml``: one item a scenario, judged as ``meterbench scenario run`` does.

``pytest scenarios/library --scenario-backend pty --seed 7``. A file that does not check is a
collection error with its diagnostics; a scenario that does not pass shows its findings in the
language's own words, with the command that repeats it. INCONCLUSIVE and NOT_RUN fail too: a skip
is never a pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of scenarios."""
    group = parser.getgroup("meterbench scenarios")
    group.addoption(
        "--scenario-backend",
        choices=sorted(BACKENDS),
        default="sim",
        help="where *.scn.yaml items run: sim (virtual time) or pty (real time)",
    )
    group.addoption(
        "--seed",
        type=int,
        default=None,
        help="seed of every *.scn.yaml item, in place of its own",
    )


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
        yield ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario)

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


class ScenarioFailure(Exception):  # noqa: N818 - it is a result, not an error of the harness
    """A scenario that did not pass."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.judged.reason)
        self.result = result


class ScenarioItem(pytest.Item):
    """One scenario with one seed on one backend."""

    def __init__(self, *, scenario: Scenario, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._scenario = scenario

    def runtest(self) -> None:
        """Run the scenario; raises ScenarioFailure for every verdict above PASS."""
        backend = BACKENDS[self.config.getoption("--scenario-backend")]
        result = run_scenario(self._scenario, backend, self.config.getoption("--seed"))
        self._note(result)
        if result.verdict > Verdict.PASS:
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
