"""The TCP shell, seen by plain sockets: what a client of any kind would meet."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from gateway.io.runtime import AioRuntime
from simulators.memory_storage import MemoryStorage
from tests.gateway.runtime.engines import MS, S
from tests.gateway.runtime.sessions import IDLE_NS, Door, ShoutSession

T = TypeVar("T")

#: Longest wait for something that must come.
PATIENCE_S = 5.0

Client = Callable[[tuple[str, int]], Coroutine[Any, Any, T]]


def serve_while(door: Any, client: Client[T]) -> T:
    """Serve `door` on a free port while the asyncio code `client(address)` runs."""

    async def main() -> T:
        runtime = AioRuntime(storage=MemoryStorage())

        async def in_kernel(rt: Any) -> T:
            server = await rt.serve_stream(("127.0.0.1", 0), door)
            try:
                return await runtime.engine.bridge(client(server.address))
            finally:
                await server.close()

        async with asyncio.timeout(PATIENCE_S):
            return await runtime.run(in_kernel)

    return asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until a condition holds; the server's time limit bounds it."""
    while not condition():  # noqa: ASYNC110  # the objects watched are pure and hold no event
        await asyncio.sleep(0)


def test_requests_in_one_segment_are_answered_in_one_write() -> None:
    """All that one segment holds goes to the session at once, and its answer is one segment."""
    door = Door()

    async def client(address: tuple[str, int]) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"one two three")
        answer = await reader.readexactly(13)
        writer.close()
        return answer

    assert serve_while(door, client) == b"ONE TWO THREE"
    assert door.sessions[0].calls == [b"one two three"]


def test_a_request_that_comes_byte_by_byte_is_passed_on_as_it_comes() -> None:
    """The shell keeps nothing back and joins nothing."""
    door = Door()

    async def client(address: tuple[str, int]) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        answer = b""
        for byte in b"slow":
            writer.write(bytes((byte,)))
            answer += await reader.readexactly(1)
        writer.close()
        return answer

    assert serve_while(door, client) == b"SLOW"
    assert door.sessions[0].calls == [b"s", b"l", b"o", b"w"]


def test_a_half_closed_peer_gets_its_answer_and_the_end() -> None:
    """Request, then end of stream: the answer arrives, then the server closes."""
    door = Door()

    async def client(address: tuple[str, int]) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"last words")
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await until(lambda: door.sessions[0].closings == 1)
        return answer

    assert serve_while(door, client) == b"LAST WORDS"


def test_a_reset_ends_the_session_once() -> None:
    """A peer that breaks off is told to the session, and disturbs nobody else."""
    door = Door()

    async def client(address: tuple[str, int]) -> bytes:
        raw = socket.create_connection(address)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reader, writer = await asyncio.open_connection(*address)
        await until(lambda: len(door.sessions) == 2)
        raw.close()
        await until(lambda: sum(session.closings for session in door.sessions) == 1)
        writer.write(b"still here")
        answer = await reader.readexactly(10)
        writer.close()
        return answer

    assert serve_while(door, client) == b"STILL HERE"
    assert [session.closings for session in door.sessions] == [1, 1]


def test_the_policy_sees_every_connection_when_it_is_made() -> None:
    """A connection counts before its first byte: the second is refused while the first idles."""
    door = Door(places=1)

    async def client(address: tuple[str, int]) -> list[bytes]:
        silent = socket.create_connection(address)
        await until(lambda: len(door.sessions) == 1)
        reader, writer = await asyncio.open_connection(*address)
        refused = await reader.read()
        writer.close()
        silent.close()
        await until(lambda: door.sessions[0].closings == 1)
        return [refused]

    assert serve_while(door, client) == [b""]
    assert door.sessions[0].peer[0] == "127.0.0.1"


