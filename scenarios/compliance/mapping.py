"""Three that must agree: the user's register map, the statement of the device (PICS), the device.

Each row of the map is held against the field that the device shows: the same field at its place,
else the same field elsewhere, else whatever stands at that place. So one mistake in a map is one
finding, which says what each of the three has. What the map leaves empty is compared with nothing.

A map need not name every field. Those kinds of field that it names somewhere (the floats of values,
say) it must name for every meter and value; a row of such a kind that is missing is a finding too.
A plain list of tags, which names no meters, may leave out what it likes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.record import Case, Evidence, RegisterRow, RegisterTable
from reports.verdict import Verdict
from scenarios.register_map.model import Order, Type
from simulators.modbus import tables
from simulators.modbus.word_order import WordOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scenarios.compliance.pics import Pics
    from scenarios.register_map.live import Served
    from scenarios.register_map.model import RegisterMap, Row

#: Findings told in words; the register table of the report has them all.
FINDINGS_MAX: Final = 100
#: What is compared, in the order in which it is told.
_COLUMNS: Final = (
    *("unit_identifier", "address", "length", "type", "word_order"),
    *("meter", "value", "field", "unit", "scale"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row on which the three do not agree; None is a side that has no such row."""

    mapped: Row | None
    served: Row | None
    columns: tuple[str, ...] = ()

    @property
    def row(self) -> Row:
        """The map's row, or the device's where the map has none."""
        row = self.mapped or self.served
        assert row is not None
        return row

    @property
    def name(self) -> str:
        """The field in words."""
        row = self.row
        value = f"value {row.value}, " if row.value else ""
        return f"{row.meter or 'gateway'}, {value}{row.field}"

    def sides(self, statement: Pics) -> tuple[str, str, str]:
        """What map, statement and device say."""
        if self.mapped is None:
            return (
                "not in the map",
                _stated(self.row, ("address",), statement),
                self._told("served"),
            )
        if self.served is None:
            stated = _stated(self.row, ("address",), statement)
            return self._told("mapped"), stated, "no such field"
        stated = _stated(self.served, self.columns, statement)
        return self._told("mapped"), stated, self._told("served")

    def _told(self, side: str) -> str:
        row: Row = getattr(self, side)
        columns = self.columns or ("address", "type")
        return ", ".join(f"{name.replace('_', ' ')} {_cell(row, name)}" for name in columns)


def _cell(row: Row, column: str) -> str:
    value = getattr(row, column)
    if column == "meter":
        return value or "gateway"
    return "none" if value is None else str(value)


def _stated(row: Row, columns: Iterable[str], statement: Pics) -> str:
    """What the statement says about the columns that differ; most of them it leaves open."""
    claims, told = statement.claims, []
    if "word_order" in columns:
        told.append("any order of registers" if claims.swap else f"word order {Order.MSB}")
    if "unit_identifier" in columns:
        own = f"unit identifier {statement.parameters.unit_identifier}"
        told.append(f"{own}, or one for each meter" if claims.multi_slave else own)
    if not claims.float_only and {"type", "length", "field"} & set(columns) and row.value:
        told.append("no float-only layout")
    return "; ".join(told) or "leaves it open"


# --- Pairing ----------------------------------------------------------------------------------


def compare(mapped: RegisterMap, served: RegisterMap) -> list[Finding]:
    """Every row on which map and device do not agree, in the order of the map."""
    has_meters = any(row.meter for row in mapped.rows)
    keys: list[Callable[[Row], object]] = [
        lambda row: (row.key, _place(row)),
        *([lambda row: row.key] if has_meters else []),
        lambda row: (_place(row), row.type),
        _place,
    ]
    left, open_rows = list(mapped.rows), list(served.rows)
    pairs: list[tuple[Row, Row]] = []
    for key in keys:
        found, left, open_rows = _matched(left, open_rows, key)
        pairs += found
    order = {id(row): number for number, row in enumerate(mapped.rows)}
    findings = [
        Finding(row, other, columns)
        for row, other in pairs
        if (columns := _differing(row, other, has_meters=has_meters))
    ]
    findings += [Finding(row, None) for row in left]
    findings.sort(key=lambda finding: order[id(finding.mapped)])
    kinds = {_kind(other) for _, other in pairs} if has_meters else set()
    return findings + [Finding(None, row) for row in open_rows if _kind(row) in kinds]


