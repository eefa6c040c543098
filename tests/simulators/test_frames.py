"""Frames as a meter sees them; vectors from the worked telegrams of the master."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import frames
from simulators.frames import Function, Request

VECTORS = [
    ("10 40 05 45 16", Request(0x40, 5, None, b"")),
    ("10 7B 05 80 16", Request(0x7B, 5, None, b"")),
    ("10 5B FD 58 16", Request(0x5B, 0xFD, None, b"")),
    ("68 03 03 68 73 FD 50 C0 16", Request(0x73, 0xFD, 0x50, b"")),
    ("68 04 04 68 53 FE 50 10 B1 16", Request(0x53, 0xFE, 0x50, b"\x10")),
    (
        "68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 02 04 4E 16",
        Request(0x53, 0xFD, 0x52, bytes.fromhex("06016066A7320204")),
    ),
]


@pytest.mark.parametrize(("text", "request_"), VECTORS)
def test_the_telegrams_of_the_master_are_understood(text: str, request_: Request) -> None:
    """Every frame form of the worked examples is taken apart into its fields."""
    assert frames.parse(bytes.fromhex(text)) == request_


@pytest.mark.parametrize(("text", "request_"), VECTORS)
def test_the_length_is_known_as_early_as_possible(text: str, request_: Request) -> None:  # noqa: ARG001
    """The length of a frame follows from its first characters, and is 0 before that."""
    frame = bytes.fromhex(text)
    head = 1 if frame[0] == 0x10 else 4
    assert all(frames.frame_length(frame[:n]) == 0 for n in range(head))
    assert all(frames.frame_length(frame[:n]) == len(frame) for n in range(head, len(frame) + 1))


@pytest.mark.parametrize(("text", "request_"), VECTORS)
def test_a_frame_with_any_wrong_character_is_ignored(text: str, request_: Request) -> None:
    """A slave ignores every frame whose start, length, checksum or stop is wrong."""
    frame = bytes.fromhex(text)
    for index in range(len(frame)):
        for value in range(256):
            broken = frame[:index] + bytes((value,)) + frame[index + 1 :]
            if broken != frame:
                assert frames.parse(broken) != request_


@given(st.binary(max_size=270))
def test_parse_is_total(data: bytes) -> None:
    """Whatever comes off the line is either a request or nothing, never an error."""
    request = frames.parse(data)
    if request is not None:
        assert request.c_field & frames.CALLING


def test_answers_are_not_requests() -> None:
    """A frame of the other direction, such as RSP_UD of another slave, is none of our business."""
    assert frames.parse(frames.long_frame(frames.RSP_UD, 5, 0x72, bytes(12))) is None


@given(st.integers(0x40, 0x7F), st.integers(0, 255), st.binary(max_size=252))
def test_a_built_long_frame_reads_back(c_field: int, a_field: int, data: bytes) -> None:
    """What is built is what is parsed, up to the longest frame of 261 characters."""
    frame = frames.long_frame(c_field, a_field, 0x51, data)
    assert frames.parse(frame) == Request(c_field, a_field, 0x51, data)
    assert len(frame) <= frames.FRAME_LENGTH_MAX == 261


def test_a_frame_that_is_too_long_is_refused() -> None:
    """The L field holds at most 255."""
    with pytest.raises(ValueError, match="252"):
        frames.long_frame(0x08, 1, 0x72, bytes(253))


def test_function_and_frame_count_bit() -> None:
    """7B is REQ_UD2 with FCB and FCV, 40 is SND_NKE with neither."""
    request = Request(0x7B, 1, None, b"")
    assert (request.function, request.fcb, request.fcv) == (Function.REQ_UD2, True, True)
    reset = Request(0x40, 1, None, b"")
    assert (reset.function, reset.fcb, reset.fcv) == (Function.SND_NKE, False, False)


@pytest.mark.parametrize(
    ("letters", "code"), [("LUG", 0x32A7), ("ABB", 0x0442), ("KAM", 0x2C2D), ("AAA", 0x0421)]
)
def test_manufacturer_letters_are_packed_in_five_bits(letters: str, code: int) -> None:
    """Three letters make the 16-bit manufacturer field, A = 1."""
    assert frames.manufacturer_code(letters) == code


@pytest.mark.parametrize("letters", ["lug", "LU", "LUGX", "L1G", ""])
def test_a_manufacturer_that_is_none_is_refused(letters: str) -> None:
    """Anything but three capitals is an error of the caller."""
    with pytest.raises(ValueError, match="three letters"):
        frames.manufacturer_code(letters)
