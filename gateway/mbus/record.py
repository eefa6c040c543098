"""Data records: the body of a telegram cut into records, and what each of them says.

`read_records` cuts; nothing is interpreted until somebody asks a `DataRecord` for its value. A
record whose data are no value (invalid date, NaN, BCD with letters) carries its own `error` and
takes no neighbour along; only when the end of a record cannot be found does reading stop, and then
everything before it stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.mbus import data_types
from gateway.mbus.coding import (
    Coding,
    Function,
    add,
    build_coding,
    special_coding,
    text_of_coding,
)
from gateway.mbus.data_types import Scaled, decimal_text, fitted
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
    is_plain_text,
)
from gateway.mbus.tables.manual import Unit, ValueType

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.mbus.data_types import Instant

#: Codings remembered; a real bus has a few hundred, noise must not fill the memory.
CODINGS_MAX: Final = 4096
#: By DIB and VIB, for each byte order (index = most significant byte first).
_CODINGS: Final[tuple[dict[bytes, Coding], dict[bytes, Coding]]] = ({}, {})
#: Those with a plain-text VIF, which end where the text says.
_TEXT_CODINGS: Final[tuple[dict[bytes, Coding], dict[bytes, Coding]]] = ({}, {})
_SPECIAL: Final = {dif: special_coding(dif) for dif in (DIF_MANUFACTURER, DIF_MORE_RECORDS)}
#: Times that fit the 32-bit registers of manual 6.2; others count as none (C-58).
_UNIX_TIME_MAX: Final = 0xFFFF_FFFF


class DataRecord:
    """One record: its coding, its bytes, and what they say, worked out on first demand.

    ``integer`` x 10^``scale`` in ``unit`` is what the registers get (None for text and for no
    value); for a point in time it is unix time. ``value`` is the exact decimal, the text or the
    ISO 8601 time. The two differ only for a real, whose integer is the shortest decimal that names
    the float32 sent (C-59). ``error`` says why there is no value; without error None means that the
    meter sent no data. ``instant`` holds a point in time with its flags. ``time_record`` is the
    record whose time belongs to this value (see `gateway.mbus.timestamps`). ``offset`` is the place
    of the data in the frame.
    """

    __slots__ = (
        "coding",
        "data",
        "error",
        "instant",
        "integer",
        "offset",
        "scale",
        "time_record",
        "unit",
        "value",
        "value_type",
    )

    integer: int | None
    scale: int
    value: str | None
    value_type: ValueType
    unit: Unit
    error: RecordError | None
    instant: Instant | None
    time_record: DataRecord | None

    def __init__(self, coding: Coding, data: bytes, offset: int) -> None:
        self.coding = coding
        self.data = data
        self.offset = offset

    # The slots that nobody filled yet end here, once for each record: a telegram of which only two
    # values are wanted costs two readings. Type checkers see the declared attributes instead.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            if name == "time_record":
                self.time_record = None
                return None
            if name not in DataRecord.__slots__:
                raise AttributeError(f"DataRecord has no attribute {name!r}")
            _fill(self)
            return getattr(self, name)

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
        return text_of_coding(self.coding)

    def to_bytes(self) -> bytes:
        """Give DIB, VIB and data as they were sent."""
        return self.coding.dib + self.coding.vib + self.data

    def __repr__(self) -> str:
        return f"<DataRecord {self.to_bytes().hex(' ')} = {self.value}>"


# --- Cutting --------------------------------------------------------------------------------------

#: DIB and VIB at a glance: bytes with extension bit, one without, and the same again. A plain-text
#: VIF is never found among the remembered codings under this key, so it takes the long way.
#: Two bytes without extension, the most frequent head by far, are tried before it.
_HEAD: Final = re.compile(rb"[\x80-\xff]*[\x00-\x7f][\x80-\xff]*[\x00-\x7f]").match


def read_records(
    body: bytes, offset: int = 0, *, msb_first: bool = False
) -> tuple[list[DataRecord], RecordError | None]:
    """Cut the bytes behind a header into records; never raises.

    `offset` is where `body` starts in its frame, so that errors name a place in the frame. Returns
    all records up to the first whose end cannot be found, and the error that stopped the reading.
    """
    codings = _CODINGS[msb_first]
    records: list[DataRecord] = []
    position, size = 0, len(body)
    while position < size:
        data = position + 2
        coding = codings.get(body[position:data])
        if coding is None and (head := _HEAD(body, position)):
            coding, data = codings.get(head[0]), head.end()
        if coding is not None and coding.size >= 0:
            end = data + coding.size
            if end <= size:
                records.append(DataRecord(coding, body[data:end], offset + data))
                position = end
                continue
        if body[position] == DIF_FILLER:
            position += 1
            continue
        try:
            coding, span = _next(body, position, msb_first=msb_first)
        except RecordError as error:
            return records, _shifted(error, offset)
        data, position = span.data, span.end
        records.append(DataRecord(coding, body[data:position], offset + data))
    return records, None


def _next(body: bytes, start: int, *, msb_first: bool) -> tuple[Coding, Span]:
    """Find the next record the long way; raises RecordError."""
    dif = body[start]
    if dif in _SPECIAL:
        return _SPECIAL[dif], Span(start, start + 1, start + 1, len(body))
    if dif == DIF_GLOBAL_READOUT and start + 1 == len(body):
        return build_coding(body[start:], b""), Span(start, start + 1, start + 1, start + 1)
    if dif != DIF_GLOBAL_READOUT and dif & DATA_FIELD == DATA_FIELD_SPECIAL:
        raise RecordError(start, "a DIF that is not reserved", f"{dif:02X}", source="MBDOC48")
    span = find_span(body, start)
    return _coding(body, span, msb_first=msb_first), span


def _coding(body: bytes, span: Span, *, msb_first: bool) -> Coding:
    """Look the coding up, or build and remember it."""
    key = body[span.start : span.data]
    dib, vib = body[span.start : span.vib], body[span.vib : span.data]
    if is_plain_text(vib):
        # The same bytes can be read both ways, so the place of the text is part of the key.
        codings, key = _TEXT_CODINGS[msb_first], bytes((span.text_is_last,)) + key
    else:
        codings = _CODINGS[msb_first]
    coding = codings.get(key)
    if coding is None:
        coding = build_coding(dib, vib, text_is_last=span.text_is_last, msb_first=msb_first)
        # Start afresh rather than grow without limit on noise.
        if len(codings) >= CODINGS_MAX:
            codings.clear()
        codings[key] = coding
    return coding


def _shifted(error: RecordError, offset: int) -> RecordError:
    return RecordError(error.offset + offset, error.expected, error.got, source=error.source)


# --- Reading --------------------------------------------------------------------------------------


def _fill(record: DataRecord) -> None:
    """Read the data of a record into its slots; what is no value becomes its error."""
    coding = record.coding
    record.integer = record.value = record.error = record.instant = None
    record.scale = coding.scale
    record.value_type = coding.value_type
    record.unit = coding.unit
    if coding.record_error:
        _refuse(record, f'record error "{coding.record_error}"')
        return
    data = record.data
    if coding.msb_first:
        data = data[::-1]
    try:
        _READERS[coding.form](record, data)
    except ValueError as reason:
        _refuse(record, str(reason))


def _refuse(record: DataRecord, got: str, expected: str = "a value") -> None:
    record.error = RecordError(record.offset, expected, got)


def _set_number(record: DataRecord, integer: int) -> None:
    """Give an integer its scale and, rarely, the additive constant of a VIFE."""
    coding = record.coding
    if coding.addend is None:
        record.integer = integer
        record.value = decimal_text(integer, coding.scale)
    else:
        exact = add(Scaled(integer, coding.scale), coding.addend)
        record.integer, record.scale = fitted(exact)
        record.value = decimal_text(*exact)


def _set_empty(record: DataRecord, data: bytes) -> None:
    """Leave the value None: a record without data says nothing."""


def _set_integer(record: DataRecord, data: bytes) -> None:
    _set_number(record, data_types.read_integer(data))


def _set_bcd(record: DataRecord, data: bytes) -> None:
    _set_number(record, data_types.read_bcd(data))


def _set_real(record: DataRecord, data: bytes) -> None:
    record.value = decimal_text(*_rescaled(record.coding, data_types.read_real(data)))
    short = _rescaled(record.coding, data_types.shortest_real(data))
    record.integer, record.scale = fitted(short)


def _rescaled(coding: Coding, number: Scaled) -> Scaled:
    scaled = Scaled(number.integer, number.scale + coding.scale)
    return scaled if coding.addend is None else add(scaled, coding.addend)


def _set_instant(record: DataRecord, data: bytes) -> None:
    instant = data_types.INSTANT_READERS[len(data)](data)
    record.instant = instant
    record.integer, record.value = instant.seconds, instant.text
    if instant.is_time_of_day:
        record.value_type, record.unit = ValueType.TIME, Unit.SECOND
    if instant.text is None:
        _refuse(record, instant.reason, "a point in time")


def _refuse_instant(record: DataRecord, data: bytes) -> None:
    got = f"{len(data)} bytes with data field {record.dib[0] & DATA_FIELD:X}"
    _refuse(record, got, _POINT_IN_TIME)


def _set_bytes(record: DataRecord, data: bytes) -> None:  # noqa: ARG001
    """Show manufacturer data in wire order: nobody but the manufacturer knows its fields."""
    record.value = record.data.hex().upper()


def _set_lvar(record: DataRecord, data: bytes) -> None:
    """Read text, a number of either sign or a long binary number, as the LVAR byte says."""
    lvar = record.data[0]
    payload = data[:-1] if record.coding.msb_first else data[1:]
    if lvar <= data_types.LVAR_TEXT_MAX:
        record.scale, record.unit = 0, Unit.NONE
        record.value = data_types.read_text(payload)
    elif not payload:
        return
    elif record.unit is Unit.UTC:
        _refuse(record, f"LVAR {lvar:02X}", _POINT_IN_TIME)
    elif lvar in data_types.LVAR_POSITIVE_BCD:
        _set_number(record, data_types.read_bcd(payload))
    elif lvar in data_types.LVAR_NEGATIVE_BCD:
        _set_number(record, -data_types.read_bcd(payload))
    elif len(payload) <= data_types.LVAR_INTEGER_SIZE_MAX:
        _set_number(record, data_types.read_integer(payload))
    else:
        record.scale, record.unit = 0, Unit.NONE
        record.value = data_types.read_number_of_bytes(payload)


_POINT_IN_TIME: Final = "a point in time of type F, G, I or J"
#: One reader for each `Form`, in its order.
_READERS: Final[tuple[Callable[[DataRecord, bytes], None], ...]] = (
    _set_empty,
    _set_integer,
    _set_bcd,
    _set_real,
    _set_instant,
    _refuse_instant,
    _set_lvar,
    _set_bytes,
)
