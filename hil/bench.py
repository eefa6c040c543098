"""The bench file: which buses and gateways there are, and how to reach them (YAML).

A bus is simulated (``kind: pty`` or ``tcp`` with a population) or real (``serial``, ``socket``,
``rfc2217``, ``udp``), or it is our population behind a real port (``simulator``). A gateway is the
reference gateway of this project (``kind: reference``, running on one of the buses) or any device
on the network (``kind: network``). A place binds a bus and a gateway and is reserved as one. Tests
name none of them: they ask for a bus and a gateway, and the bench says which. The shapes of the
entries are in `hil.resources`.

Every mistake of a file is told at once, with line, column and what was expected. Facts about a
place stand here; secrets do not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field, ValidationError

from gateway.device import configuration
from hil import families, programs
from hil.resources import (
    BRIDGES,
    Bus,
    CoilSwitch,
    CommandSwitch,
    Gateway,
    Meter,
    Name,
    NetworkGateway,
    Place,
    ReferenceGateway,
    Rfc2217Converter,
    SerialConverter,
    SimulatorBus,
    SocketConverter,
    Strict,
    Switch,
    UdpConverter,
    VirtualBus,
)
from simulators import document, population
from simulators.document import Complaint, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails


class Document(Strict):
    """A bench file."""

    bench: Name
    title: str = ""
    features: list[Name] = Field(default_factory=list, description="Tags that tests select by.")
    facts: dict[str, str] = Field(
        default_factory=dict, description="What every report of this bench shall say."
    )
    images: dict[str, str] = Field(
        default_factory=dict, description="Files whose sha256 every report shall say: firmware."
    )
    buses: dict[Name, Bus] = Field(default_factory=dict)
    meters: dict[Name, Meter] = Field(default_factory=dict)
    switches: dict[Name, Switch] = Field(default_factory=dict)
    gateways: dict[Name, Gateway] = Field(default_factory=dict)
    places: dict[Name, Place] = Field(default_factory=dict)


#: Which model an entry of a section is checked against, by its kind.
_KINDS: Final[dict[str, dict[str, type[BaseModel]]]] = {
    "buses": {
        "pty": VirtualBus,
        "tcp": VirtualBus,
        "serial": SerialConverter,
        "socket": SocketConverter,
        "rfc2217": Rfc2217Converter,
        "udp": UdpConverter,
        "simulator": SimulatorBus,
    },
    "switches": {"command": CommandSwitch, "coil": CoilSwitch},
    "gateways": {"reference": ReferenceGateway, "network": NetworkGateway},
}

#: Sections whose entries are all of one model.
_MODELS: Final[dict[str, type[BaseModel]]] = {"meters": Meter, "places": Place}


class BenchError(ValueError):
    """A bench file cannot be used; `complaints` names every mistake that was found."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__("\n".join(map(str, complaints)))
        self.complaints = tuple(complaints)


class Bench:
    """A bench file that passed every check.

    `folder` is where relative paths of the file begin.
    """

    def __init__(self, content: Document, source: str, folder: Path) -> None:
        self.name = content.bench
        self.title = content.title
        self.features = frozenset(content.features)
        self.buses: Mapping[str, Bus] = content.buses
        self.meters: Mapping[str, Meter] = content.meters
        self.switches: Mapping[str, Switch] = content.switches
        self.gateways: Mapping[str, Gateway] = content.gateways
        self.places: Mapping[str, Place] = content.places or _whole(content)
        self.source = source
        self.folder = folder
        self._facts = content.facts
        self._images = content.images

    def bus_name(self, name: str | None = None) -> str:
        """Return `name`, or the first bus of the file; LookupError names what there is."""
        return _chosen(name, self.buses, "bus", self.source)

    def gateway_name(self, name: str | None = None) -> str:
        """Return `name`, or the first gateway of the file; LookupError names what there is."""
        return _chosen(name, self.gateways, "gateway", self.source)

    def place_name(self, name: str | None = None, tags: Iterable[str] = ()) -> str:
        """Return `name`, or the first place that has all `tags`; LookupError says what there is."""
        wanted = set(tags)
        if name is not None or not wanted:
            return _chosen(name, self.places, "place", self.source)
        for found, place in self.places.items():
            if wanted <= {*place.tags, *self.features}:
                return found
        has = "; ".join(
            f"{one}: {', '.join([*place.tags, *sorted(self.features)]) or 'no tags'}"
            for one, place in self.places.items()
        )
        raise LookupError(f"{self.source} has no place tagged {', '.join(sorted(wanted))} ({has})")

    def population(self, bus: VirtualBus | SimulatorBus) -> population.Population:
        """Return the meters of a simulated bus; raises `simulators.document.PopulationError`."""
        return population.load(_population_path(bus.population, self.folder))

    def meters_of(self, bus: str) -> dict[str, Meter]:
        """Return the meters that the file wires to a bus."""
        names = getattr(self.buses[bus], "meters", [])
        return {name: self.meters[name] for name in names}

    def report_facts(self) -> dict[str, str]:
        """Return what every report of a run on this bench says about it.

        Name, facts, each image with its sha256, each resource with its place, the versions of what
        it runs on. No credential is among them: the file holds none. OSError for an image that
        cannot be read now.
        """
        facts = {"bench": f"{self.name} ({self.title})" if self.title else self.name}
        facts |= dict(sorted(self._facts.items()))
        for name, path in sorted(self._images.items()):
            data = (self.folder / path).read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            facts[f"image {name}"] = f"{Path(path).name}, {len(data)} bytes, sha256 {digest}"
        for section, entries in (("bus", self.buses), ("gateway", self.gateways)):
            facts |= {f"{section} {name}": entry.where for name, entry in entries.items()}
        for name, meter in self.meters.items():
            parts = [meter.identification_number, meter.manufacturer or "", meter.title]
            facts[f"meter {name}"] = " ".join(part for part in parts if part)
        through = {getattr(bus, "through", None) for bus in self.buses.values()} - {None}
        for program in sorted({BRIDGES[str(one)] for one in through}):
            facts[f"program {program}"] = programs.version(program)
        return facts | {"software": programs.software()}


