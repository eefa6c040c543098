"""The link of the M-Bus master: one request, one answer, with retries, timeouts and FCB images.

`Link` owns the line. It keeps the pause of 33 bit times that must precede a request, throws away
late bytes of the last answer, tells silence from an acknowledgement, a telegram and garbage, and
keeps the next frame count bit for every address and direction (MBDOC48 p.25-30, worked examples
10 and 12). What to ask, and what an answer means for a meter, is decided by its callers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Final

from gateway.mbus import frames
from gateway.mbus.errors import FrameError
from gateway.runtime.port import NS_PER_MS

if TYPE_CHECKING:
    from gateway.mbus.address import SecondaryMask
    from gateway.runtime.port import Line, Received, Runtime

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

C_SELECT: Final = 0x53
C_SELECT_LAST_TRY: Final = 0x73


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
    """What a converter or an operating system may add to the way of an answer."""


@unique
class AnswerKind(Enum):
    """What was heard behind a request."""

    SILENCE = "silence"
    ACK = "ack"
    FRAME = "frame"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: `frame` for FRAME, `reason` for BROKEN, the bytes in any case.

    `verified` is True when the transport could tell parity and framing, and both were right.
    """

    kind: AnswerKind
    data: bytes
    frame: frames.LongFrame | None
    reason: str
    verified: bool
    request_end_ns: int


