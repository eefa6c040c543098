"""A file becomes one resolved form; the builder gives the same; gaps are told before a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from scenarios.language import builder, ir
from scenarios.language.compile import compile_path, compile_text, gaps
from scenarios.language.diagnostics import ScenarioError, to_text
from scenarios.language.schema import schema
from scenarios.language.vocabulary import Capability
from scenarios.run import library_folder

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
scenario: all-verbs
version: 1
title: Every verb once
verifies: [SCAN-01]
seeds: {default: 7, sweep: 1..9}
limits: {time: 2 min}
world:
  clock: 2026-11-20T12:00:00Z
  bus: {baud: 9600}
  gateway: {config: {METER_TIME: 10}}
  meters:
    - {id: e, count: 2, profile: electricity-basic, identification_number: "50000001 + i"}
    - {id: water, profile: water-cold, identification_number: 20000002}
  clients:
    - {id: watcher, every: 500 ms, read: {from: 0, count: 10}}
do:
  - scan: {}
  - wait_until: {gateway.scan: done, meter(water).answering: true}
    within: 30 s
  - parallel:
    - serial: [{allocate: {}}, {readout: {}}]
    - start: {client: watcher}
  - every: 10 s
    times: 2
    do: [{poll: {}}]
  - repeat: 3
    do: [{power: {meter: water, to: off}}, {wait: 1.5 s}, {power: {meter: water, to: on}}]
  - poll: {from: 10, count: 20}
  - stop: {client: watcher}
assume:
  - {id: A1, that: "count(bus.collisions where involves(e*) and value == 3) >= 0"}
expect:
  - {id: E1, that: "never(meter(e*).registers.flags != 0)", req: [REG-M], tolerance: {pty: 1 s}}
check:
  - {id: C1, that: "meter(water).answering == true", only: [sim]}
  - {id: C2, registers: standard, for: "e*"}
  - {id: C3, registers: {0: "0001 .... 2883"}}
"""


def _scenario() -> ir.Scenario:
    return compile_text(TEXT, "f.scn.yaml").require()


def test_a_file_becomes_steps_with_whole_nanoseconds() -> None:
    """Verbs, units and names are resolved; each step keeps the line that asked for it."""
    steps = _scenario().do.steps
    assert [type(step).__name__ for step in steps] == [
        "Scan", "WaitUntil", "Parallel", "Every", "Repeat", "Poll", "Stop",
    ]  # fmt: skip
    wait, repeat, poll = steps[1], steps[4], steps[5]
    assert isinstance(wait, ir.WaitUntil)
    assert wait.wanted == (("gateway.scan", "done"), ("meter(water).answering", True))
    assert wait.within_ns == 30_000_000_000
    assert (wait.place.line, wait.place.column) == (18, 5)
    assert isinstance(repeat, ir.Repeat)
    assert [type(step).__name__ for step in repeat.step.steps] == ["Power", "Wait", "Power"]
    assert isinstance(poll, ir.Poll)
    assert poll.registers == ir.Registers(10, 20)


def test_a_wildcard_becomes_one_instance_a_meter() -> None:
    """``meter(e*)`` is judged for each meter that it matches, by itself."""
    (expectation,) = _scenario().expect
    assert [instance.meter for instance in expectation.instances] == ["e0", "e1"]
    assert expectation.tolerance_ns == {"pty": 1_000_000_000}


def test_checks_are_told_apart_by_what_they_hold() -> None:
    """A property, the standard layout and literal words are three kinds of checks."""
    prop, layout, words = _scenario().check
    assert isinstance(prop, ir.Property)
    assert prop.only == ("sim",)
    assert isinstance(layout, ir.LayoutCheck)
    assert layout.meters == ("e0", "e1")
    assert isinstance(words, ir.RegistersCheck)
    assert words.runs[0].words == (0x0001, None, 0x2883)


