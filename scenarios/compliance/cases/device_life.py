"""What a device goes through: meters are swapped, the bus fails and is back, somebody commands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.device.webcom import Right
from scenarios.compliance.arrangement import CLOCK, WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import LISTED, PRIMARY, leds
from scenarios.compliance.cases.flags import Seen
from scenarios.compliance.cases.record_data import entry, integer_of, time_of
from scenarios.compliance.registry import case

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

METER_A: Final = WORKED_EXAMPLES[:1]
ONE: Final = {**PRIMARY, "MBUS_MAXPRIMARYADDRESS": 5}
_NS_PER_S: Final = 1_000_000_000


@case(
    "life/swapped-meter",
    "Behind a primary address a meter is swapped for another: all four parts of its address follow",
    ("SCAN-04", "REG-M.1", "REG-M.2", "REG-M.3"),
    Arrangement(
        (
            METER_A[0],
            {
                **WORKED_EXAMPLES[0],
                "id": "other",
                "identification_number": 12345678,
                "manufacturer": "ABB",
                "version": 77,
                "medium": 6,
            },
        ),
        ONE,
    ),
)
async def swapped_meter(trial: Trial, verdicts: Verdicts) -> None:
    """C-63: the header replaces number, manufacturer, version and medium; values are read on."""
    trial.meters["other"].power(False)
    await trial.commission()
    old = (0x03F8, 0x3CAA, 0x32A7, 0x0204)
    new = (0x00BC, 0x614E, 0x0442, 0x4D06)
    for out, back, wanted in (("other", "a", old), ("a", "other", new), ("other", "a", old)):
        trial.meters[out].power(False)
        trial.meters[back].power(True)
        await trial.appliance.readout()
        words = await entry(trial, 10) or (0,) * 10
        verdicts.equal("SCAN-04", f"entry of meter {back}", wanted, words[:4])
        verdicts.equal("REG-M.1", f"number of meter {back}", wanted[:2], words[:2])
        verdicts.equal("REG-M.2", f"manufacturer of meter {back}", wanted[2], words[2])
        verdicts.equal("REG-M.3", f"version and medium of meter {back}", wanted[3], words[3])
        verdicts.equal("SCAN-04", f"flags of meter {back}", 0, words[8])
    count = len(trial.appliance.meters())
    verdicts.equal("SCAN-04", "meters in the list", 1, count)


#: The list has a value in the middle that this meter does not send (any more).
_ABSENT: Final = LISTED.format(cycle="", active="", third=50).replace(
    "<value><description>Flow temperature</description>",
    "<value><description>Power</description><unit>W</unit><register>40</register></value>\n"
    "<value><description>Flow temperature</description>",
)


@case(
    "life/absent-value",
    "A listed value that does not come leaves the others in their places",
    ("REG-V.1", "REG-M.7", "REG-M.8", "MET-09"),
    Arrangement(METER_A, ONE, {"app/Device_Handle.cfg": _ABSENT.encode()}),
)
async def absent_value(trial: Trial, verdicts: Verdicts) -> None:
    """Row 5 of the truth table: a power between energy and flow temperature."""
    await trial.appliance.readout()
    for address, wanted in ((20, 267), (30, -1234), (40, 0), (50, 12345678)):
        words = await entry(trial, address)
        seen = integer_of(words) if words else None
        for requirement in ("REG-V.1", "MET-09"):
            verdicts.equal(requirement, f"value at register {address}", wanted, seen)
    flags = (await Seen.at(trial, 10)).flags
    verdicts.equal("REG-M.7", "flags", 2, flags)
    verdicts.equal("REG-M.8", "flags", 2, flags)


@case(
    "life/garbled-once",
    "A garbled answer is asked for again, as often as a missing one",
    ("CFG-11", "TROUBLE-01.3"),
    Arrangement(METER_A, {**ONE, "MBUS_MAXRETRY": 2}),
)
async def garbled_once(trial: Trial, verdicts: Verdicts) -> None:
    """Two bad answers in a row, and three tries."""
    await trial.commission()
    for name in ("bad_checksum", "bad_stop", "truncated"):
        parameters = {"characters": 12} if name == "truncated" else {}
        trial.meters["a"].fault(name, True, times=2, **parameters)
        await trial.appliance.readout()
        flags = (await Seen.at(trial, 10)).flags
        for requirement in ("CFG-11", "TROUBLE-01.3"):
            verdicts.equal(requirement, f"flags after {name} twice", 0, flags)
        trial.meters["a"].fault(name, False)


@case(
    "life/bus-fault",
    "ST is red while the port of the bus is gone, and green when it is back",
    ("LED-02.5", "LED-02.2", "LED-01.1"),
    Arrangement(WORKED_EXAMPLES, {**PRIMARY, "METER_TIME": 30}),
)
async def bus_fault(trial: Trial, verdicts: Verdicts) -> None:
    """The error ends with what made it (C-46, C-56)."""
    await trial.commission()
    trial.network.line_fault("converter_gone", True)
    await trial.wait_s(100)
    act, st = leds(trial, trial.rt.now())
    verdicts.equal("LED-02.5", "ST without a bus", "red", st)
    verdicts.equal("LED-01.1", "ACT without a bus", "off", act)
    trial.network.line_fault("converter_gone", False)
    await trial.wait_s(100)
    verdicts.equal("LED-02.5", "ST behind the fault", "green", leds(trial, trial.rt.now())[1])
    verdicts.equal("LED-02.2", "ST behind the fault", "green", leds(trial, trial.rt.now())[1])


@case(
    "life/scan-to-its-end",
    "A command that is given during a scan waits for its end",
    ("MET-04.4", "SCAN-01"),
    Arrangement(
        (
            *WORKED_EXAMPLES,
            {**WORKED_EXAMPLES[0], "id": "c", "identification_number": 7, "primary_address": 12},
        ),
        {**PRIMARY, "MBUS_MAXPRIMARYADDRESS": 20},
    ),
)
async def scan_to_its_end(trial: Trial, verdicts: Verdicts) -> None:
    """Read-outs and edits come behind the last address of the search."""
    finished: list[str] = []

    async def scan() -> None:
        await trial.appliance.scan()
        finished.append("scan")

    async def readout() -> None:
        await trial.appliance.readout()
        finished.append("readout")

    async with trial.rt.nursery() as nursery:
        nursery.spawn(scan(), name="scan")
        await trial.wait_s(1)
        nursery.spawn(readout(), name="readout")
    numbers = [view.identification_number for view in trial.appliance.meters()]
    for requirement in ("MET-04.4", "SCAN-01"):
        verdicts.equal(requirement, "found", ["66600106", "00428670", "00000007"], numbers)
    verdicts.equal("MET-04.4", "what ended first", ["scan", "readout"], finished)


@case(
    "life/reverse-search",
    "The reverse search fixes the last digit first",
    ("SCAN-05", "CFG-06.2"),
    Arrangement(
        WORKED_EXAMPLES,
        {"MBUS_SEARCHTIMING": "LITERAL", "MBUS_TIMEOUT": 200, "MBUS_MAXRETRY": 0},
    ),
)
async def reverse_search(trial: Trial, verdicts: Verdicts) -> None:
    """Behind the collision of the root come the masks 0FFFFFFF or FFFFFFF0 (worked examples 10)."""
    forward = bytes.fromhex("68 0B 0B 68 53 FD 52 FF FF FF 0F FF FF FF FF AA 16")
    reverse = bytes.fromhex("68 0B 0B 68 53 FD 52 F0 FF FF FF FF FF FF FF 8B 16")
    for mode, wanted in (
        ("SECONDARYSCAN", [True, False]),
        ("SECONDARYSCANREVERSE", [False, True]),
        ("SECONDARYSCANALLOCREVERSE", [False, True]),
    ):
        await trial.set_chip_ini(MBUS_SCANMODE=mode)
        since = len(trial.frames)
        await trial.appliance.scan()
        sent = trial.sent(since)
        for requirement in ("SCAN-05", "CFG-06.2"):
            verdicts.equal(requirement, f"masks of {mode}", wanted, [forward in sent,
                                                                   reverse in sent])  # fmt: skip
        numbers = sorted(view.identification_number for view in trial.appliance.meters())
        verdicts.equal("SCAN-05", f"found by {mode}", ["00428670", "66600106"], numbers)


@case(
    "life/port-saved",
    "A Modbus port that is saved is served at once, the old one no more",
    ("SRV-02", "TROUBLE-00", "WEB-07.3"),
    Arrangement(METER_A, ONE),
)
async def port_saved(trial: Trial, verdicts: Verdicts) -> None:
    """The Server tab of manual 4.5."""
    trial.appliance.set_key("MODBUS_NWPORT", "1503")
    await trial.appliance.save()
    for port, wanted in ((1503, True), (502, False)):
        try:
            link = await trial.connect(port)
            await link.close()
            answers = True
        except OSError:
            answers = False
        for requirement in ("SRV-02", "TROUBLE-00", "WEB-07.3"):
            verdicts.equal(requirement, f"port {port} answers", wanted, answers)


@case(
    "life/restart-reasons",
    "Each start says its own reason: a watchdog's is not that of the reboot behind it",
    ("SVC-02", "WDG-05.1"),
    Arrangement(METER_A, {**ONE, "WATCHDOG_IDLE": 60}),
)
async def restart_reasons(trial: Trial, verdicts: Verdicts) -> None:
    """A main loop that hangs, then a person's reboot."""
    try:
        await trial.hang_loop(100 * _NS_PER_S)
    except InterruptedError:
        await trial.appliance.ready()
    reason = trial.appliance.last_restart()
    verdicts.equal("WDG-05.1", "behind a trip", "WATCHDOG_IDLE", reason.reason if reason else "")
    trial.appliance.reboot()
    await trial.appliance.ready()
    reason = trial.appliance.last_restart()
    verdicts.equal("SVC-02", "behind a reboot", "REBOOT", reason.reason if reason else "")


