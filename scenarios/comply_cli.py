"""``meterbench comply``: the compliance suite against a target, with its report."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import date
from pathlib import Path  # noqa: TC003 - typer reads the annotations while it runs
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from reports.record import RecordError, RunRecord, load
from reports.verdict import Verdict
from scenarios import comply_options as options
from scenarios import requirements as catalogue
from scenarios.check_cli import expected_meters, host_and_port
from scenarios.compliance import delivery, process_gateway, self_test, suite, targets
from scenarios.compliance import matrix as matrices
from scenarios.compliance import pics as statements
from scenarios.compliance import waivers as accepted
from scenarios.compliance.recording import Asked, assemble
from scenarios.defects import catalogue as catalogue_of_defects
from scenarios.files import replace_file
from scenarios.register_map import listed
from scenarios.register_map.model import MapError
from scenarios.register_map.model import load as load_map
from scenarios.run import tool_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.record import RegisterTable
    from scenarios.register_map.model import RegisterMap

#: Wrong usage, or nothing selected.
EXIT_USAGE: Final = 2
#: Register tables that a report draws; a broken gateway has differences everywhere.
TABLES_MAX: Final = 40
#: Nobody answers at the address.
EXIT_ERROR: Final = 4


def comply(
    target: options.Target = targets.REFERENCE,
    pics: options.Pics = statements.REFERENCE,
    out: options.Out = None,
    requirement: options.Requirement = None,
    meters: options.Meters = None,
    register_map: options.RegisterMap = None,
    intrusive: options.Intrusive = False,
    slow: options.Slow = False,
    real_time: options.RealTime = 10.0,
    seed: options.Seed = 1,
    workers: options.Workers = None,
    as_json: options.AsJson = False,
    fail_fast: options.FailFast = False,
    first: options.First = None,
    propose_pics: options.ProposePics = False,
    test_itself: options.TestItself = False,
    matrix: options.Matrix = False,
    mutants: options.Mutants = None,
    waivers: options.Waivers = None,
    baseline: options.Baseline = None,
    as_of: options.AsOf = None,
) -> None:
    """Check a gateway requirement by requirement, and write the report."""
    workers = workers or os.cpu_count() or 1
    for id_ in requirement or ():
        if id_ not in catalogue.load():
            raise _usage(f"--requirement {id_}: not in the catalogue")
    if test_itself:
        _self_test(workers)
    if matrix:
        _matrix(requirement, workers, out)
    if mutants is not None:
        _mutants(mutants, seed, workers, out)
    if propose_pics:
        _propose(target)
    statement = _statement(pics)
    expected = _register_map(register_map, target)
    started = time.monotonic_ns()
    if target == targets.REFERENCE:
        outcome = (
            _until_it_fails(statement, seed, first or [])
            if fail_fast and not requirement
            else _on_reference(
                statement, requirement, seed, workers, quiet=as_json, fail_fast=fail_fast
            )
        )
    elif target == targets.PROCESS:
        outcome = _on_process(statement, requirement, seed, workers, real_time, quiet=as_json)
    else:
        outcome = _at_address(
            target, statement, meters, expected, intrusive=intrusive, slow=slow, seed=seed
        )
    asked = Asked(target, pics, seed, tuple(requirement or ()), register_map)
    accepted_until = _waivers(waivers)
    record = assemble(
        asked, statement, outcome, accepted_until, _day(as_of), time.monotonic_ns() - started
    )
    code, told = delivery.gate(record, _baseline(baseline))
    if out is not None:
        told += _write(out, record, outcome.traces)
    if as_json:
        typer.echo(record.to_json(), nl=False)
    else:
        _show(record, told)
    raise typer.Exit(code)


def _waivers(path: Path | None) -> list[accepted.Waiver]:
    try:
        return [] if path is None else accepted.load(path)
    except accepted.WaiverError as error:
        raise _usage(str(error)) from error


def _day(text: str | None) -> date:
    try:
        return date.today() if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise _usage(f"--as-of {text}: expected a day such as 2027-01-31") from error


def _baseline(path: Path | None) -> RunRecord | None:
    try:
        return None if path is None else load(path)
    except RecordError as error:
        raise _usage(str(error)) from error


def _register_map(path: Path | None, target: str) -> RegisterMap | None:
    """The user's map, as it is stated: what is wrong with it is what the comparison is for."""
    if path is None:
        return None
    if target in (targets.REFERENCE, targets.PROCESS):
        raise _usage("--map needs --target HOST:PORT: the reference serves many lists, not one")
    try:
        if path.is_dir():
            return listed.of_directory(path)
        if path.suffix.lower() == ".cfg":
            return listed.of_files(path)
        return load_map(path, as_stated=True)
    except MapError as error:
        raise _usage(str(error)) from error


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
    found = _run(selected, statement, seed, workers, requirement, quiet=quiet, fail_fast=fail_fast)
    facts = {"cases of the suite": str(len(selected))}
    return targets.Outcome(
        (*first, *found.cases), "sim", facts, meters=_drawn(found), traces=found.traces
    )


def _until_it_fails(statement: statements.Pics, seed: int, first: list[str]) -> targets.Outcome:
    """The whole suite up to the first case above PASS."""
    cases = targets.reference_statement_cases(statement, seed)
    found = suite.Found((), {})
    if all(case.verdict <= Verdict.PASS for case in cases):
        found = suite.run(suite.one_by_one(first), pics=statement, seed=seed, fail_fast=True)
    facts = {"cases of the suite": "up to the first that does not pass"}
    return targets.Outcome((*cases, *found.cases), "sim", facts, traces=found.traces)


