"""An opened bus: a URL that a gateway can read, simulated or real.

`open_bus` turns an entry of the bench file into a `Converter`. A test that needs to know what the
meters hold, or to switch one off, asks for a virtual one; everything else works on both.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from gateway.runtime.port import LineFormat
from hil import serial_ports
from hil.bridges import Bridge, BridgeError
from hil.protocols import UnavailableError
from hil.resources import RealBus, SerialConverter, SimulatorBus, VirtualBus
from hil.virtual import VirtualConverter
from simulators import endpoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from hil.bench import Bench
    from hil.host import Host
    from simulators.network import Network

T = TypeVar("T")

#: How long a converter on the network may take to accept a connection, in seconds.
CONNECT_LIMIT_S: Final = 5.0

#: struct linger: on, 0 seconds.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Converter(Protocol):
    """The way to the meters of one bus."""

    @property
    def name(self) -> str:
        """Name in the bench file."""
        ...

    @property
    def url(self) -> str:
        """The bus as the gateway's port takes it: a device path or a URL."""
        ...

    @property
    def line_format(self) -> LineFormat:
        """Speed and character format of the bus."""
        ...

    @property
    def virtual(self) -> SimulatedConverter | None:
        """The simulated bus behind it; None for a real one."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class RealConverter:
    """A bus of real meters; nothing of it is held open, the gateway is its only master."""

    virtual = None

    def __init__(self, name: str, bus: RealBus) -> None:
        self.name = name
        self.url = serial_ports.locate(bus) if isinstance(bus, SerialConverter) else bus.where
        self.line_format = bus.line_format

    def close(self) -> None:
        """Nothing is held open."""


class SimulatedConverter:
    """A `hil.virtual.VirtualConverter` on the loop of `host`, for tests outside that loop."""

    def __init__(
        self, host: Host, name: str, converter: VirtualConverter, bridge: Bridge | None = None
    ) -> None:
        self.name = name
        self.url = bridge.url if bridge is not None else converter.url
        #: The real program between the simulated bus and the gateway, where there is one.
        self.bridge = bridge
        self.line_format = LineFormat(converter.network.bus.format.baudrate)
        #: Unix time at the time 0 of the network, whole seconds.
        self.epoch_s = converter.epoch_s
        self._host = host
        self._converter = converter

    @property
    def virtual(self) -> SimulatedConverter:
        """This bus is simulated."""
        return self

    @property
    def meters(self) -> list[str]:
        """Ids of the meters, in the order of the population."""
        return self.ask(lambda network: list(network.meters))

    def ask(self, question: Callable[[Network], T]) -> T:
        """Let `question` look at the network, or act on it, at the present moment of the bus."""
        network = self._converter.network

        def answer() -> T:
            clock = network.clock
            assert clock is not None, "the endpoint has made the clock"
            clock.advance()
            try:
                return question(network)
            finally:
                clock.arm()

        return self._host.ask(answer, what=f"a look at bus {self.name}")

    def power(self, meter: str, *, on: bool) -> None:
        """Switch a meter on or off; KeyError for a meter that is not there."""
        self.ask(lambda network: network.meters[meter].power(on))

    def close(self) -> None:
        """Close the endpoint and let the bus stand still."""

        async def closing() -> None:
            await self._converter.close()
            if self._converter.network.clock is not None:
                self._converter.network.clock.stop()

        if self.bridge is not None:
            self.bridge.close()
        self._host.call(closing(), what=f"closing bus {self.name}")


class PopulationOnWire(SimulatedConverter):
    """A simulated population behind a real serial port; the gateway is at the other end of it."""

    def __init__(self, host: Host, bench: Bench, name: str, bus: SimulatorBus) -> None:
        try:
            path = serial_ports.locate(bus)
            starting = VirtualConverter.start_on_port(
                bench.population(bus), path, seed=bus.seed, baudrate=bus.baudrate
            )
            converter = host.call(starting, what=f"opening bus {name}")
        except (OSError, LookupError) as error:
            raise UnavailableError(f"bus {name!r}: {error.args[0]}") from error
        super().__init__(host, name, converter)


def open_bus(host: Host, bench: Bench, name: str, folder: Path) -> Converter:
    """Open a bus of the bench; a simulated one keeps its link in `folder`.

    Raises `UnavailableError` for a real converter that is not there.
    """
    bus = bench.buses[name]
    if isinstance(bus, VirtualBus):
        return _simulate(host, bench, name, bus, folder)
    if isinstance(bus, SimulatorBus):
        return PopulationOnWire(host, bench, name, bus)
    try:
        converter = RealConverter(name, bus)
    except LookupError as error:
        raise UnavailableError(f"bus {name!r}: {error.args[0]}") from error
    look(name, converter.url)
    return converter


def _simulate(
    host: Host, bench: Bench, name: str, bus: VirtualBus, folder: Path
) -> SimulatedConverter:
    meters = bench.population(bus)
    place = bus.listen or (str(folder / name) if bus.kind == "pty" else "127.0.0.1:0")
    starting = VirtualConverter.start(
        meters,
        where=f"{bus.kind}:{place}",
        seed=bus.seed,
        baudrate=bus.baudrate,
        speed=bus.speed,
    )
    try:
        converter = host.call(starting, what=f"opening bus {name}")
    except endpoints.EndpointError as error:
        raise UnavailableError(f"bus {name!r}: {error}") from error
    if bus.through is None:
        return SimulatedConverter(host, name, converter)
    rate = converter.network.bus.format.baudrate
    try:
        bridge = Bridge(bus.through, converter.url, baudrate=rate)
    except BridgeError as error:
        SimulatedConverter(host, name, converter).close()
        raise UnavailableError(f"bus {name!r}: {error}") from error
    return SimulatedConverter(host, name, converter, bridge)


def look(name: str, url: str) -> None:
    """Raise `UnavailableError` when there is plainly nothing at `url`.

    UDP cannot be told without a meter that answers, so it is taken at its word. Most converters
    serve one master at a time, so the probe's connection is reset instead of closed: a closing
    one may still hold the place when the gateway comes.
    """
    parts = urlsplit(url)
    if "://" not in url:
        if not Path(url).exists():
            raise UnavailableError(f"bus {name!r}: there is no device {url}")
    elif parts.scheme != "udp":
        try:
            with socket.create_connection((parts.hostname, parts.port), CONNECT_LIMIT_S) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnavailableError(f"bus {name!r}: {url} does not answer: {reason}") from error