def test_the_world_is_ready_to_be_built() -> None:
    """Population, settings, clients and time of day come out as a backend wants them."""
    world = _scenario().world
    assert world.population.ids == ["e0", "e1", "water"]
    assert (world.baudrate, dict(world.config)) == (9600, {"METER_TIME": "10"})
    assert world.clients == (ir.Client("watcher", 500_000_000, ir.Registers(0, 10)),)
    assert world.clock == 1_795_176_000
    assert (_scenario().seed, _scenario().sweep) == (7, (1, 9))


def test_a_population_beside_the_file_or_of_the_package_is_found(tmp_path: Path) -> None:
    """``population`` names a file in the scenario's folder, or a packaged population."""
    own = "meters:\n  - {id: one, profile: gas, identification_number: 1}\n"
    (tmp_path / "own.yaml").write_text(own, encoding="utf-8")
    ids = {}
    for name in ("own.yaml", "worked-examples", "missing"):
        text = f"scenario: s\nversion: 1\ntitle: t\nworld: {{population: {name}}}\ndo: []\n"
        file = tmp_path / "s.scn.yaml"
        file.write_text(text, encoding="utf-8")
        compiled = compile_path(file, name="s.scn.yaml")
        found = compiled.scenario
        ids[name] = found.world.population.ids if found else [compiled.diagnostics[0].code]
    assert ids["own.yaml"] == ["one"]
    assert len(ids["worked-examples"]) == 2
    assert ids["missing"] == ["SCN050"]


def test_a_list_of_a_thousand_steps_with_mistakes_is_told_whole() -> None:
    """Every mistake of a long file is told, each once."""
    steps = "".join(f"  - wate: {n} s\n" for n in range(1, 1001))
    compiled = compile_text(TEXT.replace("do:\n", f"do:\n{steps}"), "f.scn.yaml")
    assert [one.code for one in compiled.diagnostics] == ["SCN021"] * 1000


def test_steps_nested_without_end_are_refused() -> None:
    """The depth of steps is bounded."""
    nested = "[" + "{serial: [" * 30 + "{wait: 1 s}" + "]}" * 30 + "]"
    text = "scenario: s\nversion: 1\ntitle: t\nworld: {population: demo}\ndo: "
    compiled = compile_text(text + nested, "f.scn.yaml")
    assert [one.code for one in compiled.diagnostics] == ["SCN015"]


_NO_WORLD = "scenario: s\nversion: 1\ntitle: t\nworld:\ndo: []\n"


@pytest.mark.parametrize(
    "text", ["", "3", "- 1", "null", "a: b", "scenario: [", "do: {}", "\x00", _NO_WORLD]
)
def test_a_file_of_any_shape_gives_complaints(text: str) -> None:
    """What is no scenario at all is told in diagnostics, not in a traceback."""
    compiled = compile_text(text, "f.scn.yaml")
    assert compiled.scenario is None
    assert compiled.diagnostics
    assert all(one.place.file == "f.scn.yaml" for one in compiled.diagnostics)
    with pytest.raises(ScenarioError, match=r"error\[SCN0"):
        compiled.require()


# --- Gaps -------------------------------------------------------------------------------------


def test_what_a_backend_lacks_is_a_warning_at_the_line_that_needs_it() -> None:
    """A gap is told before anything runs, with what becomes of the case."""
    scenario = _scenario()
    able = set(Capability) - {Capability.METER_POWER, Capability.BUS_OBSERVATIONS}
    found = gaps(scenario, "lab2", able)
    lines = [line for line in to_text(found).splitlines() if line.startswith("warning")]
    assert lines[0] == (
        "warning[SCN101]: 'meter(ID).answering' not available on backend 'lab2'; "
        "the case will be NOT_RUN there"
    )
    owners = {one.message.split("; ")[1] for one in found}
    assert "'A1' will be NOT_RUN there" in owners
    # C1 is for sim only: what lab2 lacks for it does not matter there.
    assert "'C1' will be NOT_RUN there" not in owners
    assert gaps(scenario, "sim", set(Capability)) == []


# --- The builder and the schema ---------------------------------------------------------------


