"""The one door: queries before, during and after, and views that nobody can damage."""

from __future__ import annotations

from gateway.device.leds import DeviceState
from gateway.device.link import Echo
from gateway.device.plans import link_settings
from tests.gateway.device.plant import Plant


def test_queries_answer_before_the_device_runs() -> None:
    """Whoever asks an appliance that is off gets an answer, not an error."""
    appliance = Plant().appliance
    assert appliance.state() is DeviceState.STOPPED
    assert (appliance.leds().act.value, appliance.leds().st.value) == ("off", "off")
    assert appliance.modbus_address() is None
    assert appliance.meters() == []
    assert appliance.clients() == []
    assert appliance.counters() is None
    assert appliance.figures().telegrams_sent == 0


def test_a_view_of_a_meter_is_a_copy() -> None:
    """SVC-02: changing what a query gave changes nothing in the device."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        view = plant.appliance.meters()[0]
        view.entry.user = "changed"
        view.entry.values[0].register = 7
        view.entry.values.clear()
        again = plant.appliance.meters()[0]
        assert again.entry.user == ""
        assert again.entry.values[0].register == again.entry.register + 10

    plant.run(story)


def test_figures_of_the_bus() -> None:
    """Telegrams, passes and scans are counted, over a bus that was opened anew as well."""
    plant = Plant(METER_TIME=20)

    async def story(plant: Plant) -> None:
        report = await plant.appliance.scan()
        await plant.seconds(5)
        await plant.drop()
        await plant.seconds(20)
        figures = plant.appliance.figures()
        assert (figures.passes, figures.scans, figures.last_scan) == (2, 1, report)
        # Of the request into the dropped connection only the log knows.
        assert figures.telegrams_sent == len(plant.logged("link.sent")) - 1

    plant.run(story)


def test_ready_waits_for_the_new_start() -> None:
    """After `reboot` nobody takes the old start for the new one."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        plant.appliance.reboot()
        await plant.appliance.ready()
        assert len([1 for _, fields in plant.logged("gateway.startup") if fields["step"] == 5]) == 2
        await plant.appliance.save()

    plant.run(story)


def test_echo_is_a_matter_of_the_wiring() -> None:
    """Whether the converter echoes is said beside the bus URL, and watched for by default."""
    plant = Plant()
    assert plant.appliance._wiring.echo is Echo.AUTO
    configuration = plant.appliance.configuration()
    assert link_settings(configuration, 0, Echo.ON).echo is Echo.ON
