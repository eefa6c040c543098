"""Disturbances of bits on the line: single errors by rate, and bursts of them.

Which bits are turned round is a function of seed, sender and time, and of nothing else: a telegram
more elsewhere on the line changes nothing here, and a quiet line costs nothing. Realism limit: a
disturbance acts on what a sender says, not on an idle line; noise that invents characters is a
meter that babbles, or a converter that adds them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.characters import to_ticks
from simulators.converter import gaps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulators.characters import Transmission

_NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class Bursts:
    """Bursts of disturbance: one in each period of `every_ns`, somewhere in it, `length_ns` long.

    While it lasts every bit is turned round with probability `density`, that of each sender on its
    own. Realism: a relay or a lift motor; real ones come in groups and are not as regular.
    """

    every_ns: int
    length_ns: int
    density: float = 0.5

    def between(self, key: str, since: int, until: int) -> Iterator[tuple[int, int, int]]:
        """Number, begin and end (ticks) of the bursts that reach into a span of time."""
        period = to_ticks(self.every_ns)
        length = min(to_ticks(self.length_ns), period)
        for number in range(max(0, since // period), until // period + 1):
            rng = random.Random(f"{key}/burst/{number}")
            begin = number * period + rng.randrange(period - length + 1)
            if begin < until and begin + length > since:
                yield number, begin, begin + length


class Noise:
    """What the line does to bits; `error_rate` is the probability of each one."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.error_rate = 0.0
        self.bursts: Bursts | None = None

    def disturb(self, transmission: Transmission) -> None:
        """Turn round the bits of a transmission that its surroundings hit."""
        if not self.error_rate and self.bursts is None:
            return
        bit = transmission.format.bit_ticks
        count = (transmission.end - transmission.start) // bit
        key = f"{self.key}/noise/{transmission.sender}/{transmission.start}"
        if self.error_rate:
            for place in gaps(random.Random(key), self.error_rate, count):
                transmission.flip(1 << place)
        if self.bursts is not None:
            self._burst(transmission, self.bursts, key)

    def _burst(self, transmission: Transmission, bursts: Bursts, key: str) -> None:
        bit, start = transmission.format.bit_ticks, transmission.start
        for number, begin, end in bursts.between(self.key, start, transmission.end):
            first = max(0, (begin - start) // bit)
            last = min((end - start) // bit, (transmission.end - start) // bit - 1)
            rng = random.Random(f"{key}/{number}")
            for place in gaps(rng, bursts.density, last - first + 1):
                transmission.flip(1 << first + place)
