"""A gateway that knows nothing of the simulators' faults, as one more witness of the line."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import simpy

from gateway.device.appliance import Appliance
from gateway.device.device import Wiring
from gateway.runtime.port import Fault, LineError, Received
from hil.reference import prepare
from hil.runtimes import simulated_runtime
from simulators import population
from simulators.memory_storage import MemoryStorage
from simulators.network import Network
from tests.simulators.slaves import meter

S = 1_000_000_000


def scanned(meters: list[dict[str, Any]], **bus: Any) -> tuple[set[str], list[dict[str, Any]]]:
    """Search and read a bus; the serial numbers found, and what was logged of each reading."""
    env = simpy.Environment()
    found = population.parse({"meters": meters, "bus": bus}, source="test")
    network = Network(env, found, baudrate=2400)
    storage, log = MemoryStorage(), list[tuple[str, dict[str, Any]]]()
    prepare(storage, {"MBUS_BAUDRATE": 2400, "METER_TIME": 60})
    opener = partial(network.open_port, received=Received, fault=Fault)
    rt = simulated_runtime(
        env,
        storage=storage,
        lines={"sim:": opener},
        log=lambda _at, kind, fields: log.append((kind, fields)),
    )

    async def main(rt: Any) -> None:
        appliance = Appliance(rt, Wiring("sim:", modbus_port=1502))
        async with rt.nursery() as nursery:
            nursery.spawn(appliance.run(), name="appliance")
            await appliance.ready()
            await appliance.scan()
            await rt.sleep(120 * S)
            appliance.stop()

    rt.run(main)
    serials = {str(fields["serial"]) for kind, fields in log if kind == "meter.found"}
    return serials, [fields for kind, fields in log if kind == "meter.read"]


def entry(name: str, number: int, *faults: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A meter by its number, with faults."""
    return meter(
        id=name,
        identification_number=number,
        primary_address=0,
        faults=list(faults),
        access_number=None,
        **keys,
    )


def test_a_gateway_finds_and_reads_through_occasional_faults() -> None:
    """Checksums, stray characters, late and double answers, errors on the line: all are found."""
    meters = [
        entry("plain", 10000001),
        entry("sums", 10000002, {"bad_checksum": {"share": 0.3}}),
        entry("stray", 10000013, {"stray_byte": {"share": 0.3}}),
        entry("late", 20000013, {"late": {"by": "30 ms"}}),
        entry("parity", 30000004, {"bad_parity": {"share": 0.3}}),
        entry("old", 30000005, {"header": {"version": 9}}),
    ]
    numbers = {str(item["identification_number"]) for item in meters}
    serials, readings = scanned(meters, faults=[{"bit_errors": {"rate": 0.00005}}])
    assert serials == numbers
    assert {str(item["serial"]) for item in readings} == numbers


def crowd(step: int) -> dict[str, Any]:
    """Sixty meters that answer at the same moment; their numbers are `step` apart."""
    return meter(
        count=60,
        identification_number=f"50000000 + {step} * i",
        primary_address=0,
        answer_delay_bits=[11, 11],
        access_number=None,
    )


def test_a_gateway_finds_all_in_the_crowd_of_a_limited_bus() -> None:
    """Six at a time, with one last digit each, the search of sixty meters stays below 500 mA."""
    serials, _ = scanned([crowd(7)], model="80")
    assert len(serials) == 60


def test_a_gateway_is_told_that_the_bus_has_collapsed() -> None:
    """Sixty meters that all answer the first mask are 990 mA: the line fails, not the answer."""
    with pytest.raises(LineError, match="overloaded"):
        scanned([crowd(100)], model="80")
