"""The layout check on what the reference gateway really serves of a simulated bus, in virtual time.

The gateway searches, reads and allocates; the survey reads its registers as a client would; the
population says what it sent. Nothing is shared between the two sides but the wire.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from gateway.device.appliance import Appliance
from gateway.device.configuration import FACTORY_CHIP_INI
from gateway.device.device import CHIP_INI, Wiring
from gateway.registers.image import UnmappedAddress
from gateway.runtime.port import Fault, Received
from hil.runtimes import simulated_runtime
from reports.verdict import Verdict
from scenarios.checks.expectation import expected_meter
from scenarios.checks.layout import Clock, Comparison, ExpectedGateway, compare
from simulators import document, population
from simulators.memory_storage import MemoryStorage
from simulators.modbus.pdu import ExceptionAnswer, Registers
from simulators.modbus.survey import Survey
from simulators.network import Network
from simulators.runtime import UNIX_TIME_AT_START

if TYPE_CHECKING:
    from simulators.population import Population
    from simulators.runtime import SimRuntime

BUS = "sim:bus"
SETTINGS = "METER_MAXVALUECOUNT=0\nMBUS_BAUDRATE=9600\n"


def served(meters: Population, seed: int) -> Comparison:
    """Let a gateway find, read and serve `meters`; compare its registers with what they sent."""
    env = simpy.Environment()
    epoch = datetime.fromtimestamp(UNIX_TIME_AT_START, UTC)
    network = Network(env, meters, seed=seed, baudrate=9600, epoch=epoch)
    chip_ini = FACTORY_CHIP_INI.replace("METER_MAXVALUECOUNT=25\n", SETTINGS)
    # No limit: a street of 250 meters is read as well as a basement of 12.
    chip_ini = chip_ini.replace("METER_MAXDEVICECOUNT=80\n", "METER_MAXDEVICECOUNT=0\n")
    rt = simulated_runtime(
        env,
        seed=seed,
        storage=MemoryStorage({CHIP_INI: chip_ini.encode()}),
        lines={BUS: lambda rt, form: network.open_port(rt, form, received=Received, fault=Fault)},
    )
    appliance = Appliance(rt, Wiring(BUS, modbus_port=502))

    async def main(_: SimRuntime) -> Survey:
        async with rt.nursery() as nursery:
            nursery.spawn(appliance.run(), name="gateway")
            await appliance.ready()
            await appliance.scan()
            await appliance.readout()
            await appliance.allocate()
            await appliance.readout()
            survey = _survey(appliance)
            appliance.stop()
        return survey

    survey: Any = rt.run(main)
    assert survey.complaints == []
    return compare(
        survey.blocks,
        [expected_meter(meter) for meter in network.meters.values()],
        gateway=ExpectedGateway(serial_number=75907, software_version=130),
        clock=Clock(UNIX_TIME_AT_START),
    )


def _survey(appliance: Appliance) -> Survey:
    """Read all that is mapped at this moment."""
    survey = Survey()
    while (request := survey.next_request()) is not None:
        try:
            data = appliance.registers(255, request.starting_address, request.quantity)
        except UnmappedAddress:
            survey.answered(ExceptionAnswer(2))
            continue
        words = tuple(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
        survey.answered(Registers(request.starting_address, words))
    return survey


@pytest.mark.parametrize("name", ["demo", "apartment-block", "worked-examples"])
@pytest.mark.parametrize("seed", [1, 2])
def test_packaged_populations_pass(name: str, seed: int) -> None:
    """Every field of every meter of every packaged population is as it was sent."""
    comparison = served(population.load(name), seed)
    assert [case.reason for case in comparison.cases if case.verdict is not Verdict.PASS] == []
    assert len(comparison.meters) == len(population.load(name))


ALTERED = """
meters:
  - id: shaft
    manufacturer: HYD
    version: 7
    medium: 4
    identification_number: 20261120
    records:
      - {dib: "0B", vib: "06", coding: bcd6, value: 267,
         expect: {value_type: Energy, unit: Wh, scale: 3, integer: 268}}
"""


def test_one_altered_expectation_is_found() -> None:
    """One reading stated wrongly is one integer and one float, with register, expected and seen."""
    meters = population.parse(document.load(ALTERED, "altered.yaml"), source="altered.yaml")
    comparison = served(meters, 1)
    failed = {c.id: c.reason for c in comparison.cases if c.verdict is not Verdict.PASS}
    assert failed == {
        "layout/shaft/REG-V.1": "meter shaft (20261120 HYD), value 1, Energy, register 20-23, "
        "integer: expected 268, seen 267 (0000 0000 0000 010B), sent in telegram 1, byte 19",
        "layout/shaft/REG-V.2": "meter shaft (20261120 HYD), value 1, Energy, register 24-25, "
        "float: expected 268000.0, seen 267000.0 (4882 5F00), sent in telegram 1, byte 19",
    }
