"""The gateway's part of the command line: ``decode`` and ``gateway run | scan | read``.

Commands only arrange: they open files, start a runtime in real time, print what comes back. Exit
codes: 0 done, 1 the answer is bad news (a flagged telegram, a meter that did not answer), 2 wrong
usage or a place that cannot be used.
"""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from gateway import bus_cli
from gateway.bus_cli import Json  # noqa: TC001 - typer reads them
from gateway.complaints import complain
from gateway.mbus.decode import EXIT_FLAGGED, decode_lines
from gateway.running import reset, run

EXIT_BAD_NEWS: Final = 1
EXIT_USAGE: Final = 2
gateway_app = typer.Typer(
    name="gateway", help="The reference gateway, and its tools on the bus.", no_args_is_help=True
)

# --- decode -----------------------------------------------------------------------------------


def decode(
    telegram: Annotated[
        str, typer.Argument(metavar="HEX|-", help="A telegram, or - for one a line from stdin.")
    ],
    as_json: Json = False,
) -> None:
    """Decode M-Bus telegrams: header, data records, values in the manual's units.

    Exit code 1 when a telegram is flagged: broken, cut short, or not an answer of a meter.
    """
    lines = sys.stdin if telegram == "-" else [telegram]
    flagged = False
    first = True
    for decoded in decode_lines(lines, json=as_json):
        if not first and not as_json:
            typer.echo()
        typer.echo(decoded.text)
        first = False
        flagged = flagged or decoded.is_flagged
    if first:
        complain("expected a telegram in hexadecimal, got nothing")
    if flagged:
        raise typer.Exit(EXIT_FLAGGED)


# --- The gateway and its tools on the bus -----------------------------------------------------

gateway_app.command("run")(run)
gateway_app.command("reset")(reset)
gateway_app.command("scan")(bus_cli.scan_bus)
gateway_app.command("read")(bus_cli.read)
gateway_app.command("raw")(bus_cli.raw)
gateway_app.command("set-address")(bus_cli.set_address)
