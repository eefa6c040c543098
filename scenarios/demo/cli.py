"""``meterbench demo`` as a command: options, what is printed, exit code."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from reports import html, junit
from reports.record import Run, RunRecord
from reports.verdict import Verdict
from scenarios.demo import view as views
from scenarios.demo.basement import Basement
from scenarios.demo.verdict import conclude
from scenarios.demo.view import value_text
from scenarios.run import tool_version
from simulators import population as populations
from simulators.document import PopulationError
from simulators.modbus import tables

if TYPE_CHECKING:
    from scenarios.demo.view import View
    from simulators.population import Population

EXIT_USAGE: Final = 2
EXIT_ERROR: Final = 4
#: Seconds between two looks at the state.
TICK_S: Final = 0.25
#: Findings printed of a failed run; the report has all.
FINDINGS_MAX: Final = 20
_STYLES: Final = {Verdict.PASS: "bold green", Verdict.FAIL: "bold red", Verdict.ERROR: "bold red"}


def demo(
    seconds: Annotated[
        float, typer.Option(metavar="S", min=1.0, max=3600.0, help="How long it runs.")
    ] = 20.0,
    report: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the report is written.")
    ] = Path("meterbench-report"),
    population: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="The meters: a ready population or a file.")
    ] = "demo",
    seed: Annotated[int, typer.Option(help="Decides everything that is drawn by chance.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result for scripts.")] = False,
) -> None:
    """Watch a simulated basement of meters being found, read, served and checked.

    Everything is embedded: a simulated M-Bus line, the reference gateway on it, a Modbus client
    that reads every register back, and a check of the layout against what the meters really hold.
    Exit code 0: all as it must be; 1: a difference; 3: too little time to tell.
    """
    try:
        meters = populations.load(population)
    except PopulationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from None
    console = Console()
    view = views.choose(console, silent=as_json)
    try:
        record, document = asyncio.run(_run(meters, seed, seconds, view))
        paths = _write(record, report)
    except OSError as error:
        view.close()
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from None
    except KeyboardInterrupt:
        view.close()
        typer.echo("interrupted: no verdict", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps({**document, "report": str(paths["html"])}, indent=2))
    else:
        _say(console, record, document, paths)
    raise typer.Exit(record.exit_code)


async def _run(
    meters: Population, seed: int, seconds: float, view: View
) -> tuple[RunRecord, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="meterbench-") as folder:
        started = time.gmtime()
        basement = await Basement.start(meters, seed, Path(folder))
        try:
            while basement.elapsed_s < seconds:
                view.update(basement)
                await asyncio.sleep(min(TICK_S, max(0.0, seconds - basement.elapsed_s)))
            view.update(basement)
            view.close()
            run = Run(
                title="meterbench demo",
                command=f"meterbench demo --seconds {seconds:g} --seed {seed}",
                tool_version=tool_version(),
                seed=str(seed),
                backend="real time, simulated line behind RFC 2217",
                started=time.strftime("%Y-%m-%dT%H:%M:%SZ", started),
                real_duration_ns=int(basement.elapsed_s * 1e9),
                facts=_facts(basement, meters),
            )
            record = await conclude(basement, run)
            return record, _document(basement, record)
        finally:
            await basement.stop()


def _facts(basement: Basement, meters: Population) -> dict[str, str]:
    first = basement.activity.first_value_s
    return {
        "population": f"{meters.title} ({len(basement.converter.network.meters)} meters)",
        "line": f"{basement.baudrate} Bd, search timing ADAPTIVE (C-74)",
        "first value in a register": "none" if first is None else f"after {first:.1f} s",
        "client": "pymodbus, function code 03",
    }


def _document(basement: Basement, record: RunRecord) -> dict[str, Any]:
    """The document of ``--json``."""
    host, port = basement.gateway.modbus_address
    activity = basement.activity
    return {
        "verdict": record.verdict.value,
        "modbus": f"{host}:{port}",
        "baudrate": basement.baudrate,
        "search_timing": "ADAPTIVE",
        "first_value_s": activity.first_value_s,
        "search_s": activity.scan_done_s,
        "counts": {verdict.value: count for verdict, count in record.counts().items()},
        "meters": [
            {
                "identification_number": f"{group.meter.serial_number:08d}",
                "manufacturer": group.meter.manufacturer,
                "version": group.meter.version,
                "medium": tables.medium_name(group.meter.medium),
                "register": group.meter.address,
                "flags": group.meter.flags,
                "values": [
                    {
                        "register": value.address,
                        "value": value_text(value).replace(" ", ""),
                        "unit": tables.unit_name(value.unit),
                    }
                    for value in group.values
                ],
            }
            for group in basement.groups()
        ],
        "findings": _findings(record),
    }


def _findings(record: RunRecord) -> list[str]:
    """What keeps the run from a PASS, one sentence each."""
    return [
        f"{case.verdict.value} {', '.join(case.requirements)}: {line}"
        for case in record.cases
        if case.verdict > Verdict.PASS
        for line in case.reason.splitlines()
    ]


def _write(record: RunRecord, folder: Path) -> dict[str, Path]:
    """Write result.json, report.html and junit.xml; raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        "result": folder / "result.json",
        "html": folder / "report.html",
        "junit": folder / "junit.xml",
    }
    paths["result"].write_text(record.to_json(), encoding="utf-8")
    paths["html"].write_text(html.render(record), encoding="utf-8")
    paths["junit"].write_text(junit.render(record), encoding="utf-8")
    return paths


def _say(
    console: Console, record: RunRecord, document: dict[str, Any], paths: dict[str, Path]
) -> None:
    findings = document["findings"]
    for line in findings[:FINDINGS_MAX]:
        console.print(Text(line, style="red"), soft_wrap=True)
    if len(findings) > FINDINGS_MAX:
        console.print(f"… and {len(findings) - FINDINGS_MAX} more in the report")
    counts = document["counts"]
    checked = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    style = _STYLES.get(record.verdict, "bold yellow")
    console.print(
        Text.assemble(
            (record.verdict.value, style),
            f"  {len(document['meters'])} meters, {checked}; registers served at ",
            (f"{document['modbus']}", "cyan"),
            " while it ran",
        ),
        soft_wrap=True,
    )
    console.print(Text(f"report: {paths['html']}"), soft_wrap=True)
