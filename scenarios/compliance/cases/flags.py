"""The flag word, the times and the values of a meter after each thing that can happen (C-13).

The rows are those of the truth table in the decisions: what sets bits 0 and 1, what clears them,
which time moves, and that the last values are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scenarios.compliance.arrangement import CLOCK, WORKED_EXAMPLES, Arrangement
from scenarios.compliance.registry import case
from scenarios.compliance.verdicts import register_evidence

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

CONFIG: Final[dict[str, str | int]] = {
    "MBUS_SCANMODE": "PRIMARYSCAN",
    "MBUS_MINPRIMARYADDRESS": 5,
    "MBUS_MAXPRIMARYADDRESS": 9,
    "MBUS_TIMEOUT": 500,
    "MBUS_MAXRETRY": 1,
}
FLAGS: Final = ("REG-M.7", "REG-M.8", "REG-M.9")


class Seen:
    """The registers of one meter entry and of the values behind it, as they stand now."""

    def __init__(self, address: int, registers: dict[int, int]) -> None:
        self.address = address
        self._registers = registers

    @classmethod
    async def at(cls, trial: Trial, address: int) -> Seen:
        """Read the entry at an address and everything behind it."""
        return cls(address, await trial.registers(last=address + 69))

    def word(self, offset: int) -> int | None:
        """One register at an offset from the entry."""
        return self._registers.get(self.address + offset)

    @property
    def flags(self) -> int | None:
        """Register +8."""
        return self.word(8)

    @property
    def time(self) -> int:
        """Registers +4 and +5."""
        return (self.word(4) or 0) << 16 | (self.word(5) or 0)

    def value(self, number: int) -> tuple[int | None, ...]:
        """The integer registers of the value with a number, from 1."""
        return tuple(self.word(10 * number + offset) for offset in range(4))

    def entry(self, number: int) -> tuple[int | None, ...]:
        """All ten registers of the value with a number, from 1."""
        return tuple(self.word(10 * number + offset) for offset in range(10))

    def evidence(self) -> Any:
        """The meter's entry for the report."""
        return register_evidence(self.address, [self.word(offset) for offset in range(10)])


def flags_are(verdicts: Verdicts, seen: Seen, wanted: int, when: str) -> None:
    """Check both bits, and that no other is set."""
    flags = -1 if seen.flags is None else seen.flags
    for requirement, bit, name in (("REG-M.7", 0, "could not be read"),
                                   ("REG-M.8", 1, "not all values updated")):  # fmt: skip
        verdicts.equal(
            requirement,
            f"{when}: flag bit {bit}, {name}",
            wanted >> bit & 1,
            flags >> bit & 1 if flags >= 0 else "no register",
            seen.evidence(),
        )
    verdicts.equal("REG-M.9", f"{when}: flag bits 2 to 15", 0, flags >> 2, seen.evidence())


@case(
    "flags/silence-and-recovery",
    "A meter that falls silent has both flags, keeps its values and its time, and recovers",
    (*FLAGS, "REG-M.4", "REG-V.1", "REG-G.4", "MET-03.4"),
    Arrangement(WORKED_EXAMPLES, CONFIG),
)
async def silence(trial: Trial, verdicts: Verdicts) -> None:
    """Rows 2 and 3 of the truth table, and row 2 again."""
    await trial.commission()
    before = await Seen.at(trial, 10)
    flags_are(verdicts, before, 0, "after a good read-out")
    verdicts.check(
        "REG-M.4",
        abs(before.time - _now(trial)) <= 5,
        f"time of the read-out: expected {_now(trial)} ± 5, seen {before.time}",
        before.evidence(),
    )
    await trial.wait_s(60)
    trial.meters["a"].power(False)
    await trial.appliance.readout()
    silent = await Seen.at(trial, 10)
    flags_are(verdicts, silent, 3, "after a read-out without an answer")
    verdicts.equal("REG-M.4", "time of a meter that was not read", before.time, silent.time)
    for number in (1, 2, 3):
        wanted, got = before.entry(number), silent.entry(number)
        verdicts.equal("REG-V.1", f"value {number} of a silent meter is kept", wanted, got)
    verdicts.check("MET-03.4", silent.word(7) == 0x0200, "expected the silent meter to stay listed")
    other = await Seen.at(trial, 50)
    flags_are(verdicts, other, 0, "the other meter")
    gateway = await Seen.at(trial, 0)
    verdicts.check(
        "REG-G.4",
        abs(gateway.time - _now(trial)) <= 5,
        f"time of the last pass: expected {_now(trial)} ± 5, seen {gateway.time}",
        gateway.evidence(),
    )
    trial.meters["a"].power(True)
    await trial.wait_s(30)
    await trial.appliance.readout()
    after = await Seen.at(trial, 10)
    flags_are(verdicts, after, 0, "after it answers again")
    verdicts.check("REG-M.4", after.time > before.time, "expected the time to move on")


