"""The slave's state machine: links, frame count bits, pages, access number, addresses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from simulators import frames
from simulators.behaviour import Behaviour
from simulators.faults import DropPage, Fault, Header
from simulators.meter import EPOCH, Answer, Identity, Meter, Settings
from simulators.profile import Expect, Record

NKE, REQ0, REQ1, REQ_ANY, REQ_UD1 = 0x40, 0x5B, 0x7B, 0x4B, 0x7A
ADDRESS = 5


def record(value: int) -> Record:
    """One byte that tells the pages apart."""
    expect = Expect(value_type="Energy", unit="Wh")
    return Record(dib=b"\x01", vib=b"\x03", coding="int8", value=value, expect=expect)


def meter(pages: int = 1, *, fault: Fault | None = None) -> Meter:
    """A meter with `pages` telegrams, whose only value is the number of the page."""
    return Meter(
        "m",
        Settings(
            identity=Identity("12345678", "LUG", 2, 4),
            primary_address=ADDRESS,
            telegrams=[[record(page + 1)] for page in range(pages)],
            access_number=0,
            faults=[fault] if fault else [],
        ),
        key="test/1/m",
        epoch=EPOCH,
    )


def short(subject: Meter, c_field: int, a_field: int = ADDRESS) -> bytes | None:
    """Send a short frame; the answer's characters."""
    request = frames.parse(frames.short_frame(c_field, a_field))
    assert request is not None
    return characters(subject.answer(request, 0))


def long(
    subject: Meter, c_field: int, ci_field: int, data: bytes = b"", a_field: int = ADDRESS
) -> bytes | None:
    """Send a long or control frame; the answer's characters."""
    request = frames.parse(frames.long_frame(c_field, a_field, ci_field, data))
    assert request is not None
    return characters(subject.answer(request, 0))


def characters(answer: Answer | None) -> bytes | None:
    """What of an answer goes onto the line."""
    return None if answer is None else answer.data


def page_of(telegram: bytes | None) -> int:
    """Which page a telegram is."""
    assert telegram is not None
    return telegram[21]


def access_number_of(telegram: bytes | None) -> int:
    """The access number in the header."""
    assert telegram is not None
    return telegram[15]


def test_link_reset_is_acknowledged() -> None:
    """SND_NKE is answered by E5, at the own address and at 254; 255 is answered by nobody."""
    subject = meter()
    assert short(subject, NKE) == short(subject, NKE, frames.TEST) == frames.ACK
    assert short(subject, NKE, frames.BROADCAST) is None


def test_pages_follow_the_frame_count_bit() -> None:
    """With each toggled bit the next telegram comes; all but the last end with 1F."""
    subject = meter(3)
    assert short(subject, NKE) == frames.ACK
    telegrams = [short(subject, c_field) for c_field in (REQ1, REQ0, REQ1)]
    assert [page_of(item) for item in telegrams] == [1, 2, 3]
    assert [item is not None and item[-3] == 0x1F for item in telegrams] == [True, True, False]
    assert page_of(short(subject, REQ0)) == 1


def test_an_unchanged_bit_repeats_the_telegram() -> None:
    """A retry gives the same characters again, access number included."""
    subject = meter(3)
    short(subject, NKE)
    first = short(subject, REQ1)
    assert short(subject, REQ1) == first
    second = short(subject, REQ0)
    assert page_of(second) == 2
    assert short(subject, REQ0) == second


def test_a_request_without_fcv_is_always_the_next() -> None:
    """FCV = 0 means that the bit is not to be looked at."""
    subject = meter(3)
    assert [page_of(short(subject, REQ_ANY)) for _ in range(4)] == [1, 2, 3, 1]


def test_a_reset_begins_with_the_first_page() -> None:
    """After SND_NKE, at the own address, 254 or 255, the first FCB = 1 frame gets page 1."""
    for address in (ADDRESS, frames.TEST, frames.BROADCAST):
        subject = meter(3)
        short(subject, NKE)
        short(subject, REQ1)
        short(subject, NKE, address)
        assert page_of(short(subject, REQ1)) == 1


