"""Whom the suite is run against: the reference gateway in virtual time, or any at an address.

A gateway at an address is asked over its network alone: the checks of `scenarios.checks` are made,
and whatever needs the wire or the device's files cannot be. Such requirements do not enter the
verdict; the record lists each of them as not verified, with the reason.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from reports.record import NotVerified
from scenarios import requirements
from scenarios.checks import gateway
from scenarios.checks.conformance.judgement import Claims
from scenarios.compliance import mapping, process_gateway, suite
from scenarios.compliance import pics as statements
from scenarios.compliance.arrangement import Arrangement, arrange
from scenarios.register_map import live
from scenarios.register_map.model import MapError
from simulators.modbus import layout
from simulators.modbus.pdu import IdentificationRequest, ReadRequest, Registers, parse
from simulators.modbus.wire import Limits, Prober, Transport
from simulators.modbus.word_order import restored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.record import Case, RegisterTable, Requirement, RunRecord
    from scenarios.checks.expectation import ExpectedMeter
    from scenarios.compliance.arrangement import Trial
    from scenarios.register_map.model import RegisterMap
    from simulators.modbus.word_order import WordOrder

REFERENCE: Final = "reference"
#: The reference gateway as a process, in real time.
PROCESS: Final = "process"
#: Why what the suite decides elsewhere is open on a target.
OPEN_OVER_THE_NETWORK: Final = (
    "needs the wire or the device's files: NOT_RUN over the network alone"
)
OPEN_IN_REAL_TIME: Final = (
    "needs virtual time, or lasts longer than --real-time allows: NOT_RUN on a process"
)
#: Families whose statements show on pages, services or hardware that no case of ours can see.
ELSEWHERE: Final = frozenset(
    {"NET", "WEB", "GEN", "SEC", "USR", "SVC", "PRINT", "TRANS", "FTP", "SSH", "SNTP"}
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run against a target found."""

    cases: tuple[Case, ...]
    backend: str
    facts: Mapping[str, str]
    gateway: RegisterTable | None = None
    meters: tuple[RegisterTable, ...] = ()
    traces: Mapping[str, str] = field(default_factory=dict)


def reference_statement_cases(pics: statements.Pics, seed: int) -> list[Case]:
    """The first cases against the reference gateway: does the statement fit it?"""
    found: list[Case] = []

    async def procedure(trial: Trial) -> None:
        found.extend(await statements.examine(trial, pics))

    arrangement = Arrangement(unit_loads=pics.device.unit_loads)
    arrange(arrangement, procedure, name="pics", seed=seed)
    return found


def over_the_network(
    host: str,
    port: int,
    pics: statements.Pics,
    *,
    meters: Sequence[ExpectedMeter] | None = None,
    register_map: RegisterMap | None = None,
    intrusive: bool = False,
    slow: bool = False,
    seed: int = 1,
    tool_version: str = "",
) -> Outcome:
    """Check a gateway at an address; raises `UnreachableError`, an OSError, where nobody answers.

    Harmless unless `intrusive`: reads and identification on one connection. With a `register_map`,
    it is compared with statement and device; `MapError` where the device has no such layout.
    """
    settings = gateway.Settings(
        host=host,
        port=port,
        transport=Transport.TCP if pics.claims.tcp else Transport.UDP,
        unit_identifier=pics.parameters.unit_identifier,
        intrusive=intrusive,
        slow=slow,
        seed=seed,
        claims=Claims(
            connections_max=pics.parameters.connections_max, idle_s=pics.parameters.idle_s
        ),
        meters=None if meters is None else tuple(meters),
    )
    result = asyncio.run(gateway.check(settings, tool_version=tool_version))
    first = asyncio.run(_identity(host, port, settings.transport, settings.unit_identifier))
    record: RunRecord = result.record
    head = _in_order(first[1], result.word_order)
    cases = [*statements.compare(pics, first[0], head), *record.cases]
    tables = list(record.meters)
    if register_map is not None:
        image = asyncio.run(_image(host, port, settings.transport, settings.unit_identifier))
        served = live.of_served(image)
        cases += mapping.cases(register_map, image, served, pics)
        found = mapping.table(register_map, served, pics)
        tables = [*([found] if found else []), *tables]
    return Outcome(
        cases=tuple(cases),
        backend=record.run.backend,
        facts=dict(record.run.facts),
        gateway=record.gateway,
        meters=tuple(tables),
    )


