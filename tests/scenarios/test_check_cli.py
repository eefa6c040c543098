"""``meterbench check gateway`` as a user runs it: output, documents, exit codes."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from reports.record import load
from reports.verdict import Verdict
from scenarios.check_cli import app
from tests.gateway import worked_examples
from tests.scenarios.checks.conformance.servers import ours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 10.0


@contextmanager
def gateway() -> Iterator[str]:
    """Serve the worked example in a thread; gives HOST:PORT."""
    ready = threading.Event()
    addresses: list[str] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        async with ours(worked_examples.image) as (host, port):
            addresses.append(f"{host}:{port}")
            loops.append((asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S)
    try:
        yield addresses[0]
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_S)


def test_a_person_reads_the_table(tmp_path: Path) -> None:
    """Each check with its verdict, then the meters with their values, then the sum."""
    with gateway() as target:
        done = CliRunner().invoke(app, ["gateway", target, "--report", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "FC3-02                 PASS" in done.stdout
    assert "LUG 66600106, Heat" in done.stdout
    assert "-1234 × 10^-2" in done.stdout
    assert load(tmp_path / "result.json").verdict is Verdict.PASS
    assert "check gateway" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_script_reads_json() -> None:
    """One document with verdict, checks, meters and what was not verified."""
    with gateway() as target:
        done = CliRunner().invoke(app, ["gateway", target, "--json"])
    document = json.loads(done.stdout)
    assert document["verdict"] == "PASS"
    assert document["word_order"] == "MSB_FIRST"
    assert [meter["serial_number"] for meter in document["meters"]] == [66600106, 428670]
    assert document["meters"][0]["values"][1]["integer"] == -1234
    assert "TCP-06" in document["not_verified"]
    assert document["findings"] == []


def test_other_meters_than_expected() -> None:
    """With a population, meters that are missing or too many are findings: exit code 1."""
    with gateway() as target:
        done = CliRunner().invoke(app, ["gateway", target, "--meters", "apartment-block", "--json"])
    assert done.exit_code == 1
    findings = json.loads(done.stdout)["findings"]
    assert any("is not in the population" in line for line in findings)
    assert any("expected in the map" in line for line in findings)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["127.0.0.1:1"], 4, "error: no Modbus server at 127.0.0.1:1"),
        (["host:port"], 2, "expected HOST:PORT, got 'host:port'"),
        (["127.0.0.1:1", "--meters", "nowhere.yaml"], 2, "nowhere.yaml"),
    ],
)
def test_what_cannot_be_checked(arguments: list[str], code: int, message: str) -> None:
    """Wrong usage and an address without a server say so, without a traceback."""
    done = CliRunner().invoke(app, ["gateway", *arguments])
    assert done.exit_code == code
    assert message in done.output
