"""A bus with meters and a master that sends characters: what the tests of faults and variants use.

Everything is judged by the characters on the line, as a receiver of the master hears them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import simpy

from simulators import frames, population
from simulators.characters import Fault, Format
from simulators.network import Network
from simulators.observation import Observation
from simulators.receiver import Receiver

#: C fields of a master.
NKE, REQ0, REQ1, REQ_UD1, SND0, SND1 = 0x40, 0x5B, 0x7B, 0x5A, 0x53, 0x73
SELECT = 0x52
NUMBER = "12345678"
#: The secondary address of the meters: LUG, version 2, heat.
ADDRESS = bytes.fromhex("78563412A7320204")
WILD = bytes.fromhex("FFFFFFFFFFFFFFFF")


def record(value: object = 267, **keys: Any) -> dict[str, Any]:
    """A record of energy in kWh, 6 BCD digits."""
    expect = {"value_type": "Energy", "unit": "Wh", "scale": 3}
    return {"dib": "0B", "vib": "06", "coding": "bcd6", "value": value, "expect": expect} | keys


def meter(**keys: Any) -> dict[str, Any]:
    """A meter with one record at primary address 5."""
    return {
        "id": "m",
        "manufacturer": "LUG",
        "version": 2,
        "medium": 4,
        "identification_number": NUMBER,
        "primary_address": 5,
        "access_number": 0,
        "records": [record()],
    } | keys


class Answered(NamedTuple):
    """What the master heard: characters, faults, first start and last end in ns."""

    data: bytes
    faults: list[tuple[int, Fault]]
    first_ns: int | None = None
    last_ns: int | None = None


class Bench:
    """A network in virtual time, and a master that listens all the time."""

    def __init__(self, *meters: dict[str, Any], form: Format | None = None, **options: Any) -> None:
        self.env = simpy.Environment()
        document = {"meters": list(meters)} | options.pop("document", {})
        found = population.parse(document, source="test", folder=options.pop("folder", None))
        self.network = Network(self.env, found, **options)
        self.form = form or self.network.bus.format
        self.receiver = Receiver(self.form, path=self.network.bus.converter)
        self.network.bus.listen(self.receiver.add, self.receiver.refresh)
        self.seen = list[Observation]()
        self.network.subscribe(self.seen.append)

    @property
    def meter(self) -> Any:
        """The first meter."""
        return next(iter(self.network.meters.values()))

    def wait(self, ns: int) -> None:
        """Let time pass."""
        self.env.run(until=int(self.env.now) + ns)

    def send(self, data: bytes, patience_ns: int = 3_000_000_000) -> Answered:
        """Send characters and hear what comes within the patience."""
        self.receiver.forget(int(self.env.now))
        self.network.bus.send("master", data, self.form)
        self.wait(patience_ns)
        return self.heard()

    def heard(self) -> Answered:
        """What has come since the last time."""
        data, faults = bytearray(), list[tuple[int, Fault]]()
        first = last = None
        now = int(self.env.now)
        for burst, begin in self.receiver.unread():
            for index in range(begin, len(burst.data)):
                if burst.end_ns(index) <= now:
                    first = burst.start_ns(index) if first is None else first
                    last = burst.end_ns(index)
                    faults += [(len(data), what) for n, what in burst.faults if n == index]
                    data.append(burst.data[index])
        self.receiver.take(len(data), now)
        return Answered(bytes(data), faults, first, last)

    def short(self, c_field: int, a_field: int = 5, **options: Any) -> bytes:
        """Send a short frame; the characters that come back."""
        return self.send(frames.short_frame(c_field, a_field), **options).data

    def long(
        self, c_field: int, ci_field: int, data: bytes = b"", a_field: int = 5, **options: Any
    ) -> bytes:
        """Send a long or control frame; the characters that come back."""
        return self.send(frames.long_frame(c_field, a_field, ci_field, data), **options).data

    def select(
        self, mask: bytes = ADDRESS, *, c_field: int = SND1, ci_field: int = SELECT
    ) -> bytes:
        """Send a selection; the characters that come back."""
        return self.long(c_field, ci_field, mask, frames.NETWORK_LAYER)

    def read(self) -> bytes:
        """REQ_UD2 to the primary address."""
        return self.short(REQ1)

    def values(self, path: str) -> list[Any]:
        """What was observed under `path`."""
        return [item.value for item in self.seen if item.path == path]
