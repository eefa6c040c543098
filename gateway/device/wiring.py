"""What is decided outside the device's own files: ports, addresses, the type plate."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.device.link import Echo


@dataclass(frozen=True, slots=True)
class Wiring:
    """What is decided outside the device's own files: ports, addresses, the type plate."""

    bus_url: str
    modbus_host: str = "0.0.0.0"
    modbus_port: int | None = None
    """Port to listen on in place of MODBUS_NWPORT; 0 takes any free one."""
    port_offset: int = 0
    """Added to MODBUS_NWPORT, so that an unprivileged process can serve 502 as 1502."""
    transport_delay_ns: int = 0
    """What the way to the bus may add to an answer: 0 on a line of the runtime's own clock."""
    echo: Echo = Echo.AUTO
    """Whether the converter sends the master's own bytes back."""
    host_clock: bool = True
    """Whether the device takes the host's time; else its clock starts at 1970 (`C-64`)."""
    serial_number: int = 75907
    unit_loads: int = 80
