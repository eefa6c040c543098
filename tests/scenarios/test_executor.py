"""Steps happen when the file says, in virtual time, and say at which line they ended early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.verdict import Verdict
from scenarios.backends.sim import SimBackend
from scenarios.executor import SETTLE_NS
from scenarios.language.builder import (
    allocate,
    every,
    parallel,
    poll,
    power,
    readout,
    repeat,
    scan,
    serial,
    start,
    stop,
    wait,
    wait_until,
)
from tests.scenarios import worlds

if TYPE_CHECKING:
    from scenarios.backends.base import Outcome
    from scenarios.language.builder import Builder, Step

_SECOND = 1_000_000_000


def _run(*steps: Step, builder: Builder | None = None) -> Outcome:
    scenario = (builder or worlds.builder()).do(*steps).build()
    return SimBackend().run(scenario, seed=1)


def _switched(outcome: Outcome, meter: str) -> list[tuple[float, bool]]:
    track = outcome.log.tracks[f"meter({meter}).powered"]
    pairs = zip(track.times, track.values, strict=True)
    return [((at - SETTLE_NS) / _SECOND, on) for at, on in pairs][1:]


def _off(meter: str) -> Step:
    return power(meter, on=False)


def _on(meter: str) -> Step:
    return power(meter, on=True)


def test_serial_steps_follow_each_other() -> None:
    """A step begins when the one before it has ended."""
    outcome = _run(wait("2 s"), _off("water"), serial(wait("500 ms"), _on("water")), wait("1 s"))
    assert outcome.failure is None
    assert _switched(outcome, "water") == [(2.0, False), (2.5, True)]


def test_parallel_steps_begin_together_and_end_with_the_last() -> None:
    """Branches run side by side; what follows waits for all of them."""
    outcome = _run(
        parallel(serial(wait("1 s"), _off("water")), serial(wait("3 s"), _off("gas"))),
        _on("water"),
    )
    assert _switched(outcome, "water") == [(1.0, False), (3.0, True)]
    assert _switched(outcome, "gas") == [(3.0, False)]


def test_every_keeps_its_beat_beside_what_follows() -> None:
    """A repetition goes on beside the steps behind it, and ends with the scenario."""
    outcome = _run(every("2 s", _off("gas"), wait("1 s"), _on("gas")), wait("5 s"))
    beats = [(0.0, False), (1.0, True), (2.0, False), (3.0, True), (4.0, False), (5.0, True)]
    assert _switched(outcome, "gas")[:5] == beats[:5]
    assert outcome.end_ns < 6 * _SECOND


def test_every_may_be_counted() -> None:
    """With ``times`` a repetition ends by itself."""
    outcome = _run(every("1 s", _off("gas"), times=2), wait("5 s"))
    assert _switched(outcome, "gas") == [(0.0, False), (1.0, False)]


def test_repeat_is_done_before_what_follows() -> None:
    """A repetition in the foreground ends before the next step begins."""
    outcome = _run(repeat(2, wait("1 s"), _off("gas")), _on("gas"))
    assert _switched(outcome, "gas") == [(1.0, False), (2.0, False), (2.0, True)]


def test_a_wait_for_a_value_ends_when_it_comes() -> None:
    """wait_until goes on at the very moment at which the last of its values is there."""
    outcome = _run(
        scan(), wait_until({"gateway.scan": "done", "gateway.meters.count": 2}, within="1 min")
    )
    assert outcome.failure is None
    done = outcome.log.tracks["gateway.scan"]
    assert done.values == ["idle", "running", "done"]
    assert outcome.end_ns - done.times[-1] < _SECOND


def test_a_wait_that_is_not_met_ends_the_steps_with_a_failure() -> None:
    """What does not come in time is a FAIL that names the line, what was wanted and seen."""
    outcome = _run(scan(), wait_until({"gateway.scan": "failed"}, within="20 s"), _off("gas"))
    failure = outcome.failure
    assert failure is not None
    assert failure.verdict is Verdict.FAIL
    assert failure.reason == "waited 20 s for gateway.scan = failed, and saw gateway.scan = done"
    assert str(failure.place) == "small.scn.yaml:27:3"
    assert _switched(outcome, "gas") == []


def test_a_command_is_not_confused_with_one_before_it() -> None:
    """After ``readout`` a wait for "done" sees this read-out, not a cyclic one before it."""
    outcome = _run(
        scan(), wait_until({"gateway.scan": "done"}, within="1 min"),
        readout(), wait_until({"gateway.readout": "done"}, within="1 min"), poll(),
        readout(), wait_until({"gateway.readout": "done"}, within="1 min"),
    )  # fmt: skip
    # The first pass is the cyclic one, which falls due at the moment at which the search ends.
    values = outcome.log.tracks["gateway.readout"].values
    assert values == ["idle", *["running", "done"] * 3]


def test_a_run_is_cut_at_its_limit() -> None:
    """A run that outlasts limits.time proves nothing, and says where it stood."""
    outcome = _run(wait("4 s"), wait("4 s"), builder=worlds.builder().limit("5 s"))
    assert outcome.failure is not None
    assert outcome.failure.verdict is Verdict.INCONCLUSIVE
    assert outcome.failure.reason == "the run was cut after 5 s (limits.time)"


def test_a_client_reads_until_it_is_stopped() -> None:
    """A client reads on its beat, counts its reads, and reads no more when stopped."""
    outcome = _run(start("watcher"), wait("2.2 s"), stop("watcher"), wait("5 s"))
    reads = outcome.log.tracks["watcher.reads"]
    assert reads.values == [1, 2, 3, 4, 5]
    assert reads.times[-1] < 2.2 * _SECOND
    assert outcome.log.tracks["watcher.errors"].values == [0]


def test_registers_become_signals_of_the_meter_that_they_describe() -> None:
    """Entries are paired with meters by what they say, and change only when they change."""
    outcome = _run(
        scan(), wait_until({"gateway.scan": "done"}, within="1 min"),
        readout(), wait_until({"gateway.readout": "done"}, within="1 min"),
        poll(), poll(),
    )  # fmt: skip
    log = outcome.log
    assert log.last("meter(water).registers.serial_number") == 20000002
    assert log.last("meter(gas).registers.serial_number") == 30000003
    assert log.last("meter(gas).registers.flags") == 0
    assert log.tracks["meter(gas).registers.flags"].values == [0]
    evidence = log.tracks["meter(gas).registers.serial_number"].evidence[-1]
    assert evidence["words"] == "01C9 C383"


@pytest.mark.parametrize("step", [poll(), poll(0, 10)], ids=["all", "some"])
def test_a_server_that_is_not_there_fails_the_poll(step: Step) -> None:
    """A poll without a Modbus server is a FAIL that says so."""
    outcome = _run(step, builder=worlds.builder(MODBUS_ENABLE=0))
    assert outcome.failure is not None
    assert outcome.failure.reason == "the Modbus server is not there (MODBUS_ENABLE=0?)"
    assert outcome.registers.error == outcome.failure.reason


def test_registers_that_are_not_served_fail_the_poll() -> None:
    """An exception of the server is told with the registers that were asked for."""
    outcome = _run(poll(5000, 10))
    assert outcome.failure is not None
    assert outcome.failure.reason.startswith("registers 5000-5009: exception")


def test_a_client_counts_what_goes_wrong() -> None:
    """Errors of a client are a signal with the reason as evidence, never the end of the run."""
    outcome = _run(start("watcher"), wait("1.2 s"), builder=worlds.builder(MODBUS_ENABLE=0))
    assert outcome.failure is None
    errors = outcome.log.tracks["watcher.errors"]
    assert errors.values == [0, 1, 2, 3]
    assert "MODBUS_ENABLE" in errors.evidence[-1]["text"]


def test_registers_are_given_to_what_is_listed() -> None:
    """``allocate`` gives registers after a search that gives none by itself."""
    outcome = _run(
        scan(), wait_until({"gateway.scan": "done"}, within="1 min"), poll(), allocate(), poll(),
        builder=worlds.builder(MBUS_SCANMODE="SECONDARYSCAN"),
    )  # fmt: skip
    addresses = outcome.log.tracks["meter(water).registers.address"]
    assert len(addresses.values) == 1
    assert addresses.values[0] % 10 == 0
