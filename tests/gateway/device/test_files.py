"""The device's files against power cuts, strangers' uploads and slips of the hand."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gateway.device import configuration, meter_list, webcom
from gateway.device.files import CHIP_INI, DeviceFiles, keep_and_replace
from gateway.device.leds import Trouble
from gateway.device.meter_list import Meter, Value
from gateway.device.webcom import FACTORY_USERS, WEBCOM_INI, Right, User, UserError
from hil.runtimes import simulated_runtime
from simulators.memory_storage import MemoryStorage, PowerCut
from tests.gateway.device.plant import LIST, Plant, chip_ini

SAVES = 500


SETTINGS = configuration.FACTORY_CHIP_INI.encode() + b"METER_TIME=%d\n"
LISTED = meter_list.save([Meter(serial="00000001", user="nNUMBER", values=[Value(), Value()])])
USERS = webcom.save(webcom.factory_webcom_ini(), [*FACTORY_USERS, User("uNUMBER")])


def numbered(number: int) -> dict[str, bytes]:
    """Contents of the three files that carry a number."""
    return {
        CHIP_INI: SETTINGS % (10 + number),
        LIST: LISTED.replace(b"NUMBER", b"%d" % number),
        WEBCOM_INI: USERS.replace(b"NUMBER", b"%d" % number),
    }


def number_in(path: str, data: bytes) -> int:
    """The number that a file carries; fails where it is not whole."""
    if path == CHIP_INI:
        settings, complaints = configuration.load(data)
        assert complaints == []
        return settings.meter_time - 10
    if path == LIST:
        meters, complaints = meter_list.load(data)
        assert complaints == []
        return int(meters[0].user.removeprefix("n"))
    users, complaints = webcom.load(data)
    assert complaints == []
    return int(users[-1].name.removeprefix("u"))


@pytest.mark.parametrize("path", [CHIP_INI, LIST, WEBCOM_INI])
def test_a_power_cut_in_any_of_500_saves(path: str) -> None:
    """Cut at a byte of each of 500 saves: file and backup are whole, old or new, never older."""
    chance = random.Random(path)
    contents = [numbered(number)[path] for number in range(SAVES + 1)]
    storage = MemoryStorage({path: contents[0]})
    held, cuts = 0, 0
    for number in range(1, SAVES + 1):
        data = contents[number]
        # Backup and file with their renames, and some bytes more: then nothing is cut.
        storage.cut_power_after(chance.randrange(2 * (len(data) + 40)))
        allowed = [number]
        try:
            keep_and_replace(storage, path, data)
        except PowerCut:
            allowed, cuts = [held, number], cuts + 1
        storage.power_on()
        held = contents.index(storage.read(path))
        assert held in allowed
        if storage.exists(path + ".bak"):
            assert contents.index(storage.read(path + ".bak")) <= held
    assert cuts > SAVES / 2
    assert number_in(path, storage.read(path)) == held


def test_a_power_cut_all_along_a_save() -> None:
    """One Save of the device, cut every 101 bytes in turn; the next start finds all files whole."""
    plant_files = numbered(0)
    total = 0
    for cut in [None, *range(0, 12000, 101)]:
        storage = MemoryStorage(plant_files)
        rt = simulated_runtime(storage=storage)
        files = DeviceFiles(rt, 80)
        files.load_settings()
        if cut is not None:
            if cut > total:
                break
            storage.cut_power_after(cut)
        try:
            files.save_settings({"meter_time": 11}, configuration.Configuration())
            files.save_list(LIST, [Meter(serial="00000001", user="n1")])
            files.save_users([*FACTORY_USERS, User("u1")])
        except PowerCut:
            storage.power_on()
        total = total or storage.written_bytes
        for path in plant_files:
            assert number_in(path, storage.read(path)) in (0, 1)
        again = DeviceFiles(rt, 80)
        assert again.load_settings().meter_time in (10, 11)
        assert again.load_list(LIST)
        assert again.load_users()
        assert again.troubles == set()
    assert total > 2000


# --- Hostile files --------------------------------------------------------------------------------

GOOD_LIST = meter_list.save([Meter(serial="66600106", register=10)])
GOOD_SETTINGS = chip_ini(METER_TIME=77)
BOMB = b'<!DOCTYPE r [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;">]><root>&b;</root>'
HOSTILE_LISTS = {
    "10 MB": b"<root>" + b" " * 10_000_000 + b"</root>",
    "entities": BOMB,
    "100,000 meters": b"<root>" + b"<meter><serial>0x1</serial></meter>" * 100_000 + b"</root>",
    "100,000 values": b"<root><meter>" + b"<value/>" * 100_000 + b"</meter></root>",
    "UTF-16": '<?xml version="1.0" encoding="utf-16"?><root/>'.encode("utf-16"),
    "Latin-1": b"<root><meter><user>K\xfcche</user></meter></root>",
    "cut short": GOOD_LIST[:-20],
    "HTML": b"<!DOCTYPE html><html><body>404</body></html>",
    "empty": b"",
    "depth": b"<root>" + b"<a>" * 100_000,
}
HOSTILE_SETTINGS = {
    "10 MB": b"[CONFIG]\n" + b"X=1\n" * 2_500_000,
    "Latin-1": b"[DEVICE]\nNAME=K\xfcche\n",
    "UTF-16": "[CONFIG]\nMETER_TIME=60\n".encode("utf-16"),
    "key twice": b"[CONFIG]\nMETER_TIME=60\nMETER_TIME=61\n",
    "section twice": b"[CONFIG]\nMETER_TIME=60\n[CONFIG]\nMBUS_ENABLE=0\n",
    "zero bytes": bytes(422),
    "XML": GOOD_LIST,
}


def complaints(plant: Plant) -> list[str]:
    """What was said about files."""
    return [fields["text"] for _, fields in plant.logged("config.complaint")]


@pytest.mark.parametrize("name", HOSTILE_LISTS)
def test_hostile_lists(name: str) -> None:
    """A clear message, the old list in force, the file left alone, and red until it is mended."""
    hostile = HOSTILE_LISTS[name]
    plant = Plant(files={LIST: hostile, LIST + ".bak": GOOD_LIST})

    async def story(plant: Plant) -> None:
        assert [view.identification_number for view in plant.appliance.meters()] == ["66600106"]
        assert plant.leds()[1] == "red"
        await plant.seconds(5)
        assert plant.flags() == [0]

    plant.run(story)
    assert plant.storage.read(LIST) == hostile
    first, second, *_ = complaints(plant)
    assert "expected" in first
    assert "got" in first
    assert len(first) < 300
    assert second == f"the list of {LIST}.bak is in force"


@pytest.mark.parametrize("name", HOSTILE_SETTINGS)
def test_hostile_settings(name: str) -> None:
    """A clear message, the old settings in force, the file left alone, red until it is mended."""
    hostile = HOSTILE_SETTINGS[name]
    plant = Plant(files={CHIP_INI: hostile, CHIP_INI + ".bak": GOOD_SETTINGS})

    async def story(plant: Plant) -> None:
        assert plant.appliance.configuration().meter_time == 77
        assert plant.leds()[1] == "red"

    plant.run(story)
    assert plant.storage.read(CHIP_INI) == hostile
    first, second = complaints(plant)
    assert "expected" in first
    assert len(first) < 300
    assert second == "the settings of app/chip.ini.bak are in force"


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""], ids=["BOM", "none"])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_what_editors_do_to_files_is_read(mark: bytes, end: bytes) -> None:
    """FILE-01: a byte order mark and the line ends of another system are no reason to refuse."""
    files = {
        CHIP_INI: mark + GOOD_SETTINGS.replace(b"\n", end),
        LIST: mark + GOOD_LIST.replace(b"\n", end),
        WEBCOM_INI: mark + webcom.factory_webcom_ini().replace(b"\n", end),
    }
    plant = Plant(files=files)

    async def story(plant: Plant) -> None:
        assert plant.appliance.configuration().meter_time == 77
        assert [view.identification_number for view in plant.appliance.meters()] == ["66600106"]
        assert plant.appliance.users() == list(FACTORY_USERS)
        assert plant.leds()[1] == "green"
        plant.appliance.set_key("METER_TIME", "78")
        plant.appliance.set_meter(plant.appliance.meters()[0].handle, "user", "cellar")
        await plant.appliance.save()

    plant.run(story)
    assert len(complaints(plant)) == (3 if mark else 0)
    assert b"METER_TIME=78" + end in plant.storage.read(CHIP_INI)
    assert not plant.storage.read(CHIP_INI).startswith(b"\xef")
    assert b"<user>cellar</user>" in plant.storage.read(LIST)


def test_out_of_range_values_cost_only_themselves() -> None:
    """C-23: default and warning for each, the others count, the file is not rewritten."""
    text = b"[CONFIG]\nMBUS_ENABLE=0\nMBUS_TIMEOUT=99999\nMETER_TIME=5\nMBUS_MAXRETRY=1\n"
    plant = Plant(files={CHIP_INI: text})

    async def story(plant: Plant) -> None:
        settings = plant.appliance.configuration()
        assert (settings.mbus_timeout, settings.meter_time) == (2000, 900)
        assert (settings.mbus_maxretry, settings.mbus_enable) == (1, 0)

    plant.run(story)
    assert [text.split(":")[0] for text in complaints(plant)] == ["line 3", "line 4"]
    assert plant.storage.read(CHIP_INI) == text


def test_contradictions_in_a_file_are_told() -> None:
    """Values that are each in range and cannot be together are named at the start."""
    text = b"[CONFIG]\nMBUS_ENABLE=0\nMBUS_MINPRIMARYADDRESS=9\nMBUS_MAXPRIMARYADDRESS=8\n"
    plant = Plant(files={CHIP_INI: text})

    async def story(plant: Plant) -> None:
        assert plant.leds()[1] == "green"

    plant.run(story)
    (told,) = complaints(plant)
    assert "no address is scanned" in told


def test_numbers_with_letters_are_told() -> None:
    """C-15: a number with a digit A to F is 0 in the registers, and a log entry says so."""
    entry = Meter(serial="1234567A", register=10)
    plant = Plant(files={LIST: meter_list.save([entry])}, MBUS_ENABLE=0)

    async def story(plant: Plant) -> None:
        assert plant.registers(10, 2) == [0, 0]

    plant.run(story)
    assert complaints(plant) == [
        "meter 1234567A: a digit of A to F, so its number is 0 in the registers"
    ]


# --- Users ----------------------------------------------------------------------------------------


def test_a_new_device_has_the_factory_users() -> None:
    """C-65, FTP-02: webcom.ini is made at the first start."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        assert plant.appliance.users() == list(FACTORY_USERS)

    plant.run(story)
    assert plant.storage.read(WEBCOM_INI) == webcom.factory_webcom_ini()


