"""Settings that are changed while the device runs, the defaults of the table, and tries in full.

A Save counts at once (C-51); what chip.ini does not hold has the default of manual 9.4. The tries
are those of C-39 and of worked examples 10.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from gateway.runtime.port import LineError
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY, spans
from scenarios.compliance.cases.flags import Seen
from scenarios.compliance.cases.master_telegrams import REQ0_A, REQ1_A, SELECT
from scenarios.compliance.registry import case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.compliance.arrangement import Frame, Trial
    from scenarios.compliance.verdicts import Verdicts

METER_A: Final = WORKED_EXAMPLES[:1]
ONE: Final = {**PRIMARY, "MBUS_MAXPRIMARYADDRESS": 5}
#: SELECT of meter A with the C field of the last of several tries (worked examples 10).
SELECT_LAST: Final = "68 0B 0B 68 73 FD 52 06 01 60 66 A7 32 02 04 6E 16"
GET1_A: Final = "68 05 05 68 73 05 51 7F 7E C6 16"


async def saved(trial: Trial, **settings: str | int) -> None:
    """Change settings on the page and save them."""
    for name, value in settings.items():
        trial.appliance.set_key(name, str(value))
    await trial.appliance.save()


def sent_since(trial: Trial, since: int) -> list[str]:
    """What the master has sent, in hexadecimal."""
    return [data.hex(" ").upper() for data in trial.sent(since)]


async def one_readout(trial: Trial) -> list[str]:
    """Read all meters, and return what the master sent for that."""
    since = len(trial.frames)
    await trial.appliance.readout()
    return sent_since(trial, since)


def gaps_ms(frames: Sequence[Frame], baudrate: int) -> list[float]:
    """From the end of each telegram of the master to the first character of the next, in ms."""
    own = [frame for frame in frames if frame.meter is None]
    character = 11 * 1e9 / baudrate
    return [(b.first_ns - character - a.at_ns) / 1e6 for a, b in itertools.pairwise(own)]


@case(
    "saved/baud-rate",
    "A baud rate that is saved is in force at once",
    ("CFG-10.2",),
    Arrangement(METER_A, {**ONE, "MBUS_BAUDRATE": 2400}, baudrate=19200),
)
async def baud_rate(trial: Trial, verdicts: Verdicts) -> None:
    """The meter speaks 19200 Bd; until the Save nobody hears it."""
    for rate, wanted in ((2400, []), (19200, ["66600106"])):
        await saved(trial, MBUS_BAUDRATE=rate)
        await trial.appliance.scan()
        numbers = [view.identification_number for view in trial.appliance.meters()]
        verdicts.equal("CFG-10.2", f"found behind a Save of {rate} Bd", wanted, numbers)


@case(
    "saved/time-outs",
    "Time-outs of the bus that are saved are in force at once",
    ("CFG-11", "CFG-12"),
    Arrangement(METER_A, {**ONE, "MBUS_MAXRETRY": 1, "MBUS_RESETMODE": 2}, baudrate=2400),
)
async def time_outs(trial: Trial, verdicts: Verdicts) -> None:
    """A silent meter, then one whose answer stops after nine characters."""
    await trial.commission()
    trial.meters["a"].fault("silent", True)
    for limit in (500, 1500, 300):
        await saved(trial, MBUS_TIMEOUT=limit)
        since = len(trial.frames)
        await trial.appliance.readout()
        gaps = gaps_ms(trial.frames[since:], 2400)
        verdicts.check(
            "CFG-11",
            len(gaps) == 1 and limit - 0.001 <= gaps[0] <= limit + 14,
            f"silence with a saved MBUS_TIMEOUT of {limit} ms: seen {gaps}",
        )
    trial.meters["a"].fault("silent", False)
    trial.meters["a"].fault("truncated", True, characters=9)
    for limit in (100, 700, 200):
        await saved(trial, MBUS_IDLETIMEOUT=limit)
        since = len(trial.frames)
        await trial.appliance.readout()
        frames = trial.frames[since:]
        piece = next(at for at, frame in enumerate(frames) if frame.meter == "a")
        gap = (frames[piece + 1].first_ns - 11 * 1e9 / 2400 - frames[piece].at_ns) / 1e6
        verdicts.check(
            "CFG-12",
            limit - 0.001 <= gap <= limit + 120,
            f"silence behind a piece with a saved MBUS_IDLETIMEOUT of {limit} ms: seen {gap}",
        )


@case(
    "saved/full-time-out",
    "A full time-out that is saved is in force at once, and counts from the first character",
    ("CFG-13",),
    Arrangement(({**METER_A[0], "answer_delay_bits": [300, 300]},), ONE, baudrate=300),
)
async def full_time_out(trial: Trial, verdicts: Verdicts) -> None:
    """42 characters of 300 Bd last 1540 ms; the answer begins 1000 ms behind the request (C-70)."""
    await saved(trial, MBUS_TIMEOUT=2000)
    await trial.commission()
    for limit, flags in ((1700, 0), (1400, 3), (1560, 0), (1500, 3)):
        await saved(trial, MBUS_FULLTIMEOUT=limit)
        await trial.appliance.readout()
        seen = (await Seen.at(trial, 10)).flags
        verdicts.equal("CFG-13", f"flags with a saved limit of {limit} ms", flags, seen)


@case(
    "saved/bus-off",
    "An M-Bus that is switched off by a Save is silent, and its meters are not read",
    ("MBUS-04", "REG-M.7"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def bus_off(trial: Trial, verdicts: Verdicts) -> None:
    """Row 9 of the truth table, for every meter, and back again."""
    await trial.commission()
    await saved(trial, MBUS_ENABLE=0)
    since = len(trial.frames)
    await trial.appliance.readout()
    try:
        report = await trial.appliance.scan()
        count = report.found
    except LineError:
        count = 0
    verdicts.equal("MBUS-04", "meters found", 0, count)
    verdicts.equal("MBUS-04", "telegrams on the bus", [], sent_since(trial, since))
    for address in (10, 50):
        seen = await Seen.at(trial, address)
        verdicts.equal("REG-M.7", f"flags of the meter at {address}", 3, seen.flags)
    await saved(trial, MBUS_ENABLE=1)
    await trial.appliance.readout()
    for address in (10, 50):
        seen = await Seen.at(trial, address)
        verdicts.equal("REG-M.7", f"flags at {address} when it is on again", 0, seen.flags)


@case(
    "saved/interval",
    "A common interval that is saved counts for the next read-out already",
    ("NET-10.2",),
    Arrangement(METER_A, ONE),
)
async def interval(trial: Trial, verdicts: Verdicts) -> None:
    """From 900 s to 60 s, and back to 300 s."""
    await trial.commission()
    await trial.wait_s(10)
    for seconds in (60, 300):
        await saved(trial, METER_TIME=seconds)
        began = trial.rt.now()
        await trial.wait_s(3.2 * seconds)
        starts = [start for start, _ in spans(trial, "gateway.readout") if start >= began]
        verdicts.equal("NET-10.2", f"read-outs in 3.2 x {seconds} s", 3, len(starts))


@case(
    "cycle/silent-meter",
    "A meter that did not answer is asked again in its cycle, not sooner and not later",
    ("CFG-01", "MET-04.2"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def silent_meter(trial: Trial, verdicts: Verdicts) -> None:
    """By the default interval; a commanded read-out asks every meter (MET-04)."""
    await trial.commission()
    trial.meters["b"].power(False)
    began = trial.rt.now()
    await trial.wait_s(3700)
    starts = [start for start, _ in spans(trial, "gateway.readout") if start >= began]
    seconds = [round((b - a) / 1e9) for a, b in itertools.pairwise(starts)]
    verdicts.equal("CFG-01", "seconds between read-outs", [900] * 3, seconds)
    trial.meters["b"].power(True)
    before = (await Seen.at(trial, 10)).time, (await Seen.at(trial, 50)).time
    await trial.wait_s(50)
    await trial.appliance.readout()
    first, second = await Seen.at(trial, 10), await Seen.at(trial, 50)
    verdicts.check("MET-04.2", first.time > before[0], "the first meter was not read")
    verdicts.check("MET-04.2", second.time > before[1], "the meter that was silent was not read")
    verdicts.equal("MET-04.2", "flags", (0, 0), (first.flags, second.flags))


# --- Tries ----------------------------------------------------------------------------------------


@case(
    "tries/without-reset",
    "Without a reset nothing precedes the request, whose frame count bit goes on",
    ("CFG-15.1", "CFG-11"),
    Arrangement(METER_A, {**ONE, "MBUS_RESETDISABLE": 1, "MBUS_RESETMODE": 1}),
)
async def without_reset(trial: Trial, verdicts: Verdicts) -> None:
    """MBUS_RESETDISABLE wins over the mode (C-18); the bit toggles from read-out to read-out."""
    await trial.commission()
    sent = [await one_readout(trial) for _ in range(3)]
    first = sent[0][0] if sent[0] else ""
    other = REQ0_A if first == REQ1_A else REQ1_A
    verdicts.equal("CFG-15.1", "three read-outs", [[first], [other], [first]], sent)
    trial.meters["a"].fault("silent", True)
    again = await one_readout(trial)
    verdicts.equal("CFG-11", "the tries of one request", 1, len(set(again)))


@case(
    "tries/get-all",
    "A request for all data that nobody acknowledges is repeated, and then goes without",
    ("CFG-14.2", "CFG-11"),
    Arrangement(
        METER_A,
        {**ONE, "MBUS_REQUESTMODE": "EXT", "MBUS_RESETMODE": 2, "MBUS_MAXRETRY": 2},
    ),
)
async def get_all(trial: Trial, verdicts: Verdicts) -> None:
    """1 + MBUS_MAXRETRY sends of each (worked examples 10)."""
    await trial.commission()
    await trial.appliance.readout()
    trial.meters["a"].power(False)
    sent = await one_readout(trial)
    for requirement in ("CFG-14.2", "CFG-11"):
        verdicts.equal(requirement, "telegrams", 6, len(sent))
    kinds = [len(one.split()) for one in sent]
    verdicts.equal("CFG-14.2", "three of each, in order", [11] * 3 + [5] * 3, kinds)
    verdicts.equal("CFG-11", "different telegrams", 2, len(set(sent)))


@case(
    "tries/selection",
    "A selection is tried as often as a request, the last time with C field 73",
    ("CFG-11", "CFG-15.1"),
    Arrangement(
        METER_A,
        {
            "MBUS_SEARCHTIMING": "ADAPTIVE",
            "MBUS_TIMEOUT": 500,
            "MBUS_MAXRETRY": 3,
            "MBUS_RESETMODE": 2,
        },
    ),
)
async def selection(trial: Trial, verdicts: Verdicts) -> None:
    """Some meters insist on 73 (worked examples 10)."""
    await trial.commission()
    trial.meters["a"].power(False)
    sent = await one_readout(trial)
    for requirement in ("CFG-11", "CFG-15.1"):
        verdicts.equal(requirement, "selections", [SELECT] * 3 + [SELECT_LAST], sent)


@case(
    "tries/reset",
    "A reset is sent once, whether or not it is acknowledged",
    ("CFG-15.2", "CFG-15.3", "CFG-15.4"),
    Arrangement(METER_A, {**ONE, "MBUS_MAXRETRY": 3}),
)
async def reset(trial: Trial, verdicts: Verdicts) -> None:
    """One send of SND_NKE and application reset, E5 optional (worked examples 10)."""
    await trial.commission()
    trial.meters["a"].power(False)
    for requirement, mode, wanted in (
        ("CFG-15.2", 0, ["10 40 05 45 16"]),
        ("CFG-15.3", 1, ["10 40 FD 3D 16", "10 40 05 45 16"]),
        ("CFG-15.4", 3, ["10 40 FD 3D 16", "68 03 03 68 73 FD 50 C0 16", "10 40 05 45 16"]),
    ):
        await saved(trial, MBUS_RESETMODE=mode)
        sent = await one_readout(trial)
        verdicts.equal(requirement, "telegrams", [*wanted, *[REQ1_A] * 4], sent)


@case(
    "tries/scan",
    "A scan begins with the resets of its mode, and asks as often as is set",
    ("CFG-15.1", "CFG-15.2", "CFG-15.3", "CFG-15.4", "SCAN-06.1", "SCAN-06.2"),
    Arrangement(METER_A, {"MBUS_TIMEOUT": 300, "MBUS_SEARCHTIMING": "LITERAL"}),
)
async def scan(trial: Trial, verdicts: Verdicts) -> None:
    """Nobody is there: what is sent is the reset part and the tries of one probe."""
    trial.meters["a"].power(False)
    root = "68 0B 0B 68 {} FD 52 FF FF FF FF FF FF FF FF {} 16"
    probe, last = root.format("53", "9A"), root.format("73", "BA")
    fd, ff = "10 40 FD 3D 16", "10 40 FF 3F 16"
    for requirement, mode, wanted in (
        ("CFG-15.1", 2, []),
        ("CFG-15.2", 0, [ff]),
        ("CFG-15.3", 1, [fd, ff]),
        ("CFG-15.4", 3, [fd, "68 03 03 68 73 FD 50 C0 16", ff]),
    ):
        await trial.set_chip_ini(MBUS_RESETMODE=mode, MBUS_MAXRETRY=1)
        since = len(trial.frames)
        await trial.appliance.scan()
        sent = sent_since(trial, since)
        verdicts.equal(requirement, "a secondary scan", [*wanted, probe, last], sent)
    for tries in (1, 3):
        await trial.set_chip_ini(MBUS_RESETMODE=2, MBUS_MAXRETRY=tries - 1)
        since = len(trial.frames)
        await trial.appliance.scan()
        for requirement in ("SCAN-06.1", "SCAN-06.2"):
            verdicts.equal(requirement, "probes", tries, len(sent_since(trial, since)))
        await trial.set_chip_ini(
            MBUS_SCANMODE="PRIMARYSCAN", MBUS_MINPRIMARYADDRESS=7, MBUS_MAXPRIMARYADDRESS=8
        )
        since = len(trial.frames)
        await trial.appliance.scan()
        for requirement in ("SCAN-06.1", "SCAN-06.2"):
            count = len(sent_since(trial, since))
            verdicts.equal(requirement, "telegrams to two addresses", 2 * tries, count)
        await trial.set_chip_ini(MBUS_SCANMODE="SECONDARYSCAN")


# --- Defaults -------------------------------------------------------------------------------------

#: Keys of manual 9.4 with their defaults; what has effects of its own is judged by these as well.
DEFAULTS: Final[dict[str, Any]] = {
    "dhcp": 1, "tcpipmem": 280, "name": "Anybus M-Bus/MTCP 80", "mbus_baudrate": 2400,
    "mbus_databits": 8, "mbus_debugout": 0, "mbus_enable": 1, "mbus_freezestorageum": 0,
    "mbus_fulltimeout": 10000, "mbus_idletimeout": 100, "mbus_maxmultipage": 10,
    "mbus_maxprimaryaddress": 250, "mbus_maxretry": 3, "mbus_minprimaryaddress": 0,
    "mbus_parity": 2, "mbus_rawlogenable": 0, "mbus_requestmode": "DEFAULT",
    "mbus_resetdisable": 0, "mbus_resetmode": 0, "mbus_scanmode": "SECONDARYSCAN",
    "mbus_secmaskmanufacturer": "FFFF", "mbus_secmaskmedium": "FF",
    "mbus_secmaskserial": "FFFFFFFF", "mbus_secmaskversion": "FF", "mbus_selectmask": 0,
    "mbus_stopbits": 1, "mbus_timeout": 2000, "mbus_wakeupenable": 0, "meter_maxallvaluecount": 0,
    "meter_maxdevicecount": 0, "meter_maxvaluecount": 0,
    "meter_stat_config": "/app/Device_Handle.cfg", "meter_time": 900, "modbus_address": 0,
    "modbus_connectiontimeout": 60, "modbus_debugout": 0, "modbus_disconnecttimeout": 60,
    "modbus_enable": 0, "modbus_maxconnections": 5, "modbus_nwport": 502, "modbus_swap": 0,
    "modbusmeter_protocolversion": 0, "muc_config_ver": 2, "muc_log": "DEFAULT",
    "muc_meterdescription_enableflags": 1, "muc_setdevices": "S0", "muc_protocol_ver": 30,
    "muc_showtimestampentries": 0, "muc_use_freeze": 0, "sntp_enable": 1,
    "sntp_maxtimeout": 93600, "sntp_mintimeout": 79200, "sntp_reqtimeout": 30000,
    "sntpip": "ptbtime1.ptb.de", "watchdog_idle": 120, "watchdog_process": 900,
    "watchdog_readout_limit": 3600, "watchdog_scan": 1800, "webcom_timeout": 30000,
    "cert_country": "SE", "cert_state": "Halland", "cert_location": "Halmstad",
    "cert_organisation": "HMS Industrial Networks", "cert_organisation_unit": "BU Anybus",
    "cert_common_name": "www.hms-networks.com", "ipcfg_password": "admin",
}  # fmt: skip
_CHIP_INI: Final = "app/chip.ini"


@case(
    "settings/defaults",
    "Every key that chip.ini does not hold has the default of the table",
    ("FILE-02",),
    Arrangement(METER_A, {}, {_CHIP_INI: b""}),
)
async def defaults(trial: Trial, verdicts: Verdicts) -> None:
    """An empty file: the table alone counts, and Modbus is not enabled (manual 9.4, C-16)."""
    configuration = trial.appliance.configuration()
    for name, wanted in DEFAULTS.items():
        verdicts.equal("FILE-02", name.upper(), wanted, getattr(configuration, name))
    try:
        await trial.connect()
    except OSError:
        served = False
    else:
        served = True
    verdicts.equal("FILE-02", "Modbus with MODBUS_ENABLE missing", False, served)


@case(
    "settings/readout-limit",
    "Without its key the limit of a read-out follows from METER_TIME and WATCHDOG_PROCESS",
    ("WDG-04.3",),
    Arrangement(METER_A, ONE),
)
async def readout_limit(trial: Trial, verdicts: Verdicts) -> None:
    """The examples of worked examples 11, up to the longest interval there is."""
    for interval_s, process_s, limit_s in (
        (10, 900, 900),
        (225, 900, 900),
        (226, 900, 904),
        (900, 900, 3600),
        (900, 5000, 5000),
        (86400, 900, 345600),
        (4294967295, 900, 4294967295),
    ):
        await trial.set_chip_ini(METER_TIME=interval_s, WATCHDOG_PROCESS=process_s)
        seen = trial.appliance.configuration().watchdog_readout_limit
        what = f"limit with METER_TIME={interval_s} and WATCHDOG_PROCESS={process_s}"
        verdicts.equal("WDG-04.3", what, limit_s, seen)


@case(
    "settings/factory-file",
    "A device without chip.ini makes that of the factory, with a static network address",
    ("NET-01.1", "NET-01.2", "NET-01.3"),
    Arrangement(METER_A),
)
async def factory_file(trial: Trial, verdicts: Verdicts) -> None:
    """Manual 3.4: the address that a person must know to reach a new device."""
    trial.storage.remove(_CHIP_INI)
    trial.appliance.reboot()
    await trial.appliance.ready()
    lines = trial.storage.read(_CHIP_INI).decode().splitlines()
    for requirement, line in (
        ("NET-01.1", "ADDRESS=192.168.1.101"),
        ("NET-01.2", "NETMASK=255.255.255.0"),
        ("NET-01.3", "GATEWAY=192.168.1.254"),
    ):
        verdicts.check(requirement, line in lines, f"expected {line} in the factory's chip.ini")
        verdicts.check(requirement, "DHCP=0" in lines, "expected DHCP=0 in the factory's chip.ini")


@case(
    "settings/back-to-default",
    "A setting that goes back to its default is written like any other",
    ("FILE-04",),
    Arrangement(METER_A, ONE),
)
async def back_to_default(trial: Trial, verdicts: Verdicts) -> None:
    """From every tab that writes keys; the file counts at the next start."""
    first = {"METER_TIME": "321", "MBUS_TIMEOUT": "700", "MODBUS_SWAP": "1", "SNTPIP": "time.nist"}
    second = {
        "METER_TIME": "900",
        "MBUS_TIMEOUT": "2000",
        "MODBUS_SWAP": "0",
        "SNTPIP": "ptbtime1.ptb.de",
    }
    for settings in (first, second):
        await saved(trial, **settings)
        trial.appliance.reboot()
        await trial.appliance.ready()
        configuration = trial.appliance.configuration()
        for name, wanted in settings.items():
            seen = str(getattr(configuration, name.lower()))
            verdicts.equal("FILE-04", f"{name} behind a Save and a restart", wanted, seen)
