"""The meter list in use: what is configured, what was last read, when the next read-out is due.

The list file (`meter_list`) holds what survives a reboot; a `ListedMeter` adds what does not. The
order of the list is the order of finding, new meters append, nothing is ever moved (`MET-03`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Final

from gateway.device.meter_list import SERIAL_NOT_SET, Meter, Value
from gateway.device.readings import (
    VALUE_TYPES,
    MeterReading,
    ValueKey,
    ValueReading,
    in_list_order,
    key_of,
    listed_records,
    next_reading,
    records_of,
)
from gateway.device.sequences import Addressing
from gateway.mbus.address import SecondaryAddress, manufacturer_code, manufacturer_letters
from gateway.mbus.coding import Form
from gateway.mbus.frames import ADDRESS_MAX
from gateway.mbus.tables.manual import Unit
from gateway.registers import allocation
from gateway.registers.entries import MeterEntry, ValueEntry
from gateway.registers.placement import Registers
from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gateway.device.configuration import Configuration
    from gateway.device.readout import Readout
    from gateway.device.scan import Found
    from gateway.mbus.record import DataRecord
    from gateway.mbus.telegram import Telegram
    from gateway.registers.layout import Layout

#: A point in time that never comes: an inactive meter is never due (`C-53`).
NEVER_NS: Final = 1 << 62
#: Secondary addresses that are remembered: those of a full list, again and again.
ADDRESSES_REMEMBERED_MAX: Final = 1024
#: Bits of the manufacturer field that three letters stand for; bit 15 is none of them.
LETTER_BITS: Final = 0x7FFF
_SIZED_FORMS: Final = {Form.INTEGER: "INT", Form.BCD: "BCD", Form.REAL: "REAL"}
_DIGITS_PER_BYTE: Final = {Form.BCD: 2}
_FORMS: Final = {
    Form.EMPTY: "NODATA",
    Form.INSTANT: "DATETIME",
    Form.LVAR: "VARIABLE",
    Form.BYTES: "BYTES",
}
_UNITS: Final = {unit.symbol: int(unit) for unit in reversed(Unit)}


@dataclass(slots=True)
class MeterStatistics:
    """How the read-outs of one meter went since the start of the device."""

    readouts: int = 0
    """Tries, cyclic and forced."""
    failures: int = 0
    """Tries that brought no valid first telegram (row 3, row 9)."""
    failures_in_a_row: int = 0
    last_success: int = 0
    """Unix time of the last valid first telegram; 0 before there was one."""
    last_ns: int = 0
    """What the last try took."""
    longest_ns: int = 0
    retries: int = 0
    """Telegrams sent again."""
    missed_cycles: int = 0
    """Read-outs that fell due and were skipped, because the bus was busy for a whole cycle."""

    def tried(self, read_at: int | None, duration_ns: int, retries: int) -> None:
        """Count one try; `read_at` is its unix time, None for a failure."""
        self.readouts += 1
        self.last_ns = duration_ns
        self.longest_ns = max(self.longest_ns, duration_ns)
        self.retries += retries
        if read_at is not None:
            self.last_success, self.failures_in_a_row = read_at, 0
        else:
            self.failures += 1
            self.failures_in_a_row += 1


@dataclass(slots=True, eq=False)
class ListedMeter:
    """One meter of the list."""

    entry: Meter
    handle: int = 0
    """Number in this run of the device: places may change, and two may share a serial."""
    due_ns: int = 0
    reading: MeterReading = field(default_factory=MeterReading)
    published: MeterEntry | None = None
    statistics: MeterStatistics = field(default_factory=MeterStatistics)
    list_is_partial: bool = False
    """True while the values are those of a read-out that lost its last pages."""
    pages: tuple[Telegram, ...] = ()
    """The last read-out that brought anything, and before it the last whole one."""
    whole_pages: tuple[Telegram, ...] = ()

    @property
    def identification_number(self) -> str:
        """The eight digits of the secondary address."""
        return self.entry.serial

    @property
    def addressing(self) -> Addressing:
        """How the meter was found first and is called ever since (`SCAN-03`)."""
        return Addressing.PRIMARY if self.entry.addressmode else Addressing.SECONDARY

    @property
    def primary_address(self) -> int:
        """The Link of the page."""
        return self.entry.primaryaddress

    @property
    def address(self) -> SecondaryAddress:
        """The secondary address; parts that the list does not know are wild (`C-66`)."""
        entry = self.entry
        return _address(entry.serial, entry.manufacturer, entry.version, entry.medium)

    @property
    def is_vague(self) -> bool:
        """True while the list does not know the whole address (`C-66`)."""
        entry = self.entry
        return entry.serial == SERIAL_NOT_SET or None in (
            entry.manufacturer,
            entry.version,
            entry.medium,
        )

    def records(self, *, show_timestamps: bool) -> list[DataRecord | None]:
        """What each listed value was last made of; None for one that has not come yet."""
        found: list[DataRecord | None] = [None] * len(self.entry.values)
        for pages in (self.pages, self.whole_pages):
            records = listed_records(records_of(pages), show_timestamps=show_timestamps)
            ordered = in_list_order(self.keys, records)
            found = [new or old for new, old in zip(found, ordered, strict=True)]
        return found

    @property
    def keys(self) -> list[ValueKey]:
        """What tells the listed values from each other, in list order."""
        return [
            ValueKey(value.description, value.valuetype, value.storagenum, value.tariff)
            for value in self.entry.values
        ]


class MeterBook:
    """The meters in list order."""

    def __init__(self) -> None:
        self.meters: list[ListedMeter] = []
        self._handles = count(1)

    # --- Contents -----------------------------------------------------------------------------

    def load(self, entries: Iterable[Meter], now: int) -> None:
        """Take the list of a file; everything is due at once and nothing has been read."""
        self.meters = [self.make(entry) for entry in entries]
        for meter in self.meters:
            meter.due_ns = now

    def make(self, entry: Meter) -> ListedMeter:
        """A meter that is not in the list yet, unread."""
        reading = MeterReading(values=_unread(entry))
        return ListedMeter(entry, next(self._handles), reading=reading)

    def add(self, meter: ListedMeter, now: int) -> None:
        """Append a meter; it is due at once."""
        meter.due_ns = now
        self.meters.append(meter)

    def remove(self, meter: ListedMeter) -> None:
        """Take a meter off the list, with its values and readings."""
        self.meters.remove(meter)

    def change(self, meter: ListedMeter, entry: Meter, now: int, general_cycle_s: int) -> None:
        """Put `entry`, a changed copy, in the place of what the list says of a meter (`C-72`).

        Readings stay, but for a meter that is called in another way now: that may be another one. A
        new cycle counts from the last read-out on; a meter that was activated is due at once.
        """
        before = meter.entry
        meter.entry = entry
        meter.published = None
        if _calling(before) != _calling(entry):
            meter.reading = MeterReading(values=_unread(entry))
            meter.pages = meter.whole_pages = ()
            meter.due_ns = now
        elif entry.active and not before.active:
            meter.due_ns = now
        elif entry.readoutcycle != before.readoutcycle:
            cycle_s = before.readoutcycle or general_cycle_s
            self.change_cycle(meter, cycle_s, entry.readoutcycle or general_cycle_s, now)

    def change_cycle(self, meter: ListedMeter, before_s: int, after_s: int, now: int) -> None:
        """Plan a meter anew: its new cycle counts from the read-out before."""
        if meter.due_ns > now:
            meter.due_ns = max(now, meter.due_ns + (after_s - before_s) * NS_PER_S)

    def at(self, handle: int) -> ListedMeter:
        """The meter with this handle; raises KeyError."""
        meter = next((meter for meter in self.meters if meter.handle == handle), None)
        if meter is None:
            raise KeyError(handle)
        return meter

    def entries(self) -> list[Meter]:
        """What the file holds."""
        return [meter.entry for meter in self.meters]

    def value_count(self) -> int:
        """How many values are listed over all meters."""
        return sum(len(meter.entry.values) for meter in self.meters)

    def find(self, found: Found) -> ListedMeter | None:
        """The entry that `found` belongs to, or None (`SCAN-02`)."""
        return next((meter for meter in self.meters if _is_listed_as(found, meter)), None)

    def append(self, found: Found, now: int) -> ListedMeter:
        """List a meter that a scan found; it is due at once, its values are not known yet."""
        address = found.address
        entry = Meter(
            interface="M-Bus",
            serial=address.identification_number,
            manufacturer=manufacturer_letters(address.manufacturer),
            version=address.version,
            medium=address.medium,
            # Who answers with 253 has no primary address of its own.
            primaryaddress=found.primary_address if found.primary_address <= ADDRESS_MAX else 0,
            addressmode=int(found.addressing is Addressing.PRIMARY),
        )
        meter = self.make(entry)
        self.add(meter, now)
        return meter

    def fill(self, meter: ListedMeter, readout: Readout, configuration: Configuration) -> bool:
        """Make the list of values from a first read-out; True when it was made, or grew, now.

        A list that was made without the last pages is completed by the first read-out that has
        them: what stands in it stays where it is. Also learns the parts of the address that the
        list does not know (`C-66`).
        """
        if (meter.entry.values and not meter.list_is_partial) or not readout.pages:
            return False
        self._learn(meter, readout)
        records = listed_records(
            records_of(readout.pages),
            show_timestamps=bool(configuration.muc_showtimestampentries),
        )
        known = len(meter.entry.values)
        if [key_of(record) for record in records[:known]] != meter.keys:
            return False
        meter.list_is_partial = not readout.complete
        meter.entry.values += [
            _value(record) for record in records[known : self._value_limit(meter, configuration)]
        ]
        meter.reading = replace(
            meter.reading, values=meter.reading.values + _unread(meter.entry)[known:]
        )
        meter.published = None
        return len(meter.entry.values) > known

    def _learn(self, meter: ListedMeter, readout: Readout) -> None:
        header = readout.pages[0].header
        address = header.address if header is not None else None
        if address is None:
            return
        entry = meter.entry
        entry.serial = address.identification_number
        entry.manufacturer = manufacturer_letters(address.manufacturer)
        entry.version = address.version
        entry.medium = address.medium

    def _value_limit(self, meter: ListedMeter, configuration: Configuration) -> int | None:
        """How many values may be listed (`C-71`); None for no limit."""
        limits = []
        own = meter.entry.maxvaluecount or configuration.meter_maxvaluecount
        if own:
            limits.append(own)
        if configuration.meter_maxallvaluecount:
            taken = sum(len(other.entry.values) for other in self.meters if other is not meter)
            limits.append(max(0, configuration.meter_maxallvaluecount - taken))
        return min(limits, default=None)

    # --- Schedule -----------------------------------------------------------------------------

    def active(self) -> list[ListedMeter]:
        """The meters that are read at all (`C-53`)."""
        return [meter for meter in self.meters if meter.entry.active]

    def due(self, now: int) -> list[ListedMeter]:
        """The meters whose time has come, in list order."""
        return [meter for meter in self.active() if meter.due_ns <= now]

    def next_due(self) -> int:
        """When the next meter is due (ns)."""
        return min((meter.due_ns for meter in self.active()), default=NEVER_NS)

    def start_together(self, now: int) -> None:
        """Let the meters that were never read be due at one moment, so that one pass takes them."""
        for meter in self.meters:
            if meter.due_ns <= now and not meter.reading.time:
                meter.due_ns = now

    def schedule(self, meter: ListedMeter, now: int, general_cycle_s: int) -> None:
        """Plan the next read-out one cycle after the one that was due; missed ones are skipped."""
        cycle_ns = (meter.entry.readoutcycle or general_cycle_s) * NS_PER_S
        meter.due_ns += cycle_ns
        if meter.due_ns <= now:
            behind = (now - meter.due_ns) // cycle_ns + 1
            meter.due_ns += behind * cycle_ns
            meter.statistics.missed_cycles += behind

    # --- Readings -----------------------------------------------------------------------------

    def take(
        self, meter: ListedMeter, readout: Readout, unix_time: int, configuration: Configuration
    ) -> None:
        """Take a read-out into the meter's state (worked examples 9)."""
        if readout.pages and (meter.addressing is Addressing.PRIMARY or meter.is_vague):
            # A meter behind a primary address may be swapped for another (`SCAN-04`, `C-63`).
            self._learn(meter, readout)
            meter.published = None
        if readout.pages:
            meter.pages = readout.pages
            if readout.complete:
                meter.whole_pages = readout.pages
        before = meter.reading
        meter.reading = reading = next_reading(
            before,
            meter.keys,
            [bool(value.active) for value in meter.entry.values],
            readout,
            unix_time,
            show_timestamps=bool(configuration.muc_showtimestampentries),
        )
        if meter.published is not None:
            same = reading.values is before.values
            values = meter.published.values if same else _published_values(meter)
            meter.published = meter.published.with_reading(reading.time, reading.flags, values)

    # --- Registers ----------------------------------------------------------------------------

    def allocate_new(self, layout: Layout) -> list[str]:
        """Give registers to the meters that have none, in the lowest gaps; the others stay.

        After a scan with ALLOC (`C-20`) a master still finds the known meters where they were
        (`SCAN-02`). Tells what did not fit.
        """
        given = self._registers()
        new = [
            number
            for number, registers in enumerate(given)
            if not registers.meter or (registers.values and not any(registers.values))
        ]
        for number in new:
            given = allocation.allocate_one(given, number, layout)
        return self._place(given, layout, new)

    def give_units(self, layout: Layout) -> bool:
        """Give unit identifiers where the layout wants them and the file has none (`C-11`)."""
        given = self._registers()
        self._place(given, layout, ())
        return self._registers() != given

    def _registers(self) -> list[Registers]:
        return [registers_of(meter.entry) for meter in self.meters]

    def _place(self, given: list[Registers], layout: Layout, wanted: Collection[int]) -> list[str]:
        """Write the registers into the list; tells which of the `wanted` meters got none."""
        if layout.multi_slave:
            given = allocation.give_slave_addresses(given, layout)
        for meter, registers in zip(self.meters, given, strict=True):
            if registers == registers_of(meter.entry):
                continue
            meter.entry.register = registers.meter
            meter.entry.slaveaddress = registers.slave_address
            for value, register in zip(meter.entry.values, registers.values, strict=True):
                value.register = register
            meter.published = None
        return [
            f"meter {self.meters[place.meter].identification_number}"
            + ("" if place.value is None else f", value {place.value + 1}")
            + f": {allocation.NOTHING_LEFT}"
            for place in allocation.unplaced(given)
            if place.meter in wanted
        ]

    def published(self) -> list[MeterEntry]:
        """What the register image is built from; an unchanged meter stays the same object."""
        entries = []
        for meter in self.meters:
            entry = meter.published
            if entry is None:
                entry = meter.published = _publish(meter)
            entries.append(entry)
        return entries


