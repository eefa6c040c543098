"""The meter list through edits, scans and restarts: places, activity, labels, cycles, units.

What is saved must be served at once and be the same behind a restart (FILE-04, C-51), and nobody
but a person changes what a person has set (MET-03, SCAN-02).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gateway.device.edits import EditError
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY, leds, listed, spans
from scenarios.compliance.cases.flags import Seen
from scenarios.compliance.cases.meter_tab import rows
from scenarios.compliance.cases.record_data import entry
from scenarios.compliance.registry import case

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

_LIST: Final = "app/Device_Handle.cfg"
MULTI_SLAVE: Final = {**PRIMARY, "MODBUSMETER_PROTOCOLVERSION": 2}
BIG: Final = (
    {"id": "big", "profile": "electricity-multipage", "identification_number": 40000001,
     "primary_address": 5},
)  # fmt: skip


async def restarted(trial: Trial) -> None:
    """Restart the device and wait for its first pass."""
    trial.appliance.reboot()
    await trial.appliance.ready()
    await trial.appliance.readout()


async def entries(trial: Trial, last: int = 109, unit: int = 255) -> list[int]:
    """The addresses at which entries of ten registers begin."""
    served = await trial.registers(unit, last=last)
    return [address for address in served if not address % 10]


async def words_of_refusal(trial: Trial) -> str | None:
    """The words with which a Save is refused; None where it is not."""
    try:
        await trial.appliance.save()
    except EditError as error:
        return str(error)
    return None


# --- Places ---------------------------------------------------------------------------------------


@case(
    "places/long-meter",
    "Every value of a long meter gets its registers, behind the last one the next meter's",
    ("MET-15",),
    Arrangement(
        (*BIG, {**WORKED_EXAMPLES[1], "primary_address": 6}), {**PRIMARY, "METER_MAXVALUECOUNT": 0}
    ),
)
async def long_meter(trial: Trial, verdicts: Verdicts) -> None:
    """30 values, so the second meter begins at 10 + 31 x 10."""
    await trial.commission()
    verdicts.equal("MET-15", "what did not fit", [], await trial.appliance.allocate())
    wanted = list(range(0, 350, 10))
    verdicts.equal("MET-15", "entries", wanted, await entries(trial, 399))
    head = await entry(trial, 320) or (0, 0)
    verdicts.equal("MET-15", "number of the second meter", 428670, head[0] << 16 | head[1])


@case(
    "places/one-meter",
    "One meter's registers are taken back, with those of its values, and given anew in a gap",
    ("MET-14.2", "MET-15"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def one_meter(trial: Trial, verdicts: Verdicts) -> None:
    """The lowest gap that fits, be it to the last register (C-67)."""
    door = trial.appliance
    await trial.commission()
    first, second = (view.handle for view in door.meters())
    both = [0, 10, 20, 30, 40, 50, 60, 70]
    verdicts.equal("MET-15", "entries", both, await entries(trial))
    door.deallocate_registers(first)
    verdicts.equal("MET-14.2", "Save without registers", None, await words_of_refusal(trial))
    verdicts.equal("MET-14.2", "entries left", [0, 50, 60, 70], await entries(trial))
    door.allocate_registers(first)
    await door.save()
    verdicts.equal("MET-15", "a gap that it fills exactly", both, await entries(trial))
    door.deallocate_registers(second)
    await door.save()
    door.set_value(first, 2, "register", "100")
    await door.save()
    door.allocate_registers(second)
    await door.save()
    wanted = [0, 10, 20, 30, 40, 50, 60, 100]
    verdicts.equal("MET-15", "a gap between entries", wanted, await entries(trial))
    door.deallocate_registers()
    await door.save()
    verdicts.equal("MET-14.2", "entries with none allocated", [0], await entries(trial))


@case(
    "places/twice",
    "A register that two entries claim in any way is refused",
    ("MET-13",),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def twice(trial: Trial, verdicts: Verdicts) -> None:
    """Two values of one meter, a value and a meter, and one that is switched off (C-53, C-67)."""
    door = trial.appliance
    await trial.commission()
    first, second = (view.handle for view in door.meters())
    for what, handle, number, register in (
        ("two values of a meter", first, 1, "20"),
        ("a value and its meter", first, 0, "10"),
        ("a value and another meter", first, 2, "50"),
        ("values of two meters", second, 1, "30"),
    ):
        door.set_value(handle, number, "register", register)
        words = await words_of_refusal(trial)
        verdicts.check("MET-13", register in (words or ""), f"{what}: seen {words}")
        door.reload()
    door.activate(first, 1, on=False)
    await door.save()
    door.set_value(first, 2, "register", "30")
    words = await words_of_refusal(trial)
    verdicts.check("MET-13", words is not None, "the register of an inactive value was taken")


@case(
    "places/overlap-float-only",
    "In the float-only layout an entry that begins inside another is refused",
    ("MET-13", "SRV-05"),
    Arrangement(WORKED_EXAMPLES, {**PRIMARY, "MODBUSMETER_PROTOCOLVERSION": 1}),
    claims="float_only",
)
async def overlap_float_only(trial: Trial, verdicts: Verdicts) -> None:
    """A value at 24 lies inside a meter's entry from 20 on."""
    door = trial.appliance
    await trial.commission()
    first, second = (view.handle for view in door.meters())
    door.set_value(first, 0, "register", "104")
    await door.save()
    for register in ("100", "96"):
        door.set_meter(second, "register", register)
        words = await words_of_refusal(trial)
        verdicts.check("MET-13", words is not None, f"a meter at {register} over a value at 104")
        verdicts.check("SRV-05", words is not None, f"a meter at {register} over a value at 104")
        door.reload()
    door.set_meter(second, "register", "94")
    verdicts.equal("MET-13", "a meter at 94", None, await words_of_refusal(trial))
    door.set_meter(second, "register", "106")
    verdicts.equal("MET-13", "a meter at 106", None, await words_of_refusal(trial))


