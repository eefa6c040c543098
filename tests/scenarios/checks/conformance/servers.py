"""Real servers on loopback for the checker: the gateway's own, and a stock pymodbus."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pymodbus.server import ModbusTcpServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.io.runtime import AioRuntime
from gateway.modbus.datagram import Datagrams
from gateway.modbus.identification import UL_80
from gateway.modbus.session import Limits, Sessions
from gateway.registers.image import RegisterImage, build
from gateway.registers.layout import Layout
from simulators.memory_storage import MemoryStorage
from tests.gateway import worked_examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

#: Idle limit of servers whose idle close is looked at, in seconds.
IDLE_S = 2
NS_PER_S = 1_000_000_000


def planted() -> list[int]:
    """The registers of the worked example, for a server that only holds words."""
    data = worked_examples.image().read(0, 0, 80)
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


class Moving:
    """An image of which every read finds a new one: the energy of meter A goes up each time."""

    def __init__(self, layout: Layout | None = None) -> None:
        self._layout = Layout() if layout is None else layout
        self._image = worked_examples.image(self._layout)
        self._count = 0

    def __call__(self) -> RegisterImage:
        """The image of this moment."""
        self._count += 1
        first, *others = self._image.meters
        # The low 32 bits run over every few reads: what a torn read would show at once.
        moved = first.values[0]._replace(integer=0xFFFF_FFF0 + self._count % 64)
        meters = (replace(first, values=(moved, *first.values[1:]), time=first.time + 1), *others)
        self._image = build(self._image.gateway, meters, layout=self._layout, previous=self._image)
        return self._image


@contextlib.asynccontextmanager
async def ours(
    image: Callable[[], RegisterImage] | None = None,
    *,
    udp: bool = False,
    idle_s: float = 60,
    connections_max: int = 5,
) -> AsyncIterator[tuple[str, int]]:
    """Serve the gateway's own server with an image, by default one that moves."""
    image = Moving() if image is None else image
    limits = Limits(
        connections_max=connections_max,
        disconnect_timeout=int(idle_s * NS_PER_S),
        connection_timeout=int(idle_s * NS_PER_S),
    )
    sessions = Sessions(image, UL_80, limits=limits)
    runtime = AioRuntime(storage=MemoryStorage())
    stop = asyncio.Event()
    bound: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()

    async def main(rt: Any) -> None:
        if udp:
            datagrams = Datagrams(image, UL_80)
            server = await rt.serve_datagram(("127.0.0.1", 0), datagrams.received)
        else:
            server = await rt.serve_stream(("127.0.0.1", 0), sessions.opened)
        bound.set_result(server.address)
        await runtime.engine.bridge(stop.wait())
        await server.close()

    task = asyncio.create_task(runtime.run(main))
    async with asyncio.timeout(5):
        address = await bound
    try:
        yield address
    finally:
        stop.set()
        await task


@contextlib.asynccontextmanager
async def stock_pymodbus(
    *, udp: bool = False, words: list[int] | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve the planted layout, or other registers from 0 on, with pymodbus as it comes."""
    block = SimData(0, values=planted() if words is None else words, datatype=DataType.REGISTERS)
    device = SimDevice(0, simdata=[block])
    kind = ModbusUdpServer if udp else ModbusTcpServer
    server = kind(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert server.transport is not None
    sockets = getattr(server.transport, "sockets", None)
    if sockets:
        address = sockets[0].getsockname()
    else:
        address = server.transport.get_extra_info("sockname")
    try:
        yield address[:2]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it so
