"""Any bytes are a telegram: decoded, shown as JSON and text, described, and read again by plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from gateway.mbus.data_types import INT64_MAX, INT64_MIN
from gateway.mbus.decode import decode_line
from gateway.mbus.description import describe
from gateway.mbus.jsonform import to_json
from gateway.mbus.plan import forget_plans
from gateway.mbus.telegram import decode
from gateway.mbus.textform import to_text
from tests.gateway.mbus import corpus
from tests.gateway.mbus.telegrams import decode_often, frames, said, with_frame

if TYPE_CHECKING:
    from gateway.mbus.telegram import Telegram

ALL_FLAGS: Final = 15


def seeds() -> list[bytes]:
    """Telegrams of every form, and the real ones where there are some."""
    return [*frames().values(), *(case.frame for case in corpus.load())]


def check(data: bytes) -> None:
    """Decode the bytes as they are, and again as the inside of a sound frame."""
    for wire in (data, with_frame(data), with_frame(data[4:-2])):
        forget_plans()
        first = decode(wire)
        _check_telegram(first, wire)
        # The second sight makes a plan, the third is read by it.
        assert said(decode_often(wire, 2)) == said(first)
    text = data.decode("latin-1")
    assert decode_line(text).error is None or to_text(decode_line(text))


def _check_telegram(telegram: Telegram, wire: bytes) -> None:
    document = json.loads(to_json(telegram))
    assert len(document["records"]) == len(telegram.records)
    assert to_text(telegram).count("\n") <= len(telegram.records) + 5
    if telegram.error is not None:
        assert 0 <= telegram.error.offset <= len(wire)
    position = 0
    for record in telegram.records:
        assert position <= record.offset <= record.end <= max(len(wire), record.end)
        position = record.end
        assert record.value is None or record.error is None
        assert record.integer is None or INT64_MIN <= record.integer <= INT64_MAX
        assert record.timestamp is None or 0 <= record.timestamp < 2**32
        assert describe(record, ALL_FLAGS).isprintable()
