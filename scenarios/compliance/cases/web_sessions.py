"""Sessions as a page has them: the automatic login, one writer, the time-out, the own password."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.device.sessions import Refusal, SessionError
from gateway.device.webcom import Right
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_commands import refusal
from scenarios.compliance.cases.device_state import NS_PER_S, PRIMARY
from scenarios.compliance.registry import case

if TYPE_CHECKING:
    from gateway.device.sessions import Session
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

_HOST: Final = "192.168.1.7"
_OTHER: Final = "192.168.1.8"
_READS: Final = tuple(right for right in Right if right.name.startswith("READ_"))
_WRITES: Final = tuple(right for right in Right if right.name.startswith("WRITE_"))


def _is_alive(trial: Trial, session: Session) -> bool:
    try:
        trial.appliance.session(session.id)
    except SessionError:
        return False
    return True


@case(
    "sessions/default-user",
    "The first visit is logged in as web and reads; with another password the form must be used",
    ("WEB-01", "WEB-03", "WEB-04", "WEB-08", "USR-01.1"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def default_user(trial: Trial, verdicts: Verdicts) -> None:
    """C-28; admin, who has the right to, gives the password of web away; then of itself."""
    door = trial.appliance
    marks = [
        (user.name, bool(user.overwrite_password), bool(user.change_password))
        for user in door.users()
    ]
    wanted = [("admin", True, True), ("web", False, False), ("ftp", False, True)]
    verdicts.equal("USR-01.1", "name, Overwrite password, Change password", wanted, marks)
    first = await door.default_login(_HOST)
    verdicts.equal("WEB-01", "user of the first visit", "web", first.user)
    for right in _READS:
        verdicts.check("WEB-04", first.may(right), f"expected {right.value}")
    for right in _WRITES:
        why = None
        try:
            door.need(first.id, right)
        except SessionError as error:
            why = error.refusal
        verdicts.equal("WEB-04", f"refusal of {right.value}", Refusal.FORBIDDEN, why)
    ftp = await door.login("ftp", "ftp", _OTHER)
    await door.change_password(ftp.id, "ftp", "Meter-2026")
    verdicts.equal(
        "WEB-08", "the old password", Refusal.PASSWORD,
        await refusal(door.login("ftp", "ftp", "192.168.1.9")),
    )  # fmt: skip
    verdicts.equal(
        "WEB-08", "the new password", None, await refusal(door.login("ftp", "Meter-2026", _OTHER))
    )
    web = await door.login("web", "web", _HOST)
    why = None
    try:
        await door.change_password(web.id, "web", "other")
    except SessionError as error:
        why = error.refusal
    verdicts.equal("WEB-08", "a user without that right", Refusal.FORBIDDEN, why)
    changed = [
        replace(user, password="Other-2026") if user.name == "web" else user
        for user in door.users()
    ]
    await door.save_users(changed)
    verdicts.equal(
        "WEB-03", "the automatic login with another password", Refusal.NO_DEFAULT,
        await refusal(door.default_login(_HOST)),
    )  # fmt: skip
    await door.save_users([user for user in changed if user.name != "web"])
    verdicts.equal(
        "WEB-03", "the automatic login without a user web", Refusal.NO_DEFAULT,
        await refusal(door.default_login(_HOST)),
    )  # fmt: skip
    verdicts.equal("WEB-03", "the form", None, await refusal(door.login("admin", "admin", _HOST)))


@case(
    "sessions/one-writer",
    "One session writes, the next only after it; whoever is silent for WEBCOM_TIMEOUT is out",
    ("WEB-05.1", "WEB-05.2", "WEB-06.1"),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "WEBCOM_TIMEOUT": 40_000, "METER_TIME": 86400}),
)
async def one_writer(trial: Trial, verdicts: Verdicts) -> None:
    """Rights are fixed at the login (C-31); a request starts the time anew (C-32)."""
    door = trial.appliance
    first = await door.login("web", "web", _HOST)
    second = await door.login("admin", "admin", _OTHER)
    for right in _WRITES[:-1]:
        seen = (first.may(right), second.may(right))
        verdicts.equal("WEB-05.1", f"{right.value} of the first, the second", (True, False), seen)
    door.logout(first.id)
    verdicts.equal("WEB-05.2", "the second, still the same session", False,
                   door.session(second.id).may(Right.WRITE_METER))  # fmt: skip
    door.logout(second.id)
    third = await door.login("admin", "admin", _OTHER)
    verdicts.equal("WEB-05.2", "after the logout", True, third.may(Right.WRITE_METER))
    for _ in range(3):
        await trial.rt.sleep(40 * NS_PER_S - 1)
        verdicts.equal("WEB-06.1", "alive 1 ns before the limit", True, _is_alive(trial, third))
    await trial.rt.sleep(40 * NS_PER_S)
    verdicts.equal("WEB-06.1", "alive at the limit", False, _is_alive(trial, third))
    fourth = await door.login("web", "web", _HOST)
    verdicts.equal("WEB-06.1", "writing behind that", True, fourth.may(Right.WRITE_METER))
