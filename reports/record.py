"""The run record: everything that a run found, as one typed document (``result.json``).

The record is the source of truth; HTML and JUnit are renderings of it and decide nothing. It is
plain data, the same bytes for the same content: keys sorted, times as integer nanoseconds, no
path and no name of the machine that ran it. What depends on the wall clock stands in `Run` alone,
and `RunRecord.canonical_json` leaves it out, so that two runs with the same seed can be compared
byte for byte.

A record proves itself while it is read: the verdict at the top must be the join of its cases, the
requirement rows must follow from the cases, and every id that is referred to must exist. A file
that was edited by hand into a PASS is therefore refused, with the place.

Building one: `RunRecord.assemble`. Reading one: `load`. The JSON schema: `schema`, published as
the package data file ``reports/result.schema.json``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from enum import Enum, unique
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reports.verdict import Verdict, exit_code, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

#: Version of the document's shape; it grows when a reader of the older shape would be misled.
SCHEMA_VERSION: Final = "1.2"

#: Where the schema calls itself from; an identifier, nothing is fetched there.
SCHEMA_ID: Final = "urn:meterbench:schema:result:1.2"

#: ``MOD-05``, ``REG-M``, ``REG-M.3``, ``REG-00``: the project's requirement vocabulary.
REQUIREMENT_ID_PATTERN: Final = r"^[A-Z][A-Z0-9]*-[A-Z0-9]+(\.[1-9][0-9]*)?$"

RequirementId = Annotated[str, Field(pattern=REQUIREMENT_ID_PATTERN)]
Text = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Nanoseconds = Annotated[int, Field(description="Nanoseconds since the start of the run.")]
RegisterAddress = Annotated[int, Field(ge=0, le=0xFFFF)]


class _Model(BaseModel):
    """Closed and immutable: an unknown key is a mistake, and a record is never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# --- What was seen ----------------------------------------------------------------------------


class Evidence(_Model):
    """One thing that was seen and that a verdict rests on."""

    kind: Literal["frame", "register", "event"]
    where: Text = Field(description="Place: 'bus, meter to master', 'registers 24-25', a path.")
    content: Text = Field(description="Bytes or registers in hexadecimal, or the event's value.")
    at_ns: Nanoseconds | None = None
    note: str = ""


class Measurement(_Model):
    """A number with its unit and the limits that were declared for it."""

    name: Text
    value: float
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    uncertainty: float | None = Field(default=None, ge=0)


class Instant(_Model):
    """A moment of a watchdog's run, and what showed it to the bench."""

    at_ns: Nanoseconds
    seen_by: Text = Field(description="'command', 'Modbus connection', 'Modbus register', 'bus'.")
    uncertainty_ns: int = Field(
        ge=0, description="Resolution of the clock, or the distance of two looks."
    )


class WatchdogRun(_Model):
    """One state of the device against the limit of its timer, and what followed a trip.

    The limit counts from the last feed, from `started` where nothing feeds the timer. `end` is
    the trip, or the end of a job that was in time.
    """

    timer: Text = Field(description="Key of the limit: 'WATCHDOG_SCAN'.")
    state: Text = Field(description="What the device was doing: 'scan', 'read-out'.")
    title: Text = Field(description="What was done to it.")
    limit_ns: int = Field(gt=0)
    started: Instant
    fed: tuple[Instant, ...] = ()
    end: Instant
    tripped: bool = Field(description="Whether the end was a restart by the watchdog.")
    back: Instant | None = Field(default=None, description="The Modbus port answers again.")
    valid: Instant | None = Field(default=None, description="First valid register behind it.")
    kept: tuple[Text, ...] = Field(default=(), description="What has survived the trip.")
    lost: tuple[Text, ...] = Field(default=(), description="What has not.")
    verdict: Verdict

    @property
    def counted_ns(self) -> int:
        """From the last start of the timer to the end."""
        return self.end.at_ns - (self.fed[-1] if self.fed else self.started).at_ns

    @property
    def uncertainty_ns(self) -> int:
        """How far off `counted_ns` may be: the worse of both ends."""
        first = self.fed[-1] if self.fed else self.started
        return max(first.uncertainty_ns, self.end.uncertainty_ns)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        moments = [self.started, *self.fed, self.end]
        moments += [one for one in (self.back, self.valid) if one is not None]
        times = [one.at_ns for one in moments]
        if times != sorted(times):
            raise ValueError(f"watchdog run {self.title!r}: its moments are not in order")
        if not self.tripped and (self.back or self.valid or self.kept or self.lost):
            raise ValueError(f"watchdog run {self.title!r}: nothing follows where nothing tripped")
        return self


