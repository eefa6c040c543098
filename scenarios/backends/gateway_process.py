"""``python -m scenarios.backends.gateway_process``: the reference gateway in a process of its own.

It is `gateway run` with a hand on its one door: commands come in as JSON lines on standard input,
events go out as JSON lines, in the form of ``gateway run --events``, to standard output, and so do
the answers to commands. Nothing in the gateway knows of it. The process can be stopped and killed
as a whole, which is the point of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.device.appliance import Appliance
from gateway.device.device import Wiring
from gateway.io.runtime import AioRuntime
from gateway.io.storage import FileStorage
from gateway.runtime.aio import MonotonicClock
from scenarios.backends.commands import carry_out
from scenarios.stage import DeedError

if TYPE_CHECKING:
    from gateway.runtime.port import Runtime

_NS_PER_S = 1_000_000_000


class _SharedClock(MonotonicClock):
    """The host's monotonic clock, counted from where another process began to count."""

    def __init__(self, start_ns: int) -> None:
        super().__init__()
        self._start_ns = start_ns


class _ScenarioTime(AioRuntime):
    """Real time with the time of day that the scenario sets."""

    def __init__(self, unix_time_at_start: int, **more: Any) -> None:
        super().__init__(**more)
        self._unix_time_at_start = unix_time_at_start

    def unix_time(self) -> int:
        """Return the scenario's time of day."""
        return self._unix_time_at_start + self.now() // _NS_PER_S


def _write(**document: Any) -> None:
    sys.stdout.write(json.dumps(document, separators=(",", ":")) + "\n")
    sys.stdout.flush()


async def _main(given: dict[str, Any]) -> None:
    appliances: list[Appliance] = []

    def log(at_ns: int, kind: str, fields: dict[str, Any]) -> None:
        listed = appliances[0].identification_numbers()
        _write(at_ns=at_ns, kind=kind, fields=fields, listed=listed)

    runtime = _ScenarioTime(
        given["unix_time_at_start"],
        seed=given["seed"],
        storage=FileStorage(Path(given["data"])),
        log=log,
        clock=_SharedClock(given["start_ns"]),
    )

    async def switched_on(rt: Runtime) -> None:
        appliances.append(Appliance(rt, Wiring(**given["wiring"])))
        async with rt.nursery() as nursery:
            commands = asyncio.ensure_future(_commands(runtime, appliances[0]))
            nursery.spawn(_tell_ready(appliances[0]), name="ready")
            await appliances[0].run()
            commands.cancel()
            nursery.cancel()

    await runtime.run(switched_on)


async def _tell_ready(appliance: Appliance) -> None:
    await appliance.ready()
    _write(reply=0, address=appliance.modbus_address())


async def _commands(runtime: AioRuntime, appliance: Appliance) -> None:
    """Take commands until standard input ends, which ends the gateway."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        number = command.pop("id")
        runtime.spawn_root(_carry_out(appliance, number, command), name=f"command {number}")
    runtime.engine.call(appliance.stop)


async def _carry_out(appliance: Appliance, number: int, command: dict[str, Any]) -> None:
    refused = None
    try:
        await carry_out(appliance, command)
    except DeedError as error:
        refused = str(error)
    except OSError:
        # The device ended before it was done, which its events tell.
        refused = None
    _write(reply=number, refused=refused, address=appliance.modbus_address())


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
