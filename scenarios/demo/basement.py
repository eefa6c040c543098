"""The demo's world in real time: population, line, gateway and client in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from hil.reference import ReferenceGateway
from hil.virtual import VirtualConverter
from scenarios.demo.client import Client
from simulators.modbus import layout

if TYPE_CHECKING:
    from pathlib import Path

    from simulators.modbus.layout import Block, MeterGroup
    from simulators.observation import Observation
    from simulators.population import Population

#: Settings beside the factory file. Search timing is ADAPTIVE there already (C-74).
KEYS: Final = {
    "MBUS_SCANMODE": "SECONDARYSCANALLOCREVERSE",
    "METER_TIME": 10,
    "METER_MAXVALUECOUNT": 0,
}
BAUDRATE_DEFAULT: Final = 9600
#: A converter that reports parity errors: behind one that cannot, every meter that is found has to
#: be read twice before it counts.
CONVERTER: Final = "rfc2217:127.0.0.1:0"
#: What a busy host may add to the way of an answer: everything here shares one process.
TRANSPORT_DELAY_NS: Final = 30_000_000
#: Seconds between two looks at the registers.
POLL_S: Final = 0.5
#: Last telegrams shown.
TELEGRAMS_SHOWN: Final = 4
#: Events kept for the report's timeline.
EVENTS_MAX: Final = 20_000

_NS_PER_S: Final = 1_000_000_000


@dataclass(slots=True)
class Activity:
    """What can be said about the bus and the gateway at this moment."""

    state: str = "starting"
    searched: float = 0.0
    found: int = 0
    selects: int = 0
    collisions: int = 0
    frames: int = 0
    passes: int = 0
    scan_done_s: float | None = None
    first_value_s: float | None = None
    telegrams: list[tuple[float, str, str]] = field(default_factory=list)


class Basement:
    """Everything that the demo runs; `start` brings it up, leaving the block takes it down."""

    def __init__(self, converter: VirtualConverter, started: float) -> None:
        self.converter = converter
        self.activity = Activity()
        self.blocks: list[Block] = []
        self.failure = ""
        """Why the search failed, "" when it did not."""
        #: Bus frames and events of the gateway for the timeline: (seconds, kind, fields).
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self._started = started
        self._gateway: ReferenceGateway | None = None
        self._client: Client | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.converter.network.subscribe(self._observed)

    @classmethod
    async def start(cls, population: Population, seed: int, data: Path) -> Self:
        """Open the line, start the gateway on it, connect the client, begin the search.

        Raises OSError when a port on loopback cannot be had.
        """
        started = asyncio.get_running_loop().time()
        baudrate = population.baudrate or BAUDRATE_DEFAULT
        converter = await VirtualConverter.start(
            population, where=CONVERTER, seed=seed, baudrate=baudrate
        )
        basement = cls(converter, started)
        try:
            keys = {**KEYS, "MBUS_BAUDRATE": baudrate}
            basement._gateway = await ReferenceGateway.start(
                converter.url,
                data,
                keys=keys,
                log=basement._logged,
                transport_delay_ns=TRANSPORT_DELAY_NS,
            )
            basement._client = await Client.connect(basement.gateway.modbus_address)
        except BaseException:
            await basement.stop()
            raise
        loop = asyncio.get_running_loop()
        basement._tasks = [
            loop.create_task(basement._search(), name="search"),
            loop.create_task(basement._poll(), name="poll"),
        ]
        return basement

    @property
    def gateway(self) -> ReferenceGateway:
        """The gateway under the demo."""
        assert self._gateway is not None, "made by start"
        return self._gateway

    @property
    def client(self) -> Client:
        """The independent client."""
        assert self._client is not None, "made by start"
        return self._client

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return asyncio.get_running_loop().time() - self._started

    @property
    def baudrate(self) -> int:
        """Speed of the line."""
        return self.converter.network.bus.format.baudrate

    def groups(self) -> list[MeterGroup]:
        """The meters in the registers, as they were last read."""
        return layout.group(self.blocks)[0]

    async def look(self) -> list[Block]:
        """Read every register now; raises ConnectionError when the gateway has gone."""
        self.blocks = await self.client.blocks()
        if self.activity.first_value_s is None and any(
            group.values and not group.meter.could_not_be_read for group in self.groups()
        ):
            self.activity.first_value_s = self.elapsed_s
        return self.blocks

    async def stop(self) -> None:
        """Take everything down, in the order in which it depends on each other."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task
        if self._client is not None:
            self._client.close()
        if self._gateway is not None:
            await self._gateway.stop()
        await self.converter.close()

    # --- What goes on -------------------------------------------------------------------------

    async def _search(self) -> None:
        try:
            await self.gateway.scan()
        except OSError as error:
            self.failure = str(error)
        else:
            self.activity.scan_done_s = self.elapsed_s

    async def _poll(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)

    def _logged(self, at_ns: int, kind: str, fields: dict[str, Any]) -> None:
        activity = self.activity
        if kind == "gateway.state":
            activity.state = fields["value"]
        elif kind == "scan.probe":
            activity.selects += 1
            activity.searched = fields["share"]
        elif kind == "meter.found":
            activity.found += not fields["known"]
        elif kind == "gateway.readout" and fields["value"] == "done":
            activity.passes += 1
        if kind.startswith(("gateway.", "meter.")):
            self._keep(at_ns, kind, fields)

    def _observed(self, observation: Observation) -> None:
        activity = self.activity
        if observation.path == "bus.collision":
            activity.collisions += 1
        elif observation.path == "bus.frame":
            activity.frames += 1
            evidence = observation.evidence
            who = evidence["meter"] or "master"
            activity.telegrams.append((observation.at_ns / _NS_PER_S, who, observation.value))
            del activity.telegrams[:-TELEGRAMS_SHOWN]
        else:
            return
        self._keep(observation.at_ns, observation.path, dict(observation.evidence))

    def _keep(self, at_ns: int, kind: str, fields: dict[str, Any]) -> None:
        if len(self.events) < EVENTS_MAX:
            self.events.append((at_ns, kind, fields))
