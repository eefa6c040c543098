"""From what a run saw to verdicts: one case for each assumption, expectation and check.

An assumption that does not hold makes the whole run INCONCLUSIVE: the environment was not the one
that the scenario speaks about, so what failed there is not held against the device. What could not
be run on a backend is NOT_RUN, with the line that needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.record import Case, Evidence, RegisterTable
from reports.verdict import Verdict, join
from scenarios.checks import layout as layout_check
from scenarios.language.durations import show
from scenarios.language.ir import LayoutCheck, Property, RegistersCheck
from scenarios.language.monitor import Judgement, Seen, judge, show_value
from scenarios.timeline import timeline
from scenarios.watching import with_watchdogs
from simulators.modbus import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.record import Timeline
    from scenarios.backends.base import Outcome
    from scenarios.language.diagnostics import Diagnostic
    from scenarios.language.ir import Check, ExpectedRegisters, Scenario, TriggeredFault

#: Words that one literal check names in its reason; the rest is counted.
WORDS_SHOWN_MAX: Final = 8

#: Pieces of evidence that one case carries.
EVIDENCE_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict of one run of one scenario, with its cases and register tables."""

    verdict: Verdict
    reason: str
    cases: tuple[Case, ...]
    tables: tuple[RegisterTable, ...] = ()
    timeline: Timeline | None = None


def judge_run(
    scenario: Scenario, outcome: Outcome, backend: str, gaps: Sequence[Diagnostic]
) -> Judged:
    """Judge everything that the scenario asks for."""
    judging = _Judging(scenario, outcome, backend, gaps)
    cases = with_watchdogs(judging.cases(), scenario, backend, outcome.log, outcome.uncertainty_ns)
    return Judged(
        verdict=join(case.verdict for case in cases),
        reason=_reason(cases),
        cases=tuple(cases),
        tables=tuple(judging.tables.values()),
        timeline=timeline(outcome.log, outcome.end_ns, cases),
    )


def not_run(scenario: Scenario, gaps: Sequence[Diagnostic]) -> Judged:
    """Return the verdict of a scenario whose steps need what the backend does not have."""
    reason = "; ".join(f"{gap.place}: {gap.message}" for gap in gaps)
    case = Case(id="do", title=scenario.title, verdict=Verdict.NOT_RUN, reason=reason)
    return Judged(Verdict.NOT_RUN, reason, (case,))


def _reason(cases: Sequence[Case]) -> str:
    """Return the reasons of the cases that decided the verdict."""
    worst = join(case.verdict for case in cases)
    if worst in (Verdict.PASS, Verdict.NOT_APPLICABLE):
        return ""
    deciding = [case for case in cases if case.verdict is worst]
    first = f"{deciding[0].id}: {deciding[0].reason.splitlines()[0]}"
    return first if len(deciding) == 1 else f"{first} (and {len(deciding) - 1} more)"