class Case(_Model):
    """One question put to the target, with its answer."""

    id: Text
    title: Text
    requirements: tuple[RequirementId, ...] = ()
    verdict: Verdict
    reason: str = Field(default="", description="One finding a line; empty only for a PASS.")
    evidence: tuple[Evidence, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    watchdogs: tuple[WatchdogRun, ...] = ()
    traces: tuple[Text, ...] = Field(
        default=(), description="Names of the traces, of those of the record, that it rests on."
    )
    at_ns: Nanoseconds | None = None

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.verdict.needs_reason and not self.reason.strip():
            raise ValueError(f"case {self.id!r} is {self.verdict.value} and gives no reason")
        return self


# --- Registers --------------------------------------------------------------------------------


class RegisterRow(_Model):
    """One field of one entry of the register map."""

    address: RegisterAddress
    entry: Text = Field(description="'meter', or which value: 'value 2, flow temperature'.")
    field: Text
    registers: tuple[Annotated[int, Field(ge=0, le=0xFFFF)], ...] = Field(
        description="Raw 16-bit words in address order; empty when the target gave none."
    )
    expected: str
    seen: str
    requirement: RequirementId | None = None
    verdict: Verdict
    source: str = Field(default="", description="Where the meter sent it: 'telegram 1, byte 27'.")

    @property
    def last_address(self) -> int:
        """Address of the field's last register."""
        return self.address + max(len(self.registers), 1) - 1


class RegisterTable(_Model):
    """What one entry and the entries below it hold: the gateway's block, or one meter."""

    id: Text
    title: Text
    address: RegisterAddress | None = Field(description="First register; null when not found.")
    rows: tuple[RegisterRow, ...] = ()
    note: str = ""
    verdict: Verdict

    @model_validator(mode="after")
    def _rows_count(self) -> Self:
        if self.verdict < join(row.verdict for row in self.rows):
            raise ValueError(f"register table {self.id!r} is better than its worst row")
        return self


# --- What happened when -----------------------------------------------------------------------


@unique
class Tone(Enum):
    """How a stretch of the timeline is to be read."""

    ACTIVITY = "activity"
    GOOD = "good"
    WARNING = "warning"
    FAILURE = "failure"


class Span(_Model):
    """A stretch of time in a lane; start and end equal make a mark."""

    start_ns: Nanoseconds
    end_ns: Nanoseconds
    label: str = ""
    tone: Tone = Tone.ACTIVITY

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end_ns < self.start_ns:
            raise ValueError(f"span {self.label!r} ends before it starts")
        return self


class Lane(_Model):
    """One row of the timeline: the bus, a meter, a client."""

    name: Text
    spans: tuple[Span, ...] = ()


class Timeline(_Model):
    """The run's activity over its own time."""

    start_ns: Nanoseconds = 0
    end_ns: Nanoseconds
    lanes: tuple[Lane, ...] = ()

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end_ns < self.start_ns:
            raise ValueError("the timeline ends before it starts")
        return self


class Trace(_Model):
    """A file of raw observations, bound to the record by its hash."""

    name: Text = Field(description="File name, without any folder.")
    kind: Text = Field(description="'events', 'bus', 'modbus'.")
    sha256: Sha256
    size_bytes: int = Field(ge=0)

    @model_validator(mode="after")
    def _host_free(self) -> Self:
        if PurePath(self.name).name != self.name:
            raise ValueError(f"trace name {self.name!r} holds a folder of this machine")
        return self


# --- The run and its requirements -------------------------------------------------------------


class Run(_Model):
    """How and when the run was made; the only part that may differ between equal runs."""

    title: Text = Field(description="What was run: 'meterbench demo', the scenario's title.")
    command: str = Field(default="", description="Command line, without folders.")
    tool_version: Text
    commit: str | None = Field(default=None, description="Commit of the harness, when known.")
    seed: str
    backend: Text = Field(description="sim, pty or hil, or the kind of target.")
    started: str | None = Field(
        default=None,
        description="UTC, ISO 8601; null when the run has no wall clock.",
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
    )
    virtual_duration_ns: int | None = Field(default=None, ge=0)
    real_duration_ns: int | None = Field(default=None, ge=0)
    facts: dict[str, str] = Field(
        default_factory=dict, description="Further facts, in the words that a reader needs."
    )


class Requirement(_Model):
    """One statement of the catalogue."""

    id: RequirementId
    section: str = ""
    text: Text


class RequirementRow(_Model):
    """A requirement with what the run says about it."""

    id: RequirementId
    section: str = ""
    text: str
    verdict: Verdict
    met: bool = Field(description="A selected case passed and none came out above PASS.")
    cases: tuple[Text, ...] = Field(min_length=1)


class NotVerified(_Model):
    """A requirement that no case of this run speaks about."""

    id: RequirementId
    section: str = ""
    text: str
    reason: Text


class Deviation(_Model):
    """A finding that somebody has accepted for a while, and who, why and how long.

    `state` is "waived" while it holds, "expired" when its day has passed, "unused" when nothing in
    the run needed it. The finding itself stays what it is.
    """

    id: Text = Field(description="A case, or a requirement with all its cases.")
    reason: Text
    owner: Text
    expires: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="Last day on which it holds.")
    state: Literal["waived", "expired", "unused"]


