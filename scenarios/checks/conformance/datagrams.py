"""Rules of Modbus/UDP (UDP-01 to UDP-03)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.checks.conformance.judgement import (
    Claims,
    Judgement,
    all_of,
    judge,
    registers,
    silent,
)
from simulators.modbus.probes.datagrams import SOURCES

if TYPE_CHECKING:
    from simulators.modbus.wire import Observation


def malformed_dropped(observation: Observation, _claims: Claims) -> Judgement:
    """UDP-01: what is not exactly one request gets no answer and does no harm."""
    findings = []
    for step in observation.steps:
        rule = registers if step.label.startswith("good") else silent
        findings += all_of((rule(step),))
    return judge(findings)


def right_peer(observation: Observation, _claims: Claims) -> Judgement:
    """UDP-02: every source gets its own answers, and only these."""
    facts = observation.facts
    findings = []
    if facts["alive"] < SOURCES:
        findings.append(f"{SOURCES} sources at once: only {facts['alive']:.0f} were answered")
    if facts["wrong"]:
        findings.append(
            f"{facts['wrong']:.0f} of {facts['asked']:.0f} requests not answered rightly"
        )
        findings += all_of(map(registers, observation.steps))
    return judge(findings)


def undisturbed(observation: Observation, _claims: Claims) -> Judgement:
    """UDP-03: a runt of one source leaves the next request of another alone."""
    return judge(all_of(map(registers, observation.steps)))
