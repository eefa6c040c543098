"""What one data record says: bytes and their coding in, exact values out.

`read_record` reads the data of a record whose place and coding are known (`gateway.mbus.record`
finds them, `gateway.mbus.plan` remembers them). A record whose data are no value (invalid date,
NaN, BCD with letters) carries its own `error` and takes no neighbour along.
"""

from __future__ import annotations

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
_TYPE_F_SIZE: Final = 4
_TYPE_G_SIZE: Final = 2


class DataRecord:
    """One record: its coding, its bytes, and what they say.

    ``integer`` x 10^``scale`` in ``unit`` is what the registers get (None for text and for no
    value); for a point in time it is unix time. ``value`` is the exact decimal, the text or the
    ISO 8601 time. The two differ only for a real, whose integer is the shortest decimal that names
    the float32 sent (C-59). ``error`` says why there is no value; without error None means that the
    meter sent no data. ``time_record`` is the record whose time belongs to this value (see
    `gateway.mbus.timestamps`). ``offset`` is the place of the data in the frame.
    """

    # Plain slots and positional arguments: with the values of a telegram in columns,
    # ``map(DataRecord, ...)`` makes a record in half the time of any other kind of class.
    __slots__ = (
        "coding",
        "data",
        "error",
        "integer",
        "offset",
        "scale",
        "time_record",
        "unit",
        "value",
    )

    def __init__(
        self,
        coding: Coding,
        data: bytes,
        offset: int,
        integer: int | None,
        scale: int,
        unit: Unit,
        value: str | None,
        error: RecordError | None = None,
    ) -> None:
        self.coding = coding
        self.data = data
        self.offset = offset
        self.integer = integer
        self.scale = scale
        self.unit = unit
        self.value = value
        self.error = error
        self.time_record: DataRecord | None = None

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


def read_record(coding: Coding, data: bytes, offset: int) -> DataRecord:
    """Read one record; `data` are its bytes as sent, the LVAR byte included."""
    return reader_of(coding)(coding, data, offset)


def reader_of(coding: Coding) -> Reader:
    """Choose the function that reads the data of a coding; none of them raises."""
    if coding.record_error:
        return _read_record_error
    if not coding.template:
        return _READERS[coding.form]
    if coding.form is Form.BCD:
        return _read_plain_bcd
    return _read_integer if coding.msb_first else _read_plain_integer


def _refused(
    coding: Coding, data: bytes, offset: int, got: object, expected: str = "a value"
) -> DataRecord:
    error = RecordError(offset, expected, str(got))
    return DataRecord(coding, data, offset, None, coding.scale, coding.unit, None, error)


def _without_number(
    coding: Coding, data: bytes, offset: int, value: str | None, unit: Unit = Unit.NONE
) -> DataRecord:
    return DataRecord(coding, data, offset, None, 0, unit, value)


def _number(coding: Coding, data: bytes, offset: int, integer: int) -> DataRecord:
    """Give an integer its scale and, rarely, the additive constant of a VIFE."""
    if coding.template:
        value, scale = coding.template % (integer * coding.factor), coding.scale
    elif coding.addend is None:
        value, scale = decimal_text(integer, coding.scale), coding.scale
    else:
        exact = add(Scaled(integer, coding.scale), coding.addend)
        integer, scale = fitted(exact)
        value = decimal_text(*exact)
    return DataRecord(coding, data, offset, integer, scale, coding.unit, value)


# --- One reader for each form ---------------------------------------------------------------------


def _read_record_error(coding: Coding, data: bytes, offset: int) -> DataRecord:
    """Pass on what the meter itself says by a VIFE: there is no value, whatever the data are."""
    return _refused(coding, data, offset, f'record error "{coding.record_error}"')


def _read_empty(coding: Coding, data: bytes, offset: int) -> DataRecord:
    """Leave the value None: a record without data says nothing."""
    return DataRecord(coding, data, offset, None, coding.scale, coding.unit, None)


def _read_plain_integer(coding: Coding, data: bytes, offset: int) -> DataRecord:
    """Read the most frequent kind of record in as few steps as there can be."""
    integer = int.from_bytes(data, "little", signed=True)
    text = coding.template % (integer * coding.factor)
    return DataRecord(coding, data, offset, integer, coding.scale, coding.unit, text)


def _read_integer(coding: Coding, data: bytes, offset: int) -> DataRecord:
    order: Literal["big", "little"] = "big" if coding.msb_first else "little"
    return _number(coding, data, offset, int.from_bytes(data, order, signed=True))


