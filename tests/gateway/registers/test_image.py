"""The register image against the exact registers of manual 5.2, 6.2 and of the worked examples."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from gateway.registers.entries import GatewayEntry, MeterEntry, ValueEntry
from gateway.registers.image import RegisterImage, UnmappedAddress, build
from gateway.registers.layout import STANDARD, Layout, WordOrder
from tests.gateway.worked_examples import GATEWAY, METER_A, METER_B, METERS, allocated, image, words

LSB_FIRST = WordOrder.LSB_FIRST
LSB_FIRST_32 = WordOrder.LSB_FIRST_32

# fmt: off
STANDARD_IMAGE = [
    (0,  "0001 2883 0001 0082 6B00 3647 0000 0100 0000 0000"),
    (10, "03F8 3CAA 32A7 0204 6B00 3643 0000 0200 0000 0000"),
    (20, "0000 0000 0000 010B 4882 5F00 0003 0005 6B00 35C8"),
    (30, "FFFF FFFF FFFF FB2E C145 70A4 FFFE 0013 6B00 35C8"),
    (40, "0000 0000 00BC 614E 47F1 2064 FFFE 0007 6B00 35C8"),
    (50, "0006 8A7E 0442 0602 6B00 3646 0000 0200 0000 0000"),
    (60, "0000 0000 0000 0000 0000 0000 0000 0000 0000 0000"),
    (70, "0000 0000 6AE5 2F80 4ED5 CA5F 0000 0019 0000 0000"),
]
FLOAT_ONLY_IMAGE = [
    (0,  STANDARD_IMAGE[0][1]),
    (10, STANDARD_IMAGE[1][1]),
    (20, "4882 5F00"),
    (22, "C145 70A4"),
    (24, "47F1 2064"),
    (26, STANDARD_IMAGE[5][1]),
    (36, "0000 0000"),
    (38, "4ED5 CA5F"),
]
DUMMY_IMAGE = [
    (0,  "0002 993A 0001 006F 519C C16D 0000 0100 0000 0000"),
    (10, "00BC 614E 0443 0102 519C C164 0000 0200 0000 0000"),
    (20, "0000 0000 00BC 614E 449A 522B FFFC 0005 519C BBB3"),
]
# What manual 5.2 prints; register 26 there contradicts its own text (C-04).
DUMMY_AS_PRINTED = [
    *DUMMY_IMAGE[:2],
    (20, "0000 0000 00BC 614E 449A 522B FFFF 0005 519C BBB3"),
]
MANUAL_62_EXAMPLE = [
    (0,  "0002 993A 0001 006F 519C C16D 0000 0100 0000 0000"),
    (10, "03F8 3CAA 32A7 0204 519C C16D 0000 0200 0000 0000"),
    (20, "0000 0000 0000 010B 4882 5F00 0003 0005 519C BBB3"),
]
# fmt: on


def shown(seen: RegisterImage, table: list[tuple[int, str]], unit: int = 255) -> list[str]:
    """Read the rows of a table of exact registers."""
    return [words(seen.read(unit, start, len(row.split()))) for start, row in table]


def rows(table: list[tuple[int, str]]) -> list[str]:
    """Give the registers of a table."""
    return [row for _, row in table]


def unmapped(seen: RegisterImage, unit: int, start: int, quantity: int = 1) -> bool:
    """Whether a read finds nothing mapped."""
    try:
        seen.read(unit, start, quantity)
    except UnmappedAddress:
        return True
    return False


def test_standard_layout() -> None:
    """REG-G, REG-M, REG-V: the standard layout has the 80 registers of worked example 2."""
    seen = image()
    assert shown(seen, STANDARD_IMAGE) == rows(STANDARD_IMAGE)
    assert seen.register_count(255) == 80


def test_worked_example_of_the_manual() -> None:
    """REG-X: the example configuration of manual 6.2 comes out register for register."""
    gateway = GatewayEntry(serial=0x2993A, software_version=111, last_readout=0x519CC16D)
    value = ValueEntry(register=20, integer=267, scale=3, unit=5, time=0x519CBBB3)
    meter = replace(METER_A, time=0x519CC16D, values=(value,))
    assert shown(build(gateway, [meter]), MANUAL_62_EXAMPLE) == rows(MANUAL_62_EXAMPLE)


def test_reads_inside_and_across_entries() -> None:
    """C-12: a read may start anywhere; gaps inside a touched range and behind the end read 0."""
    seen = image()
    assert words(seen.read(255, 34, 2)) == "C145 70A4"
    assert words(seen.read(255, 78, 4)) == "0000 0000 0000 0000"
    assert words(seen.read(255, 79, 125)) == " ".join(["0000"] * 125)
    assert unmapped(seen, 255, 80)
    assert unmapped(seen, 255, 65535)
    # Beyond 65535 there is no wrap to register 0.
    assert unmapped(seen, 255, 65535, 2)


def test_a_gap_between_meters_reads_zero() -> None:
    """C-12: a block read over unallocated registers gives zeros between the entries."""
    far = replace(METER_B, register=100, values=())
    seen = build(GATEWAY, [METER_A, far])
    assert words(seen.read(1, 48, 54)) == " ".join(["6B00", "35C8", *["0000"] * 50, "0006", "8A7E"])
    assert unmapped(seen, 1, 50, 50)


def test_register_65535_can_be_read() -> None:
    """FC3-03: the last register is readable and a range beyond it is not."""
    seen = build(
        GATEWAY,
        [replace(METER_A, register=65526, values=())],
        layout=Layout(float_only=True),
    )
    assert words(seen.read(0, 65534, 2)) == "0000 0000"
    assert unmapped(seen, 0, 65534, 3)


def test_float_only_layout() -> None:
    """C-10, SRV-05: float-only has the 40 registers of worked example 5."""
    seen = image(Layout(float_only=True))
    assert shown(seen, FLOAT_ONLY_IMAGE) == rows(FLOAT_ONLY_IMAGE)
    assert seen.register_count(0) == 40


def test_float_only_without_a_new_allocate() -> None:
    """C-10: after the tick the stored addresses stay and each value serves 2 registers."""
    seen = build(GATEWAY, METERS, layout=Layout(float_only=True))
    values = [(20, "4882 5F00"), (30, "C145 70A4"), (40, "47F1 2064"), (70, "4ED5 CA5F")]
    assert shown(seen, values) == rows(values)
    assert unmapped(seen, 255, 22, 8)
    assert not unmapped(seen, 255, 60, 2)
    assert unmapped(seen, 255, 62, 8)


def test_standard_layout_of_a_float_only_allocation() -> None:
    """C-67: values 2 apart in the standard layout: the first in list order is served."""
    seen = build(GATEWAY, allocated(Layout(float_only=True)))
    assert shown(seen, STANDARD_IMAGE[:3]) == rows(STANDARD_IMAGE[:3])
    assert seen.register_count(255) == 30


@pytest.mark.parametrize(
    ("unit", "expected", "first_unmapped"),
    [
        (0, STANDARD_IMAGE[:1], 10),
        (255, STANDARD_IMAGE[:1], 10),
        (1, STANDARD_IMAGE[:5], 50),
        (2, [STANDARD_IMAGE[0], *((a - 40, row) for a, row in STANDARD_IMAGE[5:])], 40),
    ],
)
def test_multi_slave_layout(
    unit: int, expected: list[tuple[int, str]], first_unmapped: int
) -> None:
    """C-11, SRV-06: every meter has a unit identifier and starts at 10 (worked example 6)."""
    seen = image(Layout(multi_slave=True))
    assert shown(seen, expected, unit) == rows(expected)
    assert unmapped(seen, unit, first_unmapped)
    assert seen.register_count(unit) == first_unmapped


def test_multi_slave_units() -> None:
    """C-11: 0, 255 and MODBUS_ADDRESS are the gateway; no one answers besides the meters."""
    assert image(Layout(multi_slave=True)).units() == [0, 1, 2, 255]
    seen = image(Layout(multi_slave=True, modbus_address=1))
    assert seen.units() == [0, 1, 2, 3, 255]
    assert seen.register_count(1) == 10
    assert seen.register_count(2) == 50
    assert not seen.serves(4)


def test_multi_slave_with_float_only() -> None:
    """C-11: with float-only on top the same rule holds with values 2 long."""
    seen = image(Layout(multi_slave=True, float_only=True))
    table = [(20, "0000 0000"), (22, "4ED5 CA5F")]
    assert shown(seen, table, 2) == rows(table)
    assert seen.register_count(2) == 24


def test_multi_slave_hides_an_inactive_meter() -> None:
    """C-11, C-53: an inactive meter's unit identifier is unknown."""
    meters = allocated(Layout(multi_slave=True))
    seen = build(
        GATEWAY,
        [replace(meters[0], active=False), meters[1]],
        layout=Layout(multi_slave=True),
    )
    assert seen.units() == [0, 2, 255]


