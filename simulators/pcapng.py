"""Captures of a simulated bus as pcapng, for Wireshark and tshark.

One packet is one frame, master's or slave's, at the time at which its last stop bit left. M-Bus has
no link type of its own, so the frames are LINKTYPE_USER0 (147); `mbus.lua` beside this module lets
Wireshark read them: ``tshark -X lua_script:mbus.lua -r capture.pcapng``. Frames that collide are
there as each slave sent them, which no capture of a real bus can show. Modbus that a tap has seen
is a second interface of the capture, as IP packets (LINKTYPE_RAW, 101).

Only what a writer needs of the format (draft-ietf-opsawg-pcapng) is here: a section header,
interfaces with times in ns, and enhanced packets with a comment and a direction.
"""

from __future__ import annotations

import struct
from importlib import resources
from typing import TYPE_CHECKING, BinaryIO, Final

from simulators.modbus.packets import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from simulators.observation import Observation

LINKTYPE_USER0: Final = 147
#: Packets that begin with their IP header.
LINKTYPE_RAW: Final = 101
#: Modbus connections that a capture remembers.
CONVERSATIONS_MAX: Final = 1024
SNAPLEN: Final = 65_535

_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE_DESCRIPTION: Final = 1
_ENHANCED_PACKET: Final = 6
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_UNKNOWN_LENGTH: Final = -1

# fmt: off
_OPTION_END: Final        = 0
_OPTION_COMMENT: Final    = 1
_OPTION_APPLICATION: Final = 4
_OPTION_NAME: Final       = 2
_OPTION_RESOLUTION: Final = 9
_OPTION_FLAGS: Final      = 2
# fmt: on
#: Times are counted in 10^-9 s.
_NANOSECONDS: Final = b"\x09"
_INBOUND: Final = 1
_OUTBOUND: Final = 2


def dissector() -> str:
    """The Lua dissector that goes with the captures."""
    file = resources.files("simulators") / "mbus.lua"
    return file.read_text(encoding="utf-8")


class Writer:
    """Writes packets of any link types to a file; `application` is who writes."""

    def __init__(self, file: BinaryIO, application: str) -> None:
        self._file = file
        self._interfaces = 0
        header = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_LENGTH)
        self._write(_SECTION_HEADER, header, [(_OPTION_APPLICATION, application.encode())])

    def interface(self, link_type: int, name: str) -> int:
        """Describe an interface, and return its number."""
        interface = struct.pack("<HHI", link_type, 0, SNAPLEN)
        options = [(_OPTION_NAME, name.encode()), (_OPTION_RESOLUTION, _NANOSECONDS)]
        self._write(_INTERFACE_DESCRIPTION, interface, options)
        self._interfaces += 1
        return self._interfaces - 1

    def packet(
        self, interface: int, at_ns: int, data: bytes, *, outbound: bool, comment: str = ""
    ) -> None:
        """Write a packet that was complete at `at_ns`, unix time in ns."""
        head = struct.pack(
            "<IIIII", interface, at_ns >> 32, at_ns & 0xFFFF_FFFF, len(data), len(data)
        )
        flags = struct.pack("<I", _OUTBOUND if outbound else _INBOUND)
        options = [(_OPTION_COMMENT, comment.encode())] if comment else []
        options.append((_OPTION_FLAGS, flags))
        self._write(_ENHANCED_PACKET, head + _padded(data), options)

    def _write(self, kind: int, body: bytes, options: Iterable[tuple[int, bytes]]) -> None:
        """One block: type and length before, length again behind."""
        for code, value in options:
            body += struct.pack("<HH", code, len(value)) + _padded(value)
        body += struct.pack("<HH", _OPTION_END, 0)
        length = len(body) + 12
        self._file.write(struct.pack("<II", kind, length) + body + struct.pack("<I", length))
        # A capture is watched while it grows, and may be cut off by a signal.
        self._file.flush()


class Capture:
    """Writes the frames of a network to a file; `epoch` is the time of day at its time 0."""

    def __init__(self, file: BinaryIO, epoch: datetime) -> None:
        # Whole seconds first: the float of a date has no room for nanoseconds.
        self._epoch_ns = int(epoch.timestamp()) * 1_000_000_000 + epoch.microsecond * 1000
        self._writer = Writer(file, "meterbench simulate")
        self._mbus = self._writer.interface(LINKTYPE_USER0, "mbus")
        self._modbus = self._writer.interface(LINKTYPE_RAW, "modbus")
        self._conversations: dict[tuple[str, int], Conversation] = {}

    def observe(self, seen: Observation) -> None:
        """Write a frame, or bytes of Modbus; anything else that was seen is passed over."""
        if seen.path == "bus.frame":
            self._frame(seen)
        elif seen.path == "modbus.bytes":
            self._bytes(seen)

    def _bytes(self, seen: Observation) -> None:
        """What passed between a Modbus client and the gateway."""
        host, port = seen.evidence["client"]
        conversation = self._conversations.get((host, port))
        if conversation is None:
            if len(self._conversations) >= CONVERSATIONS_MAX:
                del self._conversations[next(iter(self._conversations))]
            conversation = self._conversations[host, port] = Conversation(host, port)
        from_client = seen.evidence["direction"] == "client"
        for packet in conversation.packets(bytes.fromhex(seen.value), from_client=from_client):
            self._writer.packet(
                self._modbus,
                self._epoch_ns + seen.at_ns,
                packet,
                outbound=not from_client,
                comment=str(seen.evidence["direction"]),
            )

    def _frame(self, seen: Observation) -> None:
        from_master = seen.evidence["direction"] == "master"
        self._writer.packet(
            self._mbus,
            self._epoch_ns + int(seen.evidence["last_ns"]),
            bytes.fromhex(seen.value),
            outbound=from_master,
            comment="master" if from_master else f"meter {seen.evidence['meter']}",
        )


def _padded(data: bytes) -> bytes:
    """`data` filled up to whole 32-bit words."""
    return data + bytes(-len(data) % 4)
