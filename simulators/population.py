"""Populations: which meters hang on a bus, written as YAML by a person.

The same schema serves a file of its own (``meterbench simulate basement.yaml``) and the part
``world.meters`` of a scenario. It is strict: an unknown key, an unknown profile, a number that no
meter can have are refused, all at once, each with its place. Everything that is drawn depends on
the seed and on the meter's own id, so one meter more shifts nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from simulators import faults as kinds
from simulators import profile as profiles
from simulators import values
from simulators.behaviour import Behaviour, merged
from simulators.characters import BAUDRATES
from simulators.document import Complaint, PopulationError, did_you_mean, position, validate
from simulators.document import load as load_yaml
from simulators.frames import PRIMARY_ADDRESS_MAX
from simulators.identity import Identity
from simulators.line_faults import BusSpec
from simulators.meter import EPOCH, Meter, Settings
from simulators.profile import Byte, Delay, ExpectOverride, Manufacturer, Profile, Record, Strict

if TYPE_CHECKING:
    from datetime import datetime

#: Meters that one population may have; a real bus ends at 250 (MBDOC48 p.16).
METERS_MAX: Final = 10_000
IDENTIFICATION_NUMBER_MAX: Final = 99_999_999

_HEX_NUMBER: Final = re.compile(r"[0-9A-Fa-f]{8}")
_PATTERN: Final = re.compile(
    r"\s*(?:(?P<base>\d+)\s*\+\s*)?(?:(?P<step>\d+)\s*\*\s*)?i(?:\s*\+\s*(?P<after>\d+))?\s*"
)
_WORDS: Final = ("random", "sequential")


def _pattern(text: str) -> tuple[int, int] | None:
    """Base and step of ``"10000001 + 3 * i"`` or ``"i + 1"``; None if it is no such pattern."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    return int(match["base"] or 0) + int(match["after"] or 0), int(match["step"] or 1)


def _number_rule(value: object) -> object:
    """An identification number, or a rule that gives each meter of an entry its own."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= IDENTIFICATION_NUMBER_MAX:
            return value
    elif isinstance(value, str):
        if value in _WORDS or _HEX_NUMBER.fullmatch(value) or _pattern(value):
            return value
        if value.isascii() and value.isdigit() and len(value) < 8:
            return value
    msg = (
        "want up to 8 digits (hex digits in quotes), a pattern such as '10000001 + i', "
        f"'random' or 'sequential', got {value!r}{did_you_mean(str(value), _WORDS)}"
    )
    raise ValueError(msg)


def _address_rule(value: object) -> object:
    """A primary address, or a pattern."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= PRIMARY_ADDRESS_MAX:
            return value
    elif isinstance(value, str) and _pattern(value):
        return value
    msg = f"want 0 to {PRIMARY_ADDRESS_MAX} or a pattern such as 'i + 1', got {value!r}"
    raise ValueError(msg)


NumberRule = Annotated[
    int | str, BeforeValidator(_number_rule), WithJsonSchema({"type": ["integer", "string"]})
]
AddressRule = Annotated[
    int | str, BeforeValidator(_address_rule), WithJsonSchema({"type": ["integer", "string"]})
]


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a meter at a moment, by the faults that it has in its population."""

    at_ns: int
    meter: str
    apply: Callable[[Meter], None]


class Entry(Strict):
    """One meter, or `count` meters of a kind; in patterns `i` counts them from 0.

    The kind is a `profile` by name, or stands here as `records`. With `count` the ids are the
    entry's id and `i`: ``m0``, ``m1`` and so on.
    """

    id: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_\-]*$")
    count: int = Field(default=1, ge=1, le=METERS_MAX)
    profile: str | None = None
    records: list[Record] | None = Field(default=None, min_length=1)
    identification_number: NumberRule = "random"
    manufacturer: Manufacturer | None = None
    version: Byte | None = None
    medium: Byte | None = None
    primary_address: AddressRule = 0
    status: Byte | None = None
    access_number: Byte | None = None
    answer_delay_bits: Delay | None = None
    behaviour: Behaviour | None = None
    pages: int | None = Field(default=None, ge=1)
    value: values.ValueSpec | None = None
    expect: dict[int, ExpectOverride] = Field(default_factory=dict)
    faults: list[kinds.FaultSpec] = Field(default_factory=list)

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None:
            try:
                profiles.find(name, (info.context or {}).get("folder"))
            except KeyError as error:
                raise ValueError(error.args[0]) from error
        return name

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Entry:
        if (self.profile is None) == (self.records is None):
            msg = "want either 'profile' or 'records'"
            raise ValueError(msg)
        if self.records is not None:
            missing = [
                name
                for name in ("manufacturer", "version", "medium")
                if getattr(self, name) is None
            ]
            if missing:
                msg = f"a meter with its own records wants {', '.join(missing)} as well"
                raise ValueError(msg)
        folder = (info.context or {}).get("folder")
        telegrams = self.telegrams(folder)
        self.rules(folder).check(len(telegrams), profiles.lengths(telegrams))
        for i in (0, self.count - 1):
            _number_at(self.identification_number, i)
            _address_at(self.primary_address, i)
        return self

    def kind(self, folder: Path | None) -> Profile | None:
        """The profile that the entry names."""
        return profiles.find(self.profile, folder) if self.profile is not None else None

    def rules(self, folder: Path | None) -> Behaviour:
        """How the meters behave, with the profile's keys where the entry has none."""
        kind = self.kind(folder)
        return merged(self.behaviour, kind.behaviour if kind is not None else None)

    def telegrams(self, folder: Path | None) -> list[list[Record]]:
        """The records of each telegram, as this entry alters them; ValueError if they cannot be."""
        kind = self.kind(folder)
        telegrams = kind.telegrams if kind is not None else [self.records or []]
        if self.pages is not None:
            if self.pages > len(telegrams):
                msg = f"pages: the profile has {len(telegrams)}, got {self.pages}"
                raise ValueError(msg)
            telegrams = telegrams[: self.pages]
        records = [record for telegram in telegrams for record in telegram]
        if self.value is not None:
            first = records[0].model_dump(exclude_unset=True) | {"value": self.value}
            records[0] = Record.model_validate(first)
        for index, override in self.expect.items():
            if not 0 <= index < len(records):
                msg = f"expect: records are counted from 0 to {len(records) - 1}, got {index}"
                raise ValueError(msg)
            records[index] = records[index].with_expectation(override)
        rest = iter(records)
        altered = [[next(rest) for _ in telegram] for telegram in telegrams]
        profiles.check_pages(altered)
        return profiles.resolved(altered)

    def ids(self) -> list[str]:
        """The ids of the entry's meters."""
        return [self.id] if self.count == 1 else [f"{self.id}{i}" for i in range(self.count)]


