"""Logs: levels, rotation, quotas, CSV and XML, and a disk that fills up while read-out goes on."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from lxml import etree

from gateway.device import meter_list
from gateway.device.event_log import LEVELS, SYSTEM_LOG, THRESHOLDS
from gateway.device.keys import find_key
from gateway.device.log_files import FORMER_SUFFIX, RESERVE_BYTES, LogFile
from gateway.device.meter_list import Meter, Value
from simulators.memory_storage import MemoryStorage
from tests.gateway.device.plant import LIST, Plant

LABELLED = {
    LIST: meter_list.save(
        [
            Meter(
                serial="66600106",
                primaryaddress=5,
                addressmode=1,
                user="=cmd|' /C calc'!A0",
                values=[Value(description="Energy", unit="Wh", scale=3, user='OG-1 "Re"')],
            )
        ]
    )
}


def ran(seconds: float, plant: Plant) -> Plant:
    """A plant that has run for so long."""

    async def story(plant: Plant) -> None:
        await plant.seconds(seconds)

    plant.run(story)
    return plant


# --- Files that grow ------------------------------------------------------------------------------


def test_a_file_rotates_at_its_limit_and_keeps_one_former_generation() -> None:
    """Never more than two limits, each file whole lines, each new one with its head."""
    storage = MemoryStorage(capacity_bytes=RESERVE_BYTES * 2)
    file = LogFile(storage, "log/x", limit=100, told=lambda _: None, head=b"head\n")
    lines = [b"line %03d\n" % number for number in range(40)]
    for line in lines:
        assert file.append(line)
        assert len(storage.read("log/x")) <= 100
    kept = storage.read("log/x" + FORMER_SUFFIX) + storage.read("log/x")
    assert kept.startswith(b"head\n")
    assert kept.replace(b"head\n", b"").endswith(b"".join(lines[-10:]))
    # Another run goes on where this one stopped.
    again = LogFile(storage, "log/x", limit=100, told=lambda _: None, head=b"head\n")
    assert again.append(b"more\n")
    assert storage.read("log/x").endswith(b"more\n")


def test_writing_stops_before_the_reserve_and_goes_on_when_there_is_room() -> None:
    """One byte decides; it is told once each way."""
    told: list[bool] = []
    storage = MemoryStorage(capacity_bytes=RESERVE_BYTES + 10)
    file = LogFile(storage, "log/x", limit=1000, told=told.append)
    assert file.append(b"x" * 10)
    assert not file.append(b"x")
    assert not file.append(b"x")
    assert told == [True]
    assert storage.read("log/x") == b"x" * 10
    storage.replace("log/x", b"x")
    assert file.append(b"y")
    assert told == [True, False]


# --- The system log -------------------------------------------------------------------------------


def test_levels_are_those_of_the_key() -> None:
    """MUC_LOG: every choice of the key has a threshold, no other."""
    kind = find_key("MUC_LOG").kind
    assert {kind.parse(name) for name in THRESHOLDS} == set(THRESHOLDS)
    assert set(LEVELS)


@pytest.mark.parametrize(
    ("level", "there", "missing"),
    [
        ("DEFAULT", ["gateway.startup step=1", "step=5", "bus.opened"], ["gateway.led", "link."]),
        ("ALL", ["gateway.led.st", "meter.read", "link.sent"], []),
        ("ERRORONLY", [], ["gateway.startup step=5"]),
    ],
)
def test_what_a_level_lets_through(level: str, there: list[str], missing: list[str]) -> None:
    """NET-05: the five steps show in the log; the rest by MUC_LOG."""
    plant = ran(5, Plant(files=LABELLED, MUC_LOG=level))
    text = plant.storage.read(SYSTEM_LOG).decode() if plant.storage.exists(SYSTEM_LOG) else ""
    assert [part for part in there if part not in text] == []
    assert [part for part in missing if part in text] == []
    assert all(line[:4].isdigit() and line[19] == "Z" for line in text.splitlines())


def test_a_trip_is_in_the_log_of_the_run_before_and_of_the_run_after() -> None:
    """WDG-05: timer, state and seconds, written before the restart."""
    plant = Plant(WATCHDOG_IDLE=20)

    async def story(plant: Plant) -> None:
        async def stuck() -> None:
            await plant.seconds(100)

        with pytest.raises(InterruptedError):
            await plant.appliance._device.submit("hang", stuck)
        await plant.appliance.ready()

    plant.run(story)
    text = plant.storage.read(SYSTEM_LOG).decode()
    assert "ERROR   watchdog.trip value=WATCHDOG_IDLE state=idle seconds=20\n" in text
    assert "WARNING gateway.restart.reason value=WATCHDOG_IDLE state=idle seconds=20\n" in text


def test_a_dead_meter_is_told_once_and_its_return_too() -> None:
    """80 dead meters must not fill the log with every cycle."""
    nobody = {LIST: meter_list.save([Meter(serial="00000077", primaryaddress=77, addressmode=1)])}
    plant = ran(100, Plant(files=nobody, METER_TIME=10, MBUS_MAXRETRY=0))
    assert len(plant.logged("meter.read")) > 5
    assert plant.storage.read(SYSTEM_LOG).decode().count("meter.read") == 1


# --- Value logs -----------------------------------------------------------------------------------


def test_values_as_csv_with_labels_that_no_spreadsheet_executes() -> None:
    """C-49: a line a value, the label's formula disarmed, numbers exact."""
    plant = ran(5, Plant(files=LABELLED, VALUELOG="BOTH"))
    rows = list(csv.DictReader(io.StringIO(plant.storage.read("log/values.csv").decode())))
    assert len(rows) == 1
    row = rows[0]
    assert (row["serial"], row["value"], row["unit"]) == ("66600106", "267000", "Wh")
    assert row["meter label"] == "'=cmd|' /C calc'!A0"
    assert row["label"] == 'OG-1 "Re"'
    assert row["flags"] == "0"


