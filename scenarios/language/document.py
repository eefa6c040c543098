"""The shape of a scenario file: strict models, and their complaints in our words.

A step is led by its verb; the verb chooses the model first, so that one mistyped verb is one
complaint and not one for every verb that there is. The same models give the JSON schema that
editors use.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from reports.record import REQUIREMENT_ID_PATTERN
from scenarios.language import durations
from scenarios.language.diagnostics import did_you_mean
from scenarios.language.source import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

    from scenarios.language.diagnostics import Diagnostic
    from scenarios.language.source import Location, Source

Model = TypeVar("Model", bound=BaseModel)

#: Bit rates of the gateway (manual appendix A, NET-09).
Baudrate = Literal[300, 600, 1200, 2400, 4800, 9600, 19200]
BAUDRATES: Final[tuple[int, ...]] = get_args(Baudrate)

#: Times that a `repeat` may ask for.
REPEAT_MAX: Final = 100_000

_NAME: Final = r"^[a-z0-9][a-z0-9-]*$"
_ID: Final = r"^[A-Za-z_][A-Za-z0-9_-]*$"


def _duration(value: object) -> object:
    if isinstance(value, str):
        try:
            return durations.parse(value)
        except durations.DurationError as error:
            raise PydanticCustomError("SCN010", "{want}", {"want": str(error)}) from error
    raise PydanticCustomError("SCN010", "{want}", {"want": durations.WANT})


def _moment(value: object) -> object:
    """Turn 2026-11-20T12:00:00Z into unix seconds."""
    want = "want a moment such as 2026-11-20T12:00:00Z"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise PydanticCustomError("SCN016", "{want}", {"want": want}) from error
    if not isinstance(value, datetime):
        raise PydanticCustomError("SCN016", "{want}", {"want": want})
    moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return int(moment.timestamp())


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Duration = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*\d+(\.\d+)?\s*(d|h|min|s|ms|us|µs|ns)\s*$",
            "description": "A duration such as 250 ms, 5 s, 40 min.",
        }
    ),
]
Moment = Annotated[
    int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
RequirementId = Annotated[str, Field(pattern=REQUIREMENT_ID_PATTERN)]
Requirements = Annotated[
    list[RequirementId],
    BeforeValidator(_listed),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}}),
]
#: A path below the gateway's data folder; no way leads out of it.
_PATH: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
FilePath = Annotated[str, Field(pattern=_PATH)]
Backend = Literal["sim", "pty", "hil"]


class Strict(BaseModel):
    """Closed and immutable: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# --- The world --------------------------------------------------------------------------------


class ReadModel(Strict):
    """A run of registers."""

    start: int = Field(alias="from", ge=0, le=0xFFFF)
    count: int = Field(ge=1, le=125)


class ClientModel(Strict):
    """A Modbus client that reads again and again once it is started."""

    id: str = Field(pattern=_ID)
    every: Duration = Field(description="From the start of one read to the start of the next.")
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
    meters: list[Any] | None = Field(
        default=None, description="Meters, in the schema of a population file."
    )
    population: str | None = Field(default=None, description="A population by name or file.")
    clients: list[ClientModel] = Field(default_factory=list)
    clock: Moment | None = Field(default=None, description="Time of day at which the run starts.")


# --- Steps ------------------------------------------------------------------------------------

_STEPS: Final = {"type": "array", "items": {"$ref": "#/$defs/Step"}}
Steps = Annotated[list[Any], WithJsonSchema(_STEPS)]


class Nothing(Strict):
    """A verb that takes no arguments: ``scan: {}``."""


class MeterPower(Strict):
    """Which meter loses or gets its power."""

    meter: str
    to: Literal["on", "off"]


class ClientName(Strict):
    """Which client of the file."""

    client: str


class PollModel(Strict):
    """Registers to read once; all that are served where they are left out."""

    start: int | None = Field(default=None, alias="from", ge=0, le=0xFFFF)
    count: int | None = Field(default=None, ge=1, le=125)


