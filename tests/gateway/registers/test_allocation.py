"""Allocate, Deallocate and the duplicate check (C-67, C-10, C-11, MET-13 to MET-15)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.registers.allocation import (
    Cause,
    Conflict,
    Place,
    Registers,
    allocate,
    allocate_one,
    deallocate,
    deallocate_one,
    give_slave_addresses,
    overlaps,
    unplaced,
)
from gateway.registers.layout import STANDARD, Layout

FLOAT_ONLY = Layout(float_only=True)
MULTI_SLAVE = Layout(multi_slave=True)


def fresh(*value_counts: int) -> list[Registers]:
    """Make meters without addresses, by their numbers of values."""
    return [Registers(0, (0,) * count) for count in value_counts]


def test_allocate_is_contiguous() -> None:
    """MET-15: meter then its values from 10; a meter with 20 values puts the next at 220."""
    first, second = allocate(fresh(20, 3), STANDARD)
    assert first == Registers(10, tuple(range(20, 220, 10)))
    assert second == Registers(220, (230, 240, 250))


def test_allocate_in_the_worked_examples() -> None:
    """C-10: the population of the worked examples takes 80 registers, 40 in float-only."""
    assert allocate(fresh(3, 2), STANDARD) == [
        Registers(10, (20, 30, 40)),
        Registers(50, (60, 70)),
    ]
    assert allocate(fresh(3, 2), FLOAT_ONLY) == [
        Registers(10, (20, 22, 24)),
        Registers(26, (36, 38)),
    ]


def test_multi_slave_addresses() -> None:
    """C-11: lowest free unit identifier in list order, never MODBUS_ADDRESS, kept once given."""
    given_first = allocate(fresh(3, 2), MULTI_SLAVE)
    assert [meter.slave_address for meter in given_first] == [1, 2]
    avoiding = allocate(fresh(1, 1, 1), Layout(multi_slave=True, modbus_address=2))
    assert [meter.slave_address for meter in avoiding] == [1, 3, 4]
    kept = give_slave_addresses(
        [Registers(10), Registers(20, (), 1), Registers(0), Registers(30)], MULTI_SLAVE
    )
    assert [meter.slave_address for meter in kept] == [2, 1, 0, 3]
    assert give_slave_addresses([Registers(10)], STANDARD) == [Registers(10)]


def test_unit_identifiers_run_out() -> None:
    """C-75: past unit 247 a meter stays without, also when it is allocated alone, and is named."""
    meters = allocate(fresh(*[0] * 248), MULTI_SLAVE)
    assert [meter.slave_address for meter in meters] == [*range(1, 248), 0]
    assert meters[247] == Registers(0)
    assert unplaced(meters) == [Place(247)]
    assert overlaps(meters, MULTI_SLAVE) == []
    assert allocate_one(meters, 247, MULTI_SLAVE) == meters
    stored = [*meters[:247], Registers(2480)]
    assert overlaps(stored, MULTI_SLAVE) == [Conflict(Place(247), 2480, Cause.SLAVE_ADDRESS, None)]


def test_registers_run_out() -> None:
    """C-75: what lies past register 65535 stays 0, to the end of the list, and is named."""
    meters = allocate(fresh(6549, 1, 0), STANDARD)
    assert meters[0].values[-1] == 65500
    assert meters[1] == Registers(65510, (65520,))
    assert meters[2] == Registers(0)
    assert unplaced(meters) == [Place(2)]
    too_long = allocate(fresh(6552, 0), STANDARD)
    assert too_long[0].values[-2:] == (65520, 0)
    assert unplaced(too_long) == [Place(0, 6551), Place(1)]


def test_float_only_reaches_the_last_register() -> None:
    """C-10: float-only meters may sit up to 65526 and values up to 65534."""
    meters = allocate(fresh(32758), FLOAT_ONLY)
    assert meters[0].values[-2:] == (65532, 65534)
    assert unplaced(meters) == []
    # A value in the last place leaves no room for a meter, and nothing behind gets an address.
    assert allocate(fresh(32757, 5), FLOAT_ONLY)[1] == Registers(0, (0,) * 5)


def test_allocate_one_takes_the_lowest_gap_that_fits() -> None:
    """C-67: one meter goes to the lowest gap that holds it and its values; the others stay."""
    meters = [Registers(10, (20,)), Registers(0, (0, 0)), Registers(50, (60,)), Registers(110)]
    assert allocate_one(meters, 1, STANDARD)[1] == Registers(70, (80, 90))
    meters[1] = Registers(0, (0,))
    assert allocate_one(meters, 1, STANDARD)[1] == Registers(30, (40,))
    meters[1] = Registers(0, (0, 0, 0, 0))
    result = allocate_one(meters, 1, STANDARD)
    assert result[1] == Registers(120, (130, 140, 150, 160))
    assert [result[n] for n in (0, 2, 3)] == [meters[n] for n in (0, 2, 3)]


def test_allocate_one_again_moves_to_the_lowest_gap() -> None:
    """C-67: a meter that has addresses may be allocated again; its unit identifier stays."""
    meters = [Registers(100, (110,), 9)]
    assert allocate_one(meters, 0, MULTI_SLAVE) == [Registers(10, (20,), 9)]


def test_allocate_one_without_room() -> None:
    """C-75: where no gap is long enough the meter stays without an address."""
    meters = [*allocate(fresh(6550), STANDARD), Registers(0, (0,))]
    assert allocate_one(meters, 1, STANDARD)[1] == Registers(0, (0,))


def test_deallocate() -> None:
    """C-67: Deallocate writes 0 and gives the unit identifier back, for one or for all."""
    meters = allocate(fresh(1, 1), MULTI_SLAVE)
    assert deallocate_one(meters, 0) == [Registers(0, (0,)), meters[1]]
    assert deallocate(meters) == [Registers(0, (0,)), Registers(0, (0,))]


@pytest.mark.parametrize(
    ("meters", "layout", "expected"),
    [
        ([Registers(10, (10,))], STANDARD, [(Place(0, 0), 10, Cause.OVERLAP, Place(0))]),
        (
            [Registers(10, (20,)), Registers(20)],
            STANDARD,
            [(Place(1), 20, Cause.OVERLAP, Place(0, 0))],
        ),
        ([Registers(5)], STANDARD, [(Place(0), 5, Cause.INVALID, None)]),
        ([Registers(15)], STANDARD, [(Place(0), 15, Cause.INVALID, None)]),
        ([Registers(65530)], STANDARD, [(Place(0), 65530, Cause.INVALID, None)]),
        ([Registers(8)], FLOAT_ONLY, [(Place(0), 8, Cause.INVALID, None)]),
        ([Registers(65528)], FLOAT_ONLY, [(Place(0), 65528, Cause.INVALID, None)]),
        ([Registers(10, (65534,))], FLOAT_ONLY, []),
        (
            [Registers(10, (18, 20))],
            FLOAT_ONLY,
            [(Place(0, 0), 18, Cause.OVERLAP, Place(0))],
        ),
        # The tick cleared while values sit 2 apart: extents overlap, Save is refused (C-67).
        (
            [Registers(10, (20, 22))],
            STANDARD,
            [(Place(0, 1), 22, Cause.INVALID, None)],
        ),
        (
            [Registers(10, (), 1), Registers(20, (), 1)],
            MULTI_SLAVE,
            [(Place(1), 20, Cause.SLAVE_ADDRESS, Place(0))],
        ),
        ([Registers(10, (), 248)], MULTI_SLAVE, [(Place(0), 10, Cause.SLAVE_ADDRESS, None)]),
        (
            [Registers(30, (20,), 1)],
            MULTI_SLAVE,
            [(Place(0, 0), 20, Cause.BELOW_METER, Place(0))],
        ),
        ([Registers(0, (0, 0)), Registers(10, (0,))], STANDARD, []),
    ],
)
def test_overlaps(
    meters: list[Registers],
    layout: Layout,
    expected: list[tuple[Place, int, Cause, Place | None]],
) -> None:
    """MET-13, C-10, C-67: duplicates, overlaps and invalid addresses are found, both named."""
    assert overlaps(meters, layout) == [Conflict(*row) for row in expected]


def test_a_hostile_list_is_surveyed_at_once() -> None:
    """A file with tens of thousands of entries on one register costs no quadratic search."""
    conflicts = overlaps([Registers(10, (20,) * 100_000)], STANDARD)
    assert len(conflicts) == 99_999
    assert conflicts[-1].other == Place(0, 0)


layouts = st.builds(
    Layout, float_only=st.booleans(), multi_slave=st.booleans(), modbus_address=st.integers(0, 255)
)


@given(st.lists(st.integers(0, 30), max_size=40), layouts)
def test_what_allocate_gives_never_conflicts(counts: list[int], layout: Layout) -> None:
    """C-67: after Allocate the duplicate check is content and every entry has an address."""
    meters = allocate(fresh(*counts), layout)
    assert overlaps(meters, layout) == []
    assert unplaced(meters) == []


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
    layouts,
    st.lists(st.tuples(st.booleans(), st.integers(0, 11)), max_size=20),
)
def test_allocating_one_by_one_never_conflicts(
    counts: list[int], layout: Layout, steps: list[tuple[bool, int]]
) -> None:
    """C-67: any sequence of Allocate and Deallocate of single meters leaves no overlap."""
    meters = fresh(*counts)
    for give, number in steps:
        if number < len(meters):
            change = (
                allocate_one(meters, number, layout) if give else deallocate_one(meters, number)
            )
            meters = change
    assert overlaps(meters, layout) == []