class Document(Strict):
    """A population file."""

    population: str = ""
    title: str = ""
    baudrate: int | None = None
    bus: BusSpec = Field(default_factory=BusSpec)
    meters: list[Entry] = Field(min_length=1)

    @field_validator("baudrate")
    @classmethod
    def _rate(cls, value: int | None) -> int | None:
        if value is not None and value not in BAUDRATES:
            msg = f"want one of {', '.join(map(str, BAUDRATES))}, got {value}"
            raise ValueError(msg)
        return value


class Population:
    """The meters of a bus before they exist: entries that passed every check."""

    def __init__(self, content: Document, source: str, folder: Path | None) -> None:
        self.name = content.population or Path(source).stem
        self.title = content.title
        #: The rate that the file asks for; None leaves it to the user.
        self.baudrate = content.baudrate
        #: Model, collision break and faults of the line.
        self.bus = content.bus
        self.source = source
        self.entries = content.meters
        self._folder = folder

    def __len__(self) -> int:
        return sum(entry.count for entry in self.entries)

    @property
    def ids(self) -> list[str]:
        """The ids of all meters in file order."""
        return [name for entry in self.entries for name in entry.ids()]

    def changes(self) -> list[Change]:
        """What happens to which meter when, by its faults, in the order of time.

        A fault without a time is no change: its meter is made with it.
        """
        found = list[Change]()
        for entry in self.entries:
            for item in entry.faults:
                for name in entry.ids():
                    found += (Change(at, name, apply) for at, apply in _changes(item))
        return sorted(found, key=lambda change: change.at_ns)

    def meters(
        self,
        *,
        seed: int | str,
        scenario: str = "",
        epoch: datetime = EPOCH,
        baudrate: int = 2400,
    ) -> list[Meter]:
        """New meters, in file order. `epoch` is what their clocks show at time 0."""
        made, taken = list[Meter](), set[str]()
        for entry in self.entries:
            prefix = f"{scenario}/{seed}/meter"
            for i, name in enumerate(entry.ids()):
                key = f"{prefix}({name})"
                number = _number(entry, i, key, f"{prefix}({entry.id})", taken)
                taken.add(number)
                settings = _settings(entry, i, number, self._folder)
                made.append(Meter(name, settings, key=key, epoch=epoch, baudrate=baudrate))
        return made


def _number_at(rule: int | str, i: int) -> str | None:
    """The identification number by `rule`; None where it is to be drawn."""
    if isinstance(rule, str):
        if rule in _WORDS:
            return None
        pattern = _pattern(rule)
        if pattern is None:
            return rule.upper().rjust(8, "0")
        rule = pattern[0] + pattern[1] * i
    if rule > IDENTIFICATION_NUMBER_MAX:
        msg = f"identification_number: meter {i} would have {rule}, more than 8 digits"
        raise ValueError(msg)
    return f"{rule:08d}"


def _address_at(rule: int | str, i: int) -> int:
    """The primary address by `rule`."""
    if isinstance(rule, str):
        base, step = _pattern(rule) or (0, 0)
        rule = base + step * i
    if rule > PRIMARY_ADDRESS_MAX:
        msg = f"primary_address: meter {i} would have {rule}, more than {PRIMARY_ADDRESS_MAX}"
        raise ValueError(msg)
    return rule


