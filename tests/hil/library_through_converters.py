"""The library through real converters: each verdict is that of the pseudo-terminal.

Run by ``tox -e hil``, and too long for every change: real time cannot be sped up. A scenario is at
wire level when the meters' telegrams and the registers decide it within `REAL_S_MAX` of bus time;
the virtual clock says how long it lasts. The others are named, not passed over: a test of each
says that it is too long for real time.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hil import bench as bench_files
from scenarios import run as running
from scenarios.backends import BACKENDS
from scenarios.backends.hil import HilBackend

if TYPE_CHECKING:
    from scenarios.language.ir import Scenario

#: Longest bus time of a scenario that is run in real time, in seconds.
REAL_S_MAX = 45.0

THROUGH = ("socat-tcp", "ser2net-tcp", "ser2net-rfc2217")

BENCH = """\
bench: converters
buses:
  line: {{kind: pty, population: worked-examples, through: {through}}}
gateways:
  twin: {{kind: reference, bus: line}}
"""


@cache
def library() -> list[Scenario]:
    """Return every scenario of the packaged library."""
    return [one.require() for one in running.compile_all(running.select([running.LIBRARY]))]


@cache
def seconds(name: str) -> float:
    """Return how long a scenario lasts, as its run in virtual time says."""
    return running.run_scenario(named(name), BACKENDS["sim"]).virtual_ns / 1e9


def named(name: str) -> Scenario:
    """Return a scenario by its name."""
    return next(one for one in library() if one.name == name)


@cache
def on_pty(name: str) -> dict[str, str]:
    """Return the verdict of each case behind a pseudo-terminal."""
    return cases(running.run_scenario(named(name), BACKENDS["pty"]))


def cases(result: running.Result) -> dict[str, str]:
    """Return the verdict of each case of a run."""
    return {case.id: case.verdict.value for case in result.judged.cases}


@pytest.mark.needs("socat", "ser2net")
@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("name", [one.name for one in library()])
def test_verdicts_are_those_of_the_terminal(name: str, through: str) -> None:
    """Whatever program carries the bytes, every case of the scenario comes out the same."""
    if seconds(name) > REAL_S_MAX:
        pytest.skip(f"{name} lasts {seconds(name):.0f} s, which is too long for real time")
    text = BENCH.format(through=through)
    bench = bench_files.parse(text, source="bench.yaml", folder=Path())
    result = running.run_scenario(named(name), HilBackend(bench))
    assert cases(result) == on_pty(name), result.judged.reason
