"""The elements of Device_Handle.cfg as a table: name, form, default (manual 9.4).

Numbers are read in hexadecimal with 0x and in decimal without, and written as the manual's examples
write them (C-15).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from gateway.mbus.tables.manual import Medium

if TYPE_CHECKING:
    from collections.abc import Callable

#: Longest user label (MET-12).
USER_LABEL_MAX: Final = 50
#: Longest description, unit or coding: what a file may hold, far above the manual's words.
TEXT_MAX: Final = 255
#: Bits that EN 13757-3 gives storage number and tariff (MBDOC48 p.38): 1 + 10 x 4 and 10 x 2.
STORAGE_NUMBER_MAX: Final = 2**41 - 1
TARIFF_MAX: Final = 2**20 - 1
KEY_BYTES: Final = 16
OBIS_BYTES: Final = 6
VALUE_TYPES: Final = ("instantaneous", "maximum", "minimum", "errorstate")

_UINT32_MAX: Final = 2**32 - 1
_SCALE_MAX: Final = 2**15 - 1
_NUMBER: Final = re.compile(r"0[xX]([0-9A-Fa-f]{1,16})|([0-9]{1,20})", re.ASCII)
_SERIAL: Final = re.compile(r"0[xX]([0-9A-Fa-f]{1,8})|([0-9]{1,8})", re.ASCII)
_SCALE: Final = re.compile(r"[+]?[0-9.]{1,40}(?:[eE][+-]?[0-9]{1,6})?", re.ASCII)
_BYTE: Final = re.compile(r"0[xX][0-9A-Fa-f]{1,2}", re.ASCII)
_MANUFACTURER: Final = re.compile(r"[@-_]{3}")


class ElementError(ValueError):
    """A text that the element does not take; the message says what it expects."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: how its text becomes an attribute and back.

    `always` = written even with its default; `identifies` = without it the meter cannot be
    addressed; `secret` = no message may show it. A row that is `stored_as` another's attribute is a
    spelling that is only read. `effect` says what the element does, and is empty for one that is
    read and kept without any (`C-45`).
    """

    name: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]
    default: Any
    always: bool = False
    identifies: bool = False
    secret: bool = False
    stored_as: str = ""
    effect: str = ""

    @property
    def attribute(self) -> str:
        """Name of the attribute of `Meter` or `Value`."""
        return self.stored_as or self.name

    @property
    def is_written(self) -> bool:
        """Whether this is the spelling that is written."""
        return not self.stored_as


# --- Forms ------------------------------------------------------------------------------------


def _number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Make a reader of whole numbers, 0x or decimal; a minus only where the range has one."""
    expected = f"{minimum} to {maximum}, decimal or 0x"

    def parse(text: str) -> int:
        text = text.strip()
        sign = -1 if minimum < 0 and text.startswith("-") else 1
        match = _NUMBER.fullmatch(text[1:] if sign < 0 else text)
        if match is None:
            raise ElementError(expected)
        number = int(match.group(1), 16) if match.group(1) else int(match.group(2))
        if not minimum <= sign * number <= maximum:
            raise ElementError(expected)
        return sign * number

    return parse


def _serial(text: str) -> str:
    """Read eight digits: hexadecimal behind 0x, decimal without (C-15)."""
    match = _SERIAL.fullmatch(text.strip())
    if match is None:
        raise ElementError("0x and up to 8 hexadecimal digits, or up to 8 decimal digits")
    return (match.group(1) or match.group(2)).upper().rjust(8, "0")


def _manufacturer(text: str) -> str | None:
    """Read three letters; the neighbours of A-Z in the code are taken too. Empty is "not set"."""
    letters = text.strip().upper()
    if letters and _MANUFACTURER.fullmatch(letters) is None:
        raise ElementError("three letters")
    return letters or None


_MEDIA: Final = {medium.label.lower(): int(medium) for medium in Medium}
_MEDIUM_LABELS: Final = {int(medium): medium.label for medium in Medium}
_MEDIUM_NUMBER: Final = _number(0, 255)


def _medium(text: str) -> int:
    """Read a medium by the manual's words, or a number for one that has none."""
    label = text.strip().lower()
    if label in _MEDIA:
        return _MEDIA[label]
    try:
        return _MEDIUM_NUMBER(label)
    except ElementError:
        raise ElementError("a medium of manual 6.2, or its number") from None


def _medium_text(medium: int) -> str:
    return _MEDIUM_LABELS.get(medium, f"0x{medium:02X}")


def _scale(text: str) -> int:
    """Read a power of ten in any decimal notation; the exponent counts."""
    expected = "a power of ten such as 1e-3"
    text = text.strip()
    if _SCALE.fullmatch(text) is None:
        raise ElementError(expected)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ElementError(expected) from None
    # Equal only where the digits are a single one and zeros.
    exponent = number.adjusted()
    if abs(exponent) > _SCALE_MAX or number != Decimal((0, (1,), exponent)):
        raise ElementError(expected)
    return exponent


