"""Judging a property on what a run saw: PASS, FAIL or INCONCLUSIVE, with the reason.

A property with a look ahead (always, never, eventually, until) is judged from the beginning of
the run; one without is judged at its end. It is INCONCLUSIVE

* when it proves nothing: its trigger never fired, or its signals were never seen;
* when the run ended before a bound had passed that was still open;
* when it failed by less than the backend's clock can tell (``uncertainty_ns``).

What two events closer together than the uncertainty did first cannot be told, so a state that is
wrong for less than it is not held against the device; a written bound that was missed by less is
INCONCLUSIVE. With an uncertainty of 0 neither rule does anything.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.verdict import Verdict
from scenarios.language import signals
from scenarios.language.durations import show, show_time
from scenarios.language.events import NO_EVIDENCE, EventLog, Track
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
    Involves,
    Not,
    Or,
    Past,
    Path,
    Quantified,
    Span,
    Term,
    Until,
    Window,
    looks_ahead,
    paths_of,
)
from scenarios.language.signals import FALSE, PENDING, TRUE, UNSEEN, Steps, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_EMPTY: Final = Track()

#: Items of a list that a reason shows.
ITEMS_SHOWN_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """The value that a path had when a property failed, and since when."""

    path: str
    value: Any
    since_ns: int | None
    evidence: Mapping[str, Any]

    def __str__(self) -> str:
        if self.since_ns is None:
            return f"{self.path} was not seen yet"
        proof = "".join(f", {key} {value}" for key, value in self.evidence.items())
        return f"{self.path} = {show_value(self.value)} since {show_time(self.since_ns)}{proof}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one property in one run.

    `fired` counts how often it had something to say: the trigger of an implication, the stretches
    in which anything else could be told. `at_ns` and `seen` belong to the first failure.
    """

    verdict: Verdict
    reason: str
    fired: int
    at_ns: int | None = None
    seen: tuple[Seen, ...] = ()


def judge(
    formula: Formula, text: str, log: EventLog, end: int, uncertainty_ns: int = 0
) -> Judgement:
    """Judge one property, whose paths hold no wildcard, on a run that ended at `end` ns.

    `text` is what the property was parsed from; reasons quote from it.
    """
    monitor = _Monitor(text, log, end)
    if not looks_ahead(formula):
        return monitor.at_end(formula)
    if uncertainty_ns == 0:
        return monitor.from_start(formula)
    told = monitor.from_start(_coalesced(formula, uncertainty_ns))
    if told.verdict is not Verdict.FAIL:
        return told
    widened = monitor.from_start(_widened(_coalesced(formula, uncertainty_ns), uncertainty_ns))
    if widened.verdict is Verdict.FAIL:
        return told
    reason = f"{told.reason}; by less than the {show(uncertainty_ns)} that this clock can tell"
    return Judgement(Verdict.INCONCLUSIVE, reason, told.fired, told.at_ns, told.seen)


