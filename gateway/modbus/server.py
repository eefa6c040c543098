"""One request in, one answer out: the whole Modbus server as a pure function.

The order of the checks is part of the behaviour (C-12): unit identifier, function code, length and
quantity, address. MBAP comes before all of them and belongs to `mbap` and `session`.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol

from gateway.modbus.pdu import (
    NOT_USED,
    QUANTITY_MAX,
    QUANTITY_MIN,
    READ_REQUEST_SIZE,
    ExceptionCode,
    FunctionCode,
    exception,
)

if TYPE_CHECKING:
    from gateway.modbus.identification import Identification

_READ_REQUEST: Final = Struct(">xHH")


class Image(Protocol):
    """The registers that can be read; an immutable snapshot, so no answer mixes two states."""

    def serves(self, unit_identifier: int) -> bool:
        """Whether somebody answers at this unit identifier."""
        ...

    def read(self, unit_identifier: int, starting_address: int, quantity: int) -> bytes:
        """Give the registers, big endian; LookupError where the range touches nothing mapped."""
        ...


def answer(image: Image, unit_identifier: int, pdu: bytes, identification: Identification) -> bytes:
    """Answer the request `pdu` (1 to 253 bytes); total: every input has exactly one answer."""
    # An empty PDU cannot come through MBAP, whose length counts the function code; as 0 it gets
    # the answer of a function code that does not exist.
    function_code = pdu[0] if pdu else 0
    if not image.serves(unit_identifier):
        # C-38, C-11: nobody is behind this unit identifier, whatever was asked.
        return exception(function_code, ExceptionCode.GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND)
    if function_code == FunctionCode.READ_HOLDING_REGISTERS:
        return _registers(image, unit_identifier, pdu)
    if function_code == FunctionCode.ENCAPSULATED_INTERFACE_TRANSPORT:
        return identification.answer(pdu)
    if function_code in NOT_USED:
        # MOD-03: the manual's own rule for codes that are known and not used, body unread (C-03).
        return exception(function_code, ExceptionCode.ILLEGAL_DATA_ADDRESS)
    # MOD-04: all others, also those of a response (FC-04).
    return exception(function_code, ExceptionCode.ILLEGAL_FUNCTION)


def _registers(image: Image, unit_identifier: int, pdu: bytes) -> bytes:
    """Answer Read Holding Registers (MOD-02, MODBUS-APS 6.3)."""
    function_code = FunctionCode.READ_HOLDING_REGISTERS
    if len(pdu) != READ_REQUEST_SIZE:
        return exception(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
    starting_address, quantity = _READ_REQUEST.unpack(pdu)
    if not QUANTITY_MIN <= quantity <= QUANTITY_MAX:
        # Checked before the address, so FFFF with 126 registers is 03 and not 02 (FC3-05).
        return exception(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
    try:
        registers = image.read(unit_identifier, starting_address, quantity)
    except LookupError:
        return exception(function_code, ExceptionCode.ILLEGAL_DATA_ADDRESS)
    return bytes((function_code, len(registers))) + registers
