"""The plugin's options and markers, seen from a pytest run of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hil
from hil import bench as bench_files
from hil import leases

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Installed, the plugin loads by its entry point; from the tree it has to be named.
INSTALLED = any(entry.value == "hil.pytest_plugin" for entry in entry_points(group="pytest11"))


def run(folder: Path, test: str, *options: str, by_entry_point: bool = False) -> tuple[int, str]:
    """Run pytest on one test file, without other plugins; return its exit code and output."""
    (folder / "test_it.py").write_text(test, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -ra\n", "utf-8")
    loaded = () if by_entry_point else ("-p", "hil.pytest_plugin")
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", *loaded, *options]
    # The options of the run around this one are not meant for the one inside.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    if not by_entry_point:
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(Path(hil.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


NEEDS = """\
import pytest

@pytest.mark.needs("mbpoll-of-another-world", "sh")
def test_peer() -> None:
    assert False, "the test must not run"

@pytest.mark.needs("sh")
def test_shell() -> None:
    pass
"""


def test_missing_program_is_skipped_by_name(tmp_path: Path) -> None:
    """The skip names the program and what to install; a program that is there changes nothing."""
    code, output = run(tmp_path, NEEDS, by_entry_point=INSTALLED)
    assert code == 0, output
    assert "1 passed, 1 skipped" in output
    assert (
        "the program mbpoll-of-another-world is not installed "
        "(apt-get install mbpoll-of-another-world)" in output
    )


def test_require_all_makes_it_an_error(tmp_path: Path) -> None:
    """With --require-all the skip is an error of that test."""
    code, output = run(tmp_path, NEEDS, "--require-all")
    assert code == 1, output
    assert "1 passed, 1 error" in output
    assert "required by --require-all" in output


CONVERTER = """\
def test_bus(converter) -> None:
    assert converter.url
"""

GONE = """\
bench: lab
title: nothing is plugged in
buses:
  usb: {kind: serial, id: not-there}
gateways:
  box: {kind: network, host: 127.0.0.1, port: 1}
"""


def test_absent_hardware_is_a_skip_with_its_reason(tmp_path: Path) -> None:
    """A converter that is not plugged in is NOT_RUN, and an error where that is not allowed."""
    (tmp_path / "bench.yaml").write_text(GONE, encoding="utf-8")
    code, output = run(tmp_path, CONVERTER, "--bench", "bench.yaml")
    assert code == 0, output
    assert "bench: lab (nothing is plugged in)" in output
    assert "1 skipped" in output
    assert "NOT_RUN: bus 'usb': there is no device /dev/serial/by-id/not-there" in output
    code, output = run(tmp_path, CONVERTER, "--bench", "bench.yaml", "--require-hil")
    assert code == 1
    assert "1 error" in output
    assert "required by --require-hil" in output


def test_absent_gateway(tmp_path: Path) -> None:
    """A gateway that does not answer skips with its address and the reason."""
    (tmp_path / "bench.yaml").write_text(GONE, encoding="utf-8")
    code, output = run(
        tmp_path, "def test_it(modbus) -> None:\n    pass\n", "--bench", "bench.yaml"
    )
    assert code == 0, output
    assert "gateway 'box': 127.0.0.1:1 does not answer: Connection refused" in output


def test_broken_bench_file_ends_the_run(tmp_path: Path) -> None:
    """A bench file with mistakes is a usage error that names them, before any test runs."""
    (tmp_path / "bench.yaml").write_text("bench: a\nbusses: {}\n", encoding="utf-8")
    code, output = run(tmp_path, CONVERTER, "--bench", "bench.yaml")
    assert code == 4
    assert "bench.yaml:2:1: unknown key 'busses'; did you mean 'buses'?" in output
    assert "Traceback" not in output


def test_unknown_entry_of_the_bench(tmp_path: Path) -> None:
    """A marker that names an entry which the bench has not is told with what there is."""
    marked = "import pytest\n\n@pytest.mark.hil(bus='lin')\n" + CONVERTER
    _, output = run(tmp_path, marked)
    assert "virtual.yaml names no bus 'lin' (it has line); did you mean 'line'?" in output


BUSY = """\
import socket
from pathlib import Path

