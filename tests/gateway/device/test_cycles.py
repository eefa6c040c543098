"""Cycles under load: everybody alike when the bus is too slow, told once, counted per meter."""

from __future__ import annotations

import itertools

from tests.gateway.device.plant import Plant

A, B = "66600106", "00428670"


def meters(count: int) -> list[dict[str, object]]:
    """So many small water meters."""
    return [
        {
            "id": "water",
            "count": count,
            "profile": "water-cold",
            "identification_number": "10000000 + i",
            "primary_address": "i + 1",
        }
    ]


async def impatient(plant: Plant, cycle_s: int) -> None:
    """Find all meters and give each the same cycle of its own."""
    await plant.appliance.scan()
    for view in plant.appliance.meters():
        plant.appliance.set_meter(view.handle, "readoutcycle", str(cycle_s))
    await plant.appliance.save()


def test_an_overloaded_bus_slows_all_meters_down_alike() -> None:
    """Thirty meters in a cycle of 2 s that a pass outlasts: each is read as often as the others."""
    plant = Plant(meters(30), MBUS_SCANMODE="SECONDARYSCAN")

    async def story(plant: Plant) -> None:
        await impatient(plant, 2)
        await plant.seconds(120)
        assert plant.appliance.is_overloaded()
        views = plant.appliance.meters()
        counts = {view.statistics.readouts for view in views}
        assert max(counts) - min(counts) <= 1
        assert min(counts) > 10
        assert all(view.statistics.missed_cycles > 10 for view in views)
        assert all(view.reading.flags == 0 for view in views)
        await impatient(plant, 30)
        await plant.seconds(120)
        assert not plant.appliance.is_overloaded()

    plant.run(story)
    # Told when it begins and when it is over, not with every pass.
    first, last = (event for _, event in plant.logged("readout.overload"))
    assert (first["value"], first["meters"], first["cycle_s"]) == (True, 30, 2)
    assert first["pass_s"] > 2
    assert last["value"] is False


def test_a_short_cycle_among_long_ones_starves_nobody() -> None:
    """One impatient meter: it is read oftener than the others, who keep their own cycle."""
    plant = Plant(meters(10), METER_TIME=60, MBUS_SCANMODE="SECONDARYSCAN")

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        first = plant.appliance.meters()[0]
        plant.appliance.set_meter(first.handle, "readoutcycle", "1")
        await plant.appliance.save()
        await plant.seconds(600)
        counts = [view.statistics.readouts for view in plant.appliance.meters()]
        assert counts[0] > 100
        assert all(count in (10, 11) for count in counts[1:])

    plant.run(story)


def test_commands_do_not_starve_the_cycle() -> None:
    """Somebody presses Readout without end: the other meter is read in its cycle all the same."""
    plant = Plant(METER_TIME=10)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        end = plant.rt.now() + 100_000_000_000

        async def press() -> None:
            while plant.rt.now() < end:
                await plant.appliance.readout(A)

        async with plant.rt.nursery() as nursery:
            for number in range(3):
                nursery.spawn(press(), name=f"finger {number}")
        times = plant.reads(B)
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert len(times) >= 10
        assert max(gaps) < 12

    plant.run(story)


def test_statistics_of_a_meter() -> None:
    """Last success, failures, duration and retries, as a person looks for the bad meter."""
    plant = Plant(METER_TIME=60, MBUS_MAXRETRY=2)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        (view,) = [v for v in plant.appliance.meters() if v.identification_number == A]
        good = view.statistics
        assert (good.readouts, good.failures, good.failures_in_a_row, good.retries) == (1, 0, 0, 0)
        assert good.last_success == view.reading.time
        assert 0 < good.last_ns == good.longest_ns < 1_000_000_000
        meter = plant.network.meters["a"]
        meter.power(on=False)
        await plant.seconds(120)
        (view,) = [v for v in plant.appliance.meters() if v.identification_number == A]
        bad = view.statistics
        assert (bad.readouts, bad.failures, bad.failures_in_a_row) == (3, 2, 2)
        # Secondary addressing: 1 + MBUS_MAXRETRY selections a try, none of them answered.
        assert bad.retries == 4
        assert bad.last_success == good.last_success
        assert bad.last_ns > 1_500_000_000
        meter.power(on=True)
        await plant.seconds(60)
        (view,) = [v for v in plant.appliance.meters() if v.identification_number == A]
        assert (view.statistics.failures, view.statistics.failures_in_a_row) == (2, 0)
        assert view.statistics.longest_ns == bad.last_ns

    plant.run(story)
