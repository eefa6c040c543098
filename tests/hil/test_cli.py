"""``meterbench hil``, as it is typed: what is printed, and with which exit code it ends."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import jsonschema
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from hil import bench as bench_files
from hil import leases
from hil.buses import open_bus
from hil.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

    from hil.host import Host

STAND_IN = """\
bench: virtual
buses: {line: {kind: tcp, population: worked-examples, baudrate: 9600}}
"""

DESK = """\
bench: desk
title: A converter and two meters
facts: {{shelf: "4"}}
buses:
  lan:
    kind: socket
    host: 127.0.0.1
    port: {port}
    baudrate: 9600
    family: prevodniky-ethmbus-4
    meters: [hall, roof]
  gone: {{kind: serial, id: usb-gone, family: relay-pw100}}
meters:
  hall: {{identification_number: 66600106, manufacturer: LUG, primary_address: 5}}
  roof: {{identification_number: {roof}, unit_loads: {loads}}}
gateways:
  twin:
    kind: reference
    bus: lan
    chip_ini: {{MBUS_SCANMODE: PRIMARYSCAN, MBUS_MINPRIMARYADDRESS: 5, MBUS_MAXPRIMARYADDRESS: 5}}
  box: {{kind: network, host: 127.0.0.1, port: 1, bus: gone, page: "http://127.0.0.1:1/",
         password_from: BENCH_PASSWORD_THAT_NOBODY_SETS}}
places:
  near: {{bus: lan, gateway: twin, tags: [heat]}}
  far: {{bus: gone, gateway: box}}
"""


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep leases in a folder of this test's own."""
    monkeypatch.setenv(leases.FOLDER_VARIABLE, str(tmp_path / "leases"))
    monkeypatch.delenv(leases.TOKEN_VARIABLE, raising=False)


