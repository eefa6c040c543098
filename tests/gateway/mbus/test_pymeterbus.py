"""pyMeterBus as an independent witness, where it is right.

It decodes telegrams that Hypothesis makes: first from codings on which both ought to agree, then
from any coding that it claims to read, where every difference must belong to a class of
`disagreements`, which says who is right (docs/decode.md says why).
"""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import meterbus
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mbus.coding import Form
from gateway.mbus.tables.manual import Unit
from gateway.mbus.telegram import decode
from tests.gateway.mbus.building import answer
from tests.gateway.mbus.disagreements import EXAMPLES, Example, reason_to_differ
from tests.gateway.mbus.test_telegram import METER_A, METER_B

if TYPE_CHECKING:
    from gateway.mbus.record import DataRecord

#: pyMeterBus gives every duration in seconds.
SECONDS = {Unit.SECOND: 1, Unit.MINUTE: 60, Unit.HOUR: 3600, Unit.DAY: 86400}
INTEGER_FIELDS = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}
BCD_FIELDS = {0x9: 1, 0xA: 2, 0xB: 3, 0xC: 4, 0xE: 6}
#: Numeric quantities of the primary table: all but time points, reserved codes and identities.
VIFS = st.sampled_from([*range(0x6C), 0x6E, *range(0x70, 0x79)])
FD_VIFS = st.sampled_from([*range(0x08), *range(0x40, 0x60), 0x17, 0x3A, 0x60, 0x61])


@st.composite
def dibs(draw: st.DrawFn, field: int) -> bytes:
    """Draw a DIB with up to three DIFEs."""
    difes = draw(st.binary(max_size=3))
    dif = field | draw(st.integers(0, 7)) << 4
    chain = [dif, *difes]
    return bytes([byte | 0x80 for byte in chain[:-1]] + [chain[-1] & 0x7F])


@st.composite
def vibs(draw: st.DrawFn) -> bytes:
    """Draw a VIB without VIFEs."""
    if draw(st.booleans()):
        return bytes((draw(VIFS),))
    return bytes((0xFD, draw(FD_VIFS)))


@st.composite
def integer_records(draw: st.DrawFn) -> bytes:
    """Draw a record with an integer."""
    field = draw(st.sampled_from(sorted(INTEGER_FIELDS)))
    size = INTEGER_FIELDS[field]
    return draw(dibs(field)) + draw(vibs()) + draw(st.binary(min_size=size, max_size=size))


@st.composite
def bcd_records(draw: st.DrawFn) -> bytes:
    """Draw a record with decimal digits."""
    field = draw(st.sampled_from(sorted(BCD_FIELDS)))
    digits = draw(
        st.text("0123456789", min_size=2 * BCD_FIELDS[field], max_size=2 * BCD_FIELDS[field])
    )
    return draw(dibs(field)) + draw(vibs()) + bytes.fromhex(digits)


@st.composite
def real_records(draw: st.DrawFn) -> bytes:
    """Draw a record with a finite real."""
    value = draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
    return draw(dibs(5)) + draw(vibs()) + struct.pack("<f", value)


def both(record: bytes) -> tuple[DataRecord, dict[str, Any]]:
    """Decode one record with either decoder."""
    frame = answer(record.hex())
    telegram, theirs = decode(frame), meterbus.load(frame)
    assert telegram.error is None
    assert len(telegram.records) == len(theirs.records) == 1
    return telegram.records[0], theirs.records[0].interpreted


def assert_same(record: DataRecord, theirs: dict[str, Any]) -> None:
    """Compare number, storage number, tariff and subunit; pyMeterBus goes through a double."""
    assert theirs["storage_number"] == record.storage_number
    assert theirs.get("tariff", 0) == record.tariff
    assert theirs.get("device", 0) == record.subunit
    assert record.value is not None
    ours = Fraction(record.value) * SECONDS.get(record.unit, 1)
    assert float(theirs["value"]) == pytest.approx(float(ours), rel=1e-6, abs=1e-300)


@given(st.one_of(integer_records(), bcd_records(), real_records()))
def test_numbers_storage_tariff_and_subunit_agree(record: bytes) -> None:
    """Integers, BCD and reals of all sizes under all plain VIFs."""
    assert_same(*both(record))


