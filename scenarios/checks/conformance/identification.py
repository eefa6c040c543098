"""Rules of Read Device Identification (DID-01 to DID-12; MODBUS-APS 6.21, C-01, C-02)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scenarios.checks.conformance.judgement import (
    OURS,
    Claims,
    Judgement,
    all_of,
    envelope,
    judge,
    not_applicable,
    refused,
    seen,
)
from simulators.modbus.pdu import Identification
from simulators.modbus.probes.identification import identification_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.modbus.wire import Observation, Step

_REFUSED: Final = (0xAB, 0x01)
_ABSENT: Final = not_applicable("the server has no function code 2B (exception 01)")
#: Conformity levels of MODBUS-APS 6.21: stream access only, and individual access as well.
LEVELS: Final = (0x01, 0x02, 0x03, 0x81, 0x82, 0x83)
_INDIVIDUAL: Final = 0x80
#: Objects of each category.
BASIC: Final = (0, 1, 2)
REGULAR: Final = (0, 1, 2, 3, 4, 5, 6)


def _absent(observation: Observation, claims: Claims) -> bool:
    """Whether a server that need not have function code 2B refuses it throughout."""
    return claims.is_generic and all(step.refusal == _REFUSED for step in observation.steps)


def _objects(steps: Sequence[Step]) -> tuple[dict[int, bytes], list[str]]:
    """The objects that a chain of segments brings, and what is wrong with the chain."""
    found: dict[int, bytes] = {}
    findings: list[str] = []
    order: list[int] = []
    for step in steps:
        wrong = envelope(step)
        answer = identification_of(step)
        if wrong or not isinstance(answer, Identification):
            findings.append(wrong or f"{step.label}: expected objects, seen {seen(step)}")
            continue
        for number, value in answer.objects:
            if number in found:
                findings.append(f"{step.label}: object {number:02X} came twice")
            found[number] = value
            order.append(number)
    if order != sorted(order):
        findings.append(f"expected ascending objects, seen {_names(order)}")
    return found, findings


def _names(numbers: Sequence[int]) -> str:
    return ", ".join(f"{number:02X}" for number in numbers) or "none"


def _category(observation: Observation, code: int) -> tuple[dict[int, bytes], list[str]]:
    return _objects(observation.labelled(f"code {code} "))


def basic(observation: Observation, claims: Claims) -> Judgement:
    """DID-01: code 1 gives objects 0 to 2, all present."""
    if _absent(observation, claims):
        return _ABSENT
    found, findings = _category(observation, 1)
    if tuple(found) != BASIC:
        findings.append(f"code 1: expected objects {_names(BASIC)}, seen {_names(list(found))}")
    findings += [f"object {number:02X} is empty" for number, value in found.items() if not value]
    return judge(findings)


def regular(observation: Observation, claims: Claims) -> Judgement:
    """DID-02: code 2 gives objects 0 to 6 in ascending order."""
    if _absent(observation, claims):
        return _ABSENT
    found, findings = _category(observation, 2)
    # What lies above the basic objects is optional in Modbus.
    expected = BASIC if claims.is_generic else REGULAR
    missing = [number for number in expected if number not in found]
    beyond = [number for number in found if number not in REGULAR]
    if missing or beyond:
        findings.append(f"code 2: expected objects {_names(REGULAR)}, seen {_names(list(found))}")
    return judge(findings)


def level(observation: Observation, claims: Claims) -> Judgement:
    """DID-03: the conformity level is 02 (C-02); for Modbus alone, one that there is."""
    if _absent(observation, claims):
        return _ABSENT
    answers = [identification_of(step) for step in observation.steps]
    levels = {a.conformity_level for a in answers if isinstance(a, Identification)}
    allowed = set(LEVELS) if claims.is_generic else {0x02}
    if len(levels) != 1 or not levels <= allowed:
        shown = _names(sorted(levels))
        return judge([f"expected one conformity level of {_names(sorted(allowed))}, seen {shown}"])
    return judge([])


def restarts_at_zero(observation: Observation, claims: Claims) -> Judgement:
    """DID-04: a start object that there is not restarts at object 0."""
    if _absent(observation, claims):
        return _ABSENT
    findings: list[str] = []
    for code in (1, 2):
        first, *others = observation.labelled(f"code {code} ")
        whole = identification_of(first)
        for step in others:
            answer = identification_of(step)
            if answer != whole or not isinstance(answer, Identification):
                findings.append(f"{step.label}: expected the objects from 00 on, seen {seen(step)}")
    return judge(findings)


def starts_at(observation: Observation, claims: Claims) -> Judgement:
    """DID-05: a known start object gives itself and those behind it."""
    if _absent(observation, claims):
        return _ABSENT
    first, *others = observation.steps
    found, findings = _objects([first])
    for step in others:
        start = step.sent[10]
        if start not in found:
            continue
        later, wrong = _objects([step])
        findings += wrong
        expected = [number for number in found if number >= start]
        if not wrong and list(later) != expected:
            findings.append(
                f"{step.label}: expected objects {_names(expected)}, seen {_names(list(later))}"
            )
    return judge(findings)


def known_object_refused(observation: Observation, claims: Claims) -> Judgement:
    """DID-06: stream access only, so code 4 is exception 03 (C-02)."""
    return OURS if claims.is_generic else _code_four(observation, "known")


def unknown_object_refused(observation: Observation, claims: Claims) -> Judgement:
    """DID-07: code 4 with an unknown object is exception 03 (C-02; Modbus alone wants 02)."""
    return OURS if claims.is_generic else _code_four(observation, "unknown")


def _code_four(observation: Observation, prefix: str) -> Judgement:
    return judge(all_of(refused(step, 0x03) for step in observation.labelled(prefix)))


def codes_refused(observation: Observation, claims: Claims) -> Judgement:
    """DID-08: a category that there is not is exception 03."""
    if _absent(observation, claims):
        return _ABSENT
    return judge(all_of(refused(step, 0x03) for step in observation.steps))


def extended(observation: Observation, claims: Claims) -> Judgement:
    """DID-09: code 3 is answered at the level that the device has."""
    if _absent(observation, claims):
        return _ABSENT
    found, findings = _category(observation, 3)
    at_level, _ = _category(observation, 2)
    missing = [number for number in at_level if number not in found]
    beyond = [] if claims.is_generic else [n for n in found if n not in at_level]
    if not findings and (missing or beyond):
        findings.append(
            f"code 3: expected objects {_names(list(at_level))}, seen {_names(list(found))}"
        )
    return judge(findings)


def segments_end(observation: Observation, claims: Claims) -> Judgement:
    """DID-10: where objects do not fit one answer, follow-ups bring each once, and end."""
    if _absent(observation, claims):
        return _ABSENT
    follow = [s for s in observation.steps if s.sent[10] != 0]
    if observation.facts["endless"]:
        return judge([f"{observation.steps[-1].label}: the segments never end"])
    if not follow:
        return not_applicable("all objects fit one answer, so none is divided")
    findings = [line for code in (1, 2, 3) for line in _category(observation, code)[1]]
    return judge(findings)


def objects_fit(observation: Observation, claims: Claims) -> Judgement:
    """DID-11: its symptom, segments that never end, can be seen; the setting itself cannot."""
    if _absent(observation, claims):
        return _ABSENT
    if observation.facts["endless"]:
        return judge([f"{observation.steps[-1].label}: the segments never end"])
    return not_applicable("a rule for setting the objects; its symptom was looked for, not seen")


def types_and_lengths(observation: Observation, claims: Claims) -> Judgement:
    """DID-12: another MEI type is exception 01, a body of a wrong length 03 (C-01)."""
    if _absent(observation, claims):
        return _ABSENT
    types = observation.labelled("type")
    lengths = observation.labelled("length")
    if claims.is_generic:
        lengths = tuple(step for step in lengths if step.messages)
        allowed: tuple[int, ...] = (0x01, 0x02, 0x03)
        return judge(all_of(refused(step, *allowed) for step in (*types, *lengths)))
    findings = all_of(refused(step, 0x01) for step in types)
    return judge([*findings, *all_of(refused(step, 0x03) for step in lengths)])
