"""Save: what the pages have changed is written and initialised again (`C-51`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from gateway.device import plans
from gateway.device.edits import EditError, Edits
from gateway.device.files import BACKUP_SUFFIX
from gateway.device.keys import Applies, Tab, contradictions, find_key
from gateway.device.leds import DeviceState
from gateway.device.rows import CAPACITY_EXCEEDED
from gateway.device.watchdogs import Activity

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.device.bus import Bus
    from gateway.device.configuration import Configuration
    from gateway.device.core import Core
    from gateway.device.modbus_server import ModbusServer
    from gateway.registers.layout import Layout

#: Settings that the open bus was opened with.
BUS_SETTINGS: Final = (
    "mbus_baudrate",
    "mbus_enable",
    "mbus_fulltimeout",
    "mbus_idletimeout",
    "mbus_timeout",
)


class CapacityError(EditError):
    """A list over the capacity was saved, and so deleted (`MET-17`, `C-34`); it can be restored."""


class Saving:
    """Saves of one run; remembers what was saved and waits for the next start."""

    def __init__(self, core: Core, bus: Bus, server: ModbusServer) -> None:
        self._core = core
        self._bus = bus
        self._server = server
        self._saved: dict[str, Any] = {}

    async def save(self, tabs: Collection[Tab] | None = None) -> None:
        """Save the changes of some pages, or all, and initialise again what they set (`C-51`).

        None writes the meter list in any case. Readings of entries that were not changed stay, and
        masters are cut off only by Server and General (`C-72`). Raises `EditError` where something
        contradicts (`MET-13`), `CapacityError` where the page cannot show the list (`C-34`), and
        OSError where a file cannot be written or a port not be used; what was not written stays as
        edited.
        """
        with self._core.guarding.during(Activity.BUSY):
            await self._save(tabs)

    async def _save(self, tabs: Collection[Tab] | None) -> None:
        core = self._core
        chosen = core.edits.tabs() | {Tab.METER} if tabs is None else set(tabs)
        settings = {
            name: value
            for name, value in core.edits.settings.items()
            if find_key(name).tab in chosen
        }
        in_force = replace(
            core.configuration,
            **{n: v for n, v in settings.items() if find_key(n).applies is Applies.SAVE},
        )
        self._check_save(replace(core.configuration, **settings), in_force, chosen)
        cuts_masters = bool(chosen & {Tab.SERVER, Tab.GENERAL})
        if cuts_masters:
            await self._server.try_port(in_force)
        core.states.enter(DeviceState.STARTING)
        try:
            if settings:
                core.files.save_settings(settings, core.configuration)
                self._saved.update(settings)
                core.edits.discard(chosen - {Tab.METER})
                await self._take_settings(in_force)
            if Tab.METER in chosen and core.capacity().is_exceeded:
                self._delete_list()
            elif Tab.METER in chosen:
                core.files.save_list(core.list_path, core.edits.entries())
                core.edits.commit(core.rt.now(), core.configuration.meter_time)
                core.list_is_kept = True
            core.publish()
            if cuts_masters:
                await self._server.stop()
                core.startup(4, await self._server.start(core.configuration))
        finally:
            core.states.enter(DeviceState.RUNNING)
        core.check_capacity()
        core.rt.log("gateway.save", value=sorted(tab.value for tab in chosen))

    def _delete_list(self) -> NoReturn:
        """What the manual says of a Save of a list over the capacity, but nothing is lost."""
        core, path = self._core, self._core.list_path
        core.files.reject_list(path, core.edits.entries())
        core.edits.discard({Tab.METER})
        core.book.load([], core.rt.now())
        core.publish()
        core.check_capacity()
        raise CapacityError(
            f"{CAPACITY_EXCEEDED}: the meter list was deleted; the one before is in "
            f"{path}{BACKUP_SUFFIX} and can be restored"
        )

    def _check_save(
        self, wanted: Configuration, in_force: Configuration, chosen: Collection[Tab]
    ) -> None:
        core = self._core
        known = contradictions(core.configuration)
        texts = [text for text in contradictions(wanted) if text not in known]
        layout = plans.layout(in_force)
        edits = core.edits if Tab.METER in chosen else Edits(core.book)
        if layout.multi_slave:
            edits.give_units(layout)
        if edits.tabs() or layout != plans.layout(core.configuration):
            texts += edits.conflicts(layout)
        if texts:
            raise EditError("; ".join(texts))

    def edited_layout(self) -> Layout:
        """The register layout as it would be after a Save of all pages."""
        return plans.layout(replace(self._core.configuration, **self._core.edits.settings))

    async def _take_settings(self, configuration: Configuration) -> None:
        """Let settings count from now on; the bus is opened anew where they are about it."""
        core = self._core
        before, core.configuration = core.configuration, configuration
        for meter in core.book.meters:
            if not meter.entry.readoutcycle:
                core.book.change_cycle(
                    meter, before.meter_time, configuration.meter_time, core.rt.now()
                )
        if any(getattr(before, name) != getattr(configuration, name) for name in BUS_SETTINGS):
            await self._bus.reopen()

    @property
    def restart_reasons(self) -> list[str]:
        """Files and keys that count from the next start on; empty = nothing waits (`C-51`)."""
        core = self._core
        keys = [
            find_key(name).place
            for name, value in self._saved.items()
            if value != getattr(core.configuration, name)
        ]
        return core.files.changed_files() + sorted(keys)

    async def restore_list(self) -> None:
        """Bring back the list of before the last Save (`C-34`); its meters count as unread."""
        core = self._core
        with core.guarding.during(Activity.BUSY):
            meters = core.files.restore_list(core.list_path)
            core.edits.discard({Tab.METER})
            core.book.load(meters, core.rt.now())
            core.publish()
            core.states.show()
