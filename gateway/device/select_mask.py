"""Which MBUS_SELECTMASK reads a meter that is not selected by the address in its header.

Such a meter stands in the list and is not read (manual 8.3, "Meters are detected but have no
data"). MBUS_SELECTMASK makes parts of the address wild (manual 9.4); which of them, only the meter
can tell: it is selected by its header with one part wild after the other, then with several, until
it answers alone. A wider mask than one that several answer cannot help, nor can a narrower one than
one that nobody answers, so at most 15 masks are asked, as a rule one to four.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from gateway.device.link import ADDRESS_SELECTED, AnswerKind
from gateway.device.readout import (
    SELECT_ANY_MANUFACTURER,
    SELECT_ANY_MEDIUM,
    SELECT_ANY_SERIAL,
    SELECT_ANY_VERSION,
    Target,
    judge_data,
    selection_mask,
)
from gateway.device.sequences import Addressing

if TYPE_CHECKING:
    from gateway.device.link import Link
    from gateway.mbus.address import SecondaryAddress

#: Parts of an address by their bit of MBUS_SELECTMASK, in the words of manual 9.4; the most
#: frequent cause first (manual 8.3).
PARTS: Final = {
    SELECT_ANY_VERSION: "version",
    SELECT_ANY_MEDIUM: "medium",
    SELECT_ANY_MANUFACTURER: "manufacturer",
    SELECT_ANY_SERIAL: "serial number",
}
#: The number tells meters apart, so it is left wild only where nothing else helps. More parts at
#: once go before fewer: where those are silent, the fewer are too.
_WITH_THE_NUMBER: Final = (4, 8, 2, 14, 12, 6, 10)
_WITHOUT_IT: Final = (1, 13, 7, 11, 5, 9, 3, 15)


def parts_of(select_mask: int) -> str:
    """The parts that a value of MBUS_SELECTMASK makes wild, in words."""
    return " and ".join(name for bit, name in PARTS.items() if select_mask & bit)


def remedy(select_mask: int | None) -> str:
    """What to set for a meter that its own address does not select."""
    if select_mask is None:
        return "no MBUS_SELECTMASK selects it alone: read it by its primary address"
    return f"MBUS_SELECTMASK={select_mask} reads it (any {parts_of(select_mask)})"


@unique
class _Heard(Enum):
    NOBODY = "nobody"
    THE_METER = "the meter"
    SEVERAL = "several, or another"


@dataclass(slots=True)
class SelectMaskTrial:
    """The trials with one meter, with the tries and waits (ns) of the search.

    `stray_max` characters before an answer are passed over.
    """

    link: Link
    tries: int
    first_byte_ns: int
    window_ns: int
    longest_ns: int
    stray_max: int = 0
    #: What was heard by value; one trial is for one meter.
    _heard: dict[int, _Heard] = field(default_factory=dict)

    async def find(self, address: SecondaryAddress) -> int | None:
        """The narrowest value that reads the meter with `address` in its header, or None.

        Whom `address` itself selects is not that meter, so then there is none. Raises only
        `LineError`.
        """
        if not await self.is_deaf(address):
            return None
        for values in (_WITH_THE_NUMBER, _WITHOUT_IT):
            best: int | None = None
            for value in values:
                if best is not None and value.bit_count() >= best.bit_count():
                    continue
                if not self._is_known(value) and await self.reads(address, value):
                    best = value
                    if value.bit_count() == 1:
                        break
            if best is not None:
                return best
        return None

    async def is_deaf(self, address: SecondaryAddress) -> bool:
        """Whether nobody is selected by `address` as it stands."""
        if 0 not in self._heard:
            await self.reads(address, 0)
        return self._heard[0] is _Heard.NOBODY

    async def reads(self, address: SecondaryAddress, value: int) -> bool:
        """Whether the meter is read, and nobody else, with this value set."""
        self._heard[value] = await self._ask(address, value)
        return self._heard[value] is _Heard.THE_METER

    def _is_known(self, value: int) -> bool:
        """Whether what was heard before tells that this value does not help."""
        return any(
            (heard is _Heard.NOBODY and value & ~other == 0)
            or (heard is _Heard.SEVERAL and other & ~value == 0)
            for other, heard in self._heard.items()
        )

    async def _ask(self, address: SecondaryAddress, value: int) -> _Heard:
        mask = selection_mask(address, value)
        answer = await self.link.probe(
            mask, tries=self.tries, first_byte_ns=self.first_byte_ns, stray_max=self.stray_max
        )
        if answer.kind is AnswerKind.SILENCE:
            return _Heard.NOBODY
        window_end = answer.request_end_ns + self.window_ns
        if answer.kind is not AnswerKind.ACK or await self.link.listen(window_end):
            await self.link.settle(window_end)
            return _Heard.SEVERAL
        answer = await self.link.request(
            ADDRESS_SELECTED,
            tries=self.tries,
            first_byte_ns=self.first_byte_ns,
            stray_max=self.stray_max,
        )
        decoded, _ = judge_data(answer, Target(Addressing.SECONDARY, 0, mask))
        if answer.kind is AnswerKind.BROKEN:
            await self.link.settle(answer.request_end_ns + self.longest_ns)
        header = decoded.header if decoded is not None else None
        is_meter = header is not None and header.address == address
        return _Heard.THE_METER if is_meter else _Heard.SEVERAL
