"""A picture of slaves that collide, drawn from the line's own bits as SVG.

Nothing here knows what comes out: the curves are the transmissions as the line model has them, the
dots are where its receiver samples, the characters below are those that it hears.
"""

from __future__ import annotations

import sys
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from simulators.characters import Fault, Format, Transmission, receive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BIT_WIDTH: Final = 36
_LEFT: Final = 150
_TOP: Final = 46
_ROW: Final = 74
_HEIGHT: Final = 36
_FONT: Final = "font-family='sans-serif' font-size='13'"
#: Steps per bit: every offset drawn is a multiple of it.
STEPS: Final = 8

_NAMES: Final = ("start", "0", "1", "2", "3", "4", "5", "6", "7", "parity", "stop")


class _Curve(NamedTuple):
    """One row: its label, colour, and level at each step (0 is space)."""

    label: str
    colour: str
    levels: Sequence[int]


def collision(first: int, second: int, offset_steps: int) -> str:
    """Two slaves that send one character each, the second `offset_steps` eighths of a bit later.

    The picture has a row for each slave, one for the line, where a space of either wins, and the
    characters that a receiver makes of it.
    """
    form = Format(2400)
    step = form.bit_ticks // STEPS
    one = Transmission("A", bytes((first,)), 0, form)
    two = Transmission("B", bytes((second,)), offset_steps * step, form)
    heard = receive([one, two], form)
    end = max([one.end, two.end, *(item.end for item in heard)]) // step + 2 * STEPS
    times = [place * step + step // 2 for place in range(-STEPS, end)]
    levels = [[_level(sender, at) for at in times] for sender in (one, two)]
    line = [min(pair) for pair in zip(*levels, strict=True)]
    curves = [
        _Curve(f"slave A sends {first:02X}", "#1f6f8b", levels[0]),
        _Curve(f"slave B sends {second:02X}", "#8b5a1f", levels[1]),
        _Curve("the line", "#222222", line),
    ]
    width = _LEFT + len(times) * _BIT_WIDTH // STEPS + 20
    height = _TOP + len(curves) * _ROW + 70
    shift = offset_steps / STEPS

    def place(ticks: int) -> float:
        return _LEFT + (ticks / step + STEPS) * _BIT_WIDTH / STEPS

    size = f"width='{width}' height='{height}' viewBox='0 0 {width} {height}'"
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' aria-label='Collision'>",
        f"<rect width='{width}' height='{height}' fill='#ffffff'/>",
        _text(12, 24, f"Two slaves answer at once, {shift:g} bits apart: a space of either wins"),
    ]
    for number, curve in enumerate(curves):
        parts += _row(curve, _TOP + number * _ROW)
    for item in heard:
        parts += _samples(item.start, form, line, place, _TOP + 2 * _ROW)
        result = _result(item.byte, item.fault)
        parts.append(_text(place(item.start), _TOP + 3 * _ROW + 34, result))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _level(sender: Transmission, at: int) -> int:
    """What a slave says at a time: 1, mark, when it says nothing."""
    if not sender.start <= at < sender.end:
        return 1
    return sender.wave >> (at - sender.start) // sender.format.bit_ticks & 1


def _text(x: float, y: float, text: str, colour: str = "#222222") -> str:
    return f"<text x='{x:g}' y='{y:g}' {_FONT} fill='{colour}'>{escape(text)}</text>"


def _row(curve: _Curve, top: int) -> list[str]:
    """A label and the curve, high for mark and low for space."""
    width = _BIT_WIDTH / STEPS
    points, x = list[str](), float(_LEFT)
    for level in curve.levels:
        y = top + (0 if level else _HEIGHT)
        points += [f"{x:g},{y:g}", f"{x + width:g},{y:g}"]
        x += width
    look = f"fill='none' stroke='{curve.colour}' stroke-width='2'"
    return [
        _text(12, top + _HEIGHT / 2 + 5, curve.label, curve.colour),
        f"<polyline points='{' '.join(points)}' {look}/>",
    ]


def _samples(
    start: int, form: Format, line: Sequence[int], place: Callable[[int], float], top: int
) -> list[str]:
    """The middles of the bits at which a receiver samples, each with its name."""
    found = list[str]()
    for number, name in enumerate(_NAMES):
        at = start + number * form.bit_ticks + form.bit_ticks // 2
        index = at * STEPS // form.bit_ticks + STEPS
        level = line[min(index, len(line) - 1)]
        x, y = place(at), top + (0 if level else _HEIGHT)
        found.append(f"<circle cx='{x:g}' cy='{y:g}' r='4' fill='#b3261e'/>")
        found.append(
            f"<text x='{x:g}' y='{top + _HEIGHT + 20}' font-family='sans-serif' font-size='10' "
            f"text-anchor='middle' fill='#666666'>{name}</text>"
        )
    return found


def _result(byte: int, fault: Fault) -> str:
    """What the receiver reports of a character."""
    if not fault:
        return f"heard: {byte:02X}, parity and stop bit good"
    wrong = [name for flag, name in ((Fault.PARITY, "parity"), (Fault.FRAMING, "stop bit"))
             if flag in fault]  # fmt: skip
    return f"heard: {byte:02X}, {' and '.join(wrong)} wrong"


#: The picture of docs/bus.md: E5 and E5 two and a quarter bits apart read as a sound 85.
DOCUMENTED: Final = (0xE5, 0xE5, 18)


def main() -> None:
    """Print the picture of the documentation: ``python -m simulators.picture > collision.svg``."""
    sys.stdout.write(collision(*DOCUMENTED))


if __name__ == "__main__":
    main()