class RunRecord(_Model):
    """Everything that one run found; serialised as ``result.json``."""

    schema_version: Literal["1.0", "1.1", "1.2"] = SCHEMA_VERSION
    run: Run
    verdict: Verdict
    cases: tuple[Case, ...]
    requirements: tuple[RequirementRow, ...] = ()
    not_verified: tuple[NotVerified, ...] = ()
    gateway: RegisterTable | None = None
    meters: tuple[RegisterTable, ...] = ()
    timeline: Timeline | None = None
    traces: tuple[Trace, ...] = ()
    statement: dict[str, str] = Field(
        default_factory=dict, description="What the target claims (PICS), in the reader's words."
    )
    deviations: tuple[Deviation, ...] = ()

    @classmethod
    def assemble(
        cls,
        run: Run,
        cases: Iterable[Case],
        *,
        catalogue: Mapping[str, Requirement] | None = None,
        selected: Iterable[str] | None = None,
        gateway: RegisterTable | None = None,
        meters: Iterable[RegisterTable] = (),
        timeline: Timeline | None = None,
        traces: Iterable[Trace] = (),
        statement: Mapping[str, str] | None = None,
        deviations: Iterable[Deviation] = (),
    ) -> RunRecord:
        """Build the record of a run from its cases; verdicts are joined here and nowhere else.

        `catalogue` gives the texts. `selected` is what the run set out to verify: ids of it that
        no case speaks about are listed as not verified. By default that is the whole
        catalogue. An id that is divided into parts stands for its parts.
        """
        cases = tuple(cases)
        catalogue = {} if catalogue is None else catalogue
        wanted = statements(catalogue if selected is None else selected, catalogue)
        return cls(
            run=run,
            verdict=join(case.verdict for case in cases),
            cases=cases,
            requirements=requirement_rows(cases, catalogue),
            not_verified=_not_verified(cases, catalogue, wanted),
            gateway=gateway,
            meters=tuple(meters),
            timeline=timeline,
            traces=tuple(traces),
            statement=dict(statement or {}),
            deviations=tuple(deviations),
        )

    def traces_of(self, case: Case) -> tuple[Trace, ...]:
        """The traces that a case rests on; all of them where it names none."""
        if not case.traces:
            return self.traces
        return tuple(trace for trace in self.traces if trace.name in case.traces)

    def waived(self, case: Case) -> bool:
        """Whether somebody has accepted what this case found, and still does."""
        ids = {one.id for one in self.deviations if one.state == "waived"}
        return case.id in ids or not ids.isdisjoint(case.requirements)

    @property
    def exit_code(self) -> int:
        """Exit code of the command that made this record; 2 when it holds no case at all."""
        return exit_code(self.verdict if self.cases else None)

    def counts(self) -> dict[Verdict, int]:
        """Return how many cases came to each verdict, in the order of the lattice."""
        counted = Counter(case.verdict for case in self.cases)
        return {verdict: counted[verdict] for verdict in Verdict}

    def to_json(self) -> str:
        """Return the document: sorted keys, two spaces, a newline at the end."""
        return _dump(self.model_dump(mode="json"))

    def canonical_json(self) -> str:
        """Return the document without `run`: equal for two runs that found the same."""
        return _dump(self.model_dump(mode="json", exclude={"run"}))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_ids()
        expected = join(case.verdict for case in self.cases)
        if self.verdict is not expected:
            raise ValueError(
                f"verdict is {self.verdict.value}, but the cases join to {expected.value}"
            )
        by_id = {case.id: case for case in self.cases}
        for row in self.requirements:
            _check_row(row, by_id)
        return self

    def _check_ids(self) -> None:
        """Refuse two cases, two requirement rows or two tables of one id."""
        for what, ids in (
            ("case", [case.id for case in self.cases]),
            ("requirement", [row.id for row in self.requirements]),
            ("meter", [meter.id for meter in self.meters]),
        ):
            twice = [id_ for id_, count in Counter(ids).items() if count > 1]
            if twice:
                raise ValueError(f"{what} {twice[0]!r} is recorded more than once")


