"""What one case found, requirement by requirement.

A case declares the requirements that it decides. Each `check` counts for one of them; when the
case has ended, every declared requirement has its verdict: FAIL with every finding, PASS where at
least one check was made and all held, INCONCLUSIVE where none was made, because nothing was seen
that would tell. A check of an undeclared requirement is a mistake of the case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from reports.record import Case, Evidence, Measurement
from reports.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.record import WatchdogRun
    from scenarios.compliance.arrangement import Frame

#: Findings told of one requirement; the rest is counted.
FINDINGS_MAX: Final = 12
EVIDENCE_MAX: Final = 12
#: Kind of the lines of a trace that hold a run against a limit.
WATCHDOG: Final = "watchdog"


class Verdicts:
    """Collects the findings of one case."""

    def __init__(self, case: str, title: str, requirements: Sequence[str]) -> None:
        self._case = case
        self._title = title
        self._checks = dict.fromkeys(requirements, 0)
        self._findings: dict[str, list[str]] = {id_: [] for id_ in requirements}
        self._evidence: dict[str, list[Evidence]] = {id_: [] for id_ in requirements}
        self._measurements: dict[str, list[Measurement]] = {id_: [] for id_ in requirements}
        self._watchdogs: dict[str, list[WatchdogRun]] = {id_: [] for id_ in requirements}
        self._not_applicable: dict[str, str] = {}
        #: Every check as the trace has it.
        self.log: list[dict[str, Any]] = []

    def check(self, requirement: str, holds: bool, finding: str, *evidence: Evidence) -> bool:
        """Note one check; `finding` says what was expected and what was seen where it fails."""
        self.log.append({"requirement": requirement, "holds": bool(holds), "finding": finding})
        return self._note(requirement, holds, finding, *evidence)

    def _note(self, requirement: str, holds: bool, finding: str, *evidence: Evidence) -> bool:
        self._checks[requirement] += 1
        if not holds:
            self._findings[requirement].append(finding)
        kept = self._evidence[requirement]
        if (not holds or not kept) and len(kept) < EVIDENCE_MAX:
            kept.extend(evidence)
        return holds

    def equal(
        self, requirement: str, what: str, expected: object, seen: object, *evidence: Evidence
    ) -> bool:
        """Check that two values are equal; the finding names both."""
        finding = f"{what}: expected {_shown(expected)}, seen {_shown(seen)}"
        self.log.append(
            {
                "requirement": requirement,
                "what": what,
                "expected": _plain(expected),
                "seen": _plain(seen),
            }
        )
        return self._note(requirement, expected == seen, finding, *evidence)

    def measured(self, requirement: str, measurement: Measurement) -> bool:
        """Check a number against the limits that it carries, and keep it for the report."""
        low, high, value = measurement.minimum, measurement.maximum, measurement.value
        self._measurements[requirement].append(measurement)
        holds = (low is None or value >= low) and (high is None or value <= high)
        limits = " and ".join(
            f"{word} {limit:g}"
            for word, limit in (("at least", low), ("at most", high))
            if limit is not None
        )
        finding = f"{measurement.name}: expected {limits} {measurement.unit}, seen {value:g}"
        self.log.append(
            {
                "requirement": requirement,
                "what": measurement.name,
                "value": value,
                "minimum": low,
                "maximum": high,
            }
        )
        return self._note(requirement, holds, finding)

    def watchdog(self, requirement: str, run: WatchdogRun) -> None:
        """Keep a run against a limit, to be drawn; it is judged by checks of its own."""
        self._watchdogs[requirement].append(run)
        self.log.append(
            {"kind": WATCHDOG, "requirement": requirement, "run": run.model_dump(mode="json")}
        )

    def not_applicable(self, requirement: str, reason: str) -> None:
        """Say that the target does not claim what this is about."""
        self._not_applicable[requirement] = reason

    def cases(self) -> list[Case]:
        """One case of the record for each declared requirement."""
        return [self._verdict(requirement) for requirement in self._checks]

    def broken(self, verdict: Verdict, reason: str) -> list[Case]:
        """The cases of a procedure that did not come to its end; findings made before count."""
        return [
            case
            if case.verdict is Verdict.FAIL
            else case.model_copy(update={"verdict": verdict, "reason": reason})
            for case in self.cases()
        ]

    def _verdict(self, requirement: str) -> Case:
        findings = list(dict.fromkeys(self._findings[requirement]))
        shown = findings[:FINDINGS_MAX]
        if len(findings) > len(shown):
            shown.append(f"and {len(findings) - len(shown)} more")
        verdict, reason = Verdict.PASS, ""
        if findings:
            verdict, reason = Verdict.FAIL, "\n".join(shown)
        elif requirement in self._not_applicable:
            verdict, reason = Verdict.NOT_APPLICABLE, self._not_applicable[requirement]
        elif not self._checks[requirement]:
            verdict, reason = Verdict.INCONCLUSIVE, "nothing was seen that would tell"
        return Case(
            id=f"{self._case}/{requirement}",
            title=self._title,
            requirements=(requirement,),
            verdict=verdict,
            reason=reason,
            evidence=tuple(self._evidence[requirement][:EVIDENCE_MAX]),
            measurements=tuple(self._measurements[requirement]),
            watchdogs=tuple(self._watchdogs[requirement]),
        )


def _plain(value: object) -> Any:
    """A value as JSON has it; equal values stay equal, and others do not become so."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex(" ").upper() or "nothing"
    if isinstance(value, tuple | list) and any(isinstance(one, bytes) for one in value):
        return " | ".join(_shown(one) for one in value)
    return str(value)


def words_shown(words: Iterable[int | None]) -> str:
    """Registers in hexadecimal; "----" where none is served."""
    return " ".join("----" if word is None else f"{word:04X}" for word in words)


def register_evidence(start: int, words: Sequence[int | None], note: str = "") -> Evidence:
    """Registers as evidence."""
    last = start + max(len(words), 1) - 1
    where = f"register {start}" if last == start else f"registers {start}-{last}"
    return Evidence(kind="register", where=where, content=words_shown(words) or "(none)", note=note)


def frame_evidence(frame: Frame, note: str = "") -> Evidence:
    """A frame on the bus as evidence."""
    where = "bus, master" if frame.meter is None else f"bus, {frame.meter} to master"
    return Evidence(kind="frame", where=where, content=frame.shown, at_ns=frame.at_ns, note=note)
