"""A pass: the meters that are due, or that somebody asked for, read one after the other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gateway.device import plans
from gateway.device.leds import DeviceState
from gateway.device.readout import Readout, read_meter
from gateway.runtime.port import LineError

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

    async def conversation(link: Link) -> None:
        while left:
            await _read_one(core, link, left[0])
            core.publish()
            del left[0]

    def finish() -> None:
        for meter in left:
            _unreadable(core, meter)
        if not forced:
            for meter in meters:
                core.book.schedule(meter, core.rt.now(), core.configuration.meter_time)
        core.last_readout = core.rt.unix_time()
        bus.counted_pass()
        core.publish()

    with contextlib.suppress(LineError):
        await bus.hold(DeviceState.READOUT, conversation, finish)


async def _read_one(core: Core, link: Link, meter: ListedMeter) -> None:
    plan = plans.readout_plan(core.configuration)
    target = plans.target(
        core.configuration, meter.addressing, meter.primary_address, meter.address
    )
    readout = await read_meter(link, plan, target)
    if readout.pages and core.book.fill(meter, readout, core.configuration):
        core.keep_list()
    core.book.take(meter, readout, core.rt.unix_time(), core.configuration)
    _tell(core, meter, readout.failure)


def _unreadable(core: Core, meter: ListedMeter) -> None:
    core.book.take(
        meter,
        Readout((), complete=False, limited=False, failure="the bus is not available"),
        core.rt.unix_time(),
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