class SerialStep(Strict):
    """The steps below one after the other."""

    serial: Steps


class ParallelStep(Strict):
    """The steps below side by side; done when all are."""

    parallel: Steps


class WaitStep(Strict):
    """Let time pass."""

    wait: Duration


class WaitUntilStep(Strict):
    """Wait until signals have these values, all at once; FAIL if they have not in time."""

    wait_until: dict[str, Any] = Field(min_length=1)
    within: Duration


class EveryStep(Strict):
    """Do the steps below again and again, beside what follows, until the scenario ends."""

    every: Duration
    do: Steps
    times: int | None = Field(default=None, ge=1, le=REPEAT_MAX)


class RepeatStep(Strict):
    """Do the steps below so many times."""

    repeat: int = Field(ge=1, le=REPEAT_MAX)
    do: Steps


class ScanStep(Strict):
    """Ask the gateway to search the bus; it answers by going on, see ``gateway.scan``."""

    scan: Nothing


class ReadoutStep(Strict):
    """Ask the gateway to read all its meters now; see ``gateway.readout``."""

    readout: Nothing


class AllocateStep(Strict):
    """Let the gateway give registers to every meter and value in its list (manual 4.3)."""

    allocate: Nothing


class PollStep(Strict):
    """Read registers over Modbus once."""

    poll: PollModel


class PowerStep(Strict):
    """Switch a meter off or on."""

    power: MeterPower


class StartStep(Strict):
    """Let a client begin to read."""

    start: ClientName


class StopStep(Strict):
    """Let a client end."""

    stop: ClientName


VERBS: Final[dict[str, type[Strict]]] = {
    "serial": SerialStep,
    "parallel": ParallelStep,
    "wait": WaitStep,
    "wait_until": WaitUntilStep,
    "every": EveryStep,
    "repeat": RepeatStep,
    "scan": ScanStep,
    "readout": ReadoutStep,
    "allocate": AllocateStep,
    "poll": PollStep,
    "power": PowerStep,
    "start": StartStep,
    "stop": StopStep,
}


# --- What is judged ---------------------------------------------------------------------------


class Judged(Strict):
    """What an assumption, an expectation and a check have in common."""

    id: str = Field(pattern=_ID)
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

    scenario: str = Field(pattern=_NAME)
    version: Literal[1]
    title: str = Field(min_length=1)
    verifies: list[RequirementId] = Field(default_factory=list)
    seeds: SeedsModel = Field(default_factory=SeedsModel)
    limits: LimitsModel = Field(default_factory=LimitsModel)
    world: WorldModel
    do: Steps
    assume: list[Any] = Field(default_factory=list)
    expect: list[Any] = Field(default_factory=list)
    check: list[Any] = Field(default_factory=list)


def judged_model(item: Mapping[str, Any]) -> type[Strict]:
    """Choose the model of an item of ``check`` by its key, before validating anything."""
    if "registers" in item and "that" not in item:
        return RegistersModel if isinstance(item["registers"], Mapping) else LayoutModel
    return PropertyModel


# --- Complaints -------------------------------------------------------------------------------


def validate(
    model: type[Model], source: Source, location: Location, found: list[Diagnostic]
) -> Model | None:
    """Check the part of the file at `location`; None where it has mistakes, which go to `found`."""
    try:
        return model.model_validate(_tidy(source.at(location)))
    except ValidationError as error:
        details = _not_misspelt(model, list(_each(error)))
        found += [_complaint(model, source, location, detail) for detail in details]
        return None


def _tidy(part: Any) -> Any:
    """Return plain data; an empty value ("scan:") counts as an empty mapping."""
    tidy = plain(part)
    if isinstance(tidy, dict):
        return {key: {} if value is None else value for key, value in tidy.items()}
    return tidy


def _each(error: ValidationError) -> Iterator[ErrorDetails]:
    """Yield the errors; of those about the branches of one union only the first."""
    seen = set[tuple[int | str, ...]]()
    for detail in error.errors(include_url=False):
        place = tuple(part for part in detail["loc"] if part not in _BRANCHES)
        if place not in seen:
            seen.add(place)
            yield detail


