"""What a read-out means for one meter: its values, their times, and the flags (`C-13`, `C-14`).

Everything here is a pure step from the state before and the pages that came to the state after.
The truth table of flags is worked examples 9; values that did not come keep what they had.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.mbus.coding import Form, Function
from gateway.mbus.tables.manual import Unit
from gateway.mbus.timestamps import assign_timestamps, serves_a_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.device.readout import Readout
    from gateway.mbus.record import DataRecord
    from gateway.mbus.telegram import Telegram

#: Bits of a meter's flags (`REG-M`, +8).
FLAG_NOT_READ: Final = 1
FLAG_NOT_ALL_UPDATED: Final = 2
FLAGS_UNREAD: Final = FLAG_NOT_READ | FLAG_NOT_ALL_UPDATED

#: Why a meter has no reading before the first try.
NEVER_READ: Final = "never read"

#: Records that carry no value of their own; an enum is compared faster than it is hashed.
_NOT_VALUES: Final = (Function.MANUFACTURER_SPECIFIC, Function.MORE_RECORDS_FOLLOW)


class ValueKey(NamedTuple):
    """What tells one value of a meter from the others, in the words of the meter list."""

    description: str
    valuetype: str
    storagenum: int
    tariff: int


#: Keys remembered by DIB and VIB; a bus has a few hundred, noise must not fill the memory.
KEYS_MAX: Final = 4096
_KEYS: Final[dict[tuple[bytes, bytes], ValueKey]] = {}


class ValueReading(NamedTuple):
    """The last reading of one value; `integer` x 10^`scale` is in `unit` (index of manual 6.2).

    `time` is the unix time that the meter gave to the value, 0 for none. `text` is what a person
    is shown for a value that is no number; `fresh` is False where the last read-out brought none.
    """

    integer: int = 0
    scale: int = 0
    unit: int = 0
    time: int = 0
    text: str | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class MeterReading:
    """The state of one meter: flags, unix time of the last valid first telegram, its values."""

    flags: int = FLAGS_UNREAD
    time: int = 0
    limited: bool = False
    values: tuple[ValueReading, ...] = ()
    failure: str = NEVER_READ

    @property
    def was_tried(self) -> bool:
        """Whether a read-out has been tried since the entry was made (worked examples 9, row 1)."""
        return self.failure != NEVER_READ


#: The names of the list file for the function field (manual 9.4).
VALUE_TYPES: Final = {
    Function.INSTANTANEOUS: "instantaneous",
    Function.MAXIMUM: "maximum",
    Function.MINIMUM: "minimum",
    Function.ERROR_STATE: "errorstate",
}


def key_of(record: DataRecord) -> ValueKey:
    """The key by which `record` is found again in later telegrams."""
    coding = record.coding
    name = coding.dib, coding.vib
    key = _KEYS.get(name)
    if key is not None:
        return key
    key = ValueKey(
        coding.value_type.label,
        VALUE_TYPES.get(coding.function, "instantaneous"),
        coding.storage_number,
        coding.tariff,
    )
    # The counters of the fixed data structure have neither DIB nor VIB to know them by.
    if coding.dib:
        if len(_KEYS) >= KEYS_MAX:
            _KEYS.clear()
        _KEYS[name] = key
    return key


def records_of(pages: Sequence[Telegram]) -> list[DataRecord]:
    """All records of a read-out in the order of the wire, each with its time assigned (`C-58`)."""
    if len(pages) == 1:
        # The decoder has assigned the times of one telegram already.
        return list(pages[0].records)
    records = [record for page in pages for record in page.records]
    assign_timestamps(records)
    return records


def listed_records(records: Sequence[DataRecord], *, show_timestamps: bool) -> list[DataRecord]:
    """The records that become values, in the order of the telegram (`MET-09`, `MET-11`).

    A plain time point that gave its time to another value is hidden (`C-58`), unless
    MUC_SHOWTIMESTAMPENTRIES is set.
    """
    values = [record for record in records if record.coding.function not in _NOT_VALUES]
    if show_timestamps:
        return values
    hidden = {
        id(record)
        for record in values
        if record.coding.gives_time and serves_a_value(record, values)
    }
    return [record for record in values if id(record) not in hidden] if hidden else values


def take_record(record: DataRecord) -> ValueReading | None:
    """What `record` publishes (`C-14`); None when it does not count as a reading.

    Text, no data and an invalid date count as updated with the integer 0; what cannot be decoded,
    NaN and a record error keep the old reading (worked examples 9, rows 5 and 6).
    """
    if record.coding.record_error:
        return None
    if record.coding.form is Form.INSTANT and record.unit is Unit.UTC:
        unix_time = record.unix_time or 0
        return ValueReading(unix_time, 0, Unit.UTC, 0, record.value or "No Data", fresh=True)
    if record.error is not None:
        return None
    if record.integer is not None:
        time = record.timestamp or 0
        return ValueReading(record.integer, record.scale, record.unit, time, fresh=True)
    if record.value is not None:
        return ValueReading(0, 0, Unit.NONE, 0, record.value, fresh=True)
    return ValueReading(0, record.scale, record.unit, 0, "No Data", fresh=True)


def next_reading(
    before: MeterReading,
    keys: Sequence[ValueKey],
    active: Sequence[bool],
    readout: Readout,
    unix_time: int,
    *,
    cut: bool = False,
    show_timestamps: bool = False,
) -> MeterReading:
    """The state after `readout`; `keys` and `active` are the listed values in list order.

    A list that was cut by a value limit, as `cut` says or as more records than values show it,
    shows as "*" like a reached page limit (row 7). A time point that is hidden is never taken for
    a listed value of its key. Where no value has changed, the values are the same object as
    before, so that nothing that is made of them need be made again.
    """
    if not readout.pages:
        values = tuple(value._replace(fresh=False) for value in before.values)
        return replace(before, flags=FLAGS_UNREAD, values=values, failure=readout.failure)
    records = listed_records(records_of(readout.pages), show_timestamps=show_timestamps)
    values = _matched(before, keys, records)
    if values == before.values:
        values = before.values
    complete = all(
        value.fresh for value, is_active in zip(values, active, strict=True) if is_active
    )
    updated = complete and readout.complete
    return MeterReading(
        flags=0 if updated else FLAG_NOT_ALL_UPDATED,
        time=unix_time,
        limited=cut or readout.limited or len(records) > len(keys),
        values=values,
        failure=readout.failure or ("" if complete else "a listed value did not come"),
    )


def _matched(
    before: MeterReading, keys: Sequence[ValueKey], records: Sequence[DataRecord]
) -> tuple[ValueReading, ...]:
    """For each listed value the next record of its key, or the reading that it had."""
    values = []
    for number, record in enumerate(in_list_order(keys, records)):
        taken = take_record(record) if record is not None else None
        values.append(taken if taken is not None else _kept(before, number))
    return tuple(values)


def in_list_order(
    keys: Sequence[ValueKey], records: Sequence[DataRecord]
) -> Sequence[DataRecord | None]:
    """The record of each listed value, None where no more of its key have come."""
    sent = [key_of(record) for record in records]
    if sent[: len(keys)] == list(keys):
        # As always but for a meter that has changed its ways: nothing has to be looked for.
        return records[: len(keys)]
    waiting: defaultdict[ValueKey, list[DataRecord]] = defaultdict(list)
    for key, record in zip(sent, records, strict=True):
        waiting[key].append(record)
    return [waiting[key].pop(0) if waiting[key] else None for key in keys]


def _kept(before: MeterReading, number: int) -> ValueReading:
    if number < len(before.values):
        return before.values[number]._replace(fresh=False)
    return ValueReading()