# --- Activity, labels, cycles ---------------------------------------------------------------------


@case(
    "list/activity-kept",
    "What is active is served at once and behind a restart, and nothing else is",
    ("MET-07.1", "MET-07.3", "REG-00.1"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def activity_kept(trial: Trial, verdicts: Verdicts) -> None:
    """One value off leaves its meter and the others; a meter off takes all."""
    door = trial.appliance
    await trial.commission()
    for requirement, number, is_on, wanted in (
        ("REG-00.1", 1, False, [0, 10, 20, 40]),
        ("REG-00.1", 0, False, [0, 10, 40]),
        ("MET-07.3", 1, True, [0, 10, 30, 40]),
        ("MET-07.1", None, False, [0]),
        ("MET-07.3", 2, True, [0, 10, 40]),
    ):
        door.activate(door.meters()[0].handle, number, on=is_on)
        await door.save()
        what = f"value {number} {'on' if is_on else 'off'}"
        verdicts.equal(requirement, f"{what}: served", wanted, await entries(trial, 59))
        await restarted(trial)
        seen = await entries(trial, 59)
        verdicts.equal(requirement, f"{what}: served behind a restart", wanted, seen)


@case(
    "list/inactive-meter",
    "An inactive meter is not served, whatever its values say",
    ("REG-00.1",),
    Arrangement(
        WORKED_EXAMPLES[:1],
        PRIMARY,
        {
            _LIST: listed()[_LIST].replace(
                b"<addressmode>1</addressmode>", b"<addressmode>1</addressmode><active>0</active>"
            )
        },
    ),
)
async def inactive_meter(trial: Trial, verdicts: Verdicts) -> None:
    """Written by hand: the meter off, its values on (C-53)."""
    await trial.appliance.readout()
    verdicts.equal("REG-00.1", "entries", [0], await entries(trial, 59))


@case(
    "list/labels-kept",
    "Labels with every character that is valid are the same behind a restart",
    ("MET-12.3", "MET-12.4", "FILE-04", "FILE-01"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def labels_kept(trial: Trial, verdicts: Verdicts) -> None:
    """Of a meter and of its values, blanks at the ends and all (MET-12); m³ is in the file."""
    door = trial.appliance
    await trial.commission()
    labels = (" !$%&/()=?+,.*-_:", "  both ends  ", "A&B && no", "z" * 50)
    handle = door.meters()[0].handle
    door.set_meter(handle, "user", labels[0])
    for number, label in enumerate(labels[1:]):
        door.set_value(handle, number, "user", label)
    await door.save()
    for when in ("behind the Save", "behind a restart"):
        seen = [row.user_label for row in rows(trial)]
        for requirement in ("MET-12.3", "MET-12.4", "FILE-04"):
            verdicts.equal(requirement, f"labels {when}", list(labels), seen)
        await restarted(trial)
    data = trial.storage.read(_LIST)
    verdicts.check("FILE-01", "m³".encode() in data, "expected m³ in UTF-8 in the file")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        verdicts.check("FILE-01", False, f"expected UTF-8: {error}")


@case(
    "list/cycles-kept",
    "A meter's own cycle, longer or shorter than the common one, counts for it alone and is kept",
    ("NET-10.2", "MET-16.2", "MET-16.3"),
    Arrangement(WORKED_EXAMPLES, {**PRIMARY, "METER_TIME": 300}),
)
async def cycles_kept(trial: Trial, verdicts: Verdicts) -> None:
    """Requests to the meters at 5 and 9 in an hour, before and behind a restart."""
    door = trial.appliance
    await trial.commission()
    first = door.meters()[0].handle
    for cycle, wanted in (("1200", (3, 12)), ("100", (36, 12)), ("0", (12, 12))):
        door.set_meter(first, "readoutcycle", cycle)
        await door.save()
        for when in ("", " behind a restart"):
            await trial.wait_s(5)
            since = len(trial.frames)
            await trial.wait_s(3600)
            sent = [data for data in trial.sent(since) if data[1:2] in (b"\x5b", b"\x7b")]
            seen = tuple(sum(data[2] == address for data in sent) for address in (5, 9))
            verdicts.check(
                "NET-10.2",
                all(abs(a - b) <= 1 for a, b in zip(seen, wanted, strict=True)),
                f"cycle {cycle}{when}: expected {wanted} read-outs in an hour, seen {seen}",
            )
            await restarted(trial)
    door.add_meters("11111111", cycle=60)
    door.add_meters("22222222")
    await door.save()
    cycles = [view.entry.readoutcycle for view in door.meters()[-2:]]
    verdicts.equal("MET-16.2", "cycle of the first meter added", 60, cycles[0])
    verdicts.equal("MET-16.3", "cycle of one added without", 0, cycles[1])


@case(
    "list/letters",
    "Letters stand in one order, and a meter that was never tried has none",
    ("MET-02.1", "MET-02.2", "MET-02.3", "MET-01.4"),
    Arrangement(
        ({**WORKED_EXAMPLES[0], "primary_address": 0},),
        {"METER_MAXVALUECOUNT": 2, "MBUS_SEARCHTIMING": "ADAPTIVE", "MBUS_TIMEOUT": 9000},
    ),
)
async def letters(trial: Trial, verdicts: Verdicts) -> None:
    """E before the asterisk before the exclamation mark (C-47); Link 0 is shown as 0 (Fig. 6)."""
    door = trial.appliance
    await trial.commission()
    verdicts.equal("MET-01.4", "Link of a meter without primary address", "0", rows(trial)[0].link)
    trial.meters["a"].power(False)
    await door.readout()
    door.set_meter(door.meters()[0].handle, "user", "cellar")
    for requirement in ("MET-02.1", "MET-02.2", "MET-02.3"):
        verdicts.equal(requirement, "S of the meter", "E*!", rows(trial)[0].status)
    door.reload()
    verdicts.equal("MET-02.1", "S behind Reload", "*!", rows(trial)[0].status)
    door.reboot()
    await door.ready()
    status = [row.status for row in rows(trial)]
    verdicts.equal("MET-02.3", "S of a meter that was never tried", [""] * 3, status)


@case(
    "list/limited-by-pages",
    "A meter whose read-out ends at the page limit has the asterisk, and no flag",
    ("MET-02.2", "REG-M.7", "REG-M.8"),
    Arrangement(BIG, {**PRIMARY, "MBUS_MAXMULTIPAGE": 2, "METER_MAXVALUECOUNT": 0}),
)
async def limited_by_pages(trial: Trial, verdicts: Verdicts) -> None:
    """Row 7 of the truth table."""
    await trial.commission()
    verdicts.equal("MET-02.2", "S of the meter", "*", rows(trial)[0].status)
    flags = (await Seen.at(trial, 10)).flags
    for requirement in ("REG-M.7", "REG-M.8"):
        verdicts.equal(requirement, "flags", 0, flags)


# --- Scans over a list ----------------------------------------------------------------------------

MIXED: Final = (*WORKED_EXAMPLES, {
    "id": "c", "profile": "worked-example-a", "identification_number": 99999998,
    "primary_address": 0,
})  # fmt: skip


def _set_by_hand(trial: Trial) -> list[dict[str, Any]]:
    """What the list says of the meters, but for their values' own readings."""
    return [
        {
            "serial": view.entry.serial, "link": view.entry.primaryaddress,
            "mode": view.entry.addressmode, "label": view.entry.user,
            "cycle": view.entry.readoutcycle, "active": view.entry.active,
            "registers": (view.entry.register, *(value.register for value in view.entry.values)),
            "values": [(value.active, value.user) for value in view.entry.values],
        }
        for view in trial.appliance.meters()
    ]  # fmt: skip


@case(
    "scan/known-untouched",
    "Whatever a later scan does, meters that are listed stay as they were set",
    ("SCAN-02.1", "SCAN-02.2", "SCAN-03", "MET-03.3", "MET-03.4"),
    Arrangement(MIXED, {**PRIMARY, "METER_TIME": 200, "MBUS_SEARCHTIMING": "ADAPTIVE"}),
)
async def known_untouched(trial: Trial, verdicts: Verdicts) -> None:
    """Primary, secondary and allocating scans over a list with settings of a person."""
    door = trial.appliance
    await trial.commission()
    first, second = (view.handle for view in door.meters())
    door.set_meter(first, "register", "500")
    door.set_meter(first, "user", "kept")
    door.set_meter(first, "readoutcycle", "777")
    door.set_value(first, 1, "user", "kept too")
    door.activate(first, 2, on=False)
    door.activate(second, on=False)
    await door.save()
    before = _set_by_hand(trial)
    for mode, count in (
        ("PRIMARYSCAN", 2),
        ("SECONDARYSCAN", 3),
        ("SECONDARYSCANALLOC", 3),
        ("PRIMARYSCAN", 3),
    ):
        door.set_key("MBUS_SCANMODE", mode)
        await door.save()
        await door.scan()
        now = _set_by_hand(trial)
        verdicts.equal("MET-03.3", f"meters behind {mode}", count, len(now))
        for requirement in ("SCAN-02.2", "SCAN-03", "MET-03.3"):
            verdicts.equal(requirement, f"the first two behind {mode}", before, now[:2])
        last = "00428670" if count == 2 else "99999998"
        verdicts.equal("SCAN-02.1", f"the last meter behind {mode}", last, now[-1]["serial"])
    trial.meters["a"].power(False)
    await door.readout()
    await door.scan()
    numbers = [one["serial"] for one in _set_by_hand(trial)]
    wanted = ["66600106", "00428670", "99999998"]
    verdicts.equal("MET-03.4", "meters when one is silent", wanted, numbers)
    trial.meters["a"].power(True)
    await restarted(trial)
    verdicts.equal("SCAN-03", "behind a restart", before, _set_by_hand(trial)[:2])


@case(
    "scan/cycle-untouched",
    "A later scan leaves the cycle of known meters as it is",
    ("MET-03.3", "NET-10.2"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "MBUS_MAXPRIMARYADDRESS": 5}),
)
async def cycle_untouched(trial: Trial, verdicts: Verdicts) -> None:
    """The scan falls into the middle of the 900 s."""
    await trial.commission()
    await trial.wait_s(950)
    last = spans(trial, "gateway.readout")[-1][0]
    await trial.wait_s(400)
    await trial.appliance.scan()
    await trial.wait_s(600)
    starts = [start for start, _ in spans(trial, "gateway.readout") if start > last]
    seconds = [round((start - last) / 1e9) for start in starts]
    for requirement in ("MET-03.3", "NET-10.2"):
        verdicts.equal(requirement, "seconds from read-out to read-out", [900], seconds)


#: Numbers that differ in one digit, of every value, at either end and in the middle.
ALIKE: Final = (
    *(11111110 + n for n in range(10)), *(n * 10_000_000 + 2_222_222 for n in range(10)),
    *(33330333 + n * 1000 for n in range(10)), 99999999 - 1, 99999990, 90000000, 0,
)  # fmt: skip


def _alike() -> tuple[dict[str, Any], ...]:
    return tuple(
        {"id": f"m{place}", "profile": "worked-example-a", "identification_number": number,
         "primary_address": 0}
        for place, number in enumerate(dict.fromkeys(ALIKE))
    )  # fmt: skip


async def _all_found(trial: Trial, verdicts: Verdicts, requirement: str) -> None:
    await trial.appliance.scan()
    wanted = sorted(meter.identification_number for meter in trial.meters.values())
    seen = sorted(view.identification_number for view in trial.appliance.meters())
    missing = [number for number in wanted if number not in seen]
    verdicts.equal(requirement, "meters that were not found", [], missing)
    verdicts.equal(requirement, "meters found", len(wanted), len(seen))


@case(
    "scan/digits-literal",
    "Meters whose numbers differ in one digit are all found, in a fixed order of digits",
    ("SCAN-01",),
    Arrangement(
        _alike(),
        {"MBUS_SEARCHTIMING": "LITERAL", "MBUS_TIMEOUT": 120, "MBUS_MAXRETRY": 0},
    ),
)
async def digits_literal(trial: Trial, verdicts: Verdicts) -> None:
    """0 to 9 at the first, the fifth and the last place."""
    await _all_found(trial, verdicts, "SCAN-01")


@case(
    "scan/masks",
    "A mask for manufacturer, version, or digits in the middle narrows a scan",
    ("TROUBLE-01.1", "CFG-09.2"),
    Arrangement(MIXED, {"MBUS_SEARCHTIMING": "ADAPTIVE", "MBUS_TIMEOUT": 300, "MBUS_MAXRETRY": 1}),
)
async def masks(trial: Trial, verdicts: Verdicts) -> None:
    """The manufacturer as in register +2 (C-41): LUG is 32A7, ABB 0442."""
    for requirement, name, text, wanted in (
        ("TROUBLE-01.1", "MBUS_SECMASKMANUFACTURER", "0x0442", ["00428670"]),
        ("TROUBLE-01.1", "MBUS_SECMASKMANUFACTURER", "0x32A7", ["66600106", "99999998"]),
        ("TROUBLE-01.1", "MBUS_SECMASKVERSION", "0x06", ["00428670"]),
        ("TROUBLE-01.1", "MBUS_SECMASKMEDIUM", "0x04", ["66600106", "99999998"]),
        ("CFG-09.2", "MBUS_SECMASKSERIAL", "F6F0F1F6", ["66600106"]),
        ("CFG-09.2", "MBUS_SECMASKSERIAL", "FFFFFF7F", ["00428670"]),
        ("CFG-09.2", "MBUS_SECMASKSERIAL", "99999998", ["99999998"]),
        ("CFG-09.2", "MBUS_SECMASKSERIAL", "FFFFFFFF", ["00428670", "66600106", "99999998"]),
    ):
        for view in trial.appliance.meters():
            trial.appliance.delete(view.handle)
        await trial.appliance.save()
        settings = {
            "MBUS_SECMASKMANUFACTURER": "0xFFFF",
            "MBUS_SECMASKVERSION": "0xFF",
            "MBUS_SECMASKMEDIUM": "0xFF",
            "MBUS_SECMASKSERIAL": "FFFFFFFF",
            name: text,
        }
        await trial.set_chip_ini(**settings)
        await trial.appliance.scan()
        seen = sorted(view.identification_number for view in trial.appliance.meters())
        verdicts.equal(requirement, f"found with {name}={text}", wanted, seen)


@case(
    "scan/device-count",
    "The maximum device count counts all meters of the list",
    ("MET-18.2", "CFG-03.2"),
    Arrangement(MIXED, {"MBUS_SEARCHTIMING": "ADAPTIVE", "METER_MAXDEVICECOUNT": 2}),
)
async def device_count(trial: Trial, verdicts: Verdicts) -> None:
    """C-71: a later scan adds none to a full list; with 0 it adds the third."""
    for limit, wanted in ((2, 2), (2, 2), (0, 3)):
        await trial.set_chip_ini(METER_MAXDEVICECOUNT=limit)
        await trial.appliance.readout()
        await trial.appliance.scan()
        await trial.appliance.readout()
        requirement = "MET-18.2" if limit else "CFG-03.2"
        verdicts.equal(requirement, f"meters with {limit}", wanted, len(trial.appliance.meters()))


# --- Units of the multi-slave layout --------------------------------------------------------------


async def _head(trial: Trial, unit: int) -> tuple[int, ...]:
    answer = await trial.read(0, 20, unit)
    return tuple(getattr(answer, "words", ()))


@case(
    "units/kept",
    "A meter keeps its unit identifier while others come and go, also behind a restart",
    ("SRV-06", "REG-G.4", "REG-00.1"),
    Arrangement(WORKED_EXAMPLES, MULTI_SLAVE),
    claims="multi_slave",
)
async def units_kept(trial: Trial, verdicts: Verdicts) -> None:
    """C-11: each unit has the gateway's block, as fresh as that of the gateway's own unit."""
    door = trial.appliance
    await trial.commission()
    for wait in (0, 100, 100):
        await trial.wait_s(wait)
        await door.readout()
        own = (await _head(trial, 1))[:10]
        answer = await trial.read(0, 10, 255)
        for unit in (1, 2):
            head = await _head(trial, unit)
            for requirement in ("SRV-06", "REG-G.4"):
                wanted = tuple(getattr(answer, "words", ()))
                verdicts.equal(requirement, f"gateway's block of unit {unit}", wanted, head[:10])
        verdicts.check("SRV-06", own != (0,) * 10, "expected the gateway's block")
    first = door.meters()[0].handle
    door.activate(first, on=False)
    await door.save()
    verdicts.equal("SRV-06", "unit of an inactive meter", (), await _head(trial, 1))
    verdicts.equal("REG-00.1", "unit of an inactive meter", (), await _head(trial, 1))
    door.delete(first)
    await door.save()
    for when in ("behind a Delete", "behind a restart"):
        head = await _head(trial, 2)
        verdicts.equal("SRV-06", f"number at unit 2 {when}", (6, 0x8A7E), head[10:12])
        verdicts.equal("SRV-06", f"unit 1 {when}", (), await _head(trial, 1))
        await restarted(trial)


def _many(count: int) -> dict[str, bytes]:
    """A list of so many meters, a value each."""
    meters = "".join(
        f"<meter><interface>M-Bus</interface><serial>0x{10000000 + n}</serial>"
        f"<manufacturer>LUG</manufacturer><version>0x01</version><medium>Gas</medium>"
        f"<register>{20 * n + 10}</register><value><description>Energy</description>"
        f"<unit>Wh</unit><register>{20 * n + 20}</register></value></meter>\n"
        for n in range(count)
    )
    return {_LIST: f'<?xml version="1.0"?>\n<root><version>0x08</version>{meters}</root>'.encode()}


@case(
    "list/eighty",
    "The eightieth meter is served like the first, in one image and under its own unit",
    ("REG-M.1", "REG-00.2", "SRV-06"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "MBUS_ENABLE": 0}, _many(80)),
)
async def eighty(trial: Trial, verdicts: Verdicts) -> None:
    """Nothing is read: the bus is off, and the list alone makes the entries."""
    for number in range(80):
        answer = await trial.read(20 * number + 10, 20)
        words = tuple(getattr(answer, "words", (0, 0)))
        seen = words[0] << 16 | words[1]
        verdicts.equal("REG-M.1", f"number of meter {number + 1}", 10000000 + number, seen)
        verdicts.equal("REG-00.2", f"registers of meter {number + 1}", 20, len(words))
    await trial.set_chip_ini(MODBUSMETER_PROTOCOLVERSION=2)
    for number in range(80):
        head = await _head(trial, number + 1)
        seen = head[10] << 16 | head[11] if len(head) > 11 else None
        verdicts.equal("SRV-06", f"number at unit {number + 1}", 10000000 + number, seen)


@case(
    "units/last",
    "The last unit identifier of a meter is 247",
    ("SRV-06",),
    Arrangement(WORKED_EXAMPLES[:1], {**MULTI_SLAVE, "MBUS_ENABLE": 0}, _many(249)),
    claims="multi_slave",
)
async def last_unit(trial: Trial, verdicts: Verdicts) -> None:
    """C-11, C-75: whoever comes behind has none."""
    for unit, wanted in ((246, True), (247, True), (248, False), (249, False), (254, False)):
        head = await _head(trial, unit)
        verdicts.equal("SRV-06", f"unit {unit} is a meter's", wanted, len(head) == 20)


# --- Indicators and sessions ----------------------------------------------------------------------


@case(
    "leds/red",
    "Settings or a list that cannot be read make ST red, with ACT off, until they are mended",
    ("LED-02.5", "LED-01.1", "LED-02.2"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def red(trial: Trial, verdicts: Verdicts) -> None:
    """C-56; read-outs go on, and ACT stays off while ST is red."""
    await trial.commission()
    good = {path: trial.storage.read(path) for path in (_LIST, "app/chip.ini")}
    for path, text in good.items():
        if trial.storage.exists(f"{path}.bak"):
            trial.storage.remove(f"{path}.bak")
        trial.storage.replace(path, b"\xff\xfe no text at all <")
        trial.appliance.reboot()
        await trial.appliance.ready()
        await trial.wait_s(100)
        act, st = leds(trial, trial.rt.now())
        verdicts.equal("LED-02.5", f"ST with an unreadable {path}", "red", st)
        verdicts.equal("LED-01.1", f"ACT with an unreadable {path}", "off", act)
        trial.storage.replace(path, text)
        trial.appliance.reboot()
        await trial.appliance.ready()
        await trial.wait_s(100)
        verdicts.equal("LED-02.2", "ST when it is mended", "green", leds(trial, trial.rt.now())[1])


@case(
    "leds/save",
    "ST is orange while a Save initialises the device again",
    ("LED-02.3",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def led_of_a_save(trial: Trial, verdicts: Verdicts) -> None:
    """Manual 3.3: initialising; the colour comes and goes."""
    await trial.commission()
    await trial.wait_s(10)
    began = trial.rt.now()
    trial.appliance.set_key("MODBUS_SWAP", "1")
    await trial.appliance.save()
    colours = [event.fields["value"] for event in trial.told("gateway.led.st", began)]
    verdicts.equal("LED-02.3", "colours of ST through a Save", ["orange", "green"], colours)


@case(
    "users/places",
    "A session that has timed out gives its place back",
    ("USR-01.2",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def session_places(trial: Trial, verdicts: Verdicts) -> None:
    """One session is what admin has; 30 s of silence end it (C-32)."""
    for number in range(3):
        try:
            session = await trial.appliance.login("admin", "admin", f"192.168.1.{number + 7}")
        except PermissionError as error:
            verdicts.check("USR-01.2", False, f"login {number + 1}: {error}")
        else:
            verdicts.equal("USR-01.2", f"login {number + 1}", "admin", session.user)
        await trial.wait_s(31)
    for user in trial.appliance.users():
        if user.name == "web":
            limited = replace(user, max_sessions=2)
            others = [one for one in trial.appliance.users() if one.name != "web"]
            await trial.appliance.save_users([*others, limited])
    seen = []
    for number in range(3):
        try:
            await trial.appliance.login("web", "web", f"192.168.1.{number + 7}")
        except PermissionError:
            seen.append(False)
        else:
            seen.append(True)
    verdicts.equal("USR-01.2", "three logins with a maximum of 2", [True, True, False], seen)
