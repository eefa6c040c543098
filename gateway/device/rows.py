"""The meter list as the Meter tab shows it: rows of text, the letters of S, and the capacity.

A row is a meter or one of its values, with the 14 columns of `MET-01` in the manual's words and
forms (Fig. 6, Fig. 14). What the web server can show is limited (`MET-17`, `C-33`): beyond TCPIPMEM
the page shows a text in place of the list. Nothing of the list is lost by that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from gateway.device.readings import take_record
from gateway.mbus.description import (
    DescriptionFlags,
    compose,
    describe,
    in_brackets,
    printable,
)
from gateway.mbus.tables.manual import Unit, medium_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.device.configuration import Configuration
    from gateway.device.edits import EditedMeter
    from gateway.device.meter_list import Value
    from gateway.device.readings import ValueReading
    from gateway.mbus.record import DataRecord

#: How a scan or a change of the list ends that goes beyond the capacity (manual 4.3).
CAPACITY_EXCEEDED: Final = "Webserver capacity exceeded"
#: What the page shows in place of such a list (manual 8.3).
LIST_TOO_LONG: Final = "The meter list exceeds the capacity of the internal webserver"
#: The last row of a meter whose list is limited (`C-44`).
MORE_VALUES: Final = "[ More values available ]"
NO_DATA: Final = "No Data"
#: What stands for the interface on the rows of values (Fig. 6); Print leaves it blank (Fig. 14).
VALUE_ROW: Final = "---"
_BYTES_PER_KB: Final = 1024
_MARKS: Final = {"maximum": "max", "minimum": "min", "errorstate": "error"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the list: the columns of `MET-01`, as text."""

    interface: str = ""
    status: str = ""
    serial: str = ""
    manufacturer: str = ""
    medium: str = ""
    version: str = ""
    link: str = ""
    value: str = ""
    scale: str = ""
    unit: str = ""
    cycle: str = ""
    user_label: str = ""
    description: str = ""
    register: str = ""


