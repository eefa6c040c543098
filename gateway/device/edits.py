"""What a page has changed and not yet saved: the rows with an E, the fields beside the files.

Edits lie over the list and the settings in force, so a scan or a read-out that goes on underneath
is never undone by them. `MeterBook` and `Configuration` learn of them at Save (`C-51`); Reload
forgets them. What the page refuses is an `EditError` that says what was expected.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from gateway.device.book import ListedMeter, contains_address, registers_of
from gateway.device.complaint import SECRET, quoted
from gateway.device.elements import (
    METER_ELEMENTS,
    USER_LABEL_MAX,
    VALUE_ELEMENTS,
    Element,
    ElementError,
)
from gateway.device.keys import Key, Tab, find_key
from gateway.device.kinds import KindError
from gateway.device.meter_list import METERS_MAX, Meter, Value
from gateway.mbus.frames import ADDRESS_MAX
from gateway.registers import allocation
from gateway.registers.layout import ENTRY_REGISTERS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gateway.device.book import MeterBook
    from gateway.registers.layout import Layout
    from gateway.registers.placement import Place, Registers

#: What a user label may hold beside letters A-Z, a-z and digits (`MET-12`, `C-27`).
LABEL_MARKS: Final = " !$%&/()=?+,.*-_:"
#: Meters that one Add may create: as many as there are primary addresses.
ADD_MAX: Final = ADDRESS_MAX
SERIAL_DIGITS: Final = 8
_SERIAL_MAX: Final = 10**SERIAL_DIGITS - 1
_REGISTER_MAX: Final = 0xFFFF
#: Elements whose columns of the Meter tab are shown only (`MET-01`, manual 4.3).
METER_SHOWN_ONLY: Final = frozenset(
    {"interface", "serial", "manufacturer", "medium", "version", "primaryaddress"}
)
VALUE_SHOWN_ONLY: Final = frozenset({"scale", "unit", "description"})


class EditError(ValueError):
    """A change that the page refuses; nothing has been changed."""


@dataclass(slots=True)
class MeterEdit:
    """New values of one meter by attribute, and of its values by position."""

    fields: dict[str, Any] = field(default_factory=dict)
    values: dict[int, dict[str, Any]] = field(default_factory=dict)
    deleted: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is changed."""
        return not (self.fields or self.values or self.deleted)


@dataclass(frozen=True, slots=True)
class EditedMeter:
    """A meter as the page shows it: the entry with its edits, and which rows they touched."""

    meter: ListedMeter
    entry: Meter
    is_edited: bool
    edited_values: frozenset[int]


