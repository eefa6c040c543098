"""The raw data log: one line a telegram, bounded, switched by Save, harmless when it fails."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.device.raw_log import (
    FORMER_RAW_LOG,
    LINES_MAX,
    RAW_LOG,
    RAW_LOG_BYTES_MAX,
    RawLog,
)
from simulators.memory_storage import MemoryStorage
from tests.gateway.device.plant import Plant


def test_the_file_is_bounded() -> None:
    """The file becomes the former one at its limit; of two, the older is forgotten."""
    storage = MemoryStorage()
    log = RawLog(lambda: storage)
    for number in range(3 * RAW_LOG_BYTES_MAX // 100_000):
        for _ in range(200):
            log.take(number, ">", bytes(160))
        log.write()
    assert len(storage.read(RAW_LOG)) <= RAW_LOG_BYTES_MAX
    assert len(storage.read(FORMER_RAW_LOG)) <= RAW_LOG_BYTES_MAX
    assert storage.list("raw") == [RAW_LOG, FORMER_RAW_LOG]
    # Another start goes on where this one ended.
    size = len(storage.read(RAW_LOG))
    again = RawLog(lambda: storage)
    again.take(0, "<", b"\xe5")
    again.write()
    assert storage.read(RAW_LOG)[size:] == b"1970-01-01T00:00:00Z < E5\n"


def test_what_waits_in_memory_is_bounded() -> None:
    """A job of a day keeps its last lines."""
    storage = MemoryStorage()
    log = RawLog(lambda: storage)
    for number in range(LINES_MAX + 5):
        log.take(number, ">", b"\x10")
    log.write()
    lines = storage.read(RAW_LOG).splitlines()
    assert len(lines) == LINES_MAX
    assert lines[0].startswith(b"1970-01-01T00:00:05Z")


def test_save_switches_it() -> None:
    """CFG-05: it begins and ends with a Save, without a restart."""
    plant = Plant(METER_TIME=10)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(20)
        assert not plant.storage.exists(RAW_LOG)
        plant.appliance.set_key("MBUS_RAWLOGENABLE", "1")
        await plant.appliance.save()
        await plant.seconds(20)
        size = len(plant.storage.read(RAW_LOG))
        assert size > 200
        plant.appliance.set_key("MBUS_RAWLOGENABLE", "0")
        await plant.appliance.save()
        await plant.seconds(20)
        assert len(plant.storage.read(RAW_LOG)) == size
        assert plant.flags() == [0, 0]

    plant.run(story)


@pytest.mark.parametrize("key", ["MBUS_RAWLOGENABLE", "MBUS_DEBUGOUT"])
def test_listening_changes_nothing_on_the_bus(key: str) -> None:
    """The same telegrams at the same times, with and without."""
    sent = []
    for on in (0, 1):
        settings: dict[str, Any] = {key: on}
        plant = Plant(**settings)

        async def story(plant: Plant) -> None:
            await plant.appliance.scan()
            await plant.seconds(10)

        plant.run(story)
        sent.append(plant.sent())
    assert sent[0] == sent[1]


def test_a_full_storage_stops_nothing() -> None:
    """A log that cannot be written is told once, and meters are read all the same."""
    plant = Plant(METER_TIME=10, MBUS_RAWLOGENABLE=1)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        used = sum(len(plant.storage.read(path)) for path in plant.storage.list(""))
        plant.storage._capacity_bytes = used
        await plant.seconds(60)
        assert plant.flags() == [0, 0]

    plant.run(story)
    told = [fields for _, fields in plant.logged("config.complaint") if fields["file"] == RAW_LOG]
    assert len(told) == 1
