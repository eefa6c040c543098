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
from scenarios.checks.conformance.judgement import Claims, Profile, judge
from scenarios.checks.conformance.run import EVIDENCE_MAX
from scenarios.checks.conformance.table import catalogue
from scenarios.register_map import live
from scenarios.register_map.differences import differences
from simulators.modbus.wire import BudgetSpentError, Limits, Prober, Transport
from simulators.modbus.word_order import WordOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reports.record import RegisterTable
    from scenarios.checks.conformance.table import Check
    from scenarios.checks.expectation import ExpectedMeter
    from scenarios.register_map.model import RegisterMap
    from simulators.modbus.layout import Block
    from simulators.modbus.survey import Survey


@dataclass(frozen=True, slots=True)
class Settings:
    """What to check, and how far to go.

    `intrusive` allows connections beyond the first, malformed frames and function codes that the
    device lacks; `slow` allows waits of an idle limit. `meters` are those that must be served,
    `register_map` says where.
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
    register_map: RegisterMap | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The record, and what was served at the last look (None: no layout of this gateway)."""

    record: RunRecord
    served: live.Served | None
    requests: int
    connections: int

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Entries in the manual's order of registers, unit after unit."""
        return self.served.blocks if self.served else ()

    @property
    def word_order(self) -> WordOrder | None:
        """The order of registers in force."""
        return self.served.word_order if self.served else None


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
    found, cases = await _layout(prober, settings, first)
    # Entries are watched for torn values as they are served; a swap would look torn.
    if found is None or found.float_only or found.word_order is not WordOrder.MSB_FIRST:
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
        facts=_facts(settings, prober, found),
    )
    head, tables = _tables(found) if found else (None, [])
    record = _record(run, cases, head, tables)
    return Result(record, found, prober.requests, prober.connections)


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


def _tables(found: live.Served) -> tuple[RegisterTable | None, list[RegisterTable]]:
    """The gateway's own table, and those of the meters of every unit."""
    heads, tables = [], []
    for number, unit in enumerate(found.units):
        head, own = served_layout.register_tables(found.unit_blocks(number))
        heads.append(head)
        if found.multi_slave:
            prefix = f"unit-{unit.unit_identifier}"
            own = [table.model_copy(update={"id": f"{prefix}-{table.id}"}) for table in own]
        tables += own
    return heads[0], tables


def _facts(settings: Settings, prober: Prober, found: live.Served | None) -> dict[str, str]:
    shown = "not a layout of this gateway"
    if found is not None:
        shown = f"{sum(len(unit.entries) for unit in found.units)} entries, {found.name}"
    return {
        "layout": shown,
        "unit identifier": str(settings.unit_identifier),
        "used": f"{prober.requests} requests on {prober.connections} connections",
        "intrusive": "yes" if settings.intrusive else "no",
    }


async def _layout(
    prober: Prober, settings: Settings, first: Survey
) -> tuple[live.Served | None, list[Case]]:
    """What is served at the last look, and the cases about it; None where it is no gateway's."""
    if not served_layout.is_standard(first.blocks):
        return None, [_no_layout(settings.claims.profile)]
    try:
        looks = [await live.served(prober, first)]
        while len(looks) < served_layout.LOOKS:
            looks.append(await live.again(prober, looks[0]))
    except BudgetSpentError as error:
        return None, [_layout_case(Verdict.NOT_RUN, str(error))]
    cases = _unit_cases(looks)
    last = looks[-1]
    if last.float_only:
        cases.append(served_layout.floats(last.floats))
    if settings.meters is not None:
        cases.append(served_layout.identities(last.blocks, settings.meters))
    if settings.register_map is not None:
        cases.append(_map_case(settings.register_map, live.of_served(last)))
    return last, cases


def _unit_cases(looks: Sequence[live.Served]) -> list[Case]:
    """The cases of every unit, put together by what they are about."""
    found: dict[str, list[Case]] = {}
    for number, unit in enumerate(looks[0].units):
        blocks = [one.unit_blocks(number) for one in looks]
        for case in served_layout.check(blocks):
            if len(looks[0].units) > 1:
                lines = [f"unit {unit.unit_identifier}: {x}" for x in case.reason.splitlines()]
                case = case.model_copy(update={"reason": "\n".join(lines)})
            found.setdefault(case.id, []).append(case)
    return [_together(cases) for cases in found.values()]


def _together(cases: Sequence[Case]) -> Case:
    if len(cases) == 1:
        return cases[0]
    return cases[0].model_copy(
        update={
            "verdict": max(case.verdict for case in cases),
            "reason": "\n".join(case.reason for case in cases if case.reason),
            "evidence": tuple(x for case in cases for x in case.evidence)[:EVIDENCE_MAX],
        }
    )


def _map_case(expected: RegisterMap, seen: RegisterMap) -> Case:
    judgement = judge(one.message for one in differences(expected, seen))
    return Case(
        id="layout/map",
        title="Every field stands where the register map says, in its type, unit and scale",
        requirements=("REG-00", "REG-V.3", "REG-V.5"),
        verdict=judgement.verdict,
        reason=judgement.reason,
    )


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
