"""The description of a value as the Meter tab shows it, in all modes (CFG-17, C-35).

The notation is the manual's: ``Energy [2] <1> {max} # 8C 11 04 96 47 06 00`` for storage number 2,
tariff 1, a maximum, and the raw bytes. Parts that are 0 are left out.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, Final

from gateway.mbus.coding import Function
from gateway.mbus.tables.manual import ValueType

if TYPE_CHECKING:
    from gateway.mbus.record import DataRecord


class DescriptionFlags(IntFlag):
    """The bits of MUC_METERDESCRIPTION_ENABLEFLAGS; they compose (C-35)."""

    NONE = 0
    TEXT = 1
    BRACKETS = 2
    DIF_VIF = 4
    RAW_DATA = 8


#: The modes of the Configuration tab by their names on the page.
MODES: Final = {
    "None": DescriptionFlags(0),
    "Standard": DescriptionFlags(1),
    "Extended": DescriptionFlags(3),
    "Extended with DIF/VIF": DescriptionFlags(7),
    "Extended with raw data": DescriptionFlags(11),
    "DIF/VIF": DescriptionFlags(4),
    "Raw data": DescriptionFlags(8),
}

_FUNCTION_MARKS: Final = {
    Function.MINIMUM: "min",
    Function.MAXIMUM: "max",
    Function.ERROR_STATE: "error",
}


def describe(record: DataRecord, flags: int) -> str:
    """Describe one value; `flags` 0-15, of raw data and DIF/VIF the longer one wins."""
    return compose(text(record), brackets(record), _raw(record, flags), flags)


def compose(name: str, in_brackets: list[str], raw: str, flags: int) -> str:
    """Put the parts that `flags` ask for together; `raw` is what is shown of DIB, VIB and data."""
    parts: list[str] = []
    if flags & DescriptionFlags.TEXT:
        parts.append(name)
    if flags & DescriptionFlags.BRACKETS:
        parts.extend(in_brackets)
    if raw and flags & (DescriptionFlags.DIF_VIF | DescriptionFlags.RAW_DATA):
        if flags & DescriptionFlags.TEXT:
            parts.append("#")
        parts.append(raw)
    return " ".join(parts)


def text(record: DataRecord) -> str:
    """Name a value: what the meter calls it in plain text, else the type of manual 6.2.

    Words of the VIFEs follow in parentheses as in Fig. 6 and 14: ``Energy (Forward flow only)``,
    ``Power (vendor specific)``.
    """
    plain_text = record.plain_text
    if plain_text and record.value_type is ValueType.METER_SPECIFIC:
        label = printable(plain_text)
    else:
        label = record.value_type.label
    qualifiers = record.coding.qualifiers
    return f"{label} ({', '.join(qualifiers)})" if qualifiers else label


def brackets(record: DataRecord) -> list[str]:
    """List memory, tariff and function in the manual's brackets, without those that are 0."""
    mark = _FUNCTION_MARKS.get(record.function, "")
    return in_brackets(record.storage_number, record.tariff, mark)


def in_brackets(storage_number: int, tariff: int, mark: str) -> list[str]:
    """Write memory, tariff and "min", "max" or "error" in brackets, without those that are 0."""
    parts = [f"[{storage_number}]"] if storage_number else []
    if tariff:
        parts.append(f"<{tariff}>")
    if mark:
        parts.append(f"{{{mark}}}")
    return parts


def _raw(record: DataRecord, flags: int) -> str:
    if flags & DescriptionFlags.RAW_DATA:
        return record.to_bytes().hex(" ").upper()
    if flags & DescriptionFlags.DIF_VIF:
        return (record.dib + record.vib).hex(" ").upper()
    return ""


def printable(characters: str) -> str:
    """Write control characters of a meter's text in hexadecimal, so that no terminal obeys them."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in characters)
