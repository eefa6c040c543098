"""Carrying out the steps of a scenario: one executor for every backend.

It lives on the Runtime port, so that the same coroutines walk through a scenario in virtual time
and in real time. What a verb does to the world is the `Stage`'s; what happens when, waits for
what, and ends when, is decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from reports.verdict import Verdict
from scenarios.backends.base import StepFailure
from scenarios.clients import Clients
from scenarios.language.durations import show
from scenarios.language.ir import (
    Add,
    Allocate,
    Configure,
    Deallocate,
    Delete,
    Every,
    Hang,
    Identify,
    LineFault,
    Malformed,
    MeterFault,
    OneOf,
    Parallel,
    Poll,
    Power,
    PowerGateway,
    Readout,
    Reboot,
    Reload,
    Repeat,
    Request,
    Save,
    Scan,
    Serial,
    SetValue,
    Start,
    Stop,
    SuddenDeed,
    Wait,
    WaitUntil,
    Write,
)
from scenarios.language.monitor import show_value
from scenarios.polling import PollError, RegisterReader
from scenarios.stage import DeedError
from scenarios.triggering import Triggers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.runtime.port import Nursery, Task
    from scenarios.language.diagnostics import Place
    from scenarios.language.events import Change
    from scenarios.language.ir import Registers, Scenario, Step
    from scenarios.stage import Stage

T = TypeVar("T")

#: What the world is given to come to rest before the steps begin and before each command.
SETTLE_NS: Final = 20_000_000


class StepError(Exception):
    """A step did not come to its end; `failure` says why and where."""

    def __init__(self, verdict: Verdict, reason: str, place: Place) -> None:
        super().__init__(reason)
        self.failure = StepFailure(verdict, reason, place)


class Executor:
    """Carries out one scenario on one stage; `uncertainty_ns` is that of the stage's clock."""

    def __init__(self, scenario: Scenario, stage: Stage, uncertainty_ns: int) -> None:
        self._scenario = scenario
        self._stage = stage
        self._rt = stage.rt
        self._log = stage.log
        self._uncertainty_ns = uncertainty_ns
        self._clients = Clients(scenario.world.clients, stage)
        self._background: list[Task[None]] = []
        self._nursery: Nursery
        self._now_at: Place = scenario.do.place
        self._reader = RegisterReader(stage.rt, stage.modbus_address)

    async def run(self) -> StepFailure | None:
        """Walk through the steps; returns why they ended early, or None."""
        try:
            async with self._rt.nursery() as nursery:
                self._nursery = nursery
                triggers = Triggers(self._scenario.faults, self._stage, self._sudden, nursery)
                try:
                    await self._limited()
                finally:
                    triggers.close()
                for task in self._background:
                    task.cancel()
        except StepError as error:
            return error.failure
        finally:
            # Clean-up waits for the peer at most as long as one answer may take.
            await self._clients.close()
            await self._reader.close()
        return None

    async def _limited(self) -> None:
        """Walk through the steps within ``limits.time``."""
        limit = self._scenario.limit_ns
        try:
            with self._rt.timeout(limit):
                await self._serial(self._scenario.do)
        except TimeoutError:
            reason = f"the run was cut after {show(limit)} (limits.time)"
            raise StepError(Verdict.INCONCLUSIVE, reason, self._now_at) from None

    async def _serial(self, serial: Serial) -> None:
        for step in serial.steps:
            self._now_at = step.place
            await self._step(step)

    async def _step(self, step: Step) -> None:
        match step:
            case Serial():
                await self._serial(step)
            case Parallel(steps=steps):
                async with self._rt.nursery() as side_by_side:
                    for number, one in enumerate(steps):
                        side_by_side.spawn(self._step(one), name=f"branch {number}")
            case Wait(ns=ns):
                await self._rt.sleep(ns)
            case WaitUntil():
                await self._wait_until(step)
            case Every():
                self._spawn(self._every(step), f"every, line {step.place.line}")
            case Repeat(times=times, step=inner):
                for _ in range(times):
                    await self._serial(inner)
            case OneOf():
                await self._one_of(step)
            case _:
                await self._deed(step)

    async def _one_of(self, step: OneOf) -> None:
        """Draw one of the steps; which one is in the trace."""
        chosen = self._rt.rng(f"one_of({step.number})").randrange(len(step.steps))
        self._log.add(self._rt.now(), f"one_of({step.number}).chosen", chosen)
        await self._step(step.steps[chosen])

    # --- Deeds --------------------------------------------------------------------------------

    async def _deed(self, step: Step) -> None:
        """Do what a verb does to the world; what the world refuses is a FAIL at its line."""
        try:
            if isinstance(step, SuddenDeed):
                self._sudden(step)
                if isinstance(step, PowerGateway) and step.on:
                    await self._stage.serving()
            elif not await self._of_client(step):
                await self._of_gateway(step)
        except (DeedError, PollError) as error:
            raise StepError(Verdict.FAIL, str(error), step.place) from None

    async def _of_gateway(self, step: Step) -> None:
        stage = self._stage
        match step:
            case Scan():
                await self._command("scan", stage.scan)
            case Readout(meter=meter):
                await self._command("readout", lambda: stage.readout(meter))
            case Allocate():
                await stage.allocate()
            case Save(refused=refused):
                await _refusing(stage.save, refused=refused, what="save")
            case Reboot():
                await stage.reboot()
            case Configure(refused=refused):

                async def change() -> None:
                    await stage.edit(step)

                await _refusing(change, refused=refused, what="change that")
            case Add() | Delete() | Deallocate() | Reload():
                await stage.edit(step)
            case Write(file=file, text=text):
                stage.write(file, text)
            case _:
                raise AssertionError(f"no deed for {type(step).__name__}")

    async def _of_client(self, step: Step) -> bool:
        """Do what a client does; False for a step that is about something else."""
        match step:
            case Poll(registers=registers):
                await self._poll(registers)
            case Start(client=name):
                self._background += self._clients.start(name, self._nursery)
            case Stop(client=name):
                self._clients.stop(name)
            case Request():
                await self._clients.request(step)
            case Identify():
                await self._clients.identify(step)
            case Malformed():
                await self._clients.malformed(step)
            case _:
                return False
        return True

    def _sudden(self, deed: SuddenDeed) -> None:
        """Do what happens at once, and see to it that it ends."""
        stage = self._stage
        match deed:
            case Power(meters=meters, on=on):
                for meter in meters:
                    stage.power(meter, on=on)
            case PowerGateway(on=on):
                stage.power_gateway(on=on)
            case SetValue(meters=meters, record=record, value=value):
                for meter in meters:
                    stage.set_value(meter, record, value)
            case Hang(ns=ns):
                stage.hang()
                self._end_after(ns, stage.wake)
            case MeterFault(meters=meters, fault=fault, ns=ns):
                for meter in meters:
                    stage.meter_fault(meter, fault)
                self._end_after(ns, lambda: _end(stage, deed))
            case LineFault(fault=fault, ns=ns):
                stage.line_fault(fault)
                self._end_after(ns, lambda: _end(stage, deed))

    def _end_after(self, ns: int | None, end: Callable[[], None]) -> None:
        """Call `end` in `ns`, beside what follows; never for None."""
        if ns is None:
            return

        async def wait_and_end() -> None:
            await self._rt.sleep(ns)
            end()

        self._spawn(wait_and_end(), "end of a deed")

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> Task[None]:
        task = self._nursery.spawn(coroutine, name=name)
        self._background.append(task)
        return task

    # --- Waiting ------------------------------------------------------------------------------

    async def _every(self, step: Every) -> None:
        """Repeat on a fixed beat; a turn that lasts longer than the beat delays the next ones."""
        started, turn = self._rt.now(), 0
        while step.times is None or turn < step.times:
            await self._rt.sleep_until(started + turn * step.period_ns)
            await self._serial(step.step)
            turn += 1

    async def _wait_until(self, step: WaitUntil) -> None:
        if await self._reached(step, step.within_ns):
            return
        wanted = " and ".join(f"{path} = {show_value(value)}" for path, value in step.wanted)
        seen = ", ".join(f"{path} = {_shown(self._log.last(path))}" for path, _ in step.wanted)
        reason = f"waited {show(step.within_ns)} for {wanted}, and saw {seen}"
        if self._uncertainty_ns and await self._reached(step, self._uncertainty_ns):
            reason += "; it came later by less than this clock can tell"
            raise StepError(Verdict.INCONCLUSIVE, reason, step.place)
        raise StepError(Verdict.FAIL, reason, step.place)

    async def _reached(self, step: WaitUntil, within_ns: int) -> bool:
        """Wait until every path has its value; False when the time is over."""
        wanted = dict(step.wanted)
        changed = self._rt.event()
        occurred: set[str] = set()

        def heard(change: Change) -> None:
            if change.path not in wanted:
                return
            if change.path in step.events and change.value == wanted[change.path]:
                occurred.add(change.path)
            changed.set()

        def holds() -> bool:
            return all(
                path in occurred if path in step.events else self._log.last(path) == value
                for path, value in wanted.items()
            )

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

    async def _command(self, name: str, command: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Give the gateway a command and go on once it has begun, so that no wait sees the past.

        A pass that falls due at this very moment is let begin first: it must not be taken for the
        one that was asked for. Commands go before what falls due later.
        """
        await self._rt.sleep(SETTLE_NS)
        begun = self._rt.event()
        refused: list[DeedError] = []

        def heard(change: Change) -> None:
            if change.path == f"gateway.{name}" and change.value == "running":
                begun.set()

        async def to_its_end() -> None:
            try:
                await command()
            except DeedError as error:
                refused.append(error)
            finally:
                # A bus that cannot be opened ends a command that never began.
                begun.set()

        leave = self._log.subscribe(heard)
        try:
            self._spawn(to_its_end(), name)
            await begun.wait()
        finally:
            leave()
        if refused:
            raise refused[0]

    # --- Reading registers --------------------------------------------------------------------

    async def _poll(self, registers: Registers | None) -> None:
        words = await self._reader.read(registers)
        self._stage.signals.took(words, everything=registers is None)


async def _refusing(
    act: Callable[[], Coroutine[Any, Any, None]], *, refused: bool, what: str
) -> None:
    """Do something that the gateway may have to refuse; raises DeedError if it does not."""
    try:
        await act()
    except DeedError:
        if not refused:
            raise
        return
    if refused:
        raise DeedError(f"the gateway was to refuse to {what}, and did it")


def _end(stage: Stage, deed: MeterFault | LineFault) -> None:
    """End the fault that a deed began."""
    if isinstance(deed, LineFault):
        stage.line_fault(_kind_of(deed.fault))
        return
    for meter in deed.meters:
        stage.meter_fault(meter, _kind_of(deed.fault))


def _kind_of(fault: T | type[T]) -> type[T]:
    return fault if isinstance(fault, type) else type(fault)


def _shown(value: object) -> str:
    return "nothing" if value is None else show_value(value)
