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
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from simulators import commands, frames
from simulators import faults as kinds
from simulators.active import Faults, damaged
from simulators.application import Application, Moment, ReadOut, Sent
from simulators.behaviour import BY_THE_BOOK, Behaviour
from simulators.characters import BAUDRATES, Format
from simulators.electricity import Load
from simulators.frames import ACK, CiField, Function, Request
from simulators.identity import Identity
from simulators.link import FcbRule, Link, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulators.profile import ExpectedReading, Record

__all__ = ["ACK", "EPOCH", "Answer", "Identity", "Meter", "ReadOut", "Settings"]

#: Read-outs that a meter remembers; a checker compares with the last ones.
READ_OUTS_MAX: Final = 1000

#: DIB and VIB of the records with which a master sets addresses (MBDOC48 p.46-47).
_SET_PRIMARY_ADDRESS: Final = (b"\x01", b"\x7a")
_SET_IDENTIFICATION_NUMBER: Final = (b"\x0c", b"\x79")
_SET_SECONDARY_ADDRESS: Final = (b"\x07", b"\x79")

#: CI fields that set the baud rate, in the order of the rates (MBDOC48 p.31).
_SET_BAUDRATE: Final = dict(zip(range(0xB8, 0xC0), BAUDRATES, strict=True))

#: CI fields of SND_UD that a meter acknowledges and that are no mistake of the master.
_KNOWN_CI_FIELDS: Final = frozenset(
    {
        CiField.APPLICATION_RESET,
        CiField.DATA_SEND,
        CiField.DATA_SEND_MODE_2,
        CiField.SELECT,
        CiField.SELECT_MODE_2,
        CiField.SYNCHRONISE,
    }
)

# Codes of CI 70, and the status bits of a busy application (MBDOC48 p.37, 53).
_ERROR_CI_FIELD: Final = 1
_ERROR_PREMATURE_END: Final = 4
_ERROR_BUSY: Final = 8
_ERROR_TOO_MANY_READOUTS: Final = 9
_STATUS_BUSY: Final = 0x01

#: The latest time of an answer: 330 bits and 50 ms after the request (MBDOC48 p.25).
_ANSWER_BITS_MAX: Final = 330
_ANSWER_EXTRA_NS: Final = 50_000_000
_NS_PER_S: Final = 1_000_000_000


class Answer(NamedTuple):
    """What a meter says to a request, how, and which read-out is complete once it has said so.

    `late_ns` comes on top of the usual delay; `again_ns` after its end the answer comes once more.
    `parity` are the characters whose parity bit is wrong.
    """

    data: bytes
    pages: list[Sent] | None = None
    format: Format | None = None
    late_ns: int = 0
    again_ns: int | None = None
    parity: Sequence[int] = ()


@dataclass(slots=True)
class Settings:
    """What makes a meter the one it is; made by a population, never changed by a run."""

    identity: Identity
    primary_address: int
    telegrams: Sequence[Sequence[Record]]
    status: int = 0
    access_number: int | None = None
    answer_delay_bits: tuple[float, float] = (11.0, 60.0)
    behaviour: Behaviour = BY_THE_BOOK
    faults: Sequence[kinds.Fault] = field(default_factory=tuple)


