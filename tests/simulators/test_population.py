"""Populations: strict, every mistake in its place, everything from the seed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from simulators import population
from simulators.document import PopulationError, load

if TYPE_CHECKING:
    from pathlib import Path

    from simulators.meter import Meter


def parsed(text: str) -> population.Population:
    """A population from YAML text."""
    return population.parse(load(text, "bad.yaml"), source="bad.yaml")


def made(*entries: dict[str, Any], seed: int = 1) -> list[Meter]:
    """The meters of entries."""
    return population.parse(list(entries), source="test").meters(seed=seed)


BAD = """population: bad
meters:
  - {id: m, count: 3, profile: heat-basik}
  - {id: n, profle: heat-basic}
  - id: o
    profile: heat-basic
    identification_number: 123456789
    primary_address: 251
  - {id: m0, profile: gas, medium: 300}
  - {id: p, profile: gas, manufacturer: kam, faults: [{header: {verson: 3}}, {}]}
  - {id: q, profile: gas, expect: {9: {integer: 1}}}
  - {id: r, profile: gas, pages: 2}
  - {id: s, count: 200, profile: gas, primary_address: "i + 100"}
  - {id: t, records: [{dib: "01", coding: int8, value: 1, hidden: true}]}
baudrat: 2400
"""


def test_all_mistakes_of_a_file_are_reported_at_once_in_their_places() -> None:
    """A file with many mistakes gives each of them with line, column and expectation."""
    with pytest.raises(PopulationError) as caught:
        parsed(BAD)
    lines = [str(item) for item in caught.value.complaints]
    for start in (
        "bad.yaml:3:32: profile: no profile is called 'heat-basik'; did you mean 'heat-basic'?",
        "bad.yaml:4:13: unknown key 'profle'; did you mean 'profile'?",
        "bad.yaml:7:28: identification_number: want up to 8 digits",
        "bad.yaml:8:22: primary_address: want 0 to 250",
        "bad.yaml:9:10: id: another meter is called 'm0' already",
        "bad.yaml:9:36: medium: Input should be less than or equal to 255",
        "bad.yaml:10:41: manufacturer: a manufacturer is three letters A-Z",
        "bad.yaml:10:65: unknown key 'verson'; did you mean 'version'?",
        "bad.yaml:10:78: want one of dead, power, header",
        "bad.yaml:11:5: expect: records are counted from 0 to 4, got 9",
        "bad.yaml:12:5: pages: the profile has 1, got 2",
        "bad.yaml:13:5: primary_address: meter 199 would have 299",
        "bad.yaml:14:5: a meter with its own records wants manufacturer, version, medium",
        "bad.yaml:15:1: unknown key 'baudrat'; did you mean 'baudrate'?",
    ):
        assert any(line.startswith(start) for line in lines), (start, lines)
    assert len(lines) == 14
    assert lines == [str(item) for item in sorted(caught.value.complaints)]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("meters: [", "1:10", "not YAML"),
        ("meters:\n  - {id: a, id: b}\n", "2:13", "twice"),
        ("meters: []\n", "1:9", "at least 1"),
        ("title: x\n", "1:1", "'meters' is missing"),
        ("just text\n", "1:1", "want a mapping"),
        ("", "1:1", "want a mapping"),
        ("meters:\n  - {id: 'a b', profile: gas}\n", "2:10", "pattern"),
        ("meters:\n  - {id: a, count: 0, profile: gas}\n", "2:20", "greater than or equal to 1"),
        ("meters:\n  - {id: a}\n", "2:5", "either 'profile' or 'records'"),
        ("baudrate: 1000\nmeters:\n  - {id: a, profile: gas}\n", "1:11", "9600"),
    ],
)
def test_mistakes_of_form(text: str, place: str, words: str) -> None:
    """Broken YAML and wrong shapes are complaints too, never a traceback of the parser."""
    with pytest.raises(PopulationError) as caught:
        parsed(text)
    assert f"bad.yaml:{place}: " in str(caught.value)
    assert words in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    """The names that would have worked are shown."""
    with pytest.raises(PopulationError, match="did you mean 'demo'"):
        population.load("demos")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are a complaint about the file."""
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PopulationError, match=r"x\.yaml:1:1: cannot be read"):
        population.load(path)


@pytest.mark.parametrize("name", sorted(population.packaged()))
def test_ready_populations_load_and_suit_the_schema(name: str) -> None:
    """The populations that we ship are valid and agree with the published schema."""
    found = population.load(name)
    assert len(found) == len(found.meters(seed=1)) == len(set(found.ids))
    document = YAML(typ="safe").load(population.packaged()[name])
    for entry in document["meters"]:
        # JSON has texts for keys.
        entry["expect"] = {str(key): value for key, value in entry.get("expect", {}).items()}
    jsonschema.Draft202012Validator(population.schema()).validate(document)


def test_the_schema_refuses_an_unknown_key() -> None:
    """An editor with the schema marks what the loader refuses."""
    validator = jsonschema.Draft202012Validator(population.schema())
    jsonschema.Draft202012Validator.check_schema(population.schema())
    assert not validator.is_valid({"meters": [{"id": "m", "profle": "gas"}]})


