"""The property language once more, written from its meaning: slow, obvious, and independent.

It asks at every nanosecond of a short run. The monitor works on stretches and must agree with it.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from scenarios.language.properties import (
    And,
    Compare,
    Constant,
    Count,
    Edge,
    Formula,
    Holds,
    Iff,
    Implies,
    Not,
    Or,
    Past,
    Path,
    Term,
    Until,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scenarios.language.events import EventLog

FALSE, UNSEEN, PENDING, TRUE = range(4)

_NOT: Final = {FALSE: TRUE, TRUE: FALSE, UNSEEN: UNSEEN, PENDING: PENDING}
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def value(term: Term, log: EventLog, at: int) -> Any:
    """The value of a term at a time; None before it was seen."""
    if isinstance(term, Constant):
        return term.value
    if isinstance(term, Count):
        return sum(c.path == term.path.name and c.at_ns <= at for c in log.changes)
    if isinstance(term, Past):
        times = {c.at_ns for c in log.changes if c.path == term.path.name and c.at_ns <= at}
        states = [value(term.path, log, time) for time in sorted(times)]
        different = [one for n, one in enumerate(states) if n == 0 or one != states[n - 1]]
        if term.kind == "prev_start":
            return different[0] if different else None
        return different[-2] if len(different) > 1 else None
    assert isinstance(term, Path)
    seen = [c.value for c in log.changes if c.path == term.name and c.at_ns <= at]
    return seen[-1] if seen else None


def truth(formula: Formula, log: EventLog, end: int, at: int) -> int:
    """The truth of a formula at a time inside or outside the run."""

    def go(part: Formula, when: int) -> int:
        return truth(part, log, end, when)

    if at > end:
        return PENDING
    match formula:
        case Compare() | Holds():
            return _atom(formula, log, at)
        case Window():
            return _window(formula, go, end, at)
        case Until():
            return _until(formula, go, end, at)
        case Edge(kind=kind, body=body):
            before, now = (go(body, at - 1) if at > 0 else UNSEEN), go(body, at)
            return _edge(before, now) if kind == "rise" else _edge(_NOT[before], _NOT[now])
        case _:
            return _connective(formula, lambda part: go(part, at))


def _atom(formula: Compare | Holds, log: EventLog, at: int) -> int:
    if isinstance(formula, Holds):
        seen = value(formula.term, log, at)
        return UNSEEN if seen is None else TRUE if seen else FALSE
    left, right = value(formula.left, log, at), value(formula.right, log, at)
    if left is None or right is None:
        return UNSEEN
    return TRUE if _OPERATORS[formula.operator](left, right) else FALSE


def _connective(formula: Formula, go: Callable[[Formula], int]) -> int:
    match formula:
        case Not(body=body):
            return _NOT[go(body)]
        case And(parts=parts):
            return _all(go(part) for part in parts)
        case Or(parts=parts):
            return max(go(part) for part in parts)
        case Implies(trigger=trigger, response=response):
            return max(_NOT[go(trigger)], go(response))
        case Iff(left=one, right=other):
            x, y = go(one), go(other)
            return _all((max(_NOT[x], y), max(x, _NOT[y])))
        case _:
            raise AssertionError(formula)


def _all(truths: Any) -> int:
    return _NOT[max(_NOT[one] for one in truths)]


def _edge(before: int, now: int) -> int:
    if before == FALSE and now == TRUE:
        return TRUE
    return PENDING if before in (FALSE, PENDING) and now in (TRUE, PENDING) else FALSE


def _window(formula: Window, go: Callable[[Formula, int], int], end: int, at: int) -> int:
    low, high = formula.low, formula.high
    if formula.kind in ("once", "historically"):
        first = 0 if high is None else max(0, at - high)
        last = at - low
    else:
        first = at + low
        last = end if high is None else at + high
    times = range(first, last + 1)
    if formula.kind in ("always", "historically"):
        return _NOT[max((_NOT[go(formula.body, t)] for t in times), default=FALSE)]
    some = max((go(formula.body, t) for t in times), default=FALSE)
    return _NOT[some] if formula.kind == "never" else some


def _until(formula: Until, go: Callable[[Formula, int], int], end: int, at: int) -> int:
    """Level by level, as the meaning says: an "and" of unseen and pending is unseen in here."""
    last = end if formula.high is None else at + formula.high
    found = FALSE
    for goal in range(at + formula.low, last + 1):
        held = min((go(formula.left, t) for t in range(at, goal)), default=TRUE)
        found = max(found, min(held, go(formula.right, goal)))
    return found
