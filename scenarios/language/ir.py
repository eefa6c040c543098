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
    from scenarios.language.properties import Formula
    from scenarios.language.resolve import Instance
    from scenarios.language.vocabulary import Capability
    from simulators import faults as meter_faults
    from simulators import line_faults
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
    """Wait until every path has its value, at one moment, for `within_ns` at most.

    A path of `events` has its value from the moment at which such an event occurs in the wait.
    """

    place: Place
    wanted: tuple[tuple[str, Any], ...]
    within_ns: int
    events: frozenset[str] = frozenset()


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
class OneOf:
    """Do one of the steps; `number` names the generator that draws which (from 0 in the file)."""

    place: Place
    number: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """Ask the gateway to search the bus."""

    place: Place


@dataclass(frozen=True, slots=True)
class Readout:
    """Ask the gateway to read one meter, or all that it has listed."""

    place: Place
    meter: str | None = None


@dataclass(frozen=True, slots=True)
class Allocate:
    """Let the gateway give registers to all that is listed."""

    place: Place


@dataclass(frozen=True, slots=True)
class ListEdit:
    """An element of a meter's row, or of that of its value at position `number`, and its text."""

    meter: str
    number: int | None
    element: str
    text: str


@dataclass(frozen=True, slots=True)
class Configure:
    """Change keys of chip.ini and rows of the meter list, as a page does."""

    place: Place
    config: Mapping[str, str]
    edits: tuple[ListEdit, ...] = ()
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Reload:
    """Forget what was changed and not saved."""

    place: Place


@dataclass(frozen=True, slots=True)
class Add:
    """List meters by hand."""

    place: Place
    serial: str
    link: int
    cycle: int
    label: str
    register: int
    count: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Take meters off the list."""

    place: Place
    meters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deallocate:
    """Take all registers back."""

    place: Place


@dataclass(frozen=True, slots=True)
class Write:
    """Replace a file of the gateway."""

    place: Place
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Save:
    """Save what was changed; with `refused` it has to be refused."""

    place: Place
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Reboot:
    """Restart the gateway."""

    place: Place


@dataclass(frozen=True, slots=True)
class Hang:
    """Let the gateway hang for `ns`, or for good."""

    place: Place
    ns: int | None


@dataclass(frozen=True, slots=True)
class PowerGateway:
    """Switch the gateway."""

    place: Place
    on: bool


@dataclass(frozen=True, slots=True)
class Power:
    """Switch meters."""

    place: Place
    meters: tuple[str, ...]
    on: bool


@dataclass(frozen=True, slots=True)
class MeterFault:
    """Begin a fault of meters, or end the one of a class; after `ns` it ends by itself."""

    place: Place
    meters: tuple[str, ...]
    fault: meter_faults.Fault | type[meter_faults.Fault]
    ns: int | None = None


@dataclass(frozen=True, slots=True)
class LineFault:
    """Begin a fault of line or converter, or end the one of a class; see `MeterFault`."""

    place: Place
    fault: line_faults.LineFault | type[line_faults.LineFault]
    ns: int | None = None


@dataclass(frozen=True, slots=True)
class SetValue:
    """Let a record of meters have another value; `value` is one of a population document."""

    place: Place
    meters: tuple[str, ...]
    record: int
    value: Any


@dataclass(frozen=True, slots=True)
class Registers:
    """`count` registers from `start` on, of one unit identifier."""

    start: int
    count: int
    unit: int = 255


@dataclass(frozen=True, slots=True)
class Poll:
    """Read registers once; None means all that are served."""

    place: Place
    registers: Registers | None


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


@dataclass(frozen=True, slots=True)
class Request:
    """Let a client ask once, with any function code."""

    place: Place
    client: str
    unit: int
    function: int
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Identify:
    """Let a client ask for the device identification."""

    place: Place
    client: str
    unit: int
    code: int
    object_id: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """Let a client send octets, and wait `wait_ns` for what comes of it."""

    place: Place
    client: str
    octets: bytes
    wait_ns: int


#: What can be done at once and in any context, so also by a trigger.
SuddenDeed = Power | PowerGateway | MeterFault | LineFault | SetValue | Hang
Step = (
    Serial | Parallel | OneOf | Wait | WaitUntil | Every | Repeat | SuddenDeed
    | Scan | Readout | Allocate | Configure | Reload | Add | Delete | Deallocate | Write | Save
    | Reboot | Poll | Start | Stop | Request | Identify | Malformed
)  # fmt: skip


# --- Faults that something triggers -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AtTime:
    """`ns` after the first step began."""

    ns: int


@dataclass(frozen=True, slots=True)
class AtPageRequest:
    """Telegram `page` (from 1) of a meter is asked for, before the meter answers.

    Requests before number `number` (from 1) do not count.
    """

    meter: str
    page: int
    number: int = 1


@dataclass(frozen=True, slots=True)
class AtValues:
    """Every path takes on its value, having been without it."""

    wanted: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TriggeredFault:
    """`deeds` happen `after_ns` behind each of the first `times` firings of the trigger."""

    id: str
    place: Place
    trigger: AtTime | AtPageRequest | AtValues
    after_ns: int
    times: int
    deeds: tuple[SuddenDeed, ...]


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
    """A Modbus client that reads every `period_ns`, in turn over its connections.

    None means all registers that are served.
    """

    id: str
    period_ns: int
    registers: Registers | None
    connections: int = 1


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
    pics: Formula | None
    pics_text: str
    seed: int
    sweep: tuple[int, int] | None
    limit_ns: int
    world: World
    faults: tuple[TriggeredFault, ...]
    do: Serial
    assume: tuple[Property, ...]
    expect: tuple[Property, ...]
    check: tuple[Check, ...]
    needs: tuple[Need, ...]

    @property
    def judged(self) -> tuple[Check, ...]:
        """Everything that a verdict is formed of, in the order of the file."""
        return (*self.assume, *self.expect, *self.check)