def _built() -> builder.Builder:
    meters = [{"id": "water", "profile": "water-cold", "identification_number": 20000002}]
    return (
        builder.Builder("built", "Built in Python")
        .verifies("REG-M")
        .seed(3)
        .limit("1 min")
        .world(bus={"baud": 9600}, meters=meters)
        .world(clients=[{"id": "watcher", "every": "1 s"}])
        .do(builder.scan(), builder.wait_until({"gateway.scan": "done"}, within="30 s"))
        .do(builder.parallel(builder.serial(builder.start("watcher")), builder.wait("3 s")))
        .do(builder.every("1 s", builder.poll(), times=2), builder.repeat(2, builder.readout()))
        .do(builder.power("water", on=False), builder.allocate(), builder.poll(0, 10))
        .do(builder.stop("watcher"))
        .assume("A1", "once(meter(water).answering)")
        .expect("E1", "never(meter(water).registers.flags == 7)", req="REG-M")
        .check("C1", "meter(water).answering == true")
        .check("C2", registers="standard", **{"for": "water"})
    )


def test_the_builder_gives_the_form_that_its_file_gives() -> None:
    """What Python builds and what its file compiles to are the same, step by step."""
    built = _built()
    from_file = compile_text(built.to_yaml(), "built.scn.yaml").require()
    scenario = built.build()
    assert scenario.do == from_file.do
    assert scenario.judged == from_file.judged
    assert [type(step).__name__ for step in scenario.do.steps] == [
        "Scan", "WaitUntil", "Parallel", "Every", "Repeat", "Power", "Allocate", "Poll", "Stop",
    ]  # fmt: skip


def test_a_mistake_in_python_is_told_like_one_in_a_file() -> None:
    """A builder's scenario is checked by the same compiler."""
    with pytest.raises(ScenarioError, match="unknown meter 'watr'"):
        _built().check("C9", "meter(watr).answering == true").build()


def test_the_schema_is_valid_and_takes_what_the_compiler_takes() -> None:
    """The published schema is JSON Schema 2020-12 and accepts the library and every verb."""
    document = schema()
    Draft202012Validator.check_schema(document)
    validator = Draft202012Validator(document)
    texts = [file.read_text("utf-8") for file in sorted(library_folder().rglob("*.scn.yaml"))]
    for text in [*texts, TEXT, _built().to_yaml()]:
        loaded: Any = json.loads(json.dumps(YAML(typ="safe").load(text), default=str))
        assert [error.message for error in validator.iter_errors(loaded)] == []


def test_the_schema_refuses_an_unknown_key_and_an_unknown_verb() -> None:
    """An editor underlines what the compiler would refuse."""
    validator = Draft202012Validator(schema())
    loaded = YAML(typ="safe").load(_built().to_yaml())
    assert not validator.is_valid(loaded | {"titel": "x"})
    assert not validator.is_valid(loaded | {"do": [{"scann": {}}]})


def test_a_file_of_ten_thousand_lines_compiles() -> None:
    """Nothing in the compiler grows faster than the file: the counts are what was written."""
    meters = "".join(
        f"    - {{id: m{n}, profile: heat-basic, identification_number: {10_000_000 + n}}}\n"
        for n in range(1000)
    )
    steps = "".join(
        f"  - power: {{meter: m{n % 1000}, to: off}}\n  - wait: {n % 7 + 1} ms\n"
        for n in range(3500)
    )
    expected = "".join(
        f'  - {{id: E{n}, that: "always(rise(meter(m{n % 1000}).powered) -> '
        f'eventually[0, {n} s](meter(m{n % 1000}).answering))"}}\n'
        for n in range(2000)
    )
    head = "scenario: big\nversion: 1\ntitle: Big\nworld:\n  meters:\n"
    text = f"{head}{meters}do:\n{steps}expect:\n{expected}"
    assert len(text.splitlines()) > 10_000
    scenario = compile_text(text).require()
    assert (len(scenario.do.steps), len(scenario.expect)) == (7000, 2000)
