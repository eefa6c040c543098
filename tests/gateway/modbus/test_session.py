"""Connections: streams in any split, MBAP rules, admission, time-outs, fuzz (worked example 12)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from struct import pack
from sys import getsizeof
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib import modbus as scapy_modbus
from scapy.packet import Raw

from gateway.modbus import mbap
from gateway.modbus.identification import UL_80
from gateway.modbus.server import answer
from gateway.modbus.session import Cause, Client, Limits, Session, Sessions
from gateway.registers.layout import Layout
from gateway.runtime.port import NS_PER_S, StreamSession
from tests.gateway.worked_examples import image

STANDARD = image()
PEER = ("192.0.2.7", 49152)

READ = bytes.fromhex("00 01 00 00 00 06 FF 03 00 1E 00 0A")
READ_ANSWER = bytes.fromhex(
    "00 01 00 00 00 17 FF 03 14 FF FF FF FF FF FF FB 2E C1 45 70 A4 FF FE 00 13 6B 00 35 C8"
)
IDENTIFY = bytes.fromhex("00 02 00 00 00 05 FF 2B 0E 01 00")
UNKNOWN = bytes.fromhex("00 03 00 00 00 02 FF 41")
UNKNOWN_ANSWER = bytes.fromhex("00 03 00 00 00 03 FF C1 01")
FOREIGN = bytes.fromhex("00 04 00 07 00 06 FF 03 00 1E 00 0A")


@dataclass
class Log:
    """Collects the events that a server gives."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))


def server(limits: Limits | None = None, **options: Any) -> Sessions:
    """Make a server of the worked example's image."""
    return Sessions(lambda: STANDARD, UL_80, limits=limits, **options)


def opened(limits: Limits | None = None) -> Session:
    """Make one connection at time 0."""
    session = server(limits).opened(PEER, 0)
    assert session is not None
    return session


def expected_answer(adu: bytes) -> bytes:
    """Answer one whole ADU by the pure function."""
    return mbap.adu(
        int.from_bytes(adu[:2], "big"), adu[6], answer(STANDARD, adu[6], adu[7:], UL_80)
    )


def test_one_request() -> None:
    """Worked example 3: the whole ADU of a request and of its answer."""
    session: StreamSession = opened()
    assert session.received(READ, 0) == READ_ANSWER
    assert not session.closing


@pytest.mark.parametrize("unit", [2, 3])
def test_multi_slave_adus(unit: int) -> None:
    """Worked example 6: whole ADUs for a known and for an unknown unit identifier."""
    multi_slave = image(Layout(multi_slave=True))
    session = Sessions(lambda: multi_slave, UL_80).opened(PEER, 0)
    assert session is not None
    known = (
        "00 01 00 00 00 06 02 03 00 1E 00 04",
        "00 01 00 00 00 0B 02 03 08 00 00 00 00 6A E5 2F 80",
    )
    unknown = "00 01 00 00 00 06 03 03 00 00 00 01", "00 01 00 00 00 03 03 83 0B"
    request, response = known if unit == 2 else unknown
    assert session.received(bytes.fromhex(request), 0) == bytes.fromhex(response)


@pytest.mark.parametrize("transaction_identifier", [0, 1, 0x1234, 0xFFFF])
def test_transaction_and_unit_are_echoed(transaction_identifier: int) -> None:
    """MBAP-01, MBAP-02, UID-01: identifiers come back, the protocol identifier is 0."""
    for unit in (0, 1, 255):
        for pdu in (b"\x03\x00\x00\x00\x01", b"\x03\x00\x00\x00\x00", b"\x07"):
            response = opened().received(mbap.adu(transaction_identifier, unit, pdu), 0)
            assert response[:4] == transaction_identifier.to_bytes(2, "big") + b"\0\0"
            assert response[6] == unit
            assert int.from_bytes(response[4:6], "big") == len(response) - 6


@pytest.mark.parametrize("count", [2, 5, 16, 30, 500])
def test_pipelined_requests(count: int) -> None:
    """TCP-03: N requests in one segment get N answers, each transaction once and in order."""
    requests = b"".join(mbap.adu(n, 255, READ[7:]) for n in range(count))
    response = opened().received(requests, 0)
    assert response == b"".join(n.to_bytes(2, "big") + READ_ANSWER[2:] for n in range(count))


@pytest.mark.parametrize("adu", [READ, IDENTIFY, UNKNOWN])
def test_byte_by_byte_and_trailing(adu: bytes) -> None:
    """TCP-04: a request is answered with its last byte, whole, byte by byte and with a tail."""
    expected = expected_answer(adu)
    assert opened().received(adu, 0) == expected
    session = opened()
    assert [session.received(adu[n : n + 1], n) for n in range(len(adu))] == [
        *[b""] * (len(adu) - 1),
        expected,
    ]
    session = opened()
    assert session.received(adu + adu[:5], 0) == expected
    assert session.received(adu[5:], 0) == expected


