"""Two run records side by side: what became better, what became worse, what came and went.

Compared are verdicts by case and by requirement, never times or values: two runs of one device
with other serial numbers differ in nothing here unless a verdict does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Any

from reports.record import natural_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.record import RunRecord
    from reports.verdict import Verdict


@unique
class Kind(Enum):
    """Which way a verdict went."""

    WORSE = "worse"
    BETTER = "better"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Change:
    """One case or requirement whose verdict is another one than before; None where it is absent."""

    kind: Kind
    what: str
    id: str
    before: Verdict | None
    after: Verdict | None
    reason: str = ""

    @property
    def is_regression(self) -> bool:
        """Whether something that was known before has become worse, or is no longer looked at."""
        return self.kind in (Kind.WORSE, Kind.GONE)

    def __str__(self) -> str:
        before = self.before.value if self.before else "-"
        after = self.after.value if self.after else "-"
        first = self.reason.partition("\n")[0]
        note = f"  {first}" if first else ""
        return f"{self.kind.value:7}{self.what:12}{self.id}  {before} -> {after}{note}"

    def to_document(self) -> dict[str, Any]:
        """The change for ``report diff --json``."""
        return {
            "kind": self.kind.value,
            "what": self.what,
            "id": self.id,
            "before": self.before.value if self.before else None,
            "after": self.after.value if self.after else None,
            "reason": self.reason,
        }


def compare(old: RunRecord, new: RunRecord) -> list[Change]:
    """Return every change from `old` to `new`: the worse first, requirements before cases."""
    reasons = {case.id: case.reason for case in new.cases}
    requirements = _compare(
        "requirement",
        {row.id: row.verdict for row in old.requirements},
        {row.id: row.verdict for row in new.requirements},
        {},
    )
    cases = _compare(
        "case",
        {case.id: case.verdict for case in old.cases},
        {case.id: case.verdict for case in new.cases},
        reasons,
    )
    order = list(Kind)
    return sorted([*requirements, *cases], key=lambda change: order.index(change.kind))


def _compare(
    what: str,
    old: Mapping[str, Verdict],
    new: Mapping[str, Verdict],
    reasons: Mapping[str, str],
) -> Iterator[Change]:
    for id_ in sorted(old.keys() | new.keys(), key=natural_key):
        before, after = old.get(id_), new.get(id_)
        if before is after:
            continue
        if before is None:
            kind = Kind.NEW
        elif after is None:
            kind = Kind.GONE
        else:
            kind = Kind.WORSE if after > before else Kind.BETTER
        yield Change(kind, what, id_, before, after, reasons.get(id_, ""))


def regressions(changes: Sequence[Change]) -> list[Change]:
    """The changes for which a pipeline that has a baseline must stop."""
    return [change for change in changes if change.is_regression]
