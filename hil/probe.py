"""Looking at a converter: what can be told of it, how surely, and what cannot be told.

Nothing here changes a meter: SND_NKE to address 253 ends selections that nobody needs, REQ_UD2
reads. Times are those of this host: a chunk of characters is seen when the host wakes up, so every
time has an uncertainty, and the answer time of a meter (11 bits to 330 bits + 50 ms, MBDOC48 p.25)
cannot be told from the delay of the transport. What follows from what was seen is said, and no
more.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.runtime.port import NS_PER_MS, NS_PER_S
from hil.protocols import ParitySupport
from simulators import frames
from simulators.frames import Function

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.port import LineFormat
    from hil.families import Family
    from hil.protocols import Wire

#: Questions to a meter from which the round trip is told.
ROUNDS: Final = 7

#: Questions without any answer after which the meter is taken not to be there.
SILENT_MAX: Final = 2

#: Naps from which the precision of this host's clock is told, and their length.
NAPS: Final = 20
NAP_S: Final = 0.001

#: What a meter may take at most: 330 bits and 50 ms (MBDOC48 p.25); at least: 11 bits.
ANSWER_BITS_MAX: Final = 330
ANSWER_BITS_MIN: Final = 11
ANSWER_EXTRA_NS: Final = 50 * NS_PER_MS

#: What USB adapters, converters and networks may add to that.
TRANSPORT_NS_MAX: Final = 250 * NS_PER_MS

#: Part of the wire's own time that an answer must have taken for its pace to be that of the wire.
PACED: Final = 0.8

#: A C field of SND_NKE and of REQ_UD2 with the frame count bit set and clear.
_SND_NKE: Final = frames.CALLING | Function.SND_NKE
_REQ_UD2: Final = frames.CALLING | frames.FCV | Function.REQ_UD2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was seen, or why it cannot be told."""

    name: str
    told: bool
    text: str
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Probe:
    """Looks at one converter; `meter` is the primary address that is asked (254: any single one).

    `clock_ns` is how late this host may notice something.
    """

    wire: Wire
    line_format: LineFormat
    meter: int = frames.TEST
    clock_ns: int = 0

    def run(self, family: Family | None = None) -> list[Finding]:
        """Look at everything; raises OSError where the converter itself fails."""
        self.clock_ns = clock_uncertainty_ns()
        echo, echoed = self._echo()
        rounds = self._rounds(echoed)
        findings = [
            Finding("parity", self.wire.parity is not ParitySupport.UNKNOWN, self._parity()),
            Finding("modem lines", True, self.wire.modem_lines),
            echo,
            self._pace(rounds),
            self._round_trip(rounds),
        ]
        return findings + (published(family, self.line_format) if family is not None else [])

    def _parity(self) -> str:
        return self.wire.parity.value

    # --- Echo -------------------------------------------------------------------------------

    def _echo(self) -> tuple[Finding, bool]:
        """Send what no meter answers, and see whether it comes back."""
        frame = frames.short_frame(_SND_NKE, frames.NETWORK_LAYER)
        self._drain()
        heard = b"".join(chunk for _, chunk in self._ask(frame, len(frame)))
        if heard == frame:
            return Finding("echo", True, "yes: what is sent comes back"), True
        if not heard:
            return Finding("echo", True, "no: nothing comes back"), False
        text = f"unclear: sent {frame.hex(' ')}, heard {heard.hex(' ')}"
        return Finding("echo", False, text), False

    def _ask(self, frame: bytes, length: int) -> list[tuple[int, bytes]]:
        """Send a frame and hear `length` characters, or until none can come any more."""
        sent_at = self.wire.send(frame)
        end = sent_at + self.line_format.characters_ns(len(frame)) + self._patience_ns()
        return self.wire.receive(end - time.monotonic_ns(), lambda data: len(data) >= length)

    def _patience_ns(self) -> int:
        bits = self.line_format.bits_ns(ANSWER_BITS_MAX + frames.FRAME_LENGTH_MAX * 11)
        return bits + ANSWER_EXTRA_NS + TRANSPORT_NS_MAX

    def _drain(self) -> None:
        """Forget what came before: a converter may have kept characters."""
        self.wire.receive(TRANSPORT_NS_MAX, lambda _: False)

    # --- A meter's answers --------------------------------------------------------------------

    def _rounds(self, echoed: bool) -> list[_Round]:
        """Read a meter several times, each time from the request's last stop bit on."""
        found = []
        for number in range(ROUNDS):
            frame = frames.short_frame(_REQ_UD2 | frames.FCB * (number % 2), self.meter)
            skip = len(frame) if echoed else 0
            sent_at = self.wire.send(frame)
            chunks = self.wire.receive(self._patience_ns(), _answered(skip))
            answer = _without(chunks, skip)
            data = b"".join(chunk for _, chunk in answer)
            if _complete(data):
                sent_end = sent_at + self.line_format.characters_ns(len(frame))
                found.append(_Round(sent_end, answer, len(data)))
            elif number + 1 >= SILENT_MAX and not found:
                break
        return found

    def _pace(self, rounds: list[_Round]) -> Finding:
        """Whether characters come at the pace of the wire, or in packets of their own time."""
        long = [one for one in rounds if one.length > 1]
        if not long:
            return Finding("pace", False, f"cannot be told: no meter answers at {self.meter}")
        ratios = [
            (one.last_ns - one.first_ns)
            / (self.line_format.characters_ns(one.length - one.first_length) or 1)
            for one in long
            if one.length > one.first_length
        ]
        packets = statistics.median(len(one.chunks) for one in long)
        if not ratios:
            text = f"in one piece: {long[0].length} characters arrive together"
            return Finding("pace", True, text, {"chunks": packets})
        ratio = statistics.median(ratios)
        paced = "at the pace of the wire" if ratio >= PACED else "faster than the wire"
        text = f"{paced}: {ratio:.2f} of its time, {packets:g} chunks an answer"
        return Finding("pace", True, text, {"ratio": ratio, "chunks": packets})

    def _round_trip(self, rounds: list[_Round]) -> Finding:
        """How long an answer takes to begin, and what of it may be the transport's."""
        if not rounds:
            text = f"cannot be told: no meter answers at {self.meter}"
            return Finding("round trip", False, text)
        # The first chunk is seen at its end; the answer began that many characters earlier.
        begins = [
            (one.first_ns - self.line_format.characters_ns(one.first_length) - one.request_end_ns)
            / NS_PER_MS
            for one in rounds
        ]
        shortest, longest = min(begins), max(begins)
        median = statistics.median(begins)
        uncertainty = self.clock_ns / NS_PER_MS
        transport = max(0.0, longest - self.line_format.bits_ns(ANSWER_BITS_MIN) / NS_PER_MS)
        text = (
            f"{median:.1f} ms ± {uncertainty:.1f} ms (shortest {shortest:.1f}, longest "
            f"{longest:.1f}, {len(rounds)} answers); at most {transport:.1f} ms of it is the "
            "transport's, the rest is the meter's answer time, which it cannot be told from"
        )
        figures = {"median_ms": median, "shortest_ms": shortest, "longest_ms": longest}
        figures |= {"uncertainty_ms": uncertainty, "transport_ms_max": transport}
        return Finding("round trip", True, text, figures)