def _bytes(count: int) -> Callable[[str], bytes]:
    """Make a reader of `count` bytes as ``0x.. 0x..``; empty or 0 is "not set"."""

    def parse(text: str) -> bytes:
        words = text.split()
        if words in ([], ["0"]):
            return b""
        if len(words) != count or not all(_BYTE.fullmatch(word) for word in words):
            raise ElementError(f"{count} bytes as 0x..")
        return bytes(int(word, 16) for word in words)

    return parse


def _bytes_text(data: bytes) -> str:
    return " ".join(f"0x{byte:02X}" for byte in data)


def _text(length_max: int) -> Callable[[str], str]:
    """Make a reader of free text; any character that XML can carry is kept (C-27)."""

    def parse(text: str) -> str:
        if len(text) > length_max:
            raise ElementError(f"at most {length_max} characters")
        return text

    return parse


def _value_type(text: str) -> str:
    word = text.strip().lower()
    if word not in VALUE_TYPES:
        raise ElementError("one of " + ", ".join(VALUE_TYPES))
    return word


def _hex_byte(number: int) -> str:
    return f"0x{number:02X}"


def _hex_serial(serial: str) -> str:
    return "0x" + serial


def _power(exponent: int) -> str:
    return f"1e{exponent}"


# --- The table --------------------------------------------------------------------------------

_BYTE_NUMBER: Final = _number(0, 255)
_FLAG: Final = _number(0, 1)
_REGISTER: Final = _number(0, 65535)
_LABEL: Final = _text(USER_LABEL_MAX)
_WORDS: Final = _text(TEXT_MAX)
_STORAGE: Final = _number(0, STORAGE_NUMBER_MAX)

# The manual's example of <interface> has no default; every list shows it (Fig. 6).
# rsi is a misprint: edition 2.1 has rssi, which is written; both are read (C-25).
# fmt: off
_METER_ROWS: Final = (
    Element("interface",      _WORDS,                  str,          "M-Bus", always=True,
            effect="what the column Interface shows"),
    Element("serial",         _serial,                 _hex_serial,  "FFFFFFFF", identifies=True,
            effect="identification number that is selected, and served in registers 0-1"),
    Element("manufacturer",   _manufacturer,           str,          None, identifies=True,
            effect="part of the address that is selected, and register 2"),
    Element("version",        _BYTE_NUMBER,            _hex_byte,    None, identifies=True,
            effect="part of the address that is selected, and register 3"),
    Element("medium",         _medium,                 _medium_text, None, identifies=True,
            effect="part of the address that is selected, and register 3"),
    Element("primaryaddress", _number(0, 250),         _hex_byte,    0, identifies=True,
            effect="address that is called in mode 1 (Link)"),
    Element("addressmode",    _FLAG,                   str,          0, identifies=True,
            effect="0 called by secondary, 1 by primary address"),
    Element("readoutcycle",   _number(0, _UINT32_MAX), str,          0,
            effect="read-out interval of this meter (s), 0 = METER_TIME"),
    Element("maxvaluecount",  _number(0, 65535),       str,          0,
            effect="values listed at most, 0 = METER_MAXVALUECOUNT (C-71)"),
    Element("encryptionkey",  _bytes(KEY_BYTES),       _bytes_text,  b"", secret=True),
    Element("active",         _FLAG,                   str,          1,
            effect="0 = neither read nor served (C-53)"),
    Element("rssi",           _number(-32768, 32767),  str,          0),
    Element("rsi",            _number(-32768, 32767),  str,          0, stored_as="rssi"),
    Element("register",       _REGISTER,               str,          0,
            effect="register address of the meter, 0 = none"),
    Element("slaveaddress",   _number(0, 247),         str,          0,
            effect="unit identifier in the multi-slave layout (C-11; our own)"),
    Element("user",           _LABEL,                  str,          "",
            effect="user label of the meter (C-26)"),
)
_VALUE_ROWS: Final = (
    Element("description",    _WORDS,                  str,          "None",
            effect="which record of the telegram is the value"),
    Element("unit",           _WORDS,                  str,          "None",
            effect="unit before the first read-out"),
    Element("encodetype",     _WORDS,                  str,          "NODATA"),
    Element("scale",          _scale,                  _power,       0,
            effect="power of ten before the first read-out"),
    Element("valuetype",      _value_type,             str,          "instantaneous",
            effect="which record of the telegram is the value"),
    Element("storagenum",     _STORAGE,                str,          0,
            effect="which record of the telegram is the value"),
    Element("tariff",         _number(0, TARIFF_MAX),  str,          0,
            effect="which record of the telegram is the value"),
    Element("confdata",       _bytes(OBIS_BYTES),      _bytes_text,  b""),
    Element("active",         _FLAG,                   str,          1,
            effect="0 = not served, and no matter whether it is read (C-53)"),
    Element("register",       _REGISTER,               str,          0,
            effect="register address of the value, 0 = none"),
    Element("user",           _LABEL,                  str,          "",
            effect="user label of the value"),
)
# fmt: on

METER_ELEMENTS: Final = {row.name: row for row in _METER_ROWS}
VALUE_ELEMENTS: Final = {row.name: row for row in _VALUE_ROWS}
