"""Recording what a gateway and its bus say, and what its Modbus server is asked.

`RecordedLine` is the reference gateway's own port with a second listener: nothing is added between
gateway and converter. `RecordedPort` does the same to a line in virtual time. `ModbusTap` stands
before any gateway's Modbus server and passes bytes on, so it sees what every client asks.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.io.lines import HostLine, open_line
from gateway.io.runtime import AioRuntime
from gateway.runtime.port import LineFormat, Parity
from hil.recording import Chunk, Recording
from simulators import pcapng

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.runtime.aio import AioEngine
    from gateway.runtime.port import Fault, Line, Received, Stream
    from simulators.network import Network
    from simulators.observation import Observation

#: Bytes taken from a connection at a time.
READ_SIZE: Final = 4096

#: Segments that one tap keeps; beyond that they are passed on and only counted.
SEGMENTS_MAX: Final = 1_000_000

#: Link type of packets that begin with an IP header.
LINKTYPE_RAW: Final = 101


# --- The bus --------------------------------------------------------------------------------------


class RecordedLine(HostLine):
    """A port of the real world that tells a recording what it sends and hears."""

    def __init__(
        self, engine: AioEngine, name: str, line_format: LineFormat, recording: Recording
    ) -> None:
        super().__init__(engine, name, line_format)
        self._recording = recording
        recording.line_format = line_format
        recording.mark(self._kernel.now(), f"opening {name}")

    def lost(self, reason: str) -> None:
        """Keep that the way to the bus has ended, and why."""
        self._recording.mark(self._kernel.now(), f"lost: {reason}")
        super().lost(reason)

    def sent(self, data: bytes, begin: int) -> None:
        """Keep what leaves."""
        self._recording.add(Chunk(begin, sent=True, data=bytes(data)))

    def heard(self, data: bytes, faults: Sequence[tuple[int, Fault]] = ()) -> None:
        """Keep what comes, and pass it on."""
        tells = self._transport is not None and self._transport.tells_faults
        marks = tuple((index, int(fault)) for index, fault in faults) if tells else None
        self._recording.add(Chunk(self._kernel.now(), sent=False, data=data, faults=marks))
        super().heard(data, faults)


class RecordingRuntime(AioRuntime):
    """Real time, with every port of the gateway recorded in `recording`."""

    def __init__(self, recording: Recording, **options: Any) -> None:
        super().__init__(**options)
        self._recording = recording
        recording.epoch_ns = time.time_ns() - self.now()

    async def open_line(self, url: str, line_format: LineFormat) -> Line:
        """Open a port that is recorded."""
        return await open_recorded(self.engine, url, line_format, self._recording)


async def open_recorded(
    engine: AioEngine, url: str, line_format: LineFormat, recording: Recording
) -> Line:
    """Open a port of the real world that tells `recording` what passes; raises `LineError`."""

    def kind(engine: AioEngine, name: str, form: LineFormat) -> HostLine:
        return RecordedLine(engine, name, form, recording)

    line = await open_line(engine, url, line_format, kind)
    assert isinstance(line, RecordedLine), "kind makes nothing else"
    transport = line._transport  # noqa: SLF001 - a line tells nobody else how it is carried
    if transport is not None:
        recording.tolerance_ns = transport.gap_tolerance_ns
    return line


class RecordedPort:
    """Any line, recorded at the gateway's side: for buses in virtual time."""

    def __init__(self, line: Line, recording: Recording, now: Callable[[], int]) -> None:
        self._line = line
        self._recording = recording
        self._now = now
        recording.line_format = line.format

    @property
    def format(self) -> LineFormat:
        """The format in force."""
        return self._line.format

    async def write(self, data: bytes) -> int:
        """Send, and keep what left."""
        end = await self._line.write(data)
        begin = end - self._line.format.characters_ns(len(data))
        self._recording.add(Chunk(begin, sent=True, data=bytes(data)))
        return end

    async def receive(self, missing: Callable[[bytes], int], *, by: int, gap: int) -> Received:
        """Listen, and keep what came."""
        heard = await self._line.receive(missing, by=by, gap=gap)
        if heard.data:
            marks = heard.faults
            kept = None if marks is None else tuple((index, int(one)) for index, one in marks)
            at = heard.last_ns if heard.last_ns is not None else self._now()
            self._recording.add(
                Chunk(at, sent=False, data=heard.data, faults=kept, first_ns=heard.first_ns)
            )
        return heard

    def flush(self) -> bytes:
        """Forget what nobody waited for, but keep it."""
        data = self._line.flush()
        if data:
            self._recording.add(Chunk(self._now(), sent=False, data=data))
        return data

    async def set_format(self, line_format: LineFormat) -> None:
        """Change the format."""
        await self._line.set_format(line_format)

    async def close(self) -> None:
        """Give the port back."""
        await self._line.close()


# --- Modbus ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes of one connection that passed in one piece; `at_ns` is unix time."""

    at_ns: int
    connection: int
    to_server: bool
    data: bytes


