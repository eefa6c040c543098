"""The device as a whole: start, scan, cycle, failing bus, failing storage, reboot, commands."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from gateway.device.device import CHIP_INI, COMMANDS_MAX
from gateway.device.meter_list import Meter, load, save
from simulators.memory_storage import MemoryStorage
from tests.gateway.device.plant import LIST, MODBUS, Plant, chip_ini

A, B = "66600106", "00428670"
#: The entries of worked examples 2, each meter with its values; the words of a read-out's time are
#: dots, since they depend on when the test reads.
GATEWAY = "0001 2883 0001 0082 .... .... 0000 0100 0000 0000"
WORKED_EXAMPLE = {
    A: [
        "03F8 3CAA 32A7 0204 .... .... 0000 0200 0000 0000",
        "0000 0000 0000 010B 4882 5F00 0003 0005 6B00 35C8",
        "FFFF FFFF FFFF FB2E C145 70A4 FFFE 0013 6B00 35C8",
        "0000 0000 00BC 614E 47F1 2064 FFFE 0007 6B00 35C8",
    ],
    B: [
        "0006 8A7E 0442 0602 .... .... 0000 0200 0000 0000",
        "0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
        "0000 0000 6AE5 2F80 4ED5 CA5F 0000 0019 0000 0000",
    ],
}
FIRST_DAY = ["starting", "running", "scan", "running", "readout", "running", "stopped"]


def entry_at(plant: Plant, start: int, *, timed: bool = False) -> str:
    """An entry as the worked example writes it, with dots for the time of a read-out."""
    words = [f"{word:04X}" for word in plant.registers(start)]
    if timed:
        assert words[4:6] != ["0000", "0000"]
        words[4:6] = ["....", "...."]
    return " ".join(words)


def assert_worked_example(plant: Plant) -> None:
    """Every register of worked examples 2, contiguous from 10 in the order of the list."""
    assert entry_at(plant, 0, timed=True) == GATEWAY
    at = 10
    for view in plant.appliance.meters():
        for number, expected in enumerate(WORKED_EXAMPLE[view.identification_number]):
            assert entry_at(plant, at, timed=number == 0) == expected
            at += 10
    assert at == 80


# --- From the scan to the registers ---------------------------------------------------------------


@pytest.mark.parametrize(
    "scanmode", ["SECONDARYSCANALLOC", "SECONDARYSCANALLOCREVERSE", "PRIMARYSCAN"]
)
def test_scan_and_read_out_give_the_registers_of_the_worked_example(scanmode: str) -> None:
    """Search, list, allocation, read-out and image, end to end, for each kind of scan."""
    plant = Plant(MBUS_SCANMODE=scanmode, MBUS_MAXPRIMARYADDRESS=10, MBUS_MAXRETRY=1)

    is_primary = int(scanmode == "PRIMARYSCAN")

    async def story(plant: Plant) -> None:
        report = await plant.appliance.scan()
        assert report.found == 2
        modes = [view.entry.addressmode for view in plant.appliance.meters()]
        assert modes == [is_primary, is_primary]
        if is_primary:
            assert plant.appliance.meters()[0].entry.register == 0
            await plant.appliance.allocate()
        await plant.seconds(5)
        assert_worked_example(plant)

    plant.run(story)


def test_the_states_of_a_first_day() -> None:
    """Worked examples 13: start-up, scan, the first pass, and rest, on both indicators."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        assert plant.leds() == ("off", "green")
        await plant.appliance.scan()
        await plant.seconds(5)

    plant.run(story)
    assert plant.values("gateway.state") == FIRST_DAY
    assert plant.values("gateway.led.st") == ["orange", "green", "orange_flashing", "green", "off"]
    assert plant.values("gateway.led.act") == ["green", "off"]
    assert plant.leds() == ("off", "off")


