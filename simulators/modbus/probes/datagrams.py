"""Probes of Modbus/UDP: one datagram is one request."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from simulators.modbus.wire import Observation

if TYPE_CHECKING:
    from simulators.modbus.wire import Link, Prober, Step

#: Sources that ask at the same time, and requests of each: below what a limit per source bears.
SOURCES: Final = 5
REQUESTS_EACH: Final = 200
#: Missing answers of one source that are waited for longer; a server that loses more is not slow.
PATIENT_FAILURES: Final = 2


async def malformed(prober: Prober) -> Observation:
    """Send datagrams that are no request, each followed by a good one (UDP-01)."""
    good = prober.read()
    longer = bytearray(good)
    longer[5] += 1
    foreign = bytearray(good)
    foreign[3] = 1
    cases = {
        "runt of 7 bytes": good[:7],
        "runt of 1 byte": good[:1],
        "two trailing bytes": good + b"\x00\x00",
        "two requests in one datagram": good + prober.read(),
        "length one too many": bytes(longer),
        "protocol identifier 1": bytes(foreign),
    }
    steps = []
    for label, data in cases.items():
        steps.append(await prober.lone(label, data, expect=0))
        steps.append(await prober.lone(f"good behind {label}", prober.read()))
    return Observation(tuple(steps))


async def interleaved(prober: Prober) -> Observation:
    """Let five sources ask at once, each with identifiers of its own (UDP-02).

    Gives the steps that were not answered rightly, or the first, and the counts.
    """
    await prober.settle()
    links = [await prober.connect() for _ in range(SOURCES)]
    prober.count(SOURCES * REQUESTS_EACH)

    async def poll(number: int, link: Link) -> list[Step]:
        steps: list[Step] = []
        failures = 0
        pdu = prober.read()[7:]
        for index in range(REQUESTS_EACH):
            identifier = number << 12 | index
            data = prober.adu(pdu, transaction_identifier=identifier)
            wait_s = prober.limits.silence_s
            step = await link.exchange(f"source {number}", data, wait_s=wait_s)
            if not step.messages and failures < PATIENT_FAILURES:
                # A busy host may be slow to answer, or to let us see it: late is not wrong, and
                # what comes late must not be taken for the answer to the next request.
                late = await link.exchange(step.label)
                step = replace(step, messages=late.messages)
            steps.append(step)
            adu = step.only
            if adu is None or adu.transaction_identifier != identifier:
                failures += 1
            if failures > 5:
                break
        return steps

    groups = await asyncio.gather(*(poll(n, link) for n, link in enumerate(links, 1)))
    prober.hang_up()
    steps = [step for group in groups for step in group]
    wrong = [step for step in steps if not _answered(step)]
    alive = sum(any(_answered(step) for step in group) for group in groups)
    facts = {"asked": float(len(steps)), "wrong": float(len(wrong)), "alive": float(alive)}
    return Observation(tuple(wrong[:10] or steps[:1]), facts)


def _answered(step: Step) -> bool:
    adu = step.only
    return adu is not None and adu.transaction_identifier == int.from_bytes(step.sent[:2], "big")


async def runt_beside(prober: Prober) -> Observation:
    """Send a runt from one source just before another one's request (UDP-03)."""
    await prober.settle()
    runt, good = await prober.connect(), await prober.connect()
    steps = []
    for _ in range(10):
        prober.count(2)
        await runt.exchange("runt", prober.read()[:7], expect=0, wait_s=0.001)
        steps.append(await good.exchange("request beside a runt", prober.read()))
    prober.hang_up()
    return Observation(tuple(steps))
