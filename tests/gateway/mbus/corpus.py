"""Telegrams of real meters with agreed readings, from the folder METERBENCH_CORPUS.

The files are third-party material and no part of the project; where the variable is not set the
tests that need them are skipped by name.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.mbus.tables.manual import Unit

if TYPE_CHECKING:
    from gateway.mbus.record import DataRecord

FOLDER: Final = os.environ.get("METERBENCH_CORPUS", "")
NEEDED: Final = pytest.mark.skipif(not FOLDER, reason="METERBENCH_CORPUS names no folder")
SCORED: Final = ("agreed", "majority", "adjudicated")

# fmt: off
#: The published table: unit name of the corpus -> the units of manual 6.2 that may stand for it,
#: each with the factor that turns our number into the corpus' unit.
UNITS: Final[dict[str, dict[Unit, Decimal]]] = {
    "Wh":     {Unit.WATT_HOUR: Decimal(1)},
    "J":      {Unit.JOULE: Decimal(1)},
    "cal":    {Unit.CALORIE: Decimal(1)},
    "m3":     {Unit.CUBIC_METRE: Decimal(1)},
    "l":      {Unit.CUBIC_METRE: Decimal(1000)},
    "kWh":    {Unit.WATT_HOUR: Decimal("0.001")},
    "kg":     {Unit.KILOGRAM: Decimal(1)},
    "W":      {Unit.WATT: Decimal(1)},
    "J/h":    {Unit.JOULE_PER_HOUR: Decimal(1)},
    "m3/h":   {Unit.CUBIC_METRE_PER_HOUR: Decimal(1)},
    "m3/min": {Unit.CUBIC_METRE_PER_MINUTE: Decimal(1)},
    "m3/s":   {Unit.CUBIC_METRE_PER_SECOND: Decimal(1)},
    "kg/h":   {Unit.KILOGRAM_PER_HOUR: Decimal(1)},
    "C":      {Unit.DEGREE_CELSIUS: Decimal(1)},
    "F":      {Unit.DEGREE_FAHRENHEIT: Decimal(1)},
    "K":      {Unit.KELVIN: Decimal(1)},
    "bar":    {Unit.BAR: Decimal(1)},
    "V":      {Unit.VOLT: Decimal(1)},
    "A":      {Unit.AMPERE: Decimal(1)},
    "Hz":     {Unit.HERTZ: Decimal(1)},
    "%":      {Unit.PERCENT: Decimal(1)},
    "deg":    {Unit.DEGREE: Decimal(1)},
    "dBm":    {Unit.DBM: Decimal(1)},
    "varh":   {Unit.KILOVAR_HOUR: Decimal(1000)},
    "kvarh":  {Unit.KILOVAR_HOUR: Decimal(1)},
    "var":    {Unit.KILOVAR: Decimal(1000)},
    "kvar":   {Unit.KILOVAR: Decimal(1)},
    "VA":     {Unit.NONE: Decimal(1)},
    "kVA":    {Unit.NONE: Decimal("0.001")},
    # The corpus turns every duration into seconds; ours keeps the unit that the meter sent.
    "s":      {Unit.SECOND: Decimal(1), Unit.MINUTE: Decimal(60), Unit.HOUR: Decimal(3600),
               Unit.DAY: Decimal(86400)},
    "":       {Unit.NONE: Decimal(1), Unit.DIMENSIONLESS: Decimal(1), Unit.BINARY: Decimal(1),
               Unit.DAY_OF_WEEK: Decimal(1)},
}
#: Medium names of the corpus -> medium byte of manual 6.2.
MEDIA: Final = {
    "Other": 0, "Oil": 1, "Electricity": 2, "Gas": 3, "Heat: Outlet": 4, "Heat": 4, "Steam": 5,
    "Warm water (30-90°C)": 6, "Hot Water": 6, "Water": 7, "H.C.A.": 8, "Compressed air": 9,
    "Cooling load meter: Outlet": 10, "Cooling load meter: Inlet": 11, "Heat: Inlet": 12,
    "Heat / Cooling load meter": 13, "Bus/System component": 14, "Cold water": 22,
    "Breaker: Electricity": 32,
}
# fmt: on
_DATA_FIELD_REAL: Final = 0x05


@dataclass(frozen=True)
class Case:
    """One file of the corpus."""

    name: str
    frame: bytes
    document: dict[str, Any]

    @property
    def scored(self) -> list[dict[str, Any]]:
        """The records whose reading is settled."""
        return [r for r in self.document.get("records", []) if r["status"] in SCORED]


def load() -> list[Case]:
    """Read every file, in the order of their names; none without the folder."""
    if not FOLDER:
        return []
    documents = [
        json.loads(path.read_text("utf-8")) for path in sorted(Path(FOLDER).glob("*.json"))
    ]
    return [Case(d["name"], bytes.fromhex(d["frame"]), d) for d in documents]


def difference(record: DataRecord, expected: dict[str, Any]) -> str:
    """Say how a record differs from the settled reading; "" if it does not."""
    structure = {
        "dib": record.dib.hex(),
        "vib": record.vib.hex(),
        "data": record.data.hex(),
        "function": record.function.label,
        "storage": record.storage_number,
        "tariff": record.tariff,
        "subunit": record.subunit,
    }
    for key, value in structure.items():
        if value != expected[key]:
            return f"{key} {value!r}, expected {expected[key]!r}"
    reading = expected["expect"]
    if _is_right(record, reading):
        return ""
    return f"{record.value!r} {record.unit.name} ({record.error}), expected {reading}"


def _is_right(record: DataRecord, reading: dict[str, Any]) -> bool:
    kind, value = reading["kind"], reading["value"]
    if kind == "number":
        return _is_right_number(record, value, reading["unit"])
    if kind == "bytes":
        return record.value == str(value)
    if kind == "bcd_hex":
        error = record.error
        return record.value is None and error is not None and value in error.got
    if kind == "datetime" and value == "INVALID":
        return record.value is None and record.error is not None and record.unit is Unit.UTC
    if kind == "datetime":
        return record.unit is Unit.UTC and _minutes(record.value) == _minutes(value)
    return kind == "text" and record.value == str(value)


def _minutes(moment: str | None) -> str | None:
    """Complete a time that stops at the minute."""
    return f"{moment}:00" if moment and len(moment) == len("2012-01-13T16:34") else moment


def _is_right_number(record: DataRecord, value: str, unit: str) -> bool:
    factor = UNITS[unit].get(record.unit)
    if factor is None or record.value is None or record.integer is None:
        return False
    ours, theirs = Decimal(record.value) * factor, Decimal(value)
    short = Decimal(record.integer).scaleb(record.scale) * factor
    if record.dib and record.dib[0] & 0x0F == _DATA_FIELD_REAL:
        return _float32(ours) == _float32(theirs) == _float32(short)
    return ours == theirs == short


def _float32(number: Decimal) -> bytes:
    return struct.pack("<f", float(number))