def _read_plain_bcd(coding: Coding, data: bytes, offset: int) -> DataRecord:
    """Read the second most frequent kind; letters among the digits take the long way."""
    try:
        integer = int((data if coding.msb_first else data[::-1]).hex())
    except ValueError:
        return _read_bcd(coding, data, offset)
    text = coding.template % (integer * coding.factor)
    return DataRecord(coding, data, offset, integer, coding.scale, coding.unit, text)


def _read_bcd(coding: Coding, data: bytes, offset: int) -> DataRecord:
    raw = data[::-1] if coding.msb_first else data
    try:
        return _number(coding, data, offset, data_types.read_bcd(raw))
    except ValueError as reason:
        return _refused(coding, data, offset, reason)


def _read_real(coding: Coding, data: bytes, offset: int) -> DataRecord:
    try:
        real = data_types.read_real(data[::-1] if coding.msb_first else data)
    except ValueError as reason:
        return _refused(coding, data, offset, reason)
    exact, short = data_types.exact_decimal(real), data_types.shortest_decimal(real)
    if coding.addend is not None:
        exact, short = _added(coding, exact), fitted(_added(coding, short))
    value = decimal_text(exact.integer, exact.scale + coding.scale)
    scale = short.scale + coding.scale
    return DataRecord(coding, data, offset, short.integer, scale, coding.unit, value)


def _added(coding: Coding, number: Scaled) -> Scaled:
    """Add the constant of a VIFE to a number that still lacks the scale of the coding."""
    assert coding.addend is not None
    return add(number, Scaled(coding.addend.integer, coding.addend.scale - coding.scale))


def _read_instant(coding: Coding, data: bytes, offset: int) -> DataRecord:
    raw = data[::-1] if coding.msb_first else data
    if len(data) == _TYPE_F_SIZE:
        plain = data_types.plain_type_f(raw)
        if plain is not None:
            text, seconds = plain
            return DataRecord(coding, data, offset, seconds, coding.scale, coding.unit, text)
    elif len(data) == _TYPE_G_SIZE:
        day, seconds, _ = data_types.read_date(raw[0] | raw[1] << 8)
        if day is not None:
            return DataRecord(coding, data, offset, seconds, coding.scale, coding.unit, day)
    instant = data_types.INSTANT_READERS[len(data)](raw)
    if instant.text is None:
        return _refused(coding, data, offset, instant.reason, "a point in time")
    unit, scale = coding.unit, coding.scale
    return DataRecord(coding, data, offset, instant.seconds, scale, unit, instant.text)


def _refuse_instant(coding: Coding, data: bytes, offset: int) -> DataRecord:
    got = f"{len(data)} bytes with data field {coding.dib[0] & DATA_FIELD:X}"
    return _refused(coding, data, offset, got, _POINT_IN_TIME)


def _read_lvar(coding: Coding, data: bytes, offset: int) -> DataRecord:
    """Read text, a number of either sign or a long binary number, as the LVAR byte says."""
    lvar = data[0]
    payload = data[:0:-1] if coding.msb_first else data[1:]
    if lvar <= data_types.LVAR_TEXT_MAX:
        return _without_number(coding, data, offset, data_types.read_text(payload))
    if not payload:
        return _read_empty(coding, data, offset)
    if coding.unit is Unit.UTC:
        return _refused(coding, data, offset, f"LVAR {lvar:02X}", _POINT_IN_TIME)
    if lvar in data_types.LVAR_POSITIVE_BCD or lvar in data_types.LVAR_NEGATIVE_BCD:
        return _read_lvar_bcd(coding, data, offset, payload)
    if len(payload) <= data_types.LVAR_INTEGER_SIZE_MAX:
        integer = data_types.read_integer(payload)
        return _number(coding, data, offset, integer)
    return _without_number(coding, data, offset, data_types.read_number_of_bytes(payload))


def _read_lvar_bcd(coding: Coding, data: bytes, offset: int, payload: bytes) -> DataRecord:
    try:
        number = data_types.read_bcd(payload)
    except ValueError as reason:
        return _refused(coding, data, offset, reason)
    sign = -1 if data[0] in data_types.LVAR_NEGATIVE_BCD else 1
    return _number(coding, data, offset, sign * number)


def _read_bytes(coding: Coding, data: bytes, offset: int) -> DataRecord:
    """Show manufacturer data in wire order: nobody but the manufacturer knows its fields."""
    return DataRecord(coding, data, offset, None, 0, coding.unit, data.hex().upper())


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
