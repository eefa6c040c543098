"""A long life in virtual time: 80 meters, a trip of each watchdog, a loss of power.

METERBENCH_DAYS says how long; ``tox -e month`` lives 30 days. The suite's share is six hours.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from gateway.device.appliance import Appliance
from gateway.device.keys import Tab
from gateway.device.wiring import Wiring
from gateway.runtime.port import NS_PER_S
from tests.gateway.device.plant import BUS_URL, LIST, MODBUS, Plant
from tests.gateway.device.test_watchdogs import StallingPlant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DAYS: Final = float(os.environ.get("METERBENCH_DAYS", "0.25"))
CYCLE_S: Final = 900
METERS: Final = 80
#: A restart reads every meter anew, and a pass that is cut is made up for: this many cycles a trip.
CYCLES_LOST_MAX: Final = 2


async def _hang(plant: Plant) -> None:
    async def stuck() -> None:
        await plant.rt.sleep(10**18)

    await plant.appliance._device.submit("hang", stuck)


async def _stall_a_pass(plant: Plant) -> None:
    assert isinstance(plant, StallingPlant)
    plant.stall(10**18)
    await plant.appliance.readout()


async def _stall_a_scan(plant: Plant) -> None:
    assert isinstance(plant, StallingPlant)
    plant.stall(10**18)
    await plant.appliance.scan()


async def _hang_a_save(plant: Plant) -> None:
    serve = plant.rt.serve_stream

    async def never(*_: Any) -> Any:
        plant.rt.serve_stream = serve  # type: ignore[method-assign]
        await plant.rt.sleep(10**18)

    plant.rt.serve_stream = never  # type: ignore[assignment, method-assign]
    plant.appliance.set_key("MODBUS_NWPORT", "1502")
    await plant.appliance.save({Tab.SERVER})


TRIPS: Final[dict[str, Callable[[Plant], Awaitable[None]]]] = {
    "WATCHDOG_IDLE": _hang,
    "WATCHDOG_READOUT": _stall_a_pass,
    "WATCHDOG_SCAN": _stall_a_scan,
    "WATCHDOG_PROCESS": _hang_a_save,
}


class LivingPlant(StallingPlant):
    """A plant that forgets its trace, so that a month fits into the memory."""

    restarts: list[str]
    reads: int  # type: ignore[assignment]
    unread: int

    def take_trace(self) -> None:
        """Count what has happened since the last call, and forget it."""
        for _, kind, fields in self.rt.trace:
            if kind == "gateway.restart.reason":
                self.restarts.append(fields["value"])
            elif kind == "meter.read":
                self.reads += 1
                self.unread += bool(fields["failure"])
        self.rt.trace.clear()


def test_a_long_life_with_every_trip_and_a_power_loss() -> None:
    """WDG-01 to 05: after each, list and settings are whole and all 80 meters are read again."""
    plant = LivingPlant(
        "apartment-block",
        METER_TIME=CYCLE_S,
        MBUS_TIMEOUT=300,
        WATCHDOG_READOUT=3600,
        VALUELOG="CSV",
        MBUS_RAWLOGENABLE=1,
    )
    plant.restarts, plant.reads, plant.unread = [], 0, 0
    share_s = DAYS * 86_400 / (len(TRIPS) + 2)

    async def live() -> None:
        left = share_s
        while left > 0:
            await plant.seconds(min(left, CYCLE_S))
            left -= CYCLE_S
            plant.take_trace()

    async def all_read() -> None:
        await plant.appliance.ready()
        await plant.seconds(CYCLE_S)
        assert plant.flags() == [0] * METERS

    async def story(_: Plant) -> None:
        report = await plant.appliance.scan()
        assert report.found == METERS
        await all_read()
        await plant.appliance.allocate()
        files = {path: plant.storage.read(path) for path in ("app/chip.ini", LIST)}
        await live()
        for name, provoke in TRIPS.items():
            with suppress(OSError):
                await provoke(plant)
            await all_read()
            plant.take_trace()
            assert plant.restarts[-1] == name
            if name != "WATCHDOG_PROCESS":
                assert {path: plant.storage.read(path) for path in files} == files
            await live()
        assert plant.storage.read(LIST) == files[LIST]
        assert sum(len(plant.storage.read(path)) for path in plant.storage.list("")) < 8 << 20

        await power_loss()

    async def power_loss() -> None:
        """Off in the middle of a pass, and on again: a new device on the same storage."""
        await plant.seconds(CYCLE_S * 1.01)
        plant.appliance.stop()
        await plant.seconds(60)
        async with plant.rt.nursery() as nursery:
            plant.appliance = Appliance(plant.rt, Wiring(BUS_URL, *MODBUS))
            nursery.spawn(plant.appliance.run(), name="appliance")
            await all_read()
            await live()
            plant.appliance.stop()

    plant.run(story)
    plant.take_trace()
    assert plant.restarts == list(TRIPS)
    cycles = plant.rt.now() / NS_PER_S / CYCLE_S
    assert plant.unread == 0
    assert plant.reads >= METERS * (cycles - CYCLES_LOST_MAX * (len(TRIPS) + 2) - 8)
