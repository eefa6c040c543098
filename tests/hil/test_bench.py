"""The bench file: everything that is wrong is told at once, at its place, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gateway.device import configuration
from gateway.runtime.port import LineFormat, Parity
from hil import bench
from hil.resources import (
    NetworkGateway,
    ReferenceGateway,
    SerialConverter,
    VirtualBus,
)

if TYPE_CHECKING:
    from hil.bench import Bench

GOOD = """\
bench: desk
title: USB converter and a gateway on the network
features: [heat, lab2]
facts: {rack: "3"}
images: {gateway firmware: firmware.bin}
buses:
  desk:
    kind: serial
    id: usb-1
    baudrate: 9600
    format: 8E1
    family: relay-pw100
    meters: [hall, roof]
    relay: mains
  cheap: {kind: serial, vid_pid: "0403:6001", serial_number: A1}
  remote: {kind: socket, host: 10.0.0.7, port: 10001}
  basement: {kind: tcp, population: demo, seed: 7, speed: 2.5, listen: "127.0.0.1:0"}
  own: {kind: pty, population: mine.yaml, through: ser2net-rfc2217}
  server: {kind: rfc2217, host: 10.0.0.8, port: 4001, modem_lines: false}
  radio: {kind: udp, host: 10.0.0.9, port: 4002}
  puppet: {kind: simulator, device: /dev/ttyUSB7, population: mine.yaml}
meters:
  hall: {identification_number: 12345678, manufacturer: KAM, title: heat, relay: cut}
  roof: {identification_number: "00428670", primary_address: 9, unit_loads: 2}
switches:
  mains: {kind: command, on: [uhubctl, -a, "on"], off: [uhubctl, -a, "off"], safe: "on"}
  cut: {kind: coil, host: 10.0.0.5, coil: 3}
gateways:
  reference:
    kind: reference
    bus: basement
    unit_loads: 20
    chip_ini: {METER_TIME: 10, MBUS_SCANMODE: PRIMARYSCAN, NAME: bench}
  alone: {kind: reference, bus: own, runs: process}
  anybus:
    kind: network
    host: 192.168.1.101
    unit_identifier: 1
    bus: desk
    page: http://192.168.1.101/
    user_from: BOX_USER
    password_from: BOX_PASSWORD
    power: mains
places:
  left: {tags: [usb], bus: desk, gateway: anybus}
  right: {tags: [virtual], bus: basement, gateway: reference}