@dataclass(frozen=True, slots=True)
class _Round:
    """One answer: when its request had left, and its chunks with their times."""

    request_end_ns: int
    chunks: list[tuple[int, bytes]]
    length: int

    @property
    def first_ns(self) -> int:
        return self.chunks[0][0]

    @property
    def first_length(self) -> int:
        return len(self.chunks[0][1])

    @property
    def last_ns(self) -> int:
        return self.chunks[-1][0]


def _answered(skip: int) -> Callable[[bytes], bool]:
    return lambda data: _complete(data[skip:])


def _complete(data: bytes) -> bool:
    """Whether an answer of a meter is whole: E5, or a long frame to its stop character."""
    if data == frames.ACK:
        return True
    length = frames.frame_length(data)
    return bool(length) and len(data) >= (length or 0)


def _without(chunks: list[tuple[int, bytes]], skip: int) -> list[tuple[int, bytes]]:
    """Leave out the first `skip` characters, which are the echo."""
    left = []
    for at, data in chunks:
        if skip >= len(data):
            skip -= len(data)
        else:
            left.append((at, data[skip:]))
            skip = 0
    return left


def clock_uncertainty_ns() -> int:
    """Return how late this host may notice something: twice the worst of some short naps."""
    worst = 0
    for _ in range(NAPS):
        before = time.monotonic_ns()
        time.sleep(NAP_S)
        worst = max(worst, time.monotonic_ns() - before - int(NAP_S * NS_PER_S))
    return 2 * worst


def published(family: Family, line_format: LineFormat) -> list[Finding]:
    """Return what the maker publishes, beside what was measured; what it does not, is said."""
    found = []
    low, high = family.baudrate_min, family.baudrate_max
    if low is not None and high is not None:
        inside = low <= line_format.baudrate <= high
        word = "within" if inside else "outside"
        source = family.baudrates_source
        text = f"{line_format.baudrate} Bd is {word} {low} to {high} Bd [{source}]"
        found.append(Finding("published: bit rates", True, text, {"within": float(inside)}))
    if family.unit_loads is not None:
        text = f"{family.unit_loads} [{family.unit_loads_source}]"
        found.append(Finding("published: unit loads", True, text, {"most": family.unit_loads}))
    for name in ("echo", "collision", "overload", "idle", "power_up"):
        told = name in family.facts
        found.append(Finding(f"published: {name.replace('_', ' ')}", told, family.told(name)))
    return found
