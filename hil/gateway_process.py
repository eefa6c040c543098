"""The reference gateway as a process of its own, and in a network namespace of its own.

It is started as a user starts it, by the command line, so nothing of it can be reached but what the
operating system shows: its Modbus server, its files and the events that it writes. A namespace adds
what a device on a network has: an address of its own, at the other end of a cable (a veth pair).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from hil import programs
from hil.protocols import OFFERS, NotOfferedError, Offer, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from hil.protocols import Event

#: Longest start-up, scan and stop, in seconds.
START_LIMIT_S: Final = 30.0
SCAN_LIMIT_S: Final = 600.0
STOP_LIMIT_S: Final = 15.0

#: Pause between two looks at a file or a port, in seconds.
LOOK_S: Final = 0.05

#: Unit identifier under which the reference gateway answers for itself (C-38).
UNIT_IDENTIFIER: Final = 255

#: Networks of four addresses that a namespace may take, in the range for tests (198.18.0.0/15).
NETWORKS: Final = 16_384

_RUN: Final = "from gateway.cli import gateway_app; gateway_app()"


class Namespace:
    """A network namespace with a veth pair to it; a context manager.

    `host` is this side's address, `inside` that of the namespace. Raises `UnavailableError` with
    the system's own words where it refuses (no root, no CAP_NET_ADMIN).
    """

    def __init__(self, number: int | None = None) -> None:
        missing = programs.missing("ip")
        if missing is not None:
            raise UnavailableError(missing)
        number = (os.getpid() if number is None else number) % NETWORKS
        base = (198 << 24) + (18 << 16) + 4 * number
        self.name = f"mb{number}"
        self.host, self.inside = _dotted(base + 1), _dotted(base + 2)
        _ip("netns", "add", self.name)
        try:
            near, far = f"{self.name}a", f"{self.name}b"
            _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self.name)
            _ip("addr", "add", f"{self.host}/30", "dev", near)
            _ip("link", "set", near, "up")
            _ip("-n", self.name, "addr", "add", f"{self.inside}/30", "dev", far)
            _ip("-n", self.name, "link", "set", far, "up")
            _ip("-n", self.name, "link", "set", "lo", "up")
        except UnavailableError:
            self.close()
            raise

    def command(self, command: list[str]) -> list[str]:
        """Return `command` as it is to be run inside."""
        return ["ip", "netns", "exec", self.name, *command]

    def close(self) -> None:
        """Remove the namespace; its end of the pair, and so the pair, goes with it."""
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise UnavailableError(f"the system refuses ip {' '.join(arguments)}: {said}")


def _dotted(address: int) -> str:
    return ".".join(str(address >> shift & 0xFF) for shift in (24, 16, 8, 0))


class ReferenceProcess:
    """``meterbench gateway run`` on a bus; `data` holds its files, chip.ini among them.

    In a namespace it listens at the namespace's address, else at `modbus`. Raises
    `UnavailableError` where it does not serve in time, with what it said.
    """

    unit_identifier = UNIT_IDENTIFIER
    reference = None

    def __init__(
        self,
        name: str,
        bus_url: str,
        data: Path,
        *,
        modbus: tuple[str, int],
        transport_delay_ms: int,
        namespace: Namespace | None = None,
    ) -> None:
        self.name = name
        self.data = data
        self.offers = OFFERS["process" if namespace is None else "namespace"]
        self._namespace = namespace
        self._events = data.with_name(f"{data.name}-events.jsonl")
        self._said = data.with_name(f"{data.name}-said.txt")
        if namespace is not None and "://127." in bus_url:
            raise UnavailableError(f"{bus_url} cannot be reached from a network namespace")
        if namespace is not None:
            self.address = (namespace.inside, 502)
        else:
            self.address = (modbus[0], modbus[1] or _free_port(modbus[0]))
        self._command = [
            sys.executable, "-P", "-c", _RUN, "run",
            "--data", str(data), "--bus", bus_url, "--events", str(self._events),
            "--modbus", f"{self.address[0]}:{self.address[1]}",
            "--transport-delay", str(transport_delay_ms),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    # --- DeviceUnderTest --------------------------------------------------------------------

    @property
    def events(self) -> list[Event]:
        """What it has written until now; a line that is being written is not there yet."""
        try:
            text = self._events.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [_event(json.loads(line)) for line in lines]

    def scan(self) -> object:
        """Start it once more with ``--scan``, and wait until the search has ended."""
        before = len(self.events)
        self.power(on=False)
        self._start("--scan")
        deadline = time.monotonic() + SCAN_LIMIT_S
        while True:
            for _, kind, fields in self.events[before:]:
                if kind == "gateway.scan" and fields.get("value") in ("done", "failed"):
                    return fields
            self._alive(deadline, "did not end its scan")
            time.sleep(LOOK_S)

    def readout(self) -> None:
        """It takes no command once it runs; its own pass reads (METER_TIME)."""
        raise NotOfferedError(self.name, Offer.READOUT)

    def allocate(self) -> object:
        """It allocates by itself after a scan where MBUS_SCANMODE says so (C-20)."""
        raise NotOfferedError(self.name, Offer.ALLOCATE)

    def power(self, *, on: bool) -> None:
        """Start it, or end it as pulling the plug politely would (SIGTERM)."""
        if on and self._process is None:
            self._start()
        elif not on and self._process is not None:
            process, self._process = self._process, None
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def file(self, path: str) -> bytes:
        """One of its files."""
        return (self.data / path).read_bytes()

    def page(self) -> str:
        """The reference gateway is asked through its files and events, not its page."""
        raise NotOfferedError(self.name, Offer.PAGE)

    def close(self) -> None:
        """End it, and remove its namespace."""
        self.power(on=False)
        if self._namespace is not None:
            self._namespace.close()

    # --- Inside -----------------------------------------------------------------------------

    def _start(self, *options: str) -> None:
        if _accepts(self.address):
            place = f"{self.address[0]}:{self.address[1]}"
            raise UnavailableError(f"gateway {self.name!r}: {place} is in use already")
        command = [*self._command, *options]
        if self._namespace is not None:
            command = self._namespace.command(command)
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        deadline = time.monotonic() + START_LIMIT_S
        while not _accepts(self.address):
            try:
                self._alive(deadline, "does not serve Modbus")
            except UnavailableError:
                self.close()
                raise
            time.sleep(LOOK_S)

    def _alive(self, deadline: float, complaint: str) -> None:
        """Raise `UnavailableError` when it has ended or the time is over."""
        ended = self._process is None or self._process.poll() is not None
        if ended or time.monotonic() > deadline:
            said = self._said.read_text(encoding="utf-8", errors="replace").strip()
            last = said.splitlines()[-1] if said else "it says nothing"
            raise UnavailableError(f"gateway {self.name!r} {complaint}: {last}")


def _event(document: dict[str, Any]) -> Event:
    fields = {key: value for key, value in document.items() if key not in ("at_ns", "kind")}
    return document["at_ns"], document["kind"], fields


def _accepts(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, 1.0):
            return True
    except OSError:
        return False


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
