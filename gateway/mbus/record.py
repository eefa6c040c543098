"""Data records: the body of a telegram cut into records, and what each of them says.

`read_records` cuts; nothing is interpreted until somebody asks a `DataRecord` for its value. A
record whose data are no value (invalid date, NaN, BCD with letters) carries its own `error` and
takes no neighbour along; only when the end of a record cannot be found does reading stop, and then
everything before it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from gateway.mbus import data_types
from gateway.mbus.coding import (
    Coding,
    Form,
    Function,
    add,
    build_coding,
    special_coding,
    text_of_coding,
)
from gateway.mbus.data_types import Instant, Scaled, decimal_text
from gateway.mbus.errors import RecordError
from gateway.mbus.structure import (
    DATA_FIELD,
    DATA_FIELD_SPECIAL,
    DIF_FILLER,
    DIF_GLOBAL_READOUT,
    DIF_MANUFACTURER,
    DIF_MORE_RECORDS,
    Span,
    find_span,
)
from gateway.mbus.tables.manual import Unit, ValueType

if TYPE_CHECKING:
    from collections.abc import Callable

#: Codings remembered; a real bus has a few hundred, noise must not fill the memory.
CODINGS_MAX: Final = 4096
_CODINGS: dict[bytes, Coding] = {}
#: Plain-text codings, by their bytes and the place of the text.
_TEXT_CODINGS: dict[tuple[bytes, bool], Coding] = {}
_SPECIAL: Final = {dif: special_coding(dif) for dif in (DIF_MANUFACTURER, DIF_MORE_RECORDS)}
#: Times that fit the 32-bit registers of manual 6.2; others count as none (C-58).
_UNIX_TIME_MAX: Final = 0xFFFF_FFFF


class Reading(NamedTuple):
    """What the data of a record say.

    For a number `integer` x 10^`scale` is what the registers get and `value` the exact decimal; the
    two differ only for a real, whose integer is the shortest decimal (C-59).
    """

    integer: int | None
    scale: int
    value: str | None
    value_type: ValueType
    unit: Unit
    error: RecordError | None = None
    instant: Instant | None = None


class DataRecord:
    """One record; everything but its coding and bytes is worked out on first demand.

    `offset` is the place of the data in the frame. `time_record` is the record whose time point
    belongs to this value (see `gateway.mbus.timestamps`).
    """

    __slots__ = ("_reading", "coding", "data", "msb_first", "offset", "time_record")

    def __init__(self, coding: Coding, data: bytes, offset: int, *, msb_first: bool) -> None:
        self.coding = coding
        self.data = data
        self.offset = offset
        self.msb_first = msb_first
        self.time_record: DataRecord | None = None
        self._reading: Reading | None = None

    @property
    def reading(self) -> Reading:
        """Integer, scale, value and error, read once."""
        if self._reading is None:
            self._reading = _read(self)
        return self._reading

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
        """What the value is, by manual 6.2."""
        return self.reading.value_type

    @property
    def unit(self) -> Unit:
        """The unit of integer x 10^scale, by manual 6.2."""
        return self.reading.unit

    @property
    def integer(self) -> int | None:
        """The number for the registers: raw number or unix time; None for text or no value."""
        return self.reading.integer

    @property
    def scale(self) -> int:
        """Power of ten that belongs to `integer`."""
        return self.reading.scale

    @property
    def value(self) -> str | None:
        """Exact decimal, text or ISO 8601 time; None where the meter sent no value."""
        return self.reading.value

    @property
    def instant(self) -> Instant | None:
        """The point in time with its flags IV and SU, for records that carry one."""
        return self.reading.instant

    @property
    def error(self) -> RecordError | None:
        """Why there is no value, or None."""
        return self.reading.error

    @property
    def gives_time(self) -> bool:
        """True for a plain time point, whose time belongs to other values (C-58, MET-11)."""
        return self.coding.gives_time

    @property
    def unix_time(self) -> int | None:
        """The record's own point in time as unsigned 32-bit unix time; None if it has none."""
        instant = self.instant
        if instant is None or instant.is_time_of_day or instant.seconds is None:
            return None
        return instant.seconds if 0 <= instant.seconds <= _UNIX_TIME_MAX else None

    @property
    def timestamp(self) -> int | None:
        """Unix time that the meter gave to this value, or None (C-58)."""
        return None if self.time_record is None else self.time_record.unix_time

    @property
    def plain_text(self) -> str | None:
        """What the meter calls this value, where the VIF says it in plain text."""
        return text_of_coding(self.coding, msb_first=self.msb_first)

    def to_bytes(self) -> bytes:
        """Give DIB, VIB and data as they were sent."""
        return self.coding.dib + self.coding.vib + self.data

    def __repr__(self) -> str:
        return f"<DataRecord {self.to_bytes().hex(' ')} = {self.value}>"


