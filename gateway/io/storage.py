"""The device's files below one folder of the host.

A replace is a temporary file in the same folder, written and synced, then renamed, then the folder
synced: after a crash at any step the file is the old one or the new one. No path leaves the folder:
not by ``..``, not by an absolute path, not through a symbolic link.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

#: What a crash may leave beside a target; never listed, swept at the next start.
TEMPORARY_SUFFIX: Final = ".tmp~"

#: New files are the device's own: they may hold passwords and keys.
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class Disk:
    """The steps that change the disk, one method each, so that a test can stop at any of them."""

    def make_folder(self, path: Path) -> None:
        """Make one folder."""
        path.mkdir(FOLDER_MODE)

    def open(self, path: Path, flags: int) -> int:
        """Open a file for writing; returns its descriptor."""
        return os.open(path, flags, FILE_MODE)

    def write(self, fd: int, data: memoryview) -> int:
        """Write some of `data`; returns how many bytes."""
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        """Wait until what was written will survive a power cut."""
        os.fsync(fd)

    def rename(self, source: Path, target: Path) -> None:
        """Put `source` in the place of `target`, at once or not at all."""
        source.replace(target)

    def sync_folder(self, path: Path) -> None:
        """Wait until the names in a folder will survive a power cut."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class FileStorage:
    """`gateway.runtime.port.Storage` in the folder `root`, which is made if need be."""

    def __init__(self, root: Path | str, *, disk: Disk | None = None) -> None:
        self._disk = disk if disk is not None else Disk()
        Path(root).mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        self._root = Path(root).resolve(strict=True)
        self._sweep()

    def read(self, path: str) -> bytes:
        """Return the whole content; raises FileNotFoundError, PermissionError for a bad path."""
        return self._place(path).read_bytes()

    def replace(self, path: str, data: bytes) -> None:
        """Replace atomically and durably; on an OSError the old file stays."""
        target = self._place(path)
        self._make_folders(target.parent)
        temporary = target.with_name(target.name + TEMPORARY_SUFFIX)
        temporary.unlink(missing_ok=True)
        try:
            self._write_new(temporary, data, like=target)
            self._disk.rename(temporary, target)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        self._disk.sync_folder(target.parent)

    def append(self, path: str, data: bytes) -> None:
        """Append, creating the file; durable when it returns."""
        target = self._place(path)
        self._make_folders(target.parent)
        is_new = not target.exists()
        fd = self._disk.open(target, _APPEND)
        try:
            self._write_all(fd, data)
            self._disk.sync(fd)
        finally:
            os.close(fd)
        if is_new:
            self._disk.sync_folder(target.parent)

    def list(self, folder: str) -> list[str]:
        """Return the paths of the files below `folder` ("" = all), sorted; links do not count."""
        top = self._place(folder) if folder else self._root
        found = []
        for parent, _, names in os.walk(top):
            for name in names:
                path = Path(parent, name)
                if not path.is_symlink() and not name.endswith(TEMPORARY_SUFFIX):
                    found.append(path.relative_to(self._root).as_posix())
        return sorted(found)

    def exists(self, path: str) -> bool:
        """Tell whether there is such a file."""
        return self._place(path).is_file()

    def free_bytes(self) -> int:
        """Return the space left for this user on the disk of the folder."""
        status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    # --- Inside ---------------------------------------------------------------------------------

    def _place(self, path: str) -> Path:
        """Find the file of a relative path; PermissionError for one that leaves the folder."""
        pure = PurePosixPath(path)
        if not path or pure.is_absolute() or ".." in pure.parts or "\0" in path:
            raise PermissionError(errno.EACCES, "path must stay below the data folder", path)
        place = self._root
        for part in pure.parts:
            place = place / part
            if place.is_symlink():
                raise PermissionError(errno.EACCES, "path leads through a symbolic link", path)
        return place

    def _make_folders(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folders(folder.parent)
            self._disk.make_folder(folder)
            self._disk.sync_folder(folder.parent)

    def _write_new(self, path: Path, data: bytes, *, like: Path) -> None:
        fd = self._disk.open(path, _NEW_FILE)
        try:
            if like.exists():
                os.fchmod(fd, stat.S_IMODE(like.stat().st_mode))
            self._write_all(fd, data)
            self._disk.sync(fd)
        finally:
            os.close(fd)

    def _write_all(self, fd: int, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._disk.write(fd, left) :]

    def _sweep(self) -> None:
        """Remove what a crash has left behind."""
        for parent, _, names in os.walk(self._root):
            for name in names:
                if name.endswith(TEMPORARY_SUFFIX):
                    Path(parent, name).unlink()


class NoFiles:
    """`gateway.runtime.port.Storage` of a tool without files: nothing is there, nothing is kept."""

    def read(self, path: str) -> bytes:
        """Nothing is there: FileNotFoundError."""
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def replace(self, path: str, data: bytes) -> None:
        """Nothing is kept: OSError (EROFS)."""
        raise OSError(errno.EROFS, f"{os.strerror(errno.EROFS)}: {len(data)} bytes", path)

    append = replace

    def list(self, folder: str) -> list[str]:
        """No files below any `folder`."""
        del folder
        return []

    def exists(self, path: str) -> bool:
        """No file is there."""
        del path
        return False

    def free_bytes(self) -> int:
        """No space."""
        return 0
