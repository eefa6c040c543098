"""Whether a value that a client read was ever sent: the check behind ``torn``.

A meter is a known function of time, so every number that it has sent is known. A value whose
registers stem from two read-outs, or that the gateway made of a disturbed telegram, is none of
them. What is old is not torn: that the gateway follows its meters is for other properties to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scenarios.checks.expectation import value_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scenarios.language.events import EventLog
    from scenarios.polling import RegisterSignals
    from simulators.meter import Meter
    from simulators.modbus import layout

#: Words of the integer of a value entry.
_WORDS: Final = 4
_SIGN: Final = 1 << 63


class Tearing:
    """Compares what clients read with what the meters have sent by then."""

    def __init__(self, log: EventLog, now: Callable[[], int], signals: RegisterSignals) -> None:
        self._log = log
        self._now = now
        self._signals = signals
        self._sent: dict[str, dict[int, set[int]]] = {}

    def sent(self, meter: Meter) -> None:
        """Note what a meter has just said, telegram by telegram."""
        known = self._sent.setdefault(meter.id, {})
        number, pages = 0, meter.answered_pages
        for page in range(len(pages)):
            for reading in pages.get(page, ()):
                known.setdefault(number, {0}).add(value_numbers(reading).integer)
                number += 1

    def compare(self, client: str, words: Mapping[int, int]) -> None:
        """Look at every value that is whole within `words`."""
        for meter, group in self._signals.groups.items():
            known = self._sent.get(meter)
            if known is None:
                continue
            found = [self._torn(words, value, known.get(number, {0}))
                     for number, value in enumerate(group.values)
                     if all(value.address + i in words for i in range(_WORDS))]  # fmt: skip
            if found:
                self._note(f"meter({meter}).torn({client})", next(filter(None, found), None))

    def _torn(
        self, words: Mapping[int, int], value: layout.ValueBlock, known: set[int]
    ) -> dict[str, Any] | None:
        """Return the evidence where the integer was never sent."""
        number = 0
        for i in range(_WORDS):
            number = number << 16 | words[value.address + i]
        number -= (number & _SIGN) << 1
        if number in known:
            return None
        shown = " ".join(f"{words[value.address + i]:04X}" for i in range(_WORDS))
        where = f"{value.address}-{value.address + _WORDS - 1}"
        return {"registers": where, "words": shown, "integer": number}

    def _note(self, path: str, torn: dict[str, Any] | None) -> None:
        if self._log.last(path) != (torn is not None):
            self._log.add(self._now(), path, torn is not None, torn or {})
