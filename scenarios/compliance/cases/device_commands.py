"""What the tabs command and show beside the list: service, users, clock, settings, start-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.device.sessions import Refusal, Session, SessionError
from gateway.device.webcom import Right
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import NS_PER_S, PRIMARY
from scenarios.compliance.registry import case
from scenarios.compliance.verdicts import frame_evidence, register_evidence

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

#: Time of the last read-out in the manual's example, and the time that its meter sent (6.2).
READ_AT: Final = 0x519CC16D
SENT_AT: Final = 0x519CBBB3
_HOST: Final = "192.168.1.7"
#: How far a line of the raw log may be from its telegram: 33 bits of silence, and its milliseconds.
LINE_NS: Final = 5_000_000


@case(
    "example/manual",
    "The example configuration of the manual, register for register",
    ("REG-X", "REG-00.2", "REG-V.4", "REG-G.7"),
    Arrangement(
        (
            {"id": "a", "manufacturer": "LUG", "version": 2, "medium": 4,
             "identification_number": 66600106, "primary_address": 5,
             "records": [
                 {"dib": "0B", "vib": "06", "coding": "bcd6", "value": 267,
                  "expect": {"value_type": "Energy", "unit": "Wh", "scale": 3}},
                 # Type I, to the second: 2013-05-22 12:36:03.
                 {"dib": "06", "vib": "6D", "data": "03240CB61500", "hidden": True},
             ]},
        ),
        {**PRIMARY, "METER_TIME": 86400},
    ),
)  # fmt: skip
async def example(trial: Trial, verdicts: Verdicts) -> None:
    """Manual 6.2, with the clock set so that the read-out falls into its second."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    await trial.wait_s(30)
    trial.appliance.set_time(READ_AT)
    await trial.appliance.readout()
    served = await trial.registers(last=69)
    wanted = {
        10: (0x03F8, 0x3CAA, 0x32A7, 0x0204, 0x519C, 0xC16D, 0, 0x0200, 0, 0),
        20: (0, 0, 0, 0x010B, 0x4882, 0x5F00, 0x0003, 0x0005, 0x519C, 0xBBB3),
    }
    for start, words in wanted.items():
        for offset, word in enumerate(words):
            seen = served.get(start + offset)
            verdicts.equal(
                "REG-X", f"register {start + offset}", word, seen,
                register_evidence(start + offset, [seen]),
            )  # fmt: skip
    verdicts.equal("REG-00.2", "registers served", list(range(30)), sorted(served))
    verdicts.equal("REG-V.4", "type of the value entry", 0, (served.get(27) or 0) >> 8)
    verdicts.equal("REG-G.7", "register 7", 0x0100, served.get(7))


