"""The endpoint ``udp:HOST:PORT``: characters in datagrams, as converters without a connection do.

There is no connection, so the place belongs to whoever spoke last and not long ago: another peer is
refused, its datagrams dropped, until the first has been silent for a while.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from simulators.realtime import Master, RealTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.characters import Fault
    from simulators.network import Network

#: A peer that has been silent for so long loses its place to another one.
PEER_IDLE_S: Final = 10.0

#: What IP calls the two ends of a datagram: host, port, and two more numbers for IPv6.
Address = tuple[str | int, ...]


class UdpEndpoint(asyncio.DatagramProtocol):
    """A UDP socket with one peer at a time."""

    def __init__(self, network: Network, clock: RealTime) -> None:
        self._master = Master(network, clock, self._deliver)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: Address | None = None
        self._spoke_s = 0.0
        #: Datagrams dropped because another peer had the place.
        self.refused = 0

    @classmethod
    async def open(cls, network: Network, clock: RealTime, host: str, port: int) -> UdpEndpoint:
        """Bind the socket; OSError where that is impossible."""
        endpoint = cls(network, clock)
        loop = asyncio.get_running_loop()
        try:
            await loop.create_datagram_endpoint(lambda: endpoint, local_addr=(host, port))
        except OSError:
            endpoint._master.close()
            raise
        return endpoint

    @property
    def where(self) -> str:
        """``udp:HOST:PORT`` as bound."""
        assert self._transport is not None, "open has made the socket"
        host, port = self._transport.get_extra_info("sockname")[:2]
        return f"udp:[{host}]:{port}" if ":" in host else f"udp:{host}:{port}"

    async def close(self) -> None:
        """Let go of the socket."""
        self._master.close()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        # asyncio's own transport for datagrams is no subclass of the class that describes it.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Put characters on the bus; answers go to whoever sent them."""
        now = self._loop.time()
        if self._peer not in {None, addr} and now - self._spoke_s < PEER_IDLE_S:
            self.refused += 1
            return
        self._peer, self._spoke_s = addr, now
        self._master.send(data)

    def error_received(self, exc: Exception) -> None:
        """A peer that is not there any more says so; its place is free."""
        del exc
        self._peer = None

    def _deliver(self, data: bytes, _faults: Sequence[tuple[int, Fault]]) -> None:
        """Pass characters on; with nobody there they are lost."""
        if self._transport is not None and self._peer is not None:
            self._transport.sendto(data, self._peer)
