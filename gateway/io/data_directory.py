"""The folder that is one gateway: its drives, and the lock that keeps a second gateway out.

The three drives are folders (`C-42`): ``app`` has the settings, ``log`` is what FTP shows as C:,
``raw`` is B:. What is in them is the device's business.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

#: Folders of a new data directory with their modes (Fig. 22, `FTP-02`, `C-42`). The group bit of
#: ssh is the manual's own; the lost+found beside them belongs to a disk, not to a gateway.
FOLDERS: Final = {"app": 0o700, "app/keys": 0o700, "app/ssh": 0o2770, "log": 0o700, "raw": 0o700}
LOCK_FILE: Final = ".lock"
_LOCK_MODE: Final = 0o600
_PID_DIGITS_MAX: Final = 20


class DirectoryInUseError(OSError):
    """Another gateway runs on this data directory; the message names its process."""


class DataDirectory:
    """A data directory in use: made when it is missing, locked until `close`.

    The lock is the kernel's (flock), so it ends with the process, however that ends. Raises
    `DirectoryInUseError` when another process has it, OSError when the folder cannot be made or
    written. Use as ``with DataDirectory(path):``.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.root.mkdir(0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self.root / LOCK_FILE, flags, _LOCK_MODE)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._fd, _PID_DIGITS_MAX).decode("ascii", "replace").strip()
            os.close(self._fd)
            process = f" (process {owner})" if owner.isdecimal() else ""
            raise DirectoryInUseError(f"{self.root}: another gateway runs on it{process}") from None
        try:
            self._claim()
        except OSError:
            os.close(self._fd)
            raise

    def _claim(self) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        for name, mode in FOLDERS.items():
            folder = self.root / name
            if not folder.is_dir():
                folder.mkdir()
                # Not subject to the umask.
                folder.chmod(mode)

    def close(self) -> None:
        """Let the directory go; the lock file stays, empty, for the next gateway."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)

    def __enter__(self) -> DataDirectory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
