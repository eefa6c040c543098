"""UDP on asyncio: every datagram goes to one pure function, which answers it or not.

The shell moves datagrams; what is answered, and how much of it a source may have, is the
function's (`gateway.modbus.datagram`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gateway.runtime.aio import AioEngine
    from gateway.runtime.port import DatagramHandler


class DatagramServer(asyncio.DatagramProtocol):
    """A UDP socket in front of a `DatagramHandler`; holds the kernel awake while it is open.

    An error that the handler raises is a fault of ours: it stops the run, a datagram cannot.
    """

    def __init__(self, engine: AioEngine, received: DatagramHandler) -> None:
        self._engine = engine
        self._received = received
        self._transport: asyncio.DatagramTransport | None = None
        self._address = ("", 0)
        self._full = False

    async def open(self, address: tuple[str, int]) -> None:
        """Bind; OSError naming the address."""
        host, port = address
        loop = asyncio.get_running_loop()
        try:
            await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        except OSError as error:
            raise OSError(
                error.errno, f"cannot listen on UDP {host}:{port}: {error.strerror}"
            ) from None
        self._engine.hold(self, self._shut)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port actually bound."""
        return self._address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the socket and where it is bound."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand the datagram over; send what comes back, unless the socket takes no more."""
        transport = self._transport
        if transport is None:
            return
        try:
            answer = self._received((addr[0], addr[1]), data, self._engine.now())
        except Exception as error:
            self._engine.stop(error)
            return
        if answer is not None and not self._full:
            transport.sendto(answer, addr)

    def pause_writing(self) -> None:
        """Drop answers, as UDP allows: what waits for the socket would grow without bound."""
        self._full = True

    def resume_writing(self) -> None:
        """Answer again."""
        self._full = False

    def error_received(self, exc: Exception) -> None:
        """Go on: a peer that has gone is no matter of the others."""
        del exc

    async def close(self) -> None:
        """Stop listening."""
        self._shut()
        self._engine.release(self)

    def _shut(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()


async def serve(
    engine: AioEngine, address: tuple[str, int], received: DatagramHandler
) -> DatagramServer:
    """Listen on UDP, from a kernel task."""
    server = DatagramServer(engine, received)
    await engine.bridge(server.open(address))
    return server
