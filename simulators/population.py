"""Populations: which meters hang on a bus, written as YAML by a person.

The same schema serves a file of its own (``meterbench simulate basement.yaml``) and the part
``world.meters`` of a scenario. It is strict: an unknown key, an unknown profile, a number that no
meter can have are refused, all at once, each with its place. Everything that is drawn depends on
the seed and on the meter's own id, so one meter more shifts nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from simulators import faults as kinds
from simulators import numbering, values
from simulators import profile as profiles
from simulators.behaviour import Behaviour, merged
from simulators.characters import BAUDRATES
from simulators.document import Complaint, PopulationError, did_you_mean, position, validate
from simulators.document import load as load_yaml
from simulators.identity import Identity
from simulators.line_faults import BusSpec
from simulators.meter import EPOCH, Meter, Settings
from simulators.numbering import AddressRule, Numbering, NumberRule
from simulators.profile import Byte, Delay, ExpectOverride, Manufacturer, Profile, Record, Strict

if TYPE_CHECKING:
    from datetime import datetime

#: Meters that one population may have; a real bus ends at 250 (MBDOC48 p.16).
METERS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a meter at a moment, by the faults that it has in its population."""

    at_ns: int
    meter: str
    apply: Callable[[Meter], None]


def _known_profile(name: str | None, info: ValidationInfo) -> str | None:
    """Refuse the name of a profile that is not there, or that has mistakes."""
    if name is not None:
        try:
            profiles.find(name, (info.context or {}).get("folder"))
        except KeyError as error:
            raise ValueError(error.args[0]) from error
    return name


ProfileName = Annotated[str | None, AfterValidator(_known_profile)]


class Variant(Strict):
    """One of several kinds that the meters of an entry may be; drawn by `weight`.

    What stands here goes before what the entry says.
    """

    weight: int = Field(default=1, ge=1, le=1_000_000)
    profile: ProfileName = None
    manufacturer: Manufacturer | None = None
    version: Byte | None = None
    medium: Byte | None = None
    status: Byte | None = None
    answer_delay_bits: Delay | None = None
    behaviour: Behaviour | None = None
    pages: int | None = Field(default=None, ge=1)

    def changes(self) -> dict[str, Any]:
        """The keys of an entry that are others for this kind."""
        names = self.model_fields_set - {"weight"}
        return {name: getattr(self, name) for name in sorted(names)}


class Entry(Strict):
    """One meter, or `count` meters of a kind; in patterns `i` counts them from 0.

    The kind is a `profile` by name, or stands here as `records`, or is drawn for each meter from a
    `mix`. With `count` the ids are the entry's id and `i`: ``m0``, ``m1`` and so on.
    """

    id: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_\-]*$")
    count: int = Field(default=1, ge=1, le=METERS_MAX)
    profile: ProfileName = None
    mix: list[Variant] | None = Field(default=None, min_length=1)
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

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Entry:
        if self.mix is None and (self.profile is None) == (self.records is None):
            msg = "want either 'profile' or 'records', or a 'mix' of profiles"
            raise ValueError(msg)
        if self.mix is not None:
            if self.records is not None:
                msg = "a 'mix' is of profiles; 'records' cannot stand beside it"
                raise ValueError(msg)
            if self.profile is None and any(item.profile is None for item in self.mix):
                msg = "mix: every item wants a 'profile' where the entry has none"
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
        for kind in self.variants():
            telegrams = kind.telegrams(folder)
            kind.rules(folder).check(len(telegrams), profiles.lengths(telegrams))
        numbering.check(self.identification_number, self.primary_address, self.count)
        return self

    @property
    def kind_name(self) -> str:
        """What kind of meter it is, for people."""
        if self.mix is not None:
            names = dict.fromkeys(item.profile or self.profile for item in self.mix)
            return f"a mix of {', '.join(name for name in names if name)}"
        return self.profile or "a meter with records of its own"

    def variants(self) -> list[Entry]:
        """The entry as each kind of its mix makes it; the entry itself where there is no mix."""
        if self.mix is None:
            return [self]
        return [self.model_copy(update={"mix": None} | item.changes()) for item in self.mix]

    def drawn(self, key: str) -> Entry:
        """The entry as it is for the meter that `key` names: one kind of its mix."""
        if self.mix is None:
            return self
        weights = [item.weight for item in self.mix]
        return random.Random(f"{key}.mix").choices(self.variants(), weights)[0]

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