def test_the_list_survives_a_reboot_with_its_registers() -> None:
    """MET-03, row 13: the same registers after a start, unread at first, then read again."""
    plant = Plant(MBUS_SCANMODE="PRIMARYSCAN", MBUS_MAXPRIMARYADDRESS=10, MBUS_MAXRETRY=1)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.appliance.allocate()
        await plant.seconds(5)
        assert_worked_example(plant)
        plant.appliance.reboot()
        await plant.appliance.ready()
        assert plant.flags() == [3, 3]
        assert plant.registers(10)[4:6] == [0, 0]
        assert plant.registers(20) == [0, 0, 0, 0, 0, 0, 3, 5, 0, 0]
        assert plant.registers(30) == [0, 0, 0, 0, 0, 0, 0xFFFE, 0x13, 0, 0]
        await plant.seconds(5)
        assert_worked_example(plant)

    plant.run(story)
    again, complaints = load(plant.storage.read(LIST))
    assert complaints == []
    assert [meter.serial for meter in again] == [A, B]


def test_a_second_scan_changes_nothing() -> None:
    """SCAN-02: known meters stay as they are, labels and registers included."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        before = plant.storage.read(LIST)
        report = await plant.appliance.scan()
        assert report.found == 2
        assert plant.storage.read(LIST) == before
        assert [fields["known"] for _, fields in plant.logged("meter.found")] == [
            *[False, False],
            *[True, True],
        ]

    plant.run(story)


def test_a_meter_first_found_by_primary_address_keeps_it() -> None:
    """SCAN-02, SCAN-03: primary first, then secondary: only what is new is appended."""
    plant = Plant(MBUS_SCANMODE="PRIMARYSCAN", MBUS_MAXPRIMARYADDRESS=5, MBUS_MINPRIMARYADDRESS=5)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        assert len(plant.appliance.meters()) == 1
        plant.set_keys(MBUS_SCANMODE="SECONDARYSCAN")
        await plant.reboot()
        await plant.appliance.scan()
        await plant.seconds(5)
        entries = [view.entry for view in plant.appliance.meters()]
        assert [(entry.serial, entry.addressmode) for entry in entries] == [(A, 1), (B, 0)]
        before = len(plant.logged("link.sent"))
        await plant.appliance.readout(A)
        sent = [fields["data"] for _, fields in plant.logged("link.sent")[before:]]
        assert sent == ["1040054516", "107b058016"]

    plant.run(story)


@pytest.mark.parametrize(("limit", "listed"), [(1, 1), (2, 2), (5, 2), (0, 2)])
def test_device_count_stops_a_scan(limit: int, listed: int) -> None:
    """C-71: a scan stops adding when the list holds that many."""
    plant = Plant(METER_MAXDEVICECOUNT=limit)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        assert len(plant.appliance.meters()) == listed
        await plant.appliance.scan()
        assert len(plant.appliance.meters()) == listed

    plant.run(story)


def test_configured_meters_stay_over_the_device_count() -> None:
    """C-71: a list that is longer than the limit keeps its meters, and a scan adds none."""
    entries = [Meter(serial=f"{number:08d}") for number in range(3)]
    plant = Plant(files={LIST: save(entries)}, METER_MAXDEVICECOUNT=2, MBUS_MAXRETRY=0)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        assert len(plant.appliance.meters()) == 3

    plant.run(story)


@pytest.mark.parametrize(("show", "count"), [(0, 3), (1, 4)])
def test_times_are_hidden_or_shown(show: int, count: int) -> None:
    """MET-11: MUC_SHOWTIMESTAMPENTRIES=1 lists the times that other values carry."""
    plant = Plant(MUC_SHOWTIMESTAMPENTRIES=show)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        heat = next(v for v in plant.appliance.meters() if v.identification_number == A)
        assert len(heat.entry.values) == count

    plant.run(story)


# --- Flags through registers (worked examples 9) --------------------------------------------------

BOARD: dict[str, Any] = {
    "id": "board",
    "profile": "electricity-multipage",
    "identification_number": "00428670",
}


def test_a_meter_that_falls_silent_keeps_its_values() -> None:
    """Rows 2, 3 and back: flags 0003, time and values kept; 0000 again when it answers."""
    plant = Plant(METER_TIME=10, MBUS_MAXRETRY=0)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        register = plant.appliance.meters()[0].entry.register
        before = plant.registers(register, 20)
        name = {A: "a", B: "b"}[plant.appliance.meters()[0].identification_number]
        plant.network.meters[name].power(on=False)
        await plant.seconds(10)
        after = plant.registers(register, 20)
        assert after[8] == 3
        assert after[:8] + after[9:] == before[:8] + before[9:]
        plant.network.meters[name].power(on=True)
        await plant.seconds(10)
        assert plant.flags() == [0, 0]
        assert plant.registers(register)[4:6] != before[4:6]

    plant.run(story)


def test_a_lost_page_shows_as_not_all_values_updated() -> None:
    """Row 4: the first telegram is good, a later page is lost after all tries: flags 0002."""
    lossy = {**BOARD, "faults": [{"drop_page": {"page": 2, "times": 4}}]}
    plant = Plant([lossy], METER_TIME=30, MBUS_MAXRETRY=1)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        assert plant.flags() == [2]
        listed = len(plant.appliance.meters()[0].entry.values)
        await plant.seconds(30)
        assert plant.flags() == [0]
        # The list that was made without the lost page has it now.
        assert len(plant.appliance.meters()[0].entry.values) > listed

    plant.run(story)


def test_a_page_limit_is_no_error_until_listed_values_fall_behind_it() -> None:
    """Rows 7 and 8: cut at once: 0000 and "*"; lowered afterwards: 0002 and "*"."""
    plant = Plant([BOARD], MBUS_MAXMULTIPAGE=2)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        assert plant.flags() == [0]
        assert plant.appliance.meters()[0].reading.limited
        plant.set_keys(MBUS_MAXMULTIPAGE=1)
        await plant.reboot()
        await plant.seconds(5)
        assert plant.flags() == [2]
        assert plant.appliance.meters()[0].reading.limited

    plant.run(story)


def test_a_delayed_read_out_changes_nothing() -> None:
    """Row 10: a read-out that waits for a scan leaves flags, times and values as they are."""
    plant = Plant(METER_TIME=10, MBUS_SEARCHTIMING="LITERAL")

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        before = plant.registers(0, 80)
        async with plant.rt.nursery() as nursery:
            nursery.spawn(plant.appliance.scan(), name="scan")
            await plant.seconds(9)
            assert plant.appliance.state().value == "scan"
            assert plant.registers(0, 80) == before

    plant.run(story)


# --- Cycle ----------------------------------------------------------------------------------------


def test_the_cycle_keeps_its_rhythm() -> None:
    """MET-10: METER_TIME apart, whatever a pass takes."""
    plant = Plant(METER_TIME=20)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(65)

    plant.run(story)
    begun = [at for at, fields in plant.logged("gateway.readout") if fields["value"] == "running"]
    assert len(begun) == 4
    assert [round(later - begun[0], 6) for later in begun] == [0, 20, 40, 60]


def test_a_meter_with_its_own_cycle() -> None:
    """The readoutcycle of a meter goes before METER_TIME."""
    entries = [
        Meter(serial=A, manufacturer="LUG", version=2, medium=4, readoutcycle=5),
        Meter(serial=B, manufacturer="ABB", version=6, medium=2),
    ]
    plant = Plant(files={LIST: save(entries)}, METER_TIME=20)

    async def story(plant: Plant) -> None:
        await plant.seconds(42)

    plant.run(story)
    assert len(plant.reads(A)) == 9
    assert len(plant.reads(B)) == 3


def test_missed_cycles_are_skipped() -> None:
    """A pass longer than the cycle does not pile up passes behind it."""
    dead = [Meter(serial=f"1000000{number}") for number in range(5)]
    # Each dead meter costs 2 x 2 s of waiting for its selection: a pass takes 20 s.
    plant = Plant(files={LIST: save(dead)}, METER_TIME=15, MBUS_TIMEOUT=2000, MBUS_MAXRETRY=1)

    async def story(plant: Plant) -> None:
        await plant.seconds(100)

    plant.run(story)
    begun = [at for at, fields in plant.logged("gateway.readout") if fields["value"] == "running"]
    assert [round(at) for at in begun] == [0, 30, 60, 90]


def test_a_forced_read_out_leaves_the_cycle() -> None:
    """MET-04, row 11: the button reads now, and the plan stays what it was."""
    plant = Plant(METER_TIME=20)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(7)
        await plant.appliance.readout()
        await plant.appliance.readout(B)
        await plant.seconds(20)

    plant.run(story)
    first, forced, alone, cyclic = plant.reads(B)
    assert forced - first > 5
    assert alone - forced < 1
    assert round(cyclic - first, 1) == 20
    assert len(plant.reads(A)) == 3


def test_a_read_out_of_somebody_unknown() -> None:
    """A number that is not in the list is refused; an inactive meter is not read."""
    inactive = Meter(serial=A, manufacturer="LUG", version=2, medium=4, active=0)
    plant = Plant(files={LIST: save([inactive])})

    async def story(plant: Plant) -> None:
        for number in ("99999999", A):
            with pytest.raises(KeyError, match=number):
                await plant.appliance.readout(number)
        await plant.seconds(5)
        assert plant.reads(A) == []

    plant.run(story)


def test_the_gateways_time_is_the_end_of_the_last_pass() -> None:
    """C-05: registers 4-5; 0 before the first pass, a scan is not a pass."""
    plant = Plant(METER_TIME=20)

    async def story(plant: Plant) -> None:
        assert plant.registers(0)[4:6] == [0, 0]
        await plant.appliance.scan()
        assert plant.registers(0)[4:6] == [0, 0]
        await plant.seconds(5)
        ended = plant.logged("gateway.readout")[-1][0]
        high, low = plant.registers(0)[4:6]
        assert (high << 16) + low == 1_514_764_800 + int(ended)

    plant.run(story)


# --- Files ----------------------------------------------------------------------------------------


def test_an_unreadable_list_is_left_for_repair() -> None:
    """The file is not overwritten, neither by a scan nor by Save; ST is red; it runs on."""
    broken = b"<root><meter></root>"
    plant = Plant(files={LIST: broken})

    async def story(plant: Plant) -> None:
        assert plant.leds() == ("off", "red")
        await plant.appliance.scan()
        assert len(plant.appliance.meters()) == 2
        with pytest.raises(PermissionError, match="left for repair"):
            await plant.appliance.save()
        await plant.seconds(5)
        assert plant.flags() == [0, 0]
        assert plant.leds() == ("off", "red")

    plant.run(story)
    assert plant.storage.read(LIST) == broken
    assert set(plant.values("gateway.led.st")) == {"orange", "red", "off"}


def test_unreadable_settings_show_red_and_the_defaults_hold() -> None:
    """A chip.ini that cannot be used: the device runs on defaults, and says so."""
    plant = Plant(files={"app/chip.ini": b"no section"})

    async def story(plant: Plant) -> None:
        assert plant.leds() == ("off", "red")
        assert plant.appliance.configuration().mbus_baudrate == 2400

    plant.run(story)
    assert plant.logged("config.complaint")


def test_a_bad_value_is_a_complaint_and_not_an_error() -> None:
    """C-23: a value out of range gives the default and a warning; the LED stays green."""
    plant = Plant(files={"app/chip.ini": chip_ini(MBUS_MAXRETRY=999)})

    async def story(plant: Plant) -> None:
        assert plant.leds() == ("off", "green")

    plant.run(story)
    assert "MBUS_MAXRETRY" in plant.logged("config.complaint")[0][1]["text"]


def test_a_full_storage_stops_nothing() -> None:
    """What the device writes by itself may fail; Save says so to whoever asked."""
    plant = Plant()
    plant.storage._capacity_bytes = sum(len(plant.storage.read(p)) for p in plant.storage.list(""))

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        assert plant.flags() == [0, 0]
        with pytest.raises(OSError, match="No space"):
            await plant.appliance.save()

    plant.run(story)
    assert not plant.storage.exists(LIST)


# --- Commands and ends ----------------------------------------------------------------------------


def test_a_modbus_port_in_use_names_itself() -> None:
    """OSError with host and port when the server cannot listen."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        other = replace(plant.appliance._wiring)
        second = type(plant.appliance)(plant.rt, other)
        with pytest.raises(OSError, match=rf"{MODBUS[0]}.*{MODBUS[1]}"):
            await second.run()
        assert second.state().value == "stopped"

    plant.run(story)