@pytest.mark.parametrize(
    ("address", "units"), [(0, list(range(256))), (7, [0, 7, 255]), (255, [0, 255])]
)
def test_unit_identifiers_of_one_image(address: int, units: list[int]) -> None:
    """C-38: MODBUS_ADDRESS 0 answers any unit identifier, another only itself, 0 and 255."""
    assert image(Layout(modbus_address=address)).units() == units


@pytest.mark.parametrize(
    ("order", "start", "expected"),
    [
        (LSB_FIRST, 0, "2883 0001 0001 0082 3647 6B00 0000 0100 0000 0000"),
        (LSB_FIRST, 30, "FB2E FFFF FFFF FFFF 70A4 C145 FFFE 0013 35C8 6B00"),
        (LSB_FIRST_32, 0, "2883 0001 0001 0082 3647 6B00 0000 0100 0000 0000"),
        (LSB_FIRST_32, 30, "FFFF FFFF FFFF FB2E 70A4 C145 FFFE 0013 35C8 6B00"),
    ],
)
def test_swapped_entries(order: WordOrder, start: int, expected: str) -> None:
    """C-08, MOD-08: swap reverses the registers of long fields and nothing else (example 7)."""
    assert words(image(Layout(word_order=order)).read(255, start, 10)) == expected