class Meter:
    """A slave: requests in, answers out.

    `key` names the meter for everything drawn by chance (``f"{scenario}/{seed}/meter({id})"``), so
    another meter more or less shifts nothing. `epoch` is what its clock shows at time 0, `baudrate`
    the rate of the bus, in which it talks unless its behaviour says otherwise.
    """

    def __init__(
        self, name: str, settings: Settings, *, key: str, epoch: datetime, baudrate: int = 2400
    ) -> None:
        self.id = name
        self.settings = settings
        self.behaviour = behaviour = settings.behaviour
        self.identity = settings.identity
        self.primary_address = settings.primary_address
        self.read_outs: deque[ReadOut] = deque(maxlen=READ_OUTS_MAX)
        #: Called with True or False when the meter begins or stops answering requests.
        self.on_answering: Callable[[bool], None] | None = None
        #: Called with the telegram (from 1) that REQ_UD2 asks for, before the answer is formed.
        self.on_request: Callable[[int], None] | None = None
        #: Called when power, an address, the format or a fault has changed.
        self.on_change: Callable[[], None] | None = None
        #: Called with what the meter says without being asked.
        self.on_talk: Callable[[Answer], None] | None = None
        #: The virtual time, and a way to be called at one; `Network` sets both.
        self.now: Callable[[], int] = lambda: 0
        self.call_at: Callable[[int, Callable[[], None]], None] = lambda _at_ns, _call: None
        self.faults = Faults(key)
        self.application = Application(settings.telegrams, behaviour, key=key, epoch=epoch)
        self._rng = random.Random(key)
        self._epoch = epoch
        self._home = Format(behaviour.baudrate or baudrate, behaviour.parity)
        self.format = self._home
        self._rule = _rule(behaviour, len(self.application.pages))
        self._primary = Link()
        self._network = self._primary if self._rule is FcbRule.SHARED else Link()
        self._sent: dict[int, Sent] = {}
        self._error: int | None = None
        self._read_today = (0, 0)
        self._connected = self._supplied = True
        self._awake_from_ns = 0
        self._heard_ns: int | None = None
        self._valid_ns = 0
        self._babbling = 0
        self._answering = True
        drawn = self._rng.randrange(256)
        self.access_number = drawn if settings.access_number is None else settings.access_number
        for fault in settings.faults:
            self.faults.begin(fault, 0)
            self._assume(fault)

    # --- Who it is ----------------------------------------------------------------------------

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
    def powered(self) -> bool:
        """Whether it is connected, and the bus feeds it."""
        return self._connected and self._supplied

    @property
    def connected(self) -> bool:
        """Whether it is connected, and so a load on the bus."""
        return self._connected

    @property
    def load(self) -> Load:
        """What it is to the bus."""
        more = self.faults.get(kinds.Load)
        behaviour = self.behaviour
        unit_loads = behaviour.unit_loads + (more.unit_loads if more else 0)
        return Load(unit_loads, behaviour.space_ma, behaviour.line_ohm)

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

    @property
    def answered_pages(self) -> dict[int, list[ExpectedReading]]:
        """What each telegram (from 0) said last, in the read-out underway or done last.

        For a master that stops early, as one without multi-telegrams does.
        """
        return {page: ReadOut(0, [sent]).readings for page, sent in sorted(self._sent.items())}

    def completed(self, at_ns: int, pages: list[Sent]) -> None:
        """Note that the last telegram of a read-out has left the meter at `at_ns`."""
        self.read_outs.append(ReadOut(at_ns, pages))

    # --- What happens to it -------------------------------------------------------------------

    def power(self, on: bool) -> None:
        """Switch the meter on or off, as one that is connected to the bus or taken off it."""
        was, self._connected = self.powered, on
        self._power_changed(was)

    def supply(self, on: bool) -> None:
        """Have enough voltage on the bus, or too little."""
        was, self._supplied = self.powered, on
        self._power_changed(was)

    def _power_changed(self, was: bool) -> None:
        """Forget on power loss what has no battery: frame count bits, page, baud rate, address."""
        if was and not self.powered and not self.behaviour.battery:
            self._primary.reset()
            self._network.reset()
            self._error = None
            if self.behaviour.unasked is not None:
                self.application.reset(0)
                self._rewind()
            if not self.behaviour.baudrate_kept:
                self.format = self._home
            if forgets := self.faults.get(kinds.ForgetsAddress):
                self.primary_address = forgets.primary_address
        elif self.powered and not was:
            self._awake_from_ns = self.now() + self.behaviour.boots_for
            self._heard_ns = None
        self._change()
        self._set_answering(self.powered)

    def hear_break(self) -> None:
        """Return to the rate of a new beginning after a break of the master (MBDOC48 p.56)."""
        rate = self.behaviour.break_baudrate
        if rate is None or not self.powered or rate == self.format.baudrate:
            return
        self.format = Format(rate, self.behaviour.parity)
        if self.behaviour.baudrate_kept:
            self._home = self.format
        self._change()

    def fault(self, name: str, on: bool, **parameters: Any) -> None:
        """Have a fault by its name from now on, or be rid of it.

        KeyError for a name that is none, ValueError for parameters that are none.
        """
        if on:
            self.begin(kinds.make(name, parameters))
        else:
            self.end(kinds.kind(name))

    def begin(self, fault: kinds.Fault) -> None:
        """Have `fault` from now on."""
        self.faults.begin(fault, self.now())
        self._assume(fault)
        if isinstance(fault, kinds.Babble):
            self.babble()
        self._change()

    def end(self, kind: type[kinds.Fault]) -> None:
        """Be rid of a fault; addresses that it had put on are the meter's own again."""
        if kind is kinds.DuplicateNumber:
            self.identity = self.settings.identity
        elif kind is kinds.DuplicatePrimaryAddress:
            self.primary_address = self.settings.primary_address
        self.faults.end(kind)
        self._change()

    def _assume(self, fault: kinds.Fault) -> None:
        """Put on the address of another meter."""
        if isinstance(fault, kinds.DuplicateNumber):
            number = fault.identification_number
            self.identity = self.identity._replace(identification_number=number)
        elif isinstance(fault, kinds.DuplicatePrimaryAddress):
            self.primary_address = fault.primary_address

    def babble(self) -> None:
        """Begin to talk without being asked, if the meter has that fault."""
        if self.faults.get(kinds.Babble) is not None:
            self._babbling += 1
            self._babble_next(self._babbling)

    def _babble_next(self, turn: int) -> None:
        fault = self.faults.get(kinds.Babble)
        if fault is None or turn != self._babbling:
            return
        rng = self.faults.draw(kinds.Babble)
        noise = bytes(rng.randrange(256) for _ in range(fault.characters))
        at_ns = self.now() + rng.randrange(2 * fault.every) + 1

        def talk() -> None:
            if turn == self._babbling and self.faults.get(kinds.Babble) and self.powered:
                assert self.on_talk is not None, "the network has set it"
                self.on_talk(Answer(noise, format=self.format))
            self._babble_next(turn)

        self.call_at(at_ns, talk)

    def draw_delay(self, bit: int) -> int:
        """How long the meter takes until it answers, in the units of `bit`."""
        return self.behaviour.draw_delay(self._rng, self.settings.answer_delay_bits, bit)

    # --- What it does -------------------------------------------------------------------------

    def hears(self, now_ns: int) -> bool:
        """Whether a frame that ends now reaches it: not asleep, not starting up."""
        last, self._heard_ns = self._heard_ns, now_ns
        behaviour = self.behaviour
        asleep = behaviour.sleeps_after is not None and (
            last is None or now_ns - last > behaviour.sleeps_after
        )
        if asleep and now_ns >= self._awake_from_ns:
            self._awake_from_ns = now_ns + behaviour.wakes_in
            return False
        return now_ns >= self._awake_from_ns

    def reset_link(self) -> None:
        """Act on SND_NKE to 255, which nobody answers (MBDOC48 p.24)."""
        self._primary.reset()

    def selected(self, now_ns: int) -> Answer | None:
        """A selection has matched: acknowledge, and begin anew under 253 (MBDOC48 p.64)."""
        self._valid_ns = now_ns
        self._network.reset()
        return self._finished(Answer(ACK), self.format)

    def answer(self, request: Request, now_ns: int) -> Answer | None:
        """Answer a request that is addressed to this meter, or act on it in silence.

        Address 253 is taken as "I am selected"; whether that is so, the network knows. Nobody
        answers 255 (MBDOC48 p.24).
        """
        self._valid_ns = now_ns
        link = self._network if request.a_field == frames.NETWORK_LAYER else self._primary
        spoken = self.format
        answer = self._act(request, link, now_ns)
        if answer is None or request.a_field == frames.BROADCAST:
            return None
        return self._finished(answer, spoken)

    def _finished(self, answer: Answer, spoken: Format) -> Answer | None:
        """What goes onto the line, in the format of before, with what the faults make of it."""
        if not self.faults:
            return Answer(answer.data, answer.pages, spoken)
        faults = self.faults
        if faults.strikes(kinds.Silent):
            self._set_answering(False)
            return None
        data, parity = damaged(answer.data, faults)
        late = faults.strikes(kinds.Late)
        late_ns = late.by if late else 0
        if after := faults.strikes(kinds.AfterTimeout):
            late_ns += after.by + _ANSWER_EXTRA_NS
            late_ns += _ANSWER_BITS_MAX * _NS_PER_S // spoken.baudrate
        twice = faults.strikes(kinds.Twice)
        again_ns = twice.after if twice else None
        return Answer(data, answer.pages, spoken, late_ns, again_ns, parity)

    def _act(self, request: Request, link: Link, now_ns: int) -> Answer | None:
        """Do what the C field says; an unknown function is ignored."""
        if request.ci_field is not None:
            return self._snd_ud(request, link, now_ns) if _is_snd_ud(request) else None
        if request.function == Function.SND_NKE:
            link.reset()
            return Answer(ACK)
        if request.function == Function.REQ_UD2:
            return self._req_ud2(request, link, now_ns)
        if request.function == Function.REQ_UD1:
            return self._req_ud1(request)
        return None

    # --- User data from the master ------------------------------------------------------------

    def _snd_ud(self, request: Request, link: Link, now_ns: int) -> Answer | None:
        """Take user data; a repeated frame is acknowledged again but not acted upon again.

        The meter acknowledges what it received, even what it does not apply (MBDOC48 p.46-47); a
        baud rate that it does not have is not acknowledged, for the master would lose it.
        """
        assert request.ci_field is not None, "a short frame carries no user data"
        baudrate = _SET_BAUDRATE.get(request.ci_field)
        if baudrate is not None and baudrate not in self.behaviour.baudrates:
            return None
        repeated = request.fcv and request.fcb == link.fcb_snd_ud
        if request.fcv:
            link.fcb_snd_ud = request.fcb
        if repeated:
            return Answer(ACK)
        if baudrate is not None:
            self._set_baudrate(baudrate, now_ns)
        elif request.ci_field == CiField.APPLICATION_RESET:
            self.application.reset(request.data[0] if request.data else 0)
            self._rewind()
        elif request.ci_field == CiField.SYNCHRONISE:
            self.application.frozen_ns = now_ns
        elif request.ci_field in {CiField.DATA_SEND, CiField.DATA_SEND_MODE_2}:
            self._take(request.data, now_ns)
        elif request.ci_field not in _KNOWN_CI_FIELDS:
            self._error = _ERROR_CI_FIELD
        return Answer(ACK)

    def _rewind(self) -> None:
        """Begin every read-out anew: the telegrams are other ones now."""
        self._primary.rewind()
        self._network.rewind()
        self._sent.clear()

    def _take(self, data: bytes, now_ns: int) -> None:
        """Apply the records of a SND_UD, one after the other."""
        records = commands.split(data)
        if records is None:
            self._error = _ERROR_PREMATURE_END
            return
        for record in records:
            if record.action == commands.FREEZE:
                self.application.frozen_ns = now_ns
            elif not record.selects:
                self._set_address(record)
        if self.application.choose([record for record in records if record.selects]):
            self._rewind()

    def _set_address(self, record: commands.Command) -> None:
        """Take a new address if that is what the record says and the address is a legal one."""
        if not self.behaviour.accepts_addresses:
            return
        kind, data = (record.dib, record.vib), record.data
        if kind == _SET_PRIMARY_ADDRESS and data[0] <= frames.PRIMARY_ADDRESS_MAX:
            self.primary_address = data[0]
        elif kind == _SET_IDENTIFICATION_NUMBER:
            self.identity = self.identity._replace(identification_number=data[::-1].hex().upper())
        elif kind == _SET_SECONDARY_ADDRESS:
            self.identity = Identity.from_bytes(data) or self.identity
        else:
            return
        self._change()

    def _set_baudrate(self, baudrate: int, now_ns: int) -> None:
        """Talk at another rate from now on; the acknowledgement still goes out at the old one."""
        before, self.format = self.format, Format(baudrate, self.behaviour.parity)
        if self.behaviour.baudrate_kept:
            self._home = self.format
        fallback = self.behaviour.baudrate_fallback
        if fallback is not None and before != self.format:
            self._valid_ns = now_ns
            self.call_at(now_ns + fallback, lambda: self._fall_back(before, self.format))
        self._change()

    def _fall_back(self, before: Format, chosen: Format) -> None:
        """Return to the rate before, if nothing valid has come at the new one for so long."""
        fallback = self.behaviour.baudrate_fallback
        if self.format != chosen or fallback is None:
            return
        due = self._valid_ns + fallback
        if due > self.now():
            self.call_at(due, lambda: self._fall_back(before, chosen))
            return
        self.format = before
        self._change()

    # --- Answers with data --------------------------------------------------------------------

    def _req_ud1(self, request: Request) -> Answer:
        """An alarm, or the single character for none (MBDOC48 p.70)."""
        alarm = self.faults.get(kinds.Alarm)
        if alarm is None:
            return Answer(ACK)
        return Answer(
            frames.long_frame(
                frames.RSP_UD, self._a_field(request), CiField.ALARM, bytes((alarm.byte,))
            )
        )

    def _req_ud2(self, request: Request, link: Link, now_ns: int) -> Answer | None:
        """The next telegram, or the last one again where the frame count bit asks for it.

        After the last telegram the first one follows. What keeps the application from answering
        goes before.
        """
        if self._is_ghost(request):
            return None
        if error := self._error_report(request):
            return error
        count = len(self.application.pages)
        want = wanted(self._rule, link, request)
        number = want.page % count
        if self.on_request is not None:
            self.on_request(number + 1)
        if self._kept_silent(number + 1):
            return None
        if not want.repeated:
            refused = self._over_limit(number, now_ns)
            if refused is not None:
                return self._refusal(request, refused)
            number = self._stuck(number)
        self._set_answering(True)
        if want.again is not None:
            return Answer(want.again, self._complete(number))
        if request.fcv:
            link.fcb_req_ud2 = request.fcb
        link.page = number + 1
        link.telegram = self._telegram(request, number, now_ns)
        return Answer(link.telegram, self._complete(number))

    def _telegram(self, request: Request, number: int, now_ns: int) -> bytes:
        """RSP_UD with its header; the access number goes up (MBDOC48 p.34)."""
        application, faults = self.application, self.faults
        more = number + 1 < len(application.pages) or (
            bool(faults) and faults.get(kinds.EndlessPages) is not None
        )
        sent = application.sent(number, self._moment(now_ns), faults.spoilers)
        if number == 0:
            self._sent.clear()
        self._sent[number] = sent
        header = application.header(self._shown_identity(), self.access_number, self._status())
        self.access_number = (self.access_number + 1) & 0xFF
        return application.rsp_ud(
            self._a_field(request),
            header + application.body(number, sent, more=more),
            acd=bool(faults) and faults.get(kinds.Alarm) is not None,
            dfc=more and self.behaviour.more == "dfc",
        )

    def _moment(self, now_ns: int) -> Moment:
        """The time of values, clock and freeze."""
        clock = self.faults.get(kinds.Clock) if self.faults else None
        shown = now_ns
        if clock is not None:
            shown += clock.offset + now_ns * clock.drift_ppm // 1_000_000
        return Moment(now_ns, shown, self.application.frozen_ns)

    def _shown_identity(self) -> Identity:
        """The identity as the header shows it."""
        header = self.faults.get(kinds.Header) if self.faults else None
        if header is None:
            return self.identity
        return self.identity._replace(**header.model_dump(exclude_none=True))

    def _status(self) -> int:
        """The status field."""
        status = self.settings.status
        if self.faults:
            more = self.faults.get(kinds.Status)
            busy = self.faults.get(kinds.Busy)
            status |= more.bits if more else 0
            status |= _STATUS_BUSY if busy and busy.how == "status" else 0
        return status

    def _a_field(self, request: Request) -> int:
        """The A field of an answer: the own primary address, also to 253 and 254."""
        wrong = self.faults.get(kinds.WrongAField) if self.faults else None
        if wrong is not None:
            return wrong.a_field
        if request.a_field == frames.NETWORK_LAYER and self.behaviour.a_field == "253":
            return frames.NETWORK_LAYER
        return self.primary_address

    # --- Answers without data -----------------------------------------------------------------

    def _error_report(self, request: Request) -> Answer | None:
        """CI 70 where the application has something to complain of (MBDOC48 p.53)."""
        code, self._error = self._error, None
        if code is not None and self.behaviour.reports_errors:
            return self._refusal(request, code)
        if not self.faults:
            return None
        if error := self.faults.strikes(kinds.ApplicationError):
            return self._refusal(request, error.code)
        busy = self.faults.get(kinds.Busy)
        if busy is not None and busy.how == "error" and self.faults.strikes(kinds.Busy):
            return self._refusal(request, _ERROR_BUSY)
        return None

    def _refusal(self, request: Request, code: int | None) -> Answer | None:
        """The error report with `code`; None where the meter rather says nothing."""
        if code == _ERROR_TOO_MANY_READOUTS and self.behaviour.exhausted == "silent":
            self._set_answering(False)
            return None
        data = b"" if code is None else bytes((code,))
        return Answer(frames.long_frame(frames.RSP_UD, self._a_field(request), CiField.ERROR, data))

    def _over_limit(self, number: int, now_ns: int) -> int | None:
        """The error code where today's read-outs are used up; each counts with its first page."""
        limit = self.behaviour.readouts_per_day
        if limit is None or number:
            return None
        today = (self._epoch + timedelta(microseconds=now_ns // 1000)).toordinal()
        day, count = self._read_today
        count = count if day == today else 0
        if count >= limit:
            return _ERROR_TOO_MANY_READOUTS
        self._read_today = (today, count + 1)
        return None

    def _complete(self, number: int) -> list[Sent] | None:
        """All telegrams if number `number` (from 0) is the last and none is missing."""
        count = len(self.application.pages)
        if number + 1 < count or len(self._sent) < count:
            return None
        if self.faults and self.faults.get(kinds.EndlessPages) is not None:
            return None
        return [self._sent[page] for page in range(count)]

    def _is_ghost(self, request: Request) -> bool:
        """Whether a fault lets every request to 253 go unanswered."""
        ghost = self.faults.get(kinds.Ghost) if self.faults else None
        return (
            ghost is not None
            and ghost.answers == "selection"
            and request.a_field == frames.NETWORK_LAYER
        )

    def _kept_silent(self, page: int) -> bool:
        """Whether a fault lets this telegram (from 1) go unanswered."""
        if not self.faults:
            return False
        dropped = self.faults.get(kinds.DropPage)
        if dropped is None or dropped.page != page or not self.faults.strikes(kinds.DropPage):
            return False
        self._set_answering(False)
        return True

    def _stuck(self, number: int) -> int:
        """The telegram (from 0) that comes; a fault may send the one before it once more."""
        stuck = self.faults.get(kinds.RepeatPage) if self.faults else None
        if stuck is None or number != stuck.page or not self.faults.strikes(kinds.RepeatPage):
            return number
        return number - 1

    # --- Telling ------------------------------------------------------------------------------

    def _change(self) -> None:
        """Tell that something the network looks at has changed."""
        if self.on_change is not None:
            self.on_change()

    def _set_answering(self, answering: bool) -> None:
        """Tell when answering begins or ends."""
        if answering != self._answering:
            self._answering = answering
            if self.on_answering is not None:
                self.on_answering(answering)


def _rule(behaviour: Behaviour, telegrams: int) -> FcbRule:
    """The rule of the frame count bit: that of the behaviour, or what suits so many telegrams."""
    if behaviour.fcb is not None:
        return FcbRule(behaviour.fcb)
    return FcbRule.BY_THE_BOOK if telegrams > 1 else FcbRule.IGNORED


def _is_snd_ud(request: Request) -> bool:
    """Whether it carries user data from the master."""
    return request.function == Function.SND_UD


#: What a meter's clock shows at time 0 where nobody says otherwise: 2026-11-20 12:00 UTC.
EPOCH: Final = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
assert EPOCH.utcoffset() == timedelta(0)
