"""The one door to the device: commands, queries and nothing else (`SVC-02`).

Whoever stands outside (the command line, a scenario, later the web page) talks to an `Appliance`.
Commands wait for their turn on the bus; queries give immutable answers at once. A reboot starts a
new `Device` on the same storage, which is all that survives it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.device import logins
from gateway.device.book import MeterStatistics
from gateway.device.core import LAB_UNIT_LOADS
from gateway.device.device import BusFigures, Device, Ending, Wiring
from gateway.device.edits import Edits
from gateway.device.keys import Tab
from gateway.device.log_files import RESERVE_BYTES
from gateway.device.restart import Restart
from gateway.device.rows import page_list, rows_of
from gateway.device.webcom import check

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gateway.device.book import ListedMeter
    from gateway.device.configuration import Configuration
    from gateway.device.keys import Key
    from gateway.device.leds import DeviceState, Leds
    from gateway.device.meter_list import Meter
    from gateway.device.readings import MeterReading
    from gateway.device.rows import PageList, Row
    from gateway.device.scan import ScanReport
    from gateway.device.sessions import Session, Writer
    from gateway.device.watchdogs import Watched
    from gateway.device.webcom import Right, User
    from gateway.modbus.session import Client, Counters
    from gateway.runtime.port import Runtime


@dataclass(frozen=True, slots=True)
class MeterView:
    """One row of the meter list with its values, as it stands now.

    `entry` is a copy: changing it changes nothing in the device.
    """

    entry: Meter
    reading: MeterReading
    identification_number: str
    handle: int
    is_edited: bool = False
    """Whether the meter's own row was changed and not saved (`C-47`)."""
    edited_values: frozenset[int] = frozenset()
    """Positions of the values whose rows were."""
    statistics: MeterStatistics = field(default_factory=MeterStatistics)
    """How its read-outs went since the start."""


@dataclass(frozen=True, slots=True)
class TypePlate:
    """What the Service tab shows (manual 4.8): the manual's own versions, which masters may ask."""

    serial_number: int
    hardware_version: str = "10"
    rtos_version: str = "1.01RC3/4.1.13"
    software_version: str = "1.30.60RC14"
    website_version: str = "1.30.60RC14"