class RecordedStream:
    """A client's connection that keeps what passes; otherwise the stream that it is given."""

    def __init__(self, stream: Stream, connection: int, segments: list[Segment]) -> None:
        self._stream = stream
        self._connection = connection
        self._segments = segments

    async def read(self, limit: int, *, until: int | None = None) -> bytes:
        """Read, and keep what came."""
        data = await self._stream.read(limit, until=until)
        self._keep(data, to_server=False)
        return data

    async def write(self, data: bytes) -> None:
        """Write, and keep what went."""
        self._keep(data, to_server=True)
        await self._stream.write(data)

    def _keep(self, data: bytes, *, to_server: bool) -> None:
        if data and len(self._segments) < SEGMENTS_MAX:
            self._segments.append(Segment(time.time_ns(), self._connection, to_server, data))

    async def write_eof(self) -> None:
        """Say that nothing more will be written."""
        await self._stream.write_eof()

    async def close(self) -> None:
        """Close both directions."""
        await self._stream.close()


class ModbusTap:
    """A door before a Modbus server that keeps what passes; made by `open`."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections = 0
        self.segments: list[Segment] = []
        #: Segments that found no place any more.
        self.dropped = 0

    @classmethod
    async def open(cls, target: tuple[str, int]) -> ModbusTap:
        """Listen on any free port of loopback, before `target`."""
        tap = cls(target)
        tap._server = await asyncio.start_server(tap._serve, "127.0.0.1", 0)
        return tap

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect."""
        assert self._server is not None, "open has made the server"
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def close(self) -> None:
        """Let nobody in any more, and end what is open."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        task = asyncio.current_task()
        assert task is not None, "streams are served by tasks"
        self._tasks.add(task)
        self._writers.add(writer)
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            writers.append(far_writer)
            self._writers.add(far_writer)
            await asyncio.gather(
                self._pass(reader, far_writer, number, to_server=True),
                self._pass(far_reader, writer, number, to_server=False),
            )
        except OSError:
            # One side broke off, or the server refuses: the other side is refused as hard.
            for one in writers:
                one.transport.abort()
        finally:
            for one in writers:
                one.close()
                with suppress(OSError):
                    await one.wait_closed()
            self._writers.difference_update(writers)
            self._tasks.discard(task)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: int,
        *,
        to_server: bool,
    ) -> None:
        """Hand bytes on in one direction; the end of one direction is passed on as well."""
        while data := await reader.read(READ_SIZE):
            if len(self.segments) < SEGMENTS_MAX:
                self.segments.append(Segment(time.time_ns(), connection, to_server, data))
            else:
                self.dropped += 1
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    def to_pcapng(self) -> bytes:
        """Return what passed as TCP segments, for Wireshark.

        Addresses and ports are those of the connection to the server; sequence numbers count the
        bytes, so that a reader puts the stream together. Handshakes did not pass and are not there.
        """
        return to_pcapng(self.segments, self._target)


def to_pcapng(segments: Sequence[Segment], server: tuple[str, int]) -> bytes:
    """Return segments as a capture of IP packets between ``127.0.0.1`` and `server`."""
    # Loading scapy takes a quarter of a second, and most commands capture nothing.
    from scapy.layers.inet import IP, TCP

    file = io.BytesIO()
    writer = pcapng.Writer(file, "meterbench hil")
    interface = writer.interface(LINKTYPE_RAW, "modbus")
    passed: dict[tuple[int, bool], int] = {}
    # A name has no place in a packet, and nothing is looked up for one.
    server = (server[0] if _is_address(server[0]) else "127.0.0.2", server[1])
    for one in segments:
        mine = passed.get((one.connection, one.to_server), 0)
        others = passed.get((one.connection, not one.to_server), 0)
        passed[one.connection, one.to_server] = mine + len(one.data)
        client_port = 50_000 + one.connection % 10_000
        near, far = ("127.0.0.1", client_port), server
        source, target = (near, far) if one.to_server else (far, near)
        packet = IP(src=source[0], dst=target[0]) / TCP(
            sport=source[1], dport=target[1], flags="PA", seq=1 + mine, ack=1 + others
        )
        data = bytes(packet / one.data)
        writer.packet(interface, one.at_ns, data, outbound=one.to_server)
    return file.getvalue()


def _is_address(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def recording_of(network: Network, epoch_ns: int) -> Recording:
    """Return a recording of a simulated bus that grows from now on, whoever its master is.

    It is the truth of the wire, not what a gateway took in: frames that collide are there as each
    slave sent them.
    """
    form = network.bus.format
    recording = Recording(
        "simulated", LineFormat(form.baudrate, 8, Parity(form.parity), form.stop_bits), epoch_ns
    )
    character_ns = recording.line_format.characters_ns(1)

    def observe(seen: Observation) -> None:
        if seen.path != "bus.frame":
            return
        first, last = int(seen.evidence["first_ns"]), int(seen.evidence["last_ns"])
        sent = seen.evidence["direction"] == "master"
        at = first - character_ns if sent else last
        data = bytes.fromhex(str(seen.value))
        recording.add(
            Chunk(at, sent=sent, data=data, faults=None, first_ns=None if sent else first)
        )

    network.subscribe(observe)
    return recording
