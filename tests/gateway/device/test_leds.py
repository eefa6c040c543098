"""The two indicators: every state has the colours of worked examples 13."""

from __future__ import annotations

import pytest

from gateway.device.leds import ABOVE_ERRORS, LEDS, DeviceState


@pytest.mark.parametrize(
    ("state", "act", "st"),
    [
        ("stopped", "off", "off"),
        ("starting", "off", "orange"),
        ("error", "off", "red"),
        ("scan", "off", "orange_flashing"),
        ("readout", "green", "green"),
        ("running", "off", "green"),
    ],
)
def test_colours(state: str, act: str, st: str) -> None:
    """LED-01, LED-02, C-56: ACT and ST of each state."""
    leds = LEDS[DeviceState(state)]
    assert (leds.act.value, leds.st.value) == (act, st)


def test_every_state_has_its_colours() -> None:
    """No state is without a row."""
    assert set(LEDS) == set(DeviceState)


def test_only_start_up_and_rest_outrank_an_error() -> None:
    """The first two rows of the table stand above the error."""
    assert {DeviceState.STOPPED, DeviceState.STARTING} == ABOVE_ERRORS
