"""The client half of the two function codes that the gateway answers (manual 5.1).

0x03 reads holding registers, 0x2B with MEI 0x0E reads the device identification. Requests are
built from any integers that fit their fields, also illegal ones, because a checker must be able
to ask wrongly. Answers are read with the request beside them and become one of four things:
`Registers`, `Identification`, `ExceptionAnswer`, or `Malformed` when they fit none of these.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Final

READ_HOLDING_REGISTERS: Final = 0x03
READ_DEVICE_IDENTIFICATION: Final = 0x2B
MEI_TYPE: Final = 0x0E

#: Set in the function code of an exception answer.
EXCEPTION_FLAG: Final = 0x80

#: Most registers that one answer can hold.
QUANTITY_MAX: Final = 125

_READ_REQUEST: Final = struct.Struct(">BHH")
_IDENTIFICATION_REQUEST: Final = struct.Struct(">BBBB")
_IDENTIFICATION_HEADER_LENGTH: Final = 7


@unique
class ExceptionCode(IntEnum):
    """Why a server refused, in the words of the manual (5.1) and of Modbus."""

    ILLEGAL_FUNCTION = 0x01
    ILLEGAL_DATA_ADDRESS = 0x02
    ILLEGAL_DATA_VALUE = 0x03
    SERVER_DEVICE_FAILURE = 0x04
    GATEWAY_PATH_UNAVAILABLE = 0x0A
    GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND = 0x0B


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Function code 0x03: `quantity` registers from `starting_address` on."""

    starting_address: int
    quantity: int

    @property
    def function_code(self) -> int:
        """0x03."""
        return READ_HOLDING_REGISTERS

    def to_bytes(self) -> bytes:
        """Return the PDU; each field is any 16-bit number, legal or not."""
        return _READ_REQUEST.pack(self.function_code, self.starting_address, self.quantity)


@dataclass(frozen=True, slots=True)
class IdentificationRequest:
    """Function code 0x2B: objects from `object_id` on, of the category asked for.

    `read_device_id_code` 0x01 is basic, 0x02 regular (manual 5.1). `mei_type` is 0x0E; the text
    of the manual also prints 0x03 (C-01).
    """

    read_device_id_code: int
    object_id: int = 0
    mei_type: int = MEI_TYPE

    @property
    def function_code(self) -> int:
        """0x2B."""
        return READ_DEVICE_IDENTIFICATION

    def to_bytes(self) -> bytes:
        """Return the PDU; each field is any byte, legal or not."""
        return _IDENTIFICATION_REQUEST.pack(
            self.function_code, self.mei_type, self.read_device_id_code, self.object_id
        )


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """Any other function code with an address and a quantity behind it.

    The gateway refuses them all (manual 5.1), so an answer that is no exception is `Malformed`.
    """

    function_code: int
    starting_address: int
    quantity: int

    def to_bytes(self) -> bytes:
        """Return the PDU."""
        return _READ_REQUEST.pack(self.function_code, self.starting_address, self.quantity)


Request = ReadRequest | IdentificationRequest | OtherRequest


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers asked for: 16-bit words, lowest address first."""

    starting_address: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Identification:
    """One answer to `IdentificationRequest`; `more_follows` asks for `next_object_id`."""

    conformity_level: int
    more_follows: bool
    next_object_id: int
    objects: tuple[tuple[int, bytes], ...]

    def text(self, object_id: int) -> str | None:
        """Return an object as text (bytes above 7F as escapes), None where it is absent."""
        for number, value in self.objects:
            if number == object_id:
                return value.decode("ascii", "backslashreplace")
        return None


@dataclass(frozen=True, slots=True)
class ExceptionAnswer:
    """The server refused. `code` is a plain number: a server may send one that has no name."""

    code: int

    def __str__(self) -> str:
        known = {member.value: member.name.replace("_", " ") for member in ExceptionCode}
        return f"exception {self.code:02X} {known.get(self.code, 'unknown')}"


@dataclass(frozen=True, slots=True)
class Malformed:
    """An answer that does not fit its request; `message` says what was expected and what came."""

    pdu: bytes
    message: str


Answer = Registers | Identification | ExceptionAnswer | Malformed


def parse(request: Request, pdu: bytes) -> Answer:
    """Read the answer `pdu` to `request`; never raises, whatever the bytes are."""
    if not pdu:
        return Malformed(pdu, "expected a function code, got an empty PDU")
    if pdu[0] == request.function_code | EXCEPTION_FLAG:
        return _exception(pdu)
    if pdu[0] != request.function_code:
        return Malformed(
            pdu, f"expected function code {request.function_code:02X}, got {pdu[0]:02X}"
        )
    if isinstance(request, ReadRequest):
        return _registers(request, pdu)
    if isinstance(request, OtherRequest):
        return Malformed(pdu, f"expected an exception, got {len(pdu)} bytes")
    return _identification(request, pdu)


def _exception(pdu: bytes) -> ExceptionAnswer | Malformed:
    if len(pdu) != 2:
        return Malformed(pdu, f"expected an exception answer of 2 bytes, got {len(pdu)}")
    return ExceptionAnswer(pdu[1])


def _registers(request: ReadRequest, pdu: bytes) -> Registers | Malformed:
    byte_count = 2 * request.quantity
    given = pdu[1] if len(pdu) > 1 else None
    if given != byte_count:
        return Malformed(pdu, f"expected byte count {byte_count}, got {given}")
    if len(pdu) != 2 + byte_count:
        return Malformed(pdu, f"expected {byte_count} bytes of registers, got {len(pdu) - 2}")
    words = struct.unpack(f">{request.quantity}H", pdu[2:])
    return Registers(request.starting_address, words)


def _identification(request: IdentificationRequest, pdu: bytes) -> Identification | Malformed:
    if len(pdu) < _IDENTIFICATION_HEADER_LENGTH:
        return Malformed(
            pdu, f"expected at least {_IDENTIFICATION_HEADER_LENGTH} bytes, got {len(pdu)}"
        )
    _, mei_type, code, conformity_level, more_follows, next_object_id, count = pdu[:7]
    if (mei_type, code) != (request.mei_type, request.read_device_id_code):
        return Malformed(
            pdu,
            f"expected MEI {request.mei_type:02X} and code {request.read_device_id_code:02X} "
            f"echoed, got {mei_type:02X} and {code:02X}",
        )
    if more_follows not in (0x00, 0xFF):
        return Malformed(pdu, f"expected MoreFollows 00 or FF, got {more_follows:02X}")
    objects = _objects(pdu[_IDENTIFICATION_HEADER_LENGTH:], count)
    if isinstance(objects, str):
        return Malformed(pdu, objects)
    return Identification(conformity_level, more_follows == 0xFF, next_object_id, objects)


def _objects(data: bytes, count: int) -> tuple[tuple[int, bytes], ...] | str:
    """Return the objects of an identification answer, or what is wrong with them."""
    objects: list[tuple[int, bytes]] = []
    for index in range(count):
        if len(data) < 2 or len(data) < 2 + data[1]:
            return f"expected {count} objects, the PDU ends inside object {index + 1}"
        objects.append((data[0], data[2 : 2 + data[1]]))
        data = data[2 + data[1] :]
    if data:
        return f"expected {count} objects, {len(data)} bytes follow the last"
    return tuple(objects)
