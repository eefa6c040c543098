"""The MBAP header: seven bytes before every PDU on TCP and UDP (MODBUS-APS 4.1).

Transaction identifier (2), protocol identifier (2, 0 = Modbus), length (2, counts the unit
identifier and the PDU), unit identifier (1); big endian.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from gateway.modbus.pdu import PDU_SIZE_MAX

PROTOCOL_IDENTIFIER: Final = 0
#: Bytes up to and with the length field; the length counts from behind it.
PREFIX_SIZE: Final = 6
HEADER_SIZE: Final = 7
#: Unit identifier and at least a function code; at most a whole PDU.
LENGTH_MIN: Final = 2
LENGTH_MAX: Final = 1 + PDU_SIZE_MAX
ADU_SIZE_MIN: Final = PREFIX_SIZE + LENGTH_MIN
ADU_SIZE_MAX: Final = PREFIX_SIZE + LENGTH_MAX

#: Transaction identifier, protocol identifier, length.
PREFIX: Final = Struct(">HHH")
_HEADER: Final = Struct(">HHHB")


def adu(transaction_identifier: int, unit_identifier: int, pdu: bytes) -> bytes:
    """Put the header before a PDU."""
    return (
        _HEADER.pack(transaction_identifier, PROTOCOL_IDENTIFIER, 1 + len(pdu), unit_identifier)
        + pdu
    )
