"""``scenario run --compare``: where two backends differ, and nothing where they do not.

The same scenario must come to the same verdict of every case, and to the same events in the same
order for the gateway and for each meter. Times differ, so what is a time of day is left out; that
two parties did something at almost the same moment has no order to compare, and neither has what
one run still saw when the other had ended. How often a meter was asked is left out as well: on a
line that cannot tell parity the gateway rightly asks again (docs/search.md).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scenarios.language.durations import show_time
from scenarios.language.monitor import show_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scenarios.run import Result

#: Ends of paths whose values are times of day, or how long something took.
_TIMES: Final = (".time", ".latency", ".requests")
_TIMED: Final = (".timestamp(",)
#: What belongs to the way of the run and not to the device: polls, connections, ports, files.
_LEFT_OUT: Final = ("modbus.", "bus.opened", "bus.frames", "gateway.startup", "config.")


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two runs differ: whose, and what each of them saw there."""

    about: str
    left: str
    right: str


def differences(left: Result, right: Result) -> list[Difference]:
    """Return where two runs of one scenario differ: verdicts first, then the order of events."""
    found = list(_verdicts(left, right))
    one, other = _orders(left), _orders(right)
    for actor in dict.fromkeys((*one, *other)):
        first = _first_difference(one.get(actor, []), other.get(actor, []))
        if first is not None:
            found.append(Difference(f"{actor}, event {first[0] + 1}", first[1], first[2]))
    return found


def _verdicts(left: Result, right: Result) -> Iterator[Difference]:
    one = {case.id: case for case in left.judged.cases}
    other = {case.id: case for case in right.judged.cases}
    for id_ in dict.fromkeys((*one, *other)):
        seen = [
            "no such case" if case is None else f"{case.verdict.value} {case.reason}".strip()
            for case in (one.get(id_), other.get(id_))
        ]
        pair = [case.verdict if case else None for case in (one.get(id_), other.get(id_))]
        if pair[0] is not pair[1]:
            yield Difference(f"case {id_}", seen[0].splitlines()[0], seen[1].splitlines()[0])


#: Time, path and value of one event.
Event = tuple[int, str, Any]


def _orders(result: Result) -> dict[str, list[Event]]:
    """Return the events of each actor: the gateway, the bus, each meter, each client."""
    actors: dict[str, list[Event]] = {}
    for line in result.trace.splitlines():
        change = json.loads(line)
        path = change["path"]
        if path.endswith(_TIMES) or path.startswith(_LEFT_OUT) or any(t in path for t in _TIMED):
            continue
        actor = path.partition(".")[0]
        actors.setdefault(actor, []).append((change["at_ns"], path, change["value"]))
    return actors


def _first_difference(one: list[Event], other: list[Event]) -> tuple[int, str, str] | None:
    if not one or not other:
        return 0, _shown(next(iter(one), None)), _shown(next(iter(other), None))
    for number, pair in enumerate(zip(one, other, strict=False)):
        if pair[0][1:] != pair[1][1:]:
            return number, _shown(pair[0]), _shown(pair[1])
    return None


def _shown(event: Event | None) -> str:
    if event is None:
        return "nothing more"
    at, path, value = event
    return f"{path} = {show_value(value)} at {show_time(at)}"
