"""Frames: the four formats, the bytes of worked-examples 10, every prefix, trailing bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus import frames
from gateway.mbus.address import SecondaryAddress, SecondaryMask
from gateway.mbus.errors import FrameError, LocalProtocolError
from gateway.mbus.frames import Ack, Frame, LongFrame, ShortFrame

METER_A = SecondaryAddress("66600106", 0x32A7, 2, 4)
MASK_A = METER_A.to_mask()

# fmt: off
#: Worked-examples 10, name by name: what a master builds and the bytes that must leave it.
MASTER_TELEGRAMS: list[tuple[str, Frame, str]] = [
    ("NKE-A",   frames.snd_nke(5),    "10 40 05 45 16"),
    ("NKE-FD",  frames.snd_nke(0xFD), "10 40 FD 3D 16"),
    ("NKE-FF",  frames.snd_nke(0xFF), "10 40 FF 3F 16"),
    ("SELECT",  frames.select(MASK_A),
     "68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 02 04 4E 16"),
    ("SELECT, last try", frames.select(MASK_A, c_field=0x73),
     "68 0B 0B 68 73 FD 52 06 01 60 66 A7 32 02 04 6E 16"),
    ("SELECT, version wild", frames.select(replace(MASK_A, version=0xFF)),
     "68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 FF 04 4B 16"),
    ("SELECT all wild", frames.select(SecondaryMask.ANY),
     "68 0B 0B 68 53 FD 52 FF FF FF FF FF FF FF FF 9A 16"),
    ("SELECT 0FFFFFFF", frames.select(SecondaryMask.ANY.with_digit(0, "0")),
     "68 0B 0B 68 53 FD 52 FF FF FF 0F FF FF FF FF AA 16"),
    ("SELECT FFFFFFF0", frames.select(SecondaryMask.ANY.with_digit(7, "0")),
     "68 0B 0B 68 53 FD 52 F0 FF FF FF FF FF FF FF 8B 16"),
    ("APPRESET-FD", frames.snd_ud(0xFD, fcb=True, ci_field=0x50), "68 03 03 68 73 FD 50 C0 16"),
    ("GET1-A",  frames.snd_ud(5, fcb=True, ci_field=0x51, data=b"\x7f\x7e"),
     "68 05 05 68 73 05 51 7F 7E C6 16"),
    ("GET1-FD", frames.snd_ud(0xFD, fcb=True, ci_field=0x51, data=b"\x7f\x7e"),
     "68 05 05 68 73 FD 51 7F 7E BE 16"),
    ("GET2-A",  frames.snd_ud(5, fcb=True, ci_field=0x51, data=b"\x7f"),
     "68 04 04 68 73 05 51 7F 48 16"),
    ("GET2-FD", frames.snd_ud(0xFD, fcb=True, ci_field=0x51, data=b"\x7f"),
     "68 04 04 68 73 FD 51 7F 40 16"),
    ("GET1-A, FCB 0", frames.snd_ud(5, fcb=False, ci_field=0x51, data=b"\x7f\x7e"),
     "68 05 05 68 53 05 51 7F 7E A6 16"),
    ("FREEZE-A, storage 0", frames.snd_ud(5, fcb=True, ci_field=0x51, data=b"\x00\xfe\x0b"),
     "68 06 06 68 73 05 51 00 FE 0B D2 16"),
    ("FREEZE-A, storage 1", frames.snd_ud(5, fcb=True, ci_field=0x51, data=b"\x40\xfe\x0b"),
     "68 06 06 68 73 05 51 40 FE 0B 12 16"),
    ("FREEZE-A, storage 2", frames.snd_ud(5, fcb=True, ci_field=0x51, data=b"\x80\x01\xfe\x0b"),
     "68 07 07 68 73 05 51 80 01 FE 0B 53 16"),
    ("FREEZE-FD, storage 0", frames.snd_ud(0xFD, fcb=True, ci_field=0x51, data=b"\x00\xfe\x0b"),
     "68 06 06 68 73 FD 51 00 FE 0B CA 16"),
    ("FREEZE-FD, storage 1", frames.snd_ud(0xFD, fcb=True, ci_field=0x51, data=b"\x40\xfe\x0b"),
     "68 06 06 68 73 FD 51 40 FE 0B 0A 16"),
    ("REQ1-A",  frames.req_ud2(5, fcb=True),     "10 7B 05 80 16"),
    ("REQ0-A",  frames.req_ud2(5, fcb=False),    "10 5B 05 60 16"),
    ("REQ1-FD", frames.req_ud2(0xFD, fcb=True),  "10 7B FD 78 16"),
    ("REQ0-FD", frames.req_ud2(0xFD, fcb=False), "10 5B FD 58 16"),
]
#: Answers, control frame and the rest of the formats.
OTHER_FRAMES: list[tuple[str, Frame, str]] = [
    ("E5",       Ack(), "E5"),
    ("REQ_UD1",  frames.req_ud1(7, fcb=True), "10 7A 07 81 16"),
    ("baud",     LongFrame(0x53, 0xFE, 0x50, b"\x10"), "68 04 04 68 53 FE 50 10 B1 16"),
    ("CI 70",    LongFrame(0x08, 1, 0x70), "68 03 03 68 08 01 70 79 16"),
    ("longest",  LongFrame(0x08, 1, 0x78, bytes(252)),
     "68 FF FF 68 08 01 78" + "00" * 252 + "81 16"),
]
# fmt: on
VECTORS = MASTER_TELEGRAMS + OTHER_FRAMES
FRAMES = st.one_of(
    st.just(Ack()),
    st.builds(ShortFrame, st.integers(0, 255), st.integers(0, 255)),
    st.builds(
        LongFrame,
        st.integers(0, 255),
        st.integers(0, 255),
        st.integers(0, 255),
        st.binary(max_size=frames.DATA_SIZE_MAX),
    ),
)


@pytest.mark.parametrize(("name", "frame", "wire"), VECTORS, ids=[v[0] for v in VECTORS])
def test_vectors_whole_prefixes_and_trailing_bytes(name: str, frame: Frame, wire: str) -> None:
    """A frame reads back as built; every shorter prefix and every byte more is refused."""
    data = bytes.fromhex(wire)
    assert frame.to_bytes() == data, name
    assert frames.parse(data) == frame
    assert frames.missing(data) == 0
    for size in range(len(data)):
        prefix = data[:size]
        assert 0 < frames.missing(prefix) <= len(data) - size
        with pytest.raises(FrameError) as caught:
            frames.parse(prefix)
        assert caught.value.offset <= size
    with pytest.raises(FrameError, match="bytes more"):
        frames.parse(data + b"\xe5")
    assert frames.missing(data + b"\xe5") == 0


@pytest.mark.parametrize(
    ("wire", "offset"),
    [
        ("00", 0),
        ("E6", 0),
        ("10 40 05 46 16", 3),
        ("10 40 05 45 17", 4),
        ("68 02 02 68 08 05 0D 16", 1),
        ("68 04 05 68 08 05 72 00 7F 16", 2),
        ("68 04 04 69 08 05 72 00 7F 16", 3),
        ("68 04 04 68 08 05 72 00 80 16", 8),
        ("68 04 04 68 08 05 72 00 7F 15", 9),
    ],
)
def test_a_broken_frame_is_refused_at_its_place(wire: str, offset: int) -> None:
    """Start, length, repeated length, checksum and stop errors are located (MBDOC48 p.26)."""
    with pytest.raises(FrameError) as caught:
        frames.parse(bytes.fromhex(wire))
    assert caught.value.offset == offset


@pytest.mark.parametrize("wire", ["00", "FF E5", "68 02", "68 04 05", "68 04 04 10", "16"])
def test_hopeless_bytes_wait_for_nothing(wire: str) -> None:
    """Bytes that no further byte can make a frame are 0 short, so that nobody waits for more."""
    assert frames.missing(bytes.fromhex(wire)) == 0


def test_missing_counts_down_once_the_length_is_known() -> None:
    """After the L field the count is exact; before it, it is the least that is possible."""
    data = frames.select(MASK_A).to_bytes()
    counts = [frames.missing(data[:size]) for size in range(len(data) + 1)]
    assert counts[:2] == [1, 8]
    assert counts[2:] == list(range(len(data) - 2, -1, -1))


@given(FRAMES)
def test_every_frame_reads_back(frame: Frame) -> None:
    """Parsing what was built gives the same frame."""
    assert frames.parse(frame.to_bytes()) == frame


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_raise_one_domain_error(data: bytes) -> None:
    """The parser is total: a frame that builds the same bytes, or a FrameError in range."""
    failed_at = 0
    try:
        assert frames.parse(data).to_bytes() == data
    except FrameError as error:
        failed_at = error.offset
    assert 0 <= failed_at <= len(data)


@given(FRAMES, st.data())
def test_a_changed_byte_never_passes_unseen(frame: Frame, data: st.DataObject) -> None:
    """One wrong byte is found by the fixed bytes, the repeated length or the checksum."""
    wire = bytearray(frame.to_bytes())
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] ^= data.draw(st.integers(1, 255))
    try:
        assert frames.parse(bytes(wire)) != frame
    except FrameError:
        return


def test_c_field_bits_mean_fcb_in_calls_and_acd_in_answers() -> None:
    """Bits 5 and 4 are FCB and FCV with bit 6 set, ACD and DFC without (MBDOC48 p.23)."""
    call, response = LongFrame(0x73, 1, 0x51, b"\x7f"), LongFrame(0x38, 1, 0x72, b"")
    assert (call.is_calling, call.fcb, call.fcv, call.acd, call.dfc) == (
        True,
        True,
        True,
        False,
        False,
    )
    assert (response.is_calling, response.fcb, response.fcv) == (False, False, False)
    assert (response.acd, response.dfc, response.is_control) == (True, True, True)
    short = frames.req_ud2(1, fcb=True)
    assert (short.is_calling, short.fcb, short.fcv) == (True, True, True)


def test_more_than_252_data_bytes_cannot_be_built() -> None:
    """The L field is one byte, so 253 data bytes are our own mistake."""
    with pytest.raises(LocalProtocolError, match="252"):
        LongFrame(0x53, 1, 0x51, bytes(253)).to_bytes()
