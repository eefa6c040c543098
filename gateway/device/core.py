"""What one run of the device knows: settings, meter list, files, image, state.

The jobs (a pass, a scan, a Save) are procedures of their own that share this. Nothing here takes
time; whoever changes it does so between two waits, so others see all of a change or nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.device import plans, rows
from gateway.device.book import MeterBook
from gateway.device.clock import DeviceClock
from gateway.device.configuration import Configuration
from gateway.device.edits import Edits
from gateway.device.event_log import EventLog
from gateway.device.files import DeviceFiles
from gateway.device.meter_list import SERIAL_NOT_SET
from gateway.device.sessions import Sessions
from gateway.device.states import States
from gateway.device.value_log import ValueLog
from gateway.device.watchdogs import Guarding
from gateway.device.webcom import FACTORY_USERS
from gateway.registers.image import RegisterImage, build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.device.book import ListedMeter
    from gateway.device.meter_list import Meter
    from gateway.device.rows import Capacity
    from gateway.device.webcom import User
    from gateway.device.wiring import Wiring
    from gateway.runtime.port import Runtime

#: Unit loads of the lab model, which no page limits (`C-75`).
LAB_UNIT_LOADS: Final = 0


class Core:
    """The knowledge that the jobs of one run share."""

    def __init__(self, rt: Runtime, wiring: Wiring) -> None:
        self.rt = rt
        self.wiring = wiring
        self.configuration = Configuration()
        self.users: list[User] = list(FACTORY_USERS)
        self.book = MeterBook()
        self.edits = Edits(self.book)
        self.files = DeviceFiles(rt, wiring.unit_loads)
        self.clock = DeviceClock(rt, follows_host=wiring.host_clock)
        self.states = States(rt, self.files.troubles)
        self.guarding = Guarding(rt, lambda: self.configuration)
        self.events = EventLog(rt, lambda: self.configuration, self.clock.unix_time)
        self.values = ValueLog(
            rt.storage, lambda path, stopped: rt.log("log.stopped", file=path, value=stopped)
        )
        self.sessions = Sessions(
            lambda: self.users,
            lambda: self.configuration,
            rt.entropy,
            self.clock.unix_time,
            rt.log,
        )
        #: End of the last pass, unix time (`C-05`); 0 before the first.
        self.last_readout = 0
        #: False while the list in memory has meters that the file does not.
        self.list_is_kept = True
        self._is_over_capacity = False
        #: True while a pass takes longer than a cycle of one of its meters.
        self.is_overloaded = False
        self.image: RegisterImage = self._build(None)

    @property
    def list_path(self) -> str:
        """Path of the meter list in the device's storage (METER_STAT_CONFIG)."""
        return self.configuration.meter_stat_config.lstrip("/")

    def startup(self, step: int, text: str) -> None:
        """Tell of one of the five steps of the start (manual 4, `NET-05`)."""
        self.rt.log("gateway.startup", step=step, text=text)

    def load(self) -> None:
        """Read settings, users and list from the storage; never fails."""
        self.configuration = self.files.load_settings()
        self.users = self.files.load_users()
        self.book.load(self.files.load_list(self.list_path), self.rt.now())
        for meter in self.book.meters:
            self.tell_number(meter.entry)
        if self.book.give_units(plans.layout(self.configuration)):
            self.keep_list()
        self.publish()

    def tell_number(self, entry: Meter) -> None:
        """Tell of a number that no register can show (`C-15`)."""
        if entry.serial != SERIAL_NOT_SET and not entry.serial.isdecimal():
            text = f"meter {entry.serial}: a digit of A to F, so its number is 0 in the registers"
            self.files.complain(self.list_path, text)

    def keep_list(self) -> None:
        """Write the list after what the device found by itself; a full storage ends nothing."""
        if self.files.keep_list(self.list_path, self.book.entries()):
            self.list_is_kept = True

    def save_users(self, users: Sequence[User]) -> None:
        """Write users, their passwords hashed, and let them count; raises `UserError`, OSError."""
        self.users = self.files.save_users(users)

    def capacity(self, configuration: Configuration | None = None) -> Capacity:
        """Size of the list with its unsaved changes, as the page would receive it (`C-33`)."""
        settings = self.configuration if configuration is None else configuration
        is_lab = self.wiring.unit_loads == LAB_UNIT_LOADS
        return rows.capacity(self.edits.rows(), settings, is_lab=is_lab)

    def check_capacity(self) -> str:
        """Tell of a list that has grown beyond what the page can show (`MET-17`); "" where it fits.

        The meters are read and served all the same.
        """
        now = self.capacity()
        text = rows.CAPACITY_EXCEEDED if now.is_exceeded else ""
        if now.is_exceeded is not self._is_over_capacity:
            self._is_over_capacity = now.is_exceeded
            self.rt.log("list.capacity", value=now.is_exceeded, size=now.size, limit=now.limit)
        return text

    def log_values(self, meters: Sequence[ListedMeter]) -> None:
        """Write the readings of a pass where VALUELOG asks for it."""
        wanted = self.configuration.valuelog
        if wanted in ("CSV", "BOTH"):
            self.values.write_csv(meters)
        if wanted in ("XML", "BOTH"):
            self.values.write_xml(meters, self.wiring.serial_number, self.clock.unix_time())

    def publish(self) -> None:
        """Let Modbus clients see what is known now, all of it at once (`C-12`)."""
        self.image = self._build(self.image)

    def _build(self, previous: RegisterImage | None) -> RegisterImage:
        gateway = plans.gateway_entry(self.wiring.serial_number, self.last_readout)
        layout = plans.layout(self.configuration)
        return build(gateway, self.book.published(), layout=layout, previous=previous)
