"""The whole search on a simulated line: overlapping, late and in-phase answers, shared numbers.

``METERBENCH_LINES=1000`` draws more populations.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.device.plant import Plant

if TYPE_CHECKING:
    from gateway.device.scan import ScanReport

LINES = int(os.environ.get("METERBENCH_LINES", "24"))
#: When the meters of a bus answer, in bits after the request.
DELAYS = {
    "in phase": (11.0, 11.4),
    "within a bit": (11.0, 12.0),
    "within 50 bits": (11.0, 61.0),
    "over the whole window": (11.0, 320.0),
}
SEARCH: dict[str, Any] = {
    "MBUS_SCANMODE": "SECONDARYSCAN",
    "METER_MAXDEVICECOUNT": 0,
    "METER_TIME": 86_400,
}


def meter(name: str, number: str, rng: random.Random, delay: tuple[float, float]) -> dict[str, Any]:
    """A meter whose counter and access number are its own."""
    record = {
        "dib": "0c",
        "vib": "06",
        "coding": "bcd8",
        "value": {"start": rng.randrange(10**8), "add": 0, "every": "1 h"},
        "expect": {"value_type": "Energy", "unit": "Wh", "scale": 3},
    }
    return {
        "id": name,
        "identification_number": number,
        "manufacturer": rng.choice(("LUG", "KAM", "EMH")),
        "version": rng.choice((1, 2, 40)),
        "medium": rng.choice((4, 6, 7)),
        "answer_delay_bits": list(delay),
        "records": [record],
    }


def drawn(rng: random.Random, delay: tuple[float, float]) -> list[dict[str, Any]]:
    """Neighbours, strangers, and one number that two or three meters share."""
    first = rng.randrange(10**8 - 100)
    numbers = {first + step for step in rng.sample(range(30), rng.randint(2, 12))}
    numbers |= {rng.randrange(10**8) for _ in range(rng.randint(0, 8))}
    entries = [meter(f"m{i}", f"{n:08d}", rng, delay) for i, n in enumerate(sorted(numbers))]
    if rng.random() < 0.3:
        one = rng.choice(entries)
        number = one["identification_number"]
        kind = {key: one[key] for key in ("manufacturer", "version", "medium")}
        entries.append(meter("twin", number, rng, delay) | kind | {"medium": 8})
        third = meter("third", number, rng, delay) | kind
        entries.append(third | {"version": rng.randrange(41, 255)})
    return entries


def scanned(plant: Plant, times: int = 1) -> tuple[set[tuple[Any, ...]], list[ScanReport]]:
    """The addresses in the list after some scans, and the reports."""
    reports: list[ScanReport] = []

    async def story(plant: Plant) -> None:
        while len(reports) < times:
            reports.append(await plant.appliance.scan())

    plant.run(story)
    views = [view.entry for view in plant.appliance.meters()]
    return {(v.serial, v.manufacturer, v.version, v.medium) for v in views}, reports


def there(entries: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """The addresses of a population."""
    keys = ("identification_number", "manufacturer", "version", "medium")
    return {tuple(entry[key] for key in keys) for entry in entries}


@pytest.mark.parametrize("delays", DELAYS)
def test_every_meter_of_the_line_is_listed_and_nobody_else(delays: str) -> None:
    """M2: nobody missed, no phantom, however the answers fall over each other."""
    for draw in range(LINES // len(DELAYS)):
        rng = random.Random(f"line/{delays}/{draw}")
        entries = drawn(rng, DELAYS[delays])
        found, reports = scanned(Plant(entries, **SEARCH))
        assert found == there(entries), f"draw {draw}"
        assert reports[0].unresolved == []


def twin(name: str, number: str) -> dict[str, Any]:
    """A meter fresh from the box: all of a bus answer in phase with the same counters."""
    fresh = meter(name, number, random.Random("fresh"), (11.0, 11.0))
    fresh["records"][0]["value"] = 0
    fresh |= {"manufacturer": "LUG", "version": 2, "medium": 4}
    return fresh | {"access_number": 0}


@pytest.mark.parametrize("draw", range(12))
def test_twins_in_phase_do_not_hide_behind_each_other(draw: int) -> None:
    """The AND of two telegrams that differ in the number may be one of the two, checksum and all.

    All have the same last digit, which the search would tell them apart by.
    """
    rng = random.Random(f"twins/{draw}")
    first, last = f"{rng.randrange(10**6):06d}", rng.randrange(10)
    tens = rng.sample(range(10), rng.randint(2, 5))
    entries = [twin(f"m{i}", f"{first}{ten}{last}") for i, ten in enumerate(tens)]
    found, reports = scanned(Plant(entries, **SEARCH))
    assert found == there(entries)
    assert reports[0].unresolved == []


def test_a_meter_that_hid_behind_its_twin_is_found_and_told() -> None:
    """Number 40348728 is the AND of the three, so all of them together sound like it."""
    entries = [twin(f"m{i}", n) for i, n in enumerate(("40348728", "40348768", "40348778"))]
    plant = Plant(entries, **SEARCH)
    found, _ = scanned(plant)
    assert found == there(entries)
    behind = [fields["behind"] for _, fields in plant.logged("scan.hidden")]
    assert behind[0] == "40348728/LUG/2/4"


def test_a_letter_in_a_number_is_found_on_the_line() -> None:
    """A collision that 0 to 9 do not account for."""
    rng = random.Random("letters")
    entries = [meter("a", "1234567A", rng, (11, 60)), meter("b", "12345678", rng, (11, 60))]
    entries += [meter("c", "1C34567A", rng, (11, 60))]
    found, reports = scanned(Plant(entries, **SEARCH))
    assert found == there(entries)
    assert not any("A to E" in text for text in reports[0].not_looked_for)


def test_a_wrong_header_is_listed_and_marked() -> None:
    """The version in the header is not the one the meter is selected by (SCAN-07)."""
    rng = random.Random("wrong header")
    entries = [meter(f"m{i}", f"{81_000_000 + i}", rng, (11, 60)) for i in range(5)]
    entries[2] |= {"version": 2, "faults": [{"header": {"version": 99}}]}
    plant = Plant(entries, **SEARCH)
    found, _ = scanned(plant)
    assert len(found) == 5
    marked = [fields for _, fields in plant.logged("meter.found") if not fields["selectable"]]
    assert [fields["serial"] for fields in marked] == ["81000002"]


def test_a_second_scan_knows_the_first() -> None:
    """Known meters are asked for first, at less than a search from nothing; new ones appear."""
    rng = random.Random("again")
    entries = [meter(f"m{i}", f"{51_230_000 + i}", rng, (11, 60)) for i in range(40)]
    found, (first, second) = scanned(Plant(entries, **SEARCH), times=2)
    assert found == there(entries)
    assert second.found == first.found == 40
    assert second.collisions == 0
    assert second.duration_ns < first.duration_ns


def test_the_list_is_left_intact_by_a_bus_that_fails() -> None:
    """MET-03: the old entries stay where they are when the line vanishes in a scan."""
    rng = random.Random("unplugged")
    entries = [meter(f"m{i}", f"{61_230_000 + i}", rng, (11, 60)) for i in range(6)]
    plant = Plant(entries, **SEARCH)
    before: list[str] = []

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        before.extend(view.identification_number for view in plant.appliance.meters())
        async with plant.rt.nursery() as nursery:
            nursery.spawn(_failing_scan(plant), name="scan")
            await plant.seconds(0.7)
            await plant.unplug()

    plant.run(story)
    assert plant.appliance.figures().scans == 1
    assert [view.identification_number for view in plant.appliance.meters()] == before


async def _failing_scan(plant: Plant) -> None:
    with pytest.raises(OSError, match="port"):
        await plant.appliance.scan()


def test_literal_timing_finds_late_meters() -> None:
    """C-74: who answers after the window is found in LITERAL."""
    rng = random.Random("literal")
    entries = [meter(f"m{i}", f"{n:08d}", rng, (11, 60)) for i, n in enumerate((5, 15, 99_999_999))]
    entries[1]["answer_delay_bits"] = [2000, 2400]
    found, reports = scanned(Plant(entries, MBUS_SEARCHTIMING="LITERAL", **SEARCH))
    assert found == there(entries)
    assert "500 ms" in " ".join(reports[0].not_looked_for)
