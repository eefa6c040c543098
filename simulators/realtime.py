"""Real time for a simulated bus: SimPy's clock follows that of the asyncio loop.

The model does not change between virtual and real time, only who turns the handle. Here an event
happens when the loop's clock has reached it, never earlier, and what comes from outside happens at
the moment at which it came. `speed` turns one second of the loop into so many seconds of the bus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from simulators.characters import Fault, Format, to_ticks
from simulators.converter import State
from simulators.line import call_at, now_ns
from simulators.receiver import Receiver

if TYPE_CHECKING:
    import simpy

    from simulators.characters import Transmission
    from simulators.network import Network

_NS_PER_S: Final = 1_000_000_000

#: Characters are handed to the host in portions at least this far apart, in real time: an event
#: for each one would cost more than it shows, and no character is early for it.
PORTION_NS: Final = 2_000_000

#: Pauses inside a frame that the host may cause between two writes of one master, in real time.
HOST_PAUSE_NS: Final = 50_000_000

#: Called with characters that are complete, and the faults among them by their index.
Deliver = Callable[[bytes, Sequence[tuple[int, Fault]]], None]

#: Characters that may wait to be sent, as in the buffer of a converter; more are lost.
SEND_BACKLOG_MAX: Final = 4096


class RealTime:
    """Lets a SimPy environment follow the running loop, `speed` times as fast.

    Between events nothing runs. Whoever brings something from outside calls `advance` first and
    `arm` afterwards.
    """

    def __init__(self, env: simpy.Environment, speed: float) -> None:
        if not 0 < speed <= 1_000_000:
            msg = f"speed must be above 0 and at most 1000000, got {speed}"
            raise ValueError(msg)
        self.env = env
        self.speed = speed
        self._loop = asyncio.get_running_loop()
        self._loop_zero = self._loop.time()
        self._zero_ns = now_ns(env)
        self._timer: asyncio.TimerHandle | None = None

    def advance(self) -> None:
        """Let everything happen that is due by now, and set the timer for what comes next."""
        elapsed = self._loop.time() - self._loop_zero
        target = self._zero_ns + int(elapsed * _NS_PER_S * self.speed)
        if target > now_ns(self.env):
            self.env.run(until=target)
            # SimPy schedules the event that stopped it once more, at this very moment and with
            # nothing left to do; unless it is worked off, the timer would fire at once for ever.
            self.env.step()
        self.arm()

    def arm(self) -> None:
        """Set the timer for the next event of the environment."""
        self.stop()
        event_ns = self.env.peek()
        if event_ns != float("inf"):
            seconds = (event_ns - self._zero_ns) / (_NS_PER_S * self.speed)
            self._timer = self._loop.call_at(self._loop_zero + seconds, self.advance)

    def stop(self) -> None:
        """Let time stand still until the next `advance`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Master:
    """One master outside: its characters go onto the bus, what slaves say comes back paced.

    `deliver` is called with characters whose stop bits have ended, never earlier, and with the
    faults among them by their index. A plain byte stream cannot carry these; the characters then
    come as the receiver read them, which is what a converter without error marks does.
    """

    def __init__(self, network: Network, clock: RealTime, deliver: Deliver) -> None:
        self._bus = network.bus
        self._clock = clock
        self._deliver = deliver
        #: The format in which the converter talks and listens: that of the bus until set.
        self.format = self._bus.format
        since = to_ticks(now_ns(self._bus.env))
        self._receiver = Receiver(self._bus.format, since=since, path=self._bus.converter)
        self._portion_ns = int(PORTION_NS * clock.speed)
        self._due_ns: int | None = None
        self._leave = self._bus.listen(self._heard, self._changed)
        #: Characters lost because the buffer was full.
        self.lost = 0

    def send(self, data: bytes) -> None:
        """Put characters from outside on the bus, behind those that are still being sent."""
        self._clock.advance()
        room = SEND_BACKLOG_MAX - self._bus.backlog()
        self.lost += max(0, len(data) - room)
        if room > 0:
            self._bus.send("master", data[:room], self.format)
        self._clock.arm()

    def set_format(self, form: Format) -> None:
        """Talk and listen in another format from now on, whatever the meters do."""
        self._clock.advance()
        self.format = form
        self._receiver.set_format(form, now_ns(self._bus.env))
        self._due_ns = None
        self._plan(now_ns(self._bus.env))
        self._clock.arm()

    def hold(self, length_ns: int) -> None:
        """Send a break."""
        self._clock.advance()
        self._bus.hold("master", length_ns)
        self._clock.arm()

    def close(self) -> None:
        """Hear no more."""
        self._leave()
        self._due_ns = None

    def _heard(self, transmissions: Sequence[Transmission]) -> None:
        if self._bus.converter.state is State.WORKING:
            self._receiver.add(transmissions)
            self._plan(now_ns(self._bus.env))

    def _changed(self) -> None:
        """Somebody who was going to talk has fallen silent."""
        self._receiver.refresh()
        self._due_ns = None
        self._plan(now_ns(self._bus.env))

    def _plan(self, earliest_ns: int) -> None:
        """Come back when the next character is complete, but not before `earliest_ns`."""
        end_ns = self._receiver.next_end_ns()
        if end_ns is None:
            self._due_ns = None
            return
        due_ns = max(end_ns, earliest_ns)
        if self._due_ns is None or due_ns < self._due_ns:
            self._due_ns = due_ns
            call_at(self._bus.env, due_ns, lambda: self._due(due_ns))

    def _due(self, due_ns: int) -> None:
        """Hand over what is complete; a plan that was replaced meanwhile does nothing."""
        if self._due_ns != due_ns:
            return
        self._due_ns = None
        faults = _faults(self._receiver, due_ns)
        data = self._receiver.flush(due_ns)
        if data:
            self._deliver(data, faults)
        self._plan(due_ns + self._portion_ns)


def _faults(receiver: Receiver, now_ns: int) -> list[tuple[int, Fault]]:
    """The faults among the characters that are complete by now, by their index."""
    found, before = list[tuple[int, Fault]](), 0
    for burst, begin in receiver.unread():
        complete = sum(burst.end_ns(n) <= now_ns for n in range(begin, len(burst.data)))
        found += [
            (before + index - begin, fault)
            for index, fault in burst.faults
            if begin <= index < begin + complete
        ]
        before += complete
    return found
