"""The property language is read as it is written, with the place of every word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.language import properties
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
    PropertySyntaxError,
    Quantified,
    Until,
    Window,
)


def _shape(formula: Formula) -> str:
    """A formula with all its brackets, so that grouping can be compared."""
    match formula:
        case Compare(operator=operator, left=left, right=right):
            return f"{_term(left)}{operator}{_term(right)}"
        case Holds(term=term):
            return _term(term)
        case Not(body=body):
            return f"!{_shape(body)}"
        case And(parts=parts):
            return f"({' & '.join(map(_shape, parts))})"
        case Or(parts=parts):
            return f"({' | '.join(map(_shape, parts))})"
        case Implies(trigger=left_part, response=right_part):
            return f"({_shape(left_part)} -> {_shape(right_part)})"
        case Iff(left=left_part, right=right_part):
            return f"({_shape(left_part)} = {_shape(right_part)})"
        case Until(left=left_part, right=right_part, low=low, high=high):
            return f"({_shape(left_part)} U[{low},{high}] {_shape(right_part)})"
        case Edge(kind=kind, body=body) | Quantified(kind=kind, body=body):
            return f"{kind}({_shape(body)})"
        case _:
            return _window(formula)


def _window(formula: Formula) -> str:
    assert isinstance(formula, Window)
    return f"{formula.kind}[{formula.low},{formula.high}]({_shape(formula.body)})"


def _term(term: properties.Term) -> str:
    match term:
        case Constant(value=value):
            return str(value)
        case Path(name=name):
            return name
        case Count(path=path):
            return f"#{path.name}"
        case Past(kind=kind, path=path):
            return f"{kind}({path.name})"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("a.x", "a.x"),
        ("not a.x and b.x", "(!a.x & b.x)"),
        ("a.x or b.x and c.x", "(a.x | (b.x & c.x))"),
        ("(a.x or b.x) and c.x", "((a.x | b.x) & c.x)"),
        ("a.x -> b.x -> c.x", "(a.x -> (b.x -> c.x))"),
        ("a.x iff b.x iff c.x", "((a.x = b.x) = c.x)"),
        ("a.x -> b.x iff c.x", "((a.x -> b.x) = c.x)"),
        ("a.x until b.x -> c.x", "((a.x U[0,None] b.x) -> c.x)"),
        ("a.x until[1 s, 2 s] b.x", "(a.x U[1000000000,2000000000] b.x)"),
        ("always(a.x == 1)", "always[0,None](a.x==1)"),
        ("eventually[0, 25 s](a.x != 0)", "eventually[0,25000000000](a.x!=0)"),
        ("never[5 ms, 1 min](a.x)", "never[5000000,60000000000](a.x)"),
        ("once(a.x) and historically[0, 1 s](b.x)",
         "(once[0,None](a.x) & historically[0,1000000000](b.x))"),
        ("rise(a.x == on) or fall(b.x)", "(rise(a.x==on) | fall(b.x))"),
        ("count(bus.collisions) >= 1", "#bus.collisions>=1"),
        ("meter(e*).registers.integer(3) < -12", "meter(e*).registers.integer(3)<-12"),
        ("a.x == 0x1F", "a.x==31"),
        ("a.x == 'two words'", "a.x==two words"),
        ("hammer.latency <= 100 ms", "hammer.latency<=100000000"),
        ("a.x >= prev_start(a.x) and prev(a.x) != 3",
         "(a.x>=prev_start(a.x) & prev(a.x)!=3)"),
        ("any(meter(e*).flags != 0) or every(a.x)", "(any(meter(e*).flags!=0) | every(a.x))"),
        ("torn(hammer.reads, meter(e*).registers.integer)", "meter(e*).torn(hammer)"),
        ("alwaysish.x == never_mind", "alwaysish.x==never_mind"),
    ],
)  # fmt: skip
def test_a_property_is_grouped_as_it_reads(text: str, shape: str) -> None:
    """Operators bind by the levels of the grammar, and bounds are whole nanoseconds."""
    assert _shape(properties.parse(text)) == shape


def test_a_condition_of_a_count_names_meters_and_fields() -> None:
    """``where`` takes involves(x), its older spelling, and comparisons with fields."""
    text = "count(bus.collisions where involves(twin_a) and who has any twin* or value == 3) >= 1"
    formula = properties.parse(text)
    assert isinstance(formula, Compare)
    assert isinstance(formula.left, Count)
    where = formula.left.where
    assert isinstance(where, Or)
    both, field = where.parts
    assert isinstance(both, And)
    selectors = [part.selector for part in both.parts if isinstance(part, Involves)]
    assert selectors == ["twin_a", "twin*"]
    assert isinstance(field, Compare)
    assert field.left == Constant(field.left.span, LiteralKind.SYMBOL, "value")


@pytest.mark.parametrize(
    ("text", "offset", "hint"),
    [
        ("a.x ==", 6, ""),
        ("always(a.x", 10, "want ')'"),
        ("a.x b.x", 4, ""),
        ("a.x $ b.x", 4, ""),
        ("always[1 s](a.x)", 10, "want ','"),
        ("always[0, 3](a.x)", 10, "want a duration"),
        ("always[0, 0.1 ns](a.x)", 10, "want a duration of whole nanoseconds"),
        ("", 0, ""),
        ("count(bus.collisions where who has any twin >= 1", 44, ""),
    ],
)
def test_a_mistake_is_placed_at_its_word(text: str, offset: int, hint: str) -> None:
    """What is no property says at which character it stops being one."""
    with pytest.raises(PropertySyntaxError) as caught:
        properties.parse(text)
    assert (caught.value.offset, caught.value.hint) == (offset, hint)


def test_every_node_knows_the_text_that_it_came_from() -> None:
    """A reason can quote the very words that failed."""
    text = "always(fall(a.x) -> eventually[0, 2 s](b.x == 1))"
    formula = properties.parse(text)
    assert isinstance(formula, Window)
    assert isinstance(formula.body, Implies)
    quoted = [
        text[part.span.offset : part.span.offset + part.span.length]
        for part in properties.parts_of(formula.body)
    ]
    assert quoted == ["fall(a.x)", "eventually[0, 2 s](b.x == 1)"]


def test_a_property_nested_without_end_is_refused() -> None:
    """Depth is bounded, so that no file can bring the checker down."""
    text = "not " * 60 + "a.x"
    with pytest.raises(PropertySyntaxError, match="does not parse"):
        properties.parse(text)


def test_a_text_is_parsed_once() -> None:
    """The same text gives the very same tree: a library uses few shapes often."""
    assert properties.parse("always(a.x == 77)") is properties.parse("always(a.x == 77)")


@given(st.text(alphabet="always(){}[].,<>=!'0123456789 smfxn-andoruntileventuallycountwhere\t\n"))
def test_any_text_is_a_property_or_says_where_it_is_none(text: str) -> None:
    """No text brings the parser to anything but a tree or its own error, placed in the text."""
    try:
        outcome: object = properties.parse(text)
    except PropertySyntaxError as error:
        outcome = error.offset
    assert isinstance(outcome, Formula) or outcome in range(len(text) + 1)
