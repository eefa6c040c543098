"""Currents on the bus: unit loads, what slaves add in space, and what a converter can feed.

A slave draws a constant current in mark, one unit load of at most 1.5 mA or several, and 11 to
20 mA more in space (MBDOC48 p.14-15). The currents of all add up, at every moment. A converter
feeds so much and no more; above a threshold its voltage collapses and every meter on the bus is
without power for a while (MBDOC48 p.56). Before that, the voltage at the far end of a long line may
be too low for a meter there: it browns out alone.

Realism limits. The whole current is taken to flow through the whole resistance of a meter's line,
as if all meters hung at its end. A collapse is immediate and the converter returns by itself after
a fixed time; cables have no capacity. The figures of the models are those that were found written;
what was not is an assumption and said to be one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simulators.characters import Transmission

#: Current of one unit load in mark, in mA (MBDOC48 p.14).
UNIT_LOAD_MA: Final = 1.5
#: What a slave adds in space, in mA: 11 at least, 20 at most (MBDOC48 p.14-15).
SPACE_MA_MIN: Final = 11.0
SPACE_MA_MAX: Final = 20.0
SPACE_MA: Final = 15.0
#: Voltage at the converter in space, and the least that a meter needs there (MBDOC48 p.14, 16).
SPACE_V: Final = 24.0
SPACE_V_MIN: Final = 12.0
#: Resistance between converter and slave at most (MBDOC48 p.16), in ohm.
LINE_OHM_MAX: Final = 29.0

_NS_PER_S: Final = 1_000_000_000
_MA_PER_A: Final = 1000


@dataclass(frozen=True, slots=True)
class BusModel:
    """What a converter can feed, and what it notices.

    `unit_loads`: those that it is sold for; more is a warning. `limit_ma`: the mark current above
    which it switches the bus off, until the load is gone. `collision_ma`: current in space above
    mark at which it recognises that several slaves talk. `collapse_ma`: momentary current at which
    the voltage collapses. None: no such limit. `recovery_ns`: how long the bus stays off.
    """

    name: str
    unit_loads: int | None = None
    limit_ma: float | None = None
    collision_ma: float | None = None
    collapse_ma: float | None = None
    recovery_ns: int = _NS_PER_S

    @property
    def limited(self) -> bool:
        """Whether there is anything that the momentary current could reach."""
        return self.collision_ma is not None or self.collapse_ma is not None


# The 20 and 80 unit loads and the 140 mA are those of the device that is modelled (C-46); 7 and
# 25 mA are a real master's thresholds (Kamstrup MultiPort 250L), the 500 mA its overload, which
# lies in the range of MBDOC48 p.56 for a bus power fail. The lab model has no limit (C-75).
# fmt: off
BUS_MODELS: Final = {
    model.name: model
    for model in (
        BusModel("20",  unit_loads=20, limit_ma=140.0, collision_ma=25.0, collapse_ma=500.0),
        BusModel("80",  unit_loads=80, limit_ma=140.0, collision_ma=25.0, collapse_ma=500.0),
        BusModel("lab"),
    )
}
# fmt: on


class Load(NamedTuple):
    """What one meter is to the bus."""

    unit_loads: float = 1.0
    space_ma: float = SPACE_MA
    line_ohm: float = 0.0

    @property
    def mark_ma(self) -> float:
        """Its constant current."""
        return self.unit_loads * UNIT_LOAD_MA

    @property
    def brown_out_ma(self) -> float:
        """The bus current at which the voltage at this meter falls below what it needs."""
        if not self.line_ohm:
            return math.inf
        return (SPACE_V - SPACE_V_MIN) / self.line_ohm * _MA_PER_A


class Moment(NamedTuple):
    """A time in ticks, and what the slaves add to the mark current from then on."""

    at: int
    space_ma: float


def profile(
    transmissions: Iterable[Transmission], space_ma: Callable[[str], float], since: int = 0
) -> Iterable[Moment]:
    """The current that slaves add, as steps in the order of time, from `since` (ticks) on.

    Every bit of every transmission is looked at: only for spans where several talk.
    """
    steps = dict[int, float]()
    for item in transmissions:
        amount, bit = space_ma(item.sender), item.format.bit_ticks
        count = (item.end - item.start) // bit
        low, wave = False, item.wave
        for place in range(count + 1):
            now_low = not wave >> place & 1 and place < count
            if now_low != low:
                at = max(since, item.start + place * bit)
                steps[at] = steps.get(at, 0.0) + (amount if now_low else -amount)
                low = now_low
    total = 0.0
    for at in sorted(steps):
        total += steps[at]
        yield Moment(at, total)


def first_above(moments: Iterable[Moment], threshold_ma: float) -> Moment | None:
    """The first moment at which `threshold_ma` is reached; None if it never is."""
    return next((moment for moment in moments if moment.space_ma >= threshold_ma), None)


def highest(moments: Sequence[Moment]) -> float:
    """The largest current of all moments; 0 where there is none."""
    return max((moment.space_ma for moment in moments), default=0.0)
