"""Where a data record begins and ends: DIB, VIB and data, found byte by byte.

Only extension bits, lengths and limits are looked at; what the bytes mean is the business of
`gateway.mbus.coding`. That makes it possible to walk a telegram ahead of reading it, which the
plain-text VIF needs: its text stands behind the VIF in meters in the field, behind the whole VIFE
chain by the newer standard, and only one of the two parses to the end.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.mbus.data_types import lvar_size
from gateway.mbus.errors import RecordError

EXTENSION: Final = 0x80
#: DIF and VIF may each be followed by at most ten extensions (MBDOC48).
DIFE_MAX: Final = 10
VIFE_MAX: Final = 10

DIF_FILLER: Final = 0x2F
DIF_MANUFACTURER: Final = 0x0F
DIF_MORE_RECORDS: Final = 0x1F
DIF_GLOBAL_READOUT: Final = 0x7F
DATA_FIELD: Final = 0x0F
DATA_FIELD_SPECIAL: Final = 0x0F
DATA_FIELD_LVAR: Final = 0x0D
#: Bytes of data by data field; LVAR says it itself, F is no data field (MBDOC48).
DATA_SIZES: Final = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, -1, 6, 0)

VIF_PLAIN_TEXT: Final = 0x7C


class Span(NamedTuple):
    """Offsets of one record: DIB from `start`, VIB from `vib`, data from `data` to `end`.

    `text_is_last` tells where a plain text stands: behind the VIFE chain (True) or the VIF (False).
    """

    start: int
    vib: int
    data: int
    end: int
    text_is_last: bool = False


def is_plain_text(vib: bytes) -> bool:
    """Tell whether a VIB (or the data from a VIF on) says its quantity in plain text."""
    return bool(vib) and vib[0] & ~EXTENSION == VIF_PLAIN_TEXT


def dib_end(body: bytes, start: int) -> int:
    """Find the end of DIF and DIFEs; raises RecordError beyond ten DIFEs or at the data's end."""
    position = start
    while True:
        if position >= len(body):
            raise RecordError(position, "a DIF or DIFE", "the end of the data")
        if position - start > DIFE_MAX:
            raise RecordError(position, f"at most {DIFE_MAX} DIFEs", "one more", source="MBDOC48")
        position += 1
        if not body[position - 1] & EXTENSION:
            return position


def _chain_end(body: bytes, position: int, vif: int) -> int:
    """Find the end of the VIFE chain at `position`; the VIF itself stands at `vif`."""
    more = body[vif] & EXTENSION
    vifes = 0
    while more:
        if position >= len(body):
            raise RecordError(position, "a VIFE", "the end of the data")
        vifes += 1
        if vifes > VIFE_MAX:
            raise RecordError(position, f"at most {VIFE_MAX} VIFEs", "one more", source="MBDOC48")
        more = body[position] & EXTENSION
        position += 1
    return position


def _text_end(body: bytes, position: int) -> int:
    """Find the end of a length byte and as many characters."""
    if position >= len(body):
        raise RecordError(position, "the length of a plain-text VIF", "the end of the data")
    end = position + 1 + body[position]
    if end > len(body):
        got = f"{len(body) - position - 1}"
        raise RecordError(position + 1, f"{body[position]} characters of a plain-text VIF", got)
    return end


def data_end(body: bytes, dif: int, start: int) -> int:
    """Find the end of the data; raises RecordError if they are cut short or of unknown length."""
    size = DATA_SIZES[dif & DATA_FIELD]
    if size < 0:
        if start >= len(body):
            raise RecordError(start, "an LVAR byte", "the end of the data")
        counted = lvar_size(body[start])
        if counted is None:
            raise RecordError(start, "an LVAR that is not reserved", f"{body[start]:02X}")
        size = 1 + counted
    if start + size > len(body):
        raise RecordError(start, f"{size} bytes of data", f"{len(body) - start}")
    return start + size


def find_span(body: bytes, start: int) -> Span:
    """Find one record with a VIB; raises RecordError where it cannot be told from the next."""
    vib = dib_end(body, start)
    dif = body[start]
    if vib >= len(body):
        raise RecordError(vib, "a VIF", "the end of the data")
    if not is_plain_text(body[vib:]):
        data = _chain_end(body, vib + 1, vib)
        return Span(start, vib, data, data_end(body, dif, data))
    return _find_text_span(body, start, vib)


def _text_span(body: bytes, start: int, vib: int, *, text_is_last: bool) -> Span:
    if text_is_last:
        data = _text_end(body, _chain_end(body, vib + 1, vib))
    else:
        data = _chain_end(body, _text_end(body, vib + 1), vib)
    return Span(start, vib, data, data_end(body, body[start], data), text_is_last)


def _find_text_span(body: bytes, start: int, vib: int) -> Span:
    """Choose the order of plain text and VIFEs: the one from which the data parse to the end.

    Text right behind the VIF comes first: all meters seen do it (MBDOC48). If neither or both
    reach the end, printable text decides.
    """
    spans: list[Span] = []
    failure: RecordError | None = None
    for text_is_last in (False, True) if body[vib] & EXTENSION else (False,):
        try:
            spans.append(_text_span(body, start, vib, text_is_last=text_is_last))
        except RecordError as error:
            failure = failure or error
    if not spans:
        assert failure is not None
        raise failure
    if len(spans) == 1:
        return spans[0]
    return max(spans, key=lambda span: (_reaches_end(body, span.end), _is_printable(body, span)))


def text_of(body: bytes, vib: int, *, text_is_last: bool) -> bytes:
    """Give the characters of the plain-text VIF that stands at `vib`, in wire order."""
    length_at = _chain_end(body, vib + 1, vib) if text_is_last else vib + 1
    return body[length_at + 1 : length_at + 1 + body[length_at]]


def _is_printable(body: bytes, span: Span) -> bool:
    text = text_of(body, span.vib, text_is_last=span.text_is_last)
    return text.decode("latin-1").isprintable()


def _reaches_end(body: bytes, start: int) -> bool:
    """Walk record by record, both ways at every further plain text, until the end of the data.

    Each offset is tried once, so the walk is linear in the size of the telegram.
    """
    waiting, seen = [start], {start}
    while waiting:
        position = waiting.pop()
        if position == len(body):
            return True
        for following in _next_starts(body, position):
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return False


def _next_starts(body: bytes, start: int) -> list[int]:
    """List where the next record can start."""
    dif = body[start]
    if dif == DIF_FILLER:
        return [start + 1]
    if dif in (DIF_MANUFACTURER, DIF_MORE_RECORDS, DIF_GLOBAL_READOUT):
        return [len(body)]
    if dif & DATA_FIELD == DATA_FIELD_SPECIAL:
        return []
    starts: list[int] = []
    try:
        vib = dib_end(body, start)
        if vib < len(body) and not is_plain_text(body[vib:]):
            return [find_span(body, start).end]
    except RecordError:
        return []
    for text_is_last in (False, True):
        try:
            starts.append(_text_span(body, start, vib, text_is_last=text_is_last).end)
        except (RecordError, IndexError):
            continue
    return starts
