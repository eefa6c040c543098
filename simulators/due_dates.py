"""Due dates: the ends of months and years at which meters store their registers.

A meter stores at midnight and shows the day that has just ended; what it stored is what the
register held at that moment, so a stored value is the register's own function at another time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Due dates that a meter remembers at most; real ones reach back three years.
MONTHS_BACK_MAX: Final = 36
YEARS_BACK_MAX: Final = 3


class DueDate(BaseModel):
    """The last day of the month, or year, that is so many before the current one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    month_end: int | None = Field(default=None, ge=1, le=MONTHS_BACK_MAX)
    year_end: int | None = Field(default=None, ge=1, le=YEARS_BACK_MAX)

    @model_validator(mode="after")
    def _one_of_both(self) -> DueDate:
        if (self.month_end is None) == (self.year_end is None):
            msg = "want either 'month_end' or 'year_end', 1 for the last one"
            raise ValueError(msg)
        return self

    def midnight(self, now: datetime) -> datetime:
        """The moment at which the meter stored, as seen at `now`: the end of the due day."""
        if self.year_end is not None:
            return datetime(now.year - self.year_end + 1, 1, 1, tzinfo=UTC)
        month = now.year * 12 + now.month - 1 - (self.month_end or 1) + 1
        return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)

    def day(self, now: datetime) -> datetime:
        """The due day itself, as a record shows it."""
        return self.midnight(now) - timedelta(days=1)


class Stored(DueDate):
    """What another record of the meter, named by its id under `of`, held at a due date."""

    of: str


def ns_between(earlier: datetime, later: datetime) -> int:
    """Exact whole ns from one moment to another."""
    span = later - earlier
    return (span.days * 86_400 + span.seconds) * 1_000_000_000 + span.microseconds * 1000
