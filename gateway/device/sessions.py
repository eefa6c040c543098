"""Sessions of the page, without a page: who is logged in, who may write, who is kept waiting.

A session has the rights of its login until it ends. One session at a time may write: the first one
that logs in by the form with any write right (`C-31`, worked examples 15). Passwords are checked
outside, because that takes long on purpose; here is what counts before and after. Nothing here
waits or reads a clock: `now` is the runtime's time in ns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Any, Final

from gateway.device.webcom import ADMIN, DEFAULT_USER, UNLIMITED, WRITE_RIGHTS, Right
from gateway.runtime.port import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.device.configuration import Configuration
    from gateway.device.webcom import User

#: Sessions at one time, whatever the users' own limits say.
SESSIONS_MAX: Final = 100
ID_BYTES: Final = 32
#: Wrong passwords that cost nothing; each further one doubles the wait, from 1 s on.
FREE_FAILURES: Final = 3
WAIT_S_MAX: Final = 300
#: Pairs of address and user that are remembered for their failures.
FAILURES_MAX: Final = 1000
#: Failures are forgotten this long after the last one.
FORGET_NS: Final = 3600 * NS_PER_S
_NAME_CHARACTERS_MAX: Final = 32


@unique
class Refusal(Enum):
    """Why somebody is not let in, or not let do something."""

    PASSWORD = "wrong user name or password"
    WAIT = "too many wrong passwords"
    SESSIONS = "maximum sessions"
    NO_DEFAULT = "there is no default login"
    NO_SESSION = "not logged in, or timed out"
    FORBIDDEN = "not permitted"


class SessionError(PermissionError):
    """A login or an action that is refused; `wait_s` is when to try again, for `Refusal.WAIT`."""

    def __init__(self, refusal: Refusal, wait_s: int = 0) -> None:
        super().__init__(f"{refusal.value}, wait {wait_s} s" if wait_s else refusal.value)
        self.refusal = refusal
        self.wait_s = wait_s


@unique
class End(Enum):
    """Why a session ended."""

    LOGOUT = "logout"
    TIMEOUT = "timeout"
    MAXIMUM = "maximum duration"
    BROKEN = "ended by admin"
    PASSWORD = "password changed"


@dataclass(frozen=True, slots=True)
class Writer:
    """Who holds the write lock: shown to whoever comes later."""

    user: str
    address: str
    since: int
    """Unix time."""


@dataclass(slots=True, eq=False)
class Session:
    """One login; `rights` are fixed for its life. `notice` names the writer of the moment."""

    id: str
    user: str
    address: str
    rights: frozenset[Right]
    is_automatic: bool
    opened_ns: int
    heard_ns: int
    notice: Writer | None = None

    def may(self, right: Right) -> bool:
        """Whether this session may do it."""
        return right in self.rights


@dataclass(slots=True)
class _Failures:
    count: int
    last_ns: int

    @property
    def until_ns(self) -> int:
        excess = self.count - FREE_FAILURES
        if excess < 0:
            return self.last_ns
        return self.last_ns + min(1 << min(excess, 16), WAIT_S_MAX) * NS_PER_S


class Sessions:
    """All sessions of one run of the device."""

    def __init__(
        self,
        users: Callable[[], Sequence[User]],
        configuration: Callable[[], Configuration],
        entropy: Callable[[int], bytes],
        unix_time: Callable[[], int],
        log: Callable[..., None],
    ) -> None:
        self._users = users
        self._configuration = configuration
        self._entropy = entropy
        self._unix_time = unix_time
        self._log = log
        self._sessions: dict[str, Session] = {}
        self._failures: dict[tuple[str, str], _Failures] = {}
        self._holder: str | None = None
        self._writer: Writer | None = None

    # --- Login --------------------------------------------------------------------------------

    def user_to_check(self, name: str, address: str, now: int) -> User | None:
        """Begin a login: whose password to check; None for a name that there is not.

        Raises `SessionError` while this address has to wait for this name.
        """
        failures = self._failures.get(_pair(name, address))
        if failures is not None and now < failures.until_ns:
            wait_s = -((now - failures.until_ns) // NS_PER_S)
            self._refused(name, address, Refusal.WAIT)
            raise SessionError(Refusal.WAIT, wait_s)
        return self._user(name)

    def failed(self, name: str, address: str, now: int) -> SessionError:
        """The password was wrong; returns the error to raise."""
        pair = _pair(name, address)
        failures = self._failures.pop(pair, None)
        if failures is None or now - failures.last_ns > FORGET_NS:
            failures = _Failures(0, now)
        failures.count, failures.last_ns = failures.count + 1, now
        self._failures[pair] = failures
        if len(self._failures) > FAILURES_MAX:
            del self._failures[next(iter(self._failures))]
        self._refused(name, address, Refusal.PASSWORD)
        return SessionError(Refusal.PASSWORD)

    def opened(self, user: User, address: str, now: int) -> Session:
        """The password was right: log in by the form. Raises `SessionError`."""
        self._failures.pop(_pair(user.name, address), None)
        self.expire(now)
        self._need_place(user, address)
        wants = bool(user.rights & WRITE_RIGHTS)
        is_writer = wants and self._holder is None
        rights = user.rights if is_writer else user.rights - WRITE_RIGHTS
        session = self._add(user, address, rights, now, is_automatic=False)
        if is_writer:
            self._holder = session.id
            self._writer = Writer(user.name, address, self._unix_time())
        elif wants:
            session.notice = self._writer
        self._log("session.login", user=user.name, address=address, value=is_writer)
        return session

    def opened_by_default(self, address: str, now: int, *, has_default: bool) -> Session:
        """Log the default user in without a form; reads only (`C-28`). Raises `SessionError`.

        `has_default` says that its password is still its name (`WEB-01`).
        """
        self.expire(now)
        user = self._user(DEFAULT_USER)
        if user is None or not has_default:
            raise SessionError(Refusal.NO_DEFAULT)
        self._need_place(user, address)
        rights = user.rights - WRITE_RIGHTS
        return self._add(user, address, rights, now, is_automatic=True)

    # --- While it lasts -----------------------------------------------------------------------

    def touched(self, id_: str, now: int) -> Session:
        """A request or heartbeat of a session (`C-32`). Raises `SessionError`."""
        self.expire(now)
        session = self._sessions.get(id_)
        if session is None:
            raise SessionError(Refusal.NO_SESSION)
        session.heard_ns = now
        return session

    def need(self, id_: str, right: Right, now: int) -> Session:
        """A request that needs `right`; raises `SessionError`, FORBIDDEN being the page's 403."""
        session = self.touched(id_, now)
        if not session.may(right):
            self._refused(session.user, session.address, Refusal.FORBIDDEN)
            raise SessionError(Refusal.FORBIDDEN)
        return session

    def closed(self, id_: str, cause: End = End.LOGOUT) -> None:
        """End a session; the lock falls free with it. One that has ended is no error."""
        session = self._sessions.pop(id_, None)
        if session is None:
            return
        if id_ == self._holder:
            self._holder = self._writer = None
        self._log("session.logout", user=session.user, address=session.address, value=cause.value)

    def close_user(self, name: str, *, but: str = "") -> None:
        """End the sessions of a user whose password was changed, all or all but one."""
        for session in list(self._sessions.values()):
            if session.user == name and session.id != but:
                self.closed(session.id, End.PASSWORD)

    def break_lock(self, id_: str, now: int) -> None:
        """Let admin end the session that holds the write lock. Raises `SessionError`."""
        session = self.touched(id_, now)
        if session.user != ADMIN:
            raise SessionError(Refusal.FORBIDDEN)
        if self._holder is not None:
            self.closed(self._holder, End.BROKEN)

    def expire(self, now: int) -> None:
        """End what has been silent for WEBCOM_TIMEOUT, or has lasted WEBCOM_MAXSESSION."""
        configuration = self._configuration()
        silence_ns = configuration.webcom_timeout * NS_PER_MS
        duration_ns = configuration.webcom_maxsession * NS_PER_S
        for session in list(self._sessions.values()):
            if now - session.heard_ns >= silence_ns:
                self.closed(session.id, End.TIMEOUT)
            elif now - session.opened_ns >= duration_ns:
                self.closed(session.id, End.MAXIMUM)

    # --- What is asked ------------------------------------------------------------------------

    @property
    def writer(self) -> Writer | None:
        """Who may write now."""
        return self._writer

    def count(self, name: str) -> int:
        """Sessions of a user (`USR-01`)."""
        return sum(session.user == name for session in self._sessions.values())

    # --- Inside -------------------------------------------------------------------------------

    def _user(self, name: str) -> User | None:
        return next((user for user in self._users() if user.name == name), None)

    def _need_place(self, user: User, address: str) -> None:
        own = user.max_sessions
        is_full = own != UNLIMITED and self.count(user.name) >= own
        if is_full or len(self._sessions) >= SESSIONS_MAX:
            self._refused(user.name, address, Refusal.SESSIONS)
            raise SessionError(Refusal.SESSIONS)

    def _add(
        self,
        user: User,
        address: str,
        rights: frozenset[Right],
        now: int,
        *,
        is_automatic: bool,
    ) -> Session:
        id_ = self._entropy(ID_BYTES).hex()
        session = Session(id_, user.name, address, rights, is_automatic, now, now)
        self._sessions[id_] = session
        return session

    def _refused(self, name: str, address: str, refusal: Refusal) -> None:
        fields: dict[str, Any] = {"user": name[:_NAME_CHARACTERS_MAX], "address": address}
        self._log("session.refused", value=refusal.value, **fields)


def _pair(name: str, address: str) -> tuple[str, str]:
    return name[:_NAME_CHARACTERS_MAX], address
