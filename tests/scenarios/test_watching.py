"""Trips in the log of a scenario, as runs against a limit."""

from __future__ import annotations

from reports.verdict import Verdict
from scenarios.language.events import EventLog
from scenarios.watching import runs

S = 1_000_000_000
MS = 1_000_000


def log(trip_ns: int, state: str = "scan", told: str = "scan") -> EventLog:
    """A scan of 60 s at most that begins at 5 s, and a client that looks at the flags."""
    found = EventLog()
    found.add(0, "gateway.state", "running")
    found.add(5 * S, "gateway.state", told)
    found.add(trip_ns, "gateway.trips", "WATCHDOG_SCAN", {"state": state, "seconds": 60})
    found.add(trip_ns, "gateway.state", "stopped")
    found.add(trip_ns + S, "gateway.state", "running")
    found.add(trip_ns + 2 * S, "meter(m).registers.flags", 3)
    found.add(trip_ns + 4 * S, "meter(m).registers.flags", 0)
    return found


def test_a_trip_is_drawn_from_what_the_device_told() -> None:
    """From the beginning of the state to the trip; back, and valid no sharper than the looks."""
    [run] = runs(log(65 * S), "a title", 0)
    assert (run.counted_ns, run.uncertainty_ns, run.verdict) == (60 * S, 1, Verdict.PASS)
    assert run.back is not None
    assert run.valid is not None
    assert run.back.at_ns == 66 * S
    assert (run.valid.at_ns, run.valid.uncertainty_ns) == (69 * S, 2 * S)
    assert run.lost == ("readings",)


def test_a_trip_is_off_by_more_than_the_clock_can_tell() -> None:
    """20 ms late: within 50 ms of uncertainty as it should be, with an exact clock not."""
    late = log(65 * S + 20 * MS)
    assert [run.verdict for run in runs(late, "x", 50 * MS)] == [Verdict.PASS]
    assert [run.verdict for run in runs(late, "x", 0)] == [Verdict.FAIL]


def test_a_state_without_a_beginning_is_not_drawn() -> None:
    """Nobody tells when an idle loop took its last turn; another state is not this one's."""
    assert runs(log(65 * S, state="idle", told="running"), "x", 0) == []
    assert runs(log(65 * S, state="read-out"), "x", 0) == []
