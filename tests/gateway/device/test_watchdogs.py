"""Watchdogs (worked examples 11, C-55): the table, the machine, and every timer at its edges."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.device.configuration import Configuration
from gateway.device.keys import Tab
from gateway.device.watchdogs import TIMERS, Activity, Timer, Watchdog, limit_s
from gateway.runtime.port import NS_PER_S, LineError
from tests.gateway.device.plant import LIST, Plant

if TYPE_CHECKING:
    from simulators.runtime import SimRuntime

LISTED: Final[dict[str, Any]] = {
    "MBUS_SCANMODE": "PRIMARYSCAN",
    "MBUS_MAXPRIMARYADDRESS": 10,
    "MBUS_MAXRETRY": 1,
}

# --- The table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activity", "timer", "default_s"),
    [
        (Activity.IDLE, Timer.IDLE, 120),
        (Activity.BUSY, Timer.PROCESS, 900),
        (Activity.READOUT, Timer.READOUT, 3600),
        (Activity.SCAN, Timer.SCAN, 1800),
        (Activity.TRANSPARENT, Timer.IDLE, 120),
    ],
)
def test_each_activity_has_the_timer_and_default_of_the_table(
    activity: Activity, timer: Timer, default_s: int
) -> None:
    """Worked examples 11, row by row."""
    assert TIMERS[activity] is timer
    assert limit_s(timer, Configuration()) == default_s


def test_the_table_has_every_activity_and_every_timer() -> None:
    """No gap: whatever the device does is watched, and each key does something."""
    assert set(TIMERS) == set(Activity)
    assert set(TIMERS.values()) == set(Timer)


@pytest.mark.parametrize(
    ("meter_time", "limit"), [(10, 900), (225, 900), (226, 904), (900, 3600), (86400, 345600)]
)
def test_the_limit_of_a_pass_by_formula(meter_time: int, limit: int) -> None:
    """Worked examples 11: four cycles, at least WATCHDOG_PROCESS."""
    assert limit_s(Timer.READOUT, Configuration(meter_time=meter_time)) == limit
    longest = Configuration(meter_time=0xFFFFFFFF)
    assert limit_s(Timer.READOUT, longest) == 0xFFFFFFFF
    assert limit_s(Timer.READOUT, replace(longest, watchdog_readout=7)) == 7


# --- The machine ----------------------------------------------------------------------------------


@pytest.mark.parametrize("activity", Activity)
def test_an_end_one_nanosecond_before_the_limit_saves_and_one_at_it_does_not(
    activity: Activity,
) -> None:
    """C-55: trip at start + limit, for every activity."""
    configuration, begin = Configuration(), 5
    limit = limit_s(TIMERS[activity], configuration) * NS_PER_S
    for early in (1, 0):
        watchdog = Watchdog()
        watchdog.start(activity, configuration, begin)
        watchdog.start(Activity.IDLE, configuration, begin + limit - early)
        assert (watchdog.trip is None) == bool(early)
    assert watchdog.trip is not None
    assert watchdog.trip.timer is TIMERS[activity]
    assert watchdog.trip.activity is activity
    assert watchdog.trip.seconds == limit // NS_PER_S


@pytest.mark.parametrize("activity", Activity)
def test_turns_of_the_loop_feed_the_idle_timer_only(activity: Activity) -> None:
    """C-55: the other timers are fed by the end of their job, not by progress (manual 8.3)."""
    configuration = Configuration()
    watchdog = Watchdog()
    watchdog.start(activity, configuration, 0)
    limit = limit_s(TIMERS[activity], configuration) * NS_PER_S
    watchdog.feed(limit - 1)
    assert watchdog.deadline == (limit - 1 + limit if TIMERS[activity] is Timer.IDLE else limit)
    watchdog.feed(2 * limit)
    assert (watchdog.trip is None) == (TIMERS[activity] is not Timer.IDLE)


_STEPS = st.lists(st.tuples(st.sampled_from([*Activity, "turn"]), st.integers(0, 12)), max_size=40)


@given(_STEPS)
def test_exactly_one_timer_runs_and_nothing_takes_a_trip_back(
    steps: list[tuple[Activity | str, int]],
) -> None:
    """Against a model that remembers the last start or feed and nothing else."""
    configuration = Configuration(
        watchdog_idle=3, watchdog_process=4, watchdog_readout=5, watchdog_scan=6
    )
    watchdog, now = Watchdog(), 0
    running: tuple[Activity, int] | None = None
    tripped = None
    for step, seconds in steps:
        now += seconds
        if running is not None and tripped is None:
            limit = limit_s(TIMERS[running[0]], configuration)
            if now - running[1] >= limit and (
                isinstance(step, Activity) or TIMERS[running[0]] is Timer.IDLE
            ):
                tripped = running[0]
        if isinstance(step, Activity):
            watchdog.start(step, configuration, now * NS_PER_S)
            running = (step, now)
        else:
            watchdog.feed(now * NS_PER_S)
            if running is not None and TIMERS[running[0]] is Timer.IDLE:
                running = (running[0], now)
        assert (watchdog.trip.activity if watchdog.trip else None) == tripped


# --- The device -----------------------------------------------------------------------------------


class Stalling:
    """A port that takes no byte behind the first telegram, and breaks at a time."""

    def __init__(self, line: Any, plant: StallingPlant) -> None:
        self._line = line
        self._plant = plant
        self._sent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)

    async def write(self, data: bytes) -> int:
        """Send, unless the port stalls."""
        plant = self._plant
        if plant.breaks_at is not None:
            self._sent += 1
            if self._sent > 1:
                at, plant.breaks_at = plant.breaks_at, None
                await plant.rt.sleep_until(at)
                raise LineError("the converter hung up")
        sent: int = await self._line.write(data)
        return sent


class StallingPlant(Plant):
    """A plant whose converter can stop taking bytes."""

    breaks_at: int | None = None

    def _open_line(self, rt: SimRuntime, line_format: Any) -> Any:
        return Stalling(super()._open_line(rt, line_format), self)

    def stall(self, ns: int) -> float:
        """Let the port stall from the next telegram but one on, `ns` long; returns now (s)."""
        self.breaks_at = self.rt.now() + ns
        return self.rt.now() / NS_PER_S


def restarts(plant: Plant) -> list[tuple[float, str, str, int]]:
    """When (s), why, doing what and for how long the device started again."""
    return [
        (at, fields["value"], fields["state"], fields["seconds"])
        for at, fields in plant.logged("gateway.restart.reason")
    ]


async def instant(plant: Plant) -> None:
    """Let this instant pass, deadlines and all."""
    await plant.rt.sleep(1)


@pytest.mark.parametrize("early_ns", [1, 0])
def test_a_pass_trips_at_its_limit(early_ns: int) -> None:
    """WDG-04: from the first telegram of the pass; an end 1 ns before the limit saves."""
    plant = StallingPlant(METER_TIME=60, WATCHDOG_READOUT=50, **LISTED)

    async def story(plant: Plant) -> None:
        assert isinstance(plant, StallingPlant)
        await plant.appliance.scan()
        await plant.seconds(5)
        start = plant.stall(50 * NS_PER_S - early_ns)
        with suppress(InterruptedError):
            await plant.appliance.readout()
        await instant(plant)
        expected = [] if early_ns else [(start + 50, "WATCHDOG_READOUT", "read-out", 50)]
        assert restarts(plant) == expected

    plant.run(story)


@pytest.mark.parametrize("early_ns", [1, 0])
def test_a_scan_trips_at_its_limit(early_ns: int) -> None:
    """WDG-01: from the acceptance of the scan, whatever it has found."""
    plant = StallingPlant(WATCHDOG_SCAN=30, **LISTED)

    async def story(plant: Plant) -> None:
        assert isinstance(plant, StallingPlant)
        await plant.seconds(7)
        start = plant.stall(30 * NS_PER_S - early_ns)
        with pytest.raises(OSError, match="hung up"):
            await plant.appliance.scan()
        await instant(plant)
        expected = [] if early_ns else [(start + 30, "WATCHDOG_SCAN", "scan", 30)]
        assert restarts(plant) == expected

    plant.run(story)


@pytest.mark.parametrize("early_ns", [1, 0])
def test_a_hung_loop_trips_the_idle_timer(early_ns: int) -> None:
    """WDG-02: the loop's last turn is the start; a turn 1 ns before the limit saves."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await plant.seconds(1000)
        start = plant.rt.now() / NS_PER_S

        async def stuck() -> None:
            await plant.rt.sleep(120 * NS_PER_S - early_ns)

        await plant.appliance._device.submit("hang", stuck)
        await instant(plant)
        expected = [] if early_ns else [(start + 120, "WATCHDOG_IDLE", "idle", 120)]
        assert restarts(plant) == expected

    plant.run(story)


