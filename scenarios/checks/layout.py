"""The register layout check: what a gateway serves against what its meters really hold.

`compare` pairs the meter entries read from a gateway with the expected meters and compares every
field of manual 6.2. It gives one case for each meter and statement of the catalogue (REG-M.1 …,
REG-V.1 …, MET-09, SCAN-01), with the registers as evidence, and one register table for each
meter. A failing case names meter, register, field, what was expected and what was seen.

A value may have moved between two read-outs. All values of a meter must then stem from the *same*
read-out: the snapshot with the fewest differences is taken, and the rest is reported against it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.record import Case, Evidence, RegisterTable
from reports.verdict import Verdict, join
from scenarios.checks import fields
from scenarios.checks.expectation import RECENT, ExpectedMeter, Snapshot
from simulators.modbus import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scenarios.checks.fields import Finding

#: Seconds by which the meter time may differ from the end of the read-out.
TIME_TOLERANCE_S: Final = 2

#: What one case may say about itself, in findings; a map that is wrong throughout would else fill
#: pages with one mistake.
FINDINGS_MAX: Final = 20

_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """How the meters' time maps to the gateway's: unix seconds at the meters' time 0."""

    epoch_s: int
    tolerance_s: int = TIME_TOLERANCE_S

    def unix_s(self, at_ns: int) -> int:
        """Return the unix time of a moment of the run, whole seconds."""
        return self.epoch_s + at_ns // _NS_PER_S

    def agrees(self, unix_s: int, at_ns: int) -> bool:
        """Return whether a register time names that moment, within the tolerance."""
        return abs(unix_s - self.unix_s(at_ns)) <= self.tolerance_s


