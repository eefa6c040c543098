"""Clients with one bad habit each, against the watched server on loopback."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from scenarios.checks.client import run
from simulators.modbus.mbap import Adu

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from reports.record import Case, RunRecord
    from simulators.modbus.watch.server import Misbehaviour

PATIENCE_S = 20.0


def watch(
    client: Callable[[str, int], Awaitable[Any]],
    *,
    misbehaviours: frozenset[Misbehaviour] = frozenset(),
    values: Path | None = None,
    delay_s: float = 0.002,
) -> RunRecord:
    """Watch an asyncio client until it has ended."""

    async def main() -> RunRecord:
        stop = asyncio.Event()
        tasks: list[asyncio.Task[None]] = []

        async def converse(address: tuple[str, int]) -> None:
            try:
                await client(*address)
            finally:
                stop.set()

        settings = run.Settings(
            "127.0.0.1",
            0,
            PATIENCE_S,
            delay_s=delay_s,
            misbehaviours=misbehaviours,
            values=values,
        )
        record = await run.watch(
            settings,
            tool_version="test",
            listening=lambda address: tasks.append(asyncio.create_task(converse(address))),
            stop=stop,
        )
        await asyncio.gather(*tasks)
        return record

    return asyncio.run(main())


def in_thread(client: Callable[[str, int], Any]) -> Callable[[str, int], Awaitable[Any]]:
    """A blocking client, to be watched."""

    async def converse(host: str, port: int) -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        failures: list[BaseException] = []

        def body() -> None:
            try:
                client(host, port)
            except BaseException as error:
                failures.append(error)
            finally:
                loop.call_soon_threadsafe(done.set)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        thread.join(PATIENCE_S)
        if failures:
            raise failures[0]

    return converse


def complaints(record: RunRecord) -> set[str]:
    """Ids of the rules that found something, error or advice."""
    return {case.id for case in record.cases if "advice:" in case.reason}


def case(record: RunRecord, id_: str) -> Case:
    """One case of a record."""
    return next(one for one in record.cases if one.id == id_)


class Raw:
    """A client that sends what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.transaction = 0

    @classmethod
    async def connect(cls, host: str, port: int) -> Raw:
        """Connect."""
        return cls(*await asyncio.open_connection(host, port))

    def send(self, pdu: str, unit: int = 255, transaction: int | None = None) -> None:
        """Send a request and wait for nothing."""
        self.transaction += 1
        number = self.transaction if transaction is None else transaction
        self.writer.write(Adu(number, unit, bytes.fromhex(pdu)).to_bytes())

    async def receive(self) -> bytes:
        """The next answer, b"" when the server hung up."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.read(6)
            return await self.reader.readexactly(head[5]) if head else b""

    async def ask(self, pdu: str, unit: int = 255, transaction: int | None = None) -> bytes:
        """Send a request and take its answer."""
        self.send(pdu, unit, transaction)
        return await self.receive()

    def close(self) -> None:
        """Hang up."""
        self.writer.close()
