"""The device's Modbus server: on TCP or UDP as chip.ini says, started again by a Save.

The sessions themselves are pure objects of `gateway.modbus`; what they are shown is the register
image of the moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.device import plans
from gateway.modbus.datagram import Datagrams
from gateway.modbus.session import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.device.configuration import Configuration
    from gateway.device.wiring import Wiring
    from gateway.registers.image import RegisterImage
    from gateway.runtime.port import Runtime, Server


class ModbusServer:
    """One server at a time; `sessions` has the counters of whatever transport is in use."""

    def __init__(self, rt: Runtime, wiring: Wiring, image: Callable[[], RegisterImage]) -> None:
        self._rt = rt
        self._wiring = wiring
        self._image = image
        self._server: Server | None = None
        self._asked: tuple[str, int, str] | None = None
        self.sessions: Sessions | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port that are listened at; None before or where the server is disabled."""
        return None if self._server is None else self._server.address

    async def start(self, configuration: Configuration) -> str:
        """Listen as `configuration` says; returns what it does, in words.

        Raises OSError, naming the address, when it cannot be bound.
        """
        identification = plans.identification(self._wiring.unit_loads)
        debug, log = bool(configuration.modbus_debugout), self._rt.log
        limits = plans.limits(configuration)
        self.sessions = Sessions(self._image, identification, limits=limits, log=log, debug=debug)
        if not configuration.modbus_enable:
            return "Modbus is disabled (MODBUS_ENABLE=0)"
        host, port, mode = self._asked = self._place(configuration)
        if mode == "UDP":
            datagrams = Datagrams(self._image, identification, log=log, debug=debug)
            # One set of counters, whatever the transport: the page shows one server.
            datagrams.counters = self.sessions.counters
            self._server = await self._rt.serve_datagram((host, port), datagrams.received)
        else:
            self._server = await self._rt.serve_stream((host, port), self.sessions.opened)
        host, port = self._server.address
        return f"Modbus {mode} on {host}:{port}"

    async def stop(self) -> None:
        """Stop listening and end the connections."""
        if self._server is not None:
            await self._server.close()
            self._server = None

    async def try_port(self, configuration: Configuration) -> None:
        """Raise OSError for a place that cannot be listened at, while the old one still serves."""
        host, port, mode = place = self._place(configuration)
        if not configuration.modbus_enable or (self._server is not None and place == self._asked):
            return
        if mode == "UDP":
            probe = await self._rt.serve_datagram((host, port), lambda *_: None)
        else:
            probe = await self._rt.serve_stream((host, port), lambda *_: None)
        await probe.close()

    def _place(self, configuration: Configuration) -> tuple[str, int, str]:
        port = self._wiring.modbus_port
        if port is None:
            port = configuration.modbus_nwport + self._wiring.port_offset
        return self._wiring.modbus_host, port, configuration.modbus_mode
