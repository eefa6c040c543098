"""Identification numbers and primary addresses of the meters of an entry: rules and what they give.

How numbers lie decides how hard a search is, so a population says it: drawn evenly, in a row as
from one delivery, in batches with gaps as from several, with the same first digits as from one
maker, or with digits A to F. Whatever is drawn depends on the meter's own id or on its entry's,
never on how many meters there are: one more at the end shifts nothing, and one more in between
shifts only a number that it happens to have drawn as well.
"""

from __future__ import annotations

import random
import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from simulators.document import did_you_mean
from simulators.frames import PRIMARY_ADDRESS_MAX

IDENTIFICATION_NUMBER_MAX: Final = 99_999_999
DIGITS: Final = 8
BATCHES_DEFAULT: Final = 4
BATCHES_MAX: Final = 100
GAP_MAX: Final = 1000

_DECIMAL: Final = "0123456789"
_LETTERS: Final = "ABCDEF"
_HEX_NUMBER: Final = re.compile(r"[0-9A-Fa-f]{8}")
_PATTERN: Final = re.compile(
    r"\s*(?:(?P<base>\d+)\s*\+\s*)?(?:(?P<step>\d+)\s*\*\s*)?i(?:\s*\+\s*(?P<after>\d+))?\s*"
)
_WORDS: Final = ("random", "sequential", "batches", "hex")
_ADDRESS_WORDS: Final = ("random", "last digits")


class NumberPattern(BaseModel):
    """How drawn identification numbers lie.

    `pattern` "random": anywhere; "hex": anywhere, with at least one digit A to F; "sequential": in
    a row; "batches": in so many rows with gaps between `gap` [smallest, largest], the meters dealt
    out to them in turn. `prefix` are the first digits of all of them.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    pattern: Literal["random", "sequential", "batches", "hex"] = "random"
    prefix: str = Field(default="", pattern=r"^[0-9A-F]{0,7}$")
    batches: int = Field(default=BATCHES_DEFAULT, ge=1, le=BATCHES_MAX)
    gap: list[Annotated[int, Field(ge=1, le=GAP_MAX)]] = Field(
        default=[1, 5], min_length=2, max_length=2
    )

    @model_validator(mode="after")
    def _gap_upwards(self) -> NumberPattern:
        if self.gap[0] > self.gap[1]:
            msg = f"gap: want [smallest, largest], got {self.gap}"
            raise ValueError(msg)
        return self

    @property
    def capacity(self) -> int:
        """Numbers that the free digits can say."""
        return int((16 if self.pattern == "hex" else 10) ** (DIGITS - len(self.prefix)))


def _parsed_pattern(text: str) -> tuple[int, int] | None:
    """Base and step of ``"10000001 + 3 * i"`` or ``"i + 1"``; None if it is no such pattern."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    return int(match["base"] or 0) + int(match["after"] or 0), int(match["step"] or 1)


def _number_rule(value: object) -> object:
    """An identification number, or a rule that gives each meter of an entry its own."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= IDENTIFICATION_NUMBER_MAX:
            return value
    elif isinstance(value, str):
        if value in _WORDS or _HEX_NUMBER.fullmatch(value) or _parsed_pattern(value):
            return value
        if value.isascii() and value.isdigit() and len(value) < DIGITS:
            return value
    msg = (
        "want up to 8 digits (hex digits in quotes), a pattern such as '10000001 + i', one of "
        f"{', '.join(_WORDS)} or a mapping, got {value!r}{did_you_mean(str(value), _WORDS)}"
    )
    raise ValueError(msg)


def _address_rule(value: object) -> object:
    """A primary address, a pattern or a word."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= PRIMARY_ADDRESS_MAX:
            return value
    elif isinstance(value, str) and (value in _ADDRESS_WORDS or _parsed_pattern(value)):
        return value
    msg = (
        f"want 0 to {PRIMARY_ADDRESS_MAX}, a pattern such as 'i + 1', or one of "
        f"{', '.join(_ADDRESS_WORDS)}, got {value!r}{did_you_mean(str(value), _ADDRESS_WORDS)}"
    )
    raise ValueError(msg)


def _branch(value: object) -> str:
    return "pattern" if isinstance(value, dict | NumberPattern) else "number"


NumberRule = Annotated[
    Annotated[NumberPattern, Tag("pattern")]
    | Annotated[
        Any,
        BeforeValidator(_number_rule),
        WithJsonSchema({"type": ["integer", "string"]}),
        Tag("number"),
    ],
    Discriminator(_branch),
]
AddressRule = Annotated[
    int | str, BeforeValidator(_address_rule), WithJsonSchema({"type": ["integer", "string"]})
]


def check(numbers: int | str | NumberPattern, addresses: int | str, count: int) -> None:
    """Refuse (ValueError) rules that cannot give `count` meters what they want."""
    if isinstance(numbers, NumberPattern) and numbers.capacity < count:
        free = DIGITS - len(numbers.prefix)
        msg = f"identification_number: {free} free digits are not enough for {count} meters"
        raise ValueError(msg)
    for i in (0, count - 1):
        literal_number(numbers, i)
        literal_address(addresses, i)