@lru_cache(maxsize=ADDRESSES_REMEMBERED_MAX)
def _address(
    serial: str, manufacturer: str | None, version: int | None, medium: int | None
) -> SecondaryAddress:
    return SecondaryAddress(
        serial,
        0xFFFF if manufacturer is None else manufacturer_code(manufacturer),
        0xFF if version is None else version,
        0xFF if medium is None else medium,
    )


def _is_listed_as(found: Found, meter: ListedMeter) -> bool:
    """Whether `meter` is the entry of `found`.

    Behind a primary address the meter may be another one by now (`SCAN-04`), so two entries that
    are both called by it are told apart by it alone. Otherwise the secondary address decides; what
    the list does not know of it matches anything, and bit 15 of the manufacturer, which three
    letters cannot hold, does not count.
    """
    if found.addressing is Addressing.PRIMARY and meter.addressing is Addressing.PRIMARY:
        return found.primary_address == meter.primary_address
    if meter.entry.serial == SERIAL_NOT_SET:
        return False
    address = replace(found.address, manufacturer=found.address.manufacturer & LETTER_BITS)
    return meter.address.to_mask().contains(address)


def contains_address(listed: Meter, entry: Meter) -> bool:
    """Whether `listed` already calls the meter that `entry` would call (`C-66`)."""
    if listed.addressmode and entry.addressmode:
        return listed.primaryaddress == entry.primaryaddress
    return listed.serial == entry.serial != SERIAL_NOT_SET


