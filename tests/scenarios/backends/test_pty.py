"""The same scenario in real time, over a pseudo-terminal and sockets, comes to the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from reports.verdict import Verdict
from scenarios.backends import BACKENDS
from scenarios.backends.base import BackendError
from scenarios.backends.pty import UNCERTAINTY_NS_MIN, PtyBackend
from scenarios.language.builder import wait
from scenarios.language.compile import compile_text
from scenarios.run import compile_all, run_scenario, select
from tests.scenarios import worlds

if TYPE_CHECKING:
    from scenarios.run import Result


def _order(result: Result, meter: str) -> list[tuple[str, object]]:
    """What happened to one meter, in order; times of day in registers are left out."""
    changes = [json.loads(line) for line in result.trace.splitlines()]
    return [
        (change["path"], change["value"])
        for change in changes
        if change["path"].startswith(f"meter({meter})") and not change["path"].endswith(".time")
    ]


def _verdicts(result: Result) -> dict[str, Verdict]:
    return {case.id: case.verdict for case in result.judged.cases}


def test_the_worked_example_is_the_same_in_both_worlds() -> None:
    """Same verdict of every case, and for each meter the same events in the same order."""
    (compiled,) = compile_all(select(["@library/registers/worked-example"]))
    scenario = compiled.require()
    results = {name: run_scenario(scenario, backend) for name, backend in BACKENDS.items()}
    assert results["pty"].verdict is Verdict.PASS, results["pty"].judged.reason
    assert _verdicts(results["pty"]) == _verdicts(results["sim"])
    for meter in ("A", "B"):
        assert _order(results["pty"], meter) == _order(results["sim"], meter)


def test_real_time_is_really_that_long_and_states_its_uncertainty() -> None:
    """A wait of a second lasts a second, and the clock says how good it is."""
    built = worlds.builder().do(wait("1 s")).check("C1", "gateway.led.st == green")
    outcome = PtyBackend().run(built.build(), seed=1)
    assert outcome.failure is None
    assert outcome.end_ns >= 1_000_000_000
    assert outcome.uncertainty_ns >= UNCERTAINTY_NS_MIN


def test_a_gateway_that_breaks_is_an_error_of_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pseudo-terminal cannot be made, the backend says so: nothing is judged."""
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    built = worlds.builder().do(wait("1 s")).check("C1", "gateway.led.st == green")
    with pytest.raises(BackendError, match="FileNotFoundError"):
        PtyBackend().run(built.build(), seed=1)


VERBS = """\
scenario: by-the-process
version: 1
title: What is done to a process of its own
limits: {time: 40 s}
world:
  bus: {baud: 19200}
  gateway:
    config: {MBUS_SCANMODE: SECONDARYSCANALLOC, MBUS_TIMEOUT: 200, MBUS_MAXRETRY: 0}
  meters:
    - {id: gas, profile: gas, identification_number: 30000003}
  clients:
    - {id: c, every: 200 ms}
do:
  - scan: {}
  - wait_until: {gateway.scan: done}
    within: 20 s
  - configure: {meters: {gas: {user: Cellar}}}
  - save: {}
  - configure: {meters: {gas: {user: "a<b"}}, refused: true}
  - hang: {for: 3 s}
  - wait: 1 s
  - read: {client: c}
  - wait: 300 ms
  - readout: {meter: gas}
  - wait_until: {gateway.readout: done}
    within: 10 s
  - reboot: {}
  - power: {device: gateway, to: off}
  - wait: 200 ms
  - power: {device: gateway, to: on}
  - fault: {meter: gas, on: {silent: true}}
  - readout: {}
  - wait_until: {meter(gas).flags: 3}
    within: 10 s
  - read: {client: c, from: 2}
expect:
  - {id: E1, that: "eventually(gateway.restart.reason == REBOOT)"}
  - {id: E2, that: "eventually(gateway.led.st == off)"}
check:
  - {id: C1, that: "count(c.errors) == 1", why: a process that is stopped answers nobody}
  - {id: C2, that: "c.word(0) == 1"}
  - {id: C3, that: "gateway.meters.count == 1", why: the list outlives the power}
"""


def test_a_gateway_process_is_told_stopped_restarted_and_killed() -> None:
    """Hang is SIGSTOP, power off is SIGKILL; commands and refusals come through the pipe."""
    result = run_scenario(compile_text(VERBS).require(), PtyBackend())
    assert result.verdict is Verdict.PASS, [case for case in result.judged.cases if case.reason]


def test_a_gateway_that_does_not_start_is_an_error_of_the_bench(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the process complained of last is in the reason."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    built = worlds.builder().do(wait("1 s")).check("C1", "gateway.led.st == green")
    with pytest.raises(BackendError, match="the gateway process ended with 1"):
        PtyBackend().run(built.build(), seed=1)
