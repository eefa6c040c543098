"""Running scenario files: find them, compile them, run them, and join what came out.

A file that does not check stops everything before anything runs, with all complaints of all files.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import time
from dataclasses import dataclass, field
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reports.record import Case, Run, RunRecord, Trace
from reports.verdict import Verdict, join
from scenarios import requirements
from scenarios.backends.base import BackendError, UnjudgedError
from scenarios.commit import commit
from scenarios.compliance import pics
from scenarios.judging import Judged, judge_run, not_run
from scenarios.language.applicability import UNIT_LOADS, applies
from scenarios.language.compile import Compiled, compile_path, gaps
from scenarios.language.diagnostics import Diagnostic, ScenarioError, errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from scenarios.backends.base import Backend, Outcome
    from scenarios.language.ir import Scenario

#: How a scenario file is called.
SUFFIX: Final = ".scn.yaml"
#: ``@library`` is the packaged library, ``@library/faults`` one theme of it.
LIBRARY: Final = "@library"

_NS_PER_S: Final = 1_000_000_000


class SelectionError(ValueError):
    """What was asked for is no scenario: no such file, or nothing in the folder."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A scenario file: where it is, and what it is called in messages and results."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario, run once with one seed on one backend."""

    scenario: Scenario
    seed: int
    backend: str
    judged: Judged
    trace: str
    trace_sha256: str | None
    virtual_ns: int
    real_ns: int
    #: What passed on the wires, as files by their names.
    captures: Mapping[str, bytes] = field(default_factory=dict)
    #: What the command needs besides the name of the backend.
    options: str = ""
    #: How far apart two events must lie for their order to be known.
    uncertainty_ns: int = 0

    @property
    def verdict(self) -> Verdict:
        """The joined verdict of its cases."""
        return self.judged.verdict

    @property
    def repeat_command(self) -> str:
        """The one command that repeats this run."""
        file = shlex.quote(self.scenario.file)
        where = f"--backend {self.backend}{self.options}"
        return f"meterbench scenario run {file} {where} --seed {self.seed}"

    def to_document(self) -> dict[str, Any]:
        """Return the entry of ``scenario run --json``."""
        return {
            "file": self.scenario.file,
            "seed": self.seed,
            "backend": self.backend,
            "verdict": self.verdict.value,
            "reason": self.judged.reason,
            "trace_sha256": self.trace_sha256,
            "cases": [
                {"id": case.id, "verdict": case.verdict.value, "reason": case.reason}
                for case in self.judged.cases
            ],
        }


# --- Finding files ----------------------------------------------------------------------------


def library_folder() -> Path:
    """Return the folder of the packaged library."""
    return Path(str(resources.files("scenarios").joinpath("library")))


def select(arguments: Iterable[str]) -> list[Selected]:
    """Return the scenario files that the arguments name, each once, folders in order of path.

    Raises SelectionError for one that names nothing.
    """
    found: dict[Path, Selected] = {}
    for argument in arguments:
        for selected in _select_one(argument):
            found.setdefault(selected.path.resolve(), selected)
    return list(found.values())


def _select_one(argument: str) -> list[Selected]:
    if argument == LIBRARY or argument.startswith(f"{LIBRARY}/"):
        folder = library_folder()
        below = argument.removeprefix(LIBRARY).strip("/")
        return _below(folder / below, argument, lambda path: _library_name(folder, path))
    return _below(Path(argument), argument, str)


def _library_name(folder: Path, path: Path) -> str:
    return f"{LIBRARY}/{path.relative_to(folder).as_posix()}"


def _below(path: Path, argument: str, name: Callable[[Path], str]) -> list[Selected]:
    if not path.exists() and path.with_name(path.name + SUFFIX).is_file():
        path = path.with_name(path.name + SUFFIX)
    if path.is_file():
        return [Selected(path, name(path))]
    if not path.is_dir():
        raise SelectionError(f"{argument}: no such scenario file or folder")
    files = sorted(path.rglob(f"*{SUFFIX}"))
    if not files:
        raise SelectionError(f"{argument}: no file *{SUFFIX} in this folder")
    return [Selected(file, name(file)) for file in files]


def compile_all(selected: Sequence[Selected]) -> list[Compiled]:
    """Compile every file; raises ScenarioError with all errors of all files."""
    compiled = [compile_path(one.path, name=one.name) for one in selected]
    found: list[Diagnostic] = [
        diagnostic for one in compiled for diagnostic in errors(one.diagnostics)
    ]
    if found:
        raise ScenarioError(found)
    return compiled


# --- Running ----------------------------------------------------------------------------------


def run_scenario(
    scenario: Scenario,
    backend: Backend,
    seed: int | None = None,
    claims: Mapping[str, object] | None = None,
) -> Result:
    """Run one scenario; what breaks in the harness becomes the verdict ERROR.

    `claims` are the options of the device (PICS); by default those of the reference gateway.
    """
    seed = scenario.seed if seed is None else seed
    if scenario.pics is not None:
        known = reference_claims(scenario) if claims is None else claims
        if not applies(scenario.pics, known):
            reason = "this device does not claim what the scenario is about (pics)"
            judged = _unjudged(scenario, Verdict.NOT_APPLICABLE, reason)
            return _result(scenario, seed, backend, judged, None, 0)
    missing = gaps(scenario, backend.name, backend.capabilities)
    blocking = _blocking(scenario, missing)
    if blocking:
        return _result(scenario, seed, backend, not_run(scenario, blocking), None, 0)
    started = time.monotonic_ns()
    try:
        outcome = backend.run(scenario, seed)
    except UnjudgedError as error:
        elapsed = time.monotonic_ns() - started
        judged = _unjudged(scenario, error.verdict, str(error))
        return _result(scenario, seed, backend, judged, None, elapsed)
    except BackendError as error:
        elapsed = time.monotonic_ns() - started
        judged = _unjudged(scenario, Verdict.ERROR, str(error))
        return _result(scenario, seed, backend, judged, None, elapsed)
    elapsed = time.monotonic_ns() - started
    judged = judge_run(scenario, outcome, backend.name, missing)
    return _result(scenario, seed, backend, judged, outcome, elapsed)


def claims_of(statement: pics.Pics) -> dict[str, object]:
    """Return what a statement claims, as a scenario's ``pics`` asks for it."""
    return {**statement.claims.model_dump(), UNIT_LOADS: statement.device.unit_loads}


