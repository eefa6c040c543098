"""Real telegrams for the benchmarks, from the folder METERBENCH_CORPUS; they are not shipped."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.mbus import telegram
from gateway.mbus.coding import Form
from gateway.mbus.frames import LongFrame

if TYPE_CHECKING:
    import random

    from gateway.mbus.record import DataRecord

VARIABLE: Final = "METERBENCH_CORPUS"
NEEDED: Final = f"set {VARIABLE} to the folder with the telegrams"
_ACCESS_NUMBER_OFFSET: Final = 15
_LONG_HEADER_CI: Final = 0x72
#: LVAR bytes up to this count characters of text (MBDOC48 p.41).
_LVAR_TEXT_MAX: Final = 0xBF
#: What stands in for the corpus in a quick run without one: a heat meter, made up here.
SAMPLE: Final = LongFrame(
    0x08,
    0x05,
    _LONG_HEADER_CI,
    bytes.fromhex("78563412a7320204050000000c06120345670413b0340000025ad416046d0a0c6c3b"),
).to_bytes()


def telegrams() -> list[bytes]:
    """Every telegram of the corpus that is a meter's data with records; [] without a corpus."""
    folder = os.environ.get(VARIABLE, "")
    if not folder:
        return []
    found = []
    for path in sorted(Path(folder).glob("*.json")):
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document.get("expect_decode") and document.get("records"):
            found.append(bytes.fromhex(document["frame"]))
    return found


def with_other_values(frame: bytes, rng: random.Random) -> bytes:
    """The same telegram with other data bytes in every record, and the next access number.

    The values stay what such a meter sends: BCD digits, finite reals, dates of the calendar.
    """
    decoded = telegram.decode(frame)
    changed = bytearray(frame)
    for record in decoded.records:
        new = _other_data(record, rng)
        changed[record.offset : record.offset + len(new)] = new
    if changed[6] == _LONG_HEADER_CI:
        changed[_ACCESS_NUMBER_OFFSET] = (changed[_ACCESS_NUMBER_OFFSET] + 1) % 256
    changed[-2] = sum(changed[4:-2]) % 256
    return bytes(changed)


def _other_data(record: DataRecord, rng: random.Random) -> bytes:
    form, data = record.coding.form, record.data
    if form is Form.BCD:
        return bytes(rng.randrange(10) << 4 | rng.randrange(10) for _ in data)
    if form is Form.REAL:
        return struct.pack("<f", rng.uniform(0.001, 100000))
    if form is Form.INSTANT:
        return _other_instant(data, rng)
    if form is Form.LVAR:
        if data and data[0] <= _LVAR_TEXT_MAX:
            return data[:1] + bytes(rng.randrange(0x30, 0x5A) for _ in data[1:])
        return data
    return rng.randbytes(len(data))


def _other_instant(data: bytes, rng: random.Random) -> bytes:
    """A point in time of the types F and G (MBDOC48); others stay as they are."""
    date = struct.pack("<BB", rng.randint(1, 28) | (rng.randrange(8) << 5), rng.randint(1, 12))
    if len(data) == 2:
        return date
    if len(data) == 4:
        return bytes((rng.randrange(60), rng.randrange(24))) + date
    return data
