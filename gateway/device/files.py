"""The device's own files: settings, meter list and users, with copies that make mistakes harmless.

Every write replaces a file atomically, after its former text was put aside as ``.bak``; so a power
cut at any byte leaves the old file or the new one, and the last Save can be taken back (`C-34`). A
file that cannot be used is never overwritten by what the device does by itself: the ``.bak`` is in
force instead, and where there is none, the defaults. What somebody has changed while the device
runs counts from the next start (`C-51`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gateway.device import configuration as chip_ini
from gateway.device import meter_list, passwords, webcom
from gateway.device.keys import contradictions
from gateway.device.leds import Trouble
from gateway.device.meter_list import MeterListError
from gateway.device.webcom import WEBCOM_INI

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.device.configuration import Complaint, Configuration
    from gateway.device.meter_list import Meter
    from gateway.device.webcom import User
    from gateway.runtime.port import Runtime, Storage

CHIP_INI: Final = "app/chip.ini"
#: What is added to the name of a file for its text before the last Save.
BACKUP_SUFFIX: Final = ".bak"
#: What is added for a text that had to make room: one that could not be used, or was taken back.
REJECTED_SUFFIX: Final = ".bad"
#: A list without meters, 78 bytes (Fig. 22).
EMPTY_LIST: Final = meter_list.save([])


def keep_and_replace(storage: Storage, path: str, data: bytes) -> bool:
    """Replace `path` atomically, its former text kept as ``.bak``; False where it is the same.

    Raises OSError with the old file in place.
    """
    if storage.exists(path):
        old = storage.read(path)
        if old == data:
            return False
        storage.replace(path + BACKUP_SUFFIX, old)
    storage.replace(path, data)
    return True


class DeviceFiles:
    """chip.ini, Device_Handle.cfg and webcom.ini of one run of the device.

    `troubles` says which of them could not be used. `unit_loads` chooses the factory file.
    """

    def __init__(self, rt: Runtime, unit_loads: int) -> None:
        self._rt = rt
        self._unit_loads = unit_loads
        #: Each file as it was last read or written; None where there was none.
        self._known: dict[str, bytes | None] = {}
        self._told: set[str] = set()
        self.troubles: set[Trouble] = set()

    @property
    def _storage(self) -> Storage:
        return self._rt.storage

    # --- Settings -----------------------------------------------------------------------------

    def load_settings(self) -> Configuration:
        """Read chip.ini, made from the factory text when it is missing; never fails."""
        storage = self._storage
        try:
            if not storage.exists(CHIP_INI):
                factory = chip_ini.factory_chip_ini(self._unit_loads)
                storage.replace(CHIP_INI, factory.encode())
            configuration, complaints = self._parse_settings(self._read(CHIP_INI))
        except OSError as error:
            self.complain(CHIP_INI, str(error))
            self.troubles.add(Trouble.SETTINGS)
            return self._parse_settings(b"")[0]
        for complaint in complaints:
            self.complain(CHIP_INI, str(complaint))
        if any(complaint.fatal for complaint in complaints):
            self.troubles.add(Trouble.SETTINGS)
            return self._former_settings() or configuration
        for text in contradictions(configuration):
            self.complain(CHIP_INI, text)
        return configuration

    def save_settings(self, changes: Mapping[str, Any], in_force: Configuration) -> None:
        """Write `changes` (by attribute) into chip.ini and nothing else (`C-16`, `FILE-04`).

        What somebody changed in the file since the start stays, to count from the next start on.
        Raises `KindError` for a value that its key does not take, OSError where nothing is written.
        """
        storage = self._storage
        text = storage.read(CHIP_INI) if storage.exists(CHIP_INI) else b""
        configuration, complaints = self._parse_settings(text)
        is_usable = not any(complaint.fatal for complaint in complaints)
        base = text
        if not is_usable:
            backup = self._backup(CHIP_INI)
            base, configuration = (backup if backup is not None else b""), in_force
        data = chip_ini.save(
            base,
            replace(configuration, **changes),
            explicit=changes.keys(),
            unit_loads=self._unit_loads,
        )
        if is_usable:
            keep_and_replace(storage, CHIP_INI, data)
        else:
            storage.replace(CHIP_INI + REJECTED_SUFFIX, text)
            storage.replace(CHIP_INI, data)
            self.troubles.discard(Trouble.SETTINGS)
        self._known[CHIP_INI] = data

    def _parse_settings(self, data: bytes) -> tuple[Configuration, list[Complaint]]:
        return chip_ini.load(data, unit_loads=self._unit_loads)

    def _former_settings(self) -> Configuration | None:
        backup = self._backup(CHIP_INI)
        if backup is None:
            return None
        configuration, complaints = self._parse_settings(backup)
        if any(complaint.fatal for complaint in complaints):
            return None
        self.complain(CHIP_INI, f"the settings of {CHIP_INI}{BACKUP_SUFFIX} are in force")
        return configuration

    # --- The meter list -----------------------------------------------------------------------

    def load_list(self, path: str) -> list[Meter]:
        """Read the meter list; an unusable one stays as it is for repair, its backup counts."""
        try:
            if not self._storage.exists(path):
                self._known[path] = None
                return []
            meters, complaints = meter_list.load(self._read(path))
        except (OSError, MeterListError) as error:
            # The file stays as it is: a repair by hand must not find it overwritten.
            self.complain(path, str(error))
            self.troubles.add(Trouble.LIST)
            return self._former_list(path)
        for complaint in complaints:
            self.complain(path, str(complaint))
        return meters

    def save_list(self, path: str, meters: Sequence[Meter]) -> None:
        """Write the meter list; raises OSError where it cannot be written."""
        storage = self._storage
        if Trouble.LIST in self.troubles:
            raise PermissionError(
                f"{path} is not written: the file does not parse and is left for repair"
            )
        if self._is_changed(path):
            self.complain(path, f"it was changed by hand; that text is now {path}{BACKUP_SUFFIX}")
        old = storage.read(path) if storage.exists(path) else b""
        try:
            data = meter_list.save(meters, old=old)
        except MeterListError as error:
            raise OSError(f"{path} is not written: {error}") from error
        if old == EMPTY_LIST:
            # An empty list is not worth the backup of a full one.
            storage.replace(path, data)
        else:
            keep_and_replace(storage, path, data)
        self._known[path] = data

    def keep_list(self, path: str, meters: Sequence[Meter]) -> bool:
        """Write the list after what the device found by itself; a failure ends nothing.

        A list that somebody changed by hand is left alone: it counts from the next start on.
        """
        try:
            if self._is_changed(path):
                self._complain_once(
                    path, "it was changed by hand and is not overwritten; restart the gateway"
                )
                return False
            self.save_list(path, meters)
        except OSError as error:
            self.complain(path, str(error))
            return False
        return True

    def reject_list(self, path: str, meters: Sequence[Meter]) -> None:
        """Delete the stored list as manual 8.3 says of one that is too long to save (`C-34`).

        The stored one becomes the ``.bak``, the rejected one the ``.bad``. Raises OSError.
        """
        self._storage.replace(path + REJECTED_SUFFIX, meter_list.save(meters))
        self.save_list(path, [])

    def restore_list(self, path: str) -> list[Meter]:
        """Bring back the list of the ``.bak`` (`C-34`); the text in its place becomes ``.bad``.

        Without a backup an unusable list makes room for an empty one. Raises OSError where there
        is nothing to restore.
        """
        backup = self._backup(path)
        meters: list[Meter] = []
        if backup is not None:
            try:
                meters, _ = meter_list.load(backup)
            except MeterListError as error:
                raise OSError(f"{path}{BACKUP_SUFFIX} cannot be restored: {error}") from error
        elif Trouble.LIST not in self.troubles:
            raise FileNotFoundError(f"there is no {path}{BACKUP_SUFFIX} to restore")
        data = backup if backup is not None else meter_list.save([])
        if self._storage.exists(path):
            self._storage.replace(path + REJECTED_SUFFIX, self._storage.read(path))
        self._storage.replace(path, data)
        self.troubles.discard(Trouble.LIST)
        self._known[path] = data
        return meters

    def _former_list(self, path: str) -> list[Meter]:
        try:
            backup = self._backup(path)
            meters = meter_list.load(backup)[0] if backup is not None else []
        except MeterListError:
            return []
        if meters:
            self.complain(path, f"the list of {path}{BACKUP_SUFFIX} is in force")
        return meters

    # --- Users --------------------------------------------------------------------------------

    def load_users(self) -> list[User]:
        """Read webcom.ini, made with the factory users when it is missing; never fails.

        Passwords in clear are hashed at once, and are then nowhere in the files any more. Where the
        file cannot be used the ``.bak`` counts, and without one the factory users.
        """
        try:
            if not self._storage.exists(WEBCOM_INI):
                self._storage.replace(WEBCOM_INI, webcom.factory_webcom_ini())
            data = self._read(WEBCOM_INI)
            users, complaints = webcom.load(data)
            if any(complaint.fatal for complaint in complaints):
                self.troubles.add(Trouble.USERS)
                users = self._former_users() or users
            elif any(user.is_clear for user in users):
                users = [self._hashed(user) for user in users]
                data = webcom.save(data, users)
                self._storage.replace(WEBCOM_INI, data)
                self._known[WEBCOM_INI] = data
        except OSError as error:
            self.complain(WEBCOM_INI, str(error))
            return list(webcom.FACTORY_USERS)
        for complaint in complaints:
            self.complain(WEBCOM_INI, str(complaint))
        return users

    def save_users(self, users: Sequence[User]) -> list[User]:
        """Write webcom.ini and give the users as they stand there, their passwords hashed.

        Raises `UserError` for users that are refused, OSError.
        """
        storage = self._storage
        users = [self._hashed(user) for user in users]
        old = storage.read(WEBCOM_INI) if storage.exists(WEBCOM_INI) else b""
        data = webcom.save(old, users)
        if Trouble.USERS in self.troubles:
            storage.replace(WEBCOM_INI + REJECTED_SUFFIX, old)
            storage.replace(WEBCOM_INI, data)
            self.troubles.discard(Trouble.USERS)
        else:
            keep_and_replace(storage, WEBCOM_INI, data)
        self._known[WEBCOM_INI] = data
        return users

    def _former_users(self) -> list[User] | None:
        backup = self._backup(WEBCOM_INI)
        if backup is None:
            return None
        users, complaints = webcom.load(backup)
        if any(complaint.fatal for complaint in complaints):
            return None
        self.complain(WEBCOM_INI, f"the users of {WEBCOM_INI}{BACKUP_SUFFIX} are in force")
        return users

    def _hashed(self, user: User) -> User:
        if not user.is_clear:
            return user
        salt = self._rt.entropy(passwords.SALT_BYTES)
        try:
            return replace(user, password=passwords.hashed(user.password, salt))
        except ValueError:
            return replace(user, password="")

    # --- All ---------------------------------------------------------------------------------

    def changed_files(self) -> list[str]:
        """The files that differ from what is in force: a restart is needed (`C-51`)."""
        return sorted(path for path in self._known if self._is_changed(path))

    def complain(self, path: str, text: str) -> None:
        """Tell what is wrong with a file."""
        self._rt.log("config.complaint", file=path, text=text)

    def complain_all(self, path: str, texts: Iterable[str]) -> None:
        """Tell several things about a file."""
        for text in texts:
            self.complain(path, text)

    def _complain_once(self, path: str, text: str) -> None:
        if path not in self._told:
            self._told.add(path)
            self.complain(path, text)

    def _read(self, path: str) -> bytes:
        data = self._storage.read(path)
        self._known[path] = data
        return data

    def _backup(self, path: str) -> bytes | None:
        try:
            return self._storage.read(path + BACKUP_SUFFIX)
        except OSError:
            return None

    def _is_changed(self, path: str) -> bool:
        if path not in self._known:
            return False
        try:
            data = self._storage.read(path) if self._storage.exists(path) else None
        except OSError:
            return False
        return data != self._known[path]
