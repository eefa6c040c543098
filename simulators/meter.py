"""One simulated meter: the state machine of a slave on the wired M-Bus, and the truth about it.

A meter is an object with an answer, not a process: nothing happens between two requests. What it
remembers is little (a frame count bit and a page per link, its access number), what it says is a
function of time, and what it said last is kept as the reading that a correct gateway publishes.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, unique
from typing import TYPE_CHECKING, Final, NamedTuple

from simulators import frames
from simulators.frames import ACK, CiField, Function, Request
from simulators.profile import MORE_RECORDS_FOLLOW, CompiledRecord, ExpectedReading, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Read-outs that a meter remembers; a checker compares with the last ones.
READ_OUTS_MAX: Final = 1000

#: DIB and VIB of the record with which a master sets the primary address (MBDOC48 p.46).
_SET_PRIMARY_ADDRESS: Final = b"\x01\x7a"

#: CI fields that set the baud rate (MBDOC48 p.31). A meter of this simulator keeps its rate and
#: does not acknowledge what it does not do.
_SET_BAUDRATE: Final = range(0xB8, 0xC0)


@unique
class FcbRule(Enum):
    """How a meter takes the frame count bit of REQ_UD2.

    By the book a meter remembers the bit for each link (MBDOC48 p.27-30, 64). One with a single
    telegram may ignore it, and real ones do: repeating an old telegram would make them look stuck.
    """

    BY_THE_BOOK = "by the book"
    IGNORED = "ignored"


class Identity(NamedTuple):
    """The secondary address: eight hexadecimal digits, three letters, version, medium."""

    identification_number: str
    manufacturer: str
    version: int
    medium: int

    def to_bytes(self) -> bytes:
        """The eight characters as they stand in a selection (MBDOC48 p.63-64) and in a header."""
        return (
            frames.identification_bytes(self.identification_number)
            + frames.manufacturer_code(self.manufacturer).to_bytes(2, "little")
            + bytes((self.version, self.medium))
        )


@dataclass(slots=True)
class Link:
    """What a meter remembers about one address under which it is spoken to.

    Own primary address and 253 have a link each; the two directions have a frame count bit each
    (MBDOC48 p.64). `page` is the telegram that comes next, `telegram` the one sent last. A cleared
    bit counts as "repeat" only where there is something to repeat: a first SND_UD with FCB 0, as
    many masters send it, is acted upon (`fcb_snd_ud` is None until one came).
    """

    fcb_req_ud2: bool = False
    fcb_snd_ud: bool | None = None
    page: int = 0
    telegram: bytes | None = None

    def reset(self) -> None:
        """Forget everything, as after SND_NKE or a valid selection."""
        self.fcb_req_ud2, self.fcb_snd_ud = False, None
        self.page = 0
        self.telegram = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a meter, from the start of the run on.

    `header` replaces parts of the identity in the header of RSP_UD only: the meter is still
    selected by its true address. Realistic: firmware updates leave old version bytes behind.
    `silent_pages` are telegrams (from 1) that are not answered so many times.
    """

    header: dict[str, str | int] = field(default_factory=dict)
    silent_pages: dict[int, int] = field(default_factory=dict)


class ReadOut:
    """One complete read-out: when its last telegram had been sent, and what was in all of them."""

    __slots__ = ("_pages", "_readings", "at_ns")

    def __init__(self, at_ns: int, pages: list[tuple[Page, int]]) -> None:
        self.at_ns = at_ns
        self._pages = pages
        self._readings: list[ExpectedReading] | None = None

    @property
    def readings(self) -> list[ExpectedReading]:
        """The readings in the order of the data records, hidden ones left out (C-58)."""
        if self._readings is None:
            times = self._times()
            self._readings = [
                reading
                for page, ns in self._pages
                for record in page.records
                if (reading := record.reading(ns, times.get(record.record.timestamp_from)))
            ]
        return self._readings

    def _times(self) -> dict[str | None, int]:
        """The moment that each record with an id says, if it says one."""
        return {
            record.record.id: record.unix_time(ns)
            for page, ns in self._pages
            for record in page.records
            if record.record.id is not None and record.record.coding in {"date_f", "date_g"}
        }


@dataclass(frozen=True, slots=True)
class Page:
    """The data records of one telegram; `more` says that another one follows."""

    records: tuple[CompiledRecord, ...]
    more: bool

    def to_bytes(self, ns: int) -> bytes:
        """The records as sent at `ns`."""
        body = b"".join(record.encode(ns) for record in self.records)
        return body + MORE_RECORDS_FOLLOW if self.more else body


class Answer(NamedTuple):
    """What a meter says to a request, and which read-out is complete once it has said so."""

    data: bytes
    pages: list[tuple[Page, int]] | None = None


