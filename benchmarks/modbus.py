"""M4: Modbus FC 3 requests per second and p99, beside an asyncio echo and three other servers.

Every server has a process on the first core, the load client in C has the last one. Servers take
turns in each round, so the same neighbours disturb all of them; ratios are of medians. CPU per
request is what the server's threads used, which other load hardly changes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import processes, servers
from benchmarks.method import cores_at_start, ratio, short
from benchmarks.table import Row, missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.method import Effort

WHAT: Final = "Modbus FC 3"
ROUNDS: Final = 7
SAMPLE_S: Final = 0.4
WARM_UP_S: Final = 0.2
#: p99 while the bus is read is noisier: longer samples.
P99_SAMPLE_S: Final = 3.0
P99_GOAL: Final = 2.0

OURS: Final = "ours"
ECHO: Final = "asyncio echo"
PYMODBUS: Final = "pymodbus"
LIBMODBUS: Final = "libmodbus"
PYMODBUSTCP: Final = "pyModbusTCP"
#: What is wanted by connections, for one request at a time.
GOALS: Final = {
    (5, ECHO): 0.9,
    (5, PYMODBUS): 4.0,
    (5, LIBMODBUS): 0.95,
    (1, ECHO): 0.85,
    (1, PYMODBUS): 1.4,
}
INSTALL: Final = {
    PYMODBUS: "pip install pymodbus==3.16.1",
    PYMODBUSTCP: "pip install pyModbusTCP",
    LIBMODBUS: "apt install libmodbus-dev pkg-config and a C compiler",
}


@dataclass(frozen=True, slots=True)
class Load:
    """How the client asks."""

    connections: int
    registers: int
    depth: int


LOADS: Final = tuple(
    Load(connections, registers, depth)
    for depth in (1, 8)
    for connections in (5, 1)
    for registers in (10, 125)
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of one server under one load; times in microseconds."""

    per_second: float
    p99_us: int
    cpu_us: float
    """CPU of the server for each request."""
    client_share: float
    """Share of its core that the load client used."""
    wrong: int
    lost: int


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that runs."""

    pid: int
    port: int
    image: str


class Client:
    """The load client."""

    def __init__(self, program: Path, core: int) -> None:
        self._program = program
        self._core = core

    def sample(self, contestant: Contestant, load: Load, seconds: float) -> Sample:
        """Load a server for some seconds."""
        before = processes.cpu_seconds(contestant.pid)
        arguments = [contestant.port, load.connections, load.registers, load.depth, seconds]
        command = [self._program, *arguments, contestant.image]
        with processes.running([str(part) for part in command], core=self._core) as process:
            line, _ = process.communicate()
        if process.returncode != 0:
            raise OSError(f"the load client ended with exit code {process.returncode}")
        cpu = processes.cpu_seconds(contestant.pid) - before
        done, wrong, lost, took, _, p99, client_cpu = map(float, line.split())
        answered = max(done, 1.0)
        return Sample(
            done / took,
            int(p99),
            1e6 * cpu / answered,
            client_cpu / took,
            int(wrong),
            int(lost),
        )


def measure(effort: Effort) -> Iterator[Row]:
    """The lines of M4."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="measure-")))
        program = processes.compiled("load_client.c", folder)
        if program is None:
            yield missing(
                "M4", WHAT, "the load client needs a C compiler on Linux: apt install gcc"
            )
            return
        client = Client(program, cores_at_start()[-1])
        image = folder / "image"
        image.write_bytes(servers.image_bytes(servers.image()))
        contestants = _start(stack, folder, image, effort)
        for load in LOADS[:1] if effort.quick else LOADS:
            yield from _rows(client, contestants, load, effort)
        if not effort.quick:
            yield _while_reading(stack, client, folder)


def _start(stack: ExitStack, folder: Path, image: Path, effort: Effort) -> dict[str, Contestant]:
    """Start every server that there is."""
    core = cores_at_start()[0]
    commands: dict[str, list[str | Path]] = {
        name: [sys.executable, "-m", "benchmarks.servers", name, image]
        for name in (OURS, ECHO, PYMODBUS, PYMODBUSTCP)
    }
    if effort.quick:
        commands = {name: commands[name] for name in (OURS, ECHO)}
    else:
        libmodbus = processes.compiled("libmodbus_server.c", folder, *_libmodbus_flags())
        if libmodbus is not None:
            commands[LIBMODBUS] = [libmodbus, image]
    found = {}
    for name, command in commands.items():
        process = stack.enter_context(
            processes.running(command, core=core, errors=subprocess.DEVNULL)
        )
        try:
            port = int(processes.first_line(process))
        except OSError:
            # A peer that is not installed; its lines will say so.
            continue
        found[name] = Contestant(process.pid, port, "-" if name == ECHO else str(image))
    return found


