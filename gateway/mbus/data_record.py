"""What one data record says: bytes and their coding in, exact values out.

`read_record` reads the data of a record whose place and coding are known (`gateway.mbus.record`
finds them, `gateway.mbus.plan` remembers them). A record whose data are no value (invalid date,
NaN, BCD with letters) carries its own `error` and takes no neighbour along.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Literal

from gateway.mbus import data_types
from gateway.mbus.coding import Coding, Form, Function, add, text_of_coding
from gateway.mbus.data_types import Scaled, decimal_text, fitted
from gateway.mbus.errors import RecordError
from gateway.mbus.structure import DATA_FIELD
from gateway.mbus.tables.manual import Unit, ValueType

if TYPE_CHECKING:
    from gateway.mbus.coding import Reader
    from gateway.mbus.data_types import Instant

#: Times that fit the 32-bit registers of manual 6.2; others count as none (C-58).
_UNIX_TIME_MAX: Final = 0xFFFF_FFFF
_BCD: Final = Form.BCD
_INSTANT: Final = Form.INSTANT


class DataRecord:
    """One record: its coding, its bytes, and what they say.

    ``integer`` x 10^``scale`` in ``unit`` is what the registers get (None for text and for no
    value); for a point in time it is unix time. ``value`` is the exact decimal, the text or the
    ISO 8601 time. The two differ only for a real, whose integer is the shortest decimal that names
    the float32 sent (C-59). ``error`` says why there is no value; without error None means that the
    meter sent no data. ``time_record`` is the record whose time belongs to this value (see
    `gateway.mbus.timestamps`). The data are the bytes of ``wire``, the telegram that the record
    came in, from ``offset`` to ``end``.
    """

    # Plain slots and positional arguments: with the values of a telegram in columns,
    # ``map(DataRecord, ...)`` makes a record in half the time of any other kind of class.
    __slots__ = (
        "coding",
        "end",
        "error",
        "integer",
        "offset",
        "scale",
        "time_record",
        "unit",
        "value",
        "wire",
    )

    def __init__(
        self,
        coding: Coding,
        wire: bytes,
        offset: int,
        end: int,
        integer: int | None,
        scale: int,
        unit: Unit,
        value: str | None,
        error: RecordError | None = None,
    ) -> None:
        self.coding = coding
        self.wire = wire
        self.offset = offset
        self.end = end
        self.integer = integer
        self.scale = scale
        self.unit = unit
        self.value = value
        self.error = error
        self.time_record: DataRecord | None = None

    @property
    def data(self) -> bytes:
        """The data in wire order, with the LVAR byte where there is one."""
        return self.wire[self.offset : self.end]

    @property
    def dib(self) -> bytes:
        """DIF and DIFEs in wire order; empty in the fixed data structure."""
        return self.coding.dib

    @property
    def vib(self) -> bytes:
        """VIF, plain text and VIFEs in wire order; empty for manufacturer data."""
        return self.coding.vib

    @property
    def function(self) -> Function:
        """Instantaneous, maximum, minimum, during error state, or a special record."""
        return self.coding.function

    @property
    def storage_number(self) -> int:
        """0 = now; up to 41 bits."""
        return self.coding.storage_number

    @property
    def tariff(self) -> int:
        """0 = total; up to 20 bits."""
        return self.coding.tariff

    @property
    def subunit(self) -> int:
        """Part of the device; up to 10 bits."""
        return self.coding.subunit

    @property
    def value_type(self) -> ValueType:
        """What kind of quantity this is, by manual 6.2."""
        return self.coding.value_type

    @property
    def instant(self) -> Instant | None:
        """A point in time with the meter's own flags; None where the record is no such thing."""
        coding = self.coding
        if coding.form is not Form.INSTANT or coding.record_error:
            return None
        data = self.data[::-1] if coding.msb_first else self.data
        return data_types.INSTANT_READERS[len(data)](data)

    @property
    def gives_time(self) -> bool:
        """True for a plain time point, whose time belongs to other values (C-58, MET-11)."""
        return self.coding.gives_time

    @property
    def unix_time(self) -> int | None:
        """The record's own point in time as unsigned 32-bit unix time; None if it has none."""
        seconds = self.integer
        if seconds is None or self.coding.form is not Form.INSTANT or self.unit is not Unit.UTC:
            return None
        return seconds if 0 <= seconds <= _UNIX_TIME_MAX else None

    @property
    def timestamp(self) -> int | None:
        """Unix time that the meter gave to this value, or None (C-58)."""
        return None if self.time_record is None else self.time_record.unix_time

    @property
    def plain_text(self) -> str | None:
        """What the meter calls this value, where the VIF says it in plain text."""
        return text_of_coding(self.coding)

    def to_bytes(self) -> bytes:
        """Give DIB, VIB and data as they were sent."""
        return self.coding.dib + self.coding.vib + self.data

    def __repr__(self) -> str:
        return f"<DataRecord {self.to_bytes().hex(' ')} = {self.value}>"


