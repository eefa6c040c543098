"""System programs that some tests need, and what to install where one is missing."""

from __future__ import annotations

import platform
import shutil
import subprocess
from functools import cache
from importlib import metadata
from typing import Final

#: Debian package of a program, where it is not called like the program.
PACKAGES: Final[dict[str, str]] = {
    "capinfos": "wireshark-common",
    "editcap": "wireshark-common",
    "ip": "iproute2",
    "lftp": "lftp",
    "node": "nodejs",
    "pdftotext": "poppler-utils",
    "sftp": "openssh-client",
    "ssh": "openssh-client",
}


def missing(program: str) -> str | None:
    """Return why `program` cannot be used and what to install; None when it is there."""
    if shutil.which(program) is not None:
        return None
    package = PACKAGES.get(program, program)
    return f"the program {program} is not installed (apt-get install {package})"


#: How a program is asked for its version, where that is not ``--version``.
_ASKED: Final = {"socat": "-V", "ser2net": "-v", "ip": "-V"}

#: Longest time that a program may take to say its version, in seconds.
VERSION_LIMIT_S: Final = 5.0


@cache
def version(program: str) -> str:
    """Return the line in which a program says its version, for a report."""
    if shutil.which(program) is None:
        return "not installed"
    try:
        done = subprocess.run(
            [program, _ASKED.get(program, "--version")],
            capture_output=True,
            text=True,
            timeout=VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not say its version: {error}"
    lines = (done.stdout + done.stderr).splitlines()
    return next((line.strip() for line in lines if "version" in line.lower()), "says no version")


def software() -> str:
    """Return the versions of what a bench runs on: Python, the libraries for ports, the system."""
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("pyserial", "pymodbus"))
    system = f"{platform.system()} {platform.release()}"
    return f"Python {platform.python_version()}, {libraries}, {system}"