def as_process(
    pics: statements.Pics, meters: Sequence[ExpectedMeter] | None, seed: int, tool_version: str
) -> Outcome:
    """Check the reference gateway as a process with the meters of the worked examples.

    Raises ProcessGatewayError where it does not come to serve.
    """
    with process_gateway.running(seed) as (host, port):
        return over_the_network(
            host, port, pics, meters=meters, intrusive=True, seed=seed, tool_version=tool_version
        )


async def _image(host: str, port: int, transport: Transport, unit_identifier: int) -> live.Served:
    """Everything that a gateway at an address serves, in whatever layout."""
    prober = Prober(
        host, port, transport=transport, unit_identifier=unit_identifier, limits=Limits()
    )
    try:
        image = await live.served(prober)
    finally:
        prober.hang_up()
    if not image.is_gateway:
        raise MapError(f"{host}:{port}: registers 0-9 are no gateway entry of manual 6.2")
    return image


async def _identity(
    host: str, port: int, transport: Transport, unit_identifier: int
) -> tuple[object, object]:
    """Identification and gateway entry of a gateway at an address."""
    prober = Prober(
        host, port, transport=transport, unit_identifier=unit_identifier, limits=Limits()
    )
    answers: list[object] = []
    for request in (IdentificationRequest(0x02), ReadRequest(0, 10)):
        step = await prober.ask("statement", prober.adu(request.to_bytes()))
        answers.append(parse(request, step.only.pdu) if step.only is not None else None)
    prober.hang_up()
    return answers[0], answers[1]


def _in_order(head: object, order: WordOrder | None) -> object:
    """The registers of the gateway's entry as the manual orders them, whatever swap is in force."""
    if order is None or not isinstance(head, Registers) or len(head.words) < layout.BLOCK_LENGTH:
        return head
    (block,) = restored([layout.GatewayBlock(0, head.words)], order)
    return Registers(0, block.registers)


def propose(host: str, port: int) -> statements.Pics:
    """The statement of an unknown gateway at an address; raises OSError where nobody answers."""
    identification, head = asyncio.run(_identity(host, port, Transport.TCP, 255))
    try:
        image = asyncio.run(_image(host, port, Transport.TCP, 255))
    except MapError:
        return statements.propose(identification, head)
    return statements.propose(identification, _in_order(head, image.word_order))


def not_verified(
    target: str, catalogue: Mapping[str, Requirement], cases: Iterable[Case]
) -> dict[str, str]:
    """Why each statement that no case decided is open on this target, by id."""
    decided = {id_ for case in cases for id_ in case.requirements}
    decidable = set[str]()
    if target != REFERENCE:  # On the reference what the suite decides has been decided.
        decidable = {id_ for one in suite.select_cases() for id_ in one.requirements}
    outside = requirements.elsewhere()
    reasons = {}
    for id_ in catalogue:
        if id_ in decided:
            continue
        if id_ in decidable:
            reasons[id_] = OPEN_IN_REAL_TIME if target == PROCESS else OPEN_OVER_THE_NETWORK
        elif id_ in outside:
            reasons[id_] = f"shows elsewhere, {outside[id_]}"
        elif id_.partition("-")[0] in ELSEWHERE:
            reasons[id_] = "shows on a page, a service or hardware that this suite does not see"
        else:
            reasons[id_] = "no case of the suite decides it yet"
    return reasons


def with_reasons(record: RunRecord, reasons: Mapping[str, str]) -> RunRecord:
    """The record with a reason of its own for every statement that was not verified."""
    rows = tuple(
        NotVerified(id=row.id, section=row.section, text=row.text,
                    reason=reasons.get(row.id, row.reason))
        for row in record.not_verified
    )  # fmt: skip
    return record.model_copy(update={"not_verified": rows})
