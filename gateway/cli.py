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
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from gateway.device import configuration as chip_ini
from gateway.device import plans
from gateway.device.appliance import Appliance
from gateway.device.device import Wiring
from gateway.device.link import Echo, Link
from gateway.device.readings import records_of
from gateway.device.readout import ReadoutPlan, Target, read_meter, selection_mask
from gateway.device.scan import PrimaryScan, SecondaryScan
from gateway.device.sequences import Addressing
from gateway.io.data_directory import DataDirectory
from gateway.io.runtime import AioRuntime
from gateway.io.storage import FileStorage, NoFiles
from gateway.mbus.address import SecondaryAddress, manufacturer_letters
from gateway.mbus.decode import EXIT_FLAGGED, decode_lines
from gateway.mbus.jsonform import to_document
from gateway.mbus.tables.manual import medium_label
from gateway.mbus.textform import to_text
from gateway.runtime.port import NS_PER_MS, NS_PER_S, LineError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.device.configuration import Configuration
    from gateway.device.scan import Found, ScanReport
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

_Bus = Annotated[
    str,
    typer.Option(
        "--bus", metavar="URL", help="/dev/ttyUSB0, socket://host:port, rfc2217://… or udp://…"
    ),
]
_EchoOption = Annotated[
    Echo, typer.Option(help="Whether the converter sends back what it is given; auto finds out.")
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
_Baudrate = Annotated[int, typer.Option(help="Speed of the line.")]
_Delay = Annotated[
    int,
    typer.Option(
        "--transport-delay", metavar="MS", help="What the converter adds to the way of an answer."
    ),
]


def complain(text: str) -> NoReturn:
    """End with wrong usage, or a place that cannot be used."""
    typer.echo(f"error: {text}", err=True)
    raise typer.Exit(EXIT_USAGE)


# --- decode -----------------------------------------------------------------------------------


def decode(
    telegram: Annotated[
        str, typer.Argument(metavar="HEX|-", help="A telegram, or - for one a line from stdin.")
    ],
    as_json: _Json = False,
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
    bus: _Bus,
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
    transport_delay: _Delay = 0,
    echo: _EchoOption = Echo.AUTO,
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
    except LineError:
        # The failure is in the log, and the gateway goes on without the meters of this scan.
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


def _on_bus(
    url: str,
    configuration: Configuration,
    delay_ms: int,
    echo: Echo,
    conversation: Callable[[Runtime, Link], Coroutine[Any, Any, Any]],
) -> Any:
    """Open the bus, hold one conversation on it, close it; a bus that fails ends the command."""

    async def main(rt: Runtime) -> Any:
        line = await rt.open_line(url, plans.line_format(configuration))
        try:
            settings = plans.link_settings(configuration, delay_ms * NS_PER_MS, echo)
            return await conversation(rt, Link(rt, line, settings))
        finally:
            with rt.shield(NS_PER_S):
                await line.close()

    async def in_real_time() -> Any:
        result = await AioRuntime(storage=NoFiles()).run(main)
        # One turn of the loop, in which the transport hangs up.
        await asyncio.sleep(0)
        return result

    try:
        return asyncio.run(in_real_time())
    except OSError as error:
        complain(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_BAD_NEWS) from None


def _settings(**keys: Any) -> Configuration:
    """The factory settings with `keys` changed; raises ValueError for one out of range."""
    factory, _ = chip_ini.load(chip_ini.FACTORY_CHIP_INI.encode())
    configuration = replace(factory, **keys)
    # Writing checks every value by the rules of the file.
    chip_ini.save(b"", configuration)
    return configuration


@gateway_app.command("scan")
def scan_bus(
    bus: _Bus,
    baudrate: _Baudrate = 2400,
    primary: Annotated[bool, typer.Option("--primary", help="Walk the primary addresses.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="Fix the last digit first.")] = False,
    literal: Annotated[
        bool, typer.Option("--literal", help="Wait MBUS_TIMEOUT and retry for every mask (C-74).")
    ] = False,
    mask: Annotated[str, typer.Option(help="Eight digits of the number, F for any.")] = "FFFFFFFF",
    transport_delay: _Delay = 0,
    echo: _EchoOption = Echo.AUTO,
    as_json: _Json = False,
) -> None:
    """Search a bus once and list the meters found. Exit code 1 when there is none."""
    mode = "PRIMARYSCAN" if primary else "SECONDARYSCANREVERSE" if reverse else "SECONDARYSCAN"
    try:
        configuration = _settings(
            mbus_baudrate=baudrate,
            mbus_scanmode=mode,
            mbus_secmaskserial=mask.upper(),
            mbus_searchtiming="LITERAL" if literal else "ADAPTIVE",
        )
    except ValueError as error:
        complain(str(error))
    found: list[Found] = []

    async def conversation(rt: Runtime, link: Link) -> ScanReport:
        async def on_found(meter: Found) -> bool:
            found.append(meter)
            if not as_json:
                typer.echo(_found_line(meter))
            return True

        plan = plans.scan_plan(configuration)
        search = PrimaryScan if plan.primary else SecondaryScan
        reset_mode = plans.readout_plan(configuration).reset_mode
        return await search(rt, link, plan, reset_mode).run(on_found)

    report: ScanReport = _on_bus(bus, configuration, transport_delay, echo, conversation)
    if as_json:
        typer.echo(json.dumps(_scan_document(found, report), indent=2))
    else:
        seconds = report.duration_ns / NS_PER_S
        typer.echo(
            f"{len(found)} meters, {report.selects} masks asked ({report.empties} empty, "
            f"{report.collisions} collisions) in {seconds:.1f} s; "
            f"answers later than {report.slowest_answer_ns / NS_PER_MS:.0f} ms were not looked for"
        )
    for unresolved in report.unresolved:
        number = unresolved.identification_number
        typer.echo(f"warning: {_unresolved_text(number)}", err=True)
    if not found:
        raise typer.Exit(EXIT_BAD_NEWS)


def _unresolved_text(number: str) -> str:
    """Why meters under a mask were not told apart."""
    if "F" in number:
        return f"answers under {number} stay garbled, or a meter there has a digit F"
    return f"several meters share the number {number}"


def _found_line(meter: Found) -> str:
    address = meter.address
    note = "" if meter.selectable else "  (does not answer to the address in its header)"
    return (
        f"{address.identification_number}  {manufacturer_letters(address.manufacturer)}  "
        f"version {address.version:3d}  {medium_label(address.medium):<28}  "
        f"link {meter.primary_address}{note}"
    )


def _scan_document(found: list[Found], report: ScanReport) -> dict[str, Any]:
    return {
        "meters": [
            {
                "identification_number": meter.address.identification_number,
                "manufacturer": manufacturer_letters(meter.address.manufacturer),
                "version": meter.address.version,
                "medium": medium_label(meter.address.medium),
                "primary_address": meter.primary_address,
                "selectable": meter.selectable,
            }
            for meter in found
        ],
        "selects": report.selects,
        "empties": report.empties,
        "collisions": report.collisions,
        "unresolved": [mask.identification_number for mask in report.unresolved],
        "duration_ns": report.duration_ns,
        "slowest_answer_ns": report.slowest_answer_ns,
    }


@gateway_app.command("read")
def read(
    meter: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="Primary address 0-250, or the 8 digits of a meter's number."
        ),
    ],
    bus: _Bus,
    baudrate: _Baudrate = 2400,
    pages: Annotated[int, typer.Option(help="Telegrams to read at most.")] = 10,
    transport_delay: _Delay = 0,
    echo: _EchoOption = Echo.AUTO,
    as_json: _Json = False,
) -> None:
    """Read one meter and show its telegrams. Exit code 1 when it does not answer in full."""
    target = _target(meter)
    try:
        configuration = _settings(mbus_baudrate=baudrate)
    except ValueError as error:
        complain(str(error))

    async def conversation(_: Runtime, link: Link) -> Any:
        return await read_meter(link, ReadoutPlan(multipage_max=pages), target)

    readout = _on_bus(bus, configuration, transport_delay, echo, conversation)
    records_of(readout.pages)
    if as_json:
        documents = [to_document(page) for page in readout.pages]
        typer.echo(json.dumps({"pages": documents, "failure": readout.failure}, indent=2))
    else:
        typer.echo("\n\n".join(to_text(page) for page in readout.pages))
        if readout.failure:
            typer.echo(f"not read in full: {readout.failure}", err=True)
    if readout.failure:
        raise typer.Exit(EXIT_BAD_NEWS)


def _target(text: str) -> Target:
    """Tell a primary address (up to three digits) from an identification number (eight)."""
    digits = set("0123456789abcdefABCDEF")
    if len(text) == 8 and set(text) <= digits:
        address = SecondaryAddress(text.upper(), 0xFFFF, 0xFF, 0xFF)
        return Target(Addressing.SECONDARY, 0, selection_mask(address, 0))
    if text.isdecimal() and int(text) <= 250:
        return Target(Addressing.PRIMARY, int(text), None)
    complain(f"expected a primary address 0 to 250 or eight digits, got {text!r}")
