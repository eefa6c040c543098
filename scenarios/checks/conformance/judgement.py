"""How a rule says what it found, and the questions that many rules ask of a step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from reports.record import Measurement  # noqa: TC001 - a field of a dataclass
from reports.verdict import Verdict
from simulators.modbus.wire import End

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.modbus.wire import Step

#: Findings that one case tells; the rest is counted.
FINDINGS_MAX: Final = 12


@unique
class Profile(Enum):
    """Whose rules count: those of this gateway's manual, or those of Modbus alone."""

    REFERENCE = "reference"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class Claims:
    """What is said of the target, and what was found out before the checks.

    `connections_max` and `idle_s` are MODBUS_MAXCONNECTIONS and MODBUS_DISCONNECTTIMEOUT;
    `last_mapped` is the highest register that a survey found, None where it found none.
    """

    profile: Profile = Profile.REFERENCE
    connections_max: int = 5
    idle_s: float = 60.0
    last_mapped: int | None = None
    value_addresses: tuple[int, ...] = ()

    @property
    def is_generic(self) -> bool:
        """Whether only the rules of Modbus itself count."""
        return self.profile is Profile.GENERIC


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason; findings stand one a line."""

    verdict: Verdict
    reason: str = ""
    measurements: tuple[Measurement, ...] = ()


def judge(findings: Iterable[str], *, measurements: Iterable[Measurement] = ()) -> Judgement:
    """FAIL with the findings, or PASS where there are none."""
    lines = list(dict.fromkeys(findings))
    if len(lines) > FINDINGS_MAX:
        lines = [*lines[:FINDINGS_MAX], f"and {len(lines) - FINDINGS_MAX} more"]
    verdict = Verdict.FAIL if lines else Verdict.PASS
    return Judgement(verdict, "\n".join(lines), tuple(measurements))


def not_applicable(reason: str) -> Judgement:
    """The target does not have what this is about."""
    return Judgement(Verdict.NOT_APPLICABLE, reason)


def inconclusive(reason: str) -> Judgement:
    """The question was asked, and what came does not answer it."""
    return Judgement(Verdict.INCONCLUSIVE, reason)


OURS: Final = not_applicable("a rule of this gateway's manual, not of Modbus")


def seen(step: Step) -> str:
    """What came, in words."""
    if step.messages:
        text = step.received.hex(" ")
        shown = text if len(text) <= 90 else f"{text[:90]} …"
        return f"{len(step.messages)} messages {shown}" if len(step.messages) > 1 else shown
    return "no answer" if step.end is End.OPEN else f"no answer, {step.end.value}"


def envelope(step: Step) -> str | None:
    """What is wrong with the frame of a single answer: its number and the echoed fields."""
    adu = step.only
    if adu is None:
        return f"{step.label}: expected one answer, seen {seen(step)}"
    transaction = int.from_bytes(step.sent[:2], "big")
    if adu.transaction_identifier != transaction:
        return (
            f"{step.label}: expected transaction identifier {transaction:04X}, "
            f"seen {adu.transaction_identifier:04X}"
        )
    if adu.unit_identifier != step.sent[6]:
        return f"{step.label}: expected unit identifier {step.sent[6]}, seen {adu.unit_identifier}"
    return None


def normal(step: Step) -> str | None:
    """What is wrong with an answer that must be no exception."""
    wrong = envelope(step)
    if wrong:
        return wrong
    assert step.only is not None, "the envelope was looked at"
    if not step.only.pdu or step.only.pdu[0] != step.sent[7]:
        return f"{step.label}: expected a normal answer, seen PDU {step.only.pdu.hex(' ')}"
    return None


def registers(step: Step) -> str | None:
    """What is wrong with the answer to a read: byte count 2 × quantity and as many bytes."""
    wrong = normal(step)
    if wrong:
        return wrong
    assert step.only is not None, "the envelope was looked at"
    quantity = int.from_bytes(step.sent[10:12], "big")
    pdu = step.only.pdu
    if len(pdu) != 2 + 2 * quantity or pdu[1] != 2 * quantity:
        count = pdu[1] if len(pdu) > 1 else None
        return (
            f"{step.label}: expected byte count {2 * quantity} and as many bytes, "
            f"seen {count} and {max(0, len(pdu) - 2)}"
        )
    return None


def refused(step: Step, *codes: int) -> str | None:
    """What is wrong with an answer that must be an exception with one of `codes`."""
    wrong = envelope(step)
    if wrong:
        return wrong
    function_code = (step.sent[7] if len(step.sent) > 7 else 0) | 0x80
    expected = " or ".join(f"{function_code:02x} {code:02x}" for code in codes)
    assert step.only is not None, "the envelope was looked at"
    if step.refusal not in {(function_code, code) for code in codes}:
        return f"{step.label}: expected {expected}, seen {step.only.pdu[:20].hex(' ') or 'nothing'}"
    return None


def silent(step: Step) -> str | None:
    """What is wrong where no answer may come."""
    if step.messages:
        return f"{step.label}: expected no answer, seen {seen(step)}"
    return None


def all_of(findings: Iterable[str | None]) -> list[str]:
    """The findings that there are."""
    return [finding for finding in findings if finding]
