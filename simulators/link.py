"""What a meter remembers about those who speak to it: frame count bits and the telegram reached."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from simulators.frames import Request


@unique
class FcbRule(Enum):
    """How a meter takes the frame count bit of REQ_UD2.

    By the book it remembers the bit for each link (MBDOC48 p.27-30, 64). One with a single telegram
    may ignore it, and real ones do: repeating an old telegram would make them look stuck. One with
    two may let the bit itself pick. Some share one memory among all addresses, and repeat a
    telegram with fresh values (ABB A43).
    """

    BY_THE_BOOK = "by the book"
    SHARED = "shared"
    IGNORED = "ignored"
    TWO_TELEGRAMS = "two telegrams"


@dataclass(slots=True)
class Link:
    """What a meter remembers about one address under which it is spoken to.

    Own primary address and 253 have a link each; the two directions have a frame count bit each
    (MBDOC48 p.64). `page` is the telegram that comes next, `telegram` the one sent last. A cleared
    bit counts as "repeat" only where there is something to repeat: a first SND_UD with FCB 0, as
    many masters send it, is acted upon (`fcb_snd_ud` is None until one came).
    """

    fcb_req_ud2: bool = False
    fcb_snd_ud: bool | None = None
    page: int = 0
    telegram: bytes | None = None

    def reset(self) -> None:
        """Forget everything, as after SND_NKE or a valid selection."""
        self.fcb_req_ud2, self.fcb_snd_ud = False, None
        self.rewind()

    def rewind(self) -> None:
        """Begin with the first telegram, and have nothing to repeat."""
        self.page = 0
        self.telegram = None


class Wanted(NamedTuple):
    """What REQ_UD2 asks for: the number of a telegram, from 0 on, and whether it is a repetition.

    `again` are the characters to be sent once more, None where they are to be made anew.
    """

    page: int
    repeated: bool = False
    again: bytes | None = None


def wanted(rule: FcbRule, link: Link, request: Request) -> Wanted:
    """The telegram that `request` wants.

    FCV = 0, or a bit that differs from the one remembered, means next (MBDOC48 p.27-30, 64). The
    page counts on without end; whoever sends takes it modulo the telegrams that there are.
    """
    if rule is FcbRule.TWO_TELEGRAMS:
        return Wanted(0 if request.fcb or not request.fcv else 1)
    same = request.fcv and request.fcb == link.fcb_req_ud2 and link.telegram is not None
    if rule is FcbRule.IGNORED or not same:
        return Wanted(link.page)
    again = link.telegram if rule is FcbRule.BY_THE_BOOK else None
    return Wanted(link.page - 1, repeated=True, again=again)
