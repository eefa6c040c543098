"""The JSON document of ``meterbench decode --json``, key by key."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus.jsonform import to_document, to_json
from gateway.mbus.telegram import decode
from tests.gateway.mbus.building import answer, long_frame

RECORD_KEYS = [
    "dib",
    "vib",
    "data",
    "function",
    "storage_number",
    "tariff",
    "subunit",
    "value_type",
    "integer",
    "scale",
    "unit",
    "value",
    "timestamp",
    "error",
]


def test_a_telegram_key_by_key() -> None:
    """Every key of design.md with its value, hex in wire order."""
    document = to_document(decode(answer("8c51 04 96470600 046d 3a0b543b 04fd17 00000000")))
    assert document["frame"] == {"kind": "long", "c_field": 8, "a_field": 5, "ci_field": 0x72}
    assert document["header"] == {
        "identification_number": "66600106",
        "manufacturer": "LUG",
        "version": 2,
        "medium": 4,
        "access_number": 42,
        "status": 0,
        "configuration": 0,
    }
    assert document["records"][0] == {
        "dib": "8c51",
        "vib": "04",
        "data": "96470600",
        "function": "Instantaneous value",
        "storage_number": 2,
        "tariff": 1,
        "subunit": 1,
        "value_type": "Energy",
        "integer": 64796,
        "scale": 1,
        "unit": "Wh",
        "value": "647960",
        "timestamp": None,
        "error": None,
    }
    assert document["records"][2]["timestamp"] == 1795175880
    assert (document["more_records_follow"], document["application_error"]) == (False, None)
    assert document["error"] is None


def test_the_errors_of_telegram_and_record_have_one_shape() -> None:
    """offset, expected, got, message; a bad value flags its record, not the telegram."""
    document = to_document(decode(answer("426c 0000")))
    assert document["error"] is None
    assert document["records"][0]["value"] is None
    assert document["records"][0]["error"] == {
        "offset": 21,
        "expected": "a point in time",
        "got": "year 2000, month 0, day 0",
        "message": "at byte 21: expected a point in time, got year 2000, month 0, day 0",
    }
    flagged = to_document(decode(answer("0413 0100")))
    assert set(flagged["error"]) == {"offset", "expected", "got", "message"}


def test_what_is_not_there_is_null() -> None:
    """No frame, no header, no application error."""
    nothing = to_document(decode(b""))
    assert nothing["frame"] == {"kind": "none", "c_field": None, "a_field": None, "ci_field": None}
    assert nothing["header"] is None
    assert to_document(decode(b"\xe5"))["frame"]["kind"] == "ack"
    assert to_document(decode(bytes.fromhex("1040054516")))["frame"]["kind"] == "short"
    busy = to_document(decode(long_frame(0x08, 1, 0x70, b"\x08")))
    assert (busy["application_error"], busy["header"], busy["records"]) == (8, None, [])
    assert to_document(decode(long_frame(0x08, 1, 0x70)))["frame"]["kind"] == "control"


def test_the_header_of_other_structures_has_the_same_keys() -> None:
    """Fields that a header has not are null, never missing."""
    short = to_document(decode(long_frame(0x08, 5, 0x7A, bytes(4))))["header"]
    long = to_document(decode(answer("")))["header"]
    assert list(short) == list(long)
    assert (short["identification_number"], short["manufacturer"]) == (None, None)


@given(st.binary(max_size=280))
def test_any_bytes_give_one_line_of_json(data: bytes) -> None:
    """One document a line, whatever the bytes; records always have all keys."""
    for frame in (data, long_frame(0x08, 5, 0x72, data[:252])):
        line = to_json(decode(frame))
        assert "\n" not in line
        for record in json.loads(line)["records"]:
            assert list(record) == RECORD_KEYS