class Edits:
    """The unsaved changes of the one session that may write (`WEB-05`)."""

    def __init__(self, book: MeterBook) -> None:
        self._book = book
        self._meters: dict[ListedMeter, MeterEdit] = {}
        self._added: list[ListedMeter] = []
        self.settings: dict[str, Any] = {}

    # --- What there is ------------------------------------------------------------------------

    def rows(self) -> list[EditedMeter]:
        """The list as it would be after a Save."""
        rows = []
        for meter in self._book.meters:
            edit = self._meters.get(meter)
            if edit is None:
                rows.append(EditedMeter(meter, meter.entry, is_edited=False, edited_values=_NONE))
            elif not edit.deleted:
                touched = frozenset(edit.values)
                entry = merged(meter.entry, edit)
                rows.append(EditedMeter(meter, entry, bool(edit.fields), touched))
        rows += [
            EditedMeter(meter, meter.entry, is_edited=True, edited_values=_NONE)
            for meter in self._added
        ]
        return rows

    def entries(self) -> list[Meter]:
        """The entries as they would be after a Save."""
        return [row.entry for row in self.rows()]

    def tabs(self) -> set[Tab]:
        """The pages with unsaved changes."""
        tabs = {find_key(attribute).tab for attribute in self.settings}
        if self._added or any(not edit.is_empty for edit in self._meters.values()):
            tabs.add(Tab.METER)
        return tabs

    def discard(self, tabs: Collection[Tab]) -> None:
        """Forget the changes of some pages: Reload, or what has been saved."""
        for attribute in [name for name in self.settings if find_key(name).tab in tabs]:
            del self.settings[attribute]
        if Tab.METER in tabs:
            self._meters.clear()
            self._added.clear()

    # --- Settings -----------------------------------------------------------------------------

    def set_key(self, name: str, text: str) -> Key:
        """Change a key of chip.ini, named as in the file ("MBUS_TIMEOUT", "FTP.ENABLE").

        Raises `EditError` for a key that there is not, or a value that it does not take.
        """
        try:
            key = find_key(name)
        except KeyError:
            raise EditError(f"chip.ini has no key {quoted(name)}") from None
        try:
            value = (
                None if text == "" and key.default is None else key.kind.parse(_filled(key, text))
            )
        except KindError as error:
            got = SECRET if key.secret else quoted(text)
            raise EditError(f"{key.place}: expected {error}, got {got}") from None
        self.settings[key.attribute] = value
        return key

    # --- The list -----------------------------------------------------------------------------

    def set_meter(self, meter: ListedMeter, name: str, text: str) -> None:
        """Change an element of a meter, named and written as in Device_Handle.cfg.

        What its column only shows is refused: a file may set it, a page may not. `active` takes
        the values along (`MET-07`); an empty `readoutcycle` is the general one.
        """
        _need_writable(METER_SHOWN_ONLY, name)
        value = _parsed(METER_ELEMENTS, name, text)
        if name == "active":
            self.set_active(meter, on=bool(value))
        else:
            self._change(meter, _attribute(METER_ELEMENTS, name), value)

    def set_value(self, meter: ListedMeter, number: int, name: str, text: str) -> None:
        """Change an element of the value at position `number` (from 0) of a meter."""
        _need_writable(VALUE_SHOWN_ONLY, name)
        value = _parsed(VALUE_ELEMENTS, name, text)
        self._need_value(meter, number)
        if name == "active":
            self.set_value_active(meter, number, on=bool(value))
        else:
            self._change_value(meter, number, _attribute(VALUE_ELEMENTS, name), value)

    def set_active(self, meter: ListedMeter, *, on: bool) -> None:
        """Activate or deactivate a meter with all its values (`MET-07`)."""
        self._change(meter, "active", int(on))
        for number in range(len(meter.entry.values)):
            self._change_value(meter, number, "active", int(on))

    def set_value_active(self, meter: ListedMeter, number: int, *, on: bool) -> None:
        """Activate or deactivate one value; an inactive meter becomes active with it (`MET-07`)."""
        self._need_value(meter, number)
        self._change_value(meter, number, "active", int(on))
        if on:
            self._change(meter, "active", 1)

    def delete(self, meter: ListedMeter, number: int | None = None) -> None:
        """Take a meter with its values off the list.

        A value, named by its position, is refused: single values cannot go (`MET-03`).
        """
        if number is not None:
            raise EditError(
                f"value {number + 1} of {name_of(meter.entry)}: single values cannot be deleted"
            )
        if meter in self._added:
            self._added.remove(meter)
        else:
            self._edit(meter).deleted = True

    def add(
        self,
        serial: str,
        *,
        link: int = 0,
        cycle: int = 0,
        label: str = "",
        register: int = 0,
        count: int = 1,
    ) -> list[ListedMeter]:
        """List meters by hand (`MET-16`, `C-66`).

        With a `link` (1-250) they are called by primary address, else by `serial`, 8 digits, with
        manufacturer, version and medium wild until the first read-out tells. `count` meters count
        serial, link and register (by 10) up. Raises `EditError` and adds none where one of them
        cannot be.
        """
        _check_add(serial, link, register, count)
        template = Meter(
            readoutcycle=_parsed(METER_ELEMENTS, "readoutcycle", str(cycle)),
            user=_parsed(METER_ELEMENTS, "user", label),
            addressmode=int(link > 0),
        )
        known = self.entries()
        if len(known) + count > METERS_MAX:
            raise EditError(f"expected at most {METERS_MAX} meters in the list")
        new = []
        for number in range(count):
            entry = replace(
                template,
                serial=f"{int(serial) + number:0{SERIAL_DIGITS}}",
                primaryaddress=link + number if link else 0,
                register=register + number * ENTRY_REGISTERS if register else 0,
                values=[],
                kept=[],
            )
            twin = next((other for other in known if contains_address(other, entry)), None)
            if twin is not None:
                raise EditError(f"{name_of(entry)} is in the list already, as {name_of(twin)}")
            new.append(entry)
        meters = [self._book.make(entry) for entry in new]
        self._added += meters
        return meters

    # --- Registers ----------------------------------------------------------------------------

    def allocate(self, layout: Layout, meter: ListedMeter | None = None) -> list[str]:
        """Give registers to every entry from 10 on, or to one meter in the lowest gap (`C-67`).

        Returns what did not fit, in words.
        """
        rows = self.rows()
        given = [registers_of(row.entry) for row in rows]
        wanted = range(len(rows))
        if meter is None:
            given = allocation.allocate(given, layout)
        else:
            number = _position(rows, meter)
            given = allocation.allocate_one(given, number, layout)
            wanted = range(number, number + 1)
        self._place(rows, given)
        return [
            f"{_entry_name(rows, place)}: {allocation.NOTHING_LEFT}"
            for place in allocation.unplaced(given)
            if place.meter in wanted
        ]

    def deallocate(self, meter: ListedMeter | None = None) -> None:
        """Take the registers of every entry, or of one meter and its values, back (`C-67`)."""
        rows = self.rows()
        given = [registers_of(row.entry) for row in rows]
        if meter is None:
            given = allocation.deallocate(given)
        else:
            given = allocation.deallocate_one(given, _position(rows, meter))
        self._place(rows, given)

    def give_units(self, layout: Layout) -> None:
        """Give unit identifiers to the meters that need one in this layout (`C-11`)."""
        rows = self.rows()
        given = [registers_of(row.entry) for row in rows]
        self._place(rows, allocation.give_slave_addresses(given, layout))

    def conflicts(self, layout: Layout) -> list[str]:
        """Why a Save is refused: addresses that two entries claim, or that cannot be (`MET-13`)."""
        rows = self.rows()
        texts = []
        for conflict in allocation.overlaps([registers_of(row.entry) for row in rows], layout):
            text = f"{_entry_name(rows, conflict.place)}, register {conflict.register}: "
            text += conflict.cause.value
            if conflict.other is not None:
                text += f" ({_entry_name(rows, conflict.other)})"
            texts.append(text)
        listed = self._book.entries()
        for meter in self._added:
            # A scan may have found meanwhile what somebody was adding by hand.
            twin = next((e for e in listed if contains_address(e, meter.entry)), None)
            if twin is not None and not self._is_deleted(twin):
                texts.append(f"{name_of(meter.entry)} is in the list already, as {name_of(twin)}")
        return texts

    def _is_deleted(self, entry: Meter) -> bool:
        return any(edit.deleted for meter, edit in self._meters.items() if meter.entry is entry)

    def _place(self, rows: Sequence[EditedMeter], given: Sequence[Registers]) -> None:
        for row, registers in zip(rows, given, strict=True):
            if registers == registers_of(row.entry):
                continue
            self._change(row.meter, "register", registers.meter)
            self._change(row.meter, "slaveaddress", registers.slave_address)
            for number, register in enumerate(registers.values):
                self._change_value(row.meter, number, "register", register)

    # --- Save ---------------------------------------------------------------------------------

    def commit(self, now: int, general_cycle_s: int) -> None:
        """Bring the edits of the list into it, and forget them."""
        for meter, edit in self._meters.items():
            if edit.deleted:
                self._book.remove(meter)
            elif not edit.is_empty:
                self._book.change(meter, merged(meter.entry, edit), now, general_cycle_s)
        for meter in self._added:
            self._book.add(meter, now)
        self.discard({Tab.METER})

    # --- Inside -------------------------------------------------------------------------------

    def _edit(self, meter: ListedMeter) -> MeterEdit:
        return self._meters.setdefault(meter, MeterEdit())

    def _change(self, meter: ListedMeter, attribute: str, value: Any) -> None:
        if meter in self._added:
            setattr(meter.entry, attribute, value)
        else:
            _put(self._edit(meter).fields, meter.entry, attribute, value)

    def _change_value(self, meter: ListedMeter, number: int, attribute: str, value: Any) -> None:
        values = self._edit(meter).values
        changed = values.setdefault(number, {})
        _put(changed, meter.entry.values[number], attribute, value)
        if not changed:
            del values[number]

    def _need_value(self, meter: ListedMeter, number: int) -> None:
        count = len(meter.entry.values)
        if not 0 <= number < count:
            raise EditError(f"{name_of(meter.entry)} has {count} values, not one at {number}")


