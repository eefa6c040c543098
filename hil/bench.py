"""The bench file: which buses and gateways there are, and how to reach them (YAML).

A bus is simulated (``kind: pty`` or ``tcp`` with a population) or real (``kind: converter`` with a
URL as the gateway takes it). A gateway is the reference gateway of this project (``kind:
reference``, running on one of the buses) or any device on the network (``kind: network``). Tests
name neither: they ask for a bus and a gateway, and the bench says which.

Every mistake of a file is told at once, with line, column and what was expected. Facts about a
place stand here; secrets do not.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from gateway.device import configuration
from gateway.runtime.port import LineFormat, Parity
from simulators import document, population
from simulators.characters import BAUDRATES
from simulators.document import Complaint, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

#: A name that can stand in a file name, a test id and a report.
NAME_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_-]*$"

#: Schemes that the gateway opens; anything without "://" is a device path.
LINE_SCHEMES: Final = ("socket", "rfc2217", "udp")

Name = Annotated[str, Field(pattern=NAME_PATTERN)]


def _line_url(url: str) -> str:
    """Accept a device path, or a URL of a scheme that the gateway opens, with host and port."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        if url.startswith("/"):
            return url
        raise ValueError(
            f"expected a device path from / on, or a URL such as socket://HOST:PORT, got {url!r}"
        )
    if scheme not in LINE_SCHEMES:
        known = ", ".join(f"{one}://" for one in LINE_SCHEMES)
        guess = did_you_mean(scheme, LINE_SCHEMES)
        raise ValueError(f"expected one of {known}, got {url!r}{guess}")
    _host_port(rest.partition("?")[0].rstrip("/"))
    return url


def _host_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        raise ValueError(f"expected HOST:PORT with a port of 0 to 65535, got {text!r}")
    return text


def _baudrate(baudrate: int) -> int:
    if baudrate not in BAUDRATES:
        raise ValueError(f"expected one of {', '.join(map(str, BAUDRATES))}, got {baudrate}")
    return baudrate


#: Character formats that YAML takes for numbers in scientific notation unless they are quoted.
_FORMATS_AS_NUMBERS: Final = {70.0: "7E1", 80.0: "8E1", 700.0: "7E2", 800.0: "8E2"}


def _format(written: Any) -> Any:
    """Return the character format that was meant by ``format: 8E1`` without quotes."""
    return _FORMATS_AS_NUMBERS.get(written, written) if isinstance(written, float) else written


