"""A device's files in memory, with a power supply that can fail at any byte.

The steps are those of a careful program on a real disk: `MemoryStorage.replace` writes a temporary
file beside the target and renames it, `MemoryStorage.append` writes byte after byte. So a cut
leaves the old file or the new one behind a replace, and a beginning of the new bytes behind an
append.
"""

from __future__ import annotations

import errno
import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Flash of a small appliance.
CAPACITY_BYTES: Final = 16 * 1024 * 1024

#: What a replace that was cut leaves beside the target; never listed, gone at the next start.
TEMPORARY_SUFFIX: Final = ".tmp~"


class PowerCut(BaseException):
    """The supply failed inside a write. No handler of the device may see it as an error."""


class MemoryStorage:
    """Files by relative POSIX path, such as ``app/chip.ini``.

    With `power_cut_after_bytes` = n the write of byte n + 1 (counted over all writes; the rename
    of a replace counts as one byte) raises `PowerCut`, and so does every access after it until
    `power_on`.
    """

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        *,
        capacity_bytes: int = CAPACITY_BYTES,
        power_cut_after_bytes: int | None = None,
    ) -> None:
        self._files: dict[str, bytes] = {}
        self._capacity_bytes = capacity_bytes
        self._written_bytes = 0
        self._cut_after: int | None = None
        self._off = False
        for path, data in (files or {}).items():
            self._files[_checked(path)] = bytes(data)
        self._cut_after = power_cut_after_bytes

    @property
    def written_bytes(self) -> int:
        """Bytes written so far, renames included: the scale of `power_cut_after_bytes`."""
        return self._written_bytes

    def cut_power_after(self, count: int) -> None:
        """Let the supply fail at the write of the byte that follows the next `count`."""
        self._cut_after = self._written_bytes + count

    def power_on(self) -> None:
        """Give power again; what a cut replace left behind is swept, as a start does."""
        self._off = False
        self._cut_after = None
        for path in [path for path in self._files if path.endswith(TEMPORARY_SUFFIX)]:
            del self._files[path]

    def read(self, path: str) -> bytes:
        """Return the whole content; raises FileNotFoundError."""
        self._need_power()
        data = self._files.get(_checked(path))
        if data is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return data

    def replace(self, path: str, data: bytes) -> None:
        """Replace atomically; OSError (ENOSPC) with the old file kept when there is no room."""
        self._need_power()
        path = _checked(path)
        temporary = path + TEMPORARY_SUFFIX
        # Old and new file exist together for a moment, as on a disk.
        self._need_room(path, len(data))
        self._files[temporary] = b""
        self._write(temporary, data)
        self._spend(1)
        self._files[path] = self._files.pop(temporary)

    def append(self, path: str, data: bytes) -> None:
        """Append, creating the file; OSError (ENOSPC) and nothing written when there is no room."""
        self._need_power()
        path = _checked(path)
        self._need_room(path, len(data))
        self._files.setdefault(path, b"")
        self._write(path, data)

    def remove(self, path: str) -> None:
        """Take a file away, as a person who has access to the files does; FileNotFoundError."""
        if self._files.pop(_checked(path), None) is None:
            raise FileNotFoundError(path)

    def list(self, folder: str) -> list[str]:
        """Return the paths of the files below `folder` ("" = all), sorted."""
        self._need_power()
        prefix = f"{_checked(folder)}/" if folder else ""
        return sorted(
            path
            for path in self._files
            if path.startswith(prefix) and not path.endswith(TEMPORARY_SUFFIX)
        )

    def exists(self, path: str) -> bool:
        """Tell whether there is such a file."""
        self._need_power()
        return _checked(path) in self._files

    def free_bytes(self) -> int:
        """Return the space left."""
        return self._capacity_bytes - sum(len(data) for data in self._files.values())

    def _need_power(self) -> None:
        if self._off:
            raise PowerCut("the supply is off")

    def _need_room(self, path: str, count: int) -> None:
        if count > self.free_bytes():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def _write(self, path: str, data: bytes) -> None:
        left = len(data) if self._cut_after is None else self._cut_after - self._written_bytes
        self._files[path] += data[:left]
        self._spend(len(data))

    def _spend(self, count: int) -> None:
        if self._cut_after is not None and self._written_bytes + count > self._cut_after:
            self._written_bytes = self._cut_after
            self._off = True
            raise PowerCut(f"the supply failed behind byte {self._cut_after}")
        self._written_bytes += count


def _checked(path: str) -> str:
    """Refuse what leaves the device's files, as the real storage does."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise PermissionError(errno.EACCES, "path must stay below the data folder", path)
    return str(pure)
