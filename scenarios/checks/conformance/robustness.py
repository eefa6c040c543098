"""Rules of what a server must survive (ROB-01 to ROB-03)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.record import Measurement
from scenarios.checks.conformance.judgement import (
    Claims,
    Judgement,
    all_of,
    inconclusive,
    judge,
    registers,
    seen,
    silent,
)
from simulators.modbus.wire import End

if TYPE_CHECKING:
    from simulators.modbus.wire import Observation


def echoes_kept(observation: Observation, claims: Claims) -> Judgement:
    """ROB-01: every answer to nonsense echoes what must be echoed."""
    facts = observation.facts
    asked = Measurement(name="malformed requests", value=facts["asked"], unit="")
    wrong = [step for step in observation.steps if step.messages or not claims.is_generic]
    if not wrong and facts["asked"] < facts["requests"]:
        return inconclusive(
            f"given up after {facts['silent']:.0f} unanswered of {facts['asked']:.0f} requests"
        )
    findings = [f"PDU {step.sent[7:].hex(' ')[:60]}: seen {seen(step)}" for step in wrong]
    if findings:
        findings.insert(
            0, f"{len(wrong)} of {facts['asked']:.0f} answers do not echo their request"
        )
    return judge(findings, measurements=[asked])


def garbage_ends(observation: Observation, _claims: Claims) -> Judgement:
    """ROB-02: what is no Modbus/TCP ends its connection and nothing else."""
    findings = []
    for step in observation.steps:
        if step.label.startswith("alive"):
            findings += all_of((registers(step),))
            continue
        findings += all_of((silent(step),))
        if step.end is End.OPEN:
            findings.append(f"{step.label}: expected the connection closed, seen it open")
    return judge(findings)


def bounded(observation: Observation, _claims: Claims) -> Judgement:
    """ROB-03: who takes no answers is not served without end, and others are served on."""
    facts = observation.facts
    findings = all_of(map(registers, observation.steps))
    if not facts["blocked"] and not facts["ended"]:
        findings.append(
            f"a client that reads nothing: {facts['taken_bytes'] / 1e6:.1f} MB of requests taken "
            "without an end"
        )
    taken = Measurement(
        name="requests taken unread", value=round(facts["taken_bytes"] / 1e6, 2), unit="MB"
    )
    beside = Measurement(
        name="slowest answer beside it", value=round(facts["worst_beside_ms"], 2), unit="ms"
    )
    return judge(findings, measurements=[taken, beside])
