"""The reference gateway as a device on the bench: started, asked and stopped from asyncio code.

The same appliance that ``meterbench gateway run`` serves, in the caller's own loop, so that a
fixture, the demo and a scenario over pseudo-terminals need no process of their own.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from gateway.device import configuration as chip_ini
from gateway.device.appliance import Appliance
from gateway.device.device import CHIP_INI, Wiring
from gateway.io.runtime import AioRuntime
from gateway.io.storage import FileStorage
from hil.recorder import RecordingRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from gateway.device.scan import ScanReport
    from gateway.runtime.port import Runtime, Storage
    from hil.recording import Recording


def prepare(storage: Storage, keys: Mapping[str, object], *, unit_loads: int = 80) -> None:
    """Write a chip.ini: the factory file with `keys`, named as in the file (``METER_TIME``).

    Raises ValueError naming a key that there is not or a value that it does not take.
    """
    old = chip_ini.factory_chip_ini(unit_loads).encode()
    configuration, _ = chip_ini.load(old, unit_loads=unit_loads)
    known = {key.name: key for key in chip_ini.KEYS if key.section == "CONFIG"}
    unknown = [name for name in keys if name not in known]
    if unknown:
        raise ValueError(f"chip.ini has no key {unknown[0]} in [CONFIG]")
    changes = {
        known[name].attribute: known[name].kind.parse(str(value)) for name, value in keys.items()
    }
    configuration = replace(configuration, **changes)
    storage.replace(CHIP_INI, chip_ini.save(old, configuration, unit_loads=unit_loads))


class ReferenceGateway:
    """One running gateway; made by `start`, ended by `stop`."""

    def __init__(
        self, wiring: Wiring, data: Path, log: Any = None, recording: Recording | None = None
    ) -> None:
        self._wiring = wiring
        self._runtime = (
            AioRuntime(storage=FileStorage(data), log=log)
            if recording is None
            else RecordingRuntime(recording, storage=FileStorage(data), log=log)
        )
        self._task: asyncio.Task[Any] | None = None
        self._appliance: Appliance | None = None

    @classmethod
    async def start(
        cls,
        bus_url: str,
        data: Path,
        *,
        keys: Mapping[str, object] | None = None,
        modbus: tuple[str, int] = ("127.0.0.1", 0),
        unit_loads: int = 80,
        transport_delay_ns: int = 0,
        log: Callable[[int, str, dict[str, Any]], None] | None = None,
        recording: Recording | None = None,
    ) -> Self:
        """Start a gateway on `bus_url` with its files below `data`; returns once it serves.

        `keys` are settings of chip.ini beside the factory file; without them the files in `data`
        count as they are. `unit_loads` is the model, `transport_delay_ns` what the host may add to
        an answer, `recording` takes what passes at its port.

        Raises OSError when the Modbus address cannot be bound, ValueError for a bad key.
        """
        if keys is not None:
            prepare(FileStorage(data), keys, unit_loads=unit_loads)
        wiring = Wiring(
            bus_url,
            modbus_host=modbus[0],
            modbus_port=modbus[1],
            transport_delay_ns=transport_delay_ns,
            unit_loads=unit_loads,
        )
        gateway = cls(wiring, data, log, recording)
        await gateway._begin()
        return gateway

    async def _begin(self) -> None:
        made: asyncio.Future[Appliance] = asyncio.get_running_loop().create_future()

        async def main(rt: Runtime) -> None:
            appliance = Appliance(rt, self._wiring)
            made.set_result(appliance)
            await appliance.run()

        self._task = asyncio.create_task(self._runtime.run(main), name="reference gateway")
        self._appliance = await made
        ready = self._runtime.spawn_root(self._appliance.ready(), "ready")
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        # A start-up that fails takes the waiter for `ready` down first and the run a moment later.
        if self._task.done() or ready.cancelled() or ready.exception() is not None:
            task, self._task = self._task, None
            await task

    @property
    def appliance(self) -> Appliance:
        """The door to the device; call its queries from the same loop, its commands by `call`."""
        assert self._appliance is not None, "started by start()"
        return self._appliance

    @property
    def modbus_address(self) -> tuple[str, int]:
        """Where Modbus clients connect; raises ConnectionError where the server is disabled."""
        address = self.appliance.modbus_address()
        if address is None:
            raise ConnectionError("the gateway's Modbus server is disabled (MODBUS_ENABLE=0)")
        return address

    @property
    def running(self) -> bool:
        """True until `stop`."""
        return self._task is not None

    async def call(self, command: Coroutine[Any, Any, Any], name: str) -> Any:
        """Await a command of the appliance, such as ``gateway.appliance.readout()``."""
        return await self._runtime.spawn_root(command, name)

    async def scan(self) -> ScanReport:
        """Search the bus; raises `LineError`, an OSError, when it fails."""
        report: ScanReport = await self.call(self.appliance.scan(), "scan")
        return report

    async def stop(self) -> None:
        """Switch the device off and wait until it has given everything back."""
        if self._task is None:
            return
        if not self._task.done():
            self._runtime.engine.call(self.appliance.stop)
        task, self._task = self._task, None
        await task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()