@pytest.mark.parametrize("early_ns", [1, 0])
def test_a_save_trips_at_its_limit(early_ns: int) -> None:
    """WDG-03: a Save that does not come to its end, here in the network."""
    plant = Plant(WATCHDOG_PROCESS=40)
    serve = plant.rt.serve_stream

    async def slow(address: Any, sessions: Any) -> Any:
        await plant.rt.sleep(40 * NS_PER_S - early_ns)
        plant.rt.serve_stream = serve  # type: ignore[method-assign]
        return await serve(address, sessions)

    async def story(plant: Plant) -> None:
        await plant.seconds(3)
        plant.rt.serve_stream = slow  # type: ignore[method-assign]
        start = plant.rt.now() / NS_PER_S
        plant.appliance.set_key("MODBUS_NWPORT", "1502")
        await plant.appliance.save({Tab.SERVER})
        await instant(plant)
        expected = [] if early_ns else [(start + 40, "WATCHDOG_PROCESS", "busy", 40)]
        assert restarts(plant) == expected

    plant.run(story)


def test_a_start_up_that_hangs_trips_too() -> None:
    """WDG-03: start-up is busy; the next one gets a fresh limit, and may come to its end."""
    plant = Plant(WATCHDOG_PROCESS=40)
    serve = plant.rt.serve_stream

    async def never(*_: Any) -> Any:
        await plant.rt.sleep(10**18)

    async def main(rt: Any) -> None:
        plant.rt.serve_stream = never  # type: ignore[assignment, method-assign]
        async with rt.nursery() as nursery:
            nursery.spawn(plant.appliance.run(), name="appliance")
            await rt.sleep(100 * NS_PER_S)
            plant.rt.serve_stream = serve  # type: ignore[method-assign]
            await plant.appliance.ready()
            assert rt.now() == 120 * NS_PER_S
            plant.appliance.stop()

    plant.rt.run(main)
    assert [at for at, *_ in restarts(plant)] == [40, 80, 120]


