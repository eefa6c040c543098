"""Marks of a tty: what the driver writes for each character is undone exactly."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.io.parity_marks import ParityMarks

#: Characters as received: value, and whether the driver found an error in it.
characters = st.lists(st.tuples(st.integers(0, 255), st.booleans()), max_size=40)


def as_marked(received: list[tuple[int, bool]]) -> bytes:
    """What a driver with PARMRK gives: FF 00 x for a bad x, FF FF for a good FF."""
    return b"".join(
        bytes((0xFF, 0, value)) if bad else (b"\xff\xff" if value == 0xFF else bytes((value,)))
        for value, bad in received
    )


@given(received=characters, cuts=st.lists(st.integers(0, 120), max_size=6))
def test_marks_are_undone_wherever_a_read_ends(
    received: list[tuple[int, bool]], cuts: list[int]
) -> None:
    """Values and bad places come out as they went in, however the bytes are cut."""
    wire = as_marked(received)
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    marks = ParityMarks()
    values, bad = bytearray(), []
    for start, end in itertools.pairwise(places):
        piece, marked = marks.feed(wire[start:end])
        bad += [len(values) + index for index in marked]
        values += piece
    assert bytes(values) == bytes(value for value, _ in received)
    assert bad == [index for index, (_, is_bad) in enumerate(received) if is_bad]


@given(st.binary(max_size=60))
def test_any_bytes_are_taken(data: bytes) -> None:
    """A driver that does not double FF loses no character either."""
    values, marked = ParityMarks().feed(data)
    assert len(values) <= len(data)
    assert all(index < len(values) for index in marked)
