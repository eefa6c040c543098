"""PICS and PIXIT: what a device claims, and what a test needs to know of it.

The *claims* (PICS) are options of the manual: one that is claimed must pass, one that is not makes
its cases NOT_APPLICABLE. The *parameters* (PIXIT) are facts that no rule decides: addresses, limits
that were configured, how an erratum was settled. Secrets are named by the environment variable
that holds them and never stand in a report.

A file is YAML; mistakes are told with line and column, all at once. `propose` writes the PICS of a
device that somebody has only an address of, from what its server shows.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from reports.record import Case, Evidence
from reports.verdict import Verdict
from simulators import document
from simulators.modbus.pdu import Identification, IdentificationRequest, ReadRequest, Registers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scenarios.compliance.arrangement import Trial

#: The PICS that comes with the package: the reference gateway, 80 UL.
REFERENCE: Final = "reference-80"

PicsError = document.PopulationError


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DeviceFacts(_Strict):
    """What is printed on the device, or known of it."""

    unit_loads: Literal[20, 80] = 80
    serial_number: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] | None = None
    software_version: str | None = Field(default=None, description="As shown, such as 1.30.60.")
    order_code: str | None = None


class Claims(_Strict):
    """Options of the manual; what is false here is not applicable."""

    tcp: bool = Field(default=True, description="Modbus over TCP (manual 4.5).")
    udp: bool = Field(default=True, description="Modbus over UDP (manual 4.5).")
    float_only: bool = Field(default=True, description="Float-only layout (manual 4.5).")
    multi_slave: bool = Field(default=True, description="A slave address per meter (manual 4.5).")
    swap: bool = Field(default=True, description="Swapped register order (manual 4.5, 9.4).")
    dummy: bool = Field(default=True, description="Test mode with the dummy image (manual 5.2).")
    primary_scan: bool = Field(default=True, description="Primary search (manual 6.1).")
    secondary_scan: bool = Field(default=True, description="Secondary search (manual 6.1).")
    transparent: bool = Field(default=False, description="Transparent mode (manual 7).")
    watchdogs: bool = Field(default=True, description="The four watchdogs (manual 9.4).")
    web: bool = Field(default=False, description="The page (manual 4).")
    ftp: bool = Field(default=False, description="FTP (manual 9.1).")
    ssh: bool = Field(default=False, description="Secure shell (manual 9.3).")
    sntp: bool = Field(default=False, description="Time by SNTP (manual 4.2).")


class Parameters(_Strict):
    """Test parameters (PIXIT)."""

    dummy_register_26: Literal["FFFC", "FFFF"] = Field(
        default="FFFC", description="How the erratum of manual 5.2 was settled (C-04)."
    )
    connections_max: Annotated[int, Field(ge=1, le=80)] = 5
    idle_s: Annotated[float, Field(gt=0, le=1000)] = 60.0
    unit_identifier: Annotated[int, Field(ge=0, le=255)] = 255
    password: str | None = Field(
        default=None,
        pattern=r"^\$[A-Z_][A-Z0-9_]*$",
        description="Name of the environment variable, with $; never the password.",
    )


class Pics(_Strict):
    """The whole statement."""

    pics: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Annotated[str, Field(min_length=1)]
    device: DeviceFacts = DeviceFacts()
    claims: Claims = Claims()
    parameters: Parameters = Parameters()

    def claimed(self, option: str | None) -> bool:
        """Whether an option is claimed; no option at all is the rule for everybody."""
        return option is None or bool(getattr(self.claims, option))

    def facts(self) -> dict[str, str]:
        """The statement as rows for the report; a secret shows its variable only."""
        rows = {"PICS": f"{self.pics}, sha256 {self.sha256()[:16]}", "device": self.title}
        for part in (self.device, self.parameters):
            for name, value in part.model_dump(exclude_none=True).items():
                rows[name.replace("_", " ")] = str(value)
        for name, value in self.claims.model_dump().items():
            rows[f"claims {name.replace('_', ' ')}"] = "yes" if value else "no"
        return rows

    def sha256(self) -> str:
        """The hash of the statement's meaning, whatever its file looks like."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def to_yaml(self) -> str:
        """The statement as a file."""
        yaml = YAML()
        out = _Text()
        yaml.dump(self.model_dump(mode="json", exclude_none=True), out)
        return out.text


class _Text:
    """What a YAML writer writes into."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, piece: str | bytes) -> None:
        """Take a piece."""
        self.text += piece if isinstance(piece, str) else piece.decode()


def load(name: str) -> Pics:
    """Read a statement from a file, or one of the package by its name; raises PicsError."""
    path = Path(name)
    packaged = Path(
        str(resources.files("scenarios.compliance").joinpath("statements", f"{name}.yaml"))
    )
    chosen = path if path.is_file() or not packaged.is_file() else packaged
    try:
        text = chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        complaint = document.Complaint(name, 1, 1, f"cannot be read: {error}")
        raise PicsError([complaint]) from error
    return parse(text, source=name)


def parse(text: str, *, source: str) -> Pics:
    """Check a statement; raises PicsError with every mistake."""
    return document.validate(Pics, document.load(text, source), source)


def schema() -> dict[str, Any]:
    """The JSON schema of a statement."""
    return Pics.model_json_schema()


# --- Against the device -----------------------------------------------------------------------


async def examine(trial: Trial, pics: Pics) -> list[Case]:
    """Compare the statement with what the device says of itself: the first cases of a run."""
    found = await trial.ask(IdentificationRequest(0x01))
    head = await trial.ask(ReadRequest(0, 10))
    return list(compare(pics, found, head))


def compare(pics: Pics, identification: object, head: object) -> Iterator[Case]:
    """Compare the statement with an identification and the registers of a gateway entry."""
    code = {20: "1", 80: "2"}[pics.device.unit_loads]
    product = _object(identification, 1)
    yield _claim("unit-loads", f"{pics.device.unit_loads} UL: product code", code, product)
    words = head.words if isinstance(head, Registers) else None
    if pics.device.serial_number is not None:
        seen = None if words is None else words[0] << 16 | words[1]
        yield _claim("serial-number", "serial number", pics.device.serial_number, seen)
    if pics.device.software_version is not None:
        major, minor, *_ = [*pics.device.software_version.split("."), "0"]
        wanted = int(major) * 100 + int(minor)
        seen = None if words is None else words[3]
        yield _claim("software-version", "software version (C-07)", wanted, seen)


def _claim(name: str, what: str, wanted: object, seen: object) -> Case:
    holds = wanted == seen
    return Case(
        id=f"pics/{name}",
        title=f"The statement fits the device: {what}",
        verdict=Verdict.PASS if holds else Verdict.FAIL,
        reason="" if holds else f"{what}: the statement says {wanted}, the device says {seen}",
        evidence=(Evidence(kind="event", where=what, content=str(seen)),),
    )


def propose(identification: object, head: object, *, name: str = "proposed") -> Pics:
    """The statement of an unknown device, by its identification and its gateway entry.

    Claims stay as the manual has them: what a device can be configured to do shows from no read.
    """
    words = head.words if isinstance(head, Registers) else None
    version = None if words is None else f"{words[3] // 100}.{words[3] % 100}"
    return Pics(
        pics=name,
        title=_object(identification, 6) or "A gateway without identification",
        device=DeviceFacts(
            unit_loads=20 if _object(identification, 1) == "1" else 80,
            serial_number=None if words is None else words[0] << 16 | words[1],
            software_version=version,
        ),
    )


def _object(identification: object, number: int) -> str | None:
    """An object of the identification, None where there is none."""
    return identification.text(number) if isinstance(identification, Identification) else None
