"""``meterbench comply``: the compliance suite against a target, with its report."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads the annotations while it runs
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from reports import html, junit
from reports.record import Case, Run, RunRecord, portable_command
from reports.verdict import Verdict
from scenarios import requirements as catalogue
from scenarios.compliance import self_test, suite
from scenarios.run import tool_version

#: Wrong usage, or nothing selected.
EXIT_USAGE: Final = 2


def comply(
    target: Annotated[
        str, typer.Option(help="reference: the reference gateway in virtual time.")
    ] = "reference",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write result.json and its renderings.")
    ] = None,
    requirement: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only cases that decide this; repeat it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every case.")] = 1,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes; by default as many as cores.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run record.")] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="End behind the first case that does not pass.")
    ] = False,
    test_itself: Annotated[
        bool, typer.Option("--self-test", help="Run the suite on every known-bad gateway.")
    ] = False,
    mutants: Annotated[
        int | None,
        typer.Option(metavar="N", help="Run the suite on so many mechanical mutants, by seed."),
    ] = None,
) -> None:
    """Check a gateway requirement by requirement, and write the report."""
    if test_itself:
        _self_test(workers or os.cpu_count() or 1)
    if mutants is not None:
        _mutants(mutants, seed, workers or os.cpu_count() or 1)
    known = catalogue.load()
    for id_ in requirement or ():
        if id_ not in known:
            raise _usage(f"--requirement {id_}: not in the catalogue")
    if target != "reference":
        raise _usage(f"--target {target}: expected reference")
    selected = suite.select_cases(requirement)
    if not selected:
        raise _usage("no case of the suite decides what was asked for")
    started = time.monotonic_ns()
    cases = _run(selected, seed, workers or os.cpu_count() or 1, quiet=as_json, fail_fast=fail_fast)
    wanted = set(requirement) if requirement else None
    if wanted is not None:
        cases = [case for case in cases if not wanted.isdisjoint(case.requirements)]
    run = Run(
        title="Compliance of the reference gateway",
        command=portable_command(["meterbench", *sys.argv[1:]]),
        tool_version=tool_version(),
        seed=str(seed),
        backend="sim",
        real_duration_ns=time.monotonic_ns() - started,
    )
    record = RunRecord.assemble(run, cases, catalogue=known, selected=wanted)
    if out is not None:
        _write(out, record)
    if as_json:
        typer.echo(record.to_json(), nl=False)
    else:
        _show(record, len(selected))
    raise typer.Exit(record.exit_code)


def _run(
    selected: list[suite.Selected],
    seed: int,
    workers: int,
    *,
    quiet: bool,
    fail_fast: bool,
) -> list[Case]:
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    ) as progress:
        task = progress.add_task("suite", total=len(selected))
        return suite.run(
            selected,
            seed=seed,
            workers=workers,
            fail_fast=fail_fast,
            progress=lambda _id: progress.advance(task),
        )


def _self_test(workers: int) -> None:
    found = self_test.run(workers=workers)
    for line in self_test.table(found):
        typer.echo(line)
    raise typer.Exit(0 if all(one.detected for one in found) else 1)


def _mutants(count: int, seed: int, workers: int) -> None:
    for line in self_test.mutant_table(self_test.run_mutants(count, seed, workers=workers)):
        typer.echo(line)
    raise typer.Exit(0)


def _show(record: RunRecord, units: int) -> None:
    for case in record.cases:
        if case.verdict > Verdict.PASS:
            typer.echo(f"{case.verdict.value:13} {case.id}")
            for line in case.reason.splitlines():
                typer.echo(f"              {line}")
    counts = ", ".join(f"{n} {v.value}" for v, n in record.counts().items() if n)
    met = sum(row.met for row in record.requirements)
    typer.echo(
        f"{record.verdict.value}  {units} cases of the suite, {counts}; "
        f"{met} requirements met, {len(record.not_verified)} not verified"
    )


def _write(folder: Path, record: RunRecord) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "result.json").write_text(record.to_json(), encoding="utf-8")
        (folder / "report.html").write_text(html.render(record), encoding="utf-8")
        (folder / "junit.xml").write_text(junit.render(record), encoding="utf-8")
    except OSError as error:
        raise _usage(f"{folder}: cannot be written: {error.strerror}") from error


def _usage(message: str) -> typer.Exit:
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(EXIT_USAGE)
