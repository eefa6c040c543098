"""Reading one meter: what counts as its answer, pages, repeats, and what a failure leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.device.readout import Readout, ReadoutPlan, Target, read_meter, selection_mask
from gateway.device.sequences import RequestMode, ResetMode
from tests.gateway.device.examples import (
    ACK,
    ADDRESS_A,
    ANSWER_A,
    ANSWER_B,
    PRIMARY,
    SECONDARY,
    framed,
    names,
    page,
)
from tests.gateway.device.wire import DEFAULTS, Played, Reply, play, script

if TYPE_CHECKING:
    from gateway.device.link import Link
    from simulators.runtime import SimRuntime
    from tests.gateway.device.wire import ScriptedLine

#: Three pages of meter A; all but the last end with DIF 1F.
PAGE_1 = page("0B 06 67 02 00 1F", access_number=0x2A)
PAGE_2 = page("02 59 2E FB 1F", access_number=0x2B)
PAGE_3 = page("0C 14 78 56 34 12 1F", access_number=0x2C)
LAST_PAGE_2 = page("02 59 2E FB", access_number=0x2B)
LAST_PAGE_3 = page("0C 14 78 56 34 12", access_number=0x2C)

STANDARD = ReadoutPlan()
SILENT = None


def read(*replies: Reply, plan: ReadoutPlan = STANDARD, target: Target = PRIMARY) -> Played:
    """Read meter A while the script answers; the result is the read-out."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> Readout:
        return await read_meter(link, plan, target)

    return play(conversation, script(*replies))


# --- Pages (worked examples 10) -------------------------------------------------------------------


def test_pages_with_a_loss_go_as_in_the_worked_example() -> None:
    """Multipage 3, page 2 lost once: the five telegrams of the table, cut at the limit."""
    played = read(ACK, PAGE_1, SILENT, PAGE_2, PAGE_3)
    assert played.sent == [
        "10 40 05 45 16",
        "10 7B 05 80 16",
        "10 5B 05 60 16",
        "10 5B 05 60 16",
        "10 7B 05 80 16",
    ]
    readout = played.result
    assert (len(readout.pages), readout.complete, readout.limited) == (3, True, True)
    assert [record.value for telegram in readout.pages for record in telegram.records[:1]] == [
        "267000",
        "-12.34",
        "123456.78",
    ]


def test_the_last_page_ends_the_read_out() -> None:
    """Without 1F the read-out is at its end, and nothing was cut."""
    readout = read(ACK, PAGE_1, PAGE_2, LAST_PAGE_3).result
    assert (len(readout.pages), readout.complete, readout.limited) == (3, True, False)


@pytest.mark.parametrize(("limit", "pages"), [(0, 1), (1, 1), (2, 2), (3, 3), (255, 3)])
def test_the_limit_counts_telegrams(limit: int, pages: int) -> None:
    """C-61: MBUS_MAXMULTIPAGE counts telegrams, the first included; 0 and 1 mean the first."""
    plan = ReadoutPlan(ResetMode.NONE, multipage_max=limit)
    played = read(PAGE_1, PAGE_2, LAST_PAGE_3, plan=plan)
    assert len(played.sent) == pages
    readout = played.result
    assert (len(readout.pages), readout.complete, readout.limited) == (pages, True, pages < 3)


def test_255_pages_are_joined_in_order() -> None:
    """The highest limit is reached, in order, with the frame count bit toggling all the way."""
    pages = [page(f"02 59 {number:02X} 00 1F", access_number=number) for number in range(256)]
    played = read(*pages, plan=ReadoutPlan(ResetMode.NONE, multipage_max=255))
    values = [telegram.records[0].integer for telegram in played.result.pages]
    assert values == list(range(255))
    assert names(played.sent) == (["REQ1-A", "REQ0-A"] * 128)[:255]


def test_a_repeated_page_is_dropped() -> None:
    """Equal access number and data as page 1: not page 2; the same FCB asks again."""
    readout = (played := read(ACK, PAGE_1, PAGE_1, LAST_PAGE_2)).result
    assert (len(readout.pages), readout.complete) == (2, True)
    assert names(played.sent) == ["NKE-A", "REQ1-A", "REQ0-A", "REQ0-A"]


