"""webcom.ini, the users of page, FTP and SSH (manual 4.7), as one typed table.

The manual shows the file (Fig. 22) and not its inside, so the form is ours: a section ``[USERn]``
for each user, a key for each column of the User tab (`USR-01`). Rights that a file does not give
are not had. Passwords are kept hashed; one written in clear by hand is read, and hashed by whoever
saves next. Reading never fails; what is wrong becomes a `Complaint`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum, unique
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from gateway.device import passwords
from gateway.device.complaint import SECRET, Complaint, quoted
from gateway.device.ini import Document, Unusable, parse
from gateway.device.kinds import Integer, KindError, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.device.kinds import Kind

WEBCOM_INI: Final = "app/webcom.ini"
ADMIN: Final = "admin"
#: The user that the page logs in by itself as long as its password is its name (`WEB-01`).
DEFAULT_USER: Final = "web"
USERS_MAX: Final = 32
#: Users with FTP access beside admin (`C-30`).
FTP_USERS_MAX: Final = 2
#: Maximum sessions: no limit (manual 4.7).
UNLIMITED: Final = -1
SESSIONS_MAX: Final = 1000

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
_SECTION: Final = re.compile(r"USER[0-9]{1,4}")


@unique
class Right(Enum):
    """A right by its key in the file; the value is its column on the User tab."""

    READ_GENERAL = "Read General"
    WRITE_GENERAL = "Write General"
    READ_METER = "Read Meter"
    WRITE_METER = "Write Meter"
    READ_CONFIG = "Read Config"
    WRITE_CONFIG = "Write Config"
    READ_SERVER = "Read Server"
    WRITE_SERVER = "Write Server"
    READ_SECURITY = "Read Security"
    WRITE_SECURITY = "Write Security"
    READ_SERVICE = "Read Service"
    WRITE_SERVICE = "Write Service"
    WRITE_USER = "Write User"
    FTP = "FTP"


#: Rights of the pages; FTP is none.
PAGE_RIGHTS: Final = frozenset(Right) - {Right.FTP}
#: Rights of which one is enough to hold the write lock (`C-31`).
WRITE_RIGHTS: Final = frozenset(right for right in Right if right.name.startswith("WRITE_"))


@dataclass(frozen=True, slots=True)
class User:
    """One user.

    `password` is what is stored (`gateway.device.passwords`), or clear text from a file edited by
    hand (`is_clear`); "" lets nobody in. `max_sessions` is -1 for no limit. `overwrite_password` is
    the tick that the manual calls "Not used".
    """

    name: str
    password: str = field(default="", repr=False)
    overwrite_password: int = 0
    change_password: int = 0
    max_sessions: int = UNLIMITED
    rights: frozenset[Right] = frozenset()

    @property
    def is_clear(self) -> bool:
        """Whether the password stands in clear and is still to be hashed."""
        return bool(self.password) and not passwords.is_stored(self.password)

    def may(self, right: Right) -> bool:
        """Whether the user has a right; admin has all (`USR-02`)."""
        return right in self.rights

    def knows(self, password: str) -> bool:
        """Whether this is the user's password; takes as long as `passwords.matches`."""
        if self.is_clear:
            return self.password == password
        return passwords.matches(password, self.password)


@dataclass(frozen=True, slots=True)
class UserKey:
    """One key of a user's section: the attribute of `User` that it fills, and what it takes."""

    name: str
    attribute: str
    kind: Kind
    default: Any
    column: str


_FLAG: Final = Integer(0, 1)
_SESSIONS: Final = Integer(1, SESSIONS_MAX)


class _Sessions:
    """A number of sessions, or -1 for no limit."""

    expected: Final = f"-1 (no limit) or 1 to {SESSIONS_MAX}"

    def parse(self, text: str) -> int:
        """Read the number."""
        if text == str(UNLIMITED):
            return UNLIMITED
        try:
            return _SESSIONS.parse(text)
        except KindError:
            raise KindError(self.expected) from None

    def format(self, value: Any) -> str:
        """Write the number."""
        if value == UNLIMITED:
            return str(UNLIMITED)
        try:
            return _SESSIONS.format(value)
        except KindError:
            raise KindError(self.expected) from None


