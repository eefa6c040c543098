"""The timeline: everything inside the drawing, nothing vanishes, bounded whatever the run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import timeline
from reports.record import Lane, Span, Timeline, Tone

S = 1_000_000_000


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (1_500, "1.5 µs"),
        (12_500_000, "12.5 ms"),
        (S, "1 s"),
        (12 * S + 345_000_000, "12.345 s"),
        (60 * S, "1 min"),
        (902 * S, "15 min 2 s"),
        (3600 * S, "1 h"),
        (3 * 3600 * S + 120 * S, "3 h 2 min"),
        (50 * 3600 * S, "2 d 2 h"),
        (-S, "-1 s"),
    ],
)
def test_duration(ns: int, text: str) -> None:
    """A stretch of time is said in the units that fit."""
    assert timeline.duration(ns) == text


NS = st.integers(0, 10**15)
SPANS = st.lists(
    st.tuples(NS, NS, st.sampled_from(Tone)).map(
        lambda t: Span(start_ns=min(t[:2]), end_ns=max(t[:2]), tone=t[2])
    ),
    max_size=30,
)


@given(SPANS, NS)
def test_bars_stay_inside_and_nothing_vanishes(spans: list[Span], end_ns: int) -> None:
    """Every span is covered by a bar of its tone, within the drawing."""
    made = Timeline(end_ns=end_ns, lanes=(Lane(name="bus", spans=tuple(spans)),))
    drawing = timeline.draw(made)
    (lane,) = drawing.lanes
    for bar in lane.bars:
        assert bar.x >= timeline.LEFT
        assert bar.x + bar.width <= timeline.RIGHT + timeline.BAR_WIDTH_MIN + 0.01
    for span in spans:
        x = timeline.LEFT + (timeline.RIGHT - timeline.LEFT) * min(
            span.start_ns / max(end_ns, 1), 1
        )
        tones = [bar for bar in lane.bars if bar.tone == span.tone.value]
        assert any(bar.x - 0.01 <= x <= bar.x + bar.width + 0.01 for bar in tones)
    assert len(drawing.ticks) <= 20


def test_many_frames_are_merged() -> None:
    """A hundred thousand frames give no more bars than there are places to draw them."""
    spans = tuple(Span(start_ns=n * 1000, end_ns=n * 1000 + 500) for n in range(100_000))
    (lane,) = timeline.draw(Timeline(end_ns=10**8, lanes=(Lane(name="bus", spans=spans),))).lanes
    assert len(lane.bars) <= timeline.RIGHT - timeline.LEFT
    assert sum(int(bar.title.split("; ")[1].split()[0]) for bar in lane.bars if ";" in bar.title)


def test_order_of_tones() -> None:
    """A failure lies on top of what else happened at that time."""
    spans = (Span(start_ns=0, end_ns=5, tone=Tone.FAILURE), Span(start_ns=0, end_ns=9))
    (lane,) = timeline.draw(Timeline(end_ns=9, lanes=(Lane(name="bus", spans=spans),))).lanes
    assert [bar.tone for bar in lane.bars] == ["activity", "failure"]


def test_time_runs_forward() -> None:
    """A span or a timeline that ends before it starts is refused."""
    with pytest.raises(ValueError, match="ends before it starts"):
        Span(start_ns=2, end_ns=1)
    with pytest.raises(ValueError, match="ends before it starts"):
        Timeline(start_ns=2, end_ns=1)
