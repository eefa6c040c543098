"""Why a run of the device comes to its end."""

from __future__ import annotations

from enum import Enum, unique


@unique
class Ending(Enum):
    """Why a run of the device came to its end; all but STOP start it again on the same storage."""

    STOP = "stop"
    REBOOT = "reboot"
    WATCHDOG = "watchdog"
    BUS_FAULT = "bus fault"
