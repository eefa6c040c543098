"""A remote serial port by RFC 2217: Telnet with the COM port control option.

`ComPort` is the pure half: bytes of the connection in, characters, faults and replies out.
`Rfc2217Transport` moves them. The converter is asked for binary transfer, the line format, and
notice of parity and framing errors; where it does not agree to the last, faults are unknown.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final, cast

from gateway.io.line_transports import (
    PACKET_TOLERANCE_NS,
    PENDING_BYTES_MAX,
    LineUser,
    connect_tcp,
)
from gateway.runtime.port import Fault, LineError, LineFormat, Parity

#: How long a converter may take to agree to the settings.
AGREE_TIMEOUT_S: Final = 5.0

#: Longest subnegotiation that is kept; COM port control needs six bytes.
SUBNEGOTIATION_BYTES_MAX: Final = 64


@unique
class Telnet(IntEnum):
    """Commands of Telnet that are used here."""

    SE = 240
    SB = 250
    WILL = 251
    WONT = 252
    DO = 253
    DONT = 254
    IAC = 255


BINARY: Final = 0
SUPPRESS_GO_AHEAD: Final = 3
COM_PORT: Final = 44
OPTIONS: Final = (BINARY, SUPPRESS_GO_AHEAD, COM_PORT)


@unique
class ComPortCommand(IntEnum):
    """Requests of COM port control; the converter answers with its code, 100 higher."""

    SET_BAUDRATE = 1
    SET_DATASIZE = 2
    SET_PARITY = 3
    SET_STOPSIZE = 4
    NOTIFY_LINESTATE = 6
    SET_LINESTATE_MASK = 10
    PURGE_DATA = 12


SERVER_OFFSET: Final = 100
PARITY_CODES: Final = {
    Parity.NONE: 1,
    Parity.ODD: 2,
    Parity.EVEN: 3,
    Parity.MARK: 4,
    Parity.SPACE: 5,
}
LINESTATE_PARITY: Final = 0x04
LINESTATE_FRAMING: Final = 0x08
PURGE_BOTH: Final = 3


@dataclass(slots=True)
class Arrived:
    """What one chunk of the connection held."""

    data: bytes = b""
    faults: list[tuple[int, Fault]] = field(default_factory=list)
    replies: bytes = b""


class ComPort:
    """Client half of the protocol; a chunk may end anywhere."""

    def __init__(self) -> None:
        self._state = "data"
        self._command = 0
        self._subnegotiation = bytearray()
        self._offered: set[tuple[int, int]] = set()
        #: What the converter has confirmed: command -> value bytes.
        self.confirmed: dict[int, bytes] = {}
        self.refused = False
        #: A fault that was told before any character of its chunk: it is the next one's.
        self._fault_ahead = Fault(0)

    @property
    def notifies_faults(self) -> bool:
        """Whether the converter has agreed to tell of parity and framing errors."""
        mask = self.confirmed.get(ComPortCommand.SET_LINESTATE_MASK, b"\0")
        wanted = LINESTATE_PARITY | LINESTATE_FRAMING
        return bool(mask) and mask[0] & wanted == wanted

    def opening(self) -> bytes:
        """Bytes that offer and ask for the options."""
        sent = bytearray()
        for option in OPTIONS:
            for verb in (Telnet.WILL, Telnet.DO):
                self._offered.add((verb, option))
                sent += bytes((Telnet.IAC, verb, option))
        return bytes(sent)

    def settings(self, line_format: LineFormat) -> bytes:
        """Bytes that ask for a character format and for notice of errors."""
        wanted = {
            ComPortCommand.SET_BAUDRATE: line_format.baudrate.to_bytes(4, "big"),
            ComPortCommand.SET_DATASIZE: bytes((line_format.data_bits,)),
            ComPortCommand.SET_PARITY: bytes((PARITY_CODES[line_format.parity],)),
            ComPortCommand.SET_STOPSIZE: bytes((line_format.stop_bits,)),
            ComPortCommand.SET_LINESTATE_MASK: bytes((LINESTATE_PARITY | LINESTATE_FRAMING,)),
        }
        for command in wanted:
            self.confirmed.pop(command, None)
        return b"".join(_subnegotiation(command, value) for command, value in wanted.items())

    def agreed(self, line_format: LineFormat) -> bool:
        """Whether the converter has confirmed this character format."""
        return (
            self.confirmed.get(ComPortCommand.SET_BAUDRATE)
            == line_format.baudrate.to_bytes(4, "big")
            and self.confirmed.get(ComPortCommand.SET_DATASIZE) == bytes((line_format.data_bits,))
            and self.confirmed.get(ComPortCommand.SET_PARITY)
            == bytes((PARITY_CODES[line_format.parity],))
            and self.confirmed.get(ComPortCommand.SET_STOPSIZE) == bytes((line_format.stop_bits,))
        )

    @staticmethod
    def escaped(data: bytes) -> bytes:
        """Characters as they are sent: FF doubled."""
        return data.replace(b"\xff", b"\xff\xff")

    def feed(self, chunk: bytes) -> Arrived:
        """Take bytes of the connection."""
        arrived = Arrived()
        characters = bytearray()
        for byte in chunk:
            handler = getattr(self, f"_in_{self._state}")
            handler(byte, characters, arrived)
        arrived.data = bytes(characters)
        return arrived

    # --- One method a state ---------------------------------------------------------------------

    def _in_data(self, byte: int, characters: bytearray, arrived: Arrived) -> None:
        if byte == Telnet.IAC:
            self._state = "command"
        else:
            self._character(byte, characters, arrived)

    def _in_command(self, byte: int, characters: bytearray, arrived: Arrived) -> None:
        self._state = "data"
        if byte == Telnet.IAC:
            self._character(byte, characters, arrived)
        elif byte in (Telnet.WILL, Telnet.WONT, Telnet.DO, Telnet.DONT):
            self._command = byte
            self._state = "option"
        elif byte == Telnet.SB:
            self._subnegotiation.clear()
            self._state = "subnegotiation"

    def _in_option(self, byte: int, characters: bytearray, arrived: Arrived) -> None:
        del characters
        self._state = "data"
        verb = self._command
        # A server is asked to DO it; ser2net also says that it WON'T itself, which refuses nothing.
        if byte == COM_PORT and verb == Telnet.DONT:
            self.refused = True
        if verb == Telnet.DO:
            self._answer(Telnet.WILL if byte in OPTIONS else Telnet.WONT, byte, arrived)
        elif verb == Telnet.WILL:
            self._answer(Telnet.DO if byte in OPTIONS else Telnet.DONT, byte, arrived)

    def _in_subnegotiation(self, byte: int, characters: bytearray, arrived: Arrived) -> None:
        del characters, arrived
        if byte == Telnet.IAC:
            self._state = "subnegotiation_command"
        elif len(self._subnegotiation) < SUBNEGOTIATION_BYTES_MAX:
            self._subnegotiation.append(byte)

    def _in_subnegotiation_command(
        self, byte: int, characters: bytearray, arrived: Arrived
    ) -> None:
        if byte == Telnet.IAC:
            self._state = "subnegotiation"
            self._subnegotiation.append(byte)
            return
        self._state = "data"
        if byte == Telnet.SE and len(self._subnegotiation) >= 2:
            option, command, *value = self._subnegotiation
            if option == COM_PORT:
                self._notified(command - SERVER_OFFSET, bytes(value), characters, arrived)

    # --- Meaning --------------------------------------------------------------------------------

    def _answer(self, verb: int, option: int, arrived: Arrived) -> None:
        """Answer an option once; what was offered by us needs no second word."""
        if (verb, option) not in self._offered:
            self._offered.add((verb, option))
            arrived.replies += bytes((Telnet.IAC, verb, option))

    def _notified(
        self, command: int, value: bytes, characters: bytearray, arrived: Arrived
    ) -> None:
        if command != ComPortCommand.NOTIFY_LINESTATE:
            self.confirmed[command] = value
            return
        state = value[0] if value else 0
        fault = Fault(0)
        if state & LINESTATE_PARITY:
            fault |= Fault.PARITY
        if state & LINESTATE_FRAMING:
            fault |= Fault.FRAMING
        if not fault:
            return
        # Converters tell of an error beside the character: behind it, or ahead of the first.
        if characters:
            arrived.faults.append((len(characters) - 1, fault))
        else:
            self._fault_ahead |= fault

    def _character(self, byte: int, characters: bytearray, arrived: Arrived) -> None:
        if self._fault_ahead:
            arrived.faults.append((len(characters), self._fault_ahead))
            self._fault_ahead = Fault(0)
        characters.append(byte)


def _subnegotiation(command: int, value: bytes) -> bytes:
    inner = bytes((COM_PORT, command)) + ComPort.escaped(value)
    return bytes((Telnet.IAC, Telnet.SB)) + inner + bytes((Telnet.IAC, Telnet.SE))


class Rfc2217Transport(asyncio.Protocol):
    """Moves the bytes of a `ComPort`."""

    gap_tolerance_ns = PACKET_TOLERANCE_NS

    def __init__(self, line: LineUser) -> None:
        self._line = line
        self._port = ComPort()
        self._transport: asyncio.Transport
        self._news = asyncio.Event()
        self._ended = False

    @property
    def tells_faults(self) -> bool:
        """Whether the converter has agreed to tell."""
        return self._port.notifies_faults

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Offer the options at once."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._port.opening())

    def data_received(self, data: bytes) -> None:
        """Reply to what is protocol, pass on what is characters."""
        arrived = self._port.feed(data)
        if arrived.replies:
            self._transport.write(arrived.replies)
        if arrived.data:
            self._line.heard(arrived.data, arrived.faults)
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on."""
        self._ended = True
        self._news.set()
        self._line.lost(f"the converter has closed the connection{f' ({exc})' if exc else ''}")

    def send(self, data: bytes) -> None:
        """Write characters."""
        if self._transport.is_closing():
            raise LineError("the connection to the converter is closed")
        if self._transport.get_write_buffer_size() + len(data) > PENDING_BYTES_MAX:
            raise LineError("the converter takes no bytes")
        self._transport.write(self._port.escaped(data))

    def poll(self) -> None:
        """Do nothing: the loop delivers as soon as it can."""

    async def apply(self, line_format: LineFormat) -> None:
        """Ask for a format and wait until the converter has confirmed it."""
        self._transport.write(self._port.settings(line_format))
        try:
            async with asyncio.timeout(AGREE_TIMEOUT_S):
                while not self._port.agreed(line_format):
                    if self._ended or self._port.refused:
                        raise LineError("the converter does not speak RFC 2217")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise LineError(
                f"the converter has not confirmed {line_format.baudrate} Bd, "
                f"{line_format.data_bits}{line_format.parity.value}{line_format.stop_bits} "
                f"within {AGREE_TIMEOUT_S:g} s"
            ) from None

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


async def open_rfc2217(
    line: LineUser, host: str, port: int, line_format: LineFormat
) -> Rfc2217Transport:
    """Connect to a converter and agree on the format; raises `LineError`."""
    url = f"rfc2217://{host}:{port}"
    opened = await connect_tcp(lambda: Rfc2217Transport(line), url, host, port)
    transport = cast(Rfc2217Transport, opened)
    try:
        await transport.apply(line_format)
    except LineError as error:
        transport.close()
        raise LineError(f"{url}: {error}") from None
    return transport
