"""The activity of a run as lanes of a timeline, for the report.

One lane for what the gateway does, one for each meter that something happened to, one for what
failed. Nothing is judged here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.record import Lane, Span, Timeline, Tone
from reports.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reports.record import Case
    from scenarios.language.events import EventLog

#: Meters that get a lane; of a basement of 250 only those matter to which something happened.
METER_LANES_MAX: Final = 40

#: What the gateway does, with the label that the report shows.
_GATEWAY: Final = (("gateway.scan", "scan"), ("gateway.readout", "read-out"))

#: States of a meter that are worth a span while they are false.
_METER: Final = ((".powered", "no power"), (".answering", "silent"))


def timeline(log: EventLog, end_ns: int, cases: Iterable[Case]) -> Timeline:
    """Return the lanes of one run that ended at `end_ns`."""
    gateway = [
        Span(start_ns=start, end_ns=stop, label=label)
        for path, label in _GATEWAY
        for start, stop in _stretches(log, path, "running", end_ns)
    ]
    lanes = [Lane(name="gateway", spans=tuple(sorted(gateway, key=lambda span: span.start_ns)))]
    lanes += _meters(log, end_ns)[:METER_LANES_MAX]
    failures = tuple(_failures(cases, end_ns))
    if failures:
        lanes.append(Lane(name="failures", spans=failures))
    return Timeline(end_ns=end_ns, lanes=tuple(lanes))


def _meters(log: EventLog, end_ns: int) -> list[Lane]:
    """Return a lane for each meter that was without power or silent for a while."""
    spans: dict[str, list[Span]] = {}
    for suffix, label in _METER:
        for path in log.tracks:
            if not path.endswith(suffix) or not path.startswith("meter("):
                continue
            meter = path.removesuffix(suffix)
            for start, stop in _stretches(log, path, False, end_ns):
                span = Span(start_ns=start, end_ns=stop, label=label, tone=Tone.WARNING)
                spans.setdefault(meter, []).append(span)
    return [Lane(name=meter, spans=tuple(found)) for meter, found in spans.items()]


def _stretches(log: EventLog, path: str, wanted: object, end_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches in which a path had a value."""
    track = log.tracks.get(path)
    if track is None:
        return
    stops = [*track.times[1:], end_ns]
    for start, stop, value in zip(track.times, stops, track.values, strict=True):
        if value == wanted and start < stop:
            yield min(start, end_ns), min(stop, end_ns)


def _failures(cases: Iterable[Case], end_ns: int) -> Iterator[Span]:
    for case in cases:
        if case.verdict is Verdict.FAIL and case.at_ns is not None:
            at = min(case.at_ns, end_ns)
            yield Span(start_ns=at, end_ns=at, label=case.id, tone=Tone.FAILURE)
