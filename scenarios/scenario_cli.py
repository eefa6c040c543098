"""``meterbench scenario``: run, check and explain scenario files; print their JSON schema.

Exit codes: 0 all PASS, 1 a FAIL, 2 a file that does not check or wrong usage, 3 INCONCLUSIVE or
NOT_RUN, 4 an error in the harness. Complaints about files go to standard error.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import Enum, unique
from pathlib import Path  # noqa: TC003 - typer reads the annotations while it runs
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from hil import bench as bench_file
from reports import html, junit
from reports.verdict import Verdict, exit_code, join
from scenarios import comparing, shrinking
from scenarios import proof as proving
from scenarios import run as running
from scenarios.backends import BACKENDS
from scenarios.backends.hil import HilBackend
from scenarios.commit import commit
from scenarios.compliance import pics
from scenarios.files import replace_file
from scenarios.language import diagnostics, durations
from scenarios.language.compile import compile_path, gaps
from scenarios.language.diagnostics import ScenarioError
from scenarios.language.explain import explain as explained
from scenarios.language.formatting import FormattingError, formatted
from scenarios.language.schema import schema as scenario_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.record import Case
    from scenarios.backends.base import Backend
    from scenarios.language.compile import Compiled
    from scenarios.language.diagnostics import Diagnostic
    from scenarios.run import Result

#: Wrong usage, or a file that does not check.
EXIT_USAGE: Final = 2

#: Lines of one reason that are printed; the record and the report hold all of them.
REASON_LINES_MAX: Final = 12

app = typer.Typer(help="Run, check and explain scenario files.", no_args_is_help=True)

_COLOURS: Final = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold magenta",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_RUN: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
}


@unique
class Form(Enum):
    """How complaints about files are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


@unique
class BackendName(Enum):
    """The backends, as an option takes them."""

    SIM = "sim"
    PTY = "pty"
    HIL = "hil"


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE|DIR|@library…",
        help="Scenario files, folders of them, @library, or a theme such as @library/faults.",
    ),
]


@app.callback()
def scenario() -> None:
    """Run, check and explain scenario files."""


@app.command()
def run(
    files: Files,
    backend: Annotated[
        BackendName,
        typer.Option(
            help="sim: virtual time. pty: real time, pseudo-terminal, TCP. hil: a bench file."
        ),
    ] = BackendName.SIM,
    bench: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="hil: the bench; by default one that needs no hardware."),
    ] = None,
    place: Annotated[
        str | None, typer.Option(metavar="NAME", help="hil: its place; by default the first.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="In place of each file's own default seed.")
    ] = None,
    statement: Annotated[
        str | None,
        typer.Option(
            "--pics", metavar="FILE", help="What the device claims; by default the reference's."
        ),
    ] = None,
    compare: Annotated[
        BackendName | None,
        typer.Option(help="Run there too, and print where verdicts or orders of events differ."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write result.json, report.html, junit.xml and the traces."
        ),
    ] = None,
) -> None:
    """Run scenarios and print a verdict for each; the exit code is that of all together."""
    compiled = _compiled(files)
    chosen = _backend(backend, bench, place)
    for one in compiled:
        _print_diagnostics(
            [*one.diagnostics, *gaps(one.require(), chosen.name, chosen.capabilities)]
        )
    claims = _claims(statement)
    results = _run_all(compiled, chosen, seed, claims, quiet=as_json)
    found: list[comparing.Difference] | None = None
    if compare is not None:
        others = _run_all(compiled, BACKENDS[compare.value], seed, claims, quiet=as_json)
        pairs = zip(results, others, strict=True)
        found = [one for pair in pairs for one in comparing.differences(*pair)]
        results += others
    if as_json:
        document = running.to_document(results)
        if found is not None:
            document["differences"] = [asdict(one) for one in found]
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print_summary(results)
        _print_differences(found)
    if report is not None:
        _write_report(report, results, chosen)
    code = exit_code(running.verdict_of(results))
    raise typer.Exit(code or (exit_code(Verdict.INCONCLUSIVE) if found else 0))