def _whole(content: Document) -> dict[str, Place]:
    """Return the one place of a file that names none: its first bus and its first gateway."""
    bus = next(iter(content.buses), None)
    gateway = next(iter(content.gateways), None)
    if gateway is not None:
        bus = getattr(content.gateways[gateway], "bus", None)
    return {content.bench: Place(bus=bus, gateway=gateway)}


def _chosen(name: str | None, known: Mapping[str, object], what: str, source: str) -> str:
    if name is None and known:
        return next(iter(known))
    if name is None or name not in known:
        wanted = f"no {what} {name!r}" if name else f"no {what}"
        has = ", ".join(known) or "none"
        guess = did_you_mean(name or "", known)
        raise LookupError(f"{source} names {wanted} (it has {has}){guess}")
    return name


def _population_path(name: str, folder: Path) -> str:
    """Return the file that `name` means, else `name` for a population of the package."""
    file = folder / name
    return str(file) if file.is_file() else name


# --- Reading ----------------------------------------------------------------------------------


def load(path: Path) -> Bench:
    """Read and check a bench file; raises `BenchError` with all its mistakes."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BenchError([Complaint(str(path), 1, 1, f"cannot be read: {reason}")]) from error
    return parse(text, source=str(path), folder=path.parent)


def virtual() -> Bench:
    """Return the bench that needs no hardware."""
    text = resources.files("hil").joinpath("virtual.yaml").read_text(encoding="utf-8")
    return parse(text, source="virtual.yaml", folder=Path())


def parse(text: str, *, source: str, folder: Path) -> Bench:
    """Check the text of a bench file; raises `BenchError` with all its mistakes."""
    try:
        raw = document.load(text, source)
    except document.PopulationError as error:
        raise BenchError(list(error.complaints)) from error
    complaints = list(_check_references(raw, source, folder))
    content = None
    try:
        content = Document.model_validate(document.plain(raw))
    except ValidationError as error:
        complaints += [_complaint(raw, source, detail) for detail in error.errors()]
    if content is None or complaints:
        raise BenchError(sorted(complaints))
    return Bench(content, source, folder)


def schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a bench file, for editors and documentation."""
    generated = Document.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Bench"}
    return head | {key: value for key, value in generated.items() if key != "title"}