def _check_row(row: RequirementRow, by_id: Mapping[str, Case]) -> None:
    unknown = [case_id for case_id in row.cases if case_id not in by_id]
    if unknown:
        raise ValueError(f"requirement {row.id} names case {unknown[0]!r}, which is not recorded")
    verdicts = [by_id[case_id].verdict for case_id in row.cases]
    if row.verdict is not join(verdicts):
        raise ValueError(
            f"requirement {row.id} is {row.verdict.value}, but its cases join to "
            f"{join(verdicts).value}"
        )
    if row.met is not is_met(verdicts):
        raise ValueError(f"requirement {row.id} says met={row.met}, its cases say otherwise")


# --- Requirements follow from cases -----------------------------------------------------------


def statements(ids: Iterable[str], catalogue: Iterable[str]) -> list[str]:
    """Return `ids` as single statements: an id that the catalogue divides becomes its parts.

    Such an id is the heading of its parts, not a statement of its own.
    """
    parts: dict[str, list[str]] = {}
    for id_ in catalogue:
        whole, dot, _ = id_.partition(".")
        if dot:
            parts.setdefault(whole, []).append(id_)
    single = (one for id_ in ids for one in parts.get(id_, [id_]))
    return list(dict.fromkeys(single))


def is_met(verdicts: Sequence[Verdict]) -> bool:
    """Return whether a requirement with cases of these verdicts is met.

    A selected case must have passed, and none may have come out above PASS: a requirement whose
    cases are all NOT_APPLICABLE is not met, and one that was partly NOT_RUN is not met either.
    """
    return Verdict.PASS in verdicts and join(verdicts) is Verdict.PASS


def requirement_rows(
    cases: Iterable[Case], catalogue: Mapping[str, Requirement]
) -> tuple[RequirementRow, ...]:
    """Return one row for each requirement that a case speaks about, in catalogue order.

    Ids outside the catalogue come last, in the order of their ids and without a text: a record
    made with an older catalogue must not lose them.
    """
    citing: dict[str, list[Case]] = {}
    for case in cases:
        for id_ in dict.fromkeys(case.requirements):
            citing.setdefault(id_, []).append(case)
    known = [id_ for id_ in catalogue if id_ in citing]
    foreign = sorted(citing.keys() - catalogue.keys(), key=natural_key)
    return tuple(_row(id_, citing[id_], catalogue.get(id_)) for id_ in known + foreign)


