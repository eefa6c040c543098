"""The notification protocol of service managers: sd_notify, without a library.

A manager such as systemd names a datagram socket in NOTIFY_SOCKET and, where it watches, an
interval in WATCHDOG_USEC. Without them every method here does nothing.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

__all__ = ["ServiceNotify"]


class ServiceNotify:
    """Says READY=1, WATCHDOG=1 and the like to whoever started this process."""

    def __init__(self, address: str, *, watched: bool) -> None:
        self._address = address
        self._watched = watched

    @classmethod
    def of_environment(cls) -> ServiceNotify:
        """Whoever NOTIFY_SOCKET names; WATCHDOG_PID, if given, must be this process."""
        owner = os.environ.get("WATCHDOG_PID", "")
        watched = "WATCHDOG_USEC" in os.environ and owner in ("", str(os.getpid()))
        return cls(os.environ.get("NOTIFY_SOCKET", ""), watched=watched)

    def alive(self) -> None:
        """Feed the manager's watchdog, where it has one."""
        if self._watched:
            self.send("WATCHDOG=1")

    def send(self, text: str) -> None:
        """Send one notification; a manager that is not there changes nothing."""
        if not self._address:
            return
        # A leading @ stands for the abstract namespace of Linux.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(text.encode(), address)