frames = st.one_of(
    st.sampled_from([READ, IDENTIFY, UNKNOWN, FOREIGN]),
    st.builds(
        mbap.adu, st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253)
    ),
    st.builds(
        lambda t, a, q: mbap.adu(t, 255, pack(">BHH", 3, a, q)),
        st.integers(0, 0xFFFF),
        st.integers(0, 90),
        st.integers(0, 130),
    ),
)


@given(st.lists(frames, max_size=12), st.lists(st.integers(0, 400), max_size=8))
def test_any_split_gives_the_same_answers(adus: list[bytes], cuts: list[int]) -> None:
    """TCP-03, TCP-04, MBAP-03: the answers do not depend on how the stream is cut."""
    stream = b"".join(adus)
    session = opened()
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    got = b"".join(session.received(stream[a:b], 0) for a, b in pairwise(edges))
    assert got == b"".join(expected_answer(adu) for adu in adus if adu[2:4] == b"\0\0")
    assert not session.closing


def test_foreign_protocol_is_skipped() -> None:
    """MBAP-03: a frame of another protocol gets no answer and the stream stays in step."""
    sessions = server()
    session = sessions.opened(PEER, 0)
    assert session is not None
    assert session.received(FOREIGN + READ, 0) == READ_ANSWER
    assert session.received(FOREIGN[:9], 0) == b""
    assert session.received(FOREIGN[9:] + READ, 0) == READ_ANSWER
    assert sessions.counters.foreign_frames == 2
    assert sessions.counters.requests == 2


@pytest.mark.parametrize("length", [0, 1, 255, 256, 65535])
def test_impossible_length_closes(length: int) -> None:
    """MBAP-05: a length that cannot be true ends the connection as soon as it is seen."""
    sessions = server()
    session = sessions.opened(PEER, 0)
    assert session is not None
    bad = b"\x00\x09\x00\x00" + length.to_bytes(2, "big")
    assert session.received(READ + bad, 0) == READ_ANSWER
    assert session.closing
    assert session.cause is Cause.MALFORMED
    # What comes behind is not read any more.
    assert session.received(READ, 0) == b""
    assert session.deadline() is None
    assert sessions.counters.malformed_closed == 1


@pytest.mark.parametrize(
    ("adu", "expected"),
    [
        # Length one short and one long for FC 03: the PDU is judged, no neighbour is read.
        ("00 01 00 00 00 05 FF 03 00 1E 00", "00 01 00 00 00 03 FF 83 03"),
        ("00 01 00 00 00 07 FF 03 00 1E 00 0A 00", "00 01 00 00 00 03 FF 83 03"),
        ("00 01 00 00 00 02 FF 03", "00 01 00 00 00 03 FF 83 03"),
    ],
)
def test_length_that_does_not_fit_the_pdu(adu: str, expected: str) -> None:
    """MBAP-06: a PDU of the wrong length gets 83 03 and the stream goes on behind it."""
    session = opened()
    assert session.received(bytes.fromhex(adu) + READ, 0) == bytes.fromhex(expected) + READ_ANSWER


def test_longest_frame() -> None:
    """MBAP-04: an ADU of 260 bytes is taken whole."""
    adu = mbap.adu(1, 255, b"\x41" + bytes(252))
    assert len(adu) == mbap.ADU_SIZE_MAX == 260
    assert opened().received(adu, 0) == bytes.fromhex("00 01 00 00 00 03 FF C1 01")


def ends(session: Session, events: list[tuple[float, bytes]], until: float) -> float | None:
    """Play bytes at their times (s) with the timer as a runtime would; when it closed, or None.

    What arrives at a deadline is in time, as the runtime port promises.
    """
    for seconds, data in [*events, (until, b"")]:
        now = int(seconds * NS_PER_S)
        while (deadline := session.deadline()) is not None and deadline < now:
            assert session.timer(deadline - 1) == b""
            assert not session.closing
            session.timer(deadline)
        if session.closing:
            return deadline_of(session)
        session.received(data, now)
    return None


def deadline_of(session: Session) -> float:
    """Give the time in s at which a session was closed by its timer."""
    assert session.closing
    moments = {
        Cause.IDLE: session._idle_since + session._limits.disconnect_timeout,
        Cause.UNFINISHED: session._first_byte + session._limits.connection_timeout,
    }
    assert session.cause is not None
    return moments[session.cause] / NS_PER_S


HALF = READ[:6]
TEN_SECONDS = Limits(connection_timeout=10 * NS_PER_S)
DRIP = [(5.0 * n, READ[n : n + 1]) for n in range(12)]


