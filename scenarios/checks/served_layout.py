"""The register image of a gateway of which nothing is known: what must hold in any case.

Without the meters beside it no check can tell a wrong value from a right one, and none here does.
It tells whether the entries are well formed, whether both representations of every value agree,
whether reserved registers are 0, and whether two looks fit together. The register tables show
what was seen, each row INCONCLUSIVE: seen, and compared with nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

from reports.record import Case, Evidence, RegisterRow, RegisterTable
from reports.verdict import Verdict
from scenarios.checks import fields, float32
from scenarios.checks.conformance.functions import agrees
from scenarios.checks.conformance.judgement import judge
from simulators.modbus import layout, tables
from simulators.modbus.word_order import WordOrder, restored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scenarios.checks.expectation import ExpectedMeter

#: Registers that the manual reserves, as offset and mask of what must be 0 (manual 6.2).
_RESERVED: Final = {
    layout.GatewayBlock: ((6, 0xFFFF), (7, 0x00FF), (8, 0xFFFF), (9, 0xFFFF)),
    layout.MeterBlock: ((6, 0xFFFF), (7, 0x00FF), (8, 0xFFFC), (9, 0xFFFF)),
}
_RESERVED_IDS: Final = ("REG-G.5", "REG-G.7", "REG-G.8", "REG-M.5", "REG-M.9", "REG-M.10")
#: Blocks shown as evidence of one case.
_EVIDENCE_MAX: Final = 6


def is_standard(blocks: Sequence[layout.Block]) -> bool:
    """Whether the first entry is the gateway's, as in the standard layout and its swaps."""
    return bool(blocks) and isinstance(blocks[0], layout.GatewayBlock)


def word_order(blocks: Sequence[layout.Block]) -> WordOrder:
    """The order in which most values agree with themselves; the manual's own among equals."""

    def agreeing(order: WordOrder) -> int:
        values = (b for b in restored(blocks, order) if isinstance(b, layout.ValueBlock))
        return sum(agrees(block) for block in values)

    return max(WordOrder, key=agreeing)


#: Looks at the whole image that `check` wants.
LOOKS: Final = 3


def check(looks: Sequence[Sequence[layout.Block]]) -> list[Case]:
    """The cases of one gateway, from three looks at it, all in one word order (`restored`)."""
    everything = [block for look in looks for block in look]
    return [
        _entries(looks[0]),
        _representations(everything),
        _reserved(everything),
        _units(looks[0]),
        _flags(everything),
        _stable(*looks),
    ]


class FloatsOfMeter(Protocol):
    """A meter of the float-only layout; see `register_map.live`."""

    @property
    def unit_identifier(self) -> int:
        """Under which unit it is served."""
        ...

    @property
    def meter(self) -> layout.MeterBlock:
        """The meter's own entry."""
        ...

    @property
    def values(self) -> Sequence[tuple[int, float]]:
        """Address and float of each value."""
        ...


def floats(meters: Sequence[FloatsOfMeter]) -> Case:
    """Whether every value of the float-only layout is a number (C-10); which, nobody can tell."""
    judgement = judge(
        f"unit {found.unit_identifier}, register {address}: expected a number, seen {value}"
        for found in meters
        for address, value in found.values
        if not math.isfinite(value)
    )
    return Case(
        id="layout/floats",
        title="Every value of the float-only layout is a finite float32",
        requirements=("SRV-05", "REG-V.2"),
        verdict=judgement.verdict,
        reason=judgement.reason,
    )


