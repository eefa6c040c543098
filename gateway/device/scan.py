"""The search for meters: the conversation around the pure search (`SCAN-01` to `SCAN-06`).

A probe is a selection; after one clean E5 the data is requested, and whoever acknowledges or
answers besides is noticed within the whole answer window. What is garbled on the way counts as
several meters, so narrower masks are asked. On a noisy bus neither silence nor garbage is believed
at once. A meter counts as found when a whole, correct telegram came. Where it came with late bytes,
where the port cannot tell parity, and where the meter does not answer to the address in its header,
the same header must come once more under the same mask; who is not selected by it is marked.

Which mask is next, `gateway.mbus.searching` decides: a fixed order of digits under LITERAL timing,
an adaptive one under ADAPTIVE.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from gateway.device.link import ADDRESS_SELECTED, STRAY_CHARACTERS_MAX, AnswerKind
from gateway.device.readout import (
    Readout,
    ReadoutPlan,
    Target,
    judge_data,
    selection_mask,
    send_step,
    wake_up,
)
from gateway.device.select_mask import SelectMaskTrial, parts_of
from gateway.device.sequences import SCAN_STEPS, Addressing, ResetMode
from gateway.device.talker import CONTROLS, NOBODY, Talker
from gateway.mbus.address import SecondaryAddress, SecondaryMask
from gateway.mbus.search import WILDCARD, Direction, Outcome
from gateway.mbus.searching import coordinates
from gateway.mbus.searching.adaptive import AdaptiveSearch
from gateway.mbus.searching.thorough import SWEEP_MASKS_MAX, ThoroughSearch
from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.device.link import Answer, Link, LinkSettings
    from gateway.mbus.telegram import Telegram
    from gateway.runtime.port import Runtime


#: The root of a search over everything (MBDOC48 p.64).
EVERYBODY: Final = SecondaryMask.ANY
#: A probe speaks to whoever is selected; whom the header names is judged afterwards.
ANYBODY: Final = Target(Addressing.SECONDARY, 0, None)
#: Sends of what must be answered, where MBUS_SEARCHTIMING leaves the number to us (`C-74`).
ADAPTIVE_TRIES: Final = 2
#: Share of clean E5 behind which a second one came: what is assumed at first, how fast it follows
#: what happens, and below which share listening costs more than a collision of two telegrams.
COMPANY_AT_FIRST: Final = 0.12
COMPANY_MEMORY: Final = 0.1
COMPANY_SELDOM: Final = 0.10
#: Acknowledgements that all begin within so many bits of each other may be those of meters that
#: answer in phase: one may hide behind another.
IN_PHASE_BITS: Final = 8
#: The same garbage under so many masks that lie one inside the other may be one meter whose answers
#: begin with a stray character.
SAME_GARBAGE: Final = 3
#: The access number is one byte (MBDOC48 p.34).
_ACCESS_NUMBERS: Final = 256


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
    hexadecimal: bool = False
    """Whether digits A to E are looked for without any sign of them."""
    primary_start: int = 0
    primary_final: int = 250
    sweep_ns: int = 0
    """Bus time (ns) after which no values are asked that nothing points to; 0 = without limit."""
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
    mask: SecondaryMask | None = None
    """What it was selected by, where its own header names another place; otherwise None."""
    stray: bool = False
    """Whether its answers begin with a character that belongs to no telegram."""
    select_mask: int | None = None
    """The MBUS_SELECTMASK that reads it, for one that is not `selectable`; None where none does."""


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
    not_looked_for: list[str] = field(default_factory=list)
    """What a scan by this plan cannot have seen, in words."""
    reasons: dict[SecondaryMask, str] = field(default_factory=dict)
    """Why each of `unresolved` stays so: what was heard there last."""
    select_mask: int = 0
    """The MBUS_SELECTMASK that reads every meter of `Found.select_mask`; 0 where none needs any."""
    select_mask_conflicts: list[SecondaryAddress] = field(default_factory=list)
    """Meters that are not to be read alone once `select_mask` is set."""
    retries: int = 0
    """Selections and requests sent again, for noise, silence or doubt."""
    duration_ns: int = 0
    slowest_answer_ns: int = 0
    """A meter that needs longer than this to answer cannot have been seen (`C-74`)."""
    message: str = ""
    """How the page ends the scan where its list is too long to be shown (`MET-17`)."""


def address_of(telegram: Telegram | None) -> SecondaryAddress | None:
    """The secondary address in a telegram's header; None where it carries none."""
    return telegram.header.address if telegram is not None and telegram.header is not None else None


