"""Characters as bits on a line: their exact timing, how they overlap, what a receiver makes of it.

An idle line carries ones. A character is a start bit 0, eight data bits with the least significant
first, a parity bit and a stop bit 1 (MBDOC48 p.21). Slaves that talk at once add their currents, so
a space (0) of any of them wins: the line is the AND of all bit streams. A receiver waits for a
falling edge and samples the middle of each bit that follows.

Two ideas make this exact and cheap. Time is counted in *ticks* of which every standard baud rate
has a whole number per bit, so nothing is ever rounded. And the bit stream of one telegram is one
Python integer whose endless ones on the left are the idle line (a negative number), so that eleven
bits of a stream are one shift and one mask. Bits are worked out only where transmissions overlap
or where sender and receiver differ in format; everything else is arithmetic on whole characters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from functools import lru_cache
from typing import Final, NamedTuple

#: The fastest rate, of which all others are whole parts: 300 to 38400 Bd (MBDOC48 p.31).
BAUDRATE_MAX: Final = 38_400
TICKS_PER_NS: Final = BAUDRATE_MAX
BAUDRATES: Final = (300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400)

_NS_PER_S: Final = 1_000_000_000
_DATA_BITS: Final = 8
_IDLE: Final = -1


class Fault(IntFlag):
    """What a receiver notices about one character."""

    PARITY = 1
    FRAMING = 2


@dataclass(frozen=True, slots=True)
class Format:
    """Baud rate, parity (pyserial's letters N, E, O, M, S) and stop bits of a character.

    `bits` counts those of a character, start and stop included: 11 for 8E1. Raises ValueError for
    a rate that M-Bus does not have.
    """

    baudrate: int = 2400
    parity: str = "E"
    stop_bits: int = 1
    bits: int = field(init=False, compare=False)
    #: Duration of one bit, and of one character.
    bit_ticks: int = field(init=False, compare=False)
    character_ticks: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        bits = 1 + _DATA_BITS + (self.parity != "N") + self.stop_bits
        bit = bit_ticks(self.baudrate)
        for name, value in (("bits", bits), ("bit_ticks", bit), ("character_ticks", bits * bit)):
            object.__setattr__(self, name, value)


def bit_ticks(baudrate: int) -> int:
    """Duration of one bit in ticks; ValueError for a rate that M-Bus does not have."""
    if baudrate not in BAUDRATES:
        msg = f"baud rates of M-Bus are {', '.join(map(str, BAUDRATES))}; got {baudrate}"
        raise ValueError(msg)
    return BAUDRATE_MAX // baudrate * _NS_PER_S


def to_ticks(ns: int) -> int:
    """The instant `ns` in ticks, exactly."""
    return ns * TICKS_PER_NS


def to_ns(ticks: int) -> int:
    """The first whole ns that is not before `ticks`."""
    return -(-ticks // TICKS_PER_NS)


def parity_bit(byte: int, parity: str) -> int:
    """The parity bit that belongs to `byte`."""
    ones = byte.bit_count() & 1
    return {"E": ones, "O": ones ^ 1, "M": 1, "S": 0}[parity]


@lru_cache(maxsize=1024)
def _character(byte: int, parity: str, stop_bits: int) -> int:
    """The bits of one character, the first one in the least significant place."""
    bits, length = byte << 1, 1 + _DATA_BITS
    if parity != "N":
        bits |= parity_bit(byte, parity) << length
        length += 1
    return bits | ((1 << stop_bits) - 1) << length


class Transmission:
    """One telegram on its way: who sends it, which characters, in which format, from when.

    `start` and `end` are in ticks; there are no pauses between the characters (MBDOC48 p.21).
    `flips` is a set of bits, bit n for the n-th bit of the stream: those that a disturbance turns
    into their opposite. A sender that loses its power is `cut`; what it has not said is idle line.
    """

    __slots__ = ("_spoilt", "_wave", "data", "end", "flips", "format", "sender", "start")

    def __init__(
        self, sender: str, data: bytes, start: int, form: Format, *, flips: int = 0
    ) -> None:
        self.sender = sender
        self.data = data
        self.format = form
        self.start = start
        self.end = start + len(data) * form.character_ticks
        self.flips = flips
        self._wave: int | None = None
        self._spoilt = False

    @classmethod
    def space(cls, sender: str, start: int, bits: int, form: Format) -> Transmission:
        """A break: the line held at 0 for `bits` bit times, longer than any character may."""
        held = cls(sender, b"", start, form)
        held.end = start + bits * form.bit_ticks
        held._wave = _IDLE << bits
        held._spoilt = True
        return held

    @property
    def undisturbed(self) -> bool:
        """Whether the bits on the line are those of `data`, all of them and no others."""
        return not self.flips and not self._spoilt

    @property
    def cut_short(self) -> bool:
        """Whether the sender has been cut, or never sent characters at all."""
        return self._spoilt

    @property
    def wave(self) -> int:
        """The bit stream as a negative integer: bit 0 first, idle ones without end behind it."""
        if self._wave is None:
            form, bits = self.format, 0
            width = form.bits
            for byte in reversed(self.data):
                bits = bits << width | _character(byte, form.parity, form.stop_bits)
            self._wave = _IDLE << width * len(self.data) | bits
        return self._wave ^ self.flips

    def flip(self, bits: int) -> None:
        """Let a disturbance turn more bits round; those turned twice are as before."""
        self.flips ^= bits

    def cut(self, at: int) -> None:
        """Fall silent at `at` (ticks): the bit that has begun is finished, nothing follows.

        `data` keeps the characters that were sent whole.
        """
        if at >= self.end:
            return
        bits = max(0, -(-(at - self.start) // self.format.bit_ticks))
        self._wave, self.flips = self.wave | _IDLE << bits, 0
        self.data = self.data[: bits // self.format.bits]
        self.end = self.start + bits * self.format.bit_ticks
        self._spoilt = True


class Character(NamedTuple):
    """One character as a receiver heard it; times in ticks, `end` is that of the stop bit."""

    start: int
    end: int
    byte: int
    fault: Fault


class _Stream:
    """Transmissions in phase with each other, merged into one bit stream."""

    __slots__ = ("bit", "start", "wave")

    def __init__(self, start: int, bit: int, wave: int) -> None:
        self.start = start
        self.bit = bit
        self.wave = wave

    def merge(self, start: int, wave: int) -> None:
        """Add a stream whose bits lie exactly on ours and which does not begin before us."""
        shift = (start - self.start) // self.bit
        self.wave &= ~(~wave << shift)

    def window(self, at: int, width: int) -> int:
        """`width` bits from the one that is on the line at `at`, the first one lowest."""
        index = (at - self.start) // self.bit
        mask = (1 << width) - 1
        if index >= 0:
            return self.wave >> index & mask
        return (self.wave << -index | (1 << -index) - 1) & mask

    def sample(self, at: int) -> int:
        """The bit that is on the line at `at`."""
        return self.window(at, 1)

    def low_from(self, at: int) -> int | None:
        """The first instant not before `at` at which the stream is 0; None if never."""
        at = max(at, self.start)
        index = (at - self.start) // self.bit
        rest = self.wave >> index
        if not rest & 1:
            return at
        if rest == _IDLE:
            return None
        # A number that ends in n ones has n zeros at the end of its complement.
        zeros = ~rest
        return self.start + (index + (zeros & -zeros).bit_length() - 1) * self.bit

    def high_from(self, at: int) -> int:
        """The first instant not before `at` at which the stream is 1."""
        if at < self.start:
            return at
        index = (at - self.start) // self.bit
        rest = self.wave >> index
        ones = (rest & -rest).bit_length() - 1
        return at if ones == 0 else self.start + (index + ones) * self.bit


def _streams(transmissions: list[Transmission]) -> list[_Stream]:
    """Merge what is in phase; `transmissions` are in the order of their start."""
    phases: dict[tuple[int, int], _Stream] = {}
    for transmission in transmissions:
        bit = transmission.format.bit_ticks
        key = (bit, transmission.start % bit)
        if key in phases:
            phases[key].merge(transmission.start, transmission.wave)
        else:
            phases[key] = _Stream(transmission.start, bit, transmission.wave)
    return list(phases.values())


def _falling_edge(streams: list[_Stream], at: int) -> int | None:
    """When the line falls next, at `at` or later; a line that is low at `at` must rise first."""
    while any(not stream.sample(at) for stream in streams):
        at = max(stream.high_from(at) for stream in streams)
    lows = [low for stream in streams if (low := stream.low_from(at)) is not None]
    return min(lows, default=None)


def _bits(streams: list[_Stream], middle: int, form: Format) -> int:
    """The bits that a receiver samples, one bit time apart, from `middle` on."""
    bits, bit = (1 << form.bits) - 1, form.bit_ticks
    for stream in streams:
        if stream.bit == bit:
            bits &= stream.window(middle, form.bits)
        else:
            samples = (stream.sample(middle + n * bit) << n for n in range(form.bits))
            bits &= sum(samples)
    return bits


def receive(
    transmissions: list[Transmission], form: Format, since: int | None = None
) -> list[Character]:
    """What a receiver of format `form` hears while `transmissions` are on the line together.

    One that begins to listen at `since` (ticks) waits for the next falling edge, be it in the
    middle of a character.

    The receiver takes the middle of the first stop bit as the end of its work on a character and
    then waits for the next falling edge; after a framing error the line must be high first. A
    start bit that is gone in its middle is taken for a glitch.
    """
    streams = _streams(sorted(transmissions, key=lambda item: item.start))
    bit, heard = form.bit_ticks, list[Character]()
    before = min(stream.start for stream in streams) - 1
    edge = _falling_edge(streams, before if since is None else max(since - 1, before))
    while edge is not None:
        middle = edge + bit // 2
        bits = _bits(streams, middle, form)
        if bits & 1:
            edge = _falling_edge(streams, middle)
            continue
        heard.append(_character_heard(edge, bits, form))
        stop = 1 + _DATA_BITS + (form.parity != "N")
        edge = _falling_edge(streams, middle + stop * bit)
    return heard


def _character_heard(edge: int, bits: int, form: Format) -> Character:
    """Make a character of sampled bits, with the faults that a UART would report."""
    byte = bits >> 1 & 0xFF
    place, fault = 1 + _DATA_BITS, Fault(0)
    if form.parity != "N":
        if bits >> place & 1 != parity_bit(byte, form.parity):
            fault |= Fault.PARITY
        place += 1
    if not bits >> place & 1:
        fault |= Fault.FRAMING
    return Character(edge, edge + form.character_ticks, byte, fault)
