"""The verdict lattice: how one result is said, joined with others, and told to a shell.

A skip is never a pass. What could not be run, or was run without its trigger ever firing, sits
*above* PASS in the lattice, so it can never be hidden by the passes around it.

Sources: the project's design, "Verdicts"; OpenTAP and TTCN-3 order their verdicts the same way.
"""

from __future__ import annotations

from enum import Enum, unique
from functools import total_ordering
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Exit code of a command for which nothing was selected: wrong usage, not success.
EXIT_NOTHING_SELECTED: Final = 2


@total_ordering
@unique
class Verdict(Enum):
    """What a case, a requirement or a whole run came to.

    The members stand in the order of the lattice, lowest first; ``<`` and `join` follow it.
    The value is the word used in every file and on every screen.
    """

    #: The target does not claim the option that this speaks about.
    NOT_APPLICABLE = "NOT_APPLICABLE"
    #: Run, and everything observed was as required.
    PASS = "PASS"
    #: Selected, but could not be run here; the reason names what was missing.
    NOT_RUN = "NOT_RUN"
    #: Run, but proves nothing: an assumption failed or the trigger never fired.
    INCONCLUSIVE = "INCONCLUSIVE"
    #: The target broke the requirement.
    FAIL = "FAIL"
    #: The bench or the harness broke; nothing is known of the target.
    ERROR = "ERROR"

    @property
    def rank(self) -> int:
        """Height in the lattice, 0 (NOT_APPLICABLE) to 5 (ERROR)."""
        return _RANK[self]

    @property
    def needs_reason(self) -> bool:
        """True for every verdict that a reader cannot act on without being told why."""
        return self is not Verdict.PASS

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Verdict):
            return NotImplemented
        return self.rank < other.rank

    @staticmethod
    def join(verdicts: Iterable[Verdict]) -> Verdict:
        """Return the highest of `verdicts`; NOT_APPLICABLE, the bottom, for none at all.

        The caller who must tell "nothing selected" from "not applicable" looks at its list of
        cases, as `exit_code` does with None.
        """
        return max(verdicts, default=Verdict.NOT_APPLICABLE)


#: `Verdict.join` under the name that reads well beside a list of cases.
join = Verdict.join

_RANK: Final = {verdict: rank for rank, verdict in enumerate(Verdict)}

_EXIT_CODES: Final = {
    Verdict.NOT_APPLICABLE: 0,
    Verdict.PASS: 0,
    Verdict.NOT_RUN: 3,
    Verdict.INCONCLUSIVE: 3,
    Verdict.FAIL: 1,
    Verdict.ERROR: 4,
}


def exit_code(verdict: Verdict | None) -> int:
    """Return the exit code of a command that ended with `verdict`.

    0 all PASS or nothing to complain about, 1 a FAIL, 3 INCONCLUSIVE or NOT_RUN where a verdict
    was wanted, 4 ERROR in the harness; None stands for "nothing was selected" and gives 2, the
    code of wrong usage.
    """
    return EXIT_NOTHING_SELECTED if verdict is None else _EXIT_CODES[verdict]