def _now(trial: Trial) -> int:
    return CLOCK + trial.rt.now() // 1_000_000_000


@case(
    "flags/never-tried",
    "A meter that was never tried has both flags, time 0, values 0, and its units already",
    (*FLAGS, "REG-M.4", "REG-V.1", "REG-V.2", "REG-V.3", "REG-V.5", "REG-V.6", "REG-G.4"),
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "MBUS_TIMEOUT": 5000, "MBUS_MAXRETRY": 3}),
)
async def never_tried(trial: Trial, verdicts: Verdicts) -> None:
    """Row 1 and 13: after a restart, while the first meter keeps the pass busy."""
    await trial.commission()
    await trial.appliance.save()
    trial.meters["a"].power(False)
    trial.appliance.reboot()
    await trial.appliance.ready()
    await trial.wait_s(1)
    gateway = await Seen.at(trial, 0)
    verdicts.equal("REG-G.4", "time of the last pass before the first", 0, gateway.time)
    seen = await Seen.at(trial, 10)
    flags_are(verdicts, seen, 3, "before the first try")
    verdicts.equal("REG-M.4", "time before the first try", 0, seen.time)
    verdicts.equal("REG-V.1", "integer before the first try", (0, 0, 0, 0), seen.value(2))
    entry = seen.entry(2)
    verdicts.equal("REG-V.2", "float before the first try", (0, 0), entry[4:6])
    verdicts.equal("REG-V.3", "scale from the list", 0xFFFE, entry[6])
    verdicts.equal("REG-V.5", "unit from the list", 19, entry[7])
    verdicts.equal("REG-V.6", "time before the first try", (0, 0), entry[8:])


@case(
    "flags/page-lost",
    "A lost page leaves bit 1 alone, the pages that came are new and the rest is kept",
    (*FLAGS, "REG-V.1", "REG-M.4"),
    Arrangement(
        (
            {
                "id": "big",
                "profile": "electricity-multipage",
                "identification_number": 40000001,
                "primary_address": 5,
            },
        ),
        {**CONFIG, "METER_MAXVALUECOUNT": 0},
    ),
)
async def page_lost(trial: Trial, verdicts: Verdicts) -> None:
    """Row 4 of the truth table."""
    await trial.commission()
    before = await Seen.at(trial, 10)
    flags_are(verdicts, before, 0, "after all pages")
    registers = await trial.registers(last=319)
    count = (max(registers) - 19) // 10
    await trial.wait_s(3600)
    trial.meters["big"].fault("drop_page", True, page=2)
    await trial.appliance.readout()
    after = await Seen.at(trial, 10)
    flags_are(verdicts, after, 2, "after page 2 was lost")
    verdicts.check("REG-M.4", after.time > before.time, "expected the time of the first telegram")
    verdicts.check(
        "REG-V.1",
        before.value(1) != after.value(1),
        "a value of page 1: expected a new integer, seen the old one",
        after.evidence(),
    )
    later = await trial.registers(last=319)
    kept = [registers.get(10 * count + i) for i in range(10)]
    now = [later.get(10 * count + i) for i in range(10)]
    verdicts.equal("REG-V.1", "the last value, of a page that was lost, is kept", kept, now)


def _record(dib: str, vib: str, coding: str, value: Any, **expect: Any) -> dict[str, Any]:
    return {"dib": dib, "vib": vib, "coding": coding, "value": value, "expect": expect}


@case(
    "flags/not-a-number",
    "A value that is no number leaves bit 1 alone and keeps the last one",
    (*FLAGS, "REG-V.1", "REG-V.2"),
    Arrangement(
        (
            {
                "id": "real",
                "manufacturer": "GAV",
                "version": 1,
                "medium": 2,
                "identification_number": 12345678,
                "primary_address": 5,
                "records": [
                    _record("05", "2B", "real32", 1234.5, value_type="Power", unit="W"),
                    _record("04", "03", "int32", 7, value_type="Energy", unit="Wh", scale=0),
                ],
            },
        ),
        CONFIG,
    ),
)
async def not_a_number(trial: Trial, verdicts: Verdicts) -> None:
    """Row 5 of the truth table."""
    await trial.commission()
    before = await Seen.at(trial, 10)
    trial.meters["real"].fault("not_a_number", True, record=0)
    await trial.appliance.readout()
    after = await Seen.at(trial, 10)
    flags_are(verdicts, after, 2, "after a NaN")
    verdicts.equal("REG-V.1", "integer of a NaN is kept", before.value(1), after.value(1))
    verdicts.equal("REG-V.2", "float of a NaN is kept", before.entry(1)[4:6], after.entry(1)[4:6])
    trial.meters["real"].fault("not_a_number", False)
    await trial.appliance.readout()
    flags_are(verdicts, await Seen.at(trial, 10), 0, "after the number is back")