def test_clear_passwords_leave_no_trace() -> None:
    """A password written by hand works after the start, and is in no file any more."""
    text = b"[USER1]\nNAME=admin\nPASSWORD=hunter2\n"
    plant = Plant(files={WEBCOM_INI: text})

    async def story(plant: Plant) -> None:
        (admin,) = plant.appliance.users()
        assert admin.knows("hunter2")
        assert not admin.is_clear
        await plant.appliance.save_users([admin, User("guest", "s3cret")])
        assert plant.appliance.users()[1].knows("s3cret")

    plant.run(story)
    everything = b"".join(plant.storage.read(path) for path in plant.storage.list(""))
    assert b"hunter2" not in everything
    assert b"s3cret" not in everything
    assert "hunter2" not in str(plant.rt.trace)


def test_users_are_saved_and_refused() -> None:
    """USR-03, C-30: refused users change nothing; saved ones count at once and after a restart."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        third = [User(f"u{n}", rights=frozenset({Right.FTP})) for n in range(2)]
        with pytest.raises(UserError, match="FTP access"):
            await plant.appliance.save_users([*FACTORY_USERS, *third])
        assert len(plant.appliance.users()) == 3
        await plant.appliance.save_users([*FACTORY_USERS, third[0]])
        await plant.reboot()
        assert [user.name for user in plant.appliance.users()] == ["admin", "web", "ftp", "u0"]

    plant.run(story)
    assert plant.storage.read(WEBCOM_INI + ".bak") == webcom.factory_webcom_ini()


def test_a_broken_users_file_leaves_the_old_users_in_force() -> None:
    """FILE-01: message, red, the users of the backup; a Save mends it and keeps the bad text."""
    good = webcom.save(webcom.factory_webcom_ini(), [*FACTORY_USERS, User("guest")])
    broken: dict[str, Any] = {WEBCOM_INI: b"NAME=x\n", WEBCOM_INI + ".bak": good}
    plant = Plant(files=broken)

    async def story(plant: Plant) -> None:
        assert [user.name for user in plant.appliance.users()][-1] == "guest"
        assert plant.leds()[1] == "red"
        assert Trouble.USERS in plant.appliance._device.core.files.troubles
        await plant.appliance.save_users(plant.appliance.users())
        assert plant.storage.read(WEBCOM_INI + ".bad") == b"NAME=x\n"

    plant.run(story)
    plant = Plant(files={WEBCOM_INI: b"NAME=x\n"})

    async def factory(plant: Plant) -> None:
        assert plant.appliance.users() == list(FACTORY_USERS)

    plant.run(factory)
