"""The supervisor, with real processes: stuck loops, killed children, killed parents, back-off."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.device import meter_list
from gateway.device.meter_list import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds in which a process must have done what is waited for.
PATIENCE_S = 30
RUN = "from scenarios.cli import main; main()"
#: A gateway whose first read-out never gives the loop back: `meterbench` with one function spoilt.
STUCK = """
import pathlib, sys, time
import gateway.device.readout_pass as readout_pass
mark = pathlib.Path(sys.argv.pop(1))
good = readout_pass.read_meter
def read_meter(link, plan, target):
    if not mark.exists():
        mark.touch()
        time.sleep(10_000)
    return good(link, plan, target)
readout_pass.read_meter = read_meter
from scenarios.cli import main
main()
"""
LISTED = meter_list.save([Meter(serial="66600106", primaryaddress=5, addressmode=1, register=10)])
CHIP_INI = "[CONFIG]\nMODBUS_ENABLE=1\nMBUS_TIMEOUT=100\nMBUS_MAXRETRY=0\nMETER_TIME=10\n"


class Supervised:
    """`gateway run` as a process, with its data and its events."""

    def __init__(self, folder: Path, code: str, *arguments: str, keys: str, bus: str) -> None:
        self.folder = folder
        (folder / "app").mkdir()
        (folder / "app/chip.ini").write_text(CHIP_INI + keys)
        (folder / "app/Device_Handle.cfg").write_bytes(LISTED)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-P", "-c", code, *arguments, "gateway", "run"]
        command += ["--data", str(folder), "--bus", bus, "--events", str(self._file)]
        command += ["--modbus", f"127.0.0.1:{self.port}"]
        with (folder / "said").open("wb") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=said)

    @property
    def _file(self) -> Path:
        return self.folder / "events.jsonl"

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind so far."""
        if not self._file.exists():
            return []
        lines = [json.loads(line) for line in self._file.read_text().splitlines(keepends=True)]
        assert [line["at_ns"] for line in lines] == sorted(line["at_ns"] for line in lines)
        return [line for line in lines if line["kind"] == kind]

    def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The `count`-th event of a kind."""
        self.until(lambda: len(self.events(kind)) >= count, kind)
        return self.events(kind)[count - 1]

    def until(self, condition: Callable[[], bool], text: str) -> None:
        """Wait for a condition; fails with what was said when patience ends."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"no {text} in {(self.folder / 'said').read_text()}")
            threading.Event().wait(0.02)

    def running(self, count: int) -> None:
        """Wait until the device runs for the `count`-th time."""

        def condition() -> bool:
            states = self.events("gateway.state")
            return [state["value"] for state in states].count("running") >= count

        self.until(condition, f"{count} times running")

    def serves(self) -> bool:
        """Whether a Modbus client gets an answer."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as client:
            client.settimeout(PATIENCE_S)
            client.sendall(bytes.fromhex("0001 0000 0006 FF 03 0000 0001"))
            answer: bytes = client.recv(64)
            return answer[:9] == bytes.fromhex("0001 0000 0005 FF 03 02")


@contextmanager
def supervised(
    folder: Path, code: str = RUN, *arguments: str, keys: str = "", bus: str = "/dev/no-such-port"
) -> Iterator[Supervised]:
    """A supervised gateway that ends with the block."""
    one = Supervised(folder, code, *arguments, keys=keys, bus=bus)
    try:
        yield one
    finally:
        one.process.send_signal(signal.SIGTERM)
        try:
            one.process.wait(PATIENCE_S)
        finally:
            one.process.kill()


def is_alive(pid: int) -> bool:
    """Whether the process runs; a dead one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_blocked_loop_is_killed_and_the_gateway_serves_again(tmp_path: Path) -> None:
    """A loop stuck for real in a read-out: killed after WATCHDOG_IDLE, back within seconds."""
    mark = tmp_path / "stuck"
    with (
        socket.create_server(("127.0.0.1", 0)) as converter,
        supervised(
            tmp_path,
            STUCK,
            str(mark),
            keys="WATCHDOG_IDLE=2\n",
            bus=f"socket://127.0.0.1:{converter.getsockname()[1]}",
        ) as one,
    ):
        converter.listen(8)
        killed = one.wait_for("supervisor.killed")
        stuck = one.events("gateway.readout")[-1]
        assert stuck["value"] == "running"
        assert (killed["value"], killed["state"]) == ("HEARTBEAT", "idle")
        assert 0.9e9 < killed["at_ns"] - stuck["at_ns"] < 5e9
        reason = one.wait_for("gateway.restart.reason")
        assert (reason["value"], reason["state"]) == ("HEARTBEAT", "idle")
        one.running(2)
        back = [e["at_ns"] for e in one.events("gateway.state") if e["value"] == "running"][-1]
        assert back - killed["at_ns"] < 5e9
        assert one.serves()
        assert (tmp_path / "app/Device_Handle.cfg").read_bytes() == LISTED
        # The child was asked where it stood before it was killed.
        assert "read_meter" in (tmp_path / "said").read_text()


def test_a_killed_child_comes_back_with_growing_pauses(tmp_path: Path) -> None:
    """The first restart is at once, the second waits 1 s."""
    with supervised(tmp_path) as one:
        for count in (1, 2):
            one.running(count)
            os.kill(one.wait_for("supervisor.child", count)["value"], signal.SIGKILL)
        one.running(3)
        restarts = one.events("supervisor.restart")
        assert [restart["pause_s"] for restart in restarts] == [0, 1]
        assert {restart["value"] for restart in restarts} == {"CRASH"}
        assert [died["value"] for died in one.events("supervisor.died")] == [-9, -9]
        births = [birth["at_ns"] for birth in one.events("supervisor.child")]
        for birth, restart in zip(births[1:], restarts, strict=True):
            assert birth - restart["at_ns"] >= restart["pause_s"] * 1e9
        assert one.serves()


def test_a_stopped_child_a_service_manager_and_a_killed_parent(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """SIGSTOP: no heartbeat, no last words, killed and back; a manager hears READY once.

    WATCHDOG=1 comes while a child lives. SIGKILL of the parent leaves no gateway on bus and port.
    """
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place))
        manager.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(place))
        monkeypatch.setenv("WATCHDOG_USEC", "5000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        told: list[str] = []
        with supervised(tmp_path, keys="WATCHDOG_IDLE=2\n") as one:
            while "READY=1" not in told or told[-1] != "WATCHDOG=1":
                told.append(manager.recv(256).decode())
            child = one.wait_for("supervisor.child")["value"]
            os.kill(child, signal.SIGSTOP)
            assert one.wait_for("supervisor.killed")["state"] == "idle"
            one.running(2)
            assert one.serves()
            assert not is_alive(child)
            second = one.wait_for("supervisor.child", 2)["value"]
            assert is_alive(second)
            one.process.kill()
            one.process.wait(PATIENCE_S)
            one.until(lambda: not is_alive(second), "end of the child")
        assert set(told) == {"READY=1", "WATCHDOG=1"}
        assert told.count("READY=1") == 1
