"""Media, units and value types of the manual's tables, and its example, as registers show them.

The simulated meters carry what a correct gateway must make of each record, written by hand from the
tables of the standard; the names are those of the manual (6.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scenarios.checks.expectation import expected_meter
from scenarios.compliance.arrangement import Arrangement
from scenarios.compliance.registry import SuiteCase, add, case
from scenarios.compliance.verdicts import register_evidence
from simulators.modbus import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

#: Meters of one case, so that their registers are asked for quickly.
METERS_MAX: Final = 20
CONFIG: Final[dict[str, str | int]] = {
    "MBUS_SCANMODE": "PRIMARYSCAN",
    "MBUS_MINPRIMARYADDRESS": 1,
    "MBUS_TIMEOUT": 200,
    "MBUS_MAXRETRY": 0,
    "METER_MAXVALUECOUNT": 0,
}


# --- Media ----------------------------------------------------------------------------------------

_ENERGY: Final = {
    "dib": "04", "vib": "03", "coding": "int32", "value": 7,
    "expect": {"value_type": "Energy", "unit": "Wh", "scale": 0},
}  # fmt: skip


def _media(name: str, media: Sequence[int]) -> None:
    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.commission()
        shown = [placed.row for placed in trial.appliance.page_list().rows]
        labels = [row.medium for row in shown if row.serial]
        served = await trial.registers(last=20 * len(media) + 9)
        for place, medium in enumerate(media):
            word = served.get(20 * place + 13)
            evidence = register_evidence(20 * place + 13, [word])
            verdicts.equal("REG-MED", f"index of medium {medium}", 0x100 | medium, word, evidence)
            verdicts.equal(
                "REG-MED", f"name of medium {medium}", tables.medium_name(medium), labels[place]
            )

    meters = tuple(
        {"id": f"m{medium}", "records": [_ENERGY], "manufacturer": "LUG", "version": 1,
         "medium": medium, "identification_number": 10000000 + medium, "primary_address": place + 1}
        for place, medium in enumerate(media)
    )  # fmt: skip
    config = {**CONFIG, "MBUS_MAXPRIMARYADDRESS": len(media)}
    title = f"Media {media[0]} to {media[-1]} with their indices and names"
    add(
        SuiteCase(
            f"tables/media-{name}", title, ("REG-MED",), Arrangement(meters, config), procedure
        )
    )


#: Every medium of the table, and reserved ones at the edges of its gaps.
_MEDIA: Final = sorted({*tables.MEDIA, 16, 19, 29, 31, 34, 36, 43, 48, 52, 53, 56, 255})
for _first in range(0, len(_MEDIA), METERS_MAX):
    _media(str(_first // METERS_MAX + 1), _MEDIA[_first : _first + METERS_MAX])


# --- Types and units ------------------------------------------------------------------------------


def _rows(text: str) -> Iterator[tuple[str, str, str, int]]:
    """VIB, value type, unit and scale of each line; columns are set apart by bars."""
    for line in text.strip().splitlines():
        vib, value_type, unit, scale = (part.strip() for part in line.split("|"))
        yield vib.replace(" ", ""), value_type, unit, int(scale)


#: Value information blocks with what the standard's tables say of them (MBDOC48 8.4.3, 8.4.4).
PRIMARY_TABLE: Final = """
00     | Energy                 | Wh       | -3
07     | Energy                 | Wh       | 4
08     | Energy                 | J        | 0
0F     | Energy                 | J        | 7
10     | Volume                 | m3       | -6
17     | Volume                 | m3       | 1
18     | Mass                   | kg       | -3
1F     | Mass                   | kg       | 4
20     | On time                | s        | 0
21     | On time                | min      | 0
22     | On time                | h        | 0
23     | On time                | d        | 0
24     | Operating time         | s        | 0
27     | Operating time         | d        | 0
28     | Power                  | W        | -3
2F     | Power                  | W        | 4
30     | Power                  | J/h      | 0
37     | Power                  | J/h      | 7
38     | Volume flow            | m3/h     | -6
3F     | Volume flow            | m3/h     | 1
40     | Volume flow ext        | m3/min   | -7
47     | Volume flow ext        | m3/min   | 0
48     | Volume flow ext        | m3/s     | -9
4F     | Volume flow ext        | m3/s     | -2
50     | Mass flow              | kg/h     | -3
57     | Mass flow              | kg/h     | 4
58     | Flow temperature       | Degree C | -3
5B     | Flow temperature       | Degree C | 0
5C     | Return temperature     | Degree C | -3
5F     | Return temperature     | Degree C | 0
60     | Temperature difference | K        | -3
63     | Temperature difference | K        | 0
64     | External temperature   | Degree C | -3
67     | External temperature   | Degree C | 0
68     | Pressure               | Bar      | -3
6B     | Pressure               | Bar      | 0
6E     | Units for H. C. A.     |          | 0
70     | Averaging duration     | s        | 0
73     | Averaging duration     | d        | 0
74     | Actuality duration     | s        | 0
77     | Actuality duration     | d        | 0
78     | Fabrication            | None     | 0
7A     | Address                | None     | 0
"""
EXTENSION_TABLE: Final = """
FD 00  | Credit                             | Cur  | -3
FD 07  | Debit                              | Cur  | 0
FD 08  | Access number                      | None | 0
FD 0E  | Metrology (firmware) version       | None | 0
FD 0F  | Software version                   | None | 0
FD 10  | Customer location                  | None | 0
FD 17  | Error flags (Device type specific) | Bin  | 0
FD 18  | Error mask                         | Bin  | 0
FD 1A  | Digital output                     | Bin  | 0
FD 1B  | Digital input                      | Bin  | 0
FD 1C  | Baud rate                          | bd   | 0
FD 1D  | Response delay time                | bt   | 0
FD 1E  | Retry                              | None | 0
FD 24  | Storage interval                   | s    | 0
FD 28  | Storage interval                   | mon  | 0
FD 29  | Storage interval                   | y    | 0
FD 2C  | Duration since last readout        | s    | 0
FD 2F  | Duration since last readout        | d    | 0
FD 31  | Duration of tariff                 | min  | 0
FD 34  | Period of tariff                   | s    | 0
FD 3A  | No VIF                             |      | 0
FD 40  | Volts                              | V    | -9
FD 4F  | Volts                              | V    | 6
FD 50  | Ampere                             | A    | -12
FD 5F  | Ampere                             | A    | 3
FD 60  | Reset counter                      | None | 0
FD 61  | Cumulation counter                 | None | 0
"""
#: The table behind FB (MBDOC48 8.4.4 c), and what newer meters send of it.
SECOND_EXTENSION_TABLE: Final = """
FB 00  | Energy                          | Wh         | 5
FB 01  | Energy                          | Wh         | 6
FB 02  | Reactive energy                 | kVARh      | 0
FB 08  | Energy                          | J          | 8
FB 09  | Energy                          | J          | 9
FB 10  | Volume                          | m3         | 2
FB 11  | Volume                          | m3         | 3
FB 14  | Reactive power                  | kVAR       | -3
FB 17  | Reactive power                  | kVAR       | 0
FB 18  | Mass                            | kg         | 5
FB 1A  | Relative humidity               | %          | -1
FB 1B  | Relative humidity               | %          | 0
FB 21  | Volume                          | ft3        | -1
FB 22  | Volume                          | US gal     | -1
FB 23  | Volume                          | US gal     | 0
FB 24  | Volume flow                     | US gal/min | -3
FB 25  | Volume flow                     | US gal/min | 0
FB 26  | Volume flow                     | US gal/h   | 0
FB 28  | Power                           | W          | 5
FB 29  | Power                           | W          | 6
FB 2C  | Frequency                       | Hz         | -3
FB 2F  | Frequency                       | Hz         | 0
FB 30  | Power                           | J/h        | 8
FB 58  | Flow temperature                | Degree F   | -3
FB 5F  | Return temperature              | Degree F   | 0
FB 60  | Temperature difference          | Degree F   | -3
FB 67  | External temperature            | Degree F   | 0
FB 70  | Cold/Warm Temperature limit     | Degree F   | -3
FB 74  | Cold/Warm Temperature limit     | Degree C   | -3
FB 77  | Cold/Warm Temperature limit     | Degree C   | 0
FB 78  | Cumulative count max. power     | W          | -3
FB 7F  | Cumulative count max. power     | W          | 4
"""


def _types(name: str, table: str) -> None:
    """Add a case of one meter for each eight lines of a table, one record a line."""
    lines = list(_rows(table))
    groups = [lines[first : first + 8] for first in range(0, len(lines), 8)]
    meters = tuple(
        {"id": f"m{place}", "manufacturer": "LUG", "version": 1, "medium": 4,
         "identification_number": 20000000 + place, "primary_address": place + 1,
         "records": [
             {"dib": "04", "vib": vib, "coding": "int32", "value": 1000 + place,
              "expect": {"value_type": value_type, "unit": unit, "scale": scale}}
             for vib, value_type, unit, scale in group
         ]}
        for place, group in enumerate(groups)
    )  # fmt: skip

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await trial.commission()
        await _judge_types(trial, verdicts, ("REG-TYP", "REG-UNIT", "REG-CUST.1"))

    config = {**CONFIG, "MBUS_MAXPRIMARYADDRESS": len(groups)}
    title = f"Value types, units and scales of the {name} table"
    ids = ("REG-TYP", "REG-UNIT", "REG-CUST.1")
    add(SuiteCase(f"tables/{name}", title, ids, Arrangement(meters, config), procedure))


async def _judge_types(trial: Trial, verdicts: Verdicts, ids: Sequence[str]) -> None:
    """Compare unit and type of every value with what the meters' records say."""
    shown = [placed.row for placed in trial.appliance.page_list().rows]
    served = await trial.registers(last=10 * len(shown) + 9)
    descriptions = iter(row.description for row in shown if not row.serial)
    symbols = iter(row.unit for row in shown if not row.serial)
    address = 10
    for meter in trial.meters.values():
        address += 10
        for value in expected_meter(meter).snapshots[-1].values:
            word = served.get(address + 7)
            evidence = register_evidence(address, [served.get(address + n) for n in range(10)])
            names = "/".join(sorted(tables.unit_name(unit) for unit in value.units))
            verdicts.check(
                "REG-UNIT", word in value.units,
                f"{meter.id}, {value.label}: expected unit {names} ({sorted(value.units)}), "
                f"seen {word}", evidence,
            )  # fmt: skip
            symbol = next(symbols, "nothing")
            # 22 and 30 are printed as nothing (manual 6.2).
            known = {"" if unit in (22, 30) else tables.unit_name(unit) for unit in value.units}
            verdicts.check(
                "REG-UNIT", symbol in known,
                f"{meter.id}, {value.label}: expected the unit {names} in the list, seen {symbol}",
            )  # fmt: skip
            if "REG-CUST.1" in ids:
                verdicts.check(
                    "REG-CUST.1", word in value.units,
                    f"{meter.id}, {value.label}: expected unit {names}, seen {word}", evidence,
                )  # fmt: skip
            told = next(descriptions, "nothing")
            verdicts.equal("REG-TYP", f"{meter.id}: type at register {address}", value.label, told)
            if "REG-CUST.1" in ids:
                verdicts.equal(
                    "REG-CUST.1", f"{meter.id}, {value.label}: scale", value.scale & 0xFFFF,
                    served.get(address + 6), evidence,
                )  # fmt: skip
            address += 10