def reference_claims(scenario: Scenario) -> dict[str, object]:
    """Return the claims of the reference gateway, of the model that a scenario asks for."""
    return {**claims_of(pics.load(pics.REFERENCE)), UNIT_LOADS: scenario.world.unit_loads}


def _blocking(scenario: Scenario, missing: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Return the gaps without which the steps cannot be carried out."""
    owned = {need.place for need in scenario.needs if need.owner}
    return [gap for gap in missing if gap.place not in owned]


def _unjudged(scenario: Scenario, verdict: Verdict, reason: str) -> Judged:
    case = Case(id="do", title=scenario.title, verdict=verdict, reason=reason)
    return Judged(verdict, reason, (case,))


def _result(
    scenario: Scenario,
    seed: int,
    backend: Backend,
    judged: Judged,
    outcome: Outcome | None,
    real_ns: int,
) -> Result:
    trace = outcome.log.to_jsonl() if outcome is not None else ""
    return Result(
        scenario=scenario,
        seed=seed,
        backend=backend.name,
        judged=judged,
        trace=trace,
        trace_sha256=hashlib.sha256(trace.encode()).hexdigest() if outcome is not None else None,
        virtual_ns=outcome.end_ns if outcome is not None else 0,
        real_ns=real_ns,
        captures=outcome.captures if outcome is not None else {},
        options=getattr(backend, "options", ""),
        uncertainty_ns=outcome.uncertainty_ns if outcome is not None else 0,
    )


# --- Joining ----------------------------------------------------------------------------------


def verdict_of(results: Sequence[Result]) -> Verdict | None:
    """Return the joined verdict; None where nothing ran."""
    return join(result.verdict for result in results) if results else None


def to_document(results: Sequence[Result]) -> dict[str, Any]:
    """Return the document of ``scenario run --json``."""
    verdict = verdict_of(results)
    return {
        "verdict": None if verdict is None else verdict.value,
        "tool_version": tool_version(),
        "commit": commit(),
        "scenarios": [result.to_document() for result in results],
    }


def to_record(
    results: Sequence[Result], *, command: str = "", facts: Mapping[str, str] | None = None
) -> RunRecord:
    """Join results into a run record; ids are led by the scenario's name, and seed if it varies.

    `facts` are those of the bench.
    """
    names = _unique_names(results)
    cases: list[Case] = []
    tables = []
    for name, result in zip(names, results, strict=True):
        files = [trace_name(name)] if result.trace else []
        files += captures_of(name, result)
        cases += [
            case.model_copy(update={"id": f"{name}/{case.id}", "traces": tuple(files)})
            for case in result.judged.cases
        ]
        tables += [
            table.model_copy(update={"id": f"{name}/{table.id}"}) for table in result.judged.tables
        ]
    wanted = [id_ for result in results for id_ in result.scenario.verifies]
    return RunRecord.assemble(
        _run(results, command, facts or {}),
        cases,
        catalogue=requirements.load(),
        selected=dict.fromkeys(wanted),
        meters=tables,
        timeline=results[0].judged.timeline if len(results) == 1 else None,
        traces=[
            _trace(name, result)
            for name, result in zip(names, results, strict=True)
            if result.trace
        ]
        + [_capture(name, data) for name, data in captures(results).items()],
    )


def _unique_names(results: Sequence[Result]) -> list[str]:
    """Return a name for each result: the scenario's, with seed or number where it needs one."""
    names = [result.scenario.name for result in results]
    if len(set(names)) < len(names):
        names = [f"{result.scenario.name}@{result.seed}" for result in results]
    if len(set(names)) < len(names):
        names = [f"{name}~{number}" for number, name in enumerate(names)]
    return names


def _run(results: Sequence[Result], command: str, facts: Mapping[str, str]) -> Run:
    seeds = dict.fromkeys(str(result.seed) for result in results)
    backends = dict.fromkeys(result.backend for result in results)
    title = results[0].scenario.title if len(results) == 1 else f"{len(results)} scenarios"
    return Run(
        title=title,
        command=command,
        tool_version=tool_version(),
        commit=commit(),
        seed=", ".join(seeds) or "none",
        backend=", ".join(backends) or "none",
        virtual_duration_ns=sum(result.virtual_ns for result in results),
        real_duration_ns=sum(result.real_ns for result in results),
        facts=dict(facts),
    )


def tool_version() -> str:
    """Return the version of the installed distribution; a bare tree says that it is one."""
    try:
        return metadata.version("meterbench")
    except metadata.PackageNotFoundError:
        return "not installed"


def _trace(name: str, result: Result) -> Trace:
    assert result.trace_sha256 is not None, "a trace has its hash"
    return Trace(
        name=trace_name(name),
        kind="events",
        sha256=result.trace_sha256,
        size_bytes=len(result.trace.encode()),
    )


def _capture(name: str, data: bytes) -> Trace:
    kind = "modbus" if name.endswith("modbus.pcapng") else "bus"
    digest = hashlib.sha256(data).hexdigest()
    return Trace(name=name, kind=kind, sha256=digest, size_bytes=len(data))


def captures(results: Sequence[Result]) -> dict[str, bytes]:
    """Return what passed on the wires of all runs, by file name."""
    pairs = zip(_unique_names(results), results, strict=True)
    return {
        file: data for name, result in pairs for file, data in captures_of(name, result).items()
    }


def captures_of(name: str, result: Result) -> dict[str, bytes]:
    """Return what passed on the wires of one run, by file name."""
    stem = trace_name(name).removesuffix(".jsonl")
    return {f"{stem}.{file}": data for file, data in result.captures.items()}


def trace_name(name: str) -> str:
    """Return the file name of a trace."""
    return re.sub(r"[^A-Za-z0-9_.@~-]", "-", name) + ".jsonl"


def traces(results: Sequence[Result]) -> dict[str, str]:
    """Return the traces by file name, as `to_record` lists them."""
    names = _unique_names(results)
    pairs = zip(names, results, strict=True)
    return {trace_name(name): result.trace for name, result in pairs if result.trace}
