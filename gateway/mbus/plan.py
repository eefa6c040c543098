"""Telegrams read again: what the first readings found out, kept as a plan.

A meter sends the same records in the same places every time; only the data change. A `Plan` proves
with one comparison that a telegram has the structure it was made from, and then reads the data of
all records in columns, without looking at a DIB or VIB again. Whatever is not exactly the same
structure has no plan and is read record by record, with the same result (`gateway.mbus.record`).

A plan is made when a meter sends a structure for the second time: a scan, which sees every meter
once, pays nothing for plans that it would never use.
"""

from __future__ import annotations

import struct
from operator import itemgetter, mul
from typing import TYPE_CHECKING, Any, Final

from gateway.mbus.coding import Coding, Form, Function
from gateway.mbus.data_record import DataRecord, read_record, reader_of
from gateway.mbus.frames import C_FIELD_FUNCTION
from gateway.mbus.header import CI_MSB_FIRST
from gateway.mbus.structure import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Meters remembered; a bus has 250 at most. A plan takes about 5 kB.
METERS_MAX: Final = 512
#: Structures of one meter, which may send several telegrams in turn. Further ones get no plan.
PLANS_PER_METER_MAX: Final = 8

#: A field, CI field, identification number, manufacturer, version, medium: who answers, and how.
_KEY: Final = slice(5, 15)
_C_FIELD: Final = 4
_CI_FIELD: Final = 6
#: Start, L, L, start.
_HEAD_SIZE: Final = 4
#: Where the records begin, behind the header of twelve bytes.
_RECORDS: Final = 19
#: Checksum and stop byte.
_TAIL_SIZE: Final = 2

_plans: dict[bytes, tuple[Plan, ...]] = {}


class Plan:
    """How to read the telegrams of one structure.

    Records are read in three groups (binary numbers, BCD numbers, all others) and put into the
    order of the wire at the end.
    """

    __slots__ = (
        "_binaries",
        "_codings",
        "_data",
        "_digits",
        "_expected",
        "_factors",
        "_mask",
        "_msb_first",
        "_offsets",
        "_others",
        "_scales",
        "_size",
        "_template",
        "_times",
        "_to_wire_order",
        "_units",
        "more_records_follow",
    )

    def __init__(self, wire: bytes, records: Sequence[DataRecord]) -> None:
        """Make the plan of a telegram from what was read from it."""
        self._size = len(wire)
        self._msb_first = bool(wire[_CI_FIELD] & CI_MSB_FIRST)
        self._mask = _structure_mask(self._size, records)
        self._expected = int.from_bytes(wire, "little") & self._mask
        binaries = [at for at, record in enumerate(records) if _is_binary(record.coding)]
        digits = [at for at, record in enumerate(records) if _is_digits(record.coding)]
        numbers = binaries + digits
        others = [at for at in range(len(records)) if at not in set(numbers)]
        self._binaries = _unpacker([records[at] for at in binaries], msb_first=self._msb_first)
        self._digits = _getter([self._place_of_digits(records[at]) for at in digits])
        self._codings = [records[at].coding for at in numbers]
        self._scales = [coding.scale for coding in self._codings]
        self._units = [coding.unit for coding in self._codings]
        self._factors = [coding.factor for coding in self._codings]
        self._template = "\n".join(coding.template for coding in self._codings)
        self._offsets = [records[at].offset for at in numbers]
        self._data = _getter([_place(records[at]) for at in numbers])
        self._others = [
            (reader_of(records[at].coding), records[at].coding, _place(records[at]))
            for at in others
        ]
        order = numbers + others
        self._to_wire_order = _getter([order.index(at) for at in range(len(records))])
        self._times = _times(records)
        last = records[-1].coding.function if records else None
        self.more_records_follow = last is Function.MORE_RECORDS_FOLLOW

    def _place_of_digits(self, record: DataRecord) -> slice:
        """Tell where the digits of a record stand in the hexadecimal text of the telegram."""
        place = _place(record)
        if self._msb_first:
            return slice(2 * place.start, 2 * place.stop)
        return slice(2 * (self._size - place.stop), 2 * (self._size - place.start))

    def fits(self, wire: bytes, number: int) -> bool:
        """Tell whether a telegram has this structure; `number` are its bytes as one integer."""
        return len(wire) == self._size and number & self._mask == self._expected

    def read(self, wire: bytes) -> tuple[DataRecord, ...]:
        """Read the records of a telegram that fits, in the order of the wire."""
        digits = wire.hex() if self._msb_first else wire[::-1].hex()
        places = self._data(wire)
        try:
            numbers = (*self._binaries(wire), *map(int, self._digits(digits)))
        except ValueError:
            # Somewhere letters stand among the digits: a sign, or no value.
            records = list(map(read_record, self._codings, places, self._offsets))
        else:
            texts = (self._template % tuple(map(mul, numbers, self._factors))).split("\n")
            records = list(
                map(
                    DataRecord,
                    self._codings,
                    places,
                    self._offsets,
                    numbers,
                    self._scales,
                    self._units,
                    texts,
                )
            )
        for reader, coding, place in self._others:
            records.append(reader(coding, wire[place], place.start))
        ordered: tuple[DataRecord, ...] = self._to_wire_order(records)
        for value, time_point in self._times:
            ordered[value].time_record = ordered[time_point]
        return ordered


