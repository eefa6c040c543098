"""`gateway run` as a process: one on a directory, ended by signals, killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.device import configuration, meter_list
from gateway.device.meter_list import Meter
from tests.gateway.saving_gateway import FIRST_METER_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds in which a process must have done what is waited for.
PATIENCE_S = 30
#: Seconds that a gateway has to end after SIGTERM.
STOP_S = 2
#: Kills in one test run; METERBENCH_KILLS asks for more.
KILLS = int(os.environ.get("METERBENCH_KILLS", "200"))
#: A kill comes at most this long (s) after a gateway was born, or after it began to serve.
LIFE_S_MAX = 0.03
#: The gateway's own part of the command alone: it is there in a third of the time of the whole.
COMMAND = [sys.executable, "-P", "-c", "from gateway.cli import gateway_app; gateway_app()", "run"]


@contextmanager
def gateway(data: Path, bus: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A gateway process on a free Modbus port of loopback."""
    child = subprocess.Popen(
        [*COMMAND, "--data", str(data), "--bus", bus, "--modbus", "127.0.0.1:0", *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait(PATIENCE_S)
        assert child.stderr is not None
        child.stderr.close()


def wait_for(child: subprocess.Popen[str], text: str) -> None:
    """Read what the gateway says until a line holds `text`."""
    assert child.stderr is not None
    seen = []
    for line in child.stderr:
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"no {text!r} in {''.join(seen)}")


def test_a_new_directory_is_a_factory_device(tmp_path: Path) -> None:
    """NET-01, FTP-02: chip.ini and the drives are there; the list is made when it is filled."""
    data = tmp_path / "new"
    with gateway(data, "/dev/no-such-port") as child:
        wait_for(child, "start-up 5")
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE_S) == 0
    assert (data / "app/chip.ini").read_text() == configuration.FACTORY_CHIP_INI
    assert not (data / "app/Device_Handle.cfg").exists()
    assert (data / "app/keys").is_dir()
    assert (data / "log").is_dir()


def test_a_second_gateway_is_refused(tmp_path: Path) -> None:
    """The first goes on; the second ends with 2 and names directory and process."""
    with gateway(tmp_path, "/dev/no-such-port") as first:
        wait_for(first, "start-up 5")
        with gateway(tmp_path, "/dev/no-such-port") as second:
            wait_for(second, f"{tmp_path}: another gateway runs on it (process {first.pid})")
            assert second.wait(PATIENCE_S) == 2
        assert first.poll() is None