# --- Cutting --------------------------------------------------------------------------------------


def read_records(
    body: bytes, offset: int = 0, *, msb_first: bool = False
) -> tuple[list[DataRecord], RecordError | None]:
    """Cut the bytes behind a header into records; never raises.

    `offset` is where `body` starts in its frame, so that errors name a place in the frame. Returns
    all records up to the first whose end cannot be found, and the error that stopped the reading.
    """
    records: list[DataRecord] = []
    position, size = 0, len(body)
    while position < size:
        coding = _CODINGS.get(body[position : position + 2])
        if coding is not None and coding.size >= 0:
            data = position + 2
            end = data + coding.size
            if end <= size:
                records.append(
                    DataRecord(coding, body[data:end], offset + data, msb_first=msb_first)
                )
                position = end
                continue
        if body[position] == DIF_FILLER:
            position += 1
            continue
        try:
            coding, span = _next(body, position)
        except RecordError as error:
            return records, _shifted(error, offset)
        data, position = span.data, span.end
        records.append(DataRecord(coding, body[data:position], offset + data, msb_first=msb_first))
    return records, None


def _next(body: bytes, start: int) -> tuple[Coding, Span]:
    """Find the next record the long way; raises RecordError."""
    dif = body[start]
    if dif in _SPECIAL:
        return _SPECIAL[dif], Span(start, start + 1, start + 1, len(body))
    if dif == DIF_GLOBAL_READOUT and start + 1 == len(body):
        return build_coding(body[start:], b""), Span(start, start + 1, start + 1, start + 1)
    if dif != DIF_GLOBAL_READOUT and dif & DATA_FIELD == DATA_FIELD_SPECIAL:
        raise RecordError(start, "a DIF that is not reserved", f"{dif:02X}", source="MBDOC48")
    span = find_span(body, start)
    return _coding(body, span), span


def _coding(body: bytes, span: Span) -> Coding:
    """Look the coding up, or build and remember it."""
    key = body[span.start : span.data]
    cut = span.vib - span.start
    if body[span.vib] & 0x7F == 0x7C:
        text_key = (key, span.text_is_last)
        coding = _TEXT_CODINGS.get(text_key)
        if coding is None:
            coding = build_coding(key[:cut], key[cut:], text_is_last=span.text_is_last)
            _remember(_TEXT_CODINGS, text_key, coding)
        return coding
    coding = _CODINGS.get(key)
    if coding is None:
        coding = build_coding(key[:cut], key[cut:])
        _remember(_CODINGS, key, coding)
    return coding


_KeyT = TypeVar("_KeyT")


def _remember(codings: dict[_KeyT, Coding], key: _KeyT, coding: Coding) -> None:
    """Keep a coding, and start afresh rather than grow without limit."""
    if len(codings) >= CODINGS_MAX:
        codings.clear()
    codings[key] = coding


def _shifted(error: RecordError, offset: int) -> RecordError:
    return RecordError(error.offset + offset, error.expected, error.got, source=error.source)


# --- Reading --------------------------------------------------------------------------------------


def _read(record: DataRecord) -> Reading:
    """Read the data of a record; what is no value becomes its error."""
    coding = record.coding
    if coding.record_error:
        return _no_value(record, "a value", f'record error "{coding.record_error}"')
    try:
        return _READERS[coding.form](record)
    except ValueError as reason:
        return _no_value(record, "a value", str(reason))


