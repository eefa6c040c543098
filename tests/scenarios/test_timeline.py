"""The report's timeline shows what the gateway did, which meters fell silent, and what failed."""

from __future__ import annotations

from scenarios.backends import BACKENDS
from scenarios.language.builder import power, scan, wait, wait_until
from scenarios.run import run_scenario, to_record
from tests.scenarios import worlds


def test_the_lanes_show_activity_silence_and_failures() -> None:
    """Search and power cut are spans at their times, a failure is a mark."""
    built = worlds.builder().do(
        scan(), wait_until({"gateway.scan": "done"}, within="1 min"),
        power("gas", on=False), wait("3 s"), power("gas", on=True), wait("1 s"),
    ).expect("E1", "always(meter(gas).powered)")  # fmt: skip
    result = run_scenario(built.build(), BACKENDS["sim"])
    timeline = to_record([result]).timeline
    assert timeline is not None
    lanes = {lane.name: lane.spans for lane in timeline.lanes}
    assert set(lanes) == {"gateway", "meter(gas)", "failures"}
    assert lanes["gateway"][0].label == "scan"
    (cut, *_) = lanes["meter(gas)"]
    assert (cut.label, cut.end_ns - cut.start_ns) == ("no power", 3_000_000_000)
    assert [(mark.label, mark.start_ns) for mark in lanes["failures"]] == [("E1", cut.start_ns)]


def test_several_runs_have_no_common_time() -> None:
    """A record of several runs has no timeline: their times have nothing to do with each other."""
    built = worlds.builder().do(wait("1 s")).check("C1", "gateway.led.st == green").build()
    results = [run_scenario(built, BACKENDS["sim"], seed) for seed in (1, 2)]
    assert to_record(results).timeline is None
