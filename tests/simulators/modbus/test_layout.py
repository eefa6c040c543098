"""The layout reader against the worked examples of manual 5.2 and 6.2."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus import layout
from simulators.modbus.layout import GatewayBlock, MalformedBlock, MeterBlock, ValueBlock
from tests.simulators.modbus.worked_example import DUMMY, REGISTERS

WORD = st.integers(0, 0xFFFF)


def test_worked_example() -> None:
    """Every field of the two-meter example reads as it was computed."""
    gateway, a, energy, temperature, volume, b, text, date = layout.read(REGISTERS)
    assert isinstance(gateway, GatewayBlock)
    assert gateway.serial_number == 75907
    assert (gateway.protocol_version, gateway.software_version) == (1, 130)
    assert gateway.time_stamp == 1795176007
    assert isinstance(a, MeterBlock)
    assert (a.address, a.serial_number, a.manufacturer) == (10, 66600106, "LUG")
    assert (a.version, a.medium, a.time_stamp, a.flags) == (2, 4, 1795176003, 0)
    assert isinstance(energy, ValueBlock)
    assert (energy.integer, energy.scale, energy.unit) == (267, 3, 5)
    assert energy.float_value == 267000.0
    assert isinstance(temperature, ValueBlock)
    assert (temperature.integer, temperature.scale, temperature.unit) == (-1234, -2, 19)
    assert temperature.float_value == struct.unpack(">f", bytes.fromhex("C14570A4"))[0]
    assert isinstance(volume, ValueBlock)
    assert (volume.integer, volume.unit) == (12345678, 7)
    assert isinstance(b, MeterBlock)
    assert (b.serial_number, b.manufacturer, b.version, b.medium) == (428670, "ABB", 6, 2)
    assert isinstance(text, ValueBlock)
    assert text.registers == (0,) * 10
    assert isinstance(date, ValueBlock)
    assert (date.integer, date.unit, date.time_stamp) == (0x6AE52F80, 25, 0)


def test_dummy_image() -> None:
    """The dummy data of manual 5.2: ABC, version 1, electricity, 1234.5678 Wh."""
    _, meter, value = layout.read(DUMMY)
    assert isinstance(meter, MeterBlock)
    assert (meter.serial_number, meter.manufacturer) == (12345678, "ABC")
    assert isinstance(value, ValueBlock)
    assert (value.integer, value.scale, value.time_stamp) == (12345678, -4, 1369226163)
    assert value.float_value == pytest.approx(1234.5678, rel=1e-7)


def test_grouping() -> None:
    """Values belong to the meter before them."""
    groups, others = layout.group(layout.read(REGISTERS))
    assert [(g.meter.serial_number, len(g.values)) for g in groups] == [(66600106, 3), (428670, 2)]
    assert [type(block) for block in others] == [GatewayBlock]


@pytest.mark.parametrize(
    ("register", "word", "message"),
    [
        (7, 0x0200, "register 7: expected type 1 (gateway entry), got 2"),
        (17, 0x0100, "register 17: expected type 2 (meter entry) or 0 (value entry), got 1"),
        (17, 0xFF00, "register 17: expected type 2 (meter entry) or 0 (value entry), got 255"),
    ],
)
def test_wrong_type_byte(register: int, word: int, message: str) -> None:
    """An entry of no known kind is an observation with its place, and the walk goes on."""
    registers = [*REGISTERS]
    registers[register] = word
    blocks = layout.read(registers)
    broken = blocks[register // 10]
    assert isinstance(broken, MalformedBlock)
    assert broken.message == message
    assert len(blocks) == 8


def test_values_behind_a_malformed_meter_belong_to_nobody() -> None:
    """Values of a meter that cannot be read are not given to the meter before it."""
    registers = [*REGISTERS]
    registers[57] = 0x0700
    groups, others = layout.group(layout.read(registers))
    assert [len(g.values) for g in groups] == [3]
    assert [block.address for block in others] == [0, 50, 60, 70]


def test_cut_entry() -> None:
    """Registers that end inside an entry give an observation, not an error."""
    *whole, cut = layout.read(REGISTERS[:75])
    assert len(whole) == 7
    assert isinstance(cut, MalformedBlock)
    assert cut.message == "expected 10 registers from 70 on, got 5"


def test_base_and_gaps() -> None:
    """A run may start anywhere, and steps without registers are skipped."""
    assert [b.address for b in layout.read(REGISTERS[10:30], 10)] == [10, 20]
    mapped = {a: w for a, w in enumerate(REGISTERS) if not 20 <= a < 50}
    assert [b.address for b in layout.read_mapped(mapped)] == [0, 10, 50, 60, 70]
    assert layout.read([]) == []


def test_numbers_that_are_no_register() -> None:
    """A word beyond 16 bits is named."""
    block = layout.read([0] * 9 + [0x10000], 10)[0]
    assert isinstance(block, MalformedBlock)
    assert "expected 16-bit registers, got 65536" in block.message


@given(st.lists(WORD, max_size=60), st.integers(0, 6000).map(lambda n: 10 * n))
def test_total_and_lossless(registers: list[int], base: int) -> None:
    """Any registers give blocks that hold all of them, in order."""
    blocks = layout.read(registers, base)
    assert [word for block in blocks for word in block.registers] == registers
    assert [block.address for block in blocks] == list(range(base, base + len(registers), 10))


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=32, allow_nan=False),
    st.integers(-(2**15), 2**15 - 1),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
)
def test_value_fields(integer: int, number: float, scale: int, unit: int, time: int) -> None:
    """The five fields of a value are where manual 6.2 puts them, most significant first."""
    data = struct.pack(">qfhBBI", integer, number, scale, 0, unit, time)
    (block,) = layout.read(struct.unpack(">10H", data), 20)
    assert isinstance(block, ValueBlock)
    read = (block.integer, block.float_value, block.scale, block.unit, block.time_stamp)
    assert read == (integer, number, scale, unit, time)


def test_manufacturer_that_is_no_letter() -> None:
    """Groups of five bits outside 1..26 show as "?"."""
    block = MeterBlock(10, (0, 0, 0x7C1B, 0, 0, 0, 0, 0x0200, 0, 0))
    assert block.manufacturer == "???"
