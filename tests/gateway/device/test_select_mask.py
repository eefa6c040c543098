"""Which MBUS_SELECTMASK reads a meter that its own header does not select (manual 6.1, 8.3)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from gateway.device.select_mask import parts_of, remedy
from tests.gateway.device.plant import Plant
from tests.gateway.device.test_search_on_line import SEARCH, meter

if TYPE_CHECKING:
    from gateway.device.scan import ScanReport

TIMINGS = ("ADAPTIVE", "LITERAL")
NUMBER = "12345678"
#: What the header says instead, and the value that makes just that wild.
LIES: dict[str, tuple[dict[str, Any], int]] = {
    "version": ({"version": 99}, 4),
    "medium": ({"medium": 3}, 8),
    "manufacturer": ({"manufacturer": "ZRI"}, 2),
    "version and medium": ({"version": 99, "medium": 3}, 12),
    "manufacturer and version": ({"manufacturer": "ZRI", "version": 99}, 6),
    "manufacturer and medium": ({"manufacturer": "ZRI", "medium": 3}, 10),
    "all but the number": ({"manufacturer": "ZRI", "version": 99, "medium": 3}, 14),
}
FAST = {"MBUS_MAXRETRY": 1, "MBUS_TIMEOUT": 300}


def bus(*lies: dict[str, Any], number: str = NUMBER) -> list[dict[str, Any]]:
    """One meter for each lie, and three that tell the truth."""
    rng = random.Random("liars")
    numbers = [f"{int(number) + i:08d}" for i in range(len(lies))] + ["12345690", "5", "77777777"]
    kind = {"manufacturer": "LUG", "version": 2, "medium": 4}
    entries = [meter(f"m{i}", n.zfill(8), rng, (11, 60)) | kind for i, n in enumerate(numbers)]
    for entry, header in zip(entries, lies, strict=False):
        entry["faults"] = [{"header": header}]
    return entries


def scanned(plant: Plant) -> tuple[ScanReport, dict[str, Any]]:
    """Scan, read out, set what the report names, restart, read out; the report and the flags."""
    seen: dict[str, Any] = {}

    async def story(plant: Plant) -> None:
        seen["report"] = await plant.appliance.scan()
        await plant.appliance.readout()
        seen["before"] = plant.flags()
        plant.set_keys(**SEARCH, **FAST, MBUS_SELECTMASK=seen["report"].select_mask)
        await plant.reboot()
        await plant.appliance.readout()
        seen["after"] = plant.flags()

    plant.run(story)
    return seen["report"], seen


def named(plant: Plant) -> dict[str, int | None]:
    """What each marked meter is said to need, by the number in its header."""
    return {
        fields["serial"]: fields["select_mask"]
        for _, fields in plant.logged("meter.found")
        if not fields["selectable"]
    }


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("lie", LIES)
def test_the_named_value_lets_the_gateway_read_the_meter(lie: str, timing: str) -> None:
    """Not read before, read after it was set; the others are read before and after."""
    header, value = LIES[lie]
    keys = {**SEARCH, **FAST, "MBUS_SCANMODE": "SECONDARYSCANALLOC"}
    plant = Plant(bus(header), MBUS_SEARCHTIMING=timing, **keys)
    report, seen = scanned(plant)
    assert named(plant) == {NUMBER: value}
    assert (report.select_mask, report.select_mask_conflicts) == (value, [])
    assert sorted(bool(flags) for flags in seen["before"]) == [False, False, False, True]
    assert seen["after"] == [0, 0, 0, 0]
    [(_, told)] = plant.logged("scan.select_mask")
    assert (told["value"], told["parts"]) == (value, parts_of(value))


def test_a_header_with_another_number_needs_the_number_wild() -> None:
    """+1: the rest of the address must be nobody else's."""
    entries = bus({"identification_number": "00000815"})
    entries[0] |= {"version": 55}
    plant = Plant(entries, **SEARCH | FAST | {"MBUS_SCANMODE": "SECONDARYSCANALLOC"})
    report, seen = scanned(plant)
    assert named(plant) == {"00000815": 1}
    # With every number wild the three of one type cannot be told apart any more: that is said.
    assert report.select_mask == 1
    assert len(report.select_mask_conflicts) == 3
    assert seen["after"].count(0) == 1


def test_where_nothing_reads_it_alone_that_is_said() -> None:
    """Another number, and the rest of the address is that of others as well."""
    plant = Plant(bus({"identification_number": "00000815"}), **SEARCH | FAST)
    report, _ = scanned(plant)
    assert named(plant) == {"00000815": None}
    assert report.select_mask == 0
    assert "primary address" in remedy(None)


def test_a_header_that_is_another_meters_address_gets_no_value() -> None:
    """What would be read with it is the other."""
    entries = bus({"identification_number": "77777777"})
    plant = Plant(entries, **SEARCH | FAST)
    scanned(plant)
    assert set(named(plant).values()) <= {None}


def test_one_value_serves_all_that_need_one() -> None:
    """Version here, medium there: 12, tried at both."""
    plant = Plant(
        bus({"version": 99}, {"medium": 3}),
        **SEARCH | FAST | {"MBUS_SCANMODE": "SECONDARYSCANALLOC"},
    )
    report, seen = scanned(plant)
    assert named(plant) == {NUMBER: 4, "12345679": 8}
    assert (report.select_mask, report.select_mask_conflicts) == (12, [])
    assert seen["after"] == [0] * 5


def test_meters_that_the_value_would_mix_up_are_named() -> None:
    """Two of one number that differ in the version alone: not with the version wild."""
    entries = bus({"version": 99})
    entries[2] |= {"identification_number": "12345690", "version": 7}
    plant = Plant(entries, **SEARCH | FAST)
    report, _ = scanned(plant)
    assert report.select_mask == 4
    numbers = [address.identification_number for address in report.select_mask_conflicts]
    assert numbers == ["12345690"] * 2


def test_a_ghost_that_answers_wildcards_only_is_read_with_one() -> None:
    """Its full address is not heard; with the version wild it is (libmbus#61, #62)."""
    entries = bus()
    entries[0]["faults"] = [{"ghost": {"answers": "wildcards"}}]
    plant = Plant(entries, **SEARCH | FAST | {"MBUS_SCANMODE": "SECONDARYSCANALLOC"})
    report, seen = scanned(plant)
    assert report.select_mask == 4
    assert seen["after"] == [0] * 3


def test_all_are_selected_by_their_address_and_nothing_is_named() -> None:
    """No value where none is needed, and no event."""
    plant = Plant(bus(), **SEARCH | FAST)
    report, _ = scanned(plant)
    assert report.select_mask == 0
    assert not plant.logged("scan.select_mask")


def test_values_in_words() -> None:
    """The parts in the order of how often they are wrong."""
    assert parts_of(4) == "version"
    assert parts_of(15) == "version and medium and manufacturer and serial number"
    assert remedy(12) == "MBUS_SELECTMASK=12 reads it (any version and medium)"
