"""Streams and servers: the same on the network in memory and on real TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.io.servers import StreamProtocol
from gateway.runtime.errors import ClosedStream
from tests.gateway.runtime.engines import MS, Run, S
from tests.gateway.runtime.sessions import IDLE_NS, Door, ShoutSession

#: More than all buffers between two ends of a connection on one host.
MUCH = 16 * 1024 * 1024

Pair = Callable[[Any], Coroutine[Any, Any, tuple[Any, Any]]]


@pytest.fixture(params=["simpy", "asyncio"])
def net_run(request: pytest.FixtureRequest) -> Run:
    """The engines that have a network."""
    return Run(request.param)


async def connected(rt: Any) -> tuple[Any, Any]:
    """Two streams, joined by a connection."""
    if hasattr(rt, "network"):
        listener = rt.network.listen(("127.0.0.1", 0))
        here = await rt.connect(*listener.address)
        there, _ = await listener.accept()
        await listener.close()
        return here, there
    accepted = rt.queue(1)
    engine = rt.engine

    class Accepting(StreamProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            engine.call(accepted.put_nowait, self.stream)

    async def listen() -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Accepting(engine), "127.0.0.1", 0)

    server = await engine.bridge(listen())
    here = await rt.connect(*server.sockets[0].getsockname())
    there = await accepted.get()
    server.close()
    return here, there


async def read_all(stream: Any) -> bytes:
    """Everything up to the end of the stream."""
    data = bytearray()
    while piece := await stream.read(65_536):
        data += piece
    return bytes(data)


async def read_count(stream: Any, count: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < count:
        piece = await stream.read(count - len(data))
        assert piece, f"the stream ended behind {data!r}"
        data += piece
    return data


# --- Streams ----------------------------------------------------------------------------------


def test_bytes_keep_their_order_in_any_split(net_run: Run) -> None:
    """What is read is what was written, and a close is the end of the stream."""

    async def main(rt: Any) -> bytes:
        here, there = await connected(rt)
        for number in range(50):
            await here.write(bytes([number]) * number)
        await here.close()
        data = await read_all(there)
        assert await there.read(1) == b""
        await there.close()
        return data

    assert net_run(main) == b"".join(bytes([number]) * number for number in range(50))


def test_a_read_gives_no_more_than_its_limit(net_run: Run) -> None:
    """1 to `limit` bytes; a limit of 0 is a mistake."""

    async def main(rt: Any) -> list[int]:
        here, there = await connected(rt)
        await here.write(b"0123456789")
        await here.close()
        sizes = []
        while piece := await there.read(3):
            sizes.append(len(piece))
        with pytest.raises(ValueError, match="at least one byte"):
            await there.read(0)
        await there.close()
        return sizes

    sizes = net_run(main)
    assert sum(sizes) == 10
    assert max(sizes) <= 3


def test_a_read_that_times_out_loses_nothing(net_run: Run) -> None:
    """`until` passes without a byte: TimeoutError, and the bytes that come later are all there."""

    async def main(rt: Any) -> bytes:
        here, there = await connected(rt)
        with pytest.raises(TimeoutError):
            await there.read(10, until=rt.now() + 2 * MS)
        await here.write(b"late")
        data = await read_count(there, 4)
        await here.close()
        await there.close()
        return data

    assert net_run(main) == b"late"


def test_a_cancelled_reader_loses_nothing(net_run: Run) -> None:
    """A read that was cut takes no byte with it."""

    async def main(rt: Any) -> bytes:
        here, there = await connected(rt)
        async with rt.nursery() as nursery:
            nursery.spawn(there.read(10), name="reader")
            await rt.sleep(0)
            nursery.cancel()
        await here.write(b"kept")
        data = await read_count(there, 4)
        await here.close()
        await there.close()
        return data

    assert net_run(main) == b"kept"


def test_a_stream_has_one_reader(net_run: Run) -> None:
    """A second concurrent read is a mistake and says so."""

    async def main(rt: Any) -> None:
        here, there = await connected(rt)
        async with rt.nursery() as nursery:
            nursery.spawn(there.read(10), name="first reader")
            await rt.sleep(0)
            with pytest.raises(RuntimeError, match="first reader reads this stream already"):
                await there.read(10)
            nursery.cancel()
        await here.close()
        await there.close()

    net_run(main)


def test_write_eof_closes_one_direction(net_run: Run) -> None:
    """The peer sees the end and can still answer."""

    async def main(rt: Any) -> list[bytes]:
        here, there = await connected(rt)
        await here.write(b"question")
        await here.write_eof()
        question = await read_all(there)
        await there.write(b"answer")
        await there.close()
        answer = await read_all(here)
        with pytest.raises(ClosedStream):
            await here.write(b"more")
        await here.close()
        return [question, answer]

    assert net_run(main) == [b"question", b"answer"]


def test_an_own_close_ends_a_pending_read(net_run: Run) -> None:
    """The reader gets ClosedStream, and so does everybody afterwards."""

    async def main(rt: Any) -> list[str]:
        seen: list[str] = []
        here, there = await connected(rt)

        async def reader() -> None:
            try:
                await here.read(1)
            except ClosedStream:
                seen.append("pending read")

        async with rt.nursery() as nursery:
            nursery.spawn(reader(), name="reader")
            await rt.sleep(0)
            await here.close()
            await here.close()
        with pytest.raises(ClosedStream):
            await here.read(1)
        with pytest.raises(ClosedStream):
            await here.write(b"x")
        with pytest.raises(ClosedStream):
            await here.write_eof()
        await there.close()
        return seen

    assert net_run(main) == ["pending read"]


def test_an_abort_is_a_reset_at_the_peer(net_run: Run) -> None:
    """The peer's pending read raises ConnectionResetError."""

    async def main(rt: Any) -> None:
        here, there = await connected(rt)

        async def break_off() -> None:
            await rt.sleep(1 * MS)
            await here.write(b"never mind")
            here.abort()

        async with rt.nursery() as nursery:
            nursery.spawn(break_off(), name="break off")
            with pytest.raises(ConnectionResetError):
                await read_all(there)
        with pytest.raises(ConnectionResetError):
            await there.write(b"x")
        await there.close()

    if net_run.name == "asyncio":
        # A socket resets on abort only with SO_LINGER 0 or unread bytes; leave some unread.
        net_run(_with_unread_bytes)
    else:
        net_run(main)