@dataclass(frozen=True, slots=True)
class ExpectedGateway:
    """What is known of the gateway's own block; None where nothing is."""

    serial_number: int | None = None
    software_version: int | None = None
    last_readout_s: int | None = None
    tolerance_s: int = TIME_TOLERANCE_S


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome: cases with verdicts, and the register tables for the report."""

    cases: tuple[Case, ...]
    gateway: RegisterTable | None
    meters: tuple[RegisterTable, ...]

    @property
    def verdict(self) -> Verdict:
        """Join of the cases."""
        return join(case.verdict for case in self.cases)


def check(
    blocks: Sequence[layout.Block],
    expectations: Sequence[ExpectedMeter],
    *,
    gateway: ExpectedGateway | None = None,
    clock: Clock | None = None,
) -> list[Case]:
    """Return the cases of `compare`, for callers that want no tables."""
    return list(compare(blocks, expectations, gateway=gateway, clock=clock).cases)


def compare(
    blocks: Sequence[layout.Block],
    expectations: Sequence[ExpectedMeter],
    *,
    gateway: ExpectedGateway | None = None,
    clock: Clock | None = None,
) -> Comparison:
    """Compare the entries of a gateway in the standard layout with what its meters hold.

    `blocks` come from `simulators.modbus.layout`. Without `gateway` only the fixed fields of
    the gateway's block are judged. Without `clock` the meter times cannot be judged: they are
    shown as NOT_APPLICABLE and give no case, unless a meter that was read shows no time at all.
    """
    groups, others = layout.group(blocks)
    pairs, missing, unexpected = _pair(groups, expectations)
    cases: list[Case] = []
    tables: dict[str, RegisterTable] = {}
    for meter, group in pairs:
        findings = _judge_meter(group, meter, clock)
        found = _found_case(meter, group)
        order = _order_case(group, meter, findings)
        cases += [
            found,
            *_cases_by_requirement(f"layout/{meter.id}", f"meter {meter.name}", findings),
            order,
        ]
        tables[meter.id] = _table(meter.id, meter.name, group.meter.address, findings)
    for meter in missing:
        cases.append(_missing_case(meter))
        tables[meter.id] = _missing_table(meter)
    cases += [_unexpected_case(group) for group in unexpected]
    cases += [_stray_case(block) for block in others if not isinstance(block, layout.GatewayBlock)]
    gateway_table, gateway_cases = _judge_gateway(blocks, gateway or ExpectedGateway())
    in_order = [tables[meter.id] for meter in expectations]
    return Comparison(tuple(gateway_cases + cases), gateway_table, tuple(in_order))


# --- Which entry is which meter ---------------------------------------------------------------

_Pairs = list[tuple[ExpectedMeter, layout.MeterGroup]]


def _pair(
    groups: Iterable[layout.MeterGroup], expectations: Sequence[ExpectedMeter]
) -> tuple[_Pairs, list[ExpectedMeter], list[layout.MeterGroup]]:
    """Pair meters and entries: by the whole identity first, then by serial number alone.

    The second round is what turns "one missing, one unexpected" into "wrong version".
    """
    left = list(groups)
    taken: dict[str, layout.MeterGroup] = {}
    for whole in (True, False):
        for meter in expectations:
            if meter.id in taken:
                continue
            match = next((group for group in left if _matches(group, meter, whole=whole)), None)
            if match is not None:
                taken[meter.id] = match
                left.remove(match)
    pairs = [(meter, taken[meter.id]) for meter in expectations if meter.id in taken]
    missing = [meter for meter in expectations if meter.id not in taken]
    return pairs, missing, left


def _matches(group: layout.MeterGroup, meter: ExpectedMeter, *, whole: bool) -> bool:
    block = group.meter
    if not whole:
        return block.serial_number == meter.serial_number != 0
    identity = (block.serial_number, block.manufacturer, block.version, block.medium)
    return identity == meter.identity


def _found_case(meter: ExpectedMeter, group: layout.MeterGroup) -> Case:
    block = group.meter
    return Case(
        id=f"layout/{meter.id}/found",
        title=f"Meter {meter.name} is in the register map",
        requirements=("SCAN-01",),
        verdict=Verdict.PASS,
        evidence=(_identity_evidence(block),),
    )


def _missing_case(meter: ExpectedMeter) -> Case:
    return Case(
        id=f"layout/{meter.id}/found",
        title=f"Meter {meter.name} is in the register map",
        requirements=("SCAN-01",),
        verdict=Verdict.FAIL,
        reason=f"meter {meter.name}: expected an entry with serial number "
        f"{meter.serial_number}, seen none in the whole map",
    )


def _unexpected_case(group: layout.MeterGroup) -> Case:
    block = group.meter
    shown = f"{block.serial_number} {block.manufacturer} version {block.version}"
    return Case(
        id=f"layout/register-{block.address}/unexpected",
        title=f"Every meter entry belongs to a meter on the bus: register {block.address}",
        requirements=("SCAN-01",),
        verdict=Verdict.FAIL,
        reason=f"registers {block.address}-{block.address + 3}: expected no further meter, "
        f"seen {shown} medium {block.medium}",
        evidence=(_identity_evidence(block),),
    )


def _identity_evidence(block: layout.MeterBlock) -> Evidence:
    return Evidence(
        kind="register",
        where=f"registers {block.address}-{block.address + 3}",
        content=fields.hexadecimal(block.words(0, 4)),
    )


def _stray_case(block: layout.Block) -> Case:
    """Report a block that is no entry, or a value entry that follows no meter."""
    requirements: tuple[str, ...]
    if isinstance(block, layout.MalformedBlock):
        requirements, reason = ("REG-M.6", "REG-V.4"), block.message
    else:
        requirements = ("MET-15",)
        reason = f"register {block.address}: expected a meter entry before the value entry"
    return Case(
        id=f"layout/register-{block.address}/entry",
        title=f"Registers {block.address} to {block.address + 9} are an entry of manual 6.2",
        requirements=requirements,
        verdict=Verdict.FAIL,
        reason=reason,
        evidence=(
            Evidence(
                kind="register",
                where=f"registers {block.address}-{block.address + 9}",
                content=fields.hexadecimal(block.registers) or "(none)",
            ),
        ),
    )


# --- One meter --------------------------------------------------------------------------------


def _judge_meter(
    group: layout.MeterGroup, meter: ExpectedMeter, clock: Clock | None
) -> list[Finding]:
    """Compare all fields with the snapshot that fits best; newest first among equals."""
    candidates = _candidates(group.meter, meter, clock)
    judged = [_findings(group, meter, snapshot, clock) for snapshot in candidates]
    return min(judged, key=lambda found: sum(f.verdict is Verdict.FAIL for f in found))


def _candidates(
    block: layout.MeterBlock, meter: ExpectedMeter, clock: Clock | None
) -> list[Snapshot]:
    """Return the read-outs that the registers may stem from, newest first, never none."""
    newest_first = list(reversed(meter.snapshots))
    timely = [
        one
        for one in newest_first
        if clock and one.at_ns is not None and clock.agrees(block.time_stamp, one.at_ns)
    ]
    return timely or newest_first[:RECENT] or [Snapshot(())]


def _findings(
    group: layout.MeterGroup, meter: ExpectedMeter, snapshot: Snapshot, clock: Clock | None
) -> list[Finding]:
    found = fields.judge(group.meter, "meter", fields.meter_wants(meter))
    found.append(_judge_meter_time(group.meter, meter, snapshot, clock))
    for index, want in enumerate(snapshot.values):
        entry = f"value {index + 1}, {want.label}"
        if index < len(group.values):
            wants = fields.value_wants(want)
            found += fields.judge(group.values[index], entry, wants, want.source)
        else:
            address = group.meter.address + layout.BLOCK_LENGTH * (index + 1)
            found.append(fields.absent(address, entry, want))
    for index in range(len(snapshot.values), len(group.values)):
        found.append(fields.surplus(group.values[index], f"value {index + 1}"))
    return found


def _judge_meter_time(
    block: layout.MeterBlock, meter: ExpectedMeter, snapshot: Snapshot, clock: Clock | None
) -> Finding:
    """Compare registers +4-5 with the moment of the read-out, where a clock allows it."""
    was_read = bool(snapshot.values) and not meter.flags & 1
    if was_read and block.time_stamp == 0:
        return fields.meter_time(block, "the time of the read-out", Verdict.FAIL)
    if clock is None or snapshot.at_ns is None:
        return fields.meter_time(block, "(no clock to compare with)", Verdict.NOT_APPLICABLE)
    expected = f"{fields.time_shown(clock.unix_s(snapshot.at_ns))} ± {clock.tolerance_s} s"
    agrees = clock.agrees(block.time_stamp, snapshot.at_ns)
    return fields.meter_time(block, expected, Verdict.PASS if agrees else Verdict.FAIL)


def _order_case(
    group: layout.MeterGroup, meter: ExpectedMeter, findings: Sequence[Finding]
) -> Case:
    """MET-09: as many values as the telegram, in its order.

    Fields that differ are findings of their own. Here it is asked whether they are right in
    another place: then the order is what is wrong.
    """
    own = [finding for finding in findings if finding.requirement == fields.ORDER]
    lines = [finding.sentence(f"meter {meter.name}") for finding in own]
    lines += _exchanged(group, meter, findings)
    return Case(
        id=f"layout/{meter.id}/order",
        title=f"Meter {meter.name}: its values stand in the order of the telegram, none missing",
        requirements=(fields.ORDER,),
        verdict=Verdict.FAIL if lines else Verdict.PASS,
        reason=_reason(lines),
        evidence=tuple(_evidence([finding]) for finding in own if finding.registers),
    )


def _exchanged(
    group: layout.MeterGroup, meter: ExpectedMeter, findings: Sequence[Finding]
) -> list[str]:
    wrong = {f.block_address for f in findings if f.verdict is Verdict.FAIL and f.is_value}
    if not wrong or not meter.snapshots:
        return []
    lines = []
    for snapshot in meter.snapshots[-RECENT:]:
        for block in group.values:
            if block.address not in wrong:
                continue
            place = (block.address - group.meter.address) // layout.BLOCK_LENGTH
            for index, want in enumerate(snapshot.values, 1):
                if index != place and fields.fits(block, want):
                    lines.append(
                        f"meter {meter.name}, register {block.address}: expected value {place} "
                        f"of the telegram, seen value {index} ({want.label})"
                    )
    return list(dict.fromkeys(lines))


# --- The gateway's own block ------------------------------------------------------------------


def _judge_gateway(
    blocks: Sequence[layout.Block], expected: ExpectedGateway
) -> tuple[RegisterTable | None, list[Case]]:
    block = next((one for one in blocks if isinstance(one, layout.GatewayBlock)), None)
    if block is None:
        missing = Case(
            id="layout/gateway/found",
            title="Registers 0 to 9 are the gateway's own entry",
            requirements=("REG-G.6",),
            verdict=Verdict.FAIL,
            reason="registers 0-9: expected the gateway entry, seen none",
        )
        return None, [missing]
    wants = fields.gateway_wants(
        expected.serial_number,
        expected.software_version,
        expected.last_readout_s,
        expected.tolerance_s,
    )
    findings = fields.judge(block, "gateway", wants)
    table = _table("gateway", "Gateway", block.address, findings)
    return table, _cases_by_requirement("layout/gateway", "gateway", findings)


# --- From findings to cases and tables --------------------------------------------------------


def _cases_by_requirement(prefix: str, who: str, findings: Sequence[Finding]) -> list[Case]:
    """Return one case for each statement that the findings speak about.

    A statement that nothing could be said about (NOT_APPLICABLE throughout) gives no case, and
    is so listed as not verified.
    """
    by_requirement: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.requirement != fields.ORDER:
            by_requirement[finding.requirement].append(finding)
    cases = []
    for requirement, found in by_requirement.items():
        verdict = join(finding.verdict for finding in found)
        if verdict is Verdict.NOT_APPLICABLE:
            continue
        failed = [finding for finding in found if finding.verdict is Verdict.FAIL]
        cases.append(
            Case(
                id=f"{prefix}/{requirement}",
                title=_title(who, found[0]),
                requirements=(requirement,),
                verdict=verdict,
                reason=_reason([finding.sentence(who) for finding in failed]),
                evidence=(_evidence(failed or found),),
            )
        )
    return cases


def _title(who: str, finding: Finding) -> str:
    whose = f"{who[0].upper()}{who[1:]}: {finding.field}"
    return f"{whose} of each value" if finding.is_value else whose


def _reason(lines: Sequence[str]) -> str:
    """Join findings to a reason, bounded; what is left out is counted."""
    shown = list(lines[:FINDINGS_MAX])
    if len(lines) > FINDINGS_MAX:
        shown.append(f"and {len(lines) - FINDINGS_MAX} more; the register table has them all")
    return "\n".join(shown)


def _evidence(findings: Sequence[Finding]) -> Evidence:
    return Evidence(
        kind="register",
        where="registers " + ", ".join(finding.place for finding in findings),
        content=" | ".join(fields.hexadecimal(f.registers) or "(none)" for f in findings),
    )


def _table(id_: str, title: str, address: int, findings: Sequence[Finding]) -> RegisterTable:
    rows = sorted(
        (finding.row() for finding in findings),
        key=lambda row: (row.address // layout.BLOCK_LENGTH, row.address),
    )
    return RegisterTable(
        id=id_,
        title=title,
        address=address,
        rows=tuple(rows),
        verdict=join(row.verdict for row in rows),
    )


def _missing_table(meter: ExpectedMeter) -> RegisterTable:
    return RegisterTable(
        id=meter.id,
        title=meter.name,
        address=None,
        note="The meter is on the bus and not in the register map.",
        verdict=Verdict.FAIL,
    )
