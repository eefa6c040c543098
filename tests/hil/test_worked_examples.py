"""The bench files and the tests of docs/bench.md, run against virtual stand-ins.

A pseudo-terminal with three simulated meters stands in for the USB adapter, and the reference
gateway for the one in the network; the line is four times as fast, the search is short, and nothing
else is another one.
"""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from hil import bench as bench_files
from hil import leases
from hil.buses import open_bus
from hil.cli import app
from hil.gateways import open_gateway
from hil.protocols import OFFERS, Offer
from tests.hil.test_pytest_plugin import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hil.buses import Converter
    from hil.host import Host

PAGE = (Path(__file__).parents[2] / "docs" / "bench.md").read_text(encoding="utf-8")

#: A search of three addresses, in place of one that takes its time.
THREE_ADDRESSES = "MBUS_SCANMODE: PRIMARYSCAN, MBUS_MINPRIMARYADDRESS: 1, MBUS_MAXPRIMARYADDRESS: 3"

#: The meters whose labels the first example shows.
POPULATION = """\
population: three
meters:
  - {id: hall, profile: worked-example-a, identification_number: 10203040, manufacturer: ACW,
     primary_address: 1}
  - {id: kitchen, profile: worked-example-b, identification_number: 10203041, primary_address: 2}
  - {id: roof, profile: worked-example-a, identification_number: "00203042",
     primary_address: 3}
"""

STAND_IN = """\
bench: stand-in
buses: {line: {kind: pty, population: three.yaml, baudrate: 9600}}
gateways:
  twin:
    kind: reference
    bus: line
    chip_ini: {MBUS_SCANMODE: PRIMARYSCAN, MBUS_MINPRIMARYADDRESS: 1, MBUS_MAXPRIMARYADDRESS: 3}
"""


def block(language: str, begins: str) -> str:
    """Return the block of the page that has a line which begins so."""
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return next(text for text in blocks if re.search(rf"^{re.escape(begins)}", text, re.MULTILINE))


def replaced(text: str, changes: dict[str, str]) -> str:
    """Return a bench file with what a stand-in changes; each change happens."""
    for old, new in changes.items():
        assert re.search(old, text), f"the example has no {old}"
        text = re.sub(old, new, text)
    return text


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep leases in a folder of this test's own."""
    monkeypatch.setenv(leases.FOLDER_VARIABLE, str(tmp_path / "leases"))
    monkeypatch.delenv(leases.TOKEN_VARIABLE, raising=False)


@contextmanager
def three_meters(host: Host, folder: Path) -> Iterator[Converter]:
    """Put the three meters behind a pseudo-terminal."""
    (folder / "three.yaml").write_text(POPULATION, encoding="utf-8")
    bench = bench_files.parse(STAND_IN, source="stand-in", folder=folder)
    with closing(open_bus(host, bench, "line", folder)) as line:
        yield line


def hil(*arguments: str) -> str:
    """Run a command that has nothing to complain about; return what it prints."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_usb_converter_and_three_meters(bench_host: Host, tmp_path: Path) -> None:
    """The file checks, the meters answer to their labels, and the page's test passes."""
    with three_meters(bench_host, tmp_path) as line:
        changes = {
            r"id: usb-FTDI\S+": f"device: {line.url}",
            "baudrate: 2400": "baudrate: 9600",
            "METER_TIME: 60": f"METER_TIME: 60, {THREE_ADDRESSES}",
        }
        text = replaced(block("yaml", "bench: desk"), changes)
        (tmp_path / "desk.yaml").write_text(text, encoding="utf-8")
        file = str(tmp_path / "desk.yaml")
        assert "1 places, 1 buses, 1 gateways" in hil("check", file)
        assert f"bus usb: {line.url}; there" in hil("list", "--bench", file)
        health = hil("health", "--bench", file)
        assert health.count("fit      meter ") == 3
        assert "4 of 100 unit loads [relay-pw100: manual]" in health
        assert "published: unit loads: 100 [manual]" in hil("probe", "--bench", file)
        code, output = run(
            tmp_path, block("python", "def test_every_label"), "--bench", "desk.yaml"
        )
        assert code == 0, output
        assert "1 passed" in output
        assert "shelf: 4" in output


def test_gateway_in_the_network(
    bench_host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked at its address alone, and its secrets come from the environment."""
    monkeypatch.setenv("BOX_USER", "admin")
    monkeypatch.setenv("BOX_PASSWORD", "hush")
    with three_meters(bench_host, tmp_path) as line:
        bench = bench_files.parse(STAND_IN, source="stand-in", folder=tmp_path)
        with closing(open_gateway(bench_host, bench, "twin", line, tmp_path / "data")) as gateway:
            assert gateway.reference is not None
            gateway.reference.commission()
            host, port = gateway.address
            changes = {
                r"host: 192\.168\.1\.101": f"host: {host}",
                r"port: 502": f"port: {port}",
                r'\[uhubctl.*"\]': '["true"]',
            }
            text = replaced(block("yaml", "bench: box"), changes)
            (tmp_path / "box.yaml").write_text(text, encoding="utf-8")
            health = hil("health", "--bench", str(tmp_path / "box.yaml"))
            assert f"fit      gateway box: {host}:{port} answers" in health
            test = block("python", "def test_it_comes_back")
            code, output = run(tmp_path, test, "--bench", "box.yaml", "--require-hil", "-v")
            assert code == 0, output
            assert "1 passed" in output
            assert "hush" not in output + health


def test_table_of_offers_is_true() -> None:
    """The page's table says what `OFFERS` says, kind by kind."""
    rows = re.findall(r"^\| `([A-Z_]+)`: ([^|]+?) \|(.*)\|$", PAGE, re.MULTILINE)
    assert [name for name, _, _ in rows] == [offer.name for offer in Offer]
    for name, meaning, cells in rows:
        assert meaning == Offer[name].value
        told = dict(zip(OFFERS, (cell.strip() for cell in cells.split("|")), strict=True))
        for kind, offers in OFFERS.items():
            always = bool(told[kind]) and not told[kind].startswith("with ")
            assert always == (Offer[name] in offers), f"{name} of {kind}"
