"""Faults at work: those that a meter has now, and what they do to its records and frames."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from simulators import faults as kinds
from simulators.application import Spoiler, Spoilt
from simulators.encoding import TEXT_LENGTH_MAX
from simulators.encoding import text as encoded_text
from simulators.frames import LONG_START
from simulators.profile import CODINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.faults import Fault
    from simulators.profile import CompiledRecord

F = TypeVar("F", bound="Fault")

#: A quiet NaN as most chips write it, least significant character first.
_NAN: Final = b"\x00\x00\xc0\x7f"
_BCD_PREFIX: Final = "bcd"
_INTEGER_PREFIX: Final = "int"


@dataclass(slots=True)
class _Active:
    """One fault: since when, what is left of its times, and its own chance."""

    fault: Fault
    since_ns: int
    rng: random.Random
    left: int | None


class Faults:
    """The faults that a meter has now, one of each kind; `key` names the meter."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._active: dict[type[Fault], _Active] = {}
        self._spoilers: list[Spoiler] = []

    def __bool__(self) -> bool:
        return bool(self._active)

    def names(self) -> list[str]:
        """The names of the faults that there are, in the order of the table."""
        return [name for name, kind in kinds.FAULTS.items() if kind in self._active]

    def begin(self, fault: Fault, now_ns: int) -> None:
        """Have `fault` from now on, in place of one of the same kind."""
        name = kinds.name_of(fault)
        rng = random.Random(f"{self._key}/fault({name})")
        left = getattr(fault, "times", None)
        self._active[type(fault)] = _Active(fault, now_ns, rng, left)
        self._spoilers = _spoilers(self._active)

    def end(self, kind: type[Fault]) -> None:
        """Be rid of a fault, if it is there."""
        self._active.pop(kind, None)
        self._spoilers = _spoilers(self._active)

    def get(self, kind: type[F]) -> F | None:
        """The fault of that kind, if the meter has it."""
        active = self._active.get(kind)
        return active.fault if active is not None else None  # type: ignore[return-value]

    def strikes(self, kind: type[F]) -> F | None:
        """The fault if it shows this time; uses up one of its times."""
        active = self._active.get(kind)
        if active is None or active.left == 0:
            return None
        share = getattr(active.fault, "share", 1.0)
        if share < 1 and active.rng.random() >= share:
            return None
        if active.left is not None:
            active.left -= 1
        return active.fault  # type: ignore[return-value]

    def draw(self, kind: type[Fault]) -> random.Random:
        """The generator of a fault that is there."""
        return self._active[kind].rng

    @property
    def spoilers(self) -> Sequence[Spoiler]:
        """What the faults of values do to records."""
        return self._spoilers


# --- Values -----------------------------------------------------------------------------------


def _spoilers(active: dict[type[Fault], _Active]) -> list[Spoiler]:
    """One function for each fault of values."""
    found = list[Spoiler]()
    for one in active.values():
        if isinstance(one.fault, kinds.Backwards):
            found.append(_backwards(one.fault, one.since_ns))
        elif isinstance(one.fault, kinds.Overflow):
            found.append(_overflow(one.fault))
        elif isinstance(one.fault, kinds.NotANumber):
            found.append(_not_a_number(one.fault))
        elif isinstance(one.fault, kinds.Markup):
            found.append(_markup(one.fault))
    return found


def _meant(fault: kinds.OnRecord, record: CompiledRecord, coding: str) -> bool:
    """Whether `fault` is about `record`, which must have a coding of that kind."""
    own = record.record.coding or ""
    return own.startswith(coding) and fault.record in {None, record.index}


def _backwards(fault: kinds.Backwards, since_ns: int) -> Spoiler:
    def spoil(record: CompiledRecord, ns: int, _room: int) -> Spoilt | None:
        coding = record.record.coding
        if coding is None or CODINGS[coding].kind != "number" or not _meant(fault, record, ""):
            return None
        shown = max(0, since_ns - (ns - since_ns) * fault.factor)
        return Spoilt(record.characters(shown), record.reading(shown, None))

    return spoil


def _overflow(fault: kinds.Overflow) -> Spoiler:
    def spoil(record: CompiledRecord, ns: int, _room: int) -> Spoilt | None:
        data = record.characters(ns)
        number = record.record.coding or ""
        reading = record.reading(ns, None)
        if _meant(fault, record, _BCD_PREFIX) and fault.how == "marked":
            marked = data[:-1] + bytes((0xA0 | data[-1] & 0x0F,))
            return Spoilt(marked, reading and reading._replace(kind="no data", integer=None))
        if _meant(fault, record, _INTEGER_PREFIX) and fault.how == "marked":
            return _number(record, ns, (1 << 8 * len(data) - 1) - 1)
        if number.startswith((_BCD_PREFIX, _INTEGER_PREFIX)) and _meant(fault, record, ""):
            value = record.number(ns)
            return _number(record, ns, value % 10)
        return None

    return spoil


def _number(record: CompiledRecord, ns: int, value: int) -> Spoilt:
    """A record that shows another whole number than its own."""
    reading = record.reading(ns, None)
    coding = CODINGS[record.record.coding or ""]
    return Spoilt(coding.encode(value), reading and reading._replace(integer=value))


def _not_a_number(fault: kinds.NotANumber) -> Spoiler:
    def spoil(record: CompiledRecord, ns: int, _room: int) -> Spoilt | None:
        if not _meant(fault, record, "real32"):
            return None
        reading = record.reading(ns, None)
        return Spoilt(_NAN, reading and reading._replace(kind="no data", integer=None))

    return spoil


def _markup(fault: kinds.Markup) -> Spoiler:
    def spoil(record: CompiledRecord, ns: int, room: int) -> Spoilt | None:
        if not _meant(fault, record, "text"):
            return None
        length = min(len(record.characters(ns)) - 1 + room, TEXT_LENGTH_MAX)
        text = fault.text[: max(0, length)]
        reading = record.reading(ns, None)
        return Spoilt(encoded_text(text), reading and reading._replace(text=text))

    return spoil


# --- Frames -----------------------------------------------------------------------------------


class Damaged(NamedTuple):
    """A frame as it goes onto the line; `parity` are the characters with a wrong parity bit."""

    data: bytes
    parity: Sequence[int] = ()


def damaged(data: bytes, faults: Faults) -> Damaged:
    """What the faults make of an answer."""
    if data[:1] == bytes((LONG_START,)):
        data = _long_damaged(bytearray(data), faults)
    if stray := faults.strikes(kinds.StrayByte):
        data = bytes((stray.byte,)) + data
    if truncated := faults.strikes(kinds.Truncated):
        data = data[: truncated.characters]
    if parity := faults.strikes(kinds.BadParity):
        return Damaged(data, range(len(data)) if parity.index is None else (parity.index,))
    return Damaged(data)


def _long_damaged(frame: bytearray, faults: Faults) -> bytes:
    """Faults that only a frame with length and checksum can have."""
    if checksum := faults.strikes(kinds.BadChecksum):
        frame[-2] = (frame[-2] + checksum.by) & 0xFF
    if length := faults.strikes(kinds.BadLength):
        for place in (1, 2) if length.both else (1,):
            frame[place] = (frame[place] + length.by) & 0xFF
    if start := faults.strikes(kinds.BadStart):
        frame[0] = start.byte
    if stop := faults.strikes(kinds.BadStop):
        frame[-1] = stop.byte
    return bytes(frame)
