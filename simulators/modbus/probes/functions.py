"""Probes of function codes: 03 in all its corners, and all the others."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from simulators.modbus.wire import Observation

if TYPE_CHECKING:
    from simulators.modbus.wire import Prober, Step

#: Codes that manual 5.1 lists as "not used", beside 03 and 2B.
NOT_USED: Final = (0x01, 0x05, 0x06, 0x0F, 0x10)
SERIAL_LINE_ONLY: Final = (0x07, 0x08, 0x0B, 0x0C, 0x11)
#: Further codes of the specification, and both ranges that it leaves to users.
OTHERS: Final = (
    0x02, 0x04, *SERIAL_LINE_ONLY, 0x14, 0x15, 0x16, 0x17, 0x18, *range(65, 73), *range(100, 111),
)  # fmt: skip
#: Codes that change something in a server that serves them.
WRITING: Final = frozenset({0x05, 0x06, 0x0F, 0x10, 0x15, 0x16, 0x17})
BAD_QUANTITIES: Final = (0, 126, 127, 0xFFFF)
REGISTER_COUNT: Final = 65536
#: Registers read at once and one by one for their order of bytes.
COMPARED_REGISTERS: Final = 10
#: How often the moving registers are read at most.
MOVING_READS_MAX: Final = 4000
#: Moves that are enough to tell.
MOVES_WANTED: Final = 300


async def quantities(prober: Prober) -> Observation:
    """Read the least and the most (FC3-01)."""
    return Observation(tuple([await prober.ask(f"quantity {n}", prober.read(n)) for n in (1, 125)]))


async def bad_quantities(prober: Prober) -> Observation:
    """Read what no request may ask for (FC3-02)."""
    return Observation(
        tuple([await prober.ask(f"quantity {n}", prober.read(n)) for n in BAD_QUANTITIES])
    )


async def end_of_map(prober: Prober, last_mapped: int | None) -> Observation:
    """Read at register 65535 and behind the last mapped register (FC3-03)."""
    steps = [await prober.ask("register 65535", prober.read(1, REGISTER_COUNT - 1))]
    if last_mapped is not None and last_mapped < REGISTER_COUNT - 1:
        steps.append(await prober.ask("last mapped", prober.read(1, last_mapped)))
        steps.append(await prober.ask("last mapped and one more", prober.read(2, last_mapped)))
    return Observation(tuple(steps))


async def wrap(prober: Prober) -> Observation:
    """Read over the end of the address space (FC3-04)."""
    return Observation((await prober.ask("FFFF + 2", prober.read(2, REGISTER_COUNT - 1)),))


async def precedence(prober: Prober) -> Observation:
    """Be wrong in quantity and address at once (FC3-05)."""
    return Observation(
        tuple(
            [
                await prober.ask(f"FFFF + {n}", prober.read(n, REGISTER_COUNT - 1))
                for n in (0, 126, 0xFFFF)
            ]
        )
    )


async def ill_sized(prober: Prober) -> Observation:
    """Send function code 03 with too few or too many bytes (FC3-06)."""
    pdu = prober.read()[7:]
    bodies = (pdu[:1], pdu[:2], pdu[:3], pdu[:4], pdu + b"\x00", pdu + bytes(20))
    return Observation(
        tuple([await prober.ask(f"PDU of {len(b)} bytes", prober.adu(b)) for b in bodies])
    )


async def word_order(prober: Prober) -> Observation:
    """Read registers together and one by one (FC3-07)."""
    steps = [await prober.ask("together", prober.read(COMPARED_REGISTERS))]
    for offset in range(COMPARED_REGISTERS):
        step = await prober.ask(f"alone {offset}", prober.read(1, prober.address + offset))
        steps.append(step)
    steps.append(await prober.ask("together again", prober.read(COMPARED_REGISTERS)))
    return Observation(tuple(steps))


async def moving(prober: Prober, addresses: tuple[int, ...], watch_s: float) -> Observation:
    """Read the value entries at `addresses` over and over while they move (FC3-08).

    Gives the reads of each entry that differ from the one before.
    """
    steps: list[Step] = []
    last: dict[int, bytes] = {}
    reads = 0
    deadline = time.monotonic() + watch_s
    while addresses and time.monotonic() < deadline and reads < MOVING_READS_MAX:
        if len(steps) - len(addresses) >= MOVES_WANTED:
            break
        for address in addresses:
            reads += 1
            step = await prober.ask(f"entry {address}", prober.read(10, address))
            body = step.only.pdu if step.only else b""
            if last.get(address) != body:
                last[address] = body
                steps.append(step)
        # Never faster than a thousand requests a second, whatever the server bears.
        await asyncio.sleep(len(addresses) / 1000)
    return Observation(tuple(steps), {"reads": reads, "entries": float(len(addresses))})


async def not_used(prober: Prober, *, harmless: bool) -> Observation:
    """Ask the codes that the manual lists and does not use (FC-01).

    `harmless` leaves out bodies that a server which serves the code would carry out; the others
    write back the register that was read, or address what no server maps.
    """
    current = await prober.ask("current register", prober.read())
    word = current.only.pdu[2:4] if current.only and len(current.only.pdu) == 4 else b"\0\0"
    at = prober.address.to_bytes(2, "big")
    valid = {
        0x01: b"\xff\xff\x00\x01",
        0x05: b"\xff\xff\x00\x00",
        0x06: at + word,
        0x0F: b"\xff\xff\x00\x01\x01\x00",
        0x10: at + b"\x00\x01\x02" + word,
    }
    steps = []
    for code in NOT_USED:
        bodies = {"empty": b"", "one byte": b"\x00"}
        if not harmless or code == 0x01:
            bodies |= {"valid": valid[code], "long": valid[code] + b"\xff" * 40}
        for name, body in bodies.items():
            data = prober.adu(bytes((code,)) + body)
            steps.append(await prober.ask(f"code {code:02X}, {name} body", data))
    return Observation(tuple(steps))


async def other_codes(prober: Prober) -> Observation:
    """Ask the codes that the device does not have, without a body (FC-02, FC-06)."""
    return await _bare(prober, OTHERS)


async def code_zero(prober: Prober) -> Observation:
    """Ask function code 0 (FC-03)."""
    return await _bare(prober, (0,))


async def response_codes(prober: Prober) -> Observation:
    """Ask the codes of exception answers (FC-04)."""
    return await _bare(prober, range(0x80, 0x100))


async def _bare(prober: Prober, codes: tuple[int, ...] | range) -> Observation:
    steps = []
    for code in codes:
        data = prober.adu(bytes((code, 0, 0, 0, 1)))
        wait_s = prober.limits.silence_s
        steps.append(await prober.ask(f"code {code:02X}", data, wait_s=wait_s))
    return Observation(tuple(steps))


async def exceptions(prober: Prober) -> Observation:
    """Collect exceptions of several kinds, for their size (FC-05)."""
    identification = prober.adu(bytes((0x2B, 0x0E, 0x00, 0x00)))
    return Observation(
        (
            await prober.ask("quantity 0", prober.read(0)),
            await prober.ask("quantity 126", prober.read(126)),
            await prober.ask("address FFFF + 2", prober.read(2, REGISTER_COUNT - 1)),
            await prober.ask("identification code 0", identification),
        )
    )
