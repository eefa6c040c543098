"""The Modbus clients of a scenario: those that read again and again, and single requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scenarios.polling import PollError, RegisterReader
from simulators.modbus.pdu import (
    Answer,
    ExceptionAnswer,
    Identification,
    IdentificationRequest,
    OtherRequest,
    ReadRequest,
)
from simulators.modbus.pdu import Registers as RegistersAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.port import Nursery, Task
    from scenarios.language.ir import Client, Identify, Malformed, Request
    from scenarios.stage import Stage
    from simulators.modbus.pdu import Request as AnyRequest

#: The function code that reads.
_READ: Final = 3
#: Octets taken of an answer to something malformed.
ANSWER_OCTETS_MAX: Final = 4096


@dataclass(slots=True)
class _Counts:
    """What one client has done; it counts on when it is started again."""

    reads: int = 0
    errors: int = 0
    connections: int = 0


class Clients:
    """All clients of one run."""

    def __init__(self, clients: tuple[Client, ...], stage: Stage) -> None:
        self._clients = {client.id: client for client in clients}
        self._stage = stage
        self._counts = {client.id: _Counts() for client in clients}
        self._running: dict[str, list[Task[None]]] = {}
        self._readers: dict[str, RegisterReader] = {}

    def _note(self, client: str, name: str, value: object, text: str = "") -> None:
        evidence = {"text": text} if text else {}
        self._stage.log.add(self._stage.rt.now(), f"{client}.{name}", value, evidence)

    async def close(self) -> None:
        """Give the connections of single requests back."""
        for reader in self._readers.values():
            await reader.close()

    # --- Again and again ----------------------------------------------------------------------

    def start(self, name: str, nursery: Nursery) -> list[Task[None]]:
        """Let a client begin, if it has not; returns its tasks."""
        if name in self._running:
            return []
        client = self._clients[name]
        if not self._counts[name].errors:
            self._note(name, "errors", 0)
        tasks = [
            nursery.spawn(self._read_on(client, number), name=f"client {name}, {number}")
            for number in range(client.connections)
        ]
        self._running[name] = tasks
        return tasks

    def stop(self, name: str) -> None:
        """Let a client end, if it has begun."""
        for task in self._running.pop(name, ()):
            task.cancel()

    async def _read_on(self, client: Client, number: int) -> None:
        """Read on one connection; what goes wrong is counted, never the end."""
        rt, counts = self._stage.rt, self._counts[client.id]
        reader = RegisterReader(rt, self._stage.modbus_address, self._counting(client.id))
        started, period = (
            rt.now() + number * client.period_ns,
            client.period_ns * client.connections,
        )
        turn = 0
        try:
            while True:
                await rt.sleep_until(started + turn * period)
                try:
                    await self._read_once(client, reader)
                except PollError as error:
                    counts.errors += 1
                    self._note(client.id, "exception", error.exception)
                    self._note(client.id, "errors", counts.errors, str(error))
                # A read that lasted longer than the period makes the next ones follow at once.
                turn = max(turn + 1, (rt.now() - started) // period)
        finally:
            await reader.close()

    async def _read_once(self, client: Client, reader: RegisterReader) -> None:
        words = await reader.read(client.registers)
        counts = self._counts[client.id]
        counts.reads += 1
        if self._stage.signals.took(words, everything=client.registers is None):
            self._stage.tearing.compare(client.id, words)
        self._note(client.id, "latency", reader.latency_ns)
        self._note(client.id, "reads", counts.reads)

    def _counting(self, name: str) -> Callable[[int], None]:
        def changed(by: int) -> None:
            counts = self._counts[name]
            counts.connections += by
            self._note(name, "connections", counts.connections)

        return changed

    # --- Once ---------------------------------------------------------------------------------

    async def request(self, asked: Request) -> None:
        """Ask once and note what came; a server that does not answer counts as an error."""
        request: ReadRequest | OtherRequest = ReadRequest(asked.start, asked.count)
        if asked.function != _READ:
            request = OtherRequest(asked.function, asked.start, asked.count)
        answer = await self._ask(asked.client, request, asked.unit)
        if isinstance(answer, RegistersAnswer):
            for number, word in enumerate(answer.words):
                self._note(asked.client, f"word({number})", word)
            words = dict(enumerate(answer.words, answer.starting_address))
            self._stage.signals.took(words, everything=False)

    async def identify(self, asked: Identify) -> None:
        """Ask for the device identification once and note the objects."""
        request = IdentificationRequest(asked.code, asked.object_id)
        answer = await self._ask(asked.client, request, asked.unit)
        if isinstance(answer, Identification):
            for number, _ in answer.objects:
                self._note(asked.client, f"object({number})", answer.text(number))
            self._note(asked.client, "objects", len(answer.objects))

    async def _ask(self, client: str, request: AnyRequest, unit: int) -> Answer | None:
        reader = self._readers.get(client)
        if reader is None:
            address = self._stage.modbus_address
            reader = RegisterReader(self._stage.rt, address, self._counting(client))
            self._readers[client] = reader
        try:
            answer = await reader.ask(request, unit)
        except PollError as error:
            self._counts[client].errors += 1
            self._note(client, "errors", self._counts[client].errors, str(error))
            return None
        code = answer.code if isinstance(answer, ExceptionAnswer) else 0
        self._note(client, "exception", code, str(answer) if code else "")
        self._note(client, "latency", reader.latency_ns)
        return answer

    async def malformed(self, sent: Malformed) -> None:
        """Send octets as they are on a connection of their own, and note what comes of it."""
        stage, data, hung_up = self._stage, b"", False
        address = stage.modbus_address()
        try:
            if address is None:
                raise ConnectionRefusedError("the Modbus server is not there")
            stream = await stage.rt.connect(*address)
        except OSError as error:
            self._counts[sent.client].errors += 1
            self._note(sent.client, "errors", self._counts[sent.client].errors, str(error))
            return
        try:
            with stage.rt.timeout(sent.wait_ns):
                await stream.write(sent.octets)
                data = await stream.read(ANSWER_OCTETS_MAX)
                hung_up = not data
        except TimeoutError:
            hung_up = False
        except OSError:
            hung_up = True
        finally:
            await stream.close()
        self._note(sent.client, "answer", data.hex().upper())
        self._note(sent.client, "hung_up", hung_up)