@pytest.mark.parametrize(
    ("order", "integer", "number"),
    [
        (WordOrder.MSB_FIRST, "0102 0304 0506 0708", "449A 522B"),
        (LSB_FIRST, "0708 0506 0304 0102", "522B 449A"),
        (LSB_FIRST_32, "0102 0304 0506 0708", "522B 449A"),
    ],
)
def test_swapped_fields(order: WordOrder, integer: str, number: str) -> None:
    """C-08: 64 bits are reversed register by register, not in pairs (worked example 7)."""
    values = (
        ValueEntry(register=20, integer=0x0102030405060708),
        ValueEntry(register=30, integer=12345678, scale=-4),
    )
    seen = build(GATEWAY, [replace(METER_A, values=values)], layout=Layout(word_order=order))
    assert words(seen.read(0, 20, 4)) == integer
    assert words(seen.read(0, 34, 2)) == number


def test_swap_of_float_only() -> None:
    """C-08, C-10: the float of the compressed layout is swapped by either switch."""
    for order in (LSB_FIRST, LSB_FIRST_32):
        seen = image(Layout(float_only=True, word_order=order))
        assert words(seen.read(255, 20, 4)) == "5F00 4882 70A4 C145"


@pytest.mark.parametrize(
    ("swap", "version", "expected"),
    [
        (0, 0, Layout()),
        (0, 1, Layout(float_only=True)),
        (0, 2, Layout(multi_slave=True)),
        (0, 4, Layout(word_order=LSB_FIRST_32)),
        (1, 4, Layout(word_order=LSB_FIRST)),
        (1, 0, Layout(word_order=LSB_FIRST)),
        (0, 8, Layout(dummy=True)),
        (0, 16, Layout()),
        (1, 15, Layout(True, True, LSB_FIRST, True)),
    ],
)
def test_layout_from_the_keys(swap: int, version: int, expected: Layout) -> None:
    """C-08, C-09: the keys choose the layout; both switches together never cancel."""
    assert Layout.from_keys(modbus_swap=swap, protocol_version=version) == expected


def test_dummy_image() -> None:
    """MOD-10, C-04: the dummy image of manual 5.2, register 26 as FFFC, whatever the list holds."""
    seen = image(Layout(dummy=True))
    assert shown(seen, DUMMY_IMAGE) == rows(DUMMY_IMAGE)
    assert unmapped(seen, 0, 30)
    printed = " ".join(rows(DUMMY_AS_PRINTED)).split()
    served = " ".join(rows(DUMMY_IMAGE)).split()
    assert [n for n, pair in enumerate(zip(printed, served, strict=True)) if len({*pair}) > 1] == [
        26
    ]


def test_dummy_image_in_the_other_layouts() -> None:
    """C-57: the dummy is laid out by the same rules as a list of one meter (worked example 8)."""
    float_only = build(GATEWAY, METERS, layout=Layout(dummy=True, float_only=True))
    assert words(float_only.read(0, 20, 2)) == "449A 522B"
    assert unmapped(float_only, 0, 22)
    multi_slave = build(GATEWAY, METERS, layout=Layout(dummy=True, multi_slave=True))
    assert multi_slave.units() == [0, 1, 255]
    assert shown(multi_slave, DUMMY_IMAGE, 1) == rows(DUMMY_IMAGE)
    assert multi_slave.register_count(0) == 10
    swapped = build(GATEWAY, METERS, layout=Layout(dummy=True, word_order=LSB_FIRST))
    assert words(swapped.read(0, 20, 10)) == "614E 00BC 0000 0000 522B 449A FFFC 0005 BBB3 519C"


