"""Run the harnesses under atheris: ``python -m tests.fuzz SECONDS [NAME ...]``.

With a file in place of the seconds its bytes go once through each harness, so that a finding shows
its traceback. The exit code is 0 when nothing was found.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HARNESSES: Final = ("decode", "frames", "modbus")
INPUT_SIZE_MAX: Final = 600
#: Set for the processes that this one starts: libFuzzer never gives a process back.
_CHILD: Final = "--child"


def main(arguments: list[str]) -> int:
    """Fuzz with each harness in a process of its own; gives the exit code."""
    if arguments[:1] == [_CHILD]:
        return _fuzz(arguments[1], int(arguments[2]))
    what, names = (arguments or ["60"])[0], arguments[1:] or list(HARNESSES)
    if Path(what).is_file():
        for name in names:
            importlib.import_module(f"tests.fuzz.fuzz_{name}").check(Path(what).read_bytes())
        return 0
    codes = [
        subprocess.run(
            [sys.executable, "-m", "tests.fuzz", _CHILD, name, what], check=False
        ).returncode
        for name in names
    ]
    return max(codes)


def _fuzz(name: str, seconds: int) -> int:
    # Only this process needs atheris; the tests of the harnesses run without it.
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["gateway"]):
        harness = importlib.import_module(f"tests.fuzz.fuzz_{name}")
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(harness.seeds()):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-max_len={INPUT_SIZE_MAX}", "-timeout=10"]
        options += ["-print_final_stats=1", "-rss_limit_mb=1024"]
        atheris.Setup([f"fuzz_{name}", *options, folder], harness.check)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
