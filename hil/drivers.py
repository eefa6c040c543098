"""Drivers: a `Wire` for each kind of converter, a `Switchable` for each kind of switch.

A driver knows one kind of resource (`hil.resources`) and offers one protocol (`hil.protocols`).
The converters are opened by pyserial and by sockets, not by the gateway's own ports: what a probe
says is then a second opinion.
"""

from __future__ import annotations

import select
import socket
import subprocess
import termios
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import serial
from pymodbus import ModbusException
from pymodbus.client import ModbusTcpClient

from gateway.io.line_transports import is_pseudo_terminal
from hil import serial_ports
from hil.protocols import ParitySupport, UnavailableError
from hil.resources import (
    CoilSwitch,
    CommandSwitch,
    Rfc2217Converter,
    SerialConverter,
    SocketConverter,
    UdpConverter,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.port import LineFormat
    from hil.protocols import Switchable, Wire
    from hil.resources import RealBus, Switch

#: How long a converter may take to be opened, in seconds.
OPEN_LIMIT_S: Final = 10.0

#: Bytes taken at a time, and how long one look at a port lasts at most, in seconds.
READ_SIZE: Final = 4096
LOOK_S: Final = 0.05


def _listen(
    read: Callable[[float], bytes], limit_ns: int, done: Callable[[bytes], bool]
) -> list[tuple[int, bytes]]:
    """Collect chunks with their times until `done` with all of them, or for `limit_ns`."""
    end, heard, chunks = time.monotonic_ns() + limit_ns, b"", list[tuple[int, bytes]]()
    while not done(heard):
        left = end - time.monotonic_ns()
        if left <= 0:
            break
        data = read(min(left / 1e9, LOOK_S))
        if data:
            chunks.append((time.monotonic_ns(), data))
            heard += data
    return chunks


# --- Converters -------------------------------------------------------------------------------


class SerialWire:
    """A serial port, or a pseudo-terminal in place of one, opened by pyserial."""

    def __init__(self, path: str, line_format: LineFormat) -> None:
        self.url = path
        self._pseudo = is_pseudo_terminal(path)
        self._port = serial.Serial()
        self._port.port = path
        self._port.timeout = 0
        self._port.exclusive = True
        self._settings(line_format)
        try:
            self._port.open()
        except (OSError, ValueError, termios.error) as error:
            raise UnavailableError(f"{path}: cannot be opened: {error}") from None

    def _settings(self, line_format: LineFormat) -> None:
        self._port.baudrate = line_format.baudrate
        self._port.stopbits = line_format.stop_bits
        # A pseudo-terminal refuses parity and 7 bits, from the second opening on even both.
        self._port.parity = serial.PARITY_NONE if self._pseudo else line_format.parity.value
        self._port.bytesize = 8 if self._pseudo else line_format.data_bits

    @property
    def parity(self) -> ParitySupport:
        """Whether the driver has kept the parity that it was asked for."""
        if self._pseudo:
            return ParitySupport.NONE
        flags = termios.tcgetattr(self._port.fileno())[2]
        kept = bool(flags & termios.PARENB)
        return ParitySupport.CHECKED if kept else ParitySupport.NONE

    @property
    def modem_lines(self) -> str:
        """CTS, DSR, CD and RI as the port shows them."""
        try:
            lines = {name: getattr(self._port, name) for name in ("cts", "dsr", "cd", "ri")}
        except (OSError, termios.error) as error:
            return f"none: {error.args[-1]}"
        return ", ".join(f"{name.upper()} {'on' if on else 'off'}" for name, on in lines.items())

    def set_format(self, line_format: LineFormat) -> None:
        """Reconfigure the port."""
        try:
            self._settings(line_format)
        except (ValueError, termios.error) as error:
            raise OSError(f"{self.url}: {error}") from error

    def send(self, data: bytes) -> int:
        """Write to the port."""
        at = time.monotonic_ns()
        self._port.write(data)
        return at

    def receive(self, limit_ns: int, done: Callable[[bytes], bool]) -> list[tuple[int, bytes]]:
        """Read from the port."""
        return _listen(self._read, limit_ns, done)

    def _read(self, limit_s: float) -> bytes:
        ready, _, _ = select.select([self._port.fileno()], [], [], limit_s)
        return bytes(self._port.read(READ_SIZE)) if ready else b""

    def close(self) -> None:
        """Give the port back."""
        self._port.close()


class SocketWire:
    """A transparent converter over TCP or UDP."""

    parity = ParitySupport.UNKNOWN
    modem_lines = "none: bytes over a socket carry no modem lines"

    def __init__(self, url: str, line_format: LineFormat) -> None:
        self.url = url
        del line_format
        parts = urlsplit(url)
        address = (str(parts.hostname), int(parts.port or 0))
        try:
            if parts.scheme == "udp":
                self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self._socket.connect(address)
            else:
                self._socket = socket.create_connection(address, OPEN_LIMIT_S)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise UnavailableError(f"{url}: cannot be opened: {error.strerror or error}") from None

    def set_format(self, line_format: LineFormat) -> None:
        """Nothing can be set from here."""

    def send(self, data: bytes) -> int:
        """Write to the socket."""
        at = time.monotonic_ns()
        self._socket.sendall(data)
        return at

    def receive(self, limit_ns: int, done: Callable[[bytes], bool]) -> list[tuple[int, bytes]]:
        """Read from the socket."""
        return _listen(self._read, limit_ns, done)

    def _read(self, limit_s: float) -> bytes:
        ready, _, _ = select.select([self._socket], [], [], limit_s)
        if not ready:
            return b""
        data = self._socket.recv(READ_SIZE)
        if not data:
            raise ConnectionError(f"{self.url}: the converter has closed the connection")
        return data

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class Rfc2217Wire:
    """A remote serial port, opened by pyserial's own client, in a thread with a time limit.

    Without `modem_lines` the control lines of the far port are left alone (``ign_set_control``):
    a port without any would refuse them.
    """

    def __init__(self, url: str, line_format: LineFormat, *, modem_lines: bool) -> None:
        self.url = url
        self._lines = modem_lines
        options = "" if modem_lines else "?ign_set_control"
        self._port: Any = _in_thread(
            lambda: serial.serial_for_url(
                f"{url}{options}",
                baudrate=line_format.baudrate,
                bytesize=line_format.data_bits,
                parity=line_format.parity.value,
                stopbits=line_format.stop_bits,
                timeout=LOOK_S,
            ),
            url,
        )

    @property
    def parity(self) -> ParitySupport:
        """The server has confirmed it, or the port would not be open."""
        return ParitySupport.CLAIMED

    @property
    def modem_lines(self) -> str:
        """CTS, DSR, CD and RI as the server has told them."""
        if not self._lines:
            return "none: the bench file says modem_lines: false"
        try:
            lines = {name: getattr(self._port, name) for name in ("cts", "dsr", "cd", "ri")}
        except (OSError, serial.SerialException) as error:
            return f"none: {error}"
        return ", ".join(f"{name.upper()} {'on' if on else 'off'}" for name, on in lines.items())

    def set_format(self, line_format: LineFormat) -> None:
        """Ask the server for another format."""
        self._port.apply_settings(
            {
                "baudrate": line_format.baudrate,
                "bytesize": line_format.data_bits,
                "parity": line_format.parity.value,
                "stopbits": line_format.stop_bits,
            }
        )

    def send(self, data: bytes) -> int:
        """Write to the server."""
        at = time.monotonic_ns()
        self._port.write(data)
        return at

    def receive(self, limit_ns: int, done: Callable[[bytes], bool]) -> list[tuple[int, bytes]]:
        """Read what the server has delivered."""
        return _listen(self._read, limit_ns, done)

    def _read(self, limit_s: float) -> bytes:
        # The limit is that of the opening: pyserial negotiates anew whenever it is changed.
        del limit_s
        data = self._port.read(1)
        return bytes(data + self._port.read(self._port.in_waiting)) if data else b""

    def close(self) -> None:
        """Hang up."""
        self._port.close()


def _in_thread(opening: Callable[[], Any], url: str) -> Any:
    """Open in a thread: pyserial waits for the far end with sleeps that nothing else can end."""
    result: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(opening())
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run, name=f"opening {url}", daemon=True)
    with warnings.catch_warnings():
        # pyserial 3.5 makes its reader a daemon in a way that Python has deprecated.
        warnings.filterwarnings(
            "ignore", message=r"set(Daemon|Name)\(\)", category=DeprecationWarning
        )
        thread.start()
        thread.join(OPEN_LIMIT_S)
    if result:
        return result[0]
    reason = str(failure[0]) if failure else f"no agreement within {OPEN_LIMIT_S:g} s"
    raise UnavailableError(f"{url}: cannot be opened: {reason}")


