"""The survey finds out what is mapped, and asks no more than it needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus.layout import ValueBlock
from simulators.modbus.pdu import ExceptionAnswer, Malformed, ReadRequest, Registers
from simulators.modbus.survey import Survey
from tests.simulators.modbus.worked_example import REGISTERS


def run(survey: Survey, mapped: dict[int, int]) -> list[ReadRequest]:
    """Answer a survey as a gateway with these registers would (C-12); return its requests."""
    asked: list[ReadRequest] = []
    while (request := survey.next_request()) is not None:
        assert survey.next_request() is request
        asked.append(request)
        addresses = range(request.starting_address, request.starting_address + request.quantity)
        assert addresses.stop <= 0x10000
        if any(address in mapped for address in addresses):
            words = tuple(mapped.get(address, 0) for address in addresses)
            survey.answered(Registers(request.starting_address, words))
        else:
            survey.answered(ExceptionAnswer(2))
    assert survey.done
    return asked


def test_worked_example() -> None:
    """Eighty registers: one range, a probe for each step of zeros, one range beyond the end."""
    survey = Survey()
    mapped = dict(enumerate(REGISTERS))
    asked = run(survey, mapped)
    assert survey.registers == mapped
    assert [(r.starting_address, r.quantity) for r in asked] == [
        (0, 120), (60, 10), (80, 10), (90, 10), (100, 10), (110, 10), (120, 120),
    ]  # fmt: skip
    assert isinstance(survey.blocks[6], ValueBlock)
    assert survey.complaints == []


@given(st.sets(st.integers(1, 6552), max_size=12), st.booleans())
def test_full_sweep_finds_every_block(steps: set[int], zeros: bool) -> None:
    """Without a gap limit nothing that is mapped stays hidden, zeros or not."""
    mapped = {10 * step + i: 0 if zeros else 7 for step in steps for i in range(10)}
    mapped |= dict(enumerate(REGISTERS[:10]))
    survey = Survey(gap_limit=None)
    run(survey, mapped)
    assert survey.registers == mapped


def test_gap_limit() -> None:
    """The survey goes on over fewer empty ranges than its limit, and stops at it."""
    mapped = dict(enumerate(REGISTERS[:20])) | {250 + i: 1 for i in range(10)}
    near, far = Survey(), Survey(gap_limit=2)
    run(near, mapped)
    run(far, mapped)
    assert max(near.registers) == 19
    assert max(far.registers) == 259


def test_other_answers_are_kept() -> None:
    """An answer that is neither registers nor exception 02 is a complaint and ends a range."""
    survey = Survey()
    request = survey.next_request()
    assert request is not None
    survey.answered(Malformed(b"", "broken"))
    assert survey.done
    assert survey.complaints == [(request, Malformed(b"", "broken"))]
    assert survey.next_request() is None


def test_answer_without_request() -> None:
    """Feeding an answer that was not asked for is the caller's mistake, said at once."""
    survey = Survey()
    with pytest.raises(ValueError, match="nothing was asked"):
        survey.answered(ExceptionAnswer(2))