_types("primary", PRIMARY_TABLE)
_types("extension", EXTENSION_TABLE)
_types("second-extension", SECOND_EXTENSION_TABLE)


@case(
    "tables/custom",
    "A type of the meter's own is described by its text",
    ("REG-CUST.2",),
    Arrangement(
        (
            {"id": "own", "manufacturer": "LUG", "version": 1, "medium": 4,
             "identification_number": 30000001, "primary_address": 1,
             "records": [
                 {"dib": "02", "vib": "FC036F6F46 74".replace(" ", ""), "coding": "int16",
                  "value": 42, "expect": {"value_type": "Meter specific description",
                                          "unit": "None", "scale": 0}},
                 _ENERGY,
             ]},
        ),
        {**CONFIG, "MBUS_MAXPRIMARYADDRESS": 1},
    ),
)  # fmt: skip
async def custom(trial: Trial, verdicts: Verdicts) -> None:
    """VIF 7C: a length and characters, last one first (MBDOC48)."""
    await trial.commission()
    shown = [placed.row for placed in trial.appliance.page_list().rows]
    verdicts.check(
        "REG-CUST.2", "Foo" in shown[1].description,
        f"expected the text Foo in the description, seen {shown[1].description!r}",
    )  # fmt: skip
    verdicts.equal("REG-CUST.2", "value", "42", shown[1].value)
