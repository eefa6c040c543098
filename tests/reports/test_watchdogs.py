"""Watchdog runs drawn: places in the drawing, words, and what the record refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reports import html, pdf, watchdogs
from reports.record import Case, Instant, Run, RunRecord, WatchdogRun
from reports.verdict import Verdict

S = 1_000_000_000


def at(ns: int, uncertainty_ns: int = 1) -> Instant:
    """A moment."""
    return Instant(at_ns=ns, seen_by="command", uncertainty_ns=uncertainty_ns)


def run(end_ns: int, limit_ns: int = 60 * S, **more: Any) -> WatchdogRun:
    """A run that starts at 1000 s."""
    fields: dict[str, Any] = {
        "timer": "WATCHDOG_SCAN",
        "state": "scan",
        "title": "a job",
        "limit_ns": limit_ns,
        "started": at(1000 * S),
        "end": at(1000 * S + end_ns),
        "tripped": False,
        "verdict": Verdict.PASS,
    }
    return WatchdogRun.model_validate(fields | more)


def band(one: WatchdogRun) -> watchdogs.Band:
    """The run drawn, alone."""
    case = Case(id="w/x/WDG-01.1", title="t", verdict=Verdict.PASS, watchdogs=(one,))
    [chart] = watchdogs.charts([case])
    [drawn] = chart.bands
    return drawn


def plain(text: str) -> str:
    """The words with ordinary blanks."""
    return text.replace(watchdogs.NO_BREAK, " ")


def test_a_nanosecond_shows_in_the_lens_and_in_words() -> None:
    """1 ns of a minute is no place in the bar, but one in the lens, left of the limit."""
    early, exact = band(run(60 * S - 1)), band(run(60 * S, tripped=True))
    assert early.end == exact.end == watchdogs.STATE_LIMIT
    assert early.lens.end < early.lens.middle == exact.lens.end
    assert plain(early.lens.reach) == "5 ns"
    assert plain(early.measured) == "59.999999999 s, 1 ns before the limit"
    assert plain(exact.measured) == "60 s, at the limit"
    assert (early.after, early.fate) == (None, "no restart")


def test_the_limit_counts_from_the_last_feed() -> None:
    """What lies before the feed is drawn left of it and not counted."""
    fed = (at(1010 * S), at(1030 * S))
    drawn = band(run(90 * S, fed=fed, tripped=True))
    assert plain(drawn.measured) == "60 s, at the limit"
    assert plain(drawn.note) == "fed 2 times, last 30 s behind the start"
    assert watchdogs.STATE_LEFT <= drawn.fed[0] < drawn.fed[1] < drawn.end
    assert drawn.end == watchdogs.STATE_LIMIT


def test_what_follows_a_trip_is_told() -> None:
    """Restart, registers without a reading, and the first valid one, with its own uncertainty."""
    end = 1060 * S
    more: dict[str, Any] = {"kept": ("meter list",), "lost": ("readings",), "tripped": True}
    drawn = band(run(60 * S, back=at(end + S), valid=at(end + 4 * S, 50_000_000), **more))
    assert drawn.after is not None
    assert drawn.after.restart is not None
    quarter = (watchdogs.AFTER_RIGHT - watchdogs.AFTER_LEFT) / 4
    assert drawn.after.restart.width == pytest.approx(quarter, abs=0.1)
    assert plain(drawn.after.label) == "valid after 4 s"
    assert plain(drawn.fate) == (
        "restart, kept meter list, lost readings, valid 4 s later (± 50 ms)"
    )
    back_only = band(run(60 * S, back=at(end + S), **more)).after
    assert back_only is not None
    assert (plain(back_only.label), back_only.valid) == ("port answers after 1 s", None)
    nothing = band(run(60 * S, **more)).after
    assert nothing is not None
    assert nothing.label == "not seen again"


@given(
    limit=st.integers(1, 4 * 10**18),
    end=st.integers(0, 8 * 10**18),
    doubt=st.integers(0, 10**12),
)
def test_everything_is_drawn_inside(limit: int, end: int, doubt: int) -> None:
    """Whatever was measured, no mark leaves its part of the band."""
    drawn = band(run(end, limit, end=at(1000 * S + end, doubt)))
    assert watchdogs.STATE_LEFT <= drawn.end <= watchdogs.STATE_RIGHT
    assert drawn.state.x >= watchdogs.STATE_LEFT
    assert drawn.state.x + drawn.state.width <= watchdogs.STATE_RIGHT + watchdogs.WIDTH_MIN
    assert watchdogs.LENS_LEFT <= drawn.lens.end <= watchdogs.LENS_RIGHT
    assert drawn.lens.doubt.width >= watchdogs.WIDTH_MIN


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"fed": (at(1070 * S),)}, "not in order"),
        ({"valid": at(1061 * S)}, "nothing follows"),
        ({"kept": ("settings",)}, "nothing follows"),
        ({"limit_ns": 0}, "greater than 0"),
    ],
)
def test_a_run_that_cannot_be_is_refused(more: dict[str, Any], words: str) -> None:
    """Moments out of order, and consequences of a trip that was none."""
    with pytest.raises(ValidationError, match=words):
        run(60 * S, **more)


def test_pages_show_the_runs_and_are_the_same_bytes() -> None:
    """Page and document hold the bands; a finding is marked; a second rendering is equal."""
    runs = (run(60 * S - 1), run(61 * S, tripped=True, verdict=Verdict.FAIL))
    case = Case(
        id="w/x/WDG-01.1", title="t", requirements=("WDG-01.1",), verdict=Verdict.FAIL,
        reason="late", watchdogs=runs,
    )  # fmt: skip
    record = RunRecord.assemble(Run(title="x", tool_version="0", seed="1", backend="sim"), [case])
    page = html.render(record)
    assert page.count('<svg class="band"') == 2
    assert page.count('<figure class="watchdog bad">') == 1
    assert 'href="#watchdogs"' in page
    assert html.render(record) == page
    assert pdf.render(record) == pdf.render(record)
