"""Map, statement and device: one mistake is one finding, and a good map has none."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from gateway.device import meter_list
from gateway.registers.layout import Layout
from reports.verdict import Verdict
from scenarios.cli import app
from scenarios.compliance import mapping, pics
from scenarios.register_map import listed, live, model
from scenarios.register_map.model import Order, RegisterMap, Row, Type
from simulators.modbus.word_order import WordOrder
from tests.gateway.test_run import gateway, wait_for
from tests.scenarios.register_map import lists

if TYPE_CHECKING:
    from pathlib import Path

LUG, ABB = "66600106 LUG 2 4", "00428670 ABB 6 2"
STATEMENT = pics.load(pics.REFERENCE)
NARROW = pics.parse(
    "pics: x\ntitle: X\nclaims: {swap: false, multi_slave: false, float_only: false}\n",
    source="x.yaml",
)


def served(layout: Layout | None = None) -> RegisterMap:
    """What the worked example serves."""
    layout = Layout() if layout is None else layout
    return listed.of_list(lists.meters(layout), layout)


def number_of(rows: tuple[Row, ...], meter: str, value: int | None, field: str) -> int:
    """Which row is about a field."""
    return next(n for n, r in enumerate(rows) if r.key == (meter, value or 0, field))


def planted(**changes: Any) -> RegisterMap:
    """The map with one wrong row: the float of the first value."""
    rows = list(served().rows)
    number = number_of(served().rows, LUG, 1, "float")
    rows[number] = rows[number].model_copy(update=changes)
    return RegisterMap.model_validate({"rows": rows}, context=model.AS_STATED)


@pytest.mark.parametrize("layout", [Layout(), Layout(float_only=True), Layout(multi_slave=True)])
def test_a_map_of_the_device_agrees(layout: Layout) -> None:
    """In every layout; and so does a map that names one field of each value only."""
    whole = served(layout)
    assert mapping.compare(whole, whole) == []
    floats = RegisterMap(rows=tuple(row for row in whole.rows if row.field == "float"))
    assert mapping.compare(floats, whole) == []


@pytest.mark.parametrize(
    ("changes", "columns"),
    [
        ({"address": 26}, ("address",)),
        ({"address": 9000}, ("address",)),
        ({"unit_identifier": 7}, ("unit_identifier",)),
        ({"unit_identifier": 7, "address": 30}, ("unit_identifier", "address")),
        ({"type": Type.UINT32}, ("type",)),
        ({"length": 4}, ("length",)),
        ({"word_order": Order.LSB}, ("word_order",)),
        ({"meter": ABB}, ("meter",)),
        ({"value": 2}, ("value",)),
        ({"field": "integer"}, ("field",)),
        ({"field": "anything"}, ("field",)),
        ({"unit": "J"}, ("unit",)),
        ({"scale": 3}, ("scale",)),
    ],
)
def test_one_mistake_is_one_finding(changes: dict[str, Any], columns: tuple[str, ...]) -> None:
    """Whatever column of a row is wrong: that row, that column, nothing else."""
    (finding,) = mapping.compare(planted(**changes), served())
    assert finding.columns == columns
    assert finding.served is not None
    assert finding.served.key == (LUG, 1, "float")


def test_a_row_that_is_missing_or_too_many() -> None:
    """A field that the map names for other values must not be missing for one."""
    rows = served().rows
    number = number_of(rows, LUG, 2, "float")
    (finding,) = mapping.compare(RegisterMap(rows=rows[:number] + rows[number + 1 :]), served())
    assert finding.mapped is None
    assert finding.name == f"{LUG}, value 2, float"
    extra = rows[number].model_copy(update={"address": 900, "value": 9})
    (finding,) = mapping.compare(RegisterMap(rows=(*rows, extra)), served())
    assert finding.served is None
    assert finding.sides(STATEMENT)[2] == "no such field"


def test_a_list_of_tags_without_meters_is_compared_by_place() -> None:
    """Names of fields are then anybody's own."""
    tag = Row(unit_identifier=255, address=24, length=2, type=Type.FLOAT32, field="boiler energy")
    assert mapping.compare(RegisterMap(rows=(tag,)), served()) == []
    wrong = RegisterMap(rows=(tag.model_copy(update={"unit": "kWh"}),))
    (finding,) = mapping.compare(wrong, served())
    assert finding.columns == ("unit",)


def test_unknown_is_compared_with_nothing() -> None:
    """A float-only gateway tells no units; ft3 and ft³ are one."""
    assert mapping.compare(planted(unit=""), served()) == []
    one, other = (planted(unit=name) for name in ("ft3", "ft³"))
    assert mapping.compare(one, other) == []


