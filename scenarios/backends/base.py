"""What a backend is to the language: a name, abilities, a clock, and a way to run a scenario.

A backend builds the world of a scenario, lets `scenarios.executor` carry out the steps, and hands
back an `Outcome`: what was seen, and nothing judged. `scenarios.judging` does the rest, the same
for every backend.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.verdict import Verdict
    from scenarios.checks.expectation import ExpectedMeter
    from scenarios.checks.layout import Clock
    from scenarios.language.diagnostics import Place
    from scenarios.language.events import EventLog
    from scenarios.language.ir import Scenario
    from scenarios.language.vocabulary import Capability


class BackendError(Exception):
    """The backend itself failed: nothing is known of the target."""

    @classmethod
    def of(cls, error: BaseException) -> BackendError:
        """Return the error of a backend in which `error` came up, with the line where it did."""
        frames = traceback.extract_tb(error.__traceback__)
        where = f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        return cls(f"{type(error).__name__}: {error}{where}")


class UnjudgedError(Exception):
    """There is nothing to judge: `verdict` is NOT_RUN or INCONCLUSIVE, the message says why."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class StepFailure:
    """The steps ended early: at which line, and what that means for the verdict."""

    verdict: Verdict
    reason: str
    place: Place


@dataclass(frozen=True, slots=True)
class FinalRegisters:
    """All registers that were served when the steps had ended, or why they could not be read."""

    words: Mapping[int, int] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run as it was seen.

    `end_ns` is when the steps had ended and all registers had been read once more; where the steps
    failed, when they did. `expected` is what the registers of each meter must hold by then.
    """

    log: EventLog
    end_ns: int
    uncertainty_ns: int
    registers: FinalRegisters
    expected: Mapping[str, ExpectedMeter]
    clock: Clock
    failure: StepFailure | None = None
    #: What passed on the wires, as files by their names; empty where a backend keeps none.
    captures: Mapping[str, bytes] = field(default_factory=dict)


class Backend(Protocol):
    """Where a scenario can run."""

    @property
    def name(self) -> str:
        """The name on the command line: sim, pty, hil."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What can be done and seen there."""
        ...

    def run(self, scenario: Scenario, seed: int) -> Outcome:
        """Run a scenario that needs no more than `capabilities`.

        Raises BackendError, and UnjudgedError where a bench has not what it takes.
        """
        ...