async def _with_unread_bytes(rt: Any) -> None:
    here, there = await connected(rt)
    here._sink.pause_reading()
    await there.write(b"unread")
    await rt.sleep(5 * MS)
    here.abort()
    with pytest.raises(ConnectionResetError):
        await read_all(there)
    await there.close()


def test_writing_to_a_peer_that_is_gone_fails_at_last(net_run: Run) -> None:
    """Not necessarily at the first write, but soon, with a ConnectionError."""

    async def main(rt: Any) -> int:
        here, there = await connected(rt)
        await there.close()
        for number in range(1_000):
            try:
                await here.write(b"anybody there?")
            except ConnectionError:
                await here.close()
                return number
            await rt.sleep(1 * MS)
        return -1

    assert 0 <= net_run(main) < 1_000


def test_a_writer_waits_for_a_slow_reader(net_run: Run) -> None:
    """Memory stays bounded: much more than all buffers needs a reader to get through."""

    async def main(rt: Any) -> list[object]:
        here, there = await connected(rt)
        block = bytes(range(256)) * 256
        written = [0]

        async def writer() -> None:
            for _ in range(MUCH // len(block)):
                await here.write(block)
                written[0] += len(block)
            await here.close()

        async with rt.nursery() as nursery:
            nursery.spawn(writer(), name="writer")
            await rt.sleep(20 * MS)
            held_at = written[0]
            data = await read_all(there)
        await there.close()
        return [held_at < MUCH, len(data), data[:65_536] == block == data[-65_536:]]

    assert net_run(main) == [True, MUCH, True]


def test_nobody_listening_is_refused_by_name(net_run: Run) -> None:
    """The error names host and port."""

    async def main(rt: Any) -> None:
        await rt.connect("127.0.0.1", 9)

    with pytest.raises(ConnectionRefusedError, match=r"127\.0\.0\.1:9"):
        net_run(main)


# --- Servers ----------------------------------------------------------------------------------


def test_a_server_answers_through_its_session(net_run: Run) -> None:
    """Bytes in, bytes out; `closing` ends the connection behind the answer; `closed` comes once."""
    door = Door()

    async def main(rt: Any) -> list[bytes]:
        server = await rt.serve_stream(("127.0.0.1", 0), door)
        client = await rt.connect(*server.address)
        await client.write(b"hello")
        first = await read_count(client, 5)
        await client.write(b"quit")
        rest = await read_all(client)
        await client.close()
        await rt.sleep(5 * MS)
        await server.close()
        return [first, rest]

    assert net_run(main) == [b"HELLO", b"QUIT"]
    assert door.sessions[0].closings == 1


def test_a_refused_peer_is_closed_without_a_byte(net_run: Run) -> None:
    """The factory says None: the peer reads the end of the stream, nothing before it."""
    door = Door(places=1)

    async def main(rt: Any) -> list[bytes]:
        server = await rt.serve_stream(("127.0.0.1", 0), door)
        admitted = await rt.connect(*server.address)
        await admitted.write(b"first")
        greeting = await read_count(admitted, 5)
        refused = await rt.connect(*server.address)
        silence = await refused.read(10)
        for stream in (admitted, refused):
            await stream.close()
        await server.close()
        return [greeting, silence]

    assert net_run(main) == [b"FIRST", b""]


def test_a_session_is_called_at_its_deadline(net_run: Run) -> None:
    """Silence: `timer` is called once, in time, and its last word arrives before the end."""
    door = Door()

    async def main(rt: Any) -> tuple[bytes, int]:
        server = await rt.serve_stream(("127.0.0.1", 0), door)
        client = await rt.connect(*server.address)
        await rt.sleep(IDLE_NS // 2)
        await client.write(b"x")
        asked_at = rt.now()
        words = await read_all(client)
        await client.close()
        await server.close()
        return words, rt.now() - asked_at

    words, lasted = net_run(main)
    assert words == b"Xbye"
    # The deadline moved with the request: it is not the one of the opening.
    assert IDLE_NS <= lasted < IDLE_NS + S


def test_closing_a_server_ends_its_sessions_and_frees_the_address(net_run: Run) -> None:
    """Peers see the end, the sessions are told, and the port can be bound again."""
    door = Door()

    async def main(rt: Any) -> bytes:
        server = await rt.serve_stream(("127.0.0.1", 0), door)
        client = await rt.connect(*server.address)
        await client.write(b"x")
        await read_count(client, 1)
        await server.close()
        await server.close()
        silence = await read_all(client)
        await client.close()
        again = await rt.serve_stream(server.address, door)
        assert again.address == server.address
        await again.close()
        return silence

    assert net_run(main) == b""
    assert door.sessions[0].closings == 1


def test_a_peer_that_reads_no_answers_is_held(net_run: Run) -> None:
    """Requests wait while answers wait, and everything gets through once the peer reads."""
    sessions: list[Generous] = []

    class Generous(ShoutSession):
        def received(self, data: bytes, now: int) -> bytes:
            super().received(data, now)
            return bytes(100 * len(data))

        def deadline(self) -> int | None:
            return None

    def door(peer: tuple[str, int], now: int) -> Generous:
        sessions.append(Generous(peer, now))
        return sessions[0]

    async def main(rt: Any) -> bool:
        server = await rt.serve_stream(("127.0.0.1", 0), door)
        client = await rt.connect(*server.address)

        async def writer() -> None:
            for _ in range(40):
                await client.write(bytes(65_536))
            await client.write_eof()

        def taken() -> int:
            return sum(map(len, sessions[0].calls))

        async with rt.nursery() as nursery:
            nursery.spawn(writer(), name="writer")
            await rt.sleep(50 * MS)
            held_at = taken()
            await rt.sleep(20 * MS)
            assert taken() == held_at < 40 * 65_536
            count = 0
            while count < 100 * 40 * 65_536:
                piece = await client.read(1 << 20)
                if not piece:
                    break
                count += len(piece)
        await client.close()
        await server.close()
        return count == 100 * taken()

    assert net_run(main)


def test_an_address_in_use_is_named(net_run: Run) -> None:
    """A port that is taken is an OSError that says which."""

    async def main(rt: Any) -> str:
        server = await rt.serve_stream(("127.0.0.1", 0), Door())
        try:
            await rt.serve_stream(server.address, Door())
        except OSError as error:
            return str(error).replace(str(server.address[1]), "PORT")
        finally:
            await server.close()
        return "no error"

    assert "127.0.0.1:PORT" in net_run(main)


def test_memory_delivers_in_pieces_that_the_seed_chooses() -> None:
    """One write is not one read: over many writes some are split, always in the same places."""

    def pieces_of_a_run() -> list[bytes]:
        door = Door()

        async def main(rt: Any) -> None:
            server = await rt.serve_stream(("127.0.0.1", 502), door)
            client = await rt.connect("127.0.0.1", 502)
            for number in range(20):
                await client.write(bytes([number]) * 12)
                await rt.sleep(1 * MS)
            await client.close()
            await server.close()

        Run("simpy")(main)
        return door.sessions[0].calls

    first, second = pieces_of_a_run(), pieces_of_a_run()
    assert first == second
    assert len(first) > 20
    assert b"".join(first) == b"".join(bytes([number]) * 12 for number in range(20))
