"""Serial ports by a name that stays: what /dev/serial/by-id and USB say, and the device now.

A device path such as /dev/ttyUSB0 is an accident of the order of plugging. A bench file names the
adapter; `locate` finds the device at the moment of use, so an adapter that came back under another
device name is found again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from serial.tools import list_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Where udev keeps stable names of serial ports.
BY_ID: Final = Path("/dev/serial/by-id")


class SerialPlace(Protocol):
    """A resource that names a serial port in one of three ways (`hil.resources`)."""

    @property
    def id(self) -> str | None:
        """Name below /dev/serial/by-id."""
        ...

    @property
    def vid_pid(self) -> str | None:
        """USB vendor and product id, four hexadecimal digits each."""
        ...

    @property
    def serial_number(self) -> str | None:
        """USB serial number."""
        ...

    @property
    def device(self) -> str | None:
        """Device path."""
        ...


def locate(
    place: SerialPlace,
    *,
    by_id: Path = BY_ID,
    ports: Callable[[], Iterable[Any]] = list_ports.comports,
) -> str:
    """Return the device path of a serial port as it is now.

    Raises LookupError where there is none or more than one, with what was found in its place.
    """
    if place.device is not None:
        return place.device
    if place.id is not None:
        link = by_id / place.id
        if not link.exists():
            has = ", ".join(sorted(one.name for one in by_id.glob("*"))) or "nothing"
            raise LookupError(f"there is no device {link} (there is {has})")
        return str(link)
    assert place.vid_pid is not None, "a bench file names a port in one of three ways"
    wanted = place.vid_pid.upper()
    same = [port for port in ports() if _vid_pid(port) == wanted]
    if place.serial_number is not None:
        same = [port for port in same if port.serial_number == place.serial_number]
    which = f"{wanted} with serial number {place.serial_number}" if place.serial_number else wanted
    if not same:
        has = ", ".join(sorted({_vid_pid(port) for port in ports()} - {""})) or "none"
        raise LookupError(f"there is no USB serial adapter {which} (there is {has})")
    if len(same) > 1:
        found = ", ".join(f"{port.device}: {port.serial_number}" for port in same)
        raise LookupError(f"{len(same)} adapters are {which}; add serial_number: one of {found}")
    return str(same[0].device)


def _vid_pid(port: Any) -> str:
    return f"{port.vid:04X}:{port.pid:04X}" if port.vid is not None else ""
