"""The link of the M-Bus master: one request, one answer, with retries, timeouts and FCB images.

An exchange goes as MBDOC48 p.25-30 describes it:

1. The line is silent for 33 bit times. What is heard before that belongs to nobody and is dropped.
2. The request is sent. A converter may send it back; this echo is no answer and no noise.
3. The answer begins within MBUS_TIMEOUT; from then on its characters follow each other within
   MBUS_IDLETIMEOUT, and its last comes within MBUS_FULLTIMEOUT of its first.
4. Silence and garbage are failed tries: the same telegram is sent again, with the same FCB.

`Link` owns the line, and keeps the next frame count bit for every address and direction (worked
examples 10 and 12). What to ask, and what an answer means for a meter, is decided by its callers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.mbus import frames
from gateway.mbus.errors import FrameError
from gateway.runtime.port import NS_PER_MS, Fault, Received

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.mbus.address import SecondaryMask
    from gateway.runtime.port import Line, Runtime

#: The network-layer address: whoever is selected answers it (MBDOC48 p.24).
ADDRESS_SELECTED: Final = 0xFD
#: The broadcast address that nobody answers (MBDOC48 p.24).
ADDRESS_BROADCAST: Final = 0xFF
#: Idle time before a request, in bits (MBDOC48 p.26).
IDLE_BITS: Final = 33
#: A slave begins to answer within 330 bits + 50 ms after the request (MBDOC48 p.25).
ANSWER_BITS: Final = 330
ANSWER_EXTRA_NS: Final = 50 * NS_PER_MS
#: The longest telegram, in characters (MBDOC48 p.22-23).
LONGEST_TELEGRAM: Final = 261
#: A line that never falls silent is waited for this many longest telegrams, then used anyway.
SETTLE_TELEGRAMS_MAX: Final = 8

#: Characters that may stand before a telegram without spoiling it: what a transmitter or a
#: converter sends when it is switched on (libmbus#207).
STRAY_CHARACTERS_MAX: Final = 3

C_SELECT: Final = 0x53
C_SELECT_LAST_TRY: Final = 0x73


@unique
class Echo(Enum):
    """Whether the converter sends the master's own telegrams back to it.

    No slave can answer with a telegram of the master (its C field has the wrong direction), so an
    echo is known with certainty by the first one heard.
    """

    AUTO = "auto"
    """Watched for from the first exchange on."""
    ON = "on"
    """Known from the start: the transport's time is allowed for where nobody answers."""
    OFF = "off"
    """Own bytes coming back are taken for what they are not: an answer, and a broken one."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """The timeouts (ns) and the number of sends that chip.ini gives the link."""

    first_byte_ns: int
    """MBUS_TIMEOUT: last character sent to first character heard."""
    idle_ns: int
    """MBUS_IDLETIMEOUT: each character heard to the next."""
    full_ns: int
    """MBUS_FULLTIMEOUT: first to last character of one telegram (`C-70`)."""
    tries: int
    """1 + MBUS_MAXRETRY (`C-39`)."""
    transport_delay_ns: int = 0
    """What a converter or an operating system may add to the way of an answer; it widens the
    answer window of the standard, not the timeouts that somebody has set."""
    echo: Echo = Echo.AUTO


@unique
class AnswerKind(Enum):
    """What was heard behind a request."""

    SILENCE = "silence"
    ACK = "ack"
    FRAME = "frame"
    BROKEN = "broken"


class Answer(NamedTuple):
    """One answer: `frame` for FRAME, `reason` for BROKEN, the bytes in any case.

    `verified` is True when parity and framing of every character were right, False when one was
    not, None when the port cannot tell. `stray` counts the characters that stood before the
    telegram and belong to none; they are not among the bytes.
    """

    kind: AnswerKind
    data: bytes
    frame: frames.LongFrame | None
    reason: str
    verified: bool | None
    request_end_ns: int
    stray: int = 0


#: What ends the tries of a request, by what the caller is after.
_AN_ACK: Final = (AnswerKind.ACK,)
_A_FRAME: Final = (AnswerKind.FRAME,)
_ANYTHING: Final = (AnswerKind.ACK, AnswerKind.FRAME, AnswerKind.BROKEN)

#: Telegrams whose characters are remembered: a bus of 250 meters is selected again and again.
TELEGRAMS_REMEMBERED_MAX: Final = 1024


class Link:
    """The master's side of one M-Bus line."""

    def __init__(self, rt: Runtime, line: Line, settings: LinkSettings) -> None:
        self._rt = rt
        self._line = line
        self.settings = settings
        self._request_fcb: dict[int, bool] = {}
        self._user_data_fcb: dict[int, bool] = {}
        self._quiet_from = rt.now()
        self._last_sent = b""
        self._echo_late_ns = 0
        self._noisy = False
        self._may_be_low = False
        #: Whether the converter is known to send our own bytes back.
        self.echoes = settings.echo is Echo.ON
        #: Telegrams sent since the line was opened.
        self.sent = 0
        #: Those among them that repeated one that was not answered well.
        self.retries = 0

    @property
    def answer_window_ns(self) -> int:
        """The time in which every slave by the book begins to answer, transport included."""
        window = self._line.format.bits_ns(ANSWER_BITS) + ANSWER_EXTRA_NS
        return window + self.settings.transport_delay_ns

    def bits_ns(self, bits: int) -> int:
        """Duration of `bits` bit times on this line (ns)."""
        return self._line.format.bits_ns(bits)

    def longest_answer_ns(self) -> int:
        """The answer window and the longest telegram behind it."""
        return self.answer_window_ns + self._line.format.characters_ns(LONGEST_TELEGRAM)

    # --- Telegrams ----------------------------------------------------------------------------

    async def reset_all(self) -> None:
        """SND_NKE to the broadcast address: nobody answers, so only the idle time follows."""
        frame = _snd_nke(ADDRESS_BROADCAST)
        end = await self._send(frame)
        echo_ns = max(self.settings.transport_delay_ns, self._echo_late_ns) if self.echoes else 0
        heard, _ = await self._one_telegram(end + self.idle_ns + echo_ns)
        if heard.data and not self._is_echo(heard.data):
            self._drop(heard.data)
        self._request_fcb.clear()
        self._user_data_fcb.clear()

    async def reset(self, a_field: int) -> Answer:
        """SND_NKE to `a_field`: one send, E5 optional; the next FCB of both directions is 1.

        Waits MBUS_TIMEOUT for a meter's own address, the answer window for 253 (worked
        examples 10).
        """
        answer = await self._exchange(_snd_nke(a_field), self._optional(a_field))
        self._reset_fcb(a_field)
        return answer

    async def select(
        self,
        mask: SecondaryMask,
        *,
        tries: int | None = None,
        first_byte_ns: int | None = None,
        stray_max: int = STRAY_CHARACTERS_MAX,
    ) -> Answer:
        """Select one slave, which must acknowledge; the last of several tries has C = 73."""
        return await self._select(mask, tries, first_byte_ns, _AN_ACK, stray_max)

    async def probe(
        self,
        mask: SecondaryMask,
        *,
        tries: int | None = None,
        first_byte_ns: int | None = None,
        stray_max: int = 0,
    ) -> Answer:
        """Select whoever lies under `mask`: garbage is an answer too, that of several slaves.

        So a stray character is not passed over, unless `stray_max` says so.
        """
        return await self._select(mask, tries, first_byte_ns, _ANYTHING, stray_max)

    async def send_user_data(
        self, a_field: int, ci_field: int, data: bytes, *, tries: int | None = None
    ) -> Answer:
        """SND_UD with the direction's FCB, repeated until it is acknowledged."""
        fcb = self._user_data_fcb.get(a_field, True)
        frame = frames.snd_ud(a_field, fcb=fcb, ci_field=ci_field, data=data).to_bytes()
        first_byte_ns = self._optional(a_field) if tries == 1 else None
        answer = await self._repeat(lambda _: frame, self._tries(tries), first_byte_ns, _AN_ACK)
        if answer.kind is AnswerKind.ACK:
            self._user_data_fcb[a_field] = not fcb
        return answer

    async def request(
        self,
        a_field: int,
        *,
        tries: int | None = None,
        first_byte_ns: int | None = None,
        stray_max: int = STRAY_CHARACTERS_MAX,
    ) -> Answer:
        """REQ_UD2: the FCB stays the same over the tries; `took` toggles it after a good answer."""
        fcb = self._request_fcb.get(a_field, True)
        frame = _req_ud2(a_field, fcb)
        return await self._repeat(
            lambda _: frame, self._tries(tries), first_byte_ns, _A_FRAME, stray_max
        )

    def took(self, a_field: int) -> None:
        """The answer to the last `request` was good: the next one asks for what follows."""
        self._request_fcb[a_field] = not self._request_fcb.get(a_field, True)

    async def pause(self, ns: int) -> None:
        """Keep the line silent for `ns` after the last request (`C-62`)."""
        await self._rt.sleep_until(self._quiet_from + ns)

    # --- Listening ----------------------------------------------------------------------------

    async def listen(self, until: int) -> bytes:
        """What arrives unasked before `until` (ns); empty when the line stays silent."""
        received = await self._line.receive(_never_enough, by=until, gap=self.idle_ns)
        self._heard(received)
        return received.data

    async def settle(self, until: int = 0) -> None:
        """Wait for the end of a disturbed answer: past `until` (ns), and 33 bits of silence.

        After a collision the line may be held low without a single character, so silence alone
        does not mean that everybody has finished; `until` covers the longest answer.
        """
        until = max(until, self._rt.now())
        limit = until + SETTLE_TELEGRAMS_MAX * self._line.format.characters_ns(LONGEST_TELEGRAM)
        while self._rt.now() < limit:
            heard = await self.listen(max(until, self._rt.now() + self.idle_ns))
            if not heard:
                break
            self._rt.log("link.discarded", data=heard.hex())
        else:
            # Somebody talks without end; the next request goes out all the same.
            self._noisy = True
        self._quiet_from = max(self._quiet_from, until)

    async def fade(self, window_end: int, latest: int) -> None:
        """Wait for the end of garbled data of several slaves.

        Nobody begins to answer behind `window_end` (ns), and `latest` (ns) covers the longest
        answer. In between, 33 bits of silence mean that all have finished where the line is known
        to be high: each slave pulls it low at least once in 11 bits. It is known to be high behind
        a character with a right stop bit. Behind one without, two that fall over each other may
        hold it low for long, and no further character comes of that.
        """
        while True:
            until = latest
            if not self._may_be_low:
                until = min(latest, max(window_end, self._quiet_from + self.idle_ns))
            if self._rt.now() >= until:
                break
            heard = await self.listen(until)
            if not heard:
                break
            self._rt.log("link.discarded", data=heard.hex())

    def take_noise(self) -> bool:
        """Whether bytes came that nobody had asked for, since this was last called."""
        noisy, self._noisy = self._noisy, False
        return noisy

    # --- Tries --------------------------------------------------------------------------------

    def _tries(self, tries: int | None) -> int:
        return self.settings.tries if tries is None else tries

    async def _select(
        self,
        mask: SecondaryMask,
        tries: int | None,
        first_byte_ns: int | None,
        wanted: tuple[AnswerKind, ...],
        stray_max: int,
    ) -> Answer:
        count = self._tries(tries)

        def telegram(number: int) -> bytes:
            last_of_several = number == count > 1
            c_field = C_SELECT_LAST_TRY if last_of_several else C_SELECT
            return _selection(mask, c_field)

        answer = await self._repeat(telegram, count, first_byte_ns, wanted, stray_max)
        self._reset_fcb(ADDRESS_SELECTED)
        return answer

    async def _repeat(
        self,
        telegram: Callable[[int], bytes],
        tries: int,
        first_byte_ns: int | None,
        wanted: tuple[AnswerKind, ...],
        stray_max: int = STRAY_CHARACTERS_MAX,
    ) -> Answer:
        """Send ``telegram(1)``, ``telegram(2)`` ... until an answer is `wanted`."""
        for number in range(1, tries + 1):
            self.retries += number > 1
            answer = await self._exchange(telegram(number), first_byte_ns, stray_max)
            if answer.kind in wanted or number == tries:
                return answer
            if answer.kind is AnswerKind.BROKEN:
                await self.settle()
        raise AssertionError("a request is sent at least once")

    def _optional(self, a_field: int) -> int:
        if a_field == ADDRESS_SELECTED:
            return min(self.settings.first_byte_ns, self.answer_window_ns)
        return self.settings.first_byte_ns

    def _reset_fcb(self, a_field: int) -> None:
        self._request_fcb[a_field] = True
        self._user_data_fcb[a_field] = True

    # --- One exchange -------------------------------------------------------------------------

    @property
    def idle_ns(self) -> int:
        """The silence before a telegram, 33 bit times (MBDOC48 p.26)."""
        return self._line.format.bits_ns(IDLE_BITS)

    async def exchange(self, telegram: bytes) -> Answer:
        """Send bytes as they are, once, and wait MBUS_TIMEOUT for an answer."""
        return await self._exchange(telegram, None, 0)

    async def _exchange(
        self, frame: bytes, first_byte_ns: int | None, stray_max: int = STRAY_CHARACTERS_MAX
    ) -> Answer:
        wait_ns = self.settings.first_byte_ns if first_byte_ns is None else first_byte_ns
        end = await self._send(frame)
        heard, broken_off = await self._one_telegram(end + wait_ns, stray_max)
        if self._is_echo(heard.data):
            self._echo_late_ns = max(self._echo_late_ns, (heard.last_ns or end) - end)
            heard, broken_off = await self._one_telegram(end + wait_ns, stray_max)
        answer = self._judge(heard, end, broken_off, stray_max)
        self._rt.log(
            "link.received", data=heard.data.hex(), kind=answer.kind.value, reason=answer.reason
        )
        return answer

    async def _send(self, frame: bytes) -> int:
        """Send `frame` behind 33 bit times of silence (MBDOC48 p.26); returns when it has left."""
        await self._rt.sleep_until(self._quiet_from + self.idle_ns)
        late = self._line.flush()
        if late and not self._is_echo(late):
            self._drop(late)
            await self.settle()
        self._rt.log("link.sent", data=frame.hex())
        end = await self._line.write(frame)
        self._last_sent = frame
        self._may_be_low = False
        self.sent += 1
        self._quiet_from = end
        return end

    def _drop(self, data: bytes) -> None:
        self._noisy = True
        self._rt.log("link.discarded", data=data.hex())

    def _is_echo(self, data: bytes) -> bool:
        if self.settings.echo is Echo.OFF or data != self._last_sent:
            return False
        if not self.echoes:
            self.echoes = True
            self._rt.log("link.echo", text="the converter sends our own telegrams back")
        return True

    async def _one_telegram(self, by: int, stray_max: int = 0) -> tuple[Received, str]:
        """Hear one telegram that begins by `by` (ns); a text says why it was broken off.

        Ends as soon as the framing is complete, or cannot become complete any more.
        """
        first = await self._line.receive(_one_character, by=by, gap=self.settings.idle_ns)
        if stray_max:
            first = await self._behind_strays(first, stray_max)
        stray = _strays(first.data, stray_max)
        if (
            first.first_ns is None
            or frames.missing(first.data[stray:]) == 0
            or stray == len(first.data)
        ):
            self._heard(first)
            return first, ""
        is_late = False
        try:
            with self._rt.deadline(first.first_ns + self.settings.full_ns):
                rest = await self._line.receive(
                    lambda more: frames.missing(first.data[stray:] + more),
                    by=(first.last_ns or first.first_ns) + self.settings.idle_ns,
                    gap=self.settings.idle_ns,
                )
        except TimeoutError:
            rest = Received(self._line.flush(), None, None, self._rt.now())
            is_late = True
        heard = _joined(first, rest)
        self._heard(heard)
        # What ends at the very moment of the limit is in time.
        is_late = is_late and frames.missing(heard.data[stray:]) > 0
        return heard, "no end within MBUS_FULLTIMEOUT" if is_late else ""

    async def _behind_strays(self, first: Received, stray_max: int) -> Received:
        """Hear what follows characters with which no telegram begins, if anything does at once."""
        while first.last_ns is not None and len(first.data) <= stray_max:
            if _strays(first.data, stray_max) < len(first.data):
                break
            by = first.last_ns + self.idle_ns
            more = await self._line.receive(_one_character, by=by, gap=self.settings.idle_ns)
            if more.first_ns is None:
                break
            first = _joined(first, more)
        return first

    def _heard(self, received: Received) -> None:
        if received.data:
            last = len(received.data) - 1
            faults = received.faults
            self._may_be_low = faults is None or any(
                at == last and Fault.FRAMING in fault for at, fault in faults
            )
        if received.last_ns is not None:
            self._quiet_from = max(self._quiet_from, received.last_ns)
        else:
            # Silence lasted until now, so the idle time before the next request is behind us.
            self._quiet_from = max(self._quiet_from, self._rt.now() - self.idle_ns)

    def _judge(self, heard: Received, end: int, broken_off: str, stray_max: int) -> Answer:
        data = heard.data
        verified = None if heard.faults is None else not heard.faults
        if not data:
            return Answer(AnswerKind.SILENCE, b"", None, "", None, end)
        if self._began_before(heard, end):
            self._noisy = True
            broken_off = "it began before the request had ended"
        elif heard.faults:
            index, fault = heard.faults[0]
            broken_off = f"{fault.name} error in character {index}"
        if broken_off:
            return Answer(AnswerKind.BROKEN, data, None, broken_off, verified, end)
        stray = _strays(data, stray_max)
        if stray == len(data):
            stray = 0
        try:
            frame = frames.parse(data[stray:])
        except FrameError as error:
            return Answer(AnswerKind.BROKEN, data, None, str(error), verified, end)
        reason = f"{stray} stray characters before it" if stray else ""
        data = data[stray:]
        if isinstance(frame, frames.Ack):
            return Answer(AnswerKind.ACK, data, None, reason, verified, end, stray)
        if isinstance(frame, frames.LongFrame):
            return Answer(AnswerKind.FRAME, data, frame, reason, verified, end, stray)
        reason = "a short frame is no answer"
        return Answer(AnswerKind.BROKEN, data, None, reason, verified, end)

    def _began_before(self, heard: Received, end: int) -> bool:
        """Whether this is the tail of an earlier answer: a slave waits 11 bits (MBDOC48 p.25).

        Only a port that tells the faults of characters is close enough to the line to be trusted
        with their times; behind others (a PTY, TCP) the end of a request is no more than computed.
        """
        if heard.faults is None or heard.first_ns is None:
            return False
        return heard.first_ns - self._line.format.characters_ns(1) < end


