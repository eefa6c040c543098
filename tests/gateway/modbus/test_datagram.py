"""Modbus/UDP: one datagram is one ADU, peers share nothing, answers per source are limited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.modbus import mbap
from gateway.modbus.datagram import SOURCES_MAX, Datagrams, Rate, datagram
from gateway.modbus.identification import UL_80
from gateway.runtime.port import NS_PER_S
from tests.gateway.worked_examples import image

STANDARD = image()
READ = bytes.fromhex("00 01 00 00 00 06 FF 03 00 22 00 02")
READ_ANSWER = bytes.fromhex("00 01 00 00 00 07 FF 03 04 C1 45 70 A4")


def test_one_datagram() -> None:
    """UDP-01: a whole ADU is answered by a whole ADU."""
    assert datagram(STANDARD, UL_80, READ) == READ_ANSWER


@pytest.mark.parametrize(
    "data",
    [
        b"",
        READ[:7],
        READ[:11],
        READ + b"\x00",
        READ + READ,
        bytes.fromhex("00 01 00 07 00 06 FF 03 00 22 00 02"),
        bytes.fromhex("00 01 00 00 00 01 FF"),
        mbap.adu(1, 255, bytes(254)),
    ],
)
def test_anything_else_is_dropped(data: bytes) -> None:
    """UDP-01: runts, trailing bytes, a wrong length and another protocol get no answer."""
    assert datagram(STANDARD, UL_80, data) is None


@given(st.binary(max_size=300))
def test_any_datagram_gives_an_adu_or_nothing(data: bytes) -> None:
    """UDP-01: an answer belongs to a request with a true header, and echoes it."""
    response = datagram(STANDARD, UL_80, data)
    if response is not None:
        assert response[:4] == data[:2] + b"\0\0"
        assert response[6] == data[6]


def test_many_peers() -> None:
    """UDP-02, UDP-03: interleaved sources each get their answers; a runt disturbs nobody."""
    server = Datagrams(lambda: STANDARD, UL_80)
    peers = [(f"192.0.2.{n}", 5000 + n) for n in range(5)]
    for turn in range(1000):
        assert server.received(peers[0], READ[:7], turn) is None
        for peer in peers:
            request = mbap.adu(turn, 255, READ[7:])
            assert server.received(peer, request, turn) == mbap.adu(turn, 255, READ_ANSWER[7:])
    assert server.counters.requests == 5000
    assert server.counters.dropped == 1000


def test_a_source_is_answered_at_its_rate() -> None:
    """Amplification: beyond the burst a source gets only as many answers as its rate allows."""
    server = Datagrams(lambda: STANDARD, UL_80, rate=Rate(per_second=10, burst=5))
    peer = ("192.0.2.1", 1)

    def answered(count: int, now: int) -> int:
        return sum(server.received(peer, READ, now) is not None for _ in range(count))

    assert answered(20, 0) == 5
    assert server.counters.throttled == 15
    assert server.received(("192.0.2.2", 1), READ, 0) == READ_ANSWER
    assert answered(20, NS_PER_S // 10) == 1
    assert answered(20, NS_PER_S) == 5
    assert sum(answered(1, NS_PER_S * 2 + n * NS_PER_S // 100) for n in range(1000)) <= 106


def test_spoofed_sources_do_not_fill_the_memory() -> None:
    """Amplification: the table of sources is bounded; the longest silent is forgotten."""
    server = Datagrams(lambda: STANDARD, UL_80)
    for n in range(SOURCES_MAX + 100):
        server.received((f"host-{n}", 1), READ, n)
    assert len(server._used_until) == SOURCES_MAX
    assert "host-99" not in server._used_until
    assert "host-100" in server._used_until


def test_exceptions_are_counted() -> None:
    """Exceptions over UDP are counted by code as over TCP."""
    server = Datagrams(lambda: STANDARD, UL_80)
    server.received(("192.0.2.1", 1), mbap.adu(1, 255, b"\x41"), 0)
    assert dict(server.counters.exceptions) == {1: 1}
