"""The gateway's part of the command line: ``decode`` and ``gateway run | scan | read``.

Commands only arrange: they open files, start a runtime in real time, print what comes back. Exit
codes: 0 done, 1 the answer is bad news (a flagged telegram, a meter that did not answer), 2 wrong
usage or a place that cannot be used.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway import bus_cli
from gateway.bus_cli import Bus, Delay, EchoOption, Json  # noqa: TC001 - typer reads them
from gateway.complaints import complain
from gateway.device.appliance import Appliance
from gateway.device.device import Wiring
from gateway.device.link import Echo
from gateway.io.data_directory import DataDirectory
from gateway.io.runtime import AioRuntime
from gateway.io.storage import FileStorage
from gateway.mbus.address import manufacturer_letters
from gateway.mbus.decode import EXIT_FLAGGED, decode_lines
from gateway.mbus.tables.manual import medium_label
from gateway.runtime.port import NS_PER_MS, NS_PER_S, LineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.port import Runtime

EXIT_BAD_NEWS: Final = 1
EXIT_USAGE: Final = 2
#: Events that a person wants to see scroll by; --events takes all of them.
_TOLD: Final = {
    "gateway.startup": "start-up {step}: {text}",
    "gateway.scan": "scan {value}",
    "gateway.readout": "read-out {value}",
    "readout.overload": "bus too slow for its cycles: {value} (pass {pass_s} s, cycle {cycle_s} s)",
    "gateway.clock": "clock set by {source}, a step of {step} s",
    "meter.found": "found {serial} {letters} {medium_name}",
    "bus.opened": "bus {url} open at {baudrate} Bd",
    "bus.failed": "bus failed: {text}",
    "watchdog.trip": "{value} tripped: {state} for {seconds} s",
    "gateway.restart.reason": "restart: {value}",
    "gateway.complaint": "{text}",
    "config.complaint": "{file}: {text}",
    "modbus.opened": "Modbus client {peer}, connection {connections}",
    "modbus.rejected": "Modbus client {peer} turned away: {connections} connections are open",
    "modbus.closed": "Modbus client {peer} left: {cause}",
}

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


# --- gateway run ------------------------------------------------------------------------------


@gateway_app.command("run")
def run(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="The device's files; made when missing.")
    ],
    bus: Bus,
    modbus: Annotated[
        str, typer.Option(metavar="HOST[:PORT]", help="Where to listen; PORT: MODBUS_NWPORT.")
    ] = "0.0.0.0",
    port_offset: Annotated[
        int, typer.Option(help="Added to MODBUS_NWPORT: 1000 serves 502 as 1502, without root.")
    ] = 0,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every event as a JSON line.")
    ] = None,
    scan: Annotated[bool, typer.Option("--scan", help="Search the bus once at the start.")] = False,
    transport_delay: Delay = 0,
    echo: EchoOption = Echo.AUTO,
) -> None:
    """Run the gateway on a bus until it is interrupted; one gateway at a time on one DIR."""
    host, port = split_address(modbus)
    wiring = Wiring(
        bus_url=bus,
        modbus_host=host,
        modbus_port=port,
        port_offset=port_offset,
        transport_delay_ns=transport_delay * NS_PER_MS,
        echo=echo,
    )
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(DataDirectory(data))
            storage = FileStorage(data)
            file = events.open("a", encoding="utf-8") if events is not None else None
        except OSError as error:
            complain(str(error))
        if file is not None:
            stack.enter_context(file)

        def log(at_ns: int, kind: str, fields: dict[str, Any]) -> None:
            if file is not None:
                document = {"at_ns": at_ns, "kind": kind, **fields}
                file.write(json.dumps(document, sort_keys=True) + "\n")
                file.flush()
            tell(at_ns, kind, fields)

        try:
            asyncio.run(_run(wiring, storage, log, scan=scan))
        except OSError as error:
            complain(str(error))


async def _run(
    wiring: Wiring,
    storage: FileStorage,
    log: Callable[[int, str, dict[str, Any]], None],
    *,
    scan: bool,
) -> None:
    """Run an appliance in real time until a signal stops it."""
    runtime = AioRuntime(storage=storage, log=log)

    async def switched_on(rt: Runtime) -> None:
        appliance = Appliance(rt, wiring)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, runtime.engine.call, appliance.stop)
        async with rt.nursery() as nursery:
            if scan:
                nursery.spawn(_scan_when_ready(appliance), name="scan at the start")
            await appliance.run()
            nursery.cancel()

    await runtime.run(switched_on)


async def _scan_when_ready(appliance: Appliance) -> None:
    await appliance.ready()
    try:
        await appliance.scan()
    except (LineError, InterruptedError):
        # The failure is in the log, and the gateway goes on without the meters of this scan; or
        # it was told to stop in the middle of it.
        return


def tell(at_ns: int, kind: str, fields: dict[str, Any]) -> None:
    """Print what a person wants to see of an event, one line on standard error."""
    form = _TOLD.get(kind)
    if form is None:
        return
    shown = dict(fields)
    if kind == "meter.found":
        shown["letters"] = manufacturer_letters(fields["manufacturer"])
        shown["medium_name"] = medium_label(fields["medium"])
    typer.echo(f"{at_ns / NS_PER_S:10.3f}  {form.format(**shown)}", err=True)


def split_address(text: str) -> tuple[str, int | None]:
    """Split HOST[:PORT]; ends the command with a message where the port is no port."""
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    if not port:
        return host or "0.0.0.0", None
    if not port.isdecimal() or int(port) > 0xFFFF:
        complain(f"expected HOST:PORT with a port of 0 to 65535, got {text!r}")
    return host or "0.0.0.0", int(port)


# --- One-shot tools on the bus ----------------------------------------------------------------

gateway_app.command("scan")(bus_cli.scan_bus)
gateway_app.command("read")(bus_cli.read)
gateway_app.command("raw")(bus_cli.raw)
gateway_app.command("set-address")(bus_cli.set_address)
