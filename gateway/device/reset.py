"""Factory reset: the files of a device as it was shipped (`C-50`).

Former texts go too (``.bak``, ``.bad``): a reset that left an old password in a backup would be
none. Logs are emptied. Keys of the device stay; they are nobody's settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.device import configuration, meter_list, webcom
from gateway.device.files import BACKUP_SUFFIX, CHIP_INI, REJECTED_SUFFIX
from gateway.device.webcom import ADMIN, WEBCOM_INI

if TYPE_CHECKING:
    from gateway.device.webcom import User
    from gateway.runtime.port import Storage

_FACTORY_LIST: Final = "app/Device_Handle.cfg"
_LOG_FOLDERS: Final = ("log", "raw")


def admin_of(storage: Storage) -> User:
    """The user whose password a reset asks for; the factory's where the file has none."""
    users: list[User] = []
    if storage.exists(WEBCOM_INI):
        users, _ = webcom.load(storage.read(WEBCOM_INI))
    known = [user for user in users if user.name == ADMIN]
    return known[0] if known else next(u for u in webcom.FACTORY_USERS if u.name == ADMIN)


def factory_reset(storage: Storage, unit_loads: int) -> list[str]:
    """Bring every file of the device back; returns the paths, users last.

    As long as the reset has not come to its end, the old admin password opens the device: a power
    cut in the middle locks nobody out and lets nobody in. Raises OSError.
    """
    factory = {
        _list_path(storage): meter_list.save([]),
        CHIP_INI: configuration.factory_chip_ini(unit_loads).encode(),
        WEBCOM_INI: webcom.factory_webcom_ini(),
    }
    done = []
    for folder in _LOG_FOLDERS:
        for path in storage.list(folder):
            storage.replace(path, b"")
            done.append(path)
    for path, data in factory.items():
        for suffix in (BACKUP_SUFFIX, REJECTED_SUFFIX):
            if storage.exists(path + suffix):
                storage.replace(path + suffix, data)
                done.append(path + suffix)
        storage.replace(path, data)
        done.append(path)
    return done


def _list_path(storage: Storage) -> str:
    """Where the settings in force keep the list; the factory's place is another one perhaps."""
    if not storage.exists(CHIP_INI):
        return _FACTORY_LIST
    settings, _ = configuration.load(storage.read(CHIP_INI))
    return settings.meter_stat_config.lstrip("/")