def _place(row: Row) -> tuple[int, int]:
    return row.unit_identifier, row.address


def _kind(row: Row) -> tuple[bool, bool, str]:
    """Which field of which kind of entry; the gateway's own count once, whatever the unit."""
    return bool(row.meter), row.value is not None, row.field


def _matched(
    rows: Iterable[Row], others: Iterable[Row], key: Callable[[Row], object]
) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """Pair rows of equal key in order; then what is left of both sides."""
    waiting: dict[object, list[Row]] = defaultdict(list)
    for other in others:
        waiting[key(other)].append(other)
    pairs, left = [], []
    for row in rows:
        partners = waiting.get(key(row))
        if partners:
            pairs.append((row, partners.pop(0)))
        else:
            left.append(row)
    return pairs, left, [other for group in waiting.values() for other in group]


def _differing(mapped: Row, served: Row, *, has_meters: bool) -> tuple[str, ...]:
    ignored = set() if has_meters else {"meter", "value", "field"}
    return tuple(
        name for name in _COLUMNS if name not in ignored and _differs(mapped, served, name)
    )


def _differs(mapped: Row, served: Row, column: str) -> bool:
    here, there = getattr(mapped, column), getattr(served, column)
    if column == "unit":
        same = here == there or bool(tables.unit_indices(here) & tables.unit_indices(there))
        return bool(here and there) and not same
    if column == "scale":
        # A float is scaled already: 0 and nothing are the same.
        if served.type is Type.FLOAT32:
            return bool(here)
        return None not in (here, there) and here != there
    if column == "word_order":
        return served.length > 1 and None not in (here, there) and here != there
    return bool(here != there)


# --- As cases ---------------------------------------------------------------------------------


def cases(mapped: RegisterMap, image: Served, served: RegisterMap, statement: Pics) -> list[Case]:
    """Whether the layout in force is claimed, and whether map, statement and device agree."""
    findings = compare(mapped, served)
    told = []
    for finding in findings[:FINDINGS_MAX]:
        here, stated, there = finding.sides(statement)
        place = f"unit {finding.row.unit_identifier}, register {finding.row.address}"
        told.append(f"{place} ({finding.name}): map: {here}; PICS: {stated}; device: {there}")
    if len(findings) > FINDINGS_MAX:
        told.append(f"and {len(findings) - FINDINGS_MAX} more; the register table has them all")
    agree = Case(
        id="map/fields",
        title=f"Register map, statement and device agree on {len(mapped.rows)} fields",
        verdict=Verdict.FAIL if told else Verdict.PASS,
        reason="\n".join(told),
    )
    return [_layout_case(image, statement), agree]


def _layout_case(image: Served, statement: Pics) -> Case:
    claims = statement.claims
    used = {
        "float_only": image.float_only,
        "multi_slave": image.multi_slave,
        "swap": image.word_order is not WordOrder.MSB_FIRST,
    }
    wrong = [
        f"the device serves the layout {image.name!r}, the statement does not claim {name}"
        for name, is_used in used.items()
        if is_used and not getattr(claims, name)
    ]
    return Case(
        id="map/layout",
        title="The layout in force is one that the statement claims",
        verdict=Verdict.FAIL if wrong else Verdict.PASS,
        reason="\n".join(wrong),
        evidence=(Evidence(kind="register", where="the whole map", content=image.name),),
    )


def table(mapped: RegisterMap, served: RegisterMap, statement: Pics) -> RegisterTable | None:
    """The findings as rows for the report, at their registers; None without any."""
    rows = []
    for finding in compare(mapped, served):
        here, stated, there = finding.sides(statement)
        row = finding.row
        rows.append(
            RegisterRow(
                address=row.address,
                entry=f"unit {row.unit_identifier}, {row.meter or 'gateway'}",
                field=f"value {row.value}, {row.field}" if row.value else row.field,
                registers=(),
                expected=f"map: {here}; PICS: {stated}",
                seen=f"device: {there}",
                verdict=Verdict.FAIL,
            )
        )
    if not rows:
        return None
    return RegisterTable(
        id="register-map",
        title="Register map against statement and device",
        address=rows[0].address,
        rows=tuple(rows),
        note="which of the three is wrong, people must decide",
        verdict=Verdict.FAIL,
    )
