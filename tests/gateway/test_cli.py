"""The gateway's commands: decode, scan, read and run, against a simulated network."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from gateway.cli import gateway_app
from scenarios.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: RSP_UD of meter A of the worked examples 1.
METER_A = (
    "68242468080572060160 66A7320204 2A000000 0B06670200 0259 2EFB 0C1478563412 046D3A0B543B CC16"
)
#: Seconds in which a child process must have said what is waited for.
PATIENCE_S = 30
POPULATION = """\
population: three
title: Three meters
baudrate: 9600
meters:
  - {id: heat, count: 2, profile: heat-basic, identification_number: "66600101 + i",
     primary_address: "i + 5"}
  - {id: gas, profile: gas, identification_number: 31415926, primary_address: 9}
"""

runner = CliRunner()


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One command of ours in a process of its own; ended by a signal, and waited for."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", "from scenarios.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(PATIENCE_S)
        if child.stdout is not None:
            child.stdout.close()


def wait_for(child: subprocess.Popen[str], text: str) -> str:
    """The first line of output that holds `text`; fails when the process ends before."""
    assert child.stdout is not None
    deadline = time.monotonic() + PATIENCE_S
    seen = []
    while time.monotonic() < deadline:
        line = child.stdout.readline()
        seen.append(line)
        if text in line:
            return line
        if not line:
            break
    raise AssertionError(f"no {text!r} in {''.join(seen)}")


@contextmanager
def simulated_bus(folder: Path, population: str = POPULATION) -> Iterator[str]:
    """A bus of three meters, or of others, on a TCP port; gives the URL for a master."""
    path = folder / "meters.yaml"
    path.write_text(population, encoding="utf-8")
    with process("simulate", str(path), "--listen", "tcp:127.0.0.1:0") as child:
        line = wait_for(child, "tcp:127.0.0.1:")
        port = line.split("tcp:127.0.0.1:")[1].split()[0].strip(",;.")
        yield f"socket://127.0.0.1:{port}"


# --- decode -----------------------------------------------------------------------------------


def test_decode_shows_a_table() -> None:
    """One telegram on the command line gives a table in the manual's words."""
    result = runner.invoke(app, ["decode", METER_A])
    assert result.exit_code == 0
    assert "66600106, LUG, version 2, Heat (outlet)" in result.output
    assert "-12.34  Degree C  Flow temperature" in result.output


def test_decode_json_from_standard_input() -> None:
    """One telegram a line in, one document a line out; a flagged one makes the exit code 1."""
    result = runner.invoke(app, ["decode", "-", "--json"], input=f"{METER_A}\n\nE5\n1040053016\n")
    documents = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 1
    assert [document["error"] is None for document in documents] == [True, True, False]
    assert [record["value"] for record in documents[0]["records"]] == [
        "267000",
        "-12.34",
        "123456.78",
        "2026-11-20T11:58:00",
    ]


def test_decode_of_nothing_is_wrong_usage() -> None:
    """No telegram at all is not a success."""
    result = runner.invoke(app, ["decode", "-"], input="\n")
    assert result.exit_code == 2


def test_decode_names_the_place_of_a_slip() -> None:
    """A character that is no hexadecimal digit is named with its place."""
    result = runner.invoke(app, ["decode", "6815x5"])
    assert result.exit_code == 1
    assert "'x' as character 5" in result.output


# --- On a bus ---------------------------------------------------------------------------------


def test_scan_and_read_over_tcp(tmp_path: Path) -> None:
    """The one-shot tools find the meters of a bus and read one by number and by address."""
    with simulated_bus(tmp_path) as url:
        scan = runner.invoke(
            app, ["gateway", "scan", "--bus", url, "--baudrate", "9600", "--reverse", "--json"]
        )
        document: dict[str, Any] = json.loads(scan.stdout)
        numbers = sorted(meter["identification_number"] for meter in document["meters"])
        assert scan.exit_code == 0, scan.output
        assert numbers == ["31415926", "66600101", "66600102"]

        by_number = runner.invoke(
            app, ["gateway", "read", "66600102", "--bus", url, "--baudrate", "9600"]
        )
        assert by_number.exit_code == 0, by_number.output
        assert "66600102, LUG" in by_number.output

        by_address = runner.invoke(
            app, ["gateway", "read", "9", "--bus", url, "--baudrate", "9600", "--json"]
        )
        page = json.loads(by_address.stdout)["pages"][0]
        assert page["header"]["identification_number"] == "31415926"


LIARS = """
population: liars
meters:
  - {id: liar, profile: heat-basic, identification_number: 12345671,
     faults: [{header: {version: 0x99}}]}
  - {id: stray, profile: water-cold, identification_number: 12345672, faults: [{stray_byte: {}}]}
"""


def test_scan_names_what_a_wrongly_declared_meter_needs(tmp_path: Path) -> None:
    """Manual 8.3: the table and the document say MBUS_SELECTMASK=4; a stray character is marked."""
    with simulated_bus(tmp_path, LIARS) as url:
        scan = ["gateway", "scan", "--bus", url, "--baudrate", "9600", "--mask", "1234567F"]
        table = runner.invoke(app, scan)
        assert table.exit_code == 0, table.output
        document = json.loads(runner.invoke(app, [*scan, "--json"]).stdout)
    by_number = {line[:8]: line for line in table.output.splitlines()}
    liar, stray = by_number["12345671"], by_number["12345672"]
    assert "not selected by the address in its header: MBUS_SELECTMASK=4 reads it" in liar
    assert "a stray character before its answers" in stray
    assert "set MBUS_SELECTMASK=4 (any version)" in table.output
    values = {one["identification_number"]: one["select_mask"] for one in document["meters"]}
    assert values == {"12345671": 4, "12345672": None}
    assert (document["select_mask"], document["select_mask_conflicts"]) == (4, [])


