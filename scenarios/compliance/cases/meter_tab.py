"""The Meter tab as its rows and commands show it, without a browser (manual 4.3, 8.3).

What a page shows is what the appliance hands to it: rows of text in the manual's columns. What a
page does is a command, and what it refuses is an error. Buttons, menus and mice are not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.device.edits import EditError
from reports.record import Evidence
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY
from scenarios.compliance.registry import SuiteCase, add, case

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.device.rows import Row
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

COLUMNS: Final = (
    "interface", "status", "serial", "manufacturer", "medium", "version", "link", "value", "scale",
    "unit", "cycle", "user_label", "description", "register",
)  # fmt: skip
_LIST: Final = "app/Device_Handle.cfg"


def rows(trial: Trial) -> list[Row]:
    """What the page shows now."""
    return [placed.row for placed in trial.appliance.page_list().rows]


def row_evidence(row: Row) -> Evidence:
    """A row as evidence."""
    content = " | ".join(str(getattr(row, name)) for name in COLUMNS)
    return Evidence(kind="event", where="Meter tab", content=content)


def refused(action: Callable[[], Any]) -> str | None:
    """The words with which an action is refused; None where it is not."""
    try:
        action()
    except EditError as error:
        return str(error)
    return None


@case(
    "meter-tab/columns",
    "The rows of two meters in the columns and forms of the manual",
    ("MET-01.3", "MET-01.4", "MET-01.5", "MET-01.6", "MET-10.1", "MET-10.2", "CFG-02"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def columns(trial: Trial, verdicts: Verdicts) -> None:
    """Fig. 6: meter A of the worked examples, row by row, and what was not read yet."""
    await trial.commission()
    meter, energy, temperature, volume = rows(trial)[:4]
    verdicts.equal("MET-01.3", "MAN", "LUG", meter.manufacturer, row_evidence(meter))
    verdicts.equal("MET-01.4", "Link", "5", meter.link, row_evidence(meter))
    scales = [energy.scale, temperature.scale, volume.scale]
    verdicts.equal("MET-01.5", "Scale", ["1E+3", "1E-2", "1E-2"], scales, row_evidence(energy))
    cycles = [row.cycle for row in rows(trial)[:4]]
    verdicts.equal("MET-01.6", "Cycle", ["0", "", "", ""], cycles)
    values = [energy.value, temperature.value, volume.value]
    verdicts.equal("MET-10.1", "Value", ["267", "-1 234", "12 345 678"], values)
    descriptions = [energy.description, temperature.description, volume.description]
    verdicts.equal("CFG-02", "Description", ["Energy", "Flow temperature", "Volume"], descriptions)
    for simulated in trial.meters.values():
        simulated.power(False)
    trial.appliance.reboot()
    await trial.appliance.ready()
    values = [row.value for row in rows(trial)[1:4]]
    verdicts.equal("MET-10.2", "Value without a reading", ["No Data"] * 3, values)


@case(
    "meter-tab/letters",
    "E, asterisk and exclamation mark follow what was edited, limited and not read",
    ("MET-02.1", "MET-02.2", "MET-02.3"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "METER_MAXVALUECOUNT": 2}),
)
async def letters(trial: Trial, verdicts: Verdicts) -> None:
    """Worked examples 9, C-47: the letters stand in the order E * !."""

    def status() -> list[str]:
        return [row.status for row in rows(trial)[:3]]

    await trial.commission()
    verdicts.equal("MET-02.2", "S of a limited meter", ["*", "", ""], status())
    handle = trial.appliance.meters()[0].handle
    trial.appliance.set_value(handle, 1, "user", "cellar")
    verdicts.equal("MET-02.1", "S behind an edit", ["*", "", "E"], status())
    trial.meters["a"].power(False)
    await trial.appliance.readout()
    verdicts.equal("MET-02.3", "S of a silent meter", ["*!", "!", "E!"], status())
    await trial.appliance.save()
    verdicts.equal("MET-02.1", "S behind a Save", ["*!", "!", "!"], status())
    trial.meters["a"].power(True)
    await trial.appliance.readout()
    verdicts.equal("MET-02.3", "S behind a good read-out", ["*", "", ""], status())


@case(
    "meter-tab/edits-need-save",
    "What is edited counts from a Save on, goes to the files, and is forgotten by Reload",
    ("MET-05.2", "FILE-04", "MET-03.5"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def edits_need_save(trial: Trial, verdicts: Verdicts) -> None:
    """A label, a register, a setting and a deletion, before and after a Save, and a restart."""
    door = trial.appliance
    await trial.commission()
    first, second = (view.handle for view in door.meters())
    files = trial.storage.read(_LIST), trial.storage.read("app/chip.ini")

    def edit() -> None:
        door.set_meter(first, "user", "boiler room")
        door.set_meter(first, "register", "200")
        door.set_key("METER_TIME", "321")
        door.delete(second)

    edit()
    served = await trial.registers(last=209)
    verdicts.check("MET-05.2", 200 not in served, "an edit without Save moved a register")
    verdicts.equal("MET-05.2", "cycle in force", 900, door.configuration().meter_time)
    verdicts.equal("MET-03.5", "meters before the Save", 2, len(door.meters()))
    now = trial.storage.read(_LIST), trial.storage.read("app/chip.ini")
    verdicts.check("MET-05.2", now == files, "an edit without Save changed a file")
    door.reload()
    verdicts.equal("MET-05.2", "label behind Reload", "", door.page_meters()[0].entry.user)
    edit()
    await door.save()
    served = await trial.registers(last=209)
    verdicts.check("MET-05.2", 200 in served and 10 not in served, "Save did not move the meter")
    verdicts.equal("MET-05.2", "cycle behind a Save", 321, door.configuration().meter_time)
    texts = [trial.storage.read(path).decode() for path in (_LIST, "app/chip.ini")]
    for wanted, text in (
        ("<user>boiler room</user>", texts[0]),
        ("<register>200</register>", texts[0]),
        ("METER_TIME=321", texts[1]),
    ):
        verdicts.check("FILE-04", wanted in text, f"expected {wanted} in the file")
    verdicts.check("FILE-04", "0x00428670" not in texts[0], "the deleted meter is in the file")
    door.reboot()
    await door.ready()
    left = [view.identification_number for view in door.meters()]
    verdicts.equal("MET-03.5", "meters behind Delete, Save and a restart", ["66600106"], left)
    verdicts.equal("FILE-04", "label after a restart", "boiler room", door.meters()[0].entry.user)


@case(
    "meter-tab/active",
    "Deactivating and activating meters and values",
    ("MET-07.1", "MET-07.2", "MET-07.3"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def active(trial: Trial, verdicts: Verdicts) -> None:
    """Each on the page and, behind a Save, in the registers."""
    door = trial.appliance
    await trial.commission()
    handle = door.meters()[0].handle

    async def saved(requirement: str, what: str, on: list[int]) -> None:
        (view,) = door.page_meters()
        shown = [view.entry.active, *(value.active for value in view.entry.values)]
        verdicts.equal(requirement, what, on, shown)
        await door.save()
        served = await trial.registers(last=59)
        wanted = [10 * (place + 1) for place, is_on in enumerate(on) if is_on]
        verdicts.equal(
            requirement, f"{what}: served", [0, *wanted], [a for a in served if not a % 10]
        )

    door.activate(handle, on=False)
    await saved("MET-07.1", "a deactivated meter", [0, 0, 0, 0])
    door.activate(handle, 1, on=True)
    await saved("MET-07.3", "one value activated", [1, 0, 1, 0])
    door.activate(handle, on=True)
    await saved("MET-07.2", "an activated meter", [1, 1, 1, 1])


@case(
    "meter-tab/labels",
    "User labels: 50 characters, those that are valid, and no others",
    ("MET-12.3", "MET-12.4", "MET-12.5"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def labels(trial: Trial, verdicts: Verdicts) -> None:
    """Every character of ASCII and some beyond, one by one (C-27)."""
    door = trial.appliance
    await trial.commission()
    handle = door.meters()[0].handle
    valid = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code).isalnum())
    valid += " !$%&/()=?+,.*-_:"
    for code in (*range(0x80), 0xE4, 0x20AC):
        label = f"a{chr(code)}b"
        words = refused(lambda text=label: door.set_meter(handle, "user", text))  # type: ignore[misc]
        is_valid = chr(code) in valid
        verdicts.check(
            "MET-12.4" if is_valid else "MET-12.5", (words is None) is is_valid,
            f"character {code:#04x}: expected {'taken' if is_valid else 'refused'}, seen {words}",
        )  # fmt: skip
    longest = "label of fifty characters, blanks and all included"
    verdicts.equal("MET-12.3", "characters", 50, len(longest))
    verdicts.equal(
        "MET-12.3", "50 characters", None,
        refused(lambda: door.set_meter(handle, "user", longest)),
    )  # fmt: skip
    words = refused(lambda: door.set_meter(handle, "user", longest + "!"))
    verdicts.check("MET-12.3", words is not None, "51 characters were taken")
    await door.save()
    verdicts.equal("MET-12.3", "label on the page", longest, rows(trial)[0].user_label)


@case(
    "meter-tab/register-twice",
    "A register that is given twice, or is no multiple of 10, is refused and nothing is saved",
    ("MET-13", "MET-14.1"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def register_twice(trial: Trial, verdicts: Verdicts) -> None:
    """The message names the register; the list in force and its file stay."""
    door = trial.appliance
    await trial.commission()
    first, second = (view.handle for view in door.meters())
    before = trial.storage.read(_LIST)
    for requirement, register in (("MET-13", "10"), ("MET-14.1", "105")):
        door.reload()
        words = refused(lambda text=register: door.set_meter(second, "register", text))  # type: ignore[misc]
        if words is None:
            try:
                await door.save()
            except EditError as error:
                words = str(error)
        verdicts.check(requirement, words is not None, f"register {register} was saved")
        verdicts.check(
            requirement, register in (words or ""), f"expected {register} in the message: {words}"
        )
        verdicts.check(requirement, trial.storage.read(_LIST) == before, "the list was written")
    door.reload()
    door.set_meter(first, "register", "500")
    await door.save()
    served = await trial.registers(last=509)
    verdicts.check("MET-14.1", 500 in served, "a multiple of 10 was not taken")


@case(
    "meter-tab/add",
    "Meters are added by hand: eight digits, several at once, counted up",
    ("MET-16.1", "MET-16.2", "MET-16.4", "MET-16.5"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def add_by_hand(trial: Trial, verdicts: Verdicts) -> None:
    """C-66: serial, link and register count up."""
    door = trial.appliance
    for serial in ("1234567", "123456789", "1234567A", "", "1234 678"):
        words = refused(lambda text=serial: door.add_meters(text))  # type: ignore[misc]
        verdicts.check("MET-16.1", words is not None, f"the serial number {serial!r} was taken")
    verdicts.equal("MET-16.1", "meters behind refusals", 0, len(door.page_meters()))
    door.add_meters("66600104", link=3, cycle=60, label="flat", register=100, count=3)
    seen = [
        (view.entry.serial, view.entry.primaryaddress, view.entry.readoutcycle, view.entry.user,
         view.entry.register)
        for view in door.page_meters()
    ]  # fmt: skip
    wanted = [(f"6660010{4 + n}", 3 + n, 60, "flat", 100 + 10 * n) for n in range(3)]
    for requirement in ("MET-16.2", "MET-16.4"):
        verdicts.equal(requirement, "meters added", wanted, seen)
    await door.save()
    listed = [view.entry.serial for view in door.meters()]
    verdicts.equal("MET-16.5", "the list", [row[0] for row in wanted], listed)
    await trial.wait_s(120)
    served = await trial.registers(last=129)
    verdicts.equal("MET-16.5", "flags of meter A, which is there", 0, served.get(128))
    verdicts.equal("MET-16.5", "flags of one that is not", 3, served.get(108))


# --- Description modes (CFG-17, worked examples 14) -----------------------------------------------

_RECORD: Final = {
    "dib": "8C11", "vib": "04", "data": "96470600",
    "expect": {"kind": "number", "value_type": "Energy", "unit": "Wh", "scale": 1},
}  # fmt: skip
_DESCRIBED: Final = (
    {"id": "a", "records": [_RECORD], "manufacturer": "LUG", "version": 2, "medium": 4,
     "identification_number": 66600106, "primary_address": 5},
)  # fmt: skip


def _description(name: str, flags: int, text: str, *ids: str) -> None:
    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.commission()
        trial.appliance.set_key("MUC_METERDESCRIPTION_ENABLEFLAGS", str(flags))
        await trial.appliance.save()
        row = rows(trial)[1]
        for requirement in ids:
            verdicts.equal(requirement, "Description", text, row.description, row_evidence(row))

    title = f"Description mode {flags} describes a value as {text!r}"
    add(SuiteCase(f"description/{name}", title, ids, Arrangement(_DESCRIBED, PRIMARY), procedure))


for _name, _flags, _text, *_ids in (
    ("none", 0, "", "CFG-17.1", "MET-18.6"),
    ("standard", 1, "Energy", "CFG-17.2"),
    ("extended", 3, "Energy [2] <1>", "CFG-17.3"),
    ("extended-dif", 7, "Energy [2] <1> # 8C 11 04", "CFG-17.4"),
    ("extended-raw", 11, "Energy [2] <1> # 8C 11 04 96 47 06 00", "CFG-17.5"),
    ("dif", 4, "8C 11 04", "CFG-17.6", "MET-18.6"),
    ("raw", 8, "8C 11 04 96 47 06 00", "CFG-17.7"),
):
    _description(str(_name), int(str(_flags)), str(_text), *map(str, _ids))


# --- Capacity (MET-17, MET-18) --------------------------------------------------------------------


def _long_list(count: int) -> dict[str, bytes]:
    """A list of so many meters, each with a label of 50 characters."""
    meters = "".join(
        f"<meter><interface>M-Bus</interface><serial>0x{n or 66600106:08d}</serial>"
        f"<user>{'x' * 50}</user><active>{int(n in (0, count - 1))}</active>"
        f"<register>{10 * (n + 1)}</register></meter>\n"
        for n in range(count)
    )
    return {
        _LIST: f'<?xml version="1.0"?>\n<root>\n<version>0x08</version>\n{meters}</root>'.encode()
    }


@case(
    "meter-tab/capacity",
    "A list that is too long for the page says so, is read and served, and goes with a Save",
    ("MET-17.1", "MET-17.2", "MET-17.3", "MET-17.4"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "TCPIPMEM": 60}, _long_list(600)),
)
async def capacity(trial: Trial, verdicts: Verdicts) -> None:
    """C-33, C-34: the text of manual 8.3 in place of the rows."""
    door = trial.appliance
    for when in ("at first", "after a restart"):
        shown = door.page_list()
        text = "The meter list exceeds the capacity of the internal webserver"
        verdicts.equal("MET-17.2", f"the page {when}", (0, text), (len(shown.rows), shown.text))
        door.reboot()
        await door.ready()
    answer = await trial.read(6000, 2)
    words = getattr(answer, "words", ())
    verdicts.equal("MET-17.3", "number of the last meter", (0, 599), tuple(words))
    await trial.wait_s(30)
    words = getattr(await trial.read(18, 1), "words", ())
    verdicts.equal("MET-17.3", "flags of the first meter", (0,), tuple(words))
    report = await trial.appliance.scan()
    verdicts.equal("MET-17.1", "message of a scan", "Webserver capacity exceeded", report.message)
    words_told = ""
    try:
        await door.save()
    except EditError as error:
        words_told = str(error)
    verdicts.check(
        "MET-17.4",
        "Webserver capacity exceeded" in words_told,
        f"expected the message: {words_told!r}",
    )
    verdicts.equal("MET-17.4", "meters behind the Save", 0, len(door.meters()))
    text = trial.storage.read(_LIST).decode()
    verdicts.check("MET-17.4", "<meter>" not in text, "expected an empty list in the file")


@case(
    "meter-tab/smaller",
    "Description modes None and Standard make the list smaller",
    ("MET-17.1", "MET-18.1"),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def smaller(trial: Trial, verdicts: Verdicts) -> None:
    """None, Standard, Extended and Extended with raw data, in the order of their sizes."""
    report = await trial.appliance.scan()
    verdicts.equal("MET-17.1", "message of a scan that fits", "", report.message)
    await trial.commission()
    sizes = []
    for flags in (0, 1, 7, 11):
        trial.appliance.set_key("MUC_METERDESCRIPTION_ENABLEFLAGS", str(flags))
        await trial.appliance.save()
        sizes.append(trial.appliance.page_list().capacity.size)
    verdicts.check(
        "MET-18.1",
        sizes[0] < sizes[1] < sizes[2] < sizes[3],
        f"expected growing sizes, seen {sizes}",
    )
