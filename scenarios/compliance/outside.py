"""A restart as somebody outside sees it: a connection that ends, a port that answers, a register.

None of this asks the device what it has done. An open Modbus connection ends in the instant of a
trip; where the port is closed at that time, its opening brackets the restart. From then on the
flags of a meter are read until they are 0.

The way through the simulated network takes always the same time, which is taken off: what arrives
now has happened one latency ago, and a connection is taken or refused as its round trip ends.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from reports.record import Instant
from simulators.modbus.pdu import ReadRequest, Registers

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import ModbusLink, Trial

#: Virtual time is exact to its nanosecond.
RESOLUTION_NS: Final = 1
#: How long before a restart is due somebody connects, and how long he waits for it.
LEAD_NS: Final = 500_000_000
PATIENCE_NS: Final = 20_000_000_000
#: Looks around the due time; the first tells what opens 1 ns before it from what was open.
_EDGE: Final = (-2, -1, 1)
#: Tries to connect to a port that is closed, and looks at the flags.
CONNECT_NS: Final = 10_000_000
LOOK_NS: Final = 50_000_000
#: Longest wait for the first valid register behind a restart.
VALID_NS_MAX: Final = 30_000_000_000
CONNECTION: Final = "Modbus connection"
REGISTER: Final = "Modbus register"
#: Flags of the first meter of the list.
FLAGS: Final = 18
#: Could not be read, and not all values are updated (REG-M).
UNREAD: Final = 3


@dataclass(frozen=True, slots=True)
class Restarted:
    """What was seen: the end of the run before, the port again, the first valid register."""

    end: Instant | None = None
    back: Instant | None = None
    valid: Instant | None = None
    unread: bool = False
    """Whether a look behind the restart saw the meter flagged, its readings being gone."""


async def restarted(trial: Trial, due_ns: int, valid_ns: int = VALID_NS_MAX) -> Restarted:
    """Watch for a restart that is due at `due_ns`, from a little before on.

    Behind it the flags are looked at for at most `valid_ns`.
    """
    seen = await _restarted(trial, due_ns)
    if seen.back is None or valid_ns <= 0:
        return seen
    valid, unread = await first_valid(trial, valid_ns)
    return replace(seen, valid=valid, unread=unread)


async def _restarted(trial: Trial, due_ns: int) -> Restarted:
    await trial.rt.sleep_until(max(trial.rt.now(), due_ns - LEAD_NS))
    link = await _connected(trial)
    if link is None:
        return await _opened(trial, due_ns)
    end = await _hung_up(trial, link, due_ns + PATIENCE_NS)
    await link.close()
    return Restarted() if end is None else await _back(trial, end)


async def stays(trial: Trial) -> bool:
    """Whether a new connection outlives `PATIENCE_NS`; False for a port that is closed too."""
    link = await _connected(trial)
    if link is None:
        return False
    end = await _hung_up(trial, link, trial.rt.now() + PATIENCE_NS)
    await link.close()
    return end is None


async def _connected(trial: Trial) -> ModbusLink | None:
    try:
        return await trial.connect()
    except OSError:
        return None


async def _hung_up(trial: Trial, link: ModbusLink, until_ns: int) -> Instant | None:
    """When the server ended a connection; None where it did not until then."""
    try:
        answer = await link.listen(max(until_ns - trial.rt.now(), 0))
    except OSError:
        answer = b""
    if answer is None:
        return None
    at_ns = trial.rt.now() - trial.rt.network.latency_ns
    return Instant(at_ns=at_ns, seen_by=CONNECTION, uncertainty_ns=RESOLUTION_NS)


async def _opened(trial: Trial, due_ns: int) -> Restarted:
    """A port that is closed: looked at 1 ns on both sides of the due time, then every 10 ms."""
    last = trial.rt.now()
    # Two connections at once: they lie closer together than a round trip is long.
    edge: dict[int, int | None] = {}

    async def look(at_ns: int) -> None:
        edge[at_ns] = await _looked(trial, at_ns)

    async with trial.rt.nursery() as nursery:
        for step in _EDGE:
            nursery.spawn(look(due_ns + step * RESOLUTION_NS), name="look")
    for at_ns, seen in sorted(edge.items()):
        if seen is not None:
            return await _back(trial, _between(last, seen))
        last = at_ns
    for n in range(1, PATIENCE_NS // CONNECT_NS):
        seen = await _looked(trial, due_ns + n * CONNECT_NS)
        if seen is not None:
            return await _back(trial, _between(last, seen))
        last = trial.rt.now()
    return Restarted()


def _between(closed_ns: int, open_ns: int) -> Instant:
    """Somewhere between the last closed door and the first open one."""
    gap = max(open_ns - closed_ns, RESOLUTION_NS)
    return Instant(at_ns=open_ns - gap // 2, seen_by=CONNECTION, uncertainty_ns=gap)


async def _looked(trial: Trial, at_ns: int) -> int | None:
    """When a connection was taken; None where it was refused, which is at `at_ns` if it can be."""
    round_trip = 2 * trial.rt.network.latency_ns
    await trial.rt.sleep_until(max(at_ns - round_trip, trial.rt.now()))
    link = await _connected(trial)
    if link is None:
        return None
    seen = trial.rt.now()
    await link.close()
    return seen


async def _back(trial: Trial, end: Instant) -> Restarted:
    last = end.at_ns
    link = await _connected(trial)
    while link is None and trial.rt.now() < end.at_ns + PATIENCE_NS:
        last = trial.rt.now()
        await trial.rt.sleep(CONNECT_NS)
        link = await _connected(trial)
    if link is None:
        return Restarted(end)
    now = trial.rt.now()
    back = Instant(at_ns=now, seen_by=CONNECTION, uncertainty_ns=now - last)
    await link.close()
    return Restarted(end, back)


async def first_valid(trial: Trial, limit_ns: int = VALID_NS_MAX) -> tuple[Instant | None, bool]:
    """When the flags of the first meter are seen to be 0, None where they are not in time.

    And whether a look before that saw them otherwise.
    """
    link = await _connected(trial)
    if link is None:
        return None, False
    began = last = trial.rt.now()
    found, unread = None, False
    with suppress(OSError):
        while found is None and last <= began + limit_ns:
            answer = await link.ask(ReadRequest(FLAGS, 1))
            # What the answer says was so when it left.
            at = trial.rt.now() - trial.rt.network.latency_ns
            if answer == Registers(FLAGS, (0,)):
                found = Instant(at_ns=at, seen_by=REGISTER, uncertainty_ns=at - last)
            else:
                unread = unread or answer == Registers(FLAGS, (UNREAD,))
                last = at
                await trial.rt.sleep(LOOK_NS)
    await link.close()
    return found, unread
