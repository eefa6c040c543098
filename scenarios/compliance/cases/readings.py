"""What counts as a reading: garbage does not, a text does, and which time moves with it (C-13).

The rows are those of the truth table in the decisions (worked examples 9); garbage is what a line
or a meter makes of a good answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scenarios.compliance.arrangement import CLOCK, WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY
from scenarios.compliance.cases.flags import FLAGS, Seen, flags_are
from scenarios.compliance.cases.record_data import entry, integer_of, literal
from scenarios.compliance.registry import case

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

#: Faults after which no valid first telegram came, whatever was heard (row 3).
GARBAGE: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("bad_checksum", {}),
    ("bad_stop", {}),
    ("bad_start", {}),
    ("bad_length", {}),
    ("bad_parity", {"index": 20}),
    ("truncated", {"characters": 30}),
    ("wrong_a_field", {"a_field": 77}),
    ("application_error", {"code": 8}),
    ("silent", {}),
)


@case(
    "readings/garbage",
    "An answer that is not whole, or not the meter's, is no reading",
    (*FLAGS, "REG-M.4"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "MBUS_MAXPRIMARYADDRESS": 5}),
)
async def garbage(trial: Trial, verdicts: Verdicts) -> None:
    """Every fault in turn, and a good read-out between them."""
    await trial.commission()
    for name, parameters in GARBAGE:
        await trial.wait_s(20)
        before = await Seen.at(trial, 10)
        flags_are(verdicts, before, 0, f"before {name}")
        now = CLOCK + trial.rt.now() // 1_000_000_000
        lag = now - before.time
        verdicts.check("REG-M.4", 20 <= lag <= 25, f"time of the meter: seen {lag} s ago")
        trial.meters["a"].fault(name, True, **parameters)
        await trial.appliance.readout()
        after = await Seen.at(trial, 10)
        flags_are(verdicts, after, 3, f"after {name}")
        verdicts.equal("REG-M.4", f"time after {name}", before.time, after.time)
        trial.meters["a"].fault(name, False)
        await trial.appliance.readout()


_ENERGY: Final = "04 03 07 00 00 00"
#: Second record of a meter | flags behind a read-out | what it is.
COUNTS: Final = (
    ("0D FD 0C 03 43 42 41", 0, "a text"),
    ("0D FD 0C 00", 0, "an empty text"),
    ("00 13", 0, "a record without data"),
    ("42 6C 00 00", 0, "a date that is none"),
    ("44 6D FF FF FF FF", 0, "a time of all ones"),
    ("0C 13 BB BB BB DB", 2, "BCD that says not available"),
    ("0A 13 1A 12", 2, "BCD with a letter"),
    ("04 93 15 00 00 00 00", 2, "a record that says no data available"),
    ("04 93 18 01 00 00 00", 2, "a record that says data error"),
    ("05 2B 00 00 C0 7F", 2, "a real that is no number"),
)


@case(
    "readings/what-counts",
    "Text, no data and an invalid date count as updated; what is no value does not",
    (*FLAGS, "REG-M.4"),
    Arrangement(
        tuple(
            {"id": f"m{place}", "manufacturer": "LUG", "version": 1, "medium": 4,
             "identification_number": 50000001 + place, "primary_address": 1 + place,
             "records": [literal(_ENERGY), literal(record), literal("04 2B 09 00 00 00")]}
            for place, (record, _, _) in enumerate(COUNTS)
        ),
        {**PRIMARY, "MBUS_MINPRIMARYADDRESS": 1, "MBUS_MAXPRIMARYADDRESS": len(COUNTS)},
    ),
)  # fmt: skip
async def what_counts(trial: Trial, verdicts: Verdicts) -> None:
    """Rows 5 and 6; a value that was switched off does not count (row 2)."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    for reading in (1, 2, 3):
        await trial.wait_s(50)
        await trial.appliance.readout()
        now = CLOCK + trial.rt.now() // 1_000_000_000
        for place, (_, flags, what) in enumerate(COUNTS):
            seen = await Seen.at(trial, 10 + 40 * place)
            flags_are(verdicts, seen, flags, f"reading {reading}, a meter with {what}")
            late = now - seen.time
            verdicts.check("REG-M.4", late <= 10, f"{what}: time of the meter {late} s ago")
    for place, (_, flags, _) in enumerate(COUNTS):
        if flags:
            handle = trial.appliance.meters()[place].handle
            trial.appliance.activate(handle, 1, on=False)
    await trial.appliance.save()
    await trial.appliance.readout()
    for place, (_, _, what) in enumerate(COUNTS):
        seen = await Seen.at(trial, 10 + 40 * place)
        flags_are(verdicts, seen, 0, f"with the value switched off, a meter with {what}")


