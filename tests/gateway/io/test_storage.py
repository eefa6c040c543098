"""Files: one conformance suite for the disk and for memory, and a crash at every step."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from gateway.io.storage import TEMPORARY_SUFFIX, Disk, FileStorage
from simulators.memory_storage import MemoryStorage, PowerCut

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.runtime.port import Storage

OLD = b"[MUC]\nold = 1\n"
NEW = b"[MUC]\nnew = 2, and longer\n"


@pytest.fixture(params=["disk", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Both kinds of storage, empty."""
    return FileStorage(tmp_path / "data") if request.param == "disk" else MemoryStorage()


# --- Conformance ------------------------------------------------------------------------------


def test_replace_makes_and_replaces(storage: Storage) -> None:
    """The whole content is the last one given; folders are made as needed."""
    storage.replace("app/chip.ini", OLD)
    storage.replace("app/chip.ini", NEW)
    assert storage.read("app/chip.ini") == NEW
    assert storage.exists("app/chip.ini")


def test_append_makes_and_appends(storage: Storage) -> None:
    """Bytes are added at the end; an empty append still makes the file."""
    storage.append("log/events", b"")
    assert storage.read("log/events") == b""
    storage.append("log/events", b"one\n")
    storage.append("log/events", b"two\n")
    assert storage.read("log/events") == b"one\ntwo\n"


def test_list_is_sorted_and_recursive(storage: Storage) -> None:
    """Paths of the files below a folder, at any depth; a folder that is missing holds none."""
    for path in ("b", "app/z", "app/keys/k", "app/a"):
        storage.replace(path, b"")
    assert storage.list("app") == ["app/a", "app/keys/k", "app/z"]
    assert storage.list("") == ["app/a", "app/keys/k", "app/z", "b"]
    assert storage.list("nothing") == []


def test_a_missing_file_is_named(storage: Storage) -> None:
    """FileNotFoundError, and `exists` says no."""
    with pytest.raises(FileNotFoundError, match="absent"):
        storage.read("app/absent")
    assert not storage.exists("app/absent")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "app/../../x", "", "a\0b"])
def test_no_path_leaves_the_folder(storage: Storage, path: str) -> None:
    """Neither reading nor writing gets outside."""
    with pytest.raises(PermissionError):
        storage.read(path)
    with pytest.raises(PermissionError):
        storage.replace(path, b"")
    with pytest.raises(PermissionError):
        storage.append(path, b"")


def test_there_is_free_space(storage: Storage) -> None:
    """The space left is a positive number of bytes."""
    assert storage.free_bytes() > 0


# --- Disk -------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process dies: nothing behind this point is executed, no clean-up either."""