@pytest.fixture(scope="module")
def port(bench_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of a simulated bus that stands in for a converter on the network."""
    folder = tmp_path_factory.mktemp("stand-in")
    virtual = bench_files.parse(STAND_IN, source="v", folder=folder)
    with closing(open_bus(bench_host, virtual, "line", folder)) as line:
        yield int(line.url.rpartition(":")[2])


def desk(folder: Path, port: int, roof: str = '"00428670"', loads: int = 1) -> str:
    """Write the bench file; return its path."""
    path = folder / "desk.yaml"
    path.write_text(DESK.format(port=port, roof=roof, loads=loads), encoding="utf-8")
    return str(path)


def hil(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, arguments)


def test_list(port: int, tmp_path: Path) -> None:
    """Places with their tags, resources with where they are, and whether they are there."""
    file = desk(tmp_path, port)
    document = json.loads(hil("list", "--bench", file, "--json").output)
    assert document["places"]["near"]["tags"] == ["heat"]
    rows = {row["resource"]: row for row in document["resources"]}
    assert rows["bus lan"]["where"] == f"socket://127.0.0.1:{port}"
    assert [rows[name]["there"] for name in ("bus lan", "bus gone", "gateway box")] == [
        True,
        False,
        False,
    ]
    assert rows["bus gone"]["reason"].startswith("there is no device /dev/serial/by-id/usb-gone")
    assert rows["gateway box"]["reason"] == "Connection refused"
    assert rows["gateway box"]["offers"] == ["modbus", "page"]
    assert rows["meter hall"]["there"] is None


def test_acquire_and_release(port: int, tmp_path: Path) -> None:
    """A place is held across commands; others are told, and let what is in use alone."""
    file = desk(tmp_path, port)
    taken = hil("acquire", "near", "--bench", file, "--purpose", "soak")
    assert taken.exit_code == 0
    token = taken.output.split(f"{leases.TOKEN_VARIABLE}=")[1].strip()
    listed = hil("list", "--bench", file).output
    assert "place near [heat]: bus lan, gateway twin" in listed
    assert "gateway box: 127.0.0.1:1; not there: Connection refused" in listed
    assert "held by" in listed
    assert "soak" in listed
    assert f"bus lan: socket://127.0.0.1:{port}; not asked: in use" in listed
    refused = hil("health", "near", "--bench", file)
    assert refused.exit_code == 3
    assert "is held by" in refused.output
    assert hil("release", "near", "--bench", file).exit_code == 2
    assert hil("release", "near", "--bench", file, "--token", "0").exit_code == 3
    assert hil("release", "near", "--bench", file, "--token", token).exit_code == 0
    assert hil("acquire", "near", "--bench", file).exit_code == 0
    assert "released" in hil("release", "near", "--bench", file, "--force").output
    assert "nothing to acquire" in hil("acquire").output


def test_health(port: int, tmp_path: Path) -> None:
    """Meters answer to the numbers on their labels; load and makers are compared."""
    done = hil("health", "near", "--bench", desk(tmp_path, port))
    assert done.exit_code == 0, done.output
    assert "fit      meter hall: 66600106 LUG answers" in done.output
    assert "fit      meter roof: 00428670 ABB answers" in done.output
    assert "fit      bus lan: 2 of 4 unit loads [prevodniky-ethmbus-4: page]" in done.output
    done = hil("health", "near", "--bench", desk(tmp_path, port, roof="1", loads=9))
    assert done.exit_code == 3
    assert "UNFIT    meter roof: 00000001 does not answer to its number" in done.output
    assert "UNFIT    bus lan: 10 of 4 unit loads" in done.output
    done = hil("health", "far", "--bench", desk(tmp_path, port))
    assert done.exit_code == 3
    assert "UNFIT    bus gone: bus 'gone': there is no device" in done.output
    assert "the environment variable BENCH_PASSWORD_THAT_NOBODY_SETS" in done.output


def test_probe(port: int, tmp_path: Path) -> None:
    """What can be told is told, what cannot is said, and the maker's word stands beside it."""
    file = desk(tmp_path, port)
    done = hil("probe", "near", "--bench", file, "--meter", "5", "--json")
    assert done.exit_code == 0, done.output
    found = {one["name"]: one for one in json.loads(done.output)["findings"]}
    assert found["parity"]["told"] is False
    assert found["echo"]["text"] == "no: nothing comes back"
    assert found["pace"]["figures"]["ratio"] > 0.8
    # A meter of the worked examples answers after 11 to 60 bits of 9600 Bd, 1.1 to 6.3 ms.
    assert 1.0 < found["round trip"]["figures"]["shortest_ms"] < 60.0
    assert found["published: bit rates"]["figures"] == {"within": 1.0}
    assert found["published: echo"]["text"] == "not published"
    silent = hil("probe", "near", "--bench", file, "--meter", "77")
    assert "round trip: cannot be told: no meter answers at 77" in silent.output
    missing = hil("probe", "far", "--bench", file)
    assert missing.exit_code == 3
    assert "there is no device" in missing.output


def test_check(tmp_path: Path) -> None:
    """All mistakes of all files; the schema takes what the check takes."""
    file = desk(tmp_path, 5)
    good = hil("check", file)
    assert good.exit_code == 0
    assert "2 places, 2 buses, 2 gateways" in good.output
    (tmp_path / "bad.yaml").write_text("bench: a\nbusses: {}\n", encoding="utf-8")
    bad = hil("check", file, str(tmp_path / "bad.yaml"))
    assert bad.exit_code == 2
    assert "bad.yaml:2:1: unknown key 'busses'" in bad.output
    jsonschema.Draft202012Validator.check_schema(json.loads(hil("check", "--schema").output))
    assert hil("check").exit_code == 2


def test_wrong_usage(tmp_path: Path) -> None:
    """A place that is not there, and a file that is none, are told in one line."""
    done = hil("health", "nowhere")
    assert done.exit_code == 2
    assert "names no place 'nowhere' (it has virtual)" in done.output
    done = hil("replay", str(tmp_path / "none.jsonl"))
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_record_replay_calibrate(port: int, tmp_path: Path) -> None:
    """What passed on the desk gives the same registers at home, and answer times within limits."""
    folder = tmp_path / "session"
    done = hil("record", str(folder), "--bench", desk(tmp_path, port), "--passes", "6")
    assert done.exit_code == 0, done.output
    record = json.loads((folder / "record.json").read_text("utf-8"))
    assert set(record["traces"]) == {"bus.jsonl", "bus.pcapng", "modbus.pcapng", "registers.json"}
    assert record["bench"]["shelf"] == "4"
    bus, registers = str(folder / "bus.jsonl"), str(folder / "registers.json")
    done = hil("replay", bus, "--compare", registers)
    assert done.exit_code == 0, done.output
    assert "0 requests that were never made before" in done.output
    words = json.loads((folder / "registers.json").read_text("utf-8"))
    words["12"] ^= 1
    (folder / "registers.json").write_text(json.dumps(words), encoding="utf-8")
    done = hil("replay", bus, "--compare", registers)
    assert done.exit_code == 1
    assert "register 12: " in done.output
    done = hil("calibrate", bus)
    assert done.exit_code == 0, done.output
    assert "recording_sha256" in done.output
    assert "identification_number: '66600106'" in done.output
    provenance = YAML(typ="safe").load(done.output)
    late = provenance["provenance"]["uncertainty_bits"] + provenance["provenance"]["late_bits"]
    for one in provenance["meters"]:
        low, high = one["answer_delay_bits"]
        # The meters of the worked examples take 11 to 60 bits; a busy host adds to that.
        assert 11 - late <= low < high <= 60 + 3 * late, one
