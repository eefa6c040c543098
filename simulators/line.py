"""The two-wire bus in virtual time: who talks when, and who hears what.

The two directions are two different quantities, voltage from the master and current from the slaves
(MBDOC48 p.14-15): slaves never hear each other, and a master hears slaves even while it talks. The
bus is half duplex by the discipline of its members; what the discipline forbids is not forbidden
here, it has its consequences: a slave that is talking misses a request, and slaves that talk at
once are heard as the AND of their bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from simpy.events import Event, EventPriority

from simulators import frames
from simulators.characters import (
    Format,
    Transmission,
    bit_ticks,
    to_ns,
    to_ticks,
)
from simulators.receiver import Receiver

if TYPE_CHECKING:
    import simpy

#: A pause inside a frame after which a slave waits for a new start. MBDOC48 p.21 allows none; the
#: 33 bits of MBDOC48 p.26 are the idle time that begins a new telegram.
PAUSE_BITS: Final = 33

_NORMAL: Final = EventPriority(1)
_LATE: Final = EventPriority(2)


class Call(Event):
    """An entry of SimPy's heap that makes one call; lighter than a Timeout with a callback."""

    _ok = True
    _value = None

    def __init__(self, function: Callable[[], None]) -> None:
        # Deliberately without Event's own constructor: no waiter is ever added to a call.
        self.callbacks = _FIRE
        self.function = function

    def fire(self) -> None:
        """Make the call."""
        self.function()


#: SimPy only iterates over the callbacks, so that all calls can share them.
_FIRE: Final[Any] = (Call.fire,)


def now_ns(env: simpy.Environment) -> int:
    """Virtual time as the integer that it is; a float would mean that somebody cheated."""
    now = env.now
    assert isinstance(now, int), "time is an integer count of ns"
    return now


def call_at(
    env: simpy.Environment, at_ns: int, function: Callable[[], None], *, late: bool = False
) -> None:
    """Let `function` be called at `at_ns`, or in this instant if that has passed.

    A `late` call is the last thing of its instant: what happens at a limit is in time.
    """
    priority = _LATE if late else _NORMAL
    env.schedule(Call(function), priority, max(0, at_ns - now_ns(env)))


class Heard(NamedTuple):
    """One frame that slaves heard complete and without faults; times in ticks."""

    data: bytes
    start: int
    end: int


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
            return [Heard(transmission.data, transmission.start, transmission.end)]
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
            heard = Heard(
                bytes(self._buffer[:length]), self._times[0][0], self._times[length - 1][1]
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
#: Called when transmissions of slaves have been put on the line, before any of them begins.
Listener = Callable[[Sequence[Transmission]], None]


class Bus:
    """The pair of wires, with one format for all slaves.

    `on_frame` is called with every frame that slaves hear; it answers by `answer`. `master_sent`
    is called with every transmission of the master when its last stop bit has left.
    """

    def __init__(self, env: simpy.Environment, baudrate: int) -> None:
        self.env = env
        #: Character format of the slaves: 8E1 (MBDOC48 p.21).
        self.format = Format(baudrate)
        self.bit = bit_ticks(baudrate)
        self.on_frame: FrameHandler | None = None
        self.master_sent: Callable[[Transmission], None] | None = None
        self.ear = SlaveEar(self.format)
        self._listeners: list[Listener] = []
        self._talking: list[Transmission] = []
        # A request that began during an answer ends before this has passed since the answer.
        self._memory = frames.FRAME_LENGTH_MAX * self.format.character_ticks
        self._free = 0

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear the slaves from now on; returns the function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def send(self, sender: str, data: bytes, form: Format) -> int:
        """Let the master talk, as soon as it has finished what it is saying.

        Returns the time (ns) at which the last stop bit will have left.
        """
        start = max(self._free, to_ticks(now_ns(self.env)))
        transmission = Transmission(sender, data, start, form)
        self._free = transmission.end
        end = to_ns(transmission.end)
        last = None
        for heard in self.ear.hear(transmission):
            if heard.end == transmission.end:
                last = heard
            else:
                call_at(self.env, to_ns(heard.end), partial(self._deliver, heard))
        call_at(self.env, end, partial(self._sent, transmission, last))
        return end

    def _sent(self, transmission: Transmission, last: Heard | None) -> None:
        """The master's last stop bit has left, and with it the frame that it completes."""
        if self.master_sent is not None:
            self.master_sent(transmission)
        if last is not None:
            self._deliver(last)

    def _deliver(self, heard: Heard) -> None:
        """Hand a frame to the slaves."""
        if self.on_frame is not None:
            self.on_frame(heard)

    def backlog(self) -> int:
        """Characters that the master has still to send."""
        waiting = self._free - to_ticks(now_ns(self.env))
        return max(0, -(-waiting // self.format.character_ticks))

    def answer(self, transmissions: Sequence[Transmission]) -> None:
        """Put what slaves are going to say on the line; all listeners learn of it at once."""
        if not transmissions:
            return
        if len(self._talking) > TALKERS_MIN:
            oldest = to_ticks(now_ns(self.env)) - self._memory
            self._talking = [item for item in self._talking if item.end > oldest]
        self._talking.extend(transmissions)
        for listener in tuple(self._listeners):
            listener(transmissions)

    def talking(self, since: int, until: int) -> set[str]:
        """The slaves that talk at some moment between two times (ticks)."""
        return {item.sender for item in self._talking if item.start < until and item.end > since}
