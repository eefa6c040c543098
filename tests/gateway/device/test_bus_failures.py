"""The bus fails: the indicator tells, due meters are flagged, and the port is opened again."""

from __future__ import annotations

import pytest

from gateway.device.bus import BUS_RETRY_NS
from gateway.device.meter_list import Meter, load, save
from gateway.runtime.port import NS_PER_S, LineError
from simulators.electricity import BUS_MODELS
from tests.gateway.device.plant import LIST, Plant

A = "66600106"


def test_a_port_that_cannot_be_opened_shows_red_until_it_can() -> None:
    """C-56, row 9: error from the start on; the port is tried again, and green comes back."""
    entry = Meter(serial=A, manufacturer="LUG", version=2, medium=4)
    plant = Plant(files={LIST: save([entry])}, plugged=False, METER_TIME=20)

    async def story(plant: Plant) -> None:
        await plant.seconds(1)
        assert plant.leds() == ("off", "red")
        assert plant.appliance.state().value == "error"
        with pytest.raises(LineError, match="no such port"):
            await plant.appliance.scan()
        plant.plugged = True
        await plant.seconds(BUS_RETRY_NS / NS_PER_S + 0.1)
        assert plant.leds() == ("off", "green")
        assert plant.appliance.meters()[0].reading.flags == 3
        await plant.seconds(20)
        assert plant.appliance.meters()[0].reading.flags == 0

    plant.run(story)
    assert len(plant.logged("bus.failed")) == 1
    assert len(plant.logged("bus.opened")) == 1


def test_a_port_shows_red_without_any_meter() -> None:
    """The indicator tells of a bad port before anybody needs it."""
    plant = Plant(plugged=False)

    async def story(plant: Plant) -> None:
        await plant.seconds(1)
        assert plant.leds() == ("off", "red")

    plant.run(story)


def test_a_bus_that_vanishes_flags_what_was_due_and_comes_back() -> None:
    """Row 9: flags 0003, time and values kept, LED red; the next cycle reads again."""
    plant = Plant(METER_TIME=20)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        before = plant.registers(0, 80)
        await plant.unplug()
        await plant.seconds(20)
        assert plant.leds() == ("off", "red")
        assert plant.flags() == [3, 3]
        for register in (10, 50) if plant.registers(50)[7] == 0x0200 else (10, 40):
            assert plant.registers(register)[4:6] == before[register + 4 : register + 6]
        assert plant.registers(20) == before[20:30]
        plant.plugged = True
        await plant.seconds(20)
        assert plant.leds() == ("off", "green")
        assert plant.flags() == [0, 0]

    plant.run(story)


def test_a_bus_that_vanishes_during_a_pass_flags_the_meters_left() -> None:
    """The meters read before the failure stay read; the others are flagged."""
    plant = Plant(METER_TIME=20)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        async with plant.rt.nursery() as nursery:
            nursery.spawn(plant.appliance.readout(), name="readout")
            while len(plant.logged("meter.read")) < 3:
                await plant.seconds(0.01)
            await plant.unplug()
        assert plant.flags() == [0, 3]
        assert plant.leds() == ("off", "red")

    plant.run(story)


def test_a_connection_that_was_dropped_at_rest_is_no_failure() -> None:
    """TCP converters hang up after a while: the next pass opens the port again and reads."""
    plant = Plant(METER_TIME=20)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        await plant.drop()
        await plant.seconds(20)
        assert plant.flags() == [0, 0]

    plant.run(story)
    assert plant.logged("bus.failed") == []
    assert "error" not in plant.values("gateway.state")


def test_a_scan_that_fails_keeps_what_it_found() -> None:
    """The meters confirmed before the failure are in the list and in the file."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        async with plant.rt.nursery() as nursery:
            scan = nursery.spawn(refused(plant), name="scan")
            while not plant.logged("meter.found"):
                await plant.seconds(0.01)
            await plant.unplug()
            await scan.join()
        assert len(plant.appliance.meters()) == 1
        assert len(load(plant.storage.read(LIST))[0]) == 1

    async def refused(plant: Plant) -> None:
        with pytest.raises(LineError):
            await plant.appliance.scan()

    plant.run(story)
    assert plant.values("gateway.scan") == ["running", "failed"]


def test_a_disabled_bus_is_not_an_error() -> None:
    """MBUS-04, row 9: MBUS_ENABLE=0 reads nothing, finds nothing, and shows green."""
    entry = Meter(serial=A, manufacturer="LUG", version=2, medium=4, register=10)
    plant = Plant(files={LIST: save([entry])}, MBUS_ENABLE=0, METER_TIME=20)

    async def story(plant: Plant) -> None:
        await plant.seconds(45)
        assert plant.flags() == [3]
        assert plant.leds() == ("off", "green")
        with pytest.raises(LineError, match="MBUS_ENABLE=0"):
            await plant.appliance.scan()

    plant.run(story)
    assert plant.logged("bus.opened") == []
    assert len(plant.reads(A)) == 3


def test_an_overloaded_bus_is_red_until_its_current_falls() -> None:
    """MBUS-03, C-46, rows 9 of the flags and 3 of the LEDs: no telegram meanwhile, told once."""
    plant = Plant(MBUS_SCANMODE="PRIMARYSCAN", MBUS_MAXPRIMARYADDRESS=10, METER_TIME=30)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.appliance.allocate()
        await plant.seconds(5)
        assert plant.flags() == [0, 0]
        supply = plant.network.supply
        supply.model = BUS_MODELS["80"]
        supply.leak_ma = 600.0
        supply.changed()
        await plant.seconds(100)
        assert plant.leds() == ("off", "red")
        assert plant.flags() == [3, 3]
        failures = plant.logged("bus.failed")
        assert len(failures) == 1
        sent = plant.appliance.figures().telegrams_sent
        await plant.seconds(100)
        assert plant.appliance.figures().telegrams_sent == sent
        supply.leak_ma = 0.0
        supply.changed()
        await plant.seconds(60)
        assert plant.leds() == ("off", "green")
        assert plant.flags() == [0, 0]

    plant.run(story)
    assert "bus.failed" in plant.storage.read("log/system.log").decode()
