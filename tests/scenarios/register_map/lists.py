"""The worked examples as a meter list, and as the image that a gateway serves of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.device.book import registers_of
from gateway.device.meter_list import Meter, Value
from gateway.registers import allocation
from gateway.registers.image import build
from simulators.modbus import tables
from tests.gateway import worked_examples

if TYPE_CHECKING:
    from gateway.registers.image import RegisterImage
    from gateway.registers.layout import Layout

_LETTERS = {66600106: "LUG", 428670: "ABB"}


def meters(layout: Layout) -> list[Meter]:
    """The list of the worked examples, with registers for all in a layout."""
    listed = []
    for entry in worked_examples.METERS:
        values = [
            Value(description="Energy", unit=tables.unit_name(v.unit), scale=v.scale)
            for v in entry.values
        ]
        listed.append(
            Meter(
                serial=f"{entry.serial:08}",
                manufacturer=_LETTERS[entry.serial],
                version=entry.version,
                medium=entry.medium,
                values=values,
            )
        )
    place(listed, layout)
    return listed


def place(listed: list[Meter], layout: Layout) -> None:
    """Give registers and unit identifiers to all meters of a list."""
    given = allocation.allocate([registers_of(meter) for meter in listed], layout)
    if layout.multi_slave:
        given = allocation.give_slave_addresses(given, layout)
    for meter, registers in zip(listed, given, strict=True):
        meter.register, meter.slaveaddress = registers.meter, registers.slave_address
        for value, register in zip(meter.values, registers.values, strict=True):
            value.register = register


def image(listed: list[Meter], layout: Layout) -> RegisterImage:
    """The image of the worked examples where the list has them."""
    entries = [
        replace(
            worked_examples.at(entry, registers_of(meter)),
            slave_address=meter.slaveaddress,
        )
        for entry, meter in zip(worked_examples.METERS, listed, strict=True)
    ]
    return build(worked_examples.GATEWAY, entries, layout=layout)
