"""The fixtures on virtual hardware: a real PTY, a real gateway, a real socket, in real time."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from simulators.modbus import layout
from simulators.modbus.layout import ValueBlock
from simulators.modbus.pdu import ExceptionAnswer, Identification
from tests.simulators.modbus.worked_example import REGISTERS

if TYPE_CHECKING:
    from hil.bench import Bench
    from hil.buses import Converter
    from hil.modbus_client import ModbusClient
    from hil.protocols import DeviceUnderTest


def test_bench_is_virtual_by_default(bench: Bench) -> None:
    """Without --bench nothing has to be bought."""
    assert bench.name == "virtual"


def test_converter_is_a_terminal(converter: Converter) -> None:
    """The simulated bus is a device that any program can open."""
    assert converter.virtual is not None
    assert converter.virtual.meters == ["a", "b"]
    assert converter.line_format.baudrate == 9600
    assert stat.S_ISCHR(Path(converter.url).stat().st_mode)


def test_converter_answers(converter: Converter) -> None:
    """A meter behind the terminal acknowledges SND_NKE, and a dead one is silent."""
    assert converter.virtual is not None
    terminal = os.open(converter.url, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(terminal, bytes.fromhex("10 40 05 45 16"))
        assert os.read(terminal, 1) == b"\xe5"
    finally:
        os.close(terminal)
    converter.virtual.power("a", on=False)
    assert not converter.virtual.ask(lambda network: network.meters["a"].powered)


def test_worked_example_over_the_wire(gateway: DeviceUnderTest, modbus: ModbusClient) -> None:
    """Found, read and served: every register of the worked example but the times of today."""
    assert gateway.reference is not None
    gateway.reference.commission()
    served = _without_times(layout.read(modbus.registers(0, 80)))
    expected = _without_times(layout.read(REGISTERS))
    # The search finds the lower number first, so B stands before A in the list.
    assert served == expected[:1] + expected[5:] + expected[1:5]
    assert modbus.unexpected == []


def _without_times(blocks: list[layout.Block]) -> list[tuple[int, ...]]:
    """Return the registers of each entry, less the times of the gateway's own clock."""
    return [
        block.registers
        if isinstance(block, ValueBlock)
        else block.registers[:4] + block.registers[6:]
        for block in blocks
    ]


def test_survey_and_identification(gateway: DeviceUnderTest, modbus: ModbusClient) -> None:
    """The independent client finds what is mapped, a text of zeros included, and no more."""
    assert gateway.reference is not None
    assert isinstance(modbus.read(10, 1), ExceptionAnswer)
    with pytest.raises(ValueError, match="expected words, exception 02 ILLEGAL DATA ADDRESS"):
        modbus.registers(10, 1)
    gateway.reference.commission()
    blocks = modbus.survey()
    assert [block.address for block in blocks] == list(range(0, 80, 10))
    assert any(isinstance(block, ValueBlock) and not any(block.registers) for block in blocks)
    identification = modbus.identify(0x01)
    assert isinstance(identification, Identification)
    assert identification.text(1) == "2"


def test_each_test_gets_a_fresh_gateway(gateway: DeviceUnderTest, modbus: ModbusClient) -> None:
    """Nothing of the test before is left: the meter list is empty again."""
    assert gateway.reference is not None
    assert gateway.reference.meters() == []
    assert modbus.registers(0, 10)[2] == 1


@pytest.mark.hil(gateway="impatient")
def test_silent_meter_is_flagged(
    converter: Converter, gateway: DeviceUnderTest, modbus: ModbusClient
) -> None:
    """A meter that is switched off is flagged, keeps its values and loses no other meter."""
    assert converter.virtual is not None
    assert gateway.reference is not None
    gateway.reference.commission()
    before, _ = layout.group(modbus.survey())
    converter.virtual.power("a", on=False)
    gateway.reference.readout("66600106")
    after, _ = layout.group(modbus.survey())
    assert [group.meter.flags for group in before] == [0, 0]
    assert [(group.meter.serial_number, group.meter.flags) for group in after] == [
        (428670, 0),
        (66600106, 3),
    ]
    assert [group.values for group in after] == [group.values for group in before]


def test_events_are_kept(gateway: DeviceUnderTest) -> None:
    """What the reference gateway logs can be looked at."""
    assert gateway.reference is not None
    gateway.reference.scan()
    kinds = [kind for _, kind, _ in gateway.reference.events]
    assert "gateway.scan" in kinds
    assert kinds.count("meter.found") == 2


@pytest.mark.needs("mbpoll")
def test_mbpoll_reads_the_gateway(gateway: DeviceUnderTest) -> None:
    """A third-party program reads the meter's serial number from the gateway."""
    assert gateway.reference is not None
    gateway.reference.commission()
    host, port = gateway.address
    command = ["mbpoll", "-m", "tcp", "-p", str(port), "-a", "1", "-0", "-r", "40", "-c", "3",
               "-t", "4:hex", "-1", host]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    read = [line.split() for line in done.stdout.splitlines() if line.startswith("[")]
    assert read == [["[40]:", "0x03F8"], ["[41]:", "0x3CAA"], ["[42]:", "0x32A7"]]
