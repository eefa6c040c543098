"""The two-wire bus in virtual time: who talks when, and who hears what.

The two directions are two different quantities, voltage from the master and current from the slaves
(MBDOC48 p.14-15): slaves never hear each other, and a master hears slaves even while it talks. The
bus is half duplex by the discipline of its members; what the discipline forbids is not forbidden
here, it has its consequences: a slave that is talking misses a request, and slaves that talk at
once are heard as the AND of their bits.
"""

# The heap and the clock of SimPy's environment are private names; a call goes into the heap as it
# is, for an event with its callbacks and checks would cost several times as much.
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from heapq import heappush
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from simulators import frames
from simulators.characters import (
    Format,
    Transmission,
    bit_ticks,
    to_ns,
    to_ticks,
)
from simulators.converter import Converter, State
from simulators.noise import Noise
from simulators.receiver import Receiver

if TYPE_CHECKING:
    import simpy

#: A pause inside a frame after which a slave waits for a new start. MBDOC48 p.21 allows none; the
#: 33 bits of MBDOC48 p.26 are the idle time that begins a new telegram.
PAUSE_BITS: Final = 33

#: SimPy's priorities: ordinary events, and behind them the limits of their instant.
_NORMAL: Final = 1
_LATE: Final = 2


class Call:
    """An entry of SimPy's heap that makes one call; nobody can wait for it."""

    __slots__ = ("callbacks", "function")
    _ok = True

    def __init__(self, function: Callable[[], None]) -> None:
        self.callbacks: Any = _FIRE
        self.function = function

    def fire(self) -> None:
        """Make the call."""
        self.function()


#: SimPy only iterates over the callbacks, so that all calls can share them.
_FIRE: Final[Any] = (Call.fire,)


def now_ns(env: simpy.Environment) -> int:
    """Virtual time as the integer that it is; a float would mean that somebody cheated."""
    now = env._now
    assert isinstance(now, int), "time is an integer count of ns"
    return now


def call_at(
    env: simpy.Environment, at_ns: int, function: Callable[[], None], *, late: bool = False
) -> None:
    """Let `function` be called at `at_ns`, or in this instant if that has passed.

    A `late` call is the last thing of its instant: what happens at a limit is in time.
    """
    now = now_ns(env)
    at = at_ns if at_ns > now else now
    entry: Any = (at, _LATE if late else _NORMAL, next(env._eid), Call(function))
    heappush(env._queue, entry)


class Heard(NamedTuple):
    """One frame that slaves of one format heard complete and without faults; times in ticks."""

    data: bytes
    start: int
    end: int
    format: Format


class SlaveEar:
    """What slaves of one character format make of the master's voltage: frames.

    A character with a fault, or a pause inside a frame, spoils the frame; a start that cannot be
    one is passed over. What remains incomplete waits for its rest.
    """

    def __init__(self, form: Format) -> None:
        self._format = form
        self._receiver = Receiver(form)
        self._pause = PAUSE_BITS * form.bit_ticks
        self._buffer = bytearray()
        self._times: list[tuple[int, int]] = []

    def tolerate(self, pause_ns: int) -> None:
        """Bear pauses of at least `pause_ns` inside a frame: a host's, not those of a line."""
        self._pause = max(self._pause, to_ticks(pause_ns))

    def hear(self, transmission: Transmission) -> list[Heard]:
        """Take what the master is going to say, and find the frames that it completes."""
        if self._is_one_frame(transmission):
            self._forget()
            return [Heard(transmission.data, transmission.start, transmission.end, self._format)]
        self._receiver.add([transmission])
        found = list[Heard]()
        for burst, begin in list(self._receiver.unread()):
            faulty = {index for index, _ in burst.faults}
            for index in range(begin, len(burst.data)):
                times = burst.ticks(index)
                if self._times and times[0] - self._times[-1][1] > self._pause:
                    self._forget()
                if index in faulty:
                    self._forget()
                    continue
                self._buffer.append(burst.data[index])
                self._times.append(times)
                if frame := self._complete():
                    found.append(frame)
            self._receiver.take(len(burst.data) - begin, to_ns(burst.close))
        return found

    def _is_one_frame(self, transmission: Transmission) -> bool:
        """Whether it is one whole frame in our format, with nothing before it that matters."""
        return (
            frames.frame_length(transmission.data) == len(transmission.data)
            and transmission.format == self._format
            and transmission.undisturbed
            and self._receiver.idle(transmission.start)
            and (not self._times or transmission.start - self._times[-1][1] > self._pause)
        )

    def _complete(self) -> Heard | None:
        """The frame that the buffer now holds, taken out of it; starts that lead nowhere go."""
        while self._buffer:
            length = frames.frame_length(bytes(self._buffer[:4]))
            if length is None:
                del self._buffer[0], self._times[0]
                continue
            if length == 0 or length > len(self._buffer):
                return None
            times = self._times
            heard = Heard(
                bytes(self._buffer[:length]), times[0][0], times[length - 1][1], self._format
            )
            del self._buffer[:length], self._times[:length]
            return heard
        return None

    def _forget(self) -> None:
        self._buffer.clear()
        self._times.clear()


