"""A telegram as a person reads it: one line about the frame, one row per record, the error last."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from gateway.mbus import header as headers
from gateway.mbus.address import manufacturer_letters
from gateway.mbus.description import brackets, printable, text
from gateway.mbus.frames import (
    REQ_UD1,
    REQ_UD2,
    RSP_UD,
    SND_NKE,
    SND_UD,
    Ack,
    LongFrame,
    ShortFrame,
)
from gateway.mbus.tables.application_error import application_error_label
from gateway.mbus.tables.manual import medium_label

if TYPE_CHECKING:
    from gateway.mbus.frames import Frame
    from gateway.mbus.header import Header
    from gateway.mbus.record import DataRecord
    from gateway.mbus.telegram import Telegram

_COLUMNS: Final = ("#", "value", "unit", "description", "time", "DIB VIB", "data")
_NUMERIC: Final = ("#", "value")
NO_DATA: Final = "No Data"
#: Longer texts and manufacturer data are cut in the table; --json has all of them.
CELL_SIZE_MAX: Final = 44
#: C field without the bits that FCB, FCV, ACD and DFC use.
_CALLS: Final = {
    SND_NKE & 0xCF: "SND_NKE",
    SND_UD & 0xCF: "SND_UD",
    REQ_UD1 & 0xCF: "REQ_UD1",
    REQ_UD2 & 0xCF: "REQ_UD2",
    RSP_UD: "RSP_UD",
}
_STATUS_WORDS: Final = (
    (headers.STATUS_POWER_LOW, "power low"),
    (headers.STATUS_PERMANENT_ERROR, "permanent error"),
    (headers.STATUS_TEMPORARY_ERROR, "temporary error"),
)
_APPLICATION_WORDS: Final = ("", "application busy", "application error", "application reserved")


def to_text(telegram: Telegram) -> str:
    """Lay a telegram out as lines of text without a final line end."""
    lines = [_frame_line(telegram.frame)]
    if telegram.header is not None:
        lines.append(_header_line(telegram.header))
    if telegram.application_error is not None:
        label = application_error_label(telegram.application_error)
        lines.append(f"application error {telegram.application_error}: {label}")
    lines.extend(_table(telegram.records))
    if telegram.more_records_follow:
        lines.append("more records follow in the next telegram")
    if telegram.error is not None:
        lines.append(f"error: {telegram.error.message}")
    return "\n".join(lines)


def _frame_line(frame: Frame | None) -> str:
    if isinstance(frame, Ack):
        return "E5, acknowledgement"
    if not isinstance(frame, ShortFrame | LongFrame):
        return "no frame"
    name = _CALLS.get(frame.c_field & 0xCF, "unknown C field")
    line = f"{name} C {frame.c_field:02X} A {frame.a_field:02X} (address {frame.a_field})"
    return f"{line} CI {frame.ci_field:02X}" if isinstance(frame, LongFrame) else line


def _header_line(header: Header) -> str:
    parts: list[str] = []
    if header.identification_number is not None:
        parts.append(header.identification_number)
    if header.manufacturer is not None:
        parts.append(manufacturer_letters(header.manufacturer))
    if header.version is not None:
        parts.append(f"version {header.version}")
    if header.medium is not None:
        parts.append(medium_label(header.medium))
    parts.append(f"access number {header.access_number}")
    parts.append(f"status {header.status:02X}{_status_words(header)}")
    if header.configuration:
        parts.append(f"configuration {header.configuration:04X}")
    return ", ".join(parts)


def _status_words(header: Header) -> str:
    """Say what the status bits mean; those of the fixed structure (no version) mean others."""
    if header.version is None and header.identification_number is not None:
        return ""
    words = [word for bit, word in _STATUS_WORDS if header.status & bit]
    application = _APPLICATION_WORDS[header.status & headers.STATUS_APPLICATION]
    words.extend([application] if application else [])
    return f" ({', '.join(words)})" if words else ""


def _table(records: tuple[DataRecord, ...]) -> list[str]:
    if not records:
        return []
    rows = [_COLUMNS, *(_row(number, record) for number, record in enumerate(records))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return [_laid_out(row, widths) for row in rows]


def _laid_out(row: tuple[str, ...], widths: list[int]) -> str:
    cells = (
        cell.rjust(width) if name in _NUMERIC else cell.ljust(width)
        for name, cell, width in zip(_COLUMNS, row, widths, strict=True)
    )
    return "  ".join(cells).rstrip()


def _row(number: int, record: DataRecord) -> tuple[str, ...]:
    return (
        str(number),
        _shortened(_value(record)),
        record.unit.symbol if record.value is not None else "",
        _shortened(_description(record)),
        _time(record),
        (record.dib + record.vib).hex(" ").upper(),
        _shortened(record.data.hex(" ").upper()),
    )


def _description(record: DataRecord) -> str:
    """Describe a record as the Meter tab does, and add the subunit, which the tab leaves out."""
    parts = [text(record), *brackets(record)]
    if record.subunit:
        parts.append(f"subunit {record.subunit}")
    return " ".join(parts)


def _value(record: DataRecord) -> str:
    if record.error is not None:
        return record.error.got
    return NO_DATA if record.value is None else printable(record.value)


def _time(record: DataRecord) -> str:
    """Write the time that belongs to the value in UTC, as the registers will carry it (C-58)."""
    if record.timestamp is None:
        return ""
    return dt.datetime.fromtimestamp(record.timestamp, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _shortened(cell: str) -> str:
    return cell if len(cell) <= CELL_SIZE_MAX else cell[: CELL_SIZE_MAX - 1] + "…"
