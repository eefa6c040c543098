"""``gateway run``: a gateway in real time, in a child process that is supervised.

The parent (`gateway.io.supervisor`) holds the data directory; each child is one life of the device,
with its reboots and watchdog trips inside. Both write to the same event file, on one clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

from gateway.bus_cli import Bus, Delay, EchoOption  # noqa: TC001 - typer reads them
from gateway.complaints import EXIT_USAGE, complain
from gateway.device.appliance import Appliance
from gateway.device.link import Echo
from gateway.device.reset import admin_of, factory_reset
from gateway.device.wiring import Wiring
from gateway.io.data_directory import DataDirectory
from gateway.io.runtime import AioRuntime
from gateway.io.storage import FileStorage
from gateway.io.supervisor import BEAT_NS, Beat, Channel, Supervisor
from gateway.mbus.address import manufacturer_letters
from gateway.mbus.tables.manual import medium_label
from gateway.runtime.aio import MonotonicClock
from gateway.runtime.port import NS_PER_MS, NS_PER_S, LineError

if TYPE_CHECKING:
    from gateway.device.restart import Restart
    from gateway.runtime.port import Runtime

#: Events that a person wants to see scroll by; --events takes all of them.
_TOLD: Final = {
    "gateway.startup": "start-up {step}: {text}",
    "gateway.scan": "scan {value}",
    "scan.warning": "scan: {text}",
    "gateway.readout": "read-out {value}",
    "readout.overload": "bus too slow for its cycles: {value} (pass {pass_s} s, cycle {cycle_s} s)",
    "gateway.clock": "clock set by {source}, a step of {step} s",
    "meter.found": "found {serial} {letters} {medium_name}",
    "bus.opened": "bus {url} open at {baudrate} Bd",
    "bus.failed": "bus failed: {text}",
    "watchdog.trip": "{value} tripped: {state} for {seconds} s",
    "gateway.restart.reason": "restart: {value}",
    "supervisor.killed": "process is stuck, {value}: {state} for {seconds} s; it is killed",
    "supervisor.died": "process ended with code {value}",
    "supervisor.restart": "new process after {pause_s} s",
    "gateway.complaint": "{text}",
    "config.complaint": "{file}: {text}",
    "modbus.opened": "Modbus client {peer}, connection {connections}",
    "modbus.rejected": "Modbus client {peer} turned away: {connections} connections are open",
    "modbus.closed": "Modbus client {peer} left: {cause}",
}


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
            file = stack.enter_context(events.open("a", encoding="utf-8")) if events else None
        except OSError as error:
            complain(str(error))
        log = EventLog(file)

        def child(channel: Channel, restart: Restart | None) -> int:
            try:
                is_first = scan and restart is None
                asyncio.run(_live(wiring, storage, log, channel, restart, scan=is_first))
            except OSError as error:
                typer.echo(f"error: {error}", err=True)
                return EXIT_USAGE
            return 0

        code = Supervisor(child, log.now).run()
    if code:
        raise typer.Exit(code)


def reset(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="The device's files.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the admin password from standard input.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
) -> None:
    """Bring a gateway's files back to the factory's (C-50); its admin password is asked for.

    The gateway must not run on DIR. Exit code 1 for a wrong password or no confirmation.
    """
    if not data.is_dir():
        complain(f"{data}: there is no such directory")
    try:
        with DataDirectory(data):
            storage = FileStorage(data)
            if password_stdin:
                password = sys.stdin.readline().rstrip("\n")
            else:
                password = typer.prompt("Password of admin", hide_input=True)
            if not admin_of(storage).knows(password):
                typer.echo(
                    "error: this is not the password of admin; nothing was changed", err=True
                )
                raise typer.Exit(1)
            if not yes and not typer.confirm(f"Forget settings, users, meters and logs in {data}?"):
                typer.echo("nothing was changed", err=True)
                raise typer.Exit(1)
            for path in factory_reset(storage, Wiring(bus_url="").unit_loads):
                typer.echo(path)
    except OSError as error:
        complain(str(error))


class EventLog:
    """Where the events of all lives of the device go: to a file, and the telling ones to people.

    Times are ns since this object was made, on the host's monotonic clock, in every process that
    was forked since. A line is written at once and whole.
    """

    def __init__(self, file: TextIO | None) -> None:
        self.start_ns = time.monotonic_ns()
        self._file = file

    def __call__(self, at_ns: int, kind: str, fields: dict[str, Any]) -> None:
        """Take an event of the device."""
        if self._file is not None:
            document = {"at_ns": at_ns, "kind": kind, **fields}
            self._file.write(json.dumps(document, sort_keys=True) + "\n")
            self._file.flush()
        tell(at_ns, kind, fields)

    def now(self, kind: str, fields: dict[str, Any]) -> None:
        """Take an event of this moment."""
        self(time.monotonic_ns() - self.start_ns, kind, fields)


async def _live(
    wiring: Wiring,
    storage: FileStorage,
    log: EventLog,
    channel: Channel,
    restart: Restart | None,
    *,
    scan: bool,
) -> None:
    """Run an appliance in real time until a signal, or the end of the parent, stops it."""
    runtime = AioRuntime(storage=storage, log=log, clock=MonotonicClock(log.start_ns))

    async def switched_on(rt: Runtime) -> None:
        appliance = Appliance(rt, wiring, restart)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, runtime.engine.call, appliance.stop)
        async with rt.nursery() as nursery:
            nursery.spawn(_beat(rt, appliance, channel), name="heartbeat")
            if scan:
                nursery.spawn(_scan_when_ready(appliance), name="scan at the start")
            await appliance.run()
            nursery.cancel()

    await runtime.run(switched_on)


async def _beat(rt: Runtime, appliance: Appliance, channel: Channel) -> None:
    """Tell the supervisor once a second that the loop turns, and what the device is at."""
    while True:
        watched = appliance.watched()
        beat = Beat(
            watched.timer.value,
            watched.activity.value,
            watched.seconds,
            watched.left_ns,
            appliance.configuration().watchdog_idle,
            appliance.is_ready,
        )
        if not channel.beat(beat):
            appliance.stop()
        with contextlib.suppress(TimeoutError), rt.timeout(BEAT_NS):
            # The limits are those of chip.ini from the end of the start-up on.
            await (rt.sleep(2 * BEAT_NS) if appliance.is_ready else appliance.ready())


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