def literal_number(rule: int | str | NumberPattern, i: int) -> str | None:
    """The identification number that `rule` says for meter `i`; None where it is to be drawn."""
    if isinstance(rule, NumberPattern) or rule in _WORDS:
        return None
    if isinstance(rule, str):
        pattern = _parsed_pattern(rule)
        if pattern is None:
            return rule.upper().rjust(DIGITS, "0")
        rule = pattern[0] + pattern[1] * i
    if rule > IDENTIFICATION_NUMBER_MAX:
        msg = f"identification_number: meter {i} would have {rule}, more than 8 digits"
        raise ValueError(msg)
    return f"{rule:08d}"


def literal_address(rule: int | str, i: int) -> int | None:
    """The primary address that `rule` says for meter `i`; None where a word stands for it."""
    if isinstance(rule, str):
        if rule in _ADDRESS_WORDS:
            return None
        base, step = _parsed_pattern(rule) or (0, 0)
        rule = base + step * i
    if rule > PRIMARY_ADDRESS_MAX:
        msg = f"primary_address: meter {i} would have {rule}, more than {PRIMARY_ADDRESS_MAX}"
        raise ValueError(msg)
    return rule


class Numbering:
    """The numbers and addresses of the meters of one population, each entry by its rules.

    A number that is drawn differs from all before it, and a drawn address too as long as there are
    free ones; literal ones are what the file says, twice if it says so.
    """

    def __init__(self) -> None:
        self._numbers: set[str] = set()
        self._addresses: set[int] = set()
        self._rows: dict[tuple[str, int], list[int]] = {}

    def number(self, rule: int | str | NumberPattern, i: int, key: str, entry_key: str) -> str:
        """The identification number of meter `i`; `key` names it, `entry_key` its entry.

        Raises ValueError where every number that the rule can give is taken.
        """
        number = literal_number(rule, i)
        if number is None:
            pattern = rule if isinstance(rule, NumberPattern) else _of_word(str(rule))
            if pattern.pattern in {"random", "hex"}:
                number = self._free(pattern, random.Random(f"{key}.identification_number"))
            else:
                number = self._in_a_row(pattern, i, entry_key)
        self._numbers.add(number)
        return number

    def address(self, rule: int | str, i: int, key: str, number: str) -> int:
        """The primary address of the meter that has `number`."""
        address = literal_address(rule, i)
        if address is None:
            address = self._drawn_address(key) if rule == "random" else _last_digits(number)
        self._addresses.add(address)
        return address

    def _free(self, pattern: NumberPattern, rng: random.Random) -> str:
        """A number drawn; one that is taken gives way to the next free one above it."""
        first = rng.randrange(pattern.capacity)
        for step in range(pattern.capacity):
            number = _digits(pattern, (first + step) % pattern.capacity, rng)
            if number not in self._numbers:
                return number
        msg = f"every identification number with the first digits {pattern.prefix!r} is taken"
        raise ValueError(msg)

    def _in_a_row(self, pattern: NumberPattern, i: int, entry_key: str) -> str:
        """The number of meter `i` in its row; rows go round at the end of the digits."""
        rows = pattern.batches if pattern.pattern == "batches" else 1
        row, place = i % rows, i // rows
        rng = random.Random(f"{entry_key}.identification_number/{row}")
        numbers = self._rows.setdefault((entry_key, row), [rng.randrange(pattern.capacity)])
        if place >= len(numbers):
            # Meters come in order, so at most one number is missing; its gap is drawn by its place.
            rng = random.Random(f"{entry_key}.identification_number/{row}/{place}")
            gap = rng.randint(*pattern.gap) if pattern.pattern == "batches" else 1
            numbers.append((numbers[-1] + gap) % pattern.capacity)
        return f"{pattern.prefix}{numbers[place]:0{DIGITS - len(pattern.prefix)}d}"

    def _drawn_address(self, key: str) -> int:
        first = random.Random(f"{key}.primary_address").randrange(PRIMARY_ADDRESS_MAX)
        order = ((first + step) % PRIMARY_ADDRESS_MAX + 1 for step in range(PRIMARY_ADDRESS_MAX))
        return next((item for item in order if item not in self._addresses), first + 1)


def _of_word(word: str) -> NumberPattern:
    """The pattern that a single word stands for."""
    return NumberPattern.model_validate({"pattern": word})


def _digits(pattern: NumberPattern, value: int, rng: random.Random) -> str:
    """The number with `value` in its free digits."""
    free = DIGITS - len(pattern.prefix)
    if pattern.pattern != "hex":
        return f"{pattern.prefix}{value:0{free}d}"
    digits = f"{value:0{free}X}"
    if not set(pattern.prefix + digits) & set(_LETTERS):
        # The pattern promises one, so that a search through 0 to 9 alone cannot find the meter.
        place = rng.randrange(free)
        digits = digits[:place] + rng.choice(_LETTERS) + digits[place + 1 :]
    return pattern.prefix + digits


def _last_digits(number: str) -> int:
    """What installers do: the last two digits of the number, 0 where they are no digits."""
    last = number[-2:]
    return int(last) if set(last) <= set(_DECIMAL) else 0