_NONE: Final[frozenset[int]] = frozenset()


def merged(entry: Meter, edit: MeterEdit) -> Meter:
    """A copy of `entry` with the edits in it."""
    values = [
        replace(value, kept=list(value.kept), **edit.values.get(number, {}))
        for number, value in enumerate(entry.values)
    ]
    return replace(entry, values=values, kept=list(entry.kept), **edit.fields)


def name_of(entry: Meter) -> str:
    """A meter as messages call it."""
    return f"meter {entry.serial}" + (
        f" (link {entry.primaryaddress})" if entry.addressmode else ""
    )


def check_label(text: str) -> str:
    """A user label of the page (`MET-12`, `C-27`); raises `EditError` naming the character."""
    if len(text) > USER_LABEL_MAX:
        raise EditError(
            f"user label: expected at most {USER_LABEL_MAX} characters, got {len(text)}"
        )
    for character in text:
        if not (character.isascii() and character.isalnum()) and character not in LABEL_MARKS:
            raise EditError(
                f"user label: expected A-Z, a-z, 0-9 and {LABEL_MARKS!r}, got {quoted(character)}"
            )
    return text


def _filled(key: Key, text: str) -> str:
    """The search mask of the page may be short: leading zeros are added (manual 4.4, `CFG-09`)."""
    return text.rjust(SERIAL_DIGITS, "0") if key.attribute == "mbus_secmaskserial" else text


