"""Register addresses for meters and values: Allocate, Deallocate and the duplicate check (C-67).

Works on stored addresses alone, for which `placement.Registers` stands; the meter list of the
device copies them in and out. Nothing is changed in place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.registers.layout import ENTRY_REGISTERS, REGISTER_COUNT
from gateway.registers.placement import (
    SLAVE_ADDRESS_MAX,
    SLAVE_ADDRESS_MIN,
    Cause,
    Conflict,
    Place,
    Registers,
    survey,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.registers.layout import Layout

__all__ = [
    "FIRST_REGISTER",
    "NOTHING_LEFT",
    "Cause",
    "Conflict",
    "Place",
    "Registers",
    "allocate",
    "allocate_one",
    "deallocate",
    "deallocate_one",
    "give_slave_addresses",
    "overlaps",
    "unplaced",
]

#: What is said of an entry that could not be placed (C-75).
NOTHING_LEFT: Final = (
    "no register left below 65536, or no unit identifier up to 247; the entry stays without"
)
#: Allocate begins behind the gateway's own block (MET-15).
FIRST_REGISTER: Final = ENTRY_REGISTERS


def allocate(meters: Sequence[Registers], layout: Layout) -> list[Registers]:
    """New addresses for the whole list: each meter, then its values, contiguous from 10 (MET-15).

    Inactive entries get theirs too. What no longer fits stays 0, from the first entry that does
    not fit to the end of the list (C-75); `unplaced` names them. In the multi-slave layout every
    meter with a register also gets a unit identifier.
    """
    result = []
    at = FIRST_REGISTER
    for meter in meters:
        placed, at = _contiguous(meter, at, layout)
        result.append(placed)
    given = give_slave_addresses(result, layout)
    return [_without_unit(meter, layout) for meter in given]


def allocate_one(meters: Sequence[Registers], number: int, layout: Layout) -> list[Registers]:
    """The list with meter `number` at the lowest gap that holds it and all its values.

    The other meters stay. Where no gap is long enough, the meter and its values stay 0 (C-75).
    """
    result = list(meters)
    group = result[number]
    result[number] = _deallocated(group)
    size = ENTRY_REGISTERS + len(group.values) * layout.value_registers
    start = _lowest_gap(result, size, layout)
    if start is None:
        return result
    placed, _ = _contiguous(group, start, layout)
    # A unit identifier that the meter already has stays with it.
    result[number] = replace(placed, slave_address=group.slave_address)
    result = give_slave_addresses(result, layout)
    result[number] = _without_unit(result[number], layout)
    return result


def deallocate(meters: Sequence[Registers]) -> list[Registers]:
    """Address 0 for everything; unit identifiers are given back (C-11)."""
    return [_deallocated(meter) for meter in meters]


def deallocate_one(meters: Sequence[Registers], number: int) -> list[Registers]:
    """The list with meter `number` and its values at address 0."""
    result = list(meters)
    result[number] = _deallocated(result[number])
    return result


def give_slave_addresses(meters: Sequence[Registers], layout: Layout) -> list[Registers]:
    """The lowest free unit identifier for every meter that has a register and none yet (C-11).

    In list order, 1..247, never MODBUS_ADDRESS. Other layouts give none and keep what there is. A
    meter for which none is left keeps 0 (C-75).
    """
    if not layout.multi_slave:
        return list(meters)
    taken = {meter.slave_address for meter in meters} | {layout.modbus_address}
    free = (u for u in range(SLAVE_ADDRESS_MIN, SLAVE_ADDRESS_MAX + 1) if u not in taken)
    return [
        replace(meter, slave_address=next(free, 0))
        if meter.meter and not meter.slave_address
        else meter
        for meter in meters
    ]


def overlaps(meters: Sequence[Registers], layout: Layout) -> list[Conflict]:
    """Every entry that could not be served as stored; a list with any refuses Save (MET-13)."""
    return survey(meters, layout).conflicts


def unplaced(meters: Sequence[Registers]) -> list[Place]:
    """The entries without an address, in list order."""
    places = []
    for number, meter in enumerate(meters):
        if meter.meter == 0:
            places.append(Place(number))
        places += [Place(number, v) for v, register in enumerate(meter.values) if register == 0]
    return places


def _without_unit(meter: Registers, layout: Layout) -> Registers:
    """Take back the registers of a meter for which no unit identifier is left (C-75)."""
    if layout.multi_slave and meter.meter and not meter.slave_address:
        return _deallocated(meter)
    return meter


def _contiguous(meter: Registers, at: int, layout: Layout) -> tuple[Registers, int]:
    """A meter at `at` with its values behind it, and the address behind the last.

    An address beyond the last valid one ends the allocation: nothing behind it gets one either.
    """
    addresses = []
    for position in range(1 + len(meter.values)):
        is_value = position > 0
        if at > layout.last_register(value=is_value):
            at = REGISTER_COUNT
            addresses.append(0)
        else:
            addresses.append(at)
            at += layout.registers_of(value=is_value)
    slave_address = meter.slave_address if layout.multi_slave else 0
    placed = Registers(addresses[0], tuple(addresses[1:]), slave_address if addresses[0] else 0)
    return placed, at


def _lowest_gap(meters: Sequence[Registers], size: int, layout: Layout) -> int | None:
    """The lowest valid address at which `size` registers in a row are free, or None."""
    extents = sorted(
        (register, register + layout.registers_of(value=position > 0))
        for meter in meters
        for position, register in enumerate((meter.meter, *meter.values))
        if register
    )
    start = FIRST_REGISTER
    for extent_start, extent_end in extents:
        if start + size <= extent_start:
            return start
        # The next multiple of the step at or behind the end of this extent.
        start = max(start, -(-extent_end // layout.step) * layout.step)
    return start if start + size <= REGISTER_COUNT else None


def _deallocated(meter: Registers) -> Registers:
    return Registers(0, (0,) * len(meter.values))
