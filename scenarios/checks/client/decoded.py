"""What a client decoded, compared with what it was sent: every usual mistake has a name.

The author writes a JSON list of ``{"register": 20, "value": 4294967289000.0}``, one entry for
each value entry of the map (the register is that of the entry), scaled to its unit. A value that
is right for any moment of the watch is right; one that is none is tried against the mistakes.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulators.modbus.watch.image import Truth, truths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Relative difference up to which two numbers are the same: a unit of float32's last place.
TOLERANCE: Final = 2.0**-22
#: Values of one file.
VALUES_MAX: Final = 10_000


class ValuesError(ValueError):
    """A file of decoded values that cannot be used; the message names file and place."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One value as the client understood it."""

    register: int
    value: float


def load(path: Path) -> list[Decoded]:
    """Read a file of decoded values; raises `ValuesError`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValuesError(f"{path}: {error}") from error
    return parse(document, str(path))


def parse(document: Any, place: str) -> list[Decoded]:
    """Decoded values of a parsed JSON document; raises `ValuesError`, which begins with `place`."""
    if not isinstance(document, list) or len(document) > VALUES_MAX:
        raise ValuesError(f"{place}: expected a list of up to {VALUES_MAX} values")
    return [_decoded(entry, f"{place}: value {number}") for number, entry in enumerate(document, 1)]


def _decoded(entry: Any, place: str) -> Decoded:
    if not isinstance(entry, dict) or set(entry) != {"register", "value"}:
        raise ValuesError(f"{place}: expected the keys register and value, got {entry!r}")
    register, value = entry["register"], entry["value"]
    known = [truth.register for truth in truths(0)]
    if register not in known:
        raise ValuesError(f"{place}: expected a register of {known}, got {register!r}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValuesError(f"{place}: expected a number, got {value!r}")
    try:
        return Decoded(register, float(value))
    except OverflowError:
        raise ValuesError(f"{place}: expected a number that a double holds") from None


def judge(decoded: Sequence[Decoded], ticks: int) -> list[str]:
    """What is wrong with the values, in words; `ticks` is how many seconds were served."""
    findings = []
    for one in decoded:
        served = [
            t for tick in range(ticks + 1) for t in truths(tick) if t.register == one.register
        ]
        if not any(_same(one.value, truth.number) for truth in served):
            findings.append(f"value at {one.register}: {_named(one.value, served)}")
    return findings


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE)


def _named(value: float, served: Sequence[Truth]) -> str:
    for truth in served:
        for name, wrong in mistakes(truth):
            if _same(value, wrong):
                return f"{name} (read {value:g}, sent {truth.number:g})"
    return f"read {value:g}, never sent; the first that was sent is {served[0].number:g}"


def mistakes(truth: Truth) -> Iterator[tuple[str, float]]:
    """What a client gets by each usual mistake, with its name."""
    block = truth.block(0)
    integer, real = block[:8], block[8:12]
    factor = 10.0**truth.scale
    yield "integer taken without its scale", float(truth.integer)
    yield "scale taken as unsigned", _power(truth.integer, truth.scale & 0xFFFF)
    yield "scale with the wrong sign", truth.integer * 10.0**-truth.scale
    yield "scale applied to the float again", truth.number * factor
    for order, data in _orders(integer):
        (number,) = struct.unpack(">q", data)
        yield f"int64 read with {order}", number * factor
    for order, data in _orders(real):
        (number,) = struct.unpack(">f", data)
        if not math.isnan(number):
            yield f"float32 read with {order}", number
    (unsigned,) = struct.unpack(">Q", integer)
    high, low = struct.unpack(">iI", integer)
    (signed_low,) = struct.unpack(">i", integer[4:])
    yield "int64 taken as unsigned", unsigned * factor
    yield "only the lower 32 bits of the int64", low * factor
    yield "only the lower 32 bits of the int64, signed", signed_low * factor
    yield "only the upper 32 bits of the int64", high * factor
    yield "only the first register of the int64", (high >> 16) * factor
    yield "only the last register of the int64", (low & 0xFFFF) * factor
    yield "halves of the int64 of two moments", ((high - 1 << 32) + low) * factor
    yield "halves of the int64 of two moments", ((high + 1 << 32) + low) * factor
    yield "float32 taken as an integer", float(struct.unpack(">i", real)[0])
    yield "sign lost", -truth.number


def _orders(data: bytes) -> Iterator[tuple[str, bytes]]:
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    yield "words swapped", b"".join(reversed(words))
    yield "bytes swapped", b"".join(word[::-1] for word in words)
    yield "words and bytes swapped", data[::-1]
    if len(words) == 4:
        yield "halves swapped", data[4:] + data[:4]
        yield "words swapped in each half", b"".join(words[n] for n in (1, 0, 3, 2))


def _power(integer: int, exponent: int) -> float:
    try:
        return integer * 10.0**exponent
    except OverflowError:
        return math.copysign(math.inf, integer)