@case(
    "modbus/byte-order",
    "The higher byte of a register is sent first",
    ("MOD-06.1",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def byte_order(trial: Trial, verdicts: Verdicts) -> None:
    """The serial number 66600106 is 03F83CAA; byte for byte behind the header."""
    await trial.commission()
    link = await trial.connect()
    answer = await link.exchange(bytes.fromhex("0001 0000 0006 FF 03 000A 0003"))
    await link.close()
    wanted = bytes.fromhex("0001 0000 0009 FF 03 06 03F8 3CAA 32A7")
    verdicts.equal("MOD-06.1", "answer", wanted, answer)


_RAW_LOG: Final = "raw/mbus.log"
#: What stands before a telegram in the raw log, by who sent it.
_DIRECTIONS: Final = {">": "master", "<": "meter"}


def raw_lines(data: bytes) -> list[tuple[str, str, bytes]]:
    """The lines of the raw log: time since the start (s), who sent it, the telegram."""
    found = []
    for line in data.decode().splitlines():
        _, at, mark, *digits = line.split()
        found.append((at, _DIRECTIONS.get(mark, mark), bytes.fromhex("".join(digits))))
    return found


@case(
    "settings/raw-log",
    "The raw log is off by default, holds every telegram of the bus while it is on, and ends",
    ("CFG-05",),
    Arrangement(WORKED_EXAMPLES, {**PRIMARY, "METER_TIME": 86400}),
)
async def raw_log(trial: Trial, verdicts: Verdicts) -> None:
    """The file of drive B:, line by line against the frames on the bus; one meter is silent."""
    await trial.commission()
    verdicts.check("CFG-05", not trial.storage.list("raw"), "expected no raw log by default")
    trial.meters["b"].power(False)
    since = len(trial.frames)
    await trial.set_chip_ini(MBUS_RAWLOGENABLE=1)
    await trial.wait_s(20)
    await trial.appliance.readout()
    await trial.appliance.scan()
    exists = trial.storage.exists(_RAW_LOG)
    lines = raw_lines(trial.storage.read(_RAW_LOG)) if exists else []
    frames = trial.frames[since:]
    verdicts.check("CFG-05", len(frames) > 20, "expected telegrams on the bus")
    wanted = [("master" if one.meter is None else "meter", one.data) for one in frames]
    seen = [(who, data) for _, who, data in lines]
    verdicts.equal("CFG-05", "telegrams in the raw log", wanted, seen)
    for (at, _, data), frame in zip(lines, frames, strict=False):
        # A line is written as the telegram begins or ends; the longest here lasts 60 ms.
        moment = float(at) * NS_PER_S
        verdicts.check(
            "CFG-05", frame.first_ns - LINE_NS <= moment <= frame.at_ns + LINE_NS,
            f"{data.hex(' ')} is told at {at} s, and was on the bus until {frame.at_ns / NS_PER_S}",
            frame_evidence(frame),
        )  # fmt: skip
    await trial.set_chip_ini(MBUS_RAWLOGENABLE=0)
    data = trial.storage.read(_RAW_LOG) if exists else b""
    await trial.appliance.readout()
    now = trial.storage.read(_RAW_LOG) if exists else b""
    verdicts.equal(
        "CFG-05", "bytes of the raw log behind a read-out without it", len(data), len(now)
    )


@case(
    "settings/mask-filled",
    "A short search mask is filled up with leading zeros",
    ("CFG-09.3",),
    Arrangement(WORKED_EXAMPLES, {"MBUS_TIMEOUT": 500, "MBUS_MAXRETRY": 0}),
)
async def mask_filled(trial: Trial, verdicts: Verdicts) -> None:
    """Meter B is 00428670."""
    trial.appliance.set_key("MBUS_SECMASKSERIAL", "428670")
    await trial.appliance.save()
    mask = trial.appliance.configuration().mbus_secmaskserial
    verdicts.equal("CFG-09.3", "the mask in force", "00428670", mask)
    await trial.appliance.scan()
    found = [view.identification_number for view in trial.appliance.meters()]
    verdicts.equal("CFG-09.3", "meters found", ["00428670"], found)


@case(
    "settings/full-timeout",
    "A telegram may last 10000 ms by default, and not longer than is set",
    ("CFG-13",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY, baudrate=300),
)
async def full_timeout(trial: Trial, verdicts: Verdicts) -> None:
    """At 300 Bd the answer of meter A lasts more than a second (C-70)."""
    verdicts.equal(
        "CFG-13", "the factory's limit, ms", 10000, trial.appliance.configuration().mbus_fulltimeout
    )
    await trial.commission()
    served = await trial.registers(last=19)
    verdicts.equal("CFG-13", "flags with the default", 0, served.get(18))
    await trial.set_chip_ini(MBUS_FULLTIMEOUT=1000)
    await trial.appliance.readout()
    served = await trial.registers(last=19)
    verdicts.equal("CFG-13", "flags with 1000 ms", 3, served.get(18))


@case(
    "service/type-plate",
    "The Service tab has the four versions, and Modbus tells the same software version",
    ("SVC-01",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def type_plate(trial: Trial, verdicts: Verdicts) -> None:
    """Manual 4.8."""
    plate = trial.appliance.type_plate()
    versions = (plate.hardware_version, plate.rtos_version, plate.software_version,
                plate.website_version)  # fmt: skip
    wanted = ("10", "1.01RC3/4.1.13", "1.30.60RC14", "1.30.60RC14")
    verdicts.equal("SVC-01", "hardware, RTOS, software, website", wanted, versions)
    served = await trial.registers(last=9)
    verdicts.equal("SVC-01", "software version in register 3", 130, served.get(3))


@case(
    "service/reboot",
    "Reboot initialises everything: edits go, values are unread, settings of the file count",
    ("SVC-02",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def reboot(trial: Trial, verdicts: Verdicts) -> None:
    """Connections end, what was not saved is gone, what was saved is there."""
    await trial.commission()
    trial.appliance.set_meter(trial.appliance.meters()[0].handle, "user", "not saved")
    trial.meters["a"].power(False)
    link = await trial.connect()
    trial.appliance.reboot()
    await trial.appliance.ready()
    verdicts.equal("SVC-02", "an open connection", b"", await link.listen(1_000_000_000))
    (view,) = trial.appliance.page_meters()
    verdicts.equal("SVC-02", "label", "", view.entry.user)
    served = await trial.registers(last=29)
    verdicts.equal("SVC-02", "flags and time", (3, 0, 0), (served[18], served[14], served[15]))
    verdicts.equal("SVC-02", "register of the list", True, 20 in served)
    reason = trial.appliance.last_restart()
    verdicts.equal("SVC-02", "reason", "REBOOT", reason.reason if reason else "none")


@case(
    "clock/set",
    "The clock is set by a person: the times of the registers follow it, the cycle does not",
    ("GEN-01.6", "SNTP-01.4"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "METER_TIME": 100}),
)
async def clock_set(trial: Trial, verdicts: Verdicts) -> None:
    """C-64: no timer moves."""
    await trial.commission()
    await trial.wait_s(250)
    trial.appliance.set_time(READ_AT)
    await trial.appliance.readout()
    served = await trial.registers(last=19)
    time = served[14] << 16 | served[15]
    for requirement in ("GEN-01.6", "SNTP-01.4"):
        verdicts.check(
            requirement, 0 <= time - READ_AT <= 5, f"expected {READ_AT} + 5, seen {time}"
        )
    starts = [e.at_ns for e in trial.told("gateway.readout") if e.fields["value"] == "running"]
    before = len(starts)
    await trial.wait_s(200)
    starts = [e.at_ns for e in trial.told("gateway.readout") if e.fields["value"] == "running"]
    verdicts.equal("GEN-01.6", "read-outs in 200 s", 2, len(starts) - before)


@case(
    "bus/too-slow",
    "A cycle that is too short for the bus is told, and the meters are read all the same",
    ("REG-CUST.3",),
    Arrangement(
        tuple(
            {
                **WORKED_EXAMPLES[0],
                "id": f"m{n}",
                "primary_address": n,
                "identification_number": 10000000 + n,
            }
            for n in range(5, 10)
        ),
        {**PRIMARY, "METER_TIME": 10, "MBUS_TIMEOUT": 2000},
        baudrate=300,
    ),
)
async def too_slow(trial: Trial, verdicts: Verdicts) -> None:
    """Six meters at 300 Bd take longer than 10 s; with 60 s the message is gone."""
    await trial.commission()
    await trial.wait_s(30)
    told = [event.fields["value"] for event in trial.told("readout.overload")]
    verdicts.equal("REG-CUST.3", "told with 10 s", [True], told)
    served = await trial.registers(last=19)
    verdicts.equal("REG-CUST.3", "flags", 0, served.get(18))
    await trial.set_chip_ini(METER_TIME=60)
    await trial.wait_s(130)
    verdicts.equal("REG-CUST.3", "too slow with 60 s", False, trial.appliance.is_overloaded())


# --- Users and sessions (manual 4.7, 8.2) ---------------------------------------------------------


async def refusal(login: Awaitable[Session]) -> Refusal | None:
    """Why a login is refused; None where it is not."""
    try:
        await login
    except SessionError as error:
        return error.refusal
    return None


@case(
    "users/factory",
    "The users of the factory: admin may do everything, web is the default user",
    ("USR-01.2", "USR-02.1", "USR-02.2", "USR-01.4"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def users(trial: Trial, verdicts: Verdicts) -> None:
    """Passwords are the names; maximum sessions of admin 1, of web no limit (C-65)."""
    door = trial.appliance
    wrong = await refusal(door.login("admin", "Admin", _HOST))
    verdicts.equal("USR-02.1", "admin with a wrong password", Refusal.PASSWORD, wrong)
    admin = await door.login("admin", "admin", _HOST)
    missing = [right.value for right in Right if not admin.may(right)]
    verdicts.equal("USR-02.1", "rights that admin has not", [], missing)
    second = await refusal(door.login("admin", "admin", "192.168.1.8"))
    verdicts.equal("USR-01.2", "a second session of admin", Refusal.SESSIONS, second)
    by_default = [await door.default_login(f"192.168.1.{n}") for n in range(20, 23)]
    verdicts.equal("USR-01.2", "sessions of web", 3, len({one.id for one in by_default}))
    verdicts.equal("USR-02.2", "the default user", "web", by_default[0].user)
    writes = [right.value for right in Right if by_default[0].may(right)
              and right.value.startswith("Write")]  # fmt: skip
    verdicts.equal("USR-02.2", "rights to write without a login", [], writes)
    verdicts.equal("USR-01.4", "FTP right of web", False, by_default[0].may(Right.FTP))
    ftp = await door.login("ftp", "ftp", _HOST)
    verdicts.equal("USR-01.4", "FTP right of ftp", True, ftp.may(Right.FTP))


@case(
    "users/write-access",
    "One session may write; logging out frees it, and a longer time-out keeps a session",
    ("TROUBLE-01.8", "TROUBLE-01.6"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "WEBCOM_TIMEOUT": 30000}),
)
async def write_access(trial: Trial, verdicts: Verdicts) -> None:
    """Worked examples 15, and the time-out of 8.2 with 30 s and 90 s."""
    door = trial.appliance
    first = await door.login("admin", "admin", _HOST)
    second = await door.login("web", "web", "192.168.1.8")
    seen = [first.may(Right.WRITE_METER), second.may(Right.WRITE_METER)]
    verdicts.equal("TROUBLE-01.8", "who may write", [True, False], seen)
    door.logout(first.id)
    door.logout(second.id)
    third = await door.login("web", "web", "192.168.1.8")
    verdicts.equal("TROUBLE-01.8", "behind the logout", True, third.may(Right.WRITE_METER))
    for limit_ms, seconds, lives in ((30000, 29, True), (30000, 31, False), (90000, 31, True)):
        await trial.set_chip_ini(WEBCOM_TIMEOUT=limit_ms)
        session = await door.login("web", "web", _HOST)
        await trial.wait_s(seconds)
        try:
            door.session(session.id)
            is_alive = True
        except SessionError:
            is_alive = False
        verdicts.equal(
            "TROUBLE-01.6",
            f"alive after {seconds} s of silence with {limit_ms} ms",
            lives,
            is_alive,
        )
