"""Telegrams read again: what the first readings found out, kept as a plan.

A meter sends the same records in the same places every time; only the data change. A `Plan` proves
with one comparison that a telegram has the structure it was made from, and then reads the data of
all records in columns, without looking at a DIB or VIB again. Whatever is not exactly the same
structure has no plan and is read record by record, with the same result (`gateway.mbus.record`).

Meters of one model send the same structures, so a plan serves all of them. It is made when a model
is met for the second time: a telegram that never comes again costs nothing for a plan.
"""

from __future__ import annotations

import struct
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from gateway.mbus.coding import Coding, Form, Function
from gateway.mbus.data_record import DataRecord, read_record, reader_of
from gateway.mbus.frames import C_FIELD_FUNCTION
from gateway.mbus.header import CI_MSB_FIRST
from gateway.mbus.structure import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Keys remembered; a bus of 250 different models, each with two telegrams, has 500.
KEYS_MAX: Final = 512
#: Structures of one key. Further ones get no plan: to change plans costs more than to read without.
PLANS_PER_KEY_MAX: Final = 8

#: Manufacturer, version, medium: the model. Meters of one model share their plans.
_MODEL: Final = slice(11, 15)
_C_FIELD: Final = 4
_CI_FIELD: Final = 6
#: Start, L, L, start.
_HEAD_SIZE: Final = 4
#: Where the records begin, behind the header of twelve bytes.
_RECORDS: Final = 19
#: Checksum and stop byte.
_TAIL_SIZE: Final = 2

#: By length and model.
_plans: dict[tuple[int, bytes], tuple[Plan, ...]] = {}


class Plan:
    """How to read the telegrams of one structure.

    Records are read in three groups (binary numbers, BCD numbers, all others) and put into the
    order of the wire at the end.
    """

    __slots__ = (
        "_binaries",
        "_codings",
        "_digits",
        "_ends",
        "_expected",
        "_mask",
        "_msb_first",
        "_offsets",
        "_others",
        "_scales",
        "_size",
        "_styles",
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
        self._digits = None
        if digits:
            self._digits = _getter([self._place_of_digits(records[at]) for at in digits])
        self._codings = [records[at].coding for at in numbers]
        self._scales = [coding.scale for coding in self._codings]
        self._units = [coding.unit for coding in self._codings]
        self._styles = [(coding.power, coding.fractions) for coding in self._codings]
        self._offsets = [records[at].offset for at in numbers]
        self._ends = [records[at].end for at in numbers]
        self._others = [
            (reader_of(record.coding), record.coding, record.offset, record.end)
            for record in map(records.__getitem__, others)
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

    def fits(self, number: int) -> bool:
        """Tell whether a telegram of the same length has this structure.

        `number` are its bytes as one integer, the first one least significant.
        """
        return number & self._mask == self._expected

    def read(self, wire: bytes) -> tuple[DataRecord, ...]:
        """Read the records of a telegram that fits, in the order of the wire."""
        numbers: Sequence[int] = self._binaries(wire)
        try:
            if self._digits is not None:
                digits = wire.hex() if self._msb_first else wire[::-1].hex()
                numbers = (*numbers, *map(int, self._digits(digits)))
        except ValueError:
            # Somewhere letters stand among the digits: a sign, or no value.
            records = list(map(read_record, self._codings, repeat(wire), self._offsets, self._ends))
        else:
            records = self._number_records(wire, numbers)
        for reader, coding, start, end in self._others:
            records.append(reader(coding, wire, start, end))
        ordered: tuple[DataRecord, ...] = self._to_wire_order(records)
        for value, time_point in self._times:
            ordered[value].time_record = ordered[time_point]
        return ordered

    def _number_records(self, wire: bytes, numbers: Sequence[int]) -> list[DataRecord]:
        texts = [
            f"{number * power}"
            if fractions is None
            else f"{number // power}.{fractions[number % power]}"
            if number >= 0
            else f"-{-number // power}.{fractions[-number % power]}"
            for number, (power, fractions) in zip(numbers, self._styles, strict=True)
        ]
        return list(
            map(
                DataRecord,
                self._codings,
                repeat(wire),
                self._offsets,
                self._ends,
                numbers,
                self._scales,
                self._units,
                texts,
            )
        )


# --- The memory of plans --------------------------------------------------------------------------


def find_plan(wire: bytes) -> Plan | None:
    """Give the plan that fits a telegram, or None."""
    plans = _plans.get((len(wire), wire[_MODEL]))
    if plans:
        number = int.from_bytes(wire, "little")
        for plan in plans:
            if plan.fits(number):
                return plan
    return None


def remember(wire: bytes, records: Sequence[DataRecord]) -> None:
    """Note that a telegram without a plan was read well; from the second of its kind on, plan it.

    When too many models are known it starts afresh, rather than grow without limit on noise.
    """
    key = (len(wire), wire[_MODEL])
    plans = _plans.get(key)
    if plans is None:
        if len(_plans) >= KEYS_MAX:
            _plans.clear()
        _plans[key] = ()
    elif len(plans) < PLANS_PER_KEY_MAX and not any(map(_is_ambiguous, records)):
        _plans[key] = (*plans, Plan(wire, records))


def forget_plans() -> None:
    """Forget all plans, as in a process that has just started."""
    _plans.clear()


# --- What a plan is made of -----------------------------------------------------------------------

_BINARY_CODES: Final = {1: "b", 2: "h", 4: "i"}


def _is_binary(coding: Coding) -> bool:
    """Tell whether `struct` can read the number."""
    return bool(coding.power) and coding.form is Form.INTEGER and coding.size in _BINARY_CODES


def _is_digits(coding: Coding) -> bool:
    return bool(coding.power) and coding.form is Form.BCD


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
    return slice(record.offset, record.end)


def _structure_mask(size: int, records: Sequence[DataRecord]) -> int:
    """Mark the bits that make the structure: frame head, CI, DIBs, VIBs, LVARs, fillers, stop byte.

    Free are the data, the checksum, address and identification number, access number, status and
    configuration, and of the C field ACD and DFC; the model is in the key.
    """
    mask = bytearray(size)
    mask[:_HEAD_SIZE] = b"\xff" * _HEAD_SIZE
    mask[_C_FIELD] = C_FIELD_FUNCTION
    mask[_CI_FIELD] = 0xFF
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
