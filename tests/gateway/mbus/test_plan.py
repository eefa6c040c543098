"""Plans: what is read by a plan is what is read record by record, whatever the bytes are."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from gateway.mbus import plan as plans
from gateway.mbus.plan import KEYS_MAX, PLANS_PER_KEY_MAX, find_plan, forget_plans
from gateway.mbus.record import forget_codings
from gateway.mbus.telegram import decode
from tests.gateway.mbus import corpus
from tests.gateway.mbus.building import HEADER, answer
from tests.gateway.mbus.telegrams import decode_often, frames, said, with_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Change = Callable[[bytes, random.Random], bytes]

FRAMES = frames()
#: Frames changed in each way, for each telegram above: 28 x 3 x 60 in all.
CHANGES = 60
#: Real telegrams with a long header; others never have a plan.
PLANNABLE = [case for case in corpus.load() if case.frame[6:7] in (b"\x72", b"\x76")]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Let every test begin, and leave, without plans."""
    forget_plans()
    yield
    forget_plans()


def fresh(wire: bytes) -> tuple[object, ...]:
    """Decode as a process that has just started does."""
    forget_plans()
    forget_codings()
    return said(decode(wire))


def other_data(frame: bytes, rng: random.Random) -> bytes:
    """Change every data byte that is free: LVAR bytes, which are structure, stay."""
    changed = bytearray(frame)
    for record in decode(frame).records:
        begin = record.offset + (record.coding.size < 0 and bool(record.coding.vib))
        for at in range(begin, record.end):
            changed[at] = rng.choice((rng.randrange(256), rng.randrange(10) * 17, changed[at]))
    # Access number, status, configuration, address, number of the meter.
    for at in (5, 7, 8, 9, 10, 15, 16, 17, 18):
        changed[at] = rng.randrange(256)
    return with_frame(bytes(changed[4:-2]))


def other_bytes(frame: bytes, rng: random.Random) -> bytes:
    """Change, take out or put in up to three bytes anywhere behind the head."""
    counted = bytearray(frame[4:-2])
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(counted))
        what = rng.randrange(4)
        if what == 0 and len(counted) > 3:
            del counted[at]
        elif what == 1:
            counted.insert(at, rng.randrange(256))
        else:
            counted[at] ^= 1 << rng.randrange(8)
    return with_frame(bytes(counted))


def broken(frame: bytes, rng: random.Random) -> bytes:
    """Cut the frame short, or damage it on the line, checksum and all."""
    if rng.random() < 0.5:
        return frame[: rng.randrange(len(frame))]
    damaged = bytearray(frame)
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize("change", [other_data, other_bytes, broken])
@pytest.mark.parametrize("name", FRAMES)
def test_by_plan_and_afresh_are_equal(name: str, change: Change) -> None:
    """Every attribute of every record, the errors and the times, over thousands of frames."""
    frame, rng = FRAMES[name], random.Random(f"{name}/{change.__name__}")
    for _ in range(CHANGES):
        wire = change(frame, rng)
        expected = fresh(wire)
        decode_often(frame)
        assert said(decode(wire)) == expected
        assert said(decode_often(wire)) == expected


@corpus.NEEDED
@pytest.mark.parametrize("case", PLANNABLE, ids=lambda case: case.name)
@pytest.mark.parametrize("change", [other_data, other_bytes, broken])
def test_real_telegrams_too(case: corpus.Case, change: Change) -> None:
    """The same over telegrams of real meters."""
    rng = random.Random(f"{case.name}/{change.__name__}")
    for _ in range(20):
        wire = change(case.frame, rng)
        expected = fresh(wire)
        decode_often(case.frame)
        assert said(decode(wire)) == expected


@pytest.mark.parametrize("name", FRAMES)
def test_the_third_telegram_of_a_structure_is_read_by_a_plan(name: str) -> None:
    """One sight makes nothing, the second makes the plan, which then takes other data too."""
    frame = FRAMES[name]
    if decode(frame).error is not None:
        # In the other byte order some of the made-up telegrams do not parse to the end.
        assert find_plan(frame) is None
        return
    assert find_plan(frame) is None
    decode(frame)
    plan = find_plan(frame)
    assert plan is not None
    rng = random.Random(name)
    assert all(find_plan(other_data(frame, rng)) is plan for _ in range(20))


def test_meters_of_one_model_share_a_plan() -> None:
    """Address and identification number do not count; version and medium do."""
    frame = decode_often_and_return(answer("0413 01000000"))
    other = bytearray(frame)
    other[5], other[7:11] = 77, b"\x78\x56\x34\x12"
    assert find_plan(bytes(other)) is find_plan(frame)
    other[13] ^= 1
    assert find_plan(bytes(other)) is None


def decode_often_and_return(frame: bytes) -> bytes:
    """Let a plan be made; gives the frame back."""
    decode_often(frame)
    return frame


def test_a_telegram_with_an_error_gets_no_plan() -> None:
    """What stops in the middle may stop elsewhere the next time."""
    frame = answer("0413 01000000 3f")
    assert decode_often(frame).error is not None
    assert find_plan(frame) is None


def test_a_text_that_could_stand_elsewhere_gets_no_plan() -> None:
    """Data could decide where the text is, unless it stands right behind the VIF and is printable.

    ``FC 02 74 41 ..``: text "At" and VIFE, or VIFE 02 with a text of 0x74 characters.
    """
    unprintable = answer("02fc 02 0141 74 2215")
    assert decode_often(unprintable).error is None
    assert find_plan(unprintable) is None
    printable = answer("02fc 02 4d41 74 2215")
    assert decode_often(printable).error is None
    assert find_plan(printable) is not None


def test_several_structures_of_one_model_each_have_their_plan() -> None:
    """A multi-telegram meter sends them in turn; beyond the limit the others are read without."""
    pages = [answer(f"04{0x10 + number:02x} 01000000") for number in range(12)]
    assert len(pages) > PLANS_PER_KEY_MAX
    for page in pages * 3:
        decode(page)
    planned = [page for page in pages if find_plan(page) is not None]
    assert len(planned) == PLANS_PER_KEY_MAX
    assert [decode(page).records[0].scale for page in pages[:8]] == list(range(-6, 2))


def test_the_memory_of_plans_is_limited() -> None:
    """Ever new models do not grow the memory without limit."""
    for number in range(KEYS_MAX + 10):
        header = HEADER[:4] + number.to_bytes(2, "little") + HEADER[6:]
        decode_often(answer("0413 01000000", header=header), 2)
    assert 0 < len(plans._plans) <= KEYS_MAX


def test_a_frame_damaged_where_the_plan_does_not_look_is_still_flagged() -> None:
    """The plan proves the structure; the checksum proves the data."""
    frame = decode_often_and_return(answer("0413 01000000"))
    damaged = frame[:21] + b"\x07" + frame[22:]
    assert find_plan(damaged) is not None
    assert "checksum" in str(decode(damaged).error)