# --- Reading --------------------------------------------------------------------------------------


def read_record(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    """Read the record whose data are the bytes of `wire` from `offset` to `end`."""
    return reader_of(coding)(coding, wire, offset, end)


def reader_of(coding: Coding) -> Reader:
    """Choose the function that reads the data of a coding; none of them raises."""
    if coding.record_error:
        return _read_record_error
    form, size = coding.form, coding.size
    if coding.power:
        if coding.msb_first:
            return _READERS[form]
        return _read_plain_bcd if form is _BCD else _PLAIN_INTEGER_READERS.get(size, _read_integer)
    if form is _INSTANT:
        return _INSTANT_READERS.get(size, _read_instant)
    return _READERS[form]


def _refused(
    coding: Coding, wire: bytes, offset: int, end: int, got: object, expected: str = "a value"
) -> DataRecord:
    error = RecordError(offset, expected, str(got))
    return DataRecord(coding, wire, offset, end, None, coding.scale, coding.unit, None, error)


def _least_significant_first(coding: Coding, wire: bytes, offset: int, end: int) -> bytes:
    data = wire[offset:end]
    return data[::-1] if coding.msb_first else data


def _without_number(
    coding: Coding, wire: bytes, offset: int, end: int, value: str | None, unit: Unit = Unit.NONE
) -> DataRecord:
    return DataRecord(coding, wire, offset, end, None, 0, unit, value)


def _number(coding: Coding, wire: bytes, offset: int, end: int, integer: int) -> DataRecord:
    """Give an integer its scale and, rarely, the additive constant of a VIFE."""
    if coding.addend is None:
        value, scale = decimal_text(integer, coding.scale), coding.scale
    else:
        exact = add(Scaled(integer, coding.scale), coding.addend)
        integer, scale = fitted(exact)
        value = decimal_text(*exact)
    return DataRecord(coding, wire, offset, end, integer, scale, coding.unit, value)


# --- One reader for each form ---------------------------------------------------------------------


def _read_record_error(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    """Pass on what the meter itself says by a VIFE: there is no value, whatever the data are."""
    return _refused(coding, wire, offset, end, f'record error "{coding.record_error}"')


def _read_empty(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    """Leave the value None: a record without data says nothing."""
    return DataRecord(coding, wire, offset, end, None, coding.scale, coding.unit, None)


def _plain_integer_reader(layout: str) -> Reader:
    """Make the reader of the most frequent kind of record: as few steps as there can be."""
    unpack_from = struct.Struct(layout).unpack_from

    def read_plain_integer(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
        (integer,) = unpack_from(wire, offset)
        power, fractions = coding.power, coding.fractions
        if fractions is None:
            text = str(integer * power)
        elif integer >= 0:
            text = f"{integer // power}.{fractions[integer % power]}"
        else:
            text = f"-{-integer // power}.{fractions[-integer % power]}"
        return DataRecord(coding, wire, offset, end, integer, coding.scale, coding.unit, text)

    return read_plain_integer


_PLAIN_INTEGER_READERS: Final = {
    size: _plain_integer_reader(layout) for size, layout in ((1, "<b"), (2, "<h"), (4, "<i"))
}


def _read_integer(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    order: Literal["big", "little"] = "big" if coding.msb_first else "little"
    return _number(coding, wire, offset, end, int.from_bytes(wire[offset:end], order, signed=True))


def _read_plain_bcd(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    """Read the second most frequent kind; letters among the digits take the long way."""
    try:
        # A header stands before the data, so `offset` - 1 never is the -1 that means the end.
        integer = int(wire[end - 1 : offset - 1 : -1].hex())
    except ValueError:
        return _read_bcd(coding, wire, offset, end)
    power, fractions = coding.power, coding.fractions
    if fractions is None:
        text = str(integer * power)
    else:
        text = f"{integer // power}.{fractions[integer % power]}"
    return DataRecord(coding, wire, offset, end, integer, coding.scale, coding.unit, text)


def _read_bcd(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    raw = _least_significant_first(coding, wire, offset, end)
    try:
        return _number(coding, wire, offset, end, data_types.read_bcd(raw))
    except ValueError as reason:
        return _refused(coding, wire, offset, end, reason)


def _read_real(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    try:
        real = data_types.read_real(_least_significant_first(coding, wire, offset, end))
    except ValueError as reason:
        return _refused(coding, wire, offset, end, reason)
    integer, scale = data_types.shortest_decimal(real)
    scale += coding.scale
    if coding.addend is None:
        value = data_types.real_text(real, coding.scale)
    else:
        exact = data_types.exact_decimal(real)
        value = decimal_text(*add(Scaled(exact.integer, exact.scale + coding.scale), coding.addend))
        integer, scale = fitted(add(Scaled(integer, scale), coding.addend))
    return DataRecord(coding, wire, offset, end, integer, scale, coding.unit, value)


def _read_type_f(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    data = wire[offset:end]
    plain = data_types.plain_type_f(data[::-1] if coding.msb_first else data)
    if plain is None:
        return _read_instant(coding, wire, offset, end)
    text, seconds = plain
    return DataRecord(coding, wire, offset, end, seconds, coding.scale, coding.unit, text)


def _read_type_g(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    low, high = wire[offset], wire[offset + 1]
    if coding.msb_first:
        low, high = high, low
    text, seconds, fields = data_types.read_date(low | high << 8)
    if text is None:
        return _refused(coding, wire, offset, end, fields, _A_POINT_IN_TIME)
    return DataRecord(coding, wire, offset, end, seconds, coding.scale, coding.unit, text)


def _read_instant(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    raw = _least_significant_first(coding, wire, offset, end)
    instant = data_types.INSTANT_READERS[end - offset](raw)
    if instant.text is None:
        return _refused(coding, wire, offset, end, instant.reason, _A_POINT_IN_TIME)
    unit, scale = coding.unit, coding.scale
    return DataRecord(coding, wire, offset, end, instant.seconds, scale, unit, instant.text)


_A_POINT_IN_TIME: Final = "a point in time"
_INSTANT_READERS: Final[dict[int, Reader]] = {2: _read_type_g, 4: _read_type_f}


def _refuse_instant(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    got = f"{end - offset} bytes with data field {coding.dib[0] & DATA_FIELD:X}"
    return _refused(coding, wire, offset, end, got, _POINT_IN_TIME)


def _read_lvar(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    """Read text, a number of either sign or a long binary number, as the LVAR byte says."""
    lvar = wire[offset]
    payload = _least_significant_first(coding, wire, offset + 1, end)
    if lvar <= data_types.LVAR_TEXT_MAX:
        return _without_number(coding, wire, offset, end, data_types.read_text(payload))
    if not payload:
        return _read_empty(coding, wire, offset, end)
    if coding.unit is Unit.UTC:
        return _refused(coding, wire, offset, end, f"LVAR {lvar:02X}", _POINT_IN_TIME)
    if lvar in data_types.LVAR_POSITIVE_BCD or lvar in data_types.LVAR_NEGATIVE_BCD:
        return _read_lvar_bcd(coding, wire, offset, end, payload)
    if len(payload) <= data_types.LVAR_INTEGER_SIZE_MAX:
        integer = data_types.read_integer(payload)
        return _number(coding, wire, offset, end, integer)
    return _without_number(coding, wire, offset, end, data_types.read_number_of_bytes(payload))


def _read_lvar_bcd(
    coding: Coding, wire: bytes, offset: int, end: int, payload: bytes
) -> DataRecord:
    try:
        number = data_types.read_bcd(payload)
    except ValueError as reason:
        return _refused(coding, wire, offset, end, reason)
    sign = -1 if wire[offset] in data_types.LVAR_NEGATIVE_BCD else 1
    return _number(coding, wire, offset, end, sign * number)


def _read_bytes(coding: Coding, wire: bytes, offset: int, end: int) -> DataRecord:
    """Show manufacturer data in wire order: nobody but the manufacturer knows its fields."""
    return DataRecord(
        coding, wire, offset, end, None, 0, coding.unit, wire[offset:end].hex().upper()
    )


_POINT_IN_TIME: Final = "a point in time of type F, G, I or J"
#: One reader for each `Form`, in its order.
_READERS: Final[tuple[Reader, ...]] = (
    _read_empty,
    _read_integer,
    _read_bcd,
    _read_real,
    _read_instant,
    _refuse_instant,
    _read_lvar,
    _read_bytes,
)
