"""What the library speaks about: every statement of the wire, and every named fault."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scenarios import requirements
from scenarios.run import library_folder
from simulators.faults import FAULTS
from simulators.line_faults import LINE_FAULTS

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES = ("REG", "MOD", "SCAN", "MBUS", "WDG", "LED")
#: Statements that no verb of the language can bring about yet: a job that the device makes by
#: itself cannot be made to hang. The compliance suite decides them.
OUT_OF_REACH = {"WDG-03.1", "WDG-03.2"}
CITED = re.compile(r"req: (\[[^\]]*\]|[A-Z0-9.\-]+)")


def texts() -> dict[str, str]:
    """The text of every scenario by its file."""
    return {str(path): path.read_text(encoding="utf-8") for path in files()}


def files() -> list[Path]:
    """Every scenario of the library."""
    return sorted(library_folder().rglob("*.scn.yaml"))


def test_every_statement_of_the_wire_is_spoken_about() -> None:
    """For each part of these families some `expect` or `check` line carries its id."""
    everything = "\n".join(texts().values())
    cited: set[str] = set()
    for match in CITED.finditer(everything):
        cited |= set(re.findall(r"[A-Z]+-[A-Z0-9.]+", match.group(1)))
    known = requirements.load()
    wholes = {id_.partition(".")[0] for id_ in known if "." in id_}
    wanted = {id_ for id_ in known if id_ not in wholes and id_.partition("-")[0] in FAMILIES}
    assert wanted - cited == OUT_OF_REACH


def test_every_named_fault_occurs() -> None:
    """A fault that no scenario uses might as well not be there."""
    everything = "\n".join(texts().values())
    unused = [name for name in (*FAULTS, *LINE_FAULTS) if not re.search(rf"\b{name}\b", everything)]
    assert unused == []


def test_complaints_of_users_are_cited() -> None:
    """At least ten scenarios were written from what people complained about, with the thread."""
    users = "libmbus|ioBroker|heliograph|emonMbus|libmbus2mqtt"
    thread = re.compile(rf"\([^)]*\b(?:{users})\b[^)]*\)")
    cited = [name for name, text in texts().items() if thread.search(text.splitlines()[0])]
    assert len(cited) >= 10
