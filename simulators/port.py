"""The master's port on a simulated bus, in virtual time.

Structurally the `Line` of the device's runtime port, without naming it: the classes of the result
and of the error are handed in by whoever opens the port. A read costs one timer, not an event per
character; when somebody begins to talk, the read is planned again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from simulators.characters import Fault, Format, Transmission, bit_ticks, to_ticks
from simulators.converter import State
from simulators.line import Bus, call_at, now_ns
from simulators.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Character formats of a serial port that the simulated line can carry.
_DATA_BITS: Final = 8
_PARITIES: Final = "NEOMS"


class Received(NamedTuple):
    """What one `SimulatedPort.receive` heard, where the opener wants no class of its own."""

    data: bytes
    faults: tuple[tuple[int, Fault], ...] | None
    first_ns: int | None
    last_ns: int | None


R = TypeVar("R")


class SimulatedPort(Generic[R]):
    """A serial port of the master; `rt` is the runtime whose tasks call it.

    `rt` gives ``now()``, ``sleep_until()``, ``event()`` and, as ``line_error``, the class of the
    error by which a line fails. `line_format` has ``baudrate``, ``data_bits``, ``parity`` (whose
    ``value`` is pyserial's letter) and ``stop_bits``. `received` makes the result from data,
    faults, first_ns and last_ns; `fault` makes the fault of a character from 1 (parity), 2
    (framing) or 3.
    """

    def __init__(
        self,
        rt: Any,
        bus: Bus,
        line_format: Any,
        *,
        received: Callable[..., R] = Received,  # type: ignore[assignment]
        fault: Callable[[int], Any] = Fault,
    ) -> None:
        self._rt = rt
        self._bus = bus
        self._received = received
        self._fault = fault
        self._error: type[OSError] = getattr(rt, "line_error", OSError)
        self._wake = rt.event()
        self._plan = 0
        self._disturbed = False
        self._closed = False
        self._format = line_format
        self._lost = bus.converter.state is State.GONE
        self._check_open()
        self._receiver = Receiver(
            self._character_format(line_format),
            since=to_ticks(now_ns(bus.env)),
            path=bus.converter,
        )
        self._leaves = (
            bus.listen(self._heard, self._changed),
            bus.converter.watch(self._converter_changed),
        )

    @property
    def format(self) -> Any:
        """The format in force, as it was given."""
        return self._format

    async def write(self, data: bytes) -> int:
        """Send `data`; returns the time (ns) at which its last stop bit has left."""
        self._check_open()
        end = self._bus.send("master", data, self._receiver.format)
        # What slaves make of it was put into the heap before this, so it happens before.
        await self._rt.sleep_until(end)
        return end

    async def receive(self, missing: Callable[[bytes], int], *, by: int, gap: int) -> R:
        """Listen for one answer: until it is complete, or a silence, or nothing by `by`."""
        while True:
            self._check_open()
            reading = self._receiver.plan(missing, by=by, gap=gap)
            if await self._undisturbed_until(reading.at_ns):
                break
        data, faults = reading.data, reading.faults
        self._receiver.take(len(data), self._rt.now())
        return self._received(
            data=data,
            faults=tuple([(index, self._fault(what)) for index, what in faults]) if faults else (),
            first_ns=reading.first_ns,
            last_ns=reading.last_ns,
        )

    async def _undisturbed_until(self, at_ns: int) -> bool:
        """Wait for the end of a plan; False when somebody begins to talk, or closes, before it."""
        if at_ns < self._rt.now():
            return True
        # A limit that is now still gives way to what happens in this instant.
        self._plan += 1
        plan = self._plan
        self._disturbed = False
        self._wake.clear()
        call_at(self._bus.env, at_ns, lambda: self._planned(plan), late=True)
        await self._wake.wait()
        return not self._disturbed

    def _planned(self, plan: int) -> None:
        """The end of a plan has come; one that was given up or replaced wakes nobody."""
        if plan == self._plan:
            self._wake.set()

    def flush(self) -> bytes:
        """Forget, and return, the characters that have arrived and were not received."""
        return self._receiver.flush(self._rt.now())

    async def set_format(self, line_format: Any) -> None:
        """Change the character format; an answer that is on its way is heard from its middle."""
        self._check_open()
        form = self._character_format(line_format)
        self._receiver.set_format(form, self._rt.now())
        self._format = line_format

    async def close(self) -> None:
        """Give the port back; a pending `receive` ends with the line's error."""
        if not self._closed:
            self._closed = True
            for leave in self._leaves:
                leave()
            self._disturb()

    def _heard(self, transmissions: Sequence[Transmission]) -> None:
        """Somebody is going to talk: whoever waits must plan again."""
        if self._bus.converter.state is State.WORKING:
            self._receiver.add(transmissions)
            self._disturb()

    def _changed(self) -> None:
        """Somebody who was going to talk falls silent, or the bus has failed."""
        self._receiver.refresh()
        self._disturb()

    def _converter_changed(self) -> None:
        """The converter behaves differently; one that vanishes takes the open port with it."""
        state = self._bus.converter.state
        self._lost = self._lost or state is State.GONE
        if state is not State.WORKING:
            self._receiver.forget(self._rt.now())
        self._changed()

    def _disturb(self) -> None:
        self._disturbed = True
        self._wake.set()

    def _check_open(self) -> None:
        """The line's error where the port is closed, its converter gone or the bus down."""
        if self._closed:
            raise self._error("the port is closed")
        if self._lost:
            raise self._error("the converter has vanished")
        if self._bus.failure is not None:
            raise self._error(self._bus.failure)

    def _character_format(self, line_format: Any) -> Format:
        """The format in our terms; the line's error for what no M-Bus line can be set to."""
        parity = getattr(line_format.parity, "value", line_format.parity)
        if line_format.data_bits != _DATA_BITS or parity not in _PARITIES:
            raise self._error(f"the simulated line carries 8 data bits, got {line_format}")
        try:
            bit_ticks(line_format.baudrate)
        except ValueError as error:
            raise self._error(str(error)) from error
        return Format(line_format.baudrate, parity, line_format.stop_bits)
