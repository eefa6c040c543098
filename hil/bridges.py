"""Real converters for virtual meters: socat and ser2net between a pseudo-terminal and the gateway.

Neither program was written here, so what they do to bytes, packets and settings is what a
converter does that nobody here has thought of. A pseudo-terminal behind them has no parity and no
modem lines: parity is modelled by the simulator, and ser2net is told that the port is local.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil import programs
from hil.resources import BRIDGES

if TYPE_CHECKING:
    from collections.abc import Callable

#: How long a program may take until it serves, and until it has ended, in seconds.
START_LIMIT_S: Final = 10.0
STOP_LIMIT_S: Final = 5.0

#: Pause between two looks at whether it serves, in seconds.
LOOK_S: Final = 0.02

#: After so many seconds of silence socat forgets a UDP peer, so that the next one is served.
UDP_PEER_S: Final = 2

#: How long socat listens to a master that has hung up, before it takes the next one.
TCP_LINGER_S: Final = 0.05

_SER2NET: Final = """\
connection: &bus
  accepter: {accepter}tcp,127.0.0.1,{port}
  connector: serialdev,{terminal},{baudrate}N81,local
  options:
    kickolduser: true
"""


class BridgeError(OSError):
    """The program is missing, or does not serve; the message says what it said."""


class Bridge:
    """One running program with a pseudo-terminal behind it; a context manager.

    `kind` is a key of `hil.resources.BRIDGES`. `url` is where a gateway finds the bus.
    """

    def __init__(self, kind: str, terminal: str, *, baudrate: int) -> None:
        missing = programs.missing(BRIDGES[kind])
        if missing is not None:
            raise BridgeError(missing)
        self.kind = kind
        #: Bytes cannot be asked for modem lines where there is a pseudo-terminal behind.
        self.modem_lines = False
        self._stack = ExitStack()
        self._folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="meterbench-"))
        )
        self._log = self._folder / "log"
        try:
            self.url, command = self._plan(terminal, baudrate)
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            self._stack.callback(self._end)
            self._wait()
        except BaseException:
            self._stack.close()
            raise

    def _plan(self, terminal: str, baudrate: int) -> tuple[str, list[str]]:
        """Return the URL for the gateway and the command that serves it."""
        if self.kind == "socat-pty":
            link = self._folder / "bus"
            # The terminal first: the link is there once both sides are open.
            return str(link), ["socat", f"{terminal},raw,echo=0", f"PTY,link={link},raw,echo=0"]
        if self.kind == "socat-udp":
            port = _free_port(socket.SOCK_DGRAM)
            listen = f"UDP4-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,max-children=1"
            command = ["socat", f"-T{UDP_PEER_S}", listen, f"{terminal},raw,echo=0"]
            return f"udp://127.0.0.1:{port}", command
        port = _free_port(socket.SOCK_STREAM)
        if self.kind == "socat-tcp":
            listen = f"TCP4-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,max-children=1,nodelay"
            command = ["socat", f"-t{TCP_LINGER_S}", listen, f"{terminal},raw,echo=0"]
            return f"socket://127.0.0.1:{port}", command
        remote = self.kind == "ser2net-rfc2217"
        accepter = "telnet(rfc2217=true)," if remote else ""
        configuration = self._folder / "ser2net.yaml"
        configuration.write_text(
            _SER2NET.format(accepter=accepter, port=port, terminal=terminal, baudrate=baudrate),
            encoding="utf-8",
        )
        scheme = "rfc2217" if remote else "socket"
        return f"{scheme}://127.0.0.1:{port}", ["ser2net", "-n", "-d", "-c", str(configuration)]

    def _wait(self) -> None:
        """Return once it serves; BridgeError with its own words where it does not."""
        deadline = time.monotonic() + START_LIMIT_S
        serves = self._serves()
        while not serves():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text(encoding="utf-8", errors="replace").strip()
                raise BridgeError(f"{self.kind} does not serve: {said or 'it says nothing'}")
            time.sleep(LOOK_S)

    def _serves(self) -> Callable[[], bool]:
        """Return the question whether the place is there; no connection is made to ask it."""
        if self.kind == "socat-pty":
            return Path(self.url).exists
        table = "udp" if self.kind == "socat-udp" else "tcp"
        port = int(self.url.rpartition(":")[2])
        return lambda: _listens(table, port)

    @property
    def process_id(self) -> int:
        """Process id, for tests that take the converter away."""
        return self._process.pid

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End the program."""
        self._stack.close()

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _free_port(kind: socket.SocketKind) -> int:
    """Return a port on loopback that nobody has now; these programs cannot choose one."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(table: str, port: int) -> bool:
    """Whether a socket of this host is bound to `port`, as the kernel's own table shows it."""
    wanted = f":{port:04X}"
    lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
    rows = (line.split() for line in lines)
    # State 0A is LISTEN; a datagram socket that is not connected shows 07.
    return any(row[1].endswith(wanted) and row[3] in ("0A", "07") for row in rows)
