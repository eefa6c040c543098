"""The timeline drawn: from spans in nanoseconds to rectangles in a fixed drawing width.

Pure arithmetic, no markup: the template writes the shapes down. Neighbouring spans of one tone
that fall onto the same stretch of the drawing are merged, so that a run with a hundred thousand
frames still gives a page that opens at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.record import Tone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.record import Lane, Span, Timeline

#: Drawing units; the page scales them.
WIDTH: Final = 1000
LEFT: Final = 170
RIGHT: Final = 990
LANE_HEIGHT: Final = 22
TOP: Final = 6
FOOT: Final = 24

#: A mark must stay visible, however short.
BAR_WIDTH_MIN: Final = 1.5

#: Characters of a lane's name that fit left of the drawing.
NAME_LENGTH_MAX: Final = 26

#: About this many ticks on the axis.
_TICKS: Final = 8

_NS_PER_S: Final = 1_000_000_000

#: Distances that people read easily, in nanoseconds: 1, 2, 5 x 10^n below a minute, then
#: minutes, hours and days in their own steps.
_STEPS: Final = (
    *(m * 10**e for e in range(10) for m in (1, 2, 5)),
    *(s * _NS_PER_S for s in (10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)),
    *(h * 3600 * _NS_PER_S for h in (2, 3, 6, 12, 24, 48, 24 * 7, 24 * 28)),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle; `title` is shown when it is pointed at."""

    x: float
    width: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class DrawnLane:
    """One row of the drawing."""

    name: str
    y: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled moment on the axis."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole timeline in drawing units."""

    width: int
    height: int
    left: int
    right: int
    floor: int
    span: str
    lanes: tuple[DrawnLane, ...]
    ticks: tuple[Tick, ...]
    tones: tuple[str, ...]


def draw(timeline: Timeline) -> Drawing:
    """Lay the timeline out; a run of no length is drawn as if it had lasted one nanosecond."""
    lanes = tuple(
        DrawnLane(_short(lane.name), TOP + index * LANE_HEIGHT, tuple(_bars(lane, timeline)))
        for index, lane in enumerate(timeline.lanes)
    )
    floor = TOP + len(lanes) * LANE_HEIGHT + 2
    used = {bar.tone for lane in lanes for bar in lane.bars}
    return Drawing(
        width=WIDTH,
        height=floor + FOOT,
        left=LEFT,
        right=RIGHT,
        floor=floor,
        span=duration(timeline.end_ns - timeline.start_ns),
        lanes=lanes,
        ticks=tuple(_ticks(timeline)),
        tones=tuple(tone.value for tone in Tone if tone.value in used),
    )


def duration(ns: int) -> str:
    """Return a stretch of time for a reader, in the units that fit: "12.5 ms", "15 min 2 s".

    Below a minute three digits behind the point, from a minute on whole seconds, from an hour on
    whole minutes, from a day on whole hours; a second part of 0 is left out.
    """
    if ns < 0:
        return "-" + duration(-ns)
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if ns < 1_000 * size:
            return f"{ns / size:.3g} {unit}"
    seconds = ns / _NS_PER_S
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    while parts[0][0] == 0:
        del parts[0]
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number)


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH_MAX else f"{name[: NAME_LENGTH_MAX - 1]}…"


def _x(ns: int, timeline: Timeline) -> float:
    length = max(timeline.end_ns - timeline.start_ns, 1)
    inside = min(max(ns - timeline.start_ns, 0), length)
    return LEFT + (RIGHT - LEFT) * inside / length


def _bars(lane: Lane, timeline: Timeline) -> Iterable[Bar]:
    """Yield the rectangles of a lane, graver tones last so that they lie on top."""
    for tone in Tone:
        spans = sorted(
            (span for span in lane.spans if span.tone is tone),
            key=lambda span: (span.start_ns, span.end_ns),
        )
        yield from _merged(spans, timeline)


def _merged(spans: Sequence[Span], timeline: Timeline) -> Iterable[Bar]:
    """Yield bars for spans of one tone, those that touch in the drawing joined to one."""
    group: list[Span] = []
    end = 0.0
    for span in spans:
        start = _x(span.start_ns, timeline)
        if group and start > end:
            yield _bar(group, timeline)
            group = []
        group.append(span)
        reach = max(_x(span.end_ns, timeline), start + BAR_WIDTH_MIN)
        end = max(end, reach) if len(group) > 1 else reach
    if group:
        yield _bar(group, timeline)


def _bar(group: Sequence[Span], timeline: Timeline) -> Bar:
    first, last_ns = group[0], max(span.end_ns for span in group)
    x = _x(first.start_ns, timeline)
    width = max(_x(last_ns, timeline) - x, BAR_WIDTH_MIN)
    title = f"{duration(first.start_ns)} to {duration(last_ns)}"
    if first.label:
        title = f"{first.label}, {title}"
    if len(group) > 1:
        title = f"{title}; {len(group)} spans"
    return Bar(round(x, 2), round(width, 2), first.tone.value, title)


def _ticks(timeline: Timeline) -> Iterable[Tick]:
    length = max(timeline.end_ns - timeline.start_ns, 1)
    step = next((step for step in _STEPS if length / step <= _TICKS), _STEPS[-1])
    first = -(-timeline.start_ns // step) * step
    # The largest step bounds the number of ticks for a run of any length.
    step = max(step, length // (2 * _TICKS))
    for at in range(first, timeline.end_ns + 1, step):
        x = round(_x(at, timeline), 2)
        anchor = "end" if x > RIGHT - 20 else "middle"
        yield Tick(x, "0" if at == 0 else duration(at), anchor)
