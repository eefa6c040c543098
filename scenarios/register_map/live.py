"""The register map of a gateway on the network, found by reading it.

Every unit that serves something is surveyed once. A value's kind is not in the registers, so its
label stays empty; in the float-only layout there is neither unit nor scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from scenarios.checks import served_layout
from scenarios.checks.conformance.functions import agrees
from scenarios.checks.conformance.run import survey
from scenarios.register_map.model import (
    Order,
    RegisterMap,
    Row,
    Type,
    gateway_rows,
    meter_rows,
    value_rows,
)
from simulators.modbus import layout, tables
from simulators.modbus.pdu import ReadRequest, Registers, parse
from simulators.modbus.served import (
    FLOAT_LENGTH,
    SLAVE_UNITS,
    FloatEntry,
    ServedUnit,
    float_word_order,
    is_float_only,
    read_float_only,
    zeros,
)
from simulators.modbus.word_order import WordOrder, restored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulators.modbus.survey import Survey
    from simulators.modbus.wire import Prober

#: Units in a row that say nothing at all before the search for units is given up.
SILENT_UNITS_MAX: Final = 3
#: The gateway's own registers, behind which a meter of a unit begins (C-11).
_HEAD: Final = layout.BLOCK_LENGTH


@dataclass(frozen=True, slots=True)
class Served:
    """Everything that was found; entries stand in the order of registers in which they came."""

    units: tuple[ServedUnit, ...]
    float_only: bool
    multi_slave: bool
    word_order: WordOrder
    is_gateway: bool
    #: Whether an integer other than 0 was seen, which alone tells the two swaps apart.
    has_integers: bool = True

    @property
    def blocks(self) -> tuple[layout.Block, ...]:
        """The entries of all units in the manual's order of registers, without the floats."""
        numbers = range(len(self.units))
        return tuple(block for number in numbers for block in self.unit_blocks(number))

    def unit_blocks(self, number: int) -> list[layout.Block]:
        """The entries of one unit, as in `blocks`."""
        return restored(_blocks(self.units[number]), self.word_order)

    @property
    def floats(self) -> tuple[MeterFloats, ...]:
        """The meters of a float-only layout with their values."""
        return tuple(found for unit in self.units for found in _floats(unit, self.word_order))

    @property
    def name(self) -> str:
        """The layout in words."""
        if not self.is_gateway:
            return "not a layout of this gateway"
        parts = ["float-only" if self.float_only else "standard"]
        if self.multi_slave:
            parts.append("multi-slave")
        return ", ".join([*parts, self.word_order.value])


@dataclass(frozen=True, slots=True)
class MeterFloats:
    """A meter of the float-only layout; `values` are address and float."""

    unit_identifier: int
    meter: layout.MeterBlock
    values: tuple[tuple[int, float], ...]


def _blocks(unit: ServedUnit) -> list[layout.Block]:
    return [entry for entry in unit.entries if not isinstance(entry, FloatEntry)]


def _floats(unit: ServedUnit, order: WordOrder) -> Iterator[MeterFloats]:
    meter: layout.MeterBlock | None = None
    values: list[tuple[int, float]] = []
    for entry in unit.entries:
        if isinstance(entry, FloatEntry):
            values.append((entry.address, entry.float_value(order)))
        elif isinstance(entry, layout.MeterBlock):
            if meter is not None:
                yield MeterFloats(unit.unit_identifier, meter, tuple(values))
            (restored_meter,) = restored([entry], order)
            assert isinstance(restored_meter, layout.MeterBlock)
            meter, values = restored_meter, []
    if meter is not None:
        yield MeterFloats(unit.unit_identifier, meter, tuple(values))


async def served(prober: Prober, first: Survey | None = None) -> Served:
    """Find out what is served; raises `conformance.UnreachableError` where nobody answers.

    `first` is a survey of the prober's own unit, if there was one already.
    """
    found = first if first is not None else await survey(prober)
    maps = {prober.unit_identifier: dict(found.registers)}
    own = maps[prober.unit_identifier]
    is_gateway = served_layout.is_standard(layout.read_mapped(own))
    multi_slave = False
    if is_gateway and max(own) < _HEAD:
        for unit in await _units(prober):
            maps[unit] = (await _survey_of(prober, unit)).registers
            multi_slave = True
    return await _read(prober, maps, multi_slave=multi_slave, is_gateway=is_gateway)


async def again(prober: Prober, before: Served) -> Served:
    """Look once more at the units that were found, in the layout that was found."""
    units = []
    for unit in before.units:
        registers = (await _survey_of(prober, unit.unit_identifier)).registers
        units.append(await _unit(prober, unit.unit_identifier, registers, before.float_only))
    return replace(before, units=tuple(units))


async def _read(
    prober: Prober, maps: Mapping[int, dict[int, int]], *, multi_slave: bool, is_gateway: bool
) -> Served:
    standard = {unit: layout.read_mapped(registers) for unit, registers in maps.items()}
    every = [block for blocks in standard.values() for block in blocks]
    order = served_layout.word_order(every)
    agreeing = sum(
        block.integer != 0 and agrees(block)
        for block in map(_as_value, restored(every, order))
        if block is not None
    )
    float_only = is_gateway and (
        is_float_only(maps.values(), agreeing, every)
        or (not agreeing and await _ends_inside_an_entry(prober, maps))
    )
    if not float_only:
        units = tuple(ServedUnit(unit, tuple(blocks)) for unit, blocks in standard.items())
        if not agreeing:
            # Nothing was read yet: numbers and times of the meters must do.
            order = float_word_order(units)
        return Served(units, float_only, multi_slave, order, is_gateway, bool(agreeing))
    found = [await _unit(prober, unit, registers, True) for unit, registers in maps.items()]
    return Served(tuple(found), float_only, multi_slave, float_word_order(found), is_gateway)


