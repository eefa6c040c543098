"""A session for the server shells: answers in capitals, and shows what was done to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.gateway.runtime.engines import MS

Address = tuple[str, int]

#: A session closes behind so much silence.
IDLE_NS = 40 * MS


@dataclass
class ShoutSession:
    """Capitals back; "quit" closes behind the answer; silence closes with "bye"."""

    peer: Address
    opened_at: int
    calls: list[bytes] = field(default_factory=list)
    closed_at: int | None = None
    closings: int = 0
    _closing: bool = False
    _idle_from: int = 0

    def __post_init__(self) -> None:
        self._idle_from = self.opened_at

    def received(self, data: bytes, now: int) -> bytes:
        """Answer in capitals."""
        self.calls.append(data)
        self._idle_from = now
        if b"quit" in b"".join(self.calls):
            self._closing = True
        return data.upper()

    def deadline(self) -> int | None:
        """End of the patience."""
        return None if self._closing else self._idle_from + IDLE_NS

    def timer(self, now: int) -> bytes:
        """Say good-bye."""
        assert now >= self._idle_from + IDLE_NS
        self._closing = True
        return b"bye"

    @property
    def closing(self) -> bool:
        """Whether the connection is to end."""
        return self._closing

    def closed(self, now: int) -> None:
        """Note the end."""
        self.closed_at = now
        self.closings += 1


class Door:
    """Admits as many peers as it is told."""

    def __init__(self, places: int = 10) -> None:
        self.places = places
        self.sessions: list[ShoutSession] = []

    def __call__(self, peer: Address, now: int) -> ShoutSession | None:
        if len(self.sessions) >= self.places:
            return None
        self.sessions.append(ShoutSession(peer, now))
        return self.sessions[-1]
