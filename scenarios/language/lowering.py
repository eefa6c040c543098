"""Steps of a file into steps of the intermediate form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from scenarios.language import document, vocabulary
from scenarios.language.diagnostics import did_you_mean
from scenarios.language.durations import show
from scenarios.language.ir import (
    Allocate,
    Every,
    Need,
    Parallel,
    Poll,
    Power,
    Readout,
    Registers,
    Repeat,
    Scan,
    Serial,
    Start,
    Stop,
    Wait,
    WaitUntil,
)
from scenarios.language.properties import Compare, Constant, LiteralKind, Path, Span
from scenarios.language.resolve import Names, is_wildcard, resolve
from scenarios.language.source import plain
from scenarios.language.vocabulary import Capability

if TYPE_CHECKING:
    from scenarios.language.diagnostics import Diagnostic, Place
    from scenarios.language.ir import Step
    from scenarios.language.source import Location, Source

#: Steps inside steps inside steps …
DEPTH_MAX: Final = 20

#: Keys that belong to a verb and do not lead a step.
_COMPANIONS: Final = ("within", "do", "times")

#: What each verb needs of a backend.
_NEEDS: Final = {
    "scan": Capability.GATEWAY_COMMANDS,
    "readout": Capability.GATEWAY_COMMANDS,
    "allocate": Capability.GATEWAY_COMMANDS,
    "poll": Capability.MODBUS,
    "start": Capability.MODBUS,
    "stop": Capability.MODBUS,
    "power": Capability.METER_POWER,
}


class StepLowering:
    """Lowers the ``do`` of one file; complaints go to `found`.

    `limit` is what the run may last, None where the file does not say it properly.
    """

    def __init__(
        self, source: Source, names: Names, limit: int | None, found: list[Diagnostic]
    ) -> None:
        self._source = source
        self._names = names
        self._limit = limit
        self._found = found
        self.needs: list[Need] = []
        #: Needs of waits for a register: somebody must read while they wait.
        self.watched_registers: list[Need] = []
        #: Whether any step reads registers.
        self.reads_registers = False

    def _complain(self, code: str, message: str, place: Place, hint: str = "") -> None:
        self._found.append(self._source.complain(code, message, place, hint))

    def steps(self, location: Location, place: Place) -> Serial:
        """Lower the list of steps at `location`."""
        items = self._source.at(location)
        if not isinstance(items, list):
            # The model of the document, or of the verb, has complained about it.
            return Serial(place, ())
        if sum(part == "do" or part in document.VERBS for part in location) > DEPTH_MAX:
            self._complain("SCN015", f"want steps nested {DEPTH_MAX} deep at most", place)
            return Serial(place, ())
        lowered = [self._step(items[number], [*location, number]) for number in range(len(items))]
        return Serial(place, tuple(step for step in lowered if step is not None))

    def _step(self, item: Any, location: Location) -> Step | None:
        if not isinstance(item, Mapping) or not item:
            message = "want a step led by its verb, such as 'scan: {}'"
            self._complain("SCN022", message, self._source.value(location))
            return None
        verbs = [key for key in item if key in document.VERBS]
        if len(verbs) > 1:
            message = f"a step has one verb, here '{verbs[0]}' and '{verbs[1]}'"
            self._complain("SCN022", message, self._source.key([*location, verbs[1]]))
            return None
        if not verbs:
            key = next((key for key in item if key not in _COMPANIONS), next(iter(item)))
            place = self._source.key([*location, key])
            self._complain(
                "SCN021", f"unknown step '{key}'", place, did_you_mean(str(key), document.VERBS)
            )
            return None
        verb = verbs[0]
        place = self._source.key([*location, verb])
        if verb in _NEEDS:
            self.needs.append(Need(_NEEDS[verb], f"'{verb}'", place))
        content = document.validate(document.VERBS[verb], self._source, location, self._found)
        if content is None:
            self._look_inside(item, verb, location, place)
            return None
        return self._lower(content, location, place)

    def _look_inside(
        self, item: Mapping[Any, Any], verb: str, location: Location, place: Place
    ) -> None:
        """Find the mistakes in the steps inside a step that has a mistake of its own."""
        for key in (verb, "do"):
            if isinstance(item.get(key), list):
                self.steps([*location, key], place)
        waited = item.get("wait_until")
        if isinstance(waited, Mapping):
            for path, value in waited.items():
                self._fitted(str(path), plain(value), [*location, "wait_until", path])
        self.reads_registers |= verb in ("poll", "start")

    def _lower(self, content: document.Strict, location: Location, place: Place) -> Step | None:
        match content:
            case document.SerialStep():
                return self.steps([*location, "serial"], place)
            case document.ParallelStep():
                return Parallel(place, self.steps([*location, "parallel"], place).steps)
            case document.EveryStep(every=period, times=times):
                self._positive(period, [*location, "every"])
                return Every(place, period, self.steps([*location, "do"], place), times)
            case document.RepeatStep(repeat=times):
                return Repeat(place, times, self.steps([*location, "do"], place))
            case document.WaitStep(wait=ns):
                self._within_limit(ns, [*location, "wait"])
                return Wait(place, ns)
            case document.WaitUntilStep():
                return self._wait_until(content, location, place)
            case _:
                return self._deed(content, location, place)

    def _deed(self, content: document.Strict, location: Location, place: Place) -> Step | None:
        """Lower a verb that does something to the world."""
        match content:
            case document.ScanStep():
                return Scan(place)
            case document.ReadoutStep():
                return Readout(place)
            case document.AllocateStep():
                return Allocate(place)
            case document.PollStep(poll=poll):
                self.reads_registers = True
                return Poll(place, self._registers(poll, [*location, "poll"]))
            case document.PowerStep(power=power):
                return self._power(power, location, place)
            case document.StartStep(start=name):
                self.reads_registers = True
                self._client(name.client, [*location, "start", "client"])
                return Start(place, name.client)
            case document.StopStep(stop=name):
                self._client(name.client, [*location, "stop", "client"])
                return Stop(place, name.client)
            case _:
                raise AssertionError(f"no lowering for {type(content).__name__}")

    def _registers(self, poll: document.PollModel, location: Location) -> Registers | None:
        if (poll.start is None) != (poll.count is None):
            message = "want both 'from' and 'count', or neither"
            self._complain("SCN012", message, self._source.key(location))
        if poll.start is None or poll.count is None:
            return None
        return Registers(poll.start, poll.count)

    def _power(self, power: document.MeterPower, location: Location, place: Place) -> Power | None:
        if power.meter not in self._names.meters:
            if self._names.known:
                where = self._source.value([*location, "power", "meter"])
                hint = did_you_mean(power.meter, self._names.meters)
                self._complain("SCN025", f"unknown meter '{power.meter}'", where, hint)
            return None
        return Power(place, power.meter, power.to == "on")

    def _client(self, name: str, location: Location) -> None:
        if name not in self._names.clients and self._names.known:
            hint = did_you_mean(name, self._names.clients)
            self._complain("SCN024", f"unknown client '{name}'", self._source.value(location), hint)

    # --- Waiting ------------------------------------------------------------------------------

    def _wait_until(
        self, content: document.WaitUntilStep, location: Location, place: Place
    ) -> WaitUntil:
        self._within_limit(content.within, [*location, "within"])
        wanted = []
        for path, value in content.wait_until.items():
            where = [*location, "wait_until", path]
            fitted = self._fitted(path, value, where)
            if fitted is not None:
                wanted.append((path, fitted))
        return WaitUntil(place, tuple(wanted), content.within)

    def _fitted(self, path: str, value: Any, where: Location) -> Any:
        """Return a value as the signal has it; None, and a complaint, where it never has it."""
        key = self._source.key(where)
        selector = vocabulary.selector_of(path)
        if selector is not None and is_wildcard(selector):
            self._complain("SCN037", "a wait names one meter, not a group", key)
            return None
        at_path, at_value = Span(0, 1), Span(1, 1)
        constant = _constant(value, at_value)
        instances, findings = resolve(
            Compare(Span(0, 2), "==", Path(at_path, path), constant), self._names
        )
        for finding in findings:
            spot = self._source.value(where) if finding.span == at_value else key
            self._complain(finding.code, finding.message, spot, finding.hint)
        if not instances:
            return None
        self._note_need(path, key)
        formula = instances[0].formula
        assert isinstance(formula, Compare), "a comparison stays one"
        assert isinstance(formula.right, Constant), "a constant stays one"
        return formula.right.value

    def _note_need(self, path: str, place: Place) -> None:
        row = vocabulary.find(path, self._names.clients)
        if row is None:
            return
        need = Need(row.needs, f"'{row.path}'", place)
        self.needs.append(need)
        if row.from_registers:
            self.watched_registers.append(need)

    def _within_limit(self, ns: int, location: Location) -> None:
        if self._limit is not None and ns > self._limit:
            message = f"the run may last {show(self._limit)} (limits.time), so this never ends"
            self._complain("SCN040", message, self._source.value(location))

    def _positive(self, ns: int, location: Location) -> None:
        if ns == 0:
            message = "want a duration longer than 0 s"
            self._complain("SCN015", message, self._source.value(location))


def _constant(value: Any, span: Span) -> Constant:
    """Return a YAML value as the property language would have written it."""
    if isinstance(value, bool):
        return Constant(span, LiteralKind.SYMBOL, "true" if value else "false")
    if isinstance(value, int):
        return Constant(span, LiteralKind.NUMBER, value)
    return Constant(span, LiteralKind.SYMBOL, str(value))
