"""Sessions: the write lock of worked examples 15, limits, time-outs, back-off, audit lines."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from gateway.device.configuration import Configuration
from gateway.device.sessions import (
    FAILURES_MAX,
    FREE_FAILURES,
    SESSIONS_MAX,
    WAIT_S_MAX,
    Refusal,
    Session,
    SessionError,
    Sessions,
    Writer,
)
from gateway.device.webcom import FACTORY_USERS, PAGE_RIGHTS, WRITE_RIGHTS, Right, User
from gateway.runtime.port import NS_PER_MS, NS_PER_S
from tests.gateway.device.plant import Plant

TIMEOUT = 30_000 * NS_PER_MS
NOON = 1_790_000_000


class House:
    """Sessions over the factory users, with the events that they log."""

    def __init__(self, **keys: Any) -> None:
        self.users: list[User] = list(FACTORY_USERS)
        self.logged: list[tuple[str, dict[str, Any]]] = []
        numbers = count(1)
        self.sessions = Sessions(
            lambda: self.users,
            lambda: Configuration(**keys),
            lambda size: next(numbers).to_bytes(size, "big"),
            lambda: NOON,
            lambda kind, **fields: self.logged.append((kind, fields)),
        )

    def login(self, name: str, address: str = "192.168.1.7", now: int = 0) -> Session:
        """Log in by the form with the right password."""
        user = self.sessions.user_to_check(name, address, now)
        assert user is not None
        return self.sessions.opened(user, address, now)


def refusal(error: pytest.ExceptionInfo[SessionError]) -> Refusal:
    """Why."""
    return error.value.refusal


def test_the_write_lock_row_by_row() -> None:
    """Worked examples 15, rows 1 to 8."""
    house = House()
    sessions = house.sessions
    first = sessions.opened_by_default("192.168.1.6", 0, has_default=True)
    assert not first.rights & WRITE_RIGHTS
    assert sessions.writer is None
    second = house.login("admin")
    assert second.rights >= PAGE_RIGHTS
    assert sessions.writer == Writer("admin", "192.168.1.7", NOON)
    third = house.login("web", "192.168.1.8")
    assert not third.rights & WRITE_RIGHTS
    assert third.notice == Writer("admin", "192.168.1.7", NOON)
    with pytest.raises(SessionError) as error:
        house.login("admin", "192.168.1.9")
    assert refusal(error) is Refusal.SESSIONS
    with pytest.raises(SessionError) as error:
        sessions.need(third.id, Right.WRITE_METER, 1)
    assert refusal(error) is Refusal.FORBIDDEN
    sessions.closed(second.id)
    assert sessions.writer is None
    with pytest.raises(SessionError):
        sessions.need(third.id, Right.WRITE_METER, 2)
    sessions.closed(third.id)
    again = house.login("web", "192.168.1.8", 3)
    assert sessions.need(again.id, Right.WRITE_METER, 4) is again
    assert [kind for kind, _ in house.logged].count("session.login") == 3


@pytest.mark.parametrize("early_ns", [1, 0])
def test_silence_ends_a_session_and_frees_the_lock(early_ns: int) -> None:
    """C-32, row 6: WEBCOM_TIMEOUT from the last request; 1 ns decides."""
    house = House()
    session = house.login("admin")
    house.sessions.touched(session.id, 5)
    now = 5 + TIMEOUT - early_ns
    if early_ns:
        assert house.sessions.touched(session.id, now) is session
    else:
        with pytest.raises(SessionError) as error:
            house.sessions.touched(session.id, now)
        assert refusal(error) is Refusal.NO_SESSION
        assert house.sessions.writer is None
        assert house.logged[-1][1]["value"] == "timeout"


def test_heartbeats_do_not_last_for_ever() -> None:
    """C-32: WEBCOM_MAXSESSION bounds a session that is alive."""
    house = House(webcom_maxsession=60)
    session = house.login("admin")
    for second in range(1, 60):
        house.sessions.touched(session.id, second * NS_PER_S)
    with pytest.raises(SessionError):
        house.sessions.touched(session.id, 60 * NS_PER_S)


def test_wrong_passwords_wait_longer_and_longer_by_address_and_name() -> None:
    """Back-off: three are free, then 1, 2, 4 ... s; another address is not kept waiting."""
    house, now, waits = House(), 0, []
    for _ in range(FREE_FAILURES + 12):
        house.sessions.failed("admin", "10.0.0.1", now)
        try:
            house.sessions.user_to_check("admin", "10.0.0.1", now)
        except SessionError as error:
            waits.append(error.wait_s)
            now += error.wait_s * NS_PER_S
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, *[WAIT_S_MAX] * 4]
    assert house.login("admin", "10.0.0.2", now)
    house.sessions.closed(next(iter(house.sessions._sessions)))
    # The right password after the wait ends it.
    assert house.login("admin", "10.0.0.1", now)
    assert house.sessions.failed("admin", "10.0.0.1", now).refusal is Refusal.PASSWORD
    assert house.sessions.user_to_check("admin", "10.0.0.1", now) is not None


def test_unknown_names_are_kept_waiting_too_and_fill_no_memory() -> None:
    """A guesser learns nothing from the wait, and 10,000 names cost 1,000 entries."""
    house = House()
    for number in range(10 * FAILURES_MAX):
        house.sessions.failed(f"x{number}", "10.0.0.1", number)
    assert len(house.sessions._failures) == FAILURES_MAX
    for _ in range(4):
        house.sessions.failed("nobody", "10.0.0.1", 0)
    with pytest.raises(SessionError):
        house.sessions.user_to_check("nobody", "10.0.0.1", 0)


def test_limits_admin_break_and_password_change() -> None:
    """C-31: admin ends the writer; a changed password ends a user's other sessions."""
    house = House()
    house.users = [replace(user, max_sessions=-1) for user in house.users]
    writer = house.login("web")
    admin = house.login("admin")
    with pytest.raises(SessionError):
        house.sessions.break_lock(writer.id, 1)
    house.sessions.break_lock(admin.id, 1)
    assert house.sessions.writer is None
    others = [house.login("web", now=1) for _ in range(3)]
    house.sessions.close_user("web", but=others[0].id)
    assert house.sessions.count("web") == 1
    for _ in range(SESSIONS_MAX - 2):
        house.login("ftp", now=1)
    with pytest.raises(SessionError) as error:
        house.login("ftp", now=1)
    assert refusal(error) is Refusal.SESSIONS


