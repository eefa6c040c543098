"""A line whose other end is a script: what is answered to each telegram, and exactly when.

The oracle for the master's telegrams is the literal bytes of worked examples 10, so nothing here
knows the M-Bus: no frames, no checksums, no meters. Time is that of the simulated runtime, and
every character begins and ends at a known nanosecond, so a limit can be tried one nanosecond to
either side.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from gateway.device.link import Link, LinkSettings
from gateway.runtime.port import NS_PER_MS, Fault, LineError, LineFormat, Received
from hil.runtimes import simulated_runtime
from simulators.memory_storage import MemoryStorage

if TYPE_CHECKING:
    from simulators.runtime import SimRuntime

T = TypeVar("T")

BUS_URL = "script:"
#: The factory line: 2400 Bd, 8E1.
FORMAT = LineFormat()
#: Answers begin this long behind a telegram where a script does not say: 50 bits at 2400 Bd.
DELAY_NS = 50 * 1_000_000_000 // 2400
#: The keys of manual 9.4 as they are by default: 2000 ms, 100 ms, 10 s, 1 + 3 sends.
DEFAULTS = LinkSettings(2000 * NS_PER_MS, 100 * NS_PER_MS, 10_000 * NS_PER_MS, 4)


@dataclass(frozen=True)
class Say:
    """Characters that the other end sends, `delay_ns` behind the end of a telegram.

    `faults` are by index of the character, `pauses` are silences (ns) before the character.
    """

    data: bytes
    delay_ns: int = DELAY_NS
    faults: Mapping[int, Fault] = field(default_factory=dict)
    pauses: Mapping[int, int] = field(default_factory=dict)


#: What a script may answer: hex, a `Say`, several of them, or nothing.
Reply = str | Say | Sequence[Say] | None
OtherEnd = Callable[[bytes], Reply]


class _Character(NamedTuple):
    start: int
    end: int
    byte: int
    fault: Fault | None


class ScriptedLine:
    """`gateway.runtime.port.Line` with a script behind it."""

    def __init__(
        self,
        rt: SimRuntime,
        other_end: OtherEnd,
        line_format: LineFormat = FORMAT,
        *,
        tells_faults: bool = True,
        echo: bool = False,
    ) -> None:
        self._rt = rt
        self._other_end = other_end
        self.format = line_format
        self._tells_faults = tells_faults
        self._echo = echo
        self._coming: list[_Character] = []
        self._wake = rt.event()
        self._lost = False
        #: Telegrams as hex, and the times (ns) at which they began and ended.
        self.sent: list[str] = []
        self.times: list[tuple[int, int]] = []

    def say(self, at: int, say: Say) -> int:
        """Let characters come from `at` (ns) on; returns when the last one ends."""
        start = at
        for index, byte in enumerate(say.data):
            start += say.pauses.get(index, 0)
            end = start + self.format.characters_ns(1)
            self._coming.append(_Character(start, end, byte, say.faults.get(index)))
            start = end
        self._coming.sort()
        return start

    def vanish(self) -> None:
        """Pull the plug."""
        self._lost = True
        self._wake.set()

    # --- Port ---------------------------------------------------------------------------------

    async def write(self, data: bytes) -> int:
        """Send, hear the own bytes where there is an echo, and let the script answer."""
        self._check()
        begin = self._rt.now()
        end = begin + self.format.characters_ns(len(data))
        if self._echo:
            self.say(end - len(data) * self.format.characters_ns(1), Say(data))
        await self._rt.sleep_until(end)
        self._check()
        self.sent.append(data.hex(" ").upper())
        self.times.append((begin, end))
        reply = self._other_end(data)
        if isinstance(reply, str):
            reply = Say(bytes.fromhex(reply))
        for say in [reply] if isinstance(reply, Say) else reply or ():
            self.say(end + say.delay_ns, say)
        return end

    async def receive(self, missing: Callable[[bytes], int], *, by: int, gap: int) -> Received:
        """Listen as the port's documentation says."""
        while True:
            self._check()
            count, at = self._plan(missing, by, gap)
            if at <= self._rt.now():
                return self._take(count)
            # A timer of the ordinary kind: what happens at a deadline is in time.
            self._wake.clear()
            timer = self._rt.at(at, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()

    def flush(self) -> bytes:
        """Forget what is complete."""
        complete = [item for item in self._coming if item.end <= self._rt.now()]
        return self._take(len(complete)).data

    async def set_format(self, line_format: LineFormat) -> None:
        """Talk in another format from now on."""
        self.format = line_format

    async def close(self) -> None:
        """Nothing is kept."""

    def _check(self) -> None:
        if self._lost:
            raise LineError("the plug was pulled")

    def _plan(self, missing: Callable[[bytes], int], by: int, gap: int) -> tuple[int, int]:
        data, last = b"", None
        for item in self._coming:
            if last is None and item.start > by:
                break
            if last is not None and item.start - last > gap:
                break
            data, last = data + bytes((item.byte,)), item.end
            if missing(data) == 0:
                return len(data), last
        return len(data), by if last is None else last + gap

    def _take(self, count: int) -> Received:
        taken, self._coming = self._coming[:count], self._coming[count:]
        faults = tuple((n, item.fault) for n, item in enumerate(taken) if item.fault is not None)
        return Received(
            data=bytes(item.byte for item in taken),
            faults=faults if self._tells_faults else None,
            first_ns=taken[0].end if taken else None,
            last_ns=taken[-1].end if taken else None,
        )


def script(*replies: Reply) -> OtherEnd:
    """An other end that gives `replies` in turn, whatever is asked, and is silent behind them."""
    left = list(replies)

    def answer(_: bytes) -> Reply:
        return left.pop(0) if left else None

    return answer


def table(answers: Mapping[str, Reply]) -> OtherEnd:
    """An other end that answers some telegrams (hex) always alike, and is silent otherwise."""
    known = {bytes.fromhex(telegram): reply for telegram, reply in answers.items()}
    return known.get


@dataclass
class Played:
    """What a conversation left behind."""

    result: Any
    line: ScriptedLine
    link: Link
    rt: SimRuntime

    @property
    def sent(self) -> list[str]:
        """The master's telegrams."""
        return self.line.sent

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """The fields of the events of one kind."""
        return [fields for _, event, fields in self.rt.trace if event == kind]


def play(
    conversation: Callable[[SimRuntime, Link, ScriptedLine], Coroutine[Any, Any, T]],
    other_end: OtherEnd,
    *,
    settings: LinkSettings = DEFAULTS,
    line_format: LineFormat = FORMAT,
    tells_faults: bool = True,
    echo: bool = False,
) -> Played:
    """Hold `conversation` over a link whose line ends at `other_end`."""
    rt = simulated_runtime(storage=MemoryStorage())
    line = ScriptedLine(rt, other_end, line_format, tells_faults=tells_faults, echo=echo)
    link = Link(rt, line, settings)

    async def main(runtime: SimRuntime) -> T:
        # The line has been quiet for a second when the conversation begins.
        await runtime.sleep(1_000_000_000)
        return await conversation(runtime, link, line)

    return Played(rt.run(main), line, link, rt)
