"""The strategy: every state by those before it, each step once, broken for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hil.protocols import OFFERS, NotOfferedError, Offer
from hil.strategy import State, Strategy, StrategyError

if TYPE_CHECKING:
    from hil.buses import SimulatedConverter
    from hil.protocols import DeviceUnderTest, Event


@pytest.mark.hil(gateway="one")
def test_to_polling_and_back(strategy: Strategy, population: SimulatedConverter) -> None:
    """A fresh gateway is brought to polling; off goes through off, and it comes up again."""
    strategy.to(State.POLLING)
    assert strategy.state is State.POLLING
    strategy.to(State.SCANNED)
    assert [step.state for step in strategy.steps] == [
        State.REACHABLE,
        State.SCANNED,
        State.POLLING,
        State.OFF,
        State.POWERED,
        State.REACHABLE,
        State.SCANNED,
    ]
    assert not any(step.failure for step in strategy.steps)
    assert population.meters == ["a", "b"]


class Silent:
    """A gateway at which nobody listens: a device under test that fails where it is asked."""

    name = "silent"
    offers = OFFERS["network"] | {Offer.POWER}
    unit_identifier = 255
    reference = None

    def __init__(self) -> None:
        self.address = ("127.0.0.1", 1)
        self.switched: list[bool] = []
        self.events: list[Event] = []

    def power(self, *, on: bool) -> None:
        """Count."""
        self.switched.append(on)

    def scan(self) -> object:
        raise NotOfferedError(self.name, Offer.SCAN)

    def readout(self) -> None:
        raise NotOfferedError(self.name, Offer.READOUT)

    def allocate(self) -> object:
        raise NotOfferedError(self.name, Offer.ALLOCATE)

    def file(self, path: str) -> bytes:
        raise NotOfferedError(path, Offer.FILES)

    def page(self) -> str:
        raise NotOfferedError(self.name, Offer.PAGE)

    def close(self) -> None:
        pass


def test_broken_stays_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure, and every later call raises from it; nothing is tried again."""
    monkeypatch.setattr("hil.strategy.REACHABLE_LIMIT_S", 0.0)
    silent = Silent()
    gateway: DeviceUnderTest = silent
    strategy = Strategy(gateway)
    with pytest.raises(StrategyError, match=r"no Modbus answer: .*refused") as first:
        strategy.to(State.REACHABLE)
    with pytest.raises(StrategyError, match="not brought to off: broken since no Modbus") as later:
        strategy.to(State.OFF)
    assert later.value.__cause__ is first.value.__cause__
    assert silent.switched == []
    assert strategy.broken
    assert [bool(step.failure) for step in strategy.steps] == [True]


@pytest.mark.hil(gateway="one")
def test_gateway_that_cannot_be_told_to_scan(gateway: DeviceUnderTest) -> None:
    """One whose registers list no meter says that a person has to go to its page."""
    stranger = Silent()
    stranger.address = gateway.address
    strategy = Strategy(stranger)
    with pytest.raises(StrategyError, match="list no meter; it is to be scanned at its page"):
        strategy.to(State.SCANNED)
