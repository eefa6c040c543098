"""What passes on the bus, told and kept: MBUS_DEBUGOUT and MBUS_RAWLOGENABLE (manual 4.4, 9.4).

A `TappedLine` stands in the place of the line while one of the two keys is on, so nothing is paid
for them otherwise. Bytes are gathered between two telegrams of the master: one line for what was
sent, one for what was heard. No form of the vendor's raw log is known; ours is a line of text::

    2026-11-20T12:00:03Z > 10 5B 05 60 16
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.port import Line, LineFormat, Received, Storage

#: The file on drive B: (`C-42`), and the one before it.
RAW_LOG: Final = "raw/mbus.log"
FORMER_RAW_LOG: Final = "raw/mbus.log.1"
#: Size at which the file becomes the former one: together they take no more than twice as much.
RAW_LOG_BYTES_MAX: Final = 1024 * 1024
#: Lines that wait in memory to be written at the end of a job.
LINES_MAX: Final = 1000

SENT: Final = ">"
HEARD: Final = "<"


class TappedLine:
    """`gateway.runtime.port.Line` that tells ``tap(direction, data)`` of all that passes."""

    def __init__(self, line: Line, tap: Callable[[str, bytes], None]) -> None:
        self._line = line
        self._tap = tap
        self._heard = b""

    @property
    def format(self) -> LineFormat:
        """The format in force."""
        return self._line.format

    async def write(self, data: bytes) -> int:
        """Send, and tell of it behind all that was heard before."""
        self.tell()
        self._tap(SENT, data)
        return await self._line.write(data)

    async def receive(self, missing: Callable[[bytes], int], *, by: int, gap: int) -> Received:
        """Listen; what is heard is told with the next telegram of the master."""
        received = await self._line.receive(missing, by=by, gap=gap)
        self._heard += received.data
        return received

    def flush(self) -> bytes:
        """Forget what nobody has received; it was heard all the same."""
        data = self._line.flush()
        self._heard += data
        return data

    async def set_format(self, line_format: LineFormat) -> None:
        """Change speed and character format."""
        await self._line.set_format(line_format)

    async def close(self) -> None:
        """Give the port back."""
        self.tell()
        await self._line.close()

    def tell(self) -> None:
        """Tell of what was heard since the master's last telegram."""
        if self._heard:
            heard, self._heard = self._heard, b""
            self._tap(HEARD, heard)


class RawLog:
    """The raw data log: lines gathered during a job, written behind it, bounded in size."""

    def __init__(self, storage: Callable[[], Storage]) -> None:
        self._storage = storage
        self._lines: list[str] = []
        self._size: int | None = None

    def take(self, unix_time: int, direction: str, data: bytes) -> None:
        """Remember a line; beyond `LINES_MAX` the oldest make room."""
        moment = datetime.fromtimestamp(unix_time, UTC)
        self._lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ} {direction} {data.hex(' ').upper()}\n")
        del self._lines[:-LINES_MAX]

    def write(self) -> None:
        """Append what was gathered; raises OSError, and what was gathered is forgotten."""
        data, self._lines = "".join(self._lines).encode(), []
        if not data:
            return
        storage = self._storage()
        if self._size is None:
            self._size = len(storage.read(RAW_LOG)) if storage.exists(RAW_LOG) else 0
        if self._size and self._size + len(data) > RAW_LOG_BYTES_MAX:
            storage.replace(FORMER_RAW_LOG, storage.read(RAW_LOG))
            storage.replace(RAW_LOG, b"")
            self._size = 0
        storage.append(RAW_LOG, data)
        self._size += len(data)
