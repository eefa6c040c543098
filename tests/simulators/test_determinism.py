"""The same seed gives the same trace, in every process; cost counted in events."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import simpy

from gateway.runtime.port import Fault, LineFormat, Received
from hil.runtimes import simulated_runtime
from simulators import frames, population
from simulators.network import Network
from tests.simulators.slaves import NKE, REQ1, Bench, meter

#: Where the package `tests` lies.
ROOT = Path(__file__).parents[2]
PROGRAM = "from tests.simulators.test_determinism import trace_hash; print(trace_hash(7))"


def busy_bench(seed: int, extra: int = 0) -> Bench:
    """Meters with everything that is drawn by chance, on a line with everything that is."""
    common: dict[str, Any] = {"identification_number": "random", "access_number": None}
    faults: list[dict[str, Any]] = [
        {"babble": {"every": "3 s"}},
        {"bad_checksum": {"share": 0.3}},
        {"late": {"share": 0.5, "by": "5 ms"}},
    ]
    line: list[dict[str, Any]] = [
        {"bit_errors": {"rate": 0.0005}},
        {"error_bursts": {"every": "2 s", "length": "20 ms"}},
        {"delay": {"by": "3 ms", "jitter": "3 ms"}},
        {"lost_characters": {"rate": 0.002}},
    ]
    return Bench(
        meter(count=8, primary_address="i + 1", **common),
        meter(id="bad", primary_address=20, faults=faults, **common),
        *([meter(id="more", count=extra, primary_address=40, **common)] if extra else []),
        document={"bus": {"model": "80", "faults": line}},
        seed=seed,
    )


def talk(bench: Bench) -> list[bytes]:
    """A conversation with every one of them, collisions included."""
    heard = []
    for address in (*range(1, 9), 20, 254, 20, 3):
        heard.append(bench.short(NKE, address))
        heard.append(bench.short(REQ1, address))
    return heard


def trace_hash(seed: int) -> str:
    """The hash of everything observed and heard."""
    bench = busy_bench(seed)
    heard = talk(bench)
    lines = [item.to_json() for item in bench.seen] + [data.hex() for data in heard]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_same_seed_gives_the_same_trace_in_every_process() -> None:
    """Two processes with different hash seeds agree with this one; another seed does not."""
    hashes = set()
    for hash_seed in ("1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", PROGRAM]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        hashes.add(run.stdout.strip())
    assert hashes == {trace_hash(7)}
    assert trace_hash(8) not in hashes


def test_meters_more_shift_nothing() -> None:
    """What the line and the others do stays the same, as far as the new ones are not asked."""
    few, many = busy_bench(7), busy_bench(7, extra=30)
    for address in (1, 5, 8):
        assert few.short(REQ1, address) == many.short(REQ1, address)


def events_for(count: int, polls: int) -> int:
    """Events on SimPy's heap for so many read-outs of `count` meters."""
    env = simpy.Environment()
    address = "i + 1" if count < 250 else "i"
    entry = {"id": "m", "count": count, "profile": "heat-basic", "primary_address": address}
    network = Network(env, population.parse([entry], source="test"))
    opener = partial(network.open_port, received=Received, fault=Fault)
    rt = simulated_runtime(env, lines={"sim:": opener})
    first = 1 if count < 250 else 0

    async def main(rt: Any) -> None:
        line = await rt.open_line("sim:", LineFormat())
        for poll in range(polls):
            end = await line.write(frames.short_frame(REQ1, first + poll % count))
            answer = await line.receive(_missing, by=end + 190_000_000, gap=14_000_000)
            assert answer.data[-1:] == b"\x16"

    rt.run(main)
    return next(env._eid)


def _missing(data: bytes) -> int:
    return 2 - len(data) if len(data) < 2 else data[1] + 6 - len(data)


@pytest.mark.parametrize("count", [1, 40, 250])
def test_a_poll_costs_the_same_for_one_meter_and_for_250(count: int) -> None:
    """Five events for each read-out, and a handful for the start."""
    assert events_for(count, 300) - events_for(count, 100) == 5 * 200


def test_an_undisturbed_telegram_is_never_worked_out_in_bits() -> None:
    """Only what overlaps, is disturbed or is heard in another format becomes bits."""
    bench = Bench(meter(), meter(id="n", primary_address=6))
    for address in (5, 6):
        assert bench.short(REQ1, address)[:1] == b"\x68"
    assert [item._wave for item in bench.network.bus._talking] == [None, None]
    bench.short(REQ1, frames.TEST)
    assert None not in [item._wave for item in bench.network.bus._talking[2:]]
