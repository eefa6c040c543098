"""What a simulator says that it saw or did: a time, a path, a value and the evidence for it.

An observation is never a judgement. Rules that turn observations into verdicts live in
``scenarios/checks``; a simulator cannot import them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

#: What an observation may carry: everything that JSON can say without loss.
Value = Any

_NO_EVIDENCE: Final[Mapping[str, Value]] = MappingProxyType({})


class Observation(NamedTuple):
    """One thing seen at one moment.

    `at_ns` counts from the start of the simulation. `path` names the thing: ``bus.frame``,
    ``bus.collision``, ``bus.selection``, ``meter(ID).answering``. `evidence` holds what proves the
    value, with JSON types only.
    """

    at_ns: int
    path: str
    value: Value
    evidence: Mapping[str, Value] = _NO_EVIDENCE

    def to_json(self) -> str:
        """One line of a JSONL trace; equal observations give equal lines, byte for byte."""
        return json.dumps(
            {
                "at_ns": self.at_ns,
                "path": self.path,
                "value": self.value,
                "evidence": dict(self.evidence),
            },
            separators=(",", ":"),
            sort_keys=True,
        )


#: Called with every observation, at the virtual time at which it was made.
Subscriber = Callable[[Observation], None]