@case(
    "life/ftp-users",
    "At most two users beside admin have FTP access",
    ("USR-01.4",),
    Arrangement(METER_A, ONE),
)
async def ftp_users(trial: Trial, verdicts: Verdicts) -> None:
    """Manual 4.7, C-30: ftp and one more, not two more."""
    door = trial.appliance
    ftp = next(user for user in door.users() if user.name == "ftp")
    verdicts.equal("USR-01.4", "rights of ftp", frozenset({Right.FTP}), ftp.rights)
    for name, wanted in (("second", True), ("third", False)):
        users = [*door.users(), replace(ftp, name=name, password="")]
        try:
            await door.save_users(users)
            taken = True
        except ValueError:
            taken = False
        verdicts.equal("USR-01.4", f"the {name} user with FTP access is taken", wanted, taken)


@case(
    "life/selected-meter",
    "Time, flags and values of a meter that is selected follow each read-out at once",
    ("REG-M.4", "REG-M.7", "REG-V.1", "REG-V.6"),
    Arrangement(
        (
            {
                "id": "moving",
                "profile": "electricity-multipage",
                "identification_number": 40000001,
                "primary_address": 0,
            },
        ),
        {"MBUS_SEARCHTIMING": "ADAPTIVE", "MBUS_TIMEOUT": 500, "MBUS_MAXRETRY": 0},
    ),
)
async def selected_meter(trial: Trial, verdicts: Verdicts) -> None:
    """Four read-outs, the third without an answer; what was sent last must be served."""
    await trial.commission()
    meter = trial.meters["moving"]
    kept: list[int | None] = []
    for number, is_on in enumerate((True, True, False, True)):
        await trial.wait_s(100)
        meter.power(is_on)
        await trial.appliance.readout()
        seen = await Seen.at(trial, 10)
        now = CLOCK + trial.rt.now() // _NS_PER_S
        verdicts.equal("REG-M.7", f"flags of read-out {number}", 0 if is_on else 3, seen.flags)
        late = now - seen.time
        fits = late <= 3 if is_on else late >= 100
        verdicts.check("REG-M.4", fits, f"read-out {number}: time of the meter {late} s ago")
        entries = [await entry(trial, 20 + 10 * place) for place in range(5)]
        integers = [integer_of(words) if words else None for words in entries]
        wanted = [one.integer for one in meter.expected[:5]] if is_on else kept
        verdicts.equal("REG-V.1", f"values of read-out {number}", wanted, integers)
        times = [time_of(words) if words else None for words in entries]
        late = now - (times[0] or 0)
        fits = late <= 120 if is_on else late >= 100
        verdicts.check("REG-V.6", fits, f"read-out {number}: time of the value {late} s ago")
        kept = integers
