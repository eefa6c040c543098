"""A telegram as the JSON document of ``meterbench decode --json``.

The keys and their order are stable; the shape is::

    {"frame": {"kind", "c_field", "a_field", "ci_field"},
     "header": null | {"identification_number", "manufacturer", "version", "medium",
                       "access_number", "status", "configuration"},
     "records": [{"dib", "vib", "data", "function", "storage_number", "tariff", "subunit",
                  "value_type", "integer", "scale", "unit", "value", "timestamp", "error"}],
     "more_records_follow": bool,
     "application_error": int | null,
     "error": null | {"offset", "expected", "got", "message"}}

Bytes are lower-case hex in wire order. `manufacturer` is its three letters, `version`, `medium`,
`access_number`, `status` and `configuration` are the numbers sent; `value_type` and `unit` are the
names of manual 6.2. `value` is an exact decimal, a text or an ISO 8601 time as a string,
`timestamp` the unix time that the meter gave to the value (C-58). The error of a record has the
keys of the telegram's error. Fields that a frame or header does not have are null.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from gateway.mbus.address import manufacturer_letters
from gateway.mbus.frames import Ack, LongFrame, ShortFrame

if TYPE_CHECKING:
    from gateway.mbus.errors import MBusError
    from gateway.mbus.frames import Frame
    from gateway.mbus.header import Header
    from gateway.mbus.record import DataRecord
    from gateway.mbus.telegram import Telegram

#: `frame.kind` of bytes that are no frame at all.
KIND_NONE: Final = "none"


def frame_kind(frame: Frame | None) -> str:
    """Name the frame format: ack, short, control, long, or none."""
    if isinstance(frame, LongFrame):
        return "control" if frame.is_control else "long"
    if isinstance(frame, ShortFrame):
        return "short"
    return "ack" if isinstance(frame, Ack) else KIND_NONE


def to_document(telegram: Telegram) -> dict[str, Any]:
    """Turn a telegram into plain dicts, lists, strings, numbers and None."""
    return {
        "frame": _frame(telegram.frame),
        "header": None if telegram.header is None else _header(telegram.header),
        "records": [record_document(record) for record in telegram.records],
        "more_records_follow": telegram.more_records_follow,
        "application_error": telegram.application_error,
        "error": _error(telegram.error),
    }


def to_json(telegram: Telegram) -> str:
    """Write the document on one line; all characters above ASCII are kept (m³)."""
    return json.dumps(to_document(telegram), ensure_ascii=False)


def _frame(frame: Frame | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": frame_kind(frame)}
    for name in ("c_field", "a_field", "ci_field"):
        fields[name] = getattr(frame, name, None)
    return fields


def _header(header: Header) -> dict[str, Any]:
    letters = None
    if header.manufacturer is not None:
        letters = manufacturer_letters(header.manufacturer)
    return {
        "identification_number": header.identification_number,
        "manufacturer": letters,
        "version": header.version,
        "medium": header.medium,
        "access_number": header.access_number,
        "status": header.status,
        "configuration": header.configuration,
    }


def record_document(record: DataRecord) -> dict[str, Any]:
    """Turn one record into a plain dict."""
    return {
        "dib": record.dib.hex(),
        "vib": record.vib.hex(),
        "data": record.data.hex(),
        "function": record.function.label,
        "storage_number": record.storage_number,
        "tariff": record.tariff,
        "subunit": record.subunit,
        "value_type": record.value_type.label,
        "integer": record.integer,
        "scale": record.scale,
        "unit": record.unit.symbol,
        "value": record.value,
        "timestamp": record.timestamp,
        "error": _error(record.error),
    }


def _error(error: MBusError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "offset": error.offset,
        "expected": error.expected,
        "got": error.got,
        "message": error.message,
    }
