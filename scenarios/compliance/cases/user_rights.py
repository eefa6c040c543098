"""Each right of the User tab, in each role: what a session may do, and what is refused (4.7)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from gateway.device.sessions import Refusal, SessionError
from gateway.device.webcom import Right
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import PRIMARY
from scenarios.compliance.registry import case

if TYPE_CHECKING:
    from gateway.device.sessions import Session
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

_WEBCOM_INI: Final = "app/webcom.ini"
_TABS: Final = ("General", "Meter", "Config", "Server", "Security", "Service")
_READS: Final = tuple(f"Read {tab}" for tab in _TABS)
#: There is no column to read the User tab: its right to write is both.
_WRITES: Final = (*(f"Write {tab}" for tab in _TABS), "Write User")
_ALL: Final = (*_READS, *_WRITES, "FTP")


def _name(right: str) -> str:
    """The user that has one right, and the key of that right in the file."""
    return right.upper().replace(" ", "_")


def _users() -> bytes:
    """A user for each right, with nothing else.

    The password is stored at the least cost: nobody is to guess it, and there are many logins.
    """
    key = hashlib.scrypt(b"x", salt=bytes(16), n=2, r=1, p=1, dklen=32)
    stored = f"scrypt$2$1$1${bytes(16).hex()}${key.hex()}"
    sections = [
        f"[USER{number}]\nNAME={_name(right).lower()}\nPASSWORD={stored}\n{_name(right)}=1\n"
        for number, right in enumerate(_ALL, 10)
    ]
    return "".join(sections).encode()


def _may(trial: Trial, session: Session) -> list[str]:
    """Every right that the device grants to a session when it is asked for it."""
    granted = []
    for right in Right:
        try:
            trial.appliance.need(session.id, right)
        except SessionError as error:
            if error.refusal is not Refusal.FORBIDDEN:
                raise
        else:
            granted.append(right.value)
    return sorted(granted)


@case(
    "users/each-right",
    "Every right is had by whoever has it and by nobody else, and writing by one session only",
    ("USR-01.3",),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def each_right(trial: Trial, verdicts: Verdicts) -> None:
    """Users of one right each, those of the factory, and the automatic login (C-28)."""
    door, host = trial.appliance, "192.168.1.7"
    verdicts.equal("USR-01.3", "rights", sorted(_ALL), sorted(right.value for right in Right))
    for name, password, wanted in (
        ("admin", "admin", _ALL),
        ("web", "web", (*_READS, *_WRITES)),
        ("ftp", "ftp", ("FTP",)),
    ):
        session = await door.login(name, password, host)
        verdicts.equal("USR-01.3", f"rights of {name}", sorted(wanted), _may(trial, session))
        door.logout(session.id)
    automatic = await door.default_login(host)
    verdicts.equal(
        "USR-01.3", "rights of the automatic login", sorted(_READS), _may(trial, automatic)
    )
    trial.storage.replace(_WEBCOM_INI, _users())
    door.reboot()
    await door.ready()
    for right in _ALL:
        session = await door.login(_name(right).lower(), "x", host)
        verdicts.equal("USR-01.3", f"rights of {right} alone", [right], _may(trial, session))
        door.logout(session.id)
    writer = await door.login(_name("Write Meter").lower(), "x", host)
    for right in _WRITES:
        if right == "Write Meter":
            continue
        session = await door.login(_name(right).lower(), "x", "192.168.1.8")
        verdicts.equal("USR-01.3", f"{right} while another writes", [], _may(trial, session))
        door.logout(session.id)
    verdicts.equal("USR-01.3", "the writer", ["Write Meter"], _may(trial, writer))
