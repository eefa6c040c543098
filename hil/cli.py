"""``meterbench hil``: what is on a bench, whether it is fit, and who has it.

Exit codes: 0 nothing to complain about, 2 wrong usage or a file that does not check, 3 something
is missing, unfit or held by somebody else.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from serial.tools import list_ports

from hil import bench as bench_files
from hil import (
    buses,
    calibration,
    drivers,
    families,
    health,
    leases,
    serial_ports,
    sessions,
)
from hil import probe as probing
from hil import recording as recordings
from hil import replay as replaying
from hil.gateways import offers_of
from hil.host import Host
from hil.protocols import UnavailableError
from hil.resources import NetworkGateway, SerialConverter, SimulatorBus, VirtualBus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hil.bench import Bench
    from hil.buses import Converter
    from hil.recording import Recording

EXIT_USAGE: Final = 2
EXIT_UNFIT: Final = 3

app = typer.Typer(help="Benches: what is there, is it fit, who has it.", no_args_is_help=True)

_Bench = Annotated[
    Path | None,
    typer.Option("--bench", metavar="FILE", help="The bench; by default one that is virtual."),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
_Place = Annotated[str | None, typer.Argument(metavar="[PLACE]", help="By default the first.")]


@app.callback()
def hil() -> None:
    """Benches: what is there, is it fit, who has it."""


def _complain(text: str, code: int = EXIT_USAGE) -> NoReturn:
    typer.echo(f"error: {text}", err=True)
    raise typer.Exit(code)


def _load(path: Path | None) -> Bench:
    try:
        return bench_files.load(path) if path is not None else bench_files.virtual()
    except bench_files.BenchError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error


def _place(bench: Bench, name: str | None) -> str:
    try:
        return bench.place_name(name)
    except LookupError as error:
        _complain(str(error.args[0]))


# --- list -----------------------------------------------------------------------------------------


@app.command("list")
def list_(bench: _Bench = None, as_json: _Json = False) -> None:
    """Show places and resources: where each is, whether it is there now, who has it."""
    loaded = _load(bench)
    held = {record.resource: record.told(time.time()) for record in leases.Leases().all()}
    places: dict[str, dict[str, Any]] = {
        name: {
            "tags": [*place.tags, *sorted(loaded.features)],
            "bus": place.bus,
            "gateway": place.gateway,
            "held": [held[one] for one in leases.resources_of(loaded, name) if one in held],
        }
        for name, place in loaded.places.items()
    }
    rows = [*_bus_rows(loaded, held), *_gateway_rows(loaded, held), *_other_rows(loaded)]
    ports = sorted(port.device for port in list_ports.comports())
    if as_json:
        document = {"bench": loaded.name, "places": places, "resources": rows, "ports": ports}
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(f"bench {loaded.name}{f': {loaded.title}' if loaded.title else ''}")
    for name, told in places.items():
        tags = f" [{', '.join(told['tags'])}]" if told["tags"] else ""
        typer.echo(f"place {name}{tags}: bus {told['bus']}, gateway {told['gateway']}")
        for who in told["held"]:
            typer.echo(f"  held by {who}")
    for row in rows:
        not_asked = f"not asked{f': {reason}' if (reason := row['reason']) else ''}"
        state = {True: "there", False: f"not there: {row['reason']}", None: not_asked}
        typer.echo(f"{row['resource']}: {row['where']}; {state[row['there']]}")
        if row["offers"]:
            typer.echo(f"  offers {', '.join(row['offers'])}")
    typer.echo(f"serial ports of this host: {', '.join(ports) or 'none'}")


def _row(
    resource: str, where: str, there: bool | None, reason: str = "", offers: Any = ()
) -> dict[str, Any]:
    return {
        "resource": resource,
        "where": where,
        "there": there,
        "reason": reason,
        "offers": list(offers),
    }


def _bus_rows(bench: Bench, held: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the buses; one that somebody uses is left alone, a look could disturb it."""
    for name, bus in bench.buses.items():
        there, reason = True, ""
        if any(one in held for one in leases.resources_for(bench, name, None)):
            yield _row(f"bus {name}", bus.where, None, "in use")
            continue
        try:
            if isinstance(bus, SerialConverter | SimulatorBus):
                buses.look(name, serial_ports.locate(bus))
            elif not isinstance(bus, VirtualBus):
                buses.look(name, bus.where)
        except (LookupError, UnavailableError) as error:
            there, reason = False, str(error.args[0])
        yield _row(f"bus {name}", bus.where, there, reason)


def _gateway_rows(bench: Bench, held: dict[str, str]) -> Iterator[dict[str, Any]]:
    for name, gateway in bench.gateways.items():
        offers = sorted(offer.name.lower() for offer in offers_of(gateway))
        there: bool | None = True
        reason = ""
        if isinstance(gateway, NetworkGateway):
            try:
                if f"gateway {gateway.where}" in held:
                    there, reason = None, "in use"
                else:
                    buses.look(name, f"socket://{gateway.where}")
            except UnavailableError as error:
                there, reason = False, str(error).partition("does not answer: ")[2]
        yield _row(f"gateway {name}", gateway.where, there, reason, offers)