def _put(changed: dict[str, Any], entry: Meter | Value, attribute: str, value: Any) -> None:
    """Note a change; what is as it was is no change."""
    if getattr(entry, attribute) == value:
        changed.pop(attribute, None)
    else:
        changed[attribute] = value


def _parsed(elements: dict[str, Element], name: str, text: str) -> Any:
    if name not in elements:
        raise EditError(f"expected one of {', '.join(elements)}, got {quoted(name)}")
    element = elements[name]
    if element.attribute == "user":
        return check_label(text)
    if text == "" and element.attribute in ("readoutcycle", "register"):
        return 0
    try:
        return element.parse(text)
    except ElementError as error:
        got = SECRET if element.secret else quoted(text)
        raise EditError(f"{name}: expected {error}, got {got}") from None


def _need_writable(shown_only: frozenset[str], name: str) -> None:
    if name in shown_only:
        raise EditError(f"{name} is shown only and cannot be changed here (manual 4.3)")


def _attribute(elements: dict[str, Element], name: str) -> str:
    return elements[name].attribute


def _check_add(serial: str, link: int, register: int, count: int) -> None:
    last = count - 1
    if len(serial) != SERIAL_DIGITS or not (serial.isascii() and serial.isdigit()):
        raise EditError(f"serial: expected {SERIAL_DIGITS} digits, got {quoted(serial)}")
    if not 1 <= count <= ADD_MAX:
        raise EditError(f"number of meters: expected 1 to {ADD_MAX}, got {count}")
    if int(serial) + last > _SERIAL_MAX:
        raise EditError(f"serial: expected {count} numbers of 8 digits from {serial} on")
    if not 0 <= link <= ADDRESS_MAX or (link and link + last > ADDRESS_MAX):
        raise EditError(f"link: expected 1 to {ADDRESS_MAX} for each meter, or none")
    if not 0 <= register <= _REGISTER_MAX - last * ENTRY_REGISTERS:
        raise EditError("register: expected an address below 65536 for each meter, or 0")


def _position(rows: Sequence[EditedMeter], meter: ListedMeter) -> int:
    return next(number for number, row in enumerate(rows) if row.meter is meter)


def _entry_name(rows: Sequence[EditedMeter], place: Place) -> str:
    name = name_of(rows[place.meter].entry)
    return name if place.value is None else f"{name} value {place.value + 1}"
