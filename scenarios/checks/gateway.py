"""Checking a gateway of which only the address is known: conformance, layout, run record."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reports.record import Case, Run, RunRecord
from reports.verdict import Verdict
from scenarios import requirements
from scenarios.checks import served_layout
from scenarios.checks.conformance import run as conformance
from scenarios.checks.conformance.judgement import Claims, Profile
from scenarios.checks.conformance.table import catalogue
from simulators.modbus.wire import BudgetSpentError, Limits, Prober, Transport
from simulators.modbus.word_order import WordOrder, restored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reports.record import RegisterTable
    from scenarios.checks.conformance.table import Check
    from scenarios.checks.expectation import ExpectedMeter
    from simulators.modbus.layout import Block


@dataclass(frozen=True, slots=True)
class Settings:
    """What to check, and how far to go.

    `intrusive` allows connections beyond the first, malformed frames and function codes that the
    device lacks; `slow` allows waits of an idle limit. `meters` are those that must be served.
    """

    host: str
    port: int
    transport: Transport = Transport.TCP
    unit_identifier: int = 255
    address: int = 0
    intrusive: bool = False
    slow: bool = False
    seed: int = 1
    claims: Claims = field(default_factory=Claims)
    limits: Limits = field(default_factory=Limits)
    meters: tuple[ExpectedMeter, ...] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The record, and the entries that were seen last, in the manual's word order."""

    record: RunRecord
    blocks: tuple[Block, ...]
    word_order: WordOrder | None
    requests: int
    connections: int


async def check(
    settings: Settings,
    *,
    tool_version: str,
    command: str = "",
    progress: Callable[[Check, Case | None], None] = lambda _check, _case: None,
) -> Result:
    """Check a gateway; raises `conformance.UnreachableError` where nobody answers at all."""
    started = time.monotonic_ns()
    stamp = time.gmtime()
    prober = Prober(
        settings.host,
        settings.port,
        transport=settings.transport,
        unit_identifier=settings.unit_identifier,
        address=settings.address,
        limits=settings.limits,
        seed=settings.seed,
    )
    first = await conformance.survey(prober)
    claims = conformance.with_survey(settings.claims, first)
    available = conformance.means(
        transport=settings.transport, intrusive=settings.intrusive, slow=settings.slow
    )
    order, looks, cases = await _layout(prober, settings, first.blocks)
    # Entries are watched for torn values as they are served; a swap would look torn.
    if order is not WordOrder.MSB_FIRST:
        claims = Claims(claims.profile, claims.connections_max, claims.idle_s, claims.last_mapped)
    cases = [*await conformance.examine(prober, claims, available, progress=progress), *cases]
    prober.hang_up()
    run = Run(
        title="meterbench check gateway",
        command=command,
        tool_version=tool_version,
        seed=str(settings.seed),
        backend=f"Modbus/{settings.transport.name}, profile {claims.profile.value}",
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", stamp),
        real_duration_ns=time.monotonic_ns() - started,
        facts=_facts(settings, prober, order, looks[-1]),
    )
    head, tables = served_layout.register_tables(looks[-1]) if order else (None, [])
    record = _record(run, cases, head, tables)
    return Result(record, tuple(looks[-1]), order, prober.requests, prober.connections)


def _record(
    run: Run, cases: Sequence[Case], head: RegisterTable | None, tables: Sequence[RegisterTable]
) -> RunRecord:
    checks = catalogue()
    return RunRecord.assemble(
        run,
        cases,
        catalogue={**checks, **requirements.load()},
        selected=checks,
        gateway=head,
        meters=tables,
    )


def _facts(
    settings: Settings, prober: Prober, order: WordOrder | None, blocks: Sequence[Block]
) -> dict[str, str]:
    shown = f"{len(blocks)} entries, {order.value}" if order else "not the standard layout"
    return {
        "layout": shown,
        "unit identifier": str(settings.unit_identifier),
        "used": f"{prober.requests} requests on {prober.connections} connections",
        "intrusive": "yes" if settings.intrusive else "no",
    }


async def _layout(
    prober: Prober, settings: Settings, first: Sequence[Block]
) -> tuple[WordOrder | None, list[list[Block]], list[Case]]:
    """Word order, looks at the image in the manual's order, and the cases about them."""
    if not served_layout.is_standard(first):
        return None, [list(first)], [_no_layout(settings.claims.profile)]
    looks = [list(first)]
    try:
        while len(looks) < served_layout.LOOKS:
            looks.append((await conformance.survey(prober)).blocks)
    except BudgetSpentError as error:
        return None, looks, [_layout_case(Verdict.NOT_RUN, str(error))]
    order = served_layout.word_order(looks[0])
    looks = [restored(look, order) for look in looks]
    cases = served_layout.check(looks)
    if settings.meters is not None:
        cases.append(served_layout.identities(looks[-1], settings.meters))
    return order, looks, cases


def _no_layout(profile: Profile) -> Case:
    reason = "registers 0-9 are no gateway entry of manual 6.2: the layout was not looked at"
    generic = profile is Profile.GENERIC
    return _layout_case(Verdict.NOT_APPLICABLE if generic else Verdict.FAIL, reason)


def _layout_case(verdict: Verdict, reason: str) -> Case:
    return Case(
        id="layout/entries",
        title="Every ten registers are an entry of manual 6.2, values behind their meter",
        requirements=("REG-G.6", "REG-M.6", "REG-V.4"),
        verdict=verdict,
        reason=reason,
    )
