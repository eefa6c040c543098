"""What carries the bytes of an M-Bus line: a tty, TCP, UDP.

A transport gives to its line what it hears (`LineUser.heard`) and the reason of its end
(`LineUser.lost`), each from a callback of the loop.
"""

from __future__ import annotations

import asyncio
import os
import select
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import serial

from gateway.io.parity_marks import MARKED, ParityMarks
from gateway.runtime.port import NS_PER_MS, Fault, LineError, LineFormat, Parity

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bytes that one look at a tty takes.
READ_BYTES: Final = 4_096

#: Bytes that may wait for a port which does not take them; more is a dead port.
PENDING_BYTES_MAX: Final = 4_096

#: How long a converter may take to accept a connection.
CONNECT_TIMEOUT_S: Final = 10.0

#: What a host adds to the silence between two characters that were sent without one: a PTY has
#: shown 150 bits at 38400 Bd, so a rule of 33 bits alone would cut telegrams.
LOCAL_TOLERANCE_NS: Final = 5 * NS_PER_MS

#: The same for characters that travel in packets (USB adapters collect for 16 ms, converters too).
PACKET_TOLERANCE_NS: Final = 25 * NS_PER_MS


class LineUser(Protocol):
    """The line that a transport serves."""

    def heard(self, data: bytes, faults: Sequence[tuple[int, Fault]] = ()) -> None:
        """Characters have come."""
        ...

    def lost(self, reason: str) -> None:
        """The transport has ended."""
        ...


# --- Serial port and PTY ------------------------------------------------------------------------


class TtyTransport:
    """A serial port or a PTY, opened by pyserial, read and written by the loop."""

    def __init__(self, line: LineUser, port: serial.Serial, *, pseudo: bool) -> None:
        self._line = line
        self._port = port
        self._pseudo = pseudo
        self._marks = None if pseudo else ParityMarks()
        self._fd: int = port.fileno()
        self._pending = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self.poll)

    @property
    def gap_tolerance_ns(self) -> int:
        """A PTY is a matter of the host alone; a real port may collect characters."""
        return LOCAL_TOLERANCE_NS if self._pseudo else PACKET_TOLERANCE_NS

    @property
    def tells_faults(self) -> bool:
        """A PTY has no parity; a serial port marks bad characters."""
        return not self._pseudo

    def send(self, data: bytes) -> None:
        """Write what the tty takes now; the loop writes the rest."""
        if len(self._pending) + len(data) > PENDING_BYTES_MAX:
            raise LineError(f"{self._port.port}: the port takes no bytes")
        self._pending += data
        self._write()

    def poll(self) -> None:
        """Read what has come."""
        while self._readable():
            try:
                data = os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._end(f"the port has vanished ({error.strerror})")
                return
            if not data:
                if self._readable():
                    self._end("the port has vanished (end of file)")
                return
            if self._marks is None:
                self._line.heard(data)
            else:
                characters, marked = self._marks.feed(data)
                self._line.heard(characters, [(index, MARKED) for index in marked])

    async def apply(self, line_format: LineFormat) -> None:
        """Reconfigure the tty behind what was sent."""
        try:
            _configure(self._port, line_format, pseudo=self._pseudo)
        except (OSError, ValueError, termios.error) as error:
            raise LineError(f"{self._port.port}: {_refusal(line_format, error)}") from None

    def close(self) -> None:
        """Give the port back."""
        self._unwatch()
        self._port.close()

    def _readable(self) -> bool:
        return self._port.is_open and bool(select.select([self._fd], [], [], 0)[0])

    def _write(self) -> None:
        try:
            written = os.write(self._fd, self._pending)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._end(f"the port has vanished ({error.strerror})")
            return
        del self._pending[:written]
        if self._pending:
            self._loop.add_writer(self._fd, self._write)
        else:
            self._loop.remove_writer(self._fd)

    def _end(self, reason: str) -> None:
        self._unwatch()
        self._line.lost(reason)

    def _unwatch(self) -> None:
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)


def open_serial(
    line: LineUser, path: str, line_format: LineFormat, *, pseudo: bool | None = None
) -> TtyTransport:
    """Open a serial port or PTY by its path; `LineError` says what the system said.

    `pseudo` overrides what the path says about being a PTY.
    """
    if pseudo is None:
        pseudo = is_pseudo_terminal(path)
    port = serial.Serial()
    try:
        port.port = path
        port.timeout = 0
        port.exclusive = True
        # A PTY refuses parity from the second opening on, so it is never asked for.
        port.parity = serial.PARITY_NONE if pseudo else line_format.parity.value
        port.bytesize = serial.EIGHTBITS if pseudo else line_format.data_bits
        port.stopbits = line_format.stop_bits
        port.baudrate = line_format.baudrate
        port.open()
        if not pseudo:
            _mark_errors(port.fileno(), line_format)
    except (OSError, ValueError, termios.error) as error:
        port.close()
        raise LineError(f"{path}: cannot open: {_refusal(line_format, error)}") from None
    return TtyTransport(line, port, pseudo=pseudo)


