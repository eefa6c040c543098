"""Points in time at the edges of their types, the values that get them, and storage numbers.

Characters are written by hand from MBDOC48 (types F and G) and from what meters send (types I and
J); a point in time that is none, or that no register holds, is 0 (C-14, C-58).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from scenarios.compliance.arrangement import Arrangement
from scenarios.compliance.cases.record_data import (
    CONFIG,
    FIRST_VALUE,
    entry,
    found,
    integer_of,
    literal,
    meter,
    time_of,
)
from scenarios.compliance.registry import SuiteCase, add, case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

#: VIF and data | ISO 8601, or none | what it is.
TIMES: Final = """
6D 3A 0B 54 3B          | 2026-11-20T11:58:00 | a time of type F
6D 3A 8B 54 3B          | 2026-11-20T11:58:00 | summer time
6D BA 0B 54 3B          | none                | marked invalid
6D 3B 17 1F AC          | 2080-12-31T23:59:00 | the last year that means 20xx
6D 00 00 21 A1          | 1981-01-01T00:00:00 | the first year that means 19xx
6D 3B 17 7F CC          | 1999-12-31T23:59:00 | the last year that means 19xx
6D 3B 37 7F CC          | 2099-12-31T23:59:00 | hundred-year 1
6D 0F 06 C1 82          | 2070-02-01T06:15:00 | a year above 63
6D 0E 43 E1 01          | none                | beyond the registers, in 2107
6D 0E 03 D4 41          | 2038-01-20T03:14:00 | beyond 31 bits
6D 00 00 1D 32          | 2024-02-29T00:00:00 | a leap day
6D 00 00 3D 32          | none                | no leap day
6D 00 00 00 31          | none                | day 0
6D 00 00 01 30          | none                | month 0
6D 00 18 01 31          | none                | hour 24
6D 3C 00 01 31          | none                | minute 60
6D FF FF FF FF          | none                | all ones
6C 5F 3A                | 2026-10-31T00:00:00 | a date of type G
6C 1F AC                | 2080-12-31T00:00:00 | the last date that means 20xx
6C 7F CC                | 1999-12-31T00:00:00 | the last date that means 19xx
6C 5F 3D                | none                | month 13
6C FF FF                | none                | a date of all ones
"""
#: The same with the six characters of type I.
LONG_TIMES: Final = """
6D 2D 3A 0B 54 3B 00    | 2026-11-20T11:58:45 | a time of type I
6D 2D BA 0B 54 3B 00    | none                | marked invalid
6D 3B 3B 17 1F AC 00    | 2080-12-31T23:59:59 | its last second
6D 3C 00 00 01 31 00    | none                | second 60
"""
_SIZES: Final = {2: "2", 4: "4", 6: "6"}


def _seconds(text: str) -> int:
    if text == "none":
        return 0
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _lines(table: str) -> list[tuple[str, int, str]]:
    """Characters, unix time and words of each line."""
    found = []
    for line in table.strip().splitlines():
        characters, moment, what = (part.strip() for part in line.split("|"))
        found.append((characters, _seconds(moment), what))
    return found


def _dib(data_field: str, storage_number: int) -> str:
    """DIF and one DIFE of a storage number up to 31 (MBDOC48 6.3)."""
    dif = int(data_field, 16) | 0x80 | (storage_number & 1) << 6
    return f"{dif:02X} {storage_number >> 1:02X}"


def _pairs(lines: Sequence[tuple[str, int, str]]) -> list[str]:
    """A value and its time for each line, under a storage number of their own."""
    records = []
    for number, (characters, _, _) in enumerate(lines, start=1):
        size = len(characters.split()) - 1
        records.append(f"{_dib('01', number)} 03 {number:02X}")
        records.append(f"{_dib(_SIZES[size], number)} {characters}")
    return records


def _times(name: str, table: str) -> None:
    lines = _lines(table)

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await found(trial)
        for reading in (1, 2, 3):
            await trial.appliance.readout()
            for place, (characters, seconds, what) in enumerate(lines):
                words = await entry(trial, FIRST_VALUE + 10 * place)
                where = f"reading {reading}, {what} ({characters})"
                seen = time_of(words) if words else "no entry"
                verdicts.equal("REG-V.6", f"time of the value with {where}", seconds, seen)
                number = integer_of(words) if words else None
                verdicts.equal("MET-11.1", f"value with {where}", place + 1, number)

    records = [literal(record) for record in _pairs(lines)]
    ids = ("REG-V.6", "MET-11.1")
    title = "The time that a meter sends for a value, at the edges of its type"
    add(SuiteCase(f"times/{name}", title, ids, Arrangement((meter(records),), CONFIG), procedure))


_times("types-f-and-g", TIMES)
_times("type-i", LONG_TIMES)


@case(
    "times/of-day",
    "A time of day is served in seconds, a date alone as the first second of its day",
    ("MOD-09", "REG-V.5", "MET-11.2"),
    Arrangement(
        (meter([literal("03 6D 2D 3A 0B"), literal("42 6C 5F 3A"), literal("82 01 6C 1F AC")]),),
        CONFIG,
    ),
)
async def of_day(trial: Trial, verdicts: Verdicts) -> None:
    """Type J, 11:58:45, and two dates of type G that no value takes (C-14)."""
    await found(trial)
    await trial.appliance.readout()
    rows = (
        ("11:58:45", 11 * 3600 + 58 * 60 + 45, 9),
        ("2026-10-31", _seconds("2026-10-31"), 25),
        ("2080-12-31", _seconds("2080-12-31"), 25),
    )
    for place, (what, integer, unit) in enumerate(rows):
        words = await entry(trial, FIRST_VALUE + 10 * place)
        verdicts.equal("MOD-09", f"integer of {what}", integer, integer_of(words) if words else 0)
        verdicts.equal("REG-V.5", f"unit of {what}", unit, words[7] if words else 0)
        verdicts.check("MET-11.2", words is not None, f"{what} serves no value and is not listed")


#: Two storage numbers with a time each, and a third without any.
STORED: Final = (
    "04 03 01 00 00 00", "44 03 02 00 00 00", "84 01 03 03 00 00 00",
    "04 6D 3A 0B 54 3B", "42 6C 5F 3A",
)  # fmt: skip


async def _stored(trial: Trial, verdicts: Verdicts, *, shown: bool) -> None:
    await found(trial)
    await trial.appliance.readout()
    wanted = (_seconds("2026-11-20T11:58:00"), _seconds("2026-10-31"), 0)
    for number, moment in enumerate(wanted):
        words = await entry(trial, FIRST_VALUE + 10 * number)
        seen = time_of(words) if words else None
        what = f"time of the value of storage number {number}"
        verdicts.equal("MET-11.1", what, moment, seen)
    behind = await entry(trial, FIRST_VALUE + 30)
    seen = integer_of(behind) if behind else None
    wanted_behind = wanted[0] if shown else None
    verdicts.equal("MET-11.2", "entry behind the three values", wanted_behind, seen)


for _shown in (False, True):

    async def _procedure(trial: Trial, verdicts: Verdicts, shown: bool = _shown) -> None:
        await _stored(trial, verdicts, shown=shown)

    add(
        SuiteCase(
            f"times/by-storage-number{'-shown' if _shown else ''}",
            "A time belongs to the values of its own storage number"
            + (", also where times are shown" if _shown else ""),
            ("MET-11.1", "MET-11.2"),
            Arrangement(
                (meter([literal(record) for record in STORED]),),
                {**CONFIG, "MUC_SHOWTIMESTAMPENTRIES": int(_shown)},
            ),
            _procedure,
        )
    )


@case(
    "times/across-pages",
    "A time is given to the values of every page",
    ("MET-11.1", "REG-V.6"),
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
async def across_pages(trial: Trial, verdicts: Verdicts) -> None:
    """The clock stands on the first of three pages; the values of the second have it too (C-58)."""
    await found(trial)
    await trial.appliance.readout()
    moments = []
    for place in range(30):
        words = await entry(trial, FIRST_VALUE + 10 * place)
        moments.append(time_of(words) if words else 0)
    for requirement in ("MET-11.1", "REG-V.6"):
        verdicts.check(requirement, moments[0] > 0, "expected a time at the first value")
        # The fifteenth value stands on the second page.
        verdicts.equal(requirement, "time of the fifteenth value", moments[0], moments[14])


# --- Storage numbers, tariffs and functions -------------------------------------------------------

#: DIB | what Extended says behind the type (CFG-17.3).
DESCRIBED: Final = """
04                               | Energy
C4 08                            | Energy [17]
84 80 01                         | Energy [32]
C4 80 01                         | Energy [33]
C4 8F 01                         | Energy [63]
84 80 80 80 80 80 80 80 80 80 08 | Energy [1099511627776]
84 30                            | Energy <3>
84 80 10                         | Energy <4>
84 B0 30                         | Energy <15>
84 40                            | Energy
14                               | Energy {max}
24                               | Energy {min}
34                               | Energy {error}
A4 11                            | Energy [2] <1> {min}
"""


def _described() -> list[tuple[str, str]]:
    lines = [line.split("|") for line in DESCRIBED.strip().splitlines()]
    return [(dib.strip(), text.strip()) for dib, text in lines]


@case(
    "records/descriptions",
    "Storage number, tariff and function of every size are described",
    ("CFG-17.3",),
    Arrangement(
        (meter([literal(f"{dib} 03 01 00 00 00") for dib, _ in _described()]),),
        {**CONFIG, "MUC_METERDESCRIPTION_ENABLEFLAGS": 3},
    ),
)
async def descriptions(trial: Trial, verdicts: Verdicts) -> None:
    """One bit of the storage number stands in the DIF, four more in each DIFE (MBDOC48 6.3)."""
    await found(trial)
    await trial.appliance.readout()
    shown = [one.row.description for one in trial.appliance.page_list().rows if not one.row.serial]
    for (dib, text), seen in zip(_described(), shown, strict=False):
        verdicts.equal("CFG-17.3", f"description of DIB {dib}", text, seen)
    verdicts.equal("CFG-17.3", "values", len(_described()), len(shown))
