"""The four frame formats of the M-Bus data link layer, parsed and built.

=========  ==================================================  ===================
format     bytes                                               class
=========  ==================================================  ===================
single     ``E5``                                              `Ack`
short      ``10 C A CS 16``                                    `ShortFrame`
control    ``68 03 03 68 C A CI CS 16``                        `LongFrame`, no data
long       ``68 L L 68 C A CI data CS 16``                     `LongFrame`
=========  ==================================================  ===================

L = 3 + data bytes, CS = sum of everything from C to the last data byte, modulo 256 (MBDOC48
p.22). What the data mean is not known here (see `gateway.mbus.telegram`), nor is any time: how long
to wait for `missing` bytes is the link's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import adler32

from gateway.mbus.errors import FrameError, LocalProtocolError

if TYPE_CHECKING:
    from gateway.mbus.address import SecondaryMask

ACK: Final = 0xE5
START_SHORT: Final = 0x10
START_LONG: Final = 0x68
STOP: Final = 0x16
#: With one of these every telegram begins.
STARTS: Final = frozenset({ACK, START_SHORT, START_LONG})

SHORT_FRAME_SIZE: Final = 5
#: Start, L, L, start before the counted bytes; checksum and stop after them.
LONG_FRAME_OVERHEAD: Final = 6
L_FIELD_MIN: Final = 3
L_FIELD_MAX: Final = 255
#: The longest frame there is: 261 characters, 9.57 s at 300 Bd.
FRAME_SIZE_MAX: Final = L_FIELD_MAX + LONG_FRAME_OVERHEAD
DATA_SIZE_MAX: Final = L_FIELD_MAX - L_FIELD_MIN

# C field (MBDOC48 p.23). Bit 6 tells the direction; bits 5 and 4 mean FCB and FCV in calls,
# ACD and DFC in answers.
SND_NKE: Final = 0x40
SND_UD: Final = 0x53
REQ_UD1: Final = 0x5A
REQ_UD2: Final = 0x5B
RSP_UD: Final = 0x08
CALLING: Final = 0x40
FCB: Final = 0x20
FCV: Final = 0x10
ACD: Final = 0x20
DFC: Final = 0x10
#: Without bits 7, 5 and 4 every answer that carries data reads 08.
C_FIELD_FUNCTION: Final = 0x4F

# A field (MBDOC48 p.24).
ADDRESS_UNCONFIGURED: Final = 0
ADDRESS_MAX: Final = 250
ADDRESS_NETWORK_LAYER: Final = 0xFD
ADDRESS_TEST: Final = 0xFE
ADDRESS_BROADCAST: Final = 0xFF

# CI field, master to slave (MBDOC48 p.31).
CI_APPLICATION_RESET: Final = 0x50
CI_DATA_SEND: Final = 0x51
CI_SELECT: Final = 0x52
CI_DATA_SEND_MSB_FIRST: Final = 0x55
CI_SELECT_MSB_FIRST: Final = 0x56


def checksum(counted: bytes) -> int:
    """Sum modulo 256 over C field, A field, CI field and data (MBDOC48 p.22).

    The low half of Adler-32, started at 0, is the plain sum of the bytes modulo 65521. At most 255
    bytes are counted, whose sum stays below that, and it is several times faster than `sum`; what
    is longer is no frame, and is summed all the same.
    """
    if len(counted) <= L_FIELD_MAX:
        return adler32(counted, 0) & 0xFF
    return sum(counted) & 0xFF


@dataclass(frozen=True, slots=True)
class Ack:
    """The single character E5: "received", from one slave or from several at once."""

    def to_bytes(self) -> bytes:
        """Give the one byte."""
        return b"\xe5"


@dataclass(frozen=True, slots=True)
class ShortFrame:
    """A call without data: SND_NKE, REQ_UD1 or REQ_UD2."""

    c_field: int
    a_field: int

    @property
    def is_calling(self) -> bool:
        """True when a master sent it (C field bit 6)."""
        return bool(self.c_field & CALLING)

    @property
    def fcb(self) -> bool:
        """Frame count bit; means something only with `fcv`."""
        return bool(self.c_field & FCB)

    @property
    def fcv(self) -> bool:
        """True when the receiver is to look at `fcb`."""
        return bool(self.c_field & FCV)

    def to_bytes(self) -> bytes:
        """Give the five bytes as they go on the line."""
        counted = bytes((self.c_field, self.a_field))
        return bytes((START_SHORT, *counted, checksum(counted), STOP))


@dataclass(frozen=True, slots=True)
class LongFrame:
    """A frame with a CI field; with empty `data` it is the control frame (MBDOC48 p.22)."""

    c_field: int
    a_field: int
    ci_field: int
    data: bytes = b""

    @property
    def is_control(self) -> bool:
        """True for the control frame, L = 3."""
        return not self.data

    @property
    def is_calling(self) -> bool:
        """True when a master sent it (C field bit 6)."""
        return bool(self.c_field & CALLING)

    @property
    def fcb(self) -> bool:
        """Frame count bit of a call."""
        return self.is_calling and bool(self.c_field & FCB)

    @property
    def fcv(self) -> bool:
        """Frame count bit valid, in a call."""
        return self.is_calling and bool(self.c_field & FCV)

    @property
    def acd(self) -> bool:
        """Access demand of an answer: class 1 data (an alarm) wait to be fetched by REQ_UD1."""
        return not self.is_calling and bool(self.c_field & ACD)

    @property
    def dfc(self) -> bool:
        """Data flow control of an answer: the slave can accept no further data now."""
        return not self.is_calling and bool(self.c_field & DFC)

    def to_bytes(self) -> bytes:
        """Give the frame as it goes on the line.

        Raises LocalProtocolError for more than 252 data bytes: L would not fit its byte.
        """
        if len(self.data) > DATA_SIZE_MAX:
            raise LocalProtocolError(
                1, f"at most {DATA_SIZE_MAX} data bytes", f"{len(self.data)}", source="MBDOC48 p.22"
            )
        counted = bytes((self.c_field, self.a_field, self.ci_field)) + self.data
        size = len(counted)
        head = bytes((START_LONG, size, size, START_LONG))
        return head + counted + bytes((checksum(counted), STOP))


Frame = Ack | ShortFrame | LongFrame


def missing(data: bytes) -> int:
    """Count the bytes that the frame which starts `data` still lacks, at the least.

    0 means "stop reading": the frame is whole, or these bytes can never become one. Until the
    second byte of a long frame tells its length the shortest one is assumed, so a reader that asks
    again after each answer never waits for more than there is.
    """
    if not data:
        return 1
    if data[0] == START_SHORT:
        return max(0, SHORT_FRAME_SIZE - len(data))
    if data[0] != START_LONG or not _head_is_possible(data):
        return 0
    l_field = data[1] if len(data) > 1 else L_FIELD_MIN
    return max(0, l_field + LONG_FRAME_OVERHEAD - len(data))


def _head_is_possible(data: bytes) -> bool:
    """Tell whether the first up to four bytes can be ``68 L L 68``."""
    if len(data) > 1 and data[1] < L_FIELD_MIN:
        return False
    if len(data) > 2 and data[2] != data[1]:
        return False
    return len(data) < 4 or data[3] == START_LONG


def parse(data: bytes) -> Frame:
    """Read exactly one frame; a slave ignores what does not pass here (MBDOC48 p.26).

    Raises FrameError for a bad start, length, repeated length, checksum or stop byte, for a frame
    that is cut short and for bytes behind it.
    """
    if not data:
        raise FrameError(0, "a frame", "nothing")
    if data[0] == ACK:
        _expect_size(data, 1)
        return Ack()
    if data[0] == START_SHORT:
        _check(data, SHORT_FRAME_SIZE, 1)
        return ShortFrame(data[1], data[2])
    if data[0] == START_LONG:
        _check(data, check_long_head(data) + LONG_FRAME_OVERHEAD, 4)
        return LongFrame(data[4], data[5], data[6], data[7:-2])
    raise FrameError(0, "start byte E5, 10 or 68", f"{data[0]:02X}", source="MBDOC48 p.22")


def check_long_head(data: bytes) -> int:
    """Return the L field of a long frame after checking ``68 L L 68``; raise FrameError if bad."""
    if len(data) < 4:
        raise FrameError(len(data), "68 L L 68", "the end of the frame", source="MBDOC48 p.22")
    if data[1] < L_FIELD_MIN:
        raise FrameError(1, "an L field of at least 3", f"{data[1]}", source="MBDOC48 p.22")
    if data[2] != data[1]:
        raise FrameError(2, f"the L field {data[1]:02X} repeated", f"{data[2]:02X}")
    if data[3] != START_LONG:
        raise FrameError(3, "start byte 68 repeated", f"{data[3]:02X}", source="MBDOC48 p.22")
    return data[1]


def _check(data: bytes, size: int, counted_from: int) -> None:
    """Check what short and long frames end with: size, stop byte, checksum."""
    _expect_size(data, size)
    if data[-1] != STOP:
        raise FrameError(size - 1, "stop byte 16", f"{data[-1]:02X}", source="MBDOC48 p.22")
    computed = checksum(data[counted_from:-2])
    if data[-2] != computed:
        raise FrameError(size - 2, f"checksum {computed:02X}", f"{data[-2]:02X}")


def _expect_size(data: bytes, size: int) -> None:
    if len(data) < size:
        raise FrameError(len(data), f"a frame of {size} bytes", "the end of the frame")
    if len(data) > size:
        raise FrameError(size, "the end of the frame", f"{len(data) - size} bytes more")


# --- What a master sends ------------------------------------------------------------------------


def snd_nke(a_field: int) -> ShortFrame:
    """Build the link reset; it clears the slave's frame count bit (MBDOC48 p.27)."""
    return ShortFrame(SND_NKE, a_field)


def req_ud1(a_field: int, *, fcb: bool) -> ShortFrame:
    """Build the request for class 1 data, the alarm protocol (MBDOC48 p.70)."""
    return ShortFrame(REQ_UD1 | (FCB if fcb else 0), a_field)


def req_ud2(a_field: int, *, fcb: bool) -> ShortFrame:
    """Build the request for class 2 data, the readings."""
    return ShortFrame(REQ_UD2 | (FCB if fcb else 0), a_field)


def snd_ud(a_field: int, *, fcb: bool, ci_field: int, data: bytes = b"") -> LongFrame:
    """Build a frame that sends user data to a slave; E5 is its answer."""
    return LongFrame(SND_UD | (FCB if fcb else 0), a_field, ci_field, data)


def select(mask: SecondaryMask, *, c_field: int = SND_UD) -> LongFrame:
    """Build the selection by secondary address (MBDOC48 p.63): who matches answers E5.

    `c_field` is 53, or 73 for slaves that insist on it (C-18).
    """
    return LongFrame(c_field, ADDRESS_NETWORK_LAYER, CI_SELECT, mask.to_bytes())