def schema_text() -> str:
    """Return the schema as it stands in ``hil/bench.schema.json``."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


# --- What was wrong ---------------------------------------------------------------------------


def _complaint(raw: Any, source: str, detail: ErrorDetails) -> Complaint:
    """Return one finding of pydantic in our words, with its place."""
    location = list(detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        word = str(location[-1])
        place = document.position(raw, location, of_key=True)
        return Complaint(
            source, *place, f"unknown key {word!r}{did_you_mean(word, _keys_at(location))}"
        )
    if kind == "missing":
        message = f"key {location[-1]!r} is missing here"
    elif kind == "union_tag_not_found":
        message = f"key 'kind' is missing here: one of {', '.join(_KINDS[str(location[0])])}"
    elif kind == "union_tag_invalid":
        known = _KINDS[str(location[0])]
        tag = str(context["tag"])
        message = f"kind: expected one of {', '.join(known)}, got {tag!r}{did_you_mean(tag, known)}"
        location.append("kind")
    else:
        field = next(part for part in reversed(["document", *location]) if isinstance(part, str))
        if field == "[key]":
            place = document.position(raw, location[:-1], of_key=True)
            return Complaint(source, *place, f"name: {detail['msg']}, got {detail['input']!r}")
        message = f"{field}: {detail['msg'].removeprefix('Value error, ')}"
        if kind != "value_error" and not isinstance(detail["input"], dict | list):
            message += f", got {detail['input']!r}"
    return Complaint(source, *document.position(raw, location), message)


def _keys_at(location: list[int | str]) -> list[str]:
    """Return the keys that the file knows at the place of an unknown one."""
    if len(location) == 1:
        return list(Document.model_fields)
    section = str(location[0])
    model = _MODELS.get(section)
    if model is None:
        model = _KINDS.get(section, {}).get(str(location[2]) if len(location) > 3 else "")
    return list(model.model_fields) if model else []


def _check_references(raw: Any, source: str, folder: Path) -> Iterator[Complaint]:
    """Yield what no schema can find: unknown buses, populations and keys of chip.ini.

    Works on the raw document, so that these stand beside the other mistakes of the file.
    """
    for name, bus in _entries(raw, "buses").items():
        wanted = bus.get("population")
        if bus.get("kind") in ("pty", "tcp", "simulator") and isinstance(wanted, str):
            place = document.position(raw, ("buses", name, "population"))
            yield from _check_population(wanted, folder, Complaint(source, *place, ""))
        family = bus.get("family")
        if isinstance(family, str) and family not in families.names():
            place = document.position(raw, ("buses", name, "family"))
            guess = did_you_mean(family, families.names())
            known = ", ".join(families.names())
            yield Complaint(source, *place, f"family: {family!r} is not known ({known}){guess}")
    for section, key, target, noun in _BINDINGS:
        yield from _check_binding(raw, source, section, key, target, noun)
    for name, gateway in _entries(raw, "gateways").items():
        settings = gateway.get("chip_ini")
        if gateway.get("kind") == "reference" and isinstance(settings, dict):
            for key, value in settings.items():
                message = _chip_ini_complaint(str(key), value)
                if message:
                    place = document.position(raw, ("gateways", name, "chip_ini", key), of_key=True)
                    yield Complaint(source, *place, f"chip_ini: {message}")
    images = raw.get("images") if isinstance(raw, dict) else None
    for name, path in images.items() if isinstance(images, dict) else ():
        if isinstance(path, str) and not (folder / path).is_file():
            place = document.position(raw, ("images", name))
            yield Complaint(source, *place, f"{name}: there is no file {path}")


#: Section and key of each entry that names one of another section; the last is what that is.
_BINDINGS: Final = (
    ("buses", "meters", "meters", "meter"),
    ("buses", "relay", "switches", "switch"),
    ("meters", "relay", "switches", "switch"),
    ("gateways", "bus", "buses", "bus"),
    ("gateways", "power", "switches", "switch"),
    ("places", "bus", "buses", "bus"),
    ("places", "gateway", "gateways", "gateway"),
)


def _check_binding(
    raw: Any, source: str, section: str, key: str, target: str, noun: str
) -> Iterator[Complaint]:
    """Yield every name under `key` that nothing in the section `target` has."""
    known = _entries(raw, target)
    for name, entry in _entries(raw, section).items():
        written = entry.get(key)
        for number, one in enumerate(written if isinstance(written, list) else [written]):
            if isinstance(one, str) and one not in known:
                inside = (number,) if isinstance(written, list) else ()
                place = document.position(raw, (section, name, key, *inside))
                has = ", ".join(known) or "none"
                guess = did_you_mean(one, known)
                message = f"{key}: no {noun} is called {one!r} ({has}){guess}"
                yield Complaint(source, *place, message)


def _entries(raw: Any, section: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a section that are mappings; what is not, pydantic complains of."""
    found = raw.get(section) if isinstance(raw, dict) else None
    if not isinstance(found, dict):
        return {}
    return {str(name): entry for name, entry in found.items() if isinstance(entry, dict)}


def _check_population(wanted: str, folder: Path, at: Complaint) -> Iterator[Complaint]:
    """Yield what is wrong with a population: at its own place, or here where there is none."""
    path = _population_path(wanted, folder)
    try:
        population.load(path)
    except document.PopulationError as error:
        if Path(path).is_file():
            yield from error.complaints
        else:
            reason = error.complaints[0].message
            yield at._replace(message=f"population: {wanted!r}: {reason}")


def _chip_ini_complaint(name: str, value: Any) -> str:
    """Return what chip.ini would say of a key and its value, "" if it takes them."""
    key = next((key for key in configuration.KEYS if key.name == name), None)
    if key is None:
        known = [key.name for key in configuration.KEYS]
        return f"unknown key {name!r}{did_you_mean(name, known)}"
    _, complaints = configuration.load(f"[{key.section}]\n{name}={value}\n".encode())
    return "; ".join(f"{name}: expected {one.expected}, got {one.got}" for one in complaints)


def chip_ini(gateway: ReferenceGateway) -> bytes:
    """Return the chip.ini of a reference gateway: the factory file with the bench's changes."""
    factory = configuration.factory_chip_ini(gateway.unit_loads).encode()
    settings, _ = configuration.load(factory, unit_loads=gateway.unit_loads)
    changed: dict[str, Any] = {}
    for key in configuration.KEYS:
        if key.name in gateway.chip_ini:
            line = f"[{key.section}]\n{key.name}={gateway.chip_ini[key.name]}\n"
            changed[key.attribute] = getattr(configuration.load(line.encode())[0], key.attribute)
    return configuration.save(
        factory,
        replace(settings, **changed),
        explicit=changed,
        unit_loads=gateway.unit_loads,
    )