def test_read_of_a_meter_that_is_not_there(tmp_path: Path) -> None:
    """Silence is bad news with a reason, not a traceback."""
    with simulated_bus(tmp_path) as url:
        result = runner.invoke(
            app, ["gateway", "read", "77", "--bus", url, "--baudrate", "9600", "--timeout", "300"]
        )
    assert result.exit_code == 1
    assert "not read in full: page 1: only silence" in result.output


def test_raw_trace_and_set_address(tmp_path: Path) -> None:
    """Bytes as they are, a trace of what was said, and a new primary address."""
    trace = tmp_path / "trace.txt"
    with simulated_bus(tmp_path) as url:
        bus = ("--bus", url, "--baudrate", "9600")
        raw = runner.invoke(
            app,
            [
                "gateway",
                "raw",
                "10 40 09 49 16",
                "107B098416",
                *bus,
                "--trace",
                str(trace),
                "--json",
            ],
        )
        assert raw.exit_code == 0, raw.output
        first, second = json.loads(raw.stdout)["exchanges"]
        assert (first["received"], first["kind"]) == ("e5", "ack")
        assert second["kind"] == "frame"
        lines = trace.read_text(encoding="utf-8").splitlines()
        assert [line.split("ms")[1].split()[0] for line in lines] == ["→", "←"] * 2
        assert "→ 10 40 09 49 16" in lines[0]

        refused = runner.invoke(app, ["gateway", "set-address", "9", "77", *bus], input="n\n")
        assert refused.exit_code == 1
        assert "nothing was written" in refused.output
        done = runner.invoke(app, ["gateway", "set-address", "9", "77", *bus, "--yes"])
        assert done.exit_code == 0, done.output
        assert "31415926 ELS answers at primary address 77 now (was 9)" in done.output
        assert runner.invoke(app, ["gateway", "read", "77", *bus]).exit_code == 0


def test_diagnose_names_a_remedy(tmp_path: Path) -> None:
    """Behind a socket one speed can be tried; the findings come with their advice."""
    with simulated_bus(tmp_path) as url:
        result = runner.invoke(
            app,
            ["gateway", "scan", "--diagnose", "--bus", url, "--baudrate", "9600",
             "--timeout", "200", "--json"],
        )  # fmt: skip
    document = json.loads(result.stdout)
    assert [one["baudrate"] for one in document["baudrates"]] == [9600]
    assert document["remedies"][0]["advice"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["raw", "1G", "--bus", "socket://127.0.0.1:9"], "expected bytes in hexadecimal"),
        (["raw", "", "--bus", "socket://127.0.0.1:9"], "expected 1 to 261 bytes, got 0"),
        (["read", "300", "--bus", "socket://127.0.0.1:9"], "expected a primary address 0 to 250"),
        (["scan", "--bus", "/dev/no-such-port"], "/dev/no-such-port"),
        (["scan", "--bus", "socket://127.0.0.1:9", "--baudrate", "1234"], "MBUS_BAUDRATE"),
        (["scan", "--bus", "socket://127.0.0.1:9", "--mask", "12G"], "MBUS_SECMASKSERIAL"),
        (["run", "--data", "d", "--bus", "x", "--modbus", "h:99999"], "port of 0 to 65535"),
    ],
)
def test_wrong_usage_is_told(
    arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong argument or a port that is not there ends with 2 and says which."""
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(gateway_app, arguments)
    assert result.exit_code == 2
    assert text in result.output
    assert "Traceback" not in result.output


def test_run_serves_until_it_is_stopped(tmp_path: Path) -> None:
    """`gateway run --scan` finds meters, serves registers, writes files and events."""
    data, events = tmp_path / "data", tmp_path / "events.jsonl"
    with simulated_bus(tmp_path) as url:
        prepare = runner.invoke(app, ["gateway", "read", "5", "--bus", url, "--baudrate", "9600"])
        assert prepare.exit_code == 0
        (data / "app").mkdir(parents=True)
        (data / "app" / "chip.ini").write_text(
            "[CONFIG]\nMBUS_BAUDRATE=9600\nMODBUS_ENABLE=1\nMBUS_SEARCHTIMING=ADAPTIVE\n"
            "MBUS_SCANMODE=SECONDARYSCANALLOCREVERSE\n",
            encoding="utf-8",
        )
        arguments = ("--data", str(data), "--bus", url, "--modbus", "127.0.0.1:0", "--scan")
        with process("gateway", "run", *arguments, "--events", str(events)) as child:
            line = wait_for(child, "Modbus TCP on 127.0.0.1:")
            port = int(line.rsplit(":", 1)[1])
            wait_for(child, "read-out done")
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
                client.sendall(bytes.fromhex("0001 0000 0006 FF 03 000A 0004"))
                answer = client.recv(64)
    assert answer[:9] == bytes.fromhex("0001 0000 000B FF 03 08")
    assert int.from_bytes(answer[9:13]) in {66600101, 66600102, 31415926}
    assert child.returncode == 0
    kinds = {json.loads(line)["kind"] for line in events.read_text().splitlines()}
    assert {"gateway.startup", "meter.found", "meter.read", "gateway.readout"} <= kinds
    saved = (data / "app" / "Device_Handle.cfg").read_text(encoding="utf-8")
    assert saved.count("<meter>") == 3


def test_run_on_a_port_in_use_says_which(tmp_path: Path) -> None:
    """A Modbus port that somebody else has is wrong usage, with the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ("--data", str(tmp_path), "--bus", "/dev/x", "--modbus", f"127.0.0.1:{port}")
        with process("gateway", "run", *arguments) as child:
            assert str(port) in wait_for(child, "error: ")
            assert child.wait(PATIENCE_S) == 2
