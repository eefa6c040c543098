"""Multi-telegram read-outs: is this answer the next page, the last one, or a repeat?

A meter with more data than one telegram holds ends each page but the last with DIF 1F; the master
toggles the frame count bit to ask for the next (MBDOC48 p.64). `PageSequence` judges each answer
and keeps the pages in order; asking again is left to the procedure that owns the bus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING

from gateway.mbus.frames import LongFrame

if TYPE_CHECKING:
    from gateway.mbus.telegram import Telegram


@unique
class PageVerdict(Enum):
    """What an answer means for the sequence."""

    MORE = "more"
    """Taken; the meter says that more records follow and the limit allows another page."""
    LAST = "last"
    """Taken; the meter has no more."""
    LIMIT = "limit"
    """Taken; more would follow, but MBUS_MAXMULTIPAGE is reached (`MBUS-02`, `C-61`)."""
    REPEAT = "repeat"
    """Not taken: access number and data of a page that we have, sent again."""


@dataclass(slots=True)
class PageSequence:
    """The pages of one read-out; `limit` counts telegrams, the first included (0 means 1)."""

    limit: int
    pages: list[Telegram] = field(default_factory=list)

    def receive(self, telegram: Telegram) -> PageVerdict:
        """Judge `telegram` and keep it unless it repeats a page."""
        if self._repeats(telegram):
            return PageVerdict.REPEAT
        self.pages.append(telegram)
        if not telegram.more_records_follow:
            return PageVerdict.LAST
        if len(self.pages) >= max(1, self.limit):
            return PageVerdict.LIMIT
        return PageVerdict.MORE

    def _repeats(self, telegram: Telegram) -> bool:
        # The access number counts answers, so equal data were not made anew (MBDOC48 p.34). The C
        # field stays out of it: ACD may come and go between two sendings of one telegram.
        if not self.pages:
            return False
        data = _user_data(telegram)
        return data is not None and any(_user_data(page) == data for page in self.pages)


def _user_data(telegram: Telegram) -> bytes | None:
    """Header and records as they were sent, access number included."""
    return telegram.frame.data if isinstance(telegram.frame, LongFrame) else None
