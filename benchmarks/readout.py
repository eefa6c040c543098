"""M3: how much longer a read-out pass takes on the bus than the wire alone demands.

The minimum counts, for every meter, the telegrams that the default reset and request modes demand
(SND_NKE to 255, selection and its E5, REQ_UD2 and RSP_UD for each page): their characters at 11
bits, the answer delay of the meter, and 33 idle bits before each telegram of the master (MBDOC48
p.25-26). Time is virtual, so the figures are exact and the same on every machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmarks import bus
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.method import Effort
    from gateway.device.appliance import Appliance
    from gateway.runtime.port import Runtime
    from simulators.population import Population

BAUDRATES: Final = (300, 2400, 9600, 19200)
COUNTS: Final = (1, 20, 80, 250)
GOAL: Final = 1.03
#: What every meter takes to answer, in bits: fixed, so that the minimum is known.
DELAY_BITS: Final = 40
#: Lengths of the answers in turn; 100 bytes is what the usual estimates assume.
LENGTHS: Final = (60, 100, 140, 255)

BITS_PER_CHARACTER: Final = 11
IDLE_BITS: Final = 33
SND_NKE: Final = 5
SELECT: Final = 17
ACK: Final = 1
REQ_UD2: Final = 5


def meters(count: int) -> Population:
    """Meters with sequential numbers and fixed answer delays."""
    delay = (float(DELAY_BITS), float(DELAY_BITS))
    return bus.parse(
        bus.entry(f"m{i}", 10_000_000 + i, LENGTHS[i % len(LENGTHS)], delay) for i in range(count)
    )


def minimum_bits(count: int) -> int:
    """Bits that one pass over `meters(count)` takes at least."""
    total = 0
    for i in range(count):
        characters = SND_NKE + SELECT + ACK + REQ_UD2 + LENGTHS[i % len(LENGTHS)]
        total += characters * BITS_PER_CHARACTER + 2 * DELAY_BITS + 3 * IDLE_BITS
    return total


def pass_ns(count: int, baudrate: int) -> int:
    """How long one pass takes, from the decision to begin to the last reading taken."""
    marks: list[int] = []

    def log(at_ns: int, kind: str, _fields: dict[str, Any]) -> None:
        if kind == "gateway.readout":
            marks.append(at_ns)

    keys = {
        "MBUS_SCANMODE": "SECONDARYSCAN",
        "METER_TIME": 3600 * 24,
        "METER_MAXDEVICECOUNT": 0,
        "METER_MAXVALUECOUNT": 0,
        "METER_MAXALLVALUECOUNT": 0,
    }
    world = bus.world(meters(count), baudrate, keys=keys, log=log)

    async def procedure(_: Runtime, appliance: Appliance) -> None:
        report = await appliance.scan()
        assert report.found == count, f"{report.found} of {count} meters found"
        await appliance.readout()
        marks.clear()
        await appliance.readout()
        unread = [view for view in appliance.meters() if view.reading.flags]
        assert not unread, f"{len(unread)} meters not read"
        result.extend(marks)

    result: list[int] = []
    world.run(procedure)
    begin, end = result
    return end - begin


def measure(effort: Effort) -> Iterator[Row]:
    """The lines of M3: one for each number of meters, all speeds in it."""
    baudrates = BAUDRATES[1:2] if effort.quick else BAUDRATES
    for count in COUNTS[:2] if effort.quick else COUNTS:
        ratios = {}
        seconds = {}
        for baudrate in baudrates:
            least_ns = minimum_bits(count) * 1_000_000_000 / baudrate
            took_ns = pass_ns(count, baudrate)
            ratios[baudrate] = took_ns / least_ns
            seconds[baudrate] = took_ns / 1e9
        worst = max(ratios.values())
        yield Row(
            "M3",
            f"read-out pass, {count} meter{'s' if count > 1 else ''}",
            ", ".join(f"{seconds[rate]:.2f} s at {rate} Bd" for rate in baudrates),
            "wire alone",
            " ".join(f"{ratios[rate]:.4f}" for rate in baudrates),
            f"≤ {GOAL}",
            worst <= GOAL,
            f"exact bus time; answers {LENGTHS} B in turn after {DELAY_BITS} bits",
            {f"ratio_{rate}": ratios[rate] for rate in baudrates},
        )