@case(
    "readings/pages-tried-again",
    "A later page is asked for as often as the first",
    ("CFG-11", *FLAGS),
    Arrangement(
        (
            {"id": "big", "profile": "electricity-multipage", "identification_number": 40000001,
             "primary_address": 5},
        ),
        {**PRIMARY, "MBUS_MAXRETRY": 2, "METER_MAXVALUECOUNT": 0},
    ),
)  # fmt: skip
async def pages_tried_again(trial: Trial, verdicts: Verdicts) -> None:
    """Two lost answers to the request for page 2, and three tries (C-39)."""
    await trial.commission()
    trial.meters["big"].fault("drop_page", True, page=2, times=2)
    await trial.appliance.readout()
    seen = await Seen.at(trial, 10)
    flags_are(verdicts, seen, 0, "after two lost answers to page 2")
    verdicts.equal("CFG-11", "flags with three tries", 0, seen.flags)


@case(
    "readings/times",
    "Times of gateway and meter are those of the read-out, also behind 2038",
    ("REG-M.4", "REG-G.4"),
    Arrangement(
        (WORKED_EXAMPLES[0], {**WORKED_EXAMPLES[1]}),
        {**PRIMARY, "MBUS_TIMEOUT": 10000, "MBUS_MAXRETRY": 1, "METER_TIME": 86400},
    ),
)
async def times(trial: Trial, verdicts: Verdicts) -> None:
    """The gateway's own time is that of the end of the pass (C-05), which a silent meter delays."""
    await trial.commission()
    trial.meters["b"].power(False)
    for moment in (CLOCK + 1000, 2**31 - 5, 2**31 + 100, 4_102_444_800):
        trial.appliance.set_time(moment)
        began = trial.rt.now()
        await trial.appliance.readout()
        end = moment + (trial.rt.now() - began) // 1_000_000_000
        gateway, meter = await Seen.at(trial, 0), await Seen.at(trial, 10)
        verdicts.equal("REG-G.4", f"time of the last pass from {moment} on", end, gateway.time)
        seen = meter.time - moment
        verdicts.check("REG-M.4", 0 <= seen <= 2, f"meter read {seen} s behind {moment}")
        verdicts.check("REG-G.4", end - moment > 10, "expected the silent meter to delay the pass")


@case(
    "readings/number-with-letters",
    "A number with a digit of A to F is no decimal number: its registers are 0",
    ("REG-M.1",),
    Arrangement(
        (
            {**WORKED_EXAMPLES[0], "identification_number": "1234ABCD"},
            {**WORKED_EXAMPLES[1], "identification_number": "00000010"},
        ),
        PRIMARY,
    ),
)
async def number_with_letters(trial: Trial, verdicts: Verdicts) -> None:
    """C-15: only decimal numbers are allowed; the meter is read all the same."""
    await trial.commission()
    for address, wanted in ((10, (0, 0)), (50, (0, 10))):
        words = await entry(trial, address) or (-1,) * 10
        verdicts.equal("REG-M.1", f"number of the meter at {address}", wanted, words[:2])
        verdicts.equal("REG-M.1", f"flags of the meter at {address}", 0, words[8])


# --- Other structures -----------------------------------------------------------------------------


