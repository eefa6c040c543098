"""Modbus/UDP: one datagram is one ADU, and no state is kept between two of them (UDP-01).

The only memory is how much each source was answered lately: a UDP answer is up to 21 times as long
as its request, so a spoofed source could turn the gateway into an amplifier. The limit per source
lets through whatever a polling master does and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.modbus import mbap
from gateway.modbus.pdu import EXCEPTION_BIT
from gateway.modbus.server import answer
from gateway.modbus.session import Counters
from gateway.runtime.port import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.modbus.identification import Identification
    from gateway.modbus.server import Image

#: Sources whose rate is remembered; the one silent for longest is forgotten first.
SOURCES_MAX: Final = 1024


def datagram(image: Image, identification: Identification, data: bytes) -> bytes | None:
    """Answer one datagram; None for all that is not exactly one Modbus ADU.

    Runts, trailing bytes, a length that does not fit and another protocol are dropped in silence
    (UDP-01): on UDP an error answer could only hit somebody who never asked.
    """
    if not mbap.ADU_SIZE_MIN <= len(data) <= mbap.ADU_SIZE_MAX:
        return None
    transaction_identifier, protocol_identifier, length = mbap.PREFIX.unpack_from(data)
    if protocol_identifier != mbap.PROTOCOL_IDENTIFIER or length != len(data) - mbap.PREFIX_SIZE:
        return None
    unit_identifier = data[mbap.PREFIX_SIZE]
    pdu = answer(image, unit_identifier, data[mbap.HEADER_SIZE :], identification)
    return mbap.adu(transaction_identifier, unit_identifier, pdu)


@dataclass(frozen=True, slots=True)
class Rate:
    """Answers per source: `per_second` in the long run, `burst` at once."""

    per_second: int = 1000
    burst: int = 2000


class Datagrams:
    """The UDP server: `received` answers a datagram or drops it.

    `counters` has the requests and exceptions as for TCP; `dropped` in it counts what was no ADU
    and `throttled` what came too fast. With `debug` (MODBUS_DEBUGOUT) every ADU goes to `log`.
    """

    def __init__(
        self,
        image: Callable[[], Image],
        identification: Identification,
        *,
        rate: Rate | None = None,
        log: Callable[..., None] | None = None,
        debug: bool = False,
    ) -> None:
        self._image = image
        self._identification = identification
        self._rate = Rate() if rate is None else rate
        self._interval = NS_PER_S // self._rate.per_second
        #: Per source address: the time up to which its answers are used up.
        self._used_until: dict[str, int] = {}
        self._log = log if debug else None
        self.counters = Counters()

    def received(self, peer: tuple[str, int], data: bytes, now: int) -> bytes | None:
        """Answer the datagram `data` from `peer`, or drop it (None)."""
        response = datagram(self._image(), self._identification, data)
        if response is None:
            self.counters.dropped += 1
            return None
        if not self._admitted(peer[0], now):
            self.counters.throttled += 1
            return None
        self.counters.requests += 1
        if response[mbap.HEADER_SIZE] & EXCEPTION_BIT:
            self.counters.exceptions[response[mbap.HEADER_SIZE + 1]] += 1
        if self._log is not None:
            self._log("modbus.received", peer=peer, adu=data.hex())
            self._log("modbus.sent", peer=peer, adu=response.hex())
        return response

    def _admitted(self, host: str, now: int) -> bool:
        """Whether the source may be answered now; each answer uses up one interval of time."""
        used_until = max(self._used_until.pop(host, now), now)
        allowed = used_until - now < self._rate.burst * self._interval
        # Taken out and put back: the order of the table is that of the last datagram.
        self._used_until[host] = used_until + self._interval if allowed else used_until
        if len(self._used_until) > SOURCES_MAX:
            del self._used_until[next(iter(self._used_until))]
        return allowed
