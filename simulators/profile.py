"""Profiles: what a kind of meter answers, as literal DIB and VIB, and how it should be read.

A profile is a YAML file. It holds no meaning that a program would have to work out: the characters
of DIB and VIB stand there as the meter sends them, and beside them, under `expect`, the reading
that a correct gateway publishes. So the simulator needs no table of codings, and a mistake in the
gateway's tables has nothing to hide behind.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from simulators import document, encoding, names, values
from simulators.behaviour import Behaviour
from simulators.due_dates import YEARS_BACK_MAX, DueDate, Stored, ns_between
from simulators.frames import LONG_OVERHEAD, manufacturer_code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Characters of data that fit behind the 12-character header of one telegram (MBDOC48 p.22-23).
PAGE_LENGTH_MAX: Final = 0xFF - 3 - 12
assert PAGE_LENGTH_MAX + 3 + 12 + LONG_OVERHEAD == 261

#: DIF that ends a telegram after which more follow.
MORE_RECORDS_FOLLOW: Final = b"\x1f"

#: A slave answers no earlier than this after the end of the request (MBDOC48 p.25).
ANSWER_BITS_MIN: Final = 11

Kind = Literal["number", "text", "date", "no data"]


def _hexadecimal(value: object) -> object:
    """Characters in hexadecimal, which YAML must be told in quotes: 06 alone is the number six."""
    if isinstance(value, bytes):
        return value
    try:
        if isinstance(value, str):
            return bytes.fromhex(value)
    except ValueError:
        pass
    msg = f"want hexadecimal characters in quotes such as '0B' or 'FD 0E', got {value!r}"
    raise ValueError(msg)


def _letters(value: object) -> object:
    """A manufacturer's three letters."""
    if not isinstance(value, str):
        msg = f"want three letters A-Z in quotes, got {value!r}"
        raise ValueError(msg)
    manufacturer_code(value)
    return value


def _one_of(known: tuple[str | None, ...], what: str) -> Callable[[object], object]:
    """A check that a word is one of the manual's."""
    words = [name for name in known if name is not None]

    def check(value: object) -> object:
        if value in words:
            return value
        msg = f"{value!r} is not {what} of manual 6.2{document.did_you_mean(str(value), words)}"
        raise ValueError(msg)

    return check


Characters = Annotated[bytes, BeforeValidator(_hexadecimal)]
Manufacturer = Annotated[str, BeforeValidator(_letters)]
ValueType = Annotated[str, BeforeValidator(_one_of(names.VALUE_TYPES, "a value type"))]
UnitName = Annotated[str, BeforeValidator(_one_of(names.UNITS, "a unit"))]
Byte = Annotated[int, Field(ge=0, le=255)]


def _delay(value: object) -> object:
    """The shortest and the longest time until an answer, in bit times."""
    if isinstance(value, list | tuple) and len(value) == 2:
        low, high = value
        if all(isinstance(n, int | float) for n in value) and ANSWER_BITS_MIN <= low <= high:
            return (float(low), float(high))
    msg = (
        f"want [shortest, longest] in bit times, {ANSWER_BITS_MIN} at least (MBDOC48 p.25), "
        f"got {value!r}"
    )
    raise ValueError(msg)


Delay = Annotated[
    tuple[float, float],
    BeforeValidator(_delay),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
]


