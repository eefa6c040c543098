"""A pass: the meters that are due, or that somebody asked for, read one after the other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gateway.device import plans
from gateway.device.leds import DeviceState
from gateway.device.readout import Readout, read_meter
from gateway.device.watchdogs import Activity
from gateway.runtime.port import NS_PER_S, LineError

if TYPE_CHECKING:
    from gateway.device.book import ListedMeter
    from gateway.device.bus import Bus
    from gateway.device.core import Core
    from gateway.device.link import Link


async def read_out(
    core: Core, bus: Bus, meters: list[ListedMeter], *, forced: bool = False
) -> None:
    """One pass over `meters`; those that the bus keeps us from reading are flagged.

    A `forced` pass leaves the cycle as it was planned (`MET-04`).
    """
    left = list(meters)
    begin, count = core.rt.now(), core.book.value_count()

    async def conversation(link: Link) -> None:
        while left:
            await _read_one(core, link, left[0])
            core.publish()
            del left[0]

    def finish() -> None:
        for meter in left:
            _unreadable(core, meter)
        if not forced:
            _plan_next(core, meters, core.rt.now() - begin)
        if core.book.value_count() > count:
            core.check_capacity()
        if not core.list_is_kept:
            # Once a pass: a list of hundreds is not written anew for each of its meters.
            core.keep_list()
        core.last_readout = core.clock.unix_time()
        bus.counted_pass()
        core.publish()
        core.log_values([meter for meter in meters if meter.reading.was_tried])

    try:
        with contextlib.suppress(LineError):
            await bus.hold(DeviceState.READOUT, conversation, finish)
    finally:
        core.guarding.start(Activity.IDLE)


def _plan_next(core: Core, meters: list[ListedMeter], pass_ns: int) -> None:
    """Plan the next read-outs, and tell when the bus is too slow for the cycles, or no more.

    Whoever is due is read once in a pass, so an overload slows all meters down alike.
    """
    general_s = core.configuration.meter_time
    for meter in meters:
        core.book.schedule(meter, core.rt.now(), general_s)
    cycles_s = [meter.entry.readoutcycle or general_s for meter in meters]
    slow = sum(cycle_s * NS_PER_S < pass_ns for cycle_s in cycles_s)
    if bool(slow) is not core.is_overloaded:
        core.is_overloaded = bool(slow)
        core.rt.log(
            "readout.overload",
            value=core.is_overloaded,
            meters=slow,
            pass_s=-(-pass_ns // NS_PER_S),
            cycle_s=min(cycles_s),
        )


async def _read_one(core: Core, link: Link, meter: ListedMeter) -> None:
    plan = plans.readout_plan(core.configuration)
    target = plans.target(
        core.configuration, meter.addressing, meter.primary_address, meter.address
    )
    begin, retries = core.rt.now(), link.retries
    readout = await read_meter(link, plan, target)
    read_at = core.clock.unix_time() if readout.pages else None
    meter.statistics.tried(read_at, core.rt.now() - begin, link.retries - retries)
    if readout.pages and core.book.fill(meter, readout, core.configuration):
        core.list_is_kept = False
    core.book.take(meter, readout, core.clock.unix_time(), core.configuration)
    _tell(core, meter, readout.failure)


def _unreadable(core: Core, meter: ListedMeter) -> None:
    meter.statistics.tried(None, 0, 0)
    core.book.take(
        meter,
        Readout((), complete=False, limited=False, failure="the bus is not available"),
        core.clock.unix_time(),
        core.configuration,
    )
    _tell(core, meter, "the bus is not available")


def _tell(core: Core, meter: ListedMeter, failure: str) -> None:
    reading = meter.reading
    core.rt.log(
        "meter.read",
        serial=meter.identification_number,
        manufacturer=meter.entry.manufacturer,
        version=meter.entry.version,
        medium=meter.entry.medium,
        flags=reading.flags,
        values=[[value.integer, value.scale, value.unit] for value in reading.values],
        failure=failure,
    )