def test_each_finding_says_what_all_three_have() -> None:
    """Map, statement and device in one line, so that a person can tell who is wrong."""
    (finding,) = mapping.compare(planted(word_order=Order.LSB), served())
    assert finding.sides(STATEMENT) == (
        "word order lsb",
        "any order of registers",
        "word order msb",
    )
    assert finding.sides(NARROW)[1] == "word order msb"
    (finding,) = mapping.compare(planted(unit_identifier=7), served())
    assert finding.sides(STATEMENT)[1] == "unit identifier 255, or one for each meter"
    assert finding.sides(NARROW)[1] == "unit identifier 255"
    (finding,) = mapping.compare(planted(unit="J"), served())
    assert finding.sides(STATEMENT) == ("unit J", "leaves it open", "unit Wh")


def test_a_layout_that_nobody_claims() -> None:
    """The device against the statement, whatever the map says."""
    image = live.Served((), True, True, WordOrder.LSB_FIRST, True)
    layout, fields = mapping.cases(served(), image, served(), NARROW)
    assert fields.verdict is Verdict.PASS
    assert layout.verdict is Verdict.FAIL
    claims = re.findall(r"does not claim (\w+)", layout.reason)
    assert claims == ["float_only", "multi_slave", "swap"]
    assert mapping.cases(served(), image, served(), STATEMENT)[0].verdict is Verdict.PASS


def test_many_findings_are_counted() -> None:
    """A map of another gateway does not fill pages of text; the table has every row."""
    rows = [
        Row(unit_identifier=3, address=address, length=1, type=Type.INT16, field=f"tag {address}")
        for address in range(mapping.FINDINGS_MAX + 5)
    ]
    strange = RegisterMap(rows=tuple(rows))
    image = live.Served((), False, False, WordOrder.MSB_FIRST, True)
    case = mapping.cases(strange, image, served(), STATEMENT)[1]
    assert case.reason.splitlines()[-1].startswith("and 5 more")
    table = mapping.table(strange, served(), STATEMENT)
    assert table is not None
    assert len(table.rows) == mapping.FINDINGS_MAX + 5
    assert mapping.table(served(), served(), STATEMENT) is None


# --- Over the network -------------------------------------------------------------------------


def directory(folder: Path) -> Path:
    """A data directory with the meters of the worked example."""
    (folder / "app").mkdir(parents=True)
    (folder / "app/chip.ini").write_text("[CONFIG]\nMODBUS_ENABLE=1\n", encoding="utf-8")
    data = meter_list.save(lists.meters(Layout()))
    (folder / "app/Device_Handle.cfg").write_bytes(data)
    return folder


def comply(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Run ``comply`` on an address; gives exit code and record."""
    done = CliRunner().invoke(app, ["comply", "--json", *map(str, arguments)])
    return done.exit_code, json.loads(done.stdout)


def test_three_planted_mistakes_and_nothing_else(tmp_path: Path) -> None:
    """The suite against a gateway process, over the network: three mistakes are three lines."""
    data, bad = directory(tmp_path / "data"), tmp_path / "bad.csv"
    text = listed.of_directory(data).to_csv()
    for right, wrong in (
        ("255,20,4,int64,msb,", "255,20,4,int64,lsb,"),
        ("255,34,2,float32", "255,36,2,float32"),
        (f"{LUG},3,integer,m³", f"{LUG},3,integer,kWh"),
    ):
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    bad.write_text(text, encoding="utf-8")
    with gateway(data, "/dev/no-such-port") as child:
        address = _address(child)
        code, record = comply("--target", address, "--map", bad, "--out", tmp_path / "out")
    assert code == 1
    (failed,) = [c for c in record["cases"] if c["verdict"] not in ("PASS", "NOT_APPLICABLE")]
    lines = failed["reason"].splitlines()
    assert [re.findall(r"register \d+|map: [^;]*|device: .*", line) for line in lines] == [
        ["register 20", "map: word order lsb", "device: word order msb"],
        ["register 36", "map: address 36", "device: address 34"],
        ["register 40", "map: unit kWh", "device: unit m³"],
    ]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Register map against statement and device" in page


def _address(child: Any) -> str:
    """HOST:PORT of the Modbus server, from what the process says."""
    assert child.stderr is not None
    for line in child.stderr:
        found = re.search(r"Modbus TCP on (\S+)", line)
        if found:
            wait_for(child, "start-up 5")
            return found.group(1)
    raise AssertionError("no Modbus server")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--map", "nowhere.csv"), "--map needs --target HOST:PORT"),
        (("--target", "127.0.0.1:1", "--map", "nowhere.csv"), "nowhere.csv: No such file"),
    ],
)
def test_what_cannot_be_compared(arguments: tuple[str, ...], message: str) -> None:
    """Wrong usage says so: exit code 2."""
    done = CliRunner().invoke(app, ["comply", *arguments])
    assert done.exit_code == 2
    assert message in done.output
