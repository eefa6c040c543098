"""The fields of the standard layout as rules: which requirement each serves, and what it must hold.

Every row of the three tables below is one statement of the catalogue (REG-G, REG-M, REG-V). A
register that carries two statements, such as type and unit in +7, has a row for each, with a
mask. `judge` compares a block with what is wanted and gives one `Finding` a field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from reports.record import RegisterRow
from reports.verdict import Verdict
from scenarios.checks import float32
from simulators.modbus import layout, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.checks.expectation import ExpectedMeter, ValueNumbers

#: The statement that the order of values is that of the telegram.
ORDER: Final = "MET-09"

#: Register times below this (2000-01-01) mean that the gateway's clock was never set (C-64).
CLOCK_SET_S: Final = 946_684_800

_REGISTER_BITS: Final = 16


def hexadecimal(words: Sequence[int]) -> str:
    """Return registers as the manual prints them: four digits each."""
    return " ".join(f"{word:04X}" for word in words)


def time_shown(unix_s: int) -> str:
    """Return a register time for a reader: UTC, or what 0 stands for."""
    if unix_s == 0:
        return "0 (none)"
    shown = datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return shown if unix_s >= CLOCK_SET_S else f"{shown} (clock not set)"


def _signed_16(raw: int) -> str:
    return str(raw - (1 << 16) if raw >> 15 else raw)


def _signed_64(raw: int) -> str:
    return str(raw - (1 << 64) if raw >> 63 else raw)


def _register(raw: int) -> str:
    return f"{raw:04X}"


def _manufacturer(raw: int) -> str:
    letters = layout.MeterBlock(0, (0, 0, raw, 0, 0, 0, 0, 0, 0, 0)).manufacturer
    return f"{letters} ({raw:04X})"


def _version_medium(raw: int) -> str:
    medium = raw & 0xFF
    return f"version {raw >> 8}, medium {medium} ({tables.medium_name(medium)})"


def _unit(raw: int) -> str:
    return f"{raw} ({tables.unit_name(raw)})"


Show = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Field:
    """One statement about an entry: where it stands and how its number is shown.

    `mask` selects a part of a single register.
    """

    requirement: str
    name: str
    offset: int
    quantity: int
    show: Show = str
    mask: int | None = None

    def raw(self, block: layout.Block) -> int:
        """Return the field's bits as an unsigned number, masked and shifted down."""
        number = block.unsigned(self.offset, self.quantity)
        if self.mask is None:
            return number
        shift = (self.mask & -self.mask).bit_length() - 1
        return (number & self.mask) >> shift


# fmt: off
_G_SERIAL   = Field("REG-G.1", "serial number", 0, 2)
_G_PROTOCOL = Field("REG-G.2", "protocol version", 2, 1)
_G_SOFTWARE = Field("REG-G.3", "software version", 3, 1)
_G_TIME     = Field("REG-G.4", "time stamp", 4, 2, time_shown)
_G_RES_6    = Field("REG-G.5", "reserved", 6, 1)
_G_TYPE     = Field("REG-G.6", "type", 7, 1, mask=0xFF00)
_G_RES_7    = Field("REG-G.7", "reserved, lower byte", 7, 1, mask=0x00FF)
_G_RES_8    = Field("REG-G.8", "reserved", 8, 2)

_M_SERIAL   = Field("REG-M.1", "serial number", 0, 2)
_M_MAKER    = Field("REG-M.2", "manufacturer", 2, 1, _manufacturer)
_M_VERSION  = Field("REG-M.3", "version / medium", 3, 1, _version_medium)
_M_TIME     = Field("REG-M.4", "time stamp", 4, 2, time_shown)
_M_RES_6    = Field("REG-M.5", "reserved", 6, 1)
_M_TYPE     = Field("REG-M.6", "type", 7, 1, _register)
_M_UNREAD   = Field("REG-M.7", "flag: could not be read", 8, 1, mask=0x0001)
_M_STALE    = Field("REG-M.8", "flag: not all updated", 8, 1, mask=0x0002)
_M_RES_FLAG = Field("REG-M.9", "flags, reserved", 8, 1, mask=0xFFFC)
_M_RES_9    = Field("REG-M.10", "reserved", 9, 1)

