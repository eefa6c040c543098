"""Readings as files for people and programs: CSV lines and XML documents (`C-49`).

``log/values.csv`` has a line for each value of each meter read, and rotates. The XML is that of the
manufacturer's sibling devices, one document a pass, in a ring of one file for each quarter of an
hour: ``log/values-1615.xml`` is overwritten a day later.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import quoteattr

from gateway.device import plans
from gateway.device.log_files import RESERVE_BYTES, LogFile
from gateway.mbus.tables.manual import Unit, medium_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.device.book import ListedMeter
    from gateway.runtime.port import Storage

VALUES_CSV: Final = "log/values.csv"
VALUES_CSV_BYTES: Final = 1 << 20
#: Documents of one day; a pass overwrites that of its quarter of an hour.
XML_FILE: Final = "log/values-{:%H}{:02d}.xml"
QUARTER_MINUTES: Final = 15
HEAD: Final = (
    "time", "serial", "manufacturer", "medium", "meter label", "flags", "number", "description",
    "storage", "tariff", "type", "value", "unit", "value time", "label",
)  # fmt: skip
#: Characters that make a spreadsheet take a text for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ValueLog:
    """The value logs of one device; `told(path, stopped)` hears when space runs out."""

    def __init__(self, storage: Storage, told: Callable[[str, bool], None]) -> None:
        self._storage = storage
        self._told = told
        self._xml_stopped = False
        self.csv = LogFile(
            storage,
            VALUES_CSV,
            limit=VALUES_CSV_BYTES,
            told=lambda stopped: told(VALUES_CSV, stopped),
            head=_csv([HEAD]),
        )

    def write_csv(self, meters: Iterable[ListedMeter]) -> None:
        """Add the values of `meters` as they are now."""
        rows = [row for meter in meters for row in _rows(meter)]
        if rows:
            self.csv.append(_csv(rows))

    def write_xml(self, meters: Iterable[ListedMeter], serial: int, unix_time: int) -> None:
        """Write the document of this pass; left out where the disk is nearly full."""
        moment = datetime.fromtimestamp(unix_time, UTC)
        quarter = moment.minute // QUARTER_MINUTES * QUARTER_MINUTES
        path = XML_FILE.format(moment, quarter)
        data = document(meters, serial, unix_time).encode()
        stopped = True
        if self._storage.free_bytes() - len(data) >= RESERVE_BYTES:
            try:
                self._storage.replace(path, data)
                stopped = False
            except OSError:
                stopped = True
        if stopped is not self._xml_stopped:
            self._xml_stopped = stopped
            self._told(path, stopped)


def document(meters: Iterable[ListedMeter], serial: int, unix_time: int) -> str:
    """One document of the sibling's form: ids in hexadecimal, times as unix time."""
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<interface MESSAGE_TYPE="1">',
        f'<muc MUC_ID="{serial:x}" VERSION="{plans.SOFTWARE_VERSION:x}" TIMESTAMP="{unix_time}">',
    ]
    for meter in meters:
        entry = meter.entry
        medium = quoteattr(medium_label(entry.medium) if entry.medium is not None else "")
        user = quoteattr(entry.user)
        lines.append(f'<meter METER_ID="{entry.serial}" INTERFACE="02" USER={user}>')
        for value, reading in zip(entry.values, meter.reading.values, strict=False):
            if not value.active:
                continue
            lines.append(
                f"<data DESCRIPTION={quoteattr(value.description)} UNIT={quoteattr(value.unit)} "
                f'SCALE="1e{reading.scale}" MEDIUM={medium} USER={quoteattr(value.user)}>'
                f'<entry><param NAME="T">{reading.time}</param>'
                f'<param NAME="T_MUC">{meter.reading.time}</param>'
                f'<param NAME="VAL">{reading.integer}</param></entry></data>'
            )
        lines.append("</meter>")
    return "\n".join([*lines, "</muc>", "</interface>", ""])


def _rows(meter: ListedMeter) -> Iterable[tuple[str, ...]]:
    entry, reading = meter.entry, meter.reading
    medium = "" if entry.medium is None else medium_label(entry.medium)
    for number, (value, now) in enumerate(zip(entry.values, reading.values, strict=False), 1):
        if not value.active or not now.fresh:
            continue
        shown = _text(now.text) if now.text is not None else _scaled(now.integer, now.scale)
        unit = Unit(now.unit).symbol if now.unit in _UNITS else value.unit
        yield (
            _time(reading.time), entry.serial, entry.manufacturer or "", medium, _text(entry.user),
            str(reading.flags), str(number), _text(value.description), str(value.storagenum),
            str(value.tariff), value.valuetype, shown, unit, _time(now.time), _text(value.user),
        )  # fmt: skip


_UNITS: Final = frozenset(unit.value for unit in Unit)


def _time(unix_time: int) -> str:
    return f"{datetime.fromtimestamp(unix_time, UTC):%Y-%m-%dT%H:%M:%SZ}" if unix_time else ""


def _scaled(integer: int, scale: int) -> str:
    """`integer` x 10^`scale`, exactly, without an exponent where that stays short."""
    if scale >= 0:
        return str(integer * 10**scale)
    digits = f"{abs(integer):0{1 - scale}d}"
    sign = "-" if integer < 0 else ""
    return f"{sign}{digits[:scale]}.{digits[scale:]}"


def _text(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv(rows: Iterable[tuple[str, ...]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()