def _number(entry: Entry, i: int, key: str, entry_key: str, taken: set[str]) -> str:
    """The identification number of one meter; a drawn one differs from all before it."""
    literal = _number_at(entry.identification_number, i)
    if literal is not None:
        return literal
    if entry.identification_number == "sequential":
        first = random.Random(f"{entry_key}.identification_number")
        return f"{first.randrange(IDENTIFICATION_NUMBER_MAX + 1 - entry.count) + i:08d}"
    rng = random.Random(f"{key}.identification_number")
    number = f"{rng.randrange(IDENTIFICATION_NUMBER_MAX + 1):08d}"
    while number in taken:
        number = f"{rng.randrange(IDENTIFICATION_NUMBER_MAX + 1):08d}"
    return number


def _settings(entry: Entry, i: int, number: str, folder: Path | None) -> Settings:
    """What makes meter `i` of an entry the one it is."""
    kind = entry.kind(folder)

    def choose(name: str, fallback: Any) -> Any:
        own = getattr(entry, name)
        inherited = getattr(kind, name) if kind is not None else None
        return next((item for item in (own, inherited) if item is not None), fallback)

    identity = Identity(
        number,
        choose("manufacturer", ""),
        choose("version", 0),
        choose("medium", 0),
    )
    return Settings(
        identity=identity,
        primary_address=_address_at(entry.primary_address, i),
        telegrams=entry.telegrams(folder),
        status=choose("status", 0),
        access_number=choose("access_number", None),
        answer_delay_bits=choose("answer_delay_bits", (11.0, 60.0)),
        behaviour=entry.rules(folder),
        faults=[item.chosen for item in entry.faults if item.chosen is not None and not item.at],
    )


def _changes(item: kinds.FaultItem) -> Iterator[tuple[int, Callable[[Meter], None]]]:
    """What one fault does to its meter, and when."""
    if item.dead:
        yield item.at, _off
    if item.power is not None:
        yield item.power.off_at, _off
        if item.power.on_at is not None:
            yield item.power.on_at, _on
    fault = item.chosen
    if fault is not None and item.at:
        yield item.at, lambda meter: meter.begin(fault)
    if item.until is not None:
        yield item.until, _on if fault is None else lambda meter: meter.end(type(fault))


def _off(meter: Meter) -> None:
    meter.power(False)


def _on(meter: Meter) -> None:
    meter.power(True)


def _duplicate_ids(document: Any, source: str) -> Iterator[Complaint]:
    """Ids that more than one meter would have, counts taken into account."""
    seen: dict[str, int] = {}
    meters = document.get("meters") if isinstance(document, Mapping) else None
    for number, entry in enumerate(meters if isinstance(meters, list) else []):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
            continue
        count = entry.get("count", 1)
        many = range(count if isinstance(count, int) and 1 < count <= METERS_MAX else 0)
        for name in [f"{entry['id']}{i}" for i in many] or [str(entry["id"])]:
            if seen.setdefault(name, number) != number:
                line, column = position(document, ("meters", number, "id"))
                message = f"id: another meter is called {name!r} already"
                yield Complaint(source, line, column, message)
                break


def parse(document: Any, *, source: str, folder: Path | None = None) -> Population:
    """A population from a parsed YAML document: a mapping with `meters`, or the list alone.

    A document of ruamel.yaml's round-trip loader gives places in errors; a plain one does not.
    Profiles are looked for in `folder` first, then in the package. Raises PopulationError.
    """
    if isinstance(document, list):
        wrapped: Any = {"meters": document}
    elif isinstance(document, Mapping):
        wrapped = document
    else:
        message = "want a mapping with the key 'meters', or a list of meters"
        raise PopulationError([Complaint(source, *position(document, ()), message)])
    content = validate(
        Document,
        wrapped,
        source,
        context={"folder": folder},
        found=list(_duplicate_ids(wrapped, source)),
    )
    return Population(content, source, folder)


def packaged() -> dict[str, str]:
    """Names of the populations that come with the package, with their text."""
    folder = resources.files("simulators") / "populations"
    files = sorted(folder.iterdir(), key=lambda item: item.name)
    return {
        item.name.removesuffix(".yaml"): item.read_text(encoding="utf-8")
        for item in files
        if item.name.endswith(".yaml")
    }


def load(path: str | Path) -> Population:
    """A population from a file, or one of the package by its name; raises PopulationError."""
    file = Path(path)
    if file.is_file():
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PopulationError(
                [Complaint(str(path), 1, 1, f"cannot be read: {error}")]
            ) from error
        return parse(load_yaml(text, str(path)), source=str(path), folder=file.parent)
    known = packaged()
    if str(path) in known:
        source = f"populations/{path}.yaml"
        return parse(load_yaml(known[str(path)], source), source=source)
    guess = did_you_mean(str(path), known)
    message = f"no such file, and no population of the package{guess} ({', '.join(known)})"
    raise PopulationError([Complaint(str(path), 1, 1, message)])


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a population file, for editors and for documentation."""
    generated = Document.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Population"}
    return head | {key: value for key, value in generated.items() if key != "title"}
