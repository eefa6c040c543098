"""The checker against real servers: nothing to complain about on ours, what is known on others."""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.registers.layout import Layout
from reports.verdict import Verdict
from scenarios.checks import gateway
from scenarios.checks.conformance.judgement import Claims, Profile
from scenarios.checks.conformance.run import UnreachableError
from scenarios.checks.conformance.table import checks
from simulators.modbus.wire import Limits, Transport
from simulators.modbus.word_order import WordOrder
from tests.gateway import worked_examples
from tests.scenarios.checks.conformance.servers import IDLE_S, Moving, ours, stock_pymodbus

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from reports.record import Case

PAGE = Path(__file__).parents[4] / "docs" / "check-gateway.md"
#: Checks that have nothing to look at on a gateway in the factory layout.
NOTHING_TO_SEE = {"UID-03", "UID-04", "DID-10", "DID-11"}


def check(
    server: AbstractAsyncContextManager[tuple[str, int]],
    *,
    udp: bool = False,
    profile: Profile = Profile.REFERENCE,
    intrusive: bool = True,
    slow: bool = True,
    unit: int = 255,
) -> gateway.Result:
    """Run the whole check against a server."""

    async def main() -> gateway.Result:
        async with server as (host, port):
            settings = gateway.Settings(
                host,
                port,
                transport=Transport.UDP if udp else Transport.TCP,
                unit_identifier=unit,
                intrusive=intrusive,
                slow=slow,
                claims=Claims(profile, idle_s=IDLE_S),
                limits=Limits(answer_s=0.5, silence_s=0.1),
            )
            return await gateway.check(settings, tool_version="test")

    return asyncio.run(main())


def verdicts(result: gateway.Result, verdict: Verdict) -> dict[str, Case]:
    """The cases of a verdict, by id."""
    return {case.id: case for case in result.record.cases if case.verdict is verdict}


@cache
def whole_run(*, udp: bool) -> gateway.Result:
    """The run on the gateway's own server that the page shows."""
    return check(ours(udp=udp, idle_s=IDLE_S), udp=udp)


@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
def test_nothing_is_found_on_ours(udp: bool) -> None:
    """Every check that a client can make passes on the reference gateway."""
    result = whole_run(udp=udp)
    found = {f"{case.id}: {case.reason}" for case in result.record.cases
             if case.verdict > Verdict.PASS}  # fmt: skip
    assert found == set()
    assert set(verdicts(result, Verdict.NOT_APPLICABLE)) == NOTHING_TO_SEE
    made = {case.id for case in result.record.cases}
    other = "TCP-" if udp else "UDP-"
    assert {id_.partition("-")[0] for id_ in made} >= {"MBAP", "UID", "FC3", "FC", "DID", "ROB"}
    assert not any(id_.startswith(other) for id_ in made)


def test_the_page_shows_this_run() -> None:
    """The table of verdicts in docs/check-gateway.md is what the two runs on ours gave."""
    by_transport = {
        name: {case.id: case for case in whole_run(udp=udp).record.cases}
        for name, udp in (("TCP", False), ("UDP", True))
    }
    lines = []
    for row in checks():
        cells = [
            cases[row.id].verdict.value if row.id in cases else "–"
            for cases in by_transport.values()
        ]
        lines.append(f"| {row.id} | {row.check} | {cells[0]} | {cells[1]} |")
    page = PAGE.read_text(encoding="utf-8")
    missing = [line for line in lines if line not in page.splitlines()]
    assert not missing, "\n".join(lines)


@pytest.mark.parametrize(
    ("layout", "unit"),
    [
        (Layout(multi_slave=True), 1),
        (Layout(modbus_address=7), 7),
    ],
    ids=["multi-slave", "one unit"],
)
def test_unit_identifiers_of_ours(layout: Layout, unit: int) -> None:
    """UID-03, UID-04: where units differ or are unknown, the checker looks and finds it right."""
    result = check(ours(Moving(layout)), unit=unit, slow=False, intrusive=False)
    passed = verdicts(result, Verdict.PASS)
    assert "UID-04" in passed
    assert ("UID-03" in passed) is layout.multi_slave
    assert result.record.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("layout", "order"),
    [
        (Layout.from_keys(modbus_swap=1, protocol_version=0), WordOrder.LSB_FIRST),
        (Layout.from_keys(modbus_swap=0, protocol_version=4), WordOrder.LSB_FIRST_32),
        (Layout(), WordOrder.MSB_FIRST),
    ],
)
def test_word_order_is_found(layout: Layout, order: WordOrder) -> None:
    """MOD-08: a swapped image is recognised by values that agree with themselves, and read so."""
    image = worked_examples.image(layout)
    result = check(ours(lambda: image), slow=False, intrusive=False)
    assert result.word_order is order
    assert result.record.verdict is Verdict.PASS
    assert result.record.meters[0].title == "LUG 66600106"


