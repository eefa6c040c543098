"""A tap between a Modbus client and the gateway: bytes pass unchanged, and are told as they pass.

With it one trace, and one capture, hold both sides of a gateway: what it asks its meters and what
it says to its clients, on one clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine

#: Connections at a time; more are closed without a byte. A gateway allows fewer.
CONNECTIONS_MAX: Final = 32
#: Bytes taken from a connection at a time.
READ_SIZE: Final = 4096
#: How long the gateway may take to accept a connection, in seconds.
CONNECT_S: Final = 5.0

Address = tuple[str, int]


class Told(Protocol):
    """Called with bytes that pass, with the client's address, and whether the client sent them."""

    def __call__(self, data: bytes, client: Address, *, from_client: bool) -> None:
        """Take note of them."""
        ...


class ModbusTap:
    """Listens for clients and opens a connection of its own to the gateway for each of them."""

    def __init__(self, gateway: Address, told: Told) -> None:
        self._gateway = gateway
        self._told = told
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> None:
        """Begin; OSError where that is impossible."""
        self._server = await asyncio.start_server(self._accept, host, port)

    @property
    def address(self) -> Address:
        """Where it listens."""
        assert self._server is not None, "nobody listens yet"
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def close(self) -> None:
        """Stop listening and end every conversation."""
        if self._server is not None:
            self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        if self._conversations:
            await asyncio.wait(self._conversations)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._conversations) >= CONNECTIONS_MAX:
            writer.close()
            return
        conversation = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes both ways until both sides have ended, or one is gone."""
        client: Address = writer.get_extra_info("peername")[:2]
        with contextlib.suppress(OSError, TimeoutError), contextlib.closing(writer):
            async with asyncio.timeout(CONNECT_S):
                theirs, ours = await asyncio.open_connection(*self._gateway)
            with contextlib.closing(ours):
                async with asyncio.TaskGroup() as group:
                    group.create_task(_quiet(self._pass(reader, ours, client, from_client=True)))
                    group.create_task(_quiet(self._pass(theirs, writer, client, from_client=False)))

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        client: Address,
        *,
        from_client: bool,
    ) -> None:
        """One direction, up to its end; what cannot be delivered ends the connection."""
        try:
            while data := await reader.read(READ_SIZE):
                self._told(data, client, from_client=from_client)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.close()
            raise


async def _quiet(passing: Coroutine[object, object, None]) -> None:
    """A side that is gone ends its own direction; the other one notices by itself."""
    with contextlib.suppress(OSError):
        await passing