def test_a_meter_that_only_repeats_has_lost_its_next_page() -> None:
    """After 1 + MBUS_MAXRETRY repeats the page counts as lost, and no value is taken twice."""
    readout = (played := read(ACK, *[PAGE_1] * 9)).result
    assert (len(readout.pages), readout.complete) == (1, False)
    assert readout.failure == "page 2: the meter repeats a page that it has sent"
    assert names(played.sent) == ["NKE-A", "REQ1-A"] + ["REQ0-A"] * 4


@pytest.mark.parametrize("lost", [SILENT, "FF", framed(8, 5, 0x70, "08"), ANSWER_B])
def test_a_later_page_that_is_lost_leaves_the_pages_before(lost: Reply) -> None:
    """Flags row 4: 1 + MBUS_MAXRETRY sends fail, what has come stays."""
    readout = (played := read(ACK, PAGE_1, *[lost] * 4)).result
    assert (len(readout.pages), readout.complete, readout.limited) == (1, False, False)
    assert readout.failure.startswith("page 2: ")
    assert names(played.sent) == ["NKE-A", "REQ1-A"] + ["REQ0-A"] * 4


def test_an_acknowledgement_for_a_further_page_ends_the_pages() -> None:
    """E5 to REQ_UD2 says "no data" (MBDOC48 p.53): asked again, it is believed behind a page."""
    readout = (played := read(ACK, PAGE_1, *[ACK] * 4)).result
    assert (len(readout.pages), readout.complete, readout.failure) == (1, True, "")
    assert names(played.sent)[2:] == ["REQ0-A"] * 4


# --- The first telegram ---------------------------------------------------------------------------

NO_ANSWERS = {
    "silence": (SILENT, "only silence"),
    "garbage": ("55 AA", "start byte"),
    "only E5": (ACK, "only ack"),
    "CI 70": (framed(8, 5, 0x70, "08"), "CI field 70 carries no meter data"),
    "CI 71": (framed(8, 5, 0x71, "00"), "CI field 71 carries no meter data"),
    "another address": (framed(8, 6, 0x72, "06016066A73202042A000000"), "address 6, not 5"),
    "a call": (framed(0x53, 5, 0x72, "06016066A73202042A000000"), "C field 53 is not an answer"),
}