@pytest.mark.parametrize(
    ("limits", "events", "closed_at", "cause"),
    [
        (Limits(), [], 60, Cause.IDLE),
        (Limits(), [(50, READ)], 110, Cause.IDLE),
        (Limits(), [(0, READ), (30, HALF)], 60, Cause.IDLE),
        (TEN_SECONDS, [(0, READ), (30, HALF)], 40, Cause.UNFINISHED),
        (TEN_SECONDS, DRIP, 10, Cause.UNFINISHED),
        # Single bytes do not restart the idle time-out either.
        (Limits(connection_timeout=0), DRIP[:5], 60, Cause.IDLE),
        # A byte at the very deadline is in time; the request it completes counts.
        (Limits(), [(0, HALF), (60, READ[6:])], 120, Cause.IDLE),
        (TEN_SECONDS, [(0, HALF), (10, READ[6:])], 70, Cause.IDLE),
        # The clock of an unfinished request starts with its own first byte.
        (TEN_SECONDS, [(0, HALF), (9, READ[6:] + HALF)], 19, Cause.UNFINISHED),
        (TEN_SECONDS, [(0, READ[:1]), (4, READ[1:2])], 10, Cause.UNFINISHED),
        # A frame of another protocol is no request.
        (Limits(), [(50, FOREIGN)], 60, Cause.IDLE),
    ],
)
def test_timeouts(
    limits: Limits, events: list[tuple[float, bytes]], closed_at: float, cause: Cause
) -> None:
    """C-36, TCP-05, TCP-08: the exact moments at which the server closes (worked example 12)."""
    session = opened(limits)
    assert ends(session, events, until=1000) == closed_at
    assert session.cause is cause


def test_timeouts_are_counted() -> None:
    """C-36: idle and unfinished closes are counted apart."""
    sessions = server(TEN_SECONDS)
    for events in ([], [(1.0, HALF)], [(2.0, HALF)]):
        session = sessions.opened(PEER, 0)
        assert session is not None
        assert ends(session, events, until=200) is not None
        session.closed(0)
    assert (sessions.counters.idle_closed, sessions.counters.unfinished_closed) == (1, 2)


def test_a_timer_that_comes_early_changes_nothing() -> None:
    """A runtime may wake a session before its deadline."""
    session = opened()
    session.timer(59 * NS_PER_S)
    assert not session.closing
    session.timer(60 * NS_PER_S)
    assert session.closing
    session.timer(61 * NS_PER_S)
    assert session.cause is Cause.IDLE


def test_sixth_connection() -> None:
    """C-37, TCP-06, TCP-07: five are served, the sixth is refused and counted, a place frees up."""
    log = Log()
    sessions = server(log=log)
    burst = [sessions.opened((f"192.0.2.{n}", 1000 + n), n) for n in range(7)]
    assert [session is None for session in burst] == [False] * 5 + [True] * 2
    assert sessions.counters.rejected == 2
    third = burst[2]
    assert third is not None
    third.closed(10)
    third.closed(11)
    assert sessions.opened(PEER, 12) is not None
    assert sessions.opened(PEER, 13) is None
    assert sessions.counters.accepted == 6
    assert [kind for kind, _ in log.events] == [
        *["modbus.opened"] * 5,
        *["modbus.rejected"] * 2,
        "modbus.closed",
        "modbus.opened",
        "modbus.rejected",
    ]


def test_no_connections_at_all() -> None:
    """C-37: MODBUS_MAXCONNECTIONS 0 accepts nobody."""
    assert server(Limits(connections_max=0)).opened(PEER, 0) is None


def test_counters_and_clients() -> None:
    """The page, the log and the metrics see requests, exceptions by code and the clients."""
    log = Log()
    sessions = server(log=log)
    session = sessions.opened(PEER, 5)
    assert session is not None
    session.received(READ * 3 + UNKNOWN, 7)
    session.received(bytes.fromhex("00 01 00 00 00 06 FF 03 00 50 00 01"), 9)
    session.received(bytes.fromhex("00 01 00 00 00 06 FF 03 00 50 00 00"), 11)
    assert sessions.counters.requests == 6
    assert dict(sessions.counters.exceptions) == {1: 1, 2: 1, 3: 1}
    assert sessions.clients() == [Client(PEER, 5, 11, 6)]
    session.closed(3 * NS_PER_S + 5)
    assert sessions.clients() == []
    assert log.events[-1] == (
        "modbus.closed",
        {"peer": PEER, "cause": "peer", "requests": 6, "seconds": 3},
    )