@case(
    "readings/mode-2",
    "A meter that sends the most significant character first is read like any other",
    ("MOD-09", "REG-M.1", "REG-M.2", "REG-V.1"),
    Arrangement(
        (
            {"id": "m2", "manufacturer": "LUG", "version": 2, "medium": 4,
             "identification_number": 12345678, "primary_address": 5, "behaviour": {"mode": 2},
             "records": [
                 literal("04 03 00 01 02 03"), literal("02 13 FF FE"), literal("0C 06 12 34 56 78"),
                 literal("03 03 FF FF FD"), literal("0A 13 F2 34"), literal("05 2B 3D CC CC CD"),
             ]},
        ),
        {**PRIMARY, "MBUS_MAXPRIMARYADDRESS": 5},
    ),
)  # fmt: skip
async def mode_2(trial: Trial, verdicts: Verdicts) -> None:
    """CI 76: number, manufacturer and data the other way round (MBDOC48 p.31)."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    for reading in (1, 2, 3):
        await trial.appliance.readout()
        head = await entry(trial, 10) or (0,) * 10
        number = head[0] << 16 | head[1]
        verdicts.equal("REG-M.1", f"reading {reading}: number", 12345678, number)
        verdicts.equal("REG-M.2", f"reading {reading}: manufacturer", 0x32A7, head[2])
        for place, wanted in enumerate((0x00010203, -2, 12345678, -3, -234, 1)):
            words = await entry(trial, 20 + 10 * place)
            seen = integer_of(words) if words else None
            for requirement in ("MOD-09", "REG-V.1"):
                verdicts.equal(requirement, f"reading {reading}: value {place + 1}", wanted, seen)


def _fixed(place: int, status: int, units: str, *counters: str) -> dict[str, Any]:
    return {
        "id": f"f{place}",
        "manufacturer": "LUG",
        "version": 0,
        "medium": 7,
        "identification_number": 12345678 + place,
        "primary_address": 5 + place,
        "status": status,
        "behaviour": {"structure": "fixed", "medium_unit": units},
        "records": [
            {
                "dib": "",
                "data": counter,
                "expect": {"value_type": "None", "kind": "no data"},
            }
            for counter in counters
        ],
    }


@case(
    "readings/fixed",
    "A meter of the fixed structure has two counters, in BCD or binary, with a unit each",
    ("MOD-09", "REG-CUST.1"),
    Arrangement(
        (
            _fixed(0, 0x00, "E97E", "01000000", "35010000"),
            _fixed(1, 0x01, "E942", "01000000", "35010000"),
        ),
        {**PRIMARY, "MBUS_MAXPRIMARYADDRESS": 6},
    ),
)
async def fixed(trial: Trial, verdicts: Verdicts) -> None:
    """The example of MBDOC48 6.2 (water, and the same unit at a due date), and one with Wh.

    Such a header names no manufacturer, so the meters are added by hand.
    """
    trial.appliance.add_meters("12345678", link=5, count=2)
    await trial.appliance.save()
    await trial.appliance.readout()
    await trial.appliance.allocate()
    # Meter, integer and unit of its first and second counter: 7 is m³, 5 is Wh.
    for address, wanted in ((10, ((1, 7), (135, 7))), (40, ((1, 7), (0x135, 5)))):
        for place, (integer, unit) in enumerate(wanted, start=1):
            words = await entry(trial, address + 10 * place)
            what = f"counter {place} of the meter at {address}"
            number = integer_of(words) if words else None
            verdicts.equal("MOD-09", f"{what}: integer", integer, number)
            verdicts.equal("REG-CUST.1", f"{what}: unit", unit, words[7] if words else None)


#: Record | unit of manual 6.2: what VIFE 20 to 22 make of a unit (MBDOC48 8.4.5).
COMBINED: Final = (
    ("04 83 22", 13, "Wh per hour is W"),
    ("04 93 22", 15, "m³ per hour"),
    ("04 93 21", 16, "m³ per minute"),
    ("04 93 20", 17, "m³ per second"),
    ("04 9B 22", 18, "kg per hour"),
    ("04 8B 22", 14, "J per hour"),
    ("04 8B 20", 13, "J per second is W"),
    ("04 03", 5, "Wh alone"),
)


@case(
    "records/combined-units",
    "A unit per second, minute or hour is the unit that the manual has for it",
    ("REG-CUST.1", "REG-V.5"),
    Arrangement(
        (
            {"id": "c", "manufacturer": "LUG", "version": 1, "medium": 4,
             "identification_number": 40000001, "primary_address": 5,
             "records": [literal(f"{record} 01 00 00 00") for record, _, _ in COMBINED]},
        ),
        {**PRIMARY, "MBUS_MAXPRIMARYADDRESS": 5},
    ),
)  # fmt: skip
async def combined_units(trial: Trial, verdicts: Verdicts) -> None:
    """The index in the lower byte of register +7."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    await trial.appliance.readout()
    for place, (record, unit, what) in enumerate(COMBINED):
        words = await entry(trial, 20 + 10 * place)
        for requirement in ("REG-CUST.1", "REG-V.5"):
            seen = words[7] if words else None
            verdicts.equal(requirement, f"unit of {what} ({record})", unit, seen)