def test_primary_address_and_253_have_a_memory_each() -> None:
    """Reading by the secondary address does not move the pages of the primary one."""
    subject = meter(3)
    short(subject, NKE)
    assert page_of(short(subject, REQ1)) == 1
    subject.selected(0)
    assert page_of(short(subject, REQ1, frames.NETWORK_LAYER)) == 1
    assert page_of(short(subject, REQ0, frames.NETWORK_LAYER)) == 2
    assert page_of(short(subject, REQ0)) == 2
    subject.selected(0)
    assert page_of(short(subject, REQ1, frames.NETWORK_LAYER)) == 1


def test_a_single_telegram_is_always_fresh() -> None:
    """With one telegram the bit is ignored; the access number goes up with every answer."""
    subject = meter(1)
    numbers = [access_number_of(short(subject, REQ0)) for _ in range(257)]
    assert numbers[:3] == [0, 1, 2]
    assert numbers[255:] == [255, 0]


def test_application_reset_begins_anew() -> None:
    """CI 50 is acknowledged, with or without a subcode, and ends a half-finished read-out."""
    subject = meter(3)
    short(subject, NKE)
    short(subject, REQ1)
    assert long(subject, 0x73, 0x50) == frames.ACK
    assert page_of(short(subject, REQ0)) == 1
    assert long(subject, 0x53, 0x50, b"\x10") == frames.ACK


def test_user_data_is_acknowledged_even_if_not_applied() -> None:
    """Get-All-Data and freeze are acknowledged; setting the baud rate is not, as it is not done."""
    subject = meter()
    assert long(subject, 0x73, 0x51, b"\x7f\x7e") == frames.ACK
    assert long(subject, 0x53, 0x51, b"\x00\xfe\x0b") == frames.ACK
    assert long(subject, 0x53, 0xBB) is None


def test_the_primary_address_can_be_set_once_per_frame() -> None:
    """01 7A n sets the address; a repeated frame is acknowledged but not acted upon again."""
    subject = meter()
    assert long(subject, 0x73, 0x51, b"\x01\x7a\x09") == frames.ACK
    assert subject.primary_address == 9
    assert long(subject, 0x73, 0x51, b"\x01\x7a\x0b", 9) == frames.ACK
    assert subject.primary_address == 9
    assert long(subject, 0x53, 0x51, b"\x01\x7a\xfb", 9) == frames.ACK
    assert subject.primary_address == 9


def test_no_alarm_is_one_character() -> None:
    """REQ_UD1 of a meter without alarms is answered by E5."""
    assert short(meter(), REQ_UD1) == frames.ACK


def test_unknown_functions_are_ignored() -> None:
    """A C field that no slave knows gets no answer."""
    assert short(meter(), 0x49) is None
    assert long(meter(), 0x54, 0x51) is None


def test_the_header_can_lie() -> None:
    """A header fault changes what RSP_UD shows, not what the meter is selected by."""
    subject = meter(fault=Header(version=0x99))
    telegram = short(subject, REQ1)
    assert telegram is not None
    assert telegram[13] == 0x99
    assert subject.version == 2


def test_a_dropped_page_is_silence_and_is_told() -> None:
    """A page that is kept back is not answered so many times, and `answering` says so."""
    subject, told = meter(3, fault=DropPage(page=2, times=2)), list[bool]()
    subject.on_answering = told.append
    short(subject, NKE)
    answers = [short(subject, c_field) for c_field in (REQ1, REQ0, REQ0, REQ0)]
    assert [item is not None for item in answers] == [True, False, False, True]
    assert page_of(answers[3]) == 2
    assert told == [False, True]


def test_power_loss_forgets_the_pages() -> None:
    """A meter that had no power begins with its first page again."""
    subject, told = meter(3), list[bool]()
    subject.on_answering = told.append
    short(subject, NKE)
    short(subject, REQ1)
    subject.power(False)
    subject.power(True)
    assert page_of(short(subject, REQ1)) == 1
    assert told == [False, True]