def _libmodbus_flags() -> list[str]:
    command = ["pkg-config", "--cflags", "--libs", "libmodbus"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ["-I/usr/include/modbus", "-lmodbus"]
    return done.stdout.split()


def _rows(
    client: Client, contestants: dict[str, Contestant], load: Load, effort: Effort
) -> Iterator[Row]:
    rounds = 1 if effort.quick else ROUNDS
    seconds = 0.1 if effort.quick else SAMPLE_S
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}
    for contestant in contestants.values():
        client.sample(contestant, load, WARM_UP_S)
    for _ in range(rounds):
        for name, contestant in contestants.items():
            samples[name].append(client.sample(contestant, load, seconds))
    for peer in (ECHO, PYMODBUS, LIBMODBUS, PYMODBUSTCP):
        goal = GOALS.get((load.connections, peer)) if load.depth == 1 else None
        if peer in samples:
            yield _compared(load, samples[OURS], peer, samples[peer], goal)
        elif not effort.quick:
            text = "" if goal is None else f"≥ {goal} × {peer}"
            yield missing("M4", f"{_load_text(load)}, beside {peer}", INSTALL[peer], goal=text)


def _load_text(load: Load) -> str:
    plural = "s" if load.connections > 1 else ""
    return f"{load.connections} conn{plural}, {load.registers} reg, depth {load.depth}"


def _compared(
    load: Load, ours: Sequence[Sample], peer: str, theirs: Sequence[Sample], goal: float | None
) -> Row:
    by = ratio([one.per_second for one in ours], [one.per_second for one in theirs])
    cpu = median(one.cpu_us for one in theirs) / median(one.cpu_us for one in ours)
    note = f"client {median(one.client_share for one in ours):.0%} of its core"
    spoilt = sum(one.wrong + one.lost for one in theirs)
    if spoilt:
        note += f"; {peer}: {spoilt} requests lost or answered out of turn"
    wrong = sum(one.wrong + one.lost for one in ours)
    if wrong:
        note += f"; OURS: {wrong} wrong or lost"
    reached = None if goal is None else by.median >= goal and not wrong
    return Row(
        "M4",
        _load_text(load),
        _told(ours),
        f"{peer} {_told(theirs)}",
        f"{by} ×, by CPU {cpu:.2f} ×",
        "" if goal is None else f"≥ {goal} × {peer}",
        reached,
        note,
        {
            "ours_per_second": median(one.per_second for one in ours),
            "peer_per_second": median(one.per_second for one in theirs),
            "ours_cpu_us": median(one.cpu_us for one in ours),
            "peer_cpu_us": median(one.cpu_us for one in theirs),
            "ours_p99_us": median(one.p99_us for one in ours),
            "ratio": by.median,
            "ratio_by_cpu": cpu,
        },
    )


def _told(samples: Sequence[Sample]) -> str:
    per_second = median(one.per_second for one in samples)
    p99 = median(one.p99_us for one in samples)
    cpu = median(one.cpu_us for one in samples)
    return f"{short(per_second)} /s, p99 {p99:.0f} µs, CPU {cpu:.1f} µs"


def _while_reading(stack: ExitStack, client: Client, folder: Path) -> Row:
    """p99 of the whole gateway while it reads 250 meters, and while its bus is off."""
    load = Load(5, 10, 1)
    first, last = cores_at_start()[0], cores_at_start()[-1]
    port = processes.first_line(
        stack.enter_context(
            processes.running(
                [sys.executable, "-m", "benchmarks.servers", "bus", folder], core=last
            )
        )
    )
    contestants = {}
    for name, enabled in (("reading", 1), ("idle", 0)):
        data = folder / name
        data.mkdir()
        registers = servers.gateway_files(data, {"MBUS_ENABLE": enabled})
        (data / servers.BUS_PORT).write_text(port)
        process = stack.enter_context(
            processes.running(
                [sys.executable, "-m", "benchmarks.servers", "gateway", data], core=first
            )
        )
        contestants[name] = Contestant(
            process.pid, int(processes.first_line(process)), f"={registers}"
        )
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, contestant in contestants.items():
            samples[name].append(client.sample(contestant, load, P99_SAMPLE_S))
    reading = [float(one.p99_us) for one in samples["reading"]]
    idle = [float(one.p99_us) for one in samples["idle"]]
    by = ratio(reading, idle)
    return Row(
        "M4",
        "p99 while 250 meters are read",
        f"{median(reading):.0f} µs",
        f"bus off {median(idle):.0f} µs",
        str(by),
        f"≤ {P99_GOAL}",
        by.median <= P99_GOAL,
        "whole gateway, 2400 Bd over TCP in real time, 5 conns, 10 reg, one at a time",
        {"reading_p99_us": median(reading), "idle_p99_us": median(idle)},
    )
