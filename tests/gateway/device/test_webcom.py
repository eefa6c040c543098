"""webcom.ini: users, rights and passwords in a file that people edit by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.device import passwords
from gateway.device.webcom import (
    ADMIN,
    FACTORY_USERS,
    PAGE_RIGHTS,
    USERS_MAX,
    Right,
    User,
    UserError,
    check,
    factory_webcom_ini,
    load,
    save,
)

FACTORY = factory_webcom_ini()
SALT = bytes(range(16))
STORED = passwords.hashed("secret", SALT)


def test_factory_users() -> None:
    """USR-02, C-65: admin all rights and one session, web all pages, ftp FTP alone."""
    users, complaints = load(FACTORY)
    assert complaints == []
    assert users == list(FACTORY_USERS)
    admin, web, ftp = users
    assert (admin.rights, admin.max_sessions, admin.change_password) == (frozenset(Right), 1, 1)
    assert (web.rights, web.max_sessions, web.change_password) == (PAGE_RIGHTS, -1, 0)
    assert (ftp.rights, ftp.max_sessions, ftp.change_password) == (frozenset({Right.FTP}), -1, 1)
    assert [user.overwrite_password for user in users] == [1, 0, 0]


def test_factory_passwords_are_the_manuals() -> None:
    """Manual 4.1: every factory user's password is its name, and it does not stand in the file."""
    for user in FACTORY_USERS:
        assert user.knows(user.name)
        assert not user.knows(user.name + "x")
        assert not user.is_clear
        assert f"PASSWORD={user.name}".encode() not in FACTORY
        assert user.password not in repr(user)


def test_factory_file_has_the_size_of_the_figure() -> None:
    """FTP-02: webcom.ini of a new device has 1,628 bytes (Fig. 22)."""
    assert len(FACTORY) == 1628


def test_the_columns_of_the_user_tab() -> None:
    """USR-01: a key for every right, by the column's words."""
    assert [right.value for right in Right][:2] == ["Read General", "Write General"]
    assert len(Right) == 14
    for right in Right:
        assert f"\n{right.name}=".encode() in FACTORY


def test_a_right_that_is_missing_is_not_given() -> None:
    """A user with a name alone may nothing, and has no password that would let anybody in."""
    users, complaints = load(FACTORY + b"\n[USER9]\nNAME=guest\n")
    assert complaints == []
    assert users[-1] == User("guest")
    assert not users[-1].knows("")


def test_clear_passwords_are_read() -> None:
    """A password written by hand works, and says of itself that it is to be hashed."""
    users, _ = load(b"[USER1]\nNAME=admin\nPASSWORD=n3w\n")
    assert users[0].is_clear
    assert users[0].knows("n3w")
    assert not users[0].knows("N3w")


def test_admin_always_has_all_rights() -> None:
    """USR-02: whatever the file says; without admin nobody could reset the device."""
    users, _ = load(b"[USER1]\nNAME=admin\nPASSWORD=x\nWRITE_USER=0\n")
    assert users[0].rights == frozenset(Right)
    users, complaints = load(b"[USER1]\nNAME=guest\n")
    assert [user.name for user in users] == ["admin", "guest"]
    assert "the factory user admin is in force" in str(complaints[0])


@pytest.mark.parametrize(
    ("text", "line", "expected", "count"),
    [
        (b"[USER8]\nNAME=a b\n", 2, "NAME of 1 to 32 letters", 3),
        (b"[USER8]\nFTP=1\n", None, "NAME of 1 to 32 letters", 3),
        (b"[USER8]\nNAME=web\n", 2, "every NAME once", 3),
        (b"[USER8]\nNAME=x\nMAX_SESSIONS=0\n", 3, "-1 (no limit) or 1 to 1000", 4),
        (b"[USER8]\nNAME=x\nREAD_METER=yes\n", 3, "0 to 1", 4),
        (b"[OTHER]\nNAME=x\n", None, "", 3),
    ],
)
def test_a_bad_user_does_not_spoil_the_others(
    text: bytes, line: int | None, expected: str, count: int
) -> None:
    """C-23: the message says where and what was expected; the others are read."""
    first = FACTORY.count(b"\n") + 1
    users, complaints = load(FACTORY + b"\n" + text)
    assert len(users) == count
    assert [complaint.expected[: len(expected)] for complaint in complaints] == [expected] * bool(
        expected
    )
    if complaints and line is not None:
        assert complaints[0].line == first + line
    assert text in save(FACTORY + b"\n" + text, users) or count == 4


def test_ftp_for_two_users_beside_admin() -> None:
    """C-30: a third one in the file has no FTP access; a Save refuses it."""
    more = [replace(User(f"u{n}"), rights=frozenset({Right.FTP})) for n in range(2)]
    with pytest.raises(UserError, match="FTP access: expected at most 2 users beside admin, got 3"):
        save(FACTORY, [*FACTORY_USERS, *more])
    text = FACTORY + b"\n[USER4]\nNAME=u0\nFTP=1\n\n[USER5]\nNAME=u1\nFTP=1\n"
    users, complaints = load(text)
    assert [user.name for user in users if user.may(Right.FTP)] == ["admin", "ftp", "u0"]
    assert [complaint.key for complaint in complaints] == ["u1"]


