"""Logins and passwords on the device: checked where it holds up nobody, at a stated cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.device.sessions import Refusal, SessionError
from gateway.device.webcom import DEFAULT_USER, FACTORY_USERS
from gateway.runtime.port import NS_PER_MS

if TYPE_CHECKING:
    from gateway.device.core import Core
    from gateway.device.sessions import Session
    from gateway.device.webcom import User

#: What a check of one password takes on a small computer.
CHECK_NS: Final = 50 * NS_PER_MS
#: Checked in the place of a user that there is not, so that both take as long.
_NOBODY: Final = next(user for user in FACTORY_USERS if user.name == DEFAULT_USER)


async def login(core: Core, name: str, password: str, address: str) -> Session:
    """Log in by the form; raises `SessionError`."""
    user = core.sessions.user_to_check(name, address, core.rt.now())
    knows = await _knows(core, user or _NOBODY, password)
    if user is None or not knows:
        raise core.sessions.failed(name, address, core.rt.now())
    return core.sessions.opened(user, address, core.rt.now())


async def default_login(core: Core, address: str) -> Session:
    """Log the default user in as long as its password is its name (`WEB-01`)."""
    user = next((user for user in core.users if user.name == DEFAULT_USER), None)
    has_default = user is not None and await _knows(core, user, DEFAULT_USER)
    return core.sessions.opened_by_default(address, core.rt.now(), has_default=has_default)


async def with_password(core: Core, id_: str, old: str, new: str) -> list[User]:
    """The users with the session's own password changed (`WEB-08`, `USR-05`).

    Raises `SessionError` without the right or with a wrong old password, which counts as a failed
    login. The list still has to be saved.
    """
    session = core.sessions.touched(id_, core.rt.now())
    user = core.sessions.user_to_check(session.user, session.address, core.rt.now())
    if user is None or not user.change_password or session.is_automatic:
        raise SessionError(Refusal.FORBIDDEN)
    if not await _knows(core, user, old):
        raise core.sessions.failed(session.user, session.address, core.rt.now())
    changed = replace(user, password=new)
    return [changed if other.name == user.name else other for other in core.users]


async def _knows(core: Core, user: User, password: str) -> bool:
    return await core.rt.offload(lambda: user.knows(password), cost_ns=CHECK_NS)
