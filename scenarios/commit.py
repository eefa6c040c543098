"""Which commit of this project a result was made with."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

#: Wall time that git may take to say.
_GIT_S_MAX: Final = 10.0


@cache
def commit() -> str | None:
    """Return the commit of the tree that runs, ``…-dirty`` if it differs; None where none is known.

    A tree has one when it is a working copy; an installed wheel has its version instead.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}-dirty" if changed else head


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=_GIT_S_MAX,
        check=True,
    )
    return done.stdout.strip()