def identities(blocks: Sequence[layout.Block], expected: Sequence[ExpectedMeter]) -> Case:
    """Whether the meters of the map are those of a population, by number, maker, kind."""
    seen = {
        (m.serial_number, m.manufacturer, m.version, m.medium): m
        for m in (group.meter for group in layout.group(blocks)[0])
    }
    wanted = {meter.identity: meter for meter in expected}
    findings = [
        f"register {block.address}: meter {block.serial_number} {block.manufacturer} version "
        f"{block.version} medium {block.medium} is not in the population"
        for identity, block in seen.items()
        if identity not in wanted
    ]
    findings += [
        f"meter {meter.name}: expected in the map, seen no such entry"
        for identity, meter in wanted.items()
        if identity not in seen
    ]
    judgement = judge(findings)
    return Case(
        id="layout/meters",
        title="The meters of the register map are those of the population",
        requirements=("SCAN-01",),
        verdict=judgement.verdict,
        reason=judgement.reason,
        evidence=tuple(_evidence(block) for block in list(seen.values())[:_EVIDENCE_MAX]),
    )


def _case(
    name: str,
    title: str,
    requirements: tuple[str, ...],
    findings: Sequence[tuple[layout.Block, str]],
) -> Case:
    judgement = judge(text for _, text in findings)
    return Case(
        id=f"layout/{name}",
        title=title,
        requirements=requirements,
        verdict=judgement.verdict,
        reason=judgement.reason,
        evidence=tuple(_evidence(block) for block, _ in findings[:_EVIDENCE_MAX]),
    )


def _evidence(block: layout.Block) -> Evidence:
    return Evidence(
        kind="register",
        where=f"registers {block.address}-{block.address + 9}",
        content=fields.hexadecimal(block.registers) or "(none)",
    )


def _entries(blocks: Sequence[layout.Block]) -> Case:
    findings: list[tuple[layout.Block, str]] = [
        (b, b.message) for b in blocks if isinstance(b, layout.MalformedBlock)
    ]
    _, others = layout.group(blocks)
    findings += [
        (b, f"register {b.address}: expected a meter entry before the value entry")
        for b in others
        if isinstance(b, layout.ValueBlock)
    ]
    title = "Every ten registers are an entry of manual 6.2, values behind their meter"
    return _case("entries", title, ("REG-G.6", "REG-M.6", "REG-V.4"), findings)


def _representations(blocks: Iterable[layout.Block]) -> Case:
    findings = [
        (
            b,
            f"register {b.address}: {value_text(b)}: the two differ",
        )
        for b in blocks
        if isinstance(b, layout.ValueBlock) and not agrees(b)
    ]
    title = "The float of every value is the float32 nearest to integer × 10^scale"
    return _case("representations", title, ("REG-V.2",), findings)


def _reserved(blocks: Iterable[layout.Block]) -> Case:
    findings = [
        (
            b,
            f"register {b.address + offset}: reserved bits {mask:04X} of {b.registers[offset]:04X}",
        )
        for b in blocks
        for offset, mask in _RESERVED.get(type(b), ())
        if b.registers[offset] & mask
    ]
    return _case("reserved", "Reserved registers and bits are 0", _RESERVED_IDS, findings)


def _units(blocks: Iterable[layout.Block]) -> Case:
    findings = [
        (b, f"register {b.address + 7}: expected a unit of manual 6.2, seen {b.unit}")
        for b in blocks
        if isinstance(b, layout.ValueBlock) and b.unit and b.unit not in tables.UNITS
    ]
    return _case("units", "Every unit is one of the manual's list", ("REG-V.5",), findings)


def _flags(blocks: Iterable[layout.Block]) -> Case:
    findings = [
        (b, f"register {b.address + 8}: could not be read, but all values updated: {b.flags:04X}")
        for b in blocks
        if isinstance(b, layout.MeterBlock) and b.could_not_be_read and not b.not_all_values_updated
    ]
    title = "A meter that could not be read has not all values updated"
    return _case("flags", title, ("REG-M.7", "REG-M.8"), findings)


