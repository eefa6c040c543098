"""The named faults of the line and of its converter, each with how far it is like the real thing.

Like those of meters they can be there from the start (``bus: {faults: [...]}`` of a population),
between two moments, or be switched: ``network.line_fault("echo", True)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from simulators import values
from simulators.converter import Converter, State
from simulators.noise import Bursts, Noise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Rate = Annotated[float, Field(gt=0, le=1)]


class LineFault(BaseModel):
    """A fault of the line; what has an end of its own says so."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Echo(LineFault):
    """The converter returns the master's own characters, added to those of slaves.

    Realism: exact and without delay of its own; converters with a filter that fails now and then
    are `lost_characters` besides.
    """


class Delay(LineFault):
    """Characters reach the other side later, up to `jitter` more for each burst towards the host.

    Realism: TCP converters and radio bridges. Bursts stay in order and are never cut in two, which
    real packets do.
    """

    by: values.Duration = 0
    jitter: values.Duration = 0


class LostCharacters(LineFault):
    """Each character is lost in the converter with probability `rate`, in both directions.

    Realism: full buffers lose characters in rows; here each is on its own.
    """

    rate: Rate


class ExtraCharacters(LineFault):
    """Behind each character comes, with probability `rate`, one that nobody sent.

    Realism: spikes read as start bits; here they take no time on the line.
    """

    rate: Rate


class BitErrors(LineFault):
    """Each bit on the line is turned round with probability `rate`, in both directions.

    Realism: real lines have one direction that is worse, and hardly any error at all at 2400 Bd.
    """

    rate: Rate


class ErrorBursts(LineFault):
    """Bursts of disturbance: one `every` so often, `length` long, bits turned with `density`.

    Realism: a lift motor, a relay; their times are drawn, one in each period.
    """

    every: values.Duration = Field(gt=0)
    length: values.Duration = Field(gt=0)
    density: Rate = 0.5


class ConverterMute(LineFault):
    """The converter hangs: nothing goes in, nothing comes out. Realism: until it is reset."""


class ConverterGone(LineFault):
    """The converter vanishes from the host; open ports are dead, and stay so when it returns.

    TCP connections are reset and refused, the device of a pseudo-terminal is gone, datagrams are
    lost. Realism: an adapter pulled out, or a TCP converter that restarts; a host that is cut off
    altogether would not even refuse.
    """


class ShortCircuit(LineFault):
    """Something on the line draws `ma` in mark. Realism: water in a junction box; a constant."""

    ma: float = Field(gt=0, le=5000)


class LineHeld(LineFault):
    """The line is in space towards the master for `length`, a break; it ends by itself.

    Realism: a slave whose transmitter is stuck. Requests still reach the slaves.
    """

    length: values.Duration = Field(default=50_000_000, gt=0)


class MasterBreak(LineFault):
    """The converter holds the line in space for `length`; slaves that talk stop; ends by itself.

    Realism: what a master with double current detection says to a collision (MBDOC48 p.56). Only
    meters whose behaviour has a `break_baudrate` return to it, at the moment the break begins.
    """

    length: values.Duration = Field(default=50_000_000, gt=0)


# fmt: off
#: Every fault of the line by its name.
LINE_FAULTS: Final[Mapping[str, type[LineFault]]] = {
    "echo":             Echo,
    "delay":            Delay,
    "lost_characters":  LostCharacters,
    "extra_characters": ExtraCharacters,
    "bit_errors":       BitErrors,
    "error_bursts":     ErrorBursts,
    "converter_mute":   ConverterMute,
    "converter_gone":   ConverterGone,
    "short_circuit":    ShortCircuit,
    "line_held":        LineHeld,
    "master_break":     MasterBreak,
}
# fmt: on

