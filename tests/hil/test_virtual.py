"""The gateway's own serial lines on a virtual converter, by every way of reaching one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gateway.io.runtime import AioRuntime
from gateway.mbus import frames
from gateway.runtime.port import NS_PER_S, Fault, LineFormat, Received
from hil.virtual import VirtualConverter
from simulators import population
from simulators.memory_storage import MemoryStorage

if TYPE_CHECKING:
    from gateway.runtime.port import Runtime

REQ_A = bytes.fromhex("107B058016")
REQ_ALL = bytes.fromhex("107BFE7916")
SPEED = 10.0


def _never_enough(_data: bytes) -> int:
    """A framing that takes noise to its end, where a real one gives up at its first character."""
    return 1


def exchanged(kind: str, request: bytes, baudrate: int = 2400) -> Received:
    """What the gateway's line hears of the worked examples behind a converter of that kind."""

    async def main(rt: Runtime, url: str) -> Received:
        line = await rt.open_line(url, LineFormat(baudrate))
        await line.write(request)
        missing = frames.missing if request == REQ_A else _never_enough
        heard = await line.receive(missing, by=rt.now() + 2 * NS_PER_S, gap=NS_PER_S // 2)
        await line.close()
        return heard

    async def run() -> Any:
        meters = population.load("worked-examples")
        async with await VirtualConverter.start(
            meters, where=f"{kind}:127.0.0.1:0", speed=SPEED
        ) as converter:
            assert converter.url.startswith("socket://" if kind == "tcp" else f"{kind}://")
            rt = AioRuntime(storage=MemoryStorage())
            return await rt.run(lambda runtime: main(runtime, converter.url))

    heard: Received = asyncio.run(run())
    return heard


@pytest.mark.parametrize(("kind", "faults"), [("tcp", None), ("udp", None), ("rfc2217", ())])
def test_the_gateway_reads_through_a_network(kind: str, faults: object) -> None:
    """Meter A answers by TCP, UDP and RFC 2217; only with the last is "no errors" known."""
    heard = exchanged(kind, REQ_A)
    assert heard.data[:4] == b"\x68\x24\x24\x68"
    assert len(heard.data) == 42
    assert heard.faults == faults


def test_rfc_2217_carries_the_errors_of_a_collision() -> None:
    """Two meters that answer at once: the gateway learns which characters were broken."""
    heard = exchanged("rfc2217", REQ_ALL)
    assert heard.faults
    assert any(fault & (Fault.PARITY | Fault.FRAMING) for _, fault in heard.faults)
    assert all(0 <= index < len(heard.data) for index, _ in heard.faults)


def test_rfc_2217_carries_the_rate() -> None:
    """At another rate than the meters' nobody understands the gateway."""
    assert exchanged("rfc2217", REQ_A, 300).data == b""
