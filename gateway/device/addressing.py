"""Writing a primary address into a meter, read before and after (MBDOC48 p.46).

Nothing is written to a meter that was not read first, and nothing to an address at which somebody
else answers: two meters of one address are the mistake that takes longest to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.device.link import AnswerKind
from gateway.device.readout import ReadoutPlan, Target, read_meter
from gateway.device.sequences import Addressing, RequestMode, ResetMode
from gateway.mbus import frames

if TYPE_CHECKING:
    from gateway.device.link import Link
    from gateway.mbus.address import SecondaryAddress, SecondaryMask

#: DIF of an 8-bit integer and VIF "bus address", sent with CI 51 (MBDOC48 p.46).
SET_ADDRESS_RECORD: Final = b"\x01\x7a"
PRIMARY_ADDRESS_MAX: Final = 250
_PLAN: Final = ReadoutPlan(ResetMode.STANDARD, RequestMode.DEFAULT, multipage_max=1)


@dataclass(frozen=True, slots=True)
class Identified:
    """A meter that answered: who it says that it is, and the address that its answer carries."""

    address: SecondaryAddress | None
    a_field: int


class AddressingError(Exception):
    """An address was not written, or not as it should; the message says how far it came."""


async def identify(link: Link, target: Target) -> Identified | None:
    """Read a meter's first telegram; None where nobody answers with data.

    Raises `AddressingError` where several meters answer under the mask of `target`: in their
    acknowledgements, or, where these fall exactly on each other, in a telegram that stays garbled.
    """
    if target.mask is not None:
        await _expect_one(link, target.mask)
    readout = await read_meter(link, _PLAN, target)
    if not readout.pages:
        if target.mask is not None and not readout.failure.startswith("not selected"):
            raise AddressingError(f"{_several(target.mask)}: {readout.failure}")
        return None
    first = readout.pages[0]
    header = first.header
    a_field = first.frame.a_field if isinstance(first.frame, frames.LongFrame) else 0
    return Identified(header.address if header is not None else None, a_field)


def _several(mask: SecondaryMask) -> str:
    return f"several meters (or noise) answer under {mask.identification_number}"


async def _expect_one(link: Link, mask: SecondaryMask) -> None:
    """Raise `AddressingError` if more than one acknowledges within the whole answer window."""
    window_ns = max(link.settings.first_byte_ns, link.answer_window_ns)
    answer = await link.probe(mask)
    if answer.kind is AnswerKind.SILENCE:
        return
    window_end = answer.request_end_ns + window_ns
    if answer.kind is not AnswerKind.ACK or await link.listen(window_end):
        await link.settle(window_end)
        raise AddressingError(_several(mask))


def by_full_address(target: Target, found: Identified) -> Target:
    """How to call the meter just read, and nobody else who shares a part of its address.

    With a secondary address its number, manufacturer, version and medium all count (MBDOC48
    p.63); with a primary one there is nothing more to say.
    """
    if target.mask is None or found.address is None:
        return target
    return Target(Addressing.SECONDARY, target.a_field, found.address.to_mask())


def primary(a_field: int) -> Target:
    """How a meter with a primary address is called."""
    return Target(Addressing.PRIMARY, a_field, None)


async def is_taken(link: Link, a_field: int) -> bool:
    """Whether anything at all answers at a primary address, be it garbled."""
    answer = await link.reset(a_field)
    if answer.kind is AnswerKind.SILENCE:
        answer = await link.request(a_field, tries=1)
    if answer.kind is AnswerKind.BROKEN:
        await link.settle()
    return answer.kind is not AnswerKind.SILENCE


async def write(link: Link, target: Target, a_field: int) -> None:
    """Write the primary address `a_field` into the meter that `target` calls.

    With a secondary address the meter is selected anew. Raises `AddressingError` where it does not
    acknowledge or is not alone, ValueError for an address beyond 250.
    """
    if not 0 <= a_field <= PRIMARY_ADDRESS_MAX:
        raise ValueError(f"a primary address is 0 to {PRIMARY_ADDRESS_MAX}, not {a_field}")
    if target.mask is not None:
        await _expect_one(link, target.mask)
        selected = await link.select(target.mask)
        if selected.kind is not AnswerKind.ACK:
            raise AddressingError(f"the meter is not selected: {selected.kind.value}")
    else:
        await link.reset(target.a_field)
    data = SET_ADDRESS_RECORD + bytes((a_field,))
    answer = await link.send_user_data(target.a_field, frames.CI_DATA_SEND, data)
    if answer.kind is not AnswerKind.ACK:
        raise AddressingError(f"the meter does not acknowledge the address: {answer.kind.value}")


async def verify(link: Link, a_field: int, expected: Identified) -> None:
    """Read the meter at its new address; raises `AddressingError` if it is not the same one."""
    found = await identify(link, primary(a_field))
    if found is None:
        raise AddressingError(f"acknowledged, but nobody answers at address {a_field}")
    if found.address != expected.address:
        raise AddressingError(f"acknowledged, but another meter answers at address {a_field}")
