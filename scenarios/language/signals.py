"""Functions of time that are constant between changes, and the temporal operators on them.

Time is discrete, in nanoseconds, from 0 to the end of a run. A `Steps` holds the moments at which
its value changes; operators work on whole stretches, never on samples, so they are exact and cost
one pass over the changes whatever the length of the run.

A truth has four values. Beyond TRUE and FALSE there are two kinds of not knowing, which lead to
different reports: UNSEEN (no value of a signal has been observed yet) and PENDING (the run ended
before the outcome was settled). ``or`` is the maximum in the order FALSE < UNSEEN < PENDING <
TRUE; ``and`` follows from it by negation, which keeps UNSEEN and PENDING. Restricted to "known or
not" this is Kleene's logic.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

T = TypeVar("T")

FALSE: Final = 0
UNSEEN: Final = 1
PENDING: Final = 2
TRUE: Final = 3

#: Negation, by value.
NOT: Final = (TRUE, UNSEEN, PENDING, FALSE)

#: A stretch of time: from the first moment up to, not including, the second.
Interval = tuple[int, int]

#: Stands for "for ever" in an interval; later than any time of any run.
FOREVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Steps(Generic[T]):
    """A value over the times 0 to `end`, both included.

    ``values[i]`` holds from ``starts[i]`` up to the next start; ``starts[0]`` is 0 and the starts
    increase strictly.
    """

    starts: Sequence[int]
    values: Sequence[T]
    end: int

    def at(self, time: int) -> T:
        """Return the value at `time`, 0 to `end`."""
        return self.values[bisect_right(self.starts, time) - 1]

    def stretches(self) -> Iterator[tuple[int, int, T]]:
        """Yield (start, start of the next, value); the last reaches to ``end + 1``."""
        stops = [*self.starts[1:], self.end + 1]
        return zip(self.starts, stops, self.values, strict=True)


Truth = Steps[int]


def constant(value: T, end: int) -> Steps[T]:
    """Return a value that never changes."""
    return Steps((0,), (value,), end)


def from_changes(changes: Iterable[tuple[int, T]], initial: T, end: int) -> Steps[T]:
    """Build a function from (time, value) pairs in order of time.

    Of several changes at one instant the last stands; changes to the same value, and those after
    `end`, are dropped.
    """
    starts, values = [0], [initial]
    at, last = 0, initial
    for time, value in changes:
        if time > end:
            break
        if time == at:
            values[-1] = value
            if len(values) > 1 and values[-2] == value:
                del starts[-1], values[-1]
            at, last = starts[-1], values[-1]
        elif value != last:
            starts.append(time)
            values.append(value)
            at, last = time, value
    return Steps(starts, values, end)


def map_values(steps: Steps[Any], function: Callable[[Any], int]) -> Truth:
    """Return the truth of `function` of the value."""
    pairs = zip(steps.starts, map(function, steps.values), strict=True)
    first = next(pairs)[1]
    return from_changes(pairs, first, steps.end)


def combine(left: Steps[Any], right: Steps[Any], function: Callable[[Any, Any], int]) -> Truth:
    """Return the truth of `function` of two values; one pass over the changes of both."""
    starts, values = [0], [function(left.values[0], right.values[0])]
    i = j = 0
    more_left, more_right = len(left.starts) - 1, len(right.starts) - 1
    while i < more_left or j < more_right:
        time_left = left.starts[i + 1] if i < more_left else FOREVER
        time_right = right.starts[j + 1] if j < more_right else FOREVER
        time = min(time_left, time_right)
        i += time_left == time
        j += time_right == time
        value = function(left.values[i], right.values[j])
        if value != values[-1]:
            starts.append(time)
            values.append(value)
    return Steps(starts, values, left.end)


def negate(truth: Truth) -> Truth:
    """Return ``not``."""
    return Steps(truth.starts, [NOT[value] for value in truth.values], truth.end)


def disjoin(truths: Sequence[Truth]) -> Truth:
    """Return ``or`` of at least one truth."""
    result = truths[0]
    for truth in truths[1:]:
        result = combine(result, truth, max)
    return result


def conjoin(truths: Sequence[Truth]) -> Truth:
    """Return ``and`` of at least one truth."""
    return negate(disjoin([negate(truth) for truth in truths]))


def equivalent(left: Truth, right: Truth) -> Truth:
    """Return ``iff``."""
    return conjoin(
        [disjoin([negate(left), right]), disjoin([left, negate(right)])],
    )


def rising(truth: Truth) -> Truth:
    """Return the instants at which a truth that was FALSE becomes TRUE, each 1 ns long.

    Where the run's end leaves the truth open the edge is open too; there is no edge out of
    UNSEEN, and none at time 0.
    """
    if _is_known(truth):
        return _rising_known(truth)
    changes: list[tuple[int, int]] = []
    before = UNSEEN
    for start, stop, value in truth.stretches():
        changes.append((start, _edge(before, value)))
        if start + 1 < stop:
            changes.append((start + 1, PENDING if value == PENDING else FALSE))
        before = value
    return from_changes(changes, FALSE, truth.end)


def _is_known(truth: Truth) -> bool:
    """Tell whether nothing is open; most truths are such, and go a shorter way."""
    return UNSEEN not in truth.values and PENDING not in truth.values


def _rising_known(truth: Truth) -> Truth:
    """Return `rising` of a truth without anything open: every second change is an edge."""
    starts, values = [0], [FALSE]
    first = 1 if truth.values[0] == FALSE else 2
    for start in truth.starts[first::2]:
        if start == starts[-1]:
            values[-1] = TRUE
        else:
            starts.append(start)
            values.append(TRUE)
        starts.append(start + 1)
        values.append(FALSE)
    if starts[-1] > truth.end:
        del starts[-1], values[-1]
    return Steps(starts, values, truth.end)


def _edge(before: int, now: int) -> int:
    if before == FALSE and now == TRUE:
        return TRUE
    if before in (FALSE, PENDING) and now in (TRUE, PENDING):
        return PENDING
    return FALSE


# --- Windows ----------------------------------------------------------------------------------


def eventually(truth: Truth, low: int, high: int | None) -> Truth:
    """Some time in [t + low, t + high]; without `high`, some time from t to the end of the run.

    What lies beyond the end is PENDING for a bounded window; an unbounded one ends with the run.
    """
    if high is not None and _is_known(truth):
        windows = ((start - high, stop - low) for start, stop in _at_least(truth, TRUE))
        return _known(_union(windows), truth.end, truth.end + 1 - high)
    levels = []
    for level in (UNSEEN, PENDING, TRUE):
        intervals = _at_least(truth, level)
        if high is None:
            levels.append([(0, intervals[-1][1])] if intervals else [])
            continue
        if level != TRUE:
            intervals.append((truth.end + 1, FOREVER))
        levels.append(_union((start - high, stop - low) for start, stop in intervals))
    return _stack(levels, truth.end)


def once(truth: Truth, low: int, high: int | None) -> Truth:
    """Some time in [t - high, t - low]; without `high`, some time from 0 to t.

    Before time 0 nothing was.
    """
    if _is_known(truth):
        reach = FOREVER if high is None else high
        windows = ((start + low, stop + reach) for start, stop in _at_least(truth, TRUE))
        return _known(_union(windows), truth.end, FOREVER)
    levels = []
    for level in (UNSEEN, PENDING, TRUE):
        reach = FOREVER if high is None else high
        intervals = _at_least(truth, level)
        levels.append(_union((start + low, stop + reach) for start, stop in intervals))
    return _stack(levels, truth.end)


def until(left: Truth, right: Truth, low: int, high: int | None) -> Truth:
    """`right` at some t' in [t + low, t + high], and `left` from t until just before t'.

    Not knowing is handled level by level (true even if everything unseen, or everything pending,
    were true), so an ``and`` of UNSEEN and PENDING is UNSEEN in here.
    """
    levels = []
    for level in (UNSEEN, PENDING, TRUE):
        holds, goals = _at_least(left, level), _at_least(right, level)
        if high is not None and level != TRUE:
            holds.append((left.end + 1, FOREVER))
            goals.append((right.end + 1, FOREVER))
        levels.append(_until_levels(_union(holds), _union(goals), low, high))
    return _stack(levels, left.end)


def _until_levels(
    holds: list[Interval], goals: list[Interval], low: int, high: int | None
) -> list[Interval]:
    """Return where until is true, for two sets of times."""
    reach = FOREVER if high is None else high
    found = list(goals) if low == 0 else []
    first = 0
    for start, stop in holds:
        while first < len(goals) and goals[first][1] <= start:
            first += 1
        for goal_start, goal_stop in goals[first:]:
            if goal_start > stop:
                break
            # The goal may be the very instant at which the left side ends.
            begin, end = max(goal_start, start), min(goal_stop, stop + 1)
            found.append((max(start, begin - reach), min(stop, end - low)))
    return _union(sorted(found))


def _at_least(truth: Truth, level: int) -> list[Interval]:
    """Return the stretches in which the truth is `level` or more."""
    return [(start, stop) for start, stop, value in truth.stretches() if value >= level]


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    """Join intervals, given in order of their starts, that touch or overlap; drop empty ones."""
    joined: list[Interval] = []
    for start, stop in intervals:
        if start >= stop:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


def _known(intervals: Sequence[Interval], end: int, open_from: int) -> Truth:
    """Return TRUE inside the intervals, else PENDING from `open_from` on and FALSE before."""
    starts, values = [0], [FALSE if open_from > 0 else PENDING]
    reached = 0

    def fall(until: int) -> None:
        """Nothing is true from `reached` up to `until`."""
        for start, value in ((reached, FALSE), (open_from, PENDING)):
            at = max(start, reached)
            if at >= until or at > end or (value == FALSE and at >= open_from):
                continue
            if at == starts[-1]:
                values[-1] = value
            elif values[-1] != value:
                starts.append(at)
                values.append(value)

    for start, stop in intervals:
        begin = max(start, 0)
        if stop <= 0 or begin > end:
            continue
        fall(begin)
        if begin == starts[-1]:
            values[-1] = TRUE
        else:
            starts.append(begin)
            values.append(TRUE)
        reached = stop
    fall(end + 1)
    return Steps(starts, values, end)


def _stack(levels: Sequence[list[Interval]], end: int) -> Truth:
    """Count, for each time from 0 to `end`, in how many of the nested sets it lies."""
    changes: list[tuple[int, int]] = []
    for intervals in levels:
        for start, stop in intervals:
            if stop > 0 and start <= end:
                changes += ((max(start, 0), 1), (stop, -1))
    changes.sort()
    depth = 0
    depths: list[tuple[int, int]] = []
    for time, change in changes:
        depth += change
        depths.append((time, depth))
    return from_changes(depths, FALSE, end)
