"""An opened gateway: where its Modbus server is, and, for the reference gateway, its commands.

`open_gateway` turns an entry of the bench file into a `Gateway`. The reference gateway runs on the
loop of the bench, in real time, on the bus that its entry names; a network gateway runs by itself.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from gateway.device.device import CHIP_INI
from gateway.io.storage import FileStorage
from hil import bench as bench_file
from hil.buses import CONNECT_LIMIT_S, UnavailableError
from hil.reference import ReferenceGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from gateway.device.appliance import Appliance, MeterView
    from gateway.device.scan import ScanReport
    from hil.bench import NetworkGateway
    from hil.buses import Converter
    from hil.host import Host

T = TypeVar("T")

#: Longest start-up and longest stop, in seconds.
START_LIMIT_S: Final = 20.0
STOP_LIMIT_S: Final = 10.0

#: Longest scan or read-out that a test waits for, in seconds.
COMMAND_LIMIT_S: Final = 600.0

#: What the host may add to an answer between wire and program; a busy machine takes its time.
TRANSPORT_DELAY_NS: Final = 100_000_000

#: Events of the gateway that are kept for a look at them afterwards.
EVENTS_MAX: Final = 100_000

#: Unit identifier under which the reference gateway answers for itself (C-38).
UNIT_IDENTIFIER: Final = 255


class Gateway(Protocol):
    """A device under test as a Modbus client sees it."""

    @property
    def name(self) -> str:
        """Name in the bench file."""
        ...

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of its Modbus server."""
        ...

    @property
    def unit_identifier(self) -> int:
        """Unit identifier under which it answers."""
        ...

    @property
    def reference(self) -> RunningReference | None:
        """The reference gateway with its commands; None for a foreign one."""
        ...

    def close(self) -> None:
        """Stop what was started."""
        ...


class ForeignGateway:
    """A gateway that runs by itself; it is only ever asked over the network."""

    reference = None

    def __init__(self, name: str, gateway: NetworkGateway) -> None:
        self.name = name
        self.address = (gateway.host, gateway.port)
        self.unit_identifier = gateway.unit_identifier

    def close(self) -> None:
        """It was running before and goes on running."""


class RunningReference:
    """A `hil.reference.ReferenceGateway` on the loop of `host`, for tests outside that loop.

    Commands block until they are done. `events` holds what the gateway logged.
    """

    unit_identifier = UNIT_IDENTIFIER

    def __init__(
        self,
        host: Host,
        name: str,
        gateway: bench_file.ReferenceGateway,
        bus: Converter,
        data: Path,
    ) -> None:
        self.name = name
        self.data = data
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self._host = host
        _prepare(data, gateway, bus)
        listen, _, port = gateway.modbus.rpartition(":")
        starting = ReferenceGateway.start(
            bus.url,
            data,
            modbus=(listen, int(port)),
            unit_loads=gateway.unit_loads,
            transport_delay_ns=TRANSPORT_DELAY_NS,
            log=self._logged,
        )
        try:
            self._gateway = host.call(starting, what=f"starting {name}", limit_s=START_LIMIT_S)
            self.address = self._gateway.modbus_address
        except OSError as error:
            raise UnavailableError(f"gateway {name!r} does not start: {error}") from error

    @property
    def reference(self) -> RunningReference:
        """This is the reference gateway."""
        return self

    def scan(self) -> ScanReport:
        """Search the bus for meters."""
        return self._command("scan", lambda appliance: appliance.scan())

    def readout(self, identification_number: str | None = None) -> None:
        """Read every meter now, or one."""
        self._command("readout", lambda appliance: appliance.readout(identification_number))

    def allocate(self) -> list[str]:
        """Give every entry its registers; returns what did not fit, in words."""
        return self._command("allocate", lambda appliance: appliance.allocate())

    def commission(self) -> None:
        """Find the meters, read them, and give every entry its registers."""
        self.scan()
        self.readout()
        self.allocate()

    def meters(self) -> list[MeterView]:
        """The meter list with the last readings."""
        return self._host.ask(self._gateway.appliance.meters, what=f"the meter list of {self.name}")

    def close(self) -> None:
        """Switch the gateway off and wait until it has given everything back."""
        self._host.call(self._gateway.stop(), what=f"stopping {self.name}", limit_s=STOP_LIMIT_S)

    def _command(self, what: str, act: Callable[[Appliance], Coroutine[Any, Any, T]]) -> T:
        gateway = self._gateway

        async def run() -> T:
            result: T = await gateway.call(act(gateway.appliance), what)
            return result

        return self._host.call(run(), what=f"{what} of {self.name}", limit_s=COMMAND_LIMIT_S)

    def _logged(self, at_ns: int, kind: str, fields: Mapping[str, Any]) -> None:
        if len(self.events) < EVENTS_MAX:
            self.events.append((at_ns, kind, dict(fields)))


def _prepare(data: Path, gateway: bench_file.ReferenceGateway, bus: Converter) -> None:
    """Write chip.ini unless the data directory has one; the speed is that of the bus."""
    if (data / CHIP_INI).exists():
        return
    settings = {"MBUS_BAUDRATE": bus.line_format.baudrate} | gateway.chip_ini
    text = bench_file.chip_ini(gateway.model_copy(update={"chip_ini": settings}))
    FileStorage(data).replace(CHIP_INI, text)


def open_gateway(
    host: Host, bench: bench_file.Bench, name: str, bus: Converter | None, data: Path
) -> Gateway:
    """Open a gateway of the bench; the reference one is started on `bus` with `data`.

    Raises `UnavailableError` for one that does not start or does not answer.
    """
    gateway = bench.gateways[name]
    if isinstance(gateway, bench_file.ReferenceGateway):
        assert bus is not None, "a reference gateway names its bus"
        folder = bench.folder / gateway.data if gateway.data is not None else data
        return RunningReference(host, name, gateway, bus, folder)
    try:
        with socket.create_connection((gateway.host, gateway.port), CONNECT_LIMIT_S):
            pass
    except OSError as error:
        place = f"{gateway.host}:{gateway.port}"
        reason = error.strerror or str(error)
        raise UnavailableError(f"gateway {name!r}: {place} does not answer: {reason}") from error
    return ForeignGateway(name, gateway)
