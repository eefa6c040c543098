"""Why the device started: the last words of the run before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Any, Final

from gateway.device.ending import Ending

if TYPE_CHECKING:
    from gateway.device.watchdogs import Trip

#: Longest text of a reason, so that a broken supervisor fills no log.
TEXT_MAX: Final = 200


@unique
class Cause(Enum):
    """What makes the device start again, besides the four watchdogs, which go by their keys."""

    REBOOT = "REBOOT"
    BUS_FAULT = "BUS_FAULT"
    HEARTBEAT = "HEARTBEAT"
    CRASH = "CRASH"


@dataclass(frozen=True, slots=True)
class Restart:
    """Reason, what the device was doing, for how long (s), and when (unix time).

    `reason` is a key (WATCHDOG_SCAN) where a watchdog tripped, else a `Cause`. `state` is "" and
    `seconds` 0 where they say nothing.
    """

    reason: str
    state: str = ""
    seconds: int = 0
    unix_time: int = 0

    @classmethod
    def after(cls, ending: Ending, trip: Trip | None, unix_time: int) -> Restart:
        """The restart that follows `ending`."""
        if ending is Ending.WATCHDOG and trip is not None:
            return cls(trip.timer.value, trip.activity.value, trip.seconds, unix_time)
        cause = Cause.BUS_FAULT if ending is Ending.BUS_FAULT else Cause.REBOOT
        return cls(cause.value, unix_time=unix_time)

    def fields(self) -> dict[str, Any]:
        """What an event says of it."""
        return {"value": self.reason, "state": self.state, "seconds": self.seconds}

    def __str__(self) -> str:
        if not self.state:
            return self.reason
        return f"{self.reason}: {self.state} for {self.seconds} s"
