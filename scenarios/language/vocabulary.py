"""The signals that a property or a wait may name: their paths, kinds and where they come from.

One row a signal. ``meter(ID)`` stands for one meter of the population, ``CLIENT`` for a client of
the file. What can be seen depends on the backend, so each row names the capability that it needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, unique
from functools import cache
from typing import Final


@unique
class Kind(Enum):
    """What the values of a signal are, and so what they may be compared with."""

    SYMBOL = "one of a few words"
    BOOLEAN = "true or false"
    NUMBER = "a number"
    DURATION = "a duration"
    TEXT = "a text"
    LIST = "a list"
    EVENT = "an event, which can be counted"


@unique
class Capability(Enum):
    """What a backend may or may not be able to do."""

    GATEWAY_COMMANDS = "gateway.commands"
    GATEWAY_FILES = "gateway.files"
    GATEWAY_POWER = "gateway.power"
    GATEWAY_HANG = "gateway.hang"
    GATEWAY_EVENTS = "gateway.events"
    BUS_OBSERVATIONS = "bus.observations"
    METER_POWER = "meter.power"
    METER_FAULTS = "meter.faults"
    METER_VALUES = "meter.values"
    LINE_FAULTS = "line.faults"
    MODBUS = "modbus"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Signal:
    """One row: `path` as the reference shows it, `words` where it takes one of a few."""

    path: str
    kind: Kind
    needs: Capability
    meaning: str
    words: tuple[str, ...] = ()

    @property
    def from_registers(self) -> bool:
        """True for what is seen only while somebody reads the registers over Modbus."""
        return ".registers." in self.path or self.path.startswith("CLIENT")


_STATES: Final = ("stopped", "starting", "running", "readout", "scan", "error")
_PROGRESS: Final = ("idle", "running", "done", "failed")

_RESTARTS: Final = (
    "none", "WATCHDOG_IDLE", "WATCHDOG_PROCESS", "WATCHDOG_READOUT", "WATCHDOG_SCAN",
    "REBOOT", "OVERLOAD", "HEARTBEAT", "CRASH",
)  # fmt: skip

_EVENTS, _BUS, _MODBUS = Capability.GATEWAY_EVENTS, Capability.BUS_OBSERVATIONS, Capability.MODBUS
_POWER: Final = Capability.METER_POWER

# fmt: off
SIGNALS: Final[tuple[Signal, ...]] = (
    Signal("gateway.state",   Kind.SYMBOL, _EVENTS, "what the gateway is doing", _STATES),
    Signal("gateway.scan",    Kind.SYMBOL, _EVENTS, "the search of the bus", _PROGRESS),
    Signal("gateway.readout", Kind.SYMBOL, _EVENTS, "the read-out pass", _PROGRESS),
    Signal("gateway.powered", Kind.BOOLEAN, Capability.GATEWAY_POWER, "whether it has power"),
    Signal("gateway.restart.reason", Kind.SYMBOL, _EVENTS, "why it started last", _RESTARTS),
    Signal("gateway.trips",   Kind.EVENT, _EVENTS,
           "a watchdog tripped; the value is its key, fields state and seconds"),
    Signal("gateway.led.act", Kind.SYMBOL, _EVENTS, "colour of ACT", ("off", "green")),
    Signal("gateway.led.st",  Kind.SYMBOL, _EVENTS, "colour of ST",
           ("off", "green", "orange", "orange_flashing", "red")),
    Signal("gateway.meters.count",   Kind.NUMBER, _EVENTS, "meters in the gateway's list"),
    Signal("gateway.meters.numbers", Kind.LIST,   _EVENTS,
           "identification numbers in the gateway's list, sorted"),
    Signal("gateway.found",      Kind.EVENT, _EVENTS, "a meter was found in a scan; field serial"),
    Signal("gateway.complaints", Kind.EVENT, _EVENTS, "a file has mistakes; fields file, text"),
    Signal("gateway.registers.serial_number",    Kind.NUMBER, _MODBUS, "registers 0-1"),
    Signal("gateway.registers.protocol_version", Kind.NUMBER, _MODBUS, "register 2"),
    Signal("gateway.registers.software_version", Kind.NUMBER, _MODBUS, "register 3"),
    Signal("gateway.registers.time",             Kind.NUMBER, _MODBUS, "registers 4-5, unix time"),
    Signal("bus.meters.count",   Kind.NUMBER, _BUS, "meters on the bus"),
    Signal("bus.meters.numbers", Kind.LIST,   _BUS,
           "identification numbers of the meters on the bus, sorted"),
    Signal("bus.frames",     Kind.EVENT, _BUS, "a frame has passed; fields direction, meter"),
    Signal("bus.collisions", Kind.EVENT, _BUS, "meters talked at the same time; field meters"),
    Signal("bus.selections", Kind.EVENT, _BUS, "meters were selected by a mask; field count"),
    Signal("bus.current",    Kind.NUMBER, _BUS, "mA that the meters draw in mark"),
    Signal("bus.overload",   Kind.BOOLEAN, _BUS, "whether the supply is off because of overload"),
    Signal("meter(ID).powered",   Kind.BOOLEAN, _POWER, "whether the meter has power"),
    Signal("meter(ID).answering", Kind.BOOLEAN, _BUS, "whether the meter answers requests"),
    Signal("meter(ID).reads",     Kind.EVENT, _EVENTS,
           "the gateway has tried to read the meter; the value is its flags"),
    Signal("meter(ID).requests",  Kind.EVENT, _BUS,
           "a telegram of the meter was asked for; the value is its number, from 1"),
    Signal("meter(ID).flags",     Kind.NUMBER, _EVENTS, "its flags, as the gateway says"),
    Signal("meter(ID).torn(CLIENT)", Kind.BOOLEAN, _MODBUS,
           "whether what a client read of the meter was never sent; write torn(CLIENT.reads, …)"),
    Signal("meter(ID).registers.address",       Kind.NUMBER, _MODBUS, "the meter's first register"),
    Signal("meter(ID).registers.serial_number", Kind.NUMBER, _MODBUS, "registers +0-1"),
    Signal("meter(ID).registers.manufacturer",  Kind.TEXT,   _MODBUS, "register +2, three letters"),
    Signal("meter(ID).registers.version",       Kind.NUMBER, _MODBUS, "register +3, upper byte"),
    Signal("meter(ID).registers.medium",        Kind.NUMBER, _MODBUS, "register +3, lower byte"),
    Signal("meter(ID).registers.time",          Kind.NUMBER, _MODBUS, "registers +4-5, unix time"),
    Signal("meter(ID).registers.flags",         Kind.NUMBER, _MODBUS, "register +8"),
    Signal("meter(ID).registers.count",         Kind.NUMBER, _MODBUS, "values below the meter"),
    Signal("meter(ID).registers.integer(N)",    Kind.NUMBER, _MODBUS, "value N, from 0: unscaled"),
    Signal("meter(ID).registers.float(N)",      Kind.NUMBER, _MODBUS, "value N: as float32"),
    Signal("meter(ID).registers.scale(N)",      Kind.NUMBER, _MODBUS, "value N: power of ten"),
    Signal("meter(ID).registers.unit(N)",       Kind.NUMBER, _MODBUS, "value N: index of its unit"),
    Signal("meter(ID).registers.timestamp(N)",  Kind.NUMBER, _MODBUS, "value N: its own time"),
    Signal("CLIENT.reads",   Kind.NUMBER,   _MODBUS, "complete reads of a client"),
    Signal("CLIENT.errors",  Kind.NUMBER,   _MODBUS, "requests of a client that went wrong"),
    Signal("CLIENT.latency", Kind.DURATION, _MODBUS, "how long a client's last request took"),
    Signal("CLIENT.connections", Kind.NUMBER, _MODBUS, "connections that a client has open"),
    Signal("CLIENT.exception", Kind.NUMBER, _MODBUS, "code of its last exception, 0 for none"),
    Signal("CLIENT.word(N)",   Kind.NUMBER, _MODBUS, "word N of the answer to `read`"),
    Signal("CLIENT.object(N)", Kind.TEXT,   _MODBUS, "object N of the answer to `identify`"),
    Signal("CLIENT.objects",   Kind.NUMBER, _MODBUS, "objects in the answer to `identify`"),
    Signal("CLIENT.answer",    Kind.TEXT,   _MODBUS, "what `malformed` got back, in hexadecimal"),
    Signal("CLIENT.hung_up",   Kind.BOOLEAN, _MODBUS, "whether the server hung up on `malformed`"),
    Signal("fault(ID).fired",  Kind.EVENT,  _BUS, "a fault of the section `faults` has happened"),
)
# fmt: on

#: What the gateway is taken to be doing before it first says so.
INITIAL: Final = {
    "gateway.scan": "idle",
    "gateway.readout": "idle",
    "gateway.powered": True,
    "gateway.restart.reason": "none",
    "bus.overload": False,
}

_NUMBERED: Final = re.compile(r"\((\d+)\)$")
_TORN: Final = re.compile(r"\.torn\(([^()]+)\)$")
_FAULT: Final = re.compile(r"^fault\([^()]+\)\.")
_SELECTED: Final = re.compile(r"^meter\(([^()]+)\)\.")

#: Values of one meter that a property may number; far beyond what any meter sends.
VALUES_MAX: Final = 1000


@cache
def _rows() -> dict[str, Signal]:
    return {signal.path: signal for signal in SIGNALS}


def selector_of(path: str) -> str | None:
    """Return what stands in ``meter(…)``; None for a path about no meter."""
    match = _SELECTED.match(path)
    return match[1] if match else None


def with_meter(path: str, meter: str) -> str:
    """Return the path for one meter."""
    return _SELECTED.sub(f"meter({meter}).", path)


def find(path: str, clients: frozenset[str] = frozenset()) -> Signal | None:
    """Return the row of a path, whatever meter, client or value number it names."""
    general = _SELECTED.sub("meter(ID).", path)
    general = _FAULT.sub("fault(ID).", general)
    torn = _TORN.search(general)
    if torn is not None:
        return _rows()["meter(ID).torn(CLIENT)"] if torn[1] in clients else None
    number = _NUMBERED.search(general)
    if number is not None:
        if int(number[1]) > VALUES_MAX:
            return None
        general = _NUMBERED.sub("(N)", general)
    root, _, rest = general.partition(".")
    if root in clients:
        general = f"CLIENT.{rest}"
    elif root == "CLIENT":
        return None
    return _rows().get(general)


def similar(path: str, clients: frozenset[str] = frozenset()) -> list[str]:
    """Return the paths that may have been meant, with the meter and number of `path` put in."""
    meter = selector_of(path) or "ID"
    names = [signal.path for signal in SIGNALS if not signal.path.startswith("CLIENT")]
    names += [f"{client}.{name}" for client in sorted(clients) for name in _CLIENT_NAMES]
    return [name.replace("meter(ID)", f"meter({meter})").replace("(N)", "(0)") for name in names]


_CLIENT_NAMES: Final = ("reads", "errors", "latency")
