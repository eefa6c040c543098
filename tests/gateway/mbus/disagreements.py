"""Where pyMeterBus reads a record differently, class by class, with an example of each.

`reason_to_differ` names the class of a record, or None where both must agree. `docs/decode.md` says
of every class who is right and why; test_pymeterbus proves the examples and, over telegrams that
Hypothesis makes, that there are no other classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.mbus.coding import Form
from gateway.mbus.data_types import LVAR_TEXT_MAX
from gateway.mbus.tables.manual import Unit

if TYPE_CHECKING:
    from gateway.mbus.record import DataRecord


class Example(NamedTuple):
    """One record in hex, our value (None = no value), theirs as text or the name of its error."""

    record: str
    ours: str | None
    theirs: str


# fmt: off
#: The first example of each class stands in docs/decode.md too.
EXAMPLES: Final[dict[str, list[Example]]] = {
    "correction VIFE": [
        Example("0493 73 39300000", "0.012345", "12.345"),
        Example("0493 7d 39300000", "12345", "12.345"),
        Example("0493 7b 39300000", "12.346", "12.345"),
    ],
    "VIFE that changes type and unit": [
        Example("0493 50 39300000", "12345", "12.345"),
        Example("0493 41 39300000", "12345", "12.345"),
        Example("04ad 6f 32147a18", "2011-08-26T20:50:00", "41065374600"),
    ],
    "record error": [Example("0493 15 00000000", None, "0")],
    "type F with hundred-years": [
        Example("046d 0b4c5478", "2158-08-20T12:11:00", "2058-08-20T12:11"),
    ],
    "invalid time": [
        Example("046d ffffffff", None, "2027-15-31T31:63"),
        Example("046d ba0b543b", None, "2026-11-20T11:58"),
        Example("026c 0000", None, "2000-00-00"),
    ],
    "type I": [Example("066d 13020aa64a00", "2037-10-06T10:02:19", "2080-06-10T02:19")],
    "type J": [Example("036d 3b3a17", "23:58:59", "IndexError")],
    "point in time of another size": [Example("016c 05", None, "IndexError"),
                                      Example("0d6c 02 5f3a", ":_", "2026-10-31")],
    "FD and FB codes that it lacks": [
        Example("04fb2c 39300000", "12.345", "12345"),
        Example("04fd3e 39300000", "12345", "12345"),
        Example("04fd30 0b2c543b", "2026-11-20T12:11:00", "995372043"),
    ],
    "received signal": [Example("01fd71 ce", "-50", "-230")],
    "factor written twice": [Example("04fb79 39300000", "123.45", "12.345")],
    "months and years": [Example("01fd6f 02", "2", "63113852")],
    "primary codes that it lacks": [
        Example("046f 39300000", "12345", "0"),
        Example("047b 39300000", "12345", "KeyError"),
    ],
    "LVAR number": [
        Example("0d78 c4 78563412", "12345678", ""),
        Example("0d78 d1 05", "-5", ""),
        Example("0d78 e4 01000000", "1", "01 00 00 00"),
    ],
    "empty text": [Example("0d78 00", "", "IndexError")],
    "text that is not printable": [Example("0dfd0e 02 e441", "Aä", "E4 41")],
    "BCD with letters": [Example("0a5a 12a0", None, "1.2")],
    "no number": [Example("0513 0000c07f", None, "NaN")],
    "beyond a double": [
        Example("0778 ffffffffffffff7f", "9223372036854775807", "9223372036854775808"),
    ],
}
# fmt: on

_PRIMARY_MISSING: Final = (0x6F, 0x7B, 0x7C, 0x7D, 0x7E, 0x7F)
_FD_MISSING: Final = (0x30, 0x3D, 0x3E, 0x3F, 0x70, 0x74)
_FB_MISSING: Final = (*range(0x02, 0x08), *range(0x0C, 0x10), *range(0x14, 0x18), 0x1A, 0x1B,
                      *range(0x2A, 0x30), *range(0x34, 0x38))  # fmt: skip


def reason_to_differ(record: DataRecord) -> str | None:
    """Name why pyMeterBus may read this record differently; None = it must not."""
    by_vib = _by_vib(record.vib)
    if record.coding.record_error:
        return "record error"
    return by_vib or _by_data(record)


def _by_vib(vib: bytes) -> str | None:
    table, code = vib[0], vib[-1] & 0x7F
    if table in (0xFD, 0xFB):
        if len(vib) > 2:
            return "correction VIFE"
        if table == 0xFD and code == 0x71:
            return "received signal"
        if table == 0xFB and code == 0x79:
            return "factor written twice"
        is_missing = code in (_FD_MISSING if table == 0xFD else _FB_MISSING)
        return "FD and FB codes that it lacks" if is_missing else None
    if len(vib) > 1:
        return "correction VIFE" if code >= 0x70 else "VIFE that changes type and unit"
    return "primary codes that it lacks" if code in _PRIMARY_MISSING else None


def _by_data(record: DataRecord) -> str | None:
    form, size = record.coding.form, len(record.data)
    if form in (Form.INSTANT, Form.NO_INSTANT):
        return _by_time(record, size)
    if form is Form.LVAR:
        if record.vib in (b"\x6c", b"\x6d"):
            return "point in time of another size"
        if record.data[0] > LVAR_TEXT_MAX:
            return "LVAR number"
        if len(record.data) == 1:
            return "empty text"
        is_printable = all(0x20 <= byte < 0x7F for byte in record.data[1:])
        return None if is_printable else "text that is not printable"
    if record.error is not None:
        return "no number" if form is Form.REAL else "BCD with letters"
    return "months and years" if record.unit in (Unit.MONTH, Unit.YEAR) else None


def _by_time(record: DataRecord, size: int) -> str | None:
    by_size = {6: "type I", 3: "type J"}
    if size in by_size:
        return by_size[size]
    is_date_time = record.vib == b"\x6d"
    if size != (4 if is_date_time else 2):
        return "point in time of another size"
    if record.error is not None:
        return "invalid time"
    return "type F with hundred-years" if is_date_time and record.data[1] & 0x60 else None