class Strict(BaseModel):
    """A part of a document in which an unknown key is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Expect(Strict):
    """What a correct gateway publishes for a record, in the manual's names (manual 6.2).

    `scale` is the power of ten that the VIB gives to the raw number. `integer` and `text` are
    worked out from what was sent unless they stand here; a number that stands here is *the*
    expectation, right or wrong.
    """

    value_type: ValueType
    unit: UnitName = "None"
    scale: int = Field(default=0, ge=-32768, le=32767)
    kind: Kind | None = None
    integer: int | None = None
    text: str | None = None


class ExpectOverride(Strict):
    """Parts of an expectation that a population states otherwise than the profile."""

    value_type: ValueType | None = None
    unit: UnitName | None = None
    scale: int | None = Field(default=None, ge=-32768, le=32767)
    kind: Kind | None = None
    integer: int | None = None
    text: str | None = None


class ExpectedReading(NamedTuple):
    """One reading that a correct gateway publishes of what the meter sent.

    `record` counts the data records of the whole read-out from 0, hidden ones too. The number is
    ``integer * 10**scale`` in `unit`; `timestamp` is the time that the meter gave to the value, in
    seconds since 1970 UTC, None where it gave none. `telegram` (from 1) and `offset` say where the
    record's DIF stood: the offset counts the characters of the frame, its start character is 0.
    """

    record: int
    value_type: str
    unit: str
    integer: int | None
    scale: int
    text: str | None
    timestamp: int | None
    kind: Kind
    telegram: int = 0
    offset: int = 0


class Coding(NamedTuple):
    """How a value becomes the characters of a record.

    `kind` is how it is read by default; `register` brings a whole number into the range that the
    coding can hold, by rolling over.
    """

    kind: Kind
    encode: Callable[[Any], bytes]
    register: Callable[[Any], int] | None = None


def _bcd(digits: int) -> Coding:
    """A register of `digits` BCD digits rolls over like the wheels of a counter."""
    span = 10**digits

    def rolled(value: int) -> int:
        return value % span if value >= 0 else value

    return Coding("number", lambda value: encoding.bcd(value, digits), rolled)


def _int(bits: int) -> Coding:
    """A two's complement register of `bits` rolls over from the largest to the smallest number."""
    half, span = 1 << bits - 1, 1 << bits
    return Coding(
        "number",
        lambda value: encoding.integer(value, bits // 8),
        lambda value: (value + half) % span - half,
    )


CODINGS: Final[dict[str, Coding]] = {
    **{f"bcd{digits}": _bcd(digits) for digits in (2, 4, 6, 8, 12)},
    **{f"int{bits}": _int(bits) for bits in (8, 16, 24, 32, 48, 64)},
    "real32": Coding("number", encoding.real),
    "date_f": Coding("date", encoding.date_f),
    "date_g": Coding("date", encoding.date_g),
    "text": Coding("text", encoding.text),
}


def _coding(value: object) -> object:
    """The name of a coding."""
    if value in CODINGS:
        return value
    known = ", ".join(CODINGS)
    guess = document.did_you_mean(str(value), CODINGS)
    msg = f"{value!r} is not a coding{guess} (known: {known})"
    raise ValueError(msg)


class Record(Strict):
    """A data record: literal DIB and VIB, and a value in a coding or literal `data`.

    A time that the gateway gives to other values and hides (C-58) says ``hidden: true`` and has an
    `id`; the values that get it name that id under `timestamp_from`. A `frozen` value is that of
    the last freeze (CI 54, or action 0B), and that of time 0 before the first one.
    """

    id: str | None = None
    dib: Characters
    vib: Characters = b""
    coding: Annotated[str, BeforeValidator(_coding)] | None = None
    value: values.ValueSpec | None = None
    data: Characters | None = None
    expect: Expect | None = None
    hidden: bool = False
    frozen: bool = False
    timestamp_from: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Record:
        if (self.data is None) == (self.coding is None):
            msg = "want either literal 'data' or a 'coding' with a 'value'"
            raise ValueError(msg)
        if self.coding is not None and self.value is None:
            msg = f"coding {self.coding} wants a 'value'"
            raise ValueError(msg)
        if (self.expect is None) != self.hidden:
            msg = "want 'expect', the reading to be published, or 'hidden: true' for none"
            raise ValueError(msg)
        if self.data is not None and self.expect is not None and self.expect.kind is None:
            msg = "literal data wants 'expect' with its 'kind' and 'integer' or 'text'"
            raise ValueError(msg)
        # What cannot be encoded at time 0 is a mistake in the file, not in a run.
        CompiledRecord(self, 0, "", EPOCH_MIN).encode(0)
        return self

    def with_expectation(self, override: ExpectOverride) -> Record:
        """The same record, of which something else is expected."""
        if self.expect is None:
            msg = "a hidden record has no expectation"
            raise ValueError(msg)
        changes = override.model_dump(exclude_none=True)
        return self.model_copy(update={"expect": self.expect.model_copy(update=changes)})


#: The earliest moment at which a two-digit year can say every due date that a meter remembers.
EPOCH_MIN: Final = datetime(encoding.CENTURY + YEARS_BACK_MAX + 1, 1, 1, tzinfo=UTC)


class CompiledRecord:
    """A record of one meter: its characters, and its reading, at any moment.

    `key` names meter and record for everything drawn by chance; `epoch` is what the meter's clock
    shows at time 0. ValueError where the value does not suit the coding.
    """

    __slots__ = ("_coding", "_value", "characters", "fixed", "head", "index", "is_clock", "record")

    def __init__(self, record: Record, index: int, key: str, epoch: datetime) -> None:
        self.record = record
        self.index = index
        self.head = record.dib + record.vib
        self._coding: Coding | None = None
        self._value: values.ValueFunction | None = None
        #: Whether it shows the meter's clock, so that a wrong clock makes it wrong.
        self.is_clock = record.value == values.CLOCK and record.coding in {"date_f", "date_g"}
        data = record.data or b""
        self.characters: Callable[[int], bytes] = lambda _ns: data
        #: What `encode` gives at any time; None where that depends on the time.
        self.fixed: bytes | None = self.head + data
        if record.coding is not None:
            self._coding = coding = CODINGS[record.coding]
            self._value = value = _function(record.coding, record.value, key, epoch)
            self.characters = lambda ns: coding.encode(value(ns))
            self.fixed = None
            if isinstance(value, values.Fixed):
                fixed = coding.encode(value(0))
                self.characters = lambda _ns: fixed
                self.fixed = self.head + fixed

    def change(self, spec: Any, at_ns: int, key: str, epoch: datetime) -> None:
        """Have another value from `at_ns` on; what was sent before stays what it was.

        `spec` is what may stand under `value`. ValueError where it does not suit the coding, or is
        longer than the value before, for which there may be no room in the telegram.
        """
        if self.record.coding is None or self._coding is None or self._value is None:
            msg = "a record with literal data has no value that could be changed"
            raise ValueError(msg)
        if isinstance(spec, Stored | DueDate):
            msg = "only a profile says what is stored at due dates"
            raise ValueError(msg)
        coding, before = self._coding, self._value
        after = _function(self.record.coding, spec, key, epoch)
        if len(coding.encode(after(at_ns))) > len(self.characters(at_ns)):
            msg = f"a text may be as long as the one before, {len(self.characters(at_ns)) - 1}"
            raise ValueError(msg)

        def value(ns: int) -> values.Value:
            return before(ns) if ns < at_ns else after(ns)

        self._value = value
        self.characters = lambda ns: coding.encode(value(ns))
        self.fixed = None
        self.is_clock = False

    def encode(self, ns: int) -> bytes:
        """DIB, VIB and value as they stand in a telegram sent at `ns`."""
        return self.head + self.characters(ns)

    def reading(self, ns: int, timestamp: int | None) -> ExpectedReading | None:
        """What a gateway publishes of the value of `ns`; None for a hidden record."""
        expect = self.record.expect
        if expect is None:
            return None
        kind = expect.kind or (self._coding.kind if self._coding else "no data")
        integer, scale, text = expect.integer, expect.scale, expect.text
        if kind == "number" and integer is None:
            number = self._number(ns)
            integer, scale = number.integer, scale + number.scale
        elif kind == "date" and integer is None:
            integer = self.unix_time(ns)
        elif kind == "text" and text is None and self._value is not None:
            text = str(self._value(ns))
        return ExpectedReading(
            self.index, expect.value_type, expect.unit, integer, scale, text, timestamp, kind
        )

    def unix_time(self, ns: int) -> int:
        """The moment that a record of type F or G says, in seconds since 1970 UTC."""
        assert self._value is not None, "literal data says no moment"
        moment = values.moment(self._value(ns)).replace(second=0, microsecond=0)
        if self.record.coding == "date_g":
            moment = moment.replace(hour=0, minute=0)
        return int(moment.timestamp())

    def number(self, ns: int) -> int:
        """The whole number in the register."""
        value = self._value(ns) if self._value is not None else None
        assert isinstance(value, int), "a register holds whole numbers"
        return value

    def _number(self, ns: int) -> encoding.Scaled:
        """The number that was sent: as the register holds it, or as the float32 was rounded."""
        if self.record.coding == "real32":
            return encoding.shortest_decimal(self.characters(ns))
        return encoding.Scaled(self.number(ns), 0)


def _function(coding: str, spec: Any, key: str, epoch: datetime) -> values.ValueFunction:
    """The value over time, of the type that `coding` wants; ValueError where it does not fit."""
    kind = CODINGS[coding].kind
    if kind == "date":
        if spec == values.CLOCK:
            return values.clock(epoch)
        if isinstance(spec, DueDate):
            now = values.clock(epoch)
            return lambda ns: spec.day(values.moment(now(ns)))
        return values.Fixed(values.moment(spec))
    if kind == "text":
        if not isinstance(spec, str):
            msg = f"coding text wants a text in quotes, got {spec!r}"
            raise ValueError(msg)
        return values.Fixed(spec)
    return _number_function(coding, spec, key, epoch)


def _number_function(coding: str, spec: Any, key: str, epoch: datetime) -> values.ValueFunction:
    """A number over time, as the register of `coding` holds it: it rolls over."""
    rolled = CODINGS[coding].register
    if isinstance(spec, Stored):
        # Which record it means is known once all of them are: see `resolved`.
        return values.Fixed(0)
    if isinstance(spec, StoredRecord):
        return spec.function(key, epoch)
    if isinstance(spec, str):
        spec = values.whole_number(spec)
    if isinstance(spec, values.Moving):
        if spec.decimals and rolled is not None:
            msg = f"'decimals' is for coding real32, not {coding}"
            raise ValueError(msg)
        value = spec.function(key, epoch)
        return value if rolled is None else lambda ns: rolled(value(ns))
    number = Decimal(str(spec)) if isinstance(spec, float) and rolled is None else spec
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        msg = f"coding {coding} wants a whole number, got {spec!r}"
        raise ValueError(msg)
    return values.Fixed(number)


def _check_stored(records: list[Record]) -> None:
    """Refuse (ValueError) a stored value of a record that is not there or holds no number."""
    numbers = {
        record.id
        for record in records
        if record.coding is not None
        and CODINGS[record.coding].kind == "number"
        and not isinstance(record.value, Stored)
    }
    for record in records:
        if isinstance(record.value, Stored) and record.value.of not in numbers:
            guess = document.did_you_mean(record.value.of, [name for name in numbers if name])
            msg = f"of: no record that moves has the id {record.value.of!r}{guess}"
            raise ValueError(msg)


class StoredRecord(NamedTuple):
    """A `Stored` value whose source has been found: record `number` of the read-out."""

    stored: Stored
    number: int
    coding: str
    value: Any

    def function(self, key: str, epoch: datetime) -> values.ValueFunction:
        """What the other record held at the due date; nothing is stored below zero."""
        other = f"{key.rpartition('/record(')[0]}/record({self.number})"
        held, now = _number_function(self.coding, self.value, other, epoch), values.clock(epoch)

        def stored(ns: int) -> values.Value:
            midnight = self.stored.midnight(values.moment(now(ns)))
            value = held(ns_between(epoch, midnight))
            assert isinstance(value, int | Decimal), "only numbers are stored"
            # A register that would have been negative had not begun to count.
            return max(value, type(value)(0))

        return stored


def resolved(pages: list[list[Record]]) -> list[list[Record]]:
    """The same records, with every stored value bound to the record whose id it names."""
    everything = [record for page in pages for record in page]
    known = {record.id: index for index, record in enumerate(everything)}

    def bound(record: Record) -> Record:
        stored = record.value
        if not isinstance(stored, Stored):
            return record
        index = known[stored.of]
        coding, value = everything[index].coding, everything[index].value
        return record.model_copy(update={"value": StoredRecord(stored, index, str(coding), value)})

    return [[bound(record) for record in page] for page in pages]


class PageSpec(Strict):
    """The records of one telegram of several."""

    records: list[Record] = Field(min_length=1)


def lengths(pages: list[list[Record]]) -> list[int]:
    """The characters that the records of each telegram take, at time 0."""
    return [
        sum(len(CompiledRecord(item, 0, "", EPOCH_MIN).encode(0)) for item in page)
        for page in pages
    ]


def check_pages(pages: list[list[Record]]) -> None:
    """Refuse (ValueError) what no telegram can carry, and references that lead nowhere."""
    known = [record.id for page in pages for record in page if record.id is not None]
    for page, length in zip(pages, lengths(pages), strict=True):
        if length > PAGE_LENGTH_MAX - 1:
            msg = f"a telegram holds {PAGE_LENGTH_MAX - 1} characters of records, got {length}"
            raise ValueError(msg)
        for record in page:
            source = record.timestamp_from
            if source is not None and source not in known:
                guess = document.did_you_mean(source, known)
                msg = f"timestamp_from: no record has the id {source!r}{guess}"
                raise ValueError(msg)
    _check_stored([record for page in pages for record in page])
    for name in set(known):
        if known.count(name) > 1:
            msg = f"the record id {name!r} is used twice"
            raise ValueError(msg)


class Profile(Strict):
    """A kind of meter: its address fields, its answer time and its telegrams."""

    profile: str
    title: str
    source: str | None = None
    manufacturer: Manufacturer
    version: Byte
    medium: Byte
    status: Byte = 0
    access_number: Byte | None = None
    answer_delay_bits: Delay | None = None
    behaviour: Behaviour | None = None
    records: list[Record] | None = Field(default=None, min_length=1)
    pages: list[PageSpec] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _telegrams(self) -> Profile:
        if (self.records is None) == (self.pages is None):
            msg = "want either 'records' (one telegram) or 'pages' (several)"
            raise ValueError(msg)
        check_pages(self.telegrams)
        if self.behaviour is not None:
            self.behaviour.check(len(self.telegrams), lengths(self.telegrams))
        return self

    @property
    def telegrams(self) -> list[list[Record]]:
        """The records of each telegram."""
        if self.records is not None:
            return [self.records]
        return [page.records for page in self.pages or []]


def packaged() -> dict[str, str]:
    """Names of the profiles that come with the package, with their text."""
    folder = resources.files("simulators") / "profiles"
    files = sorted(folder.iterdir(), key=lambda item: item.name)
    return {
        item.name.removesuffix(".yaml"): item.read_text(encoding="utf-8")
        for item in files
        if item.name.endswith(".yaml")
    }


def find(name: str, folder: Path | None) -> Profile:
    """The profile `name`: a file in `folder` goes before one of the package.

    `name` may also be the path of a YAML file relative to `folder`. Raises PopulationError for a
    profile with mistakes and KeyError, with a suggestion, where there is none of that name.
    """
    if folder is not None:
        for path in (folder / name, folder / f"{name}.yaml"):
            if path.suffix == ".yaml" and path.is_file():
                return parse(path.read_text(encoding="utf-8"), str(path))
    found = _packaged(name)
    if found is None:
        msg = f"no profile is called {name!r}{document.did_you_mean(name, packaged())}"
        raise KeyError(msg)
    return found


@lru_cache(maxsize=64)
def _packaged(name: str) -> Profile | None:
    """A profile of the package, parsed once."""
    text = packaged().get(name)
    return parse(text, f"profiles/{name}.yaml") if text is not None else None


def parse(text: str, source: str) -> Profile:
    """A profile from the text of its file; raises PopulationError."""
    return document.validate(Profile, document.load(text, source), source)
