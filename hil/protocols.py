"""What can be done with a resource, typed: the protocols that tests and backends bind to.

A test asks for a `DeviceUnderTest` and gets the reference gateway or a box on the network; what it
may ask of it is said by `DeviceUnderTest.offers`, and the table `OFFERS` says it for every kind in
advance, so that a scenario which needs more is refused before anything is switched on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, unique
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from gateway.runtime.port import LineFormat
    from hil.gateways import RunningReference

#: What a gateway logged: time in ns since its start, kind, fields.
Event = tuple[int, str, Mapping[str, Any]]


@unique
class Offer(Enum):
    """What a device under test lets a test see, or do."""

    MODBUS = "registers over Modbus TCP"
    MODBUS_UDP = "registers over Modbus UDP"
    SCAN = "search the bus on command"
    READOUT = "read the meters on command"
    ALLOCATE = "give registers on command"
    METER_LIST = "its meter list"
    EVENTS = "what it logs, as it happens"
    FILES = "its files"
    PAGE = "its web page"
    POWER = "its power supply, on and off"


#: What each kind of device under test offers; of a foreign one, what its entry may add.
OFFERS: Final[dict[str, frozenset[Offer]]] = {
    "inside": frozenset(
        {
            Offer.MODBUS,
            Offer.SCAN,
            Offer.READOUT,
            Offer.ALLOCATE,
            Offer.METER_LIST,
            Offer.EVENTS,
            Offer.FILES,
            Offer.POWER,
        }
    ),
    "process": frozenset({Offer.MODBUS, Offer.SCAN, Offer.EVENTS, Offer.FILES, Offer.POWER}),
    "namespace": frozenset({Offer.MODBUS, Offer.SCAN, Offer.EVENTS, Offer.FILES, Offer.POWER}),
    "network": frozenset({Offer.MODBUS}),
}

#: What the entry of a foreign gateway may add, and by which key.
OFFERS_BY_KEY: Final = {
    "udp": Offer.MODBUS_UDP,
    "page": Offer.PAGE,
    "files": Offer.FILES,
    "power": Offer.POWER,
}


class UnavailableError(Exception):
    """A resource of the bench is not there now; the message names it and says why."""


class NotOfferedError(Exception):
    """The device under test has no way to do or show this; the message names both."""

    def __init__(self, name: str, offer: Offer) -> None:
        super().__init__(f"gateway {name!r} does not offer this: {offer.value}")
        self.offer = offer


class DeviceUnderTest(Protocol):
    """A gateway, whoever made it and wherever it runs.

    A method for what `offers` does not have raises `NotOfferedError`.
    """

    @property
    def name(self) -> str:
        """Name in the bench file."""
        ...

    @property
    def offers(self) -> frozenset[Offer]:
        """What can be asked of it."""
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
        """The reference gateway in this process with all its commands; None for any other."""
        ...

    @property
    def events(self) -> list[Event]:
        """What it has logged since it was started."""
        ...

    def scan(self) -> object:
        """Let it search its bus; returns when it has ended."""
        ...

    def readout(self) -> None:
        """Let it read all its meters now; returns when it has ended."""
        ...

    def allocate(self) -> object:
        """Let it give registers to all that it has listed."""
        ...

    def power(self, *, on: bool) -> None:
        """Switch it on or off; on returns once it serves Modbus."""
        ...

    def file(self, path: str) -> bytes:
        """One of its files (``app/chip.ini``); FileNotFoundError where it has none such."""
        ...

    def page(self) -> str:
        """What its web interface shows first."""
        ...

    def close(self) -> None:
        """Stop what was started."""
        ...


class Switchable(Protocol):
    """A power supply, or a relay in a wire."""

    @property
    def name(self) -> str:
        """Name in the bench file."""
        ...

    def switch(self, *, on: bool) -> None:
        """Put it in a position; raises `UnavailableError` where that fails."""
        ...

    def make_safe(self) -> None:
        """Put it in the position of the bench's safe state."""
        ...


class Wire(Protocol):
    """The master's end of a converter, byte by byte, for probes and calibration.

    A gateway opens its bus by itself; a `Wire` is for looking at the converter alone.
    """

    @property
    def url(self) -> str:
        """Where it is."""
        ...

    @property
    def parity(self) -> ParitySupport:
        """What is known of parity on this way to the bus."""
        ...

    @property
    def modem_lines(self) -> str:
        """State of the modem lines in words, or why it cannot be told."""
        ...

    def set_format(self, line_format: LineFormat) -> None:
        """Ask for speed and character format; raises OSError where that is refused."""
        ...

    def send(self, data: bytes) -> int:
        """Hand over bytes; returns when that was (ns, monotonic)."""
        ...

    def receive(self, limit_ns: int, done: Callable[[bytes], bool]) -> list[tuple[int, bytes]]:
        """Listen until `done` or for `limit_ns`; chunks with the time at which each came (ns)."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


@unique
class ParitySupport(Enum):
    """What can be said of parity at a converter."""

    CHECKED = "the driver checks parity and marks bad characters"
    CLAIMED = "the converter claims to have set parity; nothing shows whether it checks it"
    NONE = "there is no parity on this way: the characters come as they are"
    UNKNOWN = "cannot be told: the character format is set at the converter itself"