def test_the_demo_has_twelve_meters_of_several_makers() -> None:
    """The demo population shows every common kind, and two numbers that differ in one digit."""
    meters = population.load("demo").meters(seed=1)
    assert len(meters) == 12
    assert len({meter.manufacturer for meter in meters}) >= 5
    assert {2, 3, 4, 22, 27} <= {meter.medium for meter in meters}
    numbers = {meter.identification_number for meter in meters}
    assert {"66600103", "66600104"} <= numbers
    assert len(population.load("apartment-block")) == 80


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ("10000001 + i", ["10000001", "10000002", "10000003"]),
        ("i + 7", ["00000007", "00000008", "00000009"]),
        ("5 + 10 * i", ["00000005", "00000015", "00000025"]),
        (20000000, ["20000000"] * 3),
        ("1234ABCD", ["1234ABCD"] * 3),
        ("428670", ["00428670"] * 3),
    ],
)
def test_identification_numbers_follow_their_rule(rule: int | str, numbers: list[str]) -> None:
    """A literal, hex digits included, or a pattern in which i counts from 0."""
    meters = made({"id": "m", "count": 3, "profile": "gas", "identification_number": rule})
    assert [meter.identification_number for meter in meters] == numbers
    assert [meter.id for meter in meters] == ["m0", "m1", "m2"]


def test_drawn_numbers_differ_and_depend_on_the_seed() -> None:
    """Random numbers are all different; sequential ones follow each other from a drawn one."""
    entry = {"id": "m", "count": 250, "profile": "gas"}
    numbers = [meter.identification_number for meter in made(entry)]
    assert len(set(numbers)) == 250
    assert numbers != [meter.identification_number for meter in made(entry, seed=2)]
    row = [
        int(item.identification_number)
        for item in made(entry | {"identification_number": "sequential"})
    ]
    assert row == list(range(row[0], row[0] + 250))


def test_an_entry_overrides_its_profile() -> None:
    """Manufacturer, version, medium, address, pages, value and expectations can be altered."""
    (meter,) = made(
        {
            "id": "m",
            "profile": "electricity-multipage",
            "manufacturer": "KAM",
            "version": 9,
            "medium": 14,
            "primary_address": 7,
            "pages": 1,
            "value": "0xFF + t / 100 ms",
            "expect": {1: {"integer": 5, "unit": "J"}},
            "faults": [{"header": {"version": 0x99}}],
        }
    )
    assert (meter.manufacturer, meter.version, meter.medium) == ("KAM", 9, 14)
    assert meter.primary_address == 7
    assert len(meter.settings.telegrams) == 1
    first, second = meter.settings.telegrams[0][:2]
    assert second.expect is not None
    assert (second.expect.integer, second.expect.unit) == (5, "J")
    assert first.id is None


def test_profiles_beside_the_population_are_used(tmp_path: Path) -> None:
    """A profile in the population's folder is found by name or path; its mistakes are its own."""
    text = population.packaged()["demo"]
    own = "profile: mine\ntitle: Mine\nmanufacturer: XYZ\nversion: 1\nmedium: 15\nrecords:\n"
    good = '  - {dib: "01", vib: "03", coding: int8, value: 1, hidden: true}\n'
    (tmp_path / "mine.yaml").write_text(own + good, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(own + good.replace("int8", "int9"), encoding="utf-8")
    path = tmp_path / "population.yaml"
    path.write_text(text + "  - {id: own, profile: mine.yaml}\n", encoding="utf-8")
    assert population.load(path).meters(seed=1)[-1].manufacturer == "XYZ"
    path.write_text(text + "  - {id: own, profile: bad}\n", encoding="utf-8")
    with pytest.raises(PopulationError, match=r"population\.yaml:\d+:\d+: profile: .*bad\.yaml:7:"):
        population.load(path)


def test_a_plain_list_is_a_population_too() -> None:
    """`world.meters` of a scenario is the list of entries alone."""
    document = load("world:\n  meters:\n    - {id: m, profile: gass}\n", "x.scn.yaml")
    with pytest.raises(PopulationError, match=r"x\.scn\.yaml:3:24: profile: .*did you mean 'gas'"):
        population.parse(document["world"]["meters"], source="x.scn.yaml")


RUN = """
import hashlib, simpy, sys
from simulators import population
from simulators.characters import Format
from simulators.network import Network
env = simpy.Environment()
network = Network(env, population.load(sys.argv[1]), seed=7)
digest = hashlib.sha256()
network.subscribe(lambda seen: digest.update(seen.to_json().encode()))
for telegram in ("680B0B6853FD52FFFFFFFFFFFFFFFF9A16", "107BFD7816", "1040FF3F16", "107BFE7916"):
    network.bus.send("master", bytes.fromhex(telegram), Format(2400))
    env.run()
print(digest.hexdigest(), len(network.observations))
"""


@pytest.mark.parametrize("name", sorted(population.packaged()))
def test_the_same_seed_gives_the_same_trace_in_another_process(name: str) -> None:
    """Byte for byte the same trace of every population, whatever PYTHONHASHSEED is."""
    path = os.pathsep.join([entry for entry in sys.path if entry])
    traces = {
        subprocess.run(
            [sys.executable, "-c", RUN, name],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "4711")
    }
    assert len(traces) == 1
    assert int(traces.pop().split()[1]) >= len(population.load(name))
