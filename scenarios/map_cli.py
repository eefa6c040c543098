"""``meterbench map``: the register map as one file, and two of them compared."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from scenarios.check_cli import EXIT_ERROR, EXIT_USAGE, host_and_port
from scenarios.checks.conformance.run import UnreachableError
from scenarios.register_map import listed, live, model
from scenarios.register_map.differences import Difference, differences, place
from simulators.modbus.wire import SILENCE_S, BudgetSpentError, Limits, Prober, Transport

app = typer.Typer(
    name="map", help="The register map as one file: write it, compare two.", no_args_is_help=True
)

EXIT_DIFFERENT: Final = 1


@unique
class Spelling(StrEnum):
    """How a map is written."""

    JSON = "json"
    CSV = "csv"


@app.command("export")
def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR|FILE|HOST[:PORT]",
            help="Data directory, Device_Handle.cfg, another map, or a live gateway.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="In place of the terminal.")
    ] = None,
    spelling: Annotated[
        Spelling | None, typer.Option("--format", help="By default by the name of FILE, or csv.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="chip.ini beside a Device_Handle.cfg.")
    ] = None,
    unit: Annotated[int, typer.Option(min=0, max=255, help="Unit of a live gateway.")] = 255,
    udp: Annotated[bool, typer.Option("--udp", help="Ask a live gateway over UDP.")] = False,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=0.05, max=60, help="How long an answer may take.")
    ] = 2.0,
) -> None:
    """Write the register map of a gateway as CSV or JSON.

    A live gateway is only read, over one connection. Exit code 2: no such map; 4: nobody answers.
    """
    found = _map_of(source, settings, unit=unit, udp=udp, timeout=timeout)
    if spelling is None:
        is_json = out is not None and out.suffix.lower() == ".json"
        spelling = Spelling.JSON if is_json else Spelling.CSV
    text = found.to_json() if spelling is Spelling.JSON else found.to_csv()
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        _replace(out, text)
    except OSError as error:
        typer.echo(f"error: {out} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(EXIT_ERROR) from None
    typer.echo(f"{out}: {len(found.rows)} rows, {len(found.meters())} meters", err=True)


@app.command("diff")
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="As in map export.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="As in map export.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result for scripts.")] = False,
) -> None:
    """Compare two register maps, such as before and after an update or a scan.

    Exit code 0: a client of the one can read the other; 1: they differ; 2: no such map; 4: nobody
    answers.
    """
    found = differences(_map_of(before, None), _map_of(after, None))
    if as_json:
        typer.echo(json.dumps(_document(found), indent=2, ensure_ascii=False))
    else:
        _say(found)
    raise typer.Exit(EXIT_DIFFERENT if found else 0)


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of a register map."""
    typer.echo(json.dumps(model.schema(), indent=2))


def _map_of(
    source: str,
    settings: Path | None,
    *,
    unit: int = 255,
    udp: bool = False,
    timeout: float = 2.0,
) -> model.RegisterMap:
    """The map that an argument names; exits with a message where there is none."""
    path = Path(source)
    try:
        if path.exists():
            return listed.of_path(path, settings)
        host, port = host_and_port(source)
        transport = Transport.UDP if udp else Transport.TCP
        limits = Limits(answer_s=timeout, silence_s=min(timeout, SILENCE_S))
        prober = Prober(host, port, transport=transport, unit_identifier=unit, limits=limits)
        return asyncio.run(_read(prober, source))
    except model.MapError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_USAGE) from None
    except (UnreachableError, OSError, BudgetSpentError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from None


async def _read(prober: Prober, source: str) -> model.RegisterMap:
    found = await live.served(prober)
    prober.hang_up()
    if not found.is_gateway:
        raise model.MapError(f"{source}: registers 0-9 are no gateway entry of manual 6.2")
    return live.of_served(found, source=source)


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _document(found: list[Difference]) -> dict[str, object]:
    return {
        "same": not found,
        "differences": [
            {
                "change": one.change,
                "before": one.before.model_dump(mode="json") if one.before else None,
                "after": one.after.model_dump(mode="json") if one.after else None,
                "message": one.message,
            }
            for one in found
        ],
    }


def _say(found: list[Difference]) -> None:
    console = Console()
    if not found:
        console.print("the maps are the same")
        return
    table = Table("change", "meter", "value", "field", "before", "after", box=None)
    for one in found:
        row = one.row
        cells = [_cell(one, side) for side in (one.before, one.after)]
        table.add_row(one.change, row.meter or "gateway", str(row.value or ""), row.field, *cells)
    console.print(table)
    console.print(f"{len(found)} differences")


def _cell(one: Difference, row: model.Row | None) -> str:
    if row is None:
        return "-"
    if one.change != "changed":
        return place(row)
    scale = "" if row.scale is None else f" × 10^{row.scale}"
    return f"{row.type} {row.word_order or ''}{scale} {row.unit}".rstrip()