def test_a_peer_that_takes_no_answers_is_read_no_further() -> None:
    """pause_writing pauses reading: memory stays bounded, and the others are served."""

    class Generous(ShoutSession):
        def received(self, data: bytes, now: int) -> bytes:
            super().received(data, now)
            return bytes(200 * len(data))

        def deadline(self) -> int | None:
            return None

    sessions: list[Generous] = []

    def door(peer: tuple[str, int], now: int) -> Generous:
        sessions.append(Generous(peer, now))
        return sessions[-1]

    async def client(address: tuple[str, int]) -> bool:
        greedy = socket.create_connection(address)
        greedy.setblocking(False)
        sent, stuck = 0, 0
        while stuck < 50 and sent < 100_000_000:
            try:
                sent += greedy.send(bytes(65_536))
                stuck = 0
            except BlockingIOError:
                stuck += 1
            await asyncio.sleep(0.001)
        taken = sum(map(len, sessions[0].calls))
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"x")
        answer = await reader.readexactly(200)
        writer.close()
        greedy.close()
        return taken < sent and answer == bytes(200)

    assert serve_while(door, client)


def test_an_idle_peer_is_told_and_closed_in_time() -> None:
    """The session's deadline is kept by one timer that follows every request."""
    door = Door()

    async def client(address: tuple[str, int]) -> float:
        reader, writer = await asyncio.open_connection(*address)
        loop = asyncio.get_running_loop()
        for _ in range(3):
            writer.write(b"x")
            await reader.readexactly(1)
            await asyncio.sleep(IDLE_NS / S / 2)
        last = loop.time()
        writer.write(b"x")
        assert await reader.read() == b"Xbye"
        writer.close()
        return loop.time() - last

    lasted_s = serve_while(door, client)
    assert IDLE_NS / S - 0.002 <= lasted_s < IDLE_NS / S + 1


def test_a_session_without_a_deadline_is_left_alone() -> None:
    """None means no timer; a deadline that comes later is kept."""

    class Patient(ShoutSession):
        def deadline(self) -> int | None:
            return super().deadline() if self.calls else None

    async def client(address: tuple[str, int]) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        await asyncio.sleep(2 * IDLE_NS / S)
        writer.write(b"now")
        answer = await reader.read()
        writer.close()
        return answer

    assert serve_while(Patient, client) == b"NOWbye"


@pytest.mark.parametrize("where", ["door", "received", "timer", "closed"])
def test_a_failing_session_stops_the_run(where: str) -> None:
    """An error in a session is our own fault: it ends the run instead of vanishing in a log."""

    class Broken(ShoutSession):
        def received(self, data: bytes, now: int) -> bytes:
            self.fail_in("received")
            return super().received(data, now)

        def timer(self, now: int) -> bytes:
            self.fail_in("timer")
            return super().timer(now)

        def closed(self, now: int) -> None:
            self.fail_in("closed")
            super().closed(now)

        @staticmethod
        def fail_in(place: str) -> None:
            if place == where:
                raise ZeroDivisionError(place)

    def door(peer: tuple[str, int], now: int) -> Broken:
        Broken.fail_in("door")
        return Broken(peer, now)

    async def client(address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"x")
        try:
            while await reader.read(100):
                pass
            await asyncio.Event().wait()
        finally:
            writer.close()

    with pytest.raises(ZeroDivisionError, match=where):
        serve_while(door, client)


def test_now_of_a_session_is_the_runtimes_clock() -> None:
    """Sessions are told times of the same clock that the device uses."""
    door = Door()

    async def main() -> bool:
        runtime = AioRuntime(storage=MemoryStorage())

        async def in_kernel(rt: Any) -> bool:
            await rt.sleep(5 * MS)
            server = await rt.serve_stream(("127.0.0.1", 0), door)
            before = rt.now()
            stream = await rt.connect(*server.address)
            await stream.write(b"x")
            await stream.read(1)
            await stream.close()
            await server.close()
            return bool(before <= door.sessions[0].opened_at <= rt.now())

        return await runtime.run(in_kernel)

    assert asyncio.run(main())