def test_inactive_entries_are_unmapped() -> None:
    """C-53: an inactive value or meter keeps its register and is not served."""
    quiet = METER_A.values[0]._replace(active=False)
    seen = build(GATEWAY, [replace(METER_A, values=(quiet, *METER_A.values[1:]))])
    assert unmapped(seen, 0, 20, 10)
    assert not unmapped(seen, 0, 20, 11)
    seen = build(GATEWAY, [replace(METER_A, active=False), METER_B])
    assert unmapped(seen, 0, 10, 40)
    assert words(seen.read(0, 50, 2)) == "0006 8A7E"


def test_unallocated_and_invalid_registers_are_not_served() -> None:
    """REG-00: only an entry with a valid register address is served."""
    values = tuple(ValueEntry(register=r, integer=1) for r in (0, 5, 25, 65530, 65536, -10))
    seen = build(GATEWAY, [replace(METER_A, values=values)])
    assert seen.register_count(0) == 20


def test_first_in_list_order_is_served() -> None:
    """C-67: of two entries in a file that overlap, the first in list order is served."""
    seen = build(GATEWAY, [METER_A, replace(METER_B, register=40, values=())])
    assert words(seen.read(0, 40, 10)) == STANDARD_IMAGE[4][1]
    seen = build(GATEWAY, [replace(METER_B, register=40, values=()), METER_A])
    assert words(seen.read(0, 40, 10)) == STANDARD_IMAGE[5][1]


def test_values_out_of_range_saturate() -> None:
    """An integer beyond 64 bits shows the limit, its float stays right; odd times read 0 (C-58)."""
    values = (
        ValueEntry(register=20, integer=10**30, scale=-10, time=2**32),
        ValueEntry(register=30, integer=-(10**30), time=-1),
    )
    seen = build(GATEWAY, [replace(METER_A, values=values)])
    assert words(seen.read(0, 20, 10)) == ("7FFF FFFF FFFF FFFF 60AD 78EC FFF6 0000 0000 0000")
    assert words(seen.read(0, 30, 4)) == "8000 0000 0000 0000"


@pytest.mark.parametrize(
    "meter",
    [
        MeterEntry(register=10, serial=-1),
        MeterEntry(register=10, medium=256),
        MeterEntry(register=10, values=(ValueEntry(register=20, unit=256),)),
        MeterEntry(register=10, values=(ValueEntry(register=20, scale=40000),)),
    ],
)
def test_what_no_register_holds_is_named(meter: MeterEntry) -> None:
    """A field that no register can hold is refused with the entry in the message."""
    with pytest.raises(ValueError, match="no register holds"):
        build(GATEWAY, [meter])
    with pytest.raises(ValueError, match="no register holds GatewayEntry"):
        build(GatewayEntry(serial=2**32, software_version=130), [])


LAYOUTS = [
    Layout(float_only, multi_slave, order, dummy_mode, address)
    for float_only in (False, True)
    for multi_slave in (False, True)
    for order in WordOrder
    for dummy_mode in (False, True)
    for address in (0, 3)
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_building_on_a_previous_image_changes_nothing(layout: Layout) -> None:
    """C-13: an image built on the one before it equals one built from nothing, in every layout."""
    random = Random(f"registers/{layout}")
    meters = list(allocated(layout))
    gateway = GATEWAY
    seen = build(gateway, meters, layout=layout)
    for step in range(30):
        number = random.randrange(len(meters))
        kind = random.randrange(4)
        if kind == 0:
            gateway = replace(gateway, last_readout=1795176007 + step)
        elif kind == 1:
            meters[number] = replace(meters[number], flags=random.randrange(4))
        elif kind == 2:
            values = [v._replace(integer=random.randrange(10**6)) for v in meters[number].values]
            meters[number] = replace(meters[number], values=tuple(values))
        else:
            meters[number] = replace(meters[number], active=bool(random.randrange(2)))
        seen = build(gateway, meters, layout=layout, previous=seen)
        fresh = build(gateway, meters, layout=layout)
        assert seen.banks == fresh.banks


def test_an_image_never_changes() -> None:
    """C-12: a snapshot that a reader holds stays what it was when newer ones are built."""
    first = image()
    before = first.read(0, 0, 80)
    meters = (replace(first.meters[0], flags=3), first.meters[1])
    second = build(GATEWAY, meters, previous=first)
    assert first.read(0, 0, 80) == before
    assert words(second.read(0, 18, 1)) == "0003"
    assert first.banks[0] is not second.banks[0]


def test_layout_change_is_not_patched() -> None:
    """A previous image in another layout gives nothing to the new one."""
    seen = build(GATEWAY, METERS, layout=Layout(word_order=LSB_FIRST), previous=image())
    assert words(seen.read(0, 0, 2)) == "2883 0001"
    assert seen.layout != STANDARD
