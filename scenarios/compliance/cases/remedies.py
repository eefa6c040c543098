"""Remedies of the troubleshooting chapter that need a bus on which something is wrong (8.3)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY
from scenarios.compliance.registry import case
from scenarios.compliance.verdicts import frame_evidence

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Frame, Trial
    from scenarios.compliance.verdicts import Verdicts

#: A meter of twelve values that sends two of them until a Get-All asks for the rest.
_SPARING: Final = {
    "id": "a", "manufacturer": "LUG", "version": 2, "medium": 2,
    "identification_number": 66600106, "primary_address": 5,
    "behaviour": {"unasked": 2},
    "records": [
        {"dib": f"{0x8B | (number & 1) << 6:02X}{number >> 1:02X}", "vib": "06", "coding": "bcd6",
         "value": 1000 + number,
         "expect": {"value_type": "Energy", "unit": "Wh", "scale": 3}}
        for number in range(2, 14)
    ],
}  # fmt: skip


async def _listed_anew(trial: Trial, mode: str) -> tuple[int, int, list[Frame]]:
    """Empty the list, choose a request mode, scan (manual 8.3).

    Returns the values listed, the bytes on the page, and the requests for all data in the scan.

    The meter is without power for a moment, so that it forgets what it was asked for.
    """
    door = trial.appliance
    for view in door.page_meters():
        door.delete(view.handle)
    door.set_key("MBUS_REQUESTMODE", mode)
    await door.save()
    trial.meters["a"].power(False)
    await trial.wait_s(5)
    trial.meters["a"].power(True)
    await trial.wait_s(5)
    since = len(trial.frames)
    await door.scan()
    asked = [
        frame
        for frame in trial.frames[since:]
        if frame.meter is None and frame.data[6:8] == b"\x51\x7f"
    ]
    count = sum(len(view.entry.values) for view in door.meters())
    return count, door.page_list().capacity.size, asked


@case(
    "meter-tab/request-mode",
    "Request mode Standard lists fewer values than the extended modes, and makes the list smaller",
    ("MET-18.4",),
    Arrangement((_SPARING,), {**PRIMARY, "METER_MAXVALUECOUNT": 25}),
)
async def request_mode(trial: Trial, verdicts: Verdicts) -> None:
    """The meter sends two of its twelve values unasked (ioBroker.mbus #282)."""
    sizes = {}
    for mode, count, asks in (
        ("EXT", 12, True), ("DEFAULT", 2, False), ("EXT2", 12, True), ("DEFAULT", 2, False),
    ):  # fmt: skip
        seen, sizes[mode], asked = await _listed_anew(trial, mode)
        verdicts.equal("MET-18.4", f"values listed with {mode}", count, seen)
        verdicts.equal(
            "MET-18.4", f"whether {mode} asks for all data", asks, bool(asked),
            *map(frame_evidence, asked[:1]),
        )  # fmt: skip
    verdicts.check(
        "MET-18.4", sizes["DEFAULT"] < sizes["EXT"],
        f"bytes on the page: expected fewer with Standard, seen {sizes}",
    )  # fmt: skip


#: Three meters, of which the one at address 7 will be wet inside.
_THREE: Final = (
    *WORKED_EXAMPLES,
    {
        **WORKED_EXAMPLES[0],
        "id": "c",
        "identification_number": 66600107,
        "primary_address": 7,
        "behaviour": {"unit_loads": 30},
    },
)
#: What it draws then, in unit loads beside its 30: 146 mA, and the bus gives 140 (NET-09).
_WET: Final = {"unit_loads": 67.0}


async def _found_anew(trial: Trial) -> list[str]:
    """Empty the list and scan; the numbers found, in order."""
    door = trial.appliance
    for view in door.page_meters():
        door.delete(view.handle)
    await door.save()
    with suppress(OSError):
        await door.scan()
    return sorted(view.identification_number for view in door.meters())


@case(
    "remedy/one-by-one",
    "A meter that disturbs the bus is found by disconnecting one after the other",
    ("TROUBLE-01.12",),
    Arrangement(_THREE, PRIMARY, bus={"model": "80"}),
)
async def one_by_one(trial: Trial, verdicts: Verdicts) -> None:
    """Only without the disturbing one are all the others found; then by splitting the bus."""
    requirement = "TROUBLE-01.12"
    numbers = {id_: meter.identification_number for id_, meter in trial.meters.items()}
    everybody = sorted(numbers.values())
    verdicts.equal(requirement, "found on a sound bus", everybody, await _found_anew(trial))
    trial.meters["c"].fault("load", True, **_WET)
    seen = await _found_anew(trial)
    verdicts.check(requirement, seen != everybody, "the disturbed scan found everybody")
    for disconnected in sorted(numbers):
        trial.meters[disconnected].power(False)
        await trial.wait_s(1)
        seen = await _found_anew(trial)
        trial.meters[disconnected].power(True)
        others = sorted(number for id_, number in numbers.items() if id_ != disconnected)
        if disconnected == "c":
            verdicts.equal(requirement, "found without the disturbing meter", others, seen)
        else:
            what = f"without {numbers[disconnected]}, the disturbed scan found all others"
            verdicts.check(requirement, seen != others, what)
    for segment in (("a", "b"), ("c",)):
        for id_, meter in trial.meters.items():
            meter.power(id_ in segment)
        await trial.wait_s(1)
        if "c" not in segment:
            wanted = sorted(numbers[id_] for id_ in segment)
            seen = await _found_anew(trial)
            verdicts.equal(requirement, f"found on the segment of {segment}", wanted, seen)
