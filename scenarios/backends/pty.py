"""The backend **pty**: the same gateway in real time, behind a pseudo-terminal and real sockets.

The simulated bus follows the host's clock and is paced at the bit rate of the line; the gateway
opens the pseudo-terminal as it would a serial port, and the Modbus client reads over TCP on the
loopback interface. A run lasts as long as it says: nothing is sped up, unless the scenario itself
sets ``world.bus.speed``, and then only the line is.

A host cannot tell the order of two events that lie closer together than its clock is good for; how
good that is, each run measures first (`measure_clock`).
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import simpy

from gateway.device.device import Wiring
from gateway.io.runtime import AioRuntime
from scenarios.backends.base import BackendError, Outcome
from scenarios.backends.embedded import CAPABILITIES, Recorder, Stage, clock_of, files_of
from scenarios.backends.mains import FilesOnMains
from scenarios.backends.process import ProcessRecorder, ProcessStage
from simulators import endpoints
from simulators.network import Network

if TYPE_CHECKING:
    from gateway.runtime.port import Runtime, Storage
    from scenarios.language.ir import Scenario
    from scenarios.language.vocabulary import Capability

_NS_PER_S: Final = 1_000_000_000

#: From the path of a pseudo-terminal to the URL by which a gateway reaches what is behind it.
Carried = Callable[[str], AbstractContextManager[str]]

#: What the pseudo-terminal and the pacing may add to an answer on a busy host.
TRANSPORT_DELAY_NS: Final = 20_000_000

#: Naps of the probe that measures the clock, and how long each is.
PROBE_NAPS: Final = 40
PROBE_NAP_NS: Final = 1_000_000

#: The uncertainty is never stated smaller than this: a quiet probe proves nothing for the rest.
UNCERTAINTY_NS_MIN: Final = 10_000_000

#: Real time beyond the scenario's own limit after which the run is given up as hung.
GRACE_S: Final = 30.0


class ScenarioTime(AioRuntime):
    """Real time with the time of day that the scenario sets."""

    def __init__(self, clock: int, *, seed: str, storage: Storage, recorder: Recorder) -> None:
        super().__init__(seed=seed, storage=storage, log=recorder.logged)
        self._clock = clock

    def captures(self) -> dict[str, bytes]:
        """Return what was kept of the wires, as files; nothing here."""
        return {}

    def unix_time(self) -> int:
        """Return the scenario's time of day."""
        return self._clock + self.now() // _NS_PER_S


class PtyBackend:
    """Real time, a pseudo-terminal and TCP."""

    name = "pty"
    capabilities: frozenset[Capability] = CAPABILITIES

    def run(self, scenario: Scenario, seed: int) -> Outcome:
        """Run `scenario`; raises BackendError where gateway, simulator or host broke."""
        limit_s = scenario.limit_ns / _NS_PER_S + GRACE_S
        try:
            return asyncio.run(asyncio.wait_for(play_with_process(scenario, seed), limit_s))
        except TimeoutError as error:
            message = f"the run did not end within {limit_s:.0f} s of real time"
            raise BackendError(message) from error
        except Exception as error:
            raise BackendError.of(error) from error


async def play_with_process(scenario: Scenario, seed: int) -> Outcome:
    """Let a scenario run with the gateway in a process of its own."""
    network = network_of(scenario, seed)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meterbench-")))
        storage = FilesOnMains(folder / "data")
        for path, data in files_of(scenario.world).items():
            storage.replace(path, data)
        speed = scenario.world.speed
        endpoint = await endpoints.serve(network, f"pty:{folder / 'bus'}", speed=speed)
        stack.push_async_callback(endpoint.close)
        stack.callback(stop_clock, network)
        recorder = ProcessRecorder()
        start_ns = time.monotonic_ns()
        runtime = ScenarioTime(
            clock_of(scenario), seed=f"{scenario.name}/{seed}", storage=storage, recorder=recorder
        )
        wiring = wiring_of(scenario, str(folder / "bus"))
        arguments = {
            "data": str(folder / "data"),
            "seed": f"{scenario.name}/{seed}",
            "start_ns": start_ns,
            "unix_time_at_start": clock_of(scenario),
            "wiring": {name: value for name, value in asdict(wiring).items() if name != "echo"},
        }
        stages: list[ProcessStage] = []

        async def main(rt: Runtime) -> Outcome:
            uncertainty_ns = await measure_clock(rt)
            stage = ProcessStage(rt, network, wiring, recorder, storage)
            stages.append(stage)
            stage.prepare(arguments, runtime.engine.call, folder / "errors")
            return await stage.play(scenario, uncertainty_ns)

        try:
            return await runtime.run(main)
        finally:
            for stage in stages:
                await stage.closed()


async def play(
    scenario: Scenario,
    seed: int,
    carried: Carried = nullcontext,
    kind: type[ScenarioTime] | None = None,
) -> Outcome:
    """Build the world in this event loop and let the scenario run in it.

    `carried` puts something between the pseudo-terminal of the bus and the gateway: it is given
    the terminal's path and yields the URL for the gateway. `kind` is a runtime that does more.
    """
    world = scenario.world
    network = network_of(scenario, seed)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meterbench-")))
        storage = FilesOnMains(folder / "data")
        for path, data in files_of(world).items():
            storage.replace(path, data)
        endpoint = await endpoints.serve(network, f"pty:{folder / 'bus'}", speed=world.speed)
        stack.push_async_callback(endpoint.close)
        stack.callback(stop_clock, network)
        url = stack.enter_context(carried(str(folder / "bus")))
        recorder = Recorder()
        runtime = (kind or ScenarioTime)(
            clock_of(scenario), seed=f"{scenario.name}/{seed}", storage=storage, recorder=recorder
        )
        wiring = wiring_of(scenario, url)

        async def main(rt: Runtime) -> Outcome:
            uncertainty_ns = await measure_clock(rt)
            played = Stage(rt, network, wiring, recorder, storage)
            return await played.play(scenario, uncertainty_ns)

        outcome = await runtime.run(main)
        return replace(outcome, captures=runtime.captures())


def network_of(scenario: Scenario, seed: int) -> Network:
    """Return the meters of a scenario on a bus, as they are at its beginning."""
    return Network(
        simpy.Environment(),
        scenario.world.population,
        seed=seed,
        baudrate=scenario.world.baudrate,
        scenario=scenario.name,
        epoch=datetime.fromtimestamp(clock_of(scenario), UTC),
    )


def wiring_of(scenario: Scenario, bus_url: str) -> Wiring:
    """Return the wiring of a gateway on this host: any free port, a host's own delays."""
    return Wiring(
        bus_url=bus_url,
        modbus_host="127.0.0.1",
        modbus_port=0,
        transport_delay_ns=TRANSPORT_DELAY_NS,
        serial_number=scenario.world.serial_number,
        unit_loads=scenario.world.unit_loads,
    )


def stop_clock(network: Network) -> None:
    """Let the bus stand still."""
    if network.clock is not None:
        network.clock.stop()


async def measure_clock(rt: Runtime) -> int:
    """Return how far apart (ns) two events must lie for their order to be known on this host.

    Twice the worst of some short naps, since both events may be late; `UNCERTAINTY_NS_MIN` at
    least.
    """
    worst = 0
    for _ in range(PROBE_NAPS):
        before = rt.now()
        await rt.sleep(PROBE_NAP_NS)
        worst = max(worst, rt.now() - before - PROBE_NAP_NS)
    return max(2 * worst, UNCERTAINTY_NS_MIN)