_CLEAN: Final[Mapping[type[LineFault], Mapping[str, Any]]] = {
    Echo: {"echo": False},
    Delay: {"delay_ns": 0, "jitter_ns": 0},
    LostCharacters: {"lost_rate": 0.0},
    ExtraCharacters: {"extra_rate": 0.0},
    ConverterMute: {"state": State.WORKING},
    ConverterGone: {"state": State.WORKING},
}
_ON_CONVERTER: Final[Mapping[type[LineFault], Callable[[Any], Mapping[str, Any]]]] = {
    Echo: lambda _fault: {"echo": True},
    Delay: lambda fault: {"delay_ns": fault.by, "jitter_ns": fault.jitter},
    LostCharacters: lambda fault: {"lost_rate": fault.rate},
    ExtraCharacters: lambda fault: {"extra_rate": fault.rate},
    ConverterMute: lambda _fault: {"state": State.MUTE},
    ConverterGone: lambda _fault: {"state": State.GONE},
}


def make(name: str, parameters: Mapping[str, Any]) -> LineFault:
    """The fault `name` with its parameters; KeyError for a name that is none, ValueError."""
    return kind(name).model_validate(dict(parameters))


def kind(name: str) -> type[LineFault]:
    """The class of the fault `name`; KeyError for a name that is none."""
    if name not in LINE_FAULTS:
        msg = f"{name!r} is no fault of the line (known: {', '.join(LINE_FAULTS)})"
        raise KeyError(msg)
    return LINE_FAULTS[name]


def name_of(fault: type[LineFault]) -> str:
    """The name of a fault by its class."""
    return next(name for name, kind in LINE_FAULTS.items() if kind is fault)


def switch(fault: LineFault | type[LineFault], converter: Converter, noise: Noise) -> None:
    """Have a fault of converter or bits from now on; a class ends the fault of that class."""
    ends = isinstance(fault, type)
    which: type[LineFault] = fault if isinstance(fault, type) else type(fault)
    if which in _CLEAN:
        converter.change(**(_CLEAN[which] if ends else _ON_CONVERTER[which](fault)))
    elif which is BitErrors:
        noise.error_rate = fault.rate if isinstance(fault, BitErrors) else 0.0
    elif which is ErrorBursts:
        noise.bursts = (
            Bursts(fault.every, fault.length, fault.density)
            if isinstance(fault, ErrorBursts)
            else None
        )


# --- In a population --------------------------------------------------------------------------


class LineFaultItem(BaseModel):
    """One fault of the line in a population: one key that names it, and `at` and `until`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    at: values.Duration = 0
    until: values.Duration | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> LineFaultItem:
        if len(self.model_fields_set - {"at", "until"}) != 1 or self.chosen is None:
            msg = f"want one of {', '.join(LINE_FAULTS)} in each item of faults"
            raise ValueError(msg)
        if self.until is not None and self.until <= self.at:
            msg = "'until' wants a time after 'at'"
            raise ValueError(msg)
        return self

    @property
    def chosen(self) -> LineFault | None:
        """The fault that the key names."""
        found = (getattr(self, name) for name in LINE_FAULTS)
        return next((fault for fault in found if fault is not None), None)


def _switch_on(value: object) -> object:
    """``echo: true`` is the fault with all its defaults."""
    return {} if value is True else value


if TYPE_CHECKING:
    LineFaultSpec = LineFaultItem
else:
    LineFaultSpec = create_model(
        "LineFaultSpec",
        __base__=LineFaultItem,
        **{
            name: (Annotated[fault | None, BeforeValidator(_switch_on)], None)
            for name, fault in LINE_FAULTS.items()
        },
    )


class BusSpec(BaseModel):
    """The key `bus` of a population.

    - `model`: "20" or "80" unit loads as the device has them, with 140 mA at most (C-46), or "lab"
      without any limit (C-75), the default.
    - `collision_break`: a collision that the converter recognises is answered by a break of 50 ms,
      which silences the slaves, and sends those with a `break_baudrate` back to it (MBDOC48 p.56).
    - `faults`: faults of line and converter.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: Literal["20", "80", "lab"] = "lab"
    collision_break: bool = False
    faults: list[LineFaultSpec] = Field(default_factory=list)