"""

MINE = """\
meters:
  - {id: a, profile: heat-basic, identification_number: 1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a population of its own."""
    (tmp_path / "mine.yaml").write_text(MINE, encoding="utf-8")
    (tmp_path / "firmware.bin").write_bytes(b"firmware")
    return tmp_path


def read(text: str, folder: Path) -> Bench:
    """Read a bench file from its text."""
    return bench.parse(text, source="bench.yaml", folder=folder)


def complaints(text: str, folder: Path) -> list[str]:
    """Return what is said about a bench file."""
    with pytest.raises(bench.BenchError) as caught:
        read(text, folder)
    return str(caught.value).splitlines()


def test_good_file(folder: Path) -> None:
    """Buses, gateways and tags are read as they stand."""
    good = read(GOOD, folder)
    assert good.name == "desk"
    assert good.features == {"heat", "lab2"}
    assert list(good.buses)[:4] == ["desk", "cheap", "remote", "basement"]
    assert good.meters["hall"].identification_number == "12345678"
    desk = good.buses["desk"]
    assert isinstance(desk, SerialConverter)
    assert desk.line_format == LineFormat(9600, 8, Parity.EVEN, 1)
    basement = good.buses["basement"]
    assert isinstance(basement, VirtualBus)
    assert len(good.population(basement)) > 2
    own = good.buses["own"]
    assert isinstance(own, VirtualBus)
    assert good.population(own).ids == ["a"]
    assert isinstance(good.gateways["anybus"], NetworkGateway)


def test_choice(folder: Path) -> None:
    """A test that names nothing gets the first; an unknown name is told with what there is."""
    good = read(GOOD, folder)
    assert (good.bus_name(), good.gateway_name()) == ("desk", "reference")
    assert good.bus_name("own") == "own"
    with pytest.raises(LookupError, match=r"no bus 'basment' .*; did you mean 'basement'\?"):
        good.bus_name("basment")
    with pytest.raises(LookupError, match=r"no gateway \(it has none\)"):
        read("bench: empty", folder).gateway_name()


def test_chip_ini(folder: Path) -> None:
    """The settings of a reference gateway are the factory file with the bench's changes."""
    reference = read(GOOD, folder).gateways["reference"]
    assert isinstance(reference, ReferenceGateway)
    settings, found = configuration.load(bench.chip_ini(reference), unit_loads=20)
    assert found == []
    assert (settings.meter_time, settings.mbus_scanmode) == (10, "PRIMARYSCAN")
    assert (settings.name, settings.meter_maxdevicecount) == ("bench", 20)
    factory, _ = configuration.load(configuration.factory_chip_ini(20).encode(), unit_loads=20)
    assert settings.mbus_searchtiming == factory.mbus_searchtiming


def test_all_mistakes_at_once(folder: Path) -> None:
    """Every mistake has its line and column, and mistyped words their correction."""
    text = """\
bench: my desk
feature: [heat]
images: {firmware: gone.bin}
buses:
  desk: {kind: seriel, device: /dev/ttyUSB0}
  usb: {kind: socket, host: gw, port: 0, baudrate: 2401, formt: 8E1}
  line: {kind: pty, population: demmo}
  half: {kind: tcp}
  what: {population: demo}
  both: {kind: serial, id: a, device: /dev/b, family: relay-pw10, meters: [hal]}
meters:
  hall: {identification_number: 123456789, manufacturer: Kam, relais: x}
gateways:
  a: {kind: reference, bus: lines, chip_ini: {METER_TIM: 10, METER_TIME: 5}}
  b: {kind: network, host: gw, port: 70000, password: secret}
places:
  one: {bus: lin, gateway: c}
"""
    expected = """\
bench.yaml:1:8: bench: String should match pattern '^[A-Za-z][A-Za-z0-9_-]*$', got 'my desk'
bench.yaml:2:1: unknown key 'feature'; did you mean 'features'?
bench.yaml:3:20: firmware: there is no file gone.bin
bench.yaml:5:16: kind: expected one of pty, tcp, serial, socket, rfc2217, udp, simulator, got 'seriel'; did you mean 'serial'?
bench.yaml:6:39: port: Input should be greater than or equal to 1, got 0
bench.yaml:6:52: baudrate: expected one of 300, 600, 1200, 2400, 4800, 9600, 19200, 38400, got 2401
bench.yaml:6:58: unknown key 'formt'; did you mean 'format'?
bench.yaml:7:33: population: 'demmo': no such file, and no population of the package; did you mean 'demo'? (apartment-block, collision-torture, data-centre, demo, district-heating, old-basement, worked-examples)
bench.yaml:8:9: key 'population' is missing here
bench.yaml:9:9: key 'kind' is missing here: one of pty, tcp, serial, socket, rfc2217, udp, simulator
bench.yaml:10:9: serial: expected exactly one of id, vid_pid and device, got id and device
bench.yaml:10:55: family: 'relay-pw10' is not known (beckhoff-kl6781, kamstrup-multiport-250, prevodniky-ethmbus-4, prevodniky-rs485tombus-5, relay-pw100, relay-pw250, relay-w60); did you mean 'relay-pw100'?
bench.yaml:10:76: meters: no meter is called 'hal' (hall); did you mean 'hall'?
bench.yaml:12:33: identification_number: String should match pattern '^[0-9A-F]{8}$', got '123456789'
bench.yaml:12:58: manufacturer: String should match pattern '^[A-Z]{3}$', got 'Kam'
bench.yaml:12:63: unknown key 'relais'; did you mean 'relay'?
bench.yaml:14:29: bus: no bus is called 'lines' (desk, usb, line, half, what, both); did you mean 'line'?
bench.yaml:14:47: chip_ini: unknown key 'METER_TIM'; did you mean 'METER_TIME'?
bench.yaml:14:62: chip_ini: METER_TIME: expected 10 to 4294967295 s, got '5'
bench.yaml:15:38: port: Input should be less than or equal to 65535, got 70000
bench.yaml:15:45: unknown key 'password'; did you mean 'password_from'?
bench.yaml:17:14: bus: no bus is called 'lin' (desk, usb, line, half, what, both); did you mean 'line'?
bench.yaml:17:28: gateway: no gateway is called 'c' (a, b)
"""  # noqa: E501
    assert "\n".join(complaints(text, folder)) + "\n" == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "bench.yaml:1:1: document: Input should be a valid dictionary"),
        ("- a\n", "bench.yaml:1:1: document: Input should be a valid dictionary"),
        ("bench: [", "bench.yaml:1:9: not YAML: "),
        ("bench: a\nbench: b\n", "bench.yaml:2:1: this key stands here twice"),
        ("title: x\n", "bench.yaml:1:1: key 'bench' is missing here"),
        ("bench: a\nbuses: {1a: {kind: pty, population: demo}}\n", "bench.yaml:2:9: name: "),
        ("bench: a\nbuses: {a: 5}\n", "bench.yaml:2:12: a: "),
        ("bench: a\ngateways: [x]\n", "bench.yaml:2:11: gateways: "),
        ("bench: 5\n", "bench.yaml:1:8: bench: Input should be a valid string, got 5"),
    ],
)
def test_single_mistakes(text: str, complaint: str, folder: Path) -> None:
    """A file that is no bench file says where and why."""
    assert any(line.startswith(complaint) for line in complaints(text, folder))


