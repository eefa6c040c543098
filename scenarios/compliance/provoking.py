"""Faults at the seams of the gateway: a port that takes no byte, a loop that hangs, a slow network.

A limit in time is judged at its edge, to the nanosecond; so what drives the device towards it must
end at a given nanosecond. None of this touches what the device does by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.runtime.port import LineError

if TYPE_CHECKING:
    from simulators.runtime import SimRuntime


class PortStall:
    """Says when the bus port stalls: from the telegram behind the next one on, until a time."""

    def __init__(self) -> None:
        self._end_ns: int | None = None
        self._pass_first = False

    def arm(self, end_ns: int) -> None:
        """Let the next telegram pass; the one behind it hangs until `end_ns`."""
        self._end_ns, self._pass_first = end_ns, True

    async def passing(self, rt: SimRuntime) -> None:
        """Hold a telegram where the port stalls; raises `LineError` at the end of that."""
        if self._end_ns is None:
            return
        if self._pass_first:
            self._pass_first = False
            return
        end_ns, self._end_ns = self._end_ns, None
        await rt.sleep_until(end_ns)
        raise LineError("the converter hung up")


class StallingPort:
    """The bus port with a `PortStall`; everything else goes straight through."""

    def __init__(self, rt: SimRuntime, line: Any, stall: PortStall) -> None:
        self._rt = rt
        self._line = line
        self._stall = stall

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)

    async def write(self, data: bytes) -> int:
        """Send, unless the port stalls."""
        await self._stall.passing(self._rt)
        sent: int = await self._line.write(data)
        return sent


def delay_listening(rt: SimRuntime, duration_ns: int) -> None:
    """Let the next opening of a listening port take so long, once."""
    serve = rt.serve_stream

    async def late(*arguments: Any) -> Any:
        rt.serve_stream = serve  # type: ignore[method-assign]
        await rt.sleep(duration_ns)
        return await serve(*arguments)

    rt.serve_stream = late  # type: ignore[assignment, method-assign]
