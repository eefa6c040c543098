"""The reference gateway as a process: over its network, and in real time behind a terminal."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from scenarios.cli import app
from scenarios.compliance import process_gateway, targets


def test_a_process_is_checked_over_the_network_and_in_real_time() -> None:
    """What can be decided so passes; what needs virtual time is listed with that reason."""
    done = CliRunner().invoke(
        app,
        ["comply", "--target", targets.PROCESS, "--real-time", "1", "--workers", "4", "--json",
         "--requirement", "MOD-05.1", "--requirement", "WDG-02.1"],
    )  # fmt: skip
    record = json.loads(done.stdout)
    assert done.exit_code == 0, [c for c in record["cases"] if c["verdict"] == "FAIL"]
    assert record["run"]["backend"] == "pty"
    [met] = [row for row in record["requirements"] if row["id"] == "MOD-05.1"]
    assert met["verdict"] == "PASS"
    over_the_network = [id_ for id_ in met["cases"] if not id_.startswith("library/")]
    assert over_the_network
    assert len(over_the_network) < len(met["cases"])
    [open_] = [row for row in record["not_verified"] if row["id"] == "WDG-02.1"]
    assert open_["reason"] == targets.OPEN_IN_REAL_TIME


def test_a_process_that_does_not_come_to_serve_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it said last stands in the message."""
    monkeypatch.setattr(process_gateway, "POPULATION", "no-such-population")
    with (
        pytest.raises(process_gateway.ProcessGatewayError, match="no-such-population"),
        process_gateway.running(),
    ):
        pass


def test_a_map_needs_an_address() -> None:
    """A map is of one gateway's meters; the process has those of the worked examples."""
    done = CliRunner().invoke(app, ["comply", "--target", targets.PROCESS, "--map", "x.csv"])
    assert done.exit_code == 2
    assert "--map needs --target HOST:PORT" in done.stderr
