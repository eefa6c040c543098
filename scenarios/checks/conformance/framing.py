"""Rules of the MBAP header and of unit identifiers (MBAP-01 to 07, UID-01 to 05)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scenarios.checks.conformance.judgement import (
    OURS,
    Claims,
    Judgement,
    all_of,
    envelope,
    inconclusive,
    judge,
    normal,
    not_applicable,
    refused,
    registers,
    seen,
    silent,
)
from simulators.modbus.mbap import PDU_LENGTH_MAX, BrokenStream
from simulators.modbus.wire import End

if TYPE_CHECKING:
    from simulators.modbus.wire import Observation, Step

#: Serial number, manufacturer, version and medium of a meter entry (manual 6.2).
IDENTITY_BYTES: Final = 8


def transaction_echoed(observation: Observation, _claims: Claims) -> Judgement:
    """MBAP-01: every transaction identifier comes back."""
    return judge(all_of(map(envelope, observation.steps)))


def protocol_is_modbus(observation: Observation, _claims: Claims) -> Judgement:
    """MBAP-02: the protocol identifier of every answer is 0."""
    return judge([*_broken(observation, "protocol"), *_unanswered(observation)])


def length_counts(observation: Observation, _claims: Claims) -> Judgement:
    """MBAP-04: the length of an answer is that of unit identifier and PDU, within its limits."""
    findings = [*_broken(observation, "length"), *_unanswered(observation)]
    findings += [
        f"{step.label}: a PDU of {len(step.only.pdu)} bytes"
        for step in observation.steps
        if step.only and len(step.only.pdu) > PDU_LENGTH_MAX
    ]
    findings += all_of(registers(s) for s in observation.steps if _is_read(s))
    return judge(findings)


def big_endian(observation: Observation, _claims: Claims) -> Judgement:
    """MBAP-07: the header reads as big endian, and its length ends where the answer does."""
    findings = [*_broken(observation, ""), *_unanswered(observation)]
    findings += all_of(envelope(step) for step in observation.steps if step.only)
    return judge(findings)


def _is_read(step: Step) -> bool:
    return step.label.endswith(("register", "registers")) and step.refusal is None


def _broken(observation: Observation, about: str) -> list[str]:
    return [
        f"{step.label}: {one.message}"
        for step in observation.steps
        for one in step.messages
        if isinstance(one, BrokenStream) and about in one.message
    ]


def _unanswered(observation: Observation) -> list[str]:
    return [f"{s.label}: expected an answer, seen {seen(s)}" for s in observation.steps
            if not s.messages]  # fmt: skip


def foreign_protocol_ignored(observation: Observation, _claims: Claims) -> Judgement:
    """MBAP-03: no answer to another protocol, and the stream stays in step."""
    foreign, good = observation.steps
    return judge(all_of((silent(foreign), registers(good))))


def bad_length_ends(observation: Observation, _claims: Claims) -> Judgement:
    """MBAP-05: a length that cannot be true ends the connection and nothing else."""
    findings = []
    for step in observation.steps:
        if step.label.startswith("alive"):
            findings += all_of((registers(step),))
            continue
        findings += all_of((silent(step),))
        if step.end is End.OPEN:
            findings.append(f"{step.label}: expected the connection closed, seen it open")
    return judge(findings)


def ill_fitting_refused(observation: Observation, claims: Claims) -> Judgement:
    """MBAP-06: exception 03 and never data from elsewhere; Modbus alone also allows silence."""
    findings = []
    for step in observation.steps:
        if claims.is_generic and not step.messages:
            continue
        findings += all_of((refused(step, 0x03),))
    return judge(findings)


def unit_echoed(observation: Observation, _claims: Claims) -> Judgement:
    """UID-01: normal and refused answers carry the unit identifier of their request."""
    findings = all_of(map(envelope, observation.steps))
    return judge(findings)


def device_answers(observation: Observation, _claims: Claims) -> Judgement:
    """UID-02: 0 and 255 are the device itself."""
    return judge(all_of(map(registers, observation.steps)))


def zero_is_no_broadcast(observation: Observation, _claims: Claims) -> Judgement:
    """UID-05: a read with unit 0 is answered."""
    return judge(all_of(map(registers, observation.steps[:1])))


def _images(observation: Observation) -> dict[int, bytes]:
    """Who is at register 10 of every unit that serves it: what of an entry never moves."""
    return {
        step.sent[6]: step.only.pdu[: 2 + IDENTITY_BYTES]
        for step in observation.labelled("entry")
        if step.only is not None and normal(step) is None
    }


def units_differ(observation: Observation, claims: Claims) -> Judgement:
    """UID-03: in the multi-slave layout the same address shows another meter in another unit."""
    if claims.is_generic:
        return OURS
    own = {unit: pdu for unit, pdu in _images(observation).items() if unit not in (0, 255)}
    if len(set(own.values())) <= 1:
        return not_applicable("every unit shows the same registers: not the multi-slave layout")
    twins = [u for u in own if sum(pdu == own[u] for pdu in own.values()) > 1]
    return judge(
        [f"units {', '.join(map(str, twins))}: expected data of their own, seen the same"]
        if twins
        else []
    )


def unknown_unit(observation: Observation, claims: Claims) -> Judgement:
    """UID-04: one stated choice for a unit that nobody has; here exception 0B (C-11, C-38)."""
    asked = observation.labelled("unit ")
    unserved = [step for step in asked if normal(step) is not None]
    if not unserved:
        return not_applicable("every unit identifier that was asked is served (MODBUS_ADDRESS 0)")
    if not claims.is_generic:
        return judge(all_of(refused(step, 0x0B) for step in unserved))
    findings = all_of(refused(step, 0x0A, 0x0B) for step in unserved if step.messages)
    kinds = {step.refusal for step in unserved}
    if len(kinds) > 1 and not findings:
        return inconclusive("unknown units are answered in different ways")
    return judge(findings)
