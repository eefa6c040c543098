"""The resources of a bench: what there is and where, and nothing about how to use it.

Each class is the shape of one kind of entry in the bench file (`hil.bench`). A resource is passive,
as in labgrid: `hil.drivers` knows how to use it, `hil.protocols` what can be done with it, and
`hil.strategy` in which order. A resource holds no secret: credentials stand in the environment, and
the file names the variables only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from gateway.runtime.port import LineFormat, Parity
from simulators.characters import BAUDRATES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

#: A name that can stand in a file name, a test id and a report.
NAME_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_-]*$"

#: What may be between a simulated bus and the gateway, and the program that it takes.
BRIDGES: Final[dict[str, str]] = {
    "socat-tcp": "socat",
    "socat-udp": "socat",
    "socat-pty": "socat",
    "ser2net-tcp": "ser2net",
    "ser2net-rfc2217": "ser2net",
}

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Host = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=1, le=0xFFFF)]
#: Name of an environment variable that holds a secret.
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


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


class Strict(BaseModel):
    """Unknown keys are mistakes, and what was read is never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# --- Buses ------------------------------------------------------------------------------------


class VirtualBus(Strict):
    """Simulated meters behind a pseudo-terminal or a TCP port, paced like the line.

    `through` puts a real program between it and the gateway, so that a converter which nobody
    here wrote carries the bytes; it needs ``kind: pty``.
    """

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
    through: (
        Literal["socat-tcp", "socat-udp", "socat-pty", "ser2net-tcp", "ser2net-rfc2217"] | None
    ) = Field(default=None, description="A real program as the converter (kind pty only).")

    @model_validator(mode="after")
    def _bridged(self) -> Self:
        if self.through is not None and self.kind != "pty":
            raise ValueError(f"through: {self.through} serves a bus of kind pty, not {self.kind}")
        return self

    @property
    def where(self) -> str:
        """Where it is, for people."""
        program = f" through {self.through}" if self.through else ""
        return f"simulated population {self.population}, seed {self.seed}{program}"


class _Serial(Strict):
    """A serial port by a name that stays: exactly one of `id`, `vid_pid` and `device`."""

    id: str | None = Field(
        default=None, pattern=r"^[^/]+$", description="Its name below /dev/serial/by-id."
    )
    vid_pid: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$",
        description="USB vendor and product id, as lsusb shows them: 0403:6001.",
    )
    serial_number: str | None = Field(
        default=None, description="USB serial number, where several adapters share a vid_pid."
    )
    device: str | None = Field(
        default=None, pattern="^/", description="A device path; it may change at the next plugging."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("id", "vid_pid", "device") if getattr(self, name) is not None]
        if len(ways) != 1:
            got = " and ".join(ways) or "none of them"
            raise ValueError(f"expected exactly one of id, vid_pid and device, got {got}")
        if self.serial_number is not None and self.vid_pid is None:
            raise ValueError("serial_number: it tells adapters of one vid_pid apart, and needs it")
        return self

    @property
    def where(self) -> str:
        """Where it is, for people and for leases."""
        if self.id is not None:
            return f"/dev/serial/by-id/{self.id}"
        if self.device is not None:
            return self.device
        which = f" with serial number {self.serial_number}" if self.serial_number else ""
        return f"USB {self.vid_pid}{which}"


class _Line(Strict):
    """What all real buses have: the line's format, the meters on it and what cuts it."""

    baudrate: Baudrate = 2400
    format: Format = Field(default="8E1", description="Data bits, parity, stop bits.")
    family: str | None = Field(
        default=None, description="What is known of converters of this family (hil/converters)."
    )
    meters: list[Name] = Field(default_factory=list, description="Meters that are wired to it.")
    relay: Name | None = Field(default=None, description="Switch that cuts the whole bus.")

    @property
    def line_format(self) -> LineFormat:
        """Speed and character format as the gateway's port takes them."""
        data_bits, parity, stop_bits = tuple(self.format)
        return LineFormat(self.baudrate, int(data_bits), Parity(parity), int(stop_bits))


class SerialConverter(_Line, _Serial):
    """A transparent level converter on a serial port."""

    kind: Literal["serial"]


class SocketConverter(_Line):
    """A transparent converter on a TCP port; its character format is set at the device."""

    kind: Literal["socket"]
    host: Host
    port: Port

    @property
    def where(self) -> str:
        """Its URL."""
        return f"socket://{self.host}:{self.port}"


class Rfc2217Converter(_Line):
    """A serial port on the network with remote settings (RFC 2217)."""

    kind: Literal["rfc2217"]
    host: Host
    port: Port
    modem_lines: bool = Field(
        default=True, description="false for a server whose port has none, such as a PTY."
    )

    @property
    def where(self) -> str:
        """Its URL."""
        return f"rfc2217://{self.host}:{self.port}"


class UdpConverter(_Line):
    """A transparent converter that takes and sends datagrams."""

    kind: Literal["udp"]
    host: Host
    port: Port

    @property
    def where(self) -> str:
        """Its URL."""
        return f"udp://{self.host}:{self.port}"


class SimulatorBus(_Serial):
    """A simulated population behind a real serial port: meters for a gateway made of metal.

    The port drives an M-Bus slave interface; the simulator answers in place of the meters.
    """

    kind: Literal["simulator"]
    population: str = Field(description="A population file, or one of the package by its name.")
    seed: int | str = Field(default=1, description="Decides everything that is drawn by chance.")
    baudrate: Baudrate | None = Field(
        default=None, description="Speed of the line; by default the population's, else 2400."
    )


