"""M-Bus ports by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.runtime.port import LineError

if TYPE_CHECKING:
    from gateway.runtime.aio import AioEngine
    from gateway.runtime.port import Line, LineFormat


async def open_line(engine: AioEngine, url: str, line_format: LineFormat) -> Line:
    """Open an M-Bus port by its URL; raises `LineError`."""
    del engine, line_format
    raise LineError(f"cannot open {url}: no such kind of port")
