"""Carrying out the steps of a scenario: one executor for every backend.

It lives on the Runtime port, so that the same coroutines walk through a scenario in virtual time
and in real time. What a verb does to the world is the `Stage`'s; what happens when, waits for
what, and ends when, is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from reports.verdict import Verdict
from scenarios.backends.base import StepFailure
from scenarios.language.durations import show
from scenarios.language.ir import (
    Allocate,
    Every,
    Parallel,
    Poll,
    Power,
    Readout,
    Repeat,
    Scan,
    Serial,
    Start,
    Stop,
    Wait,
    WaitUntil,
)
from scenarios.language.monitor import show_value
from scenarios.polling import PollError, RegisterReader, RegisterSignals

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.runtime.port import Nursery, Runtime, Task
    from scenarios.language.diagnostics import Place
    from scenarios.language.events import Change, EventLog
    from scenarios.language.ir import Client, Registers, Scenario, Step


#: What the world is given to come to rest before the steps begin and before each command.
SETTLE_NS: Final = 20_000_000


class Stage(Protocol):
    """The world of one run, as far as steps touch it."""

    @property
    def rt(self) -> Runtime:
        """Time and tasks."""
        ...

    @property
    def log(self) -> EventLog:
        """What has been seen until now."""
        ...

    @property
    def signals(self) -> RegisterSignals:
        """Where registers that were read go."""
        ...

    async def scan(self) -> None:
        """Let the gateway search its bus; returns when it has ended, however it ended."""
        ...

    async def readout(self) -> None:
        """Let the gateway read its meters; returns when it has ended, however it ended."""
        ...

    async def allocate(self) -> None:
        """Let the gateway give registers to every meter and value that it has listed."""
        ...

    def power(self, meter: str, *, on: bool) -> None:
        """Switch a meter."""
        ...

    def modbus_address(self) -> tuple[str, int] | None:
        """Where the gateway's Modbus server listens."""
        ...


class StepError(Exception):
    """A step did not come to its end; `failure` says why and where."""

    def __init__(self, verdict: Verdict, reason: str, place: Place) -> None:
        super().__init__(reason)
        self.failure = StepFailure(verdict, reason, place)


@dataclass(slots=True)
class _Running:
    """A client that has been started."""

    task: Task[None]