def is_pseudo_terminal(path: str) -> bool:
    """Whether `path`, links followed, is the terminal end of a PTY."""
    return str(Path(path).resolve()).startswith("/dev/pts/")


def _configure(port: serial.Serial, line_format: LineFormat, *, pseudo: bool) -> None:
    if pseudo:
        port.apply_settings({"baudrate": line_format.baudrate})
        return
    port.apply_settings(
        {
            "baudrate": line_format.baudrate,
            "bytesize": line_format.data_bits,
            "parity": line_format.parity.value,
            "stopbits": line_format.stop_bits,
        }
    )
    # pyserial clears both flags whenever it configures the port.
    _mark_errors(port.fileno(), line_format)


def _mark_errors(fd: int, line_format: LineFormat) -> None:
    """Let the driver check parity and mark what is wrong in place of passing it on.

    Some ports drop parity without a word and would read every character wrong: ValueError.
    """
    attributes = termios.tcgetattr(fd)
    if line_format.parity is not Parity.NONE and not attributes[2] & termios.PARENB:
        raise ValueError("the port does not do parity")
    attributes[0] |= termios.INPCK | termios.PARMRK
    attributes[0] &= ~(termios.IGNPAR | termios.ISTRIP)
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _refusal(line_format: LineFormat, error: Exception) -> str:
    # termios.error is a bare (number, text).
    text = str(error.args[-1]) if isinstance(error, termios.error) else str(error)
    characters = f"{line_format.data_bits}{line_format.parity.value}{line_format.stop_bits}"
    return f"{text} (asked for {line_format.baudrate} Bd, {characters})"


# --- TCP ----------------------------------------------------------------------------------------


class TcpTransport(asyncio.Protocol):
    """A transparent TCP converter: bytes out, bytes in, no settings."""

    gap_tolerance_ns = PACKET_TOLERANCE_NS
    tells_faults = False

    def __init__(self, line: LineUser) -> None:
        self._line = line
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the connection."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Pass characters on."""
        self._line.heard(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on."""
        self._line.lost(f"the converter has closed the connection{f' ({exc})' if exc else ''}")

    def send(self, data: bytes) -> None:
        """Write; a converter that takes nothing is a failed line."""
        if self._transport.is_closing():
            raise LineError("the connection to the converter is closed")
        if self._transport.get_write_buffer_size() + len(data) > PENDING_BYTES_MAX:
            raise LineError("the converter takes no bytes")
        self._transport.write(data)

    def poll(self) -> None:
        """Do nothing: the loop delivers as soon as it can."""

    async def apply(self, line_format: LineFormat) -> None:
        """Do nothing: the character format is set at the converter itself."""

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


async def connect_tcp(factory: Any, url: str, host: str, port: int) -> Any:
    """Open a connection for a protocol of `factory` within `CONNECT_TIMEOUT_S`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, protocol = await loop.create_connection(factory, host, port)
    except TimeoutError:
        raise LineError(f"{url}: no connection within {CONNECT_TIMEOUT_S:g} s") from None
    except OSError as error:
        raise LineError(f"{url}: cannot connect: {error.strerror or error}") from None
    return protocol


async def open_tcp(line: LineUser, host: str, port: int) -> TcpTransport:
    """Connect to a transparent converter; raises `LineError`."""
    url = f"socket://{host}:{port}"
    return cast(TcpTransport, await connect_tcp(lambda: TcpTransport(line), url, host, port))


# --- UDP ----------------------------------------------------------------------------------------


class UdpTransport(asyncio.DatagramProtocol):
    """A transparent UDP converter; lost datagrams are silence, and that is the link's matter."""

    gap_tolerance_ns = PACKET_TOLERANCE_NS
    tells_faults = False

    def __init__(self, line: LineUser) -> None:
        self._line = line
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Pass characters on; the socket is connected, so they are the converter's."""
        del addr
        if data:
            self._line.heard(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens at the converter's port (ICMP says so)."""
        self._line.lost(f"the converter refuses datagrams ({exc})")

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on."""
        self._line.lost(f"the socket is closed{f' ({exc})' if exc else ''}")

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        if self._transport.is_closing():
            raise LineError("the socket to the converter is closed")
        self._transport.sendto(data)

    def poll(self) -> None:
        """Do nothing: the loop delivers as soon as it can."""

    async def apply(self, line_format: LineFormat) -> None:
        """Do nothing: the character format is set at the converter itself."""

    def close(self) -> None:
        """Close the socket."""
        self._transport.close()


async def open_udp(line: LineUser, host: str, port: int) -> UdpTransport:
    """Make a socket for one converter; raises `LineError` when its name is unknown."""
    loop = asyncio.get_running_loop()
    try:
        _, transport = await loop.create_datagram_endpoint(
            lambda: UdpTransport(line), remote_addr=(host, port)
        )
    except OSError as error:
        raise LineError(f"udp://{host}:{port}: {error.strerror or error}") from None
    return transport
