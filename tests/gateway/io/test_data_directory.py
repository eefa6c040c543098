"""The folder of a gateway: its drives with their modes, and the lock."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.io.data_directory import FOLDERS, LOCK_FILE, DataDirectory, DirectoryInUseError
from gateway.io.storage import NoFiles


def test_a_new_directory_has_the_drives(tmp_path: Path) -> None:
    """FTP-02, C-42: the drives, with the modes of Fig. 22; what is there stays."""
    root = tmp_path / "deep" / "data"
    with DataDirectory(root):
        for name, mode in FOLDERS.items():
            assert stat.S_IMODE((root / name).stat().st_mode) == mode
    (root / "app" / "chip.ini").write_text("x")
    (root / "log").chmod(0o750)
    with DataDirectory(root):
        assert (root / "app" / "chip.ini").read_text() == "x"
        assert stat.S_IMODE((root / "log").stat().st_mode) == 0o750


def test_one_gateway_at_a_time(tmp_path: Path) -> None:
    """A second one is refused, and told whose the directory is; afterwards it may."""
    with DataDirectory(tmp_path):
        with pytest.raises(DirectoryInUseError, match=rf"runs on it \(process {os.getpid()}\)"):
            DataDirectory(tmp_path)
        with pytest.raises(DirectoryInUseError):
            DataDirectory(tmp_path)
    with DataDirectory(tmp_path):
        pass


def test_a_lock_that_was_left_behind_locks_nobody_out(tmp_path: Path) -> None:
    """The file alone is no lock: it stays behind when a gateway is killed."""
    (tmp_path / LOCK_FILE).write_text("12345\n")
    with DataDirectory(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nobody gets a foreign file emptied by a link in its place."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    root = tmp_path / "data"
    root.mkdir()
    (root / LOCK_FILE).symlink_to(victim)
    with pytest.raises(OSError, match=LOCK_FILE):
        DataDirectory(root)
    assert victim.read_text() == "precious"


def test_tools_on_the_bus_touch_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one-shot tools have no files: whatever lies around where they are run is safe."""
    monkeypatch.chdir(tmp_path)
    Path("mine.tmp~").write_text("x")
    files = NoFiles()
    assert (files.list(""), files.exists("mine.tmp~"), files.free_bytes()) == ([], False, 0)
    with pytest.raises(FileNotFoundError):
        files.read("mine.tmp~")
    for write in (files.replace, files.append):
        with pytest.raises(OSError, match="Read-only"):
            write("mine.tmp~", b"y")
    assert Path("mine.tmp~").read_text() == "x"