def _other_rows(bench: Bench) -> Iterator[dict[str, Any]]:
    for name, meter in bench.meters.items():
        text = " ".join(filter(None, [meter.identification_number, meter.manufacturer]))
        yield _row(f"meter {name}", text, None)
    for name, switch in bench.switches.items():
        yield _row(f"switch {name}", f"{switch.where}, safe position {switch.safe}", None)


# --- check ----------------------------------------------------------------------------------------


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE…")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema.")] = False,
) -> None:
    """Check bench files: all mistakes of all files, with line and column."""
    if schema:
        typer.echo(bench_files.schema_text(), nl=False)
        return
    if not files:
        _complain("want a bench file, or --schema")
    wrong = 0
    for path in files:
        try:
            loaded = bench_files.load(path)
        except bench_files.BenchError as error:
            typer.echo(str(error), err=True)
            wrong += len(error.complaints)
        else:
            counts = f"{len(loaded.places)} places, {len(loaded.buses)} buses"
            typer.echo(f"{path}: {counts}, {len(loaded.gateways)} gateways")
    raise typer.Exit(EXIT_USAGE if wrong else 0)


# --- probe and health -----------------------------------------------------------------------------


@contextmanager
def _opened(bench: Bench, name: str) -> Iterator[Converter]:
    """Open a bus of the bench; raises `UnavailableError` where it is not there."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meterbench-")))
        host = stack.enter_context(Host())
        yield stack.enter_context(closing(buses.open_bus(host, bench, name, folder)))


@contextmanager
def _held(bench: Bench, place: str, purpose: str) -> Iterator[None]:
    """Hold the place while something looks at it; ends the command where somebody has it."""
    try:
        lease = leases.Leases().acquire(
            leases.resources_of(bench, place), purpose, token=leases.joined_token()
        )
    except leases.LeaseHeldError as error:
        _complain(str(error), EXIT_UNFIT)
    with lease:
        yield


@app.command()
def probe(
    place: _Place = None,
    bench: _Bench = None,
    meter: Annotated[
        int, typer.Option(help="Primary address of a meter to ask; 254 where there is only one.")
    ] = 254,
    as_json: _Json = False,
) -> None:
    """Look at the converter of a place: echo, pace, parity, round trip; and what is published."""
    loaded = _load(bench)
    chosen = _place(loaded, place)
    bus_name = loaded.places[chosen].bus
    if bus_name is None:
        _complain(f"place {chosen!r} names no bus")
    family_name = getattr(loaded.buses[bus_name], "family", None)
    family = families.load(family_name) if family_name is not None else None
    try:
        with (
            _held(loaded, chosen, "hil probe"),
            _opened(loaded, bus_name) as bus,
            closing(drivers.open_url(bus.url, bus.line_format)) as wire,
        ):
            found = probing.Probe(wire, bus.line_format, meter).run(family)
    except (UnavailableError, OSError) as error:
        _complain(str(error), EXIT_UNFIT)
    if as_json:
        typer.echo(json.dumps({"bus": bus_name, "findings": [asdict(one) for one in found]}))
        return
    for one in found:
        typer.echo(f"{one.name}: {one.text}")


@app.command("health")
def health_(place: _Place = None, bench: _Bench = None, as_json: _Json = False) -> None:
    """Ask before a run: do converter, meters and gateway answer, and is the load allowed?"""
    loaded = _load(bench)
    chosen = _place(loaded, place)
    bus_name = loaded.places[chosen].bus
    found: list[health.Finding] = []
    with _held(loaded, chosen, "hil health"), ExitStack() as stack:
        bus = None
        if bus_name is not None:
            try:
                bus = stack.enter_context(_opened(loaded, bus_name))
            except UnavailableError as error:
                found.append(health.Finding(f"bus {bus_name}", False, str(error)))
        found += health.examine(loaded, chosen, bus)
    if as_json:
        typer.echo(json.dumps({"place": chosen, "findings": [asdict(one) for one in found]}))
    else:
        for one in found:
            word = {True: "fit", False: "UNFIT", None: "unknown"}[one.fit]
            typer.echo(f"{word:<8} {one.resource}: {one.text}")
    raise typer.Exit(EXIT_UNFIT if any(one.fit is False for one in found) else 0)


# --- acquire and release --------------------------------------------------------------------------


@app.command()
def acquire(
    place: _Place = None,
    bench: _Bench = None,
    hours: Annotated[
        float, typer.Option(min=0.01, max=720.0, help="The lease ends by itself after so long.")
    ] = leases.HOURS_DEFAULT,
    purpose: Annotated[str, typer.Option(help="What for; others see it.")] = "by hand",
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for others.")] = 0.0,
) -> None:
    """Take a place for yourself, beyond this command; prints the token of the lease."""
    loaded = _load(bench)
    chosen = _place(loaded, place)
    resources = leases.resources_of(loaded, chosen)
    if not resources:
        typer.echo(f"{chosen}: nothing to acquire, every resource is virtual")
        return
    try:
        lease = leases.Leases().acquire(resources, purpose, wait_s=wait, lasting_s=hours * 3600.0)
    except leases.LeaseHeldError as error:
        _complain(str(error), EXIT_UNFIT)
    typer.echo(f"{chosen}: {', '.join(resources)}")
    typer.echo(f"export {leases.TOKEN_VARIABLE}={lease.token}")


@app.command()
def release(
    place: _Place = None,
    bench: _Bench = None,
    token: Annotated[str | None, typer.Option(help=f"By default ${leases.TOKEN_VARIABLE}.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Whoever has it; its run becomes INCONCLUSIVE.")
    ] = False,
) -> None:
    """Give a place back."""
    loaded = _load(bench)
    chosen = _place(loaded, place)
    mine = None if force else token or leases.joined_token()
    if mine is None and not force:
        _complain(f"whose lease? Set {leases.TOKEN_VARIABLE} or give --token, or --force")
    released = leases.Leases().release(leases.resources_of(loaded, chosen), mine)
    for record in released:
        typer.echo(f"released {record.resource} of {record.user}@{record.host}")
    if not released:
        _complain(f"place {chosen!r} is not held{' by this token' if mine else ''}", EXIT_UNFIT)


# --- Recordings -----------------------------------------------------------------------------------


@app.command()
def record(
    out: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the files go; made if missing.")
    ],
    place: Annotated[
        str | None, typer.Option(metavar="NAME", help="By default the first place.")
    ] = None,
    bench: _Bench = None,
    passes: Annotated[int, typer.Option(min=1, max=10_000, help="Read-outs of all meters.")] = 10,
) -> None:
    """Let the reference gateway find and read the meters of a place, and keep what passes.

    Writes bus.jsonl, bus.pcapng, modbus.pcapng, registers.json and record.json, which binds the
    others by their sha256.
    """
    loaded = _load(bench)
    chosen = _place(loaded, place)
    try:
        with _held(loaded, chosen, "hil record"), Host() as host:
            files = sessions.record(loaded, chosen, host, passes)
    except (UnavailableError, OSError) as error:
        _complain(str(error), EXIT_UNFIT)
    for name in sessions.write(out, files, loaded.report_facts()):
        typer.echo(f"{out / name}")


@app.command()
def replay(
    recording: Annotated[Path, typer.Argument(metavar="BUS.JSONL", help="What was recorded.")],
    compare: Annotated[
        Path | None, typer.Option(metavar="REGISTERS.JSON", help="Registers to be the same.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Run the gateway in virtual time on a recorded bus; exit code 1 for other registers."""
    loaded = _recording(recording)
    result = replaying.replay(loaded)
    differences = sessions.differences(result.registers, compare) if compare is not None else []
    if as_json:
        document = {
            "meters": result.numbers,
            "registers": {str(address): word for address, word in result.registers.items()},
            "unmatched": [one.hex() for one in result.unmatched],
            "trace_sha256": result.trace_sha256,
            "differences": differences,
        }
        typer.echo(json.dumps(document, indent=1))
    else:
        seconds = result.virtual_ns / 1e9
        typer.echo(f"{len(result.numbers)} meters: {', '.join(result.numbers)}")
        typer.echo(f"{len(result.registers)} registers in {seconds:.1f} s of bus time")
        typer.echo(f"{len(result.unmatched)} requests that were never made before")
        for one in differences:
            typer.echo(one)
        if compare is not None and not differences:
            typer.echo("the registers are the same, but for times of the gateway's own clock")
    raise typer.Exit(1 if differences else 0)


@app.command()
def calibrate(
    recording: Annotated[Path, typer.Argument(metavar="BUS.JSONL", help="What was recorded.")],
    population: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Print this population with the fitted answer times."),
    ] = None,
) -> None:
    """Fit the answer times of the meters of a recording; prints YAML with its provenance."""
    try:
        found = calibration.calibrate(_recording(recording))
        if population is None:
            typer.echo(found.to_yaml(), nl=False)
            return
        text, left = found.applied_to(population.read_text(encoding="utf-8"))
    except calibration.CalibrationError as error:
        _complain(str(error), EXIT_UNFIT)
    except OSError as error:
        _complain(str(error))
    typer.echo(text, nl=False)
    if left:
        typer.echo(f"not in {population}: {', '.join(left)}", err=True)


def _recording(path: Path) -> Recording:
    try:
        return recordings.load(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, recordings.RecordingError) as error:
        _complain(str(error))
