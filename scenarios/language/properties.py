"""The property language: from text to a syntax tree, with the place of every word.

``always(fall(meter(e*).answering) -> eventually[0, 25 s](meter(e*).registers.flags != 0))``

A property speaks about signals: things that hold one value until they change. Nothing is sampled;
a property is true or false at every nanosecond of a run, and `scenarios.language.monitor` says
which. What each form means is said once, at the class of its node.

The grammar is `property.lark`, LALR(1). Parsed texts are cached: a library uses few shapes often.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import (
    UnexpectedCharacters,
    UnexpectedEOF,
    UnexpectedInput,
    UnexpectedToken,
    VisitError,
)

from scenarios.language import durations

#: Distinct property texts whose trees are kept.
CACHED_PROPERTIES: Final = 4096

#: Parentheses, temporal operators and "not" may be nested this deep.
DEPTH_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Span:
    """Which characters of the property's text a node was written with."""

    offset: int
    length: int


# --- Terms ------------------------------------------------------------------------------------


@unique
class LiteralKind(Enum):
    """What a literal was written as."""

    NUMBER = "number"
    DURATION = "duration"
    SYMBOL = "symbol"
    STRING = "text"


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that never changes: 3, 0x1F, 100 ms (in ns), a symbol such as orange_flashing."""

    span: Span
    kind: LiteralKind
    value: int | Fraction | str


@dataclass(frozen=True, slots=True)
class Path:
    """The value of a signal; `name` may hold a wildcard (``meter(e*).answering``)."""

    span: Span
    name: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many changes of a signal, or occurrences of an event, there have been up to now.

    With ``where`` only those are counted for which the condition holds; in it a symbol on the
    left of a comparison names a field of the event: ``value``, or a key of its evidence.
    """

    span: Span
    path: Path
    where: Formula | None


@dataclass(frozen=True, slots=True)
class Past:
    """``prev``: the value that a signal had before the present one; ``prev_start``: its first.

    Unknown while there has been none. A value that was replaced in the same nanosecond never was.
    """

    span: Span
    kind: Literal["prev", "prev_start"]
    path: Path


Term = Constant | Path | Count | Past
Operator = Literal["==", "!=", "<", "<=", ">", ">="]


# --- Formulas ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compare:
    """True while the two terms stand in this order; unknown before both have been seen."""

    span: Span
    operator: Operator
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Holds:
    """A signal that is itself true or false (``meter(x).answering``)."""

    span: Span
    term: Term


@dataclass(frozen=True, slots=True)
class Involves:
    """Inside ``where``: the event names one of these meters among those that took part."""

    span: Span
    selector: str
    meters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """Negation; unknown stays unknown."""

    span: Span
    body: Formula


