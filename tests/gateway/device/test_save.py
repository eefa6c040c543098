"""Save, Reload, restart: what counts when, what stays, what is refused, what a backup is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.device import meter_list
from gateway.device.configuration import load
from gateway.device.edits import EditError
from gateway.device.keys import Tab
from tests.gateway.device.plant import LIST, MODBUS, Plant, chip_ini

A, B = "66600106", "00428670"
CHIP = "app/chip.ini"
BROKEN = b"<root><meter></root>"


async def started(plant: Plant) -> None:
    """Find, list and read both meters of the worked example."""
    await plant.appliance.scan()
    await plant.seconds(5)
    assert plant.flags() == [0, 0]


def handle(plant: Plant, serial: str) -> int:
    """The handle of a meter."""
    return next(v.handle for v in plant.appliance.meters() if v.identification_number == serial)


def stored(plant: Plant, path: str = LIST) -> list[meter_list.Meter]:
    """The list in the storage."""
    return meter_list.load(plant.storage.read(path))[0]


async def ask(stream: Any) -> None:
    """One Modbus request and its whole answer."""
    await stream.write(bytes.fromhex("0001 0000 0006 FF 03 0000 0001"))
    answer = b""
    while len(answer) < 11:
        answer += await stream.read(100)
    assert answer[:9].hex() == "000100000005ff0302"


# --- The list -------------------------------------------------------------------------------------


def test_save_stores_what_was_edited_and_keeps_readings() -> None:
    """MET-05, C-72, row 12: labels and cycles count from Save on; flags, times and values stay."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        door = plant.appliance
        first, second = handle(plant, B), handle(plant, A)
        before = plant.registers(10, 70)
        door.set_meter(first, "user", "cellar")
        door.set_meter(second, "readoutcycle", "60")
        door.set_value(first, 0, "user", "heat")
        assert door.meters()[0].entry.user == ""
        assert [view.is_edited for view in door.page_meters()] == [True, True]
        assert door.page_meters()[0].edited_values == {0}
        assert stored(plant)[0].user == ""
        await door.save()
        assert [view.is_edited for view in door.page_meters()] == [False, False]
        assert (stored(plant)[0].user, stored(plant)[1].readoutcycle) == ("cellar", 60)
        assert stored(plant)[0].values[0].user == "heat"
        assert plant.registers(10, 70) == before

    plant.run(story)


def test_reload_forgets() -> None:
    """WEB-07: Reload discards the changes and shows the active settings again."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        door = plant.appliance
        door.set_meter(door.meters()[0].handle, "user", "cellar")
        door.set_key("METER_TIME", "77")
        assert door.edited_tabs() == {Tab.METER, Tab.CONFIGURATION}
        assert door.page_configuration().meter_time == 77
        door.reload({Tab.METER})
        assert door.page_meters()[0].entry.user == ""
        door.reload()
        await door.save()
        assert door.configuration().meter_time == 900
        assert stored(plant)[0].user == ""

    plant.run(story)


def test_duplicates_refuse_the_save() -> None:
    """MET-13: nothing is stored, the message names both entries, the edits stand."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        door = plant.appliance
        door.set_meter(handle(plant, A), "register", "20")
        before = plant.storage.read(LIST)
        with pytest.raises(EditError, match=r"meter 66600106, register 20: .*00428670 value 1"):
            await door.save()
        assert plant.storage.read(LIST) == before
        assert door.page_meters()[1].is_edited
        door.set_meter(handle(plant, A), "register", "100")
        await door.save()
        assert plant.registers(100)[0:2] == [0x03F8, 0x3CAA]

    plant.run(story)


def test_deleted_meters_are_gone_and_found_again_at_the_end() -> None:
    """MET-03: Delete and Save; a later scan appends what it finds."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        door = plant.appliance
        door.delete(handle(plant, B))
        assert len(door.meters()) == 2
        await door.save()
        assert [view.identification_number for view in door.meters()] == [A]
        with pytest.raises(LookupError):
            plant.registers(10, 10)
        await door.scan()
        assert [view.identification_number for view in door.meters()] == [A, B]

    plant.run(story)


def test_a_meter_added_by_hand_is_read_and_learnt() -> None:
    """MET-16, C-66: added by number alone, saved, read; the telegram tells the rest."""
    plant = Plant(MBUS_ENABLE=1)

    async def story(plant: Plant) -> None:
        door = plant.appliance
        (handle,) = door.add_meters("66600106", label="cellar", register=10)
        assert door.meters() == []
        await door.save()
        await plant.seconds(5)
        (view,) = door.meters()
        entry = view.entry
        assert view.handle == handle
        assert (entry.manufacturer, entry.version, entry.medium) == ("LUG", 2, 4)
        assert [value.description for value in entry.values][:1] == ["Energy"]
        assert view.reading.flags == 0
        assert stored(plant)[0].manufacturer == "LUG"
        assert stored(plant)[0].user == "cellar"

    plant.run(story)


def test_a_scan_may_find_what_somebody_is_adding() -> None:
    """C-66: the same meter is not listed twice; the message says which entry it is."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        door = plant.appliance
        (added,) = door.add_meters(A)
        await door.scan()
        with pytest.raises(EditError, match=f"meter {A} is in the list already"):
            await door.save()
        assert len(door.meters()) == 2
        door.delete(added)
        await door.save()

    plant.run(story)