@app.command()
def check(
    files: Files,
    form: Annotated[Form, typer.Option("--format", help="How complaints are written.")] = Form.TEXT,
) -> None:
    """Check files without running them: all mistakes of all files at once."""
    selected = _selected(files)
    found: list[Diagnostic] = []
    for one in selected:
        compiled = compile_path(one.path, name=one.name)
        found += compiled.diagnostics
        if compiled.scenario is not None:
            for backend in BACKENDS.values():
                found += gaps(compiled.scenario, backend.name, backend.capabilities)
    writers = {
        Form.TEXT: diagnostics.to_text,
        Form.JSON: diagnostics.to_json,
        Form.GITHUB: diagnostics.to_github,
    }
    if form is Form.TEXT:
        _print_diagnostics(found)
    elif found or form is Form.JSON:
        typer.echo(writers[form](found))
    wrong = diagnostics.errors(found)
    if form is Form.TEXT:
        files_checked = f"{len(selected)} file{'s' if len(selected) != 1 else ''} checked"
        mistakes = f"{len(wrong)} error{'s' if len(wrong) != 1 else ''}"
        typer.echo(f"{files_checked}: {mistakes if wrong else 'nothing to complain about'}")
    raise typer.Exit(EXIT_USAGE if wrong else 0)


@app.command()
def prove(
    files: Files,
    backend: Annotated[BackendName, typer.Option(help="Where they run.")] = BackendName.SIM,
) -> None:
    """Show that scenarios can fail: make the one change of NAME.fail.yaml, and see them FAIL."""
    console = Console(highlight=False, soft_wrap=True)
    proofs = proving.prove(_selected(files), BACKENDS[backend.value])
    for proof in proofs:
        line = Text(f"{proof.verdict.value:<13} {proof.scenario}")
        line.stylize(_COLOURS[proof.verdict], 0, len(proof.verdict.value))
        console.print(line)
        for text in proof.reason.splitlines():
            console.print(f"    {text}", markup=False)
    able = sum(proof.verdict is Verdict.PASS for proof in proofs)
    typer.echo(f"{able} of {len(proofs)} scenarios are shown able to fail")
    raise typer.Exit(exit_code(join(proof.verdict for proof in proofs)))


@app.command()
def explain(files: Files) -> None:
    """Tell in plain English what files do, and what they need on each backend."""
    for number, one in enumerate(_compiled(files)):
        told = one.require()
        missing = {
            name: gaps(told, name, backend.capabilities) for name, backend in BACKENDS.items()
        }
        typer.echo("\n" * bool(number) + explained(told, missing), nl=False)


@app.command()
def fmt(
    files: Files,
    check_only: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 if something would be.")
    ] = False,
) -> None:
    """Lay files out in the one way; comments and meaning stay."""
    changed = 0
    for one in _selected(files):
        text = one.path.read_text(encoding="utf-8")
        try:
            result = formatted(text, one.name)
        except (ScenarioError, FormattingError) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(EXIT_USAGE) from error
        if result == text:
            continue
        changed += 1
        typer.echo(f"{'would change' if check_only else 'changed'} {one.name}")
        if not check_only:
            replace_file(one.path, result)
    raise typer.Exit(int(check_only and changed > 0))