class _Judging:
    """Forms the cases of one run."""

    def __init__(
        self, scenario: Scenario, outcome: Outcome, backend: str, gaps: Sequence[Diagnostic]
    ) -> None:
        self._scenario = scenario
        self._outcome = outcome
        self._backend = backend
        self._missing = _gaps_by_owner(scenario, gaps)
        self.tables: dict[str, RegisterTable] = {}

    def cases(self) -> list[Case]:
        """Return all cases in the order of the file, the steps first."""
        cases = [self._steps(), *map(self._fault, self._scenario.faults)]
        assumed = [self._case(one) for one in self._scenario.assume]
        cases += [_as_assumption(case) for case in assumed]
        broken = next((case for case in assumed if case.verdict > Verdict.PASS), None)
        for judged in (*self._scenario.expect, *self._scenario.check):
            if judged.only is None or self._backend in judged.only:
                cases += [_given(case, broken) for case in self._cases(judged)]
        return cases

    def _steps(self) -> Case:
        failure = self._outcome.failure
        if failure is not None:
            reason = f"{failure.place}: {failure.reason}"
            verdict = failure.verdict
        elif not self._scenario.judged:
            verdict, reason = Verdict.INCONCLUSIVE, "vacuous: nothing is expected or checked"
        else:
            verdict, reason = Verdict.PASS, ""
        return Case(id="do", title="The steps were carried out", verdict=verdict, reason=reason)

    def _fault(self, fault: TriggeredFault) -> Case:
        """A fault that never happened leaves untried what the scenario is about."""
        track = self._outcome.log.tracks.get(f"fault({fault.id}).fired")
        fired = len(track.times) if track is not None else 0
        title = f"The fault of line {fault.place.line} happened [{_times(fired)}]"
        if fired:
            return Case(id=fault.id, title=title, verdict=Verdict.PASS)
        reason = f"{fault.place}: vacuous: its trigger never fired"
        return Case(id=fault.id, title=title, verdict=Verdict.INCONCLUSIVE, reason=reason)

    def _cases(self, judged: Check) -> list[Case]:
        missing = self._missing.get(judged.id)
        if missing is not None:
            reason = f"{missing.place}: {missing.message}"
            return [self._plain(judged, Verdict.NOT_RUN, reason)]
        failure = self._outcome.failure
        if failure is not None and judged in self._scenario.check:
            reason = f"the steps ended early, at {failure.place}"
            return [self._plain(judged, Verdict.NOT_RUN, reason)]
        if isinstance(judged, Property):
            return [self._case(judged)]
        error = self._outcome.registers.error
        if error:
            return [self._plain(judged, Verdict.FAIL, f"the registers could not be read: {error}")]
        return self._layout(judged) if isinstance(judged, LayoutCheck) else [self._words(judged)]

    def _plain(self, judged: Check, verdict: Verdict, reason: str) -> Case:
        return Case(
            id=judged.id,
            title=_title(judged),
            requirements=judged.requirements,
            verdict=verdict,
            reason=reason,
        )

    # --- Properties ---------------------------------------------------------------------------

    def _case(self, judged: Property) -> Case:
        outcome = self._outcome
        uncertainty = max(outcome.uncertainty_ns, judged.tolerance_ns.get(self._backend, 0))
        told = [
            (one.meter, judge(one.formula, judged.text, outcome.log, outcome.end_ns, uncertainty))
            for one in judged.instances
        ]
        meter, worst = max(told, key=lambda pair: pair[1].verdict.rank)
        fired = sum(judgement.fired for _, judgement in told)
        reason = ""
        if worst.verdict is not Verdict.PASS:
            reason = "\n".join(_words_of(judged, meter, worst, len(told)))
        title = f"{_title(judged)} [fired {_times(fired)}]"
        if judged.tolerance_ns.get(self._backend):
            title += f" [tolerance {show(uncertainty)}]"
        return Case(
            id=judged.id,
            title=title,
            requirements=judged.requirements,
            verdict=worst.verdict,
            reason=reason,
            evidence=tuple(_evidence(seen) for seen in worst.seen[:EVIDENCE_MAX]),
            at_ns=worst.at_ns,
        )

    # --- Registers ----------------------------------------------------------------------------

    def _layout(self, judged: LayoutCheck) -> list[Case]:
        """Compare the registers of the meters with what these meters sent."""
        outcome = self._outcome
        blocks = layout.read_mapped(outcome.registers.words)
        expected = [outcome.expected[meter] for meter in judged.meters]
        if len(judged.meters) < len(outcome.expected):
            blocks = _only(blocks, {one.identity[:2] for one in expected})
        comparison = layout_check.compare(blocks, expected, clock=outcome.clock)
        for table in comparison.meters:
            self.tables.setdefault(table.id, table)
        worst = comparison.verdict
        summary = self._plain(judged, worst, "" if worst is Verdict.PASS else "see the cases below")
        bad = [case for case in comparison.cases if case.verdict > Verdict.PASS]
        if bad:
            summary = self._plain(judged, worst, "\n".join(case.reason for case in bad))
        evidence = tuple(piece for case in bad for piece in case.evidence)[:EVIDENCE_MAX]
        return [summary.model_copy(update={"evidence": evidence})]

    def _words(self, judged: RegistersCheck) -> Case:
        """Compare literal words."""
        findings: list[str] = []
        evidence: list[Evidence] = []
        for run in judged.runs:
            wrong = self._wrong_words(run)
            findings += wrong
            if wrong:
                evidence.append(self._run_evidence(run))
        if not findings:
            return self._plain(judged, Verdict.PASS, "")
        shown = findings[:WORDS_SHOWN_MAX]
        if len(findings) > len(shown):
            shown.append(f"and {len(findings) - len(shown)} more")
        case = self._plain(judged, Verdict.FAIL, "\n".join(shown))
        return case.model_copy(update={"evidence": tuple(evidence[:EVIDENCE_MAX])})

    def _wrong_words(self, run: ExpectedRegisters) -> list[str]:
        words, found = self._outcome.registers.words, []
        for address, wanted in enumerate(run.words, run.start):
            seen = words.get(address)
            if seen is None or wanted not in (None, seen):
                what = "any word" if wanted is None else f"{wanted:04X}"
                shown = "nothing is served" if seen is None else f"saw {seen:04X}"
                found.append(f"line {run.place.line}: register {address}: want {what}, {shown}")
        return found

    def _run_evidence(self, run: ExpectedRegisters) -> Evidence:
        words = self._outcome.registers.words
        last = run.start + len(run.words) - 1
        seen = [words.get(address) for address in range(run.start, last + 1)]
        return Evidence(
            kind="register",
            where=f"registers {run.start}-{last}",
            content=" ".join("----" if word is None else f"{word:04X}" for word in seen),
        )