RealBus = SerialConverter | SocketConverter | Rfc2217Converter | UdpConverter
Bus = Annotated[
    VirtualBus | SerialConverter | SocketConverter | Rfc2217Converter | UdpConverter | SimulatorBus,
    Field(discriminator="kind"),
]


# --- Meters and switches ----------------------------------------------------------------------


def _digits(written: Any) -> Any:
    """Return the eight digits that were meant; YAML reads unquoted ones as a number."""
    if type(written) is int and written >= 0:
        return f"{written:08d}"
    return written.upper().zfill(8) if isinstance(written, str) and written else written


_DIGITS: Final[dict[str, Any]] = {
    "anyOf": [
        {"pattern": "^[0-9A-Fa-f]{1,8}$", "type": "string"},
        {"minimum": 0, "maximum": 99_999_999, "type": "integer"},
    ],
    "description": "Eight digits, those that a secondary address begins with.",
}


class Meter(Strict):
    """A meter on the bench, by what is printed on its label."""

    identification_number: Annotated[
        str, BeforeValidator(_digits), Field(pattern=r"^[0-9A-F]{8}$"), WithJsonSchema(_DIGITS)
    ] = Field(description="Eight digits, those that a secondary address begins with.")
    manufacturer: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    version: int | None = Field(default=None, ge=0, le=255)
    medium: int | None = Field(default=None, ge=0, le=255)
    primary_address: int | None = Field(default=None, ge=0, le=250)
    unit_loads: int = Field(default=1, ge=1, le=250, description="Load on the bus, 1.5 mA each.")
    title: str = Field(default="", description="What else the label says.")
    relay: Name | None = Field(default=None, description="Switch that cuts this meter.")


class CommandSwitch(Strict):
    """Power or a relay that a program switches: uhubctl, a vendor's tool, a script."""

    kind: Literal["command"]
    on: list[str] = Field(min_length=1, description="Program and arguments; no shell.")
    off: list[str] = Field(min_length=1)
    safe: Literal["on", "off"] = Field(default="off", description="Position in the safe state.")
    limit_s: float = Field(default=10.0, gt=0, le=120)

    @property
    def where(self) -> str:
        """The program."""
        return f"command {self.on[0]}"


class CoilSwitch(Strict):
    """A relay that is a coil of a Modbus TCP device."""

    kind: Literal["coil"]
    host: Host
    port: Port = 502
    unit_identifier: int = Field(default=1, ge=0, le=255)
    coil: int = Field(ge=0, le=0xFFFF)
    inverted: bool = Field(default=False, description="true where a set coil means off.")
    safe: Literal["on", "off"] = Field(default="off", description="Position in the safe state.")

    @property
    def where(self) -> str:
        """Address and coil."""
        return f"coil {self.coil} of {self.host}:{self.port}"


Switch = Annotated[CommandSwitch | CoilSwitch, Field(discriminator="kind")]


# --- Gateways ---------------------------------------------------------------------------------


class ReferenceGateway(Strict):
    """The reference gateway of this project, started on one of the buses."""

    kind: Literal["reference"]
    bus: str = Field(description="Name of the bus that it reads.")
    runs: Literal["inside", "process", "namespace"] = Field(
        default="inside",
        description="In this process, as one of its own, or as one in its own network namespace.",
    )
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

    @property
    def where(self) -> str:
        """How it runs."""
        return f"reference gateway, {_RUNS[self.runs]}, on bus {self.bus}"


_RUNS: Final = {
    "inside": "in this process",
    "process": "as a process",
    "namespace": "in a network namespace",
}


class NetworkGateway(Strict):
    """A gateway that runs by itself, reached over Modbus TCP."""

    kind: Literal["network"]
    host: Host
    port: Port = 502
    unit_identifier: int = Field(default=255, ge=0, le=255)
    bus: str | None = Field(
        default=None, description="The bus that it reads, where the bench can see it."
    )
    udp: bool = Field(default=False, description="It serves Modbus over UDP as well.")
    page: str | None = Field(
        default=None, pattern="^https?://", description="URL of its web interface."
    )
    files: str | None = Field(
        default=None, pattern="^ftps?://", description="URL of its files (FTP)."
    )
    user_from: Variable | None = Field(
        default=None, description="Environment variable that holds the user name."
    )
    password_from: Variable | None = Field(
        default=None, description="Environment variable that holds the password."
    )
    power: Name | None = Field(default=None, description="Switch of its power supply.")

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:
        for key in ("page", "files"):
            url = getattr(self, key)
            if url is not None and urlsplit(url).password is not None:
                raise ValueError(f"{key}: a password has no place in this file; use password_from")
        return self

    @property
    def where(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def credentials(self, environment: Mapping[str, str] = os.environ) -> Credentials | None:
        """Return user and password from the environment; None where the file names none.

        Raises LookupError naming the variable that is not set.
        """
        if self.user_from is None and self.password_from is None:
            return None
        values = {}
        for key, variable in (("user", self.user_from), ("password", self.password_from)):
            if variable is not None and variable not in environment:
                raise LookupError(f"the environment variable {variable} ({key}) is not set")
            values[key] = environment[variable] if variable is not None else ""
        return Credentials(**values)


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password; neither a representation nor a report ever shows them."""

    user: str = field(repr=False)
    password: str = field(repr=False)


Gateway = Annotated[ReferenceGateway | NetworkGateway, Field(discriminator="kind")]


class Place(Strict):
    """What belongs together on the bench, and is reserved as one."""

    tags: list[Name] = Field(default_factory=list, description="Tags that tests select by.")
    bus: Name | None = Field(default=None, description="The bus of this place.")
    gateway: Name | None = Field(default=None, description="The gateway of this place.")
    labgrid: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="A place of the labgrid coordinator that is acquired as well.",
    )
