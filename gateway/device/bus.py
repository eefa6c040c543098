"""The device's hold on the M-Bus port: opened when needed, closed when it fails, tried again.

A bus that fails is an error state, not an end (`C-13` row 9): the port is tried again until it
opens, and the LED tells of it meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.device import plans
from gateway.device.leds import DeviceState, Trouble
from gateway.device.link import Link
from gateway.device.watchdogs import Activity
from gateway.runtime.port import NS_PER_S, LineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.device.core import Core
    from gateway.device.scan import ScanReport
    from gateway.runtime.port import Line

#: The event that tells of the job that a state stands for.
_JOBS: Final = {DeviceState.SCAN: "gateway.scan", DeviceState.READOUT: "gateway.readout"}
#: How long a bus that failed is left alone before the port is opened again.
BUS_RETRY_NS: Final = 5 * NS_PER_S


@dataclass(frozen=True, slots=True)
class BusFigures:
    """What the master has done on the bus since the start."""

    telegrams_sent: int = 0
    passes: int = 0
    scans: int = 0
    last_scan: ScanReport | None = None


class Bus:
    """The one port of one run; `figures` counts what was done on it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._rt = core.rt
        self._line: Line | None = None
        self._link: Link | None = None
        self._failure = ""
        self._failing_since: int | None = None
        self._sent_before = 0
        self.retry_ns = 0
        self.figures = BusFigures()

    @property
    def telegrams_sent(self) -> int:
        """Telegrams that the master has sent since the start."""
        link = self._link
        return self._sent_before + (link.sent if link is not None else 0)

    @property
    def is_wanted(self) -> bool:
        """Whether the port is to be opened although nobody needs it yet: the LED tells of it."""
        return self._link is None and bool(self._core.configuration.mbus_enable)

    def counted_pass(self) -> None:
        """Count a pass."""
        before = self.figures
        self.figures = BusFigures(
            self.telegrams_sent, before.passes + 1, before.scans, before.last_scan
        )

    def counted_scan(self, report: ScanReport) -> None:
        """Count a scan."""
        before = self.figures
        self.figures = BusFigures(self.telegrams_sent, before.passes, before.scans + 1, report)

    # --- Open and closed ----------------------------------------------------------------------

    async def open(self) -> Link:
        """Open the port where it is not open; raises `LineError`."""
        if self._link is not None:
            return self._link
        core = self._core
        if not core.configuration.mbus_enable:
            raise LineError("the M-Bus interface is disabled (MBUS_ENABLE=0)")
        line_format = plans.line_format(core.configuration)
        line = await self._rt.open_line(core.wiring.bus_url, line_format)
        settings = plans.link_settings(
            core.configuration, core.wiring.transport_delay_ns, core.wiring.echo
        )
        self._line, self._link, self._failure = line, Link(self._rt, line, settings), ""
        self._failing_since = None
        self._rt.log("bus.opened", url=core.wiring.bus_url, baudrate=line_format.baudrate)
        core.states.troubles.discard(Trouble.BUS)
        core.states.show()
        return self._link

    async def try_to_open(self) -> None:
        """Open the port, or show that it cannot be opened and when to try again."""
        try:
            await self.open()
        except LineError as error:
            await self._failed(error)
            self._core.states.show()

    @property
    def is_given_up(self) -> bool:
        """Whether the bus has failed for longer than MBUS_FAULTREBOOT lets it."""
        limit_s = self._core.configuration.mbus_faultreboot
        if not limit_s or self._failing_since is None:
            return False
        return self._rt.now() - self._failing_since >= limit_s * NS_PER_S

    async def reopen(self) -> None:
        """Close the port; it is opened again, as the settings now say, when next it is wanted."""
        await self.close()
        self.retry_ns = self._rt.now()
        if not self._core.configuration.mbus_enable:
            self._core.states.troubles.discard(Trouble.BUS)

    async def close(self) -> None:
        """Give the port back."""
        if self._link is not None:
            self._sent_before += self._link.sent
        line, self._line, self._link = self._line, None, None
        if line is not None:
            await line.close()

    async def _failed(self, error: LineError) -> None:
        """Close the bus and show the error until it can be opened again."""
        text = str(error)
        if text != self._failure:
            # A bus that is away for a weekend is told once, not every five seconds.
            self._rt.log("bus.failed", text=text)
        self._failure, self.retry_ns = text, self._rt.now() + BUS_RETRY_NS
        if self._failing_since is None:
            self._failing_since = self._rt.now()
        await self.close()
        if self._core.configuration.mbus_enable:
            self._core.states.troubles.add(Trouble.BUS)

    # --- Conversations ------------------------------------------------------------------------

    async def hold(
        self,
        state: DeviceState,
        conversation: Callable[[Link], Awaitable[None]],
        finish: Callable[[], None],
    ) -> None:
        """Hold `conversation` on the bus in `state`; a failing line is closed, told and raised.

        `finish` does what belongs to the job, done or failed, before the state is left: whoever
        watches sees the job and the indicator change at one moment.
        """
        job, book, states = _JOBS[state], self._core.book, self._core.states
        try:
            await self._converse(state, conversation)
        except LineError as error:
            await self._failed(error)
            finish()
            self._rt.log(job, value="failed", meters=len(book.meters))
            states.enter(DeviceState.RUNNING)
            raise
        finish()
        self._rt.log(job, value="done", meters=len(book.meters))
        states.enter(DeviceState.RUNNING)

    async def _converse(
        self, state: DeviceState, conversation: Callable[[Link], Awaitable[None]]
    ) -> None:
        is_open = self._link is not None
        link = await self.open()
        self._core.states.enter(state)
        if state is DeviceState.READOUT:
            # From the first telegram on; a scan runs from its acceptance (`C-55`).
            self._core.guarding.start(Activity.READOUT)
        self._rt.log(_JOBS[state], value="running")
        sent_before = link.sent
        try:
            await conversation(link)
        except LineError:
            if not is_open or link.sent > sent_before:
                raise
            # The port died while nobody used it, as TCP converters do: no failure yet.
            await self.close()
            await conversation(await self.open())
