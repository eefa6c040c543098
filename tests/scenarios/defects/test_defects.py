"""Known-bad gateways: each fits the source as it stands, is small, and changes what runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scenarios import requirements
from scenarios.defects.catalogue import PATCH_LINES_MAX, Defect, DefectError, load, read
from scenarios.defects.planting import AlreadyLoadedError, plant

if TYPE_CHECKING:
    from pathlib import Path

DEFECTS = load()


@pytest.mark.parametrize("id_", DEFECTS)
def test_every_defect_fits_the_source_and_names_a_requirement(id_: str) -> None:
    """Its text stands once where it says, the result is Python, the requirement exists."""
    defect = DEFECTS[id_]
    catalogue = requirements.load()
    for requirement in (defect.breaks, *defect.also):
        assert requirement in catalogue
        assert f"{requirement}.1" not in catalogue, "a part is broken, not the whole"
    for module, text in defect.sources().items():
        compile(text, module, "exec")


def test_no_two_defects_are_the_same_patch() -> None:
    """Sixty names for one mistake would prove nothing."""
    patches = [defect.patch for defect in DEFECTS.values()]
    assert len(set(patches)) == len(patches)


def test_a_defect_that_no_longer_fits_is_an_error(tmp_path: Path) -> None:
    """The source moved on: the defect is named, and with it what it looked for."""
    path = tmp_path / "gone.yaml"
    path.write_text(
        "title: Something that is not there\nbreaks: REG-V.1\n"
        "patch: [{module: gateway.registers.blocks, find: no such text, put: other}]\n"
    )
    with pytest.raises(DefectError, match=r"gone: expected once .* found 0 times: 'no such text'"):
        read(path).sources()


TITLE = "title: A title that is long enough\nbreaks: REG-V.1\n"
SIMULATOR = TITLE + "patch: [{module: simulators.meter, find: a, put: b}]\n"
LONG = (
    TITLE
    + 'patch: [{module: gateway.cli, find: "1\\n2\\n3\\n4\\n5\\n6\\n7", put: "1\\n2\\n3\\n4"}]\n'
)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (TITLE + "patch: []\n", "patch: .*at least 1"),
        ("- 1\n", "expected a mapping"),
        ("title: [\n", "cannot be read"),
        (SIMULATOR, "expected a module of the gateway"),
        (LONG, f"at most {PATCH_LINES_MAX} lines, got 11"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(tmp_path: Path, body: str, complaint: str) -> None:
    """A defect file that says nothing useful never loads."""
    path = tmp_path / "odd.yaml"
    path.write_text(body)
    with pytest.raises(DefectError, match=rf"(?s)odd\.yaml: .*{complaint}"):
        read(path)


def test_what_is_loaded_cannot_be_planted() -> None:
    """Planting too late would leave the good gateway running under a bad name."""
    import gateway.registers.blocks  # noqa: F401

    with pytest.raises(AlreadyLoadedError, match=r"gateway\.registers\.blocks"):
        plant({"gateway.registers.blocks": ""})


def test_a_command_runs_on_the_planted_gateway() -> None:
    """The worked example, PASS on the good gateway, fails where the scale has lost its sign."""
    arguments = ["scenario", "run", "@library/registers/worked-example.scn.yaml"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "scenarios.defects", "scale-sign-lost", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "FAIL" in done.stdout


def test_an_unknown_defect_is_wrong_usage() -> None:
    """A typing error must not run the good gateway."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "scenarios.defects", "no-such", "decode", "E5"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "no such defect" in done.stderr


def test_the_list_names_every_defect_once() -> None:
    """What stands in the folder is what the command lists."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "scenarios.defects"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(DEFECTS)


def test_sources_apply_edits_in_order() -> None:
    """Two edits of one module both stand in the result."""
    defect = Defect.model_validate(
        {
            "id": "two",
            "title": "Both types are wrong at once",
            "breaks": "REG-M.6",
            "patch": [
                {"module": "gateway.registers.blocks", "find": "= 0x0100", "put": "= 0x0300"},
                {"module": "gateway.registers.blocks", "find": "= 0x0200", "put": "= 0x0400"},
            ],
        }
    )
    text = defect.sources()["gateway.registers.blocks"]
    assert "= 0x0300" in text
    assert "= 0x0400" in text
