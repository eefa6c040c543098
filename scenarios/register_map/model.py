"""The register map: one row for each field that a client can read, as JSON and as CSV.

Both spellings hold the same rows under the same names; JSON adds the source of the map. A map has
no readings: it says where a value stands and how to read it, so it is the same before and after
every read-out. The schema is `schema`, published as ``register-map.schema.json`` beside this file.
"""

from __future__ import annotations

import csv
import io
import json
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Where the schema calls itself from; an identifier, nothing is fetched there.
SCHEMA_ID: Final = "urn:meterbench:schema:register-map:1.0"
SCHEMA_VERSION: Final = "1.0"
#: Limit of a file: all registers of all units as rows of one register need less.
FILE_SIZE_MAX: Final = 32 * 1024 * 1024
_BYTE_ORDER_MARK: Final = "\ufeff"


#: Context of a validation that leaves contradictions inside a map for a comparison to name.
AS_STATED: Final = "as stated"


class MapError(Exception):
    """A file that is no register map; the message names file, place and what was expected."""


@unique
class Type(StrEnum):
    """How the registers of a field are to be read; `instant` is unix time, unsigned."""

    INT64 = "int64"
    FLOAT32 = "float32"
    INT16 = "int16"
    UINT16 = "uint16"
    UINT32 = "uint32"
    INSTANT = "instant"

    @property
    def length(self) -> int:
        """Registers of the field."""
        return _LENGTHS[self]


_LENGTHS: Final = {
    Type.INT64: 4,
    Type.FLOAT32: 2,
    Type.INT16: 1,
    Type.UINT16: 1,
    Type.UINT32: 2,
    Type.INSTANT: 2,
}


@unique
class Order(StrEnum):
    """Order of the registers of a field; the bytes inside a register never move (C-08)."""

    MSB = "msb"
    LSB = "lsb"


class Row(BaseModel):
    """One field of the gateway, of a meter, or of a value of a meter.

    `meter` is identification number, manufacturer, version and medium as in ``66600106 LUG 2 4``,
    empty in the gateway's rows; `value` counts the served values of the meter from 1 and is None
    in rows about the meter itself. `scale` is the power of ten by which the integer counts; a
    float is scaled already. `word_order` of a single register is MSB. None and empty texts are
    "not known": nothing is compared with them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit_identifier: int = Field(ge=0, le=255)
    address: int = Field(ge=0, le=65535)
    length: int = Field(ge=1, le=4)
    type: Type
    word_order: Order | None = None
    meter: str = ""
    value: int | None = Field(default=None, ge=1)
    field: str = Field(min_length=1)
    unit: str = ""
    scale: int | None = Field(default=None, ge=-32768, le=32767)
    label: str = ""

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> Row:
        if info.context == AS_STATED:
            return self
        if self.length != self.type.length:
            raise ValueError(f"{self.type} has {self.type.length} registers, got {self.length}")
        if self.address + self.length > 65536:
            raise ValueError(f"registers up to 65535, got {self.address} + {self.length}")
        return self

    @property
    def key(self) -> tuple[str, int, str]:
        """What the row is about, wherever it stands."""
        return (self.meter, self.value or 0, self.field)


COLUMNS: Final = tuple(Row.model_fields)


class RegisterMap(BaseModel):
    """All rows, in the order of unit identifier and address; `source` says where they are from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["meterbench register map"] = "meterbench register map"
    version: Literal["1.0"] = SCHEMA_VERSION
    source: str = ""
    rows: tuple[Row, ...]

    @model_validator(mode="after")
    def _is_free_of_overlaps(self, info: ValidationInfo) -> RegisterMap:
        if info.context == AS_STATED:
            return self
        taken: dict[tuple[int, int], Row] = {}
        for row in self.rows:
            for address in range(row.address, row.address + row.length):
                other = taken.setdefault((row.unit_identifier, address), row)
                if other is not row:
                    raise ValueError(
                        f"unit {row.unit_identifier}, register {address}: "
                        f"claimed by {other.field!r} and by {row.field!r}"
                    )
        return self

    def meters(self) -> list[str]:
        """The meters of the map, in the order of their rows."""
        return list(dict.fromkeys(row.meter for row in self.rows if row.meter))

    def to_json(self) -> str:
        """The map as a JSON document."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"

    def to_csv(self) -> str:
        """The map as CSV: a line of names, then a line for each row; RFC 4180 but for LF."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows:
            told = row.model_dump(mode="json")
            writer.writerow(["" if told[name] is None else told[name] for name in COLUMNS])
        return text.getvalue()


def load(path: Path, *, as_stated: bool = False) -> RegisterMap:
    """Read a map in either spelling; raises `MapError`, also for a file that cannot be read.

    With `as_stated` two rows may claim one register, and a length may be another than that of its
    type: what is wrong with such a map only a comparison with the device tells.
    """
    try:
        if path.stat().st_size > FILE_SIZE_MAX:
            raise MapError(f"{path}: expected at most {FILE_SIZE_MAX} bytes")
        text = path.read_text(encoding="utf-8").removeprefix(_BYTE_ORDER_MARK)
    except OSError as error:
        raise MapError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise MapError(f"{path}: expected UTF-8, got byte {error.start} {error.reason}") from None
    try:
        return parse(text, as_stated=as_stated)
    except MapError as error:
        raise MapError(f"{path}: {error}") from None


