"""Values of meters as pure functions of virtual time.

A function, not a process: silent time costs nothing, a value can be asked for at any moment in any
order, and a checker that knows the moment knows the truth. Chance enters by a key: the same key and
the same step give the same number, whatever else happens in the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from simulators import loads
from simulators.due_dates import DueDate, Stored

NS_PER_S: Final = 1_000_000_000
#: What a value function gives: a raw number, a real, a text, or a moment of the meter's clock.
Value = int | Decimal | str | date
ValueFunction = Callable[[int], Value]


class Fixed:
    """A value that never moves, so that it need be encoded only once."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def __call__(self, _ns: int) -> Value:
        """The value, at any time."""
        return self.value


_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
}
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|min|h|d)\s*")
_NUMBER: Final = r"0[xX][0-9a-fA-F]+|-?\d+"
_EXPRESSION: Final = re.compile(
    rf"\s*(?P<start>{_NUMBER})\s*"
    rf"((?P<sign>[+-])\s*((?P<step>{_NUMBER})\s*\*\s*)?t\s*/\s*(?P<every>.+?))?\s*"
)
#: The word for "what the meter's clock says".
CLOCK: Final = "clock"


def duration_ns(text: object) -> int:
    """A duration such as '250 ms', '5 s' or '40 min' in whole ns; ValueError otherwise."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        msg = f"want a duration such as '250 ms', '5 s' or '40 min', got {text!r}"
        raise ValueError(msg)
    return int(Decimal(match[1]) * _UNITS_NS[match[2]])


#: A duration in a document; an int is one that has been read already, in ns.
Duration = Annotated[
    int,
    BeforeValidator(duration_ns),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? ?(ns|us|ms|s|min|h|d)$"}),
]


def _signed_ns(value: object) -> object:
    """A duration that may begin with a minus."""
    if isinstance(value, str) and value.lstrip().startswith("-"):
        return -duration_ns(value.lstrip()[1:])
    return duration_ns(value)


#: A duration in a document that may be negative, such as '-2 h'.
SignedDuration = Annotated[
    int,
    BeforeValidator(_signed_ns),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)? ?(ns|us|ms|s|min|h|d)$"}),
]


def _bounds(value: object) -> object:
    """One number for a fixed start, two for one that is drawn from between them."""
    if isinstance(value, list | tuple):
        if len(value) != 2 or not all(isinstance(item, int) for item in value):
            msg = "want a whole number or two, [lowest, highest]"
            raise ValueError(msg)
        if value[0] > value[1]:
            msg = f"the lowest start {value[0]} is above the highest, {value[1]}"
            raise ValueError(msg)
        return tuple(value)
    return (value, value)


Bounds = Annotated[
    tuple[int, int],
    BeforeValidator(_bounds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer"},
                {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
            ]
        }
    ),
]


class Moving(BaseModel):
    """A value that moves: a counter (`start`, `add`, `every`) or one that hovers (`around`, …).

    All numbers are raw: what the record carries, before its scale. A counter is at `start` at time
    0 and gains `add` evenly over each `every`. A hovering value is drawn anew every `every`, evenly
    between `around - jitter` and `around + jitter`. `start` and `around` may be ``[lowest,
    highest]``: each meter then draws its own. With `decimals` the number is divided by
    10**decimals, for the coding real32. A `load` (a name of `loads.SHAPES`) spreads what a counter
    gains over the hours of day and week, and lets a hovering value rise and fall with them; `add`
    and `around` are then means over a week.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    start: Bounds | None = None
    add: int = 1
    around: Bounds | None = None
    jitter: int = Field(default=0, ge=0)
    every: Duration = Field(default=NS_PER_S, gt=0)
    decimals: int = Field(default=0, ge=0, le=9)
    load: str | None = None

    @field_validator("load")
    @classmethod
    def _known_load(cls, name: str | None) -> str | None:
        if name is not None and name not in loads.SHAPES:
            msg = f"{name!r} is no load shape (known: {', '.join(loads.SHAPES)})"
            raise ValueError(msg)
        return name

    @model_validator(mode="after")
    def _one_kind(self) -> Moving:
        if (self.start is None) == (self.around is None):
            msg = "want either 'start' (a counter) or 'around' (a value that hovers)"
            raise ValueError(msg)
        return self

    def function(self, key: str, epoch: datetime | None = None) -> ValueFunction:
        """The value over time for the meter and record that `key` names.

        `epoch` is what the meter's clock shows at time 0; a load shape without one begins on a
        Monday at midnight.
        """
        low, high = self.start or self.around or (0, 0)
        base = low + _mixed(_number(f"{key}/start"), 0) % (high - low + 1)
        every, decimals = self.every, self.decimals
        if self.load is not None:
            since = loads.since_monday_ns(epoch) if epoch is not None else 0
            return self._loaded(base, loads.SHAPES[self.load], since, _number(key))
        if self.start is not None:
            add = self.add
            return lambda ns: _scaled(base + add * ns // every, decimals)
        if not self.jitter:
            return Fixed(_scaled(base, decimals))
        spread, origin = 2 * self.jitter + 1, _number(key)
        low = base - self.jitter
        return lambda ns: _scaled(low + _mixed(origin, ns // every) % spread, decimals)

    def _loaded(self, base: int, shape: loads.Shape, since: int, origin: int) -> ValueFunction:
        """The value whose pace, or whose middle, follows `shape` from `since` in its week on."""
        every, decimals, jitter = self.every, self.decimals, self.jitter
        if self.start is not None:
            add, divisor, before = self.add * loads.HOURS, shape.total * every, shape.used(since)
            return lambda ns: _scaled(
                base + add * (shape.used(since + ns) - before) // divisor, decimals
            )

        def hovering(ns: int) -> int | Decimal:
            middle = base * shape.weight(since + ns) * loads.HOURS // shape.total
            offset = _mixed(origin, ns // every) % (2 * jitter + 1) - jitter
            return _scaled(middle + offset, decimals)

        return hovering


def _scaled(number: int, decimals: int) -> int | Decimal:
    """`number` / 10**decimals, exactly."""
    return Decimal(number).scaleb(-decimals) if decimals else number


def _number(key: str) -> int:
    """64 bits that depend on `key` alone, in every process and version."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")


_MASK: Final = (1 << 64) - 1


def _mixed(origin: int, step: int) -> int:
    """64 bits that depend on both: the output function of the generator SplitMix64."""
    z = (origin + step * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _MASK
    return z ^ z >> 31


def _branch(value: object) -> str:
    """The branch of `ValueSpec` that `value` belongs to."""
    if isinstance(value, dict):
        if "of" in value:
            return "stored"
        return "due" if {"month_end", "year_end"} & value.keys() else "moving"
    if isinstance(value, DueDate):
        return "stored" if isinstance(value, Stored) else "due"
    return "moving" if isinstance(value, Moving) else "fixed"


#: A value in a document: fixed, moving, stored at a due date, or the due date itself.
ValueSpec = Annotated[
    Annotated[Moving, Tag("moving")]
    | Annotated[Stored, Tag("stored")]
    | Annotated[DueDate, Tag("due")]
    | Annotated[Any, Tag("fixed"), WithJsonSchema({"type": ["number", "string"]})],
    Discriminator(_branch),
]


def whole_number(text: str) -> Moving | int:
    """A number or an expression ``A + N * t / DURATION`` as written in a document.

    ``"0x00000000FFFFFFFF + t / 100 ms"`` counts up by one every 100 ms from 2**32 - 1. Raises
    ValueError.
    """
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        msg = f"want a whole number or an expression such as '1000 + 5 * t / 1 h', got {text!r}"
        raise ValueError(msg)
    start = int(match["start"], 0)
    if match["sign"] is None:
        return start
    step = int(match["step"] or "1", 0) * (-1 if match["sign"] == "-" else 1)
    return Moving(start=(start, start), add=step, every=duration_ns(match["every"]))


def clock(epoch: datetime, offset_ns: int = 0) -> ValueFunction:
    """What a meter's clock shows: `epoch` at time 0 of the simulation, plus `offset_ns`."""
    return lambda ns: epoch + timedelta(microseconds=(ns + offset_ns) // 1000)


def moment(value: object) -> datetime:
    """A date and time as written in a document, in UTC; ValueError otherwise."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    msg = f"want a date such as 2026-10-31 or the word {CLOCK!r}, got {value!r}"
    raise ValueError(msg)
