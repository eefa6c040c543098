"""Other processes of a benchmark: started, pinned, watched, ended; programs in C compiled."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE: Final = Path(__file__).resolve().parent
#: Seconds that a process gets to end by itself.
END_S: Final = 10


def environment() -> dict[str, str]:
    """The environment of a Python process that finds `benchmarks`, and the product where we do."""
    path = [entry for entry in sys.path if entry]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    *,
    core: int | None = None,
    extra: Mapping[str, str] | None = None,
    errors: int | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run `command`, on one core if wanted, until the block is left.

    `errors` is where its standard error goes, in the terms of `subprocess`; here if it is None.
    """
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**environment(), **(extra or {})},
    )
    try:
        if core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {core})
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line that a process prints; raises OSError when it ends without one."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise OSError(f"{Path(str(process.args[0])).name} ended: exit code {process.wait()}")  # type: ignore[index]  # started with a list
    return line.strip()


class Lines:
    """The lines that a process prints, as they come; nobody else may read its output."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._fd = process.stdout.fileno()
        self._buffer = b""
        self.ended = False

    def next(self, timeout_s: float) -> str:
        """The next line; "" when none came within `timeout_s`, or ever will (`ended`)."""
        limit = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                return ""
            data = os.read(self._fd, 65_536)
            if not data:
                self.ended = True
                return ""
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace") + "\n"


def compiled(source: str, folder: Path, *flags: str) -> Path | None:
    """Compile a program of this folder into `folder`; None where that is impossible."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    program = folder / Path(source).stem
    command = [compiler, "-O2", "-o", str(program), str(HERE / source), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return program if done.returncode == 0 else None


def family(pid: int) -> list[int]:
    """A process and its children: a gateway is a supervisor and the process that it supervises."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and its children, threads that have ended included."""
    return sum(_cpu_seconds(one) for one in family(pid))


def _cpu_seconds(pid: int) -> float:
    # The name in brackets may hold blanks, so the fields are counted behind it: 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Memory that a process and its children hold; pages that they share count once (PSS).

    A supervised gateway is forked from its supervisor, so that most of its pages are the same ones.
    """
    return sum(_resident_bytes(one) for one in family(pid))


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"process {pid} tells no resident memory")


@contextlib.contextmanager
def unpinned(cores: Sequence[int]) -> Iterator[None]:
    """Let processes that are started in the block use all of `cores`, as a user's would."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
