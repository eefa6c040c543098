"""``meterbench check``: a client that checks a gateway, and a server that checks a client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from reports import html, junit
from reports.record import portable_command
from reports.verdict import Verdict
from scenarios import watch_view
from scenarios.checks import gateway
from scenarios.checks.client import run as client
from scenarios.checks.client.decoded import ValuesError
from scenarios.checks.conformance.judgement import Claims, Profile
from scenarios.checks.conformance.run import UnreachableError
from scenarios.checks.expectation import ExpectedMeter
from scenarios.checks.served_layout import value_text
from scenarios.register_map.listed import of_path
from scenarios.register_map.model import MapError
from scenarios.run import tool_version
from simulators import population as populations
from simulators.document import PopulationError
from simulators.modbus import layout, tables
from simulators.modbus.watch.server import Misbehaviour  # noqa: TC001 - for typer, as Path
from simulators.modbus.wire import SILENCE_S, Limits, Prober, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.record import Case, RunRecord
    from scenarios.checks.conformance.table import Check
    from scenarios.register_map import live
    from scenarios.register_map.model import RegisterMap

app = typer.Typer(
    name="check",
    help="Check a gateway from outside, or watch somebody's Modbus client.",
    no_args_is_help=True,
)

EXIT_USAGE: Final = 2
EXIT_ERROR: Final = 4
EXIT_INTERRUPTED: Final = 130
PORT_MODBUS: Final = 502
_HTTP: Final = "http://"
_STYLES: Final = {
    Verdict.PASS: "green",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold red",
}


def host_and_port(text: str, *, default_port: int | None = PORT_MODBUS) -> tuple[str, int]:
    """Split HOST:PORT or [V6]:PORT; exits with a message for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(default_port) if default_port is not None else ""
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 0xFFFF:
        typer.echo(f"error: expected HOST:PORT, got {text!r}", err=True)
        raise typer.Exit(EXIT_USAGE)
    return host, int(port)


MapOption = Annotated[
    Path | None,
    typer.Option(
        "--map",
        metavar="FILE|DIR",
        help="Where all must stand: a register map, a Device_Handle.cfg, a data directory.",
    ),
]


IntrusiveOption = Annotated[
    bool,
    typer.Option(
        "--intrusive",
        help="Also fill all connections, send malformed frames and other function codes.",
    ),
]
WatchOption = Annotated[
    float | None,
    typer.Option(
        "--watch", metavar="S", min=0.2, max=3600,
        help="Check nothing; show the live image every S seconds, changes marked, until Ctrl-C.",
    ),
]  # fmt: skip
LooksOption = Annotated[
    int | None, typer.Option("--looks", min=1, help="With --watch: end after so many looks.")
]
#: A watch has no end of its own, so neither has its budget.
WATCH_REQUESTS_MAX: Final = 1_000_000_000
WATCH_CONNECTIONS_MAX: Final = 1_000_000


