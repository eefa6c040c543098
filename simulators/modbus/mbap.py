"""The MBAP header: what puts a Modbus PDU on a TCP stream and finds it again.

Seven bytes, big endian: transaction identifier, protocol identifier (0), length (of unit
identifier and PDU), unit identifier (manual 5: Modbus TCP).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

#: Transaction, protocol, length, unit.
_HEADER: Final = struct.Struct(">HHHB")

HEADER_LENGTH: Final = _HEADER.size
PROTOCOL_IDENTIFIER: Final = 0

#: Longest PDU: 256 bytes of the serial line less address and checksum.
PDU_LENGTH_MAX: Final = 253

#: The length field counts the unit identifier and at least a function code.
LENGTH_MIN: Final = 2
LENGTH_MAX: Final = 1 + PDU_LENGTH_MAX


@dataclass(frozen=True, slots=True)
class Adu:
    """One Modbus TCP message."""

    transaction_identifier: int
    unit_identifier: int
    pdu: bytes

    def to_bytes(self) -> bytes:
        """Return the message as it goes on the wire."""
        length = 1 + len(self.pdu)
        header = _HEADER.pack(
            self.transaction_identifier, PROTOCOL_IDENTIFIER, length, self.unit_identifier
        )
        return header + self.pdu


@dataclass(frozen=True, slots=True)
class BrokenStream:
    """Bytes that cannot begin a Modbus TCP message; nothing after them can be trusted.

    `data` is everything received from the fault on, `message` says what was expected and what
    came.
    """

    data: bytes
    message: str


class AduReader:
    """Cuts a byte stream into messages, whatever the pieces in which it arrives.

    After a `BrokenStream` the reader is dead: a length that lies leaves no way to find the next
    header, so everything further is swallowed and counted in `discarded`.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._broken = False
        self.discarded = 0

    @property
    def pending(self) -> int:
        """Bytes of an unfinished message that wait for the rest; below 260."""
        return len(self._buffer)

    def receive(self, data: bytes) -> list[Adu | BrokenStream]:
        """Take the next bytes of the stream and return the messages that they complete."""
        if self._broken:
            self.discarded += len(data)
            return []
        self._buffer += data
        found: list[Adu | BrokenStream] = []
        while len(self._buffer) >= HEADER_LENGTH and not self._broken:
            message = self._next()
            if message is None:
                break
            found.append(message)
        return found

    def _next(self) -> Adu | BrokenStream | None:
        """Return the first message of the buffer, None while it is unfinished."""
        transaction, protocol, length, unit = _HEADER.unpack_from(self._buffer)
        if protocol != PROTOCOL_IDENTIFIER:
            return self._break(f"expected protocol identifier 0, got {protocol}")
        if not LENGTH_MIN <= length <= LENGTH_MAX:
            return self._break(f"expected a length of {LENGTH_MIN}..{LENGTH_MAX}, got {length}")
        end = HEADER_LENGTH - 1 + length
        if len(self._buffer) < end:
            return None
        pdu = bytes(self._buffer[HEADER_LENGTH:end])
        del self._buffer[:end]
        return Adu(transaction, unit, pdu)

    def _break(self, message: str) -> BrokenStream:
        data = bytes(self._buffer)
        self._buffer.clear()
        self._broken = True
        return BrokenStream(data, message)