def _calling(entry: Meter) -> tuple[object, ...]:
    """What decides which meter is read."""
    if entry.addressmode:
        return (entry.primaryaddress,)
    return (entry.serial, entry.manufacturer, entry.version, entry.medium)


def registers_of(entry: Meter) -> Registers:
    """The stored addresses of a meter and its values."""
    return Registers(
        entry.register, tuple(value.register for value in entry.values), entry.slaveaddress
    )


def _publish(meter: ListedMeter) -> MeterEntry:
    entry, reading, address = meter.entry, meter.reading, meter.address
    return MeterEntry(
        register=entry.register,
        serial=_serial_register(entry.serial),
        manufacturer=address.manufacturer if entry.manufacturer is not None else 0,
        version=address.version if entry.version is not None else 0,
        medium=address.medium if entry.medium is not None else 0,
        time=reading.time,
        flags=reading.flags,
        values=_published_values(meter),
        slave_address=entry.slaveaddress,
        active=bool(entry.active),
    )


def _published_values(meter: ListedMeter) -> tuple[ValueEntry, ...]:
    return tuple(
        [
            ValueEntry(
                value.register, seen.integer, seen.scale, seen.unit, seen.time, bool(value.active)
            )
            for value, seen in zip(meter.entry.values, meter.reading.values, strict=True)
        ]
    )


def _serial_register(identification_number: str) -> int:
    """The decimal number of the eight digits; 0 where they are not all decimal (`C-15`)."""
    return int(identification_number) if identification_number.isdecimal() else 0


def _value(record: DataRecord) -> Value:
    """The list entry of a record (manual 9.4)."""
    return Value(
        description=record.value_type.label,
        unit=record.unit.symbol,
        encodetype=_encodetype(record),
        scale=record.scale,
        valuetype=VALUE_TYPES.get(record.function, "instantaneous"),
        storagenum=record.storage_number,
        tariff=record.tariff,
    )


def _encodetype(record: DataRecord) -> str:
    """The coding of a value in the words of the list file, after its example INT32 (manual 9.4)."""
    form, size = record.coding.form, record.coding.size
    if form in _SIZED_FORMS:
        return f"{_SIZED_FORMS[form]}{size * _DIGITS_PER_BYTE.get(form, 8)}"
    return _FORMS[form]


def _unread(entry: Meter) -> tuple[ValueReading, ...]:
    """Readings before the first: zero, but unit and scale from the list (worked examples 9)."""
    return tuple(
        ValueReading(scale=value.scale, unit=_UNITS.get(value.unit, 0)) for value in entry.values
    )