@app.command("gateway")
def check_gateway(
    target: Annotated[
        str, typer.Argument(metavar="HOST[:PORT]", help="The gateway; port 502 by default.")
    ],
    unit: Annotated[
        int, typer.Option(min=0, max=255, help="Unit identifier of the requests.")
    ] = 255,
    address: Annotated[
        int, typer.Option(min=0, max=0xFFFF, help="A register that the server serves.")
    ] = 0,
    profile: Annotated[
        Profile,
        typer.Option(help="reference: this gateway's manual counts; generic: Modbus alone."),
    ] = Profile.REFERENCE,
    udp: Annotated[bool, typer.Option("--udp", help="Ask over UDP in place of TCP.")] = False,
    intrusive: IntrusiveOption = False,
    slow: Annotated[
        bool, typer.Option("--slow", help="Also wait for the idle limit and for moving values.")
    ] = False,
    connections: Annotated[
        int, typer.Option(min=1, max=80, help="Connections that the gateway serves at a time.")
    ] = 5,
    idle: Annotated[
        float, typer.Option(metavar="S", min=0.5, max=3600, help="Its limit of idle connections.")
    ] = 60.0,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=0.05, max=60, help="How long an answer may take.")
    ] = 2.0,
    meters: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Population whose meters must be served."),
    ] = None,
    register_map: MapOption = None,
    watch: WatchOption = None,
    looks: LooksOption = None,
    seed: Annotated[int, typer.Option(help="Decides all that is drawn by chance.")] = 1,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write result.json, HTML and JUnit there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result for scripts.")] = False,
) -> None:
    """Check a gateway by nothing but its Modbus server.

    Harmless by default: reads (03) and identification (2B) on one connection at a time. Exit code
    0: all as it must be; 1: a rule is broken; 3: something could not be told; 4: nobody answers.
    """
    host, port = host_and_port(target)
    settings = gateway.Settings(
        host,
        port,
        transport=Transport.UDP if udp else Transport.TCP,
        unit_identifier=unit,
        address=address,
        intrusive=intrusive,
        slow=slow,
        seed=seed,
        claims=Claims(profile, connections_max=connections, idle_s=idle),
        limits=Limits(answer_s=timeout, silence_s=min(timeout, SILENCE_S)),
        meters=expected_meters(meters, seed),
        register_map=expected_map(register_map),
    )
    if watch is not None:
        _watch(settings, watch, looks)
    else:
        _check_and_say(settings, report, as_json=as_json)


def _watch(settings: gateway.Settings, every_s: float, looks: int | None) -> None:
    """Show the live image; Ctrl-C is the way to end it and no mistake."""
    limits = replace(
        settings.limits,
        requests_max=WATCH_REQUESTS_MAX,
        connections_max=WATCH_CONNECTIONS_MAX,
    )
    prober = Prober(
        settings.host,
        settings.port,
        transport=settings.transport,
        unit_identifier=settings.unit_identifier,
        limits=limits,
    )
    try:
        asyncio.run(watch_view.watch(prober, Console(), every_s=every_s, looks=looks))
    except OSError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from None
    except KeyboardInterrupt:
        raise typer.Exit from None


def _check_and_say(settings: gateway.Settings, report: Path | None, *, as_json: bool) -> None:
    """Run the check, print what it found, leave with its exit code."""
    console = Console(stderr=as_json)
    result = _run(settings, _progress(console, quiet=as_json))
    paths = _write(result.record, report)
    if as_json:
        typer.echo(json.dumps(_document(result, paths), indent=2))
    else:
        _say(console, result, paths)
    raise typer.Exit(result.record.exit_code)


@app.command("client")
def check_client(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the client is to connect; port 0: any.")
    ],
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.5, max=86_400, help="How long to watch.")
    ] = 60.0,
    connections: Annotated[
        int, typer.Option(min=1, max=80, help="Connections that are served at a time.")
    ] = 5,
    delay: Annotated[
        float, typer.Option(metavar="S", min=0, max=5, help="How long every answer takes.")
    ] = 0.01,
    misbehave: Annotated[
        list[Misbehaviour] | None,
        typer.Option(help="Go wrong on purpose, to see how the client copes; may be repeated."),
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|http://HOST:PORT",
            help="What the client decoded: JSON that it writes, or where it may post it.",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write result.json, HTML and JUnit there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result for scripts.")] = False,
) -> None:
    """Be the gateway for somebody's Modbus client, and say what it does wrong.

    Serves a small register map whose values move (entries at 0, 10, 20 … 60) and ends after the
    time or with Ctrl-C. Exit code 0: nothing wrong; 1: errors; 3: nobody came.
    """
    host, port = host_and_port(listen, default_port=None)
    file, values_address = _values_from(values)
    settings = client.Settings(
        host, port, seconds, connections, delay, frozenset(misbehave or ()), file, values_address
    )
    console = Console(stderr=as_json)

    def listening(address: tuple[str, int]) -> None:
        console.print(f"listening on {address[0]}:{address[1]} for {seconds:g} s", soft_wrap=True)

    def posting(address: tuple[str, int]) -> None:
        place = f"[{address[0]}]" if ":" in address[0] else address[0]
        text = f"post decoded values to http://{place}:{address[1]}/values"
        console.print(text, soft_wrap=True, markup=False)

    try:
        record = asyncio.run(_watched(settings, listening, posting))
    except (OSError, ValuesError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_USAGE if isinstance(error, ValuesError) else EXIT_ERROR) from None
    paths = _write(record, report)
    if as_json:
        typer.echo(json.dumps(_summary(record, paths), indent=2))
    else:
        for case in record.cases:
            _say_case(console, case)
        style = _STYLES.get(record.verdict, "bold yellow")
        told = f"  {record.run.facts['requests']} requests watched"
        console.print(Text.assemble((record.verdict.value, style), told), soft_wrap=True)
        if paths:
            console.print(Text(f"report: {paths['report.html']}"), soft_wrap=True)
    raise typer.Exit(record.exit_code)


