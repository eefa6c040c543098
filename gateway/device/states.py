"""What the device is doing, as far as anybody outside can tell, and the events that say so.

Two things make the state: what is being done (start-up, a scan, a pass) and what is wrong. An
error outranks everything but start-up and power-off (`C-56`), and is over when the last trouble is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.device.leds import ABOVE_ERRORS, LEDS, DeviceState, Leds, Trouble

if TYPE_CHECKING:
    from gateway.runtime.port import Runtime


class States:
    """The state of one run of the device; `troubles` is shared with those who find them."""

    def __init__(self, rt: Runtime, troubles: set[Trouble]) -> None:
        self._rt = rt
        self._doing = DeviceState.STOPPED
        self.troubles = troubles
        self.state = DeviceState.STOPPED

    @property
    def leds(self) -> Leds:
        """ACT and ST."""
        return LEDS[self.state]

    def enter(self, state: DeviceState) -> None:
        """Do what `state` says, and show it unless an error outranks it."""
        self._doing = state
        self.show()

    def show(self) -> None:
        """Show what is being done and what is wrong now; what has not changed is not told."""
        state = self._doing
        if self.troubles and state not in ABOVE_ERRORS:
            state = DeviceState.ERROR
        if state is self.state:
            return
        before, self.state = LEDS[self.state], state
        self._rt.log("gateway.state", value=state.value)
        after = LEDS[state]
        if after.act is not before.act:
            self._rt.log("gateway.led.act", value=after.act.value)
        if after.st is not before.st:
            self._rt.log("gateway.led.st", value=after.st.value)
