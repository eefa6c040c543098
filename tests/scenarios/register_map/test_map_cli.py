"""``meterbench map`` as somebody uses it: export, change the list, compare."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from gateway.device import meter_list
from gateway.registers.layout import Layout
from scenarios.cli import app
from tests.scenarios.register_map import lists

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.device.meter_list import Meter

run = CliRunner().invoke


@pytest.fixture
def meters() -> list[Meter]:
    """The worked examples in the factory layout."""
    return lists.meters(Layout())


@pytest.fixture
def data(tmp_path: Path, meters: list[Meter]) -> Path:
    """A data directory with their list."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Device_Handle.cfg").write_bytes(meter_list.save(meters))
    return tmp_path


def test_a_map_is_the_same_in_both_spellings(data: Path, tmp_path: Path) -> None:
    """JSON or CSV, by the name of the file."""
    for name in ("map.csv", "map.json"):
        assert run(app, ["map", "export", str(data), "-o", str(tmp_path / name)]).exit_code == 0
    csv, document = (tmp_path / "map.csv").read_text(), (tmp_path / "map.json").read_text()
    assert "255,20,4,int64,msb,66600106 LUG 2 4,1,integer,Wh,3,Energy\n" in csv
    assert len(json.loads(document)["rows"]) == csv.count("\n") - 1
    same = run(app, ["map", "diff", str(tmp_path / "map.csv"), str(tmp_path / "map.json")])
    assert (same.exit_code, same.output) == (0, "the maps are the same\n")


def test_a_meter_that_moved_a_scale_that_changed_and_a_new_value_are_told(
    data: Path, tmp_path: Path, meters: list[Meter]
) -> None:
    """What an integrator must change after a re-scan."""
    before = tmp_path / "before.json"
    assert run(app, ["map", "export", str(data), "-o", str(before)]).exit_code == 0
    meters[0].values[0].scale = 4
    meters[0].values.append(meter_list.Value(unit="W"))
    lists.place(meters, Layout())
    (data / "app/Device_Handle.cfg").write_bytes(meter_list.save(meters))
    found = run(app, ["map", "diff", str(before), str(data), "--json"])
    assert found.exit_code == 1
    messages = [one["message"] for one in json.loads(found.stdout)["differences"]]
    told = "66600106 LUG 2 4, value 1, integer: scale 3 became 4 (unit 255, register 20)"
    assert told in messages
    assert "66600106 LUG 2 4, value 4, integer: added (unit 255, register 50)" in messages
    moved = "moved from unit 255, register 50 to unit 255, register 60"
    assert f"00428670 ABB 6 2, serial number: {moved}" in messages
    table = run(app, ["map", "diff", str(before), str(data)])
    assert table.exit_code == 1
    assert "moved" in table.output


def test_wrong_files_are_named(tmp_path: Path) -> None:
    """A directory without a list, and a file that is no map."""
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing\n")
    for source in (tmp_path, bad):
        found = run(app, ["map", "export", str(source)])
        assert found.exit_code == 2
        assert str(source) in found.output


def test_nobody_there_is_another_code() -> None:
    """Exit code 4, as everywhere."""
    assert run(app, ["map", "export", "127.0.0.1:1"]).exit_code == 4