def test_values_as_xml_of_the_sibling() -> None:
    """C-49: one document a pass that parses, labels escaped, numbers unscaled."""
    plant = ran(5, Plant(files=LABELLED, VALUELOG="XML"))
    (path,) = [name for name in plant.storage.list("log") if name.endswith(".xml")]
    root: Any = etree.fromstring(plant.storage.read(path))
    assert root.find("muc").get("MUC_ID") == "12883"
    assert root.find("muc").get("VERSION") == "82"
    meter = root.find("muc/meter")
    assert (meter.get("METER_ID"), meter.get("USER")) == ("66600106", "=cmd|' /C calc'!A0")
    data = meter.find("data")
    assert (data.get("UNIT"), data.get("SCALE"), data.get("USER")) == ("Wh", "1e3", 'OG-1 "Re"')
    parameters = {one.get("NAME"): one.text for one in data.iter("param")}
    assert parameters["VAL"] == "267"
    assert plant.storage.exists("log/values.csv") is False


def test_a_full_disk_stops_logs_and_not_the_read_out() -> None:
    """Quota: settings, list and readings go on; one event says that logs have stopped."""
    plant = Plant(files=LABELLED, VALUELOG="BOTH", MBUS_RAWLOGENABLE=1, METER_TIME=10)

    async def story(plant: Plant) -> None:
        await plant.seconds(15)
        free = plant.storage.free_bytes()
        plant.storage.replace("log/foreign", b"x" * (free - RESERVE_BYTES + 1))
        before = len(plant.reads("66600106"))
        await plant.seconds(100)
        assert len(plant.reads("66600106")) >= before + 9
        assert plant.storage.free_bytes() >= RESERVE_BYTES - 1
        await plant.appliance.save()

    plant.run(story)
    stopped = plant.logged("log.stopped")
    assert all(fields["value"] for _, fields in stopped)
    assert {fields["file"] for _, fields in stopped} >= {"log/values.csv", "raw/mbus.log"}
    assert len(stopped) <= 4
