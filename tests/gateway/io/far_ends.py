"""The other side of an M-Bus line: what a converter or a simulator would be.

Each has a `url` to open, sends bytes, notes what it hears, and can vanish.
"""

from __future__ import annotations

import asyncio
import os
import re
import tty
from typing import Any, cast

IAC_SUBNEGOTIATION = re.compile(rb"\xff\xfa\x2c(.)((?:\xff\xff|[^\xff])*)\xff\xf0", re.DOTALL)
IAC_OPTION = re.compile(rb"\xff[\xfb-\xfe].", re.DOTALL)

#: How long a far end waits for something that must come.
PATIENCE_S = 5.0


class FarEnd:
    """Common to all: what was heard, and a way to wait for it."""

    url = ""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._news = asyncio.Event()

    async def open(self) -> None:
        """Begin to listen."""
        raise AssertionError

    def send(self, data: bytes) -> None:
        """Send to whoever has opened `url`."""
        raise AssertionError(data)

    def vanish(self) -> None:
        """Go away as an unplugged device does."""
        raise AssertionError

    def hear(self, data: bytes) -> None:
        """Note bytes."""
        self.heard += data
        self._news.set()

    async def wait_for(self, data: bytes) -> None:
        """Wait until exactly `data` has been heard."""
        async with asyncio.timeout(PATIENCE_S):
            while bytes(self.heard) != data:
                self._news.clear()
                await self._news.wait()


class PtyEnd(FarEnd):
    """The master of a PTY; the slave is kept open, as a simulator does."""

    async def open(self) -> None:
        """Make the pair."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        os.set_blocking(self._master, False)
        self.url = os.ttyname(self._slave)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        self._gone = False

    def _read(self) -> None:
        self.hear(os.read(self._master, 4096))

    def send(self, data: bytes) -> None:
        """Write to the master."""
        os.write(self._master, data)

    def vanish(self) -> None:
        """Close both ends."""
        if not self._gone:
            self._gone = True
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._slave)
            os.close(self._master)


class TcpEnd(FarEnd, asyncio.Protocol):
    """A transparent TCP converter for one client at a time."""

    scheme = "socket"

    async def open(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"{self.scheme}://{host}:{port}"
        self._client: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the client."""
        self._client = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Note bytes."""
        self.hear(data)

    def send(self, data: bytes) -> None:
        """Write to the client."""
        assert self._client is not None
        self._client.write(data)

    def vanish(self) -> None:
        """Close the connection and listen no more."""
        self._server.close()
        if self._client is not None:
            self._client.close()


class Rfc2217End(TcpEnd):
    """A converter with COM port control: agrees to everything."""

    scheme = "rfc2217"

    def __init__(self) -> None:
        super().__init__()
        self._raw = b""
        self.settings: dict[int, bytes] = {}

    def data_received(self, data: bytes) -> None:
        """Take out what is protocol, agree to it, and note the characters."""
        self._raw += data
        for command, value in IAC_SUBNEGOTIATION.findall(self._raw):
            self.settings[command[0]] = value
            confirmed = bytes((command[0] + 100,)) + value
            super().send(b"\xff\xfa\x2c" + confirmed + b"\xff\xf0")
        rest = IAC_OPTION.sub(b"", IAC_SUBNEGOTIATION.sub(b"", self._raw))
        if b"\xff" in rest.replace(b"\xff\xff", b""):
            return  # A command is still incomplete.
        self._raw = b""
        self.hear(rest.replace(b"\xff\xff", b"\xff"))

    def send(self, data: bytes) -> None:
        """Write characters."""
        super().send(data.replace(b"\xff", b"\xff\xff"))

    def notify(self, line_state: int) -> None:
        """Tell of a line state."""
        super().send(b"\xff\xfa\x2c" + bytes((106, line_state)) + b"\xff\xf0")


class UdpEnd(FarEnd, asyncio.DatagramProtocol):
    """A transparent UDP converter; answers whoever spoke last."""

    async def open(self) -> None:
        """Bind."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.url = f"udp://{host}:{port}"
        self._peer: Any = None

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Note bytes and who sent them."""
        self._peer = addr
        self.hear(data)

    def send(self, data: bytes) -> None:
        """Answer."""
        self._transport.sendto(data, self._peer)

    def vanish(self) -> None:
        """Close the socket: the next datagram to it is refused by ICMP."""
        self._transport.close()


FAR_ENDS: dict[str, type[FarEnd]] = {
    "pty": PtyEnd,
    "tcp": TcpEnd,
    "udp": UdpEnd,
    "rfc2217": Rfc2217End,
}
