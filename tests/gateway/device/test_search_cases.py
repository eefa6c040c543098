"""The cases of a search one by one, on the simulated line (the table is in docs/search.md)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.gateway.device.plant import Plant
from tests.gateway.device.test_search_on_line import SEARCH, meter, scanned, there, twin

TIMINGS = ("ADAPTIVE", "LITERAL")
#: Short waits for LITERAL: two sends of 300 ms for an empty mask.
FAST: dict[str, Any] = {**SEARCH, "MBUS_TIMEOUT": 300, "MBUS_MAXRETRY": 1}
KIND: dict[str, Any] = {"manufacturer": "LUG", "version": 2, "medium": 4}


def bus(*numbers: str, delay: tuple[float, float] = (11, 60)) -> list[dict[str, Any]]:
    """Meters of one type."""
    rng = random.Random("cases")
    return [meter(f"m{i}", number, rng, delay) | KIND for i, number in enumerate(numbers)]


def selections(plant: Plant) -> list[str]:
    """The masks of the selections sent, as they went on the wire (16 hex digits)."""
    sent = [fields["data"] for _, fields in plant.logged("link.sent")]
    return [data[14:30] for data in sent if data.startswith("680b0b68")]


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize(
    "other",
    [{"manufacturer": "KAM"}, {"manufacturer": "LUH"}, {"version": 200}, {"medium": 7}],
    ids=["manufacturer", "manufacturer, first byte alone", "version", "medium"],
)
def test_meters_of_one_number_are_told_apart(other: dict[str, Any], timing: str) -> None:
    """One number, and one byte behind it that differs; a stranger besides."""
    entries = bus("12345678", "12345678", "90000000")
    entries[1] |= other
    found, [report] = scanned(Plant(entries, MBUS_SEARCHTIMING=timing, **FAST))
    assert found == there(entries)
    assert report.unresolved == []


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("bits", [*range(11, 31), *range(31, 330, 23), 329])
def test_a_second_answer_anywhere_in_the_window_is_a_collision(bits: int, timing: str) -> None:
    """The first meter acknowledges at once, the second `bits` after the request."""
    entries = bus("12345678", "12345679")
    entries[0]["answer_delay_bits"] = [11, 11]
    entries[1]["answer_delay_bits"] = [bits, bits]
    found, [report] = scanned(Plant(entries, MBUS_SEARCHTIMING=timing, **FAST))
    assert found == there(entries)
    assert report.collisions > 0


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("count", [2, 5])
def test_answers_in_phase_that_sound_like_one_clean_e5(count: int, timing: str) -> None:
    """The acknowledgement is clean, the data are garbled: a collision all the same."""
    entries = bus(*[f"1234567{i}" for i in range(count)], delay=(11.0, 11.0))
    found, _ = scanned(Plant(entries, MBUS_SEARCHTIMING=timing, **FAST))
    assert found == there(entries)


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize(
    "numbers",
    [
        ("40348728", "40348768", "40348778"),
        ("81122910", "81122940", "81122990"),
        ("58982439", "58982409"),
        ("33306619", "33306629", "33306639"),
        ("55705613", "55705623"),
    ],
)
def test_fresh_twins_neither_hide_behind_each_other_nor_make_a_phantom(
    numbers: tuple[str, ...], timing: str
) -> None:
    """Two or three telegrams in phase sound like one, of one of them or of nobody (81122900)."""
    entries = [twin(f"m{i}", number) for i, number in enumerate(numbers)]
    found, [report] = scanned(Plant(entries, MBUS_SEARCHTIMING=timing, **FAST))
    assert found == there(entries)
    assert report.unresolved == []


@pytest.mark.parametrize("timing", TIMINGS)
def test_equal_twins_are_one_meter_to_any_master(timing: str) -> None:
    """Address, counters and delays equal to the bit: no mask and no time tells them apart."""
    entries = [twin("a", "12345678"), twin("b", "12345678")]
    found, [report] = scanned(Plant(entries, MBUS_SEARCHTIMING=timing, **FAST))
    assert found == there(entries[:1])
    assert report.unresolved == []


@pytest.mark.parametrize("timing", TIMINGS)
def test_twins_of_one_address_that_differ_in_their_counters_are_named(timing: str) -> None:
    """One address twice, readings that differ: no mask tells them apart, and the report says so."""
    entries = bus("12345678", "12345678", "12345699")
    found, [report] = scanned(Plant(entries, MBUS_SEARCHTIMING=timing, **FAST))
    assert found == there(entries[2:])
    assert [mask.identification_number for mask in report.unresolved] == ["12345678"]


@pytest.mark.parametrize("timing", TIMINGS)
def test_masks_with_hexadecimal_digits(timing: str) -> None:
    """C-41: number, manufacturer, version and medium; letters where the mask fixes the digit."""
    entries = bus("12A45670", "12A45671", "12A45672", "12A45673", "12A45674", "12B45670")
    entries[2] |= {"medium": 7}
    entries[3] |= {"manufacturer": "KAM"}
    entries[4] |= {"version": 171}
    keys = {
        "MBUS_SECMASKSERIAL": "12AFFFFF",
        "MBUS_SECMASKMANUFACTURER": "32A7",
        "MBUS_SECMASKMEDIUM": "04",
    }
    everything = FAST | keys
    plant = Plant(entries, MBUS_SEARCHTIMING=timing, MBUS_SECMASKVERSION="02", **everything)
    found, _ = scanned(plant)
    assert found == there(entries[:2])
    assert all(mask[4:8].endswith("12") or mask[6:8] == "12" for mask in selections(plant))
    other = Plant(entries, MBUS_SEARCHTIMING=timing, MBUS_SECMASKVERSION="AB", **everything)
    found, _ = scanned(other)
    assert found == there(entries[4:5])


@pytest.mark.parametrize("mode", ["SECONDARYSCANALLOC", "SECONDARYSCANALLOCREVERSE"])
@pytest.mark.parametrize("timing", TIMINGS)
def test_a_scan_that_allocates_gives_registers_to_what_is_new(mode: str, timing: str) -> None:
    """C-20, SCAN-02: each found once, with registers; a second scan moves nobody."""
    entries = bus("12345678", "12345679", "90000000")
    plant = Plant(entries, MBUS_SEARCHTIMING=timing, **FAST | {"MBUS_SCANMODE": mode})
    seen: list[list[int]] = []

    async def story(plant: Plant) -> None:
        for _ in range(2):
            await plant.appliance.scan()
            seen.append([view.entry.register for view in plant.appliance.meters()])

    plant.run(story)
    assert len(set(seen[0])) == 3
    assert all(seen[0])
    assert seen[1] == seen[0]


def test_an_empty_mask_is_asked_once_on_a_quiet_bus() -> None:
    """C-74: ADAPTIVE believes silence at once, and never asks for the same empty mask again."""
    rng = random.Random("quiet")
    entries = bus(*[f"{rng.randrange(10**8):08d}" for _ in range(30)])
    plant = Plant(entries, **FAST)
    scanned(plant, times=2)
    begins = [at for at, fields in plant.logged("gateway.scan") if fields["value"] == "running"]
    for begin, end in zip(begins, [*begins[1:], float("inf")], strict=True):
        probes = [
            fields["mask"]
            for at, fields in plant.logged("scan.probe")
            if begin <= at < end and fields["outcome"] == "empty"
        ]
        assert len(probes) > 20
        assert len(probes) == len(set(probes))
        sent = [
            fields["data"][14:30] for at, fields in plant.logged("link.sent") if begin <= at < end
        ]
        assert all(sent.count(mask) == 1 for mask in probes)


def test_a_second_scan_asks_for_known_meters_first() -> None:
    """Nobody known is looked for by splitting: his own mask comes before any other."""
    entries = bus(*[f"{n * 12_345_679 % 10**8:08d}" for n in range(1, 9)])
    plant = Plant(entries, **FAST)
    scanned(plant, times=2)
    second = plant.logged("gateway.scan")[2][0]
    probes = [fields for at, fields in plant.logged("scan.probe") if at > second]
    singles = [i for i, fields in enumerate(probes) if fields["outcome"] == "single"]
    assert len(singles) == 8
    assert not [fields for fields in probes if fields["outcome"] == "collision"]
    assert singles[:4] == [0, 1, 2, 3]


def test_progress_and_figures_of_a_search() -> None:
    """The share grows to 1; the figures of the last event are those of the report."""
    entries = bus(*[f"{n * 12_345_679 % 10**8:08d}" for n in range(1, 13)])
    plant = Plant(entries, **FAST)
    _, [report] = scanned(plant)
    probes = [fields for _, fields in plant.logged("scan.probe")]
    shares = [fields["share"] for fields in probes]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    last = probes[-1]
    assert len(probes) == last["selects"] == report.selects
    for figure in ("found", "empties", "collisions"):
        assert last[figure] == getattr(report, figure)
    assert report.found == 12
    assert last["expected"] == 12
    assert 0 <= report.duration_ns / 1e9 - last["seconds"] < 0.5


@pytest.mark.parametrize(
    ("select", "timing", "is_found"),
    [
        ("by the book", "ADAPTIVE", True),
        ("only 53", "ADAPTIVE", True),
        ("only 53", "LITERAL", True),
        ("only 73", "ADAPTIVE", False),
        ("only 73", "LITERAL", True),
        ("full mask", "ADAPTIVE", False),
        ("none", "LITERAL", False),
    ],
)
def test_meters_with_selections_of_their_own(select: str, timing: str, *, is_found: bool) -> None:
    """C = 73 goes out as the last of several tries; who takes no wildcard can only be known."""
    entries = bus("12345678")
    entries[0]["behaviour"] = {"select": select}
    found, [report] = scanned(Plant(entries, MBUS_SEARCHTIMING=timing, **FAST))
    assert found == (there(entries) if is_found else set())
    text = " / ".join(report.not_looked_for)
    assert ("C field 73" in text) is (timing == "ADAPTIVE")
    assert "no wildcards" in text
