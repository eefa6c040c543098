"""For which devices a scenario is meant: ``pics: multi_slave and not float_only``.

The names are options of the manual that a device claims (PICS), and ``unit_loads``, a number. Where
the condition does not hold, the scenario is NOT_APPLICABLE: nothing was promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scenarios.language.diagnostics import did_you_mean
from scenarios.language.properties import (
    And,
    Compare,
    Constant,
    Formula,
    Holds,
    Iff,
    Implies,
    LiteralKind,
    Not,
    Or,
    parts_of,
)
from scenarios.language.resolve import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The options that a device may claim; those of `scenarios.compliance.pics`, as a test sees to.
CLAIMS: Final = (
    "tcp", "udp", "float_only", "multi_slave", "swap", "dummy", "primary_scan", "secondary_scan",
    "transparent", "watchdogs", "web", "ftp", "ssh", "sntp",
)  # fmt: skip
#: The only number among them.
UNIT_LOADS: Final = "unit_loads"


def findings(formula: Formula) -> Iterator[Finding]:
    """Yield what is wrong with a condition."""
    match formula:
        case Holds(term=Constant(kind=LiteralKind.SYMBOL, value=name)):
            if name not in CLAIMS:
                hint = did_you_mean(str(name), CLAIMS)
                yield Finding("SCN029", f"unknown option '{name}'", formula.span, hint)
        case Compare(
            operator="==" | "!=",
            left=Constant(value=name),
            right=Constant(kind=LiteralKind.NUMBER),
        ) if name == UNIT_LOADS:
            return
        case And() | Or() | Not() | Implies() | Iff():
            for part in parts_of(formula):
                yield from findings(part)
        case _:
            message = f"want options such as multi_slave, and {UNIT_LOADS} == 80"
            yield Finding("SCN029", message, formula.span)


def applies(formula: Formula | None, claims: Mapping[str, object]) -> bool:
    """Tell whether a condition without findings holds for a device with these claims."""

    def go(part: Formula) -> bool:
        return applies(part, claims)

    match formula:
        case None:
            return True
        case Holds(term=Constant(value=name)):
            return bool(claims.get(str(name)))
        case Compare(operator=operator, left=Constant(value=name), right=Constant(value=wanted)):
            return (claims.get(str(name)) == wanted) is (operator == "==")
        case Not(body=body):
            return not go(body)
        case And(parts=parts):
            return all(map(go, parts))
        case Or(parts=parts):
            return any(map(go, parts))
        case Implies(trigger=left, response=right):
            return not go(left) or go(right)
        case Iff(left=left, right=right):
            return go(left) is go(right)
        case _:
            raise ValueError("the compiler has refused everything else")
