"""Whole telegrams: worked examples, flags, prefixes, totality."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus.address import SecondaryAddress
from gateway.mbus.errors import FrameError, RemoteProtocolError
from gateway.mbus.frames import Ack, LongFrame, ShortFrame
from gateway.mbus.tables.manual import Unit, ValueType
from gateway.mbus.telegram import Telegram, decode
from tests.gateway.mbus.building import answer, long_frame

METER_A = bytes.fromhex(
    "68 24 24 68 08 05 72 06 01 60 66 A7 32 02 04 2A 00 00 00 0B 06 67 02 00 02 59 2E FB "
    "0C 14 78 56 34 12 04 6D 3A 0B 54 3B CC 16"
)
METER_B = bytes.fromhex(
    "68 1F 1F 68 08 09 72 70 86 42 00 42 04 06 02 01 00 00 00 0D FD 0E 08 31 30 31 2D 35 32 33 44 "
    "42 6C 5F 3A 0E 16"
)


def test_meter_a_of_the_worked_examples() -> None:
    """267 x 10^3 Wh, -1234 x 10^-2 degC, 12345678 x 10^-2 m³, 2026-11-20 11:58."""
    telegram = decode(METER_A)
    assert telegram.error is None
    assert telegram.header is not None
    assert telegram.header.address == SecondaryAddress("66600106", 0x32A7, 2, 4)
    read = [(r.integer, r.scale, r.unit, r.value_type) for r in telegram.records]
    assert read == [
        (267, 3, Unit.WATT_HOUR, ValueType.ENERGY),
        (-1234, -2, Unit.DEGREE_CELSIUS, ValueType.FLOW_TEMPERATURE),
        (12345678, -2, Unit.CUBIC_METRE, ValueType.VOLUME),
        (1795175880, 0, Unit.UTC, ValueType.TIMESTAMP),
    ]
    assert [r.timestamp for r in telegram.records] == [0x6B0035C8] * 3 + [None]
    assert telegram.records[3].value == "2026-11-20T11:58:00"


def test_meter_b_of_the_worked_examples() -> None:
    """Text "D325-101", Metrology (firmware) version; storage 1, date 2026-10-31 (C-14)."""
    text, date = decode(METER_B).records
    assert (text.value, text.integer, text.unit) == ("D325-101", None, Unit.NONE)
    assert text.value_type.label == "Metrology (firmware) version"
    assert (date.value, date.integer, date.unit) == ("2026-10-31", 0x6AE52F80, Unit.UTC)
    assert (date.storage_number, date.scale, text.timestamp, date.timestamp) == (1, 0, None, None)


@pytest.mark.parametrize("frame", [METER_A, METER_B])
def test_every_shorter_prefix_is_flagged_and_keeps_its_records(frame: bytes) -> None:
    """A telegram cut anywhere is flagged inside its bytes; whole records before the cut stand."""
    whole = decode(frame)
    for size in range(len(frame)):
        telegram = decode(frame[:size])
        assert isinstance(telegram.error, FrameError)
        assert 0 <= telegram.error.offset <= size
        complete = [r for r in whole.records if r.offset + len(r.data) <= size]
        assert [r.value for r in telegram.records] == [r.value for r in complete]


@pytest.mark.parametrize("frame", [METER_A, METER_B])
def test_trailing_bytes_are_flagged_and_the_records_kept(frame: bytes) -> None:
    """Bytes behind the stop byte belong to nobody."""
    telegram = decode(frame + b"\xe5")
    assert telegram.error is not None
    assert telegram.error.offset == len(frame)
    assert [r.value for r in telegram.records] == [r.value for r in decode(frame).records]


def test_a_bad_checksum_is_flagged_and_the_records_are_shown() -> None:
    """Evidence for a person; the error says that they are not to be trusted."""
    telegram = decode(METER_A[:-2] + b"\xcd\x16")
    assert telegram.error is not None
    assert (telegram.error.offset, telegram.error.expected) == (40, "checksum CC")
    assert len(telegram.records) == 4


@pytest.mark.parametrize(
    ("wire", "offset"),
    [("", 0), ("00", 0), ("68 24", 2), ("68 24 25 68 08 05 72", 2), ("68 02 02 68 08 05 0D 16", 1)],
)
def test_what_is_no_frame_at_all_is_flagged(wire: str, offset: int) -> None:
    """No frame, no records, one located error."""
    telegram = decode(bytes.fromhex(wire))
    assert (telegram.frame, telegram.records) == (None, ())
    assert telegram.error is not None
    assert telegram.error.offset == offset


def test_an_acknowledgement_is_not_flagged() -> None:
    """E5 is a whole answer: "received, no data"."""
    assert decode(b"\xe5") == Telegram(Ack())


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        ("10 40 05 45 16", ShortFrame),
        ("10 7B 05 80 16", ShortFrame),
        ("68 03 03 68 73 FD 50 C0 16", LongFrame),
        ("68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 02 04 4E 16", LongFrame),
        ("68 06 06 68 53 FE 51 01 7A 08 25 16", LongFrame),
    ],
)
def test_a_call_of_the_master_is_shown_and_flagged(wire: str, kind: type) -> None:
    """Master-to-slave frames are no telegrams of a meter."""
    telegram = decode(bytes.fromhex(wire))
    assert isinstance(telegram.frame, kind)
    assert isinstance(telegram.error, RemoteProtocolError)
    assert telegram.header is None


def test_the_records_of_a_call_are_shown() -> None:
    """``01 7A 08`` sets primary address 8."""
    telegram = decode(bytes.fromhex("68 06 06 68 53 FE 51 01 7A 08 25 16"))
    assert [(r.value_type, r.value) for r in telegram.records] == [(ValueType.ADDRESS, "8")]


@pytest.mark.parametrize(("data", "code"), [(b"", 0), (b"\x08", 8), (b"\x00", 0), (b"\x04\x01", 4)])
def test_application_errors(data: bytes, code: int) -> None:
    """CI 70: the code, 0 if the meter sends none; a good telegram, not flagged."""
    telegram = decode(long_frame(0x08, 1, 0x70, data))
    assert (telegram.application_error, telegram.error, telegram.header) == (code, None, None)


def test_an_alarm_is_one_record_of_flags() -> None:
    """CI 71 carries one byte of alarm bits."""
    telegram = decode(long_frame(0x28, 1, 0x71, b"\x05"))
    assert [(r.value, r.unit) for r in telegram.records] == [("5", Unit.BINARY)]
    assert telegram.error is None
    assert decode(long_frame(0x28, 1, 0x71)).error is not None


@pytest.mark.parametrize("c_field", [0x08, 0x18, 0x28, 0x38])
def test_answers_with_acd_and_dfc_are_answers(c_field: int) -> None:
    """Class 1 data waiting or a full buffer do not change the records."""
    telegram = decode(long_frame(c_field, 5, 0x72, METER_A[7:-2]))
    assert (telegram.error, len(telegram.records)) == (None, 4)


def test_a_slave_that_answers_with_another_c_field_is_flagged() -> None:
    """Only RSP_UD carries data; the records are shown all the same."""
    telegram = decode(long_frame(0x0B, 5, 0x72, METER_A[7:-2]))
    assert telegram.error is not None
    assert (telegram.error.offset, len(telegram.records)) == (4, 4)


@pytest.mark.parametrize(("ci_field", "size"), [(0x72, 11), (0x76, 0), (0x7A, 3)])
def test_a_header_that_is_cut_short_is_flagged(ci_field: int, size: int) -> None:
    """A frame can be sound and its header too short."""
    telegram = decode(long_frame(0x08, 5, ci_field, bytes(size)))
    assert telegram.error is not None
    assert telegram.error.offset == 7
    assert telegram.header is None


def test_no_records_at_all_is_a_telegram() -> None:
    """A header alone is what some meters answer."""
    telegram = decode(answer(""))
    assert (telegram.error, telegram.records, telegram.more_records_follow) == (None, (), False)


def read_everything(telegram: Telegram) -> None:
    """Ask every record for everything."""
    for record in telegram.records:
        assert (record.value is None) or record.error is None
        assert record.timestamp is None or 0 <= record.timestamp < 2**32
        assert record.plain_text is None or isinstance(record.plain_text, str)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_telegram(data: bytes) -> None:
    """Totality: no exception, a located error for everything that is no frame."""
    telegram = decode(data)
    read_everything(telegram)
    if telegram.error is not None:
        assert 0 <= telegram.error.offset <= len(data)


@given(
    st.sampled_from([0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x7A, 0x51, 0x55]),
    st.sampled_from([0x08, 0x38, 0x53]),
    st.binary(max_size=252),
)
def test_any_user_data_are_a_telegram(ci_field: int, c_field: int, data: bytes) -> None:
    """Totality behind a sound frame, for every CI field that is read."""
    frame = long_frame(c_field, 5, ci_field, data)
    telegram = decode(frame)
    assert isinstance(telegram.frame, LongFrame)
    read_everything(telegram)
    if telegram.error is not None:
        assert 0 <= telegram.error.offset <= len(frame)
