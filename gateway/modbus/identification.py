"""Read Device Identification: function code 2B, MEI type 0E (MOD-05, manual 5.1, C-01, C-02).

The objects of a device never change while it runs, so every answer is made once and looked up.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Final

from gateway.modbus.pdu import PDU_SIZE_MAX, ExceptionCode, FunctionCode, exception

#: MEI types answered: the one of the specification, and the one in the manual's text (C-01).
MEI_READ_DEVICE_IDENTIFICATION: Final = 0x0E
MEI_ALIAS: Final = 0x03
#: Regular identification, stream access only (C-02).
CONFORMITY_LEVEL: Final = 0x02

_REQUEST_SIZE: Final = 4
#: Function code, MEI type, code, conformity level, more follows, next object id, object count.
_HEAD_SIZE: Final = 7
_BASIC_COUNT: Final = 3
_REGULAR_COUNT: Final = 7


@unique
class ReadDeviceIdCode(IntEnum):
    """What a request asks for; every other code is an illegal value (C-02)."""

    BASIC = 0x01
    REGULAR = 0x02
    #: Answered at the level that the device has: objects 0 to 6, the code echoed (C-02).
    EXTENDED = 0x03


_OBJECT_COUNTS: Final = {
    ReadDeviceIdCode.BASIC: _BASIC_COUNT,
    ReadDeviceIdCode.REGULAR: _REGULAR_COUNT,
    ReadDeviceIdCode.EXTENDED: _REGULAR_COUNT,
}


class Identification:
    """The identification objects 0 to 6 of one device, and the answers that show them."""

    __slots__ = ("_answers", "objects")

    def __init__(self, objects: tuple[str, ...]) -> None:
        """Take the seven texts; ValueError where they are not ASCII or exceed one PDU.

        One PDU bounds all of them together, so no answer ever needs "more follows".
        """
        if len(objects) != _REGULAR_COUNT:
            raise ValueError(f"expected {_REGULAR_COUNT} identification objects, got {objects}")
        if not all(text.isascii() for text in objects):
            raise ValueError(f"identification objects must be ASCII, got {objects}")
        size = _HEAD_SIZE + sum(2 + len(text) for text in objects)
        if size > PDU_SIZE_MAX:
            raise ValueError(
                f"identification objects need {size} bytes, a PDU has {PDU_SIZE_MAX}: {objects}"
            )
        self.objects = objects
        self._answers: dict[tuple[int, int, int], bytes] = {
            (mei, int(code), start): _answer(objects, mei, code, start)
            for mei in (MEI_READ_DEVICE_IDENTIFICATION, MEI_ALIAS)
            for code, count in _OBJECT_COUNTS.items()
            for start in range(count)
        }

    def answer(self, pdu: bytes) -> bytes:
        """Answer a request of function code 2B (`pdu` begins with it).

        The MEI type is checked before the length (C-01); an object that the category asked for
        does not have restarts at object 0 (C-02, MODBUS-APS 6.21).
        """
        function_code = FunctionCode.ENCAPSULATED_INTERFACE_TRANSPORT
        if len(pdu) > 1 and pdu[1] not in (MEI_READ_DEVICE_IDENTIFICATION, MEI_ALIAS):
            return exception(function_code, ExceptionCode.ILLEGAL_FUNCTION)
        if len(pdu) != _REQUEST_SIZE:
            return exception(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
        _, mei, code, start = pdu
        if (mei, code, 0) not in self._answers:
            return exception(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
        found = self._answers.get((mei, code, start))
        return self._answers[mei, code, 0] if found is None else found


def _answer(objects: tuple[str, ...], mei: int, code: ReadDeviceIdCode, start: int) -> bytes:
    """Build the answer that shows objects `start` to the last of the category."""
    shown = range(start, _OBJECT_COUNTS[code])
    function_code = FunctionCode.ENCAPSULATED_INTERFACE_TRANSPORT
    answer = bytearray((function_code, mei, code, CONFORMITY_LEVEL, 0, 0, len(shown)))
    for number in shown:
        text = objects[number].encode("ascii")
        answer += bytes((number, len(text))) + text
    return bytes(answer)


def _device(product_code: str, size: str) -> Identification:
    """The objects of manual 5.1, which differ in two places between the models."""
    return Identification(
        (
            "HMS Industrial Networks AB",
            product_code,
            "001",
            "www.anybus.com",
            "Anybus M-Bus to Modbus-TCP Gateway",
            "Standard",
            f"Anybus M-Bus to Modbus-TCP {size}",
        )
    )


#: The models by their unit loads. The third, "lab", is not a device of the manual and says so in
#: both objects that name a model (C-75).
UL_20: Final = _device("1", "20")
UL_80: Final = _device("2", "80")
LAB: Final = _device("lab", "lab")
