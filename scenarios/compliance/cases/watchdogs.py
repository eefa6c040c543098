"""Watchdogs: every timer at its edge, to the nanosecond, and what a trip leaves (C-55).

Worked examples 11 is the table. A limit is a duration of a state: an end 1 ns before it saves, an
end at it is too late. The edges are driven by faults at the gateway's seams; that the limits also
hold for what happens on a bus is shown by scans and read-outs that really take so long. A trip is
what is seen outside: a connection that ends, the port that answers again, the first valid register.
Each run against a limit is kept with its moments, and drawn in the report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.device.keys import Tab
from reports.record import Evidence, Instant, Measurement, WatchdogRun
from reports.verdict import Verdict
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY, listed
from scenarios.compliance.outside import (
    RESOLUTION_NS,
    VALID_NS_MAX,
    Restarted,
    restarted,
    stays,
)
from scenarios.compliance.registry import SuiteCase, add, case

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from scenarios.compliance.arrangement import Event, Trial
    from scenarios.compliance.verdicts import Verdicts

NS_PER_S: Final = 1_000_000_000
#: A cycle of the meter's own, far longer than any limit: it keeps the bus quiet, and must not
#: enter the formula.
QUIET: Final = listed(cycle="<readoutcycle>40000000</readoutcycle>")
_LIST: Final = "app/Device_Handle.cfg"
_CHIP_INI: Final = "app/chip.ini"
_LOG: Final = "log/system.log"
#: What is gone behind every trip (flags row 13).
LOST: Final = ("readings",)


def trips(trial: Trial, since_ns: int = 0) -> list[Event]:
    """The trips that the device has logged."""
    return trial.told("watchdog.trip", since_ns)


def trip_evidence(event: Event) -> Evidence:
    """A trip as evidence."""
    fields = event.fields
    content = f"{fields.get('value')}: {fields.get('state')} for {fields.get('seconds')} s"
    return Evidence(kind="event", where="watchdog.trip", content=content, at_ns=event.at_ns)


def by_command(at_ns: int) -> Instant:
    """A moment at which the bench gave a command or had its answer."""
    return Instant(at_ns=at_ns, seen_by="command", uncertainty_ns=RESOLUTION_NS)


def by_event(at_ns: int) -> Instant:
    """A moment that the device told by itself."""
    return Instant(at_ns=at_ns, seen_by="event", uncertainty_ns=RESOLUTION_NS)


def instant_evidence(what: str, instant: Instant | None) -> Evidence:
    """What was seen of a restart, as evidence."""
    if instant is None:
        return Evidence(kind="event", where=what, content="not seen")
    return Evidence(kind="event", where=what, content=instant.seen_by, at_ns=instant.at_ns)


def expect_trip(
    trial: Trial,
    verdicts: Verdicts,
    ids: tuple[str, ...],
    start_ns: int,
    limit_s: int,
    seen: Restarted | None = None,
) -> bool:
    """Check that the first restart since `start_ns` is that of one timer, at exactly its limit.

    With `seen` it is judged from outside; what the device tells of it must agree.
    """
    told = trips(trial, start_ns)
    end_ns = told[0].at_ns if told else None
    evidence = [*map(trip_evidence, told)]
    if seen is not None:
        end_ns = None if seen.end is None else seen.end.at_ns
        evidence.insert(0, instant_evidence("restart seen outside", seen.end))
    holds = True
    for requirement in ids:
        holds &= verdicts.equal(requirement, "trips told", 1, len(told), *evidence)
        if not verdicts.check(
            requirement, end_ns is not None, f"no restart was seen {limit_s} s behind the start"
        ):
            holds = False
            continue
        holds &= verdicts.measured(requirement, _to_the_restart(end_ns or 0, start_ns, limit_s))
        steps = trial.told("gateway.startup", start_ns + 1)
        starts = [event.at_ns for event in steps if event.fields["step"] == 1]
        holds &= verdicts.equal(
            requirement, "restarted at the trip", [one.at_ns for one in told[:1]], starts[:1]
        )
    return holds


def _to_the_restart(end_ns: int, start_ns: int, limit_s: int) -> Measurement:
    return Measurement(
        name="from the start of the state to the restart",
        value=(end_ns - start_ns) / NS_PER_S,
        unit="s",
        uncertainty=RESOLUTION_NS / NS_PER_S,
        minimum=limit_s,
        maximum=limit_s,
    )


def logged(text: str, kind: str) -> tuple[str, dict[str, str]]:
    """Time since the start (s) and fields of the last line of a kind in the system log."""
    for line in reversed(text.splitlines()):
        words = line.split()
        if len(words) > 3 and words[3] == kind:
            return words[1], dict(word.partition("=")[::2] for word in words[4:])
    return "", {}


def expect_logged(
    trial: Trial, verdicts: Verdicts, timer: str, state: str, limit_s: int, seen: Restarted
) -> None:
    """Check WDG-05.1: the file of the log names timer, state and seconds, at the restart seen."""
    data = trial.storage.read(_LOG) if trial.storage.exists(_LOG) else b""
    wanted = {"value": timer, "state": state, "seconds": str(limit_s)}
    for kind in ("watchdog.trip", "gateway.restart.reason"):
        at, fields = logged(data.decode(), kind)
        verdicts.equal("WDG-05.1", f"{kind} in {_LOG}", wanted, fields)
        end = "none" if seen.end is None else f"{seen.end.at_ns / NS_PER_S:.3f}"
        verdicts.equal("WDG-05.1", f"time of {kind} in {_LOG} and of the restart seen", end, at)


def tripped_run(
    timer: str,
    state: str,
    title: str,
    limit_s: int,
    started: Instant,
    seen: Restarted,
    *,
    holds: bool,
    fed: tuple[Instant, ...] = (),
    kept: tuple[str, ...] = (),
) -> WatchdogRun | None:
    """A run that was ended by its timer; None where no restart was seen."""
    if seen.end is None:
        return None
    return WatchdogRun(
        timer=timer,
        state=state,
        title=title,
        limit_ns=limit_s * NS_PER_S,
        started=started,
        fed=fed,
        end=seen.end,
        tripped=True,
        back=seen.back,
        valid=seen.valid,
        kept=kept,
        lost=LOST if seen.unread else (),
        verdict=Verdict.PASS if holds else Verdict.FAIL,
    )


def saved_run(
    timer: str,
    state: str,
    title: str,
    limit_s: int,
    started: Instant,
    end_ns: int,
    *,
    holds: bool,
    fed: tuple[Instant, ...] = (),
) -> WatchdogRun:
    """A run whose job ended by itself."""
    return WatchdogRun(
        timer=timer,
        state=state,
        title=title,
        limit_ns=limit_s * NS_PER_S,
        started=started,
        fed=fed,
        end=by_command(end_ns),
        tripped=False,
        verdict=Verdict.PASS if holds else Verdict.FAIL,
    )


def keep(verdicts: Verdicts, requirement: str, run: WatchdogRun | None) -> None:
    """Have a run drawn, where there is one."""
    if run is not None:
        verdicts.watchdog(requirement, run)


# --- Edges ----------------------------------------------------------------------------------------


async def uncut(job: Awaitable[object]) -> bool:
    """Whether a job came to an end of its own; False where a restart cut it."""
    try:
        await job
    except InterruptedError:
        return False
    except OSError:
        # The fault that was planted is over: the job failed, and ended.
        return True
    return True


async def _scan(trial: Trial, ns: int) -> bool:
    trial.stall_port(ns)
    return await uncut(trial.appliance.scan())


async def _readout(trial: Trial, ns: int) -> bool:
    trial.stall_port(ns)
    return await uncut(trial.appliance.readout())


async def _hang(trial: Trial, ns: int) -> bool:
    return await uncut(trial.hang_loop(ns))


async def _save(trial: Trial, ns: int) -> bool:
    trial.delay_listening(ns)
    return await uncut(trial.appliance.save({Tab.SERVER}))


#: Timer: what drives the device, the state that the log names, the statements on trip and rescue.
DRIVERS: Final[Mapping[str, tuple[Callable[[Trial, int], Awaitable[bool]], str, str, str]]] = {
    "WATCHDOG_SCAN": (_scan, "scan", "WDG-01.1", "WDG-01.2"),
    "WATCHDOG_IDLE": (_hang, "idle", "WDG-02.1", "WDG-02.2"),
    "WATCHDOG_PROCESS": (_save, "busy", "WDG-03.1", "WDG-03.2"),
    "WATCHDOG_READOUT": (_readout, "read-out", "WDG-04.1", "WDG-04.2"),
}


async def _entered(trial: Trial, timer: str, limit_s: int) -> tuple[Instant, tuple[Instant, ...]]:
    """Twenty quiet seconds; then, for the idle timer, a turn of the loop and half a limit.

    Returns when the state begins, and the feeds behind that: the turn that is about to hang.
    """
    await trial.wait_s(20)
    started = by_command(trial.rt.now())
    if timer != "WATCHDOG_IDLE":
        return started, ()
    await trial.hang_loop(0)
    await trial.wait_s(limit_s / 2)
    return started, (by_command(trial.rt.now()),)


async def driven(
    trial: Trial, timer: str, ns: int, limit_s: int, valid_ns: int = VALID_NS_MAX
) -> Restarted:
    """Drive the device for so long, and say what is seen of the restart that is due."""
    drive = DRIVERS[timer][0]
    due_ns = trial.rt.now() + limit_s * NS_PER_S
    async with trial.rt.nursery() as nursery:
        nursery.spawn(drive(trial, ns), name="job")
        return await restarted(trial, due_ns, valid_ns)


async def _in_time(trial: Trial, verdicts: Verdicts, timer: str, limit_s: int) -> None:
    """The job ends 1 ns before the limit."""
    drive, state, _, requirement = DRIVERS[timer]
    started, fed = await _entered(trial, timer, limit_s)
    start = trial.rt.now()
    by_itself = await drive(trial, limit_s * NS_PER_S - 1)
    end = trial.rt.now()
    holds = verdicts.equal(
        requirement, "end of the job", start + limit_s * NS_PER_S - 1, end
    ) & verdicts.check(requirement, by_itself, "the job was cut by a restart")
    stayed = await stays(trial)
    told = trips(trial)
    holds &= verdicts.check(requirement, stayed, "a connection ended behind the job")
    holds &= verdicts.equal(
        requirement, "trips with an end 1 ns before the limit", 0, len(told),
        *map(trip_evidence, told),
    )  # fmt: skip
    title = "the job ends 1 ns before the limit"
    run = saved_run(timer, state, title, limit_s, started, end, holds=holds, fed=fed)
    keep(verdicts, requirement, run)


def _files(trial: Trial) -> dict[str, bytes]:
    """What must survive a trip, by the name that the report has for it."""
    paths = {"meter list": _LIST, "settings": _CHIP_INI}
    return {
        name: trial.storage.read(path) if trial.storage.exists(path) else b""
        for name, path in paths.items()
    }


def edges(
    timer: str, limit_s: int, config: Mapping[str, str | int], *more: str, name: str = ""
) -> None:
    """Add a case: 1 ns before the limit, at the limit, and long after it."""
    _, state, on_trip, on_rescue = DRIVERS[timer]

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await _in_time(trial, verdicts, timer, limit_s)
        for duration, title in (
            (limit_s * NS_PER_S, "the job would end at the limit"),
            (3 * limit_s * NS_PER_S + 1, "the job would last three times the limit"),
        ):
            await trial.appliance.ready()
            started, fed = await _entered(trial, timer, limit_s)
            start, files = trial.rt.now(), _files(trial)
            seen = await driven(trial, timer, duration, limit_s)
            kept = tuple(name for name, data in _files(trial).items() if files[name] == data)
            holds = expect_trip(trial, verdicts, (on_trip, *more), start, limit_s, seen)
            expect_logged(trial, verdicts, timer, state, limit_s, seen)
            fields = (timer, state, title, limit_s, started)
            if trips(trial, start):
                run = tripped_run(*fields, seen, holds=holds, fed=fed, kept=kept)
                keep(verdicts, on_trip, run)
            elif seen.end is not None:
                # A port that was closed for the job has opened, and nobody has restarted.
                at_ns = seen.end.at_ns
                keep(verdicts, on_trip, saved_run(*fields, at_ns, holds=holds, fed=fed))
        await trial.appliance.ready()

    label = timer.removeprefix("WATCHDOG_").lower()
    arrangement = Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, **config}, QUIET)
    ids = (on_trip, on_rescue, "WDG-05.1", *more)
    title = f"{timer} at {limit_s} s: 1 ns before, at the limit, long after"
    add(SuiteCase(f"watchdog/{label}-{name or limit_s}", title, ids, arrangement, procedure))


for _timer, _default in (("SCAN", 1800), ("IDLE", 120), ("PROCESS", 900), ("READOUT", 3600)):
    edges(f"WATCHDOG_{_timer}", _default, {}, name="default")
    # The least that the key takes, and another.
    for _limit in (1, 47):
        edges(f"WATCHDOG_{_timer}", _limit, {f"WATCHDOG_{_timer}": _limit})
for _cycle, _limit in ((10, 900), (225, 900), (226, 904), (900, 3600), (86400, 345600)):
    edges("WATCHDOG_READOUT", _limit, {"METER_TIME": _cycle}, "WDG-04.3", name=f"cycle-{_cycle}")
edges(
    "WATCHDOG_READOUT", 2000, {"METER_TIME": 300, "WATCHDOG_PROCESS": 2000}, "WDG-04.3",
    name="of-process",
)  # fmt: skip
# A key that is set outranks the formula, also where it is shorter than WATCHDOG_PROCESS.
edges(
    "WATCHDOG_READOUT", 50, {"METER_TIME": 86400, "WATCHDOG_READOUT": 50}, name="key"
)  # fmt: skip


# --- What starts, stops and feeds a timer ---------------------------------------------------------


@case(
    "watchdog/fresh",
    "A change of state starts the next timer at its full limit, and each has only its own",
    ("WDG-01.2", "WDG-02.2", "WDG-03.2", "WDG-04.2"),
    Arrangement(
        WORKED_EXAMPLES[:1],
        {
            **PRIMARY,
            "WATCHDOG_SCAN": 30,
            "WATCHDOG_IDLE": 5,
            "WATCHDOG_PROCESS": 20,
            "WATCHDOG_READOUT": 40,
        },
        QUIET,
    ),
)
async def fresh(trial: Trial, verdicts: Verdicts) -> None:
    """Jobs of nearly their limits, one behind the other, in both orders; then ten idle minutes."""
    for requirement, drive, seconds in (
        ("WDG-01.2", _scan, 29), ("WDG-04.2", _readout, 39), ("WDG-03.2", _save, 19),
        ("WDG-02.2", _hang, 4), ("WDG-02.2", _hang, 4), ("WDG-03.2", _save, 19),
        ("WDG-04.2", _readout, 39), ("WDG-01.2", _scan, 29), ("WDG-01.2", _scan, 29),
    ):  # fmt: skip
        before = trial.rt.now()
        await drive(trial, seconds * NS_PER_S)
        seen = trips(trial)
        verdicts.equal(requirement, "trips", 0, len(seen), *map(trip_evidence, seen))
        verdicts.check(
            requirement, trial.rt.now() - before >= seconds * NS_PER_S, "the job was cut short"
        )
    await trial.wait_s(600)
    seen = trips(trial)
    verdicts.equal("WDG-02.2", "trips in ten minutes", 0, len(seen), *map(trip_evidence, seen))


@case(
    "watchdog/idle-days",
    "A gateway with nothing to do trips nothing, with the default limit and with the least",
    ("WDG-02.2",),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "METER_TIME": 86400}, QUIET),
)
async def idle_days(trial: Trial, verdicts: Verdicts) -> None:
    """Two days by default, ten minutes with 1 s."""
    await trial.wait_s(2 * 86400)
    verdicts.equal("WDG-02.2", "trips in two idle days", 0, len(trips(trial)))
    await trial.set_chip_ini(WATCHDOG_IDLE=1)
    await trial.wait_s(600)
    verdicts.equal("WDG-02.2", "trips in ten idle minutes, limit 1 s", 0, len(trips(trial)))


@case(
    "watchdog/idle-traffic",
    "Modbus clients do not feed the idle timer: a main loop that stands still is noticed",
    ("WDG-02.1",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY, QUIET),
)
async def idle_traffic(trial: Trial, verdicts: Verdicts) -> None:
    """A request every 10 s while the loop hangs."""
    await trial.wait_s(20)
    start = trial.rt.now()

    async def traffic() -> None:
        for _ in range(11):
            await trial.wait_s(10)
            await trial.read(0, 2)

    async with trial.rt.nursery() as nursery:
        nursery.spawn(traffic(), name="traffic")
        seen = await driven(trial, "WATCHDOG_IDLE", 500 * NS_PER_S, 120)
    holds = expect_trip(trial, verdicts, ("WDG-02.1",), start, 120, seen)
    title = "the loop hangs while clients go on asking"
    started = by_command(start)
    run = tripped_run("WATCHDOG_IDLE", "idle", title, 120, started, seen, holds=holds)
    keep(verdicts, "WDG-02.1", run)


@case(
    "watchdog/start-up",
    "A start-up that hangs trips WATCHDOG_PROCESS; the next has a fresh limit and comes through",
    ("WDG-03.1", "WDG-03.2"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "WATCHDOG_PROCESS": 40}, QUIET),
)
async def start_up(trial: Trial, verdicts: Verdicts) -> None:
    """Start-up is busy from its first step to its last."""
    await trial.wait_s(20)
    for duration, title in (
        (40 * NS_PER_S - 1, "the start-up ends 1 ns before the limit"),
        (40 * NS_PER_S, "the start-up would end at the limit"),
        (10**15, "the start-up hangs"),
    ):
        start = trial.rt.now()
        trial.delay_listening(duration)
        trial.appliance.reboot()
        seen = await restarted(trial, start + 40 * NS_PER_S)
        await trial.appliance.ready()
        trip = duration >= 40 * NS_PER_S
        requirement = "WDG-03.1" if trip else "WDG-03.2"
        at = [round((one.at_ns - start) / NS_PER_S, 9) for one in trips(trial, start)]
        holds = verdicts.equal(requirement, "trips, s after the reboot", [40.0] * trip, at)
        opened = None if seen.end is None else (seen.end.at_ns - start) / NS_PER_S
        holds &= verdicts.check(
            requirement, opened is not None and abs(opened - 40) <= 2e-9,
            f"port open again: expected 40 s after the reboot, seen {opened}",
        )  # fmt: skip
        fields = ("WATCHDOG_PROCESS", "busy", title, 40, by_command(start))
        if trip:
            keep(verdicts, requirement, tripped_run(*fields, seen, holds=holds))
        else:
            keep(verdicts, requirement, saved_run(*fields, start + duration, holds=holds))
        await trial.wait_s(20)


def _long_scan(name: str, config: Mapping[str, str | int], seconds: int | None, *ids: str) -> None:
    """Add a scan of 251 empty addresses, which ends or is ended after `seconds`."""
    limit_s = int(config.get("WATCHDOG_SCAN", 1800))

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        trial.meters["a"].power(False)
        await trial.wait_s(20)
        start, title = trial.rt.now(), f"a search of 251 silent addresses, {name}"
        fields = ("WATCHDOG_SCAN", "scan", title, limit_s, by_command(start))
        if seconds is not None:
            async with trial.rt.nursery() as nursery:
                nursery.spawn(uncut(trial.appliance.scan()), name="scan")
                seen = await restarted(trial, start + seconds * NS_PER_S)
            holds = expect_trip(trial, verdicts, ids, start, seconds, seen)
            keep(verdicts, ids[0], tripped_run(*fields, seen, holds=holds))
            return
        by_itself = await uncut(trial.appliance.scan())
        end = trial.rt.now()
        await trial.wait_s(1)
        told, last = trips(trial, start), trial.sent()[-1][2:3]
        holds = by_itself
        for requirement in ids:
            holds &= verdicts.check(requirement, by_itself, "the scan was cut by a restart")
            holds &= verdicts.equal(requirement, "trips", 0, len(told), *map(trip_evidence, told))
            verdicts.equal(requirement, "last address asked", b"\xfa", last)
            lasted = (end - start) / NS_PER_S
            verdicts.check(requirement, lasted > 1500, f"the scan lasted only {lasted} s")
        keep(verdicts, ids[0], saved_run(*fields, end, holds=holds))

    arrangement = Arrangement(WORKED_EXAMPLES[:1], {"MBUS_SCANMODE": "PRIMARYSCAN", **config})
    title = f"A scan of 251 silent addresses, {name}"
    add(SuiteCase(f"watchdog/long-scan-{name}", title, ids, arrangement, procedure))


# Table defaults: 251 x 4 sends x 2 s = 2008 s; with two more tries 1506 s (worked examples 11).
_long_scan("default", {"MBUS_MAXRETRY": 3, "MBUS_TIMEOUT": 2000}, 1800, "WDG-01.1")
_long_scan("two-more-tries", {"MBUS_MAXRETRY": 2, "MBUS_TIMEOUT": 2000}, None, "WDG-01.2")
_long_scan(
    "larger-limit", {"MBUS_MAXRETRY": 3, "MBUS_TIMEOUT": 2000, "WATCHDOG_SCAN": 2400}, None,
    "WDG-01.2", "TROUBLE-01.5",
)  # fmt: skip


def _silent_list(count: int) -> dict[str, bytes]:
    text = QUIET[_LIST].decode()
    head, _, rest = text.partition("<meter>")
    body = rest[: rest.index("</meter>")]
    meters = "".join(
        f"<meter>{body.replace('0x66600106', f'0x{number + 1:08d}')}</meter>\n"
        for number in range(count)
    )
    return {_LIST: f"{head}{meters}</root>\n".encode()}


@case(
    "watchdog/silent-meters",
    "Eighty silent meters do not trip a read-out; their progress does not feed its timer either",
    ("WDG-04.1", "WDG-04.2"),
    Arrangement(WORKED_EXAMPLES[:1], {"METER_TIME": 86400}, _silent_list(80)),
)
async def silent_meters(trial: Trial, verdicts: Verdicts) -> None:
    """Each costs at most 10 s, so 80 of them at most 800 s of 900 s at least (C-55)."""
    trial.meters["a"].power(False)
    await trial.set_chip_ini(METER_TIME=200)
    await trial.wait_s(1)
    await trial.appliance.readout()
    begin, end = [event.at_ns for event in trial.told("gateway.readout")][-2:]
    holds = verdicts.check("WDG-04.2", end - begin > 500 * NS_PER_S, "expected a long pass")
    holds &= verdicts.equal("WDG-04.2", "trips", 0, len(trips(trial)))
    fields = ("WATCHDOG_READOUT", "read-out", "a pass over 80 silent meters")
    keep(verdicts, "WDG-04.2", saved_run(*fields, 900, by_event(begin), end, holds=holds))
    await trial.set_chip_ini(WATCHDOG_READOUT=100)
    await trial.wait_s(0.001)
    start = trial.told("gateway.readout")[-1].at_ns
    seen = await restarted(trial, start + 100 * NS_PER_S)
    holds = expect_trip(trial, verdicts, ("WDG-04.1",), start, 100, seen)
    keep(verdicts, "WDG-04.1", tripped_run(*fields, 100, by_event(start), seen, holds=holds))