def test_an_activated_meter_is_read_at_once() -> None:
    """C-53, MET-07: inactive is not read and not served; active again it is due now."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        door = plant.appliance
        number = handle(plant, B)
        door.activate(number, on=False)
        await door.save()
        with pytest.raises(LookupError):
            plant.registers(10, 10)
        await plant.seconds(2000)
        assert len(plant.reads(B)) == 1
        door.activate(number)
        await door.save()
        await plant.seconds(5)
        assert len(plant.reads(B)) == 2
        assert plant.flags() == [0, 0]

    plant.run(story)


def test_a_meter_called_in_another_way_counts_as_new() -> None:
    """Row 1: another Link may be another meter, so its readings do not go on."""
    plant = Plant(MBUS_SCANMODE="PRIMARYSCAN", MBUS_MAXPRIMARYADDRESS=9)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.appliance.allocate()
        await plant.seconds(5)
        assert plant.flags() == [0, 0]
        door = plant.appliance
        # No page may change the Link (MET-01); the list behind it takes it all the same.
        core = door._device.core
        meter = core.book.meters[0]
        core.book.change(meter, replace(meter.entry, primaryaddress=77), plant.rt.now(), 900)
        core.publish()
        assert plant.flags() == [3, 0]
        assert plant.registers(14, 2) == [0, 0]

    plant.run(story)


def test_a_cycle_counts_from_the_last_read_out() -> None:
    """CFG-01: METER_TIME from 900 s to 100 s: the next read-out is 100 s after the last."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        (before,) = plant.reads(A)
        plant.appliance.set_key("METER_TIME", "100")
        await plant.appliance.save()
        await plant.seconds(140)
        assert plant.reads(A)[1] - before == pytest.approx(100, abs=2)
        plant.appliance.set_meter(handle(plant, A), "readoutcycle", "30")
        await plant.appliance.save()
        await plant.seconds(120)
        times = plant.reads(A)
        assert times[-1] - times[-2] == pytest.approx(30, abs=2)
        assert len(plant.reads(B)) == 3

    plant.run(story)


# --- Settings -------------------------------------------------------------------------------------


def test_a_page_key_counts_from_save_a_file_key_from_restart() -> None:
    """C-51: Save re-initialises; a key that only the file has waits for the restart."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        door = plant.appliance
        door.set_key("MBUS_TIMEOUT", "1234")
        door.set_key("MBUS_MAXRETRY", "1")
        assert door.configuration().mbus_timeout == 500
        await door.save()
        assert (door.configuration().mbus_timeout, door.configuration().mbus_maxretry) == (1234, 3)
        assert door.restart_reasons() == ["[CONFIG] MBUS_MAXRETRY"]
        saved = load(plant.storage.read(CHIP))[0]
        assert (saved.mbus_timeout, saved.mbus_maxretry) == (1234, 1)
        await plant.reboot()
        assert door.configuration().mbus_maxretry == 1
        assert door.restart_reasons() == []

    plant.run(story)


def test_save_writes_the_fields_and_leaves_the_rest() -> None:
    """C-16, FILE-04: the value stands in the file even if it is the default; all else stays."""
    text = b"; mine\n[CONFIG]\nMODBUS_ENABLE=1\nMBUS_TIMEOUT=70000\nFOREIGN=x\n"
    plant = Plant(files={CHIP: text})

    async def story(plant: Plant) -> None:
        plant.appliance.set_key("METER_TIME", "900")
        await plant.appliance.save()

    plant.run(story)
    assert plant.storage.read(CHIP) == text + b"METER_TIME=900\n"
    assert plant.storage.read(CHIP + ".bak") == text


def test_a_file_changed_by_hand_asks_for_a_restart_and_is_not_lost() -> None:
    """C-51, FTP-03: the upload counts from the restart on, and a Save of the page keeps it."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        door = plant.appliance
        assert door.restart_reasons() == []
        plant.set_keys(MBUS_MAXRETRY=7)
        assert door.restart_reasons() == [CHIP]
        assert door.configuration().mbus_maxretry == 3
        door.set_key("METER_TIME", "60")
        await door.save()
        assert door.configuration().mbus_maxretry == 3
        await plant.reboot()
        assert (door.configuration().mbus_maxretry, door.configuration().meter_time) == (7, 60)

    plant.run(story)