@pytest.mark.parametrize(
    ("users", "text"),
    [
        ([User("web")], "cannot be deleted"),
        ([*FACTORY_USERS, User("web")], "'web' is there already"),
        ([*FACTORY_USERS, User("a b")], "user name: expected"),
        ([*FACTORY_USERS, User("x", max_sessions=0)], "x: Maximum sessions: expected -1"),
        ([*FACTORY_USERS, User("x", password="a\nb")], "x: Password: expected"),
        ([*FACTORY_USERS, *(User(f"u{n}") for n in range(USERS_MAX))], "at most 32 users"),
    ],
)
def test_users_that_are_refused(users: list[User], text: str) -> None:
    """USR-03: what could not be read back, or would lock everybody out, is not written."""
    with pytest.raises(UserError, match=text):
        check(users)


def test_rewriting_keeps_comments_order_and_strangers() -> None:
    """FILE-04: one change changes one line; a deleted user goes with its section."""
    old = FACTORY.replace(b"[USER2]\n", b"; the default user\n[USER2]\nCOLOUR=blue\n")
    users, _ = load(old)
    assert save(old, users) == old
    users[1] = replace(users[1], max_sessions=3)
    assert save(old, users) == old.replace(b"NAME=web", b"NAME=web", 1).replace(
        b"MAX_SESSIONS=-1", b"MAX_SESSIONS=3", 1
    )
    written = save(old, [users[0], users[2], User("guest")])
    assert [user.name for user in load(written)[0]] == ["admin", "ftp", "guest"]
    assert b"NAME=web" not in written
    assert save(old.replace(b"\n", b"\r\n"), users) == save(old, users).replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    "data", [b"NAME=x\n", b"[USER1]\nNAME=\xe9\n", b"[USER1]\nFTP=1\nFTP=0\n", b"x" * 10_000_000]
)
def test_a_file_that_cannot_be_used(data: bytes) -> None:
    """FILE-01: the factory users, one complaint that is fatal, and a Save starts afresh."""
    users, complaints = load(data)
    assert users == list(FACTORY_USERS)
    assert [complaint.fatal for complaint in complaints] == [True]
    assert load(save(data, users)) == (users, [])


def test_no_message_shows_a_password() -> None:
    """A password too long is not quoted."""
    _, complaints = load(b"[USER1]\nNAME=admin\nPASSWORD=" + b"hunter2" * 50 + b"\n")
    assert len(complaints) == 1
    assert "hunter2" not in str(complaints[0])


# --- Passwords ------------------------------------------------------------------------------------


def test_passwords_match_themselves_alone() -> None:
    """Salted: two hashes of one password differ; a wrong password or a bad hash never matches."""
    assert passwords.matches("secret", STORED)
    assert not passwords.matches("Secret", STORED)
    assert passwords.hashed("secret", SALT[::-1]) != STORED
    assert passwords.matches("Größe \U0001f512", passwords.hashed("Größe \U0001f512", SALT))
    for bad in ("", "secret", STORED[:-1], STORED + "0", STORED.replace("$8$", "$99$")):
        assert not passwords.matches("secret", bad)


def test_costs_from_a_file_are_bounded() -> None:
    """A file cannot make the device stand still, or crash, by the costs of a hash."""
    for cost in ("0", "1", "3", "131072", "9999999"):
        assert not passwords.matches("secret", STORED.replace("$16384$", f"${cost}$"))
    assert not passwords.matches("secret", STORED.replace("$8$1$", "$0$1$"))
    assert not passwords.matches("secret", STORED.replace("$8$1$", "$8$0$"))
    assert not passwords.matches("x" * 129, STORED)
    with pytest.raises(ValueError, match="at most 128"):
        passwords.hashed("x" * 129, SALT)
    with pytest.raises(ValueError, match="16 bytes"):
        passwords.hashed("x", b"")


@pytest.mark.parametrize("block_size", ["1", "8", "16"])
@pytest.mark.parametrize("parallelism", ["1", "4"])
@pytest.mark.parametrize("cost", ["2", "4", "1024"])
def test_every_cost_that_is_taken_can_be_checked(
    cost: str, block_size: str, parallelism: str
) -> None:
    """The least costs crashed a login: too little memory was allowed for them."""
    stored = STORED.replace("$16384$8$1$", f"${cost}${block_size}${parallelism}$")
    assert passwords.is_stored(stored)
    assert not passwords.matches("secret", stored)
    assert not passwords.is_stored(STORED.replace("$16384$8$", "$65536$1$"))


# --- Any file -------------------------------------------------------------------------------------

names = st.from_regex(r"[A-Za-z0-9._-]{1,32}", fullmatch=True).filter(lambda name: name != ADMIN)
some_users = st.lists(
    st.builds(
        User,
        name=names,
        password=st.sampled_from(["", STORED, "clear text"]),
        overwrite_password=st.integers(0, 1),
        change_password=st.integers(0, 1),
        max_sessions=st.sampled_from([-1, 1, 1000]),
        rights=st.frozensets(st.sampled_from(sorted(PAGE_RIGHTS, key=str))),
    ),
    max_size=6,
    unique_by=lambda user: user.name,
).map(lambda users: [FACTORY_USERS[0], *users])


@given(some_users, some_users)
def test_any_users_survive_the_file(users: list[User], others: list[User]) -> None:
    """What is written over any users is read back, without a complaint."""
    written = save(save(FACTORY, others), users)
    read, complaints = load(written)
    assert complaints == []
    assert sorted(read, key=lambda user: user.name) == sorted(users, key=lambda user: user.name)


@given(st.text(max_size=120) | st.binary(max_size=200))
def test_any_text_is_read_and_saved_over(text: str | bytes) -> None:
    """Whatever the file holds, there are users with an admin, and a Save works."""
    data = text.encode(errors="ignore") if isinstance(text, str) else text
    users, _ = load(data)
    assert any(user.name == ADMIN for user in users)
    assert load(save(data, users))[0] == users
