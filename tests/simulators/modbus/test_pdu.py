"""PDUs: requests as the manual wants them, answers read or refused, never a traceback."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus.pdu import (
    ExceptionAnswer,
    Identification,
    IdentificationRequest,
    Malformed,
    ReadRequest,
    Registers,
    Request,
    parse,
)

READ_FOUR = ReadRequest(0x1E, 4)
BASIC = IdentificationRequest(0x01)

BASIC_80_UL = bytes.fromhex(
    "2B0E01020000 03 00 1A 484D5320496E647573747269616C204E6574776F726B73204142"
    "01 01 32 02 03 303031"
)


def test_requests() -> None:
    """The request PDUs of the worked examples, byte for byte."""
    assert ReadRequest(0x1E, 0x0A).to_bytes() == bytes.fromhex("03 00 1E 00 0A")
    assert BASIC.to_bytes() == bytes.fromhex("2B 0E 01 00")
    assert IdentificationRequest(2, 5, 3).to_bytes() == bytes.fromhex("2B 03 02 05")


def test_registers() -> None:
    """An answer to FC 0x03 gives 16-bit words, big endian, lowest address first."""
    pdu = bytes.fromhex("03 08 00 00 00 00 6A E5 2F 80")
    assert parse(READ_FOUR, pdu) == Registers(0x1E, (0, 0, 0x6AE5, 0x2F80))


def test_identification() -> None:
    """The basic objects of the 80 UL model (MOD-05)."""
    answer = parse(BASIC, BASIC_80_UL)
    assert isinstance(answer, Identification)
    assert (answer.conformity_level, answer.more_follows) == (0x02, False)
    texts = [answer.text(number) for number in range(4)]
    assert texts == ["HMS Industrial Networks AB", "2", "001", None]


def test_identification_to_be_continued() -> None:
    """MoreFollows FF names the object to ask for next."""
    answer = parse(BASIC, bytes.fromhex("2B 0E 01 02 FF 01 01 00 01 41"))
    assert isinstance(answer, Identification)
    assert (answer.more_follows, answer.next_object_id) == (True, 1)
    assert answer.text(0) == "A"


@pytest.mark.parametrize("code", [1, 2, 3, 0x0B, 0x77])
def test_exceptions(code: int) -> None:
    """An exception answer carries its code, also one that has no name."""
    answer = parse(READ_FOUR, bytes([0x83, code]))
    assert answer == ExceptionAnswer(code)
    assert str(answer).startswith(f"exception {code:02X} ")


@pytest.mark.parametrize(
    ("request_", "pdu", "message"),
    [
        (READ_FOUR, "", "got an empty PDU"),
        (READ_FOUR, "04 08", "expected function code 03, got 04"),
        (READ_FOUR, "80 01", "expected function code 03, got 80"),
        (READ_FOUR, "83", "expected an exception answer of 2 bytes, got 1"),
        (READ_FOUR, "83 02 00", "expected an exception answer of 2 bytes, got 3"),
        (READ_FOUR, "03", "expected byte count 8, got None"),
        (READ_FOUR, "03 06 00 00 00 00 00 00", "expected byte count 8, got 6"),
        (READ_FOUR, "03 08 00 00", "expected 8 bytes of registers, got 2"),
        (BASIC, "2B 0E 01 02 00 00", "expected at least 7 bytes, got 6"),
        (BASIC, "2B 03 01 02 00 00 00", "expected MEI 0E and code 01 echoed, got 03 and 01"),
        (BASIC, "2B 0E 01 02 01 00 00", "expected MoreFollows 00 or FF, got 01"),
        (BASIC, "2B 0E 01 02 00 00 02 00 01 41 01", "the PDU ends inside object 2"),
        (BASIC, "2B 0E 01 02 00 00 01 00 03 41", "the PDU ends inside object 1"),
        (BASIC, "2B 0E 01 02 00 00 00 41", "expected 0 objects, 1 bytes follow"),
    ],
)
def test_malformed_answers(request_: Request, pdu: str, message: str) -> None:
    """An answer that does not fit says what was expected and what came."""
    answer = parse(request_, bytes.fromhex(pdu))
    assert isinstance(answer, Malformed)
    assert message in answer.message
    assert answer.pdu == bytes.fromhex(pdu)


@given(
    st.one_of(
        st.builds(ReadRequest, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)),
        st.builds(IdentificationRequest, st.integers(0, 0xFF)),
    ),
    st.binary(max_size=260)
    | st.binary(max_size=40).map(lambda tail: b"\x2b\x0e\x01\x02\x00\x00" + tail)
    | st.binary(max_size=250).map(lambda tail: b"\x03" + tail),
)
def test_parse_is_total(request_: Request, pdu: bytes) -> None:
    """Any bytes become an answer of one of the four kinds, of the size that was asked."""
    answer = parse(request_, pdu)
    if isinstance(answer, Registers):
        assert isinstance(request_, ReadRequest)
        assert len(answer.words) == request_.quantity
    assert isinstance(answer, Registers | Identification | ExceptionAnswer | Malformed)
