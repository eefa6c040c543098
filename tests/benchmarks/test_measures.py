"""Every benchmark runs in its quick form, so that none of them rots; its figures are not judged."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import campaign, decode, first_value, library, memory, modbus, readout, search
from benchmarks import virtual_time as m5
from benchmarks.method import Effort
from benchmarks.run import MODULES, main

if TYPE_CHECKING:
    from pathlib import Path

QUICK = Effort(quick=True)
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc: needs Linux")
needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None and shutil.which("gcc") is None,
    reason="the load client needs a C compiler: apt install gcc",
)


def test_every_measure_has_a_module() -> None:
    """M1 to M9 can all be named on the command line."""
    assert list(MODULES) == [f"M{number}" for number in range(1, 10)]


def test_decode_reads_faster_than_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """M1 gives its three figures without corpus and without peers."""
    monkeypatch.delenv("METERBENCH_CORPUS", raising=False)
    rows = list(decode.measure(QUICK))
    assert [row.what for row in rows[:3]] == [
        "decode, cold",
        "decode, first sight",
        "decode, read again",
    ]
    assert all("/s" in row.ours for row in rows)


def test_decode_without_a_corpus_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measure that cannot be taken keeps its line and names what is missing."""
    monkeypatch.delenv("METERBENCH_CORPUS", raising=False)
    (row,) = decode.measure(Effort())
    assert row.reached is None
    assert "METERBENCH_CORPUS" in row.note


def test_search_loses_nobody() -> None:
    """M2 finds every meter of its small populations, and no other."""
    rows = list(search.measure(QUICK))
    assert len(rows) == 4
    assert all(row.figures["lost"] == row.figures["phantoms"] == 0 for row in rows)
    assert all(row.figures["forward_s"] > 0 for row in rows)


def test_read_out_is_never_shorter_than_the_wire() -> None:
    """M3 compares with a true minimum: no pass can be below it."""
    for row in readout.measure(QUICK):
        assert all(figure >= 1.0 for figure in row.figures.values())


@needs_linux
@needs_compiler
def test_modbus_answers_are_right() -> None:
    """M4 loads our server and the echo; every answer of ours is what the image holds."""
    rows = [row for row in modbus.measure(QUICK) if row.figures]
    assert rows
    assert all(row.figures["ours_per_second"] > 0 for row in rows)
    assert not any("wrong" in row.note for row in rows)


def test_virtual_time_counts_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """M5 reads meters in virtual time, and counts the kernel's events exactly."""
    monkeypatch.delenv("METERBENCH_CORPUS", raising=False)
    speed, flatness = m5.measure(QUICK)
    assert speed.figures["rate"] > 1
    assert flatness.figures == next(
        row.figures for row in m5.measure(QUICK) if row.what == flatness.what
    )


@needs_linux
def test_library_runs() -> None:
    """M6 runs scenarios and says how many, with which verdicts."""
    (row,) = library.measure(QUICK)
    assert row.figures["scenarios"] >= 1, row.note
    assert "PASS" in row.note


def test_campaign_says_that_it_is_not_built() -> None:
    """M7 has a line although there is nothing to measure yet."""
    (row,) = campaign.measure(QUICK)
    assert (row.ours, row.note) == ("not measured", "not built yet")


@needs_linux
def test_memory_is_read_from_a_real_gateway() -> None:
    """M8 starts a gateway on a simulated line over TCP and reads its memory after each pass."""
    (row,) = memory.measure(QUICK)
    assert row.figures.get("found") == memory.METERS_QUICK, row.note
    assert row.figures["bytes"] > 1024 * 1024


@needs_linux
def test_demo_shows_a_first_value() -> None:
    """M9 sees the demo print a value that stands in a register."""
    (row,) = first_value.measure(QUICK)
    assert row.figures.get("seconds", 0) > 0, row.note


def test_command_line_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Measures are picked by name, printed as a table and written as JSON."""
    file = tmp_path / "figures.json"
    assert main(["M7", "--quick", "--json", str(file)]) == 0
    assert "not built yet" in capsys.readouterr().out
    assert [row["measure"] for row in json.loads(file.read_text())["rows"]] == ["M7"]


def test_command_line_names_an_unknown_measure(capsys: pytest.CaptureFixture[str]) -> None:
    """A measure that there is not is wrong usage, and the answer lists those that there are."""
    with pytest.raises(SystemExit) as ended:
        main(["M99"])
    assert ended.value.code == 2
    assert "M1, M2" in capsys.readouterr().err
