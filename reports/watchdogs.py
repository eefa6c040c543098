"""Watchdog runs drawn: one band for each, from moments in nanoseconds to places in a drawing.

Pure arithmetic, no markup. A band has three parts. The first is the whole state, from the start of
the timer to its limit and beyond; all bands of a timer have the limit at one place, so that they
can be compared down the page. The second is a lens on the limit, wide enough for what was measured
and for its uncertainty: a nanosecond of half an hour would not show otherwise. The third is what
follows a trip, until the first valid register.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.timeline import duration as spaced

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.record import Case, Instant, WatchdogRun

#: Drawing units; the page scales them.
WIDTH: Final = 640
HEIGHT: Final = 46
#: The whole state: its start, its limit, and the end of the part.
STATE_LEFT: Final = 8
STATE_LIMIT: Final = 250
STATE_RIGHT: Final = 286
#: The lens: its edges; the limit is in the middle.
LENS_LEFT: Final = 318
LENS_RIGHT: Final = 438
#: What follows a trip.
AFTER_LEFT: Final = 474
AFTER_RIGHT: Final = 628

#: What is drawn stays visible, however short.
WIDTH_MIN: Final = 2.0
#: The restart alone, where nobody waited for a valid register.
_RESTART_WIDTH: Final = 12.0
#: Half a lens shows at least this many times the uncertainty.
_LENS_MARGIN: Final = 4
_NS_PER_S: Final = 1_000_000_000
NO_BREAK: Final = "\u00a0"
#: Order of the timers in the report: that of the requirements WDG-01 to WDG-04.
_TIMERS: Final = ("WATCHDOG_SCAN", "WATCHDOG_IDLE", "WATCHDOG_PROCESS", "WATCHDOG_READOUT")


@dataclass(frozen=True, slots=True)
class Box:
    """A stretch of a band in drawing units; `title` is shown when it is pointed at."""

    x: float
    width: float
    title: str = ""


@dataclass(frozen=True, slots=True)
class Lens:
    """The surroundings of the limit: `reach` is what half of it stands for."""

    reach: str
    doubt: Box
    end: float
    middle: float = (LENS_LEFT + LENS_RIGHT) / 2


@dataclass(frozen=True, slots=True)
class After:
    """What follows a trip, from its instant on; parts that were not seen are None."""

    restart: Box | None
    unread: Box | None
    valid: float | None
    label: str


@dataclass(frozen=True, slots=True)
class Band:
    """One run, drawn and in words."""

    case: str
    title: str
    limit: str
    measured: str
    uncertainty: str
    note: str
    fate: str
    tripped: bool
    verdict: str
    state: Box
    fed: tuple[float, ...]
    doubt: Box
    end: float
    lens: Lens
    after: After | None


@dataclass(frozen=True, slots=True)
class Chart:
    """All runs of one timer."""

    timer: str
    summary: str
    bands: tuple[Band, ...]


def charts(cases: Iterable[Case]) -> list[Chart]:
    """Draw every run of `cases`, by timer; those of one timer by limit, then as they come."""
    found: dict[str, list[tuple[Case, WatchdogRun]]] = {name: [] for name in _TIMERS}
    for case in cases:
        for run in case.watchdogs:
            found.setdefault(run.timer, []).append((case, run))
    return [_chart(timer, runs) for timer, runs in found.items() if runs]


def _chart(timer: str, runs: list[tuple[Case, WatchdogRun]]) -> Chart:
    in_order = sorted(runs, key=lambda one: (one[1].limit_ns, _unit(one[0]), one[1].tripped))
    trips = sum(run.tripped for _, run in runs)
    wrong = sum(run.verdict.rank > 1 for _, run in runs)
    summary = f"{len(runs)} runs, {trips} ended by the timer, {len(runs) - trips} in time"
    if wrong:
        summary += f"; {wrong} not as they should be"
    return Chart(timer, summary, tuple(_band(case, run) for case, run in in_order))


def _unit(case: Case) -> str:
    return case.id.rpartition("/")[0]


def _band(case: Case, run: WatchdogRun) -> Band:
    first = run.fed[0] if run.fed else run.started
    lead_ns = first.at_ns - run.started.at_ns
    end = _state_x(run, run.counted_ns)
    left = _state_x(run, -lead_ns) if lead_ns else STATE_LEFT
    left = max(left, STATE_LEFT)
    lasted = duration(run.end.at_ns - run.started.at_ns)
    return Band(
        case=case.id,
        title=run.title,
        limit=_exact(run.limit_ns),
        measured=_measured(run),
        uncertainty=duration(run.uncertainty_ns),
        note=_note(run),
        fate=_fate(run),
        tripped=run.tripped,
        verdict=run.verdict.value,
        state=Box(
            round(left, 2),
            round(max(end - left, WIDTH_MIN), 2),
            f"{run.state}, {lasted} from {run.started.seen_by} to {run.end.seen_by}",
        ),
        fed=tuple(round(_fed_x(run, one), 2) for one in run.fed),
        doubt=_doubt(run),
        end=round(end, 2),
        lens=_lens(run),
        after=_after(run) if run.tripped else None,
    )


# --- The whole state ------------------------------------------------------------------------------
#
# The timer's own stretch, from its last start to its limit, has one length in all bands. Where it
# was fed, what lies before is drawn to the left of that within a third of the part.


def _origin(run: WatchdogRun) -> float:
    return STATE_LEFT + (STATE_LIMIT - STATE_LEFT) / 3 if run.fed else STATE_LEFT


def _state_x(run: WatchdogRun, ns: int) -> float:
    """Place of a time since the last start of the timer."""
    origin = _origin(run)
    return min(max(origin + (STATE_LIMIT - origin) * ns / run.limit_ns, STATE_LEFT), STATE_RIGHT)


def _fed_x(run: WatchdogRun, fed: Instant) -> float:
    return _state_x(run, fed.at_ns - run.fed[-1].at_ns)


def _doubt(run: WatchdogRun) -> Box:
    low = _state_x(run, run.limit_ns - run.uncertainty_ns)
    high = _state_x(run, run.limit_ns + run.uncertainty_ns)
    return _centred(low, high)


def _centred(low: float, high: float) -> Box:
    middle, width = (low + high) / 2, max(high - low, WIDTH_MIN)
    return Box(round(middle - width / 2, 2), round(width, 2))


# --- The lens -------------------------------------------------------------------------------------


def _lens(run: WatchdogRun) -> Lens:
    off = run.counted_ns - run.limit_ns
    need = max(_LENS_MARGIN * max(run.uncertainty_ns, 1), abs(off) * 5 // 4)
    reach = _round_up(need)
    half = (LENS_RIGHT - LENS_LEFT) / 2
    middle = LENS_LEFT + half

    def place(ns: int) -> float:
        return min(max(middle + half * ns / reach, LENS_LEFT), LENS_RIGHT)

    doubt = _centred(place(-run.uncertainty_ns), place(run.uncertainty_ns))
    return Lens(duration(reach), doubt, round(place(off), 2))


def _round_up(ns: int) -> int:
    """The next of 1, 2, 5 times a power of ten; from a minute on whole minutes."""
    if ns > 60 * _NS_PER_S:
        return -(-ns // (60 * _NS_PER_S)) * 60 * _NS_PER_S
    size = 1
    while True:
        for step in (1, 2, 5):
            if step * size >= ns:
                return step * size
        size *= 10


# --- What follows ---------------------------------------------------------------------------------


def _after(run: WatchdogRun) -> After:
    last = run.valid or run.back
    if last is None:
        return After(None, None, None, "not seen again")
    span = max(last.at_ns - run.end.at_ns, 1)

    def place(one: Instant) -> float:
        return AFTER_LEFT + (AFTER_RIGHT - AFTER_LEFT) * (one.at_ns - run.end.at_ns) / span

    if run.valid is None:
        box = Box(AFTER_LEFT, _RESTART_WIDTH, f"restart, {duration(span)}")
        return After(box, None, None, f"port answers after {duration(span)}")
    back = place(run.back) if run.back is not None else float(AFTER_LEFT)
    restart = Box(AFTER_LEFT, round(max(back - AFTER_LEFT, WIDTH_MIN), 2), "restart")
    start = AFTER_LEFT + restart.width
    unread = Box(round(start, 2), round(AFTER_RIGHT - start, 2), "served, flags 3, values 0")
    return After(restart, unread, AFTER_RIGHT, f"valid after {duration(span)}")


# --- In words -------------------------------------------------------------------------------------


def duration(ns: int) -> str:
    """A stretch of time that no line break cuts."""
    return spaced(ns).replace(" ", NO_BREAK)


def _exact(ns: int) -> str:
    """A time in seconds, every digit of it and none that says nothing."""
    sign, (whole, rest) = "-" if ns < 0 else "", divmod(abs(ns), _NS_PER_S)
    digits = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{sign}{whole}{digits}{NO_BREAK}s"


def _measured(run: WatchdogRun) -> str:
    off = run.counted_ns - run.limit_ns
    if off == 0:
        return f"{_exact(run.counted_ns)}, at the limit"
    side = "before" if off < 0 else "behind"
    return f"{_exact(run.counted_ns)}, {duration(abs(off))} {side} the limit"


def _note(run: WatchdogRun) -> str:
    if not run.fed:
        return ""
    count = f"fed {len(run.fed)} times" if len(run.fed) > 1 else "fed once"
    last = duration(run.fed[-1].at_ns - run.started.at_ns)
    return f"{count}, last {last} behind the start"


def _fate(run: WatchdogRun) -> str:
    """What became of the device."""
    if not run.tripped:
        return "no restart"
    parts = ["restart"]
    if run.kept:
        parts.append(f"kept {' and '.join(run.kept)}")
    if run.lost:
        parts.append(f"lost {' and '.join(run.lost)}")
    if run.valid is not None:
        after = duration(run.valid.at_ns - run.end.at_ns)
        parts.append(f"valid {after} later (±{NO_BREAK}{duration(run.valid.uncertainty_ns)})")
    return ", ".join(parts)