def _on_process(
    statement: statements.Pics,
    requirement: list[str] | None,
    seed: int,
    workers: int,
    real_time_s: float,
    *,
    quiet: bool,
) -> targets.Outcome:
    """Over the network first, then the scenarios behind a pseudo-terminal."""
    try:
        meters = expected_meters(process_gateway.POPULATION, seed)
        seen = targets.as_process(statement, meters, seed, tool_version())
    except process_gateway.ProcessGatewayError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from error
    selected = [
        one for one in suite.select_cases(requirement) if one.id.startswith(suite.LIBRARY_PREFIX)
    ]
    found = _run(
        selected,
        statement,
        seed,
        workers,
        requirement,
        quiet=quiet,
        fail_fast=False,
        real_time_s=real_time_s,
    )
    return replace(
        seen,
        cases=(*seen.cases, *found.cases),
        backend="pty",
        facts={**seen.facts, "scenarios in real time": f"those of at most {real_time_s:g} s"},
        meters=(*seen.meters, *_drawn(found)),
        traces=found.traces,
    )


def _drawn(found: suite.Found) -> tuple[RegisterTable, ...]:
    """The register tables of the report, those with differences first."""
    ranked = sorted(found.tables, key=lambda table: -table.verdict.rank)
    return tuple(ranked[:TABLES_MAX])


def _at_address(
    target: str,
    statement: statements.Pics,
    meters: str | None,
    register_map: RegisterMap | None,
    *,
    intrusive: bool,
    slow: bool,
    seed: int,
) -> targets.Outcome:
    host, port = host_and_port(target)
    expected = None if meters is None else expected_meters(meters, seed)
    try:
        return targets.over_the_network(
            host, port, statement, meters=expected, register_map=register_map,
            intrusive=intrusive, slow=slow, seed=seed, tool_version=tool_version(),
        )  # fmt: skip
    except MapError as error:
        raise _usage(str(error)) from error
    except OSError as error:
        raise _unreachable(target, error) from error


def _run(
    selected: list[suite.Selected],
    statement: statements.Pics,
    seed: int,
    workers: int,
    requirement: list[str] | None,
    *,
    quiet: bool,
    fail_fast: bool,
    real_time_s: float | None = None,
) -> suite.Found:
    with _bar(quiet=quiet) as progress:
        task = progress.add_task("suite", total=len(selected))
        return suite.run(
            selected,
            pics=statement,
            seed=seed,
            workers=workers,
            fail_fast=fail_fast,
            about=requirement or None,
            real_time_s=real_time_s,
            progress=lambda _id: progress.advance(task),
        )


def _self_test(workers: int) -> None:
    with _bar() as progress:
        task = progress.add_task("known-bad gateways", total=len(catalogue_of_defects.load()))
        found = self_test.run(workers=workers, progress=lambda _one: progress.advance(task))
    for line in self_test.table(found):
        typer.echo(line)
    raise typer.Exit(0 if all(one.detected for one in found) else 1)


def _matrix(requirement: list[str] | None, workers: int, out: Path | None) -> None:
    defects = list(catalogue_of_defects.load().values())
    with _bar() as progress:
        task = progress.add_task("known-bad gateways", total=len(defects))
        found = matrices.measure(
            defects,
            requirements=requirement,
            workers=workers,
            progress=lambda _id: progress.advance(task),
        )
    _put(out, "detection.csv", matrices.to_csv(found))
    for line in matrices.table(found):
        typer.echo(line)
    raise typer.Exit(1 if found.broken or any(row.open for row in found.rows) else 0)


def _put(folder: Path | None, name: str, text: str) -> None:
    """Write what was measured of the suite, where that was asked for."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / name, text)
    except OSError as error:
        raise _usage(f"{folder}: cannot be written: {error.strerror}") from error


def _mutants(count: int, seed: int, workers: int, out: Path | None) -> None:
    fates: list[self_test.Fate] = []
    with _bar() as progress:
        task = progress.add_task("mutants", total=count)

        def told(fate: self_test.Fate) -> None:
            # Hundreds take an hour on a busy machine: what is known stays when they are stopped.
            fates.append(fate)
            _put(out, "mutants.csv", self_test.mutants_to_csv(fates))
            progress.advance(task)

        self_test.run_mutants(count, seed, workers=workers, progress=told)
    for line in self_test.mutant_table(fates):
        typer.echo(line)
    raise typer.Exit(0)


def _bar(*, quiet: bool = False) -> Progress:
    """A progress bar beside the output; nothing where nobody looks."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )


def _show(record: RunRecord, told: list[str]) -> None:
    for case in record.cases:
        if case.verdict > Verdict.PASS:
            waived = " (waived)" if record.waived(case) else ""
            typer.echo(f"{case.verdict.value:13} {case.id}{waived}")
            for line in case.reason.splitlines():
                typer.echo(f"              {line}")
    for line in told:
        typer.echo(line)
    counts = ", ".join(f"{n} {v.value}" for v, n in record.counts().items() if n)
    met = sum(row.met for row in record.requirements)
    typer.echo(
        f"{record.verdict.value}  {counts}; "
        f"{met} requirements met, {len(record.not_verified)} not verified"
    )


def _write(folder: Path, record: RunRecord, traces: Mapping[str, str]) -> list[str]:
    try:
        return delivery.write(folder, record, traces)
    except OSError as error:
        raise _usage(f"{folder}: cannot be written: {error.strerror}") from error


def _usage(message: str) -> typer.Exit:
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(EXIT_USAGE)
