"""The command ``meterbench``: every package brings its own part, here they are mounted."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations while it runs
from typing import Annotated

import typer

from gateway import cli as gateway_cli
from hil import cli as hil_cli
from reports import cli as reports_cli
from scenarios import check_cli, map_cli, scenario_cli
from scenarios.compliance.evidence import rejudge
from scenarios.comply_cli import comply
from scenarios.demo.cli import demo
from scenarios.profile_command import profile_command
from scenarios.run import tool_version
from simulators.cli import simulate

app = typer.Typer(
    name="meterbench",
    help="Reference M-Bus to Modbus-TCP gateway, simulated meters, checks and reports.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"meterbench {tool_version()}")
        raise typer.Exit


@app.callback()
def _meterbench(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print and leave."),
    ] = False,
) -> None:
    """Reference M-Bus to Modbus-TCP gateway, simulated meters, checks and reports."""


app.command("demo")(demo)
app.add_typer(gateway_cli.gateway_app)
app.command("simulate")(simulate)
app.command("profile")(profile_command)
app.command("decode")(gateway_cli.decode)
app.add_typer(check_cli.app, name="check")
app.add_typer(map_cli.app, name="map")
app.command("comply")(comply)
app.add_typer(scenario_cli.app, name="scenario")
app.add_typer(hil_cli.app, name="hil")
app.add_typer(reports_cli.app, name="report")


@reports_cli.app.command("verify")
def verify(
    archive: Annotated[Path, typer.Argument(metavar="FILE.zip", help="What `report pack` made.")],
) -> None:
    """Check an archive: every hash, the page, and the verdicts judged again from the traces."""
    reports_cli.verify_archive(archive, rejudge)


def main() -> None:
    """Run the command line."""
    app()