def _gaps_by_owner(scenario: Scenario, gaps: Sequence[Diagnostic]) -> dict[str, Diagnostic]:
    """Return the first gap of each property or check, by its id."""
    owners = {need.place: need.owner for need in scenario.needs if need.owner}
    found: dict[str, Diagnostic] = {}
    for gap in gaps:
        owner = owners.get(gap.place)
        if owner is not None:
            found.setdefault(owner, gap)
    return found


def _as_assumption(case: Case) -> Case:
    """Return the case of an assumption: what fails it is the environment, not the device."""
    if case.verdict <= Verdict.PASS:
        return case
    reason = f"the assumption does not hold: {case.reason}"
    return case.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "reason": reason})


def _given(case: Case, broken: Case | None) -> Case:
    """Return a case as it stands when an assumption does not hold."""
    if broken is None or case.verdict is not Verdict.FAIL:
        return case
    reason = f"would be FAIL, but assumption {broken.id} does not hold: {case.reason}"
    return case.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "reason": reason})


def _only(
    blocks: Sequence[layout.Block], identities: set[tuple[object, ...]]
) -> list[layout.Block]:
    """Return the blocks of particular meters, and the gateway's own."""
    groups, others = layout.group(blocks)
    kept: list[layout.Block] = [b for b in others if isinstance(b, layout.GatewayBlock)]
    for group in groups:
        if (group.meter.serial_number, group.meter.manufacturer) in identities:
            kept += [group.meter, *group.values]
    return kept


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _title(judged: Check) -> str:
    match judged:
        case Property():
            text = judged.text
        case LayoutCheck(meters=meters):
            text = f"registers of {len(meters)} meters in the standard layout"
        case RegistersCheck(runs=runs):
            text = f"{sum(len(run.words) for run in runs)} literal registers"
    return f"{text} ({judged.why})" if judged.why else text


def _words_of(judged: Property, meter: str, worst: Judgement, instances: int) -> Iterable[str]:
    """Yield the lines of a reason: what, for which meter, and what was seen then."""
    about = f" for meter '{meter}'" if meter and instances > 1 else ""
    yield f"{worst.reason}{about}"
    for seen in worst.seen:
        yield f"  {seen}"
    if judged.why:
        yield f"  because: {judged.why}"


def _evidence(seen: Seen) -> Evidence:
    """Return what a path held when a property failed, as the record wants it."""
    words = seen.evidence.get("words")
    if words:
        return Evidence(
            kind="register",
            where=f"registers {seen.evidence.get('registers', '')}",
            content=str(words),
            at_ns=seen.since_ns,
            note=f"{seen.path} = {show_value(seen.value)}",
        )
    value = "not seen" if seen.since_ns is None else show_value(seen.value)
    return Evidence(kind="event", where=seen.path, content=value or "''", at_ns=seen.since_ns)
