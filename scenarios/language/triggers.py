"""The section ``faults``: what happens by itself once its trigger fires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from scenarios.language import document, durations, validation, verbs
from scenarios.language.diagnostics import did_you_mean
from scenarios.language.ir import (
    AtPageRequest,
    AtTime,
    AtValues,
    MeterFault,
    Need,
    Serial,
    SuddenDeed,
    TriggeredFault,
)
from scenarios.language.vocabulary import Capability
from simulators import faults as meter_faults

if TYPE_CHECKING:
    from scenarios.language.diagnostics import Place
    from scenarios.language.lowering import StepLowering
    from scenarios.language.source import Location, Source

#: The verbs that a trigger may do: each happens at once and waits for nothing.
SUDDEN: Final = ("fault", "power", "noise", "echo", "cut", "mend", "set", "hang")
#: The word for "the request that triggered this gets no answer".
DROP_ANSWER: Final = "drop_answer"

_KEYS: Final = frozenset(document.TriggeredModel.model_fields)


class TriggerLowering:
    """Lowers the faults of one file with the help of its steps' lowering."""

    def __init__(self, source: Source, lowering: StepLowering) -> None:
        self._source = source
        self._steps = lowering

    def _complain(self, code: str, message: str, place: Place, hint: str = "") -> None:
        self._steps.found.append(self._source.complain(code, message, place, hint))

    def faults(self) -> list[TriggeredFault]:
        """Lower the section; its items are called F1, F2 … where they have no id."""
        items = self._source.tree.get("faults")
        if not isinstance(items, list):
            return []
        lowered = [self._fault(item, number) for number, item in enumerate(items)]
        return [fault for fault in lowered if fault is not None]

    def _fault(self, item: Any, number: int) -> TriggeredFault | None:
        location: list[str | int] = ["faults", number]
        if not isinstance(item, Mapping):
            message = "want a mapping such as {at: 5 min, power: {meter: x, to: off}}"
            self._complain("SCN014", message, self._source.value(location))
            return None
        found = self._steps.found
        when = {key: value for key, value in item.items() if key in _KEYS}
        head = validation.validate(
            document.TriggeredModel, self._source, location, found, only=frozenset(when)
        )
        what = [key for key in item if key not in _KEYS]
        if len(what) != 1 or what[0] not in (*SUDDEN, DROP_ANSWER):
            self._odd_deed(what, location)
            return None
        if head is None:
            return None
        trigger = self._trigger(head.at, [*location, "at"])
        deeds = self._deeds(what[0], trigger, location)
        if trigger is None or deeds is None:
            return None
        place = self._source.key([*location, what[0]])
        id_ = head.id or f"F{number + 1}"
        return TriggeredFault(id_, place, trigger, head.after, head.times, deeds)

    def _odd_deed(self, what: list[Any], location: Location) -> None:
        known = (*SUDDEN, DROP_ANSWER)
        odd = next((key for key in what if key not in known), None)
        if odd is not None:
            place = self._source.key([*location, odd])
            hint = did_you_mean(str(odd), known)
            message = f"unknown step '{odd}'"
            if odd in verbs.VERBS:
                message, hint = f"a trigger cannot do '{odd}'", f"one of {', '.join(known)}"
            self._complain("SCN021", message, place, hint)
            return
        place = self._source.value(location)
        self._complain("SCN022", f"want one of {', '.join(known)} beside 'at'", place)

    # --- When ---------------------------------------------------------------------------------

    def _trigger(self, at: Any, location: Location) -> AtTime | AtPageRequest | AtValues | None:
        if isinstance(at, str):
            try:
                return AtTime(durations.parse(at))
            except durations.DurationError as error:
                self._complain("SCN010", str(error), self._source.value(location))
                return None
        if not isinstance(at, Mapping) or not at:
            message = "want a time, a page_request, or values such as {gateway.scan: running}"
            self._complain("SCN014", message, self._source.value(location))
            return None
        if "page_request" in at:
            return self._page_request(location)
        wanted = self._steps.wanted(at, location)
        return AtValues(wanted) if len(wanted) == len(at) else None

    def _page_request(self, location: Location) -> AtPageRequest | None:
        model = verbs.PageRequestTrigger
        content = validation.validate(model, self._source, location, self._steps.found)
        if content is None:
            return None
        asked = content.page_request
        where = [*location, "page_request"]
        place = self._source.key(where)
        self._steps.needs.append(Need(Capability.BUS_OBSERVATIONS, "'page_request'", place))
        meters = self._steps.deeds.meters(asked.meter, [*where, "meter"])
        return AtPageRequest(meters[0], asked.page, asked.number) if meters else None

    # --- What ---------------------------------------------------------------------------------

    def _deeds(self, verb: str, trigger: Any, location: Location) -> tuple[SuddenDeed, ...] | None:
        if verb == DROP_ANSWER:
            return self._drop_answer(trigger, [*location, DROP_ANSWER])
        place = self._source.key([*location, verb])
        content = validation.validate(
            verbs.VERBS[verb], self._source, location, self._steps.found, only=frozenset({verb})
        )
        if content is None:
            return None
        self._steps.deeds.need(verb, content, place)
        step = self._steps.deeds.lower(content, location, place)
        steps = step.steps if isinstance(step, Serial) else (step,)
        deeds = tuple(one for one in steps if isinstance(one, SuddenDeed))
        return deeds if len(deeds) == len(steps) else None

    def _drop_answer(self, trigger: Any, location: Location) -> tuple[SuddenDeed, ...] | None:
        content = validation.validate(verbs.DropAnswer, self._source, location, self._steps.found)
        place = self._source.key(location)
        self._steps.needs.append(Need(Capability.METER_FAULTS, f"'{DROP_ANSWER}'", place))
        if content is None or trigger is None:
            return None
        if not isinstance(trigger, AtPageRequest):
            message = "only the answer to a page_request can be dropped"
            self._complain("SCN022", message, place, "at: {page_request: {meter: x, page: 2}}")
            return None
        fault = meter_faults.DropPage(page=trigger.page, times=content.times)
        return (MeterFault(place, (trigger.meter,), fault),)