Baudrate = Annotated[int, AfterValidator(_baudrate)]
Format = Annotated[
    str,
    Field(pattern="^[78][NEOMS][12]$"),
    BeforeValidator(_format),
    WithJsonSchema(
        {"anyOf": [{"pattern": "^[78][NEOMS][12]$", "type": "string"}, {"type": "number"}]}
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class VirtualBus(_Strict):
    """Simulated meters behind a pseudo-terminal or a TCP port, paced like the line."""

    kind: Literal["pty", "tcp"]
    population: str = Field(description="A population file, or one of the package by its name.")
    seed: int | str = Field(default=1, description="Decides everything that is drawn by chance.")
    baudrate: Baudrate | None = Field(
        default=None, description="Speed of the line; by default the population's, else 2400."
    )
    speed: float = Field(default=1.0, gt=0, le=1_000_000, description="Bus seconds per second.")
    listen: str | None = Field(
        default=None, description="Path of the link, or HOST:PORT; by default a place of its own."
    )


class ConverterBus(_Strict):
    """A real bus behind a transparent level converter."""

    kind: Literal["converter"]
    url: Annotated[str, AfterValidator(_line_url)] = Field(
        description="Device path, socket://, rfc2217:// or udp://HOST:PORT."
    )
    baudrate: Baudrate = 2400
    format: Format = Field(default="8E1", description="Data bits, parity, stop bits.")

    @property
    def line_format(self) -> LineFormat:
        """Speed and character format as the gateway's port takes them."""
        data_bits, parity, stop_bits = tuple(self.format)
        return LineFormat(self.baudrate, int(data_bits), Parity(parity), int(stop_bits))


class ReferenceGateway(_Strict):
    """The reference gateway of this project, started on one of the buses."""

    kind: Literal["reference"]
    bus: str = Field(description="Name of the bus that it reads.")
    data: str | None = Field(
        default=None, description="Data directory; by default a fresh one for each start."
    )
    modbus: Annotated[str, AfterValidator(_host_port)] = Field(
        default="127.0.0.1:0", description="Where it serves; port 0 takes any free one."
    )
    unit_loads: Literal[20, 80, 0] = Field(default=80, description="The model; 0 is the lab model.")
    chip_ini: dict[str, int | str] = Field(
        default_factory=dict, description="Keys of chip.ini that differ from the factory file."
    )


class NetworkGateway(_Strict):
    """A gateway that runs by itself, reached over Modbus TCP."""

    kind: Literal["network"]
    host: str = Field(min_length=1)
    port: int = Field(default=502, ge=1, le=0xFFFF)
    unit_identifier: int = Field(default=255, ge=0, le=255)
    bus: str | None = Field(
        default=None, description="The bus that it reads, where the bench can see it."
    )


Bus = Annotated[VirtualBus | ConverterBus, Field(discriminator="kind")]
Gateway = Annotated[ReferenceGateway | NetworkGateway, Field(discriminator="kind")]


class Document(_Strict):
    """A bench file."""

    bench: Name
    title: str = ""
    features: list[Name] = Field(default_factory=list, description="Tags that tests select by.")
    buses: dict[Name, Bus] = Field(default_factory=dict)
    gateways: dict[Name, Gateway] = Field(default_factory=dict)


#: Which model an entry of a section is checked against, by its kind.
_KINDS: Final[dict[str, dict[str, type[BaseModel]]]] = {
    "buses": {"pty": VirtualBus, "tcp": VirtualBus, "converter": ConverterBus},
    "gateways": {"reference": ReferenceGateway, "network": NetworkGateway},
}


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
        self.buses: Mapping[str, VirtualBus | ConverterBus] = content.buses
        self.gateways: Mapping[str, ReferenceGateway | NetworkGateway] = content.gateways
        self.source = source
        self.folder = folder

    def bus_name(self, name: str | None = None) -> str:
        """Return `name`, or the first bus of the file; LookupError names what there is."""
        return _chosen(name, self.buses, "bus", self.source)

    def gateway_name(self, name: str | None = None) -> str:
        """Return `name`, or the first gateway of the file; LookupError names what there is."""
        return _chosen(name, self.gateways, "gateway", self.source)

    def population(self, bus: VirtualBus) -> population.Population:
        """Return the meters of a simulated bus; raises `simulators.document.PopulationError`."""
        return population.load(_population_path(bus.population, self.folder))


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
    model = _KINDS.get(str(location[0]), {}).get(str(location[2]) if len(location) > 3 else "")
    return list(model.model_fields) if model else []


def _check_references(raw: Any, source: str, folder: Path) -> Iterator[Complaint]:
    """Yield what no schema can find: unknown buses, populations and keys of chip.ini.

    Works on the raw document, so that these stand beside the other mistakes of the file.
    """
    buses = _entries(raw, "buses")
    for name, bus in buses.items():
        wanted = bus.get("population")
        if bus.get("kind") in ("pty", "tcp") and isinstance(wanted, str):
            place = document.position(raw, ("buses", name, "population"))
            yield from _check_population(wanted, folder, Complaint(source, *place, ""))
    for name, gateway in _entries(raw, "gateways").items():
        bus_name = gateway.get("bus")
        if isinstance(bus_name, str) and bus_name not in buses:
            place = document.position(raw, ("gateways", name, "bus"))
            has = ", ".join(buses) or "none"
            guess = did_you_mean(bus_name, buses)
            yield Complaint(source, *place, f"bus: no bus is called {bus_name!r} ({has}){guess}")
        settings = gateway.get("chip_ini")
        if gateway.get("kind") == "reference" and isinstance(settings, dict):
            for key, value in settings.items():
                message = _chip_ini_complaint(str(key), value)
                if message:
                    place = document.position(raw, ("gateways", name, "chip_ini", key), of_key=True)
                    yield Complaint(source, *place, f"chip_ini: {message}")


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
