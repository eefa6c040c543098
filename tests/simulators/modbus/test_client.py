"""The sans-IO client pairs answers with requests and reports what pairs with nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus.client import (
    OUTSTANDING_MAX,
    Client,
    Exchange,
    OutstandingLimitError,
    Unanswered,
    Unexpected,
)
from simulators.modbus.mbap import Adu
from simulators.modbus.pdu import ExceptionAnswer, ReadRequest, Registers

READ_ONE = ReadRequest(80, 1)


def answer_to(sent: bytes, pdu: bytes) -> bytes:
    """Return the server's message with the header of the request `sent`."""
    return Adu(int.from_bytes(sent[:2], "big"), sent[6], pdu).to_bytes()


def test_exchange() -> None:
    """A request goes out with its header; the answer comes back with its request."""
    client = Client()
    sent = client.request(0xFF, ReadRequest(0x1E, 0x0A))
    assert sent == bytes.fromhex("00 01 00 00 00 06 FF 03 00 1E 00 0A")
    data = bytes.fromhex("FFFF FFFF FFFF FB2E C145 70A4 FFFE 0013 6B00 35C8")
    (outcome,) = client.receive(bytes.fromhex("0001 0000 0017 FF 03 14") + data)
    assert isinstance(outcome, Exchange)
    assert isinstance(outcome.answer, Registers)
    assert outcome.answer.words[3] == 0xFB2E
    assert client.outstanding == 0


@given(st.permutations(range(8)))
def test_pipelined_answers_in_any_order(order: list[int]) -> None:
    """Several requests under way find their answers by transaction identifier."""
    client = Client(first_transaction_identifier=0xFFFC)
    sent = [client.request(1, ReadRequest(address, 1)) for address in range(8)]
    stream = b"".join(answer_to(sent[i], bytes([3, 2, 0, i])) for i in order)
    outcomes = client.receive(stream)
    for outcome, i in zip(outcomes, order, strict=True):
        assert isinstance(outcome, Exchange)
        assert outcome.answer == Registers(i, (i,))


def test_answered_twice() -> None:
    """The second answer to one request is an observation."""
    client = Client()
    sent = client.request(1, READ_ONE)
    first, second = client.receive(2 * answer_to(sent, b"\x83\x02"))
    assert isinstance(first, Exchange)
    assert first.answer == ExceptionAnswer(2)
    assert isinstance(second, Unexpected)
    assert "expected one of the transactions [], got 1" in second.message


def test_answer_of_another_unit() -> None:
    """An answer with another unit identifier does not complete the request."""
    client = Client()
    client.request(1, READ_ONE)
    (outcome,) = client.receive(Adu(1, 2, b"\x83\x02").to_bytes())
    assert isinstance(outcome, Unexpected)
    assert outcome.message == "expected unit identifier 1, got 2"
    assert client.outstanding == 1


def test_broken_stream() -> None:
    """A header that lies is an observation; what was under way can be given up."""
    client = Client()
    client.request(1, READ_ONE)
    (outcome,) = client.receive(bytes.fromhex("0001 0000 0000 01"))
    assert isinstance(outcome, Unexpected)
    assert client.abandon() == [Unanswered(1, 1, READ_ONE)]
    assert client.outstanding == 0
    assert client.abandon([1]) == []


def test_late_answer() -> None:
    """An answer after its request was given up is an observation, not a match."""
    client = Client()
    sent = client.request(1, READ_ONE)
    client.abandon([1])
    (outcome,) = client.receive(answer_to(sent, b"\x83\x02"))
    assert isinstance(outcome, Unexpected)


def test_limit_of_requests_under_way() -> None:
    """Requests cannot pile up without bound, and identifiers never collide."""
    client = Client()
    sent = [client.request(1, READ_ONE) for _ in range(OUTSTANDING_MAX)]
    with pytest.raises(OutstandingLimitError):
        client.request(1, READ_ONE)
    assert len({message[:2] for message in sent}) == OUTSTANDING_MAX
    assert len(client.abandon()) == OUTSTANDING_MAX


def test_identifier_under_way_is_not_reused() -> None:
    """After the wrap, an identifier that still waits for its answer is passed over."""
    client = Client(first_transaction_identifier=5)
    waiting = client.request(1, READ_ONE)
    for _ in range(0xFFFF):
        sent = client.request(1, READ_ONE)
        client.receive(answer_to(sent, b"\x83\x02"))
    assert client.request(1, READ_ONE)[:2] != waiting[:2]


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_total_over_any_bytes(pieces: list[bytes]) -> None:
    """Whatever a server sends, the client reports and goes on."""
    client = Client()
    client.request(1, READ_ONE)
    for piece in pieces:
        for outcome in client.receive(piece):
            assert isinstance(outcome, Exchange | Unexpected)
