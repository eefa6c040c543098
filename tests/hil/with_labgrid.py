"""A labgrid place as part of a lease, with labgrid's own coordinator on loopback.

Run by ``tox -e labgrid``: the coordinator is no dependency of the other tests.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from hil import bench as bench_files
from hil import labgrid, leases
from hil.leases import LeaseHeldError, Leases, LostLeaseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BENCH = """\
bench: lab
buses: {usb: {kind: serial, device: /dev/ttyUSB9}}
places: {desk: {bus: usb, labgrid: meter-desk}}
"""


@pytest.fixture
def coordinator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run a coordinator with one place; it keeps its state in a folder of its own."""
    program = shutil.which("labgrid-coordinator")
    assert program is not None, "labgrid is on the path"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("LG_COORDINATOR", f"127.0.0.1:{port}")
    monkeypatch.setenv(leases.FOLDER_VARIABLE, str(tmp_path / "leases"))
    process = subprocess.Popen([program, "-l", f"127.0.0.1:{port}"], cwd=tmp_path)
    try:
        deadline = time.monotonic() + 30.0
        while subprocess.run(
            ["labgrid-client", "-p", "meter-desk", "create"], capture_output=True, check=False
        ).returncode:
            assert time.monotonic() < deadline, "the coordinator does not serve"
        yield
    finally:
        process.terminate()
        process.wait(10.0)


def other(*arguments: str) -> None:
    """Let somebody else do something."""
    environment = {**os.environ, "LG_USERNAME": "other", "LG_HOSTNAME": "far"}
    subprocess.run(["labgrid-client", "-p", "meter-desk", *arguments], env=environment, check=True)


@pytest.mark.usefixtures("coordinator")
def test_place_is_acquired_and_given_back(tmp_path: Path) -> None:
    """The lease holds both; labgrid's own tools see who has it."""
    bench = bench_files.parse(BENCH, source="b", folder=tmp_path)
    resources = leases.resources_of(bench, "desk")
    assert resources == ["bus /dev/ttyUSB9", "labgrid place meter-desk"]
    with Leases().acquire(resources, "test") as lease:
        assert labgrid.holder("meter-desk") == labgrid.identity()
        lease.check()
    assert labgrid.holder("meter-desk") == ""


@pytest.mark.usefixtures("coordinator")
def test_place_that_somebody_has_and_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held elsewhere it cannot be had, by half neither; taken away it is lost."""
    monkeypatch.setattr(labgrid, "BEAT_S", 0.1)
    resources = ["bus b", "labgrid place meter-desk"]
    other("acquire")
    with pytest.raises(LeaseHeldError, match=r"meter-desk.*already acquired by far/other"):
        Leases().acquire(resources, "test")
    assert Leases().all() == []
    other("release")
    lease = Leases().acquire(resources, "test")
    lost = threading.Event()
    lease.watch(lost.set)
    other("release", "--kick")
    other("acquire")
    assert lost.wait(20.0)
    with pytest.raises(LostLeaseError, match=r"'meter-desk' was taken away \((far/other|nobody)"):
        lease.check()
    lease.release()
    assert labgrid.holder("meter-desk") == "far/other"
