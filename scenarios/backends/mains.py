"""Storages of a gateway that can lose its power: what it would write then is not written.

A power failure is seen from outside: the program that still unwinds in memory has no power to
write with. (That a write is cut in the middle is tried elsewhere, byte by byte.)
"""

from __future__ import annotations

from gateway.io.storage import FileStorage
from simulators.memory_storage import MemoryStorage


class MemoryOnMains(MemoryStorage):
    """Files in memory."""

    mains = True

    def replace(self, path: str, data: bytes) -> None:
        """Replace a file, with power."""
        if self.mains:
            super().replace(path, data)

    def append(self, path: str, data: bytes) -> None:
        """Append to a file, with power."""
        if self.mains:
            super().append(path, data)


class FilesOnMains(FileStorage):
    """Files below a folder."""

    mains = True

    def replace(self, path: str, data: bytes) -> None:
        """Replace a file, with power."""
        if self.mains:
            super().replace(path, data)

    def append(self, path: str, data: bytes) -> None:
        """Append to a file, with power."""
        if self.mains:
            super().append(path, data)
