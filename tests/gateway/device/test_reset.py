"""Factory reset (C-50): every file back, no old secret left, by admin's password only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from gateway.cli import gateway_app
from gateway.device import configuration, meter_list, webcom
from gateway.device.meter_list import Meter
from gateway.device.reset import admin_of, factory_reset
from gateway.io.data_directory import DataDirectory
from simulators.memory_storage import MemoryStorage
from tests.gateway.device.plant import Plant

if TYPE_CHECKING:
    from pathlib import Path

ADMIN_OWN = b"[USER1]\nNAME=admin\nPASSWORD=my own\n"


def used() -> dict[str, bytes]:
    """Files of a device that somebody has used; its list lies elsewhere."""
    settings = b"[CONFIG]\nMETER_TIME=60\nMETER_STAT_CONFIG=/app/mine.cfg\n"
    listed = meter_list.save([Meter(serial="66600106")])
    return {
        "app/chip.ini": settings,
        "app/chip.ini.bak": settings,
        "app/mine.cfg": listed,
        "app/mine.cfg.bak": listed,
        "app/webcom.ini": ADMIN_OWN,
        "app/webcom.ini.bak": ADMIN_OWN,
        "log/system.log": b"something",
        "raw/mbus.log": b"something",
    }


def test_nothing_of_the_old_owner_is_left() -> None:
    """Settings, list, users, their copies and the logs; the device then starts as a new one."""
    storage = MemoryStorage(used())
    factory_reset(storage, 80)
    assert storage.read("app/chip.ini") == configuration.FACTORY_CHIP_INI.encode()
    texts = b"".join(storage.read(path) for path in storage.list(""))
    for old in (b"my own", b"66600106", b"METER_TIME=60", b"something"):
        assert old not in texts
    assert admin_of(storage).knows("admin")
    plant = Plant(files={path: storage.read(path) for path in storage.list("")})

    async def story(plant: Plant) -> None:
        assert plant.appliance.meters() == []
        assert [user.name for user in plant.appliance.users()] == ["admin", "web", "ftp"]

    plant.run(story)


def test_a_device_without_users_asks_for_the_factory_password() -> None:
    """An empty directory, or a file without admin, locks nobody out."""
    assert admin_of(MemoryStorage()).knows("admin")
    assert admin_of(MemoryStorage({webcom.WEBCOM_INI: b"rubbish"})).knows("admin")


@pytest.mark.parametrize(
    ("typed", "options", "code", "is_reset"),
    [
        ("my own\n", ["--password-stdin", "--yes"], 0, True),
        ("wrong\n", ["--password-stdin", "--yes"], 1, False),
        ("my own\ny\n", [], 0, True),
        ("my own\nn\n", [], 1, False),
        ("admin\ny\n", [], 1, False),
    ],
)
def test_the_command_asks_for_password_and_confirmation(
    tmp_path: Path, typed: str, options: list[str], code: int, *, is_reset: bool
) -> None:
    """C-50: without both nothing is changed."""
    for path, data in used().items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    result = CliRunner().invoke(
        gateway_app, ["reset", "--data", str(tmp_path), *options], input=typed
    )
    assert result.exit_code == code, result.output
    changed = (tmp_path / "app/webcom.ini").read_bytes() != ADMIN_OWN
    assert changed == is_reset


def test_a_gateway_that_runs_is_not_reset(tmp_path: Path) -> None:
    """The directory's lock keeps a reset out."""
    with DataDirectory(tmp_path):
        result = CliRunner().invoke(
            gateway_app,
            ["reset", "--data", str(tmp_path), "--password-stdin", "--yes"],
            input="admin\n",
        )
    assert result.exit_code == 2
    assert "another gateway runs on it" in result.output
    assert CliRunner().invoke(gateway_app, ["reset", "--data", "nowhere"]).exit_code == 2
