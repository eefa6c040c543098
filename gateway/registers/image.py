"""The register image: an immutable snapshot of everything that the Modbus server can read.

A read is a slice of bytes that never change, so no answer mixes two readings of one meter (C-12,
C-13); a new reading makes a new image and one attribute store shows it. `build` takes the image
before it, and then encodes only the meters that are new objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.registers import dummy
from gateway.registers.blocks import gateway_block, meter_block, value_block
from gateway.registers.layout import ENTRY_REGISTERS, REGISTER_COUNT, STANDARD
from gateway.registers.placement import Registers, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.registers.entries import GatewayEntry, MeterEntry
    from gateway.registers.layout import Layout

#: Registers that one FC 03 request can ask for (MODBUS-APS 6.3).
QUANTITY_MAX: Final = 125
#: Unit identifiers that always mean the gateway itself (C-11, C-38).
GATEWAY_UNITS: Final = (0, 255)

_UNIT_COUNT: Final = 256
_PADDING: Final = bytes(2 * QUANTITY_MAX)

#: Registers in a row: the address of the first, and their bytes.
_Run = tuple[int, bytes]
#: What decides which entries are served where; equal shapes need no new survey.
_Shape = tuple[int, int, bool, tuple[tuple[int, bool], ...]]


class UnmappedAddress(LookupError):  # noqa: N818 - a condition of Modbus, by its own name
    """A read that touches no mapped register, or none that this unit identifier shows."""


@dataclass(frozen=True, slots=True)
class _Bank:
    """What one unit identifier shows.

    `mapped` has one byte per register, 1 where an entry is; `data` has two, and zeros behind the
    end as far as a read may reach, so that every legal read is one slice.
    """

    data: bytes
    mapped: bytes


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the next build takes over where it still holds, a row per meter.

    `runs` are kept up to date in the multi-slave layout only; in the others the bank has it all.
    """

    shapes: tuple[_Shape, ...]
    held: tuple[tuple[bool, ...], ...]
    runs: tuple[tuple[_Run, ...], ...]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class RegisterImage:
    """Registers as the Modbus clients see them; made by `build`, never changed.

    `gateway`, `meters` and `layout` are what it was built from; `banks` has what each of the 256
    unit identifiers shows.
    """

    gateway: GatewayEntry
    meters: tuple[MeterEntry, ...]
    layout: Layout
    banks: tuple[_Bank | None, ...]
    plan: _Plan

    def serves(self, unit_identifier: int) -> bool:
        """Whether somebody answers at this unit identifier; if not, exception 0B (C-11, C-38)."""
        return self.banks[unit_identifier] is not None

    def read(self, unit_identifier: int, starting_address: int, quantity: int) -> bytes:
        """The bytes of `quantity` (1..125) registers, big endian (MOD-06).

        Gaps inside a range that touches a mapped register read 0. Raises `UnmappedAddress` where
        nothing mapped is touched or the range passes register 65535 (C-12).
        """
        bank = self.banks[unit_identifier]
        end = starting_address + quantity
        if bank is None or end > REGISTER_COUNT or bank.mapped.find(1, starting_address, end) < 0:
            raise UnmappedAddress(
                f"unit {unit_identifier}: no entry in registers {starting_address}..{end - 1}"
            )
        return bank.data[2 * starting_address : 2 * end]

    def units(self) -> list[int]:
        """Unit identifiers that are served, ascending."""
        return [unit for unit in range(_UNIT_COUNT) if self.banks[unit] is not None]

    def register_count(self, unit_identifier: int) -> int:
        """One more than the highest mapped register of a unit; 0 where nobody answers."""
        bank = self.banks[unit_identifier]
        return 0 if bank is None else len(bank.mapped)


def build(
    gateway: GatewayEntry,
    meters: Iterable[MeterEntry],
    *,
    layout: Layout = STANDARD,
    previous: RegisterImage | None = None,
) -> RegisterImage:
    """The image of `gateway` and `meters` in `layout`.

    With `previous` the blocks of every meter that is the same object are taken over; the result is
    the same. Entries with a conflict are not served (see `placement.survey`); inactive meters and
    values are unmapped (C-53). The dummy layout replaces the entries given (C-57). ValueError
    names an entry whose serial, code, scale, unit or flags no register can hold.
    """
    if layout.dummy:
        gateway, meters = dummy.GATEWAY, dummy.METERS
    meters = tuple(meters)
    if previous is not None and previous.layout == layout:
        changed = _changed(meters, previous)
        if changed is not None:
            return _patched(previous, gateway, meters, changed)
    shapes = tuple(map(_shape, meters))
    held = tuple(survey([_registers(meter) for meter in meters], layout).held)
    runs = tuple(_runs(meter, mask, layout) for meter, mask in zip(meters, held, strict=True))
    head = gateway_block(gateway, layout)
    if layout.multi_slave:
        banks = _slave_banks(head, meters, runs, layout)
    else:
        banks = _shared_banks(_bank(head, [run for group in runs for run in group]), layout)
    return RegisterImage(gateway, meters, layout, banks, _Plan(shapes, held, runs))


def _registers(meter: MeterEntry) -> Registers:
    return Registers(
        meter.register, tuple(value.register for value in meter.values), meter.slave_address
    )


