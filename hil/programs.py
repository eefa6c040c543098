"""System programs that some tests need, and what to install where one is missing."""

from __future__ import annotations

import shutil
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