@lru_cache(maxsize=TELEGRAMS_REMEMBERED_MAX)
def _snd_nke(a_field: int) -> bytes:
    return frames.snd_nke(a_field).to_bytes()


@lru_cache(maxsize=TELEGRAMS_REMEMBERED_MAX)
def _req_ud2(a_field: int, fcb: bool) -> bytes:
    return frames.req_ud2(a_field, fcb=fcb).to_bytes()


@lru_cache(maxsize=TELEGRAMS_REMEMBERED_MAX)
def _selection(mask: SecondaryMask, c_field: int) -> bytes:
    return frames.select(mask, c_field=c_field).to_bytes()


def _joined(first: Received, rest: Received) -> Received:
    """One reading of two that follow each other."""
    faults = None
    if first.faults is not None:
        behind = len(first.data)
        faults = first.faults + tuple((behind + at, what) for at, what in rest.faults or ())
    last_ns = first.last_ns if rest.last_ns is None else rest.last_ns
    return Received(first.data + rest.data, faults, first.first_ns, last_ns)


def _strays(data: bytes, stray_max: int) -> int:
    """How many characters stand before the first with which a telegram can begin."""
    for count, byte in enumerate(data[:stray_max]):
        if byte in frames.STARTS:
            return count
    return min(len(data), stray_max)


def _one_character(data: bytes) -> int:
    return 0 if data else 1


def _never_enough(data: bytes) -> int:
    # A listener without an expectation goes on until the line is silent, but not for ever.
    return 0 if len(data) >= LONGEST_TELEGRAM else 1