def _changed(meters: tuple[MeterEntry, ...], previous: RegisterImage) -> list[int] | None:
    """The meters that are new objects; None where one of them is served elsewhere than before."""
    if len(meters) != len(previous.meters):
        return None
    pairs = enumerate(zip(meters, previous.meters, strict=True))
    changed = [number for number, (meter, known) in pairs if meter is not known]
    shapes, before = previous.plan.shapes, previous.meters
    for number in changed:
        meter, known = meters[number], before[number]
        same_values = meter.values is known.values
        same_place = (meter.register, meter.slave_address, meter.active) == shapes[number][:3]
        if not (same_values and same_place) and _shape(meter) != shapes[number]:
            return None
    return changed


def _shape(meter: MeterEntry) -> _Shape:
    values = tuple([(value.register, value.active) for value in meter.values])
    return meter.register, meter.slave_address, meter.active, values


def _runs(meter: MeterEntry, held: tuple[bool, ...], layout: Layout) -> tuple[_Run, ...]:
    """The served registers of one meter and its values, neighbours joined, at stored addresses."""
    if not meter.active:
        return ()
    blocks: list[_Run] = []
    if held[0]:
        blocks.append((meter.register, meter_block(meter, layout)))
    for value, is_held in zip(meter.values, held[1:], strict=True):
        if is_held and value.active:
            blocks.append((value.register, value_block(value, layout)))
    runs: list[tuple[int, list[bytes]]] = []
    expected = -1
    for register, block in blocks:
        if register == expected:
            runs[-1][1].append(block)
        else:
            runs.append((register, [block]))
        expected = register + len(block) // 2
    return tuple((register, b"".join(parts)) for register, parts in runs)


def _bank(head: bytes, runs: Sequence[_Run]) -> _Bank:
    """The registers of one unit: the gateway's block and the runs, which never overlap."""
    everything = [(0, head), *runs]
    end = max(start + len(data) // 2 for start, data in everything)
    registers = bytearray(2 * end)
    mapped = bytearray(end)
    for start, data in everything:
        registers[2 * start : 2 * start + len(data)] = data
        mapped[start : start + len(data) // 2] = b"\x01" * (len(data) // 2)
    return _Bank(bytes(registers) + _PADDING, bytes(mapped))


def _shared_banks(bank: _Bank, layout: Layout) -> tuple[_Bank | None, ...]:
    """One bank for every unit identifier, or for MODBUS_ADDRESS, 0 and 255 only (C-38)."""
    if layout.modbus_address == 0:
        return (bank,) * _UNIT_COUNT
    banks: list[_Bank | None] = [None] * _UNIT_COUNT
    for unit in (*GATEWAY_UNITS, layout.modbus_address):
        banks[unit] = bank
    return tuple(banks)


def _slave_banks(
    head: bytes,
    meters: tuple[MeterEntry, ...],
    runs: tuple[tuple[_Run, ...], ...],
    layout: Layout,
) -> tuple[_Bank | None, ...]:
    """A bank per meter behind the gateway's block, which stands alone in its own units (C-11)."""
    banks: list[_Bank | None] = [None] * _UNIT_COUNT
    for unit in (*GATEWAY_UNITS, layout.modbus_address):
        banks[unit] = _bank(head, ())
    for meter, group in zip(meters, runs, strict=True):
        if group:
            banks[meter.slave_address] = _slave_bank(head, meter, group)
    return tuple(banks)


def _slave_bank(head: bytes, meter: MeterEntry, runs: tuple[_Run, ...]) -> _Bank:
    """Registers of a meter counted from its own: its entry begins at 10 in its unit (C-11)."""
    shift = ENTRY_REGISTERS - meter.register
    return _bank(head, [(start + shift, data) for start, data in runs])


def _patched(
    previous: RegisterImage,
    gateway: GatewayEntry,
    meters: tuple[MeterEntry, ...],
    changed: list[int],
) -> RegisterImage:
    """The next image of the same shape: only what changed is encoded and copied in."""
    layout, plan = previous.layout, previous.plan
    head = gateway_block(gateway, layout)
    if not layout.multi_slave:
        news = [(0, head)]
        for number in changed:
            news += _news(meters[number], previous.meters[number], plan.held[number], layout)
        banks = _shared_banks(_overwritten(previous.banks[0], news), layout)
        return RegisterImage(gateway, meters, layout, banks, plan)
    runs = list(plan.runs)
    for number in changed:
        runs[number] = _runs(meters[number], plan.held[number], layout)
    plan = _Plan(plan.shapes, plan.held, tuple(runs))
    if gateway != previous.gateway:
        banks = _slave_banks(head, meters, plan.runs, layout)
    else:
        slaves = list(previous.banks)
        for number in changed:
            if runs[number]:
                slave = _slave_bank(head, meters[number], runs[number])
                slaves[meters[number].slave_address] = slave
        banks = tuple(slaves)
    return RegisterImage(gateway, meters, layout, banks, plan)


def _news(
    meter: MeterEntry, known: MeterEntry, held: tuple[bool, ...], layout: Layout
) -> list[_Run]:
    """The served registers of one meter that say something else than those of `known`."""
    if not meter.active:
        return []
    news = [(meter.register, meter_block(meter, layout))] if held[0] else []
    if meter.values is not known.values:
        news += [
            (value.register, value_block(value, layout))
            for value, before, is_held in zip(meter.values, known.values, held[1:], strict=True)
            if is_held and value.active and value != before
        ]
    return news


def _overwritten(bank: _Bank | None, runs: Sequence[_Run]) -> _Bank:
    """A copy of a bank with some of its mapped registers replaced."""
    assert bank is not None, "unit 0 is always served"
    registers = bytearray(bank.data)
    for start, data in runs:
        registers[2 * start : 2 * start + len(data)] = data
    return _Bank(bytes(registers), bank.mapped)
