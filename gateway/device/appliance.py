"""The one door to the device: commands, queries and nothing else (`SVC-02`).

Whoever stands outside (the command line, a scenario, later the web page) talks to an `Appliance`.
Commands wait for their turn on the bus; queries give immutable answers at once. A reboot starts a
new `Device` on the same storage, which is all that survives it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.device.device import BusFigures, Device, Ending, Wiring

if TYPE_CHECKING:
    from gateway.device.book import ListedMeter
    from gateway.device.configuration import Configuration
    from gateway.device.leds import DeviceState, Leds
    from gateway.device.meter_list import Meter
    from gateway.device.readings import MeterReading
    from gateway.device.scan import ScanReport
    from gateway.modbus.session import Client, Counters
    from gateway.runtime.port import Runtime


@dataclass(frozen=True, slots=True)
class MeterView:
    """One row of the meter list with its values, as it stands now.

    `entry` is a copy: changing it changes nothing in the device.
    """

    entry: Meter
    reading: MeterReading
    identification_number: str


class Appliance:
    """A gateway that can be switched on, asked and told; `wiring` says what it is connected to."""

    def __init__(self, rt: Runtime, wiring: Wiring) -> None:
        self._rt = rt
        self._wiring = wiring
        self._device = Device(rt, wiring)
        self._ready = rt.event()
        self._stopped = False

    async def run(self) -> Ending:
        """Run until `stop`; a reboot starts over with what the storage holds.

        Raises OSError, naming the address, when the Modbus port cannot be bound.
        """
        while True:
            ending = await self._device.run(self._ready)
            self._ready.clear()
            if ending is Ending.STOP or self._stopped:
                return Ending.STOP
            self._device = Device(self._rt, self._wiring)

    # --- Commands -----------------------------------------------------------------------------
    #
    # A command waits for its turn on the bus. It raises InterruptedError, an OSError, when the
    # device ends before it is done, and at once when the device has ended.

    async def ready(self) -> None:
        """Wait until the start-up is over and the Modbus server listens."""
        await self._ready.wait()

    async def scan(self) -> ScanReport:
        """Search the bus for meters (`MET-04`); raises `LineError` when the bus fails."""
        report: ScanReport = await self._device.submit("scan", self._device.scan)
        return report

    async def readout(self, identification_number: str | None = None) -> None:
        """Read every active meter now, or one; the cycle goes on as planned (`MET-04`).

        Raises KeyError for a number that is not in the list.
        """
        device = self._device
        meters = device.book.active()
        if identification_number is not None:
            meters = [m for m in meters if m.identification_number == identification_number]
            if not meters:
                raise KeyError(identification_number)

        async def action() -> None:
            await device.read_out(meters, forced=True)

        await device.submit("readout", action)

    async def allocate(self) -> list[str]:
        """Give every entry its registers (`MET-06`, `C-67`); returns what did not fit, in words."""
        device = self._device

        async def action() -> list[str]:
            texts = device.allocate()
            device.save()
            return texts

        texts: list[str] = await device.submit("allocate", action)
        return texts

    async def save(self) -> None:
        """Write the meter list; raises OSError when the storage cannot take it."""
        device = self._device

        async def action() -> None:
            device.save()

        await device.submit("save", action)

    def reboot(self) -> None:
        """Restart and initialise everything anew (`SVC-02`); `ready` waits for the new start."""
        self._ready.clear()
        self._device.end(Ending.REBOOT)

    def stop(self) -> None:
        """Switch off; what is under way on the bus is cut."""
        self._stopped = True
        self._device.end(Ending.STOP)

    # --- Queries ------------------------------------------------------------------------------

    def state(self) -> DeviceState:
        """What the device is doing."""
        return self._device.state

    def leds(self) -> Leds:
        """ACT and ST (`LED-01`, `LED-02`)."""
        return self._device.leds

    def configuration(self) -> Configuration:
        """The settings in force."""
        return self._device.configuration

    def modbus_address(self) -> tuple[str, int] | None:
        """Host and port of the Modbus server; None where there is none."""
        return self._device.modbus_address

    def figures(self) -> BusFigures:
        """What the master has done on the bus."""
        return self._device.figures

    def counters(self) -> Counters | None:
        """Requests, exceptions and connections of the Modbus server; None before it started."""
        sessions = self._device.sessions
        return sessions.counters if sessions is not None else None

    def clients(self) -> list[Client]:
        """The Modbus connections that are open now."""
        sessions = self._device.sessions
        return sessions.clients() if sessions is not None else []

    def meters(self) -> list[MeterView]:
        """The meter list in its order, with the last readings."""
        return [_view(meter) for meter in self._device.book.meters]

    def registers(self, unit_identifier: int, starting_address: int, quantity: int) -> bytes:
        """What a Modbus client would read now; raises `UnmappedAddress`, a LookupError."""
        return self._device.image.read(unit_identifier, starting_address, quantity)


def _view(meter: ListedMeter) -> MeterView:
    values = [replace(value) for value in meter.entry.values]
    entry = replace(meter.entry, values=values)
    return MeterView(entry, meter.reading, meter.identification_number)
