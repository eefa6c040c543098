"""The search for meters: the conversation around the pure search (`SCAN-01` to `SCAN-06`).

A probe is a selection; after a clean E5 the rest of the answer window is heard out, because a
second meter may acknowledge later, then the data is requested. What is garbled on the way counts
as several meters, so narrower masks are asked. On a noisy bus neither silence nor garbage is
believed at once. A meter counts as found when a whole, correct telegram came whose header lies
under the mask; it is then selected by its own address, and one that does not answer to it must
send the same header once more, and is marked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from gateway.device.link import ADDRESS_SELECTED, AnswerKind
from gateway.device.readout import (
    Readout,
    ReadoutPlan,
    Target,
    judge_data,
    read_meter,
    send_step,
    wake_up,
)
from gateway.device.sequences import SCAN_STEPS, Addressing, ResetMode, Step
from gateway.mbus.address import SecondaryAddress, SecondaryMask
from gateway.mbus.search import WILDCARD, DigitTreeSearch, Direction, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.device.link import Answer, Link
    from gateway.mbus.telegram import Telegram
    from gateway.runtime.port import Runtime


#: The root of a search over everything (MBDOC48 p.64).
EVERYBODY: Final = SecondaryMask.ANY
#: Sends of what must be answered, where MBUS_SEARCHTIMING leaves the number to us (`C-74`).
ADAPTIVE_TRIES: Final = 2


@unique
class SearchTiming(Enum):
    """MBUS_SEARCHTIMING (`C-74`)."""

    LITERAL = "LITERAL"
    """MBUS_TIMEOUT and MBUS_MAXRETRY apply to every probe."""
    ADAPTIVE = "ADAPTIVE"
    """The answer window by the book; an empty mask is asked once on a quiet bus."""


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What chip.ini says about a scan."""

    primary: bool = False
    direction: Direction = Direction.FORWARD
    mask: SecondaryMask = EVERYBODY
    timing: SearchTiming = SearchTiming.LITERAL
    primary_start: int = 0
    primary_final: int = 250
    readout: ReadoutPlan = field(default_factory=ReadoutPlan)
    """What a read-out is like: its wake-up goes before a scan too, and a primary scan reads every
    meter that it finds."""


@dataclass(frozen=True, slots=True)
class Found:
    """One meter found: how to call it from now on, and the telegram that proved it."""

    address: SecondaryAddress
    primary_address: int
    addressing: Addressing
    telegram: Telegram
    selectable: bool = True
    """False when the meter does not acknowledge the address that its own header reports."""
    readout: Readout | None = None
    """The whole read-out, where finding the meter took one."""


@dataclass(slots=True)
class ScanReport:
    """What a scan did; durations in ns of bus time.

    `selects` counts the masks asked; a primary scan counts its addresses there. `unresolved` are
    masks under which there are meters that the scan could not tell apart.
    """

    found: int = 0
    selects: int = 0
    empties: int = 0
    collisions: int = 0
    unresolved: list[SecondaryMask] = field(default_factory=list)
    duration_ns: int = 0
    slowest_answer_ns: int = 0
    """A meter that needs longer than this to answer cannot have been seen (`C-74`)."""


def address_of(telegram: Telegram | None) -> SecondaryAddress | None:
    """The secondary address in a telegram's header; None where it carries none."""
    return telegram.header.address if telegram is not None and telegram.header is not None else None


@dataclass(frozen=True, slots=True)
class _Probe:
    outcome: Outcome
    found: Found | None = None