def test_debug_output() -> None:
    """MODBUS_DEBUGOUT: every ADU of both directions is logged, answers unchanged."""
    log = Log()
    session = server(log=log, debug=True).opened(PEER, 0)
    assert session is not None
    assert session.received(READ + UNKNOWN, 0) == READ_ANSWER + UNKNOWN_ANSWER
    assert log.events[1:] == [
        ("modbus.received", {"peer": PEER, "adu": READ.hex()}),
        ("modbus.sent", {"peer": PEER, "adu": READ_ANSWER.hex()}),
        ("modbus.received", {"peer": PEER, "adu": UNKNOWN.hex()}),
        ("modbus.sent", {"peer": PEER, "adu": UNKNOWN_ANSWER.hex()}),
    ]


def test_each_request_sees_the_newest_image() -> None:
    """FC3-08: an image that is replaced between two reads shows in the second one, whole."""
    images = [image(), image(Layout(dummy=True))]
    sessions = Sessions(lambda: images[0], UL_80)
    session = sessions.opened(PEER, 0)
    assert session is not None
    first = session.received(mbap.adu(1, 0, b"\x03\x00\x00\x00\x02"), 0)
    images.reverse()
    second = session.received(mbap.adu(1, 0, b"\x03\x00\x00\x00\x02"), 0)
    assert (first[9:].hex(), second[9:].hex()) == ("00012883", "0002993a")


#: A long run (100 000) takes seconds; every run gives the same frames in the same order.
FUZZ_FRAMES = int(os.environ.get("METERBENCH_FUZZ_FRAMES", "3000"))


def test_fuzzed_frames() -> None:
    """ROB-01: seeded frames with a true header get one answer each that echoes the header."""
    random = Random("modbus/fuzz")
    session = opened()
    for _ in range(FUZZ_FRAMES):
        pdu = random.randbytes(random.choice((1, 2, 4, 5, 5, 5, 6, 17, 253)))
        if random.random() < 0.5:
            pdu = b"\x03" + pdu[1:]
        adu = mbap.adu(random.randrange(65536), random.randrange(256), pdu)
        response = session.received(adu, 0)
        assert response[:4] == adu[:4]
        assert response[6] == adu[6]
        assert response[7] in (adu[7], adu[7] | 0x80)
        assert int.from_bytes(response[4:6], "big") == len(response) - 6 <= 254


@given(st.lists(st.binary(max_size=600), max_size=20))
def test_garbage_never_raises_and_is_not_hoarded(chunks: list[bytes]) -> None:
    """ROB-02: whatever comes, nothing is raised and at most one unfinished ADU is kept."""
    session = opened()
    for chunk in chunks:
        response = session.received(chunk, 0)
        # Never more than one answer of 260 bytes for each possible request of 8.
        assert len(response) <= (len(chunk) + 260) // 8 * 260
        assert getsizeof(session._rest) < 33 + mbap.ADU_SIZE_MAX + 1
        if session.closing:
            assert session._rest == b""


def test_garbage_ends_the_connection() -> None:
    """ROB-02: 300 bytes of garbage or an RTU frame: closed at once, or at the time-out."""
    session = opened()
    assert session.received(bytes(range(255, 205, -1)) * 6, 0) == b""
    assert session.closing
    session = opened()
    rtu = bytes.fromhex("01 03 00 00 00 01 84 0A")
    assert session.received(rtu, 0) == b""
    assert session.closing
    # Ten registers look like a length; the frame that they promise never comes.
    session = opened(TEN_SECONDS)
    assert session.received(bytes.fromhex("01 03 00 00 00 0A C5 CD"), 0) == b""
    assert session.deadline() == 10 * NS_PER_S


def test_scapy_builds_and_dissects() -> None:
    """MBAP-04, MBAP-07: another program's ADU is understood, and it understands the answer."""
    request = scapy_modbus.ModbusADURequest(transId=0x1234, unitId=255)
    request /= scapy_modbus.ModbusPDU03ReadHoldingRegistersRequest(startAddr=30, quantity=10)
    response = scapy_modbus.ModbusADUResponse(opened().received(bytes(request), 0))
    assert (response.transId, response.protoId, response.len, response.unitId) == (
        0x1234,
        0,
        23,
        255,
    )
    registers = response[scapy_modbus.ModbusPDU03ReadHoldingRegistersResponse].registerVal
    assert b"".join(r.to_bytes(2, "big") for r in registers) == READ_ANSWER[9:]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 7, 254, 255, 65535])
def test_scapy_lies_about_the_length(length: int) -> None:
    """MBAP-05, MBAP-06: a length that lies never gives data and never raises."""
    request = scapy_modbus.ModbusADURequest(transId=1, unitId=255, len=length)
    request /= scapy_modbus.ModbusPDU03ReadHoldingRegistersRequest(startAddr=30, quantity=10)
    request /= Raw(b"\xff" * 8)
    session = opened()
    response = session.received(bytes(request), 0)
    assert b"\x03\x14" not in response
    # Only 254 still waits; behind a short length comes what cannot be a header.
    assert session.closing == (length != 254)