def _as_value(block: layout.Block) -> layout.ValueBlock | None:
    """A value entry, also one whose type is wrong; None for anything else."""
    if isinstance(block, layout.MalformedBlock) and len(block.registers) == layout.BLOCK_LENGTH:
        return layout.ValueBlock(block.address, block.registers)
    return block if isinstance(block, layout.ValueBlock) else None


async def _ends_inside_an_entry(prober: Prober, maps: Mapping[int, dict[int, int]]) -> bool:
    """Whether the last registers of a unit, zeros inside a longer read, are not mapped at all."""
    for unit, registers in maps.items():
        last = max(registers, default=0)
        if last <= _HEAD or registers[last] or registers.get(last - 1):
            continue
        if not await _is_mapped(prober, unit, last - 1, FLOAT_LENGTH):
            return True
    return False


async def _unit(
    prober: Prober, unit: int, registers: dict[int, int], float_only: bool
) -> ServedUnit:
    """The entries of one unit; zeros among floats are asked for by themselves."""
    if not float_only:
        return ServedUnit(unit, tuple(layout.read_mapped(registers)))
    for entry in list(zeros(read_float_only(registers))):
        if not await _is_mapped(prober, unit, entry.address, FLOAT_LENGTH):
            del registers[entry.address], registers[entry.address + 1]
    return ServedUnit(unit, read_float_only(registers))


async def _survey_of(prober: Prober, unit: int) -> Survey:
    before, prober.unit_identifier = prober.unit_identifier, unit
    try:
        return await survey(prober)
    finally:
        prober.unit_identifier = before


async def _units(prober: Prober) -> list[int]:
    """Units that serve a meter of their own."""
    found, silent = [], 0
    for unit in SLAVE_UNITS:
        answer = await _answer(prober, unit, _HEAD, layout.BLOCK_LENGTH)
        silent = silent + 1 if answer is None else 0
        if silent == SILENT_UNITS_MAX:
            break
        if answer:
            found.append(unit)
    return found


async def _is_mapped(prober: Prober, unit: int, address: int, quantity: int) -> bool:
    return bool(await _answer(prober, unit, address, quantity))


async def _answer(prober: Prober, unit: int, address: int, quantity: int) -> bool | None:
    """Whether registers came; None where nothing did."""
    data = prober.read(quantity, address, unit_identifier=unit)
    step = await prober.ask(f"unit {unit}", data)
    if step.only is None:
        return None
    return isinstance(parse(ReadRequest(address, quantity), step.only.pdu), Registers)


# --- As a map ---------------------------------------------------------------------------------


def of_served(found: Served, *, source: str = "") -> RegisterMap:
    """The map of what was found; entries that are none are left out."""
    rows: list[Row] = []
    order_64: Order | None = Order.LSB if found.word_order is WordOrder.LSB_FIRST else Order.MSB
    if found.word_order is not WordOrder.MSB_FIRST and not found.has_integers:
        order_64 = None
    order_32 = Order.MSB if found.word_order is WordOrder.MSB_FIRST else Order.LSB
    for unit in found.units:
        rows += _unit_rows(unit, found.word_order, order_64, order_32)
    return RegisterMap(source=source, rows=tuple(rows))


def _unit_rows(
    unit: ServedUnit, word_order: WordOrder, order_64: Order | None, order_32: Order
) -> Iterator[Row]:
    meter, number = "", 0
    for entry in unit.entries:
        if isinstance(entry, FloatEntry):
            number += 1
            row = _value_row(unit.unit_identifier, entry.address, meter, number)
            yield from value_rows(row, order_64, order_32, float_only=True)
            continue
        (block,) = restored([entry], word_order)
        if isinstance(block, layout.GatewayBlock):
            yield from gateway_rows(unit.unit_identifier, order_32)
        elif isinstance(block, layout.MeterBlock):
            meter, number = meter_name(block), 0
            yield from meter_rows(unit.unit_identifier, block.address, meter, order_32)
        elif isinstance(block, layout.ValueBlock):
            number += 1
            row = _value_row(unit.unit_identifier, block.address, meter, number)
            told = {"unit": tables.unit_name(block.unit), "scale": block.scale}
            yield from value_rows(row.model_copy(update=told), order_64, order_32)


def _value_row(unit: int, address: int, meter: str, number: int) -> Row:
    return Row(
        unit_identifier=unit,
        address=address,
        length=FLOAT_LENGTH,
        type=Type.FLOAT32,
        meter=meter,
        value=number,
        field="float",
    )


def meter_name(block: layout.MeterBlock) -> str:
    """A meter as a map names it; the block in the manual's order of registers."""
    maker = block.manufacturer if block.manufacturer_code else "???"
    return f"{block.serial_number:08} {maker} {block.version} {block.medium}"