@pytest.mark.parametrize(("reply", "reason"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_no_valid_first_telegram(reply: Reply, reason: str) -> None:
    """Flags row 3: after all tries there is no page, and the log can say why."""
    readout = (played := read(ACK, *[reply] * 4)).result
    assert (readout.pages, readout.complete) == ((), False)
    assert readout.failure.startswith("page 1: ")
    assert reason in readout.failure
    assert names(played.sent) == ["NKE-A"] + ["REQ1-A"] * 4


@pytest.mark.parametrize("reply", [reply for reply, _ in NO_ANSWERS.values()], ids=NO_ANSWERS)
def test_a_last_try_that_works_is_enough(reply: Reply) -> None:
    """Three failed tries of any kind and a good one: the meter is read."""
    assert read(ACK, *[reply] * 3, ANSWER_A).result.complete


def test_another_meters_header_is_not_read_by_secondary_address() -> None:
    """C-63: secondary addressing, a header that differs: not read."""
    other = page("", access_number=1).replace("06 01 60 66", "07 01 60 66").replace(" 16", "")
    data = " ".join(other.split()[7:-1])
    played = read(None, ACK, *[framed(8, 5, 0x72, data)] * 4, target=SECONDARY)
    assert played.result.failure == "page 1: the header names another meter"


@pytest.mark.parametrize(
    ("select_mask", "position", "is_read"),
    [(1, 0, True), (2, 4, True), (4, 6, True), (8, 7, True), (4, 7, False), (1, 6, False)],
)
def test_a_wild_part_of_the_address_may_differ(
    select_mask: int, position: int, *, is_read: bool
) -> None:
    """C-63: what MBUS_SELECTMASK makes wild may differ in the header, and nothing else."""
    header = bytearray.fromhex("06016066A73202042A000000")
    header[position] ^= 0x01
    target = replace(SECONDARY, mask=selection_mask(ADDRESS_A, select_mask))
    answers = [framed(8, 5, 0x72, header.hex())] * 4
    assert bool(read(None, ACK, *answers, target=target).result.pages) is is_read


def test_a_swapped_meter_is_read_behind_its_primary_address() -> None:
    """SCAN-04: by primary address the A field counts, whatever the header says."""
    header = "07016066A73202042A000000"
    readout = read(ACK, framed(8, 5, 0x72, header)).result
    assert readout.pages[0].header.identification_number == "66600107"


@pytest.mark.parametrize("a_field", [5, 0xFD, 0, 77])
def test_a_selected_meter_may_answer_with_any_address(a_field: int) -> None:
    """A selected slave names its own primary address, or 253 where it has none."""
    answer = framed(8, a_field, 0x72, "06016066A73202042A000000")
    assert read(None, ACK, answer, target=SECONDARY).result.complete


@pytest.mark.parametrize("c_field", [0x08, 0x18, 0x28, 0x38])
def test_access_demand_and_flow_control_do_not_matter(c_field: int) -> None:
    """RSP_UD may carry ACD and DFC (MBDOC48 p.23)."""
    answer = framed(c_field, 5, 0x72, "06016066A73202042A000000")
    assert read(ACK, answer).result.complete


def test_a_bad_record_does_not_make_the_telegram_invalid() -> None:
    """A record that cannot be decoded costs itself, not the read-out."""
    readout = read(ACK, page("0B 06 67 02 00 02 59 2E", access_number=1)).result
    assert readout.complete
    assert readout.pages[0].records[0].value == "267000"


# --- Before the first telegram --------------------------------------------------------------------


@pytest.mark.parametrize(("replies", "reason"), [((), "silence"), (["A5"] * 4, "start byte")])
def test_a_meter_that_is_not_selected_is_not_asked(replies: list[str], reason: str) -> None:
    """SELECT unanswered after all tries: read failed, no REQ_UD2 goes out."""
    played = read(None, *replies, target=SECONDARY)
    assert names(played.sent) == ["NKE-FF", "SELECT", "SELECT", "SELECT", "SELECT last try"]
    assert played.result.pages == ()
    assert played.result.failure.startswith("not selected: ")
    assert reason in played.result.failure


@pytest.mark.parametrize(
    ("mode", "step"),
    [
        (RequestMode.EXT, "GET1-A"),
        (RequestMode.EXT2, "GET2-A"),
        (RequestMode.FREEZE, "FREEZE-A"),
    ],
)
@pytest.mark.parametrize("reply", [None, "A5", ANSWER_B])
def test_get_and_freeze_may_stay_unanswered(mode: RequestMode, step: str, reply: Reply) -> None:
    """GET or FREEZE without E5: 1 + MBUS_MAXRETRY sends, then REQ_UD2 all the same."""
    plan = ReadoutPlan(ResetMode.NONE, mode)
    played = read(*[reply] * 4, ANSWER_A, plan=plan)
    assert names(played.sent) == [step] * 4 + ["REQ1-A"]
    assert played.result.complete


def test_unanswered_resets_stop_nothing() -> None:
    """SND_NKE and application reset are sent once, answered or not."""
    plan = ReadoutPlan(ResetMode.EXTENDED_2)
    played = read(None, None, None, ANSWER_A, plan=plan)
    assert names(played.sent) == ["NKE-FD", "APPRESET-FD", "NKE-A", "REQ1-A"]
    assert played.result.complete


def test_dead_meters_cost_what_the_watchdog_allows_for() -> None:
    """Worked examples 11: a silent meter costs NKE 2 s and 4 x 2 s with the defaults."""

    async def conversation(rt: SimRuntime, link: Link, line: ScriptedLine) -> int:
        await read_meter(link, STANDARD, PRIMARY)
        return rt.now() - line.times[0][0]

    played = play(conversation, script())
    telegrams_ns = 5 * played.line.format.characters_ns(5)
    assert played.result == 10_000_000_000 + telegrams_ns
    assert DEFAULTS.tries == 4