def _stable(
    first: Sequence[layout.Block], second: Sequence[layout.Block], third: Sequence[layout.Block]
) -> Case:
    """The same entries in the same places, and no time that runs backwards."""
    later = {block.address: block for block in second}
    findings: list[tuple[layout.Block, str]] = []
    for block in first:
        again = later.get(block.address)
        if type(again) is not type(block):
            findings.append((block, f"register {block.address}: another entry at the second look"))
        elif isinstance(block, layout.MeterBlock) and isinstance(again, layout.MeterBlock):
            if block.words(0, 4) != again.words(0, 4):
                findings.append((again, f"register {block.address}: another meter"))
            if again.time_stamp < block.time_stamp:
                findings.append((again, f"register {block.address + 4}: the time went backwards"))
    findings += _moved_without_time(first, later, {block.address: block for block in third})
    title = "Entries keep their places, and values change only with the time of their meter"
    return _case("stable", title, ("REG-M.4",), findings)


def _moved_without_time(
    first: Sequence[layout.Block],
    second: dict[int, layout.Block],
    third: dict[int, layout.Block],
) -> list[tuple[layout.Block, str]]:
    """Values that moved between two looks, while the time of their meter stood up to a third.

    A look takes several requests, so a read-out may fall into it: only a time that is still the
    same at a later look proves that there was none.
    """
    findings: list[tuple[layout.Block, str]] = []
    for group in layout.group(first)[0]:
        last = third.get(group.meter.address)
        if last is None or last.registers[4:6] != group.meter.registers[4:6]:
            continue
        for value in group.values:
            moved = second.get(value.address)
            if moved is not None and moved.registers != value.registers:
                text = f"register {value.address}: moved, while the time of its meter did not"
                findings.append((moved, text))
    return findings


# --- What was seen ----------------------------------------------------------------------------


def register_tables(
    blocks: Sequence[layout.Block],
) -> tuple[RegisterTable | None, list[RegisterTable]]:
    """The gateway's table and one for each meter, with what was seen."""
    gateway = next((b for b in blocks if isinstance(b, layout.GatewayBlock)), None)
    head = None
    if gateway is not None:
        head = _table("gateway", "Gateway", gateway, [_gateway_row(gateway)])
    found = []
    for group in layout.group(blocks)[0]:
        meter = group.meter
        rows = [_meter_row(meter), *(_value_row(n, v) for n, v in enumerate(group.values, 1))]
        title = f"{meter.manufacturer} {meter.serial_number}"
        found.append(_table(f"register-{meter.address}", title, meter, rows))
    return head, found


def _table(id_: str, title: str, block: layout.Block, rows: list[RegisterRow]) -> RegisterTable:
    return RegisterTable(
        id=id_,
        title=title,
        address=block.address,
        rows=tuple(rows),
        note="shown as served; nothing was known to compare with",
        verdict=Verdict.INCONCLUSIVE,
    )


def _row(block: layout.Block, entry: str, field: str, seen: str) -> RegisterRow:
    return RegisterRow(
        address=block.address,
        entry=entry,
        field=field,
        registers=block.registers,
        expected="(not known)",
        seen=seen,
        verdict=Verdict.INCONCLUSIVE,
    )


def _gateway_row(block: layout.GatewayBlock) -> RegisterRow:
    seen = (
        f"serial number {block.serial_number}, software {block.software_version}, "
        f"last read-out {fields.time_shown(block.time_stamp)}"
    )
    return _row(block, "gateway", "entry", seen)


def _meter_row(block: layout.MeterBlock) -> RegisterRow:
    seen = (
        f"version {block.version}, {tables.medium_name(block.medium)}, "
        f"read {fields.time_shown(block.time_stamp)}, flags {block.flags:04X}"
    )
    return _row(block, "meter", "entry", seen)


def value_text(block: layout.ValueBlock) -> str:
    """A value for people: exact number, unit, and its float."""
    unit = tables.unit_name(block.unit)
    shown = float32.shown(block.unsigned(4, 2))
    return f"{block.integer} × 10^{block.scale} {unit} (float {shown})".replace("  ", " ")


def _value_row(number: int, block: layout.ValueBlock) -> RegisterRow:
    time = f", {fields.time_shown(block.time_stamp)}" if block.time_stamp else ""
    return _row(block, f"value {number}", "entry", value_text(block) + time)