def open_wire(bus: RealBus) -> Wire:
    """Open the converter of a real bus; raises `UnavailableError` with the reason."""
    if isinstance(bus, SerialConverter):
        try:
            return SerialWire(serial_ports.locate(bus), bus.line_format)
        except LookupError as error:
            raise UnavailableError(str(error.args[0])) from error
    if isinstance(bus, Rfc2217Converter):
        return Rfc2217Wire(bus.where, bus.line_format, modem_lines=bus.modem_lines)
    assert isinstance(bus, SocketConverter | UdpConverter), bus
    return SocketWire(bus.where, bus.line_format)


def open_url(url: str, line_format: LineFormat) -> Wire:
    """Open a converter by the URL by which a gateway opens it; raises `UnavailableError`."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        return SerialWire(url, line_format)
    if scheme == "rfc2217":
        return Rfc2217Wire(url, line_format, modem_lines=False)
    return SocketWire(url, line_format)


# --- Switches ---------------------------------------------------------------------------------


class CommandSwitchDriver:
    """A switch that a program turns; its exit code 0 means that it has."""

    def __init__(self, name: str, switch: CommandSwitch) -> None:
        self.name = name
        self._entry = switch

    def switch(self, *, on: bool) -> None:
        """Run the program."""
        command = self._entry.on if on else self._entry.off
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=self._entry.limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            reason = f"took longer than {self._entry.limit_s:g} s"
            raise UnavailableError(f"switch {self.name!r}: {command[0]} {reason}") from None
        except OSError as error:
            raise UnavailableError(f"switch {self.name!r}: {error}") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
            raise UnavailableError(f"switch {self.name!r}: {command[0]}: {said}")

    def make_safe(self) -> None:
        """Put it into its position of the safe state."""
        self.switch(on=self._entry.safe == "on")


class CoilSwitchDriver:
    """A switch that is a coil of a Modbus device."""

    def __init__(self, name: str, switch: CoilSwitch) -> None:
        self.name = name
        self._entry = switch

    def switch(self, *, on: bool) -> None:
        """Write the coil, and take nothing but its echo for success."""
        entry, value = self._entry, on != self._entry.inverted
        client: Any = ModbusTcpClient(entry.host, port=entry.port, timeout=OPEN_LIMIT_S, retries=0)
        try:
            if not client.connect():
                raise ModbusException("cannot connect")
            answer = client.write_coil(entry.coil, value, device_id=entry.unit_identifier)
            if answer.isError():
                raise ModbusException(f"refused with {answer}")
        except (OSError, ModbusException) as error:
            raise UnavailableError(f"switch {self.name!r}: {entry.where}: {error}") from error
        finally:
            client.close()

    def make_safe(self) -> None:
        """Put it into its position of the safe state."""
        self.switch(on=self._entry.safe == "on")


def open_switch(name: str, switch: Switch) -> Switchable:
    """Return the driver of a switch; nothing is touched until it is switched."""
    if isinstance(switch, CommandSwitch):
        return CommandSwitchDriver(name, switch)
    return CoilSwitchDriver(name, switch)
