"""The servers of M4, each in a process of its own: ``python -m benchmarks.servers KIND IMAGE``.

Each prints the port that it listens on and serves until it is killed. IMAGE holds the registers,
big endian, from register 0 on, so that all of them answer the same.
"""

from __future__ import annotations

import asyncio
import importlib
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import bus
from gateway.io.runtime import AioRuntime
from gateway.io.storage import FileStorage
from gateway.modbus.identification import UL_80
from gateway.modbus.session import Sessions
from gateway.registers.entries import GatewayEntry, MeterEntry, ValueEntry
from gateway.registers.image import RegisterImage, build
from hil.reference import ReferenceGateway, prepare
from hil.virtual import VirtualConverter
from simulators.memory_storage import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.device.appliance import Appliance
    from gateway.runtime.port import Runtime
    from simulators.population import Population

HOST: Final = "127.0.0.1"
METERS: Final = 240
VALUES: Final = 25
_BLOCK: Final = 10


def image() -> RegisterImage:
    """The registers of 240 meters with 25 values each, as `allocate` would place them."""
    meters, register = [], _BLOCK
    for m in range(METERS):
        values = tuple(
            ValueEntry(register + _BLOCK * (v + 1), integer=m * 1_000_003 + v * 7919, unit=4)
            for v in range(VALUES)
        )
        meters.append(MeterEntry(register, serial=10_000_000 + m, medium=4, values=values))
        register += _BLOCK * (VALUES + 1)
    return build(GatewayEntry(75907, 130), meters)


def image_bytes(registers: RegisterImage) -> bytes:
    """Everything that unit 1 can read, from register 0 on."""
    count = registers.register_count(1)
    parts = [registers.read(1, at, min(100, count - at)) for at in range(0, count, 100)]
    return b"".join(parts)


def _listening(port: int) -> None:
    print(port, flush=True)


async def _ours(_: Path) -> None:
    registers = image()
    sessions = Sessions(lambda: registers, UL_80)
    runtime = AioRuntime(storage=MemoryStorage())

    async def main(rt: Runtime) -> None:
        server = await rt.serve_stream((HOST, 0), sessions.opened)
        _listening(server.address[1])
        await rt.event().wait()

    await runtime.run(main)


class Echo(asyncio.Protocol):
    """The least that an asyncio server can do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self._write(data)


async def _echo(_: Path) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, HOST, 0)
    _listening(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _pymodbus(path: Path) -> None:
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    data = SimData(0, values=_numbers(path), datatype=DataType.REGISTERS)
    # pymodbus tells no port that the system chose.
    port = _free_port()
    server = ModbusTcpServer(SimDevice(0, simdata=[data]), address=(HOST, port))
    await server.serve_forever(background=True)
    _listening(port)
    await asyncio.Event().wait()


async def _pymodbustcp(path: Path) -> None:
    ModbusServer = importlib.import_module("pyModbusTCP.server").ModbusServer  # noqa: N806

    port = _free_port()
    server = ModbusServer(HOST, port, no_block=True)
    server.data_bank.set_holding_registers(0, _numbers(path))
    server.start()
    _listening(port)
    await asyncio.Event().wait()


async def _bus(path: Path) -> None:
    """A converter with the meters of `gateway_files`; `path` is not read."""
    del path
    converter = await VirtualConverter.start(meters(), baudrate=BUS_BAUDRATE)
    _listening(int(converter.where.rpartition(":")[2]))
    await asyncio.Event().wait()


async def _gateway(path: Path) -> None:
    """The whole gateway; `path` is its data folder, and the port of the bus stands in a file."""
    port = int((path / BUS_PORT).read_text())
    gateway = await ReferenceGateway.start(f"socket://{HOST}:{port}", path)
    _listening(gateway.modbus_address[1])
    await asyncio.Event().wait()


#: File in the data folder of `_gateway` that names the port of the bus.
BUS_PORT: Final = "bus.port"
BUS_METERS: Final = 250
BUS_BAUDRATE: Final = 2400


def meters() -> Population:
    """The meters of `_bus`: sequential numbers, answers of 100 bytes."""
    return bus.parse(
        bus.entry(f"m{i}", 20_000_000 + i, 100, (11.0, 60.0)) for i in range(BUS_METERS)
    )


def gateway_files(folder: Path, keys: dict[str, object]) -> int:
    """Write the files of a gateway that knows the meters of `_bus`; returns its registers.

    The search is done in virtual time, as it would take minutes in ours.
    """
    search = {
        "MBUS_SCANMODE": "SECONDARYSCANALLOC",
        "METER_TIME": 10,
        "METER_MAXDEVICECOUNT": 0,
        "METER_MAXVALUECOUNT": 0,
        "METER_MAXALLVALUECOUNT": 0,
    }
    world = bus.world(meters(), BUS_BAUDRATE, keys=search)
    registers: list[int] = []

    async def procedure(_: Runtime, appliance: Appliance) -> None:
        await appliance.scan()
        entries = [view.entry for view in appliance.meters()]
        places = [value.register for entry in entries for value in entry.values]
        registers.append(max(places) + _BLOCK)

    world.run(procedure)
    storage = FileStorage(folder)
    path = world.appliance.configuration().meter_stat_config.lstrip("/")
    storage.replace(path, world.rt.storage.read(path))
    prepare(storage, {**search, "MBUS_BAUDRATE": BUS_BAUDRATE, **keys})
    return registers[0]


def _numbers(path: Path) -> list[int]:
    data = path.read_bytes()
    return list(struct.unpack(f">{len(data) // 2}H", data))


def _free_port() -> int:
    """A port for peers that cannot let the system choose one."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


KINDS: Final[dict[str, Callable[[Path], object]]] = {
    "ours": _ours,
    "asyncio echo": _echo,
    "pymodbus": _pymodbus,
    "pyModbusTCP": _pymodbustcp,
    "bus": _bus,
    "gateway": _gateway,
}


if __name__ == "__main__":
    asyncio.run(KINDS[sys.argv[1]](Path(sys.argv[2])))  # type: ignore[arg-type]  # all coroutines
