"""What stands between the CI field of an answer and its data records.

The CI field decides (MBDOC48 p.31; the short forms are those of OMS meters): a header of twelve
bytes, of four bytes, none, or the fixed data structure. Access number and status are single bytes
and the same in both byte orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.mbus.address import SecondaryAddress, identification_from_bytes

CI_APPLICATION_ERROR: Final = 0x70
CI_ALARM: Final = 0x71
CI_LONG_HEADER: Final = 0x72
CI_FIXED: Final = 0x73
CI_NO_HEADER: Final = 0x78
CI_SHORT_HEADER: Final = 0x7A
#: Bit 2 of the CI fields 70-77: multi-byte fields come with the most significant byte first.
CI_MSB_FIRST: Final = 0x04

LONG_HEADER_SIZE: Final = 12
SHORT_HEADER_SIZE: Final = 4

# Status byte of the variable structure (MBDOC48 p.37).
STATUS_APPLICATION: Final = 0x03
STATUS_POWER_LOW: Final = 0x04
STATUS_PERMANENT_ERROR: Final = 0x08
STATUS_TEMPORARY_ERROR: Final = 0x10


@dataclass(frozen=True, slots=True)
class Header:
    """Who answers and how it is; fields that the CI field in question has not are None.

    `configuration` (once "signature") other than zero does not mean encryption on the wire: meters
    in the field put all sorts of things there, so it is shown and never acted upon.
    """

    access_number: int
    status: int
    identification_number: str | None = None
    manufacturer: int | None = None
    version: int | None = None
    medium: int | None = None
    configuration: int | None = None

    @property
    def address(self) -> SecondaryAddress | None:
        """The secondary address, where the header carries all of it."""
        if (
            self.identification_number is None
            or self.manufacturer is None
            or self.version is None
            or self.medium is None
        ):
            return None
        return SecondaryAddress(
            self.identification_number, self.manufacturer, self.version, self.medium
        )


def parse_long_header(data: bytes, *, msb_first: bool) -> Header:
    """Read twelve bytes, identification number to configuration (MBDOC48 p.37)."""
    if msb_first:
        data = data[3::-1] + data[5:3:-1] + data[6:10] + data[11:9:-1]
    return Header(
        access_number=data[8],
        status=data[9],
        identification_number=identification_from_bytes(data[:4]),
        manufacturer=data[4] | data[5] << 8,
        version=data[6],
        medium=data[7],
        configuration=data[10] | data[11] << 8,
    )


def parse_short_header(data: bytes) -> Header:
    """Read four bytes: access number, status, configuration (OMS, wired and wireless alike)."""
    return Header(access_number=data[0], status=data[1], configuration=data[2] | data[3] << 8)
