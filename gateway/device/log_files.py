"""Files that grow: rotated at a size, and stopped before the disk is full.

A log must never cost a reading. So a file has a limit and one former generation, a failing write
is told once and forgotten, and nothing is written while less than `RESERVE_BYTES` are free; what
is written next to settings and list comes out of that reserve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.port import Storage

#: What logs leave free for settings, list and their copies.
RESERVE_BYTES: Final = 1 << 20
#: What is added to the name of a file for its former generation.
FORMER_SUFFIX: Final = ".1"


class LogFile:
    """One rotating file of the device: at most `limit` bytes, and as much in ``PATH.1``.

    `head` begins each new file. `told` is called with True when writing stops for want of space,
    and with False when it goes on.
    """

    def __init__(
        self,
        storage: Storage,
        path: str,
        *,
        limit: int,
        told: Callable[[bool], None],
        head: bytes = b"",
    ) -> None:
        self._storage = storage
        self.path = path
        self._limit = limit
        self._head = head
        self._told = told
        self._size: int | None = None
        self.is_stopped = False

    def append(self, data: bytes) -> bool:
        """Add whole lines; False where they were left out for want of space or by a failure."""
        try:
            written = self._append(data)
        except OSError:
            # The size is asked anew: nobody knows how much of it came through.
            self._size, written = None, False
        if self.is_stopped is written:
            self.is_stopped = not written
            self._told(self.is_stopped)
        return written

    def _append(self, data: bytes) -> bool:
        storage = self._storage
        if storage.free_bytes() - len(data) - len(self._head) < RESERVE_BYTES:
            return False
        if self._size is None:
            self._size = len(storage.read(self.path)) if storage.exists(self.path) else 0
        if self._size and self._size + len(data) > self._limit:
            if storage.free_bytes() - self._size < RESERVE_BYTES:
                return False
            storage.replace(self.path + FORMER_SUFFIX, storage.read(self.path))
            storage.replace(self.path, self._head + data)
            self._size = len(self._head) + len(data)
            return True
        if not self._size:
            data = self._head + data
        storage.append(self.path, data)
        self._size += len(data)
        return True