#: Answers that are remembered before those long over are sorted out.
TALKERS_MIN: Final = 16

#: Called when slaves have heard a frame, at the end of its last stop bit.
FrameHandler = Callable[[Heard], None]
#: Called when transmissions have been put on the line, before any of them begins.
Listener = Callable[[Sequence[Transmission]], None]


class Bus:
    """The pair of wires with its converter, and the formats in which slaves listen.

    `on_frame` is called with every frame that slaves hear; it answers by `answer`. `master_sent`
    is called with every transmission of the master when its last stop bit has left. `key` names
    the run for everything that is drawn by chance.
    """

    def __init__(self, env: simpy.Environment, baudrate: int, key: str = "") -> None:
        self.env = env
        #: Character format of the slaves where nobody says otherwise: 8E1 (MBDOC48 p.21).
        self.format = Format(baudrate)
        self.bit = bit_ticks(baudrate)
        self.converter = Converter(key)
        self.noise = Noise(key)
        #: Why the converter cannot talk to the bus, for the host to be told; None if it can.
        self.failure: str | None = None
        self.on_frame: FrameHandler | None = None
        self.master_sent: Callable[[Transmission], None] | None = None
        #: Called when a break of the master begins.
        self.on_break: Callable[[], None] | None = None
        #: Called with the transmissions that have just been cut.
        self.on_cut: Callable[[Sequence[Transmission]], None] | None = None
        #: The formats of slaves that listen while the master talks in a given one.
        self.formats_heard: Callable[[Format], Iterable[Format]] = lambda _form: (self.format,)
        self._ears: dict[Format, SlaveEar] = {}
        self._pause_ns = 0
        self._listeners: list[tuple[Listener, Callable[[], None]]] = []
        self._talking: list[Transmission] = []
        # No slave has anything to say after this.
        self._silent_from = 0
        # A request that began during an answer ends before this has passed since the answer.
        self._memory = frames.FRAME_LENGTH_MAX * self.format.character_ticks
        self._free = 0
        self._host_free = 0

    # --- The master ---------------------------------------------------------------------------

    def listen(self, listener: Listener, changed: Callable[[], None]) -> Callable[[], None]:
        """Hear the slaves from now on; returns the function that ends it.

        `listener` gets what is being said already at once, for its rest; `changed` is called when
        something that was announced turns out otherwise.
        """
        entry = (listener, changed)
        self._listeners.append(entry)
        now = to_ticks(now_ns(self.env))
        if underway := [item for item in self._talking if item.end > now]:
            listener(underway)
        return lambda: self._listeners.remove(entry)

    def tolerate(self, pause_ns: int) -> None:
        """Let slaves bear pauses inside a frame that a host causes."""
        self._pause_ns = max(self._pause_ns, pause_ns)
        for ear in self._ears.values():
            ear.tolerate(pause_ns)

    def send(self, sender: str, data: bytes, form: Format) -> int:
        """Let the master talk, as soon as it has finished what it is saying.

        Returns the time (ns) at which the last stop bit will have left, as the host believes.
        """
        now = to_ticks(now_ns(self.env))
        self._host_free = max(self._host_free, now) + len(data) * form.character_ticks
        believed = to_ns(self._host_free)
        if self.converter.state is not State.WORKING:
            return believed
        start = max(self._free, now + to_ticks(self.converter.delay_ns))
        transmission = Transmission(sender, self.converter.sent(data, start), start, form)
        self.noise.disturb(transmission)
        self._on_the_line(transmission)
        if self.converter.echo:
            self._tell([transmission])
        return believed

    def hold(self, sender: str, length_ns: int) -> None:
        """Let the master send a break: the line in space for `length_ns`.

        No slave takes it for a character, and every slave that is talking falls silent (MBDOC48
        p.56, where the break is what a master says to a collision).
        """
        bits = max(1, to_ticks(length_ns) // self.bit)
        start = max(self._free, to_ticks(now_ns(self.env)))
        self._on_the_line(Transmission.space(sender, start, bits, self.format))
        call_at(self.env, to_ns(start), self._break)

    def _break(self) -> None:
        """A break begins: slaves that are talking notice it and stop."""
        self.cut()
        if self.on_break is not None:
            self.on_break()

    def _on_the_line(self, transmission: Transmission) -> None:
        """Let slaves hear what the master says, each in its own format."""
        self._free = transmission.end
        last = list[Heard]()
        for form in self.formats_heard(transmission.format):
            ear = self._ears.get(form)
            if ear is None:
                ear = self._ears[form] = SlaveEar(form)
                ear.tolerate(self._pause_ns)
            for heard in ear.hear(transmission):
                if heard.end == transmission.end:
                    last.append(heard)
                else:
                    call_at(self.env, to_ns(heard.end), partial(self._deliver, heard))
        call_at(self.env, to_ns(transmission.end), partial(self._sent, transmission, last))

    def _sent(self, transmission: Transmission, last: list[Heard]) -> None:
        """The master's last stop bit has left, and with it the frames that it completes."""
        if self.master_sent is not None:
            self.master_sent(transmission)
        for heard in last:
            self._deliver(heard)

    def _deliver(self, heard: Heard) -> None:
        """Hand a frame to the slaves."""
        if self.on_frame is not None:
            self.on_frame(heard)

    def backlog(self) -> int:
        """Characters that the master has still to send."""
        waiting = self._free - to_ticks(now_ns(self.env))
        return max(0, -(-waiting // self.format.character_ticks))

    # --- The slaves ---------------------------------------------------------------------------

    def answer(self, transmissions: Sequence[Transmission]) -> None:
        """Put what slaves are going to say on the line; all listeners learn of it at once."""
        if not transmissions:
            return
        if len(self._talking) > TALKERS_MIN:
            oldest = to_ticks(now_ns(self.env)) - self._memory
            self._talking = [item for item in self._talking if item.end > oldest]
        self._talking.extend(transmissions)
        for transmission in transmissions:
            self._silent_from = max(self._silent_from, transmission.end)
            self.noise.disturb(transmission)
        self._tell(transmissions)

    def _tell(self, transmissions: Sequence[Transmission]) -> None:
        for listener, _ in tuple(self._listeners):
            listener(transmissions)

    def talking(self, since: int, until: int) -> set[str]:
        """The slaves that talk at some moment between two times (ticks)."""
        if since >= self._silent_from:
            return set()
        return {item.sender for item in self._talking if item.start < until and item.end > since}

    def underway(self) -> list[Transmission]:
        """What slaves are saying now, or are going to say."""
        now = to_ticks(now_ns(self.env))
        return [item for item in self._talking if item.end > now]

    def fail(self, why: str | None) -> None:
        """Have no voltage on the bus, for a reason that the host is told; None: have it again."""
        self.failure = why
        for _, changed in tuple(self._listeners):
            changed()

    def cut(self, sender: str | None = None) -> list[Transmission]:
        """Silence `sender`, or every slave, at this moment; returns what is not said to its end."""
        now = to_ticks(now_ns(self.env))
        cut = [item for item in self.underway() if sender in {None, item.sender}]
        for item in cut:
            item.cut(now)
        if cut:
            if self.on_cut is not None:
                self.on_cut(cut)
            for _, changed in tuple(self._listeners):
                changed()
        return cut
