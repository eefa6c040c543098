"""Probes of what a server must survive: nonsense in good frames, no frames, no reader."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from typing import TYPE_CHECKING, Final

from simulators.modbus.mbap import PDU_LENGTH_MAX
from simulators.modbus.probes.functions import WRITING
from simulators.modbus.wire import End, Observation, TcpLink

if TYPE_CHECKING:
    from simulators.modbus.wire import Prober, Step

#: Requests of the fuzz, and how many may stay unanswered before it is given up.
FUZZ_REQUESTS: Final = 2000
FUZZ_SILENT_MAX: Final = 10
#: Share of the fuzz that is drawn around function codes 03 and 2B.
_NEAR_MISS: Final = 0.5
GARBAGE_LENGTH: Final = 300
#: Requests pushed at a server whose answers nobody takes, in bytes.
PUSHED_BYTES_MAX: Final = 12_000_000
#: Socket buffers of a client that does not read: small, so that the server's own are what counts.
SMALL_BUFFER_BYTES: Final = 4096
#: A server that takes nothing for so long has stopped reading.
BLOCKED_S: Final = 1.0
BESIDE_REQUESTS: Final = 20


def fuzz_pdu(rng: random.Random, *, harmless: bool) -> bytes:
    """Draw one request; half of them are near what the server serves.

    `harmless` draws no function code that writes.
    """
    if rng.random() < _NEAR_MISS:
        code = rng.choice((0x03, 0x2B))
        return bytes((code,)) + rng.randbytes(rng.choice((0, 1, 2, 3, 4, 4, 4, 5, 8)))
    code = rng.randrange(256)
    while harmless and code in WRITING:
        code = rng.randrange(256)
    return bytes((code,)) + rng.randbytes(min(rng.randrange(12) ** 2, PDU_LENGTH_MAX - 1))


async def fuzz(prober: Prober, *, harmless: bool, requests: int = FUZZ_REQUESTS) -> Observation:
    """Send seeded nonsense in good frames, one at a time (ROB-01).

    Gives the steps that broke the echo, and how many were asked.
    """
    rng = random.Random(f"modbus/{prober.seed}/fuzz")
    wrong: list[Step] = []
    asked = silent = 0
    for _ in range(requests):
        pdu = fuzz_pdu(rng, harmless=harmless)
        asked += 1
        step = await prober.ask("fuzz", prober.adu(pdu), wait_s=prober.limits.silence_s)
        if not _echoes(step):
            wrong.append(step)
            silent += not step.messages
        if silent > FUZZ_SILENT_MAX:
            break
    wanted = {"asked": float(asked), "wrong": float(len(wrong)), "silent": float(silent)}
    return Observation(tuple(wrong), wanted | {"requests": float(requests)})


def _echoes(step: Step) -> bool:
    adu = step.only
    if adu is None or not adu.pdu:
        return False
    code = step.sent[7]
    return (
        adu.transaction_identifier == int.from_bytes(step.sent[:2], "big")
        and adu.unit_identifier == step.sent[6]
        and adu.pdu[0] in (code, code | 0x80)
    )


async def garbage(prober: Prober) -> Observation:
    """Send what is no Modbus/TCP at all (ROB-02)."""
    noise = random.Random(f"modbus/{prober.seed}/garbage").randbytes(GARBAGE_LENGTH)
    # The length field is put out of range: chance could make a frame of it.
    cases = {
        "300 bytes of garbage": noise[:4] + b"\xff" + noise[5:],
        "an RTU frame": bytes.fromhex("01 03 00 00 00 01 84 0A"),
        "an HTTP request": b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n",
    }
    steps = []
    for label, data in cases.items():
        steps.append(await prober.lone(label, data, expect=0))
        steps.append(await prober.lone(f"alive after {label}", prober.read()))
    return Observation(tuple(steps))


async def slow_reader(prober: Prober) -> Observation:
    """Push requests and take no answer; ask on another connection meanwhile (ROB-03)."""
    await prober.settle()
    pushed = asyncio.create_task(_push(prober))
    beside = await prober.connect()
    steps = []
    for _ in range(BESIDE_REQUESTS):
        prober.count()
        steps.append(await beside.exchange("beside", prober.read()))
        await asyncio.sleep(BLOCKED_S / BESIDE_REQUESTS)
    taken, blocked, ended = await pushed
    for number in range(3):
        prober.count()
        steps.append(await beside.exchange(f"behind {number}", prober.read()))
    prober.hang_up()
    lost = [step for step in steps if step.only is None]
    worst = max(steps, key=lambda step: step.elapsed_ns)
    facts = {
        "taken_bytes": float(taken),
        "blocked": float(blocked),
        "ended": float(ended),
        "worst_beside_ms": worst.elapsed_ns / 1e6,
    }
    return Observation(tuple(lost or [worst]), facts)


async def _push(prober: Prober) -> tuple[int, bool, bool]:
    """Push until the server takes no more: bytes taken, whether it blocked, whether it ended."""
    link = await prober.connect()
    assert isinstance(link, TcpLink), "a slow reader is a matter of TCP"
    transport = link.writer.transport
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
    transport.pause_reading()  # type: ignore[attr-defined]  # every stream transport has it
    chunk = prober.read(125) * 64
    taken = 0
    while taken < PUSHED_BYTES_MAX:
        started = time.monotonic()
        link.writer.write(chunk)
        try:
            async with asyncio.timeout(BLOCKED_S):
                await link.writer.drain()
        except TimeoutError:
            transport.abort()
            return taken, True, False
        except OSError:
            return taken, False, True
        if link.end is not End.OPEN or link.writer.is_closing():
            return taken, False, True
        taken += len(chunk)
        if time.monotonic() - started < 0.001:
            await asyncio.sleep(0)
    transport.abort()
    return taken, False, False
