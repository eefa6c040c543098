"""Leases: one user at a time, across processes; who was kicked out learns of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hil
from hil import bench as bench_files
from hil import claims, leases
from hil.leases import LeaseHeldError, Leases, LostLeaseError

if TYPE_CHECKING:
    from hil.bench import Bench

BENCH = """\
bench: pool
buses:
  left: {{kind: socket, host: 127.0.0.1, port: 7001, meters: [hall]}}
  right: {{kind: serial, device: /dev/ttyUSB1}}
  virtual: {{kind: pty, population: demo}}
meters:
  hall: {{identification_number: 1, relay: cut}}
switches:
  cut: {{kind: command, on: [touch, {folder}/on], off: [touch, {folder}/off], safe: "on"}}
gateways:
  box: {{kind: network, host: 127.0.0.1, port: 7002}}
places:
  one: {{bus: left, gateway: box, tags: [usb]}}
  two: {{bus: right, tags: [usb]}}
  three: {{bus: virtual}}
"""

#: Takes the leases named on the command line, says so, and keeps them until its input ends.
HOLDER = """\
import sys
from hil.leases import Leases
with Leases().acquire(sys.argv[1:], "soak test"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Leases:
    """Return leases in a folder of this test's own."""
    monkeypatch.setenv(leases.FOLDER_VARIABLE, str(tmp_path / "leases"))
    monkeypatch.delenv(leases.TOKEN_VARIABLE, raising=False)
    return Leases()


def pool(folder: Path) -> Bench:
    """Return the bench of these tests."""
    return bench_files.parse(BENCH.format(folder=folder), source="b", folder=folder)


def test_what_a_place_needs(tmp_path: Path) -> None:
    """Every real thing of a place, relays included; a virtual bus needs no lease."""
    bench = pool(tmp_path)
    assert leases.resources_of(bench, "one") == [
        "bus socket://127.0.0.1:7001",
        "gateway 127.0.0.1:7002",
        "switch command touch",
    ]
    assert leases.resources_of(bench, "three") == []
    (tmp_path / "link").symlink_to("/dev/null")
    assert leases._real(str(tmp_path / "link")) == "/dev/null"


def test_two_processes_want_one_bench(shared: Leases) -> None:
    """The second is told who has it and what for; when the first dies, the bench is free."""
    environment = {**os.environ, "PYTHONPATH": str(Path(hil.__file__).parent.parent)}
    command = [sys.executable, "-c", HOLDER, "bus b", "gateway g"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LeaseHeldError, match=rf"gateway g is held by .*process {other.pid}"):
            shared.acquire(["bus a", "gateway g"], "mine")
        # Nothing was taken by half.
        assert [one.resource for one in shared.all()] == ["bus b", "gateway g"]
        other.kill()
        other.wait()
        with shared.acquire(["bus b", "gateway g"], "mine", wait_s=5.0) as lease:
            lease.check()
    assert shared.all() == []


def test_waiting_for_a_lease(shared: Leases) -> None:
    """Who waits gets it as soon as it is given back."""
    first = shared.acquire(["bus b"], "first")
    timer = threading.Timer(0.2, first.release)
    timer.start()
    with shared.acquire(["bus b"], "second", wait_s=10.0) as second:
        second.check()
    timer.join()


def test_broken_lease_is_noticed(shared: Leases) -> None:
    """Somebody else's force is seen at the next heartbeat, and says who has it now."""
    lost = threading.Event()
    lease = shared.acquire(["bus b"], "long campaign")
    lease.watch(lost.set)
    shared.release(["bus b"], None)
    thief = shared.acquire(["bus b"], "urgent demo")
    assert lost.wait(10.0)
    with pytest.raises(LostLeaseError, match=r"the lease was taken away .*urgent demo"):
        lease.check()
    lease.release()
    # What is released now is the thief's, and stays so.
    thief.check()
    thief.release()
    log = (shared.folder / "log.jsonl").read_text("utf-8").splitlines()
    assert [line.partition('"what": "')[2].partition('"')[0] for line in log] == [
        "acquired",
        "broken",
        "acquired",
        "released",
    ]


def test_lease_of_the_command_line(shared: Leases) -> None:
    """It outlives its process, is joined by its token, and ends with its time."""
    kept = shared.acquire(["bus b"], "by hand", lasting_s=60.0)
    with pytest.raises(LeaseHeldError):
        shared.acquire(["bus b"], "other")
    with shared.acquire(["bus b"], "a run", token=kept.token) as joined:
        joined.check()
    assert [one.purpose for one in shared.all()] == ["by hand"]
    assert shared.release(["bus b"], "wrong token") == []
    assert len(shared.release(["bus b"], kept.token)) == 1
    shared.acquire(["bus b"], "over soon", lasting_s=0.0)
    time.sleep(0.01)
    assert shared.all() == []


def test_pool_gives_the_first_free_place(tmp_path: Path) -> None:
    """Places with the tags of a test are a pool; when all are taken it waits, then says so."""
    bench = pool(tmp_path)

    def claim() -> claims.Claim:
        return claims.claim(
            bench, place=None, tags=["usb"], bus=None, gateway=None, uses_gateway=False,
            purpose="test", wait_s=0.0,
        )  # fmt: skip

    first, second = claim(), claim()
    assert (first.bus, second.bus) == ("left", "right")
    with pytest.raises(LeaseHeldError, match=r"7001 is held by .*ttyUSB1 is held by"):
        claim()
    first.close()
    second.close()


def test_lost_lease_makes_the_bench_safe(tmp_path: Path, shared: Leases) -> None:
    """The relay goes into its safe position, from the heartbeat itself."""
    bench = pool(tmp_path)
    claim = claims.claim(
        bench, place="one", tags=(), bus=None, gateway=None, uses_gateway=True,
        purpose="test", wait_s=0.0,
    )  # fmt: skip
    assert claim.lost() == ""
    shared.release(leases.resources_of(bench, "one"), None)
    deadline = time.monotonic() + 10.0
    while not (tmp_path / "on").exists():
        assert time.monotonic() < deadline, "the bench was not made safe"
        time.sleep(0.05)
    assert not (tmp_path / "off").exists()
    assert "the lease was taken away" in claim.lost()
    claim.close()


def test_labgrid_place_without_its_client(
    tmp_path: Path, shared: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place of a coordinator needs labgrid's client, and says how to get it; nothing is held."""
    text = BENCH.format(folder=tmp_path).replace("two: {bus: right", "two: {labgrid: x, bus: right")
    bench = bench_files.parse(text, source="b", folder=tmp_path)
    resources = leases.resources_of(bench, "two")
    assert resources == ["bus /dev/ttyUSB1", "labgrid place x"]
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LeaseHeldError, match=r"\(pipx install labgrid\)"):
        shared.acquire(resources, "test")
    assert shared.all() == []
