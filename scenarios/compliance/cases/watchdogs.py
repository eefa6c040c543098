"""Watchdogs: every timer at its edge, to the nanosecond, and what a trip leaves (C-55).

Worked examples 11 is the table. A limit is a duration of a state: an end 1 ns before it saves, an
end at it is too late. The edges are driven by faults at the gateway's seams; that the limits also
hold for what happens on a bus is shown by scans and read-outs that really take so long.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway.device.keys import Tab
from reports.record import Evidence, Measurement
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY, leds, listed
from scenarios.compliance.registry import SuiteCase, add, case
from simulators.modbus.pdu import Registers

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


def trips(trial: Trial, since_ns: int = 0) -> list[Event]:
    """The trips that the device has logged."""
    return trial.told("watchdog.trip", since_ns)


def trip_evidence(event: Event) -> Evidence:
    """A trip as evidence."""
    fields = event.fields
    content = f"{fields.get('value')}: {fields.get('state')} for {fields.get('seconds')} s"
    return Evidence(kind="event", where="watchdog.trip", content=content, at_ns=event.at_ns)


def expect_trip(
    trial: Trial, verdicts: Verdicts, ids: tuple[str, ...], start_ns: int, limit_s: int
) -> None:
    """Check that the first thing tripped since `start_ns` is one timer, at exactly its limit."""
    seen = trips(trial, start_ns)
    for requirement in ids:
        if not verdicts.equal(requirement, "trips", 1, len(seen), *map(trip_evidence, seen)):
            continue
        verdicts.measured(
            requirement,
            Measurement(
                name="from the start of the state to the trip",
                value=(seen[0].at_ns - start_ns) / NS_PER_S,
                unit="s",
                minimum=limit_s,
                maximum=limit_s,
            ),
        )
        steps = trial.told("gateway.startup", start_ns + 1)
        restarts = [event.at_ns for event in steps if event.fields["step"] == 1]
        verdicts.equal(requirement, "restarted at the trip", [seen[0].at_ns], restarts[:1])


def expect_logged(
    trial: Trial, verdicts: Verdicts, start_ns: int, timer: str, state: str, limit_s: int
) -> None:
    """Check WDG-05.1: timer, state and seconds, as an event, in the log file and at the restart."""
    wanted = {"value": timer, "state": state, "seconds": limit_s}
    for kind in ("watchdog.trip", "gateway.restart.reason"):
        seen = [dict(event.fields) for event in trial.told(kind, start_ns)]
        verdicts.equal("WDG-05.1", kind, [wanted], seen)
    text = trial.storage.read("log/system.log").decode() if trial.storage.exists(
        "log/system.log") else ""  # fmt: skip
    lines = [line for line in text.splitlines() if "watchdog.trip" in line]
    told = bool(lines) and all(str(word) in lines[-1] for word in (timer, state, limit_s))
    verdicts.check(
        "WDG-05.1", told, f"expected {timer}, {state} and {limit_s} in the log, seen {lines[-1:]}"
    )


# --- Edges ----------------------------------------------------------------------------------------


async def _scan(trial: Trial, ns: int) -> None:
    trial.stall_port(ns)
    with suppress(OSError):
        await trial.appliance.scan()


async def _readout(trial: Trial, ns: int) -> None:
    trial.stall_port(ns)
    with suppress(OSError):
        await trial.appliance.readout()


async def _hang(trial: Trial, ns: int) -> None:
    with suppress(OSError):
        await trial.hang_loop(ns)


async def _save(trial: Trial, ns: int) -> None:
    trial.delay_listening(ns)
    with suppress(OSError):
        await trial.appliance.save({Tab.SERVER})


#: Timer: what drives the device, the state that the log names, the statements on trip and rescue.
DRIVERS: Final[Mapping[str, tuple[Callable[[Trial, int], Awaitable[None]], str, str, str]]] = {
    "WATCHDOG_SCAN": (_scan, "scan", "WDG-01.1", "WDG-01.2"),
    "WATCHDOG_IDLE": (_hang, "idle", "WDG-02.1", "WDG-02.2"),
    "WATCHDOG_PROCESS": (_save, "busy", "WDG-03.1", "WDG-03.2"),
    "WATCHDOG_READOUT": (_readout, "read-out", "WDG-04.1", "WDG-04.2"),
}


def edges(
    timer: str, limit_s: int, config: Mapping[str, str | int], *more: str, name: str = ""
) -> None:
    """Add a case: 1 ns before the limit, at the limit, and long after it."""
    drive, state, on_trip, on_rescue = DRIVERS[timer]

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.wait_s(20)
        start = trial.rt.now()
        await drive(trial, limit_s * NS_PER_S - 1)
        verdicts.equal(on_rescue, "end of the job", start + limit_s * NS_PER_S - 1, trial.rt.now())
        await trial.wait_s(20)
        seen = trips(trial)
        verdicts.equal(
            on_rescue, "trips with an end 1 ns before the limit", 0, len(seen),
            *map(trip_evidence, seen),
        )  # fmt: skip
        for duration in (limit_s * NS_PER_S, 3 * limit_s * NS_PER_S + 1):
            await trial.appliance.ready()
            await trial.wait_s(20)
            start = trial.rt.now()
            await drive(trial, duration)
            await trial.wait_s(1e-9)
            expect_trip(trial, verdicts, (on_trip, *more), start, limit_s)
            expect_logged(trial, verdicts, start, timer, state, limit_s)
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
    async with trial.rt.nursery() as nursery:
        nursery.spawn(_hang(trial, 500 * NS_PER_S), name="hang")
        for _ in range(11):
            await trial.wait_s(10)
            await trial.read(0, 2)
        await trial.wait_s(10.5)
    expect_trip(trial, verdicts, ("WDG-02.1",), start, 120)


@case(
    "watchdog/start-up",
    "A start-up that hangs trips WATCHDOG_PROCESS; the next has a fresh limit and comes through",
    ("WDG-03.1", "WDG-03.2"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "WATCHDOG_PROCESS": 40}, QUIET),
)
async def start_up(trial: Trial, verdicts: Verdicts) -> None:
    """Start-up is busy from its first step to its last."""
    await trial.wait_s(20)
    for duration, expected in ((40 * NS_PER_S - 1, 0), (40 * NS_PER_S, 1), (10**15, 1)):
        start = trial.rt.now()
        trial.delay_listening(duration)
        trial.appliance.reboot()
        await trial.appliance.ready()
        requirement = "WDG-03.1" if expected else "WDG-03.2"
        at = [round((one.at_ns - start) / NS_PER_S, 9) for one in trips(trial, start)]
        verdicts.equal(requirement, "trips, s after the reboot", [40.0] * expected, at)
        await trial.wait_s(20)


def _long_scan(name: str, config: Mapping[str, str | int], seconds: int | None, *ids: str) -> None:
    """Add a scan of 251 empty addresses, which ends or is ended after `seconds`."""

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        trial.meters["a"].power(False)
        await trial.wait_s(20)
        start = trial.rt.now()
        with suppress(InterruptedError):
            await trial.appliance.scan()
        lasted = (trial.rt.now() - start) / NS_PER_S
        await trial.wait_s(1)
        seen = trips(trial, start)
        if seconds is not None:
            expect_trip(trial, verdicts, ids, start, seconds)
            return
        last = trial.sent()[-1][2:3]
        for requirement in ids:
            verdicts.equal(requirement, "trips", 0, len(seen), *map(trip_evidence, seen))
            verdicts.equal(requirement, "last address asked", b"\xfa", last)
            verdicts.check(requirement, lasted > 1500, f"the scan lasted only {lasted} s")

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
    passes = [event.at_ns for event in trial.told("gateway.readout")]
    verdicts.check("WDG-04.2", passes[-1] - passes[-2] > 500 * NS_PER_S, "expected a long pass")
    verdicts.equal("WDG-04.2", "trips", 0, len(trips(trial)))
    await trial.set_chip_ini(WATCHDOG_READOUT=100)
    await trial.wait_s(0.001)
    start = trial.told("gateway.readout")[-1].at_ns
    await trial.wait_s(101)
    expect_trip(trial, verdicts, ("WDG-04.1",), start, 100)


# --- What a trip leaves ---------------------------------------------------------------------------


def _aftermath(timer: str) -> None:
    drive, _, _, _ = DRIVERS[timer]

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
        await drive(trial, 10**15)
        await trial.appliance.ready()
        (tripped,) = trips(trial, start) or (None,)
        verdicts.check("WDG-05.2", tripped is not None, "expected a trip")
        _kept(trial, verdicts, files, numbers)
        # At once, before any read-out can have ended.
        await _unread(trial, verdicts, before)
        colours = [e.fields["value"] for e in trial.told("gateway.led.st", start)]
        verdicts.equal("LED-02.1", "ST at the trip", True, "off" in colours)
        await trial.wait_s(90)
        await _unread(trial, verdicts, before)
        for meter in trial.meters.values():
            meter.power(True)
        await trial.wait_s(101)
        after = await trial.registers(last=59)
        verdicts.equal("WDG-05.3", "flags after a read-out", 0, after.get(18))
        verdicts.equal("WDG-05.3", "value after a read-out", _value(before), _value(after))
        verdicts.equal("WDG-05.3", "ST in the end", "green", leds(trial, trial.rt.now())[1])

    label = timer.removeprefix("WATCHDOG_").lower()
    arrangement = Arrangement(
        WORKED_EXAMPLES, {**PRIMARY, "METER_TIME": 100, timer: 50, "MODBUS_NWPORT": 502}
    )
    title = f"After a trip of {timer}: list and settings kept, nothing read until a read-out"
    ids = ("WDG-05.2", "WDG-05.3", "LED-02.1")
    add(SuiteCase(f"watchdog/after-{label}", title, ids, arrangement, procedure))


def _kept(trial: Trial, verdicts: Verdicts, files: Mapping[str, bytes], numbers: list[str]) -> None:
    for path, data in files.items():
        now = trial.storage.read(path) if trial.storage.exists(path) else b""
        verdicts.check("WDG-05.2", now == data, f"{path} is not what it was before the trip")
    verdicts.equal(
        "WDG-05.2", "meters after the trip", numbers,
        [view.identification_number for view in trial.appliance.meters()],
    )  # fmt: skip


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
async def first_valid(trial: Trial, verdicts: Verdicts) -> None:
    """The first pass begins as soon as the start-up is over; 2400 Bd would make it no slower."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    await trial.wait_s(60)
    start = trial.rt.now()
    await _scan(trial, 10**15)
    await trial.appliance.ready()
    (tripped,) = trips(trial, start)
    for _ in range(600):
        if await trial.read(18, 1) == Registers(18, (0,)):
            break
        await trial.wait_s(0.05)
    verdicts.measured(
        "WDG-05.3",
        Measurement(
            name="from the trip to the first valid register",
            value=(trial.rt.now() - tripped.at_ns) / NS_PER_S,
            unit="s",
            uncertainty=0.05,
            minimum=0.05,
            maximum=10,
        ),
    )


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
    with suppress(InterruptedError):
        await trial.appliance.scan()
    await trial.appliance.ready()
    expect_trip(trial, verdicts, ("WDG-01.1",), start, 60)
    numbers = [view.identification_number for view in trial.appliance.meters()]
    for requirement in ("WDG-05.2", "MBUS-03"):
        verdicts.check(
            requirement, {"66600106", "00428670"} <= set(numbers),
            f"expected both meters without collision in the list, seen {numbers}",
        )  # fmt: skip
        verdicts.check(
            requirement, trial.storage.read(_CHIP_INI) == settings, "chip.ini has changed"
        )
