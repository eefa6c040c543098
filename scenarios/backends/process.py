"""A stage whose gateway is a process of its own: it can be stopped, killed and started again.

Its events come as JSON lines with times of the shared monotonic clock; what the pipe adds to them
is part of what this backend's clock cannot tell.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from scenarios.backends.base import BackendError
from scenarios.backends.embedded import Recorder, Stage
from scenarios.stage import DeedError

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.runtime.port import Event
    from scenarios.backends.commands import Command

#: Longest start-up and longest answer to a command that does not wait for the bus.
START_NS_MAX: Final = 60_000_000_000
#: Longest line of an event; a read-out of many values is long.
LINE_BYTES_MAX: Final = 1 << 20
#: The answer by which a process says that it serves.
_READY: Final = 0


class ProcessRecorder(Recorder):
    """Takes the events of a gateway in another process."""

    def __init__(self) -> None:
        super().__init__()
        self._in_list: list[str] = []
        self._event_ns = 0

    def told(self, at_ns: int, kind: str, fields: dict[str, Any], listed: list[str]) -> None:
        """Take one event; it counts from its own time, or from the last change if that is later."""
        self._in_list = listed
        last = self.log.changes[-1].at_ns if self.log.changes else 0
        self._event_ns = max(at_ns, last)
        try:
            self.logged(at_ns, kind, fields)
        finally:
            self._event_ns = 0

    def _now(self) -> int:
        return self._event_ns or super()._now()

    def _numbers_listed(self) -> list[str]:
        return self._in_list


class ProcessStage(Stage):
    """A stage with a gateway process; `prepare` says how it is started."""

    _process: asyncio.subprocess.Process | None = None
    _recorder: ProcessRecorder

    def prepare(self, arguments: dict[str, Any], call: Any, errors: Path) -> None:
        """Take what the process is given, how to enter the runtime, and where it may complain."""
        self._arguments = arguments
        self._call = call
        self._errors = errors
        self._serving = self._rt.event()
        self._replies: dict[int, tuple[Event, list[dict[str, Any]]]] = {}
        self._number = _READY
        self._address: tuple[str, int] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._broken = ""

    # --- The process --------------------------------------------------------------------------

    def _run(self) -> None:
        self._reading = asyncio.get_running_loop().create_task(self._live())

    async def _live(self) -> None:
        """Start the process and take its lines until it ends."""
        with self._errors.open("ab") as errors:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "scenarios.backends.gateway_process",
                json.dumps(self._arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=LINE_BYTES_MAX,
            )
        assert process.stdout is not None, "it was asked for"
        while line := await process.stdout.readline():
            self._call(self._heard, json.loads(line))
        code = await process.wait()
        if code not in (0, -signal.SIGKILL):
            told = self._errors.read_text("utf-8", "replace").strip().splitlines()
            self._broken = f"the gateway process ended with {code}: {told[-1] if told else ''}"
        self._call(self._gone)

    def _heard(self, document: dict[str, Any]) -> None:
        """Take one line; runs inside the runtime."""
        if "kind" in document:
            self._recorder.told(**document)
            return
        address = document["address"]
        self._address = None if address is None else (address[0], address[1])
        if document["reply"] == _READY:
            self._serving.set()
            return
        waiting = self._replies.pop(document["reply"], None)
        if waiting is not None:
            waiting[1].append(document)
            waiting[0].set()

    def _gone(self) -> None:
        """Nobody waits for a process that has ended."""
        self._process, self._address = None, None
        for event, _ in self._replies.values():
            event.set()
        self._replies.clear()
        if self._broken:
            self._serving.set()

    async def _begin(self) -> None:
        self._run()
        await self.serving()

    async def serving(self) -> None:
        """Wait until the gateway serves; raises BackendError for one that does not start."""
        try:
            with self._rt.timeout(START_NS_MAX):
                await self._serving.wait()
        except TimeoutError:
            raise BackendError("the gateway process did not serve within 60 s") from None
        if self._broken:
            raise BackendError(self._broken)

    def _end(self) -> None:
        self.wake()
        self._kill()

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended already has no use for it.

        asyncio's own way of sending looks first whether the process has ended, and so may take its
        exit code from under the thread that waits for it.
        """
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def closed(self) -> None:
        """Wait until the process is gone."""
        self._kill()
        if self._reading is not None:
            await self._reading

    # --- What it is told ----------------------------------------------------------------------

    async def _tell(self, command: Command) -> None:
        """Send a command and wait for its answer; raises DeedError where it was refused."""
        process = self._process
        if process is None or process.stdin is None:
            return
        self._number += 1
        event, answers = self._rt.event(), list[dict[str, Any]]()
        self._replies[self._number] = (event, answers)
        process.stdin.write(json.dumps({"id": self._number, **command}).encode() + b"\n")
        await event.wait()
        if answers and answers[0]["refused"] is not None:
            raise DeedError(answers[0]["refused"])

    def hang(self) -> None:
        """Stop the process as a whole."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def power_gateway(self, *, on: bool) -> None:
        """Kill the process, or start another one on the same files."""
        if on == self._powered:
            return
        self._powered = on
        self.log.add(self._rt.now(), "gateway.powered", on)
        self._serving.clear()
        if not on:
            self._kill()
            self._recorder.went_dark()
            return
        before = self._reading

        async def again() -> None:
            if before is not None:
                await before
            await self._live()

        self._reading = asyncio.get_running_loop().create_task(again())

    def modbus_address(self) -> tuple[str, int] | None:
        """Where the gateway's Modbus server listens."""
        return self._address
