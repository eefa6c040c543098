"""What a run saw, as the monitor reads it: for each path its changes in order of time.

A log is filled in one pass and split by path while it is filled, so that a property costs only
what its own paths cost. The order over all paths is kept as well: it is the trace, and its hash
says whether two runs were the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

NO_EVIDENCE: Final[Mapping[str, Any]] = MappingProxyType({})


class Change(NamedTuple):
    """A signal took a value, or an event occurred, at `at_ns` since the start of the run."""

    at_ns: int
    path: str
    value: Any
    evidence: Mapping[str, Any] = NO_EVIDENCE

    def to_json(self) -> str:
        """Return one line of a JSONL trace; equal changes give equal bytes."""
        return json.dumps(
            {
                "at_ns": self.at_ns,
                "path": self.path,
                "value": self.value,
                "evidence": dict(self.evidence),
            },
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )


@dataclass(slots=True)
class Track:
    """All changes of one path, as columns: the monitor reads times and values by themselves."""

    times: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    evidence: list[Mapping[str, Any]] = field(default_factory=list)


Listener = Callable[[Change], None]


class EventLog:
    """Changes in order of time; a time may repeat, and never goes back."""

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}
        self.changes: list[Change] = []
        self._listeners: list[Listener] = []

    def add(
        self, at_ns: int, path: str, value: Any, evidence: Mapping[str, Any] = NO_EVIDENCE
    ) -> None:
        """Append a change; raises ValueError for one that lies before the last."""
        if self.changes and at_ns < self.changes[-1].at_ns:
            raise ValueError(f"{path} at {at_ns} ns lies before {self.changes[-1].at_ns} ns")
        change = Change(at_ns, path, value, evidence)
        self.changes.append(change)
        track = self.tracks.get(path)
        if track is None:
            track = self.tracks[path] = Track()
        track.times.append(at_ns)
        track.values.append(value)
        track.evidence.append(evidence)
        for listener in tuple(self._listeners):
            listener(change)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every change from now on; returns the function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def last(self, path: str) -> Any:
        """Return the present value of a path; None where it has none yet."""
        track = self.tracks.get(path)
        return track.values[-1] if track else None

    def to_jsonl(self) -> str:
        """Return the trace: one JSON document a line, in the order of the run."""
        return "".join(change.to_json() + "\n" for change in self.changes)

    def sha256(self) -> str:
        """Return the hash of the trace, in hexadecimal."""
        return hashlib.sha256(self.to_jsonl().encode()).hexdigest()
