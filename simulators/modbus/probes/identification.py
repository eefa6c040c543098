"""Probes of Read Device Identification, function code 2B (MODBUS-APS 6.21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulators.modbus import pdu as pdus
from simulators.modbus.wire import Observation

if TYPE_CHECKING:
    from simulators.modbus.wire import Prober, Step

MEI: Final = 0x0E
#: Segments followed at most: more objects than there are ids cannot be.
SEGMENTS_MAX: Final = 300
ILLEGAL_CODES: Final = (0x00, 0x05, 0x10, 0x80, 0xFF)
UNKNOWN_OBJECTS: Final = (0x07, 0x7F, 0x80, 0xFF)
#: Object ids asked for as a start.
LATER_STARTS: Final = (1, 2, 4, 6)


def identification_of(step: Step) -> pdus.Answer | None:
    """Read the answer of a step that asked for identification; None where none came."""
    adu = step.only
    if adu is None or len(step.sent) < 11:
        return None
    _, mei, code, object_id = step.sent[7:11]
    return pdus.parse(pdus.IdentificationRequest(code, object_id, mei), adu.pdu)


async def _ask(prober: Prober, label: str, *body: int) -> Step:
    return await prober.ask(label, prober.adu(bytes((0x2B, *body))))


async def categories(prober: Prober) -> Observation:
    """Read basic, regular and extended, following segments to their end (DID-01..03, 09..11)."""
    steps: list[Step] = []
    endless = 0.0
    for code in (1, 2, 3):
        object_id = 0
        for _ in range(SEGMENTS_MAX):
            steps.append(
                await _ask(prober, f"code {code} from {object_id:02X}", MEI, code, object_id)
            )
            answer = identification_of(steps[-1])
            if not isinstance(answer, pdus.Identification) or not answer.more_follows:
                break
            if answer.next_object_id <= object_id or not answer.objects:
                endless = 1.0
                break
            object_id = answer.next_object_id
    return Observation(tuple(steps), {"endless": endless})


async def unknown_starts(prober: Prober) -> Observation:
    """Start at objects that there are not (DID-04)."""
    steps = [await _ask(prober, "code 1 from 00", MEI, 1, 0)]
    steps += [
        await _ask(prober, f"code 1 from {n:02X}", MEI, 1, n) for n in (0x03, *UNKNOWN_OBJECTS)
    ]
    steps.append(await _ask(prober, "code 2 from 00", MEI, 2, 0))
    steps += [await _ask(prober, f"code 2 from {n:02X}", MEI, 2, n) for n in UNKNOWN_OBJECTS]
    return Observation(tuple(steps))


async def later_starts(prober: Prober) -> Observation:
    """Start at objects behind the first (DID-05)."""
    steps = [await _ask(prober, "code 2 from 00", MEI, 2, 0)]
    steps += [await _ask(prober, f"code 2 from {n:02X}", MEI, 2, n) for n in LATER_STARTS]
    return Observation(tuple(steps))


async def individual(prober: Prober) -> Observation:
    """Ask for single objects, known and unknown (DID-06, DID-07)."""
    known = [await _ask(prober, f"known {n:02X}", MEI, 4, n) for n in (0, 1, 2)]
    unknown = [await _ask(prober, f"unknown {n:02X}", MEI, 4, n) for n in UNKNOWN_OBJECTS[1:]]
    return Observation((*known, *unknown))


async def illegal_codes(prober: Prober) -> Observation:
    """Ask for categories that there are not (DID-08)."""
    return Observation(
        tuple([await _ask(prober, f"code {code:02X}", MEI, code, 0) for code in ILLEGAL_CODES])
    )


async def other_types(prober: Prober) -> Observation:
    """Ask with other MEI types, and with bodies of a wrong length (DID-12)."""
    steps = [await _ask(prober, f"type {mei:02X}", mei, 1, 0) for mei in (0x00, 0x0D, 0x0F, 0xFF)]
    steps += [
        await _ask(prober, f"length {1 + len(body)}", *body)
        for body in ((), (MEI,), (MEI, 1), (MEI, 1, 0, 0))
    ]
    return Observation(tuple(steps))