import pytest

listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]

def test_busy(bench, bench_host, converter, tmp_path) -> None:
    from hil.protocols import UnavailableError
    from hil.gateways import open_gateway

    entry = bench.gateways["reference"]
    bench.gateways["busy"] = entry.model_copy(update={"modbus": f"127.0.0.1:{port}"})
    with pytest.raises(UnavailableError, match=f"gateway 'busy' does not start: .*{port}"):
        open_gateway(bench_host, bench, "busy", converter, tmp_path)
"""


def test_port_in_use(tmp_path: Path) -> None:
    """A reference gateway whose port is taken does not start, and says which port."""
    code, output = run(tmp_path, BUSY)
    assert code == 0, output


LEASED = """\
import time
from pathlib import Path

import pytest

from hil import leases

FOLDER = Path(__file__).parent

def test_kicked_out(converter, bench) -> None:
    leases.Leases().release(leases.resources_of(bench, "desk"), None)

def test_goes_on(converter) -> None:
    pass
"""

DESK = """\
bench: desk
buses: {{lan: {{kind: socket, host: 127.0.0.1, port: {port}, relay: cut}}}}
switches: {{cut: {{kind: command, on: [touch, "{folder}/safe"], off: ["true"], safe: "on"}}}}
places: {{desk: {{bus: lan}}}}
"""

TURNS = """\
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent

@pytest.mark.parametrize("number", range(4))
def test_alone(converter, number) -> None:
    mark = FOLDER / "occupied"
    mark.touch(exist_ok=False)
    deadline = time.monotonic() + 0.1
    while time.monotonic() < deadline:
        assert mark.exists()
    mark.unlink()
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Write a bench file for a converter that accepts connections; leases of its own."""
    monkeypatch.setenv(leases.FOLDER_VARIABLE, str(tmp_path / "leases"))
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        text = DESK.format(port=server.getsockname()[1], folder=tmp_path)
        (tmp_path / "bench.yaml").write_text(text, encoding="utf-8")
        yield tmp_path


def test_lost_lease_is_inconclusive(desk: Path) -> None:
    """What a test saw without its lease proves nothing; the bench is safe, and the next test runs.

    The record says so too, for those who read it instead of the terminal.
    """
    code, output = run(desk, LEASED, "--bench", "bench.yaml", "--junitxml=junit.xml", "-v")
    assert code == 1
    assert "test_kicked_out INCONCLUSIVE" in output
    assert "INCONCLUSIVE: the lease was taken away" in output
    assert "test_goes_on PASSED" in output
    report = (desk / "junit.xml").read_text("utf-8")
    assert '<property name="verdict" value="INCONCLUSIVE"' in report
    assert '<property name="lease" value="' in report
    assert '<property name="bench: bench" value="desk"' in report


def test_workers_take_turns(desk: Path) -> None:
    """Four tests on three workers of xdist never have the one converter at the same time."""
    code, output = run(desk, TURNS, "--bench", "bench.yaml", "-p", "xdist", "-n", "3")
    assert code == 0, output
    assert "4 passed" in output


def test_held_bench_is_not_run(desk: Path) -> None:
    """A bench that somebody keeps is NOT_RUN with who it is, once the waiting is over."""
    bench = bench_files.load(desk / "bench.yaml")
    with leases.Leases().acquire(leases.resources_of(bench, "desk"), "soak test"):
        code, output = run(desk, CONVERTER, "--bench", "bench.yaml", "--hil-wait", "0.2")
    assert code == 0
    assert "NOT_RUN: bus socket://127.0.0.1" in output
    assert "soak test" in output