class CrashingDisk(Disk):
    """Dies before, or in the middle of, the step with a given number."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def _step(self) -> None:
        if self._left == 0:
            raise Crash
        self._left -= 1

    def make_folder(self, path: Path) -> None:
        self._step()
        super().make_folder(path)

    def open(self, path: Path, flags: int) -> int:
        self._step()
        return super().open(path, flags)

    def write(self, fd: int, data: memoryview) -> int:
        # One byte a step, so that a crash can come behind any byte.
        self._step()
        return super().write(fd, data[:1])

    def sync(self, fd: int) -> None:
        self._step()
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)

    def sync_folder(self, path: Path) -> None:
        self._step()
        super().sync_folder(path)


def test_a_crash_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """Die at each step of a replace in turn: never a mixture, never nothing, and no debris."""
    outcomes = []
    for steps in range(1_000):
        root = tmp_path / str(steps)
        FileStorage(root).replace("app/chip.ini", OLD)
        try:
            FileStorage(root, disk=CrashingDisk(steps)).replace("app/chip.ini", NEW)
        except Crash:
            crashed = True
        else:
            crashed = False
        restarted = FileStorage(root)
        outcomes.append(restarted.read("app/chip.ini"))
        assert restarted.list("") == ["app/chip.ini"]
        assert not list(root.rglob(f"*{TEMPORARY_SUFFIX}"))
        if not crashed:
            break
    # All old up to the rename, new from there on; every byte was a step.
    assert set(outcomes) == {OLD, NEW}
    assert outcomes == sorted(outcomes, key=[OLD, NEW].index)
    assert len(outcomes) > len(NEW)


def test_a_crash_in_an_append_keeps_what_was_there(tmp_path: Path) -> None:
    """Die at each step of an append: the old bytes stay, the new ones are there from the left."""
    for steps in range(1_000):
        root = tmp_path / str(steps)
        FileStorage(root).append("log", OLD)
        try:
            FileStorage(root, disk=CrashingDisk(steps)).append("log", NEW)
        except Crash:
            content = FileStorage(root).read("log")
            assert (OLD + NEW).startswith(content)
            assert content.startswith(OLD)
        else:
            return
    pytest.fail("the append never finished")


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """An OSError in the middle of a replace leaves the old file and no temporary one."""

    class FullDisk(Disk):
        def write(self, fd: int, data: memoryview) -> int:
            os.write(fd, data[:3])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    FileStorage(tmp_path).replace("chip.ini", OLD)
    with pytest.raises(OSError, match="No space"):
        FileStorage(tmp_path, disk=FullDisk()).replace("chip.ini", NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["chip.ini"]
    assert FileStorage(tmp_path).read("chip.ini") == OLD


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    """A link inside the folder leads nowhere, for reading and for writing, and is not listed."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"outside")
    storage = FileStorage(tmp_path / "data")
    (tmp_path / "data" / "link").symlink_to(secret)
    (tmp_path / "data" / "folder").symlink_to(tmp_path)
    for path in ("link", "folder/secret"):
        with pytest.raises(PermissionError, match="symbolic link"):
            storage.read(path)
        with pytest.raises(PermissionError, match="symbolic link"):
            storage.replace(path, b"changed")
    assert storage.list("") == []
    assert secret.read_bytes() == b"outside"


def test_files_are_the_devices_own(tmp_path: Path) -> None:
    """A new file is readable by its owner alone; a replace keeps the mode that was set."""
    storage = FileStorage(tmp_path)
    storage.replace("webcom.ini", OLD)
    file = tmp_path / "webcom.ini"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    storage.replace("webcom.ini", NEW)
    assert file.stat().st_mode & 0o777 == 0o644


# --- Memory with a power supply ---------------------------------------------------------------


def test_power_can_fail_at_any_byte_of_a_replace() -> None:
    """Old or new at every byte; the storage is dead until power returns."""
    outcomes = []
    for count in range(len(NEW) + 2):
        storage = MemoryStorage({"chip.ini": OLD}, power_cut_after_bytes=count)
        try:
            storage.replace("chip.ini", NEW)
        except PowerCut:
            with pytest.raises(PowerCut):
                storage.read("chip.ini")
        storage.power_on()
        assert storage.list("") == ["chip.ini"]
        outcomes.append(storage.read("chip.ini"))
    assert outcomes == [OLD] * (len(NEW) + 1) + [NEW]


def test_power_can_fail_at_any_byte_of_an_append() -> None:
    """Exactly the bytes before the cut are there."""
    for count in range(len(NEW)):
        storage = MemoryStorage({"log": OLD})
        storage.cut_power_after(count)
        with pytest.raises(PowerCut):
            storage.append("log", NEW)
        storage.power_on()
        assert storage.read("log") == OLD + NEW[:count]


def test_a_power_cut_is_no_error_that_a_device_could_handle() -> None:
    """`except Exception` does not see it."""
    assert not issubclass(PowerCut, Exception)


def test_memory_is_bounded() -> None:
    """No room: OSError (ENOSPC), the old file stays."""
    storage = MemoryStorage({"a": b"12345678"}, capacity_bytes=10)
    with pytest.raises(OSError, match="No space"):
        storage.replace("a", b"123")
    with pytest.raises(OSError, match="No space"):
        storage.append("a", b"123")
    storage.append("a", b"90")
    assert storage.read("a") == b"1234567890"
    assert storage.free_bytes() == 0
