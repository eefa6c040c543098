"""The backend **sim**: gateway, bus, meters and client in virtual time, in one process.

Nothing waits for anything real: hours pass in a fraction of a second, and the same scenario with
the same seed gives the same trace, byte for byte, in any process. The clock is exact, so the
uncertainty is 0.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import simpy

from gateway.device.device import Wiring
from gateway.runtime.kernel import Kernel
from gateway.runtime.port import Fault, LineError, Received
from scenarios.backends.base import BackendError, Outcome
from scenarios.backends.embedded import CAPABILITIES, Recorder, Stage, clock_of, files_of
from scenarios.backends.mains import MemoryOnMains
from simulators.network import Network
from simulators.runtime import SimRuntime

if TYPE_CHECKING:
    from scenarios.language.ir import Scenario
    from scenarios.language.vocabulary import Capability

BUS_URL: Final = "sim:bus"

#: Address of the gateway in the network in memory; 502 needs no privilege there.
_MODBUS: Final = ("192.168.1.101", 502)


class SimBackend:
    """Virtual time."""

    name = "sim"
    capabilities: frozenset[Capability] = CAPABILITIES

    def run(self, scenario: Scenario, seed: int) -> Outcome:
        """Run `scenario`; raises BackendError where gateway or simulator broke."""
        try:
            return self._run(scenario, seed)
        except Exception as error:
            raise BackendError.of(error) from error

    @staticmethod
    def _run(scenario: Scenario, seed: int) -> Outcome:
        env = simpy.Environment()
        clock = clock_of(scenario)
        network = Network(
            env,
            scenario.world.population,
            seed=seed,
            baudrate=scenario.world.baudrate,
            scenario=scenario.name,
            epoch=datetime.fromtimestamp(clock, UTC),
        )
        recorder = Recorder()
        storage = MemoryOnMains(files_of(scenario.world))

        def open_bus(rt: SimRuntime, line_format: Any) -> Any:
            return network.open_port(rt, line_format, received=Received, fault=Fault)

        rt = SimRuntime(
            env,
            kernel=Kernel,
            seed=seed,
            scenario=scenario.name,
            storage=storage,
            lines={BUS_URL: open_bus},
            log=recorder.logged,
            line_error=LineError,
            unix_time_at_start=clock,
        )
        world = scenario.world
        wiring = Wiring(
            bus_url=BUS_URL,
            modbus_host=_MODBUS[0],
            modbus_port=_MODBUS[1],
            serial_number=world.serial_number,
            unit_loads=world.unit_loads,
        )

        async def main(runtime: SimRuntime) -> Outcome:
            stage = Stage(runtime, network, wiring, recorder, storage)
            return await stage.play(scenario, uncertainty_ns=0)

        return rt.run(main)
