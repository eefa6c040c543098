"""The cases of the suite that are code: who they are, what they decide, how they are run."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from scenarios.compliance.arrangement import Arrangement, Trial
    from scenarios.compliance.verdicts import Verdicts

    Procedure = Callable[[Trial, Verdicts], Awaitable[None]]

#: The package whose modules hold the cases.
CASES: Final = "scenarios.compliance.cases"


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """One case: an arrangement, what is done with it, and the requirements that it decides.

    `claims` names an option of the PICS without which the case is not applicable.
    """

    id: str
    title: str
    requirements: tuple[str, ...]
    arrangement: Arrangement
    procedure: Procedure
    claims: str | None = None


_CASES: dict[str, SuiteCase] = {}


def case(
    id_: str,
    title: str,
    requirements: tuple[str, ...],
    arrangement: Arrangement,
    *,
    claims: str | None = None,
) -> Callable[[Procedure], Procedure]:
    """Register a coroutine as the case `id_`; raises ValueError for an id that is taken."""

    def register(procedure: Procedure) -> Procedure:
        add(SuiteCase(id_, title, requirements, arrangement, procedure, claims))
        return procedure

    return register


def add(one: SuiteCase) -> None:
    """Register a case that a loop has made."""
    if one.id in _CASES:
        raise ValueError(f"the case {one.id!r} is registered twice")
    _CASES[one.id] = one


def remove(id_: str) -> None:
    """Forget a case; raises KeyError where there is none."""
    del _CASES[id_]


@cache
def _loaded() -> None:
    package = importlib.import_module(CASES)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{CASES}.{module.name}")


def cases() -> Mapping[str, SuiteCase]:
    """Every case by its id, in the order of ids."""
    _loaded()
    return dict(sorted(_CASES.items()))
