"""Which entries get the registers that they ask for: one survey for image and duplicate check.

The image serves and the Save check refuses by the same rules (REG-00, MET-13, C-10, C-11, C-67):
an address must be valid in the layout, so behind registers 0-9, and clear of every entry before it
in list order. A file may still hold a conflict; then the first entry in list order is served.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from gateway.registers.layout import ENTRY_REGISTERS, REGISTER_COUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.registers.layout import Layout

#: Unit identifiers that a meter may have in the multi-slave layout (C-11).
SLAVE_ADDRESS_MIN: Final = 1
SLAVE_ADDRESS_MAX: Final = 247

_ONES: Final = {count: b"\x01" * count for count in (2, ENTRY_REGISTERS)}


@dataclass(frozen=True, slots=True)
class Registers:
    """Stored addresses of a meter and of its values, 0 = not allocated (MET-14)."""

    meter: int
    values: tuple[int, ...] = ()
    slave_address: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """An entry by position: meter number in list order, value number or None for the meter."""

    meter: int
    value: int | None = None


@unique
class Cause(Enum):
    """Why an entry is not served at the address that it asks for."""

    INVALID = "not a valid register address in this layout"
    OVERLAP = "its registers overlap those of another entry"
    BELOW_METER = "lies below its meter, so its unit identifier cannot show it"
    SLAVE_ADDRESS = "unit identifier missing, out of range, taken or equal to MODBUS_ADDRESS"


@dataclass(frozen=True, slots=True)
class Conflict:
    """One entry that is not served, and the entry that is in its way (None: not an entry)."""

    place: Place
    register: int
    cause: Cause
    other: Place | None = None


@dataclass(slots=True)
class Survey:
    """What came of a list: `held[m][0]` is meter m, `held[m][1 + v]` its value v."""

    held: list[tuple[bool, ...]]
    conflicts: list[Conflict]


def survey(meters: Sequence[Registers], layout: Layout) -> Survey:
    """Give out the registers in list order, meter before its values.

    Entries that are not allocated are neither held nor in conflict. Inactive entries hold their
    extent like all others (C-53).
    """
    return _Surveyor(meters, layout).run()


class _Surveyor:
    """The state of one survey: what is taken, and what came of it."""

    def __init__(self, meters: Sequence[Registers], layout: Layout) -> None:
        self.meters = meters
        self.layout = layout
        self.taken = bytearray(REGISTER_COUNT)
        self.owners: dict[int, Place] = {}
        self.units: dict[int, int] = {}
        self.result = Survey([], [])

    def run(self) -> Survey:
        for number, registers in enumerate(self.meters):
            serves_unit = not self.layout.multi_slave or self._unit_given(number, registers)
            held = [self._placed(Place(number), registers.meter)]
            for value, register in enumerate(registers.values):
                place = Place(number, value)
                held.append(self._above_meter(place, registers) and self._placed(place, register))
            self.result.held.append(tuple(h and serves_unit for h in held))
        return self.result

    def _placed(self, place: Place, register: int) -> bool:
        """Take the registers of an entry if they are valid and free."""
        if register == 0:
            return False
        is_value = place.value is not None
        if not self.layout.is_valid(register, value=is_value):
            return self._refused(place, register, Cause.INVALID)
        count = self.layout.registers_of(value=is_value)
        taken_at = self.taken.find(1, register, register + count)
        if taken_at >= 0:
            return self._refused(place, register, Cause.OVERLAP, self._owner(taken_at))
        self.taken[register : register + count] = _ONES[count]
        self.owners[register] = place
        return True

    def _unit_given(self, number: int, registers: Registers) -> bool:
        """Whether a meter gets the unit identifier that it asks for (C-11)."""
        if registers.meter == 0:
            return False
        unit = registers.slave_address
        in_range = SLAVE_ADDRESS_MIN <= unit <= SLAVE_ADDRESS_MAX
        if not in_range or unit == self.layout.modbus_address or unit in self.units:
            other = self.units.get(unit)
            place = None if other is None else Place(other)
            return self._refused(Place(number), registers.meter, Cause.SLAVE_ADDRESS, place)
        self.units[unit] = number
        return True

    def _above_meter(self, place: Place, registers: Registers) -> bool:
        """In the multi-slave layout a value counts from its meter, so it must lie above it."""
        assert place.value is not None
        register = registers.values[place.value]
        if not self.layout.multi_slave or register == 0 or register > registers.meter:
            return True
        return self._refused(place, register, Cause.BELOW_METER, Place(place.meter))

    def _owner(self, register: int) -> Place:
        """The entry that holds `register`: extents never overlap, so the nearest start below."""
        while register not in self.owners:
            register -= 1
        return self.owners[register]

    def _refused(
        self, place: Place, register: int, cause: Cause, other: Place | None = None
    ) -> bool:
        self.result.conflicts.append(Conflict(place, register, cause, other))
        return False
