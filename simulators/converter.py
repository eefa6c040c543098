"""The level converter between a host and the bus, and everything that goes wrong inside it.

Bits are disturbed on the line (`noise`); here whole characters are: echoed, late, lost, invented,
or not carried at all. What happens to a burst of characters depends on the seed and on the moment
at which the burst begins, never on what was asked before, so that a burst that has to be worked out
anew keeps the past that somebody has read already.
"""

from __future__ import annotations

import math
import random
from enum import Enum, unique
from typing import TYPE_CHECKING

from simulators.characters import Character, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulators.characters import Transmission


@unique
class State(Enum):
    """Whether the converter works.

    MUTE: it hangs; what is written into it goes nowhere, and nothing comes out. GONE: it has
    vanished from the host, as an adapter that is pulled out does; ports that were open stay dead
    when it returns and must be opened again.
    """

    WORKING = "working"
    MUTE = "mute"
    GONE = "gone"


def gaps(rng: random.Random, rate: float, count: int) -> Iterator[int]:
    """The places, of `count`, that are hit when each one is with probability `rate`."""
    if rate <= 0:
        return
    log_miss = math.log1p(-rate) if rate < 1 else -math.inf
    place = -1
    while True:
        # 1 - random() is above 0, so the logarithm exists; a rate of 1 hits every place.
        place += 1 + (int(math.log(1.0 - rng.random()) / log_miss) if rate < 1 else 0)
        if place >= count:
            return
        yield place


class Converter:
    """A converter with its faults; all of them may be changed at any time by `change`.

    `echo`: the host hears its own characters, added to those of the slaves, as converters without
    an echo filter return them (users meet it: libmbus 24 and 113). `delay_ns` in each direction,
    plus up to `jitter_ns` drawn for each burst towards the host; bursts stay in their order.
    `lost_rate`, `extra_rate`: probability that a character is lost, or followed by one that nobody
    sent, in either direction. Realism: a real converter loses characters in rows (a full buffer);
    here each is on its own. A delay towards the bus begins with each write.
    """

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.state = State.WORKING
        self.echo = False
        self.delay_ns = 0
        self.jitter_ns = 0
        self.lost_rate = 0.0
        self.extra_rate = 0.0
        self._watchers: list[Callable[[], None]] = []

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Be told when something changes; returns the function that ends it."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def change(
        self,
        *,
        state: State | None = None,
        echo: bool | None = None,
        delay_ns: int | None = None,
        jitter_ns: int | None = None,
        lost_rate: float | None = None,
        extra_rate: float | None = None,
    ) -> None:
        """Behave differently from now on; what is None stays."""
        self.state = self.state if state is None else state
        self.echo = self.echo if echo is None else echo
        self.delay_ns = self.delay_ns if delay_ns is None else delay_ns
        self.jitter_ns = self.jitter_ns if jitter_ns is None else jitter_ns
        self.lost_rate = self.lost_rate if lost_rate is None else lost_rate
        self.extra_rate = self.extra_rate if extra_rate is None else extra_rate
        for watcher in tuple(self._watchers):
            watcher()

    # --- Towards the host: the `receiver.Path` of everybody who reads -------------------------

    def late_ns(self, start: int) -> int:
        """The delay of the burst that begins at `start` (ticks)."""
        if not self.jitter_ns:
            return self.delay_ns
        return self.delay_ns + self._rng("jitter", start).randint(0, self.jitter_ns)

    def keeps(self, transmission: Transmission) -> bool:
        """Whether nothing is lost of a lone transmission, and nothing added."""
        if not self.lost_rate and not self.extra_rate:
            return True
        lost, extra = self._hits(transmission.start, len(transmission.data))
        return not lost and not extra

    def altered(self, start: int, heard: list[Character]) -> list[Character]:
        """The characters that come through, and those that the converter adds."""
        if not self.lost_rate and not self.extra_rate:
            return heard
        lost, extra = self._hits(start, len(heard))
        result = list[Character]()
        for index, character in enumerate(heard):
            if index not in lost:
                result.append(character)
            if index in extra:
                # It takes no time on the line, for it was never there.
                end = character.end
                result.append(Character(end, end, extra[index], Fault(0)))
        return result

    # --- Towards the bus ----------------------------------------------------------------------

    def sent(self, data: bytes, at: int) -> bytes:
        """What of `data`, written at `at` (ticks), goes onto the bus."""
        if not self.lost_rate and not self.extra_rate:
            return data
        lost, extra = self._hits(~at, len(data))
        result = bytearray()
        for index, byte in enumerate(data):
            if index not in lost:
                result.append(byte)
            if index in extra:
                result.append(extra[index])
        return bytes(result)

    def _hits(self, start: int, count: int) -> tuple[set[int], dict[int, int]]:
        """The characters lost, and those behind which one is added, of a burst from `start`."""
        rng = self._rng("lost", start)
        lost = set(gaps(rng, self.lost_rate, count))
        rng = self._rng("extra", start)
        return lost, {index: rng.randrange(256) for index in gaps(rng, self.extra_rate, count)}

    def _rng(self, what: str, start: int) -> random.Random:
        return random.Random(f"{self.key}/converter/{what}/{start}")