class Appliance:
    """A gateway that can be switched on, asked and told; `wiring` says what it is connected to.

    `restart` says why it starts, where a former process did not end by itself.
    """

    def __init__(self, rt: Runtime, wiring: Wiring, restart: Restart | None = None) -> None:
        self._rt = rt
        self._wiring = wiring
        self._device = Device(rt, wiring)
        self._ready = rt.event()
        self._stopped = False
        self._restart: Restart | None = restart

    async def run(self) -> Ending:
        """Run until `stop`; a reboot starts over with what the storage holds.

        Raises OSError, naming the address, when the Modbus port cannot be bound.
        """
        while True:
            ending = await self._device.run(self._ready, self._restart)
            if ending is Ending.STOP or self._stopped:
                return Ending.STOP
            self._restart = Restart.after(ending, self._device.trip, self._rt.unix_time())
            self._device = Device(self._rt, self._wiring)

    # --- Commands -----------------------------------------------------------------------------
    #
    # A command waits for its turn on the bus. It raises InterruptedError, an OSError, when the
    # device ends before it is done, and at once when the device has ended.

    async def ready(self) -> None:
        """Wait until the start-up is over and the Modbus server listens."""
        await self._ready.wait()

    async def scan(self) -> ScanReport:
        """Search the bus for meters (`MET-04`).

        Raises `LineError` when the bus fails, PermissionError in transparent mode (`C-21`).
        """
        report: ScanReport = await self._device.submit("scan", self._device.scan)
        return report

    async def readout(self, identification_number: str | None = None) -> None:
        """Read every active meter now, or one; the cycle goes on as planned (`MET-04`).

        Raises KeyError for a number that is not in the list.
        """
        device = self._device
        meters = device.book.active()
        if identification_number is not None:
            meters = [m for m in meters if m.identification_number == identification_number]
            if not meters:
                raise KeyError(identification_number)

        async def action() -> None:
            await device.read_out(meters, forced=True)

        await device.submit("readout", action)

    async def save(self, tabs: Collection[Tab] | None = None) -> None:
        """Save what the pages have changed, all or some of them, and initialise it (`C-51`).

        Without `tabs` the meter list is written in any case. Raises `EditError` for registers that
        two entries claim (`MET-13`) and for settings that contradict each other, OSError when the
        storage cannot take it or a port cannot be used.
        """
        device = self._device

        async def action() -> None:
            await device.saving.save(tabs)

        await device.submit("save", action)

    async def allocate(self) -> list[str]:
        """Give every entry its registers and save; returns what did not fit, in words."""
        texts = self.allocate_registers()
        await self.save({Tab.METER})
        return texts

    async def restore_list(self) -> None:
        """Bring back the meter list of before the last Save (`C-34`); raises OSError."""
        await self._device.submit("restore", self._device.saving.restore_list)

    def set_time(self, unix_time: int, source: str = "page") -> int:
        """Set the device's clock (`GEN-01`, `C-64`); returns the step in seconds.

        No timer moves. Raises ValueError for a time before 2000 or after 2106.
        """
        return self._device.core.clock.set(unix_time, source)

    async def save_users(self, users: Sequence[User]) -> None:
        """Save the users (`USR-03`); raises `UserError`, a ValueError, for users that are refused.

        A password in clear is hashed.
        """
        core = self._device.core

        async def action() -> None:
            core.save_users(users)

        check(users)
        await self._device.submit("save users", action)

    def reboot(self) -> None:
        """Restart and initialise everything anew (`SVC-02`); `ready` waits for the new start."""
        self._ready.clear()
        self._device.end(Ending.REBOOT)

    def stop(self) -> None:
        """Switch off; what is under way on the bus is cut."""
        self._stopped = True
        self._device.end(Ending.STOP)

    # --- Changes of the page, which count from a Save on ----------------------------------------
    #
    # Meters are named by the `handle` of their `MeterView`. A refused change is an `EditError` (a
    # ValueError) and changes nothing; a handle that there is not raises KeyError.

    def set_key(self, name: str, text: str) -> Key:
        """Change a key of chip.ini, as written there: ("MBUS_TIMEOUT", "500"), ("FTP.ENABLE", "0").

        A key whose row `applies` at RESTART counts from the `reboot` behind the `save`.
        """
        return self._device.edits.set_key(name, text)

    def set_meter(self, handle: int, element: str, text: str) -> None:
        """Change an element of Device_Handle.cfg of one meter, such as `user` or `readoutcycle`."""
        self._device.edits.set_meter(self._meter(handle), element, text)

    def set_value(self, handle: int, number: int, element: str, text: str) -> None:
        """Change an element of the value at position `number` (from 0) of a meter."""
        self._device.edits.set_value(self._meter(handle), number, element, text)

    def activate(self, handle: int, number: int | None = None, *, on: bool = True) -> None:
        """Activate or deactivate a meter with its values, or one value (`MET-07`)."""
        edits, meter = self._device.edits, self._meter(handle)
        if number is None:
            edits.set_active(meter, on=on)
        else:
            edits.set_value_active(meter, number, on=on)

    def add_meters(
        self,
        serial: str,
        *,
        link: int = 0,
        cycle: int = 0,
        label: str = "",
        register: int = 0,
        count: int = 1,
    ) -> list[int]:
        """List meters by hand (`MET-16`, `C-66`); returns their handles."""
        meters = self._device.edits.add(
            serial, link=link, cycle=cycle, label=label, register=register, count=count
        )
        return [meter.handle for meter in meters]

    def delete(self, handle: int, number: int | None = None) -> None:
        """Take a meter off the list (`MET-03`); the row of a value (`number`) is an `EditError`."""
        self._device.edits.delete(self._meter(handle), number)

    def allocate_registers(self, handle: int | None = None) -> list[str]:
        """Give registers to all entries, or to one meter (`C-67`); returns what did not fit."""
        device = self._device
        meter = None if handle is None else self._meter(handle)
        return device.edits.allocate(device.saving.edited_layout(), meter)

    def deallocate_registers(self, handle: int | None = None) -> None:
        """Take the registers of all entries, or of one meter, back (`C-67`)."""
        self._device.edits.deallocate(None if handle is None else self._meter(handle))

    def reload(self, tabs: Collection[Tab] | None = None) -> None:
        """Forget the unsaved changes of some pages, or of all (`WEB-07`)."""
        self._device.edits.discard(set(Tab) if tabs is None else tabs)

    def _meter(self, handle: int) -> ListedMeter:
        for row in self._device.edits.rows():
            if row.meter.handle == handle:
                return row.meter
        raise KeyError(handle)

    # --- Queries ------------------------------------------------------------------------------

    def state(self) -> DeviceState:
        """What the device is doing."""
        return self._device.core.states.state

    @property
    def is_ready(self) -> bool:
        """Whether the start-up is over and no end has begun."""
        return self._ready.is_set

    def watched(self) -> Watched:
        """The watchdog timer that runs now (`WDG-01` to `WDG-04`)."""
        return self._device.core.guarding.watchdog.watched(self._rt.now())

    def type_plate(self) -> TypePlate:
        """Versions and serial number of the device (`SVC-01`)."""
        return TypePlate(self._wiring.serial_number)

    def free_space(self) -> tuple[int, int]:
        """Free space in kB of the log drive and of flash (`GEN-01`), which share one disk here."""
        free = self._rt.storage.free_bytes()
        return max(0, free - RESERVE_BYTES) // 1024, free // 1024

    def last_restart(self) -> Restart | None:
        """Why the device started last; None when it was switched on."""
        return self._restart

    def leds(self) -> Leds:
        """ACT and ST (`LED-01`, `LED-02`)."""
        return self._device.core.states.leds

    def unix_time(self) -> int:
        """The device's own time; seconds since its start while the clock is not set (`C-64`)."""
        return self._device.core.clock.unix_time()

    def clock_is_set(self) -> bool:
        """Whether anybody has told the device what time it is."""
        return self._device.core.clock.is_set

    def configuration(self) -> Configuration:
        """The settings in force."""
        return self._device.configuration

    def modbus_address(self) -> tuple[str, int] | None:
        """Host and port of the Modbus server; None where there is none."""
        return self._device.modbus_address

    def figures(self) -> BusFigures:
        """What the master has done on the bus."""
        return self._device.figures

    def counters(self) -> Counters | None:
        """Requests, exceptions and connections of the Modbus server; None before it started."""
        sessions = self._device.sessions
        return sessions.counters if sessions is not None else None

    def is_overloaded(self) -> bool:
        """Whether the bus is too slow for the cycles: the last pass outlasted one of them."""
        return self._device.core.is_overloaded

    def clients(self) -> list[Client]:
        """The Modbus connections that are open now."""
        sessions = self._device.sessions
        return sessions.clients() if sessions is not None else []

    def meters(self) -> list[MeterView]:
        """The meter list in force, in its order, with the last readings."""
        return [_view(meter, meter.entry) for meter in self._device.book.meters]

    def identification_numbers(self) -> list[str]:
        """The numbers of the meter list in force, in its order, without copies of its entries."""
        return [meter.entry.serial for meter in self._device.book.meters]

    def page_meters(self) -> list[MeterView]:
        """The meter list as the page shows it, with what is not saved yet."""
        return [
            _view(row.meter, row.entry, is_edited=row.is_edited, edited_values=row.edited_values)
            for row in self._device.edits.rows()
        ]

    def page_list(self) -> PageList:
        """The rows of the Meter tab, or the text in their place (`MET-01`, `MET-17`)."""
        core = self._device.core
        is_lab = core.wiring.unit_loads == LAB_UNIT_LOADS
        return page_list(core.edits.rows(), core.configuration, is_lab=is_lab)

    def printed_rows(self) -> list[Row]:
        """The list in force as Print has it (`PRINT-01`)."""
        core = self._device.core
        rows = rows_of(Edits(core.book).rows(), core.configuration, printed=True)
        return [placed.row for placed in rows]

    async def login(self, name: str, password: str, address: str) -> Session:
        """Log in by the form (`WEB-02`); raises `SessionError`, which says why and for how long."""
        return await logins.login(self._device.core, name, password, address)

    async def default_login(self, address: str) -> Session:
        """Log in as the default user, reading only (`C-28`); raises `SessionError`."""
        return await logins.default_login(self._device.core, address)

    def session(self, id_: str) -> Session:
        """A request or heartbeat of a session; raises `SessionError` for one that has ended."""
        return self._device.core.sessions.touched(id_, self._rt.now())

    def need(self, id_: str, right: Right) -> Session:
        """A request that needs a right; raises `SessionError`."""
        return self._device.core.sessions.need(id_, right, self._rt.now())

    def logout(self, id_: str) -> None:
        """End a session."""
        self._device.core.sessions.closed(id_)

    def break_write_lock(self, id_: str) -> None:
        """Let admin end the session that may write (`C-31`); raises `SessionError`."""
        self._device.core.sessions.break_lock(id_, self._rt.now())

    async def change_password(self, id_: str, old: str, new: str) -> None:
        """Change the password of a session's own user, and end that user's other sessions.

        Raises `SessionError`, `UserError`, OSError.
        """
        core = self._device.core
        users = await logins.with_password(core, id_, old, new)
        name = core.sessions.touched(id_, self._rt.now()).user
        await self.save_users(users)
        core.sessions.close_user(name, but=id_)

    def writer(self) -> Writer | None:
        """Who holds the write lock."""
        return self._device.core.sessions.writer

    def users(self) -> list[User]:
        """The users in force (`USR-01`)."""
        return list(self._device.core.users)

    def edited_tabs(self) -> set[Tab]:
        """The pages with unsaved changes."""
        return self._device.edits.tabs()

    def page_configuration(self) -> Configuration:
        """The settings as the pages show them, with what is not saved yet."""
        return replace(self._device.configuration, **self._device.edits.settings)

    def restart_reasons(self) -> list[str]:
        """Files and keys that count from the next start on; empty = no restart needed (`C-51`)."""
        return self._device.saving.restart_reasons

    def registers(self, unit_identifier: int, starting_address: int, quantity: int) -> bytes:
        """What a Modbus client would read now; raises `UnmappedAddress`, a LookupError."""
        return self._device.image.read(unit_identifier, starting_address, quantity)


def _view(
    meter: ListedMeter,
    entry: Meter,
    *,
    is_edited: bool = False,
    edited_values: frozenset[int] = frozenset(),
) -> MeterView:
    values = [replace(value) for value in entry.values]
    return MeterView(
        replace(entry, values=values),
        meter.reading,
        entry.serial,
        meter.handle,
        is_edited,
        edited_values,
        replace(meter.statistics),
    )
