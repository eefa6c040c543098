"""What pages may change and what they only show, without a browser (manual 4.2, 4.3, 4.4, 8.3)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import astuple
from typing import TYPE_CHECKING, Final

from gateway.device.edits import EditError
from gateway.device.rows import COLUMNS
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY
from scenarios.compliance.cases.meter_tab import refused, row_evidence, rows
from scenarios.compliance.registry import case
from scenarios.compliance.verdicts import register_evidence

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

_LIST: Final = "app/Device_Handle.cfg"
_CHIP_INI: Final = "app/chip.ini"
_HEADS: Final = (
    "Interface", "S", "Serial", "MAN", "Medium", "Version", "Link", "Value", "Scale", "Unit",
    "Cycle", "User label", "Description", "Register",
)  # fmt: skip


@case(
    "meter-tab/column-order",
    "Fourteen columns in the order of the manual, heads and rows alike",
    ("MET-01.1",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def column_order(trial: Trial, verdicts: Verdicts) -> None:
    """Fig. 6; meter A of the worked examples and its first value, column by column."""
    await trial.commission()
    verdicts.equal("MET-01.1", "heads", list(_HEADS), list(COLUMNS.values()))
    meter, energy = rows(trial)[:2]
    wanted = ["M-Bus", "", "66600106", "LUG", "Heat (outlet)", "2", "5", "", "", "", "0", "", "",
              "10"]  # fmt: skip
    verdicts.equal("MET-01.1", "row of meter A", wanted, list(astuple(meter)), row_evidence(meter))
    wanted = ["---", "", "", "", "", "", "", "267", "1E+3", "Wh", "", "", "Energy", "20"]
    verdicts.equal("MET-01.1", "row of its energy", wanted, list(astuple(energy)))


#: A text that each element would take, were it not for its column.
_METER_TEXTS: Final = {
    "interface": "M-Bus 2", "serial": "0x12345678", "manufacturer": "ABC", "medium": "Water",
    "version": "0x09", "primaryaddress": "0x09",
}  # fmt: skip
_VALUE_TEXTS: Final = {"scale": "1e6", "unit": "kg", "description": "Mass"}


@case(
    "meter-tab/writable",
    "Cycle, User label and Register are written; what the other columns show is refused",
    ("MET-01.2",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def writable(trial: Trial, verdicts: Verdicts) -> None:
    """Each element of the list that has a column, on the row of the meter and of a value."""
    door = trial.appliance
    await trial.commission()
    before = [astuple(row) for row in rows(trial)]
    handle = door.meters()[0].handle
    for name, text in _METER_TEXTS.items():
        words = refused(lambda n=name, t=text: door.set_meter(handle, n, t))  # type: ignore[misc]
        verdicts.check("MET-01.2", words is not None, f"{name} of a meter was changed to {text}")
    for name, text in _VALUE_TEXTS.items():
        words = refused(lambda n=name, t=text: door.set_value(handle, 0, n, t))  # type: ignore[misc]
        verdicts.check("MET-01.2", words is not None, f"{name} of a value was changed to {text}")
    await door.save()
    verdicts.equal("MET-01.2", "rows behind refusals", before, [astuple(r) for r in rows(trial)])
    for name, text in (("readoutcycle", "77"), ("user", "boiler"), ("register", "300")):
        words = refused(lambda n=name, t=text: door.set_meter(handle, n, t))  # type: ignore[misc]
        verdicts.equal("MET-01.2", f"refusal of {name}", None, words)
    for name, text in (("user", "heat"), ("register", "400")):
        words = refused(lambda n=name, t=text: door.set_value(handle, 0, n, t))  # type: ignore[misc]
        verdicts.equal("MET-01.2", f"refusal of {name} of a value", None, words)
    await door.save()
    meter, energy = rows(trial)[:2]
    seen = [meter.cycle, meter.user_label, meter.register, energy.user_label, energy.register]
    verdicts.equal("MET-01.2", "what was written", ["77", "boiler", "300", "heat", "400"], seen)


@case(
    "meter-tab/single-value",
    "A value cannot be deleted by itself: it is refused, and nothing is lost",
    ("MET-03.6",),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def single_value(trial: Trial, verdicts: Verdicts) -> None:
    """Each value of both meters; then a Save and a restart."""
    door = trial.appliance
    await trial.commission()
    counts = [len(view.entry.values) for view in door.meters()]
    for view in door.meters():
        for number in range(len(view.entry.values)):
            words = refused(lambda h=view.handle, n=number: door.delete(h, n))  # type: ignore[misc]
            verdicts.check("MET-03.6", words is not None, f"value {number + 1} was deleted")
    await door.save()
    served = await trial.registers(last=99)
    wanted = [10 * n for n in range(1 + sum(counts) + len(counts))]
    verdicts.equal("MET-03.6", "entries served", wanted, [a for a in served if not a % 10])
    door.reboot()
    await door.ready()
    seen = [len(view.entry.values) for view in door.meters()]
    verdicts.equal("MET-03.6", "values behind a restart", counts, seen)


@case(
    "meter-tab/allocate",
    "Allocate and Deallocate: for one meter with its values, or for all",
    ("MET-06.2",),
    Arrangement(WORKED_EXAMPLES, PRIMARY),
)
async def allocate(trial: Trial, verdicts: Verdicts) -> None:
    """Meter A has three values, meter B two; what each command gives and takes is served."""
    door = trial.appliance
    await trial.appliance.scan()
    first, second = (view.handle for view in door.meters())

    async def served(what: str, *wanted: int) -> None:
        await door.save()
        registers = await trial.registers(last=99)
        seen = [address for address in registers if not address % 10]
        verdicts.equal("MET-06.2", f"entries served behind {what}", [0, *wanted], seen)

    await served("a scan")
    door.allocate_registers(second)
    await served("Allocate for one meter", 10, 20, 30)
    door.allocate_registers(first)
    await served("Allocate for the other", *range(10, 80, 10))
    door.deallocate_registers(second)
    await served("Deallocate for one meter", 40, 50, 60, 70)
    door.allocate_registers()
    await served("Allocate for all", *range(10, 80, 10))
    registers = await trial.registers(last=12)
    verdicts.equal(
        "MET-06.2", "manufacturer at register 12", 0x32A7, registers.get(12),
        register_evidence(12, [registers.get(12)]),
    )  # fmt: skip
    door.deallocate_registers()
    await served("Deallocate for all")


# --- General tab ----------------------------------------------------------------------------------


@case(
    "general/serial-number",
    "The serial number is shown, and nothing that a page or a file can do changes it",
    ("GEN-01.2",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY, serial_number=75907),
)
async def serial_number(trial: Trial, verdicts: Verdicts) -> None:
    """Shown on the tab and in registers 0 and 1; there is no key for it."""
    door = trial.appliance

    async def shown(when: str) -> None:
        served = await trial.registers(last=1)
        number = (served.get(0) or 0) << 16 | (served.get(1) or 0)
        verdicts.equal("GEN-01.2", f"registers 0 and 1 {when}", 75907, number)
        plate = door.type_plate().serial_number
        verdicts.equal("GEN-01.2", f"the tab {when}", 75907, plate)

    await shown("at first")
    names = ("SERIAL", "SERIALNUMBER", "SERIAL_NUMBER", "DEVICE.SERIAL", "DEVICE.SERIALNUMBER")
    for name in names:
        words = refused(lambda key=name: door.set_key(key, "12345"))  # type: ignore[misc]
        verdicts.check("GEN-01.2", words is not None, f"{name} was changed by a page")
    await door.save()
    await shown("behind a Save")
    text = trial.storage.read(_CHIP_INI).decode()
    lines = "".join(f"\n{name}=12345" for name in names if "." not in name)
    trial.storage.replace(_CHIP_INI, text.replace("[CONFIG]", f"[CONFIG]{lines}").encode())
    verdicts.check("GEN-01.2", b"12345" in trial.storage.read(_CHIP_INI), "the file was not edited")
    door.reboot()
    await door.ready()
    await shown("behind an edited file")


#: What is written into each drive, in kB; it is a multiple of 1024 bytes, so it must show whole.
_WRITTEN_KB: Final = 300


@case(
    "general/free-space",
    "Free space of log and flash in kB goes down by what is written, and cannot be written",
    ("GEN-01.5",),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "METER_TIME": 86400}),
)
async def free_space(trial: Trial, verdicts: Verdicts) -> None:
    """A file of 300 kB is added and taken away again."""
    door = trial.appliance
    await trial.wait_s(20)
    before = door.free_space()
    free_kb = trial.storage.free_bytes() // 1024
    verdicts.equal("GEN-01.5", "free space Flash (kB)", free_kb, before[1])
    verdicts.check(
        "GEN-01.5", 0 < before[0] <= before[1],
        f"free space log (kB): expected 1 to {before[1]}, seen {before[0]}",
    )  # fmt: skip
    for path in ("log/ballast", "app/ballast"):
        trial.storage.replace(path, bytes(_WRITTEN_KB * 1024))
        seen = door.free_space()
        wanted = tuple(number - _WRITTEN_KB for number in before)
        verdicts.equal("GEN-01.5", f"log and Flash (kB) with {path}", wanted, seen)
        trial.storage.replace(path, b"")
        verdicts.equal("GEN-01.5", f"log and Flash (kB) without {path}", before, door.free_space())
    for name in ("FREESPACE", "FREE_SPACE", "DEVICE.FREESPACE"):
        words = refused(lambda key=name: door.set_key(key, "1"))  # type: ignore[misc]
        verdicts.check("GEN-01.5", words is not None, f"{name} was changed by a page")


# --- Configuration tab ----------------------------------------------------------------------------

#: Choices of the M-Bus mode: settings, and the numbers in the order in which a search finds them.
_MODES: Final[tuple[tuple[str, dict[str, str], bool | None, list[str]], ...]] = (
    ("secondary scan", {"MBUS_SCANMODE": "SECONDARYSCAN"}, True, ["00428670", "66600106"]),
    (
        "reverse secondary scan", {"MBUS_SCANMODE": "SECONDARYSCANREVERSE"}, True,
        ["00428670", "66600106"],
    ),
    ("primary scan", {"MBUS_SCANMODE": "PRIMARYSCAN"}, False, ["66600106", "00428670"]),
    ("transparent, TCP", {"MBUS_SCANMODE": "TRANSPARENTTCP"}, None, []),
    ("transparent, UDP", {"MBUS_SCANMODE": "TRANSPARENTUDP"}, None, []),
    ("off", {"MBUS_ENABLE": "0"}, None, []),
)  # fmt: skip


@case(
    "settings/modes",
    "Every M-Bus mode is chosen on the page, stands in the file, and searches as it should",
    ("CFG-06.2",),
    Arrangement(WORKED_EXAMPLES, {**PRIMARY, "MBUS_SEARCHTIMING": "ADAPTIVE"}),
)
async def modes(trial: Trial, verdicts: Verdicts) -> None:
    """The wire tells: selections, requests to addresses, or nothing at all (C-20)."""
    door = trial.appliance
    for title, settings, selects, numbers in _MODES:
        for view in door.page_meters():
            door.delete(view.handle)
        for name, text in {"MBUS_ENABLE": "1", **settings}.items():
            words = refused(lambda n=name, t=text: door.set_key(n, t))  # type: ignore[misc]
            verdicts.equal("CFG-06.2", f"refusal of {title}", None, words)
        with suppress(EditError):
            await door.save()
        text = trial.storage.read(_CHIP_INI).decode()
        for name, value in settings.items():
            wanted = f"{name}={value}"
            verdicts.check("CFG-06.2", wanted in text, f"{title}: expected {wanted} in the file")
        door.reboot()
        await door.ready()
        await trial.wait_s(1)
        since = len(trial.frames)
        with suppress(OSError):
            await door.scan()
        sent = trial.sent(since)
        selections = [data for data in sent if data[6:7] == b"\x52"]
        verdicts.equal("CFG-06.2", f"{title}: whether anything is sent", selects is not None,
                       bool(sent))  # fmt: skip
        verdicts.equal("CFG-06.2", f"{title}: whether it selects", bool(selects), bool(selections))
        seen = [view.identification_number for view in door.meters()]
        verdicts.equal("CFG-06.2", f"{title}: meters in the order of the list", numbers, seen)
