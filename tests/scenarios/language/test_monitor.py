"""The monitor is exact: it agrees with the meaning of every operator at every nanosecond."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.verdict import Verdict
from scenarios.language import monitor, properties, signals
from scenarios.language.events import EventLog
from scenarios.language.properties import (
    And,
    Compare,
    Constant,
    Count,
    Edge,
    Formula,
    Iff,
    Implies,
    LiteralKind,
    Not,
    Or,
    Past,
    Path,
    Span,
    Until,
    Window,
)
from tests.scenarios.language import naive

_AT = Span(0, 0)
_PATHS = ("a.x", "b.x")
_SECOND = 1_000_000_000


def _log(*changes: tuple[int, str, Any]) -> EventLog:
    log = EventLog()
    for at_ns, path, value in sorted(changes, key=lambda change: change[0]):
        log.add(at_ns, path, value)
    return log


# --- Against the naive evaluator --------------------------------------------------------------


@st.composite
def _logs(draw: st.DrawFn) -> tuple[EventLog, int]:
    end = draw(st.integers(0, 12))
    change = st.tuples(st.integers(0, end), st.sampled_from(_PATHS), st.integers(0, 2))
    return _log(*draw(st.lists(change, max_size=10))), end


def _atoms() -> st.SearchStrategy[Formula]:
    paths = st.sampled_from(_PATHS).map(lambda name: Path(_AT, name))
    pasts = st.builds(Past, st.just(_AT), st.sampled_from(["prev", "prev_start"]), paths)
    terms = st.one_of(paths, paths.map(lambda path: Count(_AT, path, None)), pasts)
    constants = st.integers(0, 2).map(lambda n: Constant(_AT, LiteralKind.NUMBER, n))
    operators = st.sampled_from(["==", "!=", "<", ">="])
    return st.builds(Compare, st.just(_AT), operators, terms, st.one_of(constants, paths))


def _bounds() -> st.SearchStrategy[tuple[int, int | None]]:
    bounded = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda b: (b[0], b[0] + b[1]))
    return st.one_of(st.just((0, None)), bounded)


def _compound(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    kinds = st.sampled_from(["always", "never", "eventually", "once", "historically"])
    edges = st.sampled_from(["rise", "fall"])
    pairs = st.tuples(inner, inner)
    return st.one_of(
        st.builds(Not, st.just(_AT), inner),
        pairs.map(lambda pair: And(_AT, pair)),
        pairs.map(lambda pair: Or(_AT, pair)),
        pairs.map(lambda pair: Implies(_AT, *pair)),
        pairs.map(lambda pair: Iff(_AT, *pair)),
        st.builds(Edge, st.just(_AT), edges, inner),
        st.builds(lambda k, b, f: Window(_AT, k, b[0], b[1], f), kinds, _bounds(), inner),
        st.builds(lambda b, f, g: Until(_AT, b[0], b[1], f, g), _bounds(), inner, inner),
    )


_FORMULAS = st.recursive(_atoms(), _compound, max_leaves=5)


@settings(max_examples=400, deadline=None)
@given(_logs(), _FORMULAS)
def test_the_monitor_agrees_with_the_meaning(run: tuple[EventLog, int], formula: Formula) -> None:
    """At every time of every run the truth is the one that the meaning of the operators gives."""
    log, end = run
    told = monitor.truth(formula, log, end)
    assert [told.at(t) for t in range(end + 1)] == [
        naive.truth(formula, log, end, t) for t in range(end + 1)
    ]


@given(_logs(), _FORMULAS)
def test_a_truth_is_stored_without_repetition(run: tuple[EventLog, int], formula: Formula) -> None:
    """Stretches follow each other with rising starts and different values."""
    told = monitor.truth(formula, *run)
    assert told.starts[0] == 0
    assert all(a < b for a, b in zip(told.starts, told.starts[1:], strict=False))
    assert all(a != b for a, b in zip(told.values, told.values[1:], strict=False))


# --- Verdicts ---------------------------------------------------------------------------------


def _judge(
    text: str, *changes: tuple[int, str, Any], end: int, uncertainty: int = 0
) -> monitor.Judgement:
    return monitor.judge(properties.parse(text), text, _log(*changes), end, uncertainty)


@pytest.mark.parametrize(
    ("text", "verdict", "fired"),
    [
        ("always(a.x == 1 -> b.x == 1)", Verdict.PASS, 1),
        ("always(a.x == 1 -> b.x == 2)", Verdict.FAIL, 1),
        ("always(a.x == 7 -> b.x == 2)", Verdict.INCONCLUSIVE, 0),
        ("always(a.x < 2)", Verdict.PASS, 1),
        ("always(a.x == 1)", Verdict.FAIL, 2),
        ("always(c.x == 1)", Verdict.INCONCLUSIVE, 0),
        ("never(a.x == 2)", Verdict.PASS, 1),
        ("never(a.x == 1)", Verdict.FAIL, 2),
        ("never(c.x == 1)", Verdict.INCONCLUSIVE, 0),
        ("eventually(a.x == 1)", Verdict.PASS, 1),
        ("eventually(a.x == 2)", Verdict.FAIL, 1),
        ("eventually(c.x == 2)", Verdict.INCONCLUSIVE, 0),
        ("eventually[0, 20 ns](a.x == 2)", Verdict.INCONCLUSIVE, 1),
        ("eventually[0, 10 ns](a.x == 1)", Verdict.PASS, 1),
        ("always(rise(a.x == 1) -> eventually[0, 3 ns](b.x == 1))", Verdict.PASS, 1),
        ("always(rise(a.x == 1) -> eventually[0, 2 ns](b.x == 2))", Verdict.FAIL, 1),
        ("always(rise(a.x == 1) -> eventually[0, 9 ns](b.x == 2))", Verdict.INCONCLUSIVE, 1),
        ("always(rise(a.x == 1) -> eventually[0, 2 ns](c.x == 2))", Verdict.INCONCLUSIVE, 1),
        ("a.x == 0 until b.x == 1", Verdict.PASS, 1),
        ("a.x == 0 until b.x == 2", Verdict.FAIL, 1),
        ("a.x == 0 until c.x == 2", Verdict.INCONCLUSIVE, 0),
        ("always(a.x < 2) and eventually(b.x == 2)", Verdict.FAIL, 1),
        ("once(a.x == 0)", Verdict.PASS, 1),
        ("once[0, 3 ns](a.x == 0)", Verdict.FAIL, 1),
        ("historically(a.x < 2)", Verdict.PASS, 1),
        ("historically(a.x == 1)", Verdict.FAIL, 1),
        ("count(a.x) == 2", Verdict.PASS, 1),
        ("count(a.x where value == 1) == 1", Verdict.PASS, 1),
        ("count(a.x where value == 1) >= 2", Verdict.FAIL, 1),
        ("c.x == 1", Verdict.INCONCLUSIVE, 0),
    ],
)
def test_each_operator_can_pass_fail_and_prove_nothing(
    text: str, verdict: Verdict, fired: int
) -> None:
    """Each operator has a run that passes, one that fails and, where it can be, a vacuous one."""
    told = _judge(text, (0, "a.x", 0), (5, "a.x", 1), (0, "b.x", 0), (5, "b.x", 1), end=10)
    assert (told.verdict, told.fired) == (verdict, fired), told.reason


def test_a_failure_names_its_time_and_what_was_seen() -> None:
    """The first failure comes with its time and the value of every path, since when."""
    told = _judge(
        "always(rise(a.x == 1) -> eventually[0, 2 s](b.x == 1))",
        (0, "a.x", 0),
        (3 * _SECOND, "a.x", 1),
        (0, "b.x", 0),
        (6 * _SECOND, "b.x", 1),
        end=10 * _SECOND,
    )
    assert told.verdict is Verdict.FAIL
    assert told.reason == "at 3 s: 'rise(a.x == 1)', but not 'eventually[0, 2 s](b.x == 1)'"
    assert [str(seen) for seen in told.seen] == ["a.x = 1 since 3 s", "b.x = 0 since 0 s"]


def test_a_response_at_the_bound_is_in_time() -> None:
    """What happens exactly at the end of a window is inside it, one nanosecond later is not."""
    text = "always(rise(a.x == 1) -> eventually[0, 2 s](b.x == 1))"
    start = ((0, "a.x", 0), (_SECOND, "a.x", 1), (0, "b.x", 0))
    on_time = _judge(text, *start, (3 * _SECOND, "b.x", 1), end=9 * _SECOND)
    late = _judge(text, *start, (3 * _SECOND + 1, "b.x", 1), end=9 * _SECOND)
    assert (on_time.verdict, late.verdict) == (Verdict.PASS, Verdict.FAIL)


def test_several_changes_at_one_instant_are_one_state() -> None:
    """A state that lasts no time is not seen, but its events are counted."""
    changes = [(0, "a.x", 0), (5, "a.x", 1), (5, "a.x", 0)]
    assert _judge("never(a.x == 1)", *changes, end=10).verdict is Verdict.PASS
    assert _judge("count(a.x where value == 1) == 1", *changes, end=10).verdict is Verdict.PASS


def test_two_triggers_in_a_row_are_one() -> None:
    """``a -> b -> c`` fires where both a and b hold, and says so when they never do."""
    changes = [(0, "a.x", 1), (0, "b.x", 0), (5, "c.x", 1)]
    told = _judge("always(a.x == 1 -> b.x == 1 -> c.x == 1)", *changes, end=10)
    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.reason == "vacuous: 'a.x == 1 -> b.x == 1' never came true"


# --- What the clock cannot tell ---------------------------------------------------------------


def test_a_state_shorter_than_the_clock_can_tell_is_not_held_against_anyone() -> None:
    """Two signals that change within the uncertainty changed together."""
    changes = [(0, "a.x", 0), (0, "b.x", 0), (100, "a.x", 1), (105, "b.x", 1)]
    for text in ("always(a.x == 1 iff b.x == 1)", "always(a.x == 1 -> b.x == 1)"):
        assert _judge(text, *changes, end=1000).verdict is Verdict.FAIL
        assert _judge(text, *changes, end=1000, uncertainty=10).verdict is Verdict.PASS
        assert _judge(text, *changes, end=1000, uncertainty=2).verdict is Verdict.FAIL


def test_a_bound_missed_by_less_than_the_clock_can_tell_is_inconclusive() -> None:
    """A deadline that was missed by less than the uncertainty is neither PASS nor FAIL."""
    text = "always(rise(a.x == 1) -> eventually[0, 100 ns](b.x == 1))"
    changes = [(0, "a.x", 0), (0, "b.x", 0), (100, "a.x", 1), (205, "b.x", 1)]
    told = _judge(text, *changes, end=1000, uncertainty=10)
    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.reason.endswith("; by less than the 10 ns that this clock can tell")
    assert _judge(text, *changes, end=1000, uncertainty=2).verdict is Verdict.FAIL


def test_a_prohibition_is_narrowed_and_not_widened() -> None:
    """The benefit of the doubt goes to the device: "never within 100 ns" gets shorter."""
    text = "always(rise(a.x == 1) -> never[0, 100 ns](b.x == 1))"
    changes = [(0, "a.x", 0), (0, "b.x", 0), (100, "a.x", 1), (195, "b.x", 1)]
    assert _judge(text, *changes, end=1000).verdict is Verdict.FAIL
    assert _judge(text, *changes, end=1000, uncertainty=10).verdict is Verdict.INCONCLUSIVE


@settings(max_examples=200, deadline=None)
@given(_logs(), _FORMULAS, st.integers(0, 3))
def test_uncertainty_never_turns_a_pass_into_a_failure(
    run: tuple[EventLog, int], formula: Formula, uncertainty: int
) -> None:
    """A clock that can tell less accuses less."""
    log, end = run
    exact = monitor.judge(Window(_AT, "always", 0, None, formula), "", log, end)
    vague = monitor.judge(Window(_AT, "always", 0, None, formula), "", log, end, uncertainty)
    if exact.verdict is Verdict.PASS:
        assert vague.verdict is not Verdict.FAIL


# --- Lists ------------------------------------------------------------------------------------


def test_two_lists_that_differ_are_told_apart() -> None:
    """A comparison of two long lists says what is in one and not in the other."""
    told = _judge("a.x == b.x", (0, "a.x", ["1", "2"]), (0, "b.x", ["1", "2", "2", "3"]), end=1)
    assert told.verdict is Verdict.FAIL
    assert told.reason.endswith("; only on the right: [2, 3]")


def test_steps_know_their_value_at_any_time() -> None:
    """A function of time holds a value up to, not including, its next change."""
    steps = signals.from_changes([(3, 1), (3, 2), (7, 2), (9, 5)], 0, 20)
    assert [steps.at(t) for t in (0, 2, 3, 8, 9, 20)] == [0, 0, 2, 2, 5, 5]
    assert list(steps.starts) == [0, 3, 9]
