"""Rules of function codes (FC3-01 to FC3-08, FC-01 to FC-06)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from reports.record import Measurement
from scenarios.checks import float32
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
)
from simulators.modbus import layout
from simulators.modbus.probes.functions import SERIAL_LINE_ONLY

if TYPE_CHECKING:
    from simulators.modbus.wire import Observation, Step

#: Powers of ten beyond this fit no float32, whatever the integer.
SCALE_MAX: Final = 64


def quantities_served(observation: Observation, claims: Claims) -> Judgement:
    """FC3-01: 1 and 125 registers are answered with their byte count."""
    one, most = observation.steps
    findings = all_of((registers(one),))
    if claims.is_generic and most.refusal == (0x83, 0x02):
        return inconclusive("the server maps no 125 registers in a row from here on")
    return judge([*findings, *all_of((registers(most),))])


def quantities_refused(observation: Observation, _claims: Claims) -> Judgement:
    """FC3-02: 0 and more than 125 registers are exception 03."""
    return judge(all_of(refused(step, 0x03) for step in observation.steps))


def end_of_map(observation: Observation, claims: Claims) -> Judgement:
    """FC3-03: 65535 answers where it is mapped; a read behind the last entry gives 0 there."""
    top, *rest = observation.steps
    findings = all_of((envelope(top),))
    if top.refusal not in {None, (0x83, 0x02)}:
        findings += all_of((refused(top, 0x02),))
    if rest:
        last, gap = rest
        findings += all_of((registers(last),))
        if claims.is_generic and gap.refusal == (0x83, 0x02):
            return judge(findings)
        findings += all_of((registers(gap),))
        if gap.only and registers(gap) is None and gap.only.pdu[4:6] != b"\x00\x00":
            findings.append(f"{gap.label}: expected 0 in the gap, seen {gap.only.pdu[4:6].hex()}")
    return judge(findings)


def no_wrap(observation: Observation, _claims: Claims) -> Judgement:
    """FC3-04: a range beyond register 65535 is exception 02."""
    return judge(all_of(refused(step, 0x02) for step in observation.steps))


def quantity_first(observation: Observation, _claims: Claims) -> Judgement:
    """FC3-05: with quantity and address both wrong the answer is 03."""
    return judge(all_of(refused(step, 0x03) for step in observation.steps))


def size_checked(observation: Observation, claims: Claims) -> Judgement:
    """FC3-06: a PDU that is not exactly 5 bytes is exception 03; Modbus alone allows silence."""
    steps = [s for s in observation.steps if s.messages or not claims.is_generic]
    return judge(all_of(refused(step, 0x03) for step in steps))


def same_in_any_read(observation: Observation, claims: Claims) -> Judgement:
    """FC3-07: registers are the same together and alone; the gateway's type byte comes first."""
    together, *alone = observation.labelled("together")[:1] + observation.labelled("alone")
    (again,) = observation.labelled("together again")
    findings = all_of(registers(step) for step in observation.steps)
    if findings:
        return judge(findings)
    assert together.only is not None, "it is a good read"
    assert again.only is not None, "it is a good read"
    words = [together.only.pdu[at : at + 2] for at in range(2, len(together.only.pdu), 2)]
    later = [again.only.pdu[at : at + 2] for at in range(2, len(again.only.pdu), 2)]
    for offset, step in enumerate(alone):
        assert step.only is not None, "it is a good read"
        word = step.only.pdu[2:4]
        # A register that moved between the two reads of all says nothing.
        if words[offset] == later[offset] != word:
            findings.append(
                f"register +{offset}: {words[offset].hex()} in a block, {word.hex()} alone"
            )
    starts_at_gateway = int.from_bytes(together.sent[8:10], "big") == 0
    if starts_at_gateway and not claims.is_generic and words[layout.TYPE_OFFSET] != b"\x01\x00":
        findings.append(
            f"register 7: expected 0100 (type gateway, big endian), "
            f"seen {words[layout.TYPE_OFFSET].hex()}"
        )
    return judge(findings)


def never_torn(observation: Observation, claims: Claims) -> Judgement:
    """FC3-08: integer and float of a moving value belong together in every single answer."""
    if not claims.value_addresses:
        return not_applicable("no value entry of the standard layout is served")
    moved = len(observation.steps) - int(observation.facts["entries"])
    findings = []
    for step in observation.steps:
        wrong = registers(step)
        if wrong:
            findings.append(wrong)
            continue
        assert step.only is not None, "it is a good read"
        address = int.from_bytes(step.sent[8:10], "big")
        block = layout.ValueBlock(address, struct.unpack(">10H", step.only.pdu[2:]))
        if not agrees(block):
            findings.append(
                f"register {address}: integer {block.integer} × 10^{block.scale} and float "
                f"{block.float_value!r} in one answer"
            )
    measurement = Measurement(name="values seen to move", value=moved, unit="")
    if not findings and moved <= 0:
        reads = int(observation.facts["reads"])
        return inconclusive(f"no value moved in {reads} reads: a torn one could not show")
    return judge(findings, measurements=[measurement])


def agrees(block: layout.ValueBlock) -> bool:
    """Whether both representations of a value say the same, to one unit of float32's last place."""
    if abs(block.scale) > SCALE_MAX:
        return False
    seen = block.unsigned(4, 2)
    return abs(float32.nearest(block.integer, block.scale) - seen) <= 1 or (
        block.integer == 0 and block.float_value == 0
    )


def not_used_refused(observation: Observation, claims: Claims) -> Judgement:
    """FC-01: "not used" codes are exception 02, whatever the body (MOD-03, C-03)."""
    if claims.is_generic:
        return OURS
    return judge(all_of(refused(step, 0x02) for step in observation.labelled("code")))


def others_refused(observation: Observation, claims: Claims) -> Judgement:
    """FC-02: codes that the device does not have are exception 01."""
    return judge(all_of(_other(step, claims) for step in observation.steps))


def serial_only_refused(observation: Observation, claims: Claims) -> Judgement:
    """FC-06: codes for serial lines are exception 01."""
    steps = (step for step in observation.steps if step.sent[7] in SERIAL_LINE_ONLY)
    return judge(all_of(refused(s, 0x01) if not claims.is_generic else _other(s, claims)
                        for s in steps))  # fmt: skip


def _other(step: Step, claims: Claims) -> str | None:
    """Exception 01; a server with rules of its own may also serve the code, or refuse the body."""
    if claims.is_generic and (normal(step) is None or step.refusal == (step.sent[7] | 0x80, 0x03)):
        return None
    return refused(step, 0x01)


def zero_refused(observation: Observation, _claims: Claims) -> Judgement:
    """FC-03: function code 0 is 80 01."""
    return judge(all_of(refused(step, 0x01) for step in observation.steps))


def responses_refused(observation: Observation, claims: Claims) -> Judgement:
    """FC-04: codes 80 to FF keep their bit; Modbus alone also allows silence."""
    steps = [s for s in observation.steps if s.messages or not claims.is_generic]
    return judge(all_of(refused(step, 0x01) for step in steps))


def exception_is_two_bytes(observation: Observation, _claims: Claims) -> Judgement:
    """FC-05: function code and exception code, nothing more."""
    findings = []
    for step in observation.steps:
        wrong = envelope(step)
        if wrong:
            findings.append(wrong)
        elif (
            step.only and step.only.pdu[:1] and step.only.pdu[0] & 0x80 and len(step.only.pdu) != 2
        ):
            findings.append(f"{step.label}: expected 2 bytes, seen {step.only.pdu.hex(' ')}")
    return judge(findings)
