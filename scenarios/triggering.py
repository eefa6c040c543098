"""Faults that something triggers, watched while a scenario runs.

A trigger acts inside the very event that fires it: when a meter is asked for a page, the fault is
there before the meter answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.language.ir import AtPageRequest, AtTime, AtValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.port import Nursery, Task
    from scenarios.language.events import Change
    from scenarios.language.ir import SuddenDeed, TriggeredFault
    from scenarios.stage import Stage


class Triggers:
    """The triggered faults of one run; `act` does a deed at once."""

    def __init__(
        self,
        faults: tuple[TriggeredFault, ...],
        stage: Stage,
        act: Callable[[SuddenDeed], None],
        nursery: Nursery,
    ) -> None:
        self._stage = stage
        self._act = act
        self._nursery = nursery
        self.tasks: list[Task[None]] = []
        self._leave = [self._watch(fault) for fault in faults]

    def close(self) -> None:
        """Watch no more."""
        for leave in self._leave:
            leave()
        for task in self.tasks:
            task.cancel()

    def _watch(self, fault: TriggeredFault) -> Callable[[], None]:
        """Let the trigger of `fault` be seen; returns what ends that."""
        match fault.trigger:
            case AtTime(ns=ns):
                self._later(fault, ns + fault.after_ns)
                return lambda: None
            case AtPageRequest():
                return self._at_page_request(fault, fault.trigger)
            case AtValues(wanted=wanted):
                return self._at_values(fault, wanted)

    def _at_page_request(self, fault: TriggeredFault, trigger: AtPageRequest) -> Callable[[], None]:
        path, asked = f"meter({trigger.meter}).requests", 0

        def heard(change: Change) -> None:
            nonlocal asked
            if change.path == path and change.value == trigger.page:
                asked += 1
                if trigger.number <= asked < trigger.number + fault.times:
                    self._fire(fault)

        return self._stage.log.subscribe(heard)

    def _at_values(
        self, fault: TriggeredFault, wanted: tuple[tuple[str, object], ...]
    ) -> Callable[[], None]:
        log, paths, left = self._stage.log, {path for path, _ in wanted}, fault.times
        held = all(log.last(path) == value for path, value in wanted)

        def heard(change: Change) -> None:
            nonlocal left, held
            if not left or change.path not in paths:
                return
            before, held = held, all(log.last(path) == value for path, value in wanted)
            if held and not before:
                left -= 1
                self._fire(fault)

        return log.subscribe(heard)

    # --- Firing -------------------------------------------------------------------------------

    def _fire(self, fault: TriggeredFault) -> None:
        if fault.after_ns:
            self._later(fault, fault.after_ns)
        else:
            self._do(fault)

    def _later(self, fault: TriggeredFault, ns: int) -> None:
        async def wait_and_do() -> None:
            await self._stage.rt.sleep(ns)
            self._do(fault)

        self.tasks.append(self._nursery.spawn(wait_and_do(), name=f"fault {fault.id}"))

    def _do(self, fault: TriggeredFault) -> None:
        self._stage.log.add(self._stage.rt.now(), f"fault({fault.id}).fired", True)
        for deed in fault.deeds:
            self._act(deed)
