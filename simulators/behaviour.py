"""How a kind of meter behaves beyond its records: the variants that real meters show.

One place for every key: a profile and an entry of a population both have a mapping `behaviour` with
these keys, and the entry's go before the profile's. Without any, a meter goes by the book.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from simulators import values
from simulators.characters import BAUDRATES
from simulators.electricity import LINE_OHM_MAX, SPACE_MA, SPACE_MA_MAX, SPACE_MA_MIN

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

#: Data of the fixed data structure: two counters of four characters.
FIXED_LENGTH: Final = 8


def _hexadecimal(value: object) -> object:
    if isinstance(value, bytes):
        return value
    try:
        if isinstance(value, str):
            return bytes.fromhex(value)
    except ValueError:
        pass
    msg = f"want hexadecimal characters in quotes, got {value!r}"
    raise ValueError(msg)


Hexadecimal = Annotated[bytes, BeforeValidator(_hexadecimal), WithJsonSchema({"type": "string"})]


def _rate(value: object) -> object:
    if value not in BAUDRATES:
        msg = f"want one of {', '.join(map(str, BAUDRATES))}, got {value!r}"
        raise ValueError(msg)
    return value


Baudrate = Annotated[int, BeforeValidator(_rate)]


class Behaviour(BaseModel):
    """The keys under `behaviour`.

    Link layer:

    - `fcb`: what the meter makes of the frame count bit. "by the book": a memory for its own
      address and one for 253, each with a bit for each direction (MBDOC48 p.27-30, 64). "shared":
      one bit for all addresses, and a repeated telegram carries fresh values (ABB A43). "ignored":
      every request gets the next telegram. "two telegrams": the bit itself picks, 1 the first.
      Without the key: ignored with one telegram, by the book with several.
    - `select`: "by the book" (C field 53 and 73, wildcards); "only 53", "only 73"; "full mask"
      (wildcards find nothing); "short mask" (0 to 8 characters but not 5, what is missing is wild,
      medium 00 matches too: Elvaco CMeX50); "none" (the meter knows no selection).
    - `enhanced_selection`: records behind the mask are compared with the meter's own, digit by
      digit with F as wildcard in BCD, character by character with FF in others (MBDOC48 p.69).
    - `fabrication_number`: eight digits for enhanced selection by 0C 78.
    - `deselect`: "by the book" (SND_NKE to 253, or a selection that does not match); "snd_nke" (any
      SND_NKE that reaches it); "power" (only a selection that does not match, and power loss).
    - `primary_while_selected`: false: under its primary address the meter is silent while selected.
    - `a_field`: "own", the primary address, or "253" in answers to 253 (MBDOC48 p.64).
    - `accepts_addresses`: whether 01 7A, 0C 79 and 07 79 are applied; acknowledged they always are.

    Line:

    - `baudrate`: the rate at power-up, that of the bus without it; `baudrates`: those that CI B8 to
      BF can set; any other is ignored without an answer. `baudrate_fallback`: without a valid frame
      for so long, back to the rate before (ABB A43: 30 s). `baudrate_kept`: the rate set survives
      power loss. `detects_baudrate`: answers at any rate of `baudrates` as it is asked.
    - `break_baudrate`: the rate to which a break of the master sends the meter back; 300 by the
      book (MBDOC48 p.56: after a collision, communication begins again at 300 Bd). Without it the
      rate stays, as a meter with one fixed rate has no other.
    - `parity`: E by the standard (MBDOC48 p.21); N is seen in meters behind converters.
    - `unit_loads`, `space_ma`, `line_ohm`: its mark current in unit loads of 1.5 mA, what it adds
      in space (11 to 20 mA), the resistance of its line. `battery`: keeps state without bus power.
    - `answer_shape`: how answer times spread over `answer_delay_bits`: "uniform", "normal" (about
      the middle, cut at the ends), "early" (mostly soon after the shortest). `slow_share` of the
      answers take `slow_bits` instead.
    - `boots_for`: deaf so long after power-up. `sleeps_after`: idle for so long, the meter sleeps;
      a frame wakes it within `wakes_in`, and what comes before that is lost (Kamstrup M-Bus
      modules need seconds between SND_NKE and REQ_UD2).

    Application layer:

    - `structure`: "variable" (CI 72), "fixed" (CI 73), "short header" (CI 7A), "no header" (CI 78).
      With "fixed" the records are the two counters with empty DIB and VIB, `medium_unit` the two
      characters before them, and bit 0 of `status` says BCD or binary.
    - `mode`: 1, or 2 for the most significant character first (CI 76, MBDOC48 p.31); selected by CI
      56 then instead of 52.
    - `more`: how further telegrams are announced: "1F"; "dfc" (1F and DFC set in the C field, 0F at
      the end of the last: Gossen); "none" (a master must know).
    - `subcodes`: high nibble of an application reset's subcode -> telegrams (from 1) sent from then
      on; the low nibble picks one of them, 0 means all (MBDOC48 p.31).
    - `readout_selection`: the master may choose records by selection DIFs (MBDOC48 p.48-50).
    - `unasked`: so many records of the first telegram are all that is sent until a Get-All (DIF 7F,
      MBDOC48 p.50) asks for the rest; an application reset or power loss ends that. Eastron meters
      do so (ioBroker.mbus #282).
    - `readouts_per_day`: more are refused: `exhausted` "error" (CI 70, code 9) or "silent".
    - `reports_errors`: CI fields and data not understood are answered by CI 70 at the next REQ_UD2
      (MBDOC48 p.53).
    - `configuration`: the two characters of configuration (signature) in the header.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    fcb: Literal["by the book", "shared", "ignored", "two telegrams"] | None = None
    select: Literal["by the book", "only 53", "only 73", "full mask", "short mask", "none"] = (
        "by the book"
    )
    enhanced_selection: bool = False
    fabrication_number: str | None = Field(default=None, pattern=r"^[0-9A-F]{8}$")
    deselect: Literal["by the book", "snd_nke", "power"] = "by the book"
    primary_while_selected: bool = True
    a_field: Literal["own", "253"] = "own"
    accepts_addresses: bool = True

    baudrate: Baudrate | None = None
    baudrates: list[Baudrate] = Field(default_factory=list)
    baudrate_fallback: values.Duration | None = None
    baudrate_kept: bool = False
    detects_baudrate: bool = False
    break_baudrate: Baudrate | None = None
    parity: Literal["E", "N", "O"] = "E"
    unit_loads: float = Field(default=1, ge=0, le=250)
    space_ma: float = Field(default=SPACE_MA, ge=SPACE_MA_MIN, le=SPACE_MA_MAX)
    line_ohm: float = Field(default=0, ge=0, le=10 * LINE_OHM_MAX)
    battery: bool = False
    answer_shape: Literal["uniform", "normal", "early"] = "uniform"
    slow_share: float = Field(default=0, ge=0, le=1)
    slow_bits: float = Field(default=1000, ge=11)
    boots_for: values.Duration = 0
    sleeps_after: values.Duration | None = None
    wakes_in: values.Duration = 0

    structure: Literal["variable", "fixed", "short header", "no header"] = "variable"
    medium_unit: Hexadecimal = Field(default=b"\x00\x00", min_length=2, max_length=2)
    mode: Literal[1, 2] = 1
    more: Literal["1F", "dfc", "none"] = "1F"
    subcodes: dict[int, list[int]] = Field(default_factory=dict)
    readout_selection: bool = False
    unasked: int | None = Field(default=None, ge=1)
    readouts_per_day: int | None = Field(default=None, ge=0)
    exhausted: Literal["error", "silent"] = "error"
    reports_errors: bool = False
    configuration: Hexadecimal = Field(default=b"\x00\x00", min_length=2, max_length=2)

    @model_validator(mode="after")
    def _sound(self) -> Behaviour:
        wrong = [code for code in self.subcodes if not 0 < code < 16]
        if wrong:
            msg = f"subcodes: want high nibbles from 1 to 15, got {wrong}"
            raise ValueError(msg)
        if self.detects_baudrate and not self.baudrates:
            msg = "detects_baudrate: want the rates under 'baudrates'"
            raise ValueError(msg)
        return self

    @property
    def patient(self) -> bool:
        """Whether it makes no difference when it acts on SND_NKE to 255: now, or when asked next.

        Whoever may be asleep, starts up slowly or counts the time since a valid frame is not.
        """
        return self.sleeps_after is None and not self.boots_for and self.baudrate_fallback is None

    def draw_delay(self, rng: random.Random, bits: tuple[float, float], bit: int) -> int:
        """How long an answer takes, of a range in bits, in the units of `bit`."""
        low, high = int(bits[0] * bit), int(bits[1] * bit)
        if self.slow_share and rng.random() < self.slow_share:
            return int(self.slow_bits * bit)
        if self.answer_shape == "uniform":
            return rng.randint(low, high)
        if self.answer_shape == "normal":
            # The ends are three standard deviations away.
            drawn = rng.gauss((low + high) / 2, (high - low) / 6)
        else:
            drawn = low + rng.expovariate(1.0) * (high - low) / 5
        return min(max(low, int(drawn)), high)

    def check(self, pages: int, lengths: list[int]) -> None:
        """Refuse (ValueError) what does not suit a meter with so many telegrams of such lengths."""
        if self.structure == "fixed" and lengths != [FIXED_LENGTH]:
            msg = f"a fixed data structure has two counters of 4 characters, got {lengths}"
            raise ValueError(msg)
        if self.fcb == "two telegrams" and pages != 2:
            msg = f"fcb: 'two telegrams' wants exactly 2, got {pages}"
            raise ValueError(msg)
        for code, chosen in self.subcodes.items():
            if not chosen or not all(0 < page <= pages for page in chosen):
                msg = f"subcodes: {code} wants telegrams from 1 to {pages}, got {chosen}"
                raise ValueError(msg)


#: A meter that goes by the book.
BY_THE_BOOK: Final = Behaviour()


def merged(own: Behaviour | None, inherited: Behaviour | None) -> Behaviour:
    """The entry's keys, before the profile's, before the book's."""
    found: Mapping[str, Any] = {}
    for source in (inherited, own):
        if source is not None:
            found = {**found, **{name: getattr(source, name) for name in source.model_fields_set}}
    return Behaviour.model_validate(found) if found else BY_THE_BOOK
