"""The shape of a scenario file: strict models of its sections.

The models of steps are in `verbs`. The same models give the JSON schema that editors use, and the
reference of the language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from scenarios.language import durations
from scenarios.language.fields import (
    ID_PATTERN,
    NAME_PATTERN,
    REPEAT_MAX,
    Backend,
    Baudrate,
    Duration,
    FilePath,
    Moment,
    Rate,
    RequirementId,
    Requirements,
    Strict,
)
from scenarios.language.verbs import Steps  # noqa: TC001 - pydantic evaluates it

# --- The world --------------------------------------------------------------------------------


class ReadModel(Strict):
    """A run of registers."""

    start: int = Field(alias="from", ge=0, le=0xFFFF)
    count: int = Field(ge=1, le=125)
    unit: int = Field(default=255, ge=0, le=255)


class ClientModel(Strict):
    """A Modbus client that reads again and again once it is started."""

    id: str = Field(pattern=ID_PATTERN)
    every: Duration | None = Field(
        default=None, description="From the start of one read to the start of the next."
    )
    rate: Rate | None = Field(default=None, description="Instead of `every`: 200 /s, 2 /min.")
    connections: int = Field(
        default=1, ge=1, le=100, description="Reads go over them in turn; the rate is that of all."
    )
    read: ReadModel | None = Field(
        default=None, description="Which registers; all that are served where this is left out."
    )


class BusModel(Strict):
    """The line."""

    baud: Baudrate = 2400
    speed: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="How many times faster than real the line is paced on pty; 1 is real.",
    )


class GatewayModel(Strict):
    """The gateway under test, where it differs from one fresh from the factory."""

    config: dict[str, int | str] = Field(default_factory=dict, description="Keys of chip.ini.")
    files: dict[FilePath, str] = Field(
        default_factory=dict, description="Further files by path, such as app/Device_Handle.cfg."
    )
    serial_number: int = Field(default=75907, ge=0, le=0xFFFFFFFF)
    unit_loads: Literal[20, 80] = 80


class WorldModel(Strict):
    """Everything outside the steps: bus, gateway, meters, clients, the time of day."""

    bus: BusModel = Field(default_factory=BusModel)
    gateway: GatewayModel = Field(default_factory=GatewayModel)
    meters: list[Any] | dict[str, Any] | None = Field(
        default=None,
        description="Meters, in the schema of a population file: the list, or the whole document.",
    )
    population: str | None = Field(default=None, description="A population by name or file.")
    clients: list[ClientModel] = Field(default_factory=list)
    clock: Moment | None = Field(default=None, description="Time of day at which the run starts.")


class TriggeredModel(Strict):
    """A fault that happens by itself: when (`at`), and what (one verb beside it).

    `at` is a time since the first step, ``{page_request: {meter: x, page: 2}}``, or values that
    signals take on, such as ``{gateway.scan: running}``. What it does is one of the verbs fault,
    power, noise, echo, cut, mend, set, hang, or `drop_answer` for a page request. A trigger that
    never fires makes the run INCONCLUSIVE.
    """

    id: str | None = Field(default=None, pattern=ID_PATTERN)
    at: Any = Field(description="When: a time, a page request, or values of signals.")
    after: Duration = Field(default=0, description="Behind the trigger.")
    times: int = Field(default=1, ge=1, le=REPEAT_MAX, description="How often it may fire.")


# --- What is judged ---------------------------------------------------------------------------


class Judged(Strict):
    """What an assumption, an expectation and a check have in common."""

    id: str = Field(pattern=ID_PATTERN)
    req: Requirements = Field(default_factory=list)
    why: str = ""
    only: list[Backend] | None = None


class PropertyModel(Judged):
    """A sentence of the property language."""

    that: str
    tolerance: dict[Backend, Duration] = Field(default_factory=dict)


class LayoutModel(Judged):
    """The registers of meters against what the meters sent (manual 6.2)."""

    registers: Literal["standard"]
    meters: str = Field(default="*", alias="for")


class RegistersModel(Judged):
    """Literal registers: start address to words in hexadecimal, ``....`` for any word."""

    registers: dict[int, str] = Field(min_length=1)


class SeedsModel(Strict):
    """Which seed a single run takes, and which ones a campaign goes through."""

    default: int = 1
    sweep: str | None = Field(default=None, pattern=r"^\d+\.\.\d+$")


class LimitsModel(Strict):
    """What a run may use."""

    time: Duration = Field(default=durations.parse("1 h"), description="Length of the run.")


class Document(Strict):
    """The whole file; lists are checked item by item, see `compile`."""

    scenario: str = Field(pattern=NAME_PATTERN)
    version: Literal[1]
    title: str = Field(min_length=1)
    verifies: list[RequirementId] = Field(default_factory=list)
    pics: str | None = Field(
        default=None, description="For which devices: options that they claim, and/or/not."
    )
    seeds: SeedsModel = Field(default_factory=SeedsModel)
    limits: LimitsModel = Field(default_factory=LimitsModel)
    world: WorldModel
    faults: list[Any] = Field(default_factory=list)
    do: Steps
    assume: list[Any] = Field(default_factory=list)
    expect: list[Any] = Field(default_factory=list)
    check: list[Any] = Field(default_factory=list)


def judged_model(item: Mapping[str, Any]) -> type[Strict]:
    """Choose the model of an item of ``check`` by its key, before validating anything."""
    if "registers" in item and "that" not in item:
        return RegistersModel if isinstance(item["registers"], Mapping) else LayoutModel
    return PropertyModel
