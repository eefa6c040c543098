"""Watching a client for some time, and the run record of what was seen."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.record import Case, Evidence, Requirement, Run, RunRecord
from reports.verdict import Verdict
from scenarios.checks.client import decoded as decoding
from scenarios.checks.client.posting import Posted
from scenarios.checks.client.rules import RULES, Finding, Rule, Severity
from simulators.modbus.watch.server import Misbehaviour, WatchedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from simulators.modbus.watch.server import Asked, Entry, Journal

#: Findings that one case tells, and requests that it shows.
FINDINGS_MAX: Final = 12
EVIDENCE_MAX: Final = 6
VALUES_ID: Final = "CLT-18"
VALUES_TITLE: Final = "Every decoded value is one that was sent"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen, how long, and how badly to behave.

    `values` is a file that the client writes, `values_address` where it may post the same by HTTP.
    """

    host: str
    port: int
    seconds: float = 60.0
    connections_max: int = 5
    delay_s: float = 0.01
    misbehaviours: frozenset[Misbehaviour] = frozenset()
    values: Path | None = None
    values_address: tuple[str, int] | None = None


def catalogue() -> dict[str, Requirement]:
    """The rules as requirements, for a run record."""
    texts = {rule.id: (rule.title, rule.advice) for rule in RULES}
    texts[VALUES_ID] = (VALUES_TITLE, "See the named mistake.")
    return {
        id_: Requirement(id=id_, section="check client", text=f"{title}. {advice}")
        for id_, (title, advice) in texts.items()
    }


async def watch(
    settings: Settings,
    *,
    tool_version: str,
    command: str = "",
    listening: Callable[[tuple[str, int]], None] = lambda _address: None,
    posting: Callable[[tuple[str, int]], None] = lambda _address: None,
    notify: Callable[[Entry], None] = lambda _entry: None,
    stop: asyncio.Event | None = None,
) -> RunRecord:
    """Serve until the time is over or `stop` is set, and judge; raises OSError and `ValuesError`.

    The file of `values` is read at the end, when the client has written it. `listening` and
    `posting` are told the addresses for Modbus and HTTP.
    """
    server = WatchedServer(
        connections_max=settings.connections_max,
        delay_s=settings.delay_s,
        misbehaviours=settings.misbehaviours,
        notify=notify,
    )
    started = time.gmtime()
    posted = Posted(lambda: server.image.tick(server.now()))
    if settings.values_address is not None:
        posting(await posted.start(*settings.values_address))
    try:
        listening(await server.start(settings.host, settings.port))
        async with asyncio.timeout(settings.seconds):
            await (asyncio.Event() if stop is None else stop).wait()
    except TimeoutError:
        pass
    finally:
        journal = await server.close()
        await posted.close()
    cases = judge(journal)
    if settings.values is not None:
        values = decoding.load(settings.values)
        findings = decoding.judge(values, server.image.tick(journal.ended_ns))
        cases.append(_values_case(len(values), findings))
    elif settings.values_address is not None:
        cases.append(_values_case(posted.count, posted.findings))
    run = Run(
        title="meterbench check client",
        command=command,
        tool_version=tool_version,
        seed="",
        backend="watched server, Modbus/TCP",
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", started),
        real_duration_ns=journal.ended_ns,
        facts={
            "requests": str(len(journal.asked)),
            "misbehaviour": ", ".join(sorted(m.value for m in settings.misbehaviours)) or "none",
        },
    )
    return RunRecord.assemble(run, cases, catalogue=catalogue())


def judge(journal: Journal) -> list[Case]:
    """One case for each rule; a journal without a request says nothing about anybody."""
    if not journal.asked and not journal.entries:
        return [
            Case(
                id="client/came",
                title="A client came and asked",
                verdict=Verdict.INCONCLUSIVE,
                reason="nobody connected: there is nothing to judge",
            )
        ]
    return [_case(rule, journal) for rule in RULES]


def _case(rule: Rule, journal: Journal) -> Case:
    findings = rule.judge(journal)
    if findings is None:
        verdict, lines = Verdict.NOT_APPLICABLE, [rule.silent]
    elif not findings:
        verdict, lines = Verdict.PASS, []
    else:
        verdict = Verdict.FAIL if rule.severity is Severity.ERROR else Verdict.PASS
        lines = [finding.text for finding in findings[:FINDINGS_MAX]]
        if len(findings) > FINDINGS_MAX:
            lines.append(f"and {len(findings) - FINDINGS_MAX} more")
        lines.append(f"advice: {rule.advice}")
    return Case(
        id=rule.id,
        title=rule.title,
        requirements=(rule.id,),
        verdict=verdict,
        reason="\n".join(lines),
        evidence=tuple(_evidence(findings or [])),
    )


def _evidence(findings: list[Finding]) -> list[Evidence]:
    shown = [asked for finding in findings for asked in finding.asked][:EVIDENCE_MAX]
    return [evidence for asked in shown for evidence in _frames(asked)]


def _frames(asked: Asked) -> list[Evidence]:
    where = f"connection {asked.connection}"
    at = asked.at_ns
    frames = [
        Evidence(
            kind="frame", where=f"{where}, request", content=_hex(asked.adu.to_bytes()), at_ns=at
        )
    ]
    if asked.answer is not None:
        late = asked.answered_ns
        answer = _hex(asked.answer)
        frames.append(Evidence(kind="frame", where=f"{where}, answer", content=answer, at_ns=late))
    return frames


def _hex(data: bytes) -> str:
    text = data[:64].hex(" ").upper()
    return text if len(data) <= 64 else f"{text} … ({len(data)} bytes)"


def _values_case(count: int, findings: Sequence[str]) -> Case:
    verdict, reason = Verdict.PASS, ""
    if findings:
        shown = list(findings[:FINDINGS_MAX])
        if len(findings) > FINDINGS_MAX:
            shown.append(f"and {len(findings) - FINDINGS_MAX} more")
        verdict, reason = Verdict.FAIL, "\n".join(shown)
    elif not count:
        verdict, reason = Verdict.INCONCLUSIVE, "the client told no value"
    return Case(
        id=VALUES_ID, title=VALUES_TITLE, requirements=(VALUES_ID,), verdict=verdict, reason=reason
    )