def _values_from(text: str | None) -> tuple[Path | None, tuple[str, int] | None]:
    """The file or the HTTP address of --values."""
    if text is None or not text.lower().startswith(_HTTP):
        return (None if text is None else Path(text)), None
    return None, host_and_port(text[len(_HTTP) :].rstrip("/"), default_port=None)


async def _watched(
    settings: client.Settings,
    listening: Callable[[tuple[str, int]], None],
    posting: Callable[[tuple[str, int]], None],
) -> RunRecord:
    """Watch until the time is over or Ctrl-C, which ends the watch and not the judging."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGINT, stop.set)
    command = portable_command(["meterbench", *sys.argv[1:]])
    return await client.watch(
        settings,
        tool_version=tool_version(),
        command=command,
        listening=listening,
        posting=posting,
        stop=stop,
    )


def _run(
    settings: gateway.Settings, progress: Callable[[Check, Case | None], None]
) -> gateway.Result:
    command = portable_command(["meterbench", *sys.argv[1:]])
    try:
        return asyncio.run(
            gateway.check(settings, tool_version=tool_version(), command=command, progress=progress)
        )
    except UnreachableError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: no verdict", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def expected_meters(name: str | None, seed: int) -> tuple[ExpectedMeter, ...] | None:
    """The identities of a population's meters; exits where there is no such population."""
    if name is None:
        return None
    try:
        population = populations.load(name)
    except PopulationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from None
    return tuple(
        ExpectedMeter(m.id, m.identification_number, m.manufacturer, m.version, m.medium, ())
        for m in population.meters(seed=seed)
    )


def expected_map(path: Path | None) -> RegisterMap | None:
    """The register map that a path names; exits where there is none."""
    if path is None:
        return None
    try:
        return of_path(path)
    except MapError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_USAGE) from None


def _progress(console: Console, *, quiet: bool) -> Callable[[Check, Case | None], None]:
    """Print each check as it ends; on a terminal also the one that is under way."""

    def show(check: Check, case: Case | None) -> None:
        if quiet:
            return
        if case is None:
            if console.is_terminal:
                console.print(Text(f"{check.id:22} …", style="dim"), end="\r", soft_wrap=True)
            return
        _say_case(console, case)

    return show


def _say_case(console: Console, case: Case) -> None:
    style = _STYLES.get(case.verdict, "bold yellow")
    line = Text.assemble(f"{case.id:22} ", (f"{case.verdict.value:14}", style), f" {case.title}")
    console.print(line, soft_wrap=True)
    for measurement in case.measurements:
        text = f"{measurement.name}: {measurement.value:g} {measurement.unit}".rstrip()
        console.print(Text(f"    {text}", style="dim"), soft_wrap=True)
    # The reason of a pass is advice.
    tone = "yellow" if case.verdict is Verdict.PASS else style
    for finding in case.reason.splitlines():
        console.print(Text(f"    {finding}", style=tone), soft_wrap=True)