class Executor:
    """Carries out one scenario on one stage; `uncertainty_ns` is that of the stage's clock."""

    def __init__(self, scenario: Scenario, stage: Stage, uncertainty_ns: int) -> None:
        self._scenario = scenario
        self._stage = stage
        self._rt = stage.rt
        self._log = stage.log
        self._uncertainty_ns = uncertainty_ns
        self._clients: dict[str, _Running] = {}
        self._background: list[Task[None]] = []
        self._now_at: Place = scenario.do.place
        self._reader = RegisterReader(stage.rt, stage.modbus_address)

    async def run(self) -> StepFailure | None:
        """Walk through the steps; returns why they ended early, or None."""
        try:
            async with self._rt.nursery() as nursery:
                await self._limited(nursery)
                for task in self._background:
                    task.cancel()
        except StepError as error:
            return error.failure
        finally:
            # Clean-up waits for the peer at most as long as one answer may take.
            await self._reader.close()
        return None

    async def _limited(self, nursery: Nursery) -> None:
        """Walk through the steps within ``limits.time``."""
        limit = self._scenario.limit_ns
        try:
            with self._rt.timeout(limit):
                await self._serial(self._scenario.do, nursery)
        except TimeoutError:
            reason = f"the run was cut after {show(limit)} (limits.time)"
            raise StepError(Verdict.INCONCLUSIVE, reason, self._now_at) from None

    async def _serial(self, serial: Serial, nursery: Nursery) -> None:
        for step in serial.steps:
            self._now_at = step.place
            await self._step(step, nursery)

    async def _step(self, step: Step, nursery: Nursery) -> None:
        match step:
            case Serial():
                await self._serial(step, nursery)
            case Parallel(steps=steps):
                async with self._rt.nursery() as side_by_side:
                    for number, one in enumerate(steps):
                        side_by_side.spawn(self._step(one, nursery), name=f"branch {number}")
            case Wait(ns=ns):
                await self._rt.sleep(ns)
            case WaitUntil():
                await self._wait_until(step)
            case Every():
                self._spawn(nursery, self._every(step, nursery), f"every, line {step.place.line}")
            case Repeat(times=times, step=inner):
                for _ in range(times):
                    await self._serial(inner, nursery)
            case _:
                await self._deed(step, nursery)

    async def _deed(self, step: Step, nursery: Nursery) -> None:
        """Do what a verb does to the world."""
        match step:
            case Scan():
                await self._command(nursery, "scan", self._stage.scan)
            case Readout():
                await self._command(nursery, "readout", self._stage.readout)
            case Allocate():
                await self._stage.allocate()
            case Poll(registers=registers):
                try:
                    await self._poll(self._reader, registers)
                except PollError as error:
                    raise StepError(Verdict.FAIL, str(error), step.place) from None
            case Power(meter=meter, on=on):
                self._stage.power(meter, on=on)
            case Start(client=name):
                await self._start(name, nursery)
            case Stop(client=name):
                running = self._clients.pop(name, None)
                if running is not None:
                    running.task.cancel()

    def _spawn(
        self, nursery: Nursery, coroutine: Coroutine[Any, Any, None], name: str
    ) -> Task[None]:
        task = nursery.spawn(coroutine, name=name)
        self._background.append(task)
        return task

    # --- Waiting ------------------------------------------------------------------------------

    async def _every(self, step: Every, nursery: Nursery) -> None:
        """Repeat on a fixed beat; a turn that lasts longer than the beat delays the next ones."""
        started, turn = self._rt.now(), 0
        while step.times is None or turn < step.times:
            await self._rt.sleep_until(started + turn * step.period_ns)
            await self._serial(step.step, nursery)
            turn += 1

    async def _wait_until(self, step: WaitUntil) -> None:
        if await self._reached(step.wanted, step.within_ns):
            return
        wanted = " and ".join(f"{path} = {show_value(value)}" for path, value in step.wanted)
        seen = ", ".join(f"{path} = {_shown(self._log.last(path))}" for path, _ in step.wanted)
        reason = f"waited {show(step.within_ns)} for {wanted}, and saw {seen}"
        if self._uncertainty_ns and await self._reached(step.wanted, self._uncertainty_ns):
            reason += "; it came later by less than this clock can tell"
            raise StepError(Verdict.INCONCLUSIVE, reason, step.place)
        raise StepError(Verdict.FAIL, reason, step.place)

    async def _reached(self, wanted: tuple[tuple[str, object], ...], within_ns: int) -> bool:
        """Wait until every path has its value; False when the time is over."""
        paths = {path for path, _ in wanted}
        changed = self._rt.event()

        def heard(change: Change) -> None:
            if change.path in paths:
                changed.set()

        def holds() -> bool:
            return all(self._log.last(path) == value for path, value in wanted)

        leave = self._log.subscribe(heard)
        try:
            with self._rt.timeout(within_ns):
                while not holds():
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return False
        finally:
            leave()
        return True

    async def _command(
        self, nursery: Nursery, name: str, command: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Give the gateway a command and go on once it has begun, so that no wait sees the past.

        A pass that falls due at this very moment is let begin first: it must not be taken for the
        one that was asked for. Commands go before what falls due later.
        """
        await self._rt.sleep(SETTLE_NS)
        begun = self._rt.event()

        def heard(change: Change) -> None:
            if change.path == f"gateway.{name}" and change.value == "running":
                begun.set()

        async def to_its_end() -> None:
            try:
                await command()
            finally:
                # A bus that cannot be opened ends a command that never began.
                begun.set()

        leave = self._log.subscribe(heard)
        try:
            self._spawn(nursery, to_its_end(), name)
            await begun.wait()
        finally:
            leave()

    # --- Reading registers --------------------------------------------------------------------

    async def _poll(self, reader: RegisterReader, registers: Registers | None) -> None:
        words = await reader.read(registers)
        self._stage.signals.took(words, everything=registers is None)

    async def _start(self, name: str, nursery: Nursery) -> None:
        if name in self._clients:
            return
        client = next(one for one in self._scenario.world.clients if one.id == name)
        task = self._spawn(nursery, self._client(client), f"client {name}")
        self._clients[name] = _Running(task)

    async def _client(self, client: Client) -> None:
        """Read again and again; what goes wrong is counted, never the end."""
        reader = RegisterReader(self._rt, self._stage.modbus_address)
        log, reads, failures = self._log, 0, 0
        log.add(self._rt.now(), f"{client.id}.errors", 0)
        started, turn = self._rt.now(), 0
        while True:
            await self._rt.sleep_until(started + turn * client.period_ns)
            try:
                await self._poll(reader, client.registers)
                reads += 1
                log.add(self._rt.now(), f"{client.id}.latency", reader.latency_ns)
                log.add(self._rt.now(), f"{client.id}.reads", reads)
            except PollError as error:
                failures += 1
                log.add(self._rt.now(), f"{client.id}.errors", failures, {"text": str(error)})
            # A read that lasted longer than the period makes the next ones follow at once.
            turn = max(turn + 1, (self._rt.now() - started) // client.period_ns)


def _shown(value: object) -> str:
    return "nothing" if value is None else show_value(value)
