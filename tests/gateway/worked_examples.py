"""The population of the worked examples as register entries, for the tests of registers and Modbus.

Gateway: 80 UL model, serial 75907, software 1.30.60; a heat meter A (three values) and an
electricity meter B (a text and a date). Read on 2026-11-20 at 12:00:03 and 12:00:06 UTC.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.registers.allocation import Registers, allocate
from gateway.registers.entries import GatewayEntry, MeterEntry, ValueEntry
from gateway.registers.image import RegisterImage, build
from gateway.registers.layout import STANDARD, Layout

GATEWAY: Final = GatewayEntry(serial=75907, software_version=130, last_readout=1795176007)

#: 2026-11-20 11:58 UTC, the time that meter A sends for its values.
TIME_A: Final = 1795175880

METER_A: Final = MeterEntry(
    register=10,
    serial=66600106,
    manufacturer=0x32A7,
    version=2,
    medium=4,
    time=1795176003,
    values=(
        ValueEntry(register=20, integer=267, scale=3, unit=5, time=TIME_A),
        ValueEntry(register=30, integer=-1234, scale=-2, unit=19, time=TIME_A),
        ValueEntry(register=40, integer=12345678, scale=-2, unit=7, time=TIME_A),
    ),
)

METER_B: Final = MeterEntry(
    register=50,
    serial=428670,
    manufacturer=0x0442,
    version=6,
    medium=2,
    time=1795176006,
    values=(
        ValueEntry(register=60),
        ValueEntry(register=70, integer=0x6AE52F80, unit=25),
    ),
)

METERS: Final = (METER_A, METER_B)


def at(meter: MeterEntry, registers: Registers) -> MeterEntry:
    """Move a meter and its values to other addresses."""
    values = tuple(
        value._replace(register=register)
        for value, register in zip(meter.values, registers.values, strict=True)
    )
    return replace(
        meter,
        register=registers.meter,
        slave_address=registers.slave_address,
        values=values,
    )


def stored(meter: MeterEntry) -> Registers:
    """Give the stored addresses of a meter."""
    values = tuple(value.register for value in meter.values)
    return Registers(meter.register, values, meter.slave_address)


def allocated(layout: Layout) -> tuple[MeterEntry, ...]:
    """Give both meters the addresses of Allocate in a layout."""
    addresses = allocate([stored(meter) for meter in METERS], layout)
    return tuple(at(meter, registers) for meter, registers in zip(METERS, addresses, strict=True))


def image(layout: Layout = STANDARD) -> RegisterImage:
    """Build the image of the population as Allocate leaves it in a layout."""
    return build(GATEWAY, allocated(layout), layout=layout)


def words(data: bytes) -> str:
    """Write registers as the worked examples do: four hexadecimal digits each."""
    return data.hex(" ", 2).upper()