@pytest.mark.parametrize("answer", ["", "68 24 24 68 08 05 72"], ids=["silence", "half a telegram"])
def test_sigterm_in_the_middle_of_a_telegram(tmp_path: Path, answer: str) -> None:
    """The gateway ends within 2 s with code 0 while a meter is silent, or in mid-answer."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/chip.ini").write_text(
        "[CONFIG]\nMODBUS_ENABLE=1\nMBUS_TIMEOUT=60000\nMBUS_IDLETIMEOUT=60000\n"
        "MBUS_FULLTIMEOUT=60000\n"
    )
    listed = meter_list.save([Meter(serial="66600106", primaryaddress=5, addressmode=1)])
    (tmp_path / "app/Device_Handle.cfg").write_bytes(listed)
    with socket.create_server(("127.0.0.1", 0)) as converter:
        converter.settimeout(PATIENCE_S)
        with gateway(tmp_path, f"socket://127.0.0.1:{converter.getsockname()[1]}") as child:
            bus, _ = converter.accept()
            with bus:
                bus.settimeout(PATIENCE_S)
                assert bus.recv(64).hex() == "1040054516"
                bus.sendall(bytes.fromhex(answer))
                # The half telegram has arrived when the gateway has read it; nothing tells us
                # so, and a stop before it is as good a case as one behind it.
                begin = time.monotonic()
                child.send_signal(signal.SIGTERM)
                assert child.wait(PATIENCE_S) == 0
                assert time.monotonic() - begin < STOP_S
    assert (tmp_path / "app/Device_Handle.cfg").read_bytes() == listed


def test_sigterm_in_the_middle_of_a_scan(tmp_path: Path) -> None:
    """The gateway ends within 2 s with code 0, not with a message about a scan that failed."""
    with socket.create_server(("127.0.0.1", 0)) as converter:
        converter.settimeout(PATIENCE_S)
        url = f"socket://127.0.0.1:{converter.getsockname()[1]}"
        with gateway(tmp_path, url, "--scan") as child:
            bus, _ = converter.accept()
            with bus:
                bus.settimeout(PATIENCE_S)
                assert bus.recv(64)
                begin = time.monotonic()
                child.send_signal(signal.SIGTERM)
                assert child.wait(PATIENCE_S) == 0
                assert time.monotonic() - begin < STOP_S


class Killer:
    """Births and kills of gateways on one directory, and what they said."""

    def __init__(self, data: Path) -> None:
        self.host = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("saving_gateway.py")), str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.lines: list[str] = []
        self.births = 0
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.host.stdout is not None
        for line in self.host.stdout:
            with self._news:
                self.lines.append(line.strip())
                self._news.notify_all()

    def life(self, seconds: float, *, ready: bool) -> None:
        """Let one gateway live for so long from its birth, or from when it serves, and kill it."""
        assert self.host.stdin is not None
        self.host.stdin.write("live\n")
        with self._news:
            born = self._news.wait_for(lambda: len(self.pids()) > self.births, PATIENCE_S)
        assert born, "no gateway was born"
        pid = self.pids()[self.births]
        self.births += 1
        if ready:
            with self._news:
                serves = self._news.wait_for(lambda: self._serves(pid), PATIENCE_S)
            assert serves, "the gateway does not serve"
        # A life of random length is what is tested; nothing is waited for.
        threading.Event().wait(seconds)
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_S
        while Path(f"/proc/{pid}").exists():
            # The lock falls with the process; the next one must not come too early.
            assert time.monotonic() < deadline
            os.sched_yield()

    def _serves(self, pid: int) -> bool:
        return "ready" in self.lines[self.lines.index(f"pid {pid}") :]

    def pids(self) -> list[int]:
        """The gateways that were born so far."""
        return [int(line.split()[1]) for line in self.lines if line.startswith("pid")]

    def end(self) -> None:
        """End the host."""
        assert self.host.stdin is not None
        self.host.stdin.close()
        self.host.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.host.stdout is not None
        self.host.stdout.close()


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one.

    A killed process loses nothing that it has written, synced or not, so a disk would only make
    saves rarer among the kills. Power cuts are another matter: `test_storage` has those.
    """
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="meterbench-") as folder:
        yield Path(folder)


def test_kill_at_any_moment_leaves_settings_whole(quick_folder: Path) -> None:
    """200 times kill -9 in the middle of saves: files whole, no save that returned is lost."""
    chance = random.Random(7)
    killer = Killer(quick_folder)
    try:
        for number in range(KILLS):
            killer.life(chance.uniform(0, LIFE_S_MAX), ready=number % 4 == 0)
    finally:
        killer.end()
    assert [line for line in killer.lines if line.startswith("complaint")] == []
    saves = [line for line in killer.lines if line.startswith("saved")]
    assert len(saves) > KILLS / 20, "too few saves to prove anything"
    in_settings, in_list = 0, 0
    for line in killer.lines:
        word, *numbers = line.split()
        if word == "found":
            # Whatever a Save had said that it did is there, and at most one step of the next one.
            settings, listed = map(int, numbers)
            assert not in_settings or settings in (in_settings, in_settings + 1)
            assert in_list <= listed <= settings
            in_settings, in_list = settings, listed
        elif word == "saved":
            in_settings = in_list = int(numbers[0])
    last, complaints = configuration.load((quick_folder / "app/chip.ini").read_bytes())
    assert complaints == []
    assert last.meter_time - FIRST_METER_TIME in (in_settings, in_settings + 1)
