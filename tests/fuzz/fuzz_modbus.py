"""A stream of Modbus requests has the same answers in any split, and memory stays bounded."""

from __future__ import annotations

from typing import Final

from gateway.modbus import mbap
from gateway.modbus.identification import UL_80
from gateway.modbus.session import Session, Sessions
from tests.gateway.worked_examples import image

IMAGE: Final = image()
PEER: Final = ("192.0.2.7", 49152)
_PREFIX: Final = 6


def seeds() -> list[bytes]:
    """Requests of worked examples, alone and pipelined, whole and broken; the first byte splits."""
    requests = [
        bytes.fromhex("00 01 00 00 00 06 FF 03 00 1E 00 0A"),
        bytes.fromhex("00 02 00 00 00 05 FF 2B 0E 01 00"),
        bytes.fromhex("00 03 00 00 00 02 FF 41"),
        bytes.fromhex("00 04 00 07 00 06 FF 03 00 1E 00 0A"),
        bytes.fromhex("00 05 00 00 00 06 01 03 00 00 00 7D"),
        bytes.fromhex("00 06 00 00 01 00"),
    ]
    return [b"\x03" + request for request in (*requests, b"".join(requests))]


def check(data: bytes) -> None:
    """Feed a stream whole and in pieces, whose sizes the first byte gives."""
    piece, stream = 1 + data[0] % 16 if data else 1, data[1:]
    whole, pieces = _opened(), _opened()
    expected = whole.received(stream, 0)
    answers = b""
    for at in range(0, len(stream), piece):
        answers += pieces.received(stream[at : at + piece], at)
    assert answers == expected
    assert (pieces.closing, pieces.cause) == (whole.closing, whole.cause)
    assert pieces.requests == whole.requests == _count(answers)


def _opened() -> Session:
    session = Sessions(lambda: IMAGE, UL_80).opened(PEER, 0)
    assert session is not None
    return session


def _count(answers: bytes) -> int:
    """Count the ADUs of an answer, each of which must be sound."""
    count = position = 0
    while position < len(answers):
        protocol = int.from_bytes(answers[position + 2 : position + 4], "big")
        length = int.from_bytes(answers[position + 4 : position + _PREFIX], "big")
        assert protocol == 0
        assert 3 <= length <= mbap.LENGTH_MAX
        position += _PREFIX + length
        count += 1
    assert position == len(answers)
    return count