def test_what_a_trip_leaves_and_what_is_seen_of_it() -> None:
    """WDG-05, row 13 of worked examples 9: log entry, dark, orange, green; list and keys kept."""
    plant = StallingPlant(METER_TIME=60, WATCHDOG_READOUT=50, **LISTED)

    async def story(plant: Plant) -> None:
        assert isinstance(plant, StallingPlant)
        await plant.appliance.scan()
        await plant.appliance.allocate()
        await plant.seconds(5)
        assert plant.flags() == [0, 0]
        files = {path: plant.storage.read(path) for path in ("app/chip.ini", LIST)}
        plant.stall(10**15)
        with pytest.raises(InterruptedError):
            await plant.appliance.readout()
        await plant.appliance.ready()
        assert {path: plant.storage.read(path) for path in files} == files
        assert plant.flags() == [3, 3]
        assert plant.registers(10)[4:6] == [0, 0]
        restart = plant.appliance.last_restart()
        assert restart is not None
        assert str(restart) == "WATCHDOG_READOUT: read-out for 50 s"
        await plant.seconds(5)
        assert plant.flags() == [0, 0]

    plant.run(story)
    (at, trip), *others = plant.logged("watchdog.trip")
    assert not others
    assert trip == {"value": "WATCHDOG_READOUT", "state": "read-out", "seconds": 50}
    after = [
        (kind, fields.get("value", fields.get("step")))
        for when, kind, fields in plant.rt.trace
        if when / NS_PER_S >= at and kind.startswith(("gateway.led", "gateway.re", "gateway.st"))
    ]
    assert after[:12] == [
        ("gateway.state", "stopped"),
        ("gateway.led.act", "off"),
        ("gateway.led.st", "off"),
        ("gateway.restart.reason", "WATCHDOG_READOUT"),
        ("gateway.state", "starting"),
        ("gateway.led.st", "orange"),
        *[("gateway.startup", step) for step in (1, 2, 3, 4, 5)],
        ("gateway.state", "running"),
    ]


def test_an_idle_day_trips_nothing() -> None:
    """The shortest limit there is: 1 s, on a device with nothing to do."""
    plant = Plant(WATCHDOG_IDLE=1)

    async def story(plant: Plant) -> None:
        await plant.seconds(3600)

    plant.run(story)
    assert plant.logged("watchdog.trip") == []


def test_a_commanded_reboot_says_so() -> None:
    """SVC-02: the reason of a restart that somebody wanted."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        assert plant.appliance.last_restart() is None
        await plant.reboot()
        restart = plant.appliance.last_restart()
        assert restart is not None
        assert str(restart) == "REBOOT"

    plant.run(story)
    assert plant.values("gateway.restart.reason") == ["REBOOT"]