class Link:
    """The master's side of one M-Bus line."""

    def __init__(self, rt: Runtime, line: Line, settings: LinkSettings) -> None:
        self._rt = rt
        self._line = line
        self.settings = settings
        self._request_fcb: dict[int, bool] = {}
        self._user_data_fcb: dict[int, bool] = {}
        self._quiet_from = rt.now()
        self.sent = 0
        self.heard_noise = False

    @property
    def answer_window_ns(self) -> int:
        """The time in which every slave by the book begins to answer, transport included."""
        window = self._line.format.bits_ns(ANSWER_BITS) + ANSWER_EXTRA_NS
        return window + self.settings.transport_delay_ns

    # --- Telegrams ----------------------------------------------------------------------------

    async def reset_all(self) -> None:
        """SND_NKE to the broadcast address: nobody answers, so only the idle time follows."""
        await self._send(frames.snd_nke(ADDRESS_BROADCAST).to_bytes())
        self._request_fcb.clear()
        self._user_data_fcb.clear()

    async def reset(self, a_field: int) -> Answer:
        """SND_NKE to `a_field`: one send, E5 optional; the next FCB of both directions is 1.

        Waits MBUS_TIMEOUT for a meter's own address, the answer window for 253 (worked
        examples 10).
        """
        answer = await self._exchange(frames.snd_nke(a_field).to_bytes(), self._optional(a_field))
        self._reset_fcb(a_field)
        return answer

    async def select(
        self, mask: SecondaryMask, *, tries: int | None = None, first_byte_ns: int | None = None
    ) -> Answer:
        """Select the slaves under `mask`; the last of several tries is sent with C = 73."""
        tries = self.settings.tries if tries is None else tries
        answer = None
        for number in range(1, tries + 1):
            last_of_several = number == tries > 1
            c_field = C_SELECT_LAST_TRY if last_of_several else C_SELECT
            frame = frames.select(mask, c_field=c_field).to_bytes()
            answer = await self._exchange(frame, first_byte_ns)
            if answer.kind is not AnswerKind.SILENCE:
                break
        assert answer is not None, "a selection is sent at least once"
        self._reset_fcb(ADDRESS_SELECTED)
        return answer

    async def send_user_data(
        self, a_field: int, ci_field: int, data: bytes, *, tries: int | None = None
    ) -> Answer:
        """SND_UD with the direction's FCB, repeated until something is heard."""
        fcb = self._user_data_fcb.get(a_field, True)
        frame = frames.snd_ud(a_field, fcb=fcb, ci_field=ci_field, data=data).to_bytes()
        optional = tries == 1
        first_byte_ns = self._optional(a_field) if optional else None
        answer = await self._repeat(frame, tries, first_byte_ns, (AnswerKind.ACK,))
        if answer.kind is AnswerKind.ACK:
            self._user_data_fcb[a_field] = not fcb
        return answer

    async def request(
        self, a_field: int, *, tries: int | None = None, first_byte_ns: int | None = None
    ) -> Answer:
        """REQ_UD2: the FCB stays the same over the tries; `took` toggles it after a good answer."""
        fcb = self._request_fcb.get(a_field, True)
        frame = frames.req_ud2(a_field, fcb=fcb).to_bytes()
        return await self._repeat(frame, tries, first_byte_ns, (AnswerKind.FRAME,))

    def took(self, a_field: int) -> None:
        """The answer to the last `request` was good: the next one asks for what follows."""
        self._request_fcb[a_field] = not self._request_fcb.get(a_field, True)

    async def pause(self, ns: int) -> None:
        """Keep the line silent for `ns` after the last request (`C-62`)."""
        await self._rt.sleep_until(self._quiet_from + ns)

    # --- Listening ----------------------------------------------------------------------------

    async def listen(self, until: int) -> bytes:
        """What arrives unasked before `until` (ns); empty when the line stays silent."""
        received = await self._line.receive(_never_enough, by=until, gap=self._idle_ns)
        self._heard(received)
        return received.data

    async def settle(self, until: int) -> None:
        """Wait for the end of a disturbed answer: past `until`, and 33 bits of silence.

        After a collision the line may be held low without a single character, so silence alone
        does not mean that everybody has finished; `until` covers the longest answer.
        """
        self.heard_noise = True
        limit = until + SETTLE_TELEGRAMS_MAX * self._line.format.characters_ns(LONGEST_TELEGRAM)
        heard = b"not yet known"
        while heard and self._rt.now() < limit:
            heard = await self.listen(max(until, self._rt.now() + self._idle_ns))
        self._quiet_from = max(self._quiet_from, until)

    def longest_answer_ns(self) -> int:
        """The answer window and the longest telegram behind it."""
        return self.answer_window_ns + self._line.format.characters_ns(LONGEST_TELEGRAM)

    # --- One exchange -------------------------------------------------------------------------

    @property
    def _idle_ns(self) -> int:
        return self._line.format.bits_ns(IDLE_BITS)

    def _optional(self, a_field: int) -> int:
        if a_field == ADDRESS_SELECTED:
            return min(self.settings.first_byte_ns, self.answer_window_ns)
        return self.settings.first_byte_ns

    def _reset_fcb(self, a_field: int) -> None:
        self._request_fcb[a_field] = True
        self._user_data_fcb[a_field] = True

    async def _repeat(
        self,
        frame: bytes,
        tries: int | None,
        first_byte_ns: int | None,
        wanted: tuple[AnswerKind, ...],
    ) -> Answer:
        tries = self.settings.tries if tries is None else tries
        for number in range(1, tries + 1):
            answer = await self._exchange(frame, first_byte_ns)
            if answer.kind in wanted or number == tries:
                return answer
            if answer.kind is AnswerKind.BROKEN:
                await self.settle(self._rt.now())
        raise AssertionError("a request is sent at least once")

    async def _send(self, frame: bytes) -> int:
        await self._rt.sleep_until(self._quiet_from + self._idle_ns)
        late = self._line.flush()
        if late:
            self.heard_noise = True
            self._rt.log("link.discarded", data=late.hex())
        self._rt.log("link.sent", data=frame.hex())
        end = await self._line.write(frame)
        self.sent += 1
        self._quiet_from = end
        return end

    async def _exchange(self, frame: bytes, first_byte_ns: int | None) -> Answer:
        wait_ns = self.settings.first_byte_ns if first_byte_ns is None else first_byte_ns
        end = await self._send(frame)
        by = end + wait_ns
        try:
            with self._rt.deadline(by + self.settings.full_ns):
                received = await self._line.receive(
                    frames.missing, by=by, gap=self.settings.idle_ns
                )
        except TimeoutError:
            data = self._line.flush()
            self._quiet_from = self._rt.now()
            answer = _broken(data, "no end within MBUS_FULLTIMEOUT", end)
        else:
            self._heard(received)
            answer = self._judge(received, end)
        self._rt.log(
            "link.received", data=answer.data.hex(), kind=answer.kind.value, reason=answer.reason
        )
        if answer.kind is AnswerKind.BROKEN:
            self.heard_noise = True
        return answer

    def _heard(self, received: Received) -> None:
        if received.last_ns is not None:
            self._quiet_from = max(self._quiet_from, received.last_ns)
        else:
            # Silence lasted until now, so the idle time before the next request is behind us.
            self._quiet_from = max(self._quiet_from, self._rt.now() - self._idle_ns)

    def _judge(self, received: Received, end: int) -> Answer:
        data = received.data
        if not data:
            return Answer(AnswerKind.SILENCE, b"", None, "", False, end)
        if received.faults:
            index, fault = received.faults[0]
            return _broken(data, f"{fault.name} error in character {index}", end)
        if self._too_long(received):
            return _broken(data, "no end within MBUS_FULLTIMEOUT", end)
        try:
            frame = frames.parse(data)
        except FrameError as error:
            return _broken(data, str(error), end)
        verified = received.faults is not None
        if isinstance(frame, frames.Ack):
            return Answer(AnswerKind.ACK, data, None, "", verified, end)
        if isinstance(frame, frames.LongFrame):
            return Answer(AnswerKind.FRAME, data, frame, "", verified, end)
        return _broken(data, "a short frame is no answer", end)

    def _too_long(self, received: Received) -> bool:
        if received.first_ns is None or received.last_ns is None:
            return False
        return received.last_ns - received.first_ns > self.settings.full_ns


def _broken(data: bytes, reason: str, end: int) -> Answer:
    return Answer(AnswerKind.BROKEN, data, None, reason, False, end)


def _never_enough(data: bytes) -> int:
    # A listener without an expectation goes on until the line is silent, but not for ever.
    return 0 if len(data) >= LONGEST_TELEGRAM else 1