@dataclass(frozen=True, slots=True)
class And:
    """True while all parts are, false while one is false."""

    span: Span
    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True while one part is, false while all are false."""

    span: Span
    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Implies:
    """``trigger -> response``; under ``always`` the trigger must fire for the property to count."""

    span: Span
    trigger: Formula
    response: Formula


@dataclass(frozen=True, slots=True)
class Iff:
    """True while both sides are true or both are false."""

    span: Span
    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Edge:
    """``rise``: the instant at which a body that was false becomes true; ``fall``: the reverse.

    An edge is true for one nanosecond. A body that was unknown before has no edge: that it was
    false was never seen.
    """

    span: Span
    kind: Literal["rise", "fall"]
    body: Formula


@dataclass(frozen=True, slots=True)
class Quantified:
    """``any``, ``every``: the body for some, or for each, of the meters that its wildcard means.

    Without it a wildcard makes one instance of the whole property for each meter.
    """

    span: Span
    kind: Literal["any", "every"]
    body: Formula


WindowKind = Literal["always", "never", "eventually", "once", "historically"]
#: Windows that look ahead; the others look back.
AHEAD: Final = ("always", "never", "eventually")


@dataclass(frozen=True, slots=True)
class Window:
    """Every (always, historically), no (never) or some (eventually, once) instant of a window.

    At time t the window is [t + low, t + high] looking ahead, [t - high, t - low] looking back,
    ends included; without bounds it reaches to the end, or the beginning, of the run. A bounded
    window that outlasts the run leaves the outcome open where the part seen does not settle it.
    """

    span: Span
    kind: WindowKind
    low: int
    high: int | None
    body: Formula


@dataclass(frozen=True, slots=True)
class Until:
    """`right` comes true inside [t + low, t + high], and `left` holds from t until just before."""

    span: Span
    low: int
    high: int | None
    left: Formula
    right: Formula


Formula = (
    Compare | Holds | Involves | Not | And | Or | Implies | Iff | Edge | Quantified | Window | Until
)


def parts_of(formula: Formula) -> tuple[Formula, ...]:
    """Return the formulas directly below `formula`, in reading order."""
    match formula:
        case Not(body=body) | Edge(body=body) | Quantified(body=body) | Window(body=body):
            return (body,)
        case And(parts=parts) | Or(parts=parts):
            return parts
        case Implies(trigger=left, response=right) | Iff(left=left, right=right):
            return (left, right)
        case Until(left=left, right=right):
            return (left, right)
        case _:
            return ()


def terms_of(formula: Formula) -> tuple[Term, ...]:
    """Return the terms that stand directly in `formula`."""
    match formula:
        case Compare(left=left, right=right):
            return (left, right)
        case Holds(term=term):
            return (term,)
        case _:
            return ()


def paths_of(formula: Formula) -> list[Path]:
    """Return every path below `formula`, in reading order."""
    found: list[Path] = []
    for term in terms_of(formula):
        if isinstance(term, Path):
            found.append(term)
        elif isinstance(term, Count | Past):
            found.append(term.path)
    for part in parts_of(formula):
        found += paths_of(part)
    return found


def looks_ahead(formula: Formula) -> bool:
    """Tell whether the truth of `formula` at a time depends on later times."""
    if isinstance(formula, Until) or (isinstance(formula, Window) and formula.kind in AHEAD):
        return True
    return any(looks_ahead(part) for part in parts_of(formula))


# --- From text to tree ------------------------------------------------------------------------


class PropertySyntaxError(ValueError):
    """The text is no property; `offset` is where it stops being one, `hint` what was wanted."""

    def __init__(self, offset: int, length: int, hint: str = "") -> None:
        super().__init__("property does not parse here")
        self.offset = offset
        self.length = length
        self.hint = hint


@lru_cache(maxsize=CACHED_PROPERTIES)
def parse(text: str) -> Formula:
    """Return the syntax tree of `text`; raises PropertySyntaxError with the offset."""
    try:
        tree = _parser().parse(text)
    except UnexpectedEOF as error:
        raise PropertySyntaxError(len(text.rstrip()), 1, _wanted(error.expected)) from error
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise PropertySyntaxError(
                len(text.rstrip()), 1, _wanted(error.accepts or error.expected)
            ) from error
        wanted = _wanted(error.accepts or error.expected)
        raise PropertySyntaxError(error.token.start_pos or 0, len(error.token), wanted) from error
    except UnexpectedCharacters as error:
        raise PropertySyntaxError(error.pos_in_stream or 0, 1) from error
    except UnexpectedInput as error:
        raise PropertySyntaxError(error.pos_in_stream or 0, 1) from error
    try:
        formula = _Trees().transform(tree)
    except VisitError as error:
        raise error.orig_exc from error
    if not isinstance(formula, Formula):
        raise PropertySyntaxError(0, len(text), "want something that is true or false")
    if _depth(formula) > DEPTH_MAX:
        raise PropertySyntaxError(0, len(text), f"nested deeper than {DEPTH_MAX}")
    return formula


@cache
def _parser() -> Lark:
    """Build the LALR tables once a process, on first use."""
    grammar = files("scenarios.language").joinpath("property.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", propagate_positions=True)


#: How a terminal of the grammar is called in "want …"; the others are not worth naming.
_TERMINALS: Final = {
    "RPAR": "')'",
    "LPAR": "'('",
    "RSQB": "']'",
    "COMMA": "','",
    "$END": "the end",
    "PATH": "a path such as meter(x).answering",
    "DURATION": "a duration",
}

#: With more ways to go on than this, a list of them helps nobody.
_WANTED_MAX: Final = 2


def _wanted(expected: Any) -> str:
    """Say what would have been right, where that is a short list."""
    names = sorted(expected)
    named = [_TERMINALS[name] for name in names if name in _TERMINALS]
    if not named or len(names) > _WANTED_MAX:
        return ""
    return f"want {' or '.join(named)}"


def _depth(formula: Formula) -> int:
    return 1 + max((_depth(part) for part in parts_of(formula)), default=0)


def _span(meta: Any) -> Span:
    return Span(meta.start_pos, meta.end_pos - meta.start_pos)


def _token_span(token: Token) -> Span:
    return Span(token.start_pos or 0, len(token))


class _Trees(Transformer[Token, Any]):
    """Builds our nodes from lark's."""

    # Terms

    def path(self, children: list[Token]) -> Path:
        return Path(_token_span(children[0]), str(children[0]))

    def symbol(self, children: list[Token]) -> Constant:
        return Constant(_token_span(children[0]), LiteralKind.SYMBOL, str(children[0]))

    def duration(self, children: list[Token]) -> Constant:
        span = _token_span(children[0])
        try:
            length_ns = durations.parse(children[0])
        except durations.DurationError as error:
            raise PropertySyntaxError(span.offset, span.length, str(error)) from error
        return Constant(span, LiteralKind.DURATION, length_ns)

    def hexadecimal(self, children: list[Token]) -> Constant:
        return Constant(_token_span(children[0]), LiteralKind.NUMBER, int(children[0], 16))

    def number(self, children: list[Token]) -> Constant:
        value = Fraction(children[0])
        exact = int(value) if value.denominator == 1 else value
        return Constant(_token_span(children[0]), LiteralKind.NUMBER, exact)

    def string(self, children: list[Token]) -> Constant:
        return Constant(_token_span(children[0]), LiteralKind.STRING, str(children[0])[1:-1])

    @v_args(meta=True)
    def count(self, meta: Any, children: list[Any]) -> Count:
        path = Path(_token_span(children[0]), str(children[0]))
        return Count(_span(meta), path, children[1])

    @v_args(meta=True)
    def past(self, meta: Any, children: list[Token]) -> Past:
        kind, path = children
        return Past(_span(meta), str(kind), Path(_token_span(path), str(path)))  # type: ignore[arg-type]

    def selector(self, children: list[Token]) -> str:
        return str(children[0])

    def bounds(self, children: list[Constant]) -> tuple[int, int]:
        low, high = (self._bound(child) for child in children)
        return low, high

    @staticmethod
    def _bound(constant: Constant) -> int:
        """Return a bound in ns; only 0 may stand without a unit."""
        if constant.kind is LiteralKind.DURATION and isinstance(constant.value, int):
            return constant.value
        if constant.value == 0:
            return 0
        raise PropertySyntaxError(constant.span.offset, constant.span.length, "want a duration")

    # Formulas

    @v_args(meta=True)
    def holds(self, meta: Any, children: list[Any]) -> Holds:
        return Holds(_span(meta), children[0])

    @v_args(meta=True)
    def compare(self, meta: Any, children: list[Any]) -> Compare:
        left, operator, right = children
        return Compare(_span(meta), str(operator), left, right)  # type: ignore[arg-type]

    @v_args(meta=True)
    def window(self, meta: Any, children: list[Any]) -> Window:
        kind, bounds, body = children
        low, high = bounds or (0, None)
        return Window(_span(meta), str(kind), low, high, body)  # type: ignore[arg-type]

    @v_args(meta=True)
    def until(self, meta: Any, children: list[Any]) -> Until:
        left, bounds, right = children
        low, high = bounds or (0, None)
        return Until(_span(meta), low, high, left, right)

    @v_args(meta=True)
    def edge(self, meta: Any, children: list[Any]) -> Edge:
        kind, body = children
        return Edge(_span(meta), str(kind), body)  # type: ignore[arg-type]

    @v_args(meta=True)
    def quantified(self, meta: Any, children: list[Any]) -> Quantified:
        kind, body = children
        return Quantified(_span(meta), str(kind), body)  # type: ignore[arg-type]

    @v_args(meta=True)
    def torn(self, meta: Any, children: list[Token]) -> Holds:
        """``torn(CLIENT.reads, meter(x).registers.integer)`` is a signal of the meter."""
        reads, integer = children
        client, _, what = str(reads).rpartition(".")
        if what != "reads" or "." in client:
            hint = "want the reads of a client, such as hammer.reads"
            raise PropertySyntaxError(reads.start_pos or 0, len(reads), hint)
        meter, _, value = str(integer).partition(".")
        if value != "registers.integer" or not meter.startswith("meter("):
            hint = "want meter(x).registers.integer"
            raise PropertySyntaxError(integer.start_pos or 0, len(integer), hint)
        span = _token_span(integer)
        return Holds(_span(meta), Path(span, f"{meter}.torn({client})"))

    @v_args(meta=True)
    def involves(self, meta: Any, children: list[Any]) -> Involves:
        return Involves(_span(meta), children[0])

    @v_args(meta=True)
    def negation(self, meta: Any, children: list[Any]) -> Not:
        return Not(_span(meta), children[0])

    @v_args(meta=True)
    def conjunction(self, meta: Any, children: list[Any]) -> And:
        return And(_span(meta), tuple(children))

    @v_args(meta=True)
    def disjunction(self, meta: Any, children: list[Any]) -> Or:
        return Or(_span(meta), tuple(children))

    @v_args(meta=True)
    def implies(self, meta: Any, children: list[Any]) -> Implies:
        return Implies(_span(meta), *children)

    @v_args(meta=True)
    def iff(self, meta: Any, children: list[Any]) -> Iff:
        return Iff(_span(meta), *children)
