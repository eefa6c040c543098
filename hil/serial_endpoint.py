"""A simulated bus on a real serial port: the simulator in place of the meters.

The port leads to an M-Bus slave interface, and behind that to the bus of a gateway that is not
ours. In tests it is one end of a pair of pseudo-terminals.
"""

from __future__ import annotations

import asyncio
import os
import termios
from typing import TYPE_CHECKING, Final

import serial

from gateway.io.line_transports import is_pseudo_terminal
from simulators.endpoints import EndpointError
from simulators.realtime import HOST_PAUSE_NS, Master, RealTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.characters import Fault
    from simulators.network import Network

#: Bytes taken from the port at a time.
READ_SIZE: Final = 4096


class SerialEndpoint:
    """A network behind a serial port; what comes is put on the bus, what meters say goes out."""

    def __init__(self, network: Network, path: str) -> None:
        """Open `path`; raises EndpointError."""
        self._path = path
        pseudo = is_pseudo_terminal(path)
        form = network.bus.format
        self._port = serial.Serial()
        try:
            self._port.port = path
            self._port.timeout = 0
            self._port.exclusive = True
            self._port.baudrate = form.baudrate
            self._port.parity = serial.PARITY_NONE if pseudo else form.parity
            self._port.open()
        except (OSError, ValueError, termios.error) as error:
            raise EndpointError(f"cannot open {path}: {error}") from None
        network.clock = RealTime(network.env, 1.0)
        network.bus.tolerate(HOST_PAUSE_NS)
        self._master = Master(network, network.clock, self._deliver)
        self._loop = asyncio.get_running_loop()
        self._fd: int = self._port.fileno()
        self._loop.add_reader(self._fd, self._readable)
        network.clock.arm()

    @property
    def where(self) -> str:
        """``serial:PATH``."""
        return f"serial:{self._path}"

    async def close(self) -> None:
        """Give the port back."""
        self._loop.remove_reader(self._fd)
        self._master.close()
        self._port.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            # The other end has gone; the port is silent from now on.
            self._loop.remove_reader(self._fd)
            return
        if data:
            self._master.send(data)

    def _deliver(self, data: bytes, _faults: Sequence[tuple[int, Fault]]) -> None:
        """Send characters; what a full port does not take is lost, as on a line."""
        try:
            os.write(self._fd, data)
        except OSError:
            return