def test_a_list_uploaded_before_the_restart_is_not_overwritten() -> None:
    """FTP-03: a scan between upload and restart leaves the upload alone, and says so."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        upload = meter_list.save([meter_list.Meter(serial="12345678")])
        plant.storage.replace(LIST, upload)
        assert plant.appliance.restart_reasons() == [LIST]
        await plant.appliance.scan()
        assert plant.storage.read(LIST) == upload
        await plant.reboot()
        assert [view.identification_number for view in plant.appliance.meters()] == ["12345678"]

    plant.run(story)
    texts = [fields["text"] for _, fields in plant.logged("config.complaint")]
    assert "it was changed by hand and is not overwritten; restart the gateway" in texts


def test_a_save_by_a_person_goes_over_an_upload_and_keeps_it_aside() -> None:
    """An explicit Save is obeyed; the text that it replaced is in the backup."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        upload = meter_list.save([meter_list.Meter(serial="12345678")])
        plant.storage.replace(LIST, upload)
        await plant.appliance.save({Tab.METER})
        assert len(stored(plant)) == 2
        assert plant.storage.read(LIST + ".bak") == upload

    plant.run(story)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"MBUS_MINPRIMARYADDRESS": "9", "MBUS_MAXPRIMARYADDRESS": "8"}, "no address is scanned"),
        ({"MODBUS_NWPORT": "5000"}, "MBUS_TRANSPARENTPORT is the port of the Modbus server"),
        ({"SNTP_MINTIMEOUT": "93601"}, "SNTP_MINTIMEOUT is above SNTP_MAXTIMEOUT"),
    ],
)
def test_contradictions_refuse_the_save(keys: dict[str, str], text: str) -> None:
    """C-21: keys that are each in range but cannot be together; nothing is written."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        for name, value in keys.items():
            plant.appliance.set_key(name, value)
        before = plant.storage.read(CHIP)
        with pytest.raises(EditError, match=text):
            await plant.appliance.save()
        assert plant.storage.read(CHIP) == before

    plant.run(story)


def test_a_layout_that_makes_extents_overlap_is_refused() -> None:
    """Worked examples 5: float-only cleared while values sit 2 apart: Save is refused."""
    plant = Plant(MODBUSMETER_PROTOCOLVERSION=1)

    async def story(plant: Plant) -> None:
        await started(plant)
        await plant.appliance.allocate()
        plant.appliance.set_key("MODBUSMETER_PROTOCOLVERSION", "0")
        with pytest.raises(EditError, match="22: not a valid register"):
            await plant.appliance.save({Tab.SERVER})
        assert plant.appliance.configuration().modbusmeter_protocolversion == 1
        plant.appliance.allocate_registers()
        await plant.appliance.save()
        assert plant.registers(50)[7] == 0x0005

    plant.run(story)


def test_a_multi_slave_layout_gives_units_at_save_and_at_start() -> None:
    """C-11: a meter with a register gets a unit when the mode is on, and keeps it."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        plant.appliance.set_key("MODBUSMETER_PROTOCOLVERSION", "2")
        await plant.appliance.save()
        assert [entry.slaveaddress for entry in stored(plant)] == [1, 2]
        assert plant.appliance.registers(1, 10, 2).hex() == "00068a7e"

    plant.run(story)
    entries = [
        meter_list.Meter(serial="00000001", register=10),
        meter_list.Meter(serial="00000002", register=20, slaveaddress=1),
    ]
    files = {LIST: meter_list.save(entries)}
    plant = Plant(files=files, MODBUSMETER_PROTOCOLVERSION=2, MBUS_ENABLE=0)

    async def at_start(plant: Plant) -> None:
        assert [entry.slaveaddress for entry in stored(plant)] == [2, 1]
        assert plant.appliance.registers(2, 10, 2).hex() == "00000001"

    plant.run(at_start)


def test_only_server_and_general_cut_masters_off() -> None:
    """C-51, C-72: Modbus connections live through a Save of the other pages."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        stream = await plant.rt.connect(*MODBUS)
        for key, text in (("METER_TIME", "100"), ("FTP.ENABLE", "0")):
            plant.appliance.set_key(key, text)
            await plant.appliance.save()
            await ask(stream)
        plant.appliance.set_key("MODBUS_NWPORT", "1502")
        await plant.appliance.save()
        assert await stream.read(100) == b""
        stream = await plant.rt.connect(*MODBUS)
        await ask(stream)
        plant.appliance.set_key("DEVICE.NAME", "cellar")
        await plant.appliance.save()
        assert await stream.read(100) == b""

    plant.run(story)


def test_save_shows_orange_and_comes_back() -> None:
    """LED-02, worked examples 13: re-initialising after Save is orange, then green."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        before = len(plant.values("gateway.led.st"))
        plant.appliance.set_key("METER_TIME", "100")
        await plant.appliance.save()
        assert plant.values("gateway.led.st")[before:] == ["orange", "green"]

    plant.run(story)


