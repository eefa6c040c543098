"""The kinds of settings in chip.ini: each knows how to read, check, write and describe a value.

A kind is shared by the file, the page and the documentation, so that a value that one accepts is
never refused by another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from typing import Any, Final, Protocol

UINT32_MAX: Final = 2**32 - 1

_DECIMAL_DIGITS_MAX: Final = 20


class KindError(ValueError):
    """A value that the kind does not take; the message says what it expects."""


class Kind(Protocol):
    """What a key's value may be."""

    def parse(self, text: str) -> Any:
        """Read the text of the file; raises `KindError`."""
        ...

    def format(self, value: Any) -> str:
        """Write a value as the file has it; raises `KindError` for one that does not fit."""
        ...

    @property
    def expected(self) -> str:
        """The values taken, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in decimal digits; `also` adds single values outside the range."""

    minimum: int
    maximum: int
    unit: str = ""
    also: tuple[int, ...] = ()
    never: tuple[int, ...] = ()

    def parse(self, text: str) -> int:
        """Read decimal digits and nothing else."""
        # int() would also take signs, underscores and digits of other scripts.
        if not (text.isascii() and text.isdigit()) or len(text) > _DECIMAL_DIGITS_MAX:
            raise KindError(self.expected)
        return self._checked(int(text))

    def format(self, value: Any) -> str:
        """Write decimal digits."""
        return str(self._checked(value))

    @property
    def expected(self) -> str:
        """The range, its exceptions and the unit."""
        words = f"{self.minimum} to {self.maximum}"
        if self.also:
            words += "".join(f" or {value}" for value in self.also)
        if self.never:
            words += " except " + ", ".join(str(value) for value in self.never)
        return f"{words} {self.unit}".rstrip()

    def _checked(self, value: Any) -> int:
        in_range = isinstance(value, int) and (
            self.minimum <= value <= self.maximum or value in self.also
        )
        if not in_range or value in self.never:
            raise KindError(self.expected)
        return int(value)


@dataclass(frozen=True, slots=True)
class OptionalInteger:
    """A whole number whose absence means a rule instead of a number (None)."""

    number: Integer
    otherwise: str

    def parse(self, text: str) -> int | None:
        """Read the number."""
        return self.number.parse(text)

    def format(self, value: Any) -> str:
        """Write the number; nothing for None."""
        return "" if value is None else self.number.format(value)

    @property
    def expected(self) -> str:
        """The range, and what holds without a value."""
        return f"{self.number.expected} (not set: {self.otherwise})"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words, in capitals."""

    words: tuple[str, ...]

    def parse(self, text: str) -> str:
        """Read the word, in any case."""
        return self._checked(text.upper())

    def format(self, value: Any) -> str:
        """Write the word."""
        return self._checked(value)

    @property
    def expected(self) -> str:
        """The words."""
        return "one of " + ", ".join(self.words)

    def _checked(self, value: Any) -> str:
        if value not in self.words:
            raise KindError(self.expected)
        return str(value)


@dataclass(frozen=True, slots=True)
class Numbers:
    """One of a few numbers."""

    values: tuple[int, ...]
    unit: str = ""

    def parse(self, text: str) -> int:
        """Read decimal digits."""
        if not (text.isascii() and text.isdigit()) or len(text) > _DECIMAL_DIGITS_MAX:
            raise KindError(self.expected)
        return self._checked(int(text))

    def format(self, value: Any) -> str:
        """Write decimal digits."""
        return str(self._checked(value))

    @property
    def expected(self) -> str:
        """The numbers and their unit."""
        words = "one of " + ", ".join(str(value) for value in self.values)
        return f"{words} {self.unit}".rstrip()

    def _checked(self, value: Any) -> int:
        if value not in self.values:
            raise KindError(self.expected)
        return int(value)


@dataclass(frozen=True, slots=True)
class Text:
    """Printable text on one line; INI files cut blanks at both ends."""

    length_max: int
    length_min: int = 0

    def parse(self, text: str) -> str:
        """Take the text as it stands."""
        return self._checked(text)

    def format(self, value: Any) -> str:
        """Write the text as it stands."""
        return self._checked(value)

    @property
    def expected(self) -> str:
        """The lengths."""
        return f"printable text of {self.length_min} to {self.length_max} characters"

    def _checked(self, value: Any) -> str:
        fits = isinstance(value, str) and self.length_min <= len(value) <= self.length_max
        if not fits or not value.isprintable() or value != value.strip():
            raise KindError(self.expected)
        return str(value)


@dataclass(frozen=True, slots=True)
class FilePath:
    """An absolute path inside the device: a name that climbs out of its drive is refused.

    So are the `reserved` files of the device itself, with whatever stands behind their names.
    """

    length_max: int
    reserved: tuple[str, ...] = ()

    def parse(self, text: str) -> str:
        """Take the path as it stands."""
        return self._checked(text)

    def format(self, value: Any) -> str:
        """Write the path as it stands."""
        return self._checked(value)

    @property
    def expected(self) -> str:
        """The form of the path."""
        words = f"a path below / without '..', at most {self.length_max} characters"
        return words + "".join(f", not {name}" for name in self.reserved)

    def _checked(self, value: Any) -> str:
        fits = isinstance(value, str) and value.isprintable() and len(value) <= self.length_max
        if not fits or not value.startswith("/") or value.endswith("/") or "\\" in value:
            raise KindError(self.expected)
        if value.startswith(self.reserved) and self.reserved:
            raise KindError(self.expected)
        if not {"", ".", ".."}.isdisjoint(value[1:].split("/")):
            raise KindError(self.expected)
        return str(value)


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 address in dotted notation; empty is "not set"."""

    def parse(self, text: str) -> str:
        """Read four decimal numbers with dots."""
        return self._checked(text)

    def format(self, value: Any) -> str:
        """Write the address."""
        return self._checked(value)

    @property
    def expected(self) -> str:
        """The range."""
        return "0.0.0.0 to 255.255.255.255"

    def _checked(self, value: Any) -> str:
        if value == "":
            return ""
        try:
            return str(IPv4Address(value))
        except AddressValueError:
            raise KindError(self.expected) from None


@dataclass(frozen=True, slots=True)
class HexMask:
    """A search mask of exactly so many hexadecimal digits, F = wild (C-41).

    Read with or without 0x; `longer` names a wildcard that the manual prints with more digits than
    the field has. The value is kept in capitals without 0x, and written with it.
    """

    digits: int
    longer: tuple[str, ...] = field(default=())

    def parse(self, text: str) -> str:
        """Read the digits, with or without 0x."""
        digits = text[2:] if text[:2] in ("0x", "0X") else text
        if digits.upper() in self.longer:
            return "F" * self.digits
        return self._checked(digits.upper())

    def format(self, value: Any) -> str:
        """Write the digits with 0x."""
        return "0x" + self._checked(value)

    @property
    def expected(self) -> str:
        """The number of digits."""
        return f"{self.digits} hexadecimal digits, F as wildcard, with or without 0x"

    def _checked(self, value: Any) -> str:
        is_hex = isinstance(value, str) and set(value) <= set("0123456789ABCDEF")
        if not is_hex or len(value) != self.digits:
            raise KindError(self.expected)
        return str(value)
