"""Function codes, exception codes and the limits of a PDU (MODBUS-APS 4.1, 6, 7)."""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Final

#: A PDU has 1 to 253 bytes (MODBUS-APS 4.1).
PDU_SIZE_MAX: Final = 253
#: Bit of the function code that marks an exception response.
EXCEPTION_BIT: Final = 0x80
#: A request of FC 03: function code, starting address, quantity of registers.
READ_REQUEST_SIZE: Final = 5
#: Registers that one FC 03 request may ask for (MODBUS-APS 6.3).
QUANTITY_MIN: Final = 1
QUANTITY_MAX: Final = 125


@unique
class FunctionCode(IntEnum):
    """The function codes that manual 5.1 lists."""

    READ_COILS = 0x01
    READ_HOLDING_REGISTERS = 0x03
    WRITE_SINGLE_COIL = 0x05
    WRITE_SINGLE_REGISTER = 0x06
    WRITE_MULTIPLE_COILS = 0x0F
    WRITE_MULTIPLE_REGISTERS = 0x10
    ENCAPSULATED_INTERFACE_TRANSPORT = 0x2B


@unique
class ExceptionCode(IntEnum):
    """The exception codes that this server gives (MODBUS-APS 7)."""

    ILLEGAL_FUNCTION = 0x01
    ILLEGAL_DATA_ADDRESS = 0x02
    ILLEGAL_DATA_VALUE = 0x03
    GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND = 0x0B


#: Manual 5.1 lists these as "not used" and answers them ILLEGAL DATA ADDRESS, whatever their body
#: (MOD-03, C-03).
NOT_USED: Final = frozenset(
    {
        FunctionCode.READ_COILS,
        FunctionCode.WRITE_SINGLE_COIL,
        FunctionCode.WRITE_SINGLE_REGISTER,
        FunctionCode.WRITE_MULTIPLE_COILS,
        FunctionCode.WRITE_MULTIPLE_REGISTERS,
    }
)


def exception(function_code: int, exception_code: ExceptionCode) -> bytes:
    """Build the two bytes of an exception response.

    The bit is ORed in: a request of function code 83 is answered by 83, not by 103 (FC-04).
    """
    return bytes((function_code | EXCEPTION_BIT, exception_code))