#: The keys of a section, but for the rights, which are one key each.
USER_KEYS: Final = (
    UserKey("NAME", "name", Text(32, 1), "", "Name"),
    UserKey("PASSWORD", "password", Text(256), "", "Password"),
    UserKey("OVERWRITE_PASSWORD", "overwrite_password", _FLAG, 0, "Overwrite password"),
    UserKey("CHANGE_PASSWORD", "change_password", _FLAG, 0, "Change password"),
    UserKey("MAX_SESSIONS", "max_sessions", _Sessions(), UNLIMITED, "Maximum sessions"),
)

# The passwords of the manual (4.1) are public, so their salts need not be secret either.
_HASH: Final = "scrypt$16384$8$1${}${}"
_FACTORY_HASHES: Final = {
    ADMIN: _HASH.format(
        "256a91816f8e82afdff46bf1edb86b83",
        "a01638a90e91fa7bd187ebc0749bd8a309cb134cf60b7be8d8c59d4662ab92e9",
    ),
    DEFAULT_USER: _HASH.format(
        "a337adaaf26a4ee638fcfeb18f8370c1",
        "ce240b9ce06a4b2b7585b77a37f0f98c566432da2a3a22375b23f65cb92bce39",
    ),
    "ftp": _HASH.format(
        "8c4240d1591335f91b9463f7ddd21717",
        "ea0d06244f093e15f37c936fc728aa7744c17100499366ef3edfe336ae579f42",
    ),
}
#: The users of a new device (`C-65`): admin/admin, web/web, ftp/ftp.
FACTORY_USERS: Final = (
    User(ADMIN, _FACTORY_HASHES[ADMIN], 1, 1, 1, frozenset(Right)),
    User(DEFAULT_USER, _FACTORY_HASHES[DEFAULT_USER], 0, 0, UNLIMITED, PAGE_RIGHTS),
    User("ftp", _FACTORY_HASHES["ftp"], 0, 1, UNLIMITED, frozenset({Right.FTP})),
)


# --- Reading ----------------------------------------------------------------------------------


def load(data: bytes) -> tuple[list[User], list[Complaint]]:
    """Read webcom.ini: users in the order of the file, and what was not taken.

    A file that cannot be used at all gives the factory users and one complaint that is fatal: the
    caller decides whether it has something better. A file without admin gets the factory one, since
    nobody could reset the device otherwise (`USR-05`).
    """
    try:
        document = parse(data)
    except Unusable as error:
        return list(FACTORY_USERS), [error.complaint]
    complaints = list(document.complaints)
    users: list[User] = []
    for section in document.updater.sections():
        if _SECTION.fullmatch(section):
            user = _user(document, section, complaints)
            if user is not None and _is_taken(user, section, document, users, complaints):
                users.append(user)
    if not any(user.name == ADMIN for user in users):
        users.insert(0, FACTORY_USERS[0])
        action = "the factory user admin is in force"
        complaints.append(Complaint(ADMIN, "a user of this name", "none", action))
    return _without_surplus_ftp(users, complaints), complaints


def _user(document: Document, section: str, complaints: list[Complaint]) -> User | None:
    columns: dict[str, Any] = {
        key.attribute: _read(document, section, key, complaints) for key in USER_KEYS
    }
    rights = set()
    for right in Right:
        key = UserKey(right.name, "", _FLAG, 0, right.value)
        if _read(document, section, key, complaints):
            rights.add(right)
    if _NAME.fullmatch(columns["name"]) is None:
        expected = "NAME of 1 to 32 letters, digits, '.', '_' or '-'"
        action = "the user is passed over and stays in the file"
        line = document.lines.get((section, "NAME"))
        got = quoted(columns["name"])
        complaints.append(Complaint(f"[{section}]", expected, got, action, line))
        return None
    if columns["name"] == ADMIN:
        rights = set(Right)
    return User(**columns, rights=frozenset(rights))


def _read(document: Document, section: str, key: UserKey, complaints: list[Complaint]) -> Any:
    found = document.find(section, key.name)
    if found is None or (found[1] == "" and key.default == ""):
        return key.default
    try:
        return key.kind.parse(found[1])
    except KindError as error:
        got = SECRET if key.name == "PASSWORD" else quoted(found[1])
        action = f"the default {key.default} is used" if key.default != "" else "it is not used"
        line = document.lines.get((section, key.name))
        complaints.append(Complaint(f"[{section}] {key.name}", str(error), got, action, line))
        return key.default


