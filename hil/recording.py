"""A recording of an M-Bus: every character with its time and its direction, as one text file.

The first line says what was recorded and how; every further line is one chunk as the host saw it.
Times are ns since the beginning of the recording; ``at`` is when a request began to leave, or when
the last character of a chunk had come. ``faults`` is null where the way to the bus cannot tell
parity, which is not the same as no faults.

A recording is evidence: `Recording.sha256` binds it to the record of the run. It is also a bus
(`hil.replay`) and a source of answer times (`hil.calibration`).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.runtime.port import LineFormat, Parity
from simulators import pcapng

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Version of the file's shape.
VERSION: Final = 1

#: Chunks that one recording holds; a bus at 9600 Bd fills this in about three hours.
CHUNKS_MAX: Final = 2_000_000


class RecordingError(ValueError):
    """A file is no recording; the message says where and what was expected."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What left in one piece, or what came in one piece.

    `at_ns` is when a request began to leave, or when the last character had come; `first_ns` when
    the first one had, where that is known.
    """

    at_ns: int
    sent: bool
    data: bytes
    faults: tuple[tuple[int, int], ...] | None = None
    first_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with the chunks that came behind it, until the next request."""

    request: Chunk
    answers: tuple[Chunk, ...]

    @property
    def answer(self) -> bytes:
        """All that came."""
        return b"".join(chunk.data for chunk in self.answers)


