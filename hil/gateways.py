"""An opened gateway: a `hil.protocols.DeviceUnderTest`, whoever made it and wherever it runs.

`open_gateway` turns an entry of the bench file into one. The reference gateway runs on the loop of
the bench, or as a process, on the bus that its entry names; a network gateway runs by itself.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway.device.device import CHIP_INI
from gateway.io.storage import FileStorage
from hil import foreign, reference
from hil.bench import chip_ini
from hil.buses import CONNECT_LIMIT_S
from hil.gateway_process import Namespace, ReferenceProcess
from hil.protocols import OFFERS, OFFERS_BY_KEY, NotOfferedError, Offer, UnavailableError
from hil.resources import NetworkGateway, ReferenceGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from gateway.device.appliance import Appliance, MeterView
    from gateway.device.scan import ScanReport
    from hil.bench import Bench
    from hil.buses import Converter
    from hil.host import Host
    from hil.protocols import DeviceUnderTest, Event, Switchable
    from hil.recording import Recording

T = TypeVar("T")

#: Longest start-up and longest stop, in seconds.
START_LIMIT_S: Final = 20.0
STOP_LIMIT_S: Final = 10.0

#: Longest time from the supply being switched on to a server that accepts, in seconds.
BOOT_LIMIT_S: Final = 120.0

#: Pause between two attempts to connect, in seconds.
LOOK_S: Final = 0.25

#: Longest scan or read-out that a test waits for, in seconds.
COMMAND_LIMIT_S: Final = 600.0

#: What the host may add to an answer between wire and program; a busy machine takes its time.
TRANSPORT_DELAY_NS: Final = 100_000_000

#: Events of the gateway that are kept for a look at them afterwards.
EVENTS_MAX: Final = 100_000

#: Unit identifier under which the reference gateway answers for itself (C-38).
UNIT_IDENTIFIER: Final = 255


class ForeignGateway:
    """A gateway that runs by itself: what it serves, and what its entry says it has besides."""

    reference = None

    def __init__(
        self, name: str, gateway: NetworkGateway, switch: Switchable | None = None
    ) -> None:
        self.name = name
        self.address = (gateway.host, gateway.port)
        self.unit_identifier = gateway.unit_identifier
        #: It tells nobody what it logs.
        self.events: list[Event] = []
        self.offers = offers_of(gateway)
        self._entry = gateway
        self._switch = switch

    def scan(self) -> object:
        """Nobody but a person at its page can ask for this."""
        raise NotOfferedError(self.name, Offer.SCAN)

    def readout(self) -> None:
        """Nobody but a person at its page can ask for this."""
        raise NotOfferedError(self.name, Offer.READOUT)

    def allocate(self) -> object:
        """Nobody but a person at its page can ask for this."""
        raise NotOfferedError(self.name, Offer.ALLOCATE)

    def power(self, *, on: bool) -> None:
        """Switch its supply; on returns once it serves Modbus."""
        if self._switch is None:
            raise NotOfferedError(self.name, Offer.POWER)
        self._switch.switch(on=on)
        if on:
            wait_for(self.name, self.address)

    def file(self, path: str) -> bytes:
        """Fetch a file by FTP, logged in with the credentials of the environment."""
        if self._entry.files is None:
            raise NotOfferedError(self.name, Offer.FILES)
        return foreign.fetch_file(self.name, self._entry, path)

    def page(self) -> str:
        """Fetch what its web interface shows first."""
        if self._entry.page is None:
            raise NotOfferedError(self.name, Offer.PAGE)
        return foreign.fetch_page(self.name, self._entry)

    def close(self) -> None:
        """It was running before and goes on running."""


def offers_of(gateway: ReferenceGateway | NetworkGateway) -> frozenset[Offer]:
    """Return what an entry of the bench file offers, before anything is opened."""
    if isinstance(gateway, ReferenceGateway):
        return OFFERS[gateway.runs]
    more = {offer for key, offer in OFFERS_BY_KEY.items() if getattr(gateway, key)}
    return OFFERS["network"] | more


def wait_for(name: str, address: tuple[str, int], limit_s: float = BOOT_LIMIT_S) -> None:
    """Return once somebody accepts connections at `address`.

    Raises `UnavailableError` with the last reason when that takes longer than `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    while True:
        try:
            with socket.create_connection(address, CONNECT_LIMIT_S):
                return
        except OSError as error:
            reason = error.strerror or str(error)
            if time.monotonic() > deadline:
                place = f"{address[0]}:{address[1]}"
                raise UnavailableError(
                    f"gateway {name!r}: {place} does not answer: {reason}"
                ) from error
        time.sleep(LOOK_S)


class RunningReference:
    """A `hil.reference.ReferenceGateway` on the loop of `host`, for tests outside that loop.

    Commands block until they are done. `events` holds what the gateway logged.
    """

    unit_identifier = UNIT_IDENTIFIER

    def __init__(
        self,
        host: Host,
        name: str,
        gateway: ReferenceGateway,
        bus: Converter,
        data: Path,
        recording: Recording | None = None,
    ) -> None:
        self.name = name
        self.data = data
        self._recording = recording
        self.events: list[Event] = []
        self.offers = OFFERS["inside"]
        self._host = host
        self._entry = gateway
        self._bus = bus
        _prepare(data, gateway, bus)
        self._gateway = self._start()
        self.address = self._gateway.modbus_address

    def _start(self) -> reference.ReferenceGateway:
        listen, _, port = self._entry.modbus.rpartition(":")
        starting = reference.ReferenceGateway.start(
            self._bus.url,
            self.data,
            modbus=(listen, int(port)),
            unit_loads=self._entry.unit_loads,
            transport_delay_ns=TRANSPORT_DELAY_NS,
            log=self._logged,
            recording=self._recording,
        )
        what = f"starting {self.name}"
        try:
            return self._host.call(starting, what=what, limit_s=START_LIMIT_S)
        except OSError as error:
            raise UnavailableError(f"gateway {self.name!r} does not start: {error}") from error

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

    def power(self, *, on: bool) -> None:
        """Stop the appliance, or start a new one on the same files."""
        if not on:
            self.close()
        elif not self._gateway.running:
            self._gateway = self._start()
            self.address = self._gateway.modbus_address

    def file(self, path: str) -> bytes:
        """One of its files."""
        return (self.data / path).read_bytes()

    def page(self) -> str:
        """The appliance is asked through its commands, not its page."""
        raise NotOfferedError(self.name, Offer.PAGE)

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


def _prepare(data: Path, gateway: ReferenceGateway, bus: Converter) -> None:
    """Write chip.ini unless the data directory has one; the speed is that of the bus."""
    if (data / CHIP_INI).exists():
        return
    settings = {"MBUS_BAUDRATE": bus.line_format.baudrate} | gateway.chip_ini
    text = chip_ini(gateway.model_copy(update={"chip_ini": settings}))
    FileStorage(data).replace(CHIP_INI, text)


def open_gateway(
    host: Host,
    bench: Bench,
    name: str,
    bus: Converter | None,
    data: Path,
    switch: Switchable | None = None,
    recording: Recording | None = None,
) -> DeviceUnderTest:
    """Open a gateway of the bench; the reference one is started on `bus` with `data`.

    `switch` is the power supply of a foreign one; `recording` takes what passes at the port of one
    in this process. Raises `UnavailableError` for one that does not
    start or does not answer.
    """
    gateway = bench.gateways[name]
    if isinstance(gateway, NetworkGateway):
        if switch is not None:
            switch.switch(on=True)
        wait_for(name, (gateway.host, gateway.port), BOOT_LIMIT_S if switch is not None else 0.0)
        return ForeignGateway(name, gateway, switch)
    assert bus is not None, "a reference gateway names its bus"
    folder = bench.folder / gateway.data if gateway.data is not None else data
    if gateway.runs == "inside":
        return RunningReference(host, name, gateway, bus, folder, recording)
    listen, _, port = gateway.modbus.rpartition(":")
    namespace = Namespace() if gateway.runs == "namespace" else None
    try:
        _prepare(folder, gateway, bus)
        return ReferenceProcess(
            name,
            bus.url,
            folder,
            modbus=(listen, int(port)),
            transport_delay_ms=TRANSPORT_DELAY_NS // 1_000_000,
            namespace=namespace,
        )
    except BaseException:
        if namespace is not None:
            namespace.close()
        raise
