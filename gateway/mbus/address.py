"""Secondary addresses, the masks that select by them, and manufacturer letters.

A secondary address is eight bytes: identification number (8 BCD digits, least significant byte
first), manufacturer (2 bytes, LSB first), version, medium (MBDOC48 p.63). Meters in the field carry
hex digits in the identification number, so it is text of hexadecimal digits here, never an int.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from gateway.mbus.errors import LocalProtocolError

ADDRESS_SIZE: Final = 8
IDENTIFICATION_DIGITS: Final = 8
WILD_NIBBLE: Final = "F"
WILD_BYTE: Final = 0xFF
WILD_WORD: Final = 0xFFFF

_HEX_DIGITS: Final = frozenset("0123456789ABCDEF")
#: Bit 15 of the manufacturer field marks a hard address; it is no letter.
_LETTER_BITS: Final = 0x7FFF
_LETTER_BASE: Final = 0x40
_LETTER_MAX: Final = 0x1F


def manufacturer_letters(manufacturer: int) -> str:
    """Turn the 16-bit manufacturer field into its three letters, A = 1 (manual 6.2, REG-M).

    Codes outside A-Z give the neighbouring ASCII characters (``@`` for 0), so that nothing is lost;
    bit 15 is ignored.
    """
    code = manufacturer & _LETTER_BITS
    return "".join(chr(_LETTER_BASE + ((code >> shift) & _LETTER_MAX)) for shift in (10, 5, 0))


def manufacturer_code(letters: str) -> int:
    """Turn three letters into the 15-bit code; the inverse of `manufacturer_letters`.

    Raises LocalProtocolError for anything but three characters from ``@`` to ``_``.
    """
    codes = [ord(letter) - _LETTER_BASE for letter in letters.upper()]
    if len(codes) != 3 or not all(0 <= code <= _LETTER_MAX for code in codes):
        raise LocalProtocolError(0, "three letters A-Z", repr(letters), source="manual 6.2")
    return codes[0] << 10 | codes[1] << 5 | codes[2]


def identification_from_bytes(data: bytes) -> str:
    """Read four bytes, least significant first, as eight hexadecimal digits."""
    return data[::-1].hex().upper()


def _check_fields(identification_number: str, manufacturer: int, version: int, medium: int) -> None:
    digits = len(identification_number)
    if digits != IDENTIFICATION_DIGITS or not set(identification_number) <= _HEX_DIGITS:
        raise LocalProtocolError(
            0, "8 digits 0-9, A-F for the identification number", repr(identification_number)
        )
    limits = ((manufacturer, WILD_WORD), (version, WILD_BYTE), (medium, WILD_BYTE))
    for position, (value, limit) in enumerate(limits, start=1):
        if not 0 <= value <= limit:
            raise LocalProtocolError(position, f"0 to {limit}", f"{value}")


def _pack(identification_number: str, manufacturer: int, version: int, medium: int) -> bytes:
    identification = bytes.fromhex(identification_number)[::-1]
    return identification + manufacturer.to_bytes(2, "little") + bytes((version, medium))


@dataclass(frozen=True, slots=True)
class SecondaryAddress:
    """Who a meter is: unique on a bus, or should be."""

    identification_number: str
    manufacturer: int
    version: int
    medium: int

    def __post_init__(self) -> None:
        _check_fields(self.identification_number, self.manufacturer, self.version, self.medium)

    @classmethod
    def from_bytes(cls, data: bytes) -> SecondaryAddress:
        """Read the eight bytes that a header or a ``07 79`` record carries.

        Raises LocalProtocolError for any other number of bytes.
        """
        if len(data) != ADDRESS_SIZE:
            raise LocalProtocolError(0, f"{ADDRESS_SIZE} bytes", f"{len(data)}")
        manufacturer = int.from_bytes(data[4:6], "little")
        return cls(identification_from_bytes(data[:4]), manufacturer, data[6], data[7])

    def to_bytes(self) -> bytes:
        """Give the eight bytes in wire order."""
        return _pack(self.identification_number, self.manufacturer, self.version, self.medium)

    def to_mask(self) -> SecondaryMask:
        """Give the mask without a wildcard of its own.

        An F digit, an FF byte of the address itself still matches everything in its place: the
        protocol has no way to ask for it literally (MBDOC48 p.64).
        """
        return SecondaryMask(
            self.identification_number, self.manufacturer, self.version, self.medium
        )

    def __str__(self) -> str:
        letters = manufacturer_letters(self.manufacturer)
        return f"{self.identification_number}/{letters}/{self.version}/{self.medium}"


@dataclass(frozen=True, slots=True)
class SecondaryMask:
    """Whom a selection speaks to: a secondary address with wildcards (MBDOC48 p.64).

    F stands for any digit of the identification number; FF for any value of one whole byte of
    manufacturer, version or medium. Outside the identification number no nibble is a wildcard.
    """

    identification_number: str = WILD_NIBBLE * IDENTIFICATION_DIGITS
    manufacturer: int = WILD_WORD
    version: int = WILD_BYTE
    medium: int = WILD_BYTE

    ANY: ClassVar[SecondaryMask]

    def __post_init__(self) -> None:
        _check_fields(self.identification_number, self.manufacturer, self.version, self.medium)

    @classmethod
    def from_bytes(cls, data: bytes) -> SecondaryMask:
        """Read the eight bytes of a selection; raises LocalProtocolError for another length."""
        return SecondaryAddress.from_bytes(data).to_mask()

    def to_bytes(self) -> bytes:
        """Give the eight bytes in wire order."""
        return _pack(self.identification_number, self.manufacturer, self.version, self.medium)

    def contains(self, address: SecondaryAddress) -> bool:
        """Tell whether a slave of this address is selected by this mask."""
        digits = zip(self.identification_number, address.identification_number, strict=True)
        if any(wanted not in (WILD_NIBBLE, digit) for wanted, digit in digits):
            return False
        return all(
            wanted in (WILD_BYTE, found)
            for wanted, found in zip(self.to_bytes()[4:], address.to_bytes()[4:], strict=True)
        )

    def with_digit(self, position: int, digit: str) -> SecondaryMask:
        """Narrow the mask: set one digit, counted from 0 at the most significant end."""
        digits = self.identification_number
        return replace(
            self, identification_number=digits[:position] + digit + digits[position + 1 :]
        )

    def __str__(self) -> str:
        rest = f"{self.manufacturer:04X}/{self.version:02X}/{self.medium:02X}"
        return f"{self.identification_number}/{rest}"


SecondaryMask.ANY = SecondaryMask()