def test_harmless_by_default() -> None:
    """Without --intrusive one connection at a time is used, and only 03 and 2B are asked."""
    result = check(ours(connections_max=1), slow=False, intrusive=False)
    assert result.record.verdict is Verdict.PASS
    sent = [
        bytes.fromhex(evidence.content.partition(" …")[0])
        for case in result.record.cases
        for evidence in case.evidence
        if evidence.where.endswith("request") and len(evidence.content) >= 23
    ]
    assert {data[7] for data in sent} == {0x03, 0x2B}
    assert {row.id for row in result.record.not_verified} >= {"TCP-06", "FC-01", "ROB-01"}


def test_known_faults_of_pymodbus_over_tcp(caplog: pytest.LogCaptureFixture) -> None:
    """Pipelining, exception frames, limits of connections, protocol identifier and length."""
    caplog.set_level(logging.CRITICAL)
    result = check(stock_pymodbus())
    found = verdicts(result, Verdict.FAIL)
    assert set(found) >= {
        # 1: of requests in one segment only the first is answered.
        "TCP-03",
        # 3: exceptions with function code 80.
        "FC3-02", "FC3-05", "FC3-06", "FC-02", "DID-12", "ROB-01",
        # 4: no limit of connections, no idle limit, wedged by another protocol, never closes.
        "TCP-05", "TCP-06", "TCP-07", "TCP-08", "MBAP-03", "MBAP-05",
        # Answers without end to who does not read them.
        "ROB-03",
    }  # fmt: skip
    assert "80 01" in found["FC3-02"].reason
    assert "unanswered" in found["TCP-03"].reason
    # What it does right is not complained about.
    assert {"TCP-01", "TCP-02", "MBAP-01", "FC3-04"} <= set(verdicts(result, Verdict.PASS))
    assert {"layout/entries", "layout/representations"} <= set(verdicts(result, Verdict.PASS))


def test_known_faults_of_pymodbus_over_udp(caplog: pytest.LogCaptureFixture) -> None:
    """One buffer for all peers: several sources and runts disturb each other."""
    caplog.set_level(logging.CRITICAL)
    found = verdicts(check(stock_pymodbus(udp=True), udp=True, slow=False), Verdict.FAIL)
    assert set(found) >= {"UDP-01", "UDP-02", "UDP-03", "FC3-02"}


def test_rules_of_this_gateway_are_not_asked_of_others(caplog: pytest.LogCaptureFixture) -> None:
    """With the generic profile only Modbus itself counts."""
    caplog.set_level(logging.CRITICAL)
    result = check(stock_pymodbus(), profile=Profile.GENERIC, slow=False)
    skipped = set(verdicts(result, Verdict.NOT_APPLICABLE))
    assert skipped >= {"TCP-06", "TCP-07", "TCP-09", "FC-01", "DID-06", "DID-07"}
    assert {"TCP-03", "FC3-02"} <= set(verdicts(result, Verdict.FAIL))


def test_every_failure_shows_its_frames() -> None:
    """A finding without request and answer is no evidence."""
    logging.disable(logging.CRITICAL)
    try:
        result = check(stock_pymodbus(), slow=False, intrusive=False)
    finally:
        logging.disable(logging.NOTSET)
    failed = verdicts(result, Verdict.FAIL)
    assert failed
    for case in failed.values():
        if not case.id.startswith("layout/"):
            assert any(evidence.where.endswith("request") for evidence in case.evidence), case.id
            assert any(evidence.where.endswith("answer") for evidence in case.evidence), case.id


def test_nobody_answers() -> None:
    """An address without a server is an error that names it, and no verdict."""
    settings = gateway.Settings("127.0.0.1", 1, limits=Limits(connect_s=1))
    with pytest.raises(UnreachableError, match=r"no Modbus server at 127\.0\.0\.1:1"):
        asyncio.run(gateway.check(settings, tool_version="test"))


def test_a_spent_budget_is_not_run() -> None:
    """What the prober may not ask any more is NOT_RUN with the limit, never a pass."""

    async def main() -> gateway.Result:
        async with ours() as (host, port):
            settings = gateway.Settings(host, port, limits=Limits(requests_max=60))
            return await gateway.check(settings, tool_version="test")

    result = asyncio.run(main())
    not_run = verdicts(result, Verdict.NOT_RUN)
    assert not_run
    assert all("limit of 60 requests" in case.reason for case in not_run.values())
    assert result.record.exit_code == 3
