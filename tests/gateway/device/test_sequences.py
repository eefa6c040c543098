"""Every reset mode, request mode and addressing sends the telegrams of worked examples 10."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest

from gateway.device.readout import ReadoutPlan, Target, freeze_record, read_meter, selection_mask
from gateway.device.sequences import Addressing, RequestMode, ResetMode
from tests.gateway.device.examples import (
    ADDRESS_A,
    ANSWER_A,
    PRIMARY,
    SECONDARY,
    TELEGRAMS,
    names,
    obliging,
)
from tests.gateway.device.wire import Played, ScriptedLine, play, script

if TYPE_CHECKING:
    from gateway.device.link import Link
    from simulators.runtime import SimRuntime

P, S = PRIMARY.addressing, SECONDARY.addressing

#: The two tables of worked examples 10, cell by cell.
RESETS = {
    (ResetMode.NONE, P): [],
    (ResetMode.NONE, S): ["SELECT"],
    (ResetMode.STANDARD, P): ["NKE-A"],
    (ResetMode.STANDARD, S): ["NKE-FF", "SELECT"],
    (ResetMode.EXTENDED_1, P): ["NKE-FD", "NKE-A"],
    (ResetMode.EXTENDED_1, S): ["NKE-FD", "NKE-FF", "SELECT"],
    (ResetMode.EXTENDED_2, P): ["NKE-FD", "APPRESET-FD", "NKE-A"],
    (ResetMode.EXTENDED_2, S): ["NKE-FD", "SELECT", "APPRESET-FD", "NKE-FF", "SELECT"],
}
REQUESTS = {
    (RequestMode.DEFAULT, P): ["REQ1-A"],
    (RequestMode.DEFAULT, S): ["REQ1-FD"],
    (RequestMode.EXT, P): ["GET1-A", "REQ1-A"],
    (RequestMode.EXT, S): ["GET1-FD", "REQ1-FD"],
    (RequestMode.EXT2, P): ["GET2-A", "REQ1-A"],
    (RequestMode.EXT2, S): ["GET2-FD", "REQ1-FD"],
    (RequestMode.FREEZE, P): ["FREEZE-A", "REQ1-A"],
    (RequestMode.FREEZE, S): ["FREEZE-FD", "REQ1-FD"],
}
ONLY = {P: ["REQ1-A"], S: ["SELECT", "REQ1-FD"]}
#: With MUC_USE_FREEZE a Get-All is the second SND_UD, so its FCB is 0.
FROZEN_FIRST = {
    (RequestMode.DEFAULT, P): ["FREEZE-A", "REQ1-A"],
    (RequestMode.DEFAULT, S): ["FREEZE-FD", "REQ1-FD"],
    (RequestMode.EXT, P): ["FREEZE-A", "GET1-A, FCB 0", "REQ1-A"],
    (RequestMode.EXT, S): ["FREEZE-FD", "GET1-FD, FCB 0", "REQ1-FD"],
    (RequestMode.EXT2, P): ["FREEZE-A", "GET2-A, FCB 0", "REQ1-A"],
    (RequestMode.EXT2, S): ["FREEZE-FD", "GET2-FD, FCB 0", "REQ1-FD"],
    (RequestMode.FREEZE, P): ["FREEZE-A", "REQ1-A"],
    (RequestMode.FREEZE, S): ["FREEZE-FD", "REQ1-FD"],
}
EVERY_CELL = list(product(ResetMode, RequestMode, (PRIMARY, SECONDARY)))


def read(plan: ReadoutPlan, target: Target, times: int = 1) -> Played:
    """Read meter A, which does everything by the book."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> list[str]:
        return [(await read_meter(link, plan, target)).failure for _ in range(times)]

    played = play(conversation, obliging)
    assert played.result == [""] * times
    return played


def cell_id(value: object) -> str:
    """Name a cell of the table."""
    return value.addressing.value if isinstance(value, Target) else getattr(value, "name", "")


@pytest.mark.parametrize(("reset", "request_mode", "target"), EVERY_CELL, ids=cell_id)
def test_every_mode_sends_the_telegrams_of_the_table(
    reset: ResetMode, request_mode: RequestMode, target: Target
) -> None:
    """CFG-14, CFG-15, C-18, C-19: reset part, then request part, byte for byte."""
    played = read(ReadoutPlan(reset, request_mode), target)
    if request_mode is RequestMode.ONLY:
        expected = ONLY[target.addressing]
    else:
        expected = RESETS[reset, target.addressing] + REQUESTS[request_mode, target.addressing]
    assert names(played.sent) == expected


@pytest.mark.parametrize(("reset", "request_mode", "target"), EVERY_CELL, ids=cell_id)
def test_freeze_first_precedes_the_request_part(
    reset: ResetMode, request_mode: RequestMode, target: Target
) -> None:
    """MUC_USE_FREEZE=1 puts FREEZE before DEFAULT, EXT and EXT2, and nothing into the others."""
    played = read(ReadoutPlan(reset, request_mode, freeze_first=True), target)
    if request_mode is RequestMode.ONLY:
        expected = ONLY[target.addressing]
    else:
        expected = RESETS[reset, target.addressing] + FROZEN_FIRST[request_mode, target.addressing]
    assert names(played.sent) == expected