def test_commands_after_the_end_are_refused() -> None:
    """Nobody waits for ever for a device that has been switched off."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        appliance = plant.appliance
        appliance.stop()
        await plant.seconds(1)
        for command in (appliance.scan, appliance.readout, appliance.save, appliance.allocate):
            with pytest.raises(InterruptedError, match="ended"):
                await command()

    plant.run(story)


def test_commands_under_way_learn_of_the_end() -> None:
    """The one that is worked on, those that wait, and those that wait for a place."""
    plant = Plant(MBUS_SEARCHTIMING="LITERAL", MBUS_TIMEOUT=2000)
    count = COMMANDS_MAX + 4
    refused: list[int] = []

    async def scan(plant: Plant, number: int) -> None:
        with pytest.raises(InterruptedError):
            await plant.appliance.scan()
        refused.append(number)

    async def story(plant: Plant) -> None:
        async with plant.rt.nursery() as nursery:
            for number in range(count):
                nursery.spawn(scan(plant, number), name=f"scan {number}")
            await plant.seconds(1)
            plant.appliance.stop()

    plant.run(story)
    assert sorted(refused) == list(range(count))


def test_a_reboot_in_the_middle_of_a_scan_loses_no_meter() -> None:
    """C-60: meters are listed as they are confirmed, so a trip loses none."""
    plant = Plant(MBUS_SEARCHTIMING="LITERAL", MBUS_TIMEOUT=2000)

    async def story(plant: Plant) -> None:
        async with plant.rt.nursery() as nursery:
            nursery.spawn(cut_scan(plant), name="scan")
            while not plant.logged("meter.found"):
                await plant.seconds(0.1)
            await plant.seconds(1)
            await plant.reboot()
        assert len(plant.appliance.meters()) == 1
        await plant.seconds(5)
        assert plant.flags() == [0]

    async def cut_scan(plant: Plant) -> None:
        with pytest.raises(InterruptedError):
            await plant.appliance.scan()

    plant.run(story)


def test_a_reboot_starts_over() -> None:
    """SVC-02: every step of the start-up again, the server at the same address."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        address = plant.appliance.modbus_address()
        for _ in range(2):
            await plant.reboot()
            assert plant.appliance.modbus_address() == address == MODBUS

    plant.run(story)
    steps = [fields["step"] for _, fields in plant.logged("gateway.startup")]
    assert steps == [1, 2, 3, 4, 5] * 3