@case(
    "flags/application-error",
    "A meter that answers with an application error could not be read",
    FLAGS,
    Arrangement(WORKED_EXAMPLES, CONFIG),
)
async def application_error(trial: Trial, verdicts: Verdicts) -> None:
    """Row 3: CI 70 is an answer and no reading."""
    await trial.commission()
    trial.meters["a"].fault("application_error", True)
    await trial.appliance.readout()
    flags_are(verdicts, await Seen.at(trial, 10), 3, "after an application error")


@case(
    "flags/another-header",
    "A selected meter whose header names another one could not be read",
    FLAGS,
    Arrangement(
        WORKED_EXAMPLES,
        {**CONFIG, "MBUS_SCANMODE": "SECONDARYSCAN", "MBUS_SEARCHTIMING": "ADAPTIVE"},
    ),
)
async def another_header(trial: Trial, verdicts: Verdicts) -> None:
    """Row 3 and C-63: it is still selected by its address, and says another version."""
    await trial.commission()
    trial.meters["a"].fault("header", True, version=99)
    await trial.appliance.readout()
    register = next(
        meter.entry.register
        for meter in trial.appliance.meters()
        if meter.identification_number == "66600106"
    )
    seen = await Seen.at(trial, register)
    flags_are(verdicts, seen, 3, "after an answer with another header")


@case(
    "flags/cut-list",
    "A list that is cut by the value count has no flag: what is listed was taken",
    (*FLAGS, "CFG-04.1", "MET-18.3"),
    Arrangement(
        (
            {
                "id": "big",
                "profile": "electricity-multipage",
                "identification_number": 40000001,
                "primary_address": 5,
            },
        ),
        CONFIG,
    ),
)
async def cut_list(trial: Trial, verdicts: Verdicts) -> None:
    """Row 7: the meter sends 30 values, the factory setting takes 25 (C-71)."""
    await trial.commission()
    seen = await Seen.at(trial, 10)
    flags_are(verdicts, seen, 0, "after a cut read-out")
    registers = await trial.registers(last=400)
    for requirement in ("CFG-04.1", "MET-18.3"):
        verdicts.equal(requirement, "values", 25, (max(registers) + 1 - 20) // 10)


@case(
    "flags/delayed-by-a-scan",
    "A read-out that a scan delays changes nothing until it is made",
    FLAGS,
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "METER_TIME": 10, "MBUS_MINPRIMARYADDRESS": 0}),
)
async def delayed(trial: Trial, verdicts: Verdicts) -> None:
    """Row 10 of the truth table."""
    await trial.commission()
    before = await Seen.at(trial, 10)
    async with trial.rt.nursery() as nursery:
        # Five empty addresses, two probes of half a second each: several seconds of search.
        nursery.spawn(trial.appliance.scan(), name="scan")
        await trial.wait_s(3)
        flags_are(verdicts, await Seen.at(trial, 10), 0, "while a scan delays the read-out")
    flags_are(verdicts, await Seen.at(trial, 10), 0, "after the scan")
    verdicts.check("REG-M.7", before.time > 0, "expected a read-out before the scan")


@case(
    "flags/times-of-values",
    "A time in the telegram is given to the values of its storage number, else 0",
    ("REG-V.6", "MET-11.1", "MET-11.2", "REG-V.5"),
    Arrangement(WORKED_EXAMPLES, CONFIG),
)
async def times(trial: Trial, verdicts: Verdicts) -> None:
    """C-58 on the two meters of the worked examples: 2026-11-20 11:58 is 6B0035C8."""
    await trial.commission()
    a, b = await Seen.at(trial, 10), await Seen.at(trial, 50)
    for number in (1, 2, 3):
        for requirement in ("REG-V.6", "MET-11.1"):
            seen = a.entry(number)[8:]
            verdicts.equal(requirement, f"time of value {number}", (0x6B00, 0x35C8), seen)
    verdicts.equal("MET-11.2", "entry behind the third value", 0x0200, a.word(47))
    verdicts.equal("REG-V.6", "time of a text", (0, 0), b.entry(1)[8:])
    verdicts.equal("REG-V.5", "unit of a date", 25, b.entry(2)[7])
    verdicts.equal("MET-11.1", "a date alone is a value", (0, 0, 0x6AE5, 0x2F80), b.value(2))


@case(
    "flags/times-shown",
    "With MUC_SHOWTIMESTAMPENTRIES=1 the time is a value of its own as well",
    ("MET-11.3",),
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "MUC_SHOWTIMESTAMPENTRIES": 1}),
)
async def times_shown(trial: Trial, verdicts: Verdicts) -> None:
    """The fourth entry of meter A is then the time itself, in UTC."""
    await trial.commission()
    a = await Seen.at(trial, 10)
    verdicts.equal("MET-11.3", "fourth value", (0, 0, 0x6B00, 0x35C8), a.value(4))
    verdicts.equal("MET-11.3", "its unit", 25, a.entry(4)[7])
