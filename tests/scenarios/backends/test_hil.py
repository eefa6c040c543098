"""The backend hil: what a bench can do decides what is judged, at the line that needs more."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from hil import bench as bench_files
from hil import leases
from hil import recording as recordings
from reports.verdict import Verdict
from scenarios import run as running
from scenarios.backends.hil import HilBackend
from scenarios.language.compile import compile_path
from scenarios.language.vocabulary import Capability

if TYPE_CHECKING:
    from pathlib import Path

    from scenarios.language.ir import Scenario

BENCH = """\
bench: many
buses:
  direct: {kind: pty, population: worked-examples}
  bridged: {kind: pty, population: worked-examples, through: socat-tcp}
  metal: {kind: serial, id: not-plugged-in, meters: [hall]}
  cut: {kind: socket, host: 127.0.0.1, port: 1, meters: [roof]}
meters:
  hall: {identification_number: 66600106}
  roof: {identification_number: 1, relay: relay}
switches:
  relay: {kind: command, on: ["true"], off: ["true"]}
gateways:
  inside: {kind: reference, bus: bridged}
  process: {kind: reference, bus: direct, runs: process}
  on_metal: {kind: reference, bus: metal}
  box: {kind: network, host: 127.0.0.1, port: 1, bus: cut, power: relay}
  far: {kind: network, host: 127.0.0.1, port: 1}
places:
  inside: {bus: bridged, gateway: inside}
  process: {bus: direct, gateway: process}
  metal: {bus: metal, gateway: on_metal}
  box: {bus: cut, gateway: box}
  far: {gateway: far}
"""

SERVED = """\
scenario: served
version: 1
title: The gateway serves its own registers, and again after a power failure
limits: {time: 30 s}
world:
  bus: {baud: 9600}
  meters:
    - {id: A, profile: worked-example-a, identification_number: 66600106, primary_address: 5}
do:
  - poll: {}
  - power: {device: gateway, to: "off"}
  - wait: 200 ms
  - power: {device: gateway, to: "on"}
  - poll: {}
check:
  - {id: C1, that: "gateway.registers.protocol_version == 1"}
"""

FOUND = """\
scenario: found
version: 1
title: One meter is found
limits: {time: 30 s}
world:
  bus: {baud: 9600}
  gateway: {config: {MBUS_SCANMODE: PRIMARYSCAN, MBUS_MINPRIMARYADDRESS: 5,
                     MBUS_MAXPRIMARYADDRESS: 5, MBUS_TIMEOUT: 500}}
  meters:
    - {id: A, profile: worked-example-a, identification_number: 66600106, primary_address: 5}
do:
  - scan: {}
  - wait_until: {gateway.scan: done}
    within: 20 s
check:
  - {id: C1, that: "gateway.meters.count == 1"}
"""

PLAIN = FOUND.partition("  gateway: ")[0] + "  meters:" + FOUND.partition("  meters:")[2]


def backend(place: str, folder: Path) -> HilBackend:
    """Return the backend of a place of the bench."""
    bench = bench_files.parse(BENCH, source="bench.yaml", folder=folder)
    return HilBackend(bench, place)


def scenario(text: str, folder: Path) -> Scenario:
    """Compile a scenario."""
    path = folder / "it.scn.yaml"
    path.write_text(text, encoding="utf-8")
    return compile_path(path).require()


def test_capabilities_follow_from_bus_and_gateway(tmp_path: Path) -> None:
    """Nothing is claimed that the two entries cannot do."""
    able = {place: backend(place, tmp_path).capabilities for place in ("inside", "process")}
    assert able["inside"] == frozenset(Capability)
    assert Capability.GATEWAY_COMMANDS not in able["process"]
    assert {Capability.METER_FAULTS, Capability.GATEWAY_POWER} <= able["process"]
    metal = backend("metal", tmp_path).capabilities
    assert Capability.GATEWAY_COMMANDS in metal
    assert not {Capability.BUS_OBSERVATIONS, Capability.METER_POWER} & metal
    box = backend("box", tmp_path).capabilities
    assert box == {Capability.MODBUS, Capability.METER_POWER, Capability.GATEWAY_POWER}


@pytest.mark.needs("socat")
def test_reference_gateway_behind_a_real_program(tmp_path: Path) -> None:
    """A scenario passes through socat, and the record says on which bench."""
    chosen = backend("inside", tmp_path)
    result = running.run_scenario(scenario(FOUND, tmp_path), chosen)
    assert result.verdict is Verdict.PASS, result.judged.reason
    record = running.to_record([result], facts=chosen.facts())
    facts = record.run.facts
    assert facts["bench"] == "many"
    assert facts["bus bridged"].endswith("through socat-tcp")
    assert facts["lease"] == "none needed: every resource is virtual"
    kept = running.captures([result])
    traces = {trace.name: trace for trace in record.traces}
    assert set(kept) == {"found.bus.jsonl", "found.bus.pcapng", "found.modbus.pcapng"}
    for name, data in kept.items():
        assert traces[name].sha256 == hashlib.sha256(data).hexdigest()
    bus = recordings.load(kept["found.bus.jsonl"].decode(), "bus.jsonl")
    number = bytes.fromhex("66600106")[::-1]
    assert any(number in exchange.answer for exchange in bus.exchanges())
    assert "--bench bench.yaml --place inside" in result.repeat_command


def test_gateway_as_a_process(tmp_path: Path) -> None:
    """It is switched off and on from outside, and judged by what it serves alone."""
    result = running.run_scenario(scenario(SERVED, tmp_path), backend("process", tmp_path))
    assert result.verdict is Verdict.PASS, result.judged.reason


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        (FOUND, "process", "'scan' not available on backend 'hil'"),
        (PLAIN, "metal", "bus 'metal': there is no device /dev/serial/by-id/not-plugged-in"),
        (SERVED, "box", "bus 'cut' has no meter 66600106 (it has 00000001)"),
        (SERVED.replace("66600106", "1"), "box", "127.0.0.1:1 does not answer"),
        (SERVED.replace("\n  meters", "\n  gateway: {config: {NAME: x}}\n  meters"), "box",
         "the bench cannot give gateway 'box' its settings (NAME)"),
        (SERVED, "far", "'power' not available"),
    ],
)  # fmt: skip
def test_what_a_bench_has_not_is_not_run(
    text: str, place: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason names the line, the meter, the setting or the device that is missing."""
    monkeypatch.setattr("hil.gateways.BOOT_LIMIT_S", 0.1)
    result = running.run_scenario(scenario(text, tmp_path), backend(place, tmp_path))
    assert result.verdict is Verdict.NOT_RUN
    assert reason in result.judged.reason


def test_place_that_somebody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bench in use is not run, and says who has it and what for."""
    monkeypatch.setenv(leases.FOLDER_VARIABLE, str(tmp_path / "leases"))
    taken = leases.resources_of(bench_files.parse(BENCH, source="b", folder=tmp_path), "metal")
    with leases.Leases().acquire(taken, "soak test"):
        result = running.run_scenario(scenario(PLAIN, tmp_path), backend("metal", tmp_path))
    assert result.verdict is Verdict.NOT_RUN
    assert f"process {os.getpid()}" in result.judged.reason
    assert result.judged.reason.endswith("soak test")


def test_place_that_is_not_there(tmp_path: Path) -> None:
    """The places of the file are named."""
    with pytest.raises(LookupError, match=r"names no place 'insid' .* did you mean 'inside'"):
        backend("insid", tmp_path)