def _write(record: RunRecord, folder: Path | None) -> dict[str, Path]:
    """Write the record and its renderings; exits where the folder cannot be written."""
    if folder is None:
        return {}
    texts = {
        "result.json": record.to_json(),
        "report.html": html.render(record),
        "junit.xml": junit.render(record),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(f"error: the report cannot be written: {error}", err=True)
        raise typer.Exit(EXIT_ERROR) from None
    return {name: folder / name for name in texts}


def _findings(record: RunRecord) -> list[str]:
    return [
        f"{case.verdict.value} {case.id}: {line}"
        for case in record.cases
        if case.verdict > Verdict.PASS
        for line in case.reason.splitlines()
    ]


def _document(result: gateway.Result, paths: dict[str, Path]) -> dict[str, Any]:
    """The document of ``check gateway --json``."""
    return {
        **_summary(result.record, paths),
        "layout": result.served.name if result.served else None,
        "word_order": result.word_order.name if result.word_order else None,
        "requests": result.requests,
        "connections": result.connections,
        "meters": _meters(result),
    }


def _summary(record: RunRecord, paths: dict[str, Path]) -> dict[str, Any]:
    """What the documents of both commands have in common."""
    return {
        "verdict": record.verdict.value,
        "counts": {verdict.value: count for verdict, count in record.counts().items()},
        "checks": [
            {
                "id": case.id,
                "title": case.title,
                "verdict": case.verdict.value,
                "reason": case.reason,
                "measurements": {m.name: m.value for m in case.measurements},
            }
            for case in record.cases
        ],
        "not_verified": [row.id for row in record.not_verified],
        "findings": _findings(record),
        "report": str(paths["report.html"]) if paths else None,
    }


def _groups(result: gateway.Result) -> list[layout.MeterGroup]:
    return layout.group(result.blocks)[0] if result.word_order else []


def _floats(result: gateway.Result) -> tuple[live.MeterFloats, ...]:
    return result.served.floats if result.served and result.served.float_only else ()


def _meters(result: gateway.Result) -> list[dict[str, Any]]:
    """All meters with their values; the float-only layout has no more than the floats."""
    if result.served is None or not result.served.float_only:
        return [_meter(group) for group in _groups(result)]
    return [
        {
            **_meter(layout.MeterGroup(found.meter, ())),
            "unit_identifier": found.unit_identifier,
            "values": [{"register": address, "float": value} for address, value in found.values],
        }
        for found in _floats(result)
    ]


def _meter(group: layout.MeterGroup) -> dict[str, Any]:
    meter = group.meter
    return {
        "register": meter.address,
        "serial_number": meter.serial_number,
        "manufacturer": meter.manufacturer,
        "version": meter.version,
        "medium": tables.medium_name(meter.medium),
        "time": meter.time_stamp,
        "flags": meter.flags,
        "values": [
            {
                "register": value.address,
                "integer": value.integer,
                "scale": value.scale,
                "unit": tables.unit_name(value.unit),
                "float": value.float_value,
                "time": value.time_stamp,
            }
            for value in group.values
        ],
    }


def _say(console: Console, result: gateway.Result, paths: dict[str, Path]) -> None:
    record = result.record
    for case in record.cases:
        if case.id.startswith("layout/"):
            _say_case(console, case)
    for found in _floats(result):
        meter = found.meter
        name = f"{meter.manufacturer} {meter.serial_number}, {tables.medium_name(meter.medium)}"
        place = f"{meter.address:5}  {name}, unit {found.unit_identifier}"
        console.print(Text(place, style="bold"), soft_wrap=True)
        for address, number in found.values:
            console.print(Text(f"{address:5}    {number:g}"), soft_wrap=True)
    for group in _groups(result) if not _floats(result) else ():
        meter = group.meter
        name = f"{meter.manufacturer} {meter.serial_number}, {tables.medium_name(meter.medium)}"
        console.print(Text(f"{meter.address:5}  {name}", style="bold"), soft_wrap=True)
        for value in group.values:
            console.print(Text(f"{value.address:5}    {value_text(value)}"), soft_wrap=True)
    counts = ", ".join(f"{n} {verdict.value}" for verdict, n in record.counts().items() if n)
    console.print(
        Text.assemble(
            (record.verdict.value, _STYLES.get(record.verdict, "bold yellow")),
            f"  {counts}; {len(record.not_verified)} not selected; {result.requests} requests on "
            f"{result.connections} connections",
        ),
        soft_wrap=True,
    )
    if paths:
        console.print(Text(f"report: {paths['report.html']}"), soft_wrap=True)
