"""M-Bus ports by URL: the `gateway.runtime.port.Line` of the real world.

=========================  =====================================================================
``/dev/ttyUSB0``           a serial port; parity and framing errors are told per character
``/dev/pts/3`` (or a link) a PTY; opened without parity, since it has none: faults are None
``socket://host:port``     bytes over TCP; the converter owns the character format
``udp://host:port``        bytes in datagrams, likewise
``rfc2217://host:port``    TCP with remote settings; errors told if the converter notifies them
=========================  =====================================================================

`HostLine` is the same for all of them; a transport moves bytes and tells of its own end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from gateway.io import line_transports, rfc2217
from gateway.runtime.port import Fault, Line, LineError, LineFormat, Received

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.runtime.aio import AioEngine

#: Characters kept for a receiver that does not come; a line that babbles on drops the oldest.
BUFFER_CHARACTERS_MAX: Final = 65_536


class LineTransport(Protocol):
    """What moves the bytes of a `HostLine`."""

    @property
    def gap_tolerance_ns(self) -> int:
        """What this kind of transport adds to the silence between two characters."""
        ...

    @property
    def tells_faults(self) -> bool:
        """Whether parity and framing errors would be heard of."""
        ...

    def send(self, data: bytes) -> None:
        """Hand bytes over without waiting; raises `LineError`."""
        ...

    def poll(self) -> None:
        """Deliver what has come already, where that can be asked for."""
        ...

    async def apply(self, line_format: LineFormat) -> None:
        """Change the format (asyncio code); raises `LineError`."""
        ...

    def close(self) -> None:
        """Give the port back."""
        ...


class HostLine:
    """An M-Bus port on a host: `gateway.runtime.port.Line` over any `LineTransport`.

    Times are those of the host: of a chunk of characters only the arrival of the last is known,
    and the others are taken to have come without pauses before it.
    """

    def __init__(self, engine: AioEngine, name: str, line_format: LineFormat) -> None:
        self._engine = engine
        self._kernel = engine.kernel
        self._name = name
        self._format = line_format
        self._transport: LineTransport | None = None
        self._data = bytearray()
        self._faults: list[tuple[int, Fault]] = []
        #: For each chunk: index behind its last character, and when that came.
        self._chunks: list[tuple[int, int]] = []
        self._checked = 0
        self._arrived = self._kernel.event()
        self._receiving = False
        self._free_at = 0
        self._lost: str | None = None

    # --- Port -----------------------------------------------------------------------------------

    @property
    def format(self) -> LineFormat:
        """The format in force."""
        return self._format

    async def write(self, data: bytes) -> int:
        """Send; returns, at about that time, the computed end of the last stop bit (ns)."""
        transport = self._usable()
        await self._kernel.sleep_until(self._free_at)
        begin = self._kernel.now()
        transport.send(data)
        self.sent(data, begin)
        self._free_at = begin + self._format.characters_ns(len(data))
        await self._kernel.sleep_until(self._free_at)
        self._usable()
        return self._free_at

    async def receive(self, missing: Callable[[bytes], int], *, by: int, gap: int) -> Received:
        """Listen for one answer; the silence `gap` is extended by the transport's tolerance.

        A character is seen at its end, so the answer may begin to show one character and the
        tolerance behind `by`.
        """
        if self._receiving:
            raise RuntimeError(f"two receivers on {self._name}")
        transport = self._usable(even_if_lost=bool(self._data))
        tolerance = transport.gap_tolerance_ns
        first_by = by + self._format.characters_ns(1) + tolerance
        self._receiving = True
        try:
            while not self._complete(missing):
                self._usable()
                limit = self._chunks[-1][1] + gap + tolerance if self._chunks else first_by
                if not await self._hear(limit):
                    break
        finally:
            self._receiving = False
        return self._take(self._checked)

    def flush(self) -> bytes:
        """Forget, and return, what was heard and not yet received."""
        if self._transport is not None:
            self._transport.poll()
        return self._take(len(self._data)).data

    async def set_format(self, line_format: LineFormat) -> None:
        """Change the character format behind what is being sent."""
        transport = self._usable()
        await self._kernel.sleep_until(self._free_at)
        await self._engine.bridge(transport.apply(line_format))
        self._format = line_format

    async def close(self) -> None:
        """Give the port back; a pending `receive` ends with `LineError`. Never waits."""
        transport, self._transport = self._transport, None
        if transport is not None:
            self._lose("closed on this side")
            transport.close()
            self._engine.release(self)

    # --- Transport's side -----------------------------------------------------------------------

    def attach(self, transport: LineTransport) -> None:
        """Begin to use `transport`; the kernel may wait for it from now on."""
        self._transport = transport
        self._engine.hold(self, transport.close)

    def heard(self, data: bytes, faults: Sequence[tuple[int, Fault]] = ()) -> None:
        """Characters have come; `faults` are by index into `data`."""
        self._engine.call(self._append, data, faults)

    def sent(self, data: bytes, begin: int) -> None:
        """Characters were handed to the transport at `begin` (ns); a recorder keeps them."""

    def lost(self, reason: str) -> None:
        """The transport has ended; whoever uses the line learns why."""
        self._engine.call(self._lose, reason)

    # --- Inside ---------------------------------------------------------------------------------

    def _append(self, data: bytes, faults: Sequence[tuple[int, Fault]]) -> None:
        if len(self._data) + len(data) > BUFFER_CHARACTERS_MAX:
            self._take(len(self._data))
        start = len(self._data)
        self._data += data
        self._faults += [(start + index, fault) for index, fault in faults]
        self._chunks.append((len(self._data), self._kernel.now()))
        self._arrived.set()

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
        self._arrived.set()

    def _usable(self, *, even_if_lost: bool = False) -> LineTransport:
        if self._transport is None or (self._lost is not None and not even_if_lost):
            raise LineError(f"{self._name}: {self._lost or 'closed on this side'}")
        return self._transport

    def _complete(self, missing: Callable[[bytes], int]) -> bool:
        """Look at every beginning of what was heard, so that chunks play no part."""
        while self._checked < len(self._data):
            self._checked += 1
            if missing(bytes(self._data[: self._checked])) == 0:
                return True
        return False

    async def _hear(self, limit: int) -> bool:
        """Wait for characters until `limit`; False when none came."""
        self._arrived.clear()
        try:
            with self._kernel.deadline(limit):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    def _take(self, count: int) -> Received:
        """Remove the first `count` characters from what was heard."""
        tells = self._transport is not None and self._transport.tells_faults
        received = Received(
            data=bytes(self._data[:count]),
            faults=tuple(f for f in self._faults if f[0] < count) if tells else None,
            first_ns=self._arrival(0) if count else None,
            last_ns=self._arrival(count - 1) if count else None,
        )
        del self._data[:count]
        self._faults = [(index - count, fault) for index, fault in self._faults if index >= count]
        self._chunks = [(end - count, at) for end, at in self._chunks if end > count]
        self._checked = 0
        return received

    def _arrival(self, index: int) -> int:
        """When the character `index` had come, counted back from the end of its chunk."""
        before = 0
        for end, at in self._chunks:
            if index < end:
                return max(before, at - self._format.characters_ns(end - 1 - index))
            before = at
        raise AssertionError("every character belongs to a chunk")


async def open_line(
    engine: AioEngine, url: str, line_format: LineFormat, kind: LineKind | None = None
) -> Line:
    """Open an M-Bus port by its URL, from a kernel task; raises `LineError`.

    `kind` makes the line, where something beside the gateway listens to it.
    """
    line = (kind or HostLine)(engine, url, line_format)
    transport = await engine.bridge(_open(line, url, line_format))
    line.attach(transport)
    return line


#: Makes a `HostLine` or what is derived from it.
LineKind = Callable[["AioEngine", str, LineFormat], HostLine]


async def _open(line: HostLine, url: str, line_format: LineFormat) -> LineTransport:
    scheme, separator, _ = url.partition("://")
    if not separator:
        return line_transports.open_serial(line, url, line_format)
    if scheme == "socket":
        return await line_transports.open_tcp(line, *_peer(url))
    if scheme == "udp":
        return await line_transports.open_udp(line, *_peer(url))
    if scheme == "rfc2217":
        return await rfc2217.open_rfc2217(line, *_peer(url), line_format)
    raise LineError(
        f"{url}: want a device path, socket://, udp:// or rfc2217://host:port, not {scheme}://"
    )


def _peer(url: str) -> tuple[str, int]:
    """Host and port of a URL; `LineError` says which of them is wrong."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise LineError(f"{url}: {error}") from None
    if not host or not port:
        raise LineError(f"{url}: want {parts.scheme}://host:port")
    return host, port
