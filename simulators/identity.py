"""The secondary address of a meter."""

from __future__ import annotations

from typing import NamedTuple

from simulators import frames


class Identity(NamedTuple):
    """The secondary address: eight hexadecimal digits, three letters, version, medium."""

    identification_number: str
    manufacturer: str
    version: int
    medium: int

    def to_bytes(self) -> bytes:
        """The eight characters as they stand in a selection (MBDOC48 p.63-64) and in a header."""
        return (
            frames.identification_bytes(self.identification_number)
            + frames.manufacturer_code(self.manufacturer).to_bytes(2, "little")
            + bytes((self.version, self.medium))
        )

    @classmethod
    def from_bytes(cls, address: bytes) -> Identity | None:
        """The address that eight characters mean; None if the manufacturer is no three letters."""
        letters = frames.manufacturer_letters(int.from_bytes(address[4:6], "little"))
        if letters is None:
            return None
        return cls(address[3::-1].hex().upper(), letters, address[6], address[7])
