"""The tap between Modbus clients and a gateway: it changes nothing and tells everything."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from simulators.modbus.tap import ModbusTap

PATIENCE_S = 10.0
Seen = list[tuple[bool, bytes]]


async def tapped(gateway: Any, client: Any) -> Seen:
    """What is told while `client(reader, writer)` talks to `gateway(reader, writer)`."""
    seen: Seen = []

    def told(data: bytes, client: tuple[str, int], *, from_client: bool) -> None:
        assert client[0] == "127.0.0.1"
        seen.append((from_client, data))

    server = await asyncio.start_server(gateway, "127.0.0.1", 0)
    between = ModbusTap(server.sockets[0].getsockname(), told)
    await between.listen("127.0.0.1", 0)
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(*between.address)
            with contextlib.closing(writer):
                await client(reader, writer)
    finally:
        await between.close()
        server.close()
    return seen


async def doubling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A gateway that says everything twice and ends when its client does."""
    while data := await reader.read(100):
        writer.write(2 * data)
    writer.close()


def test_bytes_pass_unchanged_and_are_told() -> None:
    """Both directions, in their order, up to the end of both."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ask")
        assert await reader.readexactly(6) == b"askask"
        writer.write_eof()
        assert await reader.read() == b""

    seen = asyncio.run(tapped(doubling, client))
    assert seen == [(True, b"ask"), (False, b"askask")]


def test_a_gateway_that_hangs_up_is_heard() -> None:
    """Its end reaches the client; what it said before does too."""

    async def gateway(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.close()

    async def client(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"bye"

    assert asyncio.run(tapped(gateway, client)) == [(False, b"bye")]


def test_without_a_gateway_the_client_is_let_go() -> None:
    """Nobody waits for an answer that cannot come."""

    async def main() -> bytes:
        server = await asyncio.start_server(doubling, "127.0.0.1", 0)
        nobody = server.sockets[0].getsockname()
        server.close()
        await server.wait_closed()
        between = ModbusTap(nobody, lambda *_a, **_k: None)
        await between.listen("127.0.0.1", 0)
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = await asyncio.open_connection(*between.address)
                with contextlib.closing(writer):
                    return await reader.read()
        finally:
            await between.close()

    assert asyncio.run(main()) == b""
