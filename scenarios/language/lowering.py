"""Steps of a file into steps of the intermediate form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from scenarios.language import validation, verbs, vocabulary
from scenarios.language.deeds import DeedLowering
from scenarios.language.diagnostics import did_you_mean
from scenarios.language.durations import show
from scenarios.language.ir import (
    Every,
    Need,
    OneOf,
    Parallel,
    Repeat,
    Serial,
    Wait,
    WaitUntil,
)
from scenarios.language.properties import Compare, Constant, Count, LiteralKind, Path, Span
from scenarios.language.resolve import Names, is_wildcard, resolve
from scenarios.language.source import plain

if TYPE_CHECKING:
    from scenarios.language.diagnostics import Diagnostic, Place
    from scenarios.language.fields import Strict
    from scenarios.language.ir import Step
    from scenarios.language.source import Location, Source

#: Steps inside steps inside steps …
DEPTH_MAX: Final = 20

#: Keys under which steps stand; they nest no deeper than `DEPTH_MAX`.
_NESTING: Final = frozenset({"do", "serial", "parallel", "one_of", "every", "repeat"})

#: Verbs after which somebody has read registers.
READING: Final = ("poll", "start", "read")


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
        self._ones_of = 0
        #: Complaints, those of deeds and triggers among them.
        self.found = found
        self.deeds = DeedLowering(source, names, found)
        #: Needs of waits for a register: somebody must read while they wait.
        self.watched_registers: list[Need] = []
        #: Whether any step reads registers.
        self.reads_registers = False

    @property
    def needs(self) -> list[Need]:
        """What the steps need of a backend."""
        return self.deeds.needs

    def _complain(self, code: str, message: str, place: Place, hint: str = "") -> None:
        self.found.append(self._source.complain(code, message, place, hint))

    def steps(self, location: Location, place: Place) -> Serial:
        """Lower the list of steps at `location`."""
        items = self._source.at(location)
        if not isinstance(items, list):
            # The model of the document, or of the verb, has complained about it.
            return Serial(place, ())
        if sum(part in _NESTING for part in location) > DEPTH_MAX:
            self._complain("SCN015", f"want steps nested {DEPTH_MAX} deep at most", place)
            return Serial(place, ())
        lowered = [self._step(items[number], [*location, number]) for number in range(len(items))]
        return Serial(place, tuple(step for step in lowered if step is not None))

    def _step(self, item: Any, location: Location) -> Step | None:
        if not isinstance(item, Mapping) or not item:
            message = "want a step led by its verb, such as 'scan: {}'"
            self._complain("SCN022", message, self._source.value(location))
            return None
        leads = [key for key in item if key in verbs.VERBS]
        if len(leads) > 1:
            message = f"a step has one verb, here '{leads[0]}' and '{leads[1]}'"
            self._complain("SCN022", message, self._source.key([*location, leads[1]]))
            return None
        if not leads:
            key = next((key for key in item if key not in verbs.COMPANIONS), next(iter(item)))
            place = self._source.key([*location, key])
            self._complain(
                "SCN021", f"unknown step '{key}'", place, did_you_mean(str(key), verbs.VERBS)
            )
            return None
        verb = leads[0]
        place = self._source.key([*location, verb])
        content = validation.validate(verbs.VERBS[verb], self._source, location, self.found)
        self.deeds.need(verb, content, place)
        self.reads_registers |= verb in READING
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
            self.wanted(waited, [*location, "wait_until"])

    def _lower(self, content: Strict, location: Location, place: Place) -> Step | None:
        match content:
            case verbs.SerialStep():
                return self.steps([*location, "serial"], place)
            case verbs.ParallelStep():
                return Parallel(place, self.steps([*location, "parallel"], place).steps)
            case verbs.EveryStep(every=period, times=times):
                self._positive(period, [*location, "every"])
                return Every(place, period, self.steps([*location, "do"], place), times)
            case verbs.RepeatStep(repeat=times):
                return Repeat(place, times, self.steps([*location, "do"], place))
            case verbs.WaitStep(wait=ns):
                self._within_limit(ns, [*location, "wait"])
                return Wait(place, ns)
            case verbs.WaitUntilStep():
                return self._wait_until(content, location, place)
            case verbs.OneOfStep():
                number = self._ones_of
                self._ones_of += 1
                return OneOf(place, number, self.steps([*location, "one_of"], place).steps)
            case _:
                return self.deeds.lower(content, location, place)

    # --- Waiting ------------------------------------------------------------------------------

    def _wait_until(
        self, content: verbs.WaitUntilStep, location: Location, place: Place
    ) -> WaitUntil:
        self._within_limit(content.within, [*location, "within"])
        wanted = self.wanted(content.wait_until, [*location, "wait_until"])
        events = {path for path, _ in wanted if self._is_event(path)}
        return WaitUntil(place, wanted, content.within, frozenset(events))

    def _is_event(self, path: str) -> bool:
        row = vocabulary.find(path, self._names.clients)
        return row is not None and row.kind is vocabulary.Kind.EVENT

    def wanted(self, values: Mapping[Any, Any], location: Location) -> tuple[tuple[str, Any], ...]:
        """Return paths with the values that they are to have; mistakes are left out, and told."""
        found = []
        for path, value in values.items():
            fitted = self._fitted(str(path), plain(value), [*location, path])
            if fitted is not None:
                found.append((str(path), fitted))
        return tuple(found)

    def _fitted(self, path: str, value: Any, where: Location) -> Any:
        """Return a value as the signal has it; None, and a complaint, where it never has it."""
        key = self._source.key(where)
        selector = vocabulary.selector_of(path)
        if selector is not None and is_wildcard(selector):
            self._complain("SCN037", "a wait names one meter, not a group", key)
            return None
        at_path, at_value = Span(0, 1), Span(1, 1)
        if self._is_event(path):
            return self._event_value(path, value, key)
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

    def _event_value(self, path: str, value: Any, key: Place) -> Any:
        """Return the value that an event is to have; that of an event can be anything."""
        count = Compare(Span(0, 2), ">=", Count(Span(0, 2), Path(Span(0, 1), path), None), _ZERO)
        for finding in resolve(count, self._names)[1]:
            self._complain(finding.code, finding.message, key, finding.hint)
        self._note_need(path, key)
        return value

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


_ZERO: Final = Constant(Span(1, 1), LiteralKind.NUMBER, 0)


def _constant(value: Any, span: Span) -> Constant:
    """Return a YAML value as the property language would have written it."""
    if isinstance(value, bool):
        return Constant(span, LiteralKind.SYMBOL, "true" if value else "false")
    if isinstance(value, int):
        return Constant(span, LiteralKind.NUMBER, value)
    return Constant(span, LiteralKind.SYMBOL, str(value))
