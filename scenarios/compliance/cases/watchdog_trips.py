"""What a trip of a watchdog leaves: what is kept, what is lost, and how soon all is well again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from reports.record import Measurement
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY, leds
from scenarios.compliance.cases.watchdogs import (
    DRIVERS,
    NS_PER_S,
    QUIET,
    by_command,
    driven,
    expect_trip,
    keep,
    tripped_run,
    uncut,
)
from scenarios.compliance.outside import first_valid, restarted
from scenarios.compliance.registry import SuiteCase, add, case

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

_LIST: Final = "app/Device_Handle.cfg"
_CHIP_INI: Final = "app/chip.ini"
_NAMES: Final = {_LIST: "meter list", _CHIP_INI: "settings"}


def _aftermath(timer: str) -> None:
    state, on_trip = DRIVERS[timer][1:3]

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.appliance.scan()
        await trial.appliance.allocate()
        await trial.wait_s(60)
        before = await trial.registers(last=59)
        verdicts.equal("WDG-05.3", "flags before", 0, before.get(18))
        files = {path: trial.storage.read(path) for path in (_LIST, _CHIP_INI)}
        numbers = [view.identification_number for view in trial.appliance.meters()]
        for meter in trial.meters.values():
            meter.power(False)
        start = trial.rt.now()
        seen = await driven(trial, timer, 10**15, 50, 0)
        holds = expect_trip(trial, verdicts, (on_trip,), start, 50, seen)
        kept = _kept(trial, verdicts, files, numbers)
        # At once, before any read-out can have ended.
        await _unread(trial, verdicts, before)
        colours = [e.fields["value"] for e in trial.told("gateway.led.st", start)]
        verdicts.equal("LED-02.1", "ST at the trip", True, "off" in colours)
        await trial.wait_s(90)
        await _unread(trial, verdicts, before)
        for meter in trial.meters.values():
            meter.power(True)
        valid, unread = await first_valid(trial, 150 * NS_PER_S)
        after = await trial.registers(last=59)
        holds &= verdicts.equal("WDG-05.3", "flags after a read-out", 0, after.get(18))
        verdicts.equal("WDG-05.3", "value after a read-out", _value(before), _value(after))
        await trial.wait_s(10)
        verdicts.equal("WDG-05.3", "ST in the end", "green", leds(trial, trial.rt.now())[1])
        seen = replace(seen, valid=valid, unread=unread)
        title = "a trip, behind which the meters are silent for 90 s"
        run = tripped_run(timer, state, title, 50, by_command(start), seen, holds=holds, kept=kept)
        keep(verdicts, "WDG-05.3", run)

    label = timer.removeprefix("WATCHDOG_").lower()
    arrangement = Arrangement(
        WORKED_EXAMPLES, {**PRIMARY, "METER_TIME": 100, timer: 50, "MODBUS_NWPORT": 502}
    )
    title = f"After a trip of {timer}: list and settings kept, nothing read until a read-out"
    ids = (on_trip, "WDG-05.2", "WDG-05.3", "LED-02.1")
    add(SuiteCase(f"watchdog/after-{label}", title, ids, arrangement, procedure))


def _kept(
    trial: Trial, verdicts: Verdicts, files: Mapping[str, bytes], numbers: list[str]
) -> tuple[str, ...]:
    """Check what must survive a trip; returns the names of what has."""
    kept = []
    for path, data in files.items():
        now = trial.storage.read(path) if trial.storage.exists(path) else b""
        if verdicts.check("WDG-05.2", now == data, f"{path} is not what it was before the trip"):
            kept.append(_NAMES[path])
    verdicts.equal(
        "WDG-05.2", "meters after the trip", numbers,
        [view.identification_number for view in trial.appliance.meters()],
    )  # fmt: skip
    return tuple(kept)


def _value(registers: Mapping[int, int]) -> list[int | None]:
    return [registers.get(20 + offset) for offset in range(6)]


async def _unread(trial: Trial, verdicts: Verdicts, before: Mapping[int, int]) -> None:
    """Registers of a list whose meters nobody has read since the start (flags row 13)."""
    now = await trial.registers(last=59)
    verdicts.equal("WDG-05.2", "registers served", sorted(before), sorted(now))
    verdicts.equal("WDG-05.3", "flags of the meter", 3, now.get(18))
    verdicts.equal("WDG-05.3", "integer and float", [0] * 6, _value(now))


for _timer in DRIVERS:
    _aftermath(_timer)


@case(
    "watchdog/first-valid",
    "How long after a trip the first register is valid again",
    ("WDG-05.3",),
    Arrangement(WORKED_EXAMPLES, {**PRIMARY, "METER_TIME": 900, "WATCHDOG_SCAN": 60}),
)
async def soon_valid(trial: Trial, verdicts: Verdicts) -> None:
    """The first pass begins as soon as the start-up is over; 2400 Bd would make it no slower."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    await trial.wait_s(60)
    start = trial.rt.now()
    seen = await driven(trial, "WATCHDOG_SCAN", 10**15, 60)
    if seen.end is None or seen.valid is None:
        verdicts.check("WDG-05.3", False, f"expected a trip and a valid register, seen {seen}")
        return
    holds = verdicts.measured(
        "WDG-05.3",
        Measurement(
            name="from the trip to the first valid register",
            value=(seen.valid.at_ns - seen.end.at_ns) / NS_PER_S,
            unit="s",
            uncertainty=seen.valid.uncertainty_ns / NS_PER_S,
            minimum=0.05,
            maximum=10,
        ),
    )
    title = "a trip with two meters that answer"
    fields = ("WATCHDOG_SCAN", "scan", title, 60, by_command(start))
    keep(verdicts, "WDG-05.3", tripped_run(*fields, seen, holds=holds))


