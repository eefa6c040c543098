"""One telegram, from the bytes of the line to header and data records.

`decode` is total: it takes any bytes and never raises. What is wrong stands in `Telegram.error`
with its place; whatever can still be read stands beside it, so that a person sees how far the meter
got.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.mbus import frames
from gateway.mbus.coding import Coding, Form, Function
from gateway.mbus.errors import FrameError, MBusError, RecordError, RemoteProtocolError
from gateway.mbus.fixed import FIXED_SIZE, parse_fixed
from gateway.mbus.frames import Ack, LongFrame, ShortFrame
from gateway.mbus.header import (
    CI_ALARM,
    CI_APPLICATION_ERROR,
    CI_FIXED,
    CI_LONG_HEADER,
    CI_MSB_FIRST,
    CI_NO_HEADER,
    CI_SHORT_HEADER,
    LONG_HEADER_SIZE,
    SHORT_HEADER_SIZE,
    Header,
    parse_long_header,
    parse_short_header,
)
from gateway.mbus.plan import find_plan, remember
from gateway.mbus.record import DataRecord, cut, read_record, read_records
from gateway.mbus.tables.manual import Unit, ValueType
from gateway.mbus.timestamps import assign_timestamps

if TYPE_CHECKING:
    from collections.abc import Callable

#: 68 L L 68 C A CI: what stands before the data of a long frame.
DATA_OFFSET: Final = 7
C_FIELD_OFFSET: Final = 4
CI_FIELD_OFFSET: Final = 6
#: Where the records stand behind a long header.
RECORDS_OFFSET: Final = 19

_ALARM_CODING: Final = Coding(
    dib=b"",
    vib=b"",
    size=1,
    form=Form.INTEGER,
    function=Function.INSTANTANEOUS,
    value_type=ValueType.ERROR_FLAGS,
    unit=Unit.BINARY,
)


class Telegram:
    """What `decode` made of the bytes.

    `frame` is None where not even a frame could be made out. `error` flags the telegram: a bad
    frame, a record whose end cannot be found, a wrong direction. Records before the place of the
    error are kept. Values that are no values flag only their own record (`DataRecord.error`).
    """

    __slots__ = (
        "_frame",
        "_header",
        "_wire",
        "application_error",
        "error",
        "more_records_follow",
        "records",
    )

    def __init__(
        self,
        frame: frames.Frame | None,
        header: Header | None = None,
        records: tuple[DataRecord, ...] = (),
        more_records_follow: bool = False,
        error: MBusError | None = None,
        application_error: int | None = None,
        *,
        wire: bytes = b"",
    ) -> None:
        """Put a telegram together; `wire` = a sound answer whose frame and header can wait."""
        self._frame = frame
        self._header = header
        self._wire = wire
        self.records = records
        self.more_records_follow = more_records_follow
        self.error = error
        self.application_error = application_error

    @property
    def frame(self) -> frames.Frame | None:
        """The frame that carried the telegram."""
        if self._frame is None and self._wire:
            wire = self._wire
            self._frame = LongFrame(wire[4], wire[5], wire[6], wire[DATA_OFFSET:-2])
        return self._frame

    @property
    def header(self) -> Header | None:
        """Who answers and how it is; None where the CI field has no header or it is cut short."""
        if self._header is None and self._wire:
            msb_first = bool(self._wire[CI_FIELD_OFFSET] & CI_MSB_FIRST)
            data = self._wire[DATA_OFFSET:RECORDS_OFFSET]
            self._header = parse_long_header(data, msb_first=msb_first)
        return self._header

    def _fields(self) -> tuple[object, ...]:
        return (
            self.frame,
            self.header,
            self.records,
            self.more_records_follow,
            self.error,
            self.application_error,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Telegram) and self._fields() == other._fields()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Telegram{self._fields()!r}"


def decode(data: bytes) -> Telegram:
    """Decode one telegram; never raises, whatever the bytes are."""
    plan = find_plan(data)
    if plan is not None and data[-2] == frames.checksum(data[4:-2]):
        more = plan.more_records_follow
        return Telegram(None, None, plan.read(data), more, wire=data)
    if _is_sound_answer(data):
        return _decode_answer(data)
    try:
        frame = frames.parse(data)
    except FrameError as error:
        return _decode_broken(data, error)
    if isinstance(frame, Ack):
        return Telegram(frame)
    if isinstance(frame, ShortFrame):
        return Telegram(frame, error=_direction_error(frame, 1))
    return _decode_long(frame, None)


def _is_sound_answer(data: bytes) -> bool:
    """Tell at a glance what nearly all telegrams are: a RSP_UD with a long header, not damaged."""
    size = len(data)
    return (
        size >= RECORDS_OFFSET + 2
        and data[CI_FIELD_OFFSET] | CI_MSB_FIRST == CI_LONG_HEADER | CI_MSB_FIRST
        and data[C_FIELD_OFFSET] & frames.C_FIELD_FUNCTION == frames.RSP_UD
        and data[0] == data[3] == frames.START_LONG
        and data[1] == data[2] == size - frames.LONG_FRAME_OVERHEAD
        and data[-1] == frames.STOP
        and data[-2] == frames.checksum(data[4:-2])
    )


def _decode_answer(data: bytes) -> Telegram:
    """Read what `_is_sound_answer`; if it is good, it may be read by a plan next time."""
    msb_first = bool(data[CI_FIELD_OFFSET] & CI_MSB_FIRST)
    records, error = cut(data[:-2], RECORDS_OFFSET, msb_first=msb_first)
    assign_timestamps(records)
    if error is None:
        remember(data, records)
    more = bool(records) and records[-1].function is Function.MORE_RECORDS_FOLLOW
    return Telegram(None, None, tuple(records), more, error, wire=data)


def _decode_broken(data: bytes, error: FrameError) -> Telegram:
    """Read what a broken frame still shows.

    A long frame whose head is sound names its fields even if it is cut short or its checksum fails;
    such records are evidence for a person, and the error says that they are not to be trusted.
    """
    if data[:1] != bytes((frames.START_LONG,)) or len(data) < DATA_OFFSET:
        return Telegram(None, error=error)
    try:
        l_field = frames.check_long_head(data)
    except FrameError:
        return Telegram(None, error=error)
    counted = data[C_FIELD_OFFSET : C_FIELD_OFFSET + l_field]
    return _decode_long(LongFrame(counted[0], counted[1], counted[2], counted[3:]), error)


def _decode_long(frame: LongFrame, frame_error: FrameError | None) -> Telegram:
    """Read a long frame in the direction that its C field names."""
    if frame.is_calling:
        return _decode_call(frame, frame_error)
    error: MBusError | None = frame_error or _direction_error(frame, C_FIELD_OFFSET)
    reader = _READERS.get(frame.ci_field)
    if reader is None:
        unknown = RemoteProtocolError(
            CI_FIELD_OFFSET, "CI field 70-78 or 7A", f"{frame.ci_field:02X}", source="MBDOC48 p.31"
        )
        return Telegram(frame, error=error or unknown)
    telegram = reader(frame)
    if error is None:
        return telegram
    return Telegram(
        frame,
        telegram.header,
        telegram.records,
        telegram.more_records_follow,
        error,
        telegram.application_error,
    )


def _direction_error(frame: ShortFrame | LongFrame, offset: int) -> RemoteProtocolError | None:
    """Flag what a master sends, and answers that are none; None for a RSP_UD."""
    if frame.is_calling:
        return RemoteProtocolError(
            offset, "an answer of a slave", f"C field {frame.c_field:02X}, a call of the master"
        )
    if frame.c_field & frames.C_FIELD_FUNCTION != frames.RSP_UD:
        return RemoteProtocolError(
            offset, "C field 08, 18, 28 or 38", f"{frame.c_field:02X}", source="MBDOC48 p.23"
        )
    return None


def _decode_call(frame: LongFrame, frame_error: FrameError | None) -> Telegram:
    """Show a call of the master, flagged; the records that it sends are readable."""
    error = frame_error or _direction_error(frame, C_FIELD_OFFSET)
    if frame.ci_field not in (frames.CI_DATA_SEND, frames.CI_DATA_SEND_MSB_FIRST):
        return Telegram(frame, error=error)
    msb_first = frame.ci_field == frames.CI_DATA_SEND_MSB_FIRST
    records, _ = read_records(frame.data, DATA_OFFSET, msb_first=msb_first)
    return Telegram(frame, records=tuple(records), error=error)


# --- One function per CI field --------------------------------------------------------------------


def _read_long_header(frame: LongFrame) -> Telegram:
    if len(frame.data) < LONG_HEADER_SIZE:
        return Telegram(frame, error=_too_short(frame, LONG_HEADER_SIZE))
    msb_first = bool(frame.ci_field & CI_MSB_FIRST)
    header = parse_long_header(frame.data, msb_first=msb_first)
    return _with_records(frame, header, LONG_HEADER_SIZE, msb_first=msb_first)


def _read_short_header(frame: LongFrame) -> Telegram:
    if len(frame.data) < SHORT_HEADER_SIZE:
        return Telegram(frame, error=_too_short(frame, SHORT_HEADER_SIZE))
    header = parse_short_header(frame.data)
    return _with_records(frame, header, SHORT_HEADER_SIZE, msb_first=False)


def _read_no_header(frame: LongFrame) -> Telegram:
    return _with_records(frame, None, 0, msb_first=False)


def _with_records(
    frame: LongFrame, header: Header | None, header_size: int, *, msb_first: bool
) -> Telegram:
    body, offset = frame.data[header_size:], DATA_OFFSET + header_size
    records, error = read_records(body, offset, msb_first=msb_first)
    assign_timestamps(records)
    more = bool(records) and records[-1].function is Function.MORE_RECORDS_FOLLOW
    return Telegram(frame, header, tuple(records), more, error)


def _read_fixed(frame: LongFrame) -> Telegram:
    if len(frame.data) != FIXED_SIZE:
        expected = f"{FIXED_SIZE} bytes of fixed data structure"
        error = RecordError(DATA_OFFSET, expected, f"{len(frame.data)}", source="MBDOC48 p.37")
        return Telegram(frame, error=error)
    msb_first = bool(frame.ci_field & CI_MSB_FIRST)
    header, records = parse_fixed(frame.data, DATA_OFFSET, msb_first=msb_first)
    return Telegram(frame, header, records)


def _read_application_error(frame: LongFrame) -> Telegram:
    """Read CI 70: no byte at all is the unspecified error 0 (MBDOC48 p.53)."""
    return Telegram(frame, application_error=frame.data[0] if frame.data else 0)


def _read_alarm(frame: LongFrame) -> Telegram:
    """Read CI 71: the alarm byte, shown as error flags (MBDOC48 p.70)."""
    if not frame.data:
        return Telegram(frame, error=_too_short(frame, 1))
    record = read_record(_ALARM_CODING, frame.to_bytes(), DATA_OFFSET, DATA_OFFSET + 1)
    return Telegram(frame, records=(record,))


def _too_short(frame: LongFrame, size: int) -> RecordError:
    return RecordError(DATA_OFFSET, f"a header of {size} bytes", f"{len(frame.data)}")


_READERS: Final[dict[int, Callable[[LongFrame], Telegram]]] = {
    CI_APPLICATION_ERROR: _read_application_error,
    CI_APPLICATION_ERROR | CI_MSB_FIRST: _read_application_error,
    CI_ALARM: _read_alarm,
    CI_ALARM | CI_MSB_FIRST: _read_alarm,
    CI_LONG_HEADER: _read_long_header,
    CI_LONG_HEADER | CI_MSB_FIRST: _read_long_header,
    CI_FIXED: _read_fixed,
    CI_FIXED | CI_MSB_FIRST: _read_fixed,
    CI_NO_HEADER: _read_no_header,
    CI_SHORT_HEADER: _read_short_header,
}
