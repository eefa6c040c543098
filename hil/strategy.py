"""The states that a gateway on the bench can be brought to, and the steps between them.

off → powered → reachable → scanned → polling. A step is tried once: a gateway that did not come up
is a finding, and a second attempt would hide it. After a failure the strategy is broken, and every
later call raises with the first cause. To go back to a lower state is to go through off.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Final

from hil.modbus_client import ModbusClient
from hil.protocols import Offer
from simulators.modbus import layout
from simulators.modbus.pdu import Registers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hil.leases import Lease
    from hil.protocols import DeviceUnderTest, Switchable

#: Longest wait for each state, in seconds.
REACHABLE_LIMIT_S: Final = 120.0
SCANNED_LIMIT_S: Final = 60.0
POLLING_LIMIT_S: Final = 300.0

#: Pause between two looks at the registers, in seconds.
LOOK_S: Final = 0.2


@unique
class State(IntEnum):
    """What a gateway is known to do; each includes the ones before."""

    OFF = 0
    POWERED = 1
    REACHABLE = 2
    SCANNED = 3
    POLLING = 4


class StrategyError(Exception):
    """A state was not reached; `__cause__` is the first failure, whichever call this is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One transition as it was made, for a report; `failure` is empty for one that succeeded."""

    state: State
    seconds: float
    failure: str = ""


class Strategy:
    """Brings one gateway from state to state.

    `switches` are put into their safe position by `make_safe`. `lease` is checked before each
    step. A gateway that was opened serves Modbus, so it begins as POWERED.
    """

    def __init__(
        self,
        gateway: DeviceUnderTest,
        *,
        switches: Sequence[Switchable] = (),
        lease: Lease | None = None,
    ) -> None:
        self.state = State.POWERED
        self.steps: list[Step] = []
        self._gateway = gateway
        self._switches = switches
        self._lease = lease
        self._cause: BaseException | None = None
        self._deeds: dict[State, Callable[[], None]] = {
            State.OFF: self._off,
            State.POWERED: self._power,
            State.REACHABLE: self._reach,
            State.SCANNED: self._scan,
            State.POLLING: self._poll,
        }

    @property
    def broken(self) -> bool:
        """Whether a step has failed; nothing is tried any more."""
        return self._cause is not None

    def to(self, wanted: State) -> None:
        """Bring the gateway to a state, by every state between; raises StrategyError."""
        self._refuse_if_broken(wanted)
        if wanted < self.state:
            self._step(State.OFF)
        while self.state < wanted:
            self._step(State(self.state + 1))

    def make_safe(self) -> None:
        """Put every switch into its safe position, whatever state there was."""
        for switch in self._switches:
            switch.make_safe()

    # --- Steps --------------------------------------------------------------------------------

    def _refuse_if_broken(self, wanted: State) -> None:
        if self._cause is not None:
            name = self._gateway.name
            message = f"{name} is not brought to {wanted.name.lower()}: broken since {self._cause}"
            raise StrategyError(message) from self._cause

    def _step(self, state: State) -> None:
        started = time.monotonic()
        try:
            if self._lease is not None:
                self._lease.check()
            self._deeds[state]()
        except Exception as error:
            self._cause = error
            self.steps.append(Step(state, time.monotonic() - started, str(error)))
            self._refuse_if_broken(state)
        self.steps.append(Step(state, time.monotonic() - started))
        self.state = state

    def _off(self) -> None:
        self._gateway.power(on=False)

    def _power(self) -> None:
        """A gateway whose supply nobody can switch is taken to have it."""
        if Offer.POWER in self._gateway.offers:
            self._gateway.power(on=True)

    def _reach(self) -> None:
        """Wait for an answer to a read of its first ten registers, whatever the answer is."""
        deadline = time.monotonic() + REACHABLE_LIMIT_S
        while True:
            try:
                with self._client() as client:
                    client.read(0, 10)
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no Modbus answer: {error}") from error
            time.sleep(LOOK_S)

    def _scan(self) -> None:
        """Let it find its meters; one that cannot be told to must have them in its registers."""
        gateway = self._gateway
        if Offer.SCAN in gateway.offers:
            gateway.scan()
        if Offer.READOUT in gateway.offers:
            gateway.readout()
        if Offer.ALLOCATE in gateway.offers:
            gateway.allocate()
        if not self._meters_within(SCANNED_LIMIT_S if Offer.SCAN in gateway.offers else 0.0):
            told = "" if Offer.SCAN in gateway.offers else "; it is to be scanned at its page"
            raise TimeoutError(f"its registers list no meter{told}")

    def _poll(self) -> None:
        """Wait until every meter in its registers has been read at least once."""
        deadline = time.monotonic() + POLLING_LIMIT_S
        while True:
            meters = self._meters()
            if meters and all(group.meter.time_stamp for group in meters):
                return
            if time.monotonic() > deadline:
                silent = [group.meter for group in meters if not group.meter.time_stamp]
                names = ", ".join(str(meter.serial_number) for meter in silent)
                raise TimeoutError(f"never read within {POLLING_LIMIT_S:g} s: {names}")
            time.sleep(LOOK_S)

    # --- Registers ----------------------------------------------------------------------------

    def _meters_within(self, limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        while not self._meters():
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_S)
        return True

    def _meters(self) -> list[layout.MeterGroup]:
        """Return the meters that the registers list; none where nothing is mapped."""
        with self._client() as client:
            if not isinstance(client.read(0, 10), Registers):
                return []
            groups, _ = layout.group(client.survey())
        return groups

    def _client(self) -> ModbusClient:
        host, port = self._gateway.address
        return ModbusClient(host, port, unit_identifier=self._gateway.unit_identifier)