def _no_value(record: DataRecord, expected: str, got: str) -> Reading:
    coding = record.coding
    error = RecordError(record.offset, expected, got)
    return Reading(None, coding.scale, None, coding.value_type, coding.unit, error)


def _lsb_first(record: DataRecord) -> bytes:
    return record.data[::-1] if record.msb_first else record.data


def _number(coding: Coding, integer: int) -> Reading:
    """Give an integer its scale and, rarely, the additive constant of a VIFE."""
    scale = coding.scale
    if coding.addend is not None:
        integer, scale = add(Scaled(integer, scale), coding.addend)
    value = decimal_text(integer, scale)
    return Reading(integer, scale, value, coding.value_type, coding.unit)


def _read_empty(record: DataRecord) -> Reading:
    coding = record.coding
    return Reading(None, coding.scale, None, coding.value_type, coding.unit)


def _read_integer(record: DataRecord) -> Reading:
    return _number(record.coding, data_types.read_integer(_lsb_first(record)))


def _read_bcd(record: DataRecord) -> Reading:
    return _number(record.coding, data_types.read_bcd(_lsb_first(record)))


def _read_real(record: DataRecord) -> Reading:
    coding, data = record.coding, _lsb_first(record)
    exact = _rescaled(coding, data_types.read_real(data))
    short = _rescaled(coding, data_types.shortest_real(data))
    value = decimal_text(*exact)
    return Reading(short.integer, short.scale, value, coding.value_type, coding.unit)


def _rescaled(coding: Coding, number: Scaled) -> Scaled:
    scaled = Scaled(number.integer, number.scale + coding.scale)
    return scaled if coding.addend is None else add(scaled, coding.addend)


def _read_instant(record: DataRecord) -> Reading:
    coding, data = record.coding, _lsb_first(record)
    instant = data_types.INSTANT_READERS[len(data)](data)
    value_type, unit = coding.value_type, coding.unit
    if instant.is_time_of_day:
        value_type, unit = ValueType.TIME, Unit.SECOND
    error = None
    if instant.text is None:
        error = RecordError(record.offset, "a point in time", instant.reason)
    return Reading(instant.seconds, 0, instant.text, value_type, unit, error, instant)


def _read_no_instant(record: DataRecord) -> Reading:
    got = f"data field {record.dib[0] & DATA_FIELD:X}"
    return _no_value(record, "a point in time of type F, G, I or J", got)


def _read_bytes(record: DataRecord) -> Reading:
    """Show manufacturer data in wire order: nobody but the manufacturer knows its fields."""
    coding = record.coding
    return Reading(None, 0, record.data.hex().upper(), coding.value_type, coding.unit)


def _read_lvar(record: DataRecord) -> Reading:
    """Read text, a number of either sign or a long binary number, as the LVAR byte says."""
    coding, lvar = record.coding, record.data[0]
    payload = record.data[:0:-1] if record.msb_first else record.data[1:]
    if lvar <= data_types.LVAR_TEXT_MAX:
        text = data_types.read_text(payload)
        return Reading(None, 0, text, coding.value_type, Unit.NONE)
    if not payload:
        return _read_empty(record)
    if coding.unit is Unit.UTC:
        return _no_value(record, "a point in time of type F, G, I or J", f"LVAR {lvar:02X}")
    if lvar in data_types.LVAR_POSITIVE_BCD:
        return _number(coding, data_types.read_bcd(payload))
    if lvar in data_types.LVAR_NEGATIVE_BCD:
        return _number(coding, -data_types.read_bcd(payload))
    if len(payload) <= data_types.LVAR_INTEGER_SIZE_MAX:
        return _number(coding, data_types.read_integer(payload))
    return Reading(None, 0, data_types.read_number_of_bytes(payload), coding.value_type, Unit.NONE)


_READERS: Final[dict[Form, Callable[[DataRecord], Reading]]] = {
    Form.EMPTY: _read_empty,
    Form.INTEGER: _read_integer,
    Form.BCD: _read_bcd,
    Form.REAL: _read_real,
    Form.INSTANT: _read_instant,
    Form.NO_INSTANT: _read_no_instant,
    Form.LVAR: _read_lvar,
    Form.BYTES: _read_bytes,
}
