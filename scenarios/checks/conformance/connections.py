"""Rules of TCP connections (TCP-01 to TCP-10)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from reports.record import Measurement
from scenarios.checks.conformance.judgement import (
    OURS,
    Claims,
    Judgement,
    all_of,
    judge,
    not_applicable,
    registers,
    seen,
)
from simulators.modbus.wire import End

if TYPE_CHECKING:
    from simulators.modbus.wire import Observation, Step

#: How far from its limit an idle connection may be closed, in seconds.
IDLE_TOLERANCE_S: Final = 1.0


def accepted(observation: Observation, _claims: Claims) -> Judgement:
    """TCP-01: the connection is made and serves."""
    return judge(all_of(map(registers, observation.steps)))


def stays_open(observation: Observation, _claims: Claims) -> Judgement:
    """TCP-02: no end behind an answer."""
    findings = all_of(map(registers, observation.steps))
    last = observation.steps[-1]
    if last.end is not End.OPEN:
        findings.append(f"behind {last.label}: expected an open connection, seen {last.end.value}")
    return judge(findings)


def each_answered_once(observation: Observation, _claims: Claims) -> Judgement:
    """TCP-03: as many answers as requests, each transaction identifier once."""
    return judge(all_of(map(_once, observation.steps)))


def _once(step: Step) -> str | None:
    asked = [int.from_bytes(step.sent[at : at + 2], "big") for at in range(0, len(step.sent), 12)]
    got = Counter(adu.transaction_identifier for adu in step.adus)
    missing = [f"{tid:04X}" for tid in asked if not got[tid]]
    twice = [f"{tid:04X}" for tid, count in got.items() if count > 1]
    foreign = [f"{tid:04X}" for tid in got if tid not in asked]
    texts = [
        f"{what} {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"
        for what, names in (
            ("unanswered", missing),
            ("answered twice", twice),
            ("never asked", foreign),
        )
        if names
    ]
    if len(step.messages) != len(step.adus):
        texts.append("bytes that are no frame")
    return f"{step.label}: {'; '.join(texts)}" if texts else None


def in_any_split(observation: Observation, _claims: Claims) -> Judgement:
    """TCP-04: fragments get the normal answer."""
    findings = all_of(registers(step) for step in observation.steps if len(step.sent) == 12)
    for step in observation.steps:
        if len(step.sent) > 12:
            finding = _once(step)
            findings += [finding] if finding else []
    return judge(findings)


def places_kept(observation: Observation, claims: Claims) -> Judgement:
    """TCP-06: as many served as claimed, one more refused, a place free again after a close."""
    if claims.is_generic:
        return OURS
    findings = all_of(map(registers, observation.labelled("place")))
    findings += _refused(observation, claims)
    findings += all_of(map(registers, observation.labelled("freed")))
    return judge(findings)


def newest_refused(observation: Observation, claims: Claims) -> Judgement:
    """TCP-09: with the pool full it is the new connection that goes, not one in use."""
    if claims.is_generic:
        return OURS
    findings = _refused(observation, claims)
    findings += all_of(map(registers, observation.labelled("again")))
    return judge(findings)


def _refused(observation: Observation, claims: Claims) -> list[str]:
    (extra,) = observation.labelled("one more")
    if extra.messages or extra.end is End.OPEN:
        text = f"expected to be closed without a byte, seen {seen(extra)}, connection"
        return [f"connection {claims.connections_max + 1}: {text} {extra.end.value}"]
    return []


def burst_bounded(observation: Observation, claims: Claims) -> Judgement:
    """TCP-07: of connections that come at once exactly as many survive as there are places."""
    if claims.is_generic:
        return OURS
    served = sum(registers(step) is None for step in observation.steps)
    wanted = int(observation.facts["wanted"])
    if served == claims.connections_max:
        return judge([])
    return judge(
        [f"{wanted} connections at once: expected {claims.connections_max} served, seen {served}"]
    )


def response_times(observation: Observation, _claims: Claims) -> Judgement:
    """TCP-10: everything is answered; how fast is told and not judged (MODBUS-TG 4.4.1.4)."""
    facts = observation.facts
    measurements = [
        Measurement(name=f"response time, {name}", value=round(facts[key], 3), unit="ms")
        for name, key in (("median", "p50_ms"), ("99th percentile", "p99_ms"))
        if key in facts
    ]
    lost = int(facts["asked"] - facts["answered"])
    findings = [f"{lost} of {int(facts['asked'])} requests unanswered"] if lost else []
    return judge(findings, measurements=measurements)


def half_closed(observation: Observation, claims: Claims) -> Judgement:
    """TCP-05: a request that never ends is ended by a limit, and disturbs nobody."""
    if claims.is_generic:
        return OURS
    took = observation.facts["half_s"]
    findings = all_of(map(registers, observation.labelled("beside")))
    if took < 0:
        findings.append(
            f"half a request: expected an end within {claims.idle_s:g} s, seen an open connection"
        )
    elif took > claims.idle_s + IDLE_TOLERANCE_S:
        findings.append(
            f"half a request: expected an end at {claims.idle_s:g} s, seen {took:.1f} s"
        )
    return judge(findings, measurements=_seconds("half a request closed after", took))


def idle_closed(observation: Observation, claims: Claims) -> Judgement:
    """TCP-08: an idle connection ends at the limit, counted from its last request."""
    if claims.is_generic:
        return not_applicable("Modbus lays down no idle limit")
    took = observation.facts["idle_s"]
    findings = all_of(map(registers, observation.labelled("idle, request")))
    if took < 0:
        findings.append(f"expected FIN {claims.idle_s:g} s after the last request, seen none")
    elif abs(took - claims.idle_s) > IDLE_TOLERANCE_S:
        findings.append(f"expected FIN at {claims.idle_s:g} ± 1 s, seen at {took:.2f} s")
    return judge(findings, measurements=_seconds("idle connection closed after", took))


def _seconds(name: str, took: float) -> list[Measurement]:
    return [] if took < 0 else [Measurement(name=name, value=round(took, 2), unit="s")]
