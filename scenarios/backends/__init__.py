"""What a compiled scenario runs on: virtual time, pseudo-terminals, a real bench.

To add a backend: write a class of the shape `base.Backend`, and add it to `BACKENDS`. What it
cannot do it leaves out of its capabilities; the compiler then warns at the line that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scenarios.backends.hil import HilBackend
from scenarios.backends.pty import PtyBackend
from scenarios.backends.sim import SimBackend

if TYPE_CHECKING:
    from scenarios.backends.base import Backend

#: The backends by the name that the command line knows.
BACKENDS: Final[dict[str, Backend]] = {
    "sim": SimBackend(),
    "pty": PtyBackend(),
    "hil": HilBackend(),
}