def _row(id_: str, cases: Sequence[Case], requirement: Requirement | None) -> RequirementRow:
    verdicts = [case.verdict for case in cases]
    return RequirementRow(
        id=id_,
        section=requirement.section if requirement else "",
        text=requirement.text if requirement else "",
        verdict=join(verdicts),
        met=is_met(verdicts),
        cases=tuple(case.id for case in cases),
    )


def _not_verified(
    cases: Iterable[Case], catalogue: Mapping[str, Requirement], wanted: Iterable[str]
) -> tuple[NotVerified, ...]:
    cited = {id_ for case in cases for id_ in case.requirements}
    silent = (id_ for id_ in wanted if id_ not in cited)
    return tuple(
        NotVerified(
            id=id_,
            section=catalogue[id_].section if id_ in catalogue else "",
            text=catalogue[id_].text if id_ in catalogue else "",
            reason=_why_silent(id_, cited),
        )
        for id_ in silent
    )


def _why_silent(id_: str, cited: set[str]) -> str:
    """Say why `id_` has no verdict of its own."""
    whole, _, part = id_.partition(".")
    if part and whole in cited:
        return f"only {whole} as a whole was exercised, no case speaks about this part"
    return "no case of this run speaks about it"


def natural_key(id_: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key under which ``REG-M.2`` comes before ``REG-M.10``."""
    pieces = re.findall(r"\d+|\D+", id_)
    return tuple((0, int(piece)) if piece.isdigit() else (1, piece) for piece in pieces)


def portable_command(argv: Sequence[str]) -> str:
    """Return a command line that names no folder of this machine.

    Every argument that is an absolute path is cut to its last component: ``/home/x/a.yaml``
    becomes ``a.yaml``. URLs and M-Bus addresses such as ``tcp:HOST:PORT`` are kept.
    """
    return " ".join(_portable(argument) for argument in argv)


def _portable(argument: str) -> str:
    option, equals, value = argument.partition("=")
    if equals and option.startswith("-"):
        return f"{option}={_portable(value)}"
    scheme, colon, rest = argument.partition(":")
    if colon and scheme in {"pty", "file"}:
        return f"{scheme}:{_portable(rest)}"
    for flavour in (PurePosixPath(argument), PureWindowsPath(argument)):
        if flavour.is_absolute():
            return flavour.name or argument
    return argument


# --- Reading and publishing -------------------------------------------------------------------


class RecordError(Exception):
    """A result file that cannot be used; one finding a line, each with its place.

    `findings` holds ``(place, message)`` pairs: the place is ``line:column`` for text that is
    not JSON, else the path of the value inside the document, such as ``cases[3].verdict``.
    """

    def __init__(self, source: str, findings: Sequence[tuple[str, str]]) -> None:
        self.source = source
        self.findings = tuple(findings)
        super().__init__("\n".join(f"{source}:{place}: {text}" for place, text in findings))


def load(path: Path) -> RunRecord:
    """Read and check a ``result.json``.

    Raises `RecordError` for a file that cannot be read, is not JSON, or is not a run record
    (with every finding and its place).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecordError(str(path), [("0", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
        raise RecordError(str(path), [(place, "expected UTF-8 text")]) from error
    return parse(text, source=str(path))


def parse(text: str, *, source: str = "result.json") -> RunRecord:
    """Check a document given as text; raises `RecordError` as `load` does."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else "1"
        message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise RecordError(source, [(place, f"expected JSON: {message}")]) from error
    try:
        return RunRecord.model_validate(document)
    except ValidationError as error:
        findings = [(_place(e["loc"]), _complaint(e)) for e in error.errors(include_url=False)]
        raise RecordError(source, findings) from error


def _place(location: Sequence[int | str]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return path.lstrip(".") or "document"


def _complaint(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if isinstance(given, str | int | float | bool) or given is None:
        return f"{message}; got {given!r}"
    return message


def schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of ``result.json``."""
    body = RunRecord.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **body}


def schema_text() -> str:
    """Return `schema` as the published file holds it, byte for byte."""
    return _dump(schema())


def _dump(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
