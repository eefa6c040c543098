"""The device's own clock: UTC, set by the host, a person or SNTP, and honest until then (`C-64`).

The clock only names points in time; nothing waits for it. So setting it moves no timer, and a
register time that was written before stays as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from gateway.runtime.port import Runtime

#: 2000-01-01: an earlier time in a register means "clock not set" (`C-64`).
SET_FROM: Final = 946_684_800
#: The last second that a 32-bit register can hold (2106-02-07).
LAST: Final = 2**32 - 1


def says_clock_set(unix_time: int) -> bool:
    """Whether a time was taken from a clock that was set; 0 is no time at all."""
    return unix_time >= SET_FROM


class DeviceClock:
    """Unix time of the device, whole seconds.

    It follows the host's clock where `follows_host`; else it starts at 1970-01-01 with the device,
    until `set` names the time.
    """

    def __init__(self, rt: Runtime, *, follows_host: bool) -> None:
        self._rt = rt
        self._follows_host = follows_host
        self._offset_ns = -rt.now()
        self.source = "host" if follows_host else ""

    @property
    def is_set(self) -> bool:
        """Whether anybody has ever said what time it is."""
        return self.source != ""

    def unix_time(self) -> int:
        """Seconds since 1970 (UTC); since the start of the device while the clock is not set."""
        if self._follows_host:
            return self._rt.unix_time()
        return min((self._rt.now() + self._offset_ns) // NS_PER_S, LAST)

    def set(self, unix_time: int, source: str) -> int:
        """Set the clock; returns the step in seconds. `source` says by whom ("page", "sntp").

        Raises ValueError for a time before 2000 or after 2106.
        """
        if not SET_FROM <= unix_time <= LAST:
            raise ValueError(f"time: expected {SET_FROM} to {LAST} (2000 to 2106), got {unix_time}")
        step = unix_time - self.unix_time()
        self._follows_host = False
        self._offset_ns = unix_time * NS_PER_S - self._rt.now()
        self.source = source
        self._rt.log("gateway.clock", value=unix_time, step=step, source=source)
        return step
