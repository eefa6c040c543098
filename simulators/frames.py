"""M-Bus frames as a meter sees them: it parses what a master sends and builds what a slave sends.

Written from MBDOC48 alone, and from nothing of `gateway`: the two halves meet on the wire only, so
that a mistake in one cannot hide in the other. A meter has no use for errors with reasons: it
"silently ignores" whatever is broken (MBDOC48 p.26), so a broken request is None here.
"""

from __future__ import annotations

from enum import IntEnum, unique
from functools import lru_cache
from typing import Final, NamedTuple

SHORT_START: Final = 0x10
LONG_START: Final = 0x68
STOP: Final = 0x16

#: The single character with which a slave acknowledges (MBDOC48 p.22).
ACK: Final = b"\xe5"

SHORT_LENGTH: Final = 5
#: Two start characters, two L fields, checksum and stop around the L characters of a long frame.
LONG_OVERHEAD: Final = 6
#: Frames of masters that are remembered: they say the same things again and again.
REQUESTS_REMEMBERED_MAX: Final = 4096
#: C, A and CI field: the L field of a control frame (MBDOC48 p.23).
L_FIELD_MIN: Final = 3
FRAME_LENGTH_MAX: Final = 0xFF + LONG_OVERHEAD

#: Bits of the C field of a calling frame.
CALLING: Final = 0x40
FCB: Final = 0x20
FCV: Final = 0x10

RSP_UD: Final = 0x08
#: Bits of the C field of an answer: class 1 data wait (ACD), no more can be taken (DFC).
ACD: Final = 0x20
DFC: Final = 0x10

#: Addresses with a meaning of their own (MBDOC48 p.24).
UNCONFIGURED: Final = 0
PRIMARY_ADDRESS_MAX: Final = 250
NETWORK_LAYER: Final = 253
TEST: Final = 254
BROADCAST: Final = 255


@unique
class Function(IntEnum):
    """The low four bits of the C field of a calling frame."""

    SND_NKE = 0x0
    SND_UD = 0x3
    REQ_UD1 = 0xA
    REQ_UD2 = 0xB


@unique
class CiField(IntEnum):
    """The CI fields that a simulated meter understands or sends (MBDOC48 p.31)."""

    APPLICATION_RESET = 0x50
    DATA_SEND = 0x51
    SELECT = 0x52
    SYNCHRONISE = 0x54
    DATA_SEND_MODE_2 = 0x55
    SELECT_MODE_2 = 0x56
    ERROR = 0x70
    ALARM = 0x71
    RSP_UD_VARIABLE = 0x72
    RSP_UD_FIXED = 0x73
    RSP_UD_NO_HEADER = 0x78
    RSP_UD_SHORT_HEADER = 0x7A


class Request(NamedTuple):
    """A frame from the master that passed every check of the link layer.

    `ci_field` is None in a short frame; `data` is what follows the CI field.
    """

    c_field: int
    a_field: int
    ci_field: int | None
    data: bytes

    @property
    def function(self) -> int:
        """The function code, to be compared with `Function`."""
        return self.c_field & 0x0F

    @property
    def fcb(self) -> bool:
        """The frame count bit."""
        return bool(self.c_field & FCB)

    @property
    def fcv(self) -> bool:
        """Whether the frame count bit is to be looked at."""
        return bool(self.c_field & FCV)


def checksum(data: bytes) -> int:
    """Sum of the characters from the C field to the last one before the checksum, modulo 256."""
    return sum(data) & 0xFF


def short_frame(c_field: int, a_field: int) -> bytes:
    """A short frame ``10 C A CS 16`` (MBDOC48 p.22)."""
    body = bytes((c_field, a_field))
    return bytes((SHORT_START, *body, checksum(body), STOP))


def long_frame(c_field: int, a_field: int, ci_field: int, data: bytes) -> bytes:
    """A long frame, or without `data` a control frame (MBDOC48 p.22-23).

    `data` holds at most 252 characters; more is an error of the caller (ValueError).
    """
    body = bytes((c_field, a_field, ci_field)) + data
    if len(body) > 0xFF:
        msg = f"a long frame holds at most 252 characters of data, got {len(data)}"
        raise ValueError(msg)
    head = bytes((LONG_START, len(body), len(body), LONG_START))
    return head + body + bytes((checksum(body), STOP))


def frame_length(data: bytes) -> int | None:
    """Length of the frame that starts `data`, as far as its first characters say it.

    0: more characters are needed to know. None: no frame of a master begins like this.
    """
    if not data:
        return 0
    if data[0] == SHORT_START:
        return SHORT_LENGTH
    if data[0] != LONG_START:
        return None
    if len(data) < 4:
        return 0
    if data[1] != data[2] or data[3] != LONG_START or data[1] < L_FIELD_MIN:
        return None
    return data[1] + LONG_OVERHEAD


@lru_cache(maxsize=REQUESTS_REMEMBERED_MAX)
def parse(frame: bytes) -> Request | None:
    """Take one complete frame apart; None if any check of the link layer fails (MBDOC48 p.26).

    Frames of the wrong direction (bit 6 of the C field clear) are not requests and give None too.
    """
    if not frame or frame_length(frame) != len(frame) or frame[-1] != STOP:
        return None
    body = frame[1:-2] if frame[0] == SHORT_START else frame[4:-2]
    if checksum(body) != frame[-2] or not body[0] & CALLING or body[0] & 0x80:
        return None
    if frame[0] == SHORT_START:
        return Request(body[0], body[1], None, b"")
    return Request(body[0], body[1], body[2], body[3:])


def manufacturer_code(letters: str) -> int:
    """The 16-bit manufacturer field of three letters: five bits each, A = 1 (REG-M).

    Raises ValueError unless `letters` are three capitals A-Z.
    """
    if len(letters) != 3 or not all("A" <= letter <= "Z" for letter in letters):
        msg = f"a manufacturer is three letters A-Z, got {letters!r}"
        raise ValueError(msg)
    first, second, third = (ord(letter) - 64 for letter in letters)
    return first << 10 | second << 5 | third


def manufacturer_letters(code: int) -> str | None:
    """The three letters of a manufacturer field; None where it holds anything else."""
    letters = "".join(chr(64 + (code >> shift & 0x1F)) for shift in (10, 5, 0))
    return letters if code < 0x8000 and all("A" <= one <= "Z" for one in letters) else None


def identification_bytes(identification_number: str) -> bytes:
    """The four characters of an identification number, least significant first.

    Eight hexadecimal digits: a number is BCD, but meters with digits A-F exist and are selected
    digit by digit all the same.
    """
    return bytes.fromhex(identification_number)[::-1]
