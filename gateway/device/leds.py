"""The two indicators as a function of the state (manual 3.3, `LED-01`, `LED-02`, `C-56`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final


@unique
class DeviceState(Enum):
    """What the device is doing, as far as anybody outside can tell."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    READOUT = "readout"
    SCAN = "scan"
    ERROR = "error"


@unique
class Trouble(Enum):
    """What makes the state an error, for as long as it lasts (worked examples 13)."""

    BUS = "the M-Bus port cannot be used"
    SETTINGS = "chip.ini cannot be used; the settings before, or the defaults, are in force"
    LIST = "the meter list cannot be used; the list before, or an empty one, is in force"
    USERS = "webcom.ini cannot be used; the users before, or the factory's, are in force"


@unique
class Colour(Enum):
    """Colour of one indicator; flashing is 1 Hz, half on (`C-56`)."""

    OFF = "off"
    GREEN = "green"
    ORANGE = "orange"
    ORANGE_FLASHING = "orange_flashing"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Leds:
    """ACT and ST as a passer-by sees them."""

    act: Colour
    st: Colour


#: States that no error outranks.
ABOVE_ERRORS: Final = frozenset({DeviceState.STOPPED, DeviceState.STARTING})

# fmt: off
LEDS: Final[dict[DeviceState, Leds]] = {
    DeviceState.STOPPED:  Leds(Colour.OFF,   Colour.OFF),
    DeviceState.STARTING: Leds(Colour.OFF,   Colour.ORANGE),
    DeviceState.ERROR:    Leds(Colour.OFF,   Colour.RED),
    DeviceState.SCAN:     Leds(Colour.OFF,   Colour.ORANGE_FLASHING),
    DeviceState.READOUT:  Leds(Colour.GREEN, Colour.GREEN),
    DeviceState.RUNNING:  Leds(Colour.OFF,   Colour.GREEN),
}
# fmt: on