@dataclass(slots=True)
class Settings:
    """What makes a meter the one it is; made by a population, never changed by a run."""

    identity: Identity
    primary_address: int
    telegrams: Sequence[Sequence[Record]]
    status: int = 0
    access_number: int | None = None
    answer_delay_bits: tuple[float, float] = (11.0, 60.0)
    fault: Fault = field(default_factory=Fault)


class Meter:
    """A slave: requests in, answers out.

    `key` names the meter for everything drawn by chance (``f"{scenario}/{seed}/meter({id})"``), so
    another meter more or less shifts nothing. `epoch` is what its clock shows at time 0.
    """

    def __init__(self, name: str, settings: Settings, *, key: str, epoch: datetime) -> None:
        self.id = name
        self.settings = settings
        self.primary_address = settings.primary_address
        self.powered = True
        self.read_outs: deque[ReadOut] = deque(maxlen=READ_OUTS_MAX)
        #: Called with True or False when the meter begins or stops answering requests.
        self.on_answering: Callable[[bool], None] | None = None
        #: Called when power or primary address have changed.
        self.on_change: Callable[[], None] | None = None
        #: The virtual time; `Network` sets it.
        self.now: Callable[[], int] = lambda: 0
        self._rng = random.Random(key)
        self._pages = _pages(settings.telegrams, key, epoch)
        self._header = _header(settings)
        self._rule = FcbRule.BY_THE_BOOK if len(self._pages) > 1 else FcbRule.IGNORED
        self._primary = Link()
        self._network = Link()
        self._sent: dict[int, tuple[Page, int]] = {}
        self._silent = dict(settings.fault.silent_pages)
        self._answering = True
        drawn = self._rng.randrange(256)
        self.access_number = drawn if settings.access_number is None else settings.access_number

    # --- Who it is ----------------------------------------------------------------------------

    @property
    def identity(self) -> Identity:
        """The secondary address under which it is selected."""
        return self.settings.identity

    @property
    def identification_number(self) -> str:
        """Eight digits, most significant first."""
        return self.identity.identification_number

    @property
    def manufacturer(self) -> str:
        """Three letters."""
        return self.identity.manufacturer

    @property
    def version(self) -> int:
        """Version (generation), 0 to 255."""
        return self.identity.version

    @property
    def medium(self) -> int:
        """Medium by the table of manual 6.2."""
        return self.identity.medium

    @property
    def answering(self) -> bool:
        """Whether it answers requests: powered, and not kept silent by a fault."""
        return self._answering

    # --- What it said -------------------------------------------------------------------------

    @property
    def expected(self) -> list[ExpectedReading]:
        """The readings of the last completely answered read-out; empty before the first one."""
        history = self.expected_history
        return history[-1].readings if history else []

    @property
    def expected_history(self) -> list[ReadOut]:
        """The read-outs that were completely answered by now, oldest first."""
        now = self.now()
        return [read_out for read_out in self.read_outs if read_out.at_ns <= now]

    def completed(self, at_ns: int, pages: list[tuple[Page, int]]) -> None:
        """Note that the last telegram of a read-out will have left the meter at `at_ns`."""
        self.read_outs.append(ReadOut(at_ns, pages))

    # --- What it does -------------------------------------------------------------------------

    def power(self, on: bool) -> None:
        """Switch the meter on or off; off, it forgets frame count bits and the page reached."""
        self.powered = on
        if not on:
            self._primary.reset()
            self._network.reset()
        self._change()
        self._set_answering(on)

    def silence_page(self, page: int, times: int) -> None:
        """Leave telegram `page` (from 1) unanswered for the next `times` requests."""
        self._silent[page] = times

    def draw_delay(self, bit: int) -> int:
        """How long the meter takes until it answers, evenly drawn, in the units of `bit`."""
        low, high = self.settings.answer_delay_bits
        return self._rng.randint(int(low * bit), int(high * bit))

    def selected(self) -> Answer:
        """A selection has matched: acknowledge, and begin anew under 253 (MBDOC48 p.64)."""
        self._network.reset()
        return Answer(ACK)

    def answer(self, request: Request, now_ns: int) -> Answer | None:
        """Answer a request that is addressed to this meter, or act on it in silence.

        Address 253 is taken as "I am selected"; whether that is so, the network knows. Nobody
        answers 255 (MBDOC48 p.24).
        """
        link = self._network if request.a_field == frames.NETWORK_LAYER else self._primary
        answer = self._act(request, link, now_ns)
        return None if request.a_field == frames.BROADCAST else answer

    def _act(self, request: Request, link: Link, now_ns: int) -> Answer | None:
        """Do what the C field says; an unknown function is ignored."""
        if request.ci_field is None:
            if request.function == Function.SND_NKE:
                link.reset()
                return Answer(ACK)
            if request.function == Function.REQ_UD2:
                return self._rsp_ud(request, link, now_ns)
            # No alarm protocol: the single character says "no alarm" (MBDOC48 p.70).
            return Answer(ACK) if request.function == Function.REQ_UD1 else None
        if request.function == Function.SND_UD and request.ci_field not in _SET_BAUDRATE:
            return self._snd_ud(request, link)
        return None

    def _snd_ud(self, request: Request, link: Link) -> Answer:
        """Take user data; a repeated frame is acknowledged again but not acted upon again.

        The meter acknowledges what it received, even what it does not apply (MBDOC48 p.46-47).
        """
        repeated = request.fcv and request.fcb == link.fcb_snd_ud
        if request.fcv:
            link.fcb_snd_ud = request.fcb
        if not repeated and request.ci_field == CiField.APPLICATION_RESET:
            link.page, link.telegram = 0, None
        elif not repeated and request.ci_field == CiField.DATA_SEND:
            self._set_primary_address(request.data)
        return Answer(ACK)

    def _set_primary_address(self, data: bytes) -> None:
        """Take a new primary address if that is what `data` says and the address is a legal one."""
        if data[:2] == _SET_PRIMARY_ADDRESS and len(data) == 3:
            address = data[2]
            if address <= frames.PRIMARY_ADDRESS_MAX:
                self.primary_address = address
                self._change()

    def _change(self) -> None:
        """Tell that power or primary address have changed."""
        if self.on_change is not None:
            self.on_change()

    def _rsp_ud(self, request: Request, link: Link, now_ns: int) -> Answer | None:
        """The next telegram, or the last one again where the frame count bit asks for it.

        FCV = 0, or a bit that differs from the one remembered, means next (MBDOC48 p.27-30, 64).
        After the last telegram the first one follows.
        """
        by_the_book = self._rule is FcbRule.BY_THE_BOOK
        repeat = by_the_book and request.fcv and request.fcb == link.fcb_req_ud2
        number = link.page
        if repeat and link.telegram is not None:
            number = (link.page - 1) % len(self._pages)
        if self._kept_silent(number + 1):
            return None
        self._set_answering(True)
        if repeat and link.telegram is not None:
            return Answer(link.telegram, self._complete(number))
        if request.fcv:
            link.fcb_req_ud2 = request.fcb
        page = self._pages[number]
        link.telegram = self._telegram(page, now_ns)
        link.page = (number + 1) % len(self._pages)
        self._sent[number] = (page, now_ns)
        return Answer(link.telegram, self._complete(number))

    def _telegram(self, page: Page, now_ns: int) -> bytes:
        """RSP_UD with the 12-character header; the access number goes up (MBDOC48 p.34)."""
        header = self._header + bytes((self.access_number, self.settings.status, 0, 0))
        self.access_number = (self.access_number + 1) & 0xFF
        return frames.long_frame(
            frames.RSP_UD,
            self.primary_address,
            CiField.RSP_UD_VARIABLE,
            header + page.to_bytes(now_ns),
        )

    def _complete(self, number: int) -> list[tuple[Page, int]] | None:
        """All pages with their times if page `number` (from 0) is the last and none is missing."""
        if number + 1 < len(self._pages) or len(self._sent) < len(self._pages):
            return None
        return [self._sent[page] for page in range(len(self._pages))]

    def _kept_silent(self, page: int) -> bool:
        """Whether a fault lets this telegram go unanswered; uses up one of its times."""
        left = self._silent.get(page, 0)
        if left <= 0:
            return False
        self._silent[page] = left - 1
        self._set_answering(False)
        return True

    def _set_answering(self, answering: bool) -> None:
        """Tell when answering begins or ends."""
        if answering != self._answering:
            self._answering = answering
            if self.on_answering is not None:
                self.on_answering(answering)


def _pages(telegrams: Sequence[Sequence[Record]], key: str, epoch: datetime) -> tuple[Page, ...]:
    """The telegrams of one meter, its records numbered through and ready to be sent."""
    pages, index = list[Page](), 0
    for number, records in enumerate(telegrams):
        compiled = tuple(
            CompiledRecord(record, index + n, f"{key}/record({index + n})", epoch)
            for n, record in enumerate(records)
        )
        index += len(compiled)
        pages.append(Page(compiled, more=number + 1 < len(telegrams)))
    return tuple(pages)


def _header(settings: Settings) -> bytes:
    """The identity as RSP_UD shows it, with what a fault makes of it."""
    parts = settings.identity._asdict() | settings.fault.header
    return Identity(**parts).to_bytes()


#: What a meter's clock shows at time 0 where nobody says otherwise: 2026-11-20 12:00 UTC.
EPOCH: Final = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
assert EPOCH.utcoffset() == timedelta(0)
