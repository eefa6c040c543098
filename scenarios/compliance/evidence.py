"""Traces of the suite, and verdicts formed from them again.

Every unit of the suite leaves one file of JSON lines. A case that is code leaves the frames of its
bus and each of its checks, with what was expected and what was seen; a scenario leaves its event
log. `rejudge` reads such files without the gateway and without running anything: it compares what
was expected with what was seen, evaluates the properties on the log, and tells where the record
says something else.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from reports.record import Trace, WatchdogRun
from reports.verdict import Verdict, join
from scenarios import watching
from scenarios.compliance.verdicts import WATCHDOG
from scenarios.language.compile import compile_path
from scenarios.language.events import EventLog
from scenarios.language.ir import Property
from scenarios.language.monitor import judge
from scenarios.run import library_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reports.record import RunRecord
    from scenarios.compliance.arrangement import Frame
    from scenarios.language.ir import Scenario
    from scenarios.run import Result

#: The first line of a trace says what it is.
CHECKS: Final = "checks"
SCENARIO: Final = "scenario"


def file_name(unit: str) -> str:
    """The name of the trace of a unit of the suite."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", unit) + ".jsonl"


def of_case(
    unit: str, seed: int, frames: Iterable[Frame], checks: Iterable[Mapping[str, Any]]
) -> str:
    """The trace of a case that is code."""
    lines = [_line({"kind": CHECKS, "unit": unit, "seed": seed})]
    lines += [
        _line({"kind": "frame", "at_ns": one.at_ns, "meter": one.meter, "data": one.data.hex()})
        for one in frames
    ]
    lines += [_line({"kind": "check", **one}) for one in checks]
    return "".join(lines)


def of_scenario(unit: str, result: Result) -> str:
    """The trace of a scenario of the library: a head, and its event log as it is."""
    head = {
        "kind": SCENARIO,
        "unit": unit,
        "seed": result.seed,
        "end_ns": result.virtual_ns,
        "backend": result.backend,
        "uncertainty_ns": result.uncertainty_ns,
    }
    return _line(head) + result.trace


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def trace(name: str, text: str) -> Trace:
    """The trace as the record names it."""
    import hashlib

    data = text.encode()
    return Trace(
        name=name, kind="events", sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data)
    )


# --- Judging again ----------------------------------------------------------------------------


def rejudge(record: RunRecord, traces: Mapping[str, bytes]) -> list[str]:
    """Return where the record disagrees with its traces; nothing where every verdict follows.

    Verdicts that no trace can give (NOT_RUN, ERROR, what was asked over the network) are taken as
    recorded. A trace that cannot be read is itself a complaint.
    """
    recorded = {case.id: case.verdict for case in record.cases}
    runs = {case.id: list(case.watchdogs) for case in record.cases}
    # A run that was asked for some requirements leaves whole traces and keeps only their cases.
    is_part = "--requirement" in record.run.command
    complaints: list[str] = []
    for name, data in sorted(traces.items()):
        if not name.endswith(".jsonl"):
            continue
        try:
            verdicts, drawn = _judged(data.decode().splitlines())
        except (ValueError, KeyError, TypeError, OSError) as error:
            complaints.append(f"{name}: cannot be judged: {error}")
            continue
        for id_, verdict in verdicts.items():
            seen = recorded.get(id_)
            if seen is None and is_part:
                continue
            if seen is None:
                complaints.append(f"{name} judges {id_}, which the record does not have")
            elif seen is not verdict and seen not in (Verdict.NOT_RUN, Verdict.ERROR):
                complaints.append(f"{id_} is recorded as {seen.value}, {name} says {verdict.value}")
        complaints += [
            f"{id_} draws watchdogs that {name} does not have"
            for id_ in verdicts
            if id_ in recorded and runs.get(id_, []) != drawn.get(id_, [])
        ]
    return complaints


def _judged(
    lines: Sequence[str],
) -> tuple[dict[str, Verdict], dict[str, list[WatchdogRun]]]:
    """Verdicts by case that a trace gives, and the runs against a limit that it holds."""
    head = json.loads(lines[0])
    if head["kind"] == CHECKS:
        documents = [json.loads(line) for line in lines[1:]]
        return dict(_of_checks(head["unit"], documents)), _runs(head["unit"], documents)
    if head["kind"] != SCENARIO:
        raise ValueError(f"expected checks or scenario, got {head['kind']!r}")
    scenario, log = _told(head, lines[1:])
    owner = watching.owner_of(scenario, head["backend"])
    drawn = watching.runs(log, scenario.title, head["uncertainty_ns"]) if owner else []
    found = {f"{head['unit']}/{owner}": drawn} if drawn else {}
    return dict(_of_log(head, scenario, log)), found


def _of_checks(unit: str, lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Verdict]]:
    found: dict[str, list[bool]] = {}
    for line in lines:
        if line["kind"] == "check":
            found.setdefault(line["requirement"], []).append(_holds(line))
    for requirement, holds in found.items():
        yield f"{unit}/{requirement}", Verdict.PASS if all(holds) else Verdict.FAIL


def _runs(unit: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, list[WatchdogRun]]:
    """The runs against a limit that a trace of checks holds, by the id of their case."""
    found: dict[str, list[WatchdogRun]] = {}
    for line in lines:
        if line["kind"] == WATCHDOG:
            run = WatchdogRun.model_validate(line["run"])
            found.setdefault(f"{unit}/{line['requirement']}", []).append(run)
    return found


def _holds(check: Mapping[str, Any]) -> bool:
    """Whether a check holds, by what was expected and seen where the trace has both."""
    if "expected" in check:
        return bool(check["expected"] == check["seen"])
    if "value" in check:
        low, high = check["minimum"], check["maximum"]
        value = check["value"]
        return (low is None or value >= low) and (high is None or value <= high)
    return bool(check["holds"])


def _of_log(
    head: Mapping[str, Any], scenario: Scenario, log: EventLog
) -> Iterator[tuple[str, Verdict]]:
    unit, backend = head["unit"], head["backend"]
    for judged in (*scenario.expect, *scenario.check):
        if isinstance(judged, Property) and (judged.only is None or backend in judged.only):
            uncertainty = max(head["uncertainty_ns"], judged.tolerance_ns.get(backend, 0))
            verdict = join(
                judge(one.formula, judged.text, log, head["end_ns"], uncertainty).verdict
                for one in judged.instances
            )
            yield f"{unit}/{judged.id}", verdict


def _told(head: Mapping[str, Any], lines: Sequence[str]) -> tuple[Scenario, EventLog]:
    """The scenario of a trace, and its log as the trace has it."""
    unit = head["unit"]
    path = library_folder() / f"{unit.removeprefix('library/')}.scn.yaml"
    log = EventLog()
    for line in lines:
        change = json.loads(line)
        log.add(change["at_ns"], change["path"], change["value"], change["evidence"])
    return compile_path(path, name=unit).require(), log
