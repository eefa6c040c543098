"""The named faults of a meter, each with how far it is like the real thing.

A fault is a class with parameters; a meter has it from the start of a run (`faults` of a
population), between two moments of it (`at`, `until`), or when somebody switches it:
``meter.fault("bad_checksum", True, share=0.1)``. What is drawn by chance is drawn from a generator
of the fault's own, so that a fault shifts nothing else in a run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
    model_validator,
)

from simulators import values
from simulators.frames import PRIMARY_ADDRESS_MAX, manufacturer_code

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGITS: Final = re.compile(r"[0-9A-Fa-f]{1,8}")


def _number(value: object) -> object:
    """Up to eight hexadecimal digits, as text of eight."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 99_999_999:
        value = str(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return value.upper().rjust(8, "0")
    msg = f"want up to 8 digits, got {value!r}"
    raise ValueError(msg)


def _letters(value: object) -> object:
    if not isinstance(value, str):
        msg = f"want three letters A-Z in quotes, got {value!r}"
        raise ValueError(msg)
    manufacturer_code(value)
    return value


Number = Annotated[str, BeforeValidator(_number), WithJsonSchema({"type": ["integer", "string"]})]
Manufacturer = Annotated[str, BeforeValidator(_letters)]
Byte = Annotated[int, Field(ge=0, le=255)]
Share = Annotated[float, Field(ge=0, le=1)]


class Fault(BaseModel):
    """A fault of a meter."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Occasional(Fault):
    """A fault that shows in a share of the answers, or so many times, or always."""

    share: Share = 1.0
    times: int | None = Field(default=None, ge=1)


# --- Who it says that it is -------------------------------------------------------------------


class Header(Fault):
    """The header of RSP_UD says something else than what the meter is selected by.

    Realism: firmware updates leave old version bytes behind, and modules that were moved to
    another meter keep the medium of the first. The number in the header differs more rarely.
    """

    identification_number: Number | None = None
    manufacturer: Manufacturer | None = None
    version: Byte | None = None
    medium: Byte | None = None


class Ghost(Fault):
    """Found in a scan and then not to be had (libmbus 61 and 62, solvimus GE20V with 2 of 12).

    `answers` "wildcards": it takes part in the search, but the selection by its full address gets
    no answer. "selection": it acknowledges every selection and never answers REQ_UD2 after it.
    Realism: real ghosts have a reason (a second copy of the address in the firmware, a weak
    supply); here it is always all or nothing.
    """

    answers: Literal["wildcards", "selection"] = "wildcards"


class DuplicateNumber(Fault):
    """It has the identification number of another meter (emonMbus 1, libmbus 199).

    Realism: real pairs come from cloned replacement modules; manufacturer, version and medium are
    then the same as well, which is up to the population.
    """

    identification_number: Number


class DuplicatePrimaryAddress(Fault):
    """It has the primary address of another meter, the most frequent mistake of installation.

    Realism: both answer by the book; nothing of the real pair's cabling is modelled.
    """

    primary_address: int = Field(ge=0, le=PRIMARY_ADDRESS_MAX)


class WrongAField(Fault):
    """RSP_UD carries this A field, not its own primary address.

    Realism: seen in answers to 253 and 254, where meters put 253, 254 or 0; here in every answer.
    """

    a_field: Byte


class ForgetsAddress(Fault):
    """Power loss sets the primary address back to `primary_address`.

    Realism: meters with a worn out memory, or that were never told to store; real ones may lose
    it only now and then.
    """

    primary_address: int = Field(default=0, ge=0, le=PRIMARY_ADDRESS_MAX)


# --- Frames that are wrong --------------------------------------------------------------------


class BadChecksum(Occasional):
    """The checksum of an answer is wrong by `by`.

    Realism: a real disturbance hits data, not the sum; to a master both look the same.
    """

    by: int = Field(default=1, ge=1, le=255)


class BadLength(Occasional):
    """The L field is wrong by `by`, in the first or in both of its characters.

    Realism: firmware that counts wrongly does it in both; one alone is line noise.
    """

    by: int = Field(default=1, ge=-255, le=255)
    both: bool = True


class BadStart(Occasional):
    """The first character of a long answer is `byte`, not 68. Realism: line noise at power-up."""

    byte: Byte = 0x69


class BadStop(Occasional):
    """The last character of a long answer is `byte`, not 16. Realism: a frame of another maker."""

    byte: Byte = 0x17


class BadParity(Occasional):
    """Every character, or the one at `index`, has the wrong parity bit.

    Realism: a meter set to odd parity does it in all; one alone is line noise.
    """

    index: int | None = Field(default=None, ge=0)


class StrayByte(Occasional):
    """A character stands before the answer, at once (libmbus 131, wmbusmeters 1064).

    Realism: the transmitter's switch-on pulse read as a character; real ones vary from time to
    time.
    """

    byte: Byte = 0xFD


class Truncated(Occasional):
    """The answer ends after so many characters. Realism: the meter's own supply breaks down."""

    characters: int = Field(ge=1)


# --- Pages ------------------------------------------------------------------------------------


class DropPage(Fault):
    """Telegram `page` (from 1) is not answered, the first `times` times or always.

    Realism: a meter that gathers a page too slowly; real ones often answer the retry.
    """

    page: int = Field(ge=1)
    times: int | None = Field(default=None, ge=1)


class RepeatPage(Fault):
    """Telegram `page` (from 1) comes again where the next was asked for, `times` times or always.

    Realism: a lost acknowledgement inside the meter; always means that it never gets further.
    """

    page: int = Field(default=1, ge=1)
    times: int | None = Field(default=None, ge=1)


class EndlessPages(Fault):
    """Every telegram ends with 1F; after the last the first follows, for ever.

    Realism: a wrong constant in the firmware. Read-outs of such a meter are never complete.
    """


# --- When it talks ----------------------------------------------------------------------------


class Babble(Fault):
    """It talks without being asked: `characters` of noise, on average `every` so often.

    Realism: a damaged transmitter; real ones often hold the line for long. Times are evenly drawn
    between 0 and twice `every`.
    """

    every: values.Duration = Field(default=5_000_000_000, gt=0)
    characters: int = Field(default=8, ge=1, le=252)


class Late(Occasional):
    """It answers `by` later than it should. Realism: a busy processor; real delays vary more."""

    by: values.Duration = Field(default=100_000_000, gt=0)


class AfterTimeout(Occasional):
    """It answers when the master has given up: 330 bits, 50 ms and `by` after the request.

    Realism: answers of a slow radio bridge; `by` is fixed (libmbus 121 and 207: late bytes).
    """

    by: values.Duration = Field(default=500_000_000, gt=0)


class Twice(Occasional):
    """It says every answer twice, the second time `after` the end of the first.

    Realism: a repeater with an echo of its own; the second copy is exact.
    """

    after: values.Duration = Field(default=20_000_000, gt=0)


class Silent(Occasional):
    """It acts on requests and says nothing. Realism: a broken transmitter; the receiver works."""


# --- What it says -----------------------------------------------------------------------------


class Clock(Fault):
    """Its clock is off by `offset`, and gains `drift_ppm` millionths.

    Realism: no jumps and no summer time; `drift_ppm` counts from the start of the run.
    """

    offset: values.SignedDuration = 0
    drift_ppm: int = Field(default=0, ge=-1_000_000, le=1_000_000)


class OnRecord(Fault):
    """A fault of one value; `record` counts those of the whole read-out from 0. None: all."""

    record: int | None = Field(default=None, ge=0)


class Backwards(OnRecord):
    """Numbers run backwards from the moment at which the fault begins, `factor` times as fast.

    Realism: a flow sensor mounted the wrong way round. Values of before time 0 are not known, so
    they stop there.
    """

    factor: int = Field(default=1, ge=1)


class Overflow(OnRecord):
    """A register is over its end.

    "marked": BCD with a hexadecimal digit on top (MBDOC48 p.57-62), which a correct gateway shows
    as no data; an integer stands at its largest number, which looks like any other. "rolled": the
    register shows only its last digit, as if it had just begun again. Realism: makers do either,
    few say which.
    """

    how: Literal["marked", "rolled"] = "marked"


class NotANumber(OnRecord):
    """A float32 is NaN. Realism: sensors that are missing; the quiet NaN 7FC00000 of most chips."""


class Markup(OnRecord):
    """A text carries control characters and markup, to try whoever shows it.

    Realism: none needed; nobody checks what a meter may say. Cut where the telegram is full.
    """

    text: str = "\x1b[31m<script>alert(1)</script>\x00&\"'\r\n"


class Status(Fault):
    """Bits of the status field that are set besides its own (MBDOC48 p.37).

    Realism: 04 power low, 08 permanent, 10 temporary error; the values stay as good as before.
    """

    bits: Byte


class Busy(Occasional):
    """The application is busy: "error" answers CI 70 with code 8, "status" sets the status bits.

    Realism: a meter that measures just now (MBDOC48 p.53); real ones are busy for some seconds.
    """

    how: Literal["error", "status"] = "error"


class ApplicationError(Occasional):
    """RSP_UD is the error report CI 70 with `code` (MBDOC48 p.53), or without one (None).

    Realism: any code at any time; real meters give a reason that fits the request.
    """

    code: Byte | None = 0


class Alarm(Fault):
    """An alarm waits: REQ_UD1 gets CI 71 with `byte`, and ACD is set in RSP_UD (MBDOC48 p.70).

    Realism: the alarm does not end by being read.
    """

    byte: Byte = 0x01


class Load(Fault):
    """It draws so many unit loads more. Realism: water in the housing; a short is some 60 of them.

    The protection resistors of a slave limit it to 100 mA (MBDOC48 p.17).
    """

    unit_loads: float = Field(gt=0, le=67)


# fmt: off
#: Every fault by the name under which a population, a scenario or a person asks for it.
FAULTS: Final[Mapping[str, type[Fault]]] = {
    "header":                    Header,
    "ghost":                     Ghost,
    "duplicate_number":          DuplicateNumber,
    "duplicate_primary_address": DuplicatePrimaryAddress,
    "wrong_a_field":             WrongAField,
    "forgets_address":           ForgetsAddress,
    "bad_checksum":              BadChecksum,
    "bad_length":                BadLength,
    "bad_start":                 BadStart,
    "bad_stop":                  BadStop,
    "bad_parity":                BadParity,
    "stray_byte":                StrayByte,
    "truncated":                 Truncated,
    "drop_page":                 DropPage,
    "repeat_page":               RepeatPage,
    "endless_pages":             EndlessPages,
    "babble":                    Babble,
    "late":                      Late,
    "after_timeout":             AfterTimeout,
    "twice":                     Twice,
    "silent":                    Silent,
    "clock":                     Clock,
    "backwards":                 Backwards,
    "overflow":                  Overflow,
    "not_a_number":              NotANumber,
    "markup":                    Markup,
    "status":                    Status,
    "busy":                      Busy,
    "application_error":         ApplicationError,
    "alarm":                     Alarm,
    "load":                      Load,
}
# fmt: on


def kind(name: str) -> type[Fault]:
    """The class of the fault `name`; KeyError for a name that is none."""
    if name not in FAULTS:
        msg = f"{name!r} is no fault of a meter (known: {', '.join(FAULTS)})"
        raise KeyError(msg)
    return FAULTS[name]


def described(kind: type[BaseModel]) -> tuple[str, str]:
    """What a fault does and how real it is, as its docstring says; each in one line."""
    words = " ".join((kind.__doc__ or "").split())
    what, _, realism = words.partition(" Realism: ")
    return what, realism


def make(name: str, parameters: Mapping[str, Any]) -> Fault:
    """The fault `name` with its parameters; KeyError for a name that is none, ValueError."""
    return kind(name).model_validate(dict(parameters))


def name_of(fault: Fault) -> str:
    """The name of a fault by its class."""
    return next(name for name, kind in FAULTS.items() if kind is type(fault))


# --- In a population --------------------------------------------------------------------------


class PowerCut(Fault):
    """The meter loses its power at a time, and has it again from another one on."""

    off_at: values.Duration
    on_at: values.Duration | None = None


class FaultItem(BaseModel):
    """One fault of a meter in a population: one key that names it.

    `at` and `until` bound it in time; without them it is there from the start and stays. `dead` is
    a meter without power, `power` one that loses it for a while.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    at: values.Duration = 0
    until: values.Duration | None = None
    dead: bool | None = None
    power: PowerCut | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> FaultItem:
        if len(self.model_fields_set - {"at", "until"}) != 1:
            known = [name for name in FaultSpec.model_fields if name not in {"at", "until"}]
            msg = f"want one of {', '.join(known)} in each item of faults"
            raise ValueError(msg)
        if self.until is not None and self.until <= self.at:
            msg = "'until' wants a time after 'at'"
            raise ValueError(msg)
        return self

    @property
    def chosen(self) -> Fault | None:
        """The fault that the key names; None for `dead`, `power` and a key that says no."""
        for name in FAULTS:
            fault = getattr(self, name)
            if isinstance(fault, Fault):
                return fault
        return None


def _switch(value: object) -> object:
    """``ghost: true`` is the fault with all its defaults, ``ghost: false`` no fault."""
    if value is True:
        return {}
    return None if value is False else value


if TYPE_CHECKING:
    FaultSpec = FaultItem
else:
    FaultSpec = create_model(
        "FaultSpec",
        __base__=FaultItem,
        **{
            name: (
                Annotated[
                    fault | None,
                    BeforeValidator(_switch, json_schema_input_type=fault | bool | None),
                ],
                None,
            )
            for name, fault in FAULTS.items()
        },
    )
