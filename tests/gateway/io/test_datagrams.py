"""The UDP shell, and the device in UDP mode, in real and in virtual time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from gateway.io.runtime import AioRuntime
from gateway.modbus.datagram import Datagrams
from gateway.modbus.identification import UL_80
from hil.reference import ReferenceGateway
from hil.runtimes import simulated_runtime
from simulators.memory_storage import MemoryStorage
from tests.gateway import worked_examples

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

Address = tuple[str, int]
Handler = Callable[[Address, bytes, int], "bytes | None"]
PATIENCE_S = 5.0
REQUEST = bytes.fromhex("00 01 00 00 00 06 FF 03 00 0A 00 02")
ANSWER = bytes.fromhex("00 01 00 00 00 07 FF 03 04 03 F8 3C AA")


def serve_while(handler: Handler, client: Callable[[Address], Any]) -> Any:
    """Serve `handler` on a free UDP port while `client(address)` runs in a thread."""

    async def main() -> Any:
        runtime = AioRuntime(storage=MemoryStorage())

        async def in_kernel(rt: Any) -> Any:
            server = await rt.serve_datagram(("127.0.0.1", 0), handler)
            try:
                return await rt.offload(lambda: client(server.address), cost_ns=0)
            finally:
                await server.close()

        async with asyncio.timeout(PATIENCE_S):
            return await runtime.run(in_kernel)

    return asyncio.run(main())


def udp() -> socket.socket:
    """A socket that waits no longer than the test does."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE_S)
    return made


def test_every_peer_gets_its_own_answer() -> None:
    """UDP-02, UDP-03: answers go where their request came from; runts disturb nobody."""
    datagrams = Datagrams(worked_examples.image, UL_80)

    def client(address: Address) -> list[bytes]:
        peers = [udp() for _ in range(5)]
        got = []
        for number in range(50):
            for index, peer in enumerate(peers):
                peer.sendto(REQUEST[:7], address)
                peer.sendto(bytes((index, number)) + REQUEST[2:], address)
            got += [peer.recvfrom(300)[0] for peer in peers]
        for peer in peers:
            peer.close()
        return got

    got = serve_while(datagrams.received, client)
    assert got == [bytes((i, n)) + ANSWER[2:] for n in range(50) for i in range(5)]
    assert datagrams.counters.requests == 250
    assert datagrams.counters.dropped == 250


def test_an_address_in_use_is_named() -> None:
    """What cannot be bound says which address that was."""
    with udp() as taken:
        taken.bind(("127.0.0.1", 0))

        async def main() -> None:
            runtime = AioRuntime(storage=MemoryStorage())
            address = taken.getsockname()

            async def in_kernel(rt: Any) -> None:
                await rt.serve_datagram(address, lambda *_: None)

            await runtime.run(in_kernel)

        with pytest.raises(
            OSError, match=f"cannot listen on UDP 127.0.0.1:{taken.getsockname()[1]}"
        ):
            asyncio.run(main())


def test_a_fault_of_the_handler_stops_the_run() -> None:
    """An error of ours is never swallowed by the socket."""

    def broken(peer: Address, data: bytes, now: int) -> bytes | None:
        raise ZeroDivisionError(f"{peer} {data!r} {now}")

    def client(address: Address) -> None:
        with udp() as peer:
            peer.sendto(b"x", address)
            peer.settimeout(0.5)
            with pytest.raises(OSError, match="timed out"):
                peer.recvfrom(10)

    with pytest.raises(ZeroDivisionError):
        serve_while(broken, client)


def test_the_same_server_in_virtual_time() -> None:
    """The simulated network carries datagrams to the same function, one latency each way."""
    runtime = simulated_runtime()
    datagrams = Datagrams(worked_examples.image, UL_80)

    async def main(_rt: object) -> tuple[bytes, Address, int]:
        server = await runtime.serve_datagram(("0.0.0.0", 502), datagrams.received)
        peer = runtime.network.datagrams.bind(("client", 0))
        peer.send(("client", 502), REQUEST[:7])
        peer.send(("nobody", 503), REQUEST)
        peer.send(("client", 502), REQUEST)
        answer, sender = await peer.receive()
        await server.close()
        peer.send(("client", 502), REQUEST)
        await peer.close()
        return answer, sender, runtime.now()

    answer, sender, now = runtime.run(main)
    assert answer == ANSWER
    assert sender == ("0.0.0.0", 502)
    assert now == 2 * runtime.network.latency_ns
    assert (datagrams.counters.requests, datagrams.counters.dropped) == (1, 1)


def test_a_taken_address_in_virtual_time() -> None:
    """Two servers cannot have one port; a port of connections is another."""
    runtime = simulated_runtime()

    async def main(_rt: object) -> None:
        await runtime.serve_stream(("0.0.0.0", 502), lambda *_: None)
        await runtime.serve_datagram(("0.0.0.0", 502), lambda *_: None)
        await runtime.serve_datagram(("host", 502), lambda *_: None)

    with pytest.raises(OSError, match="UDP host:502"):
        runtime.run(main)


def test_the_device_in_udp_mode(tmp_path: Path) -> None:
    """SRV-01.2: MODBUS_MODE=UDP serves datagrams on the Modbus port, counted as requests are."""

    async def main() -> tuple[bytes, int, list[str]]:
        events: list[str] = []
        gateway = await ReferenceGateway.start(
            "socket://127.0.0.1:1",
            tmp_path,
            keys={"MODBUS_MODE": "UDP", "MODBUS_DEBUGOUT": 1, "MBUS_ENABLE": 0},
            log=lambda _at, kind, fields: events.append(f"{kind} {fields.get('text', '')}"),
        )
        async with gateway:
            with udp() as peer:
                peer.sendto(
                    bytes.fromhex("00 01 00 00 00 06 FF 03 00 07 00 01"), gateway.modbus_address
                )
                answer = await asyncio.to_thread(peer.recv, 300)
            counters = gateway.appliance.counters()
            assert counters is not None
            return answer, counters.requests, events

    answer, requests, events = asyncio.run(main())
    assert answer.hex(" ") == "00 01 00 00 00 05 ff 03 02 01 00"
    assert requests == 1
    assert any("gateway.startup Modbus UDP on 127.0.0.1:" in event for event in events)
    assert {"modbus.received ", "modbus.sent "} <= set(events)
