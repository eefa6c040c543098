"""``meterbench comply``: the compliance suite against a target, with its report."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads the annotations while it runs
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from reports import html, junit
from reports.record import Case, Run, RunRecord, portable_command
from reports.verdict import Verdict
from scenarios import comply_options as options
from scenarios import requirements as catalogue
from scenarios.check_cli import expected_meters, host_and_port
from scenarios.compliance import pics as statements
from scenarios.compliance import self_test, suite, targets
from scenarios.run import tool_version

#: Wrong usage, or nothing selected.
EXIT_USAGE: Final = 2
#: Nobody answers at the address.
EXIT_ERROR: Final = 4


def comply(
    target: options.Target = targets.REFERENCE,
    pics: options.Pics = statements.REFERENCE,
    out: options.Out = None,
    requirement: options.Requirement = None,
    meters: options.Meters = None,
    intrusive: options.Intrusive = False,
    slow: options.Slow = False,
    seed: options.Seed = 1,
    workers: options.Workers = None,
    as_json: options.AsJson = False,
    fail_fast: options.FailFast = False,
    propose_pics: options.ProposePics = False,
    test_itself: options.TestItself = False,
    mutants: options.Mutants = None,
) -> None:
    """Check a gateway requirement by requirement, and write the report."""
    workers = workers or os.cpu_count() or 1
    if test_itself:
        _self_test(workers)
    if mutants is not None:
        _mutants(mutants, seed, workers)
    if propose_pics:
        _propose(target)
    known = catalogue.load()
    for id_ in requirement or ():
        if id_ not in known:
            raise _usage(f"--requirement {id_}: not in the catalogue")
    statement = _statement(pics)
    started = time.monotonic_ns()
    if target == targets.REFERENCE:
        outcome = _on_reference(
            statement, requirement, seed, workers, quiet=as_json, fail_fast=fail_fast
        )
    else:
        outcome = _at_address(target, statement, meters, intrusive=intrusive, slow=slow, seed=seed)
    wanted = set(requirement) if requirement else None
    cases = [c for c in outcome.cases if wanted is None or not wanted.isdisjoint(c.requirements)]
    run = Run(
        title=f"Compliance of {statement.title}",
        command=portable_command(["meterbench", *sys.argv[1:]]),
        tool_version=tool_version(),
        seed=str(seed),
        backend=outcome.backend,
        real_duration_ns=time.monotonic_ns() - started,
        facts={**outcome.facts, **statement.facts()},
    )
    record = RunRecord.assemble(
        run, cases, catalogue=known, selected=wanted, gateway=outcome.gateway, meters=outcome.meters
    )
    record = targets.with_reasons(record, targets.not_verified(target, known, cases))
    if out is not None:
        _write(out, record)
    if as_json:
        typer.echo(record.to_json(), nl=False)
    else:
        _show(record)
    raise typer.Exit(record.exit_code)


def _statement(name: str) -> statements.Pics:
    try:
        return statements.load(name)
    except statements.PicsError as error:
        raise _usage(str(error)) from error


def _propose(target: str) -> None:
    host, port = host_and_port(target)
    try:
        typer.echo(targets.propose(host, port).to_yaml(), nl=False)
    except OSError as error:
        raise _unreachable(target, error) from error
    raise typer.Exit(0)


def _unreachable(target: str, error: OSError) -> typer.Exit:
    typer.echo(f"error: {target}: {error}", err=True)
    return typer.Exit(EXIT_ERROR)


def _on_reference(
    statement: statements.Pics,
    requirement: list[str] | None,
    seed: int,
    workers: int,
    *,
    quiet: bool,
    fail_fast: bool,
) -> targets.Outcome:
    selected = suite.select_cases(requirement)
    if not selected:
        raise _usage("no case of the suite decides what was asked for")
    first = [] if requirement else targets.reference_statement_cases(statement, seed)
    cases = _run(selected, statement, seed, workers, quiet=quiet, fail_fast=fail_fast)
    facts = {"cases of the suite": str(len(selected))}
    return targets.Outcome((*first, *cases), "sim", facts)


def _at_address(
    target: str,
    statement: statements.Pics,
    meters: str | None,
    *,
    intrusive: bool,
    slow: bool,
    seed: int,
) -> targets.Outcome:
    host, port = host_and_port(target)
    expected = None if meters is None else expected_meters(meters, seed)
    try:
        return targets.over_the_network(
            host, port, statement, meters=expected, intrusive=intrusive, slow=slow, seed=seed,
            tool_version=tool_version(),
        )  # fmt: skip
    except OSError as error:
        raise _unreachable(target, error) from error


def _run(
    selected: list[suite.Selected],
    statement: statements.Pics,
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
            pics=statement,
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


def _show(record: RunRecord) -> None:
    for case in record.cases:
        if case.verdict > Verdict.PASS:
            typer.echo(f"{case.verdict.value:13} {case.id}")
            for line in case.reason.splitlines():
                typer.echo(f"              {line}")
    counts = ", ".join(f"{n} {v.value}" for v, n in record.counts().items() if n)
    met = sum(row.met for row in record.requirements)
    typer.echo(
        f"{record.verdict.value}  {counts}; "
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