def test_what_was_sent_is_what_is_expected() -> None:
    """A read-out counts once its last page is answered, with the values of each page's moment."""
    subject = Meter(
        "m",
        Settings(
            identity=Identity("12345678", "LUG", 2, 4),
            primary_address=ADDRESS,
            telegrams=[
                [
                    Record(
                        dib=b"\x04",
                        vib=b"\x03",
                        coding="int32",
                        value="0 + t / 1 ns",
                        timestamp_from="clock",
                        expect=Expect(value_type="Energy", unit="Wh"),
                    )
                ],
                [
                    Record(
                        id="clock",
                        dib=b"\x04",
                        vib=b"\x6d",
                        coding="date_f",
                        value="clock",
                        hidden=True,
                    )
                ],
            ],
        ),
        key="k",
        epoch=datetime(2026, 11, 20, 12, 0, 59, tzinfo=UTC),
    )
    asked = [(REQ1, 1000), (REQ1, 2000), (REQ0, 3000)]
    complete = []
    for c_field, now in asked:
        request = frames.parse(frames.short_frame(c_field, ADDRESS))
        assert request is not None
        answer = subject.answer(request, now)
        assert answer is not None
        complete.append(answer.pages is not None)
        if answer.pages is not None:
            subject.completed(5000, answer.pages)
    assert complete == [False, False, True]
    assert subject.expected == []
    subject.now = lambda: 5000
    (reading,) = subject.expected
    assert (reading.record, reading.integer) == (0, 1000)
    assert reading.timestamp == int(datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp())
    assert subject.expected_history[0].at_ns == 5000


@pytest.mark.parametrize(
    ("structure", "mode"),
    [("variable", 1), ("variable", 2), ("short header", 1), ("no header", 1)],
)
def test_a_reading_says_where_its_record_stood(structure: str, mode: int) -> None:
    """Telegram and offset lead to the DIF of the record in the frame that was sent."""
    heads = {1: b"\x01\x03", 2: b"\x02\x59", 3: b"\x04\x13"}
    codings = {1: "int8", 2: "int16", 3: "int32"}
    records = {
        n: Record(dib=heads[n][:1], vib=heads[n][1:], coding=codings[n], value=n,
                  expect=Expect(value_type="Energy", unit="Wh"))
        for n in heads
    }  # fmt: skip
    subject = Meter(
        "m",
        Settings(
            identity=Identity("12345678", "LUG", 2, 4),
            primary_address=ADDRESS,
            telegrams=[[records[1], records[2]], [records[3], records[2], records[1]]],
            behaviour=Behaviour(structure=structure, mode=mode),  # type: ignore[arg-type]
        ),
        key="k",
        epoch=EPOCH,
    )
    sent = [short(subject, c_field) for c_field in (REQ1, REQ0)]
    places = []
    for page, readings in subject.answered_pages.items():
        for reading in readings:
            frame = sent[page]
            assert frame is not None
            assert reading.telegram == page + 1
            assert frame[reading.offset : reading.offset + 2] == heads[reading.integer or 0]
            places.append((reading.telegram, reading.integer))
    assert places == [(1, 1), (1, 2), (2, 3), (2, 2), (2, 1)]


class Pages(RuleBasedStateMachine):
    """A multi-telegram meter against the rule in one sentence: same bit, same telegram.

    The model remembers for each of the two links what came last and with which bit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.subject = meter(3)
        self.links: dict[int, tuple[bool, int, bytes | None]] = {
            ADDRESS: (False, 0, None),
            frames.NETWORK_LAYER: (False, 0, None),
        }

    @rule(address=st.sampled_from([ADDRESS, frames.NETWORK_LAYER]), fcb=st.booleans())
    def request(self, address: int, fcb: bool) -> None:
        bit, last, telegram = self.links[address]
        answer = short(self.subject, REQ1 if fcb else REQ0, address)
        if fcb == bit and telegram is not None:
            assert answer == telegram
            return
        page = last % 3 + 1
        assert page_of(answer) == page
        self.links[address] = (fcb, page, answer)

    @rule(address=st.sampled_from([ADDRESS, frames.TEST, frames.BROADCAST]))
    def reset(self, address: int) -> None:
        short(self.subject, NKE, address)
        self.links[ADDRESS] = (False, 0, None)

    @rule()
    def select(self) -> None:
        self.subject.selected(0)
        self.links[frames.NETWORK_LAYER] = (False, 0, None)

    @precondition(lambda self: self.subject.powered)
    @rule()
    def lose_power(self) -> None:
        self.subject.power(False)
        self.subject.power(True)
        self.links = dict.fromkeys(self.links, (False, 0, None))


Pages.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestPages = Pages.TestCase