def test_the_same_seed_gives_the_same_trace() -> None:
    """A day in virtual time is reproducible to the last event."""

    def trace() -> str:
        plant = Plant("demo", METER_TIME=60)

        async def story(plant: Plant) -> None:
            await plant.appliance.scan()
            await plant.seconds(200)

        plant.run(story)
        return plant.rt.trace_sha256()

    assert trace() == trace()


class Unreadable(MemoryStorage):
    """A storage whose settings cannot be read, as after a fault of its flash."""

    def read(self, path: str) -> bytes:
        """Read anything but chip.ini."""
        if path == CHIP_INI:
            raise OSError(5, "Input/output error", path)
        return super().read(path)


def test_settings_that_cannot_be_read_stop_nothing() -> None:
    """A storage that fails at start-up: defaults, red, and a server all the same."""
    plant = Plant()
    plant.rt._storage = plant.storage = Unreadable()

    async def story(plant: Plant) -> None:
        assert plant.leds() == ("off", "red")
        assert plant.appliance.configuration().mbus_timeout == 2000

    plant.run(story)
    assert "Input/output" in plant.logged("config.complaint")[0][1]["text"]


@pytest.mark.parametrize(
    ("retries", "final", "warned"),
    [(3, 250, [2008]), (2, 250, []), (3, 223, []), (3, 224, [1800])],
)
def test_a_scan_whose_silence_reaches_the_watchdog_is_warned_of(
    retries: int, final: int, warned: list[int]
) -> None:
    """C-60, worked examples: 251 × 4 × 2 s are 2008 s, with MBUS_MAXRETRY 2 they are 1506 s."""
    plant = Plant(
        MBUS_SCANMODE="PRIMARYSCAN",
        MBUS_MINPRIMARYADDRESS=0,
        MBUS_MAXPRIMARYADDRESS=final,
        MBUS_MAXRETRY=retries,
        MBUS_TIMEOUT=2000,
        WATCHDOG_SCAN=1800,
    )

    async def story(plant: Plant) -> None:
        with suppress(InterruptedError):  # The watchdog strikes, as was said.
            await plant.appliance.scan()

    plant.run(story)
    told = [fields for _, fields in plant.logged("scan.warning")]
    assert [fields["worst_s"] for fields in told] == warned
    for fields in told:
        assert all(remedy in fields["text"] for remedy in ("address", "MAXRETRY", "WATCHDOG_SCAN"))
