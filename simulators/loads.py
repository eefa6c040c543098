"""How consumption spreads over the hours of a day and the days of a week, per kind of use.

A shape is a weight for each hour of a working day and of a day off; only the proportions count. A
register that follows one gains what it gains per day *on average*, more in busy hours and less at
night, and never runs backwards because no weight is negative. Everything is worked out in whole
numbers, so that a register is exact after years of virtual time.

The proportions are rough ones, chosen by us for plausible curves; they are not measured load
profiles and prove nothing about real consumption.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_HOUR_NS: Final = 3_600_000_000_000
HOURS: Final = 168
_WEEK_NS: Final = HOURS * _HOUR_NS
_DAY_NS: Final = 24 * _HOUR_NS
WORKING_DAYS: Final = 5


class Shape:
    """The weights of the 168 hours of a week that begins on Monday at 00:00 UTC."""

    __slots__ = ("_sums", "total", "weights")

    def __init__(self, working_day: tuple[int, ...], day_off: tuple[int, ...]) -> None:
        assert len(working_day) == len(day_off) == 24, "one weight for each hour"
        assert min(working_day + day_off) >= 0, "consumption never runs backwards"
        self.weights = working_day * WORKING_DAYS + day_off * (7 - WORKING_DAYS)
        #: Sum of all weights; divided by `HOURS` it is the mean.
        self.total = sum(self.weights)
        self._sums = (0, *accumulate(self.weights))

    def weight(self, week_ns: int) -> int:
        """The weight at `week_ns` after the beginning of some week; may be negative."""
        return self.weights[week_ns % _WEEK_NS // _HOUR_NS]

    def used(self, week_ns: int) -> int:
        """Weight times ns from the beginning of that week to `week_ns`; never falls."""
        weeks, rest = divmod(week_ns, _WEEK_NS)
        hour, inside = divmod(rest, _HOUR_NS)
        hours = weeks * self.total + self._sums[hour]
        return hours * _HOUR_NS + self.weights[hour] * inside


def since_monday_ns(epoch: datetime) -> int:
    """How long ago the week of `epoch` began, in ns."""
    seconds = epoch.hour * 3600 + epoch.minute * 60 + epoch.second
    return epoch.weekday() * _DAY_NS + seconds * 1_000_000_000 + epoch.microsecond * 1000


# fmt: off
#: Name -> shape. Hours are those of the meter's clock, which is UTC (C-58).
SHAPES: Final[dict[str, Shape]] = {
    # Set back at night, a morning peak, an evening that lasts; at weekends people get up later.
    "heating": Shape(
        (4, 4, 4, 4, 5, 9, 14, 13, 10, 8, 7, 7, 7, 7, 7, 8, 10, 12, 13, 12, 11, 9, 6, 4),
        (4, 4, 4, 4, 4, 5, 8, 12, 13, 11, 10, 9, 9, 9, 9, 9, 10, 12, 13, 12, 11, 9, 7, 5),
    ),
    # Showers in the morning, dishes and baths in the evening, next to nothing at night.
    "water": Shape(
        (1, 0, 0, 0, 1, 6, 18, 16, 9, 6, 5, 6, 7, 6, 4, 4, 6, 9, 13, 12, 9, 7, 4, 2),
        (1, 1, 0, 0, 0, 2, 6, 11, 15, 14, 11, 9, 9, 8, 6, 6, 7, 9, 12, 11, 9, 7, 4, 2),
    ),
    # A base load that never sleeps, a small morning and a high evening.
    "household": Shape(
        (5, 4, 4, 4, 4, 5, 8, 10, 8, 7, 7, 8, 9, 8, 7, 7, 9, 13, 16, 17, 15, 12, 9, 6),
        (6, 5, 4, 4, 4, 4, 5, 8, 11, 12, 12, 13, 14, 12, 11, 10, 11, 14, 16, 16, 14, 12, 9, 7),
    ),
    # From seven to six, a dent at noon, only stand-by at weekends.
    "office": Shape(
        (3, 3, 3, 3, 3, 4, 9, 18, 22, 23, 23, 22, 19, 22, 22, 21, 18, 12, 7, 5, 4, 3, 3, 3),
        (3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3),
    ),
    # Two shifts from six to ten.
    "industry": Shape(
        (4, 4, 4, 4, 5, 12, 20, 22, 22, 20, 22, 22, 18, 21, 18, 22, 22, 22, 20, 21, 20, 14, 6, 4),
        (4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4),
    ),
    # Servers do not go home.
    "data-centre": Shape(
        (9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 10, 10, 10, 10, 9),
        (9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 9, 9, 9),
    ),
    # The heat of the afternoon, an hour behind the sun; less where nobody works.
    "cooling": Shape(
        (2, 2, 1, 1, 1, 2, 3, 6, 9, 12, 15, 17, 19, 21, 22, 22, 20, 17, 13, 9, 6, 4, 3, 2),
        (1, 1, 1, 1, 1, 1, 2, 3, 5, 7, 9, 11, 12, 13, 14, 14, 12, 10, 8, 5, 4, 3, 2, 1),
    ),
    # What a roof feeds in on an average day of the year.
    "photovoltaic": Shape(
        (0, 0, 0, 0, 0, 1, 4, 9, 15, 20, 24, 26, 26, 24, 20, 15, 9, 4, 1, 0, 0, 0, 0, 0),
        (0, 0, 0, 0, 0, 1, 4, 9, 15, 20, 24, 26, 26, 24, 20, 15, 9, 4, 1, 0, 0, 0, 0, 0),
    ),
}
# fmt: on
