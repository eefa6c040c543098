"""A receiver on the simulated line: collects transmissions, hands out characters in order.

It knows the future as far as it is decided: what was put on the line will arrive unless somebody
else speaks into it. So a reader can compute when its read will end and set one timer, and compute
again when a transmission is added; characters are exact although hardly any event happens. Pure:
no clock, no SimPy; time is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from simulators.characters import Character, Fault, Format, Transmission, receive, to_ns, to_ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Characters that wait to be read before the oldest are lost, like the 4 KiB of a serial driver.
UNREAD_CHARACTERS_MAX: Final = 4096


class Path(Protocol):
    """What lies between the line and whoever reads: a converter that is late or loses characters.

    Every answer depends on its arguments alone, so that a burst worked out anew keeps its past.
    """

    def late_ns(self, start: int) -> int:
        """How late the burst that begins at `start` (ticks) arrives."""
        ...

    def keeps(self, transmission: Transmission) -> bool:
        """Whether every character of a lone transmission comes through, and none besides."""
        ...

    def altered(self, start: int, heard: list[Character]) -> list[Character]:
        """What becomes of the characters of the burst that begins at `start`."""
        ...


class Burst:
    """Transmissions that touch each other, and the characters that a receiver makes of them.

    A lone transmission in the receiver's own format needs no bits: its characters are its data.
    """

    __slots__ = ("_times", "_width", "close", "data", "faults", "late_ns", "transmissions")

    def __init__(
        self,
        transmissions: list[Transmission],
        form: Format,
        since: int = 0,
        path: Path | None = None,
    ) -> None:
        self.transmissions = transmissions
        self._width = form.character_ticks
        first = transmissions[0]
        #: How much later than on the line the characters reach whoever reads them.
        self.late_ns = 0 if path is None else path.late_ns(first.start)
        plain = first.format == form and first.undisturbed and first.start >= since
        if len(transmissions) == 1 and plain and (path is None or path.keeps(first)):
            self.data = first.data
            self.faults: tuple[tuple[int, Fault], ...] = ()
            self._times: list[tuple[int, int]] | None = None
            self.close = first.end
            return
        heard = receive(transmissions, form, since)
        # The receiver may still be busy with a character when the last sender has fallen silent.
        self.close = max([item.end for item in transmissions] + [one.end for one in heard[-1:]])
        if path is not None:
            heard = path.altered(first.start, heard)
        self.data = bytes(character.byte for character in heard)
        self.faults = tuple((n, item.fault) for n, item in enumerate(heard) if item.fault)
        self._times = [(character.start, character.end) for character in heard]

    @property
    def undisturbed(self) -> bool:
        """Whether the characters follow each other without a pause and as they were sent."""
        return self._times is None

    def ticks(self, index: int) -> tuple[int, int]:
        """Start of character `index` and end of its stop bit."""
        if self._times is not None:
            return self._times[index]
        only = self.transmissions[0]
        start = only.start + index * self._width
        return start, start + self._width

    def start_ns(self, index: int) -> int:
        """When character `index` begins, as the reader sees it."""
        return to_ns(self.ticks(index)[0]) + self.late_ns

    def end_ns(self, index: int) -> int:
        """When the stop bit of character `index` ends, as the reader sees it."""
        return to_ns(self.ticks(index)[1]) + self.late_ns

    def shown_ns(self) -> int:
        """When the reader has seen all of the burst."""
        return to_ns(self.close) + self.late_ns

    def show_after(self, earlier_ns: int) -> int:
        """Reach the reader no earlier than what was on the line before; returns `shown_ns`."""
        self.late_ns = max(self.late_ns, earlier_ns - to_ns(self.transmissions[0].start))
        return self.shown_ns()


class Reading(NamedTuple):
    """How a read will end as things stand: when, with how many characters and which.

    `at_ns` lies in the future until that moment has come; `faults` index into `data`.
    """

    at_ns: int
    data: bytes
    faults: tuple[tuple[int, Fault], ...]
    first_ns: int | None
    last_ns: int | None


class Receiver:
    """The characters that one listener hears, in order, each taken once."""

    def __init__(self, form: Format, *, since: int = 0, path: Path | None = None) -> None:
        self.format = form
        #: Characters thrown away because nobody read them.
        self.lost = 0
        self._since = since
        self._path = path
        self._bursts: list[Burst] = []
        self._taken = 0
        # When the last character of the bursts that are gone was handed over.
        self._shown_ns = 0

    def add(self, transmissions: Iterable[Transmission]) -> None:
        """Put `transmissions` on the line; none may begin before a time already read."""
        new = sorted(transmissions, key=_start)
        if self._bursts and new and new[0].start < self._bursts[-1].close:
            # Half-read bursts are worked out anew as a whole: cut in two they would decode
            # differently. What has been taken stays as it was, for it lies in the past.
            new = sorted(self._known() + new, key=_start)
            self._bursts.clear()
        self._bursts.extend(list(self._grouped(new)))
        self._limit()

    def refresh(self) -> None:
        """Work everything out anew: a sender has been cut, or a converter changed its ways."""
        known = sorted(self._known(), key=_start)
        self._bursts.clear()
        self._bursts.extend(list(self._grouped(known)))

    def forget(self, now_ns: int) -> None:
        """Lose everything that has not been read, and whatever is underway."""
        self._bursts.clear()
        self._taken = 0
        self._since = to_ticks(now_ns)

    def _known(self) -> list[Transmission]:
        return [item for burst in self._bursts for item in burst.transmissions]

    def idle(self, at: int) -> bool:
        """Whether everything before `at` (ticks) is over, so that nothing can touch it."""
        return not self._bursts or self._bursts[-1].close <= at

    def set_format(self, form: Format, now_ns: int) -> None:
        """Listen in another format from now on; what is being said is heard from its middle."""
        self.flush(now_ns)
        self.format = form
        self._since = to_ticks(now_ns)
        underway = [item for item in self._known() if item.end > self._since]
        self._bursts.clear()
        self._bursts.extend(list(self._grouped(underway)))
        self._taken = 0

    def unread(self) -> Iterator[tuple[Burst, int]]:
        """The bursts with characters to come, each with the index of its first unread one."""
        skip = self._taken
        for burst in self._bursts:
            if skip < len(burst.data):
                yield burst, skip
            skip = max(0, skip - len(burst.data))

    def next_end_ns(self) -> int | None:
        """When the next unread character will be complete; None if none is on its way."""
        for burst, index in self.unread():
            return burst.end_ns(index)
        return None

    def take(self, count: int, now_ns: int) -> None:
        """Consume `count` characters, and forget the bursts that nobody can speak into any more."""
        self._taken += count
        while self._bursts and self._taken >= len(self._bursts[0].data):
            if to_ns(self._bursts[0].close) > now_ns:
                return
            gone = self._bursts.pop(0)
            self._taken -= len(gone.data)
            self._shown_ns = gone.shown_ns()

    def flush(self, now_ns: int) -> bytes:
        """Consume, and return, every character that is complete by now."""
        data = bytearray()
        for burst, begin in self.unread():
            complete = sum(burst.end_ns(n) <= now_ns for n in range(begin, len(burst.data)))
            data += burst.data[begin : begin + complete]
        self.take(len(data), now_ns)
        return bytes(data)

    def plan(self, missing: Callable[[bytes], int], *, by: int, gap: int) -> Reading:
        """How a read that begins now will end, if nobody speaks any more (times in ns).

        It ends with the character after which ``missing(data)`` is 0, or `gap` ns behind a
        character that no other one follows, or at `by` if nothing has begun by then. A character
        that begins exactly at a limit is in time.
        """
        data, faults = b"", list[tuple[int, Fault]]()
        first = last = None
        wanted = missing(data)
        for burst, index in self.unread():
            while index < len(burst.data):
                begins = burst.start_ns(index)
                if last is None and begins > by:
                    return Reading(by, b"", (), None, None)
                if last is not None and begins - last > gap:
                    return Reading(last + gap, data, tuple(faults), first, last)
                end = index + 1
                if burst.undisturbed:
                    # No pause inside: characters are taken until the framing has enough.
                    end, wanted = _enough(data, burst.data, index, wanted, missing)
                else:
                    faults += [(len(data), what) for n, what in burst.faults if n == index]
                    wanted = missing(data + burst.data[index:end])
                data += burst.data[index:end]
                first = burst.end_ns(index) if first is None else first
                index, last = end, burst.end_ns(end - 1)
                if wanted == 0:
                    return Reading(last, data, tuple(faults), first, last)
        if last is None:
            return Reading(by, b"", (), None, None)
        return Reading(last + gap, data, tuple(faults), first, last)

    def _grouped(self, transmissions: list[Transmission]) -> Iterator[Burst]:
        """Group `transmissions`, in the order of their start, by what cannot be told apart.

        A transmission belongs to the burst before it when it begins while a sender still talks or
        the receiver is still busy with a character. A burst never overtakes the one before it.
        """
        group = list[Transmission]()
        end = 0
        shown_ns = self._bursts[-1].shown_ns() if self._bursts else self._shown_ns
        for transmission in transmissions:
            if group and transmission.start >= end:
                burst = Burst(group, self.format, self._since, self._path)
                if transmission.start >= burst.close:
                    if self._path is not None:
                        shown_ns = burst.show_after(shown_ns)
                    yield burst
                    group, end = [], 0
            group.append(transmission)
            end = max(end, transmission.end)
        if group:
            burst = Burst(group, self.format, self._since, self._path)
            if self._path is not None:
                burst.show_after(shown_ns)
            yield burst

    def _limit(self) -> None:
        """Lose the oldest bursts that nobody has read, beyond the limit."""
        waiting = sum(len(burst.data) for burst in self._bursts)
        while waiting > UNREAD_CHARACTERS_MAX and len(self._bursts) > 1:
            gone = self._bursts.pop(0)
            dropped, self._shown_ns = len(gone.data), gone.shown_ns()
            self.lost += dropped - min(self._taken, dropped)
            self._taken = max(0, self._taken - dropped)
            waiting -= dropped


def _enough(
    before: bytes, data: bytes, begin: int, wanted: int, missing: Callable[[bytes], int]
) -> tuple[int, int]:
    """How far the framing takes `data` from `begin` on, and how many it still wants then.

    `before` is what it has had already, `wanted` what it wants behind that. At least one character
    is taken.
    """
    end = begin
    while end < len(data):
        end = min(end + max(1, wanted), len(data))
        wanted = missing(before + data[begin:end])
        if wanted == 0:
            break
    return end, wanted


def _start(transmission: Transmission) -> int:
    return transmission.start
