"""The search on a bus where a meter is at fault: it ends, finds the others and says what it left.

Bus times are those at 9600 Bd.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from gateway.device.talker import COLLISIONS_BEFORE_CONTROL, CONTROLS, TRIES_MAX, Talker
from tests.gateway.device.plant import Plant
from tests.gateway.device.test_search_on_line import SEARCH, meter, scanned, there

if TYPE_CHECKING:
    from gateway.device.scan import ScanReport

TIMINGS = ("ADAPTIVE", "LITERAL")
NUMBER = "12345678"
#: Who is sound on the bus, beside the meter at fault.
SOUND = ("12345679", "64338650", "89893807")
#: Seconds within which a scan must have ended. LITERAL waits 0.5 s twice for every empty mask, up
#: to a third of WATCHDOG_SCAN.
LIMIT_S = {"ADAPTIVE": 120, "LITERAL": 1200}
#: A fault that every answer has, and what the report says was heard.
GARBLED: dict[str, tuple[dict[str, Any], str]] = {
    "bad_parity": ({"bad_parity": {}}, "PARITY error in character 0"),
    "bad_checksum": ({"bad_checksum": {}}, "no data: at byte"),
    "bad_start": ({"bad_start": {}}, "no data: at byte"),
    "bad_stop": ({"bad_stop": {}}, "no data: at byte"),
    "bad_length": ({"bad_length": {}}, "no data: at byte"),
    "truncated": ({"truncated": {"characters": 9}}, "no data: at byte"),
    "twice": ({"twice": {}}, "more than one answer|not the same answer twice"),
    "ghost": ({"ghost": {"answers": "selection"}}, "no data: only silence"),
    "application_error": ({"application_error": {"code": 8}}, "no data: CI field 70"),
    "busy": ({"busy": {}}, "no data: CI field 70"),
}


def bus(fault: dict[str, Any], **other: Any) -> list[dict[str, Any]]:
    """Three sound meters and one at fault, the first."""
    rng = random.Random("faults")
    entries = [meter(f"m{i}", n, rng, (11, 60)) for i, n in enumerate((NUMBER, *SOUND))]
    entries[0] |= {"faults": [fault], **other}
    return entries


def search(
    entries: list[dict[str, Any]], timing: str, **keys: Any
) -> tuple[set[tuple[Any, ...]], ScanReport, Plant]:
    """Scan once: who is listed, the report, the plant."""
    settings = {"MBUS_MAXRETRY": 1, **SEARCH, **keys}
    plant = Plant(entries, MBUS_SEARCHTIMING=timing, **settings)
    found, [report] = scanned(plant)
    return found, report, plant


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("alone", [True, False])
def test_a_meter_with_a_stray_character_before_every_answer_is_found(
    timing: str, *, alone: bool
) -> None:
    """The same garbage under narrower and narrower masks: look behind it, twice, and mark it."""
    entries = bus({"stray_byte": {}})[: 1 if alone else None]
    found, report, plant = search(entries, timing)
    assert found == there(entries)
    assert report.unresolved == []
    assert report.duration_ns < 120 * 10**9
    strays = {fields["serial"]: fields["stray"] for _, fields in plant.logged("meter.found")}
    assert strays == {entry["identification_number"]: i == 0 for i, entry in enumerate(entries)}


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("fault", GARBLED)
def test_a_meter_that_answers_garbled_is_named_and_ends_no_search(fault: str, timing: str) -> None:
    """The sound ones are found; the number of the other stands in the report, with what it said."""
    kind, heard = GARBLED[fault]
    entries = bus(kind)
    found, report, plant = search(entries, timing)
    assert found == there(entries[1:])
    assert [mask.identification_number for mask in report.unresolved] == [NUMBER]
    assert re.match(heard, report.reasons[report.unresolved[0]])
    assert report.duration_ns < LIMIT_S[timing] * 10**9
    [(_, told)] = plant.logged("scan.unresolved")
    assert (told["number"], told["heard"]) == (NUMBER, report.reasons[report.unresolved[0]])


def test_by_the_defaults_of_literal_timing_the_search_ends_before_its_watchdog() -> None:
    """MBUS_TIMEOUT 2000, MBUS_MAXRETRY 3: sweeps go on for a third of WATCHDOG_SCAN, no longer.

    That was cut is said.
    """
    entries = bus({"bad_checksum": {}})[:1]
    found, report, plant = search(entries, "LITERAL", MBUS_TIMEOUT=2000, MBUS_MAXRETRY=3)
    assert found == set()
    assert report.duration_ns < 1300 * 10**9
    assert [mask.identification_number for mask in report.unresolved] == [NUMBER]
    assert any("a third of WATCHDOG_SCAN" in text for text in report.not_looked_for)
    assert not plant.logged("watchdog.expired")


def test_several_meters_at_fault_share_the_bound() -> None:
    """Five that answer garbled cost a bounded number of masks together, and all are named."""
    rng = random.Random("many")
    entries = [meter(f"m{i}", f"{rng.randrange(10**8):08d}", rng, (11, 60)) for i in range(8)]
    for entry in entries[:5]:
        entry["faults"] = [{"bad_checksum": {}}]
    found, report, _ = search(entries, "ADAPTIVE")
    assert found == there(entries[3:]) - there(entries[3:5])
    named = {mask.identification_number for mask in report.unresolved}
    assert named == {entry["identification_number"] for entry in entries[:5]}
    assert report.selects < 2400
    assert any("at most 2048" in text for text in report.not_looked_for)


@pytest.mark.parametrize("timing", TIMINGS)
def test_who_talks_all_the_time_ends_the_search(timing: str) -> None:
    """Every mask collides, and nobody is answered for as well: said, not searched for ever."""
    entries = bus({"babble": {"every": "60 ms", "characters": 12}})
    _, report, plant = search(entries, timing)
    assert report.selects <= 2 * COLLISIONS_BEFORE_CONTROL
    assert report.unresolved[-1].identification_number == "FFFFFFFF"
    assert report.reasons[report.unresolved[-1]].startswith("somebody talks whatever is asked")
    assert plant.logged("scan.talker")[0][1]["answers"] == CONTROLS


def test_who_talks_now_and_then_does_not_hide_the_others() -> None:
    """A garbled answer is asked for again until it is likely to have come through."""
    entries = bus({"babble": {"every": "200 ms", "characters": 12}})
    found, report, plant = search(entries, "ADAPTIVE")
    assert found >= there(entries[1:])
    assert report.duration_ns < 900 * 10**9
    assert 0 < plant.logged("scan.talker")[0][1]["answers"] < CONTROLS


def test_what_a_talker_makes_of_a_search() -> None:
    """Silence: once is enough; half of the time: five times; always: the end."""
    quiet, often, always = Talker(), Talker(), Talker()
    quiet.heard(0)
    often.heard(CONTROLS // 2)
    always.heard(CONTROLS)
    assert (quiet.tries, quiet.end) == (1, "")
    assert (often.tries, often.end) == (5, "")
    assert always.end
    often.heard(CONTROLS - 1)
    assert often.tries == TRIES_MAX


def test_collisions_without_end_end() -> None:
    """A bound of its own for whatever was not thought of; meters found raise it."""
    talker = Talker()
    asked = sum(talker.collided() for _ in range(1001))
    assert "1001 masks collided and 0 meters" in talker.end
    assert asked == 6
    busy = Talker()
    for _ in range(250):
        busy.found()
        assert not any(busy.collided() for _ in range(8))
    assert busy.end == ""
