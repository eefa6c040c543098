"""The body of a telegram cut into records.

`read_records` finds where each record ends and hands its bytes to `gateway.mbus.data_record`. Only
when the end of a record cannot be found does it stop, and then everything before it stands.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.mbus.coding import Coding, Function, build_coding, special_coding
from gateway.mbus.data_record import DataRecord, read_record, reader_of
from gateway.mbus.errors import RecordError
from gateway.mbus.structure import (
    DATA_FIELD,
    DATA_FIELD_SPECIAL,
    DIF_FILLER,
    DIF_GLOBAL_READOUT,
    DIF_MANUFACTURER,
    DIF_MORE_RECORDS,
    DIFE_MAX,
    VIF_PLAIN_TEXT,
    VIFE_MAX,
    data_end,
    find_span,
)

__all__ = ["CODINGS_MAX", "DataRecord", "cut", "forget_codings", "read_record", "read_records"]

#: Codings remembered; a real bus has a few hundred, noise must not fill the memory.
CODINGS_MAX: Final = 4096
#: By DIB and VIB, for each byte order (index = most significant byte first).
_CODINGS: Final[tuple[dict[bytes, Coding], dict[bytes, Coding]]] = ({}, {})
#: How long a head was that began with the same two bytes: a guess, to be checked.
_HEAD_SIZES: Final[tuple[dict[bytes, int], dict[bytes, int]]] = ({}, {})
#: Those with a plain text whose place the data behind it decide.
_TEXT_CODINGS: Final[tuple[dict[bytes, Coding], dict[bytes, Coding]]] = ({}, {})
_SPECIAL: Final = {dif: special_coding(dif) for dif in (DIF_MANUFACTURER, DIF_MORE_RECORDS)}
#: What stands before the first record, for each byte order; no record has such a coding.
_START: Final = (special_coding(DIF_MANUFACTURER), special_coding(DIF_MANUFACTURER))
#: DIB and VIB at a glance: bytes with extension bit, one without, and the same again. A plain-text
#: VIF is not for a glance.
_HEAD: Final = re.compile(
    rb"([\x80-\xff]{0,%d}[\x00-\x7f])(?![\x7c\xfc])([\x80-\xff]{0,%d}[\x00-\x7f])"
    % (DIFE_MAX, VIFE_MAX)
).match


def forget_codings() -> None:
    """Forget all codings, as in a process that has just started."""
    for memory in (*_CODINGS, *_TEXT_CODINGS, *_HEAD_SIZES):
        memory.clear()
    for start in _START:
        start.follower = None


def read_records(
    body: bytes, offset: int = 0, *, msb_first: bool = False
) -> tuple[list[DataRecord], RecordError | None]:
    """Cut and read the bytes behind a header; never raises.

    `offset` is where `body` starts in its frame, so that records and errors name a place in the
    frame. Returns all records up to the first whose end cannot be found, and the error that stopped
    the reading.
    """
    return cut(bytes(offset) + body, offset, msb_first=msb_first)


def cut(body: bytes, start: int, *, msb_first: bool) -> tuple[list[DataRecord], RecordError | None]:
    """Do the work of `read_records` for records that stand in `body` from `start` to its end."""
    codings = _CODINGS[msb_first]
    records: list[DataRecord] = []
    position, size, before = start, len(body), _START[msb_first]
    while position < size:
        # What stood behind the same record the last time is likely to do so again: a guess, checked
        # here. Otherwise two bytes without extension are the most frequent head by far.
        coding = before.follower
        if coding is not None and body.startswith(coding.head, position):
            data = position + coding.head_size
        else:
            data = position + 2
            coding = codings.get(body[position:data])
            if coding is None:
                if body[position] == DIF_FILLER:
                    position += 1
                    continue
                try:
                    coding, data = _find_coding(body, position, msb_first=msb_first)
                except RecordError as error:
                    return records, error
            if coding.head_size:
                before.follower = coding
        end = data + coding.size
        if coding.size < 0 or end > size:
            try:
                end = _find_end(body, coding, data)
            except RecordError as error:
                return records, error
        reader = coding.reader or reader_of(coding)
        records.append(reader(coding, body, data, end))
        position, before = end, coding
    return records, None


def _find_coding(body: bytes, start: int, *, msb_first: bool) -> tuple[Coding, int]:
    """Find the coding of the record at `start` and where its data begin; raises RecordError."""
    codings, sizes = _CODINGS[msb_first], _HEAD_SIZES[msb_first]
    # No head is the beginning of another one: what is remembered in full is the whole head.
    size = sizes.get(body[start : start + 2])
    if size is not None:
        coding = codings.get(body[start : start + size])
        if coding is not None:
            # Not `size`: at the end of the data a shorter head may be all that was left to cut.
            return coding, start + coding.head_size
    dif = body[start]
    if dif & DATA_FIELD == DATA_FIELD_SPECIAL:
        if dif in _SPECIAL:
            return _SPECIAL[dif], start + 1
        if dif != DIF_GLOBAL_READOUT:
            raise RecordError(start, "a DIF that is not reserved", f"{dif:02X}", source="MBDOC48")
        if start + 1 == len(body):
            return build_coding(body[start:], b""), start + 1
    head = _HEAD(body, start)
    if head is None:
        return _find_long(body, start, msb_first=msb_first)
    coding = codings.get(head[0])
    if coding is None:
        coding = _new_coding(codings, head[1], head[2], msb_first=msb_first)
    sizes[head[0][:2]] = coding.head_size
    return coding, head.end()


def _new_coding(codings: dict[bytes, Coding], dib: bytes, vib: bytes, *, msb_first: bool) -> Coding:
    """Build a coding whose bytes say where they end, and remember it by them."""
    coding = build_coding(dib, vib, msb_first=msb_first)
    coding.head = head = dib + vib
    coding.head_size = len(head)
    coding.reader = reader_of(coding)
    if len(codings) >= CODINGS_MAX:
        _make_room(codings)
    codings[head] = coding
    return coding


def _find_long(body: bytes, start: int, *, msb_first: bool) -> tuple[Coding, int]:
    """Find a coding byte by byte: with plain text, or so broken that RecordError says where."""
    span = find_span(body, start)
    if body[span.vib] == VIF_PLAIN_TEXT:
        coding = _CODINGS[msb_first].get(body[start : span.data])
        if coding is None:
            dib, vib = body[start : span.vib], body[span.vib : span.data]
            coding = _new_coding(_CODINGS[msb_first], dib, vib, msb_first=msb_first)
        _HEAD_SIZES[msb_first][coding.head[:2]] = coding.head_size
        return coding, span.data
    # The same bytes can be read both ways, so the place of the text is part of the key.
    codings, key = _TEXT_CODINGS[msb_first], bytes((span.text_is_last,)) + body[start : span.data]
    coding = codings.get(key)
    if coding is None:
        dib, vib = body[start : span.vib], body[span.vib : span.data]
        coding = build_coding(dib, vib, text_is_last=span.text_is_last, msb_first=msb_first)
        coding.reader = reader_of(coding)
        if len(codings) >= CODINGS_MAX:
            _make_room(codings)
        codings[key] = coding
    return coding, span.data


def _make_room(codings: dict[bytes, Coding]) -> None:
    """Start afresh rather than grow without limit on noise."""
    for sizes in _HEAD_SIZES:
        sizes.clear()
    for coding in codings.values():
        coding.follower = None
    codings.clear()


def _find_end(body: bytes, coding: Coding, data: int) -> int:
    """Find the end of data that say their own length; raises RecordError if they are cut short."""
    if coding.function in _TO_THE_END:
        return len(body)
    return data_end(body, coding.dib[0], data)


_TO_THE_END: Final = (Function.MANUFACTURER_SPECIFIC, Function.MORE_RECORDS_FOLLOW)
