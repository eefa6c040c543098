"""A population on a bus: requests reach the meters they mean, answers reach the line.

The network knows who is selected; a meter does not have to be asked one by one. It reports what
happens as observations: every frame with its times, every collision with the meters in it, and
each meter that begins or stops answering.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from simulators import frames
from simulators.characters import Transmission, to_ns
from simulators.frames import CiField, Function, Request
from simulators.line import Bus, Heard, call_at, now_ns
from simulators.meter import EPOCH, Answer, Meter
from simulators.observation import Observation, Subscriber, Value
from simulators.port import SimulatedPort
from simulators.selection import MASK_LENGTH, SelectionIndex, members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    import simpy

    from simulators.population import Population
    from simulators.realtime import RealTime

#: Observations that are kept; older ones have gone to the subscribers only.
OBSERVATIONS_MAX: Final = 200_000


class Network:
    """Bus and meters of a population on a SimPy environment whose time is integer ns.

    `seed` decides everything that is drawn; `scenario` names the run in every generator. `epoch`
    is what the clocks of the meters show at time 0. `kept` bounds `observations`.
    """

    def __init__(
        self,
        env: simpy.Environment,
        population: Population,
        *,
        seed: int | str = 1,
        baudrate: int = 2400,
        scenario: str = "",
        epoch: datetime = EPOCH,
        kept: int = OBSERVATIONS_MAX,
    ) -> None:
        self.env = env
        self.population = population
        self.bus = Bus(env, baudrate)
        self.bus.on_frame = self._frame
        self.bus.master_sent = self._master_sent
        self.meters: dict[str, Meter] = {
            meter.id: meter
            for meter in population.meters(seed=seed, scenario=scenario, epoch=epoch)
        }
        self.observations: deque[Observation] = deque(maxlen=kept)
        #: The clock that it follows in real time; `endpoints.serve` sets it.
        self.clock: RealTime | None = None
        self._subscribers: list[Subscriber] = []
        self._members = list(self.meters.values())
        self._index = SelectionIndex([meter.identity for meter in self._members])
        self._bit = {meter.id: 1 << number for number, meter in enumerate(self._members)}
        self._powered = self._index.all
        self._selected = 0
        self._by_primary = _by_primary(self._members)
        self._underway: list[Transmission] = []
        self._collision: list[Transmission] = []
        for meter in self._members:
            meter.now = partial(now_ns, env)
            meter.on_change = partial(self._changed, meter)
            meter.on_answering = partial(self._answering, meter)
        for at_ns, name, on in population.power_changes():
            call_at(env, at_ns, partial(self.meters[name].power, on))

    # --- For users ----------------------------------------------------------------------------

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Be told of every observation from now on; returns the function that ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def open_port(self, rt: Any, line_format: Any, **classes: Any) -> SimulatedPort[Any]:
        """A master's port in virtual time, for the `lines` of a `SimRuntime`."""
        return SimulatedPort(rt, self.bus, line_format, **classes)

    @property
    def selected(self) -> list[Meter]:
        """The meters that answer under address 253 now, in file order."""
        return [self._members[number] for number in members(self._selected)]

    # --- Requests -----------------------------------------------------------------------------

    def _frame(self, heard: Heard) -> None:
        """A frame has reached the slaves: let those that it means act and answer."""
        request = frames.parse(heard.data)
        if request is None:
            return
        hearing = self._hearing(self.bus.talking(heard.start, heard.end))
        now = now_ns(self.env)
        transmissions = list[Transmission]()
        for meter, answer in self._answers(request, hearing, now):
            transmission = self._transmission(meter, answer, heard.end)
            transmissions.append(transmission)
            end = to_ns(transmission.end)
            call_at(self.env, end, partial(self._slave_sent, transmission))
            if answer.pages is not None:
                meter.completed(end, answer.pages)
        self._underway.extend(transmissions)
        self.bus.answer(transmissions)

    def _transmission(self, meter: Meter, answer: Answer, after: int) -> Transmission:
        """The answer on the line, as late as this meter is this time."""
        start = after + meter.draw_delay(self.bus.bit)
        return Transmission(meter.id, answer.data, start, self.bus.format)

    def _answers(self, request: Request, hearing: int, now: int) -> list[tuple[Meter, Answer]]:
        """The meters that answer, in file order, with their answers."""
        if self._is_selection(request):
            return [(meter, meter.selected()) for meter in self._select(request.data, hearing)]
        meters = self._addressed(request, hearing)
        found = [(meter, meter.answer(request, now)) for meter in meters]
        if request.a_field == frames.NETWORK_LAYER and request.function == Function.SND_NKE:
            # SND_NKE to 253 ends the selection of those that heard it (MBDOC48 p.63-64).
            self._selected &= ~hearing
        return [(meter, answer) for meter, answer in found if answer is not None]

    def _is_selection(self, request: Request) -> bool:
        return (
            request.function == Function.SND_UD
            and request.a_field == frames.NETWORK_LAYER
            and request.ci_field == CiField.SELECT
        )

    def _addressed(self, request: Request, hearing: int) -> list[Meter]:
        """The meters that the A field means, of those that hear it (MBDOC48 p.24)."""
        if request.a_field == frames.NETWORK_LAYER:
            wanted = self._selected
        elif request.a_field in {frames.TEST, frames.BROADCAST}:
            wanted = self._index.all
        else:
            wanted = self._by_primary.get(request.a_field, 0)
        return [self._members[number] for number in members(wanted & hearing)]

    # --- Selection ----------------------------------------------------------------------------

    def _select(self, mask: bytes, hearing: int) -> list[Meter]:
        """Select what `mask` means and deselect the rest (MBDOC48 p.63-64).

        Enhanced selection appends records to the eight characters; a meter that does not support
        it does not answer and is deselected (MBDOC48 p.69), and so it is with a shorter mask.
        """
        matched = self._index.select(mask) & hearing if len(mask) == MASK_LENGTH else 0
        self._selected = self._selected & ~hearing | matched
        self._observe("bus.selection", mask.hex(), count=matched.bit_count())
        return [self._members[number] for number in members(matched)]

    def _hearing(self, deaf: set[str]) -> int:
        """The meters that hear a frame: powered, and not talking themselves."""
        hearing = self._powered
        for name in deaf:
            hearing &= ~self._bit[name]
        return hearing

    def _changed(self, meter: Meter) -> None:
        """A meter's power or primary address is another one now."""
        bit = self._bit[meter.id]
        if meter.powered:
            self._powered |= bit
        else:
            self._powered &= ~bit
            # What a meter without power forgets, it also forgets to be selected.
            self._selected &= ~bit
        self._by_primary = _by_primary(self._members)

    # --- Observations -------------------------------------------------------------------------

    def _observe(self, path: str, value: Value, **evidence: Value) -> None:
        observation = Observation(now_ns(self.env), path, value, evidence)
        self.observations.append(observation)
        for subscriber in tuple(self._subscribers):
            subscriber(observation)

    def _frame_seen(self, transmission: Transmission, direction: str, meter: str | None) -> None:
        self._observe(
            "bus.frame",
            transmission.data.hex(),
            direction=direction,
            first_ns=to_ns(transmission.start + transmission.format.character_ticks),
            last_ns=to_ns(transmission.end),
            meter=meter,
        )

    def _master_sent(self, transmission: Transmission) -> None:
        self._frame_seen(transmission, "master", None)

    def _slave_sent(self, transmission: Transmission) -> None:
        """The last stop bit of an answer has left; the last one of a collision reports it."""
        self._frame_seen(transmission, "slave", transmission.sender)
        self._underway.remove(transmission)
        self._collision.append(transmission)
        if any(other.start < transmission.end for other in self._underway):
            return
        together, self._collision = self._collision, []
        if len(together) > 1:
            self._observe(
                "bus.collision",
                sorted({item.sender for item in together}, key=self._bit.__getitem__),
                first_ns=min(to_ns(item.start) for item in together),
                last_ns=to_ns(transmission.end),
            )

    def _answering(self, meter: Meter, answering: bool) -> None:
        self._observe(f"meter({meter.id}).answering", answering)


def _by_primary(meters: Iterable[Meter]) -> dict[int, int]:
    """The set of meters at each primary address."""
    found: dict[int, int] = {}
    for number, meter in enumerate(meters):
        found[meter.primary_address] = found.get(meter.primary_address, 0) | 1 << number
    return found
