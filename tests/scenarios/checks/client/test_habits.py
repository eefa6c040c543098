"""Every bad habit of a client is found, with its frames; good manners are left alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from reports.verdict import Verdict
from scenarios.check_cli import app
from scenarios.checks.client import decoded
from scenarios.checks.client.rules import RULES, Severity
from scenarios.checks.client.run import catalogue
from simulators.modbus.watch.image import Truth, truths
from simulators.modbus.watch.server import Misbehaviour
from tests.scenarios.checks.client.watching import Raw, case, complaints, watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: All entries of the map at once.
WHOLE = "03 00 00 00 46"


def asking(*pdus: str, unit: int = 255) -> Callable[[str, int], Awaitable[None]]:
    """A client that asks the given requests one after the other on one connection."""

    async def client(host: str, port: int) -> None:
        raw = await Raw.connect(host, port)
        for pdu in pdus:
            await raw.ask(pdu, unit)
        raw.close()

    return client


def test_good_manners_are_left_alone() -> None:
    """One connection, whole entries, a second apart: nothing to say."""

    async def client(host: str, port: int) -> None:
        raw = await Raw.connect(host, port)
        await raw.ask("2B 0E 01 00")
        for _ in range(3):
            await raw.ask(WHOLE)
            await asyncio.sleep(0.6)
        raw.close()

    record = watch(client)
    assert complaints(record) == set()
    assert record.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("rule", "pdus", "word"),
    [
        ("CLT-01", ["03 00 14 00 02", "03 00 16 00 02"], "registers 20-23"),
        ("CLT-01", ["03 00 18 00 01", "03 00 19 00 01"], "registers 24-25"),
        ("CLT-02", ["03 00 15 00 02"], "cuts the number at 20"),
        ("CLT-03", ["03 00 64 00 0A"], "map ends at 69"),
        ("CLT-04", ["03 00 00 00 7E"], "126 registers"),
        ("CLT-05", ["03 00 14 00 04"], "scale at 26 never"),
        ("CLT-06", ["04 00 00 00 0A"], "function code 04"),
        ("CLT-13", ["03 00 64 00 0A"] * 3, "refused with 02"),
    ],
)
def test_reads_that_are_wrong(rule: str, pdus: list[str], word: str) -> None:
    """What is read, and with what: the range is named and the request shown."""
    found = case(watch(asking(*pdus)), rule)
    assert word in found.reason
    assert found.verdict is next(
        Verdict.FAIL if one.severity is Severity.ERROR else Verdict.PASS
        for one in RULES
        if one.id == rule
    )
    assert found.evidence[0].content.endswith(pdus[0])


def test_many_units() -> None:
    """CLT-07: one device has one unit identifier."""

    async def client(host: str, port: int) -> None:
        raw = await Raw.connect(host, port)
        for unit in (1, 2, 3, 250):
            await raw.ask(WHOLE, unit)
        raw.close()

    reason = case(watch(client), "CLT-07").reason
    assert "1, 2, 3, 250" in reason
    assert "250 is reserved" in reason


def test_bytes_that_are_no_frame() -> None:
    """CLT-08: RTU on TCP is told as what it is, and ends the connection."""

    async def client(host: str, port: int) -> None:
        raw = await Raw.connect(host, port)
        raw.writer.write(bytes.fromhex("01 03 00 00 00 01 84 0A"))
        assert await raw.receive() == b""
        raw.close()

    assert "length of 2..254" in case(watch(client), "CLT-08").reason


def test_identifiers_that_never_change() -> None:
    """CLT-09: with one identifier a late answer is taken for the next one."""

    async def client(host: str, port: int) -> None:
        raw = await Raw.connect(host, port)
        for _ in range(3):
            await raw.ask(WHOLE, transaction=7)
        raw.close()

    assert "identifier 0007" in case(watch(client), "CLT-09").reason


def test_several_requests_at_once() -> None:
    """CLT-10: pipelining is told, and how deep."""

    async def client(host: str, port: int) -> None:
        raw = await Raw.connect(host, port)
        for _ in range(4):
            raw.send(WHOLE)
        for _ in range(4):
            await raw.receive()
        raw.close()

    found = case(watch(client), "CLT-10")
    assert "up to 4 at once" in found.reason
    assert found.verdict is Verdict.PASS


def test_polling_without_need() -> None:
    """CLT-11: asking much faster than values change."""
    assert "they change every 1000 ms" in case(watch(asking(*[WHOLE] * 8)), "CLT-11").reason


def test_retries_without_a_pause() -> None:
    """CLT-12: a refused request comes again at once."""
    misbehaviours = frozenset({Misbehaviour.EXCEPTIONS})
    record = watch(asking(*[WHOLE] * 9), misbehaviours=misbehaviours)
    assert "1 refused requests were sent again at once" in case(record, "CLT-12").reason


def test_a_connection_for_each_request() -> None:
    """CLT-14: connecting anew every time."""

    async def client(host: str, port: int) -> None:
        for _ in range(4):
            await asking(WHOLE)(host, port)

    assert "4 of 4 connections" in case(watch(client), "CLT-14").reason


def test_hoarding_connections() -> None:
    """CLT-15: more connections than one, and the sixth that finds no place."""

    async def client(host: str, port: int) -> None:
        many = [await Raw.connect(host, port) for _ in range(6)]
        for raw in many[:5]:
            await raw.ask(WHOLE)
        assert await many[5].receive() == b""
        for raw in many:
            raw.close()

    reason = case(watch(client), "CLT-15").reason
    assert "5 connections were open" in reason
    assert "1 connections found no place" in reason


def test_a_lost_connection_is_noticed() -> None:
    """CLT-17: reconnecting three times within a moment after a drop."""

    async def client(host: str, port: int) -> None:
        raw = await Raw.connect(host, port)
        while await raw.ask(WHOLE):
            pass
        raw.close()
        for _ in range(3):
            (await Raw.connect(host, port)).close()

    record = watch(client, misbehaviours=frozenset({Misbehaviour.DROP}))
    assert "within a tenth of a second" in case(record, "CLT-17").reason


def test_a_restart_is_survived_by_a_patient_client() -> None:
    """CLT-17: who waits and connects again is not complained about."""

    async def client(host: str, port: int) -> None:
        raw = await Raw.connect(host, port)
        for _ in range(40):
            if not await raw.ask(WHOLE):
                break
        raw.close()
        for _ in range(20):
            await asyncio.sleep(0.2)
            try:
                raw = await Raw.connect(host, port)
            except OSError:
                continue
            assert await raw.ask(WHOLE)
            raw.close()
            return

    record = watch(client, misbehaviours=frozenset({Misbehaviour.RESTART}))
    assert case(record, "CLT-17").verdict is Verdict.PASS


# --- Decoded values ---------------------------------------------------------------------------


@pytest.mark.parametrize("tick", [0, 1, 2, 3, 17])
def test_right_values_are_right(tick: int) -> None:
    """Integer with scale and the float are both right, at any moment of the watch."""
    values = [decoded.Decoded(truth.register, truth.number) for truth in truths(tick)]
    assert decoded.judge(values, 20) == []


@pytest.mark.parametrize(
    ("register", "mistake"),
    [
        (40, "float32 read with words swapped"),
        (40, "float32 read with bytes swapped"),
        (40, "int64 read with words swapped"),
        (40, "int64 read with halves swapped"),
        (30, "scale taken as unsigned"),
        (30, "int64 taken as unsigned"),
        (30, "integer taken without its scale"),
        (30, "sign lost"),
        (20, "only the lower 32 bits of the int64"),
        (20, "halves of the int64 of two moments"),
    ],
)
def test_mistakes_are_named(register: int, mistake: str) -> None:
    """Every usual mistake gives another number here, and is called by its name."""
    truth = next(truth for truth in truths(7) if truth.register == register)
    wrong = next(value for name, value in decoded.mistakes(truth) if name == mistake)
    (finding,) = decoded.judge([decoded.Decoded(register, wrong)], 8)
    assert finding.startswith(f"value at {register}: {mistake} ")


def test_no_mistake_looks_like_the_truth() -> None:
    """The image is chosen so that a wrong decoding cannot come out right by chance."""
    for truth in truths(1):
        if truth.register == 40:
            wrong = [
                v
                for n, v in decoded.mistakes(truth)
                if "unsigned" not in n and "halves of" not in n
            ]
            assert not any(decoded._same(v, truth.number) for v in wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting property name"),
        ("{}", "expected a list"),
        ('[{"register": 21, "value": 1}]', r"value 1: expected a register of \[20, 30, 40, 60\]"),
        ('[{"register": 20}]', "value 1: expected the keys register and value"),
        ('[{"register": 20, "value": true}]', "value 1: expected a number, got True"),
    ],
)
def test_a_bad_file_of_values_says_where(tmp_path: Path, text: str, message: str) -> None:
    """A file that does not check names itself and the place."""
    path = tmp_path / "values.json"
    path.write_text(text)
    with pytest.raises(decoded.ValuesError, match=message):
        decoded.load(path)


# --- The command ------------------------------------------------------------------------------


def test_values_reach_the_record(tmp_path: Path) -> None:
    """A wrong value fails the run by its own case."""
    path = tmp_path / "values.json"
    truth: Truth = truths(0)[2]
    path.write_text(json.dumps([{"register": 40, "value": float(truth.integer)}]))
    record = watch(asking(WHOLE), values=path)
    assert "integer taken without its scale" in case(record, "CLT-18").reason
    assert record.exit_code == 1


def test_nobody_came(tmp_path: Path) -> None:
    """A watch without a client is no pass: exit code 3, and the report says why."""
    arguments = ["client", "--listen", "127.0.0.1:0", "--seconds", "0.5", "--json"]
    done = CliRunner().invoke(app, [*arguments, "--report", str(tmp_path)])
    assert done.exit_code == 3, done.output
    document = json.loads(done.stdout)
    assert document["verdict"] == "INCONCLUSIVE"
    assert "nobody connected" in document["findings"][0]
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:x", ":1", "127.0.0.1:70000"])
def test_an_address_that_is_none(address: str) -> None:
    """Wrong usage says what was expected."""
    done = CliRunner().invoke(app, ["client", "--listen", address])
    assert done.exit_code == 2
    assert f"expected HOST:PORT, got {address!r}" in done.output


def test_rules_have_one_id_each() -> None:
    """The catalogue of a record names every rule once."""
    assert [rule.id for rule in RULES] == [f"CLT-{n:02}" for n in range(1, 18)]
    assert list(catalogue())[-1] == "CLT-18"
    page = (Path(__file__).parents[4] / "docs" / "check-client.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert rule.id in (rule.judge.__doc__ or "")
        assert f"| {rule.id} | {rule.title} | {rule.severity.value} |" in page
