"""M5: how many seconds of a gateway's life pass in one second of ours.

40 meters at 2400 Bd answer with the telegrams of the corpus, the line is modelled to the character,
the trace is on. A client asks for ten registers ten times a second, by handing its bytes to the
server's session: a connection between two tasks would cost more than everything else.

(a) the bus is read back to back; (b) a pass every 900 s; (c) nothing is due, no client. The timed
part begins when all meters are found and read. Wall seconds are CPU seconds of this process, which
does nothing else. That cost does not grow with the meters is counted in kernel events, not timed.
"""

from __future__ import annotations

import struct
import time
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks import bus
from benchmarks.method import Effort, short, spread
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.device.appliance import Appliance
    from gateway.runtime.port import Runtime
    from simulators.population import Population

BAUDRATE: Final = 2400
METERS: Final = 40
FLAT_COUNTS: Final = (1, 40, 250)
#: Events per meter may grow by this share from 1 meter to 250 and still count as flat.
FLAT_WITHIN: Final = 0.02
CLIENT_NS: Final = 100_000_000
QUANTITY: Final = 10
ROUNDS: Final = 5
NS_PER_S: Final = 1_000_000_000

#: The least METER_TIME, less than a pass over 40 meters takes, and one that nobody lives to see.
BACK_TO_BACK_S: Final = 10
CYCLE_S: Final = 900
NEVER_S: Final = 100 * 365 * 86_400

_REQUEST: Final = struct.Struct(">HHHBBHH")


@dataclass(frozen=True, slots=True)
class Load:
    """One of the loads of M5."""

    name: str
    cycle_s: int
    client: bool
    virtual_s: int
    goal: int


LOADS: Final = (
    Load("(a) back to back, client 10 Hz", BACK_TO_BACK_S, True, 2_000, 10_000),
    Load("(b) cycle 900 s, client 10 Hz", CYCLE_S, True, 5_400, 12_000),
    Load("(c) idle bus, no client", NEVER_S, False, 10_000_000, 500_000),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took and did."""

    rate: float
    """Virtual seconds for each CPU second."""
    events: int
    """Entries that were put into the kernel's heap in whole passes, and the meters read there."""
    polls: int
    requests: int


def run(meters: Population, load: Load, *, virtual_s: int) -> Run:
    """Let a gateway that knows its meters live for `virtual_s` under `load`."""
    counted: Counter[str] = Counter()

    def log(_at_ns: int, kind: str, fields: dict[str, Any]) -> None:
        counted[kind] += 1
        if kind != "gateway.readout":
            return
        # Only whole passes count: waiting for the next one costs the same for all.
        events, polls = _events(world), counted["meter.read"]
        if fields["value"] == "done":
            counted["events"] += events - counted["events at begin"]
            counted["polls"] += polls - counted["polls at begin"]
        counted["events at begin"], counted["polls at begin"] = events, polls

    keys = {
        "METER_TIME": load.cycle_s,
        "METER_MAXDEVICECOUNT": 0,
        "METER_MAXVALUECOUNT": 0,
        "METER_MAXALLVALUECOUNT": 0,
        "MBUS_SCANMODE": "SECONDARYSCANALLOC",
    }
    world = bus.world(meters, BAUDRATE, keys=keys, log=log)
    result: list[Run] = []

    async def procedure(rt: Runtime, appliance: Appliance) -> None:
        report = await appliance.scan()
        assert report.found == len(world.network.meters), f"{report.found} meters found"
        await appliance.readout()
        events, polls = counted["events"], counted["polls"]
        begin = time.process_time()
        requests = await _live(world, rt, load, virtual_s)
        took = time.process_time() - begin
        result.append(
            Run(
                virtual_s / took,
                counted["events"] - events,
                counted["polls"] - polls,
                requests,
            )
        )

    world.run(procedure)
    return result[0]


async def _live(world: bus.World, rt: Runtime, load: Load, virtual_s: int) -> int:
    """Let the time pass, with the client where there is one; returns how often it asked."""
    if not load.client:
        await rt.sleep(virtual_s * NS_PER_S)
        return 0
    session = world.rt.sessions(("127.0.0.1", 50_000), rt.now())
    assert session is not None, "nobody else is connected"
    entries = [view.entry for view in world.appliance.meters()]
    blocks = max(value.register for entry in entries for value in entry.values) // QUANTITY
    number, at = 0, rt.now()
    end = at + virtual_s * NS_PER_S
    while at < end:
        request = _REQUEST.pack(number & 0xFFFF, 0, 6, 255, 3, number % blocks * QUANTITY, QUANTITY)
        answer = session.received(request, at)
        assert len(answer) == 9 + 2 * QUANTITY, answer.hex()
        number += 1
        at += CLIENT_NS
        await rt.sleep_until(at)
    session.closed(rt.now())
    return number


def _events(world: bus.World) -> int:
    """Entries that were ever put into the kernel's heap; asking uses up one number."""
    return int(next(world.network.env._eid))  # noqa: SLF001 - SimPy tells it nowhere else


def measure(effort: Effort) -> Iterator[Row]:
    """The lines of M5."""
    meters = bus.of_corpus(3 if effort.quick else METERS)
    # Each world is new, so the rounds of the three loads can go in turn.
    loads = LOADS[:1] if effort.quick else LOADS
    figures: dict[str, list[Run]] = {load.name: [] for load in loads}
    for _ in range(1 if effort.quick else ROUNDS):
        for load in loads:
            virtual_s = 60 if effort.quick else load.virtual_s
            figures[load.name].append(run(meters, load, virtual_s=virtual_s))
    for load in loads:
        yield _speed(load, figures[load.name])
    yield _flatness(effort)


def _speed(load: Load, runs: list[Run]) -> Row:
    rates = [one.rate for one in runs]
    note = f"{runs[0].polls} meters read in whole passes, {runs[0].requests} requests answered"
    if not load.client:
        note = "nothing is due but the turns that feed WATCHDOG_IDLE, four in its 120 s"
    return Row(
        "M5",
        f"virtual s per s, {load.name}",
        f"{short(median(rates))} {spread(rates)}",
        goal=f"≥ {short(load.goal)}",
        reached=median(rates) >= load.goal,
        note=note,
        figures={"rate": median(rates)},
    )


def _flatness(effort: Effort) -> Row:
    """Events of the kernel for each meter read, without a client: exact, on every machine."""
    load = Load("flatness", BACK_TO_BACK_S, False, 0, 0)
    per_poll = {}
    for count in FLAT_COUNTS[:2] if effort.quick else FLAT_COUNTS:
        # All meters alike, so that only their number differs.
        meters = bus.parse(
            bus.entry(f"m{i}", f"{i * 7_919_321 % 100_000_000:08d}", 100, (11.0, 60.0))
            for i in range(count)
        )
        done = run(meters, load, virtual_s=60 if effort.quick else 1_000)
        per_poll[count] = done.events / done.polls
    counts = list(per_poll)
    growth = per_poll[counts[-1]] / per_poll[counts[0]]
    return Row(
        "M5",
        "kernel events per meter read",
        ", ".join(f"{rate:.2f} with {count}" for count, rate in per_poll.items()),
        goal=f"grow ≤ {FLAT_WITHIN:.0%}",
        ratio=f"{growth:.3f}",
        reached=growth <= 1 + FLAT_WITHIN,
        note="counted, exact: SND_NKE, selection and request with their answers, one more a pass",
        figures={f"events_{count}": rate for count, rate in per_poll.items()},
    )
