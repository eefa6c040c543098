"""The device's clock: honest until it is set, and nothing waits for it (C-64)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from gateway.device.clock import LAST, SET_FROM, DeviceClock, says_clock_set
from gateway.runtime.port import NS_PER_S
from hil.runtimes import simulated_runtime
from tests.gateway.device.plant import Plant

if TYPE_CHECKING:
    from simulators.runtime import SimRuntime

NOON = 1_795_176_000


def time_at(plant: Plant, register: int) -> int:
    """The 32-bit time in two registers."""
    high, low = plant.registers(register, 2)
    return high << 16 | low


def test_before_it_is_set_the_clock_counts_from_the_start() -> None:
    """1970 until somebody says the time; whoever reads a time can tell."""

    async def main(rt: SimRuntime) -> None:
        await rt.sleep(7 * NS_PER_S)
        clock = DeviceClock(rt, follows_host=False)
        await rt.sleep(42 * NS_PER_S + 999_999_999)
        assert (clock.unix_time(), clock.is_set, clock.source) == (42, False, "")
        assert not says_clock_set(clock.unix_time())
        assert clock.set(NOON, "page") == NOON - 42
        await rt.sleep(10 * NS_PER_S)
        assert (clock.unix_time(), clock.is_set, clock.source) == (NOON + 10, True, "page")
        assert says_clock_set(clock.unix_time())
        assert clock.set(NOON, "sntp") == -10

    simulated_runtime().run(main)


def test_the_hosts_clock_is_followed_until_another_is_given() -> None:
    """A gateway on a computer has that computer's time; a person may set another."""

    async def main(rt: SimRuntime) -> None:
        clock = DeviceClock(rt, follows_host=True)
        assert (clock.unix_time(), clock.source) == (rt.unix_time(), "host")
        clock.set(NOON, "page")
        await rt.sleep(5 * NS_PER_S)
        assert clock.unix_time() == NOON + 5

    simulated_runtime().run(main)


@pytest.mark.parametrize("wrong", [0, SET_FROM - 1, LAST + 1, -5])
def test_times_that_no_register_can_tell_are_refused(wrong: int) -> None:
    """Before 2000 would mean "not set", after 2106 has no 32 bits."""

    async def main(rt: SimRuntime) -> None:
        clock = DeviceClock(rt, follows_host=False)
        with pytest.raises(ValueError, match="2000 to 2106"):
            clock.set(wrong, "page")
        assert not clock.is_set
        clock.set(SET_FROM, "page")

    simulated_runtime().run(main)


def test_register_times_say_that_the_clock_was_not_set() -> None:
    """C-64, REG-M, REG-G: times below 946684800 before, real ones from the next read-out on."""
    plant = Plant(host_clock=False, METER_TIME=60)

    async def story(plant: Plant) -> None:
        door = plant.appliance
        await door.scan()
        await plant.seconds(5)
        for register in (4, 14):
            assert 0 < time_at(plant, register) < SET_FROM
        assert not door.clock_is_set()
        assert not says_clock_set(door.meters()[0].reading.time)
        before = time_at(plant, 14)
        door.set_time(NOON)
        # What was written before stays as it was: nobody knows when that was.
        assert time_at(plant, 14) == before
        await plant.seconds(60)
        for register in (4, 14):
            assert NOON < time_at(plant, register) <= NOON + 65
        assert door.clock_is_set()

    plant.run(story)
    assert plant.logged("gateway.startup")[2][1]["text"] == "system time is not set"
    (_, event), *_ = plant.logged("gateway.clock")
    assert (event["value"], event["source"]) == (NOON, "page")


@pytest.mark.parametrize("step", [-40_000_000, 40_000_000])
def test_setting_the_clock_moves_no_timer(step: int) -> None:
    """C-64: read-outs go on in their rhythm over a step of more than a year, in both directions."""
    plant = Plant(METER_TIME=60)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(90)
        plant.appliance.set_time(plant.appliance.unix_time() + step)
        await plant.seconds(200)

    plant.run(story)
    reads = plant.reads("66600106")
    assert [round(after - before) for before, after in itertools.pairwise(reads)] == [60] * 4


def test_a_reboot_forgets_a_time_set_by_hand() -> None:
    """C-64: the clock starts over with the device; no battery is claimed."""
    plant = Plant(host_clock=False)

    async def story(plant: Plant) -> None:
        plant.appliance.set_time(NOON)
        await plant.reboot()
        assert not plant.appliance.clock_is_set()

    plant.run(story)