def parse(text: str, *, as_stated: bool = False) -> RegisterMap:
    """Read a map from text in either spelling, as `load`; raises `MapError` with line or path."""
    context = AS_STATED if as_stated else None
    if text.lstrip()[:1] in ("{", "["):
        return _of_json(text, context)
    return _of_csv(text, context)


def _of_json(text: str, context: str | None) -> RegisterMap:
    try:
        return RegisterMap.model_validate_json(text, context=context)
    except ValidationError as error:
        raise MapError(_told(error)) from None


def _of_csv(text: str, context: str | None) -> RegisterMap:
    reader = csv.reader(io.StringIO(text, newline=""))
    rows, seen = [], False
    try:
        for cells in reader:
            if not seen:
                _check_names(cells)
                names, seen = cells, True
            elif cells:
                rows.append(_row_of(reader.line_num, names, cells, context))
    except csv.Error as error:
        raise MapError(f"line {reader.line_num}: {error}") from None
    if not seen:
        raise MapError("expected a register map (JSON, or CSV with a line of names), got nothing")
    try:
        return RegisterMap.model_validate({"rows": tuple(rows)}, context=context)
    except ValidationError as error:
        raise MapError(_told(error)) from None


def _check_names(names: list[str]) -> None:
    needed = [name for name, field in Row.model_fields.items() if field.is_required()]
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in needed if name not in names]
    if unknown or missing or len(set(names)) < len(names):
        raise MapError(f"line 1: expected the names {','.join(COLUMNS)}, got {','.join(names)}")


def _row_of(line: int, names: list[str], cells: list[str], context: str | None) -> Row:
    if len(cells) != len(names):
        raise MapError(f"line {line}: expected {len(names)} cells, got {len(cells)}")
    told = {name: cell for name, cell in zip(names, cells, strict=True) if cell != ""}
    try:
        return Row.model_validate(told, context=context)
    except ValidationError as error:
        raise MapError(f"line {line}: {_told(error)}") from None


def _told(error: ValidationError) -> str:
    """The first finding: where, and what was expected."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a map."""
    body = RegisterMap.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **body,
        "title": "Register map of an M-Bus to Modbus gateway",
    }


# --- The fields of an entry (manual 6.2) ------------------------------------------------------


def gateway_rows(unit: int, order: Order) -> Iterator[Row]:
    """Registers 0 to 9 of a unit; reserved registers are in no row."""
    for offset, kind, name in _GATEWAY:
        yield _row(unit, offset, kind, name, order, label="gateway")


def meter_rows(unit: int, address: int, meter: str, order: Order, *, label: str = "") -> list[Row]:
    """The fields of one meter entry."""
    return [
        _row(unit, address + offset, kind, name, order, meter=meter, label=label)
        for offset, kind, name in _METER
    ]


def value_rows(
    value: Row, order_64: Order | None, order_32: Order, *, float_only: bool = False
) -> list[Row]:
    """The fields of one value entry at `value.address`; the rest is taken from `value`."""
    if float_only:
        return [value.model_copy(update={"word_order": order_32, "scale": None})]
    rows = []
    for offset, kind, name in _VALUE:
        orders: dict[int, Order | None] = {4: order_64, 2: order_32}
        order = orders.get(kind.length, Order.MSB)
        rows.append(
            value.model_copy(
                update={
                    "address": value.address + offset,
                    "length": kind.length,
                    "type": kind,
                    "word_order": order,
                    "field": name,
                    "unit": value.unit if kind in (Type.INT64, Type.FLOAT32) else "",
                    "scale": value.scale if kind is Type.INT64 else None,
                }
            )
        )
    return rows


def _row(
    unit: int, address: int, kind: Type, name: str, order: Order, *, meter: str = "", label: str
) -> Row:
    return Row(
        unit_identifier=unit,
        address=address,
        length=kind.length,
        type=kind,
        word_order=order if kind.length > 1 else Order.MSB,
        meter=meter,
        field=name,
        label=label,
    )


_GATEWAY: Final = (
    (0, Type.UINT32, "serial number"),
    (2, Type.UINT16, "protocol version"),
    (3, Type.UINT16, "software version"),
    (4, Type.INSTANT, "time of the last read-out"),
    (7, Type.UINT16, "type"),
)
_METER: Final = (
    (0, Type.UINT32, "serial number"),
    (2, Type.UINT16, "manufacturer"),
    (3, Type.UINT16, "version and medium"),
    (4, Type.INSTANT, "time of the last read-out"),
    (7, Type.UINT16, "type"),
    (8, Type.UINT16, "flags"),
)
_VALUE: Final = (
    (0, Type.INT64, "integer"),
    (4, Type.FLOAT32, "float"),
    (6, Type.INT16, "scale"),
    (7, Type.UINT16, "type and unit"),
    (8, Type.INSTANT, "time sent by the meter"),
)