#: Heads of the columns, in order (Fig. 6).
COLUMNS: Final = dict(
    zip(
        (column.name for column in fields(Row)),
        (
            *("Interface", "S", "Serial", "MAN", "Medium", "Version", "Link", "Value"),
            *("Scale", "Unit", "Cycle", "User label", "Description", "Register"),
        ),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row and where it belongs: handle of its meter, position of its value.

    `position` is None for the meter's own row and for the row that says that there is more.
    """

    row: Row
    handle: int
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Size of the list as the page receives it against what it can take, both in bytes.

    `limit` is None for the lab model, which has none (`C-75`).
    """

    size: int
    limit: int | None

    @property
    def is_exceeded(self) -> bool:
        """Whether the page cannot show the list."""
        return self.limit is not None and self.size > self.limit


def rows_of(
    meters: Iterable[EditedMeter], configuration: Configuration, *, printed: bool = False
) -> list[PlacedRow]:
    """Every row of the list; `printed` as Print has them, else as the page does."""
    rows = []
    for meter in meters:
        rows += _meter_rows(meter, configuration, printed=printed)
    return rows


def serialised(rows: Iterable[PlacedRow]) -> bytes:
    """The list as the Meter page is sent it: JSON in UTF-8, an array of columns for each row."""
    names = [field.name for field in fields(Row)]
    columns = [[getattr(placed.row, name) for name in names] for placed in rows]
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class PageList:
    """What the Meter tab shows: the rows, or the text in their place."""

    rows: tuple[PlacedRow, ...]
    capacity: Capacity
    text: str


def page_list(
    meters: Iterable[EditedMeter], configuration: Configuration, *, is_lab: bool
) -> PageList:
    """The list for the page; without rows, and with `LIST_TOO_LONG`, where it is over the limit."""
    rows = tuple(rows_of(meters, configuration))
    size = _capacity(len(serialised(rows)), configuration, is_lab=is_lab)
    if size.is_exceeded:
        return PageList((), size, LIST_TOO_LONG)
    return PageList(rows, size, "")


def capacity(
    meters: Iterable[EditedMeter], configuration: Configuration, *, is_lab: bool
) -> Capacity:
    """Whether the page can show these meters (`C-33`)."""
    size = len(serialised(rows_of(meters, configuration)))
    return _capacity(size, configuration, is_lab=is_lab)


def _capacity(size: int, configuration: Configuration, *, is_lab: bool) -> Capacity:
    return Capacity(size, None if is_lab else configuration.tcpipmem * _BYTES_PER_KB)


def _meter_rows(
    edited: EditedMeter, configuration: Configuration, *, printed: bool
) -> list[PlacedRow]:
    entry, meter = edited.entry, edited.meter
    rows = [PlacedRow(_meter_row(edited), meter.handle)]
    shown = bool(configuration.muc_showtimestampentries)
    records = meter.records(show_timestamps=shown)
    flags = configuration.muc_meterdescription_enableflags
    for position, (value, reading, record) in enumerate(
        zip(entry.values, meter.reading.values, records, strict=True)
    ):
        row = Row(
            interface="" if printed else VALUE_ROW,
            status=_letters(
                edited=position in edited.edited_values,
                limited=False,
                unread=_is_unread(edited, position),
            ),
            value=_shown(reading, record, grouped=not printed),
            scale=f"1E{(reading.scale if reading.fresh else value.scale):+d}",
            unit=_unit(value, reading),
            user_label=value.user,
            description=_description(value, record, flags),
            register=str(value.register),
        )
        rows.append(PlacedRow(row, meter.handle, position))
    if meter.reading.limited:
        more = Row(interface="" if printed else VALUE_ROW, description=MORE_VALUES)
        rows.append(PlacedRow(more, meter.handle))
    return rows


def _meter_row(edited: EditedMeter) -> Row:
    entry, reading = edited.entry, edited.meter.reading
    unread = bool(entry.active and reading.was_tried and reading.flags)
    return Row(
        interface=entry.interface,
        status=_letters(edited=edited.is_edited, limited=reading.limited, unread=unread),
        serial=entry.serial,
        manufacturer=entry.manufacturer or "",
        medium="" if entry.medium is None else medium_label(entry.medium),
        version="" if entry.version is None else str(entry.version),
        link=str(entry.primaryaddress),
        cycle=str(entry.readoutcycle),
        user_label=entry.user,
        register=str(entry.register),
    )


def _letters(*, edited: bool, limited: bool, unread: bool) -> str:
    """The entry status, in the order E * ! (`MET-02`, `C-47`)."""
    return ("E" if edited else "") + ("*" if limited else "") + ("!" if unread else "")


def _is_unread(edited: EditedMeter, position: int) -> bool:
    """Whether the last read-out was tried and did not bring this value."""
    entry, reading = edited.entry, edited.meter.reading
    is_active = bool(entry.active and entry.values[position].active)
    return is_active and reading.was_tried and not reading.values[position].fresh


def _shown(reading: ValueReading, record: DataRecord | None, *, grouped: bool) -> str:
    """A reading: the unscaled number, thousands set off by a blank on the page (`MET-10`)."""
    if reading.text is not None:
        return printable(reading.text)
    if not (reading.fresh or reading.integer) and (record is None or take_record(record) is None):
        return NO_DATA
    return f"{reading.integer:,}".replace(",", " ") if grouped else str(reading.integer)


def _unit(value: Value, reading: ValueReading) -> str:
    return Unit(reading.unit).symbol if reading.fresh else value.unit


def _description(value: Value, record: DataRecord | None, flags: int) -> str:
    """The description in the mode in force (`C-35`); raw parts need a read-out since the start."""
    if record is not None:
        return describe(record, flags)
    parts = in_brackets(value.storagenum, value.tariff, _MARKS.get(value.valuetype, ""))
    raw = DescriptionFlags.DIF_VIF | DescriptionFlags.RAW_DATA
    return compose(value.description, parts, "", flags & ~raw)
