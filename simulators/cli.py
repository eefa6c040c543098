"""``meterbench simulate``: a population of meters on a bus that real masters can reach."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer looks at the annotations
from typing import TYPE_CHECKING, Annotated, Final

import simpy
import typer

from simulators import control, endpoints, pcapng, population
from simulators.modbus.tap import ModbusTap
from simulators.network import Network

if TYPE_CHECKING:
    from simulators.http_server import HttpServer
    from simulators.observation import Observation

#: Exit code for a file or an option that cannot be used.
EXIT_USAGE: Final = 2
BAUDRATE_DEFAULT: Final = 2400

_MODBUS_HELP: Final = (
    "Stand between Modbus clients and a gateway (HOST:PORT each) and record what both say."
)
_PRINTED: Final = {"bus.collision", "bus.selection"}


def simulate(
    population_file: Annotated[
        str,
        typer.Argument(
            metavar="POPULATION",
            help="A population file, or the name of one that comes with the package.",
        ),
    ],
    listen: Annotated[
        list[str],
        typer.Option(
            "--listen",
            metavar="WHERE",
            help="pty:PATH, tcp:HOST:PORT, udp:HOST:PORT or rfc2217:HOST:PORT; repeatable.",
        ),
    ],
    seed: Annotated[int, typer.Option(help="Decides everything that is drawn by chance.")] = 1,
    baudrate: Annotated[
        int | None, typer.Option(help="Speed of the line; by default the file's, else 2400.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Bus seconds for each real second.")] = 1.0,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every observation as a JSON line.")
    ] = None,
    pcap: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Capture every frame as pcapng.")
    ] = None,
    control_at: Annotated[
        str | None,
        typer.Option(
            "--control",
            metavar="[HOST:]PORT",
            help="Look at meters and break them by HTTP and JSON; on loopback without HOST.",
        ),
    ] = None,
    modbus: Annotated[str | None, typer.Option(metavar="PLACE=GATEWAY", help=_MODBUS_HELP)] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="A line for each selection and collision.")
    ] = False,
    schema: Annotated[  # noqa: ARG001 - done by its callback before the file is looked at
        bool,
        typer.Option(
            "--schema",
            callback=_print_schema,
            is_eager=True,
            help="Print the JSON schema of population files, for editors, and leave.",
        ),
    ] = False,
) -> None:
    """Put a population of M-Bus meters on a simulated line and open it to real masters.

    Runs until it is interrupted. Exit code 2: the file, an address or an option cannot be used.
    """
    try:
        meters = population.load(population_file)
        env = simpy.Environment()
        rate = baudrate or meters.baudrate or BAUDRATE_DEFAULT
        network = Network(env, meters, seed=seed, baudrate=rate, epoch=datetime.now(UTC))
        with ExitStack() as stack:
            _record(network, stack, trace, pcap, verbose=verbose)
            asyncio.run(_serve(network, listen, speed, control_at, modbus))
    except (ValueError, OSError) as error:
        for line in str(error).splitlines():
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(EXIT_USAGE) from error


def _record(
    network: Network, stack: ExitStack, trace: Path | None, pcap: Path | None, *, verbose: bool
) -> None:
    """Write what happens to the files that are wanted, until `stack` closes them."""
    if trace is not None:
        file = stack.enter_context(trace.open("w", encoding="utf-8", buffering=1))
        network.subscribe(lambda seen: print(seen.to_json(), file=file))
    if pcap is not None:
        capture = pcapng.Capture(stack.enter_context(pcap.open("wb")), network.epoch)
        network.subscribe(capture.observe)
    if verbose:
        network.subscribe(_print)


def _print_schema(wanted: bool) -> None:
    """Print the schema and leave."""
    if wanted:
        typer.echo(population.schema_text(), nl=False)
        raise typer.Exit


async def _serve(
    network: Network,
    listen: list[str],
    speed: float,
    control_at: str | None,
    modbus: str | None,
) -> None:
    """Open every endpoint and the control, say so, and stay until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    opened = list[endpoints.Endpoint]()
    server: HttpServer | None = None
    tap: ModbusTap | None = None
    try:
        for where in listen:
            opened.append(await endpoints.serve(network, where, speed=speed))
        places = ", ".join(endpoint.where for endpoint in opened)
        typer.echo(
            f"{len(network.meters)} meters of {network.population.name!r} at "
            f"{network.bus.format.baudrate} Bd, speed {speed:g}: listening on {places}"
        )
        if control_at is not None:
            server = await control.serve(network, control_at)
            host, port = server.address
            shown = f"[{host}]" if ":" in host else host
            typer.echo(f"control on http://{shown}:{port}/")
        if modbus is not None:
            tap = await _tap(network, modbus)
            host, port = tap.address
            typer.echo(f"Modbus clients on {host}:{port} reach the gateway")
        await stop.wait()
    finally:
        if tap is not None:
            await tap.close()
        if server is not None:
            await server.close()
        for endpoint in opened:
            await endpoint.close()
        if network.clock is not None:
            network.clock.stop()
    typer.echo("stopped")


async def _tap(network: Network, modbus: str) -> ModbusTap:
    """Open the tap for Modbus of ``PLACE=GATEWAY``; ValueError, OSError."""
    place, separator, gateway = modbus.partition("=")
    if not separator:
        msg = f"want --modbus HOST:PORT=HOST:PORT, got {modbus!r}"
        raise ValueError(msg)

    def told(data: bytes, client: tuple[str, int], *, from_client: bool) -> None:
        direction = "client" if from_client else "gateway"
        network.tell("modbus.bytes", data.hex(), direction=direction, client=list(client))

    tap = ModbusTap(control.place(gateway), told)
    host, port = control.place(place)
    try:
        await tap.listen(host, port)
    except OSError as error:
        msg = f"cannot listen on {place} for Modbus: {error.strerror or error}"
        raise OSError(msg) from error
    return tap


def _print(seen: Observation) -> None:
    """A line for what a person at the console wants to see."""
    if seen.path not in _PRINTED:
        return
    seconds = seen.at_ns / 1_000_000_000
    if seen.path == "bus.collision":
        typer.echo(f"{seconds:12.3f} s  collision of {', '.join(seen.value)}")
    else:
        typer.echo(f"{seconds:12.3f} s  select {seen.value}: {seen.evidence['count']} meters")


if __name__ == "__main__":
    typer.run(simulate)
