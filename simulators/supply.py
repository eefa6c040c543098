"""The converter's power on a simulated bus: who draws what, when it is too much, what happens then.

The mark current changes only when somebody is connected or taken off, so it is summed up then and
never in between. What slaves add in space matters only while several talk; only then, and only on a
bus that has a limit, are the bits looked at.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Final

from simulators import electricity
from simulators.characters import to_ns, to_ticks
from simulators.line import call_at, now_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simulators.characters import Transmission
    from simulators.electricity import BusModel, Moment
    from simulators.line import Bus
    from simulators.meter import Meter

#: The break with which a master answers a collision (MBDOC48 p.56).
BREAK_NS: Final = 50_000_000
OVERLOADED: Final = "the bus is overloaded: its voltage is off"


class Supply:
    """Currents of a bus of `model`; `observe` is told of `bus.current`, `bus.overload` and so on.

    Overload by the mark current switches the bus off until the load is gone. A momentary current
    above the collapse threshold switches it off for the model's recovery time. A meter at the end
    of a long line browns out alone and returns as long after the current has fallen.
    """

    def __init__(
        self,
        bus: Bus,
        model: BusModel,
        meters: Mapping[str, Meter],
        observe: Callable[..., None],
        *,
        collision_break: bool = False,
    ) -> None:
        self.model = model
        self.collision_break = collision_break
        #: What something else than a meter draws in mark, in mA.
        self.leak_ma = 0.0
        self.mark_ma = 0.0
        self.overloaded = False
        self._bus = bus
        self._meters = meters
        self._observe = observe
        self._settling = False
        # The least bus current at which some meter browns out.
        self._weakest_ma = math.inf
        self._told: tuple[float, float] | None = None
        self._browned: dict[str, bool] = {}
        # Until when (ns) a meter restarts that a collision left without voltage.
        self._sagged: dict[str, int] = {}
        self._watch = 0
        self._reported_until = 0
        self.changed()

    # --- The mark current ---------------------------------------------------------------------

    def changed(self) -> None:
        """Somebody draws more or less than before: sum up at the end of this instant."""
        if not self._settling:
            self._settling = True
            call_at(self._bus.env, now_ns(self._bus.env), self._settle, late=True)

    def _settle(self) -> None:
        self._settling = False
        loads = [meter.load for meter in self._meters.values() if meter.connected]
        unit_loads = sum(load.unit_loads for load in loads)
        mark_ma = round(sum(load.mark_ma for load in loads) + self.leak_ma, 3)
        self.mark_ma = mark_ma
        self._weakest_ma = min((load.brown_out_ma for load in loads), default=math.inf)
        if self._told != (unit_loads, mark_ma):
            self._told = (unit_loads, mark_ma)
            most = self.model.unit_loads
            over = most is not None and unit_loads > most
            self._observe("bus.current", mark_ma, unit_loads=unit_loads, too_many=over)
        limit = self.model.limit_ma
        too_much = limit is not None and mark_ma > limit
        if too_much and not self.overloaded:
            self._collapse(mark_ma)
        elif self.overloaded and not too_much:
            at_ns = now_ns(self._bus.env) + self.model.recovery_ns
            call_at(self._bus.env, at_ns, self._recover)
        self._brown_outs(mark_ma)

    def _collapse(self, current_ma: float) -> None:
        """The voltage is gone: every meter loses its power, whoever talks falls silent."""
        self.overloaded = True
        self._watch += 1
        self._observe("bus.overload", True, current_ma=round(current_ma, 3))
        for meter in self._meters.values():
            meter.supply(False)
        self._bus.cut()
        self._bus.fail(OVERLOADED)

    def _recover(self) -> None:
        """The converter switches the voltage on again, if it can."""
        limit = self.model.limit_ma
        if not self.overloaded or (limit is not None and self.mark_ma > limit):
            return
        self.overloaded = False
        self._browned.clear()
        self._sagged.clear()
        for meter in self._meters.values():
            meter.supply(True)
        self._bus.fail(None)
        self._observe("bus.overload", False, current_ma=self.mark_ma)

    def _brown_outs(self, mark_ma: float) -> None:
        """Meters whose voltage is too low for good, or high enough again."""
        if self.overloaded:
            return
        now = now_ns(self._bus.env)
        for meter in self._meters.values():
            low = mark_ma >= meter.load.brown_out_ma or self._sagged.get(meter.id, 0) > now
            if low != self._browned.get(meter.id, False):
                self._brown_out(meter, low, mark_ma)

    def _brown_out(self, meter: Meter, low: bool, current_ma: float) -> None:
        self._browned[meter.id] = low
        self._observe(f"meter({meter.id}).brown_out", low, current_ma=round(current_ma, 3))
        meter.supply(not low)

    # --- The current while slaves talk --------------------------------------------------------

    def examine(self) -> None:
        """Slaves are going to talk: see whether their currents together do anything."""
        model = self.model
        weakest = self._weakest_ma
        if not model.limited and weakest == math.inf:
            return
        underway = self._bus.underway()
        most = sum(self._space_ma(item.sender) for item in underway)
        now = to_ticks(now_ns(self._bus.env))
        thresholds = [weakest - self.mark_ma]
        if model.collapse_ma is not None:
            thresholds.append(model.collapse_ma - self.mark_ma)
        if model.collision_ma is not None:
            thresholds.append(model.collision_ma)
        self._watch += 1
        if most < min(thresholds):
            return
        moments = list(electricity.profile(underway, self._space_ma, now))
        self._plan(moments, underway, weakest)

    def _plan(
        self, moments: Sequence[Moment], underway: Sequence[Transmission], weakest: float
    ) -> None:
        """Set the timers for what the current will do, if nothing else happens before."""
        turn, model = self._watch, self.model
        env = self._bus.env
        if model.collapse_ma is not None:
            found = electricity.first_above(moments, model.collapse_ma - self.mark_ma)
            if found is not None:
                call_at(env, to_ns(found.at), partial(self._collapsing, turn, found))
        if model.collision_ma is not None:
            later = [moment for moment in moments if moment.at >= self._reported_until]
            found = electricity.first_above(later, model.collision_ma)
            if found is not None:
                until = max(item.end for item in underway)
                call_at(env, to_ns(found.at), partial(self._collided, turn, found, until))
        found = electricity.first_above(moments, weakest - self.mark_ma)
        if found is not None:
            peak = electricity.highest(moments)
            call_at(env, to_ns(found.at), partial(self._sagging, turn, peak))

    def _space_ma(self, sender: str) -> float:
        meter = self._meters.get(sender)
        return meter.load.space_ma if meter is not None else electricity.SPACE_MA

    def _collapsing(self, turn: int, moment: Moment) -> None:
        if turn != self._watch or self.overloaded:
            return
        self._collapse(self.mark_ma + moment.space_ma)
        at_ns = now_ns(self._bus.env) + self.model.recovery_ns
        call_at(self._bus.env, at_ns, self._recover)

    def _collided(self, turn: int, moment: Moment, until: int) -> None:
        if turn != self._watch or self.overloaded:
            return
        self._reported_until = until
        self._observe("bus.collision_detected", round(moment.space_ma, 3))
        if self.collision_break:
            self._bus.hold("master", BREAK_NS)

    def _sagging(self, turn: int, space_ma: float) -> None:
        """The meters that the current of a collision leaves without voltage, for a while."""
        if turn != self._watch or self.overloaded:
            return
        current_ma = self.mark_ma + space_ma
        for meter in self._meters.values():
            if current_ma >= meter.load.brown_out_ma and not self._browned.get(meter.id, False):
                at_ns = now_ns(self._bus.env) + self.model.recovery_ns
                self._sagged[meter.id] = at_ns
                self._brown_out(meter, True, current_ma)
                call_at(self._bus.env, at_ns, self.changed)
