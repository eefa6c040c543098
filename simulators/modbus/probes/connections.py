"""Probes of TCP connections: how many, how long, and requests in any split."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from simulators.modbus.wire import End, Observation, Step

if TYPE_CHECKING:
    from simulators.modbus.wire import Link, Prober

#: Requests one after the other on one connection.
SEQUENCE_LENGTH: Final = 20
#: Requests in one segment.
PIPELINES: Final = (2, 5, 16, 30)
#: How often the shortest pipeline is tried, and the pause of the variant with two segments.
PIPELINE_TRIES: Final = 10
PIPELINE_GAP_S: Final = 0.0004
#: How long a second answer to a request is waited for.
DUPLICATE_LINGER_S: Final = 0.15
#: Pause between the bytes of a fragmented request.
FRAGMENT_PAUSE_S: Final = 0.005
#: How long a freed place may take to be served again.
FREED_S: Final = 2.0
#: Masters and their requests of the response time.
MASTERS: Final = 5
MASTER_REQUESTS: Final = 60
#: Seconds beyond the idle limit after which a server is taken to keep the connection.
IDLE_SLACK_S: Final = 3.0
#: How often another connection is used while an idle one is waited for.
BESIDE_S: Final = 0.25


async def connect(prober: Prober) -> Observation:
    """Open one connection and ask once on it (TCP-01)."""
    return Observation((await prober.ask("first", prober.read()),))


async def sequence(prober: Prober) -> Observation:
    """Ask again and again on one connection (TCP-02)."""
    await prober.settle()
    link = await prober.connect()
    steps = []
    for number in range(SEQUENCE_LENGTH):
        prober.count()
        steps.append(await link.exchange(f"request {number + 1}", prober.read()))
        if steps[-1].end is not End.OPEN:
            break
    prober.hang_up(link)
    return Observation(tuple(steps))


async def pipelined(prober: Prober) -> Observation:
    """Put several requests into one segment (TCP-03)."""
    shortest, *longer = PIPELINES
    steps: list[Step] = []
    # Luck may answer one of them; a server that has failed once need not be asked again.
    while len(steps) < PIPELINE_TRIES and (not steps or len(steps[-1].adus) == shortest):
        steps.append(await _pipeline(prober, shortest, gap_s=0.0))
    steps.extend([await _pipeline(prober, depth, gap_s=0.0) for depth in longer])
    steps.append(await _pipeline(prober, PIPELINES[0], gap_s=PIPELINE_GAP_S))
    return Observation(tuple(steps))


async def _pipeline(prober: Prober, depth: int, *, gap_s: float) -> Step:
    requests = [prober.read() for _ in range(depth)]
    pieces = requests if gap_s else [b"".join(requests)]
    apart = f", {gap_s * 1e6:.0f} µs apart" if gap_s else " in one segment"
    return await prober.lone(
        f"{depth} requests{apart}",
        *pieces,
        expect=depth,
        requests=depth,
        linger_s=DUPLICATE_LINGER_S,
        pause_s=gap_s,
    )


async def fragmented(prober: Prober) -> Observation:
    """Send requests in pieces that no application would choose (TCP-04)."""
    one = prober.read()
    by_byte = await prober.lone(
        "byte by byte", *(bytes((byte,)) for byte in one), pause_s=FRAGMENT_PAUSE_S
    )
    two = prober.read()
    split = await prober.lone("split behind 7 bytes", two[:7], two[7:], pause_s=FRAGMENT_PAUSE_S)
    both = prober.read() + prober.read()
    middle = len(both) * 3 // 4
    halves = await prober.lone(
        "one and a half, then a half",
        both[:middle],
        both[middle:],
        expect=2,
        requests=2,
        pause_s=FRAGMENT_PAUSE_S,
    )
    return Observation((by_byte, split, halves))


async def places(prober: Prober, connections_max: int) -> Observation:
    """Fill all places, try one more, free one and try again (TCP-06, TCP-09)."""
    await prober.settle()
    links = []
    steps = []
    for number in range(1, connections_max + 1):
        links.append(await prober.connect())
        prober.count()
        steps.append(await links[-1].exchange(f"place {number}", prober.read()))
    steps.append(await _one_more(prober, "one more"))
    for number, link in enumerate(links, 1):
        prober.count()
        steps.append(await link.exchange(f"again {number}", prober.read()))
    prober.hang_up(links[0])
    deadline = time.monotonic() + FREED_S
    while True:
        freed = await _one_more(prober, "freed")
        if freed.only is not None or time.monotonic() > deadline:
            break
        await asyncio.sleep(prober.limits.silence_s / 4)
    steps.append(freed)
    prober.hang_up()
    return Observation(tuple(steps))


async def _one_more(prober: Prober, label: str) -> Step:
    """Connect and ask; a server that refuses the connection itself shows as a reset."""
    prober.count()
    try:
        link = await prober.connect()
    except OSError:
        return Step(label, b"", (), End.RESET, 0, 0)
    step = await link.exchange(label, prober.read())
    prober.hang_up(link)
    return step


async def burst(prober: Prober, connections_max: int) -> Observation:
    """Open two connections more than there are places, all at once (TCP-07)."""
    await prober.settle()
    wanted = connections_max + 2
    found = await asyncio.gather(*(prober.connect() for _ in range(wanted)), return_exceptions=True)
    links = [link for link in found if not isinstance(link, BaseException)]
    prober.count(len(links))
    steps = await asyncio.gather(
        *(link.exchange(f"connection {n}", prober.read()) for n, link in enumerate(links, 1))
    )
    prober.hang_up()
    return Observation(tuple(steps), {"wanted": wanted})


async def masters(prober: Prober) -> Observation:
    """Measure response times with five masters, one request at a time each (TCP-10)."""
    await prober.settle()
    links = [await prober.connect() for _ in range(MASTERS)]
    prober.count(MASTERS * MASTER_REQUESTS)

    async def poll(number: int, link: Link) -> list[Step]:
        return [
            await link.exchange(f"master {number}", prober.read()) for _ in range(MASTER_REQUESTS)
        ]

    groups = await asyncio.gather(*(poll(n, link) for n, link in enumerate(links, 1)))
    prober.hang_up()
    steps = [step for group in groups for step in group]
    times = sorted(step.elapsed_ns for step in steps if step.only)
    facts = {"asked": float(len(steps)), "answered": float(len(times))}
    if times:
        facts["p50_ms"] = times[len(times) // 2] / 1e6
        facts["p99_ms"] = times[len(times) * 99 // 100] / 1e6
    lost = tuple(step for step in steps if step.only is None)
    return Observation(lost or tuple(steps[:1]), facts)


async def idle(prober: Prober, idle_s: float) -> Observation:
    """Let two connections rest, one of them inside a request, and use a third (TCP-05, TCP-08).

    The resting ones are waited for together, so that the probe takes one idle limit and a half.
    """
    await prober.settle()
    half = asyncio.create_task(_rest(prober, "half a request", idle_s, request_at_s=None))
    quiet = asyncio.create_task(_rest(prober, "idle", idle_s, request_at_s=idle_s / 4))
    beside = await prober.connect()
    steps = []
    while not (half.done() and quiet.done()):
        prober.count()
        steps.append(await beside.exchange("beside", prober.read()))
        if steps[-1].only is None:
            break
        await asyncio.sleep(min(BESIDE_S, idle_s / 8))
    done = await asyncio.gather(half, quiet)
    prober.hang_up()
    worst = max(steps, key=lambda step: step.elapsed_ns)
    failed = [step for step in steps if step.only is None]
    return Observation(
        (*(step for group, _ in done for step in group), *(failed[:1] or [worst])),
        {"half_s": done[0][1], "idle_s": done[1][1], "beside": float(len(steps))},
    )


async def _rest(
    prober: Prober, label: str, idle_s: float, *, request_at_s: float | None
) -> tuple[list[Step], float]:
    """Rest on a connection until the server ends it; how long that took, -1 where it did not.

    With `request_at_s` one request is made after that time, and the time counts from its answer.
    """
    link = await prober.connect()
    steps = []
    prober.count()
    if request_at_s is None:
        started = time.monotonic()
        sent = [prober.read()[:6]]
    else:
        await asyncio.sleep(request_at_s)
        steps.append(await link.exchange(f"{label}, request", prober.read()))
        started = time.monotonic()
        sent = []
    wait_s = idle_s + IDLE_SLACK_S
    steps.append(await link.exchange(f"{label}, silence", *sent, expect=0, wait_s=wait_s))
    took = time.monotonic() - started
    return steps, took if steps[-1].end is not End.OPEN else -1.0