def show_value(value: Any) -> str:
    """Write a value as a property would."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        shown = [show_value(item) for item in value[:ITEMS_SHOWN_MAX]]
        if len(value) > ITEMS_SHOWN_MAX:
            shown.append(f"… {len(value)} in all")
        return f"[{', '.join(shown)}]"
    return str(value)


# --- Truth over time --------------------------------------------------------------------------


def truth(formula: Formula, log: EventLog, end: int) -> Truth:
    """Return the truth of `formula` at every time of a run."""
    match formula:
        case Compare():
            return _compare(formula, log, end)
        case Holds(term=term):
            return signals.map_values(_values(term, log, end), _bool_truth)
        case Not(body=body):
            return signals.negate(truth(body, log, end))
        case And(parts=parts):
            return signals.conjoin([truth(part, log, end) for part in parts])
        case Or(parts=parts):
            return signals.disjoin([truth(part, log, end) for part in parts])
        case Implies(trigger=left, response=right):
            return signals.disjoin([signals.negate(truth(left, log, end)), truth(right, log, end)])
        case Iff(left=left, right=right):
            return signals.equivalent(truth(left, log, end), truth(right, log, end))
        case Edge(kind=kind, body=body):
            inner = truth(body, log, end)
            return signals.rising(inner if kind == "rise" else signals.negate(inner))
        case Until(low=low, high=high, left=left, right=right):
            return signals.until(truth(left, log, end), truth(right, log, end), low, high)
        case Window():
            return _window(formula, truth(formula.body, log, end))
        case Quantified() | Involves():
            raise ValueError("the compiler has put something else in the place of this")


def _window(formula: Window, body: Truth) -> Truth:
    low, high = formula.low, formula.high
    match formula.kind:
        case "eventually":
            return signals.eventually(body, low, high)
        case "never":
            return signals.negate(signals.eventually(body, low, high))
        case "always":
            return signals.negate(signals.eventually(signals.negate(body), low, high))
        case "once":
            return signals.once(body, low, high)
        case "historically":
            return signals.negate(signals.once(signals.negate(body), low, high))


def _bool_truth(value: Any) -> int:
    return UNSEEN if value is None else TRUE if value else FALSE


def _compare(formula: Compare, log: EventLog, end: int) -> Truth:
    apply = _OPERATORS[formula.operator]
    if isinstance(formula.right, Constant):
        wanted = formula.right.value

        def one(value: Any) -> int:
            return UNSEEN if value is None else TRUE if apply(value, wanted) else FALSE

        return signals.map_values(_values(formula.left, log, end), one)

    def both(left: Any, right: Any) -> int:
        if left is None or right is None:
            return UNSEEN
        return TRUE if apply(left, right) else FALSE

    return signals.combine(_values(formula.left, log, end), _values(formula.right, log, end), both)


def _values(term: Term, log: EventLog, end: int) -> Steps[Any]:
    match term:
        case Constant(value=value):
            return signals.constant(value, end)
        case Path(name=name):
            track = log.tracks.get(name, _EMPTY)
            changes = zip(track.times, track.values, strict=True)
            return signals.from_changes(changes, None, end)
        case Past(kind=kind, path=path):
            return _past(kind, _values(path, log, end))
        case Count(path=path, where=where):
            times = _occurrences(log.tracks.get(path.name, _EMPTY), where)
            counted = ((time, number) for number, time in enumerate(times, 1))
            return signals.from_changes(counted, 0, end)


def _past(kind: str, steps: Steps[Any]) -> Steps[Any]:
    """Return what a signal was before its present value, or at first."""
    if kind == "prev":
        return signals.from_changes(
            zip(steps.starts, (None, *steps.values[:-1]), strict=True), None, steps.end
        )
    seen = ((start, value) for start, _, value in steps.stretches() if value is not None)
    start, first = next(seen, (0, None))
    return signals.from_changes([(start, first)], None, steps.end)


def _terms(formula: Compare) -> tuple[Term, Term]:
    return formula.left, formula.right


def _occurrences(track: Track, where: Formula | None) -> list[int]:
    if where is None:
        return track.times
    rows = zip(track.times, track.values, track.evidence, strict=True)
    return [time for time, value, evidence in rows if _meets(where, value, evidence)]


def _meets(where: Formula, value: Any, evidence: Mapping[str, Any]) -> bool:
    """Tell whether one event meets a condition; a field that it lacks meets none."""
    match where:
        case And(parts=parts):
            return all(_meets(part, value, evidence) for part in parts)
        case Or(parts=parts):
            return any(_meets(part, value, evidence) for part in parts)
        case Not(body=body):
            return not _meets(body, value, evidence)
        case Involves(meters=meters):
            return not set(meters).isdisjoint(_participants(value, evidence))
        case Compare(operator=name, left=Constant(value=field), right=Constant(value=wanted)):
            found = value if field == "value" else evidence.get(str(field))
            return found is not None and _OPERATORS[name](found, wanted)
        case _:
            raise ValueError("this form cannot stand inside 'where'")


def _participants(value: Any, evidence: Mapping[str, Any]) -> list[str]:
    """Return the meters that took part in an event: its value, or what its evidence says."""
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return [str(item) for item in evidence.get("meters", [evidence.get("meter", "")])]


# --- Verdicts ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Monitor:
    """Judges the parts of one property on one run."""

    text: str
    log: EventLog
    end: int

    def at_end(self, formula: Formula) -> Judgement:
        """Judge by the state in which the run ended."""
        value = truth(formula, self.log, self.end).at(self.end)
        if value == TRUE:
            return Judgement(Verdict.PASS, "", 1)
        if value == FALSE:
            reason = f"{self._quote(formula)} is false at the end{self._difference(formula)}"
            return self._failed(reason, formula, self.end, 1)
        return self._inconclusive(self._never_seen(formula), 0)

    def from_start(self, formula: Formula) -> Judgement:
        """Judge from time 0; parts joined by ``and`` are judged one by one."""
        match formula:
            case And(parts=parts):
                judged = [self.from_start(part) for part in parts]
                return max(judged, key=lambda one: one.verdict.rank)
            case Window(kind="always" | "never"):
                return self._always(formula)
            case Window(kind="eventually"):
                return self._eventually(formula)
            case _:
                return self._whole(formula)

    def _whole(self, formula: Formula) -> Judgement:
        value = truth(formula, self.log, self.end).at(0)
        if value == TRUE:
            return Judgement(Verdict.PASS, "", 1)
        if value == FALSE:
            return self._failed(f"{self._quote(formula)} is false of this run", formula, 0, 1)
        if value == PENDING:
            return self._inconclusive(self._cut_short(formula), 1)
        return self._inconclusive(self._never_seen(formula), 0)

    def _eventually(self, formula: Window) -> Judgement:
        low, high = formula.low, self.end if formula.high is None else formula.high
        stretches = list(_inside(truth(formula.body, self.log, self.end), low, high))
        values = {value for _, _, value in stretches}
        if TRUE in values:
            return Judgement(Verdict.PASS, "", 1)
        if PENDING in values or high > self.end:
            return self._inconclusive(self._cut_short(formula), 1)
        if values == {UNSEEN}:
            return self._inconclusive(self._never_seen(formula), 0)
        by = "by the end" if formula.high is None else f"by {show(high)}"
        reason = f"{self._quote(formula.body)} was never true {by}"
        return self._failed(reason, formula.body, high, 1)

    def _always(self, formula: Window) -> Judgement:
        low, high = formula.low, self.end if formula.high is None else formula.high
        trigger, response = _split(formula)
        told = truth(response, self.log, self.end)
        if formula.kind == "never":
            told = signals.negate(told)
        if trigger is None:
            return self._invariant(formula, list(_inside(told, low, high)), high)
        when = truth(trigger, self.log, self.end)
        fired = sum(value == TRUE for _, _, value in _inside(when, low, high))
        asked = signals.combine(when, told, _asked)
        return self._triggered(formula, list(_inside(asked, low, high)), fired, high)

    def _invariant(
        self, formula: Window, stretches: list[tuple[int, int, int]], high: int
    ) -> Judgement:
        known = sum(value in (TRUE, FALSE) for _, _, value in stretches)
        for start, _, value in stretches:
            if value == FALSE:
                what = "is true" if formula.kind == "never" else "is false"
                reason = f"{self._quote(formula.body)} {what}"
                return self._failed(reason, formula.body, start, known)
        if high > self.end or any(value == PENDING for _, _, value in stretches):
            return self._inconclusive(self._cut_short(formula), known)
        if not known:
            return self._inconclusive(self._never_seen(formula), 0)
        return Judgement(Verdict.PASS, "", known)

    def _triggered(
        self, formula: Window, stretches: list[tuple[int, int, int]], fired: int, high: int
    ) -> Judgement:
        trigger, response = _split(formula)
        assert trigger is not None, "only an implication is judged by its trigger"
        values = {value for _, _, value in stretches}
        for start, _, value in stretches:
            if value == FALSE:
                reason = f"{self._quote(trigger)}, but not {self._quote(response)}"
                return self._failed(reason, formula.body, start, fired)
        if high > self.end or PENDING in values:
            return self._inconclusive(self._cut_short(formula), fired)
        if UNSEEN in values:
            return self._inconclusive(self._never_seen(response), fired)
        if not fired:
            return self._inconclusive(f"vacuous: {self._quote(trigger)} never came true", 0)
        return Judgement(Verdict.PASS, "", fired)

    # --- Words --------------------------------------------------------------------------------

    def _quote(self, formula: Formula) -> str:
        span: Span = formula.span
        return f"'{self.text[span.offset : span.offset + span.length]}'"

    def _difference(self, formula: Formula) -> str:
        """Say what makes two lists differ, where that is what was compared."""
        if not isinstance(formula, Compare):
            return ""
        sides = [_values(term, self.log, self.end).at(self.end) for term in _terms(formula)]
        if not all(isinstance(side, list) for side in sides):
            return ""
        left, right = (Counter[Any](side) for side in sides)
        only = ((left - right, "left"), (right - left, "right"))
        return "".join(
            f"; only on the {side}: {show_value(list(items.elements()))}"
            for items, side in only
            if items
        )

    def _cut_short(self, formula: Formula) -> str:
        ended = show_time(self.end)
        return f"the run ended at {ended}, before the outcome of {self._quote(formula)} was settled"

    def _never_seen(self, formula: Formula) -> str:
        unseen = [path.name for path in paths_of(formula) if path.name not in self.log.tracks]
        names = ", ".join(dict.fromkeys(unseen)) or self._quote(formula)
        return f"vacuous: {names} was not seen"

    def _inconclusive(self, reason: str, fired: int) -> Judgement:
        return Judgement(Verdict.INCONCLUSIVE, reason, fired)

    def _failed(self, reason: str, formula: Formula, at: int, fired: int) -> Judgement:
        at = min(at, self.end)
        names = dict.fromkeys(path.name for path in paths_of(formula))
        seen = tuple(self._seen(name, at) for name in names)
        return Judgement(Verdict.FAIL, f"at {show_time(at)}: {reason}", fired, at, seen)

    def _seen(self, name: str, at: int) -> Seen:
        track = self.log.tracks.get(name, _EMPTY)
        last = bisect_right(track.times, at) - 1
        if last < 0:
            return Seen(name, None, None, NO_EVIDENCE)
        return Seen(name, track.values[last], track.times[last], track.evidence[last])


def _split(formula: Window) -> tuple[Formula | None, Formula]:
    """Return trigger and response of ``always(trigger -> response)``; a -> b -> c has two."""
    body = formula.body
    if formula.kind == "never" or not isinstance(body, Implies):
        return None, body
    triggers = [body.trigger]
    response = body.response
    while isinstance(response, Implies):
        triggers.append(response.trigger)
        response = response.response
    if len(triggers) == 1:
        return triggers[0], response
    first, last = triggers[0].span, triggers[-1].span
    span = Span(first.offset, last.offset + last.length - first.offset)
    return And(span, tuple(triggers)), response


def _asked(trigger: int, response: int) -> int:
    """Return the outcome of one obligation; TRUE where the trigger does not ask for anything."""
    if trigger in (FALSE, UNSEEN) or response == TRUE:
        return TRUE
    return response if trigger == TRUE else PENDING


def _inside(steps: Truth, low: int, high: int) -> list[tuple[int, int, int]]:
    """Return the stretches of [low, high], ends included, that lie inside the run."""
    return [
        (max(start, low), min(stop, high + 1), value)
        for start, stop, value in steps.stretches()
        if start <= high and stop > low
    ]


# --- What the clock cannot tell -----------------------------------------------------------------


def _coalesced(formula: Formula, by: int) -> Formula:
    """Let the states inside ``always`` be wrong for as long as two events count as simultaneous."""
    match formula:
        case And(span=span, parts=parts):
            return And(span, tuple(_coalesced(part, by) for part in parts))
        case Window(kind="always" | "never"):
            negative = formula.kind == "never"
            body = Not(formula.body.span, formula.body) if negative else formula.body
            return Window(formula.span, "always", formula.low, formula.high, _lenient(body, by))
        case _:
            return formula


def _lenient(body: Formula, by: int) -> Formula:
    trigger, response = _split(Window(body.span, "always", 0, None, body))
    if trigger is not None:
        return Implies(body.span, trigger, _lenient(response, by))
    if isinstance(body, Iff):
        sides = ((body.left, body.right), (body.right, body.left))
        ways = [Implies(body.span, one, _near(other, by)) for one, other in sides]
        denials = [
            Implies(body.span, Not(one.span, one), _near(Not(other.span, other), by))
            for one, other in sides
        ]
        return And(body.span, (*ways, *denials))
    return _near(body, by)


def _near(body: Formula, by: int) -> Formula:
    """Ask for `body` within `by` of the instant; one that names a time of its own is left alone."""
    if looks_ahead(body):
        return body
    before = Window(body.span, "once", 0, by, body)
    return Or(body.span, (body, before, Window(body.span, "eventually", 0, by, body)))


def _widened(formula: Formula, by: int, *, positive: bool = True) -> Formula:
    """Give every bounded window `by` more at both ends, in favour of the property."""

    def go(part: Formula) -> Formula:
        return _widened(part, by, positive=positive)

    match formula:
        case Not(span=span, body=body):
            return Not(span, _widened(body, by, positive=not positive))
        case And(span=span, parts=parts):
            return And(span, tuple(go(part) for part in parts))
        case Or(span=span, parts=parts):
            return Or(span, tuple(go(part) for part in parts))
        case Implies(span=span, trigger=trigger, response=response):
            return Implies(span, _widened(trigger, by, positive=not positive), go(response))
        case Until(span=span, low=low, high=high, left=left, right=right) if high is not None:
            return Until(span, max(0, low - by), high + by, go(left), go(right))
        case Window(high=int(high)):
            return _widened_window(formula, high, by, positive=positive)
        case Window(span=span, kind=kind, body=body):
            inner = _widened(body, by, positive=positive is not (kind == "never"))
            return Window(span, kind, formula.low, None, inner)
        case _:
            return formula


def _widened_window(formula: Window, high: int, by: int, *, positive: bool) -> Window:
    asks_for_some = formula.kind in ("eventually", "once")
    inner_positive = positive is not (formula.kind == "never")
    body = _widened(formula.body, by, positive=inner_positive)
    # A wider search is easier to satisfy; a wider prohibition is harder.
    grow = by if asks_for_some is positive else -by
    low = max(0, formula.low - grow)
    high = max(0, high + grow)
    return Window(formula.span, formula.kind, min(low, high), high, body)
