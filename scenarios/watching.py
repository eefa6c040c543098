"""Trips of watchdogs in the log of a scenario, as runs against a limit for the report.

What a scenario's log holds is what the device told: when it began what it was doing, when it
tripped, when it ran again. The first valid register is a client's, and as sharp as its polling.
An idle device is not drawn: no event tells when its loop took the last turn.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from reports.record import Instant, WatchdogRun
from reports.verdict import Verdict
from scenarios.language.ir import Property

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.record import Case
    from scenarios.language.events import Change, EventLog
    from scenarios.language.ir import Scenario

#: What a trip says that the device was doing, and the states in which it says so by itself.
_STATES: Final = {
    "scan": ("scan",),
    "read-out": ("readout",),
    "busy": ("starting",),
}
_FLAGS: Final = re.compile(r"meter\([^)]*\)\.registers\.flags")
#: Could not be read, and not all values are updated (REG-M).
_UNREAD: Final = 3
_FAMILY: Final = "WDG-"
_NS_PER_S: Final = 1_000_000_000
#: Virtual time is exact to its nanosecond.
_RESOLUTION_NS: Final = 1


def with_watchdogs(
    cases: Sequence[Case], scenario: Scenario, backend: str, log: EventLog, uncertainty_ns: int
) -> list[Case]:
    """The cases, of which the first that is about watchdogs has the trips of the log."""
    owner = owner_of(scenario, backend)
    if owner is None:
        return list(cases)
    found = tuple(runs(log, scenario.title, uncertainty_ns))
    return [
        case.model_copy(update={"watchdogs": found}) if case.id == owner else case for case in cases
    ]


def owner_of(scenario: Scenario, backend: str) -> str | None:
    """The first property about watchdogs; None where the scenario has none on this backend."""
    for judged in (*scenario.expect, *scenario.check):
        here = judged.only is None or backend in judged.only
        about = any(id_.startswith(_FAMILY) for id_ in judged.requirements)
        if here and about and isinstance(judged, Property):
            return judged.id
    return None


def runs(log: EventLog, title: str, uncertainty_ns: int) -> list[WatchdogRun]:
    """Every trip of the log whose state has a beginning there."""
    found = []
    for place, change in enumerate(log.changes):
        if change.path == "gateway.trips":
            run = _run(log.changes, place, title, max(uncertainty_ns, _RESOLUTION_NS))
            found += [run] if run is not None else []
    return found


def _run(
    changes: Sequence[Change], place: int, title: str, uncertainty_ns: int
) -> WatchdogRun | None:
    trip = changes[place]
    state = str(trip.evidence.get("state", ""))
    limit_ns = int(trip.evidence.get("seconds", 0)) * _NS_PER_S
    began = next(
        (one for one in reversed(changes[:place]) if one.path == "gateway.state"),
        None,
    )
    if began is None or began.value not in _STATES.get(state, ()) or limit_ns <= 0:
        return None

    def told(change: Change) -> Instant:
        return Instant(at_ns=change.at_ns, seen_by="event", uncertainty_ns=uncertainty_ns)

    behind = changes[place + 1 :]
    off_ns = abs(trip.at_ns - began.at_ns - limit_ns)
    ready = (one for one in behind if (one.path, one.value) == ("gateway.state", "running"))
    back = next(ready, None)
    return WatchdogRun(
        timer=str(trip.value),
        state=state,
        title=title,
        limit_ns=limit_ns,
        started=told(began),
        end=told(trip),
        tripped=True,
        back=None if back is None else told(back),
        valid=_valid(behind, back, uncertainty_ns),
        lost=("readings",) if _is_unread(behind) else (),
        verdict=Verdict.PASS if off_ns <= uncertainty_ns else Verdict.FAIL,
    )


def _is_unread(behind: Sequence[Change]) -> bool:
    """Whether a client sees a meter flagged behind a trip, before the next one."""
    for change in behind:
        if change.path == "gateway.trips":
            return False
        if _FLAGS.fullmatch(change.path) is not None and change.value == _UNREAD:
            return True
    return False


def _valid(behind: Sequence[Change], back: Change | None, uncertainty_ns: int) -> Instant | None:
    """The first meter that a client sees without flags; it may have been so since its last look."""
    if back is None:
        return None
    last_ns = back.at_ns
    for change in behind:
        if change.path == "gateway.trips":
            return None
        if change.at_ns < back.at_ns or _FLAGS.fullmatch(change.path) is None:
            continue
        if change.value == 0:
            gap = max(change.at_ns - last_ns, uncertainty_ns)
            return Instant(at_ns=change.at_ns, seen_by="Modbus register", uncertainty_ns=gap)
        last_ns = change.at_ns
    return None
