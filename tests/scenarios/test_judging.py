"""Verdicts are formed once, the same for every backend, and nothing is silently skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.verdict import Verdict
from scenarios.backends.sim import SimBackend
from scenarios.language.builder import poll, power, readout, scan, wait, wait_until
from scenarios.language.vocabulary import Capability
from scenarios.run import run_scenario
from tests.scenarios import worlds

if TYPE_CHECKING:
    from scenarios.language.builder import Builder
    from scenarios.run import Result


class _Lab(SimBackend):
    """A backend that cannot switch meters or see the bus."""

    name = "lab"
    capabilities = frozenset(
        {Capability.GATEWAY_COMMANDS, Capability.GATEWAY_EVENTS, Capability.MODBUS}
    )


def _read(builder: Builder | None = None) -> Builder:
    return (builder or worlds.builder()).do(
        scan(), wait_until({"gateway.scan": "done"}, within="1 min"),
        readout(), wait_until({"gateway.readout": "done"}, within="1 min"), poll(),
    )  # fmt: skip


def _verdicts(result: Result) -> dict[str, str]:
    return {case.id: case.verdict.value for case in result.judged.cases}


def _reason(result: Result, id_: str) -> str:
    return next(case.reason for case in result.judged.cases if case.id == id_)


def test_a_scenario_passes_when_all_its_cases_do() -> None:
    """The verdict is the join of steps, assumptions, expectations and checks."""
    built = (
        _read()
        .expect("E1", "never(meter(*).registers.flags != 0)")
        .check("C1", registers="standard", **{"for": "*"})
    )
    result = run_scenario(built.build(), SimBackend())
    assert result.verdict is Verdict.PASS
    assert _verdicts(result) == {"do": "PASS", "E1": "PASS", "C1": "PASS"}


def test_a_failure_names_line_value_and_register() -> None:
    """The reason of a FAIL holds the time, the path, the value and the words that show it."""
    built = _read().check("C1", "meter(gas).registers.serial_number == 1", req="REG-M.1")
    result = run_scenario(built.build(), SimBackend())
    assert result.verdict is Verdict.FAIL
    reason = _reason(result, "C1")
    assert "meter(gas).registers.serial_number = 30000003 since" in reason
    assert "words 01C9 C383" in reason
    case = next(case for case in result.judged.cases if case.id == "C1")
    assert case.requirements == ("REG-M.1",)
    assert case.evidence[0].content == "01C9 C383"
    assert result.judged.reason.startswith("C1: at ")


def test_an_instance_that_fails_is_named() -> None:
    """A property about a group fails with the meter that broke it."""
    built = _read().check("C1", "meter(*).registers.medium != 3")
    result = run_scenario(built.build(), SimBackend())
    assert "for meter 'gas'" in _reason(result, "C1")


def test_a_broken_assumption_makes_the_run_inconclusive() -> None:
    """Where the environment misbehaved, what failed is not held against the device."""
    built = (
        _read()
        .assume("A1", "count(bus.collisions) >= 100", why="many meters answered together")
        .check("C1", "meter(gas).registers.medium == 7")
        .check("C2", "meter(gas).registers.medium == 3")
    )
    result = run_scenario(built.build(), SimBackend())
    assert result.verdict is Verdict.INCONCLUSIVE
    assert _verdicts(result) == {
        "do": "PASS", "A1": "INCONCLUSIVE", "C1": "INCONCLUSIVE", "C2": "PASS",
    }  # fmt: skip
    assert _reason(result, "C1").startswith("would be FAIL, but assumption A1 does not hold")


def test_a_scenario_that_judges_nothing_proves_nothing() -> None:
    """A file without expectations and checks is INCONCLUSIVE, not PASS."""
    result = run_scenario(worlds.builder().do(wait("1 s")).build(), SimBackend())
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.judged.reason == "do: vacuous: nothing is expected or checked"


def test_checks_behind_failed_steps_are_not_run() -> None:
    """When the steps end early the end of the run is not the one that the checks speak about."""
    built = worlds.builder().do(wait_until({"gateway.scan": "done"}, within="1 s"))
    result = run_scenario(built.check("C1", registers={0: "...."}).build(), SimBackend())
    assert _verdicts(result) == {"do": "FAIL", "C1": "NOT_RUN"}
    assert "the steps ended early, at small.scn.yaml:" in _reason(result, "C1")


def test_literal_registers_are_compared_word_by_word() -> None:
    """Each word that differs is told with its line, address, what was wanted and seen."""
    registers = {0: "0001 2883 .... 0083", 9: "....", 65000: "0000 ...."}
    built = _read().check("C1", registers=registers)
    result = run_scenario(built.build(), SimBackend())
    lines = [line.split(": ", 1)[1] for line in _reason(result, "C1").splitlines()]
    assert lines == [
        "register 3: want 0083, saw 0082",
        "register 65000: want 0000, nothing is served",
        "register 65001: want any word, nothing is served",
    ]


def test_many_wrong_words_are_counted() -> None:
    """A register map that is wrong throughout does not fill pages."""
    registers = {0: " ".join(["FFFF"] * 10)}
    result = run_scenario(_read().check("C1", registers=registers).build(), SimBackend())
    assert _reason(result, "C1").splitlines()[-1] == "and 2 more"


def test_the_layout_of_one_meter_is_judged_without_the_others() -> None:
    """``for`` limits the layout check to the meters that it names."""
    built = _read().do(power("water", on=False), wait("1 s"))
    one = built.check("C1", registers="standard", **{"for": "gas"})
    assert run_scenario(one.build(), SimBackend()).verdict is Verdict.PASS


def test_registers_that_cannot_be_read_fail_their_checks() -> None:
    """A check of registers without a Modbus server is a FAIL with the reason."""
    built = worlds.builder(MODBUS_ENABLE=0).do(wait("1 s")).check("C1", registers={0: "0001"})
    result = run_scenario(built.build(), SimBackend())
    assert _reason(result, "C1").startswith("the registers could not be read: the Modbus server")


def test_a_step_that_the_backend_cannot_do_is_not_run_with_its_line() -> None:
    """A scenario whose steps need more than the backend has is NOT_RUN, at the line."""
    built = _read().do(power("gas", on=False)).check("C1", registers={0: "...."})
    result = run_scenario(built.build(), _Lab())
    assert result.verdict is Verdict.NOT_RUN
    assert "'power' not available on backend 'lab'" in result.judged.reason
    assert result.trace_sha256 is None


def test_a_property_that_the_backend_cannot_see_is_not_run_alone() -> None:
    """The rest of the scenario runs; the property is NOT_RUN and shows in the verdict."""
    built = (
        _read()
        .expect("E1", "never(count(bus.collisions) > 1000)")
        .expect("E2", "never(gateway.state == error)")
        .expect("E3", "always(meter(gas).answering)", only=["sim"])
    )
    result = run_scenario(built.build(), _Lab())
    assert _verdicts(result) == {"do": "PASS", "E1": "NOT_RUN", "E2": "PASS"}
    assert result.verdict is Verdict.NOT_RUN


@pytest.mark.parametrize(("tolerance", "verdict"), [("1 ms", "FAIL"), ("5 s", "INCONCLUSIVE")])
def test_a_tolerance_widens_the_clock_and_the_report_shows_it(tolerance: str, verdict: str) -> None:
    """A bound that is missed by less than the tolerance of this backend is INCONCLUSIVE."""
    that = "always(rise(gateway.scan == running) -> eventually[0, 1 ms](gateway.scan == done))"
    built = _read().expect("E1", that, tolerance={"sim": tolerance})
    result = run_scenario(built.build(), SimBackend())
    case = next(case for case in result.judged.cases if case.id == "E1")
    assert case.verdict.value == verdict
    assert case.title.endswith(f"[tolerance {tolerance}]")