def _not_misspelt(model: type[BaseModel], details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Drop the missing keys that are there, misspelt: one mistake is one complaint."""
    meant = set[str]()
    for detail in details:
        if detail["type"] == "extra_forbidden":
            known = _keys_at(model, detail["loc"][:-1])
            meant.add(did_you_mean(str(detail["loc"][-1]), known))
    return [
        detail
        for detail in details
        if detail["type"] != "missing" or f"did you mean '{detail['loc'][-1]}'?" not in meant
    ]


#: What pydantic puts behind a key in a location when it is the key that is wrong.
_KEY: Final = "[key]"
#: What pydantic puts into a location to name the branch of a union.
_BRANCHES: Final = {"int", "str", "bool", "float"}

_KINDS: Final = {
    "int_type": "want a whole number",
    "float_type": "want a number",
    "string_type": "want text",
    "bool_type": "want true or false",
    "dict_type": "want a mapping (key: value)",
    "model_type": "want a mapping (key: value)",
    "model_attributes_type": "want a mapping (key: value)",
    "list_type": "want a list (- item)",
}


def _complaint(
    model: type[BaseModel], source: Source, base: Location, detail: ErrorDetails
) -> Diagnostic:
    kind, context = detail["type"], detail.get("ctx", {})
    location = [*base, *(part for part in detail["loc"] if part not in _BRANCHES)]
    if kind == "extra_forbidden":
        word = str(location[-1])
        hint = did_you_mean(word, _keys_at(model, detail["loc"][:-1]))
        return source.complain("SCN011", f"unknown key '{word}'", source.key(location), hint)
    if kind == "missing":
        place = source.value(location[:-1]) if len(location) > 1 else source.value([])
        return source.complain("SCN012", f"key '{location[-1]}' is missing here", place)
    code, message = _worded(kind, context, detail["msg"])
    hint = ""
    if kind == "literal_error" and isinstance(detail["input"], str):
        hint = did_you_mean(str(detail["input"]), _choices(context))
    of_key = location[-1:] == [_KEY]
    place = source.key(location[:-1]) if of_key else source.value(location)
    return source.complain(code, message, place, hint)


def _worded(kind: str, context: dict[str, Any], message: str) -> tuple[str, str]:
    """Return code and message of one of pydantic's errors."""
    if kind.startswith("SCN"):
        return kind, message
    if kind == "literal_error":
        choices = _choices(context)
        return "SCN013", f"want {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"
    if kind in _KINDS:
        return "SCN014", _KINDS[kind]
    for name, words in (("ge", "or more"), ("le", "or less")):
        if kind in ("greater_than_equal", "less_than_equal") and name in context:
            return "SCN015", f"want {context[name]} {words}"
    if kind == "string_pattern_mismatch":
        return "SCN016", _PATTERNS.get(context["pattern"], f"want {context['pattern']}")
    return "SCN016", message[0].lower() + message[1:]


_PATTERNS: Final = {
    _NAME: "want a name of small letters, digits and '-'",
    _PATH: "want a path below the gateway's folder, such as app/Device_Handle.cfg",
    _ID: "want an id of letters, digits, '_' and '-'",
    REQUIREMENT_ID_PATTERN: "want a requirement id such as REG-M or REG-M.3",
    r"^\d+\.\.\d+$": "want seeds such as 1..500",
}


def _choices(context: dict[str, Any]) -> list[str]:
    """Return the values that pydantic lists as "'a', 'b' or 'c'", without the quotes."""
    listed = str(context.get("expected", "")).replace(" or ", ", ")
    return [choice.strip().strip("'") for choice in listed.split(", ")]


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the model knows at `location`."""
    here = model
    for part in location:
        fields = {field.alias or name: field for name, field in here.model_fields.items()}
        if isinstance(part, str) and part in fields:
            here = next(_models(fields[part].annotation), here)
    return [field.alias or name for name, field in here.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models inside an annotation such as ``list[Client] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