def test_a_full_storage_leaves_the_edits_to_be_saved_again() -> None:
    """OSError from Save: nothing is in force that was not written, nothing edited is lost."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        door = plant.appliance
        door.set_key("METER_TIME", "100")
        door.set_meter(door.meters()[0].handle, "user", "cellar")
        capacity = plant.storage._capacity_bytes
        plant.storage._capacity_bytes = sum(
            len(plant.storage.read(path)) for path in plant.storage.list("")
        )
        with pytest.raises(OSError, match="No space"):
            await door.save()
        assert door.configuration().meter_time == 900
        assert door.page_meters()[0].entry.user == "cellar"
        assert plant.leds() == ("off", "green")
        plant.storage._capacity_bytes = capacity
        await door.save()
        assert door.configuration().meter_time == 100
        assert stored(plant)[0].user == "cellar"

    plant.run(story)


# --- Backups --------------------------------------------------------------------------------------


def test_a_save_can_be_taken_back() -> None:
    """C-34: the list of before the last Save is in the backup, and Restore brings it back."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        await started(plant)
        door = plant.appliance
        for view in door.meters():
            door.delete(view.handle)
        await door.save()
        assert door.meters() == []
        await door.restore_list()
        assert len(door.meters()) == len(stored(plant)) == 2
        await plant.seconds(5)
        assert plant.flags() == [0, 0]

    plant.run(story)


def test_without_a_backup_there_is_nothing_to_restore() -> None:
    """FileNotFoundError, and the list is as it was."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        with pytest.raises(FileNotFoundError, match="to restore"):
            await plant.appliance.restore_list()

    plant.run(story)


def test_a_broken_list_leaves_the_old_one_in_force() -> None:
    """FILE-03: an upload that is no list: the backup is read and served, the upload stays."""
    good = meter_list.save([meter_list.Meter(serial="66600106", register=10)])
    plant = Plant(files={LIST: BROKEN, LIST + ".bak": good})

    async def story(plant: Plant) -> None:
        assert plant.leds()[1] == "red"
        assert [view.identification_number for view in plant.appliance.meters()] == [A]
        await plant.seconds(5)
        assert plant.storage.read(LIST) == BROKEN
        await plant.appliance.restore_list()
        assert plant.storage.read(LIST + ".bad") == BROKEN
        assert plant.leds()[1] == "green"
        await plant.appliance.save()
        assert len(stored(plant)) == 1

    plant.run(story)


def test_a_broken_list_without_a_backup_can_make_room() -> None:
    """Restore without a backup: the broken text is put aside, the list begins empty."""
    plant = Plant(files={LIST: BROKEN})

    async def story(plant: Plant) -> None:
        await plant.appliance.restore_list()
        assert stored(plant) == []
        assert plant.storage.read(LIST + ".bad") == BROKEN
        await started(plant)
        assert len(stored(plant)) == 2

    plant.run(story)


def test_a_backup_that_is_broken_too_restores_nothing() -> None:
    """OSError with the reason, both files as they were."""
    plant = Plant(files={LIST: BROKEN, LIST + ".bak": BROKEN})

    async def story(plant: Plant) -> None:
        assert plant.appliance.meters() == []
        with pytest.raises(OSError, match="cannot be restored"):
            await plant.appliance.restore_list()
        assert plant.storage.read(LIST) == BROKEN

    plant.run(story)


def test_broken_settings_leave_the_old_ones_in_force() -> None:
    """FILE-01: the backup counts, with a message; a Save mends the file and keeps the bad text."""
    good = chip_ini(METER_TIME=77)
    plant = Plant(files={CHIP: b"no section", CHIP + ".bak": good})

    async def story(plant: Plant) -> None:
        door = plant.appliance
        assert plant.leds()[1] == "red"
        assert (door.configuration().meter_time, door.configuration().mbus_timeout) == (77, 500)
        door.set_key("MBUS_TIMEOUT", "600")
        await door.save()
        assert plant.storage.read(CHIP) == good.replace(b"TIMEOUT=500", b"TIMEOUT=600")
        assert plant.storage.read(CHIP + ".bad") == b"no section"
        assert plant.leds()[1] == "green"

    plant.run(story)
    texts = [fields["text"] for _, fields in plant.logged("config.complaint")]
    assert "the settings of app/chip.ini.bak are in force" in texts