_V_INTEGER  = Field("REG-V.1", "integer", 0, 4, _signed_64)
_V_FLOAT    = Field("REG-V.2", "float", 4, 2, float32.shown)
_V_SCALE    = Field("REG-V.3", "scale", 6, 1, _signed_16)
_V_TYPE     = Field("REG-V.4", "type", 7, 1, mask=0xFF00)
_V_UNIT     = Field("REG-V.5", "unit", 7, 1, _unit, mask=0x00FF)
_V_TIME     = Field("REG-V.6", "time stamp", 8, 2, time_shown)
# fmt: on


@dataclass(frozen=True, slots=True)
class Want:
    """What a field must hold: any of `allowed`, given as unsigned numbers.

    `span` widens a single number to both sides, for times. `allowed` None means that nothing is
    known to compare with.
    """

    field: Field
    allowed: frozenset[int] | None
    span: int = 0

    @property
    def shown(self) -> str:
        """The expectation for a reader."""
        if self.allowed is None:
            return "(not known)"
        text = " or ".join(self.field.show(raw) for raw in sorted(self.allowed))
        if not text:
            return "(no unit of that name)"
        return f"{text} ± {self.span} s" if self.span else text

    def verdict(self, raw: int) -> Verdict:
        """PASS or FAIL, NOT_APPLICABLE where there is nothing to compare with."""
        if self.allowed is None:
            return Verdict.NOT_APPLICABLE
        near = any(abs(raw - wanted) <= self.span for wanted in self.allowed)
        return Verdict.PASS if near else Verdict.FAIL


@dataclass(frozen=True, slots=True)
class Finding:
    """One field compared: the row of the register table and the line of a reason."""

    requirement: str
    block_address: int
    address: int
    entry: str
    field: str
    registers: tuple[int, ...]
    expected: str
    seen: str
    verdict: Verdict
    hint: str = ""
    source: str = ""

    @property
    def is_value(self) -> bool:
        """True for a field of a value entry."""
        return self.entry.startswith("value ")

    @property
    def place(self) -> str:
        """The registers it stands in, such as "24-25"."""
        last = self.address + max(len(self.registers), 1) - 1
        return str(self.address) if last == self.address else f"{self.address}-{last}"

    def sentence(self, who: str) -> str:
        """Return the finding as a line for people."""
        subject = who if self.entry in ("meter", "gateway") else f"{who}, {self.entry}"
        raw = f" ({hexadecimal(self.registers)})" if self.registers else ""
        sent = f", sent in {self.source}" if self.source else ""
        return (
            f"{subject}, register {self.place}, {self.field}: expected {self.expected}, "
            f"seen {self.seen}{raw}{self.hint}{sent}"
        )

    def row(self) -> RegisterRow:
        """Return the finding as a row of the report."""
        return RegisterRow(
            address=self.address,
            entry=self.entry,
            field=self.field,
            registers=self.registers,
            expected=self.expected,
            seen=self.seen + self.hint,
            requirement=self.requirement,
            verdict=self.verdict,
            source=self.source,
        )


def judge(
    block: layout.Block, entry: str, wants: Sequence[Want], source: str = ""
) -> list[Finding]:
    """Compare a block with what is wanted of it, field by field.

    `source` says where the meter sent what stands there.
    """
    return [_judge_field(block, entry, want, source) for want in wants]


def fits(block: layout.Block, want: ValueNumbers) -> bool:
    """Return whether a value block holds these numbers; text-like zeros fit nothing."""
    wants = value_wants(want)
    return any(block.registers) and all(
        one.verdict(one.field.raw(block)) is not Verdict.FAIL for one in wants
    )


def _judge_field(block: layout.Block, entry: str, want: Want, source: str = "") -> Finding:
    field = want.field
    raw = field.raw(block)
    verdict = want.verdict(raw)
    words = block.words(field.offset, field.quantity)
    return Finding(
        requirement=field.requirement,
        block_address=block.address,
        address=block.address + field.offset,
        entry=entry,
        field=field.name,
        registers=words,
        expected=want.shown,
        seen=field.show(raw),
        verdict=verdict,
        hint=_hint(words, want) if verdict is Verdict.FAIL else "",
        source=source,
    )


