"""A scan as the device does it: search, list what is new, read it whole, give registers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.device import plans
from gateway.device.leds import DeviceState
from gateway.device.primary_scan import PrimaryScan
from gateway.device.readout import Readout, read_meter
from gateway.device.scan import Found, ScanReport, SecondaryScan, silence_ns
from gateway.device.sequences import RequestMode
from gateway.device.watchdogs import Activity
from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from gateway.device.book import ListedMeter
    from gateway.device.bus import Bus
    from gateway.device.core import Core
    from gateway.device.link import Link
    from gateway.device.scan import ScanPlan


async def scan(core: Core, bus: Bus) -> ScanReport:
    """Search the bus, append what is new to the list, give registers where asked.

    Known meters stay as they are (`SCAN-02`). Raises `LineError` when the bus fails; what was
    found until then is kept. Transparent mode searches nothing: PermissionError (`C-20`, `C-21`).
    """
    mode = core.configuration.mbus_scanmode
    if mode in plans.TRANSPARENT_MODES:
        raise PermissionError(f"MBUS_SCANMODE is {mode}: choose a kind of scan first")
    reports: list[ScanReport] = []

    async def conversation(link: Link) -> None:
        reports.append(await _scan_on(core, link))

    def finish() -> None:
        core.book.start_together(core.rt.now())
        if core.configuration.mbus_scanmode in plans.ALLOCATING_SCAN_MODES:
            unplaced = core.book.allocate_new(plans.layout(core.configuration))
            core.files.complain_all(core.list_path, unplaced)
        core.keep_list()
        core.publish()

    with core.guarding.during(Activity.SCAN):
        await bus.hold(DeviceState.SCAN, conversation, finish)
    report = replace(reports[0], message=core.check_capacity())
    bus.counted_scan(report)
    return report


async def _scan_on(core: Core, link: Link) -> ScanReport:
    plan = plans.scan_plan(core.configuration)
    _warn(core, link, plan)
    reset_mode = plans.readout_plan(core.configuration).reset_mode

    async def on_found(found: Found) -> bool:
        return await _found(core, link, found)

    if plan.primary:
        return await PrimaryScan(core.rt, link, plan, reset_mode).run(on_found)
    known = [meter.address for meter in core.book.meters]
    return await SecondaryScan(core.rt, link, plan, reset_mode, known).run(on_found)


def _warn(core: Core, link: Link, plan: ScanPlan) -> None:
    """Tell before a scan that its silence alone may reach WATCHDOG_SCAN (`C-60`, manual 8.3)."""
    worst_s = silence_ns(plan, link.settings) // NS_PER_S
    limit_s = core.configuration.watchdog_scan
    if worst_s >= limit_s:
        core.rt.log(
            "scan.warning",
            worst_s=worst_s,
            limit_s=limit_s,
            text=f"without answers it takes {worst_s} s, WATCHDOG_SCAN is {limit_s} s: narrow it "
            "by start address or mask, lower MBUS_MAXRETRY, or raise WATCHDOG_SCAN",
        )


async def _found(core: Core, link: Link, found: Found) -> bool:
    known = core.book.find(found)
    core.rt.log(
        "meter.found",
        serial=found.address.identification_number,
        manufacturer=found.address.manufacturer,
        version=found.address.version,
        medium=found.address.medium,
        known=known is not None,
        selectable=found.selectable,
        stray=found.stray,
        select_mask=found.select_mask,
    )
    if known is None and not _list_is_full(core):
        meter = core.book.append(found, core.rt.now())
        core.tell_number(meter.entry)
        core.list_is_kept = False
        core.book.fill(meter, await _whole(core, link, found, meter), core.configuration)
        core.publish()
    return not _list_is_full(core)


def _list_is_full(core: Core) -> bool:
    """Whether a scan may add nothing more (`C-71`)."""
    limit = core.configuration.meter_maxdevicecount
    return 0 < limit <= len(core.book.meters)


async def _whole(core: Core, link: Link, found: Found, meter: ListedMeter) -> Readout:
    """The read-out that makes the list: the probe's own answer where that is already all."""
    if found.readout is not None:
        return found.readout
    plan = plans.readout_plan(core.configuration)
    plain = plan.request_mode is RequestMode.DEFAULT and not plan.freeze_first
    if plain and not found.telegram.more_records_follow:
        return Readout((found.telegram,), complete=True, limited=False, failure="")
    target = plans.target(
        core.configuration, meter.addressing, meter.primary_address, meter.address
    )
    return await read_meter(link, plan, target)
