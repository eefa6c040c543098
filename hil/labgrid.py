"""Places of a labgrid coordinator, for benches that a lab shares beyond one host.

A place of the bench file that names a labgrid place (``labgrid: desk``) is acquired there as well,
by labgrid's own client and under the identity that it would use; the coordinator is the one of
``LG_COORDINATOR``. Nothing else of labgrid is used: where things are stands in the bench file.

labgrid brings a fork of pyserial under the same name, so it is installed in an environment of its
own (``pipx install labgrid``); its client has to be on the path.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Final

from hil.protocols import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How the resource of a labgrid place begins among the resources of a lease.
PREFIX: Final = "labgrid place "

#: Longest time that one question to the coordinator may take, in seconds.
CLIENT_LIMIT_S: Final = 20.0

#: How often a holder asks the coordinator, in seconds: each question is a process of its own.
BEAT_S: Final = 5.0


def places(resources: Iterable[str]) -> list[str]:
    """Return the labgrid places among the resources of a lease."""
    return [one.removeprefix(PREFIX) for one in resources if one.startswith(PREFIX)]


def acquire(place: str) -> None:
    """Acquire a place; `UnavailableError` with the client's words where somebody has it."""
    _client(place, "acquire")


def release(place: str, *, force: bool = False) -> None:
    """Give a place back, or kick out whoever has it."""
    _client(place, "release", *(["--kick"] if force else []))


def holder(place: str) -> str:
    """Return who has a place, as ``host/user``; "" where nobody has it."""
    for line in _client(place, "show").splitlines():
        name, _, value = line.strip().partition(": ")
        if name == "acquired":
            return "" if value == "None" else value.split()[0]
    return ""


def identity() -> str:
    """Return who labgrid's client takes this process for."""
    host = os.environ.get("LG_HOSTNAME", socket.gethostname())
    return f"{host}/{os.environ.get('LG_USERNAME', getpass.getuser())}"


def _client(place: str, *arguments: str) -> str:
    program = shutil.which("labgrid-client")
    if program is None:
        raise UnavailableError(
            f"labgrid place {place!r}: labgrid-client is not installed (pipx install labgrid)"
        )
    try:
        done = subprocess.run(
            [program, "-p", place, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLIENT_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"the coordinator does not answer within {CLIENT_LIMIT_S:g} s"
        raise UnavailableError(f"labgrid place {place!r}: {reason}") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1].removeprefix("labgrid-client: Error: ") if said else "no reason given"
        raise UnavailableError(f"labgrid place {place!r}: {reason}")
    return done.stdout
