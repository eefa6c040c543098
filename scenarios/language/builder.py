"""Scenarios written in Python, for those that are easier to compute than to write down.

``Builder("x", "A title").world(...).do(scan(), wait("3 s")).expect("E1", "never(…)").build()``

A builder writes the same file that a person would, and the same compiler reads it: there is one
language and one intermediate form, and what was built can be saved, checked and repeated.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from scenarios.language.compile import Compiled, compile_text

if TYPE_CHECKING:
    from pathlib import Path

    from scenarios.language.ir import Scenario

#: One step, as the file has it.
Step = dict[str, Any]


def serial(*steps: Step) -> Step:
    """Do the steps one after the other."""
    return {"serial": list(steps)}


def parallel(*steps: Step) -> Step:
    """Do the steps side by side, and go on when all are done."""
    return {"parallel": list(steps)}


def wait(duration: str) -> Step:
    """Let a time such as "3 s" pass."""
    return {"wait": duration}


def wait_until(wanted: dict[str, Any], *, within: str) -> Step:
    """Wait until each path has its value; it is a FAIL if they have not in time."""
    return {"wait_until": wanted, "within": within}


def every(period: str, *steps: Step, times: int | None = None) -> Step:
    """Do the steps again and again, beside what follows."""
    step: Step = {"every": period, "do": list(steps)}
    return step if times is None else step | {"times": times}


def repeat(times: int, *steps: Step) -> Step:
    """Do the steps so many times."""
    return {"repeat": times, "do": list(steps)}


def scan() -> Step:
    """Tell the gateway to search the bus."""
    return {"scan": {}}


def readout() -> Step:
    """Tell the gateway to read its meters."""
    return {"readout": {}}


def allocate() -> Step:
    """Tell the gateway to give registers to all that it has listed."""
    return {"allocate": {}}


def poll(start: int | None = None, count: int | None = None) -> Step:
    """Read registers over Modbus once; all that are served without a range."""
    return {"poll": {} if start is None else {"from": start, "count": count}}


def power(meter: str, *, on: bool) -> Step:
    """Switch a meter."""
    return {"power": {"meter": meter, "to": "on" if on else "off"}}


def start(client: str) -> Step:
    """Let a client begin to read."""
    return {"start": {"client": client}}


def stop(client: str) -> Step:
    """Let a client end."""
    return {"stop": {"client": client}}


class Builder:
    """A scenario that grows; every method but the last three returns the builder."""

    def __init__(self, name: str, title: str) -> None:
        self._document: dict[str, Any] = {"scenario": name, "version": 1, "title": title}

    def verifies(self, *requirements: str) -> Builder:
        """Say which requirements the scenario speaks about."""
        return self._add("verifies", *requirements)

    def seed(self, seed: int) -> Builder:
        """Set the seed of a single run."""
        self._document["seeds"] = {"default": seed}
        return self

    def limit(self, time: str) -> Builder:
        """Set what a run may last."""
        self._document["limits"] = {"time": time}
        return self

    def world(self, **parts: Any) -> Builder:
        """Describe bus, gateway, meters or population, clients, clock: keys as in the file."""
        self._document.setdefault("world", {}).update(parts)
        return self

    def do(self, *steps: Step) -> Builder:
        """Append steps."""
        return self._add("do", *steps)

    def assume(self, id_: str, that: str, **more: Any) -> Builder:
        """Append an assumption; `more` holds req, why, only and tolerance."""
        return self._add("assume", {"id": id_, "that": that, **more})

    def expect(self, id_: str, that: str, **more: Any) -> Builder:
        """Append an expectation, watched all along."""
        return self._add("expect", {"id": id_, "that": that, **more})

    def check(self, id_: str, that: str | None = None, **more: Any) -> Builder:
        """Append a check: a property of the end, or ``registers=…`` (with ``**{"for": …}``)."""
        judged = {"id": id_} if that is None else {"id": id_, "that": that}
        return self._add("check", {**judged, **more})

    def _add(self, section: str, *items: Any) -> Builder:
        self._document.setdefault(section, []).extend(items)
        return self

    # --- Ends ---------------------------------------------------------------------------------

    def to_yaml(self) -> str:
        """Return the file."""
        yaml = YAML()
        yaml.width = 4096
        written = io.StringIO()
        yaml.dump(self._document, written)
        return written.getvalue()

    def compile(self, *, folder: Path | None = None) -> Compiled:
        """Compile the file; `folder` is where populations and profiles are looked for."""
        return compile_text(self.to_yaml(), f"{self._document['scenario']}.scn.yaml", folder=folder)

    def build(self, *, folder: Path | None = None) -> Scenario:
        """Return the scenario; raises ScenarioError with the diagnostics where it is none."""
        return self.compile(folder=folder).require()
