"""The device itself: what it does from start-up to the end, in one loop that owns the bus.

One procedure holds the M-Bus: it takes commands (scan, read-out, save) and reads what is due,
never both at once, so no lock guards the line. The Modbus server lives beside it and sees nothing
but immutable register images (`C-12`). What the jobs share is a `Core`; each job is a module:
`readout_pass`, `scan_job`, `saving`, and `bus` for the port itself.

Network services are not here yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.device import readout_pass, scan_job
from gateway.device.bus import Bus, BusFigures
from gateway.device.core import Core
from gateway.device.edits import EditError
from gateway.device.ending import Ending
from gateway.device.files import CHIP_INI
from gateway.device.leds import DeviceState
from gateway.device.modbus_server import ModbusServer
from gateway.device.saving import Saving
from gateway.device.watchdogs import Activity, Trip
from gateway.device.wiring import Wiring
from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.device.book import ListedMeter, MeterBook
    from gateway.device.configuration import Configuration
    from gateway.device.edits import Edits
    from gateway.device.restart import Restart
    from gateway.device.scan import ScanReport
    from gateway.modbus.session import Sessions
    from gateway.registers.image import RegisterImage
    from gateway.runtime.port import Event, Nursery, Runtime, Scope

__all__ = ["CHIP_INI", "BusFigures", "Command", "Device", "Ending", "Wiring"]

#: Commands that may wait for the bus at one time.
COMMANDS_MAX: Final = 16
#: Limit for giving line and listener back at the end.
CLOSE_NS: Final = 5 * NS_PER_S


@dataclass(slots=True)
class Command:
    """Something asked of the device; `done` is set once `result` or `error` stands."""

    name: str
    action: Callable[[], Coroutine[Any, Any, Any]]
    done: Event
    result: Any = None
    error: OSError | EditError | None = field(
        default_factory=lambda: InterruptedError("the device ended")
    )


class Device:
    """One run of the gateway, from power-on to STOP, REBOOT or WATCHDOG."""

    def __init__(self, rt: Runtime, wiring: Wiring) -> None:
        self._rt = rt
        self._commands = rt.queue(COMMANDS_MAX)
        self._ending: Ending | None = None
        self._scope: Scope | None = None
        self._ready: Event | None = None
        self._has_ended = False
        self._was_command = False
        #: The watchdog's trip that ended this run; None for another end.
        self.trip: Trip | None = None
        self.core = Core(rt, wiring)
        self.bus = Bus(self.core)
        self.server = ModbusServer(rt, wiring, lambda: self.core.image)
        self.saving = Saving(self.core, self.bus, self.server)

    # --- Start and end ------------------------------------------------------------------------

    async def run(self, ready: Event, restart: Restart | None = None) -> Ending:
        """Start up, serve until `end`, give everything back; `ready` is set once it serves.

        `restart` says why it starts; it is the first line of this run's log.

        Raises OSError when the Modbus port cannot be bound.
        """
        self._ready = ready
        states, guarding = self.core.states, self.core.guarding
        self._rt.listen(self.core.events.heard)
        if restart is not None:
            self._rt.log("gateway.restart.reason", **restart.fields())
        states.enter(DeviceState.STARTING)
        guarding.start(Activity.BUSY)
        try:
            async with self._rt.nursery() as nursery:
                nursery.spawn(self._serve(ready, nursery), name="device loop")
                self.trip = await guarding.tripped()
                self._rt.log(
                    "watchdog.trip",
                    value=self.trip.timer.value,
                    state=self.trip.activity.value,
                    seconds=self.trip.seconds,
                )
                if self._ending is None:
                    self.end(Ending.WATCHDOG)
        finally:
            ready.clear()
            await self._give_back()
            states.enter(DeviceState.STOPPED)
            self.core.events.flush()
            self._rt.listen(None)
        # Whoever cut the scope said why before.
        return self._ending or Ending.STOP

    async def _serve(self, ready: Event, nursery: Nursery) -> None:
        """Start up and take turns until the end; a failing start raises OSError."""
        with self._rt.scope() as self._scope:
            if self._ending is None:
                await self._start_up()
                self.core.states.enter(DeviceState.RUNNING)
                self.core.guarding.start(Activity.IDLE)
                ready.set()
            while self._ending is None:
                await self._turn()
        # The watchdog has nothing left to watch.
        nursery.cancel()

    async def _start_up(self) -> None:
        """Go the five steps of manual 4 (`NET-05`)."""
        core = self.core
        core.startup(1, "network settings are the host's")
        core.startup(2, "no service needs device keys")
        is_set = core.clock.is_set
        core.startup(3, "system time is the host's" if is_set else "system time is not set")
        core.load()
        # Until here nobody knew the limit that the file sets.
        core.guarding.start(Activity.BUSY)
        core.startup(4, await self.server.start(core.configuration))
        core.startup(5, "main application")

    async def _give_back(self) -> None:
        try:
            with self._rt.shield(CLOSE_NS):
                await self._close()
        except TimeoutError:
            # What hangs in a port must not keep the next start from coming.
            self._rt.log("gateway.complaint", text=f"ports hung for {CLOSE_NS // NS_PER_S} s")

    async def _close(self) -> None:
        self._has_ended = True
        if not self.core.list_is_kept:
            # A scan was cut; what it had confirmed is not lost (`C-60`).
            self.core.keep_list()
        while len(self._commands):
            # Nobody will work them off any more; their waiters learn so.
            command: Command = await self._commands.get()
            command.done.set()
        await self.server.stop()
        await self.bus.close()

    def end(self, ending: Ending) -> None:
        """Power down or reboot: what is under way on the bus is cut, as a power switch cuts it."""
        self._ending = ending
        if self._ready is not None:
            self._ready.clear()
        if self._scope is not None:
            self._scope.cancel()

    # --- The loop -----------------------------------------------------------------------------

    async def submit(self, name: str, action: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Queue `action` for the bus and wait for its result.

        Raises the OSError or `EditError` that it raised, and InterruptedError when the device ends
        before, or has ended.
        """
        if self._has_ended:
            raise InterruptedError("the device has ended")
        command = Command(name, action, self._rt.event())
        await self._commands.put(command)
        await command.done.wait()
        if command.error is not None:
            raise command.error
        return command.result

    async def _turn(self) -> None:
        """One command, or one pass over what is due, or one try to open the bus, or a wait.

        A command goes before a pass, but two never do: neither side starves the other.
        """
        self.core.guarding.feed()
        due = self.core.book.due(self._rt.now())
        if not (due and self._was_command):
            command = await self._next_command(self._next_due())
            # The wait was idleness, whatever follows is the next turn.
            self.core.guarding.feed()
            self._was_command = command is not None
            if command is not None:
                await self._execute(command)
                return
            due = self.core.book.due(self._rt.now())
        self._was_command = False
        if due:
            await self.read_out(due)
        elif self.bus.is_wanted:
            await self.bus.try_to_open()
        if self.bus.is_given_up and self._ending is None:
            self.end(Ending.BUS_FAULT)

    def _next_due(self) -> int:
        """When the loop has to take its next turn, at the latest to feed the watchdog."""
        due = min(self.core.book.next_due(), self._rt.now() + self.core.guarding.watchdog.feed_ns)
        return min(due, self.bus.retry_ns) if self.bus.is_wanted else due

    async def _next_command(self, due: int) -> Command | None:
        if due <= self._rt.now() and not len(self._commands):
            return None
        try:
            with self._rt.deadline(due):
                command: Command = await self._commands.get()
                return command
        except TimeoutError:
            return None

    async def _execute(self, command: Command) -> None:
        try:
            command.result = await command.action()
            command.error = None
        except (OSError, EditError) as error:
            command.error = error
        finally:
            command.done.set()

    # --- Jobs ---------------------------------------------------------------------------------

    async def read_out(self, meters: list[ListedMeter], *, forced: bool = False) -> None:
        """One pass; see `readout_pass.read_out`."""
        await readout_pass.read_out(self.core, self.bus, meters, forced=forced)

    async def scan(self) -> ScanReport:
        """Search the bus; see `scan_job.scan`."""
        return await scan_job.scan(self.core, self.bus)

    # --- What is asked of it ------------------------------------------------------------------

    @property
    def configuration(self) -> Configuration:
        """The settings in force."""
        return self.core.configuration

    @property
    def book(self) -> MeterBook:
        """The meter list with its readings."""
        return self.core.book

    @property
    def edits(self) -> Edits:
        """What the pages have changed and not saved."""
        return self.core.edits

    @property
    def image(self) -> RegisterImage:
        """What Modbus clients are shown now."""
        return self.core.image

    @property
    def figures(self) -> BusFigures:
        """What the master has done on the bus."""
        return self.bus.figures

    @property
    def sessions(self) -> Sessions | None:
        """The Modbus connections; None before the server has started."""
        return self.server.sessions

    @property
    def modbus_address(self) -> tuple[str, int] | None:
        """Host and port of the Modbus server; None before it listens or where it is disabled."""
        return self.server.address