@pytest.mark.parametrize(
    ("target", "storage_number", "name"),
    [
        (PRIMARY, 0, "FREEZE-A"),
        (PRIMARY, 1, "FREEZE-A 1"),
        (PRIMARY, 2, "FREEZE-A 2"),
        (SECONDARY, 0, "FREEZE-FD"),
        (SECONDARY, 1, "FREEZE-FD 1"),
    ],
)
def test_freeze_names_its_storage_number(target: Target, storage_number: int, name: str) -> None:
    """MBUS_FREEZESTORAGEUM goes into DIF and DIFEs of the freeze record (C-19)."""
    plan = ReadoutPlan(ResetMode.NONE, RequestMode.FREEZE, freeze_storage_number=storage_number)
    assert name in names(read(plan, target).sent)


def test_freeze_record_spans_the_whole_range() -> None:
    """A storage number has 41 bits: 1 in the DIF, 4 in each DIFE; more is refused."""
    assert freeze_record((1 << 41) - 1) == b"\xc0" + b"\x8f" * 9 + b"\x0f\xfe\x0b"
    assert freeze_record(4294967295) == b"\xc0" + b"\x8f" * 7 + b"\x07\xfe\x0b"
    with pytest.raises(ValueError, match="2199023255552 does not fit"):
        freeze_record(1 << 41)


@pytest.mark.parametrize("target", [PRIMARY, SECONDARY], ids=cell_id)
@pytest.mark.parametrize("reset", ResetMode)
def test_wake_up_precedes_the_reset_part(reset: ResetMode, target: Target) -> None:
    """C-62: one SND_NKE to FF and MBUS_IDLETIMEOUT of silence before the reset part."""
    plain = read(ReadoutPlan(reset), target)
    woken = read(ReadoutPlan(reset, wakeup=True), target)
    assert woken.sent == [TELEGRAMS["NKE-FF"], *plain.sent]
    (_, end), (begin, _) = woken.line.times[:2]
    assert begin - end == 100_000_000


def test_no_wake_up_where_there_is_no_reset_part() -> None:
    """ONLY has "no reset part at all", so nothing can precede it."""
    played = read(ReadoutPlan(request_mode=RequestMode.ONLY, wakeup=True), PRIMARY)
    assert names(played.sent) == ["REQ1-A"]


@pytest.mark.parametrize(
    ("select_mask", "bytes_of_address"),
    [
        (0, "06 01 60 66 A7 32 02 04"),
        (1, "FF FF FF FF A7 32 02 04"),
        (2, "06 01 60 66 FF FF 02 04"),
        (4, "06 01 60 66 A7 32 FF 04"),
        (8, "06 01 60 66 A7 32 02 FF"),
        (15, "FF FF FF FF FF FF FF FF"),
    ],
)
def test_select_mask_makes_parts_of_the_address_wild(
    select_mask: int, bytes_of_address: str
) -> None:
    """MBUS_SELECTMASK: 1 serial, 2 manufacturer, 4 version, 8 medium (SCAN-07)."""
    mask = selection_mask(ADDRESS_A, select_mask)
    assert mask.to_bytes() == bytes.fromhex(bytes_of_address)


def test_select_mask_4_on_the_wire() -> None:
    """SCAN-07: the selection with the version wild, as worked examples 10 has it."""
    target = replace(SECONDARY, mask=selection_mask(ADDRESS_A, 4))
    played = read(ReadoutPlan(ResetMode.NONE), target)
    assert names(played.sent) == ["SELECT mask 4", "REQ1-FD"]


def test_frame_count_bits_start_anew_with_every_read_out() -> None:
    """After SND_NKE and after SELECT the first REQ_UD2 has FCB 1 again."""
    for target in (PRIMARY, SECONDARY):
        once = read(ReadoutPlan(), target)
        assert read(ReadoutPlan(), target, times=3).sent == once.sent * 3


def test_without_resets_the_primary_image_goes_on() -> None:
    """Reset None, primary: FCB 1 after a start, then toggling from read-out to read-out (C-18)."""
    played = read(ReadoutPlan(ResetMode.NONE), PRIMARY, times=4)
    assert names(played.sent) == ["REQ1-A", "REQ0-A", "REQ1-A", "REQ0-A"]


def test_images_of_two_addresses_are_two() -> None:
    """The FCB belongs to an address: reading meter 9 does not move the image of meter 5."""
    nine = Target(Addressing.PRIMARY, 9, None)

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> None:
        plan = ReadoutPlan(ResetMode.NONE)
        for target in (PRIMARY, nine, nine, PRIMARY):
            await read_meter(link, plan, target)

    answer_9 = ANSWER_A.replace("08 05 72", "08 09 72").replace("CC 16", "D0 16")
    played = play(conversation, script(ANSWER_A, answer_9, answer_9, ANSWER_A))
    assert played.sent == [
        "10 7B 05 80 16",
        "10 7B 09 84 16",
        "10 5B 09 64 16",
        "10 5B 05 60 16",
    ]


def test_broadcast_reset_clears_every_image() -> None:
    """After SND_NKE to FF every slave has forgotten its FCB, so every image is 1 again."""

    async def conversation(_: SimRuntime, link: Link, __: ScriptedLine) -> None:
        await read_meter(link, ReadoutPlan(ResetMode.NONE), PRIMARY)
        await link.reset_all()
        await read_meter(link, ReadoutPlan(ResetMode.NONE), PRIMARY)

    played = play(conversation, obliging)
    assert names(played.sent) == ["REQ1-A", "NKE-FF", "REQ1-A"]
