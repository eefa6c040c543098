"""Selection: the index over a whole bus agrees with one meter at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.meter import Identity
from simulators.selection import SelectionIndex, matches, members

METER = Identity("66600106", "LUG", 2, 4)
ADDRESS = "06016066A7320204"

digits = st.text(alphabet="0123ABF", min_size=8, max_size=8)
identities = st.builds(
    Identity, digits, st.sampled_from(["LUG", "LUH", "ABB"]), st.integers(0, 3), st.integers(2, 4)
)


@pytest.mark.parametrize(
    ("mask", "selected"),
    [
        (ADDRESS, True),
        ("FFFFFFFFFFFFFFFF", True),
        ("FFFFFF0FFFFFFFFF", False),
        ("FFFFFF6FFFFFFFFF", True),
        ("F6FFFFFFFFFFFFFF", True),
        ("F0FFFFFFFFFFFFFF", False),
        ("06016066A732FF04", True),
        ("06016066A7320304", False),
        ("06016066FF320204", True),
        ("06016066A7FF0204", True),
        ("06016066F7320204", False),
        ("06016066A7320207", False),
        ("06016066A73202FF", True),
    ],
)
def test_wildcards(mask: str, selected: bool) -> None:
    """F stands for any digit of the number, FF for a whole byte of the rest, F7 for itself."""
    assert matches(bytes.fromhex(mask), METER) is selected
    assert SelectionIndex([METER]).select(bytes.fromhex(mask)) == int(selected)


@given(st.lists(identities, max_size=12), identities, st.lists(st.booleans(), min_size=16))
def test_the_index_agrees_with_asking_each_meter(
    meters: list[Identity], pattern: Identity, wild: list[bool]
) -> None:
    """Whatever is selected on a bus is what each meter for itself would say."""
    hexadecimal = pattern.to_bytes().hex()
    mask = bytes.fromhex(
        "".join("f" if wild[n] else digit for n, digit in enumerate(hexadecimal[:8]))
        + "".join("ff" if wild[n] else hexadecimal[8 + 2 * n : 10 + 2 * n] for n in range(4))
    )
    found = [meters[n] for n in members(SelectionIndex(meters).select(mask))]
    assert found == [meter for meter in meters if matches(mask, meter)]
    if not meters:
        assert SelectionIndex(meters).select(mask) == 0
