"""A device in virtual time on a simulated bus that can be unplugged, its files in memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import simpy

from gateway.device.appliance import Appliance
from gateway.device.device import CHIP_INI, Wiring
from gateway.runtime.port import NS_PER_S, Fault, LineError, Received
from hil.runtimes import simulated_runtime
from simulators import population
from simulators.memory_storage import MemoryStorage
from simulators.network import Network

if TYPE_CHECKING:
    from gateway.runtime.port import LineFormat
    from simulators.runtime import SimRuntime

BUS_URL = "bus:"
LIST = "app/Device_Handle.cfg"
MODBUS = ("10.0.0.1", 502)

Story = Callable[["Plant"], Coroutine[Any, Any, None]]


def chip_ini(**keys: Any) -> bytes:
    """A chip.ini with some keys set over short timeouts; MODBUS_ENABLE=1."""
    settings = {"MODBUS_ENABLE": 1, "MBUS_SEARCHTIMING": "ADAPTIVE", "MBUS_BAUDRATE": 9600}
    settings |= {"MBUS_SCANMODE": "SECONDARYSCANALLOC", "MBUS_TIMEOUT": 500} | keys
    return b"[CONFIG]\n" + b"".join(f"{key}={value}\n".encode() for key, value in settings.items())


class Plant:
    """The device under test with everything around it; `run` tells a story with it."""

    def __init__(
        self,
        meters: str | list[dict[str, Any]] = "worked-examples",
        *,
        files: dict[str, bytes] | None = None,
        plugged: bool = True,
        host_clock: bool = True,
        unit_loads: int = 80,
        modbus_port: int | None = MODBUS[1],
        **keys: Any,
    ) -> None:
        env = simpy.Environment()
        known = isinstance(meters, str)
        self.population = (
            population.load(str(meters)) if known else population.parse(meters, source="test")
        )
        self.network = Network(env, self.population, seed=1, baudrate=9600)
        self.storage = MemoryStorage({CHIP_INI: chip_ini(**keys), **(files or {})})
        self.rt = simulated_runtime(env, storage=self.storage, lines={BUS_URL: self._open_line})
        wiring = Wiring(
            BUS_URL, MODBUS[0], modbus_port, host_clock=host_clock, unit_loads=unit_loads
        )
        self.appliance = Appliance(self.rt, wiring)
        self.plugged = plugged
        #: How the port was opened, each time.
        self.formats: list[LineFormat] = []
        self._line: Any = None

    def _open_line(self, rt: SimRuntime, line_format: Any) -> Any:
        if not self.plugged:
            raise LineError("no such port")
        self.formats.append(line_format)
        self._line = self.network.open_port(rt, line_format, received=Received, fault=Fault)
        return self._line

    async def unplug(self) -> None:
        """Take the port away; whoever uses it fails at once."""
        self.plugged = False
        await self._line.close()

    async def drop(self) -> None:
        """End the connection as a converter does; it can be opened again at once."""
        await self._line.close()

    def set_keys(self, **keys: Any) -> None:
        """Write another chip.ini, which counts from the next start on."""
        self.storage.replace(CHIP_INI, chip_ini(**keys))

    def run(self, story: Story) -> None:
        """Switch on, wait until it serves, tell the story, switch off."""

        async def main(rt: SimRuntime) -> None:
            async with rt.nursery() as nursery:
                nursery.spawn(self.appliance.run(), name="appliance")
                await self.appliance.ready()
                await story(self)
                self.appliance.stop()

        self.rt.run(main)

    async def seconds(self, seconds: float) -> None:
        """Let time pass."""
        await self.rt.sleep(round(seconds * NS_PER_S))

    async def reboot(self) -> None:
        """Restart and wait until it serves again."""
        self.appliance.reboot()
        await self.appliance.ready()

    # --- What is seen -------------------------------------------------------------------------

    def registers(self, start: int, count: int = 10) -> list[int]:
        """Registers as a Modbus client reads them."""
        data = self.appliance.registers(255, start, count)
        return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]

    def flags(self) -> list[int]:
        """The flags of every meter, from its registers."""
        return [self.registers(view.entry.register)[8] for view in self.appliance.meters()]

    def leds(self) -> tuple[str, str]:
        """ACT and ST now."""
        leds = self.appliance.leds()
        return leds.act.value, leds.st.value

    def logged(self, kind: str) -> list[tuple[float, dict[str, Any]]]:
        """Time (s) and fields of the events of one kind."""
        return [(at / NS_PER_S, fields) for at, name, fields in self.rt.trace if name == kind]

    def values(self, kind: str) -> list[Any]:
        """The `value` of the events of one kind, in order."""
        return [fields["value"] for _, fields in self.logged(kind)]

    def sent(self) -> list[tuple[float, str]]:
        """Time (s) and bytes of the master's telegrams."""
        return [
            (at, bytes.fromhex(fields["data"]).hex(" ").upper())
            for at, fields in self.logged("link.sent")
        ]

    def reads(self, serial: str) -> list[float]:
        """When (s) a meter was read, or tried."""
        return [at for at, fields in self.logged("meter.read") if fields["serial"] == serial]