def _is_taken(
    user: User,
    section: str,
    document: Document,
    users: Sequence[User],
    complaints: list[Complaint],
) -> bool:
    """Whether there is a place for this user: every name once, not more than `USERS_MAX`."""
    expected = ""
    if any(other.name == user.name for other in users):
        expected = "every NAME once"
    elif len(users) >= USERS_MAX:
        expected = f"at most {USERS_MAX} users"
    if expected:
        line = document.lines.get((section, "NAME"))
        action = "the user is passed over and stays in the file"
        complaints.append(Complaint(f"[{section}]", expected, quoted(user.name), action, line))
    return not expected


def _without_surplus_ftp(users: Sequence[User], complaints: list[Complaint]) -> list[User]:
    """At most two users beside admin may use FTP (`C-30`); the first ones in the file do."""
    result = []
    count = 0
    for user in users:
        if user.name != ADMIN and user.may(Right.FTP):
            count += 1
            if count > FTP_USERS_MAX:
                expected = f"FTP for at most {FTP_USERS_MAX} users beside admin"
                action = "this user has no FTP access"
                complaints.append(Complaint(user.name, expected, "one more", action))
                user = replace(user, rights=user.rights - {Right.FTP})
        result.append(user)
    return result


# --- Writing ----------------------------------------------------------------------------------


class UserError(ValueError):
    """Users that cannot be kept as they are; the message says why."""


def check(users: Sequence[User]) -> None:
    """Raise `UserError` for what a Save refuses: names, doubles, a third FTP user, no admin."""
    names = [user.name for user in users]
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise UserError(
                f"user name: expected 1 to 32 letters, digits, '.', '_' or '-', got {quoted(name)}"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"user name: {quoted(twice)} is there already")
    if ADMIN not in names:
        raise UserError(f"the user {ADMIN} cannot be deleted")
    if len(users) > USERS_MAX:
        raise UserError(f"expected at most {USERS_MAX} users")
    ftp_users = [user for user in users if user.name != ADMIN and user.may(Right.FTP)]
    if len(ftp_users) > FTP_USERS_MAX:
        raise UserError(
            f"FTP access: expected at most {FTP_USERS_MAX} users beside {ADMIN}, "
            f"got {len(ftp_users)}"
        )
    for user in users:
        for key in USER_KEYS:
            try:
                key.kind.format(getattr(user, key.attribute))
            except KindError as error:
                raise UserError(f"{user.name}: {key.column}: expected {error}") from None


def save(old: bytes, users: Sequence[User]) -> bytes:
    """Write users into the text of `old`; comments and what is not known stay.

    A user keeps the section that has the same name; deleted users go with their section, new ones
    come at the end. Raises `UserError` for users that could not be read back.
    """
    check(users)
    try:
        document = parse(old)
    except Unusable:
        document = parse(_HEADER.encode())
    sections = {
        name: section
        for section in reversed(document.updater.sections())
        if _SECTION.fullmatch(section)
        for name in [(document.find(section, "NAME") or ("", ""))[1]]
    }
    for name, section in sections.items():
        if _NAME.fullmatch(name) and not any(user.name == name for user in users):
            document.remove_section(section)
    for user in users:
        section = sections.get(user.name) or _free_section(document)
        _write(document, section, user)
    return document.to_bytes()


def _write(document: Document, section: str, user: User) -> None:
    for key in USER_KEYS:
        document.put(section, key.name, key.kind.format(getattr(user, key.attribute)))
    for right in Right:
        document.put(section, right.name, str(int(right in user.rights)))


def _free_section(document: Document) -> str:
    taken = set(document.updater.sections())
    return next(name for name in (f"USER{n}" for n in range(1, 10_000)) if name not in taken)


_HEADER: Final = """\
# Anybus M-Bus to Modbus-TCP gateway: users, UTF-8 without BOM. Read at start-up only.
# A right that is missing here is not given. A password in clear is read and hashed.
#
# NAME: 1 to 32 letters, digits, '.', '_' or '-'. MAX_SESSIONS: -1 for no limit.
# PASSWORD: scrypt, cost, block size, parallelism, salt, key. Empty: nobody gets in.
# READ_... and WRITE_...: the pages of the gateway. FTP: the log directory (admin: all the files).

"""


@cache
def factory_webcom_ini() -> bytes:
    """The webcom.ini of a new device."""
    return save(_HEADER.encode(), FACTORY_USERS)