@case(
    "watchdog/scan-keeps-found",
    "A scan that is ended by its timer keeps what it had found, list and settings",
    ("WDG-01.1", "WDG-05.2", "MBUS-03"),
    Arrangement(
        (
            *WORKED_EXAMPLES,
            {"id": "c", "profile": "worked-example-a", "identification_number": 66600107,
             "primary_address": 7},
            {"id": "d", "profile": "worked-example-a", "identification_number": 66600108,
             "primary_address": 7},
        ),
        {"MBUS_SCANMODE": "PRIMARYSCAN", "MBUS_MINPRIMARYADDRESS": 5, "MBUS_TIMEOUT": 500,
         "WATCHDOG_SCAN": 60},
    ),
)  # fmt: skip
async def keeps_found(trial: Trial, verdicts: Verdicts) -> None:
    """Two meters answer at once at address 7; 240 silent addresses are too many for 60 s."""
    settings = trial.storage.read(_CHIP_INI)
    start = trial.rt.now()
    async with trial.rt.nursery() as nursery:
        nursery.spawn(uncut(trial.appliance.scan()), name="scan")
        seen = await restarted(trial, start + 60 * NS_PER_S)
    holds = expect_trip(trial, verdicts, ("WDG-01.1",), start, 60, seen)
    numbers = [view.identification_number for view in trial.appliance.meters()]
    for requirement in ("WDG-05.2", "MBUS-03"):
        holds &= verdicts.check(
            requirement, {"66600106", "00428670"} <= set(numbers),
            f"expected both meters without collision in the list, seen {numbers}",
        )  # fmt: skip
        holds &= verdicts.check(
            requirement, trial.storage.read(_CHIP_INI) == settings, "chip.ini has changed"
        )
    title = "a scan that had found two meters"
    fields = ("WATCHDOG_SCAN", "scan", title, 60, by_command(start))
    kept = ("meters found so far", "settings") if holds else ()
    keep(verdicts, "WDG-01.1", tripped_run(*fields, seen, holds=holds, kept=kept))


# --- What is left of a timer ----------------------------------------------------------------------

_LIMITS: Final = {
    "WATCHDOG_SCAN": 30,
    "WATCHDOG_IDLE": 8,
    "WATCHDOG_PROCESS": 20,
    "WATCHDOG_READOUT": 40,
}


@case(
    "watchdog/left",
    "What is left of the running timer counts down to the trip, for whoever guards the process",
    tuple(on_trip for _, _, on_trip, _ in DRIVERS.values()),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, **_LIMITS}, QUIET),
)
async def left(trial: Trial, verdicts: Verdicts) -> None:
    """The supervisor trips a process that is too stuck to do so by what its last heartbeat said."""
    for timer, (drive, state, requirement, _) in DRIVERS.items():
        await trial.wait_s(20)
        limit_ns = _LIMITS[timer] * NS_PER_S
        start = trial.rt.now()
        async with trial.rt.nursery() as nursery:
            nursery.spawn(drive(trial, limit_ns - 1), name="job")
            for offset in (1, limit_ns // 3, limit_ns // 2 + 7, limit_ns - 2):
                await trial.rt.sleep_until(start + offset)
                seen = trial.appliance.watched()
                verdicts.equal(
                    requirement,
                    f"timer, state, limit (s) and rest (ns), {offset} ns behind the start",
                    (timer, state, _LIMITS[timer], limit_ns - offset),
                    (seen.timer.value, seen.activity.value, seen.seconds, seen.left_ns),
                )
        await trial.rt.sleep(1)
        seen = trial.appliance.watched()
        verdicts.equal(requirement, "timer behind the job", "WATCHDOG_IDLE", seen.timer.value)
        idle_ns = _LIMITS["WATCHDOG_IDLE"] * NS_PER_S
        verdicts.check(
            requirement,
            idle_ns - 2 <= seen.left_ns <= idle_ns,
            f"left behind the job: expected nearly {idle_ns} ns, seen {seen.left_ns}",
        )
