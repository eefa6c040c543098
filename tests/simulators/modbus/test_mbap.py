"""MBAP: messages come out whole however the stream was cut, and a lying header ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus.mbap import PDU_LENGTH_MAX, Adu, AduReader, BrokenStream

ADUS = st.builds(
    Adu,
    transaction_identifier=st.integers(0, 0xFFFF),
    unit_identifier=st.integers(0, 0xFF),
    pdu=st.binary(min_size=1, max_size=PDU_LENGTH_MAX),
)


def test_known_bytes() -> None:
    """The whole message of the worked example: header big endian, length with the unit."""
    adu = Adu(1, 0xFF, bytes.fromhex("03 00 1E 00 0A"))
    assert adu.to_bytes() == bytes.fromhex("00 01 00 00 00 06 FF 03 00 1E 00 0A")


@given(st.lists(ADUS, max_size=5), st.data())
def test_any_cutting_gives_the_same_messages(adus: list[Adu], data: st.DataObject) -> None:
    """Whole, byte by byte and in any other pieces, with an unfinished rest left waiting."""
    stream = b"".join(adu.to_bytes() for adu in adus)
    rest = b"\x00\x01\x00\x00\x00\x06"
    whole = AduReader()
    assert whole.receive(stream + rest) == adus
    assert whole.pending == len(rest)
    bytewise = AduReader()
    assert [m for byte in stream for m in bytewise.receive(bytes([byte]))] == adus
    assert bytewise.pending == 0
    at = data.draw(st.integers(0, len(stream)))
    pieces = AduReader()
    assert pieces.receive(stream[:at]) + pieces.receive(stream[at:]) == adus


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("0001 0001 0006 FF", "expected protocol identifier 0, got 1"),
        ("0001 0000 0000 FF", "expected a length of 2..254, got 0"),
        ("0001 0000 0001 FF", "expected a length of 2..254, got 1"),
        ("0001 0000 00FF FF", "expected a length of 2..254, got 255"),
    ],
)
def test_lying_header_breaks_the_stream(header: str, message: str) -> None:
    """After a header that cannot be true nothing is trusted, and nothing is lost silently."""
    reader = AduReader()
    good = Adu(7, 1, b"\x03").to_bytes()
    bad = bytes.fromhex(header)
    assert reader.receive(good + bad) == [Adu(7, 1, b"\x03"), BrokenStream(bad, message)]
    assert reader.receive(good) == []
    assert reader.discarded == len(good)


@given(st.binary(max_size=600))
def test_total_over_any_bytes(data: bytes) -> None:
    """Whatever comes, the bytes are accounted for: in a message, pending, or in a complaint."""
    reader = AduReader()
    found = reader.receive(data)
    accounted = sum(len(m.data if isinstance(m, BrokenStream) else m.to_bytes()) for m in found)
    assert accounted + reader.pending == len(data)
    assert reader.pending < 260
