"""Data records: cutting, laziness, memory limits, totality."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus import record as record_module
from gateway.mbus.data_types import decimal_text
from gateway.mbus.record import CODINGS_MAX, DataRecord, forget_codings, read_records
from gateway.mbus.tables.manual import Unit, ValueType
from tests.gateway.mbus.building import one

NUMBERS = st.tuples(st.sampled_from([1, 2, 3, 4, 6, 8]), st.integers(0, 7), st.data())
SIZE_FIELD = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 8: 7}


def test_a_record_shows_all_its_parts() -> None:
    """Bytes, function, storage number, tariff, subunit, type, unit, integer, scale, value."""
    record = one("8c5104 96470600")
    assert (record.dib, record.vib, record.data) == (
        b"\x8c\x51",
        b"\x04",
        bytes.fromhex("96470600"),
    )
    assert (record.storage_number, record.tariff, record.subunit) == (2, 1, 1)
    assert (record.value_type, record.unit) == (ValueType.ENERGY, Unit.WATT_HOUR)
    assert (record.integer, record.scale, record.value) == (64796, 1, "647960")
    assert (record.error, record.instant, record.timestamp, record.plain_text) == (None,) * 4
    assert record.to_bytes() == bytes.fromhex("8c510496470600")
    assert repr(record) == "<DataRecord 8c 51 04 96 47 06 00 = 647960>"


def test_an_unknown_attribute_is_an_error() -> None:
    """Filling slots on demand must not hide a typing mistake."""
    with pytest.raises(AttributeError, match="colour"):
        getattr(one("0413 01000000"), "colour")  # noqa: B009


@pytest.mark.parametrize(
    "attribute",
    ["integer", "scale", "value", "value_type", "unit", "error", "instant", "time_record"],
)
def test_every_attribute_may_be_asked_for_first(attribute: str) -> None:
    """Whatever is asked first, the answer is that of a record fully read."""
    wire = "046d 3a0b543b"
    full, fresh = one(wire), one(wire)
    assert full.value == "2026-11-20T11:58:00"
    assert getattr(fresh, attribute) == getattr(full, attribute)


@given(st.sampled_from([1, 2, 3, 4, 6, 8]), st.integers(0, 7), st.data())
def test_volumes_of_every_size_and_exponent_read_back(
    size: int, exponent: int, data: st.DataObject
) -> None:
    """Integer data, any size, any VIF exponent: integer, scale and value are exact."""
    limit = 1 << (8 * size - 1)
    number = data.draw(st.integers(-limit, limit - 1))
    wire = bytes((SIZE_FIELD[size], 0x10 | exponent)) + number.to_bytes(size, "little", signed=True)
    for msb_first in (False, True):
        body = wire if not msb_first else wire[:2] + wire[:1:-1]
        records, error = read_records(body, msb_first=msb_first)
        assert error is None
        assert (records[0].integer, records[0].scale) == (number, exponent - 6)
        assert records[0].value == decimal_text(number, exponent - 6)


@given(
    st.integers(0, 2**41 - 1),
    st.integers(0, 2**20 - 1),
    st.integers(0, 2**10 - 1),
    st.integers(0, 3),
)
def test_storage_tariff_and_subunit_read_back(
    storage_number: int, tariff: int, subunit: int, function: int
) -> None:
    """The DIB carries 41, 20 and 10 bits, least significant first."""
    difes = [
        (storage_number >> (4 * at + 1) & 15)
        | (tariff >> (2 * at) & 3) << 4
        | (subunit >> at & 1) << 6
        for at in range(10)
    ]
    dib = [0x04 | (storage_number & 1) << 6 | function << 4, *difes]
    wire = bytes([byte | 0x80 for byte in dib[:-1]] + dib[-1:]) + b"\x13\x01\x00\x00\x00"
    record = one(wire.hex())
    assert (record.storage_number, record.tariff, record.subunit) == (
        storage_number,
        tariff,
        subunit,
    )
    assert record.function == function


@given(st.binary(max_size=252), st.booleans())
def test_any_bytes_give_records_and_at_most_one_located_error(body: bytes, msb_first: bool) -> None:
    """Totality: nothing raises, every value can be asked for, no byte is counted twice."""
    records, error = read_records(body, 19, msb_first=msb_first)
    position = 0
    for record in records:
        wire = record.to_bytes()
        at = body.index(wire, position)
        assert set(body[position:at]) <= {0x2F}
        position = at + len(wire)
        assert record.offset == 19 + position - len(record.data)
        assert (record.value is None) or record.error is None
        assert isinstance(record.unit, Unit)
        assert isinstance(record.value_type, ValueType)
    if error is None:
        assert set(body[position:]) <= {0x2F}
    else:
        assert 19 + position <= error.offset <= 19 + len(body)


@given(st.lists(st.sampled_from(
    ["0413 01000000", "0c13 67452301", "02fc0348522574 2215", "46 6d 000008162700", "2f",
     "0dfd0e 0331 3233", "3c2a ddb4ebdd", "04ad6f 32147a18", "055b 0000c07f", "8c8040 13 01000000"]
), max_size=20))  # fmt: skip
def test_records_do_not_disturb_each_other(wires: list[str]) -> None:
    """A record reads the same alone and in any company, bad ones included."""
    records, error = read_records(bytes.fromhex("".join(wires)))
    assert error is None
    alone = [one(wire) for wire in wires if wire != "2f"]
    assert [(r.value, r.unit, r.integer, r.scale) for r in records] == [
        (r.value, r.unit, r.integer, r.scale) for r in alone
    ]


def test_the_memory_of_codings_is_limited() -> None:
    """Noise with ever new codings does not grow the memory without limit."""
    for number in range(CODINGS_MAX + 10):
        dife = bytes((0x84, 0x80 | number & 15, 0x80 | number >> 4 & 15, number >> 8 & 15))
        one((dife + b"\x93" + bytes((0x80 | number >> 12,)) + b"\x3b\x01\x00\x00\x00").hex())
    assert len(record_module._CODINGS[False]) <= CODINGS_MAX
    assert isinstance(one("0413 01000000"), DataRecord)


#: Heads that begin alike, heads with a text of their own, fillers: what a wrong guess could mix up.
ALIKE = [
    "0413 01000000",
    "0493 73 02000000",
    "8410 13 03000000",
    "8410 9373 04000000",
    "849010 13 05000000",
    "84901093 73 06000000",
    "02fd48 0700",
    "02fdc87e 0800",
    "027c 01 61 0900",
    "027c 02 6261 0a00",
    "027c 01 62 0b00",
    "02fc 01 61 73 0c00",
    "2f",
]


@given(st.lists(st.lists(st.sampled_from(ALIKE), max_size=12), min_size=1, max_size=6))
def test_what_stood_there_before_changes_no_reading(bodies: list[list[str]]) -> None:
    """Which record is expected next is only a guess: each body reads as in a fresh process."""
    read = [read_records(bytes.fromhex("".join(body))) for body in bodies]
    for body, (records, error) in zip(bodies, read, strict=True):
        assert error is None
        assert [record.to_bytes().hex() for record in records] == [
            wire.replace(" ", "") for wire in body if wire != "2f"
        ]
        forget_codings()
        fresh, _ = read_records(bytes.fromhex("".join(body)))
        assert [(r.value, r.unit, r.plain_text) for r in records] == [
            (r.value, r.unit, r.plain_text) for r in fresh
        ]


def test_plain_texts_are_remembered() -> None:
    """Two texts of different length behind one VIF do not push each other out of the memory."""
    wires = ["027c 01 61 0900", "027c 02 6261 0a00"]
    before = [one(wire).coding for wire in wires]
    assert [one(wire).coding is coding for wire, coding in zip(wires, before, strict=True)] == [
        True,
        True,
    ]


def test_a_longer_head_is_not_expected_beyond_the_end() -> None:
    """Found by the fuzzer: a head at the end of the data is no longer than what is left."""
    for known in ("02fd0f 0100", "02fd8f73 0200"):
        one(known)
    _, error = read_records(bytes.fromhex("02fd0f"))
    assert error is not None
    assert (error.offset, error.got) == (3, "0")
