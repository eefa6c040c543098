"""Resolving a property against the file that it stands in: names, kinds, wildcards, places.

Everything that can be known without running is settled here: each meter and signal exists, each
comparison makes sense, bounds are the right way round, and a wildcard becomes one instance of the
property for each meter that it matches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from scenarios.language import vocabulary
from scenarios.language.diagnostics import did_you_mean
from scenarios.language.properties import (
    And,
    Compare,
    Constant,
    Count,
    Edge,
    Formula,
    Holds,
    Iff,
    Implies,
    Involves,
    LiteralKind,
    Not,
    Or,
    Past,
    Path,
    Quantified,
    Span,
    Term,
    Until,
    Window,
    parts_of,
    paths_of,
    terms_of,
)
from scenarios.language.vocabulary import Kind, Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Meters that one wildcard may stand for.
INSTANCES_MAX: Final = 10_000

_ORDERS: Final = ("<", "<=", ">", ">=")
_TRUTHS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake inside a property, by its place in the text."""

    code: str
    message: str
    span: Span
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """What a property may refer to."""

    meters: tuple[str, ...]
    clients: frozenset[str] = frozenset()
    #: False where the world itself has mistakes, so that an unknown name proves nothing.
    known: bool = True


@dataclass(frozen=True, slots=True)
class Instance:
    """A property about particular meters; `meter` is what a wildcard became, or empty."""

    meter: str
    formula: Formula


def matching(selector: str, meters: Sequence[str]) -> list[str]:
    """Return the meters that an id or a wildcard (``e*``, ``e?``) means, in file order."""
    if not is_wildcard(selector):
        return [selector] if selector in meters else []
    return [meter for meter in meters if fnmatchcase(meter, selector)]


def is_wildcard(selector: str) -> bool:
    """Tell whether a selector may mean more than one meter."""
    return "*" in selector or "?" in selector


def resolve(formula: Formula, names: Names) -> tuple[list[Instance], list[Finding]]:
    """Return the instances of a property, and everything that is wrong with it."""
    resolver = _Resolver(names)
    resolved = resolver.formula(formula)
    if not resolver.findings:
        resolved = resolver.spread(resolved)
    wildcards = _wildcards(resolved)
    resolver.one_group(resolved)
    if resolver.findings:
        return [], resolver.findings
    resolved = _bind_where(resolved, names.meters)
    if not wildcards:
        return [Instance("", resolved)], []
    meters = matching(next(iter(wildcards)), names.meters)[:INSTANCES_MAX]
    return [Instance(meter, _with_meter(resolved, meter)) for meter in meters], []


def _wildcards(formula: Formula) -> list[str]:
    """Return the patterns of meters in `formula`, each once, in reading order."""
    selectors = (vocabulary.selector_of(path.name) or "" for path in paths_of(formula))
    return list(dict.fromkeys(selector for selector in selectors if is_wildcard(selector)))


# --- Names and kinds --------------------------------------------------------------------------


