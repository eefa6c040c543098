"""The register map of a meter list: what a gateway with these files serves.

Read from a data directory (``app/Device_Handle.cfg`` and ``app/chip.ini``) or from a list file
alone, by the gateway's own rules of placement: what is in conflict or inactive is not in the map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.device import configuration, meter_list
from gateway.device.book import registers_of
from gateway.device.configuration import Configuration
from gateway.registers import placement
from gateway.registers.layout import Layout, WordOrder
from scenarios.register_map.model import (
    MapError,
    Order,
    RegisterMap,
    Row,
    Type,
    gateway_rows,
    load,
    meter_rows,
    value_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Unit identifier of the gateway itself, and of everything in a layout without units.
UNIT_GATEWAY: Final = 255
#: First register of a meter inside a unit of its own (C-11).
FIRST_REGISTER: Final = 10


def of_path(path: Path, settings: Path | None = None) -> RegisterMap:
    """The map of a data directory, a Device_Handle.cfg or a map file; raises `MapError`."""
    if path.is_dir():
        return of_directory(path)
    if path.suffix.lower() in (".cfg", ".xml"):
        return of_files(path, settings)
    return load(path)


def of_directory(folder: Path) -> RegisterMap:
    """The map of a data directory; raises `MapError` where its files cannot be used."""
    found = folder / "app" / "Device_Handle.cfg"
    settings = folder / "app" / "chip.ini"
    return of_files(found, settings if settings.exists() else None)


def of_files(list_file: Path, settings: Path | None = None) -> RegisterMap:
    """The map of a Device_Handle.cfg; without a chip.ini the factory layout counts."""
    try:
        meters, _complaints = meter_list.load(list_file.read_bytes())
        data = b"" if settings is None else settings.read_bytes()
    except OSError as error:
        name = list_file if settings is None else f"{list_file}, {settings}"
        raise MapError(f"{name}: {error.strerror or error}") from None
    except meter_list.MeterListError as error:
        raise MapError(f"{list_file}: {error}") from None
    keys = Configuration()
    if settings is not None:
        keys, complaints = configuration.load(data)
        fatal = next((complaint for complaint in complaints if complaint.fatal), None)
        if fatal is not None:
            raise MapError(f"{settings}: {fatal}")
    layout = Layout.from_keys(
        modbus_swap=keys.modbus_swap,
        protocol_version=keys.modbusmeter_protocolversion,
        modbus_address=keys.modbus_address,
    )
    return of_list(meters, layout, source=list_file.name)


def of_list(meters: Sequence[meter_list.Meter], layout: Layout, *, source: str = "") -> RegisterMap:
    """The map of a list in a layout; raises `MapError` for the dummy image, which has no list."""
    if layout.dummy:
        raise MapError("the gateway serves its dummy image (bit 3 of MODBUSMETER_PROTOCOLVERSION)")
    order_64 = Order.LSB if layout.word_order is WordOrder.LSB_FIRST else Order.MSB
    order_32 = Order.MSB if layout.word_order is WordOrder.MSB_FIRST else Order.LSB
    held = placement.survey([registers_of(meter) for meter in meters], layout).held
    rows = list(gateway_rows(UNIT_GATEWAY, order_32))
    for meter, places in zip(meters, held, strict=True):
        unit = meter.slaveaddress if layout.multi_slave else UNIT_GATEWAY
        if not meter.active or (layout.multi_slave and not places[0]):
            continue
        if layout.multi_slave:
            rows += gateway_rows(unit, order_32)
        rows += _meter(meter, places, layout, unit, order_64, order_32)
    rows.sort(
        key=lambda row: (row.unit_identifier != UNIT_GATEWAY, row.unit_identifier, row.address)
    )
    return RegisterMap(source=source, rows=tuple(rows))


def _place(row: Row) -> tuple[bool, int, int]:
    """The gateway's own unit comes first."""
    return (row.unit_identifier != UNIT_GATEWAY, row.unit_identifier, row.address)


def meter_name(meter: meter_list.Meter) -> str:
    """A meter as the registers can tell it: a number with letters reads 0 (C-15)."""
    number = int(meter.serial) if meter.serial.isdecimal() else 0
    return f"{number:08} {meter.manufacturer or '???'} {meter.version or 0} {meter.medium or 0}"


def _meter(
    meter: meter_list.Meter,
    places: Sequence[bool],
    layout: Layout,
    unit: int,
    order_64: Order,
    order_32: Order,
) -> Iterator[Row]:
    shift = meter.register - FIRST_REGISTER if layout.multi_slave else 0
    name = meter_name(meter)
    if places[0]:
        yield from meter_rows(unit, meter.register - shift, name, order_32, label=meter.user)
    number = 0
    for value, is_held in zip(meter.values, places[1:], strict=True):
        if not is_held or not value.active:
            continue
        number += 1
        row = Row(
            unit_identifier=unit,
            address=value.register - shift,
            length=2,
            type=Type.FLOAT32,
            meter=name,
            value=number,
            field="float",
            unit=value.unit,
            scale=value.scale,
            label=value.user or value.description,
        )
        yield from value_rows(row, order_64, order_32, float_only=layout.float_only)
