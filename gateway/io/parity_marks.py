"""Undo the marks by which a POSIX tty tells of parity and framing errors.

With INPCK and PARMRK set the driver gives a character that was received with an error as
``FF 00 x`` and a good character FF as ``FF FF``; everything else stands for itself. The mark does
not say which of the two errors it was, so `MARKED` names both.
"""

from __future__ import annotations

from typing import Final

from gateway.runtime.port import Fault

#: What one mark means: parity or framing, the tty does not tell which.
MARKED: Final = Fault.PARITY | Fault.FRAMING

MARK: Final = 0xFF


class ParityMarks:
    """Decoder for one tty; marks may be split over reads."""

    def __init__(self) -> None:
        self._seen = b""

    def feed(self, data: bytes) -> tuple[bytes, list[int]]:
        """Return the characters of `data` and the indices of those that were marked."""
        characters = bytearray()
        marked: list[int] = []
        seen = bytearray(self._seen)
        for byte in data:
            if not seen:
                if byte == MARK:
                    seen.append(byte)
                else:
                    characters.append(byte)
                continue
            if len(seen) == 2:
                marked.append(len(characters))
                characters.append(byte)
                seen.clear()
            elif byte == 0:
                seen.append(byte)
            else:
                # FF FF is a good FF. Anything else cannot come from a tty that marks: both count.
                characters.append(MARK)
                if byte != MARK:
                    characters.append(byte)
                seen.clear()
        self._seen = bytes(seen)
        return bytes(characters), marked
