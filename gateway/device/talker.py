"""Whether somebody talks on the bus whatever is asked, and what a search makes of it.

A meter that babbles, or a converter that makes characters of noise, answers every mask: then each
of ten narrower masks collides as well, and a search would ask a hundred million of them. So after
some collisions without a meter the bus is asked for nobody. Silence means that the collisions are
real. Who answers that now and then makes a garbled answer be asked for again, until silence or a
clean one is likely to have come through; who always answers it ends the search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from gateway.mbus.address import SecondaryMask

#: After so many collisions without a meter found the bus is asked for nobody, and again after twice
#: as many.
COLLISIONS_BEFORE_CONTROL: Final = 16
#: How often nobody is asked for, once the first time was answered.
CONTROLS: Final = 6
#: How often garbage may still be taken for an answer: from one in ten on a search would grow.
DOUBT: Final = 0.05
#: The most times that a garbled answer is asked for again.
TRIES_MAX: Final = 16
#: Collisions after which a search ends that found too little ...
BARREN_COLLISIONS_MAX: Final = 1000
#: ... and how many each meter found accounts for: one at each digit that was fixed.
COLLISIONS_PER_METER: Final = 8
#: An address that no meter has: a manufacturer without letters.
NOBODY: Final = SecondaryMask("90817263", 0x0000, 0xFE, 0xFE)


@dataclass(slots=True)
class Talker:
    """What is known of a talker; `tries` is how often a mask that collides is to be asked."""

    tries: int = 1
    end: str = ""
    """Why the search must end; empty as long as it need not."""
    _collisions: int = 0
    _since_found: int = 0
    _due: int = COLLISIONS_BEFORE_CONTROL
    _meters: int = 0

    def found(self) -> None:
        """A meter was found: collisions are what they seem."""
        self._meters += 1
        self._since_found = 0

    def collided(self) -> bool:
        """A mask collided; returns whether nobody is to be asked for now (`heard`)."""
        self._collisions += 1
        self._since_found += 1
        most = BARREN_COLLISIONS_MAX + COLLISIONS_PER_METER * self._meters
        if self._collisions > most:
            self.end = f"{self._collisions} masks collided and {self._meters} meters were found"
        if self.end or self._since_found < self._due:
            return False
        self._due *= 2
        return True

    def heard(self, answers: int) -> None:
        """Of `CONTROLS` selections of nobody so many were answered."""
        share = answers / CONTROLS
        if answers >= CONTROLS:
            self.end = f"somebody talks whatever is asked: {answers} of {CONTROLS} times"
        elif answers:
            tries = math.ceil(math.log(DOUBT) / math.log(share))
            self.tries = max(self.tries, min(TRIES_MAX, tries))
