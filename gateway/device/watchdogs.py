"""The watchdogs: how long the device may stay in what it does, and what a trip is (`C-55`).

Exactly one timer runs. A change of activity stops it and starts the next at its full limit; the
idle timer is fed by each turn of the device's loop, the others by the end of their job only. A
timer trips at start + limit: an end 1 ns earlier saves, an end at the limit is too late.

The table is that of worked examples 11. The rest is a state machine without a clock: times are
given to it, and whoever holds it sleeps until `Watchdog.deadline`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.device.configuration import Configuration
    from gateway.runtime.port import Event, Runtime


@unique
class Timer(Enum):
    """One watchdog, by the key that sets its limit (manual 9.4)."""

    IDLE = "WATCHDOG_IDLE"
    PROCESS = "WATCHDOG_PROCESS"
    READOUT = "WATCHDOG_READOUT"
    SCAN = "WATCHDOG_SCAN"


@unique
class Activity(Enum):
    """What the device does, as far as the watchdogs tell things apart."""

    IDLE = "idle"
    BUSY = "busy"
    READOUT = "read-out"
    SCAN = "scan"
    TRANSPARENT = "transparent"


# fmt: off
TIMERS: Final[dict[Activity, Timer]] = {
    Activity.IDLE:        Timer.IDLE,
    Activity.BUSY:        Timer.PROCESS,
    Activity.READOUT:     Timer.READOUT,
    Activity.SCAN:        Timer.SCAN,
    Activity.TRANSPARENT: Timer.IDLE,
}
# fmt: on

#: Turns of the idle loop in one limit. The loop wakes this often only to say that it is alive.
FEEDS_PER_LIMIT: Final = 4


def limit_s(timer: Timer, configuration: Configuration) -> int:
    """Limit of `timer` in s: its key, WATCHDOG_READOUT by formula where the key is not set."""
    match timer:
        case Timer.IDLE:
            return configuration.watchdog_idle
        case Timer.PROCESS:
            return configuration.watchdog_process
        case Timer.READOUT:
            return configuration.watchdog_readout_limit
        case Timer.SCAN:
            return configuration.watchdog_scan


@dataclass(frozen=True, slots=True)
class Trip:
    """What a watchdog says when it ends a run: which timer, doing what, after how many seconds."""

    timer: Timer
    activity: Activity
    seconds: int

    def __str__(self) -> str:
        return f"{self.timer.value}: {self.activity.value} for {self.seconds} s"


@dataclass(frozen=True, slots=True)
class Watched:
    """The timer that runs now: its limit (s) and what is left of it (ns, not below 0)."""

    timer: Timer
    activity: Activity
    seconds: int
    left_ns: int


class Watchdog:
    """The one timer. `sooner` is called when whoever sleeps until `deadline` has to look again."""

    def __init__(self, sooner: Callable[[], None] = lambda: None) -> None:
        self._sooner = sooner
        self.activity = Activity.BUSY
        self.timer = Timer.PROCESS
        self._limit_s = 0
        #: When the running timer trips (ns); None before the first start.
        self.deadline: int | None = None
        #: The trip that has happened; nothing takes it back.
        self.trip: Trip | None = None

    def start(self, activity: Activity, configuration: Configuration, now: int) -> None:
        """Stop the running timer and start that of `activity` at its full limit.

        Where the running one has reached its limit, this is the trip instead.
        """
        if self.expire(now):
            return
        self.activity, self.timer = activity, TIMERS[activity]
        self._limit_s = limit_s(self.timer, configuration)
        before, self.deadline = self.deadline, now + self._limit_s * NS_PER_S
        if before is None or self.deadline < before:
            self._sooner()

    def feed(self, now: int) -> None:
        """A turn of the loop: the idle timer starts again; the others are not moved by it."""
        if self.timer is Timer.IDLE and self.deadline is not None and not self.expire(now):
            self.deadline = now + self._limit_s * NS_PER_S

    def expire(self, now: int) -> bool:
        """Whether the limit has been reached; from then on `trip` says so."""
        if self.trip is None and self.deadline is not None and now >= self.deadline:
            self.trip = Trip(self.timer, self.activity, self._limit_s)
            self._sooner()
        return self.trip is not None

    def watched(self, now: int) -> Watched:
        """What is watched now."""
        left_ns = 0 if self.deadline is None else max(0, self.deadline - now)
        return Watched(self.timer, self.activity, self._limit_s, left_ns)

    @property
    def feed_ns(self) -> int:
        """How long the idle loop may wait before it takes a turn to feed."""
        return self._limit_s * NS_PER_S // FEEDS_PER_LIMIT


class Guarding:
    """The watchdog of one run of the device, on its clock and with its settings."""

    def __init__(self, rt: Runtime, configuration: Callable[[], Configuration]) -> None:
        self._rt = rt
        self._configuration = configuration
        self._sooner: Event = rt.event()
        self.watchdog = Watchdog(self._sooner.set)

    def start(self, activity: Activity) -> None:
        """Do `activity` from now on."""
        self.watchdog.start(activity, self._configuration(), self._rt.now())

    def feed(self) -> None:
        """Say that the loop takes a turn."""
        self.watchdog.feed(self._rt.now())

    @contextmanager
    def during(self, activity: Activity) -> Iterator[None]:
        """Do `activity` in a block and be idle again behind it."""
        self.start(activity)
        try:
            yield
        finally:
            self.start(Activity.IDLE)

    async def tripped(self) -> Trip:
        """Wait for a trip, if need be for ever."""
        watchdog = self.watchdog
        while watchdog.trip is None:
            self._sooner.clear()
            try:
                if watchdog.deadline is None:
                    await self._sooner.wait()
                else:
                    # What ends at this very instant comes before the deadline, and is too late.
                    with self._rt.deadline(watchdog.deadline):
                        await self._sooner.wait()
            except TimeoutError:
                watchdog.expire(self._rt.now())
        return watchdog.trip