class _Resolver:
    """Walks one property and collects what is wrong."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.findings: list[Finding] = []

    def _complain(self, code: str, message: str, span: Span, hint: str = "") -> None:
        self.findings.append(Finding(code, message, span, hint))

    def formula(self, formula: Formula) -> Formula:
        """Return `formula` with its constants made to fit, complaining on the way."""
        if isinstance(formula, Window | Until):
            self._bounds(formula)
        match formula:
            case Compare():
                return self._compare(formula)
            case Holds(term=term):
                self._holds(term)
                return formula
            case Involves(span=span):
                message = "'involves' speaks about an event and stands inside 'where'"
                self._complain("SCN034", message, span)
                return formula
            case _:
                return _rebuild(formula, self.formula)

    def one_group(self, formula: Formula) -> None:
        """Complain where a formula is about two groups of meters at once."""
        wildcards = _wildcards(formula)
        if len(wildcards) > 1:
            first, second = wildcards[:2]
            path = next(path for path in paths_of(formula) if f"({second})" in path.name)
            message = f"a property watches one group of meters, here '{first}' and '{second}'"
            self._complain("SCN037", message, path.span)

    def spread(self, formula: Formula) -> Formula:
        """Put the meters of each ``any`` and ``every`` in the place of its wildcard."""
        if not isinstance(formula, Quantified):
            return _rebuild(formula, self.spread)
        body = self.spread(formula.body)
        wildcards = _wildcards(body)
        self.one_group(body)
        if not wildcards:
            message = f"'{formula.kind}' is about a group of meters, and there is none inside"
            self._complain("SCN037", message, formula.span, "write meter(*) or meter(e*)")
            return formula
        meters = matching(wildcards[0], self._names.meters)[:INSTANCES_MAX]
        parts = tuple(_with_meter(body, meter) for meter in meters)
        if not parts:
            return body
        return Or(formula.span, parts) if formula.kind == "any" else And(formula.span, parts)

    def _bounds(self, formula: Window | Until) -> None:
        if formula.high is not None and formula.low > formula.high:
            message = "the first bound is later than the second"
            self._complain("SCN035", message, formula.span)

    def _holds(self, term: Term) -> None:
        kind, _ = self._kind(term)
        if kind is None or kind is Kind.BOOLEAN:
            return
        if isinstance(term, Constant) and term.kind is LiteralKind.SYMBOL:
            hint = "a signal has a path such as gateway.scan"
            self._complain("SCN032", f"unknown signal '{term.value}'", term.span, hint)
            return
        message = f"this is {kind.value}, and true or false is wanted"
        self._complain("SCN034", message, term.span, "compare it with something")

    def _compare(self, formula: Compare) -> Compare:
        left, right = formula.left, formula.right
        (kind_left, row_left), (kind_right, row_right) = self._kind(left), self._kind(right)
        if kind_left is None or kind_right is None:
            return formula
        if row_left is not None and isinstance(right, Constant):
            right = self._fit(right, row_left)
        elif row_right is not None and isinstance(left, Constant):
            left = self._fit(left, row_right)
        elif kind_left is not kind_right:
            message = f"compares {kind_left.value} with {kind_right.value}"
            self._complain("SCN034", message, formula.span)
        kind = kind_left if row_left is not None else kind_right
        if formula.operator in _ORDERS and kind not in (Kind.NUMBER, Kind.DURATION):
            message = f"'{formula.operator}' wants numbers or durations, this is {kind.value}"
            self._complain("SCN034", message, formula.span)
        return replace(formula, left=left, right=right)

    def _fit(self, constant: Constant, row: Signal) -> Constant:
        """Return the constant as a value of the signal; complain where it can be none."""
        word = str(constant.value)
        match row.kind, constant.kind:
            case Kind.NUMBER, LiteralKind.NUMBER:
                return constant
            case Kind.DURATION, LiteralKind.DURATION:
                return constant
            case Kind.TEXT, LiteralKind.STRING | LiteralKind.SYMBOL:
                return constant
            case Kind.BOOLEAN, LiteralKind.SYMBOL if word in _TRUTHS:
                return replace(constant, value=_TRUTHS[word])
            case Kind.SYMBOL, LiteralKind.SYMBOL:
                if word not in row.words:
                    hint = did_you_mean(word, row.words) or f"one of {', '.join(row.words)}"
                    message = f"{row.path} is never '{word}'"
                    self._complain("SCN033", message, constant.span, hint)
                return constant
        message = f"{row.path} is {row.kind.value}, not {_A_LITERAL[constant.kind]}"
        self._complain("SCN034", message, constant.span)
        return constant

    def _kind(self, term: Term) -> tuple[Kind | None, Signal | None]:
        """Return the kind of a term, and its row; None where it has been complained about."""
        match term:
            case Constant(kind=kind):
                return _LITERALS[kind], None
            case Count(path=path, where=where):
                row = self._signal(path)
                if where is not None:
                    self._where(where)
                return (None, None) if row is None else (Kind.NUMBER, _COUNT)
            case Path(span=span) | Past(path=Path(span=span)):
                path = term.path if isinstance(term, Past) else term
                row = self._signal(path)
                if row is not None and row.kind is Kind.EVENT:
                    message = f"{row.path} is {row.kind.value}"
                    self._complain("SCN034", message, span, f"write count({path.name})")
                    return None, None
                return (None, None) if row is None else (row.kind, row)

    def _signal(self, path: Path) -> Signal | None:
        row = vocabulary.find(path.name, self._names.clients)
        if row is None:
            hint = did_you_mean(path.name, vocabulary.similar(path.name, self._names.clients))
            self._complain("SCN032", f"unknown signal '{path.name}'", path.span, hint)
            return None
        selector = vocabulary.selector_of(path.name)
        if selector is not None:
            offset = path.span.offset + path.name.index("(") + 1
            self._meters(selector, Span(offset, len(selector)))
        return row

    def _meters(self, selector: str, span: Span) -> tuple[str, ...]:
        found = tuple(matching(selector, self._names.meters))
        if not found and self._names.known:
            wild = is_wildcard(selector)
            message = f"no meter matches '{selector}'" if wild else f"unknown meter '{selector}'"
            hint = "" if wild else did_you_mean(selector, self._names.meters)
            self._complain("SCN031", message, span, hint)
        return found

    # --- Inside "where" -----------------------------------------------------------------------

    def _where(self, formula: Formula) -> None:
        match formula:
            case And() | Or() | Not():
                for part in parts_of(formula):
                    self._where(part)
            case Involves(span=span, selector=selector):
                self._meters(selector, span)
            case Compare(left=Constant(kind=LiteralKind.SYMBOL), right=Constant()):
                pass
            case _:
                message = "'where' takes conditions such as value == 3, involves(x), and/or/not"
                self._complain("SCN034", message, formula.span)


_LITERALS: Final = {
    LiteralKind.NUMBER: Kind.NUMBER,
    LiteralKind.DURATION: Kind.DURATION,
    LiteralKind.SYMBOL: Kind.SYMBOL,
    LiteralKind.STRING: Kind.TEXT,
}
_A_LITERAL: Final = {
    LiteralKind.NUMBER: "a number",
    LiteralKind.DURATION: "a duration",
    LiteralKind.SYMBOL: "a word",
    LiteralKind.STRING: "a text",
}
_COUNT: Final = Signal("count(…)", Kind.NUMBER, vocabulary.Capability.GATEWAY_EVENTS, "a count")


# --- Rebuilding trees -------------------------------------------------------------------------


def _rebuild(formula: Formula, change: Callable[[Formula], Formula]) -> Formula:
    """Return `formula` with `change` applied to the formulas directly below it."""
    match formula:
        case Not(body=body) | Edge(body=body) | Quantified(body=body) | Window(body=body):
            return replace(formula, body=change(body))
        case And(parts=parts) | Or(parts=parts):
            return replace(formula, parts=tuple(change(part) for part in parts))
        case Implies(trigger=trigger, response=response):
            return replace(formula, trigger=change(trigger), response=change(response))
        case Iff(left=left, right=right) | Until(left=left, right=right):
            return replace(formula, left=change(left), right=change(right))
        case _:
            return formula


def _with_meter(formula: Formula, meter: str) -> Formula:
    """Put one meter in the place of the property's wildcard."""

    def term(one: Term) -> Term:
        match one:
            case Path(name=name) if is_wildcard(vocabulary.selector_of(name) or ""):
                return replace(one, name=vocabulary.with_meter(name, meter))
            case Count(path=path) | Past(path=path):
                changed = term(path)
                assert isinstance(changed, Path), "a path stays a path"
                return replace(one, path=changed)
            case _:
                return one

    match formula:
        case Compare(left=left, right=right):
            return replace(formula, left=term(left), right=term(right))
        case Holds(term=inner):
            return replace(formula, term=term(inner))
        case _:
            return _rebuild(formula, lambda part: _with_meter(part, meter))


def _bind_where(formula: Formula, meters: Sequence[str]) -> Formula:
    """Fill in what the conditions of each ``where`` mean: meters of ``involves``, true, false."""

    def inside(where: Formula) -> Formula:
        if isinstance(where, Involves):
            return replace(where, meters=tuple(matching(where.selector, meters)))
        if isinstance(where, Compare) and isinstance(where.right, Constant):
            wanted = _TRUTHS.get(str(where.right.value), where.right.value)
            return replace(where, right=replace(where.right, value=wanted))
        return _rebuild(where, inside)

    def term(one: Term) -> Term:
        if isinstance(one, Count) and one.where is not None:
            return replace(one, where=inside(one.where))
        return one

    match formula:
        case Compare(left=left, right=right):
            return replace(formula, left=term(left), right=term(right))
        case _ if terms_of(formula):
            return formula
        case _:
            return _rebuild(formula, lambda part: _bind_where(part, meters))
