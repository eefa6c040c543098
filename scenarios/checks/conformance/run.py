"""Asking a gateway all that was selected, one case for each check.

A check that the run may not make (`Need`) is not selected and gives no case: the record lists it
as not verified. What a probe could not do (a limit of its own, a server that has gone) is NOT_RUN
with the reason, never a pass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from reports.record import Case, Evidence
from reports.verdict import Verdict
from scenarios.checks.conformance.judgement import Judgement, seen
from scenarios.checks.conformance.plan import PLAN, PROBES
from scenarios.checks.conformance.table import Check, Need, checks
from simulators.modbus import layout
from simulators.modbus.pdu import Malformed, parse
from simulators.modbus.survey import Survey
from simulators.modbus.wire import BudgetSpentError, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scenarios.checks.conformance.judgement import Claims
    from simulators.modbus.wire import Observation, Prober, Step

#: Exchanges shown as evidence of one case.
EVIDENCE_MAX: Final = 6
#: Bytes shown of one message.
SHOWN_BYTES_MAX: Final = 64
#: Value entries watched for torn reads.
WATCHED_MAX: Final = 12
#: Requests of the survey of the layout.
SURVEY_REQUESTS_MAX: Final = 2000


class UnreachableError(OSError):
    """The server cannot be reached at all; the message names the address."""


def selected(available: Need) -> list[Check]:
    """The checks that a run with these means makes."""
    return [check for check in checks() if check.needs in available]


async def examine(
    prober: Prober,
    claims: Claims,
    available: Need,
    *,
    progress: Callable[[Check, Case | None], None] = lambda _check, _case: None,
) -> list[Case]:
    """Make all checks that `available` allows, in the order of the list.

    `progress` is called with each check before (None) and after it.
    """
    seen_by: dict[str, Observation | str] = {}
    cases: list[Case] = []
    gone = ""
    for check in selected(available):
        progress(check, None)
        if gone:
            case = _case(check, Judgement(Verdict.NOT_RUN, gone), ())
        else:
            case, gone = await _one(prober, claims, check, seen_by)
        cases.append(case)
        progress(check, case)
    await prober.settle()
    return cases


async def _one(
    prober: Prober, claims: Claims, check: Check, seen_by: dict[str, Observation | str]
) -> tuple[Case, str]:
    """One check; also why no further one can be made, where that is so."""
    name, rule = PLAN[check.id]
    gone = ""
    if name not in seen_by:
        try:
            seen_by[name] = await PROBES[name](prober, claims)
        except BudgetSpentError as error:
            seen_by[name] = str(error)
        except OSError as error:
            prober.hang_up()
            if not await _is_alive(prober):
                gone = f"the server can no longer be reached (during {check.id}): {_text(error)}"
            reason = f"the server refused a connection: {_text(error)}"
            return _case(check, Judgement(Verdict.FAIL, gone or reason), ()), gone
    found = seen_by[name]
    if isinstance(found, str):
        return _case(check, Judgement(Verdict.NOT_RUN, found), ()), gone
    return _case(check, rule(found, claims), found.steps), gone


async def _is_alive(prober: Prober) -> bool:
    try:
        step = await prober.ask("alive", prober.read())
    except (OSError, BudgetSpentError):
        return False
    return step.only is not None


def _text(error: OSError) -> str:
    return str(error) or type(error).__name__


def _case(check: Check, judgement: Judgement, steps: Sequence[Step]) -> Case:
    return Case(
        id=check.id,
        title=f"{check.check}: {check.expected}".replace("`", ""),
        requirements=(check.id, *check.requirements),
        verdict=judgement.verdict,
        reason=judgement.reason,
        evidence=tuple(evidence(_telling(steps, judgement))),
        measurements=judgement.measurements,
    )


def _telling(steps: Sequence[Step], judgement: Judgement) -> Sequence[Step]:
    """The steps that the reason speaks of, or else the first ones."""
    labels = tuple(line.partition(":")[0] for line in judgement.reason.splitlines())
    told = [step for step in steps if step.label in labels]
    return (told or steps)[:EVIDENCE_MAX]


def evidence(steps: Sequence[Step]) -> list[Evidence]:
    """Request and answer of each step, in hexadecimal."""
    found = []
    for step in steps:
        if step.sent:
            where = f"{step.label}, connection {step.connection}, request"
            found.append(Evidence(kind="frame", where=where, content=_shown(step.sent)))
        content = _shown(step.received) if step.messages else f"({seen(step)})"
        where = f"{step.label}, connection {step.connection}, answer"
        note = f"after {step.elapsed_ns / 1e6:.2f} ms, connection {step.end.value}"
        found.append(Evidence(kind="frame", where=where, content=content, note=note))
    return found


def _shown(data: bytes) -> str:
    text = data[:SHOWN_BYTES_MAX].hex(" ").upper()
    return text if len(data) <= SHOWN_BYTES_MAX else f"{text} … ({len(data)} bytes)"


# --- What is served ---------------------------------------------------------------------------


async def survey(prober: Prober) -> Survey:
    """Read every register of the prober's unit; raises `UnreachableError` without a server.

    A server that refuses ranges of which not all is mapped is asked entry by entry.
    """
    found = await _survey(prober, Survey())
    return found if found.registers else await _survey(prober, Survey(blocks_per_request=1))


async def _survey(prober: Prober, found: Survey) -> Survey:
    for _ in range(SURVEY_REQUESTS_MAX):
        request = found.next_request()
        if request is None:
            break
        try:
            step = await prober.ask("survey", prober.adu(request.to_bytes()))
        except OSError as error:
            name = f"{prober.host}:{prober.port}"
            raise UnreachableError(f"no Modbus server at {name}: {_text(error)}") from error
        if step.only is None:
            found.answered(Malformed(step.received, f"expected one answer, seen {seen(step)}"))
        else:
            found.answered(parse(request, step.only.pdu))
    return found


def with_survey(claims: Claims, found: Survey) -> Claims:
    """The claims with what a survey tells: the end of the map, and where values are."""
    is_standard = any(isinstance(block, layout.GatewayBlock) for block in found.blocks)
    values = [
        block.address
        for block in found.blocks
        if is_standard and isinstance(block, layout.ValueBlock) and any(block.registers)
    ]
    return replace(
        claims,
        last_mapped=max(found.registers, default=None),
        value_addresses=tuple(values[:WATCHED_MAX]),
    )


def means(*, transport: Transport, intrusive: bool, slow: bool) -> Need:
    """What a run is allowed."""
    available = Need.UDP if transport is Transport.UDP else Need.TCP
    if intrusive:
        available |= Need.INTRUSIVE
    if slow:
        available |= Need.SLOW
    return available
