"""Mechanical mutants: one operator, constant or branch of the gateway changed, drawn by a seed.

Known-bad gateways are what people get wrong; mutants are what nobody thought of. A site is a node
of the syntax tree for which one of the tables below knows another form; the text of the module is
changed in that place alone, so a mutant can be read as a one-line difference. Which sites are
drawn depends on the seed and the source only.
"""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scenarios.defects.catalogue import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Where mutants are drawn from: what decides registers, Modbus and watchdogs.
MODULES: Final = (
    "gateway.device.watchdogs",
    "gateway.registers.allocation",
    "gateway.registers.blocks",
    "gateway.registers.dummy",
    "gateway.registers.image",
    "gateway.registers.layout",
    "gateway.registers.numbers",
    "gateway.registers.placement",
    "gateway.modbus.datagram",
    "gateway.modbus.identification",
    "gateway.modbus.mbap",
    "gateway.modbus.pdu",
    "gateway.modbus.server",
    "gateway.modbus.session",
)

# fmt: off
_COMPARED: Final = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}
_COMPARED_TEXT: Final = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}
_COMPUTED: Final = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*", ast.Mod: "*",
    ast.BitAnd: "|", ast.BitOr: "&", ast.LShift: ">>", ast.RShift: "<<",
}
_COMPUTED_TEXT: Final = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%",
    ast.BitAnd: "&", ast.BitOr: "|", ast.LShift: "<<", ast.RShift: ">>",
}
# fmt: on


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in `module`, line `line`, `before` became `after`; `source` is the whole text."""

    module: str
    line: int
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """Where and what, in one line."""
        return f"{self.module}:{self.line}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class _Change:
    start: int
    end: int
    line: int
    after: str


def draw(count: int, seed: int, modules: Sequence[str] = MODULES) -> list[Mutant]:
    """Return `count` mutants, or all that there are, drawn by `seed`, in the order of the draw."""
    everything = [mutant for module in modules for mutant in mutants_of(module)]
    # Shuffled as a whole, so that a longer draw begins with the shorter one.
    random.Random(f"mutants/{seed}").shuffle(everything)
    return everything[:count]


def mutants_of(module: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its text."""
    text = source_of(module)
    found = []
    for change in sorted(_changes(text), key=lambda one: (one.start, one.after)):
        source = text[: change.start] + change.after + text[change.end :]
        try:
            compile(source, module, "exec")
        except SyntaxError:
            continue
        before = text[change.start : change.end]
        found.append(Mutant(module, change.line, before.strip(), change.after.strip(), source))
    return found


def _changes(text: str) -> Iterator[_Change]:
    places = _Places(text)
    tree = ast.parse(text)
    skipped = _not_behaviour(tree)
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield from _operator(places, node.left, node.comparators[0], node.ops[0],
                                 _COMPARED, _COMPARED_TEXT)  # fmt: skip
        elif isinstance(node, ast.BinOp):
            yield from _operator(places, node.left, node.right, node.op,
                                 _COMPUTED, _COMPUTED_TEXT)  # fmt: skip
        elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
            word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            yield from _between(places, node.values[0], node.values[1], word, other)
        elif isinstance(node, ast.Constant):
            yield from _constant(places, node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            start = places.at(node.lineno, node.col_offset)
            end = places.at(node.operand.lineno, node.operand.col_offset)
            yield _Change(start, end, node.lineno, "")
        elif isinstance(node, ast.If):
            start, end = places.of(node.test)
            yield _Change(start, end, node.lineno, f"not ({text[start:end]})")


def _not_behaviour(tree: ast.AST) -> set[int]:
    """Nodes whose change no run can show: docstrings, annotations, texts of errors, assertions."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns, *(one.annotation for one in node.args.args)]
            parts += list(node.decorator_list)
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.ClassDef):
            parts = list(node.decorator_list)
        elif _shows_nothing(node):
            parts = [node]
        for part in parts:
            if part is not None:
                skipped |= {id(child) for child in ast.walk(part)}
    return skipped


def _shows_nothing(node: ast.AST) -> bool:
    """Whether a statement only raises, asserts, documents, or serves the type checker."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.Assign) and "__" in ast.unparse(node.targets[0])


class _Places:
    """Offsets in the text; columns of the syntax tree count bytes of UTF-8."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def at(self, line: int, column: int) -> int:
        """The offset of a line (from 1) and a column in bytes."""
        start = self._starts[line - 1]
        line_text = self.text[start : self._starts[line]]
        return start + len(line_text.encode()[:column].decode())

    def of(self, node: ast.expr) -> tuple[int, int]:
        """The extent of an expression."""
        assert node.end_lineno is not None, "parsed from text"
        assert node.end_col_offset is not None, "parsed from text"
        return (
            self.at(node.lineno, node.col_offset),
            self.at(node.end_lineno, node.end_col_offset),
        )


def _operator(
    places: _Places, left: ast.expr, right: ast.expr, op: ast.AST,
    others: Mapping[Any, str], texts: Mapping[Any, str],
) -> Iterator[_Change]:  # fmt: skip
    if type(op) in others:
        yield from _between(places, left, right, texts[type(op)], others[type(op)])


def _between(
    places: _Places, left: ast.expr, right: ast.expr, word: str, other: str
) -> Iterator[_Change]:
    """Replace the operator that stands between two operands."""
    _, start = places.of(left)
    end, _ = places.of(right)
    gap = places.text[start:end]
    at = gap.find(word)
    if at >= 0 and gap.count(word) == 1:
        line = places.text.count("\n", 0, start + at) + 1
        yield _Change(start + at, start + at + len(word), line, other)


def _constant(places: _Places, node: ast.Constant) -> Iterator[_Change]:
    start, end = places.of(node)
    value = node.value
    if isinstance(value, bool):
        yield _Change(start, end, node.lineno, str(not value))
    elif isinstance(value, int):
        yield _Change(start, end, node.lineno, str(value + 1))