# --- On the device --------------------------------------------------------------------------------


def test_logins_on_the_device() -> None:
    """WEB-01, C-28, USR-05: passwords are checked, the default login goes with its password."""
    plant = Plant()

    async def story(plant: Plant) -> None:
        door = plant.appliance
        with pytest.raises(SessionError) as error:
            await door.login("admin", "wrong", "10.0.0.1")
        assert refusal(error) is Refusal.PASSWORD
        with pytest.raises(SessionError) as error:
            await door.login("nobody", "admin", "10.0.0.1")
        assert refusal(error) is Refusal.PASSWORD
        assert not (await door.default_login("10.0.0.1")).rights & WRITE_RIGHTS
        admin = await door.login("admin", "admin", "10.0.0.1")
        with pytest.raises(SessionError):
            await door.change_password(admin.id, "not it", "new one")
        await door.change_password(admin.id, "admin", "new one")
        web = await door.login("web", "web", "10.0.0.1")
        with pytest.raises(SessionError) as error:
            await door.change_password(web.id, "web", "other")
        assert refusal(error) is Refusal.FORBIDDEN
        await plant.reboot()
        with pytest.raises(SessionError) as error:
            door.session(admin.id)
        assert refusal(error) is Refusal.NO_SESSION
        with pytest.raises(SessionError):
            await door.login("admin", "admin", "10.0.0.1")
        assert (await door.login("admin", "new one", "10.0.0.1")).may(Right.WRITE_USER)

    plant.run(story)
    text = plant.storage.read("log/system.log").decode()
    assert "session.refused" in text
    assert "session.login user=admin address=10.0.0.1 value=True" in text
    assert "new one" not in text
