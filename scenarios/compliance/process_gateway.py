"""The reference gateway as a process: one command serves meters on TCP, another one reads them.

Both are what a user would type; nothing of the gateway is loaded here. What it has found and read
can then be checked over its network like that of any other gateway.
"""

from __future__ import annotations

import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The meters behind the process: those of the worked examples.
POPULATION: Final = "worked-examples"
#: From the start to the end of the first read-out; two meters at 2400 Bd take six seconds.
START_S_MAX: Final = 60.0
#: How long a process may take to end after it was asked to.
END_S_MAX: Final = 10.0

_CHIP_INI: Final = (
    "[CONFIG]\nMODBUS_ENABLE=1\nMBUS_SCANMODE=SECONDARYSCANALLOC\nMBUS_SEARCHTIMING=ADAPTIVE\n"
)


class ProcessGatewayError(RuntimeError):
    """One of the two processes did not come to serve; the message ends with its last words."""


@contextmanager
def running(seed: int = 1) -> Iterator[tuple[str, int]]:
    """Yield host and port of a gateway that has found, allocated and read its meters.

    Raises ProcessGatewayError where that takes more than `START_S_MAX`.
    """
    deadline = time.monotonic() + START_S_MAX
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meterbench-")))
        (data / "app").mkdir()
        (data / "app/chip.ini").write_text(_CHIP_INI, encoding="utf-8")
        meters = _Process(
            stack, "simulate", POPULATION, "--seed", str(seed), "--listen", "tcp:127.0.0.1:0"
        )
        port = meters.wait_for(r"listening on tcp:127\.0\.0\.1:(\d+)", deadline)
        gateway = _Process(
            stack, "gateway", "run", "--data", str(data), "--scan",
            "--bus", f"socket://127.0.0.1:{port}", "--modbus", "127.0.0.1:0",
        )  # fmt: skip
        served = gateway.wait_for(r"Modbus TCP on 127\.0\.0\.1:(\d+)", deadline)
        gateway.wait_for(r"(read-out done)", deadline)
        yield "127.0.0.1", int(served)


class _Process:
    """One command of meterbench, and the lines that it prints."""

    def __init__(self, stack: ExitStack, *arguments: str) -> None:
        self._name = " ".join(arguments[:2])
        command = [sys.executable, "-P", "-u", "-c", "from scenarios.cli import main; main()"]
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None, "it was asked for"
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._last = ""
        reader = threading.Thread(target=self._read, args=[process.stdout], daemon=True)
        reader.start()
        stack.callback(_end, process, reader)

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def wait_for(self, pattern: str, deadline: float) -> str:
        """Return the group of `pattern` in the first line that has it."""
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                line = None
            if line is None:
                raise ProcessGatewayError(f"{self._name} did not come to serve: {self._last}")
            self._last = line
            found = re.search(pattern, line)
            if found is not None:
                return found[1]


def _end(process: subprocess.Popen[str], reader: threading.Thread) -> None:
    """Ask a process to end, and make it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    reader.join()
    assert process.stdout is not None, "it was asked for"
    process.stdout.close()