@st.composite
def wide_records(draw: st.DrawFn) -> bytes:
    """Draw a record of any coding: FD, FB, VIFEs, points in time, LVAR, noise for data."""
    vibs_ = st.one_of(
        st.integers(0, 0x7F).filter(lambda vif: vif not in (0x7B, 0x7C, 0x7D)).map(_one),
        st.builds(lambda table, code: bytes((table, code)), _EXTENSIONS, st.integers(0, 0x7F)),
        st.builds(lambda vif, vife: bytes((vif | 0x80, vife)), VIFS, st.integers(1, 0x7B)),
        st.sampled_from([b"\x6c", b"\x6d"]),
    )
    vib = draw(vibs_)
    field = draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 13]))
    if field == 0x0D:
        data = draw(st.one_of(TEXTS, LVAR_NUMBERS))
    else:
        size = {5: 4, **INTEGER_FIELDS, **BCD_FIELDS}[field]
        data = draw(st.binary(min_size=size, max_size=size))
    return draw(dibs(field)) + vib + data


def _one(byte: int) -> bytes:
    return bytes((byte,))


_EXTENSIONS = st.sampled_from([0xFD, 0xFB])
TEXTS = st.one_of(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.encode),
    st.binary(max_size=20),
).map(lambda text: bytes((len(text),)) + text)
LVAR_NUMBERS = st.builds(
    lambda kind, data: bytes((kind | len(data),)) + data,
    st.sampled_from([0xC0, 0xD0, 0xE0]),
    st.binary(min_size=1, max_size=9),
)


def agrees(frame: bytes) -> bool:
    """Tell whether both read the only record of a telegram alike."""
    try:
        theirs = meterbus.load(frame).records[0].interpreted
    except (KeyError, IndexError, ValueError, TypeError, ArithmeticError):
        return False
    record, value = decode(frame).records[0], theirs["value"]
    if record.value is None:
        return value in (None, "")
    if record.integer is None:
        return bool(value == record.value)
    if record.coding.form is Form.INSTANT:
        return record.value.startswith(str(value)[:10])
    ours = float(Fraction(record.value) * SECONDS.get(record.unit, 1))
    try:
        return float(value) == pytest.approx(ours, rel=1e-6, abs=1e-300)
    except ValueError:
        return False


@settings(max_examples=600)
@given(wide_records())
def test_every_disagreement_is_of_a_known_class(record: bytes) -> None:
    """Whatever the coding: both read the same, or the class says why not."""
    frame = answer(record.hex())
    telegram = decode(frame)
    assert telegram.error is None
    assert agrees(frame) or reason_to_differ(telegram.records[0]) is not None


@pytest.mark.parametrize(
    ("reason", "example"),
    [(reason, example) for reason, examples in EXAMPLES.items() for example in examples],
    ids=lambda value: value if isinstance(value, str) else value.record,
)
def test_the_examples_of_the_classes(reason: str, example: Example) -> None:
    """Each example is read by both as docs/decode.md says."""
    frame = answer(example.record)
    record = decode(frame).records[0]
    assert record.value == example.ours
    # Only the tolerance of the comparison hides this one from the classes.
    assert reason_to_differ(record) == (None if reason == "beyond a double" else reason)
    try:
        theirs = str(meterbus.load(frame).records[0].interpreted["value"])
    except LookupError as error:
        theirs = type(error).__name__
    if theirs != example.theirs:
        assert float(theirs) == pytest.approx(float(example.theirs), rel=1e-12)


@pytest.mark.parametrize("frame", [METER_A, METER_B], ids=["meter A", "meter B"])
def test_the_worked_examples_agree(frame: bytes) -> None:
    """Both telegrams of worked-examples 1, record by record."""
    telegram, theirs = decode(frame), meterbus.load(frame)
    assert len(telegram.records) == len(theirs.records)
    for ours, other in zip(telegram.records, theirs.records, strict=True):
        value = other.interpreted["value"]
        if ours.unit is Unit.UTC:
            assert str(ours.value).startswith(str(value)[:10])
        elif ours.integer is None:
            assert ours.value == value
        else:
            assert Decimal(str(ours.value)) == pytest.approx(Decimal(value))