# --- The memory of plans --------------------------------------------------------------------------


def find_plan(wire: bytes) -> Plan | None:
    """Give the plan that fits a telegram, or None."""
    plans = _plans.get(wire[_KEY])
    if plans:
        number = int.from_bytes(wire, "little")
        for plan in plans:
            if plan.fits(wire, number):
                return plan
    return None


def remember(wire: bytes, records: Sequence[DataRecord]) -> None:
    """Note that a telegram without a plan was read well; from the second of a meter on, plan it.

    When too many meters are known it starts afresh, rather than grow without limit on noise.
    """
    key = wire[_KEY]
    plans = _plans.get(key)
    if plans is None:
        if len(_plans) >= METERS_MAX:
            _plans.clear()
        _plans[key] = ()
    elif len(plans) < PLANS_PER_METER_MAX and not any(map(_is_ambiguous, records)):
        _plans[key] = (*plans, Plan(wire, records))


def forget_plans() -> None:
    """Forget all plans, as in a process that has just started."""
    _plans.clear()


# --- What a plan is made of -----------------------------------------------------------------------

_BINARY_CODES: Final = {1: "b", 2: "h", 4: "i"}


def _is_binary(coding: Coding) -> bool:
    """Tell whether `struct` can read the number."""
    return bool(coding.template) and coding.form is Form.INTEGER and coding.size in _BINARY_CODES


def _is_digits(coding: Coding) -> bool:
    return bool(coding.template) and coding.form is Form.BCD


def _is_ambiguous(record: DataRecord) -> bool:
    """Tell whether data could decide where a plain text stands (`gateway.mbus.structure`).

    Printable text right behind the VIF, from which the records parse to the end, is taken whatever
    else could be read; everything else may change with the data that follow.
    """
    coding = record.coding
    if coding.plain_text is None or not coding.vib[0] & EXTENSION:
        return False
    return coding.text_is_last or not coding.plain_text.decode("latin-1").isprintable()


def _place(record: DataRecord) -> slice:
    return slice(record.offset, record.offset + len(record.data))


def _structure_mask(size: int, records: Sequence[DataRecord]) -> int:
    """Mark the bits that make the structure: frame head, DIBs, VIBs, LVARs, fillers, stop byte.

    Free are the data, the checksum, access number, status and configuration, and of the C field
    ACD and DFC; the fields of the key need no second look.
    """
    mask = bytearray(size)
    mask[:_HEAD_SIZE] = b"\xff" * _HEAD_SIZE
    mask[_C_FIELD] = C_FIELD_FUNCTION
    mask[_RECORDS:] = b"\xff" * (size - _RECORDS)
    mask[size - _TAIL_SIZE] = 0
    for record in records:
        place = _place(record)
        begin = place.start + (record.coding.form is Form.LVAR)
        mask[begin : place.stop] = bytes(place.stop - begin)
    return int.from_bytes(mask, "little")


def _unpacker(
    records: Sequence[DataRecord], *, msb_first: bool
) -> Callable[[bytes], tuple[int, ...]]:
    """Make the function that reads all binary numbers of a telegram at once."""
    form, position = ">" if msb_first else "<", 0
    for record in records:
        form += f"{record.offset - position}x{_BINARY_CODES[record.coding.size]}"
        position = record.offset + record.coding.size
    return struct.Struct(form).unpack_from


def _getter(places: Sequence[slice] | Sequence[int]) -> Callable[[Any], Any]:
    """Make the function that takes out several places at once, always as a sequence."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda whole: tuple(whole[place] for place in places)


def _times(records: Sequence[DataRecord]) -> list[tuple[int, int]]:
    """List which value (index) has which time point, as it follows from the structure alone."""
    index = {id(record): at for at, record in enumerate(records)}
    return [
        (at, index[id(record.time_record)])
        for at, record in enumerate(records)
        if record.time_record is not None
    ]