def test_mistake_in_a_population(folder: Path) -> None:
    """A population with a mistake is told at the mistake, in its own file."""
    (folder / "mine.yaml").write_text("meters:\n  - {id: a, profil: heat-basic}\n", "utf-8")
    found = complaints("bench: a\nbuses: {own: {kind: pty, population: mine.yaml}}\n", folder)
    assert any(
        line.startswith(f"{folder / 'mine.yaml'}:2:13: unknown key 'profil'") for line in found
    )


def test_places_and_tags(folder: Path) -> None:
    """A place is found by its tags; a file without places is one place."""
    good = read(GOOD, folder)
    assert good.place_name() == "left"
    assert good.place_name(tags=["virtual", "heat"]) == "right"
    with pytest.raises(LookupError, match=r"no place tagged spare \(left: usb, heat, lab2; right"):
        good.place_name(tags=["spare"])
    assert list(bench.virtual().places) == ["virtual"]
    assert bench.virtual().places["virtual"].bus == "line"


def test_facts_of_a_report(folder: Path) -> None:
    """Every report says which bench, which image and which meters; no secret is among it."""
    facts = read(GOOD, folder).report_facts()
    assert facts["bench"] == "desk (USB converter and a gateway on the network)"
    digest = "d5a0f9e5c5f3f1c2"
    assert facts["image gateway firmware"].startswith("firmware.bin, 8 bytes, sha256 ")
    assert len(facts["image gateway firmware"].split()[-1]) == 4 * len(digest)
    assert facts["bus desk"] == "/dev/serial/by-id/usb-1"
    assert facts["meter hall"] == "12345678 KAM heat"
    assert facts["rack"] == "3"
    assert facts["software"].startswith("Python 3.")
    assert "program ser2net" in facts
    assert not any("BOX" in value for value in facts.values())


def test_credentials_come_from_the_environment(folder: Path) -> None:
    """The file names variables only; what they hold is shown by no representation."""
    box = read(GOOD, folder).gateways["anybus"]
    assert isinstance(box, NetworkGateway)
    secret = box.credentials({"BOX_USER": "admin", "BOX_PASSWORD": "hush"})
    assert secret is not None
    assert (secret.user, secret.password) == ("admin", "hush")
    assert "hush" not in repr(secret) + repr(box) + str(read(GOOD, folder).report_facts())
    with pytest.raises(LookupError, match="the environment variable BOX_PASSWORD"):
        box.credentials({"BOX_USER": "admin"})
    text = "bench: a\ngateways: {b: {kind: network, host: b, page: 'http://u:hush@b/'}}\n"
    (line,) = complaints(text, folder)
    assert "a password has no place in this file" in line


def test_unreadable_file(tmp_path: Path) -> None:
    """A missing file, and one that is not text, are complaints with their name."""
    with pytest.raises(bench.BenchError, match=r"absent.yaml:1:1: cannot be read: No such file"):
        bench.load(tmp_path / "absent.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    with pytest.raises(bench.BenchError, match=r"b.yaml:1:1: cannot be read"):
        bench.load(tmp_path / "b.yaml")


def test_load_resolves_beside_the_file(folder: Path) -> None:
    """A population is looked for beside the bench file."""
    path = folder / "bench.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert bench.load(path).folder == folder


def test_virtual_bench() -> None:
    """The packaged bench needs no hardware and says so."""
    packaged = bench.virtual()
    assert "virtual" in packaged.features
    assert packaged.gateways[packaged.gateway_name()].kind == "reference"


def test_published_schema_is_up_to_date() -> None:
    """The file for editors is what the models say."""
    published = Path(bench.__file__).with_name("bench.schema.json").read_text("utf-8")
    assert published == bench.schema_text()


def test_schema(folder: Path) -> None:
    """The published schema is valid and takes the good file."""
    schema = bench.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = YAML(typ="safe").load(GOOD)
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    del document["bench"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)
    assert read(GOOD, folder).title


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["bench", "buses", "gateways", "kind", "bus", "chip_ini", "a", "population"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_total_over_any_document(made: object) -> None:
    """Any YAML document is a bench or gives complaints with places, never another error."""
    out = io.StringIO()
    YAML().dump(made, out)
    try:
        read(out.getvalue(), Path("absent"))
        found = []
    except bench.BenchError as error:
        found = list(error.complaints)
        event("complaints")
    assert all(one.line >= 1 and one.column >= 1 and one.message for one in found)
