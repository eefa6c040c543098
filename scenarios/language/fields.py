"""The kinds of values that a scenario file is written with, and the base of all its models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from reports.record import REQUIREMENT_ID_PATTERN
from scenarios.language import durations

#: Bit rates of the gateway (manual appendix A, NET-09).
Baudrate = Literal[300, 600, 1200, 2400, 4800, 9600, 19200]
BAUDRATES: Final[tuple[int, ...]] = get_args(Baudrate)

#: Times that a `repeat` may ask for.
REPEAT_MAX: Final = 100_000

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9-]*$"
ID_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_-]*$"


def _duration(value: object) -> object:
    if isinstance(value, str):
        try:
            return durations.parse(value)
        except durations.DurationError as error:
            raise PydanticCustomError("SCN010", "{want}", {"want": str(error)}) from error
    raise PydanticCustomError("SCN010", "{want}", {"want": durations.WANT})


def _rate(value: object) -> object:
    """Turn a rate into the period that belongs to it."""
    try:
        return durations.parse_rate(value if isinstance(value, str) else "")
    except durations.DurationError as error:
        raise PydanticCustomError("SCN010", "{want}", {"want": str(error)}) from error


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
Rate = Annotated[
    int,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*/\s*(d|h|min|s)\s*$"}),
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
PATH_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
FilePath = Annotated[str, Field(pattern=PATH_PATTERN)]
Backend = Literal["sim", "pty", "hil"]
Switch = Literal["on", "off"]


class Strict(BaseModel):
    """Closed and immutable: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