@dataclass(frozen=True, slots=True)
class _Probe:
    outcome: Outcome
    found: Found | None = None
    why: str = ""
    """What was heard, where it is no meter."""


class SecondaryScan:
    """One secondary search over one link.

    `known` are the meters of the list; an adaptive search asks for them first.
    """

    def __init__(
        self,
        rt: Runtime,
        link: Link,
        plan: ScanPlan,
        reset_mode: ResetMode,
        known: Sequence[SecondaryAddress] = (),
    ) -> None:
        self._rt = rt
        self._link = link
        self._plan = plan
        self._reset_mode = reset_mode
        self._search: ThoroughSearch
        if plan.timing is SearchTiming.ADAPTIVE:
            # An empty mask is asked once; what has shown itself is asked twice before it is lost.
            self._probe_tries, self._tries = 1, ADAPTIVE_TRIES
            self._wait_ns = min(link.settings.first_byte_ns, link.answer_window_ns)
            self._search = AdaptiveSearch(plan.mask, known=known, hexadecimal=plan.hexadecimal)
        else:
            self._probe_tries = self._tries = link.settings.tries
            self._wait_ns = link.settings.first_byte_ns
            self._search = ThoroughSearch(plan.mask, plan.direction, hexadecimal=plan.hexadecimal)
        # Who may answer late may also be the second to answer.
        self._window_ns = max(self._wait_ns, link.answer_window_ns)
        self._longest_ns = self._window_ns + link.longest_answer_ns() - link.answer_window_ns
        self._in_phase_ns = link.bits_ns(IN_PHASE_BITS)
        self._report = ScanReport(slowest_answer_ns=self._wait_ns)
        self._acks = 0
        self._slowest_ack_ns = 0
        self._company = COMPANY_AT_FIRST
        self._types: dict[tuple[int, int, int], bool] = {}
        self._searches: list[ThoroughSearch] = [self._search]
        self._asked_by = self._search
        self._seen: set[tuple[SecondaryAddress, SecondaryMask | None]] = set()
        self._listed: list[Found] = []
        self._first_acks: list[tuple[SecondaryMask, Found]] = []
        #: The shortest and the longest time to an acknowledgement; and how many there were.
        self._ack_range = (0, 0)
        self._acks_timed = 0
        self._talker = Talker()
        #: Where which garbage was heard, by its first character; and which is that of a meter.
        self._garbage: dict[bytes, list[SecondaryMask]] = {}
        self._strays: set[bytes] = set()
        #: Characters that may stand before the answers of the meter that is being spoken to.
        self._stray_max = 0
        self._heard: dict[SecondaryMask, str] = {}

    async def run(self, on_found: Callable[[Found], Awaitable[bool]]) -> ScanReport:
        """Search the whole space below the plan's mask; raises only `LineError`."""
        started = self._rt.now()
        if self._plan.readout.wakeup:
            await wake_up(self._link)
        for step in SCAN_STEPS[self._reset_mode]:
            await send_step(self._link, step, ADDRESS_SELECTED)
        if await self._walk(self._search, on_found, started):
            await self._look_behind(on_found, started)
        await self._name_select_mask()
        self._conclude()
        self._report.duration_ns = self._rt.now() - started
        return self._report

    async def _walk(
        self,
        search: ThoroughSearch,
        on_found: Callable[[Found], Awaitable[bool]],
        started: int,
    ) -> bool:
        """Ask the masks of `search` to the end; False when `on_found` wants no more."""
        report = self._report
        self._asked_by = search
        while (mask := search.next_mask()) is not None:
            probe = await self._probe(mask)
            found = probe.found
            self._heard[mask] = probe.why
            if self._plan.sweep_ns and self._rt.now() - started >= self._plan.sweep_ns:
                search.stop_sweeping()
            search.outcome(mask, probe.outcome, found.address if found is not None else None)
            if found is not None and found.selectable and mask != found.address.to_mask():
                self._first_acks.append((mask, found))
            if found is not None and (found.address, found.mask) not in self._seen:
                self._seen.add((found.address, found.mask))
                self._listed.append(found)
                report.found += 1
                if not await on_found(found):
                    return False
            self._tell(mask, probe, self._rt.now() - started)
            await self._watch_for_talkers(probe)
            if self._talker.end and search.next_mask() is not None:
                search.stop()
                self._heard[search.root] = self._talker.end
                return False
        return True

    async def _watch_for_talkers(self, probe: _Probe) -> None:
        """After many collisions without a meter, ask for nobody: who answers that?"""
        if probe.found is not None:
            self._talker.found()
        if probe.outcome is not Outcome.COLLISION or not self._talker.collided():
            return
        answers = 0
        for number in range(CONTROLS):
            answer = await self._link.probe(NOBODY, tries=1, first_byte_ns=self._wait_ns)
            if answer.kind is not AnswerKind.SILENCE:
                answers += 1
                await self._link.settle(answer.request_end_ns + self._window_ns)
            elif number == 0:
                return
        self._talker.heard(answers)
        self._rt.log("scan.talker", answers=answers, of=CONTROLS, tries=self._talker.tries)

    async def _name_select_mask(self) -> None:
        """One value for all that need one, and whom it does not suit (manual 8.3).

        MBUS_SELECTMASK counts for the whole list: a value that makes two meters of one number the
        same reads neither of them.
        """
        report = self._report
        for found in self._listed:
            report.select_mask |= found.select_mask or 0
        if not report.select_mask:
            return
        everybody = [selection_mask(one.address, report.select_mask) for one in self._listed]
        for found, mask in zip(self._listed, everybody, strict=True):
            suits = everybody.count(mask) == 1
            if suits and found.select_mask not in (None, report.select_mask):
                self._stray_max = STRAY_CHARACTERS_MAX if found.stray else 0
                suits = await self._trial().reads(found.address, report.select_mask)
                self._stray_max = 0
            if not suits:
                report.select_mask_conflicts.append(found.address)
        self._rt.log(
            "scan.select_mask",
            value=report.select_mask,
            parts=parts_of(report.select_mask),
            conflicts=len(report.select_mask_conflicts),
        )

    def _conclude(self) -> None:
        search, report = self._search, self._report
        for one in self._searches:
            report.selects += one.statistics.selects
            report.empties += one.statistics.empties
            report.collisions += one.statistics.collisions
            report.unresolved += one.unresolved
        report.not_looked_for = [
            "numbers with a digit F",
            "meters without secondary addresses, or that take no wildcards",
            f"meters that answer later than {self._wait_ns / 1e6:.0f} ms after the request",
        ]
        if self._plan.timing is SearchTiming.ADAPTIVE:
            report.not_looked_for += [
                "meters that miss the first request of two",
                "meters that are selected with C field 73 only",
            ]
        if not search.hexadecimal:
            report.not_looked_for.append("numbers with digits A to E, since nothing hinted at any")
        report.not_looked_for += [
            f"a further meter under {mask}, which at least two share" for mask in search.unsearched
        ]
        for mask in report.unresolved:
            report.reasons[mask] = self._heard.get(mask, "")
            self._tell_unresolved(mask)
        if report.unresolved and any(one.is_cut for one in self._searches):
            report.not_looked_for.append(
                "every medium, manufacturer and version of meters that were not told apart: "
                f"a scan asks for at most {SWEEP_MASKS_MAX} of them, and no longer than "
                "a third of WATCHDOG_SCAN"
            )
        for text in report.not_looked_for:
            self._rt.log("scan.not_looked_for", text=text)

    def _tell_unresolved(self, mask: SecondaryMask) -> None:
        number = mask.identification_number
        guess = "one number shared, or one meter that answers garbled"
        if WILDCARD in number:
            guess = "a digit that is none of 0 to E, or garbage"
        heard = self._report.reasons[mask]
        self._rt.log(
            "scan.unresolved", mask=mask.to_bytes().hex(), number=number, guess=guess, heard=heard
        )

    def _tell(self, mask: SecondaryMask, probe: _Probe, bus_ns: int) -> None:
        search = self._search
        expected = search.expected
        statistics = [one.statistics for one in self._searches]
        self._rt.log(
            "scan.probe",
            mask=mask.to_bytes().hex(),
            number=mask.identification_number,
            outcome=probe.outcome.value,
            share=round(search.share_done, 8),
            found=self._report.found,
            expected=None if expected is None else round(expected, 1),
            seconds=round(bus_ns / NS_PER_S, 3),
            selects=sum(one.selects for one in statistics),
            collisions=sum(one.collisions for one in statistics),
            empties=sum(one.empties for one in statistics),
            retries=self._report.retries,
        )

    # --- One mask -----------------------------------------------------------------------------

    async def _probe(self, mask: SecondaryMask) -> _Probe:
        """Ask for a mask; more than once where somebody talks in between."""
        for number in range(self._talker.tries):
            self._report.retries += number > 0
            probe = await self._probe_once(mask)
            if probe.outcome is not Outcome.COLLISION:
                break
        return probe

    async def _probe_once(self, mask: SecondaryMask) -> _Probe:
        answer = await self._select(mask)
        if answer.kind is AnswerKind.SILENCE:
            return _Probe(Outcome.EMPTY)
        window_end = answer.request_end_ns + self._window_ns
        if answer.kind is AnswerKind.BROKEN and self._may_be_stray(mask, answer):
            await self._link.settle(window_end)
            return await self._behind_stray(mask, answer.data[:1])
        if answer.kind is not AnswerKind.ACK or await self._late(answer, window_end):
            await self._link.settle(window_end)
            why = answer.reason or "more than one answer to the selection"
            return _Probe(Outcome.COLLISION, why=why)
        return await self._identify(mask)

    # --- A stray character before every answer ------------------------------------------------

    def _may_be_stray(self, mask: SecondaryMask, answer: Answer) -> bool:
        """Whether this garbage was heard before, wherever the same meter was meant.

        Several meters that fall over each other rarely sound the same again when some of them are
        left out; one whose answers begin with a character too many does.
        """
        if answer.verified is False:
            return False
        first = answer.data[:1]
        where = self._garbage.setdefault(first, [])
        where.append(mask)
        around = sum(coordinates.covers(one, mask) for one in where)
        # Where no digit is left to be fixed it may show for the first time.
        is_last = not coordinates.wild_digits(mask)
        return is_last or first in self._strays or around >= SAME_GARBAGE

    async def _behind_stray(self, mask: SecondaryMask, first: bytes) -> _Probe:
        """Ask once more, and pass over what stands before the acknowledgement and the data.

        Everything else must hold as for any other meter, and come twice.
        """
        self._report.retries += 1
        answer = await self._link.probe(
            mask, tries=1, first_byte_ns=self._wait_ns, stray_max=STRAY_CHARACTERS_MAX
        )
        window_end = answer.request_end_ns + self._window_ns
        is_one = answer.kind is AnswerKind.ACK and answer.stray > 0
        if not is_one or await self._link.listen(window_end):
            await self._link.settle(window_end)
            return _Probe(Outcome.COLLISION, why=answer.reason or "garbage")
        self._stray_max = STRAY_CHARACTERS_MAX
        probe = await self._identify(mask)
        self._stray_max = 0
        if probe.found is not None:
            self._strays.add(first)
        return probe

    async def _late(self, ack: Answer, window_end: int) -> bool:
        """Whether a second meter acknowledges behind the first.

        Behind most ports the answer window has to be heard out. A line that tells the faults of
        characters is heard all the time, also while we send: there the request may follow once
        everybody of the kind heard so far would have answered, and who acknowledges later than
        that is noticed in or behind the request.
        """
        begin = ack.request_end_ns
        delay_ns = self._rt.now() - begin
        until = window_end
        if ack.verified is not None and self._plan.timing is SearchTiming.ADAPTIVE:
            # Of n delays the largest is short of the true limit by about its n-th part.
            usual_ns = self._slowest_ack_ns + self._slowest_ack_ns // max(1, self._acks)
            if not self._slowest_ack_ns:
                # Nothing is known of the others yet: half of the time that they have left.
                usual_ns = (delay_ns + self._window_ns) // 2
            elif self._company < COMPANY_SELDOM:
                usual_ns = 0
            until = min(window_end, begin + max(usual_ns, delay_ns + self._link.idle_ns))
        late = bool(await self._link.listen(until))
        if late:
            delay_ns = self._rt.now() - begin - self._link.idle_ns
        self._acks += 1
        self._time_ack(delay_ns)
        self._slowest_ack_ns = max(self._slowest_ack_ns, delay_ns)
        self._note_company(late=late)
        return late

    def _note_company(self, *, late: bool) -> None:
        """Follow how often somebody acknowledges behind a clean E5."""
        self._company += COMPANY_MEMORY * (late - self._company)

    async def _select(self, mask: SecondaryMask) -> Answer:
        """Ask once more where noise may have eaten request or answer, or been taken for one."""
        self._link.take_noise()
        answer = await self._link.probe(mask, tries=self._probe_tries, first_byte_ns=self._wait_ns)
        if answer.kind is not AnswerKind.ACK and self._link.take_noise():
            self._report.retries += 1
            await self._link.settle()
            answer = await self._link.probe(mask, tries=1, first_byte_ns=self._wait_ns)
        return answer

    async def _identify(self, mask: SecondaryMask) -> _Probe:
        self._link.take_noise()
        answer = await self._request()
        decoded, reason = judge_data(answer, ANYBODY)
        address = address_of(decoded)
        if decoded is None or address is None or answer.frame is None:
            return await self._without_address(mask, answer, reason or "no address in the header")
        # A short telegram may be over before the answer window is: somebody else may follow.
        window_end = answer.request_end_ns + self._window_ns
        if window_end > self._rt.now() and await self._link.listen(window_end):
            await self._fade(answer)
            disturbed = True
        else:
            disturbed = self._link.take_noise()
        declared = mask.contains(address)
        selectable = declared and await self._is_selected_by(address)
        if declared and not selectable and await self._may_be_made_of_two(mask, address):
            return _Probe(Outcome.COLLISION, why="an address that nobody is selected by")
        # Who answers every second request only may have missed the selection.
        literal = self._plan.timing is SearchTiming.LITERAL and mask != address.to_mask()
        doubtful = disturbed or answer.verified is None or not selectable or literal
        if (doubtful or self._stray_max) and not await self._same_again(mask, address):
            return _Probe(Outcome.COLLISION, why="not the same answer twice")
        found = Found(
            address,
            answer.frame.a_field,
            Addressing.SECONDARY,
            decoded,
            selectable,
            mask=None if declared else mask,
            stray=self._stray_max > 0,
            select_mask=None if selectable else await self._trial().find(address),
        )
        return _Probe(Outcome.SINGLE, found)

    def _trial(self) -> SelectMaskTrial:
        waits = (self._wait_ns, self._window_ns, self._longest_ns)
        return SelectMaskTrial(self._link, self._probe_tries, *waits, self._stray_max)

    async def _without_address(self, mask: SecondaryMask, answer: Answer, why: str) -> _Probe:
        """An acknowledgement, and then nothing that says who it is from."""
        self._rt.log("scan.garbled", mask=mask.to_bytes().hex(), reason=why)
        self._note_company(late=True)
        await self._fade(answer)
        if answer.kind is AnswerKind.FRAME and not coordinates.wild_digits(mask):
            # A right telegram is that of one meter: who it is, no mask tells better.
            self._asked_by.give_up(mask)
        return _Probe(Outcome.COLLISION, why=f"no data: {why}")

    async def _is_selected_by(self, address: SecondaryAddress) -> bool:
        """Whether a meter acknowledges the address in its own header (worked examples 10).

        A header that is wrong comes with the firmware, so in ADAPTIVE timing one meter of each
        type (manufacturer, version, medium) is enough, as long as that one was right.
        """
        kind = (address.manufacturer, address.version, address.medium)
        adaptive = self._plan.timing is SearchTiming.ADAPTIVE
        if adaptive and self._types.get(kind) and not self._is_in_phase:
            return True
        selected = await self._selects(address.to_mask())
        self._types[kind] = selected and self._types.get(kind, True)
        return selected

    async def _request(self) -> Answer:
        """A single meter may miss the request; two that cancel each other stay silent again."""
        for _ in range(self._tries):
            answer = await self._link.request(
                ADDRESS_SELECTED,
                tries=1,
                first_byte_ns=self._wait_ns,
                stray_max=self._stray_max,
            )
            if answer.kind is not AnswerKind.SILENCE:
                break
            self._report.retries += 1
        return answer

    async def _selects(self, mask: SecondaryMask) -> bool:
        answer = await self._select_one(mask)
        selected = answer.kind is AnswerKind.ACK
        if selected:
            self._time_ack(self._rt.now() - answer.request_end_ns)
        return selected

    async def _select_one(self, mask: SecondaryMask) -> Answer:
        return await self._link.select(
            mask, tries=self._tries, first_byte_ns=self._wait_ns, stray_max=self._stray_max
        )

    async def _fade(self, answer: Answer) -> None:
        """Wait until everybody who was asked for data has finished."""
        asked = answer.request_end_ns
        await self._link.fade(asked + self._window_ns, asked + self._longest_ns)

    async def _same_again(self, mask: SecondaryMask, address: SecondaryAddress) -> bool:
        """Read again under the same mask: a phantom made by a collision does not come twice.

        Under LITERAL timing whatever is no clean E5 is another meter, at once.
        """
        self._report.retries += 1
        literal = self._plan.timing is SearchTiming.LITERAL
        ask = self._link.probe if literal else self._link.select
        answer = await ask(
            mask, tries=self._tries, first_byte_ns=self._wait_ns, stray_max=self._stray_max
        )
        window_end = answer.request_end_ns + self._window_ns
        if answer.kind is not AnswerKind.ACK or await self._link.listen(window_end):
            await self._link.settle(window_end)
            return False
        answer = await self._request()
        decoded, _ = judge_data(answer, ANYBODY)
        if answer.kind is AnswerKind.BROKEN:
            await self._fade(answer)
        return address_of(decoded) == address

    # --- Meters that answer in phase ----------------------------------------------------------

    def _time_ack(self, delay_ns: int) -> None:
        shortest, longest = self._ack_range if self._acks_timed else (delay_ns, delay_ns)
        self._ack_range = (min(shortest, delay_ns), max(longest, delay_ns))
        self._acks_timed += 1

    @property
    def _is_in_phase(self) -> bool:
        """Whether everybody acknowledges after the same time, so that two may sound like one."""
        return self._acks_timed > 1 and not self._is_spread

    @property
    def _is_spread(self) -> bool:
        """Whether acknowledgements are known to come after different times."""
        shortest, longest = self._ack_range
        return longest - shortest > self._in_phase_ns

    async def _may_be_made_of_two(self, mask: SecondaryMask, address: SecondaryAddress) -> bool:
        """Whether a header that nobody is selected by may be the AND of two in phase.

        Then nobody has that number. A meter whose header is wrong in another part has.
        """
        if self._is_spread or WILDCARD not in mask.identification_number:
            return False
        return not await self._selects(SecondaryMask(address.identification_number))

    async def _look_behind(
        self, on_found: Callable[[Found], Awaitable[bool]], started: int
    ) -> None:
        """Where everybody answers in phase, look for meters that hide behind those found.

        Of two telegrams that overlap in phase a master reads the AND, which may be one of the two:
        parity and checksum right, and selected by its own address. Each answer counts in the
        access number, so a meter that is read alone differs from the others in that from then on.
        """
        while self._first_acks and self._is_in_phase:
            mask, found = self._first_acks.pop(0)
            self._stray_max = STRAY_CHARACTERS_MAX if found.stray else 0
            is_alone = await self._is_alone(mask, found)
            self._stray_max = 0
            if is_alone:
                continue
            self._rt.log("scan.hidden", mask=mask.to_bytes().hex(), behind=str(found.address))
            hidden = ThoroughSearch(mask, self._plan.direction, hexadecimal=self._plan.hexadecimal)
            self._searches.append(hidden)
            hidden.next_mask()
            hidden.outcome(mask, Outcome.COLLISION)
            if not await self._walk(hidden, on_found, started):
                return

    async def _is_alone(self, mask: SecondaryMask, found: Found) -> bool:
        """Read the meter by its own address, then under `mask`: is it still nobody but him?"""
        self._report.retries += 1
        alone = await self._read(found.address.to_mask())
        first, own = _access_number(found.telegram), _access_number(alone)
        if own is None or own == first:
            # It cannot be read alone, or does not count its answers: nothing to be told by.
            return True
        again = await self._read(mask)
        counted = _access_number(again) == (own + 1) % _ACCESS_NUMBERS
        return counted and address_of(again) == found.address

    async def _read(self, mask: SecondaryMask) -> Telegram | None:
        answer = await self._select_one(mask)
        if answer.kind is not AnswerKind.ACK:
            return None
        answer = await self._request()
        decoded, _ = judge_data(answer, ANYBODY)
        if answer.kind is AnswerKind.BROKEN:
            await self._fade(answer)
        return decoded


def _access_number(telegram: Telegram | None) -> int | None:
    """How many answers a meter has given, modulo 256, as far as its telegram says so."""
    return telegram.header.access_number if telegram is not None and telegram.header else None


def silence_ns(plan: ScanPlan, settings: LinkSettings) -> int:
    """What a scan costs where nobody answers at all (`C-60`, worked examples 11).

    A primary scan waits for every address and every try; a secondary one asks everybody first, and
    an empty bus answers that with one silence.
    """
    masks = plan.primary_final - plan.primary_start + 1 if plan.primary else 1
    return max(0, masks) * settings.tries * settings.first_byte_ns
