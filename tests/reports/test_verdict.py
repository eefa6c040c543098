"""The lattice: order, join and exit codes as the design states them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.verdict import Verdict, exit_code, join

VERDICTS = st.sampled_from(list(Verdict))


def test_order() -> None:
    """NOT_APPLICABLE < PASS < NOT_RUN < INCONCLUSIVE < FAIL < ERROR."""
    named = ["NOT_APPLICABLE", "PASS", "NOT_RUN", "INCONCLUSIVE", "FAIL", "ERROR"]
    assert [verdict.value for verdict in sorted(Verdict)] == named


@given(st.lists(VERDICTS), st.lists(VERDICTS))
def test_join_is_a_semilattice(left: list[Verdict], right: list[Verdict]) -> None:
    """Joining in pieces, in any order and twice gives what joining at once gives."""
    whole = join(left + right)
    assert join([join(left), join(right)]) is whole
    assert join(right + left) is whole
    assert join([whole, whole]) is whole
    assert all(verdict <= whole for verdict in left + right)


def test_a_skip_is_never_a_pass() -> None:
    """A case that was selected and not run keeps the whole above PASS."""
    assert join([Verdict.PASS, Verdict.NOT_RUN, Verdict.PASS]) is Verdict.NOT_RUN


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.PASS, 0),
        (Verdict.NOT_APPLICABLE, 0),
        (Verdict.FAIL, 1),
        (None, 2),
        (Verdict.NOT_RUN, 3),
        (Verdict.INCONCLUSIVE, 3),
        (Verdict.ERROR, 4),
    ],
)
def test_exit_codes(verdict: Verdict | None, code: int) -> None:
    """0 all PASS, 1 a FAIL, 2 nothing selected, 3 no verdict where one was wanted, 4 ERROR."""
    assert exit_code(verdict) == code


def test_a_verdict_compares_only_with_verdicts() -> None:
    """Comparing with the word instead of the verdict is a mistake, not a silent False."""
    with pytest.raises(TypeError):
        assert Verdict.PASS < "FAIL"
