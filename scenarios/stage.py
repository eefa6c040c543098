"""What a world must let a scenario do to it, whatever it is made of.

A method without ``async`` happens at once, and also works when a trigger calls it. What a backend
cannot do it never claims (`vocabulary.Capability`), so it is never asked for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gateway.runtime.port import Runtime
    from scenarios.language.events import EventLog
    from scenarios.language.ir import Add, Configure, Deallocate, Delete, Reload
    from scenarios.polling import RegisterSignals
    from scenarios.tearing import Tearing
    from simulators import faults as meter_faults
    from simulators import line_faults


class DeedError(Exception):
    """The world refuses a deed; the message says why. It is a finding about the gateway."""


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

    @property
    def tearing(self) -> Tearing:
        """Where values that were read are compared with what was sent."""
        ...

    # --- The gateway --------------------------------------------------------------------------

    async def scan(self) -> None:
        """Let the gateway search its bus; returns when it has ended, however it ended."""
        ...

    async def readout(self, meter: str | None) -> None:
        """Let it read one meter, or all; returns when it has ended.

        DeedError for a meter that is not in its list.
        """
        ...

    async def allocate(self) -> None:
        """Let the gateway give registers to every meter and value that it has listed."""
        ...

    async def save(self) -> None:
        """Let it save what was changed; DeedError where it refuses."""
        ...

    async def edit(self, deed: Configure | Add | Delete | Deallocate | Reload) -> None:
        """Change something as a page does; DeedError where the gateway refuses."""
        ...

    async def reboot(self) -> None:
        """Restart the gateway; returns when it serves again."""
        ...

    async def serving(self) -> None:
        """Wait until the gateway, which is being switched on, serves."""
        ...

    def write(self, file: str, text: str) -> None:
        """Replace a file of the gateway."""
        ...

    def hang(self) -> None:
        """Let the gateway hang until `wake`."""
        ...

    def wake(self) -> None:
        """End what `hang` began, if the gateway has not been restarted since."""
        ...

    def power_gateway(self, *, on: bool) -> None:
        """Switch the gateway."""
        ...

    def modbus_address(self) -> tuple[str, int] | None:
        """Where the gateway's Modbus server listens."""
        ...

    # --- Meters and line ----------------------------------------------------------------------

    def power(self, meter: str, *, on: bool) -> None:
        """Switch a meter."""
        ...

    def meter_fault(self, meter: str, fault: meter_faults.Fault | type[meter_faults.Fault]) -> None:
        """Begin a fault of a meter, or end the one of a class."""
        ...

    def line_fault(self, fault: line_faults.LineFault | type[line_faults.LineFault]) -> None:
        """Begin a fault of line or converter, or end the one of a class."""
        ...

    def set_value(self, meter: str, record: int, value: Any) -> None:
        """Let a record have another value from now on; DeedError where it cannot."""
        ...
