"""What a scan finds, leaves alone and never invents (manual 6.1, 8.3)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.registry import SuiteCase, add, case
from scenarios.compliance.verdicts import frame_evidence

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

HEAT: Final = {"profile": "heat-basic", "answer_delay_bits": [11, 60]}
SECONDARY: Final[dict[str, str | int]] = {
    "MBUS_SCANMODE": "SECONDARYSCAN",
    "MBUS_SEARCHTIMING": "ADAPTIVE",
}


def _meters(*numbers: object, **common: Any) -> tuple[dict[str, Any], ...]:
    return tuple(
        {**HEAT, **common, "id": f"m{index}", "identification_number": number}
        for index, number in enumerate(numbers)
    )


async def found(trial: Trial) -> list[str]:
    """Scan; return the identification numbers of the list, sorted.

    A scan that the device refuses, as it does with the bus switched off, finds nobody.
    """
    with suppress(OSError):
        await trial.appliance.scan()
    return sorted(meter.identification_number for meter in trial.appliance.meters())


def on_the_bus(trial: Trial) -> list[str]:
    """The numbers of the meters that are there."""
    return sorted(meter.identification_number for meter in trial.meters.values())


def _finds(
    name: str, title: str, meters: tuple[dict[str, Any], ...], *ids: str,
    missing: tuple[str, ...] = (), **config: str | int,
) -> None:  # fmt: skip
    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        wanted = [number for number in on_the_bus(trial) if number not in missing]
        seen = await found(trial)
        for requirement in ids:
            verdicts.equal(requirement, "numbers in the list", wanted, seen)

    arrangement = Arrangement(meters, {**SECONDARY, **config}, baudrate=2400)
    add(SuiteCase(f"scan/{name}", title, ids, arrangement, procedure))


_finds("scattered", "Numbers anywhere are all found, and nobody is invented",
       _meters(1, 99999999, 12345678, 50000000, 50000001, 87654321),
       "SCAN-01", "MET-03.2")  # fmt: skip
_finds("letters", "Numbers with hexadecimal digits are found",
       _meters("1234567A", "12345678", "A0000000", "EDCBA987"), "SCAN-01")  # fmt: skip
_finds("same-number", "Meters of one number that differ in version, medium or manufacturer",
       (
           {**HEAT, "id": "a", "identification_number": 20000000, "manufacturer": "KAM"},
           {**HEAT, "id": "b", "identification_number": 20000000, "manufacturer": "ZRM"},
           {**HEAT, "id": "c", "identification_number": 20000000, "manufacturer": "ZRM",
            "version": 99},
           {**HEAT, "id": "d", "identification_number": 20000000, "manufacturer": "ZRM",
            "version": 99, "medium": 7},
       ), "SCAN-01")  # fmt: skip
_finds("in-phase", "Meters that answer at the same moment are told apart",
       _meters(30000001, 30000002, 30000003, 30000004, answer_delay_bits=[20, 20]),
       "SCAN-01")  # fmt: skip
_finds("late", "Meters that answer at the end of the answer window are found",
       _meters(41000000, 42000000, 43000000, answer_delay_bits=[300, 329]), "SCAN-01")  # fmt: skip
_finds("reverse", "The reverse search finds the same",
       _meters(1, 99999999, 12345678, 50000000, 50000001, 87654321), "SCAN-05",
       MBUS_SCANMODE="SECONDARYSCANREVERSE")  # fmt: skip
_finds("mask-serial", "A mask for the number narrows the scan",
       _meters(50000001, 50000002, 60000001), "CFG-09.2", "TROUBLE-01.1",
       missing=("60000001",), MBUS_SECMASKSERIAL="0x5FFFFFFF")  # fmt: skip
_finds("mask-medium", "A mask for the medium narrows the scan",
       (*_meters(50000001, 50000002),
        {**HEAT, "id": "water", "identification_number": 60000001, "medium": 7}),
       "TROUBLE-01.1", missing=("50000001", "50000002"), MBUS_SECMASKMEDIUM="0x07")  # fmt: skip
_finds("off", "With the M-Bus switched off nothing is found",
       _meters(50000001), "MBUS-04", missing=("50000001",), MBUS_ENABLE=0)  # fmt: skip
_finds("primary", "The primary scan goes from the first to the last address",
       tuple({**HEAT, "id": f"m{n}", "identification_number": 70000000 + n, "primary_address": n}
             for n in (0, 4, 5, 9, 10, 250)),
       "CFG-07", "CFG-08", "TROUBLE-01.1", missing=("70000000", "70000004", "70000010", "70000250"),
       MBUS_SCANMODE="PRIMARYSCAN", MBUS_MINPRIMARYADDRESS=5, MBUS_MAXPRIMARYADDRESS=9,
       MBUS_TIMEOUT=300, MBUS_MAXRETRY=0)  # fmt: skip
_finds("primary-defaults", "By default the primary scan goes from 0 to 250",
       tuple({**HEAT, "id": f"m{n}", "identification_number": 70000000 + n, "primary_address": n}
             for n in (0, 125, 250)),
       "CFG-07", "CFG-08", MBUS_SCANMODE="PRIMARYSCAN",
       MBUS_TIMEOUT=200, MBUS_MAXRETRY=0)  # fmt: skip
_finds("count-limit", "A maximum device count ends the scan when the list holds so many",
       _meters(*range(11111111, 99999999, 11111111)), "MET-18.2",
       missing=tuple(str(n) for n in range(33333333, 99999999, 11111111)),
       METER_MAXDEVICECOUNT=2)  # fmt: skip
_finds("no-limit", "A maximum device count of 0 is no limit",
       _meters(*range(10000000, 10000030)), "CFG-03.2", METER_MAXDEVICECOUNT=0)  # fmt: skip


@case(
    "scan/default-mode",
    "The factory's mode is the secondary search, with a mask of all F",
    ("CFG-06.1", "CFG-09.1", "SCAN-01"),
    Arrangement(_meters(11111111, 22222222), {}, baudrate=2400),
)
async def default_mode(trial: Trial, verdicts: Verdicts) -> None:
    """The first selection of the search leaves everything open."""
    seen = await found(trial)
    verdicts.equal("SCAN-01", "numbers in the list", on_the_bus(trial), seen)
    selections = [
        frame for frame in trial.frames if frame.meter is None and frame.data[6:7] == b"\x52"
    ]
    verdicts.check("CFG-06.1", bool(selections), "expected selections on the bus, seen none")
    for frame in selections[:1]:
        # A search may begin with everybody, or with one digit of the number.
        number = frame.data[10:6:-1].hex().upper()
        for requirement in ("CFG-06.1", "CFG-09.1"):
            verdicts.check(
                requirement,
                number.count("F") >= 7 and frame.data[11:15] == b"\xff" * 4,
                f"first selection: expected at most one digit given, seen {frame.shown}",
                frame_evidence(frame),
            )


@case(
    "scan/again",
    "A later scan appends what is new, and leaves what is known as it is, silent meters included",
    ("MET-03.3", "MET-03.4", "SCAN-02.2", "MET-05.1", "MET-03.1"),
    Arrangement(_meters(11111111, 22222222, 33333333), SECONDARY, baudrate=2400),
)
async def again(trial: Trial, verdicts: Verdicts) -> None:
    """The list keeps its order; the third meter comes to the bus later, the first has left it."""
    verdicts.equal("MET-03.1", "the list at first", [], list(trial.appliance.meters()))
    trial.meters["m2"].power(False)
    await found(trial)
    await trial.appliance.allocate()
    before = [(m.identification_number, m.entry.register) for m in trial.appliance.meters()]
    trial.meters["m2"].power(True)
    trial.meters["m0"].power(False)
    await found(trial)
    after = [(m.identification_number, m.entry.register) for m in trial.appliance.meters()]
    for requirement in ("MET-03.3", "MET-03.4", "SCAN-02.2"):
        verdicts.equal(requirement, "known meters, with registers", before, after[: len(before)])
    numbers = [number for number, _ in after]
    for requirement in ("MET-03.3", "MET-05.1"):
        verdicts.equal(requirement, "last of the list", "33333333", numbers[-1])
    verdicts.equal("MET-03.3", "meters", 3, len(after))


@case(
    "scan/in-force-at-once",
    "Meters that a scan finds are active and read without a Save",
    ("MET-05.1", "MET-05.2"),
    Arrangement(_meters(11111111, 22222222), {**SECONDARY, "METER_TIME": 10}, baudrate=2400),
)
async def in_force_at_once(trial: Trial, verdicts: Verdicts) -> None:
    """Each is asked for its data within the next interval; a label waits for its Save."""
    await found(trial)
    since = len(trial.frames)
    await trial.wait_s(20)
    heard = {frame.meter for frame in trial.frames[since:]} - {None}
    verdicts.equal("MET-05.1", "meters that were read", {"m0", "m1"}, heard)
    views = trial.appliance.meters()
    verdicts.equal("MET-05.1", "active", [1, 1], [view.entry.active for view in views])
    trial.appliance.set_meter(views[0].handle, "user", "Cellar")
    labels = [view.entry.user for view in trial.appliance.meters()]
    verdicts.equal("MET-05.2", "labels before the Save", ["", ""], labels)


@case(
    "scan/reverse-sooner",
    "Numbers that run on are told apart sooner from the last digit",
    ("SCAN-05", "TROUBLE-01.11"),
    Arrangement(
        _meters(66600101, 66600102, 66600103),
        {"MBUS_SEARCHTIMING": "LITERAL", "MBUS_TIMEOUT": 200, "MBUS_MAXRETRY": 0},
        baudrate=2400,
    ),
)
async def reverse_sooner(trial: Trial, verdicts: Verdicts) -> None:
    """Forward the first seven digits collide, one after the other; backward the first tells."""
    durations = []
    for mode in ("SECONDARYSCAN", "SECONDARYSCANREVERSE"):
        await trial.set_chip_ini(MBUS_SCANMODE=mode)
        started = trial.rt.now()
        numbers = await found(trial)
        durations.append(trial.rt.now() - started)
        verdicts.equal("SCAN-05", f"found by {mode}", on_the_bus(trial), numbers)
    for requirement in ("SCAN-05", "TROUBLE-01.11"):
        verdicts.check(
            requirement,
            durations[0] > 3 * durations[1],
            f"expected a third of the time at most, seen {durations} ns",
        )


MIXED: Final = (
    {**HEAT, "id": "both", "identification_number": 51000000, "primary_address": 7},
    {**HEAT, "id": "only", "identification_number": 52000000, "primary_address": 0},
)


@case(
    "scan/mixed",
    "After a primary scan the secondary one appends the rest; known meters keep their address",
    ("SCAN-02.1", "SCAN-02.2", "SCAN-03", "TROUBLE-01.10"),
    Arrangement(
        MIXED,
        {"MBUS_SCANMODE": "PRIMARYSCAN", "MBUS_MINPRIMARYADDRESS": 7,
         "MBUS_MAXPRIMARYADDRESS": 7, "MBUS_TIMEOUT": 300, "MBUS_MAXRETRY": 0},
        baudrate=2400,
    ),
)  # fmt: skip
async def mixed(trial: Trial, verdicts: Verdicts) -> None:
    """The mode is changed between the scans as a user does, by the file and a restart."""
    await found(trial)
    first = [meter.identification_number for meter in trial.appliance.meters()]
    verdicts.equal("SCAN-02.1", "found by the primary scan", ["51000000"], first)
    await trial.set_chip_ini(MBUS_SCANMODE="SECONDARYSCAN", MBUS_SEARCHTIMING="ADAPTIVE")
    await found(trial)
    second = [meter.identification_number for meter in trial.appliance.meters()]
    for requirement in ("SCAN-02.1", "SCAN-02.2", "TROUBLE-01.10"):
        verdicts.equal(requirement, "the list in its order", ["51000000", "52000000"], second)
    before = len(trial.frames)
    await trial.appliance.readout()
    sent = [data.hex(" ").upper() for data in trial.sent(before)]
    verdicts.check(
        "SCAN-03",
        "10 7B 07 82 16" in sent,
        f"expected a request to primary address 7, seen {' | '.join(sent)}",
    )


@case(
    "scan/swapped-meter",
    "A meter with a primary address can be swapped for another of its type",
    ("SCAN-04", "REG-M.1"),
    Arrangement(
        (
            {**HEAT, "id": "old", "identification_number": 61000001, "primary_address": 5},
            {**HEAT, "id": "new", "identification_number": 61000002, "primary_address": 5,
             "faults": [{"dead": True}]},
        ),
        {"MBUS_SCANMODE": "PRIMARYSCAN", "MBUS_MINPRIMARYADDRESS": 5, "MBUS_MAXPRIMARYADDRESS": 5,
         "MBUS_TIMEOUT": 300, "MBUS_MAXRETRY": 0},
    ),
)  # fmt: skip
async def swapped(trial: Trial, verdicts: Verdicts) -> None:
    """C-63: the header of the new one replaces the serial number, and the register stays."""
    await found(trial)
    await trial.appliance.allocate()
    await trial.appliance.readout()
    registers = await trial.registers(last=20)
    serial = registers[10] << 16 | registers[11]
    verdicts.equal("REG-M.1", "serial number of the old meter", 61000001, serial)
    trial.meters["old"].power(False)
    trial.meters["new"].power(True)
    await trial.appliance.readout()
    registers = await trial.registers(last=20)
    for requirement in ("SCAN-04", "REG-M.1"):
        serial = registers[10] << 16 | registers[11]
        verdicts.equal(requirement, "serial number of the new meter", 61000002, serial)
    verdicts.equal("SCAN-04", "flags", 0, registers[18])


def _lies(name: str, header: dict[str, Any], mask: int, *, read: bool) -> None:
    """A meter whose header says another thing than it is selected by (SCAN-07)."""
    number = "SCAN-07.1" if "version" in header else "SCAN-07.2"

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.appliance.scan()
        await trial.appliance.allocate()
        await trial.appliance.readout()
        flags = (await trial.registers(last=20)).get(18)
        what = f"flags with MBUS_SELECTMASK={mask}, header {header}"
        verdicts.equal(number, what, 0 if read else 3, flags)

    add(
        SuiteCase(
            f"scan/selectmask-{name}",
            f"A header with another {next(iter(header))} "
            f"{'is' if read else 'is not'} read with MBUS_SELECTMASK={mask}",
            (number,),
            Arrangement(
                ({**HEAT, "id": "liar", "identification_number": 71000001,
                  "faults": [{"header": header}]},),
                {**SECONDARY, "MBUS_SELECTMASK": mask, "MBUS_TIMEOUT": 300, "MBUS_MAXRETRY": 0},
                baudrate=2400,
            ),
            procedure,
        )
    )  # fmt: skip


for _bit, _header in (
    (1, {"identification_number": "71000009"}),
    (2, {"manufacturer": "ZRM"}),
    (4, {"version": 0x99}),
    (8, {"medium": 7}),
):
    _word = next(iter(_header)).replace("_", "-")
    _lies(_word, _header, _bit, read=True)
    _lies(f"{_word}-unset", _header, 15 & ~_bit, read=False)


@case(
    "scan/report",
    "The list is whole again after a scan that found nobody, and a scan runs to its end",
    ("MET-04.4", "MET-03.4"),
    Arrangement(_meters(11111111, 22222222), SECONDARY, baudrate=2400),
)
async def nobody(trial: Trial, verdicts: Verdicts) -> None:
    """Every meter has left; a second command during the scan waits for its end."""
    await found(trial)
    for meter in trial.meters.values():
        meter.power(False)
    ends: list[tuple[str, int]] = []

    async def command(name: str, coroutine: Any) -> None:
        await coroutine
        ends.append((name, trial.rt.now()))

    async with trial.rt.nursery() as nursery:
        nursery.spawn(command("scan", trial.appliance.scan()), name="scan")
        await trial.wait_s(0.05)
        nursery.spawn(command("read-out", trial.appliance.readout()), name="read-out")
    order = [name for name, _ in ends]
    verdicts.equal("MET-04.4", "order of ends", ["scan", "read-out"], order)
    numbers = sorted(meter.identification_number for meter in trial.appliance.meters())
    verdicts.equal("MET-03.4", "the list", ["11111111", "22222222"], numbers)


@case(
    "scan/faster",
    "Fewer tries shorten a scan, and the reverse search is shorter for a row of numbers",
    ("SCAN-06.2", "SCAN-05", "TROUBLE-01.11"),
    Arrangement(WORKED_EXAMPLES, {}, baudrate=2400),
)
async def faster(trial: Trial, verdicts: Verdicts) -> None:
    """Durations of three primary scans of 20 empty addresses with 3, 1 and 0 more tries."""
    durations = []
    for retries in (3, 1, 0):
        await trial.set_chip_ini(
            MBUS_SCANMODE="PRIMARYSCAN", MBUS_MINPRIMARYADDRESS=100, MBUS_MAXPRIMARYADDRESS=119,
            MBUS_TIMEOUT=200, MBUS_MAXRETRY=retries,
        )  # fmt: skip
        started = trial.rt.now()
        await trial.appliance.scan()
        durations.append(trial.rt.now() - started)
    verdicts.check(
        "SCAN-06.2",
        durations[0] > 1.8 * durations[1] > 2.5 * durations[2],
        f"expected clearly shorter scans with 3, 1, 0 more tries, seen {durations} ns",
    )
    for mode in ("SECONDARYSCAN", "SECONDARYSCANREVERSE"):
        await trial.set_chip_ini(MBUS_SCANMODE=mode, MBUS_SEARCHTIMING="ADAPTIVE")
        await trial.appliance.scan()
        for requirement in ("SCAN-05", "TROUBLE-01.11"):
            verdicts.equal(
                requirement, f"found by {mode}", on_the_bus(trial),
                sorted(m.identification_number for m in trial.appliance.meters()),
            )  # fmt: skip
