"""Datagrams in memory and virtual time: each arrives whole, one latency later, or nowhere.

A datagram to an address where nobody listens vanishes, as UDP lets it. Order between two sockets
is kept; nothing else is promised, and no socket knows of connections.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.runtime import SimRuntime

Address = tuple[str, int]

#: Datagrams that wait for `DatagramSocket.receive`; more are lost.
WAITING_MAX: Final = 256
#: The longest payload of a UDP datagram over IPv4.
DATAGRAM_SIZE_MAX: Final = 65_507


class DatagramSocket:
    """One bound address: sends, and hands what comes to a function or to `receive`."""

    def __init__(
        self,
        datagrams: MemoryDatagrams,
        address: Address,
        received: Callable[[Address, bytes, int], bytes | None] | None,
    ) -> None:
        self._datagrams = datagrams
        self._address = address
        self._received = received
        self._waiting: Any = datagrams.runtime.queue(WAITING_MAX)

    @property
    def address(self) -> Address:
        """Host and port actually bound."""
        return self._address

    def send(self, address: Address, data: bytes) -> None:
        """Send one datagram; nobody learns whether it arrives.

        Raises OSError (EMSGSIZE) for one that no datagram can hold.
        """
        if len(data) > DATAGRAM_SIZE_MAX:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        self._datagrams.carry(self._address, address, bytes(data))

    async def receive(self) -> tuple[bytes, Address]:
        """Wait for the next datagram; returns it with its sender."""
        return await self._waiting.get()  # type: ignore[no-any-return]  # put by `arrived`

    def arrived(self, peer: Address, data: bytes) -> None:
        """Take a datagram from the network."""
        if self._received is None:
            self._waiting.put_nowait((data, peer))
            return
        answer = self._received(peer, data, self._datagrams.runtime.now())
        if answer is not None:
            self.send(peer, answer)

    async def close(self) -> None:
        """Give the address back; what is still under way to it is lost."""
        self._datagrams.release(self._address)


class MemoryDatagrams:
    """The datagram side of a simulated network ("0.0.0.0" listens on every host)."""

    def __init__(self, runtime: SimRuntime, take_port: Callable[[], int]) -> None:
        self.runtime = runtime
        self._take_port = take_port
        self._bound: dict[Address, DatagramSocket] = {}

    def bind(
        self,
        address: Address,
        received: Callable[[Address, bytes, int], bytes | None] | None = None,
    ) -> DatagramSocket:
        """Bind an address, port 0 any free one; OSError (EADDRINUSE) naming it."""
        host, port = address
        port = port or self._take_port()
        if (host, port) in self._bound or ("0.0.0.0", port) in self._bound:
            raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: UDP {host}:{port}")
        socket = DatagramSocket(self, (host, port), received)
        self._bound[host, port] = socket
        return socket

    def release(self, address: Address) -> None:
        """Make an address free again."""
        self._bound.pop(address, None)

    def carry(self, sender: Address, address: Address, data: bytes) -> None:
        """Let a datagram arrive one latency later."""
        at = self.runtime.now() + self.runtime.network.latency_ns
        self.runtime.at(at, partial(self._arrive, sender, address, data))

    def _arrive(self, sender: Address, address: Address, data: bytes) -> None:
        socket = self._bound.get(address) or self._bound.get(("0.0.0.0", address[1]))
        if socket is not None:
            socket.arrived(sender, data)
