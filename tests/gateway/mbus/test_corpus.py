"""Every settled reading of the corpus of real telegrams, and every telegram to be flagged."""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mbus.jsonform import to_json
from gateway.mbus.telegram import decode
from gateway.mbus.textform import to_text
from tests.gateway.mbus.corpus import MEDIA, NEEDED, UNITS, Case, difference, load

CASES = load()
pytestmark = NEEDED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_settled_record_is_read_right(case: Case) -> None:
    """Value, unit, function, storage number, tariff, subunit and the cut of each record."""
    telegram = decode(case.frame)
    expected = case.document.get("records")
    if expected is None:
        return
    assert len(telegram.records) == len(expected)
    pairs = zip(telegram.records, expected, strict=True)
    misses = [f"{e['i']}: {difference(r, e)}" for r, e in pairs if e in case.scored]
    assert [miss for miss in misses if not miss.endswith(": ")] == []


def test_the_score_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """The share of settled records read right is 100 %."""
    right = scored = 0
    for case in CASES:
        telegram = decode(case.frame)
        for expected in case.scored:
            scored += 1
            right += not difference(telegram.records[expected["i"]], expected)
    with capsys.disabled():
        line = f"corpus: {right} of {scored} settled records right, {len(CASES)} telegrams"
        sys.stdout.write(f"\n{line}\n")
    assert scored >= 500
    assert right == scored


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_telegrams_are_flagged_exactly_when_they_are_bad(case: Case) -> None:
    """What is not to be decoded is flagged, what is good is not; further pages are seen."""
    telegram = decode(case.frame)
    assert (telegram.error is None) is case.document["expect_decode"]
    if case.document.get("more_records_follow") is not None:
        assert telegram.more_records_follow is case.document["more_records_follow"]
    assert telegram.application_error == case.document.get("application_error")


@pytest.mark.parametrize(
    "case", [case for case in CASES if "header" in case.document], ids=lambda case: case.name
)
def test_headers_are_read_right(case: Case) -> None:
    """Identification number, manufacturer, version, medium, access number, status, signature."""
    expected, header = case.document["header"], decode(case.frame).header
    assert header is not None
    number = header.identification_number
    assert number is not None
    assert number.lstrip("0") == expected["Id"].lstrip("0")
    assert header.access_number == int(expected["AccessNumber"])
    assert header.status == int(expected["Status"], 16)
    assert header.medium == MEDIA[expected["Medium"]]
    if "Manufacturer" in expected:
        assert header.address is not None
        assert str(header.address).split("/")[1] == expected["Manufacturer"]
        assert header.version == int(expected["Version"])
        assert header.configuration == int(expected["Signature"], 16)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.document.get("fixed")], ids=lambda case: case.name
)
def test_fixed_counters_are_read_right(case: Case) -> None:
    """The two counters of CI 73, value and unit."""
    records = decode(case.frame).records
    for record, expected in zip(records, case.document["fixed"]["records"], strict=True):
        assert record.value is not None
        factor = UNITS[expected["Unit"]][record.unit]
        assert Decimal(record.value) * factor == Decimal(expected["Value"])


@given(st.sampled_from(CASES or [Case("", b"", {})]), st.data())
@settings(max_examples=400)
def test_mutated_telegrams_are_decoded_without_an_exception(
    case: Case, data: st.DataObject
) -> None:
    """Changed, missing and added bytes, with the checksum put right: totality where it hurts."""
    frame = bytearray(case.frame)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame) - 1))
        change = data.draw(st.sampled_from(("replace", "delete", "insert")))
        if change == "replace":
            frame[at] = data.draw(st.integers(0, 255))
        elif change == "delete" and len(frame) > 1:
            del frame[at]
        else:
            frame.insert(at, data.draw(st.integers(0, 255)))
    counted = bytes(frame[4:-2])[:255]
    repaired = bytes((0x68, len(counted), len(counted), 0x68)) + counted
    repaired += bytes((sum(counted) % 256, 0x16))
    for wire in (bytes(frame), repaired):
        telegram = decode(wire)
        assert to_json(telegram)
        assert to_text(telegram)
        if telegram.error is not None:
            assert 0 <= telegram.error.offset <= len(wire)
