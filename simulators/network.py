"""A population on a bus: requests reach the meters they mean, answers reach the line.

The network knows who is selected; a meter does not have to be asked one by one. It reports what
happens as observations: every frame with its times, every collision with the meters in it, and
each meter that begins or stops answering.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from simulators import frames, line_faults
from simulators.characters import Format, Transmission, to_ns, to_ticks
from simulators.electricity import BUS_MODELS
from simulators.frames import CiField, Function, Request
from simulators.line import Bus, Heard, call_at, now_ns
from simulators.line_faults import LineHeld, MasterBreak, ShortCircuit
from simulators.meter import EPOCH, Answer, Meter
from simulators.observation import Observation, Subscriber, Value
from simulators.port import SimulatedPort
from simulators.selection import Selector, members
from simulators.supply import Supply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    import simpy

    from simulators.application import Sent
    from simulators.line_faults import LineFault, LineFaultItem
    from simulators.population import Population
    from simulators.realtime import RealTime

#: The place of the parity bit in a character: behind the start bit and eight data bits.
_PARITY_PLACE: Final = 9

#: Observations that are kept; older ones have gone to the subscribers only.
OBSERVATIONS_MAX: Final = 200_000


class Network:
    """Bus and meters of a population on a SimPy environment whose time is integer ns.

    `seed` decides everything that is drawn; `scenario` names the run in every generator. `epoch`
    is what the clocks of the meters show at time 0. `kept` bounds `observations`. `bus_model`
    ("20", "80", "lab") goes before that of the population.
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
        bus_model: str | None = None,
    ) -> None:
        self.env = env
        self.population = population
        #: What the clocks of the meters show at time 0.
        self.epoch = epoch
        key = f"{scenario}/{seed}/line"
        self.bus = Bus(env, baudrate, key)
        self.bus.on_frame = self._frame
        self.bus.master_sent = self._master_sent
        self.bus.on_cut = self._cut
        self.bus.on_break = self._broken_off
        self.bus.formats_heard = self._formats_heard
        self.meters: dict[str, Meter] = {
            meter.id: meter
            for meter in population.meters(
                seed=seed, scenario=scenario, epoch=epoch, baudrate=baudrate
            )
        }
        self.observations: deque[Observation] = deque(maxlen=kept)
        #: The clock that it follows in real time; `endpoints.serve` sets it.
        self.clock: RealTime | None = None
        #: The faults of line and converter that there are now, by name.
        self.line_faults: dict[str, LineFault] = {}
        self._subscribers: list[Subscriber] = []
        self._members = list(self.meters.values())
        self._bit = {meter.id: 1 << number for number, meter in enumerate(self._members)}
        self._selector = Selector()
        self._stale = True
        # Those whom SND_NKE to 255 has reached, and who have not been asked anything since.
        self._owed = 0
        self._underway: list[Transmission] = []
        self._collision: list[Transmission] = []
        self.supply = Supply(
            self.bus,
            BUS_MODELS[bus_model or population.bus.model],
            self.meters,
            self._observe,
            collision_break=population.bus.collision_break,
        )
        for meter in self._members:
            meter.now = partial(now_ns, env)
            meter.call_at = partial(call_at, env)
            meter.on_change = partial(self._changed, meter)
            meter.on_answering = partial(self._answering, meter)
            meter.on_request = partial(self._requested, meter)
            meter.on_talk = partial(self._talked, meter)
            meter.babble()
        for change in population.changes(seed=seed, scenario=scenario):
            call_at(env, change.at_ns, partial(change.apply, self.meters[change.meter]))
        for item in population.bus.faults:
            self._schedule(item)

    # --- For users ----------------------------------------------------------------------------

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Be told of every observation from now on; returns the function that ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def tell(self, path: str, value: Value, **evidence: Value) -> None:
        """Put into the trace what somebody beside the bus has seen, at this moment."""
        if self.clock is not None:
            self.clock.advance()
        self._observe(path, value, **evidence)

    def open_port(self, rt: Any, line_format: Any, **classes: Any) -> SimulatedPort[Any]:
        """A master's port in virtual time, for the `lines` of a `SimRuntime`."""
        return SimulatedPort(rt, self.bus, line_format, **classes)

    @property
    def selected(self) -> list[Meter]:
        """The meters that answer under address 253 now, in file order."""
        return [self._members[number] for number in members(self._selector.selected)]

    def line_fault(self, name: str, on: bool, **parameters: Any) -> None:
        """Have a fault of line or converter from now on, or be rid of it.

        KeyError for a name that is none, ValueError for parameters that are none.
        """
        self.switch(line_faults.make(name, parameters) if on else line_faults.kind(name))

    def _schedule(self, item: LineFaultItem) -> None:
        """A fault of the line that the population has."""
        assert item.chosen is not None, "checked when it was read"
        if item.at:
            call_at(self.env, item.at, partial(self.switch, item.chosen))
        else:
            self.switch(item.chosen)
        if item.until is not None:
            call_at(self.env, item.until, partial(self.switch, type(item.chosen)))

    def switch(self, fault: LineFault | type[LineFault]) -> None:
        """Begin a fault of the line, or end the one of a class."""
        if isinstance(fault, type):
            self.line_faults.pop(line_faults.name_of(fault), None)
        elif not isinstance(fault, MasterBreak | LineHeld):
            self.line_faults[line_faults.name_of(type(fault))] = fault
        line_faults.switch(fault, self.bus.converter, self.bus.noise)
        if isinstance(fault, MasterBreak):
            self.bus.hold("master", fault.length)
        elif isinstance(fault, LineHeld):
            form = self.bus.format
            bits = max(1, to_ticks(fault.length) // form.bit_ticks)
            start = to_ticks(now_ns(self.env))
            self.bus.answer([Transmission.space("line", start, bits, form)])
        elif isinstance(fault, ShortCircuit) or fault is ShortCircuit:
            self.supply.leak_ma = fault.ma if isinstance(fault, ShortCircuit) else 0.0
            self.supply.changed()

    # --- Who hears what -----------------------------------------------------------------------

    def _refresh(self) -> None:
        """Sort the meters anew by all that a request may ask for, if anything has changed."""
        if not self._stale:
            return
        self._stale = False
        self._selector.rebuild(self._members)
        self._by_primary = _sets(self._members, lambda meter: meter.primary_address)
        fixed = [meter for meter in self._members if not meter.behaviour.detects_baudrate]
        self._by_format = {
            form: sum(self._bit[meter.id] for meter in fixed if meter.format == form)
            for form in dict.fromkeys(meter.format for meter in fixed)
        }
        self._detecting = [meter for meter in self._members if meter.behaviour.detects_baudrate]
        self._powered = sum(self._bit[meter.id] for meter in self._members if meter.powered)
        self._patient = sum(
            self._bit[meter.id] for meter in self._members if meter.behaviour.patient
        )
        self._shy = sum(
            self._bit[meter.id]
            for meter in self._members
            if not meter.behaviour.primary_while_selected
        )

    def _formats_heard(self, form: Format) -> list[Format]:
        """The formats in which somebody listens while the master talks in `form`."""
        self._refresh()
        found = list(self._by_format)
        if form not in self._by_format and any(_detects(meter, form) for meter in self._detecting):
            found.append(form)
        return found

    def _hearing(self, heard: Heard) -> int:
        """The meters that hear a frame: powered, in its format, and not talking themselves."""
        hearing = self._by_format.get(heard.format, 0)
        for meter in self._detecting:
            if _detects(meter, heard.format):
                hearing |= self._bit[meter.id]
                meter.format = heard.format
        hearing &= self._powered
        for name in self.bus.talking(heard.start, heard.end):
            hearing &= ~self._bit.get(name, 0)
        return hearing

    def _changed(self, meter: Meter) -> None:
        """Something about a meter that others look at is another one now."""
        self._stale = True
        if not meter.powered:
            if not meter.behaviour.battery:
                # What a meter without power forgets, it also forgets to be selected.
                self._selector.selected &= ~self._bit[meter.id]
            self.bus.cut(meter.id)
        self.supply.changed()

    # --- Requests -----------------------------------------------------------------------------

    def _frame(self, heard: Heard) -> None:
        """A frame has reached the slaves: let those that it means act and answer."""
        request = frames.parse(heard.data)
        if request is None:
            return
        self._refresh()
        now = now_ns(self.env)
        transmissions = list[Transmission]()
        for meter, answer in self._answers(request, self._hearing(heard), now):
            transmissions += self._say(meter, answer, heard.end)
        self._put(transmissions)

    def _say(self, meter: Meter, answer: Answer, after: int) -> list[Transmission]:
        """The answer on the line, as late as this meter is this time; twice for a fault."""
        form = answer.format or meter.format
        start = after + meter.draw_delay(form.bit_ticks) + to_ticks(answer.late_ns)
        flips = _parity_flips(answer.parity, form)
        first = Transmission(meter.id, answer.data, start, form, flips=flips)
        self._expect_end(first, answer.pages)
        if answer.again_ns is None:
            return [first]
        start = first.end + to_ticks(answer.again_ns)
        second = Transmission(meter.id, answer.data, start, form, flips=flips)
        self._expect_end(second, None)
        return [first, second]

    def _put(self, transmissions: list[Transmission]) -> None:
        """Let slaves talk, and their currents add up."""
        if transmissions:
            self._underway.extend(transmissions)
            self.bus.answer(transmissions)
            self.supply.examine()

    def _talked(self, meter: Meter, answer: Answer) -> None:
        """A meter says something that nobody has asked for."""
        start = to_ticks(now_ns(self.env))
        transmission = Transmission(meter.id, answer.data, start, answer.format or meter.format)
        self._expect_end(transmission, None)
        self._put([transmission])

    def _answers(self, request: Request, hearing: int, now: int) -> list[tuple[Meter, Answer]]:
        """The meters that answer, in file order, with their answers."""
        if _is_selection(request):
            return self._select(request, hearing, now)
        addressed = self._addressed(request) & hearing
        if request.a_field == frames.BROADCAST and request.function == Function.SND_NKE:
            # A master may say this before each read-out; handed to every meter at once it would
            # make a large bus cost more than a small one.
            self._owed |= addressed & self._patient
            rest = addressed & ~self._patient
        else:
            rest = addressed
        found = list[tuple[Meter, Answer]]()
        for number in members(rest):
            meter = self._member(number)
            if not meter.hears(now):
                addressed &= ~(1 << number)
            elif (answer := meter.answer(request, now)) is not None:
                found.append((meter, answer))
        if request.function == Function.SND_NKE:
            network_layer = request.a_field == frames.NETWORK_LAYER
            # Those that hear SND_NKE to 253 end their selection, selected or not.
            reached = hearing if network_layer else addressed
            self._selector.reset(reached, network_layer=network_layer)
        return found

    def _member(self, number: int) -> Meter:
        """A meter that is going to be spoken to, as SND_NKE to 255 has left it."""
        meter = self._members[number]
        if self._owed >> number & 1:
            self._owed ^= 1 << number
            meter.reset_link()
        return meter

    def _addressed(self, request: Request) -> int:
        """The meters that the A field means (MBDOC48 p.24)."""
        if request.a_field == frames.NETWORK_LAYER:
            return self._selector.selected
        if request.a_field in {frames.TEST, frames.BROADCAST}:
            return (1 << len(self._members)) - 1
        selected_shy = self._selector.selected & self._shy
        return self._by_primary.get(request.a_field, 0) & ~selected_shy

    def _select(self, request: Request, hearing: int, now: int) -> list[tuple[Meter, Answer]]:
        """Select what the mask means and deselect the rest (MBDOC48 p.63-64)."""
        matched = self._selector.select(request, hearing, now)
        self._observe("bus.selection", request.data.hex(), count=matched.bit_count())
        found = list[tuple[Meter, Answer]]()
        for number in members(matched):
            meter = self._member(number)
            if not meter.hears(now):
                self._selector.selected &= ~(1 << number)
            elif (answer := meter.selected(now)) is not None:
                found.append((meter, answer))
        return found

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

    def _expect_end(self, transmission: Transmission, pages: list[Sent] | None) -> None:
        """Be called when the last stop bit of an answer has left."""
        end = to_ns(transmission.end)
        call_at(self.env, end, partial(self._slave_sent, transmission, transmission.end, pages))

    def _cut(self, transmissions: Sequence[Transmission]) -> None:
        """Answers have been cut off: they end now, and complete no read-out."""
        for transmission in transmissions:
            if transmission in self._underway:
                self._expect_end(transmission, None)

    def _broken_off(self) -> None:
        """The master sends a break: some meters begin anew at another rate."""
        for meter in self._members:
            meter.hear_break()

    def _slave_sent(self, transmission: Transmission, end: int, pages: list[Sent] | None) -> None:
        """The last stop bit of an answer has left; the last one of a collision reports it."""
        if transmission.end != end or transmission not in self._underway:
            # It was cut off meanwhile, and its end came earlier.
            return
        self._underway.remove(transmission)
        if transmission.data:
            self._frame_seen(transmission, "slave", transmission.sender)
        if pages is not None:
            self.meters[transmission.sender].completed(to_ns(end), pages)
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

    def _requested(self, meter: Meter, page: int) -> None:
        self._observe(f"meter({meter.id}).requests", page)

    def _answering(self, meter: Meter, answering: bool) -> None:
        self._observe(f"meter({meter.id}).answering", answering)


def _sets(meters: Sequence[Meter], key: Callable[[Meter], int]) -> dict[int, int]:
    """The set of meters for each value of `key`."""
    found: dict[int, int] = {}
    for number, meter in enumerate(meters):
        value = key(meter)
        found[value] = found.get(value, 0) | 1 << number
    return found


def _detects(meter: Meter, form: Format) -> bool:
    """Whether a meter that detects the baud rate understands `form`."""
    behaviour = meter.behaviour
    return form.baudrate in behaviour.baudrates and form.parity == behaviour.parity


def _is_selection(request: Request) -> bool:
    return (
        request.function == Function.SND_UD
        and request.a_field == frames.NETWORK_LAYER
        and request.ci_field in {CiField.SELECT, CiField.SELECT_MODE_2}
    )


def _parity_flips(characters: Iterable[int], form: Format) -> int:
    """The bits to turn round so that the parity of `characters` is wrong."""
    if form.parity == "N":
        return 0
    return sum(1 << index * form.bits + _PARITY_PLACE for index in characters)