class Assignment(Strict):
    """A fault for meters of several entries: those that `meters` names, or a share of them.

    `meters` is an id, a pattern with ``*`` and ``?``, or a list of both. Each of these meters has
    the fault with the probability `share`, drawn by the seed and its own id.
    """

    meters: str | list[str] = "*"
    share: float = Field(default=1.0, gt=0, le=1)
    fault: kinds.FaultSpec

    @property
    def patterns(self) -> list[str]:
        """Ids and patterns."""
        return [self.meters] if isinstance(self.meters, str) else self.meters

    def means(self, name: str, key: str) -> bool:
        """Whether the meter `name`, for chance `key`, is one of them."""
        if not any(fnmatchcase(name, pattern) for pattern in self.patterns):
            return False
        return self.share == 1 or random.Random(f"{key}.share").random() < self.share


class Document(Strict):
    """A population file."""

    population: str = ""
    title: str = ""
    baudrate: int | None = None
    bus: BusSpec = Field(default_factory=BusSpec)
    meters: list[Entry] = Field(min_length=1)
    faults: list[Assignment] = Field(default_factory=list)

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
        self._assignments = content.faults
        self._folder = folder

    def __len__(self) -> int:
        return sum(entry.count for entry in self.entries)

    @property
    def ids(self) -> list[str]:
        """The ids of all meters in file order."""
        return [name for entry in self.entries for name in entry.ids()]

    def changes(self, *, seed: int | str = 1, scenario: str = "") -> list[Change]:
        """What happens to which meter when, by its faults, in the order of time.

        A fault without a time is no change: its meter is made with it.
        """
        found = [
            Change(at, member.name, apply)
            for member in self._members(seed, scenario)
            for item in member.entry.faults
            for at, apply in _changes(item)
        ]
        return sorted(found, key=lambda change: change.at_ns)

    def _members(self, seed: int | str, scenario: str) -> Iterator[_Member]:
        """Every meter to be: what of its entry is drawn is drawn, and its faults are all there."""
        prefix = f"{scenario}/{seed}/meter"
        for entry in self.entries:
            for i, name in enumerate(entry.ids()):
                key = f"{prefix}({name})"
                found = entry.drawn(key)
                assigned = [
                    item.fault
                    for number, item in enumerate(self._assignments)
                    if item.means(name, f"{key}.fault({number})")
                ]
                if assigned:
                    found = found.model_copy(update={"faults": [*found.faults, *assigned]})
                yield _Member(name, i, found, key, f"{prefix}({entry.id})")

    def meters(
        self,
        *,
        seed: int | str,
        scenario: str = "",
        epoch: datetime = EPOCH,
        baudrate: int = 2400,
    ) -> list[Meter]:
        """New meters, in file order. `epoch` is what their clocks show at time 0."""
        made, given = list[Meter](), Numbering()
        for name, i, entry, key, entry_key in self._members(seed, scenario):
            number = given.number(entry.identification_number, i, key, entry_key)
            address = given.address(entry.primary_address, i, key, number)
            settings = _settings(entry, number, address, self._folder)
            made.append(Meter(name, settings, key=key, epoch=epoch, baudrate=baudrate))
        return made


class _Member(NamedTuple):
    """One meter to be; `key` and `entry_key` name it and its entry for everything drawn."""

    name: str
    i: int
    entry: Entry
    key: str
    entry_key: str


def _settings(entry: Entry, number: str, address: int, folder: Path | None) -> Settings:
    """What makes a meter of an entry the one it is."""
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
        primary_address=address,
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
        for name in _raw_ids(entry):
            if seen.setdefault(name, number) != number:
                line, column = position(document, ("meters", number, "id"))
                message = f"id: another meter is called {name!r} already"
                yield Complaint(source, line, column, message)
                break


def _meters_of_nobody(document: Any, source: str) -> Iterator[Complaint]:
    """Assigned faults whose `meters` name none of the population."""
    if not isinstance(document, Mapping) or not isinstance(document.get("meters"), list):
        return
    ids = [name for entry in document["meters"] for name in _raw_ids(entry)]
    assignments = document.get("faults")
    for number, item in enumerate(assignments if isinstance(assignments, list) else []):
        wanted = item.get("meters", "*") if isinstance(item, Mapping) else "*"
        for pattern in [wanted] if isinstance(wanted, str) else wanted:
            if not any(fnmatchcase(name, str(pattern)) for name in ids):
                line, column = position(document, ("faults", number, "meters"))
                message = f"meters: no meter is called {pattern!r}{did_you_mean(pattern, ids)}"
                yield Complaint(source, line, column, message)


def _raw_ids(entry: Any) -> list[str]:
    """The ids that an entry of an unchecked document would have."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
        return []
    count = entry.get("count", 1)
    many = range(count if isinstance(count, int) and 1 < count <= METERS_MAX else 0)
    return [f"{entry['id']}{i}" for i in many] or [str(entry["id"])]


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
        found=[*_duplicate_ids(wrapped, source), *_meters_of_nobody(wrapped, source)],
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


def schema_text() -> str:
    """The schema as it stands in ``simulators/population.schema.json``."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
