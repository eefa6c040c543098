"""The device itself: what it does from start-up to the end, in one loop that owns the bus.

One procedure holds the M-Bus: it takes commands (scan, read-out, save) and reads what is due,
never both at once, so no lock guards the line. The Modbus server lives beside it and sees nothing
but immutable register images (`C-12`). A bus that fails is an error state, not an end: the meters
that were due are flagged (`C-13` row 9), and the port is tried again until it opens.

Watchdogs, users and the network services are not here yet; `Device.run` ends with STOP or REBOOT.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from enum import Enum, unique
from typing import TYPE_CHECKING, Any, Final

from gateway.device import plans
from gateway.device.book import MeterBook
from gateway.device.configuration import Configuration
from gateway.device.edits import EditError, Edits
from gateway.device.files import CHIP_INI, DeviceFiles
from gateway.device.keys import Applies, Tab, contradictions, find_key
from gateway.device.leds import ABOVE_ERRORS, LEDS, DeviceState, Leds, Trouble
from gateway.device.link import Link
from gateway.device.modbus_server import ModbusServer
from gateway.device.readout import Readout, Target, read_meter
from gateway.device.scan import Found, PrimaryScan, ScanReport, SecondaryScan
from gateway.device.sequences import RequestMode
from gateway.device.wiring import Wiring
from gateway.registers.image import RegisterImage, build
from gateway.runtime.port import NS_PER_S, LineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine

    from gateway.device.book import ListedMeter
    from gateway.modbus.session import Sessions
    from gateway.registers.layout import Layout
    from gateway.runtime.port import Event, Line, Runtime, Scope

__all__ = ["CHIP_INI", "BusFigures", "Command", "Device", "Ending", "Wiring"]

#: The event that tells of the job that a state stands for.
_JOBS: Final = {DeviceState.SCAN: "gateway.scan", DeviceState.READOUT: "gateway.readout"}
#: How long a bus that failed is left alone before the port is opened again.
BUS_RETRY_NS: Final = 5 * NS_PER_S
#: Commands that may wait for the bus at one time.
COMMANDS_MAX: Final = 16
#: Settings that the open bus was opened with.
BUS_SETTINGS: Final = (
    "mbus_baudrate",
    "mbus_enable",
    "mbus_fulltimeout",
    "mbus_idletimeout",
    "mbus_timeout",
)
#: Limit for giving line and listener back at the end.
CLOSE_NS: Final = 5 * NS_PER_S


@unique
class Ending(Enum):
    """Why a run of the device came to its end."""

    STOP = "stop"
    REBOOT = "reboot"


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


@dataclass(frozen=True, slots=True)
class BusFigures:
    """What the master has done on the bus since the start."""

    telegrams_sent: int = 0
    passes: int = 0
    scans: int = 0
    last_scan: ScanReport | None = None


@dataclass(slots=True)
class _Bus:
    line: Line | None = None
    link: Link | None = None
    retry_ns: int = 0
    failure: str = ""
    sent_before: int = 0
    figures: BusFigures = field(default_factory=BusFigures)


class Device:
    """One run of the gateway, from power-on to STOP or REBOOT."""

    def __init__(self, rt: Runtime, wiring: Wiring) -> None:
        self._rt = rt
        self._wiring = wiring
        self._commands = rt.queue(COMMANDS_MAX)
        self._bus = _Bus()
        self._ending: Ending | None = None
        self._scope: Scope | None = None
        self._last_readout = 0
        self._has_ended = False
        self._list_is_kept = True
        self._saved: dict[str, Any] = {}
        self._doing = DeviceState.STOPPED
        self.configuration = Configuration()
        self.book = MeterBook()
        self.edits = Edits(self.book)
        self.files = DeviceFiles(rt, wiring.unit_loads)
        self._troubles = self.files.troubles
        self.state = DeviceState.STOPPED
        self.image: RegisterImage = self._build(None)
        self.server = ModbusServer(rt, wiring, lambda: self.image)

    # --- Start and end ------------------------------------------------------------------------

    async def run(self, ready: Event) -> Ending:
        """Start up, serve until `end`, give everything back; `ready` is set once it serves.

        Raises OSError when the Modbus port cannot be bound.
        """
        self._enter(DeviceState.STARTING)
        self._load()
        try:
            await self._start_services()
            self._startup(5, "main application")
            self._enter(DeviceState.RUNNING)
            ready.set()
            with self._rt.scope() as self._scope:
                while self._ending is None:
                    await self._turn()
        finally:
            with self._rt.shield(CLOSE_NS):
                await self._close()
            self._enter(DeviceState.STOPPED)
        # Whoever cut the scope said why before.
        return self._ending or Ending.STOP

    def _startup(self, step: int, text: str) -> None:
        self._rt.log("gateway.startup", step=step, text=text)

    def _load(self) -> None:
        self._startup(1, "network settings are the host's")
        self._startup(2, "no service needs device keys")
        self._startup(3, "system time is the host's")
        self.configuration = self.files.load_settings()
        self.book.load(self.files.load_list(self.list_path), self._rt.now())
        if self.book.give_units(plans.layout(self.configuration)):
            self._keep_list()
        self._publish()

    @property
    def list_path(self) -> str:
        """Path of the meter list in the device's storage (METER_STAT_CONFIG)."""
        return self.configuration.meter_stat_config.lstrip("/")

    async def _start_services(self) -> None:
        self._startup(4, await self.server.start(self.configuration))

    @property
    def sessions(self) -> Sessions | None:
        """The Modbus connections; None before the server has started."""
        return self.server.sessions

    @property
    def modbus_address(self) -> tuple[str, int] | None:
        """Host and port of the Modbus server; None before it listens or where it is disabled."""
        return self.server.address

    async def _close(self) -> None:
        self._has_ended = True
        if not self._list_is_kept:
            # A scan was cut; what it had confirmed is not lost (`C-60`).
            self._keep_list()
        while len(self._commands):
            # Nobody will work them off any more; their waiters learn so.
            command: Command = await self._commands.get()
            command.done.set()
        await self.server.stop()
        await self._close_bus()

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

    def end(self, ending: Ending) -> None:
        """Power down or reboot: what is under way on the bus is cut, as a power switch cuts it."""
        self._ending = ending
        if self._scope is not None:
            self._scope.cancel()

    async def _turn(self) -> None:
        """One command, or one pass over what is due, or one try to open the bus, or a wait."""
        command = await self._next_command(self._next_due())
        if command is not None:
            await self._execute(command)
            return
        due = self.book.due(self._rt.now())
        if due:
            await self.read_out(due)
        elif self._wants_bus():
            await self._try_bus()

    def _next_due(self) -> int:
        due = self.book.next_due()
        return min(due, self._bus.retry_ns) if self._wants_bus() else due

    def _wants_bus(self) -> bool:
        """Whether the port is to be opened although nobody needs it yet: the LED tells of it."""
        return self._bus.link is None and bool(self.configuration.mbus_enable)

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

    def _enter(self, state: DeviceState) -> None:
        """Do what `state` says, and show it unless an error outranks it (`C-56`)."""
        self._doing = state
        if self._troubles and state not in ABOVE_ERRORS:
            state = DeviceState.ERROR
        if state is self.state:
            return
        before, self.state = LEDS[self.state], state
        self._rt.log("gateway.state", value=state.value)
        after = LEDS[state]
        if after.act is not before.act:
            self._rt.log("gateway.led.act", value=after.act.value)
        if after.st is not before.st:
            self._rt.log("gateway.led.st", value=after.st.value)

    @property
    def leds(self) -> Leds:
        """ACT and ST."""
        return LEDS[self.state]

    # --- The bus ------------------------------------------------------------------------------

    @property
    def figures(self) -> BusFigures:
        """What the master has done on the bus."""
        return self._bus.figures

    @property
    def telegrams_sent(self) -> int:
        """Telegrams that the master has sent since the start."""
        link = self._bus.link
        return self._bus.sent_before + (link.sent if link is not None else 0)

    async def _open_bus(self) -> Link:
        if self._bus.link is not None:
            return self._bus.link
        if not self.configuration.mbus_enable:
            raise LineError("the M-Bus interface is disabled (MBUS_ENABLE=0)")
        line_format = plans.line_format(self.configuration)
        line = await self._rt.open_line(self._wiring.bus_url, line_format)
        wiring, bus = self._wiring, self._bus
        settings = plans.link_settings(self.configuration, wiring.transport_delay_ns, wiring.echo)
        bus.line, bus.link, bus.failure = line, Link(self._rt, line, settings), ""
        self._rt.log("bus.opened", url=wiring.bus_url, baudrate=line_format.baudrate)
        self._troubles.discard(Trouble.BUS)
        self._enter(self._doing)
        return bus.link

    async def _try_bus(self) -> None:
        try:
            await self._open_bus()
        except LineError as error:
            await self._bus_failed(error)
            self._enter(self._doing)

    async def _bus_failed(self, error: LineError) -> None:
        """Close the bus and show the error until it can be opened again."""
        bus, text = self._bus, str(error)
        if text != bus.failure:
            # A bus that is away for a weekend is told once, not every five seconds.
            self._rt.log("bus.failed", text=text)
        bus.failure, bus.retry_ns = text, self._rt.now() + BUS_RETRY_NS
        await self._close_bus()
        if self.configuration.mbus_enable:
            self._troubles.add(Trouble.BUS)

    async def _close_bus(self) -> None:
        bus = self._bus
        if bus.link is not None:
            bus.sent_before += bus.link.sent
        line, bus.line, bus.link = bus.line, None, None
        if line is not None:
            await line.close()

    async def _on_bus(
        self,
        state: DeviceState,
        conversation: Callable[[Link], Awaitable[None]],
        finish: Callable[[], None],
    ) -> None:
        """Hold `conversation` on the bus in `state`; a failing line is closed, told and raised.

        `finish` does what belongs to the job, done or failed, before the state is left: whoever
        watches sees the job and the indicator change at one moment.
        """
        job = _JOBS[state]
        try:
            await self._converse(state, conversation)
        except LineError as error:
            await self._bus_failed(error)
            finish()
            self._rt.log(job, value="failed", meters=len(self.book.meters))
            self._enter(DeviceState.RUNNING)
            raise
        finish()
        self._rt.log(job, value="done", meters=len(self.book.meters))
        self._enter(DeviceState.RUNNING)

    async def _converse(
        self, state: DeviceState, conversation: Callable[[Link], Awaitable[None]]
    ) -> None:
        is_open = self._bus.link is not None
        link = await self._open_bus()
        self._enter(state)
        self._rt.log(_JOBS[state], value="running")
        sent_before = link.sent
        try:
            await conversation(link)
        except LineError:
            if not is_open or link.sent > sent_before:
                raise
            # The port died while nobody used it, as TCP converters do: no failure yet.
            await self._close_bus()
            await conversation(await self._open_bus())

    # --- Read-out -----------------------------------------------------------------------------

    async def read_out(self, meters: list[ListedMeter], *, forced: bool = False) -> None:
        """One pass over `meters`; those that the bus keeps us from reading are flagged.

        A `forced` pass leaves the cycle as it was planned (`MET-04`).
        """
        left = list(meters)

        async def conversation(link: Link) -> None:
            while left:
                await self._read_one(link, left[0])
                self._publish()
                del left[0]

        def finish() -> None:
            for meter in left:
                self._unreadable(meter)
            if not forced:
                for meter in meters:
                    self.book.schedule(meter, self._rt.now(), self.configuration.meter_time)
            self._last_readout = self._rt.unix_time()
            figures = self._bus.figures
            self._bus.figures = BusFigures(
                self.telegrams_sent, figures.passes + 1, figures.scans, figures.last_scan
            )
            self._publish()

        with contextlib.suppress(LineError):
            await self._on_bus(DeviceState.READOUT, conversation, finish)

    async def _read_one(self, link: Link, meter: ListedMeter) -> None:
        plan = plans.readout_plan(self.configuration)
        readout = await read_meter(link, plan, self._target(meter))
        if readout.pages and self.book.fill(meter, readout, self.configuration):
            self._keep_list()
        self.book.take(meter, readout, self._rt.unix_time(), self.configuration)
        self._tell(meter, readout.failure)

    def _target(self, meter: ListedMeter) -> Target:
        return plans.target(
            self.configuration, meter.addressing, meter.primary_address, meter.address
        )

    def _unreadable(self, meter: ListedMeter) -> None:
        self.book.take(
            meter,
            Readout((), complete=False, limited=False, failure="the bus is not available"),
            self._rt.unix_time(),
            self.configuration,
        )
        self._tell(meter, "the bus is not available")

    def _tell(self, meter: ListedMeter, failure: str) -> None:
        reading = meter.reading
        self._rt.log(
            "meter.read",
            serial=meter.identification_number,
            manufacturer=meter.entry.manufacturer,
            version=meter.entry.version,
            medium=meter.entry.medium,
            flags=reading.flags,
            values=[[value.integer, value.scale, value.unit] for value in reading.values],
            failure=failure,
        )

    # --- Scan ---------------------------------------------------------------------------------

    async def scan(self) -> ScanReport:
        """Search the bus, append what is new to the list, give registers where asked.

        Known meters stay as they are (`SCAN-02`). Raises `LineError` when the bus fails; what was
        found until then is kept.
        """
        reports: list[ScanReport] = []

        async def conversation(link: Link) -> None:
            reports.append(await self._scan_on(link))

        def finish() -> None:
            self.book.start_together(self._rt.now())
            if self.configuration.mbus_scanmode in plans.ALLOCATING_SCAN_MODES:
                self._tell_unplaced(self.book.allocate_new(plans.layout(self.configuration)))
            self._keep_list()
            self._publish()

        await self._on_bus(DeviceState.SCAN, conversation, finish)
        figures = self._bus.figures
        self._bus.figures = BusFigures(
            self.telegrams_sent, figures.passes, figures.scans + 1, reports[0]
        )
        return reports[0]

    async def _scan_on(self, link: Link) -> ScanReport:
        plan = plans.scan_plan(self.configuration)
        reset_mode = plans.readout_plan(self.configuration).reset_mode

        async def on_found(found: Found) -> bool:
            return await self._found(link, found)

        if plan.primary:
            return await PrimaryScan(self._rt, link, plan, reset_mode).run(on_found)
        known = [meter.address for meter in self.book.meters]
        return await SecondaryScan(self._rt, link, plan, reset_mode, known).run(on_found)

    async def _found(self, link: Link, found: Found) -> bool:
        known = self.book.find(found)
        self._rt.log(
            "meter.found",
            serial=found.address.identification_number,
            manufacturer=found.address.manufacturer,
            version=found.address.version,
            medium=found.address.medium,
            known=known is not None,
            selectable=found.selectable,
        )
        if known is None and not self._list_is_full():
            meter = self.book.append(found, self._rt.now())
            self._list_is_kept = False
            self.book.fill(meter, await self._whole(link, found, meter), self.configuration)
            self._publish()
        return not self._list_is_full()

    def _list_is_full(self) -> bool:
        """Whether a scan may add nothing more (`C-71`)."""
        limit = self.configuration.meter_maxdevicecount
        return 0 < limit <= len(self.book.meters)

    async def _whole(self, link: Link, found: Found, meter: ListedMeter) -> Readout:
        """The read-out that makes the list: the probe's own answer where that is already all."""
        if found.readout is not None:
            return found.readout
        plan = plans.readout_plan(self.configuration)
        plain = plan.request_mode is RequestMode.DEFAULT and not plan.freeze_first
        if plain and not found.telegram.more_records_follow:
            return Readout((found.telegram,), complete=True, limited=False, failure="")
        return await read_meter(link, plan, self._target(meter))

    # --- Save ---------------------------------------------------------------------------------

    async def save(self, tabs: Collection[Tab] | None = None) -> None:
        """Save the changes of some pages, or all, and initialise again what they set (`C-51`).

        None writes the meter list in any case. Readings of entries that were not changed stay, and
        masters are cut off only by Server and General (`C-72`). Raises `EditError` where something
        contradicts (`MET-13`), OSError where a file cannot be written or a port not be used; what
        was not written stays as edited.
        """
        chosen = self.edits.tabs() | {Tab.METER} if tabs is None else set(tabs)
        settings = {
            name: value
            for name, value in self.edits.settings.items()
            if find_key(name).tab in chosen
        }
        in_force = replace(
            self.configuration,
            **{n: v for n, v in settings.items() if find_key(n).applies is Applies.SAVE},
        )
        self._check_save(replace(self.configuration, **settings), in_force, chosen)
        cuts_masters = bool(chosen & {Tab.SERVER, Tab.GENERAL})
        if cuts_masters:
            await self.server.try_port(in_force)
        self._enter(DeviceState.STARTING)
        try:
            if settings:
                self.files.save_settings(settings, self.configuration)
                self._saved.update(settings)
                self.edits.discard(chosen - {Tab.METER})
                await self._take_settings(in_force)
            if Tab.METER in chosen:
                self.files.save_list(self.list_path, self.edits.entries())
                self.edits.commit(self._rt.now(), self.configuration.meter_time)
                self._list_is_kept = True
            self._publish()
            if cuts_masters:
                await self.server.stop()
                await self._start_services()
        finally:
            self._enter(DeviceState.RUNNING)
        self._rt.log("gateway.save", value=sorted(tab.value for tab in chosen))

    def _check_save(
        self, wanted: Configuration, in_force: Configuration, chosen: Collection[Tab]
    ) -> None:
        known = contradictions(self.configuration)
        texts = [text for text in contradictions(wanted) if text not in known]
        layout = plans.layout(in_force)
        edits = self.edits if Tab.METER in chosen else Edits(self.book)
        if layout.multi_slave:
            edits.give_units(layout)
        if edits.tabs() or layout != plans.layout(self.configuration):
            texts += edits.conflicts(layout)
        if texts:
            raise EditError("; ".join(texts))

    def edited_layout(self) -> Layout:
        """The register layout as it would be after a Save of all pages."""
        return plans.layout(replace(self.configuration, **self.edits.settings))

    async def _take_settings(self, configuration: Configuration) -> None:
        """Let settings count from now on; the bus is opened anew where they are about it."""
        before, self.configuration = self.configuration, configuration
        for meter in self.book.meters:
            if not meter.entry.readoutcycle:
                self.book.change_cycle(
                    meter, before.meter_time, configuration.meter_time, self._rt.now()
                )
        if any(getattr(before, name) != getattr(configuration, name) for name in BUS_SETTINGS):
            await self._close_bus()
            self._bus.retry_ns = self._rt.now()
            if not configuration.mbus_enable:
                self._troubles.discard(Trouble.BUS)

    @property
    def restart_reasons(self) -> list[str]:
        """Files and keys that count from the next start on; empty = nothing waits (`C-51`)."""
        keys = [
            find_key(name).place
            for name, value in self._saved.items()
            if value != getattr(self.configuration, name)
        ]
        return self.files.changed_files() + sorted(keys)

    async def restore_list(self) -> None:
        """Bring back the list of before the last Save (`C-34`); its meters count as unread."""
        meters = self.files.restore_list(self.list_path)
        self.edits.discard({Tab.METER})
        self.book.load(meters, self._rt.now())
        self._publish()
        self._enter(self._doing)

    # --- List and image -----------------------------------------------------------------------

    def _tell_unplaced(self, texts: list[str]) -> None:
        self.files.complain_all(self.list_path, texts)

    def _keep_list(self) -> None:
        """Write the list after what the device found by itself; a full storage ends nothing."""
        if self.files.keep_list(self.list_path, self.book.entries()):
            self._list_is_kept = True

    def _publish(self) -> None:
        self.image = self._build(self.image)

    def _build(self, previous: RegisterImage | None) -> RegisterImage:
        gateway = plans.gateway_entry(self._wiring.serial_number, self._last_readout)
        layout = plans.layout(self.configuration)
        return build(gateway, self.book.published(), layout=layout, previous=previous)
