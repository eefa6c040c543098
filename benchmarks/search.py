"""M2: what a secondary search costs on the bus, in virtual and therefore exact seconds.

The gateway's own search runs on the simulated line at 2400 Bd, forward and reverse, with
MBUS_SEARCHTIMING = ADAPTIVE: one send for an empty mask, the answer window of MBDOC48 p.25. libmbus
is not run; its figures come from a model of its algorithm and waits (`populations.libmbus`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

from benchmarks import bus, populations
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.method import Effort
    from gateway.device.appliance import Appliance
    from gateway.device.scan import ScanReport
    from gateway.runtime.port import Runtime

BAUDRATE: Final = 2400
#: 100 bytes, answered after 11 to 229 bits: 50 ms at 2400 Bd on average.
ANSWER_LENGTH: Final = 100
ANSWER_DELAY_BITS: Final = (11.0, 229.0)
#: Populations drawn for each line.
DRAWS: Final = 10
#: Large buses are drawn less often: their figures hardly differ.
DRAWS_LARGE: Final = 5
DRAWS_QUICK: Final = 1

GOAL_LIBMBUS: Final = 0.42
GOAL_BEST_ORDER: Final = 1.05
KEYS: Final = {
    "MBUS_SEARCHTIMING": "ADAPTIVE",
    "MBUS_TIMEOUT": 2000,
    "MBUS_MAXRETRY": 3,
    "METER_TIME": 86_400,
    "METER_MAXDEVICECOUNT": 0,
}
_SELECT_START: Final = "680b0b68"


@dataclass(slots=True)
class Search:
    """One search: bus seconds, selections on the wire, what was found and what was missed."""

    seconds: float = 0.0
    selects: int = 0
    found: int = 0
    lost: int = 0
    phantoms: int = 0


def search(numbers: Sequence[str], *, reverse: bool, seed: str) -> Search:
    """Let the gateway search a bus of `numbers`."""
    seen = Search()

    def log(_at_ns: int, kind: str, fields: dict[str, Any]) -> None:
        if kind == "link.sent" and fields["data"].startswith(_SELECT_START):
            seen.selects += 1

    meters = bus.parse(
        bus.entry(f"m{i}", f"{number}", ANSWER_LENGTH, ANSWER_DELAY_BITS)
        for i, number in enumerate(numbers)
    )
    mode = "SECONDARYSCANREVERSE" if reverse else "SECONDARYSCAN"
    keys = {**KEYS, "MBUS_SCANMODE": mode}
    world = bus.world(meters, BAUDRATE, seed=seed, keys=keys, log=log)

    async def procedure(_: Runtime, appliance: Appliance) -> None:
        report: ScanReport = await appliance.scan()
        seen.seconds = report.duration_ns / 1e9
        found = {view.identification_number for view in appliance.meters()}
        seen.found = report.found
        seen.lost = len(set(numbers) - found)
        seen.phantoms = len(found - set(numbers))

    world.run(procedure)
    return seen


def measure(effort: Effort) -> Iterator[Row]:
    """The lines of M2: one for each kind and size of population."""
    kinds = list(populations.KINDS)[:2] if effort.quick else populations.KINDS
    counts = populations.COUNTS[:2] if effort.quick else populations.COUNTS
    for kind in kinds:
        for count in counts:
            draws = DRAWS if count < populations.COUNTS[-1] else DRAWS_LARGE
            yield _row(kind, count, DRAWS_QUICK if effort.quick else draws)


def _row(kind: str, count: int, draws: int) -> Row:
    drawn = [
        populations.KINDS[kind](random.Random(f"M2/{kind}/{count}/{draw}"), count)
        for draw in range(draws)
    ]
    forward = [search(n, reverse=False, seed=f"{i}") for i, n in enumerate(drawn)]
    reverse = [search(n, reverse=True, seed=f"{i}") for i, n in enumerate(drawn)]
    libmbus = [populations.libmbus(numbers) for numbers in drawn]
    libmbus_s = mean(seconds for _, seconds in libmbus)
    best_s = mean(map(populations.best_order, drawn))
    forward_s = mean(one.seconds for one in forward)
    reverse_s = mean(one.seconds for one in reverse)
    lost = sum(one.lost for one in forward + reverse)
    phantoms = sum(one.phantoms for one in forward + reverse)
    # The direction is a setting: only what both reach is reached.
    worse = max(forward_s, reverse_s)
    reached = worse <= GOAL_BEST_ORDER * best_s and lost == phantoms == 0
    goal = f"≤ {GOAL_BEST_ORDER} × best order"
    if kind == "random":
        reached = reached and worse <= GOAL_LIBMBUS * libmbus_s
        goal = f"≤ {GOAL_LIBMBUS} × libmbus, {goal}"
    return Row(
        "M2",
        f"search {kind}, N = {count}",
        f"forward {forward_s:.0f} s {_selects(forward):.0f} sel, "
        f"reverse {reverse_s:.0f} s {_selects(reverse):.0f} sel",
        f"libmbus (model) {libmbus_s:.0f} s {mean(n for n, _ in libmbus):.0f} sel, "
        f"best order {best_s:.0f} s",
        f"libmbus {forward_s / libmbus_s:.2f} / {reverse_s / libmbus_s:.2f}, "
        f"best {forward_s / best_s:.2f} / {reverse_s / best_s:.2f}",
        goal,
        reached,
        f"{draws} draws; {lost} lost, {phantoms} phantoms; MBUS_TIMEOUT 2000, MBUS_MAXRETRY 3, "
        "ADAPTIVE: 1 send, 187 ms",
        {
            "forward_s": forward_s,
            "reverse_s": reverse_s,
            "libmbus_s": libmbus_s,
            "best_order_s": best_s,
            "lost": lost,
            "phantoms": phantoms,
        },
    )


def _selects(searches: Sequence[Search]) -> float:
    return mean(one.selects for one in searches)
