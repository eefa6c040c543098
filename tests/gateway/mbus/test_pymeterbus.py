"""pyMeterBus as an independent witness, where it is right.

It decodes telegrams that Hypothesis makes from codings on which both ought to agree; codings on
which it is known to be wrong (corrections other than as first VIFE, type I, LVAR numbers, NaN, BCD
with letters) are left out here and tested by hand in test_pitfalls.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import meterbus
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mbus.tables.manual import Unit
from gateway.mbus.telegram import decode
from tests.gateway.mbus.building import answer
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