def _hint(words: tuple[int, ...], want: Want) -> str:
    """Name a mistake of order, by far the commonest of a Modbus map, where it explains all."""
    if len(words) < 2 or want.allowed is None:
        return ""
    swapped = tuple((word & 0xFF) << 8 | word >> 8 for word in words)
    for order, meaning in (
        (words[::-1], "the registers are in reverse order"),
        (swapped, "the bytes inside each register are exchanged"),
        (swapped[::-1], "all bytes are in reverse order"),
    ):
        if _number(order) in want.allowed:
            return f"; {meaning}"
    return ""


def _number(words: Sequence[int]) -> int:
    number = 0
    for word in words:
        number = number << _REGISTER_BITS | word
    return number


# --- What is wanted of each kind of entry -----------------------------------------------------


def _exactly(field: Field, number: int | None, span: int = 0) -> Want:
    return Want(field, None if number is None else frozenset({number}), span)


def gateway_wants(
    serial_number: int | None,
    software_version: int | None,
    last_readout_s: int | None,
    tolerance_s: int,
) -> list[Want]:
    """Return what registers 0-9 must hold (REG-G); None for what is not known."""
    return [
        _exactly(_G_SERIAL, serial_number),
        _exactly(_G_PROTOCOL, 1),
        _exactly(_G_SOFTWARE, software_version),
        _exactly(_G_TIME, last_readout_s, 0 if last_readout_s is None else tolerance_s),
        _exactly(_G_RES_6, 0),
        _exactly(_G_TYPE, layout.BlockType.GATEWAY),
        _exactly(_G_RES_7, 0),
        _exactly(_G_RES_8, 0),
    ]


def meter_wants(meter: ExpectedMeter) -> list[Want]:
    """Return what a meter entry must hold (REG-M) but its time, which `meter_time` judges."""
    return [
        _exactly(_M_SERIAL, meter.serial_number),
        _exactly(_M_MAKER, manufacturer_code(meter.manufacturer)),
        _exactly(_M_VERSION, meter.version << 8 | meter.medium),
        _exactly(_M_RES_6, 0),
        _exactly(_M_TYPE, layout.BlockType.METER << 8),
        _exactly(_M_UNREAD, meter.flags & 1),
        _exactly(_M_STALE, meter.flags >> 1 & 1),
        _exactly(_M_RES_FLAG, 0),
        _exactly(_M_RES_9, 0),
    ]


def value_wants(want: ValueNumbers) -> list[Want]:
    """Return what a value entry must hold (REG-V)."""
    return [
        _exactly(_V_INTEGER, want.integer % (1 << 64)),
        _exactly(_V_FLOAT, want.float_bits),
        _exactly(_V_SCALE, want.scale % (1 << 16)),
        _exactly(_V_TYPE, layout.BlockType.VALUE),
        Want(_V_UNIT, want.units),
        _exactly(_V_TIME, want.time_stamp),
    ]


def manufacturer_code(letters: str) -> int:
    """Return register +2 for three letters: five bits each, A being 1 (manual 6.2)."""
    code = 0
    for letter in letters:
        code = code << 5 | (ord(letter) - ord("A") + 1) & 0x1F
    return code


def meter_time(block: layout.MeterBlock, expected: str, verdict: Verdict) -> Finding:
    """Return the finding about registers +4-5 of a meter."""
    field = _M_TIME
    return Finding(
        requirement=field.requirement,
        block_address=block.address,
        address=block.address + field.offset,
        entry="meter",
        field=field.name,
        registers=block.words(field.offset, field.quantity),
        expected=expected,
        seen=field.show(field.raw(block)),
        verdict=verdict,
    )


def absent(address: int, entry: str, want: ValueNumbers) -> Finding:
    """Return the finding that an expected value entry is not there."""
    shown = _V_INTEGER.show(want.integer % (1 << 64))
    return Finding(
        requirement=ORDER,
        block_address=address,
        address=min(address, layout.LAST_ADDRESS),
        entry=entry,
        field="entry",
        registers=(),
        expected=f"integer {shown} × 10^{want.scale}",
        seen="no entry",
        verdict=Verdict.FAIL,
        source=want.source,
    )


def surplus(block: layout.ValueBlock, entry: str) -> Finding:
    """Return the finding that a value entry is there which the meter did not send."""
    return Finding(
        requirement=ORDER,
        block_address=block.address,
        address=block.address,
        entry=entry,
        field="entry",
        registers=block.registers,
        expected="no further value",
        seen=f"integer {block.integer} × 10^{block.scale}, unit {_unit(block.unit)}",
        verdict=Verdict.FAIL,
    )
