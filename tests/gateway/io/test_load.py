"""The Modbus server under load: no torn answer, no lost client, no growing memory."""

from __future__ import annotations

import asyncio
import random
import struct
import sys
import threading
from typing import Final

from gateway.modbus.identification import UL_80
from gateway.modbus.session import Sessions
from gateway.registers.entries import GatewayEntry, MeterEntry, ValueEntry
from gateway.registers.image import RegisterImage, build
from simulators.modbus.probes.robustness import fuzz_pdu
from tests.gateway import worked_examples
from tests.scenarios.checks.conformance.servers import ours

SWAPS: Final = 1_000_000
READS_MIN: Final = 2_000
READERS: Final = 5
IMAGES: Final = 64
#: Eleven values behind one meter: 120 registers, one request.
VALUES: Final = 11
FUZZED: Final = 100_000
READ_ALL: Final = bytes.fromhex("00 01 00 00 00 06 FF 03 00 0A 00 78")
ONE: Final = bytes.fromhex("00 01 00 00 00 06 FF 03 00 00 00 01")
PATIENCE_S: Final = 60.0


def numbered(number: int) -> RegisterImage:
    """An image of which every value, its time and the meter's say the same number."""
    values = tuple(
        ValueEntry(register=20 + 10 * n, integer=number << 32 | number, time=number)
        for n in range(VALUES)
    )
    meter = MeterEntry(
        register=10, serial=1, manufacturer=0x32A7, version=1, medium=4, time=number, values=values
    )
    return build(GatewayEntry(1, 130, number), (meter,))


def numbers(answer: bytes) -> set[int]:
    """Every number that the 120 registers of an answer show."""
    found = {struct.unpack_from(">I", answer, 9 + 8)[0]}
    for index in range(VALUES):
        at = 9 + 20 * (index + 1)
        high, low = struct.unpack_from(">II", answer, at)
        found |= {high, low, struct.unpack_from(">I", answer, at + 16)[0]}
    return found


def test_no_answer_is_torn_by_a_million_swaps() -> None:
    """FC3-08, C-12: five readers, images swapped under them by a thread: each answer is of one."""
    images = [numbered(number) for number in range(1, IMAGES + 1)]
    shown = images[0]
    swaps = 0
    enough = threading.Event()

    def swap() -> None:
        nonlocal shown, swaps
        while not enough.is_set() or swaps < SWAPS:
            for image in images:
                shown = image
            swaps += IMAGES

    async def reader(host: str, port: int) -> tuple[int, int, set[int]]:
        stream, writer = await asyncio.open_connection(host, port)
        torn = reads = 0
        seen: set[int] = set()
        while reads < READS_MIN or swaps < SWAPS:
            writer.write(READ_ALL)
            found = numbers(await stream.readexactly(9 + 240))
            seen |= found
            torn += len(found) != 1
            reads += 1
        writer.close()
        return reads, torn, seen

    async def main() -> list[tuple[int, int, set[int]]]:
        async with asyncio.timeout(PATIENCE_S), ours(lambda: shown) as address:
            return await asyncio.gather(*(reader(*address) for _ in range(READERS)))

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    try:
        results = asyncio.run(main())
    finally:
        enough.set()
        thread.join(PATIENCE_S)
    assert sum(torn for _, torn, _ in results) == 0
    assert swaps >= SWAPS
    assert all(reads >= READS_MIN for reads, _, _ in results)
    # It was not one image all the time.
    assert len(set().union(*(seen for _, _, seen in results))) > 1


def test_a_hundred_thousand_malformed_requests_leave_nothing_behind() -> None:
    """ROB-01: every one is answered, no error comes up, and memory does not grow."""
    events: list[str] = []
    image = worked_examples.image()
    sessions = Sessions(lambda: image, UL_80, log=lambda kind, **_: events.append(kind))
    session = sessions.opened(("10.0.0.1", 1), 0)
    assert session is not None
    rng = random.Random("load/fuzz")

    def ask(count: int) -> None:
        for number in range(count):
            pdu = fuzz_pdu(rng, harmless=False)
            transaction = number % 65536
            head = struct.pack(">HHHB", transaction, 0, 1 + len(pdu), number % 256)
            answer = session.received(head + pdu, number)
            assert answer[:4] == head[:4]
            assert answer[6] == number % 256
            assert answer[7] in (pdu[0], pdu[0] | 0x80)

    ask(FUZZED // 10)
    before = sys.getallocatedblocks()
    ask(FUZZED - FUZZED // 10)
    grown = sys.getallocatedblocks() - before
    assert grown < 200, f"{grown} blocks more after {FUZZED} requests"
    assert sessions.counters.requests == FUZZED
    assert events == ["modbus.opened"]


async def flood(host: str, port: int, stop: asyncio.Event) -> None:
    """Send requests as fast as they are taken, and read the answers."""
    stream, writer = await asyncio.open_connection(host, port)
    while not stop.is_set():
        writer.write(READ_ALL * 20)
        await stream.readexactly(20 * (9 + 240))
    writer.close()


async def half_open(host: str, port: int, stop: asyncio.Event) -> None:
    """Begin a request and never end it."""
    _, writer = await asyncio.open_connection(host, port)
    writer.write(READ_ALL[:8])
    await stop.wait()
    writer.close()


async def scanner(host: str, port: int, stop: asyncio.Event) -> None:
    """Connect and go, over and over."""
    while not stop.is_set():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            continue
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0)


def test_bad_neighbours_leave_a_client_served() -> None:
    """A flood, a half-open peer and a scanner at once: every request of the others is answered."""

    async def main() -> int:
        stop = asyncio.Event()
        image = numbered(1)
        async with asyncio.timeout(PATIENCE_S), ours(lambda: image) as (host, port):
            stream, writer = await asyncio.open_connection(host, port)
            tasks = [
                asyncio.create_task(neighbour(host, port, stop))
                for neighbour in (flood, half_open, scanner)
            ]
            answered = 0
            for _ in range(500):
                writer.write(ONE)
                answered += await stream.readexactly(11) == ONE[:5] + bytes.fromhex(
                    "05 FF 03 02 00 00"
                )
            stop.set()
            writer.close()
            await asyncio.gather(*tasks)
            return answered

    assert asyncio.run(main()) == 500
