"""The examples in the documentation do what they say.

A fenced block marked ``console`` is a session: a line that begins with ``$ `` is run, the lines
below it are what it prints, and ``...`` stands for anything. A block ends with exit code 0 unless a
line ``(exit code N)`` says otherwise.
"""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hil import bench
from scenarios import proof
from scenarios.compliance import pics, waivers
from scenarios.language.compile import compile_path, compile_text
from simulators import population, profile

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXIT_CODE = re.compile(r"^\(exit code (\d+)\)$")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
#: Seconds that one documented command may take.
COMMAND_SECONDS_MAX = 60


@dataclass
class Step:
    """One command of a session with what it must print."""

    command: str
    output: list[str] = field(default_factory=list)
    exit_code: int = 0


def sessions() -> list[tuple[str, list[Step]]]:
    """Every session of every page, with its place."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append((f"{page.relative_to(ROOT)}:{line}", steps(match.group(1))))
    return found


def steps(block: str) -> list[Step]:
    """The commands of one session."""
    result: list[Step] = []
    for line in block.splitlines():
        exit_code = EXIT_CODE.match(line)
        if line.startswith("$ "):
            result.append(Step(line[2:]))
        elif exit_code:
            result[-1].exit_code = int(exit_code.group(1))
        else:
            result[-1].output.append(line)
    return result


def executable(name: str) -> str:
    """The command of this very environment, not of another one on the path."""
    here = Path(sysconfig.get_path("scripts")) / name
    found = str(here) if here.exists() else shutil.which(name)
    assert found is not None, f"{name} is not installed in this environment"
    return found


@pytest.mark.parametrize(("place", "session"), sessions(), ids=[place for place, _ in sessions()])
def test_documented_sessions_run_as_printed(
    place: str, session: list[Step], tmp_path: Path
) -> None:
    """Every command in the documentation runs and prints what stands below it."""
    checker = doctest.OutputChecker()
    for step in session:
        name, *arguments = shlex.split(step.command)
        done = subprocess.run(
            [executable(name), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
            stdin=subprocess.DEVNULL,
            env={"PATH": str(Path(sys.executable).parent), "COLUMNS": "100", "TERM": "dumb"},
        )
        got = "".join(f"{line.rstrip()}\n" for line in (done.stdout + done.stderr).splitlines())
        want = "".join(f"{line}\n" for line in step.output)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert checker.check_output(want, got, flags), f"{place}: $ {step.command}\n{got}"
        assert done.returncode == step.exit_code, f"{place}: $ {step.command}\n{got}"


def examples() -> list[tuple[str, str]]:
    """Every YAML example of every page, with its place."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in YAML_BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append((f"{page.relative_to(ROOT)}:{line}", match.group(1)))
    return found


#: The world in which the examples of some sections of a scenario stand.
FRAGMENT_HEAD = """\
scenario: fragment
version: 1
title: Sections of a scenario, from the documentation
world:
  meters:
    - {id: water, profile: water-cold, identification_number: 20000002}
    - {id: h, count: 2, profile: heat-basic, identification_number: "10000001 + i"}
  clients:
    - {id: watcher, every: 1 s}
"""
#: Sections with which such an example may begin.
SECTIONS = ("faults", "do", "assume", "expect", "check")


def load_example(path: Path, kind: str) -> None:
    """Read a file as what its first key says that it is; fails as its loader does."""
    if kind in SECTIONS:
        text = FRAGMENT_HEAD + path.read_text(encoding="utf-8")
        if not re.search(r"^do:", text, re.MULTILINE):
            text += "do: [{start: {client: watcher}}]\n"
        complaints = compile_text(text).diagnostics
        assert not complaints, complaints
        return
    if kind == "change":
        proof.read(path)
        return
    if kind == "population":
        population.load(str(path))
    elif kind == "waivers":
        assert waivers.load(path)
    elif kind == "pics":
        assert pics.load(str(path))
    elif kind == "profile":
        profile.find(path.stem, path.parent)
    elif kind == "bench":
        bench.load(path)
    else:
        assert kind == "scenario", f"an example begins with what it is, not with {kind!r}"
        complaints = compile_path(path).diagnostics
        assert not complaints, complaints


@pytest.mark.parametrize(("place", "text"), examples(), ids=[place for place, _ in examples()])
def test_documented_files_check(place: str, text: str, tmp_path: Path) -> None:
    """Every population, profile, bench and scenario in the documentation is a good one."""
    kind, _, name = text.splitlines()[0].partition(":")
    suffix = ".scn.yaml" if kind == "scenario" else ".yaml"
    path = tmp_path / f"{name.strip()}{suffix}"
    path.write_text(text, encoding="utf-8")
    load_example(path, kind)
    assert path.exists(), place


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A link to a page that is not there is worse than none."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
