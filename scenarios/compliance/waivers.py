"""Waivers: findings that somebody has accepted for a while, in a file that is reviewed like code.

Each has the id of a case or a requirement, a reason, an owner and a last day. Until that day the
finding stands in the report and does not fail the run; afterwards it does, and the report says that
the waiver has expired. A waiver that nothing needs is told too, so that the file stays short.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from reports.record import Deviation
from reports.verdict import Verdict
from simulators import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from reports.record import Case

WaiverError = document.PopulationError


class Waiver(BaseModel):
    """One finding that is accepted until the end of a day."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=10)]
    owner: Annotated[str, Field(min_length=1)]
    expires: date

    def covers(self, case: Case) -> bool:
        """Whether a case is meant: by its id, or by a requirement that it decides."""
        return self.id == case.id or self.id in case.requirements


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    waivers: list[Waiver]


def load(path: Path) -> list[Waiver]:
    """Read a file; raises WaiverError with every mistake and its place."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        complaint = document.Complaint(str(path), 1, 1, f"cannot be read: {error}")
        raise WaiverError([complaint]) from error
    return document.validate(_Document, document.load(text, str(path)), str(path)).waivers


def deviations(waivers: Sequence[Waiver], cases: Iterable[Case], today: date) -> list[Deviation]:
    """What became of each waiver in a run that was judged on `today`."""
    above = [case for case in cases if case.verdict > Verdict.PASS]
    found = []
    for waiver in waivers:
        state = "expired" if today > waiver.expires else "waived"
        if not any(waiver.covers(case) for case in above):
            state = "unused"
        found.append(
            Deviation(
                id=waiver.id,
                reason=waiver.reason,
                owner=waiver.owner,
                expires=waiver.expires.isoformat(),
                state=state,
            )
        )
    return found