@app.command()
def shrink(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A scenario that fails.")],
    backend: Annotated[BackendName, typer.Option(help="Where it runs.")] = BackendName.SIM,
    seed: Annotated[int | None, typer.Option(help="The seed with which it fails.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs at most.")] = shrinking.RUNS_MAX,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where it goes.")
    ] = None,
) -> None:
    """Print the smallest file that still fails in the same case: fewer meters, steps, faults."""
    (one,) = _selected([file])[:1]
    text = one.path.read_text(encoding="utf-8")
    try:
        found = shrinking.shrink(
            text, one.name, BACKENDS[backend.value], seed=seed, folder=one.path.parent,
            runs_max=runs,
        )  # fmt: skip
    except (ScenarioError, shrinking.NothingToShrinkError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    before, after = (durations.show_time(ns) for ns in found.virtual_ns)
    lines = [len(whole.splitlines()) for whole in (text, found.text)]
    typer.echo(
        f"{found.case} still fails: {lines[0]} lines became {lines[1]}, {before} became {after}, "
        f"in {found.runs} runs{' (no more were allowed)' if found.exhausted else ''}",
        err=True,
    )
    if output is None:
        typer.echo(found.text, nl=False)
    else:
        replace_file(output, found.text)


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for completion in editors."""
    typer.echo(json.dumps(scenario_schema(), indent=2, ensure_ascii=False))


def _backend(name: BackendName, bench: Path | None, place: str | None) -> Backend:
    """Return the backend; a bench file with mistakes, or without that place, ends the command."""
    if name is not BackendName.HIL:
        if bench is not None or place is not None:
            typer.echo("error: --bench and --place go with --backend hil", err=True)
            raise typer.Exit(EXIT_USAGE)
        return BACKENDS[name.value]
    try:
        return HilBackend(bench_file.load(bench) if bench is not None else None, place)
    except (bench_file.BenchError, LookupError) as error:
        typer.echo(f"error: {error.args[0]}", err=True)
        raise typer.Exit(EXIT_USAGE) from error


# --- Files ------------------------------------------------------------------------------------


def _selected(files: list[str]) -> list[running.Selected]:
    try:
        return running.select(files)
    except running.SelectionError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_USAGE) from error


def _compiled(files: list[str]) -> list[Compiled]:
    """Compile all files, or leave with all their errors."""
    try:
        return running.compile_all(_selected(files))
    except ScenarioError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error


def _print_diagnostics(found: Sequence[Diagnostic]) -> None:
    if found:
        typer.echo(diagnostics.to_text(found), err=True)


def _claims(statement: str | None) -> dict[str, object] | None:
    """Read a statement of what the device claims, or leave with its mistakes."""
    if statement is None:
        return None
    try:
        return running.claims_of(pics.load(statement))
    except pics.PicsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error


# --- Running ----------------------------------------------------------------------------------


def _run_all(
    compiled: list[Compiled],
    backend: Backend,
    seed: int | None,
    claims: Mapping[str, object] | None,
    *,
    quiet: bool,
) -> list[Result]:
    """Run one after the other; a bar on a terminal, a line for each result in any case."""
    results: list[Result] = []
    console = Console(highlight=False, soft_wrap=True)
    with Progress(console=console, transient=True, disable=quiet or not sys.stdout.isatty()) as bar:
        task = bar.add_task("scenarios", total=len(compiled))
        for one in compiled:
            told = one.require()
            bar.update(task, description=told.name)
            result = running.run_scenario(told, backend, seed, claims)
            results.append(result)
            bar.advance(task)
            if not quiet:
                _print_result(console, result)
    return results


def _print_result(console: Console, result: Result) -> None:
    """Print one line for the scenario, and what went wrong below it."""
    line = Text()
    line.append(f"{result.verdict.value:<13}", style=_COLOURS[result.verdict])
    line.append(f" {result.scenario.name}  ")
    lasted = f"{result.virtual_ns / 1e9:.3f} s in {result.real_ns / 1e9:.2f} s of wall time"
    line.append(f"[{result.backend}, seed {result.seed}, {lasted}]", style="dim")
    console.print(line)
    for case in result.judged.cases:
        if case.verdict > Verdict.PASS:
            _print_case(console, result, case)
    if result.verdict > Verdict.PASS:
        console.print(f"    repeat: {result.repeat_command}", style="dim", markup=False)
        if (known := commit()) is not None:
            console.print(f"    commit: {known}", style="dim", markup=False)


def _print_case(console: Console, result: Result, case: Case) -> None:
    told = result.scenario
    places = {"do": told.do.place} | {one.id: one.place for one in (*told.judged, *told.faults)}
    place = places.get(case.id)
    where = f"{place}: " if place is not None else ""
    head = Text("    ")
    head.append(case.verdict.value, style=_COLOURS[case.verdict])
    ids = f" ({', '.join(case.requirements)})" if case.requirements else ""
    head.append(f" {where}{case.id}{ids}: {case.title}")
    console.print(head)
    lines = case.reason.splitlines()
    for line in lines[:REASON_LINES_MAX]:
        console.print(f"      {line}", markup=False)
    if len(lines) > REASON_LINES_MAX:
        console.print(f"      and {len(lines) - REASON_LINES_MAX} lines more", style="dim")


def _print_differences(found: list[comparing.Difference] | None) -> None:
    if found is None:
        return
    if not found:
        typer.echo("both backends: the same verdicts, the same order of events")
    for one in found:
        typer.echo(f"differs: {one.about}: {one.left}, but {one.right}")


def _print_summary(results: Sequence[Result]) -> None:
    counts = [
        f"{count} {verdict.value}"
        for verdict in reversed(Verdict)
        if (count := sum(result.verdict is verdict for result in results))
    ]
    total = f"{len(results)} scenario{'s' if len(results) != 1 else ''}"
    typer.echo(f"{total}: {', '.join(counts)}")


def _write_report(folder: Path, results: Sequence[Result], backend: Backend) -> None:
    """Write the record, its renderings and the traces that it names."""
    facts = backend.facts() if isinstance(backend, HilBackend) else {}
    record = running.to_record(results, command="meterbench scenario run", facts=facts)
    files = {
        "result.json": record.to_json(),
        "report.html": html.render(record),
        "junit.xml": junit.render(record),
        **running.traces(results),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        for name, data in running.captures(results).items():
            (folder / name).write_bytes(data)
    except OSError as error:
        typer.echo(f"error: the report cannot be written: {error}", err=True)
        raise typer.Exit(exit_code(Verdict.ERROR)) from error
