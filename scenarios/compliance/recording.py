"""From what a run against a target found to its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.record import Run, RunRecord, portable_command
from scenarios import requirements as catalogue
from scenarios.compliance import evidence, targets, waivers
from scenarios.run import tool_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from scenarios.compliance.pics import Pics


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: all that two runs must share to give the same pages."""

    target: str
    pics: str
    seed: int
    requirements: tuple[str, ...] = ()
    register_map: Path | None = None

    @property
    def command(self) -> str:
        """The question as a command, without where the answer was written."""
        words = ["meterbench", "comply", "--target", self.target, "--pics", self.pics]
        words += ["--seed", str(self.seed)]
        for id_ in self.requirements:
            words += ["--requirement", id_]
        if self.register_map is not None:
            words += ["--map", str(self.register_map)]
        return portable_command(words)


def assemble(
    asked: Asked,
    statement: Pics,
    outcome: targets.Outcome,
    accepted: Sequence[waivers.Waiver],
    today: date,
    elapsed_ns: int,
) -> RunRecord:
    """Return the record: of all cases, or of those that decide what was asked for."""
    known = catalogue.load()
    wanted = set(asked.requirements) or None
    cases = [
        case for case in outcome.cases if wanted is None or not wanted.isdisjoint(case.requirements)
    ]
    run = Run(
        title=f"Compliance of {statement.title}",
        command=asked.command,
        tool_version=tool_version(),
        seed=str(asked.seed),
        backend=outcome.backend,
        real_duration_ns=elapsed_ns,
        facts=dict(outcome.facts),
    )
    record = RunRecord.assemble(
        run,
        cases,
        catalogue=known,
        selected=wanted,
        gateway=outcome.gateway,
        meters=outcome.meters,
        traces=[evidence.trace(name, text) for name, text in sorted(outcome.traces.items())],
        statement=statement.facts(),
        deviations=waivers.deviations(accepted, cases, today),
    )
    return targets.with_reasons(record, targets.not_verified(asked.target, known, cases))
