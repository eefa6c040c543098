"""M1: telegrams decoded per second on one core, to records with value and unit.

Inside the timed region every record has its integer, scale, unit and value as text. Figures are
telegrams per CPU second over the telegrams that all contestants read, so all do the same work.
"""

from __future__ import annotations

import random
from statistics import mean, median
from typing import TYPE_CHECKING, Any, Final

from benchmarks import corpus
from benchmarks.method import Effort, in_turn, per_cpu_second, ratio, short, spread
from benchmarks.table import Row, missing
from gateway.mbus.plan import forget_plans
from gateway.mbus.record import forget_codings
from gateway.mbus.telegram import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: Variants of every telegram for "read again": each pass sees values that it has not seen before.
VARIANTS: Final = 32

COLD: Final = "ours, cold"
FIRST: Final = "ours, first sight"
AGAIN: Final = "ours, read again"
PYTHON: Final = "pyMeterBus"
RUST: Final = "pymbusparser"


def read_out(frame: bytes) -> list[tuple[int | None, int, int, str | None]]:
    """Decode one telegram and ask every record for what a register and a person get of it."""
    return [
        (record.integer, record.scale, record.unit, record.value)
        for record in decode(frame).records
    ]


def forget() -> None:
    """Empty the memory of codings and plans, as in a process that has just started."""
    forget_codings()
    forget_plans()


def _read_cold(frame: bytes) -> None:
    forget()
    read_out(frame)


def _read_at_first_sight(frame: bytes) -> None:
    """Read a telegram whose codings are known and whose structure is not."""
    forget_plans()
    read_out(frame)


def peers() -> dict[str, Callable[[bytes], Any]]:
    """The other decoders that are installed: telegram in, records with value and unit out."""
    found: dict[str, Callable[[bytes], Any]] = {}
    try:
        import meterbus
    except ImportError:
        pass
    else:
        found[PYTHON] = lambda frame: meterbus.load(frame).interpreted
    try:
        import pymbusparser
    except ImportError:
        pass
    else:
        found[RUST] = lambda frame: pymbusparser.parse(frame.hex())
    return found


def readable(frames: Sequence[bytes], decoders: Sequence[Callable[[bytes], Any]]) -> list[bytes]:
    """The telegrams that each of `decoders` takes without an error, as ours takes all of them."""
    return [frame for frame in frames if all(_takes(decoder, frame) for decoder in decoders)]


def _takes(decoder: Callable[[bytes], Any], frame: bytes) -> bool:
    try:
        decoder(frame)
    except Exception:
        return False
    return True


def _contestant(
    decoder: Callable[[bytes], Any], passes: Sequence[Sequence[bytes]], effort: Effort
) -> Callable[[], float]:
    turn = iter(_endless(passes))

    def work() -> int:
        frames = next(turn)
        for frame in frames:
            decoder(frame)
        return len(frames)

    return lambda: per_cpu_second(work, at_least_s=effort.turn_s)


def _endless(passes: Sequence[Sequence[bytes]]) -> Iterator[Sequence[bytes]]:
    while True:
        yield from passes


def measure(effort: Effort) -> Iterator[Row]:
    """The lines of M1."""
    frames = corpus.telegrams()
    if not frames and not effort.quick:
        yield missing("M1", "telegrams decoded", corpus.NEEDED)
        return
    others = peers()
    frames = readable(frames or [corpus.SAMPLE], list(others.values()))
    rng = random.Random("M1")
    variants = [
        [corpus.with_other_values(frame, rng) for frame in frames]
        for _ in range(2 if effort.quick else VARIANTS)
    ]
    contestants = {
        COLD: _contestant(_read_cold, [frames], effort),
        FIRST: _contestant(_read_at_first_sight, [frames], effort),
        AGAIN: _contestant(read_out, variants, effort),
    }
    for name, decoder in others.items():
        contestants[name] = _contestant(decoder, [frames], effort)
    figures = in_turn(contestants, rounds=effort.rounds)
    size = (
        f"{len(frames)} telegrams that all read, mean {mean(map(len, frames)):.0f} B, "
        f"{mean(len(decode(frame).records) for frame in frames):.1f} records"
    )
    yield _row(figures, COLD, RUST, "≥ 1.0", 1.0, size)
    yield _row(figures, FIRST, PYTHON, "≥ 20", 20.0, "codings known, every record read")
    yield _row(figures, AGAIN, PYTHON, "≥ 30", 30.0, "all data bytes and the access number changed")
    yield _row(figures, AGAIN, RUST, "", None, "for information")


def _row(
    figures: dict[str, list[float]],
    contestant: str,
    peer: str,
    goal: str,
    at_least: float | None,
    note: str,
) -> Row:
    ours = figures[contestant]
    what = f"decode, {contestant.removeprefix('ours, ')}"
    told = f"{short(median(ours))} /s {spread(ours)}"
    if peer not in figures:
        note = f"{note}; peer not installed: pip install {peer.lower()}"
        return Row("M1", what, told, peer, "", goal and f"{goal} × {peer}", None, note)
    theirs = figures[peer]
    by = ratio(ours, theirs)
    return Row(
        "M1",
        what,
        told,
        f"{peer} {short(median(theirs))} /s",
        f"{by} ×",
        goal and f"{goal} × {peer}",
        None if at_least is None else by.median >= at_least,
        note,
        {"ours": median(ours), "peer": median(theirs), "ratio": by.median},
    )