@dataclass(slots=True)
class Recording:
    """What one line carried; `epoch_ns` is unix time at its time 0."""

    bus: str
    line_format: LineFormat
    epoch_ns: int
    #: What the transport adds to the silence between two characters (ns).
    tolerance_ns: int = 0
    #: How late the host may have noticed something (ns).
    clock_ns: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    #: Keys of chip.ini that the gateway had, other than those of the factory; and its model.
    settings: dict[str, str] = field(default_factory=dict)
    unit_loads: int = 80
    chunks: list[Chunk] = field(default_factory=list)
    #: What happened to the line itself: opened, lost, with the reason; times as in `chunks`.
    marks: list[tuple[int, str]] = field(default_factory=list)
    #: Chunks that found no place any more.
    dropped: int = 0

    def add(self, chunk: Chunk) -> None:
        """Keep a chunk; beyond `CHUNKS_MAX` it is only counted."""
        if len(self.chunks) < CHUNKS_MAX:
            self.chunks.append(chunk)
        else:
            self.dropped += 1

    def mark(self, at_ns: int, text: str) -> None:
        """Keep what happened to the line itself."""
        self.marks.append((at_ns, text))

    # --- As a file ----------------------------------------------------------------------------

    def to_jsonl(self) -> str:
        """Return the file; equal recordings give equal bytes."""
        form = self.line_format
        head = {
            "recording": VERSION,
            "bus": self.bus,
            "baudrate": form.baudrate,
            "format": f"{form.data_bits}{form.parity.value}{form.stop_bits}",
            "epoch_ns": self.epoch_ns,
            "tolerance_ns": self.tolerance_ns,
            "clock_ns": self.clock_ns,
            "facts": self.facts,
            "settings": self.settings,
            "unit_loads": self.unit_loads,
            "dropped": self.dropped,
        }
        return "".join(f"{json.dumps(one, sort_keys=True)}\n" for one in (head, *self._lines()))

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Yield chunks and marks, each mark before the chunks of its time."""
        marks = deque(self.marks)
        for chunk in self.chunks:
            while marks and marks[0][0] <= chunk.at_ns:
                at, text = marks.popleft()
                yield {"at": at, "mark": text}
            line: dict[str, Any] = {"at": chunk.at_ns, "hex": chunk.data.hex()}
            if chunk.sent:
                yield line | {"sent": True}
            else:
                first = {} if chunk.first_ns is None else {"first": chunk.first_ns}
                yield line | first | {"sent": False, "faults": chunk.faults}
        yield from ({"at": at, "mark": text} for at, text in marks)

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.to_jsonl().encode()).hexdigest()

    def to_pcapng(self) -> bytes:
        """Return the frames for Wireshark; `simulators/mbus.lua` reads them."""
        file = io.BytesIO()
        writer = pcapng.Writer(file, "meterbench hil")
        interface = writer.interface(pcapng.LINKTYPE_USER0, self.bus)
        for exchange in self.exchanges():
            request, answers = exchange.request, exchange.answers
            end = self.epoch_ns + self.request_end_ns(request)
            writer.packet(interface, end, request.data, outbound=True, comment="gateway")
            if answers:
                at = self.epoch_ns + answers[-1].at_ns
                writer.packet(interface, at, exchange.answer, outbound=False, comment="bus")
        return file.getvalue()

    # --- Reading it ---------------------------------------------------------------------------

    def request_end_ns(self, request: Chunk) -> int:
        """When the last stop bit of a request had left, computed from the format."""
        return request.at_ns + self.line_format.characters_ns(len(request.data))

    def exchanges(self) -> Iterator[Exchange]:
        """Yield every request with what came behind it; what came before any is left out."""
        request: Chunk | None = None
        answers: list[Chunk] = []
        for chunk in self.chunks:
            if not chunk.sent:
                answers.append(chunk)
                continue
            if request is not None:
                yield Exchange(request, tuple(answers))
            request, answers = chunk, []
        if request is not None:
            yield Exchange(request, tuple(answers))


def load(text: str, source: str) -> Recording:
    """Read a recording; raises RecordingError with the line of the first mistake."""
    lines = text.splitlines()
    if not lines:
        raise RecordingError(f"{source}:1: expected a recording, got an empty file")
    recording = _head(lines[0], source)
    before = None
    for number, line in enumerate(lines[1:], 2):
        found = _object(line, f"{source}:{number}")
        if "mark" in found:
            recording.marks.append(_mark(found, f"{source}:{number}"))
            continue
        chunk = _chunk(found, f"{source}:{number}")
        if before is not None and chunk.at_ns < before:
            raise RecordingError(f"{source}:{number}: at: {chunk.at_ns} lies before {before}")
        before = chunk.at_ns
        recording.chunks.append(chunk)
    return recording


def _head(line: str, source: str) -> Recording:
    head = _object(line, f"{source}:1")
    if head.get("recording") != VERSION:
        got = head.get("recording")
        raise RecordingError(f"{source}:1: expected a recording of version {VERSION}, got {got!r}")
    try:
        data_bits, parity, stop_bits = head["format"]
        form = LineFormat(int(head["baudrate"]), int(data_bits), Parity(parity), int(stop_bits))
        if form.baudrate <= 0:
            raise ValueError(f"a bit rate is above 0, got {form.baudrate}")
        return Recording(
            bus=str(head["bus"]),
            line_format=form,
            epoch_ns=int(head["epoch_ns"]),
            tolerance_ns=int(head["tolerance_ns"]),
            clock_ns=int(head["clock_ns"]),
            facts={str(key): str(value) for key, value in dict(head["facts"]).items()},
            settings={str(key): str(value) for key, value in dict(head["settings"]).items()},
            unit_loads=int(head["unit_loads"]),
            dropped=int(head["dropped"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{source}:1: {error!r}") from error


def _mark(found: dict[str, Any], where: str) -> tuple[int, str]:
    try:
        return int(found["at"]), str(found["mark"])
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{where}: {error!r}") from error


def _chunk(found: dict[str, Any], where: str) -> Chunk:
    try:
        faults = found.get("faults")
        first = found.get("first")
        return Chunk(
            at_ns=int(found["at"]),
            sent=bool(found["sent"]),
            data=bytes.fromhex(found["hex"]),
            faults=None if faults is None else tuple((int(i), int(f)) for i, f in faults),
            first_ns=None if first is None else int(first),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{where}: {error!r}") from error


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise RecordingError(f"{where}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise RecordingError(f"{where}: expected an object, got {type(found).__name__}")
    return found