class SecondaryScan:
    """One secondary search over one link."""

    def __init__(self, rt: Runtime, link: Link, plan: ScanPlan, reset_mode: ResetMode) -> None:
        self._rt = rt
        self._link = link
        self._plan = plan
        self._reset_mode = reset_mode
        if plan.timing is SearchTiming.ADAPTIVE:
            # An empty mask is asked once; what has shown itself is asked twice before it is lost.
            self._probe_tries, self._tries = 1, ADAPTIVE_TRIES
            self._wait_ns = min(link.settings.first_byte_ns, link.answer_window_ns)
        else:
            self._probe_tries = self._tries = link.settings.tries
            self._wait_ns = link.settings.first_byte_ns

    async def run(self, on_found: Callable[[Found], Awaitable[bool]]) -> ScanReport:
        """Search the whole space below the plan's mask; raises only `LineError`."""
        started = self._rt.now()
        if self._plan.readout.wakeup:
            await wake_up(self._link)
        for step in SCAN_STEPS[self._reset_mode]:
            await send_step(self._link, step, ADDRESS_SELECTED)
        search = DigitTreeSearch(self._plan.mask, self._plan.direction)
        report = ScanReport(slowest_answer_ns=self._wait_ns)
        seen: set[SecondaryAddress] = set()
        while (mask := search.next_mask()) is not None:
            probe = await self._probe(mask)
            search.outcome(mask, probe.outcome)
            if probe.found is not None and probe.found.address not in seen:
                seen.add(probe.found.address)
                report.found += 1
                if not await on_found(probe.found):
                    break
            self._tell(search, mask, probe, report.found)
        statistics = search.statistics
        report.selects, report.empties = statistics.selects, statistics.empties
        report.collisions, report.unresolved = statistics.collisions, search.unresolved
        for mask in search.unresolved:
            self._tell_unresolved(mask)
        report.duration_ns = self._rt.now() - started
        return report

    def _tell_unresolved(self, mask: SecondaryMask) -> None:
        number = mask.identification_number
        guess = "a digit that is none of 0 to 9" if WILDCARD in number else "one number shared"
        self._rt.log("scan.unresolved", mask=mask.to_bytes().hex(), number=number, guess=guess)

    def _tell(self, search: DigitTreeSearch, mask: SecondaryMask, probe: _Probe, n: int) -> None:
        self._rt.log(
            "scan.probe",
            mask=mask.to_bytes().hex(),
            number=mask.identification_number,
            outcome=probe.outcome.value,
            share=round(search.share_done, 8),
            found=n,
        )

    async def _probe(self, mask: SecondaryMask) -> _Probe:
        answer = await self._select(mask)
        if answer.kind is AnswerKind.SILENCE:
            return _Probe(Outcome.EMPTY)
        window_end = answer.request_end_ns + self._link.answer_window_ns
        if answer.kind is not AnswerKind.ACK or await self._link.listen(window_end):
            await self._link.settle(window_end)
            return _Probe(Outcome.COLLISION)
        return await self._identify(mask)

    async def _select(self, mask: SecondaryMask) -> Answer:
        """Ask once more where noise may have eaten request or answer, or been taken for one."""
        self._link.take_noise()
        answer = await self._link.probe(mask, tries=self._probe_tries, first_byte_ns=self._wait_ns)
        if answer.kind is not AnswerKind.ACK and self._link.take_noise():
            await self._link.settle()
            answer = await self._link.probe(mask, tries=1, first_byte_ns=self._wait_ns)
        return answer

    async def _identify(self, mask: SecondaryMask) -> _Probe:
        target = Target(Addressing.SECONDARY, 0, mask)
        answer = await self._request()
        decoded, reason = judge_data(answer, target)
        address = address_of(decoded)
        if decoded is None or address is None:
            self._rt.log("scan.garbled", mask=mask.to_bytes().hex(), reason=reason)
            await self._link.settle(answer.request_end_ns + self._link.longest_answer_ns())
            return _Probe(Outcome.COLLISION)
        selectable = await self._selects(address.to_mask())
        if not selectable and not await self._same_again(mask, address):
            return _Probe(Outcome.COLLISION)
        primary_address = answer.frame.a_field if answer.frame is not None else 0
        found = Found(address, primary_address, Addressing.SECONDARY, decoded, selectable)
        return _Probe(Outcome.SINGLE, found)

    async def _request(self) -> Answer:
        """A single meter may miss the request; two that cancel each other stay silent again."""
        for _ in range(self._tries):
            answer = await self._link.request(
                ADDRESS_SELECTED, tries=1, first_byte_ns=self._wait_ns
            )
            if answer.kind is not AnswerKind.SILENCE:
                break
        return answer

    async def _selects(self, mask: SecondaryMask) -> bool:
        answer = await self._link.select(mask, tries=self._tries, first_byte_ns=self._wait_ns)
        return answer.kind is AnswerKind.ACK

    async def _same_again(self, mask: SecondaryMask, address: SecondaryAddress) -> bool:
        """Read again under the same mask: a phantom made by a collision does not come twice."""
        if not await self._selects(mask):
            return False
        decoded, _ = judge_data(await self._request(), Target(Addressing.SECONDARY, 0, mask))
        return address_of(decoded) == address


class PrimaryScan:
    """A walk over the primary addresses (`SCAN-01`, `SCAN-02`, `C-60`)."""

    def __init__(self, rt: Runtime, link: Link, plan: ScanPlan, reset_mode: ResetMode) -> None:
        self._rt = rt
        self._link = link
        self._plan = plan
        self._reset_mode = reset_mode

    async def run(self, on_found: Callable[[Found], Awaitable[bool]]) -> ScanReport:
        """Ask every address from start to final; raises only `LineError`."""
        started = self._rt.now()
        if self._plan.readout.wakeup:
            await wake_up(self._link)
        for step in SCAN_STEPS[self._reset_mode]:
            if step is not Step.NKE_FF:
                await send_step(self._link, step, ADDRESS_SELECTED)
        report = ScanReport(slowest_answer_ns=self._link.settings.first_byte_ns)
        for a_field in range(self._plan.primary_start, self._plan.primary_final + 1):
            report.selects += 1
            found = await self._probe(a_field)
            if found is None:
                report.empties += 1
                continue
            report.found += 1
            if not await on_found(found):
                break
        report.duration_ns = self._rt.now() - started
        return report

    async def _probe(self, a_field: int) -> Found | None:
        if not await self._anybody(a_field):
            return None
        target = Target(Addressing.PRIMARY, a_field, None)
        readout = await read_meter(self._link, self._plan.readout, target)
        first = readout.pages[0] if readout.pages else None
        address = address_of(first)
        if first is None or address is None:
            self._rt.log("scan.garbled", address=a_field, reason=readout.failure)
            return None
        return Found(address, a_field, Addressing.PRIMARY, first, readout=readout)

    async def _anybody(self, a_field: int) -> bool:
        """SND_NKE and REQ_UD2 in turn, until anything at all is heard."""
        for number in range(self._link.settings.tries):
            if number % 2 == 0 and self._reset_mode is not ResetMode.NONE:
                answer = await self._link.reset(a_field)
            else:
                answer = await self._link.request(a_field, tries=1)
            if answer.kind is AnswerKind.BROKEN:
                await self._link.settle()
            if answer.kind is not AnswerKind.SILENCE:
                return True
        return False
