"""Durations as a person writes them ("250 ms", "1.5 s", "40 min"), as whole nanoseconds.

A duration is exact or refused: it goes through `fractions.Fraction`, never through a float, so
that "0.1 s" is 100,000,000 ns and a third of a nanosecond is a mistake that is reported.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

NS_PER_S: Final = 1_000_000_000

#: Units with their length in ns, longest first: `show` takes the first that divides a duration.
UNITS: Final[dict[str, int]] = {
    "d": 86_400 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "min": 60 * NS_PER_S,
    "s": NS_PER_S,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}

#: The longest duration that is taken for meant: ten years, far below 2**63 ns.
LONGEST_NS: Final = 3_650 * UNITS["d"]

#: What the error text of a malformed duration asks for.
WANT: Final = "want a duration such as '250 ms', '5 s', '40 min'"

_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(d|h|min|s|ms|us|µs|ns)\s*")
_RATE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(d|h|min|s)\s*")


class DurationError(ValueError):
    """The text is no duration; the message says what is wanted."""


def parse(text: str) -> int:
    """Return the duration `text` in ns, 0 or more.

    Raises DurationError for anything but a decimal number with a unit, for a part of a
    nanosecond, and for more than `LONGEST_NS`.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise DurationError(WANT)
    number, unit = match.groups()
    length = Fraction(number) * UNITS["us" if unit == "µs" else unit]
    if length.denominator != 1:
        raise DurationError("want a duration of whole nanoseconds")
    if length > LONGEST_NS:
        raise DurationError(f"want a duration of at most {show(LONGEST_NS)}")
    return int(length)


def parse_rate(text: str) -> int:
    """Return the period in ns (rounded down) of a rate such as "200 /s" or "2 /min".

    Raises DurationError where `text` is no rate, or one above a thousand million a second.
    """
    match = _RATE.fullmatch(text)
    if match is None or Fraction(match[1]) == 0:
        raise DurationError("want a rate such as '10 /s', '2 /min'")
    period = int(UNITS[match[2]] / Fraction(match[1]))
    if period == 0:
        raise DurationError("want a rate of at most 1000000000 /s")
    return period


def show(length_ns: int) -> str:
    """Write a duration in the longest unit that holds it exactly: 90 s, not 1.5 min."""
    for unit, size in UNITS.items():
        if length_ns and length_ns % size == 0:
            return f"{length_ns // size} {unit}"
    return "0 s"


def show_time(at_ns: int) -> str:
    """Write a moment of a run in seconds with the decimals that it has: 12.345 s."""
    seconds, rest = divmod(abs(at_ns), NS_PER_S)
    decimals = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{'-' if at_ns < 0 else ''}{seconds}{decimals} s"
