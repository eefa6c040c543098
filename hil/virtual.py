"""A virtual converter: a simulated network that a gateway opens by a URL, in real time.

It stands where a real M-Bus converter would stand, behind a pseudo-terminal or a TCP port, paced
like the line. What is on the bus is known, so a checker can ask `network` for the truth.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

import simpy

from hil.serial_endpoint import SerialEndpoint
from simulators import endpoints
from simulators.network import Network

if TYPE_CHECKING:
    from simulators.endpoints import Endpoint
    from simulators.population import Population

#: Speed of the line where neither the caller nor the population names one.
BAUDRATE_DEFAULT: Final = 2400
#: Any free port on loopback.
ANY_TCP: Final = "tcp:127.0.0.1:0"


class VirtualConverter:
    """A population behind ``pty:PATH``, ``tcp:HOST:PORT`` or a serial port, until `close`."""

    def __init__(self, network: Network, endpoint: Endpoint, epoch_s: int) -> None:
        self.network = network
        #: Unix time at the network's time 0, whole seconds.
        self.epoch_s = epoch_s
        self._endpoint = endpoint

    @classmethod
    async def start(
        cls,
        population: Population,
        *,
        where: str = ANY_TCP,
        seed: int | str = 1,
        baudrate: int | None = None,
        speed: float = 1.0,
    ) -> Self:
        """Put `population` on a line and open it at `where`.

        Raises `simulators.endpoints.EndpointError`, an OSError, when the place cannot be had.
        """
        rate = baudrate or population.baudrate or BAUDRATE_DEFAULT
        network = Network(simpy.Environment(), population, seed=seed, baudrate=rate)
        endpoint = await endpoints.serve(network, where, speed=speed)
        return cls(network, endpoint, int(time.time()))

    @property
    def where(self) -> str:
        """The place, with the port that was really bound."""
        return self._endpoint.where

    @property
    def url(self) -> str:
        """How a gateway opens it: a device path, ``socket://``, ``udp://`` or ``rfc2217://``."""
        kind, _, place = self.where.partition(":")
        return place if kind == "pty" else f"{'socket' if kind == 'tcp' else kind}://{place}"

    async def close(self) -> None:
        """Take the line away; a gateway that has it open sees it vanish."""
        await self._endpoint.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    @classmethod
    async def start_on_port(
        cls,
        population: Population,
        path: str,
        *,
        seed: int | str = 1,
        baudrate: int | None = None,
    ) -> Self:
        """Let `population` answer at the serial port `path`, for a gateway at its other end.

        Raises `simulators.endpoints.EndpointError`, an OSError, when it cannot be opened.
        """
        rate = baudrate or population.baudrate or BAUDRATE_DEFAULT
        network = Network(simpy.Environment(), population, seed=seed, baudrate=rate)
        return cls(network, SerialEndpoint(network, path), int(time.time()))
