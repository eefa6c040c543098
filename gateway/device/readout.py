"""The read-out of one meter: reset, select, request, page by page (worked examples 10).

A read-out never raises for what a meter does or fails to do: it returns the pages that came and
says why it stopped. What they mean for flags and registers is `gateway.device.readings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gateway.device.link import ADDRESS_SELECTED, Answer, AnswerKind
from gateway.device.sequences import Addressing, RequestMode, ResetMode, Step, readout_steps
from gateway.mbus import frames, telegram
from gateway.mbus.address import SecondaryMask
from gateway.mbus.pages import PageSequence, PageVerdict

if TYPE_CHECKING:
    from gateway.device.link import Link
    from gateway.mbus.address import SecondaryAddress
    from gateway.mbus.telegram import Telegram

#: What asks for all data: DIF 7F with VIF 7E, or the DIF alone (MBDOC48 p.48-50, `C-19`).
GET_ALL_DATA: Final = b"\x7f\x7e"
GET_ALL_DATA_SHORT: Final = b"\x7f"
#: "Freeze data": VIF FE, VIFE 0B (`C-19`).
FREEZE_VIB: Final = b"\xfe\x0b"
#: Bits of a storage number that a DIB can carry: 1 in the DIF, 4 in each of ten DIFEs.
STORAGE_NUMBER_BITS: Final = 41

#: Bits of MBUS_SELECTMASK: the part of the secondary address that becomes a wildcard.
SELECT_ANY_SERIAL: Final = 1
SELECT_ANY_MANUFACTURER: Final = 2
SELECT_ANY_VERSION: Final = 4
SELECT_ANY_MEDIUM: Final = 8

#: Masks that are remembered: those of a full bus, again and again.
MASKS_REMEMBERED_MAX: Final = 1024

#: Answers that are a meter's data: variable or fixed structure (MBDOC48 p.31).
DATA_CI_FIELDS: Final = frozenset({0x72, 0x73, 0x76, 0x77, 0x78, 0x7A})
#: CI 72, and where the secondary address stands behind it (MBDOC48 p.37).
_CI_LONG_HEADER: Final = 0x72
_ADDRESS: Final = slice(7, 15)
#: RSP_UD with any combination of ACD and DFC (MBDOC48 p.23).
RSP_UD_C_FIELDS: Final = frozenset({0x08, 0x18, 0x28, 0x38})


@dataclass(frozen=True, slots=True)
class Target:
    """How one meter is called."""

    addressing: Addressing
    primary_address: int
    mask: SecondaryMask | None
    """What to select; None for primary addressing."""

    @property
    def a_field(self) -> int:
        """The address of its requests."""
        if self.addressing is Addressing.PRIMARY:
            return self.primary_address
        return ADDRESS_SELECTED


@dataclass(frozen=True, slots=True)
class ReadoutPlan:
    """What chip.ini says about every read-out."""

    reset_mode: ResetMode = ResetMode.STANDARD
    request_mode: RequestMode = RequestMode.DEFAULT
    freeze_first: bool = False
    freeze_storage_number: int = 0
    wakeup: bool = False
    multipage_max: int = 3


@dataclass(frozen=True, slots=True)
class Readout:
    """What one read-out brought.

    `pages` is empty when no valid first telegram came. `complete` is True when the meter was
    read to its end or to the configured limit; `limited` when that limit cut it short. `failure`
    says why it stopped early, in words for the log; it is empty where `complete` is True.
    """

    pages: tuple[Telegram, ...]
    complete: bool
    limited: bool
    failure: str


@lru_cache(maxsize=MASKS_REMEMBERED_MAX)
def selection_mask(address: SecondaryAddress, select_mask: int) -> SecondaryMask:
    """The mask that selects `address`, with the parts of MBUS_SELECTMASK wild (`SCAN-07`)."""
    return SecondaryMask(
        "FFFFFFFF" if select_mask & SELECT_ANY_SERIAL else address.identification_number,
        0xFFFF if select_mask & SELECT_ANY_MANUFACTURER else address.manufacturer,
        0xFF if select_mask & SELECT_ANY_VERSION else address.version,
        0xFF if select_mask & SELECT_ANY_MEDIUM else address.medium,
    )


def freeze_record(storage_number: int) -> bytes:
    """The no-data record that freezes into `storage_number` (`C-19`): DIF, DIFEs, VIF FE, VIFE 0B.

    Raises ValueError beyond the 41 bits that a DIB can carry.
    """
    if not 0 <= storage_number < 1 << STORAGE_NUMBER_BITS:
        raise ValueError(f"storage number {storage_number} does not fit a data information block")
    blocks = [(storage_number & 1) << 6]
    rest = storage_number >> 1
    while rest:
        blocks.append(rest & 0x0F)
        rest >>= 4
    extended = [block | 0x80 for block in blocks[:-1]] + [blocks[-1]]
    return bytes(extended) + FREEZE_VIB


def judge_data(answer: Answer, target: Target) -> tuple[Telegram | None, str]:
    """The telegram of an answer that is a meter's data, or None and the reason why it is not.

    An error in a record does not make the telegram invalid; another meter's header does (`C-63`).
    """
    if answer.kind is not AnswerKind.FRAME or answer.frame is None:
        return None, answer.reason or f"only {answer.kind.value}"
    frame = answer.frame
    if frame.c_field not in RSP_UD_C_FIELDS:
        return None, f"C field {frame.c_field:02X} is not an answer"
    if frame.ci_field not in DATA_CI_FIELDS:
        return None, f"CI field {frame.ci_field:02X} carries no meter data"
    if target.addressing is Addressing.PRIMARY and frame.a_field != target.primary_address:
        return None, f"answer carries address {frame.a_field}, not {target.primary_address}"
    decoded = telegram.decode(answer.data)
    if target.mask is not None and not _lies_under(decoded, answer.data, target.mask):
        return None, "the header names another meter"
    return decoded, ""


def _lies_under(decoded: Telegram, wire: bytes, mask: SecondaryMask) -> bool:
    if wire[_ADDRESS] == _characters(mask) and decoded.error is None and wire[6] == _CI_LONG_HEADER:
        # As nearly always: the very characters that were selected.
        return True
    address = decoded.header.address if decoded.header is not None else None
    # A short header names nobody; then only the selection says who answered.
    return address is None or mask.contains(address)


@lru_cache(maxsize=MASKS_REMEMBERED_MAX)
def _characters(mask: SecondaryMask) -> bytes:
    return mask.to_bytes()


async def read_meter(link: Link, plan: ReadoutPlan, target: Target) -> Readout:
    """Read one meter with all its pages; raises only `LineError`."""
    failure = await _prepare(link, plan, target)
    if failure:
        return Readout((), complete=False, limited=False, failure=failure)
    sequence = PageSequence(plan.multipage_max)
    verdict = PageVerdict.MORE
    while verdict is PageVerdict.MORE:
        verdict_or_failure = await _next_page(link, target, sequence)
        if isinstance(verdict_or_failure, str):
            pages = tuple(sequence.pages)
            return Readout(pages, complete=False, limited=False, failure=verdict_or_failure)
        verdict = verdict_or_failure
    limited = verdict is PageVerdict.LIMIT
    return Readout(tuple(sequence.pages), complete=True, limited=limited, failure="")


async def _next_page(link: Link, target: Target, sequence: PageSequence) -> PageVerdict | str:
    """One page, repeated at most MBUS_MAXRETRY times; a text says why there is none."""
    for number in range(link.settings.tries):
        link.retries += number > 0
        answer = await link.request(target.a_field, tries=1)
        decoded, reason = judge_data(answer, target)
        if decoded is not None:
            verdict = sequence.receive(decoded)
            if verdict is not PageVerdict.REPEAT:
                link.took(target.a_field)
                return verdict
            reason = "the meter repeats a page that it has sent"
        elif answer.kind is AnswerKind.BROKEN:
            await link.settle()
    if sequence.pages and answer.kind is AnswerKind.ACK:
        # E5 says "understood, but there are no data" (MBDOC48 p.53): the pages have ended.
        link.took(target.a_field)
        return PageVerdict.LAST
    return f"page {len(sequence.pages) + 1}: {reason}"


async def _prepare(link: Link, plan: ReadoutPlan, target: Target) -> str:
    """Everything before the first REQ_UD2; a text says why the meter cannot be asked."""
    if plan.wakeup and plan.request_mode is not RequestMode.ONLY:
        await wake_up(link)
    steps = readout_steps(
        plan.reset_mode, plan.request_mode, target.addressing, freeze_first=plan.freeze_first
    )
    for step in steps:
        if step is Step.SELECT:
            assert target.mask is not None, "secondary addressing comes with a mask"
            answer = await link.select(target.mask)
            if answer.kind is not AnswerKind.ACK:
                return f"not selected: {answer.reason or answer.kind.value}"
        else:
            await send_step(link, step, target.a_field, plan.freeze_storage_number)
    return ""


async def wake_up(link: Link) -> None:
    """MBUS_WAKEUPENABLE: what precedes every reset part (`C-62`)."""
    await link.reset_all()
    await link.pause(link.settings.idle_ns)


async def send_step(link: Link, step: Step, a_field: int, freeze_storage_number: int = 0) -> None:
    """Send one step that may stay unanswered (`C-18`, `C-19`)."""
    if step is Step.NKE_FF:
        await link.reset_all()
    elif step is Step.NKE_FD:
        await link.reset(ADDRESS_SELECTED)
    elif step is Step.NKE_A:
        await link.reset(a_field)
    elif step is Step.APPRESET_FD:
        await link.send_user_data(ADDRESS_SELECTED, frames.CI_APPLICATION_RESET, b"", tries=1)
    elif step is Step.GET_ALL:
        await link.send_user_data(a_field, frames.CI_DATA_SEND, GET_ALL_DATA)
    elif step is Step.GET_GLOBAL:
        await link.send_user_data(a_field, frames.CI_DATA_SEND, GET_ALL_DATA_SHORT)
    elif step is Step.FREEZE:
        record = freeze_record(freeze_storage_number)
        await link.send_user_data(a_field, frames.CI_DATA_SEND, record)
    else:
        raise AssertionError(f"{step} is not sent blindly")
