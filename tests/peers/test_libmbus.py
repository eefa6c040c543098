"""libmbus, the master that most of the field is built on, finds and reads simulated meters.

Its sources come with node-mbus from npm and are compiled here as they are, but for one thing: over
a pseudo-terminal it is told that a port has no parity bit, because there some systems refuse one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulators.test_endpoints import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(__file__).parent / "node_modules" / "node-mbus" / "libmbus"
PARTS = ("mbus", "mbus-protocol", "mbus-protocol-aux", "mbus-serial", "mbus-tcp")
WITHOUT_PARITY = "#include <termios.h>\n#undef PARENB\n#define PARENB 0\n"
TOOLS = (
    "mbus-serial-request-data-multi-reply",
    "mbus-serial-scan-secondary",
    "mbus-serial-set-address",
    "mbus-tcp-request-data",
)
PATIENCE_S = 60.0
#: Fast enough for a test, slow enough for a host that is busy with other things.
SPEED = 20.0
BAUDRATE = 9600


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with libmbus' command line tools."""
    if not SOURCES.is_dir():
        pytest.skip("node-mbus is not installed (npm ci in tests/peers)")
    folder = tmp_path_factory.mktemp("libmbus")
    shim = folder / "without_parity.h"
    shim.write_text(WITHOUT_PARITY, encoding="utf-8")
    compiler = shutil.which("cc")
    assert compiler is not None, "the test needs it"
    options = ["-w", f"-I{SOURCES}", f"-I{SOURCES.parent}", "-include", str(shim)]
    parts = [str(SOURCES / "mbus" / f"{part}.c") for part in PARTS]
    subprocess.run([compiler, "-c", *options, *parts], cwd=folder, check=True, timeout=PATIENCE_S)
    objects = [f"{part}.o" for part in PARTS]
    for tool in TOOLS:
        source = str(SOURCES / "bin" / f"{tool}.c")
        command = [compiler, *options, "-o", tool, source, *objects, "-lm"]
        subprocess.run(command, cwd=folder, check=True, timeout=PATIENCE_S)
    return folder


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    """The meters of the demo in real time."""
    running = Simulation("demo", baudrate=BAUDRATE)
    yield running
    running.close()


def told(tools: Path, tool: str, *arguments: str) -> str:
    """What a tool prints."""
    done = subprocess.run(
        [str(tools / tool), *arguments],
        capture_output=True,
        text=True,
        encoding="latin-1",
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def over_tcp(simulation: Simulation) -> tuple[str, str]:
    """Host and port of the bus."""
    host, port = simulation.url(SPEED).removeprefix("socket://").split(":")
    return host, port


@pytest.mark.needs("cc")
def test_it_reads_over_tcp(tools: Path, simulation: Simulation) -> None:
    """By secondary address, the records are those that the meter sent."""
    printed = told(tools, "mbus-tcp-request-data", *over_tcp(simulation), "66600101A7320204")
    assert "<Id>66600101</Id>" in printed
    assert "<Manufacturer>LUG</Manufacturer>" in printed
    meter = next(one for one in simulation.network.meters.values() if one.identity[0] == "66600101")
    sent = meter.application.records
    assert printed.count("<DataRecord ") == len(sent)


@pytest.mark.needs("cc")
def test_it_reads_every_telegram(tools: Path, simulation: Simulation, tmp_path: Path) -> None:
    """A meter with three telegrams gives all of them to a master that toggles the FCB."""
    # Over TCP it waits for four seconds after each of its requests that nobody answers.
    link = tmp_path / "ttyMB"
    simulation.serve(f"pty:{link}", SPEED)
    place = ("-b", str(BAUDRATE), str(link))
    printed = told(tools, "mbus-serial-request-data-multi-reply", *place, "00428670361C1602")
    board = simulation.network.meters["board"]
    numbers = re.findall(r'<DataRecord id="\d+"', printed)
    # "More records follow" at the end of a telegram is a record to libmbus.
    pages = len(board.application.pages)
    assert pages == 3
    assert len(numbers) == len(board.application.records) + pages - 1
    assert board.read_outs


@pytest.mark.needs("cc")
def test_it_sets_an_address_over_a_pty(tools: Path, simulation: Simulation, tmp_path: Path) -> None:
    """The meter answers under its new primary address at once."""
    link = tmp_path / "ttyMB"
    simulation.serve(f"pty:{link}", SPEED)
    rate = ("-b", str(BAUDRATE))
    told(tools, "mbus-serial-set-address", *rate, str(link), "66600101A7320204", "77")
    printed = told(tools, "mbus-serial-request-data-multi-reply", *rate, str(link), "77")
    assert "<Id>66600101</Id>" in printed


@pytest.mark.needs("cc")
def test_it_finds_the_meters_over_a_pty(tools: Path, tmp_path: Path) -> None:
    """Its search by secondary address comes to two meters and no more."""
    running = Simulation("worked-examples", baudrate=BAUDRATE)
    try:
        link = tmp_path / "ttyMB"
        running.serve(f"pty:{link}", SPEED)
        printed = told(tools, "mbus-serial-scan-secondary", "-b", str(BAUDRATE), str(link))
        found = re.findall(r"secondary address ([0-9A-F]{8})", printed)
        assert sorted(found) == sorted(
            meter.identification_number for meter in running.network.meters.values()
        )
    finally:
        running.close()
