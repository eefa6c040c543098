"""The one form that every scenario takes before it runs: names resolved, units gone, immutable.

A file and the Python builder both end here; backends and the monitor know nothing else. Times are
integer nanoseconds. Each part keeps its `Place`, so that whatever happens in a run can be told at
the line that asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scenarios.language.diagnostics import Place
    from scenarios.language.resolve import Instance
    from scenarios.language.vocabulary import Capability
    from simulators.population import Population


# --- Steps ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Serial:
    """Steps one after the other."""

    place: Place
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Steps side by side; done when all are."""

    place: Place
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `ns` pass."""

    place: Place
    ns: int


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait until every path has its value, at one moment, for `within_ns` at most."""

    place: Place
    wanted: tuple[tuple[str, Any], ...]
    within_ns: int


@dataclass(frozen=True, slots=True)
class Every:
    """Repeat beside what follows, `times` times or until the scenario ends."""

    place: Place
    period_ns: int
    step: Serial
    times: int | None


@dataclass(frozen=True, slots=True)
class Repeat:
    """Repeat in the foreground."""

    place: Place
    times: int
    step: Serial


@dataclass(frozen=True, slots=True)
class Scan:
    """Ask the gateway to search the bus."""

    place: Place


@dataclass(frozen=True, slots=True)
class Readout:
    """Ask the gateway to read its meters."""

    place: Place


@dataclass(frozen=True, slots=True)
class Allocate:
    """Let the gateway give registers to all that is listed."""

    place: Place


@dataclass(frozen=True, slots=True)
class Registers:
    """`count` registers from `start` on."""

    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Poll:
    """Read registers once; None means all that are served."""

    place: Place
    registers: Registers | None


@dataclass(frozen=True, slots=True)
class Power:
    """Switch a meter."""

    place: Place
    meter: str
    on: bool


@dataclass(frozen=True, slots=True)
class Start:
    """Let a client begin."""

    place: Place
    client: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Let a client end."""

    place: Place
    client: str


Step = (
    Serial | Parallel | Wait | WaitUntil | Every | Repeat
    | Scan | Readout | Allocate | Poll | Power | Start | Stop
)  # fmt: skip


# --- What is judged ---------------------------------------------------------------------------

Section = Literal["assume", "expect", "check"]


@dataclass(frozen=True, slots=True)
class Property:
    """A sentence with its instances; `tolerance_ns` by backend widens the clock's uncertainty."""

    id: str
    section: Section
    text: str
    instances: tuple[Instance, ...]
    requirements: tuple[str, ...]
    why: str
    only: tuple[str, ...] | None
    tolerance_ns: Mapping[str, int]
    place: Place


@dataclass(frozen=True, slots=True)
class LayoutCheck:
    """The registers of `meters` against what these meters sent."""

    id: str
    meters: tuple[str, ...]
    requirements: tuple[str, ...]
    why: str
    only: tuple[str, ...] | None
    place: Place


@dataclass(frozen=True, slots=True)
class ExpectedRegisters:
    """Words from `start` on; None stands for any word."""

    start: int
    words: tuple[int | None, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class RegistersCheck:
    """Literal registers at the end of the run."""

    id: str
    runs: tuple[ExpectedRegisters, ...]
    requirements: tuple[str, ...]
    why: str
    only: tuple[str, ...] | None
    place: Place


Check = Property | LayoutCheck | RegistersCheck


# --- The whole --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Client:
    """A Modbus client that reads every `period_ns`; None means all registers that are served."""

    id: str
    period_ns: int
    registers: Registers | None


@dataclass(frozen=True, slots=True)
class World:
    """What a backend builds before the first step."""

    population: Population
    baudrate: int = 2400
    speed: int = 1
    config: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    serial_number: int = 75907
    unit_loads: int = 80
    clients: tuple[Client, ...] = ()
    clock: int | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """A capability and the place that needs it.

    `what` names it as the file does. `owner` is the id of the property or check that needs it;
    empty for a step or the world, without which nothing can run.
    """

    capability: Capability
    what: str
    place: Place
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that can run on any backend which has what it needs."""

    name: str
    title: str
    file: str
    verifies: tuple[str, ...]
    seed: int
    sweep: tuple[int, int] | None
    limit_ns: int
    world: World
    do: Serial
    assume: tuple[Property, ...]
    expect: tuple[Property, ...]
    check: tuple[Check, ...]
    needs: tuple[Need, ...]

    @property
    def judged(self) -> tuple[Check, ...]:
        """Everything that a verdict is formed of, in the order of the file."""
        return (*self.assume, *self.expect, *self.check)
