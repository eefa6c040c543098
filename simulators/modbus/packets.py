"""Modbus connections as IP packets, for captures of what a tap has seen."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Port of Modbus TCP, and bytes that one packet carries.
MODBUS_PORT: Final = 502
SEGMENT_MAX: Final = 1460
_WINDOW: Final = 65_535
_PROTOCOL_TCP: Final = 6
_IP_HEADER: Final = 20


class Conversation:
    """One Modbus connection as IP packets, made of the bytes that passed a tap.

    Ports and order are real, headers are not: the tap sees a stream. So there is no handshake, and
    the gateway stands at port 502, where every analyser looks for Modbus.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            client = ipaddress.IPv4Address(host).packed
        except ValueError:
            client = ipaddress.IPv4Address("192.0.2.1").packed
        # An address for documentation: behind the tap there may be any gateway.
        gateway = ipaddress.IPv4Address("192.0.2.2").packed
        self._ends = ((client, port), (gateway, MODBUS_PORT))
        # The next sequence number of client and gateway.
        self._next = [1, 1]

    def packets(self, data: bytes, *, from_client: bool) -> Iterator[bytes]:
        """The packets that carry `data`."""
        me, peer = (0, 1) if from_client else (1, 0)
        for begin in range(0, len(data), SEGMENT_MAX):
            piece = data[begin : begin + SEGMENT_MAX]
            yield self._packet(me, peer, piece)
            self._next[me] = self._next[me] + len(piece) & 0xFFFF_FFFF

    def _packet(self, me: int, peer: int, piece: bytes) -> bytes:
        (source, source_port), (target, target_port) = self._ends[me], self._ends[peer]
        ports = struct.pack(">HHII", source_port, target_port, self._next[me], self._next[peer])
        # Five words of header, flags ACK and PSH.
        tcp = ports + struct.pack(">BBHHH", 5 << 4, 0x18, _WINDOW, 0, 0) + piece
        pseudo = source + target + struct.pack(">BBH", 0, _PROTOCOL_TCP, len(tcp))
        tcp = tcp[:16] + _internet_checksum(pseudo + tcp) + tcp[18:]
        size = _IP_HEADER + len(tcp)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, size, 0, 0x4000, 64, _PROTOCOL_TCP, 0)
        ip += source + target
        return ip[:10] + _internet_checksum(ip) + ip[12:] + tcp


def _internet_checksum(data: bytes) -> bytes:
    """The checksum of IP and TCP: the complement of the sum of all words."""
    words = struct.unpack(f">{len(data) // 2}H", data[: len(data) & ~1])
    total = sum(words) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)
